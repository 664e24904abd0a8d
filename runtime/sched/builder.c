/* SPDX-License-Identifier: Apache-2.0 */
/* What the next step computes, and for whom. */
#include "base/clock.h"
#include "sched/engine_internal.h"

enum { AGEING_S = 10 }; /* so much waiting counts as one level of priority */

/* ---- Order ---- */

static int64_t level(const tn_engine *e, const tn_seq *s) {
    return s->config.priority + (e->now_ns - s->arrived_ns) / (AGEING_S * INT64_C(1000000000));
}

/* Whether a goes before b, which came after it. */
static bool goes_first(const tn_engine *e, const tn_seq *a, const tn_seq *b) {
    int64_t x = level(e, a), y = level(e, b);
    return x != y ? x > y : a->client->served <= b->client->served;
}

/* The most important sequence that is not in hand yet. */
static tn_seq *next_seq(tn_engine *e, bool decoding) {
    tn_seq *best = NULL;
    for (tn_seq *s = e->seqs; s; s = s->next) {
        if (s->finish || s->waits || s->looked_at == e->stats.n_step ||
            (s->admitted && tn_seq_is_decoding(s)) != decoding)
            continue;
        if (!best || !goes_first(e, best, s)) best = s;
    }
    if (best) best->looked_at = e->stats.n_step;
    return best;
}

/* ---- Who runs ---- */

static bool can_be_preempted(const tn_seq *s) {
    return !s->config.all_logits && !s->config.on_taps;
}

void tn_engine_leave(tn_engine *e, tn_seq *s) {
    if (!s->admitted) return;
    tn_chain_release(e->kv, s->chain, s->keys);
    s->admitted = false;
    e->n_running--;
}

static void preempt(tn_engine *e, tn_seq *s) {
    tn_engine_leave(e, s);
    s->n_preempted++;
    e->stats.n_preempted++;
}

/* The least important running sequence that has no part in this step yet; of equals the youngest. */
static tn_seq *victim(tn_engine *e) {
    tn_seq *worst = NULL;
    for (tn_seq *s = e->seqs; s; s = s->next) {
        if (!s->admitted || s->step_tokens || s->finish || !can_be_preempted(s)) continue;
        if (!worst || s->config.priority < worst->config.priority ||
            (s->config.priority == worst->config.priority && s->admitted_at > worst->admitted_at))
            worst = s;
    }
    return worst;
}

/* Tokens that s is known to need pages for: those it has and the next. */
static uint32_t wants(const tn_seq *s) {
    return s->n_ids < s->n_max ? s->n_ids + 1 : s->n_ids;
}

/* What those who run have yet to take, and a page of each group for everyone, so that the next steps do not
 * preempt who has just been let in. */
static uint64_t spoken_for(const tn_engine *e) {
    uint64_t page = 0, bytes = 0;
    for (uint32_t g = 0; g < e->m->program->n_group; g++) page += e->m->size.page[g];
    for (const tn_seq *s = e->seqs; s; s = s->next)
        if (s->admitted) bytes += page + tn_kv_missing(e->kv, s->chain, wants(s), e->m->config.max_tokens);
    return bytes;
}

static uint64_t too_little(const tn_engine *e, const tn_seq *s) {
    return tn_kv_short(e->kv, s->chain, wants(s), e->m->config.max_tokens, spoken_for(e));
}

/* Takes what the index has of s. false: another sequence computes the next page in this step. */
static bool match(tn_engine *e, tn_seq *s) {
    bool wait;
    uint32_t n = tn_chain_match(e->kv, s->chain, s->keys, s->n_ids - 1, &wait);
    if (s->chain->n_past <= s->config.n_prompt && s->n_preempted == 0) {
        s->n_cached += n;
        e->stats.n_hit += n;
    }
    return !wait;
}

/* Whether there is room for s. What it shares with others need not fit twice, so that is looked up if need
 * be. */
static bool has_room(tn_engine *e, tn_seq *s) {
    uint32_t n_cached = s->n_cached;
    uint64_t n_hit = e->stats.n_hit, bytes = too_little(e, s);
    if (bytes == 0) return true;
    match(e, s);
    bytes = too_little(e, s);
    if (bytes && bytes != UINT64_MAX && e->config.reclaim && e->config.reclaim(e->config.ctx, bytes))
        bytes = too_little(e, s);
    if (bytes == 0) return true;
    tn_chain_release(e->kv, s->chain, s->keys);
    s->n_cached = n_cached;
    e->stats.n_hit = n_hit;
    return false;
}

/* Lets s run, if it may. */
static bool admit(tn_engine *e, tn_seq *s) {
    if (e->held || e->n_running == e->m->config.max_seqs) return false;
    if (!has_room(e, s)) {
        e->starved = e->n_running == 0;
        return false;
    }
    s->admitted = true;
    s->admitted_at = e->n_admitted++;
    e->n_running++;
    return true;
}

/* ---- The step ---- */

/* Rows of logits that s wants of n more tokens. */
static uint32_t rows_wanted(const tn_seq *s, uint32_t n) {
    if (s->config.all_logits) return n;
    bool reaches_end = s->chain->n_past + n == s->n_ids;
    return reaches_end && (s->config.max_new || s->config.on_logits) ? 1 : 0;
}

