/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/engine.h"

#include <stdlib.h>
#include <string.h>

#include "cache/pages.h"

struct tn_seq {
    tn_seq_config config;
    tn_seq *next;
    int32_t *ids;                  /* [n_ids_max]: the prompt, then what was generated */
    uint32_t n_ids, n_past, n_max; /* known, computed, longest possible */
    uint32_t *pages;
    uint32_t n_page, n_page_max;
    uint32_t rope_variant;
    bool admitted;
    tn_finish finish;
    uint32_t step_tokens, step_first, step_first_row, step_rows; /* its share of the step being built */
};

struct tn_engine {
    tn_model *m;
    tn_pages pages;
    tn_sampler sampler;
    tn_seq *seqs; /* in order of arrival */
    tn_step step;
    int32_t *ids;
    uint32_t *pos, *seq, *rows;
    tn_step_seq *step_seqs;
    tn_seq **members; /* [max_seqs]: whose entry step_seqs[i] is */
};

int tn_engine_new(tn_model *m, const tn_engine_config *config, tn_engine **ret, tn_error *err) {
    (void)config;
    tn_engine *e = calloc(1, sizeof *e);
    if (!e) return tn_fail(err, TN_ENOMEM, "out of memory");
    e->m = m;
    int rc = tn_pages_init(&e->pages, m->config.n_page[0], err);
    if (!rc) rc = tn_sampler_init(&e->sampler, m->program->n_vocab, err);
    e->ids = calloc(m->config.max_tokens, sizeof *e->ids);
    e->pos = calloc(m->config.max_tokens, sizeof *e->pos);
    e->seq = calloc(m->config.max_tokens, sizeof *e->seq);
    e->rows = calloc(m->config.max_rows, sizeof *e->rows);
    e->step_seqs = calloc(m->config.max_seqs, sizeof *e->step_seqs);
    e->members = calloc(m->config.max_seqs, sizeof(tn_seq *));
    if (!rc && (!e->ids || !e->pos || !e->seq || !e->rows || !e->step_seqs || !e->members))
        rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (rc) {
        tn_engine_free(e);
        return rc;
    }
    *ret = e;
    return 0;
}

void tn_engine_free(tn_engine *e) {
    if (!e) return;
    while (e->seqs) tn_engine_remove(e, e->seqs);
    tn_pages_fini(&e->pages);
    tn_sampler_fini(&e->sampler);
    free(e->ids);
    free(e->pos);
    free(e->seq);
    free(e->rows);
    free(e->step_seqs);
    free(e->members);
    free(e);
}

int tn_engine_check(const tn_model *m, const int32_t *prompt, uint32_t n_prompt, tn_error *err) {
    if (n_prompt == 0) return tn_fail(err, TN_EINVAL, "the prompt is empty: there is nothing to continue");
    if (n_prompt > m->n_ctx)
        return tn_fail(err, TN_ELIMIT, "the prompt has %u tokens, the context holds %u", n_prompt, m->n_ctx);
    for (uint32_t i = 0; i < n_prompt; i++)
        if (prompt[i] < 0 || (uint32_t)prompt[i] >= m->program->n_vocab)
            return tn_fail(err, TN_EINVAL, "token id %d at position %u is outside the vocabulary of %u",
                           prompt[i], i, m->program->n_vocab);
    return 0;
}

/* Long-context rope factors apply to a sequence from its first token on or not at all, by the length of its
 * prompt. */
static uint32_t rope_variant(const tn_program *p, uint32_t n_prompt) {
    for (uint32_t i = 1; i <= p->n_rope; i++)
        if (p->ropes[i].n_variant > 1 && n_prompt > p->ropes[i].long_from) return 1;
    return 0;
}

