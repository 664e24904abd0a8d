/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine does for sequences with media: it has pictures encoded between steps, and tells steps which
 * tokens stand for rows of them, and where. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sched/engine_internal.h"
#include "sched/tower.h"

/* Encoding between two steps goes on for this part of what a full step takes, or so long at least. */
#define ENCODE_SHARE 0.5
#define ENCODE_LEAST 0.01
#define ENCODE_ALONE 0.1 /* while no sequence runs */

/* ---- Life ---- */

static bool has_axes(const tn_program *p) {
    for (uint32_t i = 1; i <= p->n_rope; i++)
        if (p->ropes[i].axis) return true;
    return false;
}

int tn_engine_media_new(tn_engine *e, tn_error *err) {
    const uint32_t n = e->m->config.max_tokens;
    const tn_tower *t = e->m->tower;
    bool ok = true;
    if (has_axes(e->m->program)) ok = (e->coord = calloc(n, sizeof *e->coord)) != NULL;
    if (t) ok = ok && (e->media = calloc(n, sizeof *e->media)) != NULL;
    if (e->m->program->n_cross)
        ok = ok && (e->cross = calloc(e->m->config.max_seqs, sizeof *e->cross)) != NULL;
    if (t && t->vision.sees_whole)
        ok = ok && (e->see_first = calloc(n, sizeof *e->see_first)) != NULL &&
             (e->see_end = calloc(n, sizeof *e->see_end)) != NULL;
    return ok ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

void tn_engine_media_free(tn_engine *e) {
    free(e->coord);
    free(e->see_first);
    free(e->see_end);
    free(e->media);
    free(e->cross);
}

int tn_engine_check_media(const tn_model *m, const tn_seq_media *media, uint32_t n_media, uint32_t n_prompt,
                          tn_error *err) {
    uint32_t at = 0;
    if (n_media && !m->tower) return tn_model_no_tower(m, err);
    if (m->program->n_cross)
        return n_media == 1
                   ? 0
                   : tn_fail(err, TN_EINVAL, "this model writes down a recording: it needs one, and has %u",
                             n_media);
    for (uint32_t i = 0; i < n_media; i++) {
        const tn_seq_media *p = &media[i];
        tn_media_view v = tn_media_entry_view(p->entry);
        if (p->first_token < at || p->n_token == 0 || p->n_token > n_prompt ||
            p->first_token > n_prompt - p->n_token || p->n_token > v.n_row ||
            p->first_row > v.n_row - p->n_token)
            return tn_fail(err, TN_EBUG, "rows %u to %u of %u at tokens %u of %u", p->first_row,
                           p->first_row + p->n_token, v.n_row, p->first_token, n_prompt);
        if (m->tower->vision.sees_whole && p->n_token + m->config.max_seqs > m->config.max_tokens)
            return tn_fail(err, TN_ELIMIT,
                           "an image of %u tokens, which see each other, does not fit a step of %u tokens",
                           p->n_token, m->config.max_tokens);
        at = p->first_token + p->n_token;
    }
    return 0;
}

/* ---- Sequences ---- */

void tn_engine_media_keys(tn_seq *s) {
    for (uint32_t i = 0; i < s->config.n_media; i++) {
        const tn_seq_media *m = &s->config.media[i];
        int32_t first = tn_media_entry_view(m->entry).first_key - (int32_t)m->first_row;
        for (uint32_t k = 0; k < m->n_token; k++) s->keys[m->first_token + k] = first - (int32_t)k;
        /* What is computed of the first token depends on the recording, and so does all that follows. */
        if (m->n_token == 0) s->keys[0] = first;
    }
}

uint32_t tn_engine_whole_pictures(const tn_engine *e, const tn_seq *s, uint32_t n, uint32_t room) {
    const uint32_t past = s->chain->n_past;
    for (uint32_t i = 0; e->see_end && i < s->config.n_media; i++) {
        const tn_seq_media *m = &s->config.media[i];
        const uint32_t first = m->first_token, end = first + m->n_token;
        if (past + n <= first || past + n >= end || past >= end) continue;
        if (first > past) return first - past;
        return end - past <= room ? end - past : 0;
    }
    return n;
}

/* ---- Steps ---- */

/* Rows of a run that lie among tokens past .. past + n of their sequence. */
static void add_run(tn_engine *e, const tn_seq_media *m, uint32_t past, uint32_t n) {
    const uint32_t first = m->first_token > past ? m->first_token : past;
    const uint32_t most = m->first_token + m->n_token, end = most < past + n ? most : past + n;
    if (first >= end) return;
    const tn_media_view v = tn_media_entry_view(m->entry);
    tn_step_media *to = &e->media[e->step.n_media++];
    *to = (tn_step_media){.first_token = e->step.n_token + first - past, .n_token = end - first};
    const size_t row = m->first_row + first - m->first_token;
    for (uint32_t k = 0; k < v.n_part; k++) to->rows[k] = v.parts[k] + row * v.n_embd;
    for (uint32_t t = 0; e->see_end && t < to->n_token; t++) {
        e->see_first[to->first_token + t] = m->first_token;
        e->see_end[to->first_token + t] = most;
    }
}

void tn_engine_media_step(tn_engine *e, const tn_seq *s, uint32_t n) {
    const tn_seq_config *c = &s->config;
    const uint32_t past = s->chain->n_past, at = e->step.n_token;
    for (uint32_t i = 0; e->coord && i < n; i++) {
        uint32_t pos = past + i, next = c->coord ? c->next_coord + (pos - c->n_prompt) : pos;
        for (int k = 0; k < 3; k++)
            e->coord[at + i][k] = c->coord && pos < c->n_prompt ? c->coord[pos][k] : next;
    }
    if (e->see_end) memset(e->see_end + at, 0, n * sizeof *e->see_end);
    for (uint32_t i = 0; i < c->n_media; i++) add_run(e, &c->media[i], past, n);
}

const tn_step_cross *tn_engine_media_cross(tn_engine *e, const tn_seq *s, uint32_t i) {
    if (!e->cross) return NULL;
    const tn_media_view v = tn_media_entry_view(s->config.media[0].entry);
    e->cross[i].n_row = v.n_row;
    for (uint32_t k = 0; k < v.n_part; k++) e->cross[i].parts[k] = v.parts[k];
    return &e->cross[i];
}

/* ---- Encoding ---- */

/* Has the tower take pictures that sequences wait for, those that came first first, as long as there is room;
 * sequences whose pictures are all there wait no longer. */
static void take_pictures(tn_engine *e) {
    tn_tower *t = e->m->tower;
    for (tn_seq *s = e->seqs; s; s = s->next) {
        bool waits = false;
        if (!s->waits || s->finish) continue;
        for (uint32_t i = 0; i < s->config.n_media; i++) {
            tn_media_entry *entry = s->config.media[i].entry;
            if (tn_media_entry_state(entry) != TN_MEDIA_WAITING) continue;
            waits = true;
            if (!tn_tower_has(t, entry) && !tn_tower_take(t, entry)) return;
        }
        s->waits = waits;
    }
}

bool tn_engine_encode(tn_engine *e) {
    tn_tower *t = e->m->tower;
    if (!t) return false;
    const double start = tn_clock_s(), full = e->step_s * ENCODE_SHARE;
    const double most = e->n_running == 0 ? ENCODE_ALONE : full > ENCODE_LEAST ? full : ENCODE_LEAST;
    bool busy = false;
    while (tn_clock_s() - start < most) {
        if (t->n_entry == 0) take_pictures(e);
        if (t->n_entry == 0) break;
        const uint32_t n = t->n_entry;
        if (tn_tower_slice(t)) e->stats.n_picture += n;
        busy = true;
    }
    return busy;
}
