/* SPDX-License-Identifier: Apache-2.0 */
/* A member's share of each operation. Rows, heads, elements or output columns are split, never a sum. */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

static tn_cpu_walk walk(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t cols, uint32_t member,
                        uint32_t n_member) {
    return tn_cpu_walk_of(tn_cpu_rows(x, c->rows), cols, c->cut, member, n_member);
}

/* cos and sin of every token's angles, each once a step. */
void tn_cpu_run_rope_table(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_step *s = &x->step;
    tn_range r = tn_team_share(s->n_token, 1, member, n_member);
    for (uint64_t t = r.first; t < r.end; t++) {
        uint32_t v =
            s->seqs[s->seq[t]].rope_variant < c->rope->n_variant ? s->seqs[s->seq[t]].rope_variant : 0;
        float *cs = c->table + t * 2 * c->n_pair;
        for (uint32_t i = 0; i < c->n_pair; i++) {
            uint32_t at = c->rope->axis && s->coord ? s->coord[t][c->rope->axis[i]] : s->pos[t];
            float angle = (float)at * c->rope->inv_freq[v][i];
            cs[i] = cosf(angle) * c->rope->mscale[v];
            cs[c->n_pair + i] = sinf(angle) * c->rope->mscale[v];
        }
    }
}

void tn_cpu_run_embed(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        float *y = c->out + w.row * c->cols;
        tn_tensor_dequantize(c->linear.tensor, c->linear.first_row + (uint32_t)x->step.ids[w.row], 0,
                             c->linear.cols, y);
        if (c->f != 1.0f) x->device->kernels->scale(y, y, c->cols, c->f);
    }
}

void tn_cpu_run_embed_type(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);)
        tn_tensor_dequantize(c->linear.tensor,
                             c->linear.first_row + (c->linear.rows > 1 ? (uint32_t)x->step.types[w.row] : 0),
                             0, c->linear.cols, c->out + w.row * c->cols);
}

void tn_cpu_run_linear(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint32_t n_row = tn_cpu_rows(x, c->rows);
    tn_range r = tn_cpu_columns(c->linear.rows, c->cut, member, n_member);
    if (n_row == 0 || r.first == r.end) return;
    x->device->kernels->linear_f32(&c->linear, c->in[0], c->out, n_row, r, tn_cpu_scratch(x, member));
}

/* Rows of in, [rows, c->cols], rounded as the weights want them. */
static void round_rows(const tn_cpu_exec *x, const tn_cpu_call *c, const float *in, tn_range blocks,
                       int32_t *act) {
    const tn_cpu_kernels *k = x->device->kernels;
    (c->bf16 ? k->round_bf16 : k->quantize)(in, c->cols, tn_cpu_rows(x, c->rows), blocks, act);
}

/* All blocks of all rows by every member for itself. */
static void quantize_own(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member) {
    const tn_cpu_kernels *k = x->device->kernels;
    uint32_t n_row = tn_cpu_rows(x, c->rows);
    const float *in = c->in[0];
    int32_t *act = tn_cpu_act(x, c, member);
    if (c->normed) {
        float *y = (float *)(x->own + (size_t)(member + 1) * TN_CPU_OWN_WORDS) - TN_CPU_OWN;
        for (size_t t = 0; t < n_row; t++)
            k->rms_norm(y + t * c->cols, in + t * c->cols, c->w, c->cols, c->f);
        in = y;
    }
    round_rows(x, c, in, (tn_range){0, tn_cpu_act_blocks(c->cols)}, act);
}

/* Rows are normed, and blocks quantised, in shares. */
static void quantize_together(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member,
                              uint32_t n_member) {
    tn_range r = tn_team_share(tn_cpu_act_blocks(c->cols), 2, member, n_member);
    const float *in = c->in[0];
    if (c->normed) {
        tn_cpu_run_rms_norm(x, c, member, n_member);
        tn_team_barrier(x->device->team);
        in = c->out;
    }
    round_rows(x, c, in, r, x->act[c->act]);
    tn_team_barrier(x->device->team);
}

void tn_cpu_run_quantize(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    if (tn_cpu_act_own(x, c)) {
        quantize_own(x, c, member);
    } else if (c->act_whole) {
        quantize_together(x, c, member, n_member);
    } else {
        tn_range r = tn_cpu_columns(c->cols, c->cut, member, n_member);
        tn_range blocks = {r.first / TN_CPU_ACT_BLOCK,
                           r.end == c->cols ? tn_cpu_act_blocks(c->cols) : r.end / TN_CPU_ACT_BLOCK};
        if (r.first < r.end) round_rows(x, c, c->in[0], blocks, x->act[c->act]);
    }
}

