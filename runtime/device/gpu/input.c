/* SPDX-License-Identifier: Apache-2.0 */
/* What a step brings, as arrays in an input buffer. Small ones are put together on the host and go over in
 * one piece, those that begin at TN_GPU_IN_PATCHES from the caller's memory, as many rows as there are. */
#include <string.h>

#include "device/gpu/exec.h"

/* ---- which arrays a program has ---- */

static bool has_op(const tn_program *p, tn_op_kind kind) {
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == kind) return true;
    return false;
}

static bool stage_has(const tn_program *p, uint32_t stage, tn_op_kind kind) {
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == kind && p->ops[i].stage == stage) return true;
    return false;
}

static bool has_axes(const tn_program *p) {
    for (uint32_t i = 1; i <= p->n_rope; i++)
        if (p->ropes[i].axis) return true;
    return false;
}

/* Whether rows are told what they see: in text, those of media; in towers all. */
static bool is_told(const tn_program *p, uint32_t sees) {
    if (!p->is_tower) return sees == TN_SEES_PAST && has_op(p, TN_OP_MEDIA);
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_ATTENTION && p->ops[i].attention.sees == sees) return true;
    return false;
}

uint32_t tn_gpu_media_parts(const tn_program *p) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_MEDIA && p->ops[i].index >= n) n = p->ops[i].index + 1;
    return n;
}

uint64_t tn_gpu_input_room(const tn_gpu_exec *x, tn_gpu_input in) {
    const tn_exec_config *c = &x->config;
    const tn_program *p = x->p;
    const uint64_t n = c->max_tokens, list = (n + TN_GPU_LIST_PAD) * sizeof(uint32_t);
    switch ((uint32_t)in) {
    case TN_GPU_IN_TOKENS: return n * sizeof(tn_metal_token);
    case TN_GPU_IN_ROWS: return ((uint64_t)c->max_rows + TN_GPU_LIST_PAD) * sizeof(uint32_t);
    case TN_GPU_IN_GENERATED:
    case TN_GPU_IN_PROMPT: return list;
    case TN_GPU_IN_FOLDED: return p->is_tower ? list : 0;
    case TN_GPU_IN_TILES: return n * sizeof(tn_metal_tile);
    case TN_GPU_IN_SEQS: return (uint64_t)c->max_seqs * sizeof(tn_metal_seq);
    case TN_GPU_IN_COORDS: return has_axes(p) ? n * sizeof(tn_metal_coord) : 0;
    case TN_GPU_IN_SEES:
    case TN_GPU_IN_SEES + 1:
    case TN_GPU_IN_SEES + 2: return is_told(p, in - TN_GPU_IN_SEES) ? n * sizeof(tn_metal_sees) : 0;
    case TN_GPU_IN_MIX: return has_op(p, TN_OP_MIX) ? n * sizeof(tn_metal_mix) : 0;
    case TN_GPU_IN_MEDIA: return x->n_media_part ? n * sizeof(uint32_t) : 0;
    case TN_GPU_IN_PATCHES: return n * p->n_input * sizeof(float);
    case TN_GPU_IN_MEDIA_ROWS: return n * x->n_media_part * p->n_embd * sizeof(float);
    default:
        return in < TN_GPU_IN_PAGES + p->n_group ? (uint64_t)c->max_seqs * c->max_seq_pages * sizeof(uint32_t)
                                                 : 0;
    }
}

/* ---- checking ---- */

static int check_tower_step(const tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    const tn_program *p = x->p;
    if (s->n_token > x->config.max_kept || s->first_row > x->config.max_kept - s->n_token)
        return tn_fail(err, TN_EINVAL, "%u rows from row %u on of a picture of %u", s->n_token, s->first_row,
                       x->config.max_kept);
    if (s->n_token % p->fold || s->first_row % p->fold)
        return tn_fail(err, TN_EINVAL, "%u rows from row %u on; %u of them become one", s->n_token,
                       s->first_row, p->fold);
    if (!s->input && stage_has(p, s->stage, TN_OP_INPUT))
        return tn_fail(err, TN_EINVAL, "stage %u of a tower without its input", s->stage);
    if (!(s->mix_index && s->mix_weight) && has_op(p, TN_OP_MIX))
        return tn_fail(err, TN_EINVAL, "a step of a tower without its mix");
    return 0;
}

static int check_media(const tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    uint32_t at = 0;
    for (uint32_t i = 0; x->n_media_part && i < s->n_media; i++) {
        const tn_step_media *m = &s->media[i];
        if (m->first_token < at || m->n_token > s->n_token || m->first_token > s->n_token - m->n_token)
            return tn_fail(err, TN_EINVAL, "media at tokens %u to %u of %u", m->first_token,
                           m->first_token + m->n_token, s->n_token);
        at = m->first_token + m->n_token;
        for (uint32_t k = 0; k < x->n_media_part; k++)
            if (!m->rows[k]) return tn_fail(err, TN_EINVAL, "media without rows of part %u", k);
    }
    return 0;
}

