/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/tower.h"

#include <stdlib.h>
#include <string.h>

#include "media/sound.h"
#include "program/record.h"
#include "sched/model.h"

/* Positions at which pictures begin: a multiple of every span that devices cut attention into. */
enum { ALIGN = 256 };

/* ---- Life ---- */

/* The largest picture that processors would let through, or we do. */
static void limit_pixels(tn_vision *v) {
    const uint64_t most = (uint64_t)TN_TOWER_MAX_PATCHES * v->patch * v->patch;
    if (v->max_pixels > most) v->max_pixels = most;
    if (!v->video.share_pixels && v->video.max_pixels > most) v->video.max_pixels = most;
    if (v->min_pixels > v->max_pixels) v->min_pixels = v->max_pixels;
}

static int check_vision(const tn_vision *v, const tn_program *p, tn_error *err) {
    if (!v->patch || !v->temporal || !v->merge || p->n_input != 3 * v->temporal * v->patch * v->patch)
        return tn_fail(err, TN_EMODULE, "the tower takes rows of %u values, patches are %u x %u x %u",
                       p->n_input, v->patch, v->patch, v->temporal);
    if (p->fold != v->merge * v->merge || p->n_output != v->n_deep + 1)
        return tn_fail(err, TN_EMODULE, "the tower makes %u rows one, in %u parts; its family says %u and %u",
                       p->fold, p->n_output, v->merge * v->merge, v->n_deep + 1);
    return 0;
}

static int check_audio(const tn_audio *a, const tn_program *p, tn_error *err) {
    int rc = tn_sound_check(a, err);
    if (rc) return rc;
    if (p->n_input != a->row_frames * a->n_mel || p->fold != a->fold || (p->n_output != 1 && !a->cross))
        return tn_fail(
            err, TN_EMODULE,
            "the tower takes rows of %u values and makes %u of them one, in %u parts; its family says "
            "%u, %u and 1",
            p->n_input, p->fold, p->n_output, a->row_frames * a->n_mel, a->fold);
    return 0;
}

/* What the checkpoint has, if anything. */
static bool ask(const tn_family *family, void *instance, tn_hparams *h, tn_tower *t) {
    t->vision.size = sizeof t->vision;
    t->audio.size = sizeof t->audio;
    if (family->vision && family->record_vision && family->vision(instance, &h->api, &t->vision)) return true;
    t->hears = family->audio && family->record_audio && family->audio(instance, &h->api, &t->audio);
    if (t->hears)
        t->vision = (tn_vision){.size = sizeof t->vision, .merge = 1, .image_token = -1, .video_token = -1};
    return t->hears;
}

int tn_tower_open(const tn_family *family, void *instance, tn_hparams *h, tn_tower **ret, tn_error *err) {
    *ret = NULL;
    tn_tower *t = calloc(1, sizeof *t);
    if (!t) return tn_fail(err, TN_ENOMEM, "out of memory");
    bool there = ask(family, instance, h, t);
    int rc = tn_hparams_status(h, err);
    if (!rc && there) rc = tn_program_record_tower(family, instance, h, t->hears, &t->program, err);
    if (!rc && there)
        rc = t->hears ? check_audio(&t->audio, t->program, err) : check_vision(&t->vision, t->program, err);
    if (rc || !there) {
        tn_tower_free(t);
        return rc;
    }
    if (!t->hears) limit_pixels(&t->vision);
    *ret = t;
    return 0;
}

/* Rows of the largest picture, of a whole window. */
static uint32_t most_rows(const tn_tower *t) {
    const tn_vision *v = &t->vision;
    if (t->hears) return tn_sound_most_rows(&t->audio);
    uint64_t pixels = v->resize == TN_RESIZE_SQUARE ? (uint64_t)v->image_size * v->image_size : v->max_pixels;
    uint64_t frame = v->video.share_pixels ? v->video.max_pixels / v->temporal : v->video.max_pixels;
    if (v->video.text && frame > pixels) pixels = frame;
    uint64_t n = pixels / ((uint64_t)v->patch * v->patch), fold = t->program->fold;
    if (n > TN_TOWER_MAX_PATCHES) n = TN_TOWER_MAX_PATCHES;
    return (uint32_t)((n + fold - 1) / fold * fold);
}

/* Rows of a slice: fewer where rows become many and wide on their way. */
static uint32_t slice_rows(const tn_program *p) {
    uint64_t widest = 1;
    for (uint32_t i = 1; i <= p->n_value; i++) {
        const tn_value_info *v = &p->values[i];
        const uint64_t bytes =
            (uint64_t)tn_rows_count(v->rows, p->fold, 0) * v->cols * sizeof(float) / p->fold;
        if (bytes > widest) widest = bytes;
    }
    const uint64_t n = TN_TOWER_SLICE_BYTES / widest;
    const uint32_t rows = n > TN_TOWER_SLICE ? TN_TOWER_SLICE : n ? (uint32_t)n : 1;
    return (rows + p->fold - 1) / p->fold * p->fold;
}