void tn_cpu_run_linear_rounded(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member,
                               uint32_t n_member) {
    const tn_cpu_kernels *k = x->device->kernels;
    const int32_t *act = tn_cpu_act(x, c, member);
    void *scratch = tn_cpu_scratch(x, member);
    tn_range r = tn_cpu_columns(c->panels.rows, c->cut, member, n_member);
    if (r.first == r.end) return; /* at the end it may not be the first of a panel */
    r.first /= TN_CPU_PANEL_ROWS;
    r.end = (r.end + TN_CPU_PANEL_ROWS - 1) / TN_CPU_PANEL_ROWS;
    (c->bf16 ? k->linear_bf16 : k->linear_int8)(&c->panels, act, c->out, tn_cpu_rows(x, c->rows), r, scratch);
}

void tn_cpu_run_rms_norm(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t row = w.row * c->cols;
        for (uint64_t i = w.cols.first; i < w.cols.end; i += c->group)
            x->device->kernels->rms_norm(c->out + row + i, c->in[0] + row + i, c->w, c->group, c->f);
    }
}

void tn_cpu_run_layer_norm(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t row = w.row * c->cols;
        x->device->kernels->layer_norm(c->out + row, c->in[0] + row, c->w, c->bias, c->cols, c->f);
    }
}

void tn_cpu_run_input(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);)
        memcpy(c->out + w.row * c->cols, x->step.input + w.row * c->cols, c->cols * sizeof(float));
}

void tn_cpu_run_mix(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        float *y = c->out + w.row * c->cols;
        const float *rows[4], *by = x->step.mix_weight[w.row];
        for (int i = 0; i < 4; i++) rows[i] = c->w + (size_t)x->step.mix_index[w.row][i] * c->cols;
        for (uint32_t k = 0; k < c->cols; k++)
            y[k] =
                fmaf(by[3], rows[3][k], fmaf(by[2], rows[2][k], fmaf(by[1], rows[1][k], by[0] * rows[0][k])));
    }
}

/* Rows that follow each other lie so in memory. */
void tn_cpu_run_fold(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = tn_team_share((uint64_t)tn_cpu_rows(x, c->rows) * c->cols, 64, member, n_member);
    memcpy(c->out + r.first, c->in[0] + r.first, (r.end - r.first) * sizeof(float));
}

void tn_cpu_run_mean(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = tn_team_share(tn_cpu_rows(x, c->rows) / c->group, 1, member, n_member);
    for (uint64_t t = r.first; t < r.end; t++) {
        const float *from = c->in[0] + t * c->group * c->cols;
        float *y = c->out + t * c->cols;
        memcpy(y, from, c->cols * sizeof *y);
        for (uint32_t i = 1; i < c->group; i++)
            x->device->kernels->add(y, y, from + (size_t)i * c->cols, c->cols);
        x->device->kernels->scale(y, y, c->cols, 1.0f / (float)c->group);
    }
}

/* One place of the kernel: to [channels * kernel bins * kernel frames]. segment: the first frame's values;
 * of its n_frame frames those below count. */
static void unfold_place(const tn_cpu_call *c, const float *segment, int64_t n_frame, int64_t frame,
                         int64_t bin, float *to) {
    const tn_unfold_desc *u = &c->unfold;
    const uint32_t n_channel = c->group, n_kernel = u->kernel[0] * u->kernel[1];
    for (uint32_t kb = 0; kb < u->kernel[1]; kb++)
        for (uint32_t kf = 0; kf < u->kernel[0]; kf++) {
            const int64_t f = frame + kf, b = bin + kb;
            float *at = to + kb * u->kernel[0] + kf;
            if (f < 0 || f >= n_frame || b < 0 || b >= u->bins) {
                for (uint32_t i = 0; i < n_channel; i++) at[(size_t)i * n_kernel] = 0;
                continue;
            }
            const float *from = segment + ((size_t)f * u->bins + (size_t)b) * n_channel;
            for (uint32_t i = 0; i < n_channel; i++) at[(size_t)i * n_kernel] = from[i];
        }
}