int tn_engine_add(tn_engine *e, const tn_seq_config *c, tn_seq **ret, tn_error *err) {
    int rc = tn_engine_check(e->m, c->prompt, c->n_prompt, err);
    if (rc) return rc;
    tn_seq *s = calloc(1, sizeof *s), **at = &e->seqs;
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    s->config = *c;
    s->n_ids = c->n_prompt;
    s->n_max = c->max_new < e->m->n_ctx - c->n_prompt ? c->n_prompt + c->max_new : e->m->n_ctx;
    s->n_page_max = (s->n_max + e->m->config.page_tokens - 1) / e->m->config.page_tokens;
    s->rope_variant = rope_variant(e->m->program, c->n_prompt);
    s->ids = malloc(((size_t)s->n_max + 1) * sizeof *s->ids);
    s->pages = malloc((size_t)s->n_page_max * sizeof *s->pages);
    if (!s->ids || !s->pages) {
        free(s->ids);
        free(s->pages);
        free(s);
        return tn_fail(err, TN_ENOMEM, "out of memory for a sequence of %u tokens", c->n_prompt);
    }
    memcpy(s->ids, c->prompt, c->n_prompt * sizeof *s->ids);
    while (*at) at = &(*at)->next;
    *at = s;
    if (ret) *ret = s;
    return 0;
}

static void release_pages(tn_engine *e, tn_seq *s) {
    if (!s->admitted) return;
    for (uint32_t i = 0; i < s->n_page; i++) tn_pages_give(&e->pages, s->pages[i]);
    tn_pages_unreserve(&e->pages, s->n_page_max - s->n_page);
    s->n_page = 0;
    s->admitted = false;
}

