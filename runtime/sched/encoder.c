/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/encoder.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "program/record.h"
#include "sched/model.h"

/* ---- Life ---- */

static int check_program(const tn_encoder *e, tn_error *err) {
    const tn_program *p = e->program;
    if (!e->info.max_tokens || p->fold != 1 || p->n_output != 1 || p->n_input || !p->n_vocab)
        return tn_fail(err, TN_EMODULE,
                       "the encoder takes %u tokens, makes %u rows one in %u parts, and has %u words",
                       e->info.max_tokens, p->fold, p->n_output, p->n_vocab);
    if (tn_encoder_scores(&e->info) && p->n_embd != 1)
        return tn_fail(err, TN_EMODULE, "the encoder gives scores of %u columns", p->n_embd);
    return 0;
}

/* What no file says the family does. */
static void complete(tn_encoder *e) {
    tn_recipe *r = &e->recipe;
    if (!r->pooling) r->pooling = e->info.pooling;
    if (!r->from_files) r->normalize = !tn_encoder_scores(&e->info);
    if (r->max_tokens && r->max_tokens < e->info.max_tokens) e->info.max_tokens = r->max_tokens;
}

int tn_encoder_open(const tn_family *family, void *instance, tn_hparams *h, const char *path,
                    tn_encoder **ret, tn_program **ret_program, tn_error *err) {
    *ret = NULL;
    if (!family->encoder || !family->record_encoder) return 0;
    tn_encoder *e = calloc(1, sizeof *e);
    if (!e) return tn_fail(err, TN_ENOMEM, "out of memory");
    e->info.size = sizeof e->info;
    int32_t how = family->encoder(instance, &h->api, &e->info);
    int rc = tn_hparams_status(h, err);
    if (!rc && how) rc = tn_recipe_read(path, &e->recipe, err);
    bool wanted = !rc && (how == TN_ENCODES_ONLY || (how && e->recipe.from_files));
    if (wanted) rc = tn_program_record_encoder(family, instance, h, ret_program, err);
    if (rc || !wanted) {
        tn_encoder_free(e);
        return rc;
    }
    e->program = *ret_program;
    complete(e);
    rc = check_program(e, err);
    if (!rc) e->n_out = tn_recipe_cols(&e->recipe, e->program->n_embd, err);
    if (rc || !e->n_out) {
        tn_encoder_free(e);
        return rc ? rc : err->code;
    }
    *ret = e;
    return 0;
}

int tn_encoder_context(const tn_encoder *e, uint32_t asked, uint32_t *ret, tn_error *err) {
    const uint32_t most = e->info.max_tokens;
    *ret = asked ? asked : most < TN_ENCODER_CONTEXT ? most : TN_ENCODER_CONTEXT;
    if (*ret <= most) return 0;
    return tn_fail(err, TN_ELIMIT, "a context of %u tokens was asked for, the model was made for %u", *ret,
                   most);
}

static uint32_t pages_of(uint32_t n) {
    return (n + TN_PAGE_TOKENS - 1) / TN_PAGE_TOKENS;
}

void tn_encoder_configure(tn_encoder *e, uint32_t n_ctx, tn_exec_config *c) {
    c->max_tokens = TN_ENCODER_SLICE;
    c->max_seqs = TN_ENCODER_TEXTS;
    c->max_rows = 1;
    c->max_kept = n_ctx > TN_ENCODER_BATCH ? n_ctx : TN_ENCODER_BATCH;
    c->page_tokens = TN_PAGE_TOKENS;
    c->max_seq_pages = pages_of(n_ctx);
    c->n_page[0] = pages_of(c->max_kept) + TN_ENCODER_TEXTS; /* each text may leave one half empty */
    e->config = *c;
}

uint64_t tn_encoder_bytes(const tn_encoder *e) {
    return tn_recipe_bytes(&e->recipe) + (uint64_t)e->config.max_kept * 9 * sizeof(uint32_t);
}

static void *array(size_t n, size_t size) {
    return calloc(n + 1, size);
}

int tn_encoder_start(tn_encoder *e, tn_exec *exec, tn_error *err) {
    const size_t n = e->config.max_kept;
    e->ids = array(n, sizeof *e->ids);
    e->types = array(n, sizeof *e->types);
    e->pos = array(n, sizeof *e->pos);
    e->first = array(n, sizeof *e->first);
    e->end = array(n, sizeof *e->end);
    e->mix_index = array(n, sizeof *e->mix_index);
    e->mix_weight = array(TN_ENCODER_SLICE, sizeof *e->mix_weight);
    e->page = array(e->config.n_page[0], sizeof *e->page);
    e->seq = array(TN_ENCODER_SLICE, sizeof *e->seq);
    e->seqs = array(TN_ENCODER_TEXTS, sizeof *e->seqs);
    if (!e->ids || !e->types || !e->pos || !e->first || !e->end || !e->mix_index || !e->mix_weight ||
        !e->page || !e->seq || !e->seqs)
        return tn_fail(err, TN_ENOMEM, "out of memory for batches of %zu tokens", n);
    for (uint32_t i = 0; i < TN_ENCODER_SLICE; i++) e->mix_weight[i][0] = 1;
    for (uint32_t i = 0; i < e->config.n_page[0]; i++) e->page[i] = i;
    e->exec = exec;
    return tn_recipe_load(&e->recipe, err);
}