void tn_cpu_run_unfold(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_unfold_desc *u = &c->unfold;
    const tn_step_sees *sees = &x->step.sees[TN_SEES_WINDOW];
    const uint32_t bins = tn_unfold_bins(u), frames = u->frames / u->stride[0], n_place = frames * bins;
    const int64_t values = (int64_t)u->frames * u->bins * c->group; /* of one T */
    tn_range r = tn_team_share((uint64_t)x->step.n_token * n_place, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++) {
        const uint32_t t = (uint32_t)(i / n_place), place = (uint32_t)(i % n_place);
        const int64_t row = (int64_t)x->step.pos[t] - sees->first[t]; /* of the segment */
        int64_t n_frame = (int64_t)(sees->end[t] - sees->first[t]) * u->frames;
        if (u->limit && n_frame > u->limit) n_frame = u->limit;
        unfold_place(c, c->in[0] + (t - row) * values, n_frame,
                     (row * frames + place / bins) * u->stride[0] - u->pad[0],
                     (int64_t)(place % bins) * u->stride[1] - u->pad[1], c->out + i * c->cols);
    }
}

void tn_cpu_run_positions(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);)
        memcpy(c->out + w.row * c->cols, c->w + (size_t)x->step.pos[w.row] * c->cols,
               c->cols * sizeof(float));
}

/* Heads of tokens are dealt out in contiguous shares. */
void tn_cpu_run_cross(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_cross_desc *d = &c->cross;
    const tn_step *s = &x->step;
    tn_range r = tn_team_share((uint64_t)s->n_token * d->n_head, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++) {
        const tn_step_cross *rows = s->seqs[s->seq[i / d->n_head]].cross;
        const size_t head = (size_t)(i % d->n_head) * d->head_dim, at = i * d->head_dim;
        x->device->kernels->cross(c->in[0] + at, rows->parts[d->part] + head, rows->parts[d->part + 1] + head,
                                  rows->n_row, c->cols, d->head_dim, d->scale, tn_cpu_scratch(x, member),
                                  c->out + at);
    }
}

/* The media run that row t is part of, or NULL. Runs ascend, as rows do that ask. */
static const tn_step_media *media_at(const tn_step *s, uint32_t t, uint32_t *next) {
    while (*next < s->n_media && t >= s->media[*next].first_token + s->media[*next].n_token) ++*next;
    return *next < s->n_media && t >= s->media[*next].first_token ? &s->media[*next] : NULL;
}

void tn_cpu_run_media(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint32_t next = 0;
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t at = w.row * c->cols + w.cols.first, n = w.cols.end - w.cols.first;
        const tn_step_media *m = media_at(&x->step, (uint32_t)w.row, &next);
        const float *row = m ? m->rows[c->first] + (w.row - m->first_token) * c->cols + w.cols.first : NULL;
        if (m && c->first)
            x->device->kernels->add(c->out + at, c->in[0] + at, row, n);
        else if (c->out != c->in[0] || m)
            memmove(c->out + at, m ? row : c->in[0] + at, n * sizeof(float));
    }
}

void tn_cpu_run_rope(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        const float *cs = c->w + w.row * 2 * c->n_pair;
        size_t row = w.row * c->cols;
        for (uint64_t i = w.cols.first; i < w.cols.end; i += c->group)
            x->device->kernels->rope(c->out + row + i, c->in[0] + row + i, c->group, c->n_pair, cs, c->style);
    }
}

void tn_cpu_run_store(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_step *s = &x->step;
    const tn_cpu_cache *cache = &c->attention.cache;
    uint32_t dim = cache->head_dim, cols = cache->n_head_kv * dim;
    for (tn_cpu_walk w = walk(x, c, cols, member, n_member); tn_cpu_walk_next(&w);) {
        uint32_t page = s->seqs[s->seq[w.row]].pages[cache->group][s->pos[w.row] / cache->page_tokens];
        const float *k = c->in[1] + w.row * cols, *v = c->in[2] + w.row * cols;
        for (uint64_t i = w.cols.first; i < w.cols.end; i += dim)
            x->device->kernels->cache_store(cache, page, s->pos[w.row] % cache->page_tokens,
                                            (uint32_t)(i / dim), k + i, v + i);
    }
}

/* The items of an attention one after the other: by sequence, row, head. */
typedef struct items {
    const tn_cpu_exec *x;
    const tn_cpu_call *c;
    uint32_t seq, token, head; /* of the next one */
    tn_cpu_attention_item item;
    tn_range spans;   /* of the item */
    uint64_t n_float; /* its partial results */
} items;

/* How many of the next `most` rows see as the first of them does; and what that is. */
static uint32_t rows_alike(const tn_step_sees *s, size_t row, uint32_t most, uint32_t *first, uint32_t *end) {
    uint32_t n = 1;
    *first = *end = 0;
    if (!s->end) return most;
    *end = s->end[row];
    if (*end) *first = s->first[row];
    while (n < most && s->end[row + n] == *end) n++;
    return n;
}