int tn_gpu_check_step(const tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    const tn_exec_config *c = &x->config;
    if (s->n_token < 1 || s->n_token > c->max_tokens || s->n_seq > c->max_seqs || s->n_row > c->max_rows)
        return tn_fail(err, TN_EINVAL, "a step of %u tokens, %u sequences, %u rows; lowered for %u, %u, %u",
                       s->n_token, s->n_seq, s->n_row, c->max_tokens, c->max_seqs, c->max_rows);
    if (s->stage >= x->p->n_stage)
        return tn_fail(err, TN_EINVAL, "stage %u of a program of %u", s->stage, x->p->n_stage);
    for (uint32_t i = 0; i < s->n_seq; i++)
        if (s->seqs[i].n_page > c->max_seq_pages)
            return tn_fail(err, TN_EINVAL, "sequence %u has %u pages of %u", i, s->seqs[i].n_page,
                           c->max_seq_pages);
    return x->p->is_tower ? check_tower_step(x, s, err) : check_media(x, s, err);
}

/* ---- putting together ---- */

static void *input(const tn_gpu_exec *x, tn_gpu_input in) {
    return x->staged + x->input_offset[in];
}

static bool has_room(const tn_gpu_exec *x, tn_gpu_input in) {
    return x->input_offset[in + 1] > x->input_offset[in];
}

static void stage_tokens(tn_gpu_exec *x, const tn_step *s) {
    tn_metal_token *tokens = input(x, TN_GPU_IN_TOKENS);
    for (uint32_t t = 0; t < s->n_token; t++)
        tokens[t] = (tn_metal_token){.id = s->ids ? (uint32_t)s->ids[t] : 0,
                                     .pos = s->pos[t],
                                     .seq = s->seq[t],
                                     .rope_variant = s->seqs[s->seq[t]].rope_variant};
}

static void stage_coords(tn_gpu_exec *x, const tn_step *s) {
    tn_metal_coord *coords = input(x, TN_GPU_IN_COORDS);
    if (!has_room(x, TN_GPU_IN_COORDS)) return;
    for (uint32_t t = 0; t < s->n_token; t++)
        for (uint32_t k = 0; k < 3; k++) coords[t].at[k] = s->coord ? s->coord[t][k] : s->pos[t];
}

static void stage_sees(tn_gpu_exec *x, const tn_step *s, uint32_t kind) {
    const tn_gpu_input in = (tn_gpu_input)(TN_GPU_IN_SEES + kind);
    const tn_step_sees *from = &s->sees[kind];
    tn_metal_sees *sees = input(x, in);
    if (!has_room(x, in)) return;
    for (uint32_t t = 0; t < s->n_token; t++) {
        sees[t] = (tn_metal_sees){0};
        if (!from->end || !from->end[t]) continue;
        sees[t] = (tn_metal_sees){from->first[t], from->end[t]};
        x->n[TN_GPU_SEEING] = 1;
    }
}

static void stage_mix(tn_gpu_exec *x, const tn_step *s) {
    tn_metal_mix *mix = input(x, TN_GPU_IN_MIX);
    for (uint32_t t = 0; has_room(x, TN_GPU_IN_MIX) && t < s->n_token; t++) {
        memcpy(mix[t].index, s->mix_index[t], sizeof mix[t].index);
        memcpy(mix[t].weight, s->mix_weight[t], sizeof mix[t].weight);
    }
}

static void stage_media(tn_gpu_exec *x, const tn_step *s) {
    uint32_t *list = input(x, TN_GPU_IN_MEDIA);
    for (uint32_t i = 0; x->n_media_part && i < s->n_media; i++)
        for (uint32_t t = 0; t < s->media[i].n_token; t++)
            list[x->n[TN_GPU_MEDIA]++] = s->media[i].first_token + t;
}

static void pad(uint32_t *list, uint32_t n) {
    for (uint32_t i = 0; i < TN_GPU_LIST_PAD; i++) list[n + i] = TN_NO_ROW;
}

static void stage_folded(tn_gpu_exec *x, const tn_step *s) {
    uint32_t *list = input(x, TN_GPU_IN_FOLDED);
    if (!x->p->is_tower) return;
    x->n[TN_GPU_FOLDED] = s->n_token / x->p->fold;
    for (uint32_t t = 0; t < x->n[TN_GPU_FOLDED]; t++) list[t] = t;
    pad(list, x->n[TN_GPU_FOLDED]);
}

/* Prompt rows of a sequence, in pieces whose positions follow each other: those of two pictures in a tower
 * need not, and what lies between has never been written. */
static void stage_tiles(tn_gpu_exec *x, const tn_step *s, uint32_t seq, uint32_t n_prompt) {
    tn_metal_tile *tiles = input(x, TN_GPU_IN_TILES);
    const uint32_t first = s->seqs[seq].first_token;
    for (uint32_t i = 0, n; i < n_prompt; i += n) {
        const uint32_t *pos = s->pos + first + i;
        for (n = 1; n < TN_QUERY_TILE && i + n < n_prompt && pos[n] == pos[0] + n;) n++;
        tiles[x->n[TN_GPU_TILES]++] =
            (tn_metal_tile){.first_row = first + i, .n_row = n, .seq = seq, .first_pos = pos[0]};
    }
}