int tn_tower_size(tn_tower *t, tn_device *d, tn_compute compute, tn_error *err) {
    const uint32_t n = most_rows(t);
    const uint32_t n_page = (n + TN_PAGE_TOKENS - 1) / TN_PAGE_TOKENS;
    if (!d->cls->output) return tn_fail(err, TN_ENOTSUP, "the device %s runs no towers", d->cls->name);
    t->config = (tn_exec_config){
        .max_tokens = slice_rows(t->program),
        .max_seqs = 1,
        .max_kept = n,
        .page_tokens = TN_PAGE_TOKENS,
        .n_page = {n_page},
        .max_seq_pages = n_page,
        .kv_type =
            compute == TN_COMPUTE_F32 || strcmp(d->cls->name, "reference") == 0 ? TN_TYPE_F32 : TN_TYPE_F16,
        .compute = compute,
    };
    int rc = d->cls->size(d, t->program, &t->config, &t->size, err);
    if (!rc) t->size.activations += n_page * t->size.page[0]; /* which are never given back */
    return rc;
}

static uint32_t *numbers(uint32_t n) {
    return calloc((size_t)n + 1, sizeof(uint32_t));
}

int tn_tower_lower(tn_tower *t, tn_device *d, tn_progress_fn progress, void *ctx, tn_error *err) {
    const uint32_t n = t->config.max_kept, n_page = t->config.n_page[0], slice = t->config.max_tokens;
    bool ok = (t->page = numbers(n_page)) && (t->pos = numbers(n)) && (t->seq = numbers(n));
    for (int i = 0; i < 2; i++) ok = ok && (t->first[i] = numbers(n)) && (t->end[i] = numbers(n));
    ok = ok && (t->input = calloc((size_t)slice * t->program->n_input, sizeof *t->input)) &&
         (t->coord = calloc(slice, sizeof *t->coord)) &&
         (t->mix_index = calloc(slice, sizeof *t->mix_index)) &&
         (t->mix_weight = calloc(slice, sizeof *t->mix_weight));
    if (!ok) return tn_fail(err, TN_ENOMEM, "out of memory for pictures of %u patches", n);
    for (uint32_t i = 0; i < n_page; i++) t->page[i] = i;
    return d->cls->lower(d, t->program, &t->config, progress, ctx, &t->exec, err);
}

static void let_go(tn_tower *t) {
    for (uint32_t i = 0; i < t->n_entry; i++) tn_media_release(t->entries[i]);
    t->n_entry = t->n_pos = t->stage = t->row = 0;
}

void tn_tower_free(tn_tower *t) {
    if (!t) return;
    if (t->exec) t->exec->cls->exec_free(t->exec);
    let_go(t);
    tn_program_free(t->program);
    free(t->page);
    free(t->pos);
    free(t->seq);
    for (int i = 0; i < 2; i++) {
        free(t->first[i]);
        free(t->end[i]);
    }
    free(t->input);
    free(t->coord);
    free(t->mix_index);
    free(t->mix_weight);
    free(t);
}

/* ---- Taking pictures ---- */

/* Why an entry cannot be encoded at all; 0: it can. */
static int check_entry(const tn_tower *t, const tn_patches *p, tn_error *err) {
    if (p->n_row > t->config.max_kept)
        return tn_fail(err, TN_ELIMIT, "a picture of %u patches, the tower takes %u: send a smaller one",
                       p->n_row, t->config.max_kept);
    if (p->n_row == 0 || p->cols != t->program->n_input || p->n_row % t->program->fold)
        return tn_fail(err, TN_EBUG, "a picture of %u rows of %u values; the tower takes rows of %u",
                       p->n_row, p->cols, t->program->n_input);
    return 0;
}

/* first and end of the rows of each segment, which count from `base`; all n_row where there are none. */
static void see_segments(const uint32_t *ends, uint32_t n_end, uint32_t n_row, uint32_t base, uint32_t *first,
                         uint32_t *end) {
    for (uint32_t i = 0, s = 0, begin = 0; i < n_row; i++) {
        while (s < n_end && i >= ends[s]) begin = ends[s++];
        first[i] = base + begin;
        end[i] = base + (s < n_end ? ends[s] : n_row);
    }
}

bool tn_tower_has(const tn_tower *t, const tn_media_entry *e) {
    for (uint32_t i = 0; i < t->n_entry; i++)
        if (t->entries[i] == e) return true;
    return false;
}