static bool items_next(items *it) {
    const tn_attention_desc *d = &it->c->attention.desc;
    uint32_t most = tn_cpu_attention_rows(d), cols = d->n_head * d->head_dim, first, end;
    if (it->seq == it->x->step.n_seq) return false;
    const tn_step_seq *seq = &it->x->step.seqs[it->seq];
    size_t row = seq->first_token + it->token;
    if (most > seq->n_token - it->token) most = seq->n_token - it->token;
    most = rows_alike(&it->x->step.sees[d->sees], row, most, &first, &end);
    if (d->sees == TN_SEES_PAST && !d->window) first = 0;
    it->item = (tn_cpu_attention_item){
        .q = it->c->in[0] + row * cols,
        .out = it->c->out + row * cols,
        .pages = seq->pages[it->c->attention.cache.group],
        .pos = seq->first_pos + it->token,
        .n_row = most,
        .head_kv = it->head,
        .first = first,
        .end = end,
    };
    it->spans = tn_cpu_attention_spans(d, &it->item);
    it->n_float = (it->spans.end - it->spans.first) * it->item.n_row * (d->n_head / d->n_head_kv) *
                  tn_cpu_partial(d->head_dim);
    if (++it->head < d->n_head_kv) return true;
    it->head = 0;
    it->token += it->item.n_row;
    if (it->token < seq->n_token) return true;
    it->token = 0;
    it->seq++;
    return true;
}

bool tn_cpu_attention_shared(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t n_member) {
    uint64_t n_item = 0, n_unit = 0, n_float = 0;
    if (!x->parts || n_member == 1) return false;
    for (items it = {.x = x, .c = c}; items_next(&it);) n_item++;
    uint64_t rounds = (n_item + n_member - 1) / n_member;
    if (5 * n_item >= 4 * rounds * n_member) return false; /* a fifth idle is as much as sharing costs */
    for (items it = {.x = x, .c = c}; items_next(&it);) {
        n_unit += it.spans.end - it.spans.first;
        n_float += it.n_float;
    }
    return n_unit > n_item && n_float <= x->n_part;
}

/* Spans of all items, in contiguous shares; then the items are put together. */
static void share_attention(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_cpu_kernels *k = x->device->kernels;
    const tn_attention_desc *d = &c->attention.desc;
    uint64_t n_unit = 0, n, index = 0, row = d->n_head / d->n_head_kv * tn_cpu_partial(d->head_dim);
    float *parts = x->parts;
    for (items it = {.x = x, .c = c}; items_next(&it);) n_unit += it.spans.end - it.spans.first;
    tn_range r = tn_team_share(n_unit, 1, member, n_member);
    n_unit = 0;
    for (items it = {.x = x, .c = c}; items_next(&it); n_unit += n, parts += it.n_float) {
        n = it.spans.end - it.spans.first;
        uint64_t first = r.first > n_unit ? r.first - n_unit : 0, end = r.end > n_unit ? r.end - n_unit : 0;
        if (end > n) end = n;
        if (first >= end) continue;
        k->attention_part(&c->attention, &it.item, (tn_range){it.spans.first + first, it.spans.first + end},
                          parts + first * it.item.n_row * row, tn_cpu_scratch(x, member));
    }
    tn_team_barrier(x->device->team);
    parts = x->parts;
    for (items it = {.x = x, .c = c}; items_next(&it); index++, parts += it.n_float)
        if (index % n_member == member)
            k->attention_fold(&c->attention, &it.item, parts, tn_cpu_scratch(x, member));
}

/* The items of the heads that a member owns. */
static void attention_of_heads(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member,
                               uint32_t n_member) {
    tn_range heads = tn_team_share(c->attention.desc.n_head_kv, 1, member, n_member);
    for (items it = {.x = x, .c = c}; items_next(&it);)
        if (it.item.head_kv >= heads.first && it.item.head_kv < heads.end)
            x->device->kernels->attention(&c->attention, &it.item, tn_cpu_scratch(x, member));
}

/* Where heads are not owned items are dealt out in turn: their costs grow along a sequence. */
void tn_cpu_run_attention(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint64_t index = 0;
    if (c->cut.width) {
        attention_of_heads(x, c, member, n_member);
        return;
    }
    if (tn_cpu_attention_shared(x, c, n_member)) {
        share_attention(x, c, member, n_member);
        return;
    }
    for (items it = {.x = x, .c = c}; items_next(&it); index++)
        if (index % n_member == member)
            x->device->kernels->attention(&c->attention, &it.item, tn_cpu_scratch(x, member));
}