void tn_encoder_free(tn_encoder *e) {
    if (!e) return;
    tn_recipe_fini(&e->recipe);
    free(e->ids);
    free(e->types);
    free(e->pos);
    free(e->first);
    free(e->end);
    free(e->mix_index);
    free(e->mix_weight);
    free(e->page);
    free(e->seq);
    free(e->seqs);
    free(e);
}

/* ---- Tokens ---- */

int tn_encoder_check(const tn_encoder *e, uint32_t n_ctx, const int32_t *ids, size_t n, tn_error *err) {
    if (n == 0) return tn_fail(err, TN_EINVAL, "the text is empty: there is nothing to embed");
    if (n > n_ctx)
        return tn_fail(err, TN_ELIMIT,
                       "the text has %zu tokens, the model takes %u: shorten it, or ask for it to be "
                       "truncated",
                       n, n_ctx);
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= e->program->n_vocab)
            return tn_fail(err, TN_EINVAL, "token id %d at position %zu is outside the vocabulary of %u",
                           ids[i], i, e->program->n_vocab);
    return 0;
}

/* Leaves n_ctx of the ids: the first ones of the text, and all that the tokenizer put around it. */
static int cut_ids(const tn_tokenizer *t, const char *text, size_t len, uint32_t n_ctx, tn_ids *ids,
                   tn_error *err) {
    tn_ids plain = {0};
    size_t before = 0;
    int rc = tn_tokenizer_encode(t, text, len, TN_ENCODE_PARSE_SPECIAL, &plain, err);
    if (rc) return rc;
    const size_t around = ids->len - (plain.len < ids->len ? plain.len : ids->len);
    while (before < around && memcmp(ids->data + before, plain.data, plain.len * sizeof *plain.data) != 0)
        before++;
    const size_t after = around - before;
    tn_ids_free(&plain);
    if (around >= n_ctx)
        return tn_fail(err, TN_ELIMIT, "the model takes %u tokens, its tokenizer adds %zu of its own", n_ctx,
                       around);
    memmove(ids->data + n_ctx - after, ids->data + ids->len - after, after * sizeof *ids->data);
    ids->len = n_ctx;
    return 0;
}

/* Tokens that a prompt alone begins with: without what the tokenizer adds at the end. */
static int prompt_tokens(const tn_tokenizer *t, const char *prompt, uint32_t *ret, tn_error *err) {
    tn_ids ids = {0}, empty = {0};
    int rc = tn_tokenizer_encode(t, prompt, strlen(prompt), TN_ENCODE_ADD_SPECIAL | TN_ENCODE_PARSE_SPECIAL,
                                 &ids, err);
    if (!rc) rc = tn_tokenizer_encode(t, "", 0, TN_ENCODE_ADD_SPECIAL, &empty, err);
    bool ends =
        !rc && ids.len && empty.len && ids.data[ids.len - 1] == empty.data[empty.len - 1] && empty.len > 0;
    if (!rc) *ret = (uint32_t)(ids.len - ends);
    tn_ids_free(&ids);
    tn_ids_free(&empty);
    return rc;
}

static int no_prompt(const tn_encoder *e, const char *name, tn_error *err) {
    tn_buf names;
    const char *key;
    json_t *value;
    tn_buf_init(&names, 4096);
    json_object_foreach(e->recipe.prompts, key, value)
        tn_buf_addf(&names, "%s%s", names.len ? ", " : "", key);
    int rc = tn_fail(err, TN_EINVAL, "the model has no prompt \"%.64s\" (it has %.256s)", name,
                     names.len ? names.data : "none");
    tn_buf_free(&names);
    return rc;
}

/* prompt + text; the caller's. */
static int join(const char *prompt, const char *text, size_t len, tn_buf *ret, tn_error *err) {
    tn_buf_init(ret, TN_TOKENIZER_MAX_TEXT);
    if (tn_buf_add(ret, prompt, strlen(prompt)) == 0 && tn_buf_add(ret, text, len) == 0) return 0;
    tn_buf_free(ret);
    return tn_fail(err, TN_ELIMIT, "a text of %zu bytes with its prompt, the limit is %d", len,
                   TN_TOKENIZER_MAX_TEXT);
}