void tn_engine_remove(tn_engine *e, tn_seq *s) {
    for (tn_seq **at = &e->seqs; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    release_pages(e, s);
    free(s->ids);
    free(s->pages);
    free(s);
}

static bool decoding(const tn_seq *s) {
    return s->n_past + 1 == s->n_ids && s->n_ids > s->config.n_prompt;
}

static void finish(tn_engine *e, tn_seq *s, tn_finish why) {
    s->finish = why;
    release_pages(e, s);
}

/* Rows of logits that s wants of n more tokens. */
static uint32_t rows_wanted(const tn_seq *s, uint32_t n) {
    if (s->config.all_logits) return n;
    bool reaches_end = s->n_past + n == s->n_ids;
    return reaches_end && (s->config.max_new || s->config.on_logits) ? 1 : 0;
}

/* Gives s a share of at most n tokens of the step being built; nothing when the step is full. */
static void join(tn_engine *e, tn_seq *s, uint32_t n) {
    tn_step *st = &e->step;
    const tn_exec_config *c = &e->m->config;
    uint32_t room = c->max_tokens - st->n_token, row_room = c->max_rows - st->n_row;
    if (st->n_seq == c->max_seqs || room == 0 || s->finish) return;
    if (n > room) n = room;
    if (s->config.all_logits && n > row_room) n = row_room;
    if (n && rows_wanted(s, n) > row_room) n--; /* the last token waits for a row */
    if (n == 0) return;
    while (s->n_page * c->page_tokens < s->n_past + n) s->pages[s->n_page++] = tn_pages_take(&e->pages);
    s->step_tokens = n;
    s->step_first = st->n_token;
    s->step_first_row = st->n_row;
    s->step_rows = rows_wanted(s, n);
    for (uint32_t i = 0; i < n; i++) {
        e->ids[st->n_token + i] = s->ids[s->n_past + i];
        e->pos[st->n_token + i] = s->n_past + i;
        e->seq[st->n_token + i] = st->n_seq;
    }
    for (uint32_t i = 0; i < s->step_rows; i++) e->rows[st->n_row + i] = st->n_token + n - s->step_rows + i;
    e->step_seqs[st->n_seq] = (tn_step_seq){.first_token = st->n_token,
                                            .n_token = n,
                                            .first_pos = s->n_past,
                                            .rope_variant = s->rope_variant,
                                            .n_page = s->n_page};
    for (uint32_t g = 0; g < e->m->program->n_group; g++) e->step_seqs[st->n_seq].pages[g] = s->pages;
    e->members[st->n_seq++] = s;
    st->n_token += n;
    st->n_row += s->step_rows;
}

static void build(tn_engine *e) {
    e->step = (tn_step){.ids = e->ids, .pos = e->pos, .seq = e->seq, .seqs = e->step_seqs, .rows = e->rows};
    uint32_t running = 0;
    for (tn_seq *s = e->seqs; s; s = s->next) {
        running += s->admitted;
        if (s->admitted && decoding(s)) join(e, s, 1);
    }
    bool waiting = false; /* first come, first served: nobody overtakes one that waits for pages */
    for (tn_seq *s = e->seqs; s; s = s->next) {
        if (s->finish || (s->admitted && decoding(s))) continue;
        if (!s->admitted) {
            waiting =
                waiting || running == e->m->config.max_seqs || !tn_pages_reserve(&e->pages, s->n_page_max);
            if (waiting) continue;
            s->admitted = true;
            running++;
        }
        join(e, s, s->n_ids - s->n_past);
    }
}

static bool ends(const tn_engine *e, const tn_seq_config *c, int32_t id) {
    for (uint32_t i = 0; i < c->n_stop_ids; i++)
        if (c->stop_ids[i] == id) return true;
    return !c->ignore_end && e->m->tokenizer && tn_tokenizer_is_end(e->m->tokenizer, id);
}

static void choose(tn_engine *e, tn_seq *s, const float *logits) {
    const tn_seq_config *c = &s->config;
    if (s->n_ids == s->n_max) {
        finish(e, s, TN_FINISH_LENGTH);
        return;
    }
    tn_token token;
    tn_history history = {.ids = s->ids, .n_prompt = c->n_prompt, .n_ids = s->n_ids};
    tn_sampler_pick(&e->sampler, &c->sampling, &history, logits, &token);
    if (ends(e, c, token.id)) {
        finish(e, s, TN_FINISH_STOP);
        return;
    }
    s->ids[s->n_ids++] = token.id;
    if (c->on_token && !c->on_token(c->ctx, &token))
        finish(e, s, TN_FINISH_STOP);
    else if (s->n_ids == s->n_max)
        finish(e, s, TN_FINISH_LENGTH);
}

static void deliver(tn_engine *e, tn_seq *s, const float *logits) {
    uint32_t n_vocab = e->m->program->n_vocab, first = s->n_past;
    const float *row = logits + (size_t)s->step_first_row * n_vocab;
    if (s->config.on_taps) s->config.on_taps(s->config.ctx, e->m->exec, s->step_first, first, s->step_tokens);
    s->n_past += s->step_tokens;
    for (uint32_t i = 0; s->config.on_logits && i < s->step_rows; i++)
        s->config.on_logits(s->config.ctx, s->n_past - s->step_rows + i, row + (size_t)i * n_vocab);
    if (s->n_past < s->n_ids) return;
    if (s->config.max_new)
        choose(e, s, row + (size_t)(s->step_rows - 1) * n_vocab);
    else
        finish(e, s, TN_FINISH_LENGTH);
}

int tn_engine_step(tn_engine *e, bool *ret_busy, tn_error *err) {
    const float *logits = NULL;
    const tn_device_class *cls = e->m->exec->cls;
    build(e);
    *ret_busy = e->step.n_token > 0;
    if (!*ret_busy) return 0;
    int rc = cls->step(e->m->exec, &e->step, err);
    if (!rc) rc = cls->logits(e->m->exec, &logits, err);
    for (uint32_t i = 0; !rc && i < e->step.n_seq; i++) deliver(e, e->members[i], logits);
    return rc;
}

int tn_engine_run(tn_engine *e, tn_error *err) {
    bool busy = true;
    int rc = 0;
    while (!rc && busy) rc = tn_engine_step(e, &busy, err);
    return rc;
}

uint64_t tn_engine_shrink(tn_engine *e, uint64_t bytes) {
    (void)e;
    (void)bytes;
    return 0;
}

bool tn_engine_is_starved(const tn_engine *e) {
    (void)e;
    return false;
}

tn_finish tn_seq_finish(const tn_seq *s) {
    return s->finish;
}

uint32_t tn_seq_n_past(const tn_seq *s) {
    return s->n_past;
}