bool tn_tower_take(tn_tower *t, tn_media_entry *e) {
    const tn_patches *p = tn_media_entry_patches(e);
    const uint32_t n = t->n_entry, row = n ? t->first_row[n] : 0;
    tn_error err = {0};
    if (check_entry(t, p, &err)) {
        tn_media_entry_fail(e, &err);
        return true;
    }
    if (t->stage || t->row || n == TN_TOWER_BATCH || p->n_row > t->config.max_kept - row ||
        t->n_pos + p->n_row > t->config.n_page[0] * t->config.page_tokens)
        return false;
    for (uint32_t i = 0; i < p->n_row; i++) t->pos[row + i] = t->n_pos + i;
    see_segments(p->frame_end, p->n_frame, p->n_row, t->n_pos, t->first[0] + row, t->end[0] + row);
    see_segments(p->window_end, p->n_window, p->n_row, t->n_pos, t->first[1] + row, t->end[1] + row);
    tn_media_hold(e);
    t->entries[n] = e;
    t->first_row[n] = row;
    t->first_row[++t->n_entry] = row + p->n_row;
    t->n_pos = (t->n_pos + p->n_row + ALIGN - 1) / ALIGN * ALIGN;
    return true;
}

/* ---- Encoding them ---- */

/* All parts of entry k's output, rows where they belong in the picture. */
static int take_rows(tn_tower *t, uint32_t k, tn_error *err) {
    const tn_patches *p = tn_media_entry_patches(t->entries[k]);
    const size_t n_row = tn_media_entry_view(t->entries[k]).n_row, n_embd = t->program->n_embd,
                 n_part = t->program->n_output;
    const size_t first = t->first_row[k] / t->program->fold;
    float *rows = malloc(n_part * n_row * n_embd * sizeof *rows);
    if (!rows) return tn_fail(err, TN_ENOMEM, "out of memory for %zu rows of a picture", n_row);
    for (uint32_t part = 0; part < n_part; part++) {
        const float *from;
        int rc = t->exec->cls->output(t->exec, part, &from, err);
        if (rc) {
            free(rows);
            return rc;
        }
        for (size_t i = 0; i < n_row; i++)
            memcpy(rows + (part * n_row + (p->place ? p->place[i] : i)) * n_embd, from + (first + i) * n_embd,
                   n_embd * sizeof *rows);
    }
    tn_media_entry_done(t->entries[k], rows, (uint32_t)n_part, (uint32_t)n_embd);
    return 0;
}

/* Brings what pictures say of rows row .. row + n together. */
static void gather(tn_tower *t, uint32_t n) {
    for (uint32_t k = 0, done = 0; done < n; k++) {
        const uint32_t row = t->row + done, end = t->first_row[k + 1];
        if (row >= end) continue;
        const tn_patches *p = tn_media_entry_patches(t->entries[k]);
        const uint32_t m = end - row < n - done ? end - row : n - done;
        const size_t from = row - t->first_row[k];
        memcpy(t->input + (size_t)done * p->cols, p->rows + from * p->cols,
               (size_t)m * p->cols * sizeof(float));
        memcpy(t->coord + done, p->coord + from, m * sizeof *t->coord);
        if (p->mix_index) memcpy(t->mix_index + done, p->mix_index + from, m * sizeof *t->mix_index);
        if (p->mix_weight) memcpy(t->mix_weight + done, p->mix_weight + from, m * sizeof *t->mix_weight);
        done += m;
    }
}

static int run_slice(tn_tower *t, uint32_t n, tn_error *err) {
    const tn_step_seq seq = {
        .n_token = n, .first_pos = t->pos[t->row], .pages = {t->page}, .n_page = t->config.n_page[0]};
    gather(t, n);
    const tn_step step = {
        .n_token = n,
        .n_seq = 1,
        .pos = t->pos + t->row,
        .seq = t->seq,
        .seqs = &seq,
        .coord = (const uint32_t(*)[3])t->coord,
        .sees = {[TN_SEES_FRAME] = {t->first[0] + t->row, t->end[0] + t->row},
                 [TN_SEES_WINDOW] = {t->first[1] + t->row, t->end[1] + t->row}},
        .stage = t->stage,
        .first_row = t->row,
        .input = t->input,
        .mix_index = (const uint32_t(*)[4])t->mix_index,
        .mix_weight = (const float(*)[4])t->mix_weight,
    };
    return t->exec->cls->step(t->exec, &step, err);
}

bool tn_tower_slice(tn_tower *t) {
    tn_error err = {0};
    if (t->n_entry == 0) return true;
    const uint32_t n_row = t->first_row[t->n_entry], left = n_row - t->row;
    const uint32_t n = left < t->config.max_tokens ? left : t->config.max_tokens;
    int rc = run_slice(t, n, &err);
    t->row += n;
    if (t->row == n_row) {
        t->row = 0;
        t->stage++;
    }
    if (!rc && t->stage < t->program->n_stage) return false;
    for (uint32_t k = 0; k < t->n_entry; k++) {
        if (!rc) rc = take_rows(t, k, &err);
        if (rc) tn_media_entry_fail(t->entries[k], &err);
    }
    let_go(t);
    return true;
}