static void stage_seqs(tn_gpu_exec *x, const tn_step *s) {
    tn_metal_seq *seqs = input(x, TN_GPU_IN_SEQS);
    uint32_t *prompt = input(x, TN_GPU_IN_PROMPT), *generated = input(x, TN_GPU_IN_GENERATED);
    uint32_t *n = x->n;
    for (uint32_t i = 0; i < s->n_seq; i++) {
        const tn_step_seq *q = &s->seqs[i];
        const uint32_t n_prompt = q->n_token - q->n_generated;
        seqs[i] = (tn_metal_seq){.first_row = q->first_token, .n_row = q->n_token, .first_pos = q->first_pos};
        stage_tiles(x, s, i, n_prompt);
        for (uint32_t t = 0; t < n_prompt; t++) prompt[n[TN_GPU_PROMPT]++] = q->first_token + t;
        for (uint32_t t = n_prompt; t < q->n_token; t++) {
            const uint32_t spans = (q->first_pos + t) / TN_ATTENTION_SPAN + 1;
            generated[n[TN_GPU_GENERATED]++] = q->first_token + t;
            if (spans > n[TN_GPU_SPANS]) n[TN_GPU_SPANS] = spans;
        }
    }
    pad(prompt, n[TN_GPU_PROMPT]);
    pad(generated, n[TN_GPU_GENERATED]);
}

static void stage_pages(tn_gpu_exec *x, const tn_step *s) {
    const uint32_t stride = x->config.max_seq_pages;
    for (uint32_t g = 0; g < x->p->n_group; g++) {
        uint32_t *table = input(x, (tn_gpu_input)(TN_GPU_IN_PAGES + g));
        for (uint32_t i = 0; i < s->n_seq; i++) {
            const uint32_t n = x->p->groups[g].is_state ? 1 : s->seqs[i].n_page;
            memcpy(table + (size_t)i * stride, s->seqs[i].pages[g], n * sizeof *table);
        }
    }
}

static void stage(tn_gpu_exec *x, const tn_step *s) {
    memset(x->n, 0, sizeof x->n);
    x->n[TN_GPU_ONE] = 1;
    x->n[TN_GPU_TOKENS] = s->n_token;
    x->n[TN_GPU_OUTPUT] = s->n_row;
    x->n[TN_GPU_SEQS] = s->n_seq;
    uint32_t *rows = input(x, TN_GPU_IN_ROWS);
    if (s->n_row) memcpy(rows, s->rows, s->n_row * sizeof *rows);
    pad(rows, s->n_row);
    stage_tokens(x, s);
    stage_seqs(x, s);
    stage_folded(x, s);
    stage_coords(x, s);
    for (uint32_t i = 0; i < 3; i++) stage_sees(x, s, i);
    stage_mix(x, s);
    stage_media(x, s);
    stage_pages(x, s);
}

/* ---- going over ---- */

/* Of each part, rows of media one after the other. */
static int upload_media(tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    const uint64_t row = x->p->n_embd * sizeof(float);
    int rc = 0;
    for (uint32_t k = 0; k < x->n_media_part; k++) {
        uint64_t at = x->input_offset[TN_GPU_IN_MEDIA_ROWS] + k * x->config.max_tokens * row;
        for (uint32_t i = 0; !rc && i < s->n_media; i++) {
            const uint64_t n = s->media[i].n_token * row;
            if (n) rc = x->gpu->api->write(x->gpu, x->inputs[x->turn], at, s->media[i].rows[k], n, err);
            at += n;
        }
    }
    return rc;
}

/* A tower's rows, where the stage reads them. */
static int upload_rows(tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    const uint64_t n = (uint64_t)s->n_token * x->p->n_input * sizeof(float);
    if (!stage_has(x->p, s->stage, TN_OP_INPUT)) return 0;
    return x->gpu->api->write(x->gpu, x->inputs[x->turn], x->input_offset[TN_GPU_IN_PATCHES], s->input, n,
                              err);
}

/* Of each page table the rows of the sequences that are in the step. */
static int upload(tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    const tn_gpu_api *api = x->gpu->api;
    tn_gpu_buffer *to = x->inputs[x->turn];
    int rc = api->write(x->gpu, to, 0, x->staged, x->input_offset[TN_GPU_IN_PAGES], err);
    for (uint32_t g = 0; !rc && g < x->p->n_group; g++) {
        const uint64_t at = x->input_offset[TN_GPU_IN_PAGES + g];
        const uint64_t n = (uint64_t)s->n_seq * x->config.max_seq_pages * sizeof(uint32_t);
        if (n) rc = api->write(x->gpu, to, at, x->staged + at, n, err);
    }
    return rc;
}

int tn_gpu_bring(tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    stage(x, s);
    int rc = upload(x, s, err);
    if (!rc) rc = upload_rows(x, s, err);
    return rc ? rc : upload_media(x, s, err);
}