/* Where the state of a sequence lies; before its first token it is zeros, whatever the page holds. */
static float *state_of(const tn_cpu_state *st, const tn_step_seq *seq) {
    return (float *)(void *)(st->pool + seq->pages[st->group][0] * st->page_bytes + st->offset);
}

void tn_cpu_run_conv(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_cpu_conv *conv = &c->conv;
    tn_range r = tn_team_share(conv->cols, TN_CPU_LANES_MAX, member, n_member);
    if (r.first == r.end) return;
    for (uint32_t i = 0; i < x->step.n_seq; i++) {
        const tn_step_seq *seq = &x->step.seqs[i];
        float *tail = state_of(&c->state, seq);
        for (uint32_t j = 0; seq->first_pos == 0 && j + 1 < conv->kernel; j++)
            memset(tail + (size_t)j * conv->cols + r.first, 0, (r.end - r.first) * sizeof *tail);
        size_t first = (size_t)seq->first_token * conv->cols;
        x->device->kernels->conv(conv, c->in[0] + first, c->out + first, tail, seq->n_token, r);
    }
}

/* Heads are dealt out in turn: sequences have different numbers of tokens. */
void tn_cpu_run_delta_rule(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_delta_desc *d = &c->delta.desc;
    size_t head_state = (size_t)d->head_dim_k * d->head_dim_v;
    for (uint64_t i = member; i < (uint64_t)x->step.n_seq * d->n_head; i += n_member) {
        const tn_step_seq *seq = &x->step.seqs[i / d->n_head];
        size_t t = seq->first_token, head = i % d->n_head;
        tn_cpu_delta_item item = {
            .qkv = c->in[0] + t * tn_delta_cols(d),
            .a = c->in[1] + t * d->n_head,
            .b = c->in[2] + t * d->n_head,
            .out = c->out + t * d->n_head * d->head_dim_v,
            .state = state_of(&c->state, seq) + head * head_state,
            .n_row = seq->n_token,
            .head = (uint32_t)head,
        };
        if (seq->first_pos == 0) memset(item.state, 0, head_state * sizeof *item.state);
        x->device->kernels->delta_rule(&c->delta, &item, tn_cpu_scratch(x, member));
    }
}

/* Runs of c->n columns, out of runs of c->group. */
void tn_cpu_run_slice(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint32_t cols = c->cols / c->group * c->n;
    for (tn_cpu_walk w = walk(x, c, cols, member, n_member); tn_cpu_walk_next(&w);) {
        uint64_t end;
        for (uint64_t i = w.cols.first; i < w.cols.end; i = end) {
            uint64_t run = i / c->n;
            end = (run + 1) * c->n < w.cols.end ? (run + 1) * c->n : w.cols.end;
            const float *from = c->in[0] + w.row * c->cols + run * c->group + c->first + i % c->n;
            memcpy(c->out + w.row * cols + i, from, (end - i) * sizeof *from);
        }
    }
}

void tn_cpu_run_glu(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t at = w.row * c->cols + w.cols.first, n = w.cols.end - w.cols.first;
        const float *up = c->in[1] ? c->in[1] + at : NULL;
        x->device->kernels->glu(c->out + at, c->in[0] + at, up, n, c->activation);
    }
}
void tn_cpu_run_add(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t at = w.row * c->cols + w.cols.first, n = w.cols.end - w.cols.first;
        x->device->kernels->add(c->out + at, c->in[0] + at, c->in[1] + at, n);
    }
}
void tn_cpu_run_scale(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t at = w.row * c->cols + w.cols.first, n = w.cols.end - w.cols.first;
        x->device->kernels->scale(c->out + at, c->in[0] + at, n, c->f);
    }
}
void tn_cpu_run_softcap(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t at = w.row * c->cols + w.cols.first, n = w.cols.end - w.cols.first;
        x->device->kernels->softcap(c->out + at, c->in[0] + at, n, c->f);
    }
}

void tn_cpu_run_rows(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_cpu_walk w = tn_cpu_walk_of(x->step.n_row, c->cols, c->cut, member, n_member);
    while (tn_cpu_walk_next(&w))
        memcpy(c->out + w.row * c->cols, c->in[0] + (size_t)x->step.rows[w.row] * c->cols,
               c->cols * sizeof(float));
}

void tn_cpu_run_copy(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    for (tn_cpu_walk w = walk(x, c, c->cols, member, n_member); tn_cpu_walk_next(&w);) {
        size_t at = w.row * c->cols + w.cols.first;
        memcpy(c->out + at, c->in[0] + at, (w.cols.end - w.cols.first) * sizeof(float));
    }
}
