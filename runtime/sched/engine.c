/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sched/engine_internal.h"

enum { MAX_CLIENTS = 1024 }; /* remembered; those without sequences are forgotten beyond */

/* ---- Life ---- */

static int arrays_new(tn_engine *e, tn_error *err) {
    const tn_exec_config *c = &e->m->config;
    e->ids = calloc(c->max_tokens, sizeof *e->ids);
    e->pos = calloc(c->max_tokens, sizeof *e->pos);
    e->seq = calloc(c->max_tokens, sizeof *e->seq);
    e->rows = calloc(c->max_rows, sizeof *e->rows);
    e->step_seqs = calloc(c->max_seqs, sizeof *e->step_seqs);
    e->members = calloc(c->max_seqs, sizeof(tn_seq *));
    bool ok = e->ids && e->pos && e->seq && e->rows && e->step_seqs && e->members;
    return ok ? tn_engine_media_new(e, err) : tn_fail(err, TN_ENOMEM, "out of memory");
}

int tn_engine_new(tn_model *m, const tn_engine_config *config, tn_engine **ret, tn_error *err) {
    tn_engine *e = calloc(1, sizeof *e);
    if (!e) return tn_fail(err, TN_ENOMEM, "out of memory");
    e->m = m;
    if (config) e->config = *config;
    tn_kv_config kv = {.program = m->program,
                       .pages = &m->config,
                       .size = &m->size,
                       .exec = m->exec,
                       .budget = e->config.budget,
                       .reclaim = e->config.reclaim,
                       .ctx = e->config.ctx};
    int rc = tn_kv_new(&kv, &e->kv, err);
    if (!rc) rc = tn_sampler_init(&e->sampler, m->program->n_vocab, err);
    if (!rc) rc = arrays_new(e, err);
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
    for (tn_client *c = e->clients, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    tn_kv_free(e->kv);
    tn_sampler_fini(&e->sampler);
    free(e->ids);
    free(e->pos);
    free(e->seq);
    free(e->rows);
    free(e->step_seqs);
    free(e->members);
    tn_engine_media_free(e);
    free(e);
}

/* ---- Sequences ---- */

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

/* Forgets a client without sequences when there are too many. */
static void forget_client(tn_engine *e) {
    for (tn_client **at = &e->clients; e->n_client >= MAX_CLIENTS && *at; at = &(*at)->next) {
        tn_client *c = *at;
        if (c->n_seq) continue;
        *at = c->next;
        e->n_client--;
        free(c);
        return;
    }
}

static tn_client *client_of(tn_engine *e, uint64_t id) {
    uint64_t least = UINT64_MAX; /* served among those who have sequences */
    tn_client *c = NULL;
    for (tn_client *k = e->clients; k; k = k->next) {
        if (k->n_seq && k->served < least) least = k->served;
        if (k->id == id) c = k;
    }
    if (!c) {
        forget_client(e);
        c = calloc(1, sizeof *c);
        if (!c) return NULL;
        *c = (tn_client){.next = e->clients, .id = id};
        e->clients = c;
        e->n_client++;
    }
    /* Who comes back has no claim on the time it was away. */
    if (c->n_seq == 0 && least != UINT64_MAX && c->served < least) c->served = least;
    return c;
}

static void seq_free(tn_engine *e, tn_seq *s) {
    tn_chain_free(e->kv, s->chain);
    free(s->watch);
    if (s->keys != s->ids) free(s->keys);
    free(s->ids);
    free(s);
}

/* Where a generated token's numbers differ from a prompt token's, the index takes them for different tokens.
 */
static bool roles_matter(const tn_engine *e) {
    return e->m->device->cls->has_roles && !e->config.mix_roles;
}

static int32_t generated_key(const tn_engine *e, int32_t id) {
    return roles_matter(e) ? id ^ INT32_MIN : id;
}

static int seq_init(tn_engine *e, tn_seq *s, tn_error *err) {
    const tn_seq_config *c = &s->config;
    uint32_t n_ctx = c->n_ctx && c->n_ctx < e->m->n_ctx ? c->n_ctx : e->m->n_ctx;
    if (c->n_prompt > n_ctx)
        return tn_fail(err, TN_ELIMIT, "the prompt has %u tokens, the request's own limit is %u", c->n_prompt,
                       n_ctx);
    s->n_ids = c->n_prompt;
    s->n_max = c->max_new < n_ctx - c->n_prompt ? c->n_prompt + c->max_new : n_ctx;
    s->arrived_ns = tn_clock_ns();
    s->rope_variant = rope_variant(e->m->program, c->n_prompt);
    s->ids = malloc(((size_t)s->n_max + 1) * sizeof *s->ids);
    s->waits = c->n_media > 0;
    s->keys = roles_matter(e) || c->n_media ? malloc(((size_t)s->n_max + 1) * sizeof *s->keys) : s->ids;
    s->client = client_of(e, c->client);
    s->watch = c->sampling.repetition.max_pattern ? malloc(sizeof *s->watch) : NULL;
    if (!s->ids || !s->keys || !s->client || (c->sampling.repetition.max_pattern && !s->watch))
        return tn_fail(err, TN_ENOMEM, "out of memory for a sequence of %u tokens", c->n_prompt);
    if (s->watch) tn_repeat_init(s->watch, &c->sampling.repetition);
    memcpy(s->ids, c->prompt, c->n_prompt * sizeof *s->ids);
    memcpy(s->keys, s->ids, c->n_prompt * sizeof *s->ids);
    tn_engine_media_keys(s);
    tn_chain_config chain = {.salt = c->salt,
                             .n_salt = c->n_salt,
                             .variant = s->rope_variant,
                             .n_prompt = c->n_prompt,
                             .isolated = c->isolated || c->all_logits || c->on_taps};
    return tn_chain_new(e->kv, &chain, &s->chain, err);
}

int tn_engine_add(tn_engine *e, const tn_seq_config *c, tn_seq **ret, tn_error *err) {
    int rc = tn_engine_check(e->m, c->prompt, c->n_prompt, err);
    if (!rc) rc = tn_engine_check_media(e->m, c->media, c->n_media, c->n_prompt, err);
    if (rc) return rc;
    tn_seq *s = calloc(1, sizeof *s), **at = &e->seqs;
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    s->config = *c;
    rc = seq_init(e, s, err);
    if (rc) {
        seq_free(e, s);
        return rc;
    }
    s->client->n_seq++;
    while (*at) at = &(*at)->next;
    *at = s;
    if (ret) *ret = s;
    return 0;
}

static void finish(tn_engine *e, tn_seq *s, tn_finish why) {
    s->finish = why;
    s->client->n_seq--;
    tn_engine_leave(e, s);
}

void tn_engine_remove(tn_engine *e, tn_seq *s) {
    for (tn_seq **at = &e->seqs; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    if (!s->finish) finish(e, s, TN_FINISH_LENGTH);
    seq_free(e, s);
}

tn_finish tn_seq_finish(const tn_seq *s) {
    return s->finish;
}

const tn_error *tn_seq_error(const tn_seq *s) {
    static const tn_error none;
    for (uint32_t i = 0; i < s->config.n_media; i++)
        if (tn_media_entry_state(s->config.media[i].entry) == TN_MEDIA_FAILED)
            return tn_media_entry_error(s->config.media[i].entry);
    return &none;
}

tn_seq_info tn_seq_get_info(const tn_seq *s) {
    return (tn_seq_info){.running = s->admitted,
                         .n_past = s->finish ? s->n_ids - 1 : s->chain->n_past,
                         .n_cached = s->n_cached,
                         .n_preempted = s->n_preempted};
}

/* ---- After a step ---- */

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
    s->ids[s->n_ids] = token.id;
    s->keys[s->n_ids++] = generated_key(e, token.id);
    e->stats.n_generated++;
    bool loops = s->watch && tn_repeat_push(s->watch, token.id);
    if (c->on_token && !c->on_token(c->ctx, &token))
        finish(e, s, TN_FINISH_STOP);
    else if (loops)
        finish(e, s, TN_FINISH_REPETITION);
    else if (s->n_ids == s->n_max)
        finish(e, s, TN_FINISH_LENGTH);
}

static void deliver(tn_engine *e, tn_seq *s, const float *logits) {
    enum { GENERATED = 2 }; /* a generated token counts so many times in what a client has been served */
    uint32_t n_vocab = e->m->program->n_vocab, first = s->chain->n_past, n = s->step_tokens;
    bool generated = tn_seq_is_decoding(s);
    const float *row = logits ? logits + (size_t)s->step_first_row * n_vocab : NULL; /* NULL: no rows */
    if (s->config.on_taps) s->config.on_taps(s->config.ctx, e->m->exec, s->step_first, first, n);
    tn_chain_advance(e->kv, s->chain, s->keys, n);
    s->client->served += generated ? GENERATED : n;
    e->stats.n_step_tokens += n;
    if (!generated) e->stats.n_prompt += n;
    uint32_t past = first + n;
    for (uint32_t i = 0; s->config.on_logits && i < s->step_rows; i++)
        s->config.on_logits(s->config.ctx, past - s->step_rows + i, row + (size_t)i * n_vocab);
    if (past < s->n_ids) return;
    if (s->config.max_new)
        choose(e, s, row + (size_t)(s->step_rows - 1) * n_vocab);
    else
        finish(e, s, TN_FINISH_LENGTH);
}

/* Sequences whose pictures could not be encoded end. */
static void fail_blind(tn_engine *e) {
    for (tn_seq *s = e->seqs; s; s = s->next)
        for (uint32_t i = 0; !s->finish && i < s->config.n_media; i++)
            if (tn_media_entry_state(s->config.media[i].entry) == TN_MEDIA_FAILED)
                finish(e, s, TN_FINISH_FAILED);
}

/* The mean of late; a step without prompt says less. */
static void note_time(tn_engine *e, double seconds) {
    if (e->is_full || e->step_s < seconds) e->step_s += (seconds - e->step_s) / 4;
}

int tn_engine_step(tn_engine *e, bool *ret_busy, tn_error *err) {
    const float *logits = NULL;
    const tn_device_class *cls = e->m->exec->cls;
    bool encoded = tn_engine_encode(e);
    if (e->m->tower) fail_blind(e);
    double start = tn_clock_s();
    int rc = tn_engine_build(e, err);
    *ret_busy = encoded || e->step.n_token > 0;
    if (rc || e->step.n_token == 0) return rc;
    rc = cls->step(e->m->exec, &e->step, err);
    /* Without rows nothing is waited for: a GPU still runs this step while the next one is put together. */
    if (!rc && e->step.n_row) rc = cls->logits(e->m->exec, &logits, err);
    for (uint32_t i = 0; !rc && i < e->step.n_seq; i++) deliver(e, e->members[i], logits);
    note_time(e, tn_clock_s() - start);
    return rc;
}

int tn_engine_run(tn_engine *e, tn_error *err) {
    bool busy = true;
    int rc = 0;
    while (!rc && busy) rc = tn_engine_step(e, &busy, err);
    return rc;
}

/* ---- The whole ---- */

uint64_t tn_engine_shrink(tn_engine *e, uint64_t bytes) {
    return tn_kv_shrink(e->kv, bytes);
}

void tn_engine_clear_cache(tn_engine *e) {
    tn_kv_shrink(e->kv, UINT64_MAX);
}

void tn_engine_hold(tn_engine *e, bool held) {
    e->held = held;
}

bool tn_engine_is_starved(const tn_engine *e) {
    return e->starved;
}

tn_engine_stats tn_engine_get_stats(const tn_engine *e) {
    tn_engine_stats s = e->stats;
    s.n_running = e->n_running;
    for (const tn_seq *q = e->seqs; q; q = q->next) s.n_waiting += !q->admitted && !q->finish;
    s.kv = tn_kv_get_stats(e->kv);
    return s;
}