int tn_encoder_tokens(const tn_encoder *e, const tn_tokenizer *t, uint32_t n_ctx, const char *text,
                      size_t len, const char *prompt, bool cut, tn_ids *ret, uint32_t *ret_skip,
                      tn_error *err) {
    const char *before = prompt ? tn_recipe_prompt(&e->recipe, prompt) : NULL;
    tn_buf both = {0};
    int rc = 0;
    *ret_skip = 0;
    if (prompt && !before) return no_prompt(e, prompt, err);
    if (len == 0) return tn_fail(err, TN_EINVAL, "the text is empty: there is nothing to embed");
    if (before) {
        rc = join(before, text, len, &both, err);
        if (!rc && !e->recipe.with_prompt) rc = prompt_tokens(t, before, ret_skip, err);
        if (rc) return rc;
        text = both.data;
        len = both.len;
    }
    rc = tn_tokenizer_encode(t, text, len, TN_ENCODE_ADD_SPECIAL | TN_ENCODE_PARSE_SPECIAL, ret, err);
    if (!rc && cut && ret->len > n_ctx) rc = cut_ids(t, text, len, n_ctx, ret, err);
    if (!rc) rc = tn_encoder_check(e, n_ctx, ret->data, ret->len, err);
    if (!rc && *ret_skip >= ret->len) *ret_skip = (uint32_t)ret->len - 1;
    if (before) tn_buf_free(&both);
    return rc;
}

int tn_encoder_pair(const tn_encoder *e, const tn_tokenizer *t, uint32_t n_ctx, const char *a, size_t a_len,
                    const char *b, size_t b_len, bool cut, tn_ids *ret, uint32_t *ret_second, tn_error *err) {
    const unsigned flags = TN_ENCODE_ADD_SPECIAL | TN_ENCODE_PARSE_SPECIAL;
    tn_ids first = {0};
    if (a_len == 0 || b_len == 0)
        return tn_fail(err, TN_EINVAL, "the text is empty: there is nothing to score");
    int rc = tn_tokenizer_encode(t, a, a_len, flags, &first, err);
    if (!rc) rc = tn_tokenizer_encode_pair(t, a, a_len, b, b_len, flags, ret, err);
    if (!rc) *ret_second = (uint32_t)(first.len < ret->len ? first.len : ret->len);
    /* What ends the pair ends the first text too; it stays when the second one is cut. */
    if (!rc && cut && ret->len > n_ctx && first.len + 1 < n_ctx) {
        ret->data[n_ctx - 1] = ret->data[ret->len - 1];
        ret->len = n_ctx;
    }
    tn_ids_free(&first);
    return rc ? rc : tn_encoder_check(e, n_ctx, ret->data, ret->len, err);
}

/* ---- The queue ---- */

void tn_encoder_add(tn_encoder *e, tn_encoding *what) {
    tn_encoding **at = &e->waiting;
    what->n_begun = what->n_done = 0;
    what->status = 0;
    what->next = NULL;
    while (*at) at = &(*at)->next;
    *at = what;
}

static void unlink_encoding(tn_encoder *e, const tn_encoding *what) {
    for (tn_encoding **at = &e->waiting; *at; at = &(*at)->next)
        if (*at == what) {
            *at = what->next;
            return;
        }
}

void tn_encoder_remove(tn_encoder *e, tn_encoding *what) {
    bool wanted = false;
    unlink_encoding(e, what);
    for (uint32_t i = 0; i < e->n_item; i++) {
        if (e->items[i].encoding == what) e->items[i].encoding = NULL;
        wanted = wanted || e->items[i].encoding;
    }
    if (!wanted) e->n_item = e->n_row = 0;
}

static uint32_t text_begin(const tn_encoding *w, uint32_t text) {
    return text ? w->ends[text - 1] : 0;
}

/* Puts the next text of w into the batch; false where there is none or no room. */
static bool take_text(tn_encoder *e, tn_encoding *w) {
    if (w->n_begun == w->n_text || e->n_item == TN_ENCODER_TEXTS) return false;
    const uint32_t begin = text_begin(w, w->n_begun), n = w->ends[w->n_begun] - begin, row = e->n_row;
    if (row ? row >= TN_ENCODER_BATCH || n > TN_ENCODER_BATCH - row : n > e->config.max_kept) return false;
    const uint32_t *second = w->second, text = w->n_begun;
    uint32_t page = 0;
    if (e->n_item) {
        const tn_encoder_item *last = &e->items[e->n_item - 1];
        page = last->first_page + pages_of(last->n_row);
    }
    e->items[e->n_item++] = (tn_encoder_item){
        .encoding = w, .text = w->n_begun++, .first_row = row, .n_row = n, .first_page = page};
    memcpy(e->ids + row, w->ids + begin, n * sizeof *e->ids);
    for (uint32_t i = 0; i < n; i++) {
        e->pos[row + i] = i;
        e->types[row + i] = second && i >= second[text];
        e->first[row + i] = 0;
        e->end[row + i] = n;
        e->mix_index[row + i][0] = i + e->info.first_position;
    }
    e->n_row += n;
    return true;
}

