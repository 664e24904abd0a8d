/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/sight.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_TEXT = 256 << 20 };

void tn_sight_fini(tn_sight *s) {
    for (uint32_t i = 0; i < s->n_media; i++) tn_media_release(s->media[i].entry);
    free(s->ids);
    free(s->media);
    free(s->coord);
    *s = (tn_sight){0};
}

void tn_sight_config(const tn_sight *s, tn_seq_config *ret) {
    ret->prompt = s->ids;
    ret->n_prompt = s->n_ids;
    ret->media = s->media;
    ret->n_media = s->n_media;
    ret->coord = (const uint32_t(*)[3])s->coord;
    ret->next_coord = s->next_coord;
}

static tn_media_rules rules_of(const tn_tower *t) {
    return (tn_media_rules){.vision = t->hears ? NULL : &t->vision, .audio = t->hears ? &t->audio : NULL};
}

/* What the prompt functions know of media: grids in patches. */
static tn_medium *media_of(const tn_vision *v, const tn_seen *seen, size_t n) {
    tn_medium *media = calloc(n + 1, sizeof *media);
    for (size_t i = 0; media && i < n; i++)
        media[i] = (tn_medium){
            .kind = seen[i].kind,
            .grid = {seen[i].grid[0], seen[i].grid[1] * v->merge, seen[i].grid[2] * v->merge},
            .seconds = seen[i].seconds,
            .step = seen[i].step,
        };
    for (size_t i = 0; media && i < n; i++)
        if (seen[i].kind == TN_MEDIA_AUDIO)
            media[i] = (tn_medium){.kind = TN_MEDIA_AUDIO, .grid = {1, 1, seen[i].n_row}};
    return media;
}

/* A span lies in one entry or in several whole ones. */
static void add_span(tn_sight *s, const tn_media_span *span, const tn_seen *seen) {
    const uint32_t each = seen->grid[1] * seen->grid[2];
    for (uint32_t done = 0, n; done < span->n; done += n) {
        const uint32_t row = span->row + done, in_entry = row % each;
        n = span->n - done < each - in_entry ? span->n - done : each - in_entry;
        tn_media_entry *e = seen->entries[row / each];
        tn_media_hold(e);
        s->media[s->n_media++] = (tn_seq_media){
            .first_token = (uint32_t)span->first + done, .n_token = n, .first_row = in_entry, .entry = e};
    }
}

static int add_coords(const tn_vision *v, const tn_media_prompt *p, tn_sight *s, tn_error *err) {
    int32_t *coord = malloc((3 * p->n + 1) * sizeof *coord), next;
    s->coord = malloc((p->n + 1) * sizeof *s->coord);
    int rc = coord && s->coord ? tn_media_positions(v, p->n, p->spans, p->n_span, coord, &next, err)
                               : tn_fail(err, TN_ENOMEM, "out of memory for a prompt of %zu tokens", p->n);
    for (size_t i = 0; !rc && i < p->n; i++)
        for (int k = 0; k < 3; k++) s->coord[i][k] = (uint32_t)coord[k * p->n + i];
    if (!rc) s->next_coord = (uint32_t)next;
    free(coord);
    return rc;
}

/* Takes p's ids. */
static int sight_of(const tn_vision *v, tn_media_prompt *p, const tn_seen *seen, tn_sight *ret,
                    tn_error *err) {
    size_t n = 0;
    *ret = (tn_sight){.ids = p->ids, .n_ids = (uint32_t)p->n};
    p->ids = NULL;
    for (size_t i = 0; i < p->n_span; i++) n += seen[p->spans[i].medium].n_entry;
    ret->media = calloc(n + 1, sizeof *ret->media);
    int rc = ret->media ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    for (size_t i = 0; !rc && i < p->n_span; i++) add_span(ret, &p->spans[i], &seen[p->spans[i].medium]);
    if (!rc && v->positions == TN_POSITIONS_GRID) rc = add_coords(v, p, ret, err);
    if (rc) tn_sight_fini(ret);
    return rc;
}

/* A prompt beside its recording. */
static int beside(const int32_t *ids, size_t n, const tn_seen *seen, size_t n_seen, tn_sight *ret,
                  tn_error *err) {
    if (n_seen != 1 || seen[0].n_entry != 1)
        return tn_fail(err, TN_EINVAL, "%zu recordings of %u windows: this model takes one window at a time",
                       n_seen, n_seen ? seen[0].n_entry : 0);
    *ret = (tn_sight){.ids = malloc((n + 1) * sizeof *ids), .n_ids = (uint32_t)n};
    ret->media = calloc(1, sizeof *ret->media);
    if (!ret->ids || !ret->media) {
        tn_sight_fini(ret);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    memcpy(ret->ids, ids, n * sizeof *ids);
    ret->media[0].entry = seen[0].entries[0];
    ret->n_media = 1;
    tn_media_hold(seen[0].entries[0]);
    return 0;
}

int tn_sight_bind(const tn_model *m, const int32_t *ids, size_t n, const tn_seen *seen, size_t n_seen,
                  tn_sight *ret, tn_error *err) {
    tn_media_prompt p = {0};
    *ret = (tn_sight){0};
    if (!m->tower) return tn_model_no_tower(m, err);
    if (m->program->n_cross) return beside(ids, n, seen, n_seen, ret, err);
    const tn_vision *v = &m->tower->vision;
    const tn_media_rules rules = rules_of(m->tower);
    tn_medium *media = media_of(v, seen, n_seen);
    int rc = media ? tn_media_bind(&rules, ids, n, media, n_seen, &p, err)
                   : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) rc = sight_of(v, &p, seen, ret, err);
    tn_media_prompt_fini(&p);
    free(media);
    return rc;
}

/* How the tokenizer spells a token, or NULL. */
static const char *spelling(const tn_tokenizer *t, int32_t id) {
    size_t len;
    return id < 0 ? NULL : tn_tokenizer_piece(t, id, &len);
}

int tn_sight_write(const tn_model *m, const char *text, size_t len, const tn_seen *seen, size_t n_seen,
                   tn_sight *ret, tn_error *err) {
    tn_media_prompt p = {0};
    tn_ids ids = {0};
    tn_buf out;
    *ret = (tn_sight){0};
    if (!m->tower) return tn_model_no_tower(m, err);
    if (m->program->n_cross)
        return tn_fail(err, TN_ENOTSUP, "this model writes down recordings and does not chat");
    const tn_vision *v = &m->tower->vision;
    const tn_media_rules rules = rules_of(m->tower);
    tn_medium *media = media_of(v, seen, n_seen);
    tn_buf_init(&out, MAX_TEXT);
    const tn_media_row_texts rows = {
        .image = spelling(m->tokenizer, v->image_token),
        .video = spelling(m->tokenizer, v->video_token),
        .audio = m->tower->hears ? spelling(m->tokenizer, m->tower->audio.token) : NULL,
    };
    int rc = media ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) rc = tn_media_write(&rules, text, len, media, n_seen, &rows, &out, err);
    if (!rc) rc = tn_tokenizer_encode(m->tokenizer, out.data, out.len, TN_ENCODE_PARSE_SPECIAL, &ids, err);
    if (!rc) rc = tn_media_fill(&rules, ids.data, ids.len, media, n_seen, &p, err);
    if (!rc) rc = sight_of(v, &p, seen, ret, err);
    tn_media_prompt_fini(&p);
    tn_ids_free(&ids);
    tn_buf_free(&out);
    free(media);
    return rc;
}