static void add_to_step(tn_engine *e, tn_seq *s, uint32_t n) {
    tn_step *st = &e->step;
    uint32_t past = s->chain->n_past, n_prompt = s->config.n_prompt;
    s->step_tokens = n;
    s->step_first = st->n_token;
    s->step_first_row = st->n_row;
    s->step_rows = rows_wanted(s, n);
    for (uint32_t i = 0; i < n; i++) {
        e->ids[st->n_token + i] = s->ids[past + i];
        e->pos[st->n_token + i] = past + i;
        e->seq[st->n_token + i] = st->n_seq;
    }
    if (e->coord || e->media) tn_engine_media_step(e, s, n);
    for (uint32_t i = 0; i < s->step_rows; i++) e->rows[st->n_row + i] = st->n_token + n - s->step_rows + i;
    e->step_seqs[st->n_seq] = (tn_step_seq){.first_token = st->n_token,
                                            .n_token = n,
                                            .n_generated = past >= n_prompt      ? n
                                                           : past + n > n_prompt ? past + n - n_prompt
                                                                                 : 0,
                                            .first_pos = past,
                                            .rope_variant = s->rope_variant,
                                            .n_page = s->chain->n_page,
                                            .cross = tn_engine_media_cross(e, s, st->n_seq)};
    for (uint32_t g = 0; g < e->m->program->n_group; g++)
        e->step_seqs[st->n_seq].pages[g] = s->chain->pages[g];
    e->members[st->n_seq++] = s;
    st->n_token += n;
    st->n_row += s->step_rows;
}

/* How many of the next n tokens of s the budget covers: at least a page's, so that a long prompt gets on. */
static uint32_t affordable(const tn_engine *e, const tn_seq *s, uint32_t n) {
    double most = n < e->budget ? n : e->budget;
    double each = 1 + (s->chain->n_past + most / 2) / tn_kv_linear_reach(e->kv);
    double covered = e->budget / each;
    if (covered < TN_PAGE_TOKENS) covered = TN_PAGE_TOKENS;
    return n < covered ? n : (uint32_t)covered;
}

static void spend(tn_engine *e, const tn_seq *s, uint32_t n) {
    double each = tn_seq_is_decoding(s) ? 1 : 1 + (s->chain->n_past + n / 2.0) / tn_kv_linear_reach(e->kv);
    e->budget -= n * each;
}

/* Gives s a share of at most n tokens; nothing when the step is full or there are no pages. */
static void join(tn_engine *e, tn_seq *s, uint32_t n) {
    tn_step *st = &e->step;
    const tn_exec_config *c = &e->m->config;
    uint32_t room = c->max_tokens - st->n_token, row_room = c->max_rows - st->n_row;
    if (st->n_seq == c->max_seqs || room == 0) return;
    uint32_t paid = tn_seq_is_decoding(s) ? n : affordable(e, s, n);
    if (paid > room) paid = room;
    e->is_full = e->is_full || paid < n;
    n = paid;
    if (s->config.all_logits && n > row_room) n = row_room;
    if (n && rows_wanted(s, n) > row_room) n--; /* the last token waits for a row */
    if (n) n = tn_engine_whole_pictures(e, s, n, room);
    if (n) n = tn_engine_whole_pictures(e, s, tn_chain_grow(e->kv, s->chain, s->keys, s->n_ids, n), 0);
    if (n == 0) return;
    spend(e, s, n);
    add_to_step(e, s, n);
}

/* As join, but others are preempted for it; if there are none, s is. */
static int join_by_force(tn_engine *e, tn_seq *s, uint32_t n, tn_error *err) {
    uint32_t before = e->step.n_token;
    if (before == e->m->config.max_tokens || e->step.n_row == e->m->config.max_rows) return 0;
    for (;;) {
        join(e, s, n);
        if (e->step.n_token > before) return 0;
        tn_seq *other = victim(e);
        if (!other)
            return tn_fail(err, TN_ENOMEM, "no memory for the next page of a sequence of %u tokens",
                           s->chain->n_past);
        preempt(e, other);
        if (other == s) return 0;
    }
}

static void reset(tn_engine *e) {
    e->step = (tn_step){.ids = e->ids,
                        .pos = e->pos,
                        .seq = e->seq,
                        .seqs = e->step_seqs,
                        .rows = e->rows,
                        .coord = (const uint32_t(*)[3])e->coord,
                        .sees = {[TN_SEES_PAST] = {e->see_first, e->see_end}},
                        .media = e->media};
    e->now_ns = tn_clock_ns();
    e->starved = e->is_full = false;
    e->budget = e->m->config.max_tokens;
    e->stats.n_step++;
    tn_kv_begin_step(e->kv);
    for (tn_seq *s = e->seqs; s; s = s->next) s->step_tokens = 0;
}

/* Prompts that run or may be let in. */
static void add_prompts(tn_engine *e) {
    tn_seq *s;
    bool full = false; /* nobody overtakes one that waits for room */
    while (!e->is_full && e->budget > 0 && e->step.n_token < e->m->config.max_tokens &&
           (s = next_seq(e, false))) {
        if (!s->admitted && (full || !admit(e, s)))
            full = true;
        else if (match(e, s))
            join(e, s, s->n_ids - s->chain->n_past);
    }
}

/* Prompts have taken all pages before any of them was through: the most important one goes on. */
static int unblock(tn_engine *e, tn_error *err) {
    tn_seq *best = NULL;
    for (tn_seq *s = e->seqs; s; s = s->next)
        if (s->admitted && (!best || !goes_first(e, best, s))) best = s;
    return best ? join_by_force(e, best, best->n_ids - best->chain->n_past, err) : 0;
}

int tn_engine_build(tn_engine *e, tn_error *err) {
    int rc = 0;
    reset(e);
    for (tn_seq *s; !rc && (s = next_seq(e, true));) rc = join_by_force(e, s, 1, err);
    if (!rc) add_prompts(e);
    if (!rc && e->step.n_token == 0 && e->n_running) rc = unblock(e, err);
    e->stats.n_full_step += e->is_full;
    return rc;
}