/* The one that began the last batch goes to the end, so that no text waits for room for ever. */
static void rotate(tn_encoder *e) {
    tn_encoding *first = e->waiting, **at = &e->waiting;
    if (!first || !first->next) return;
    e->waiting = first->next;
    first->next = NULL;
    while (*at) at = &(*at)->next;
    *at = first;
}

/* A text of each in turn, so that a few do not wait for thousands. */
static void gather(tn_encoder *e) {
    bool more = true;
    e->n_item = e->n_row = e->stage = e->row = 0;
    while (more && e->n_row < TN_ENCODER_BATCH) {
        more = false;
        for (tn_encoding *w = e->waiting; w; w = w->next) more = take_text(e, w) || more;
    }
    rotate(e);
}

/* ---- A batch ---- */

/* The texts that have rows among row .. row + n, as sequences. */
static uint32_t slice_seqs(tn_encoder *e, uint32_t row, uint32_t n) {
    uint32_t n_seq = 0;
    for (uint32_t i = 0; i < e->n_item; i++) {
        const tn_encoder_item *it = &e->items[i];
        uint32_t begin = it->first_row > row ? it->first_row : row, end = it->first_row + it->n_row;
        if (end > row + n) end = row + n;
        if (begin >= end) continue;
        e->seqs[n_seq] = (tn_step_seq){.first_token = begin - row,
                                       .n_token = end - begin,
                                       .first_pos = begin - it->first_row,
                                       .pages = {e->page + it->first_page},
                                       .n_page = pages_of(it->n_row)};
        for (uint32_t t = begin; t < end; t++) e->seq[t - row] = n_seq;
        n_seq++;
    }
    return n_seq;
}

static tn_step slice_of(tn_encoder *e) {
    const uint32_t row = e->row, left = e->n_row - row, n = left < TN_ENCODER_SLICE ? left : TN_ENCODER_SLICE;
    const tn_step_sees whole = {e->first + row, e->end + row};
    return (tn_step){
        .n_token = n,
        .n_seq = slice_seqs(e, row, n),
        .ids = e->ids + row,
        .types = e->types + row,
        .pos = e->pos + row,
        .seq = e->seq,
        .seqs = e->seqs,
        .sees = {[TN_SEES_FRAME] = whole, [TN_SEES_WINDOW] = whole, [TN_SEES_AROUND] = whole},
        .stage = e->stage,
        .first_row = row,
        .mix_index = (const uint32_t(*)[4])(e->mix_index + row),
        .mix_weight = (const float(*)[4])e->mix_weight,
    };
}

static void fail_batch(tn_encoder *e, const tn_error *err) {
    for (uint32_t i = 0; i < e->n_item; i++) {
        tn_encoding *w = e->items[i].encoding;
        if (!w) continue;
        w->status = err->code;
        w->error = *err;
        unlink_encoding(e, w);
    }
    e->n_item = e->n_row = 0;
}

/* All rows have been through all stages: a row for each text. */
static int pool_batch(tn_encoder *e, tn_error *err) {
    const float *rows;
    const size_t n_embd = e->program->n_embd;
    int rc = e->exec->cls->output(e->exec, 0, &rows, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < e->n_item; i++) {
        const tn_encoder_item *it = &e->items[i];
        tn_encoding *w = it->encoding;
        if (!w) continue;
        tn_recipe_pool(&e->recipe, rows + it->first_row * n_embd, it->n_row, (uint32_t)n_embd,
                       w->skip ? w->skip[it->text] : 0, w->rows + it->text * n_embd);
        if (++w->n_done == w->n_text) unlink_encoding(e, w);
    }
    e->n_text += e->n_item;
    e->n_token += e->n_row;
    e->n_item = e->n_row = 0;
    return 0;
}

void tn_encoder_step(tn_encoder *e, bool *ret_busy) {
    tn_error err = {0};
    if (!e->n_item) gather(e);
    *ret_busy = e->n_item != 0;
    if (!e->n_item) return;
    tn_step s = slice_of(e);
    int rc = e->exec->cls->step(e->exec, &s, &err);
    e->n_slice++;
    if (e->stage + 1 == e->program->n_stage) e->n_row_done += s.n_token;
    e->row += s.n_token;
    if (e->row == e->n_row) {
        e->row = 0;
        e->stage++;
    }
    if (!rc && e->stage == e->program->n_stage) rc = pool_batch(e, &err);
    if (rc) fail_batch(e, &err);
}
