/* SPDX-License-Identifier: Apache-2.0 */
/* A member's share of each operation. Rows, heads, elements or output columns are split, never a sum. */
#include "device/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { GRAIN = 256 }; /* elements; keeps members off each other's cache lines */

/* cos and sin of every token's angles, each once a step. */
void tn_cpu_run_rope_table(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_step *s = &x->step;
    tn_range r = tn_team_share(s->n_token, 1, member, n_member);
    for (uint64_t t = r.first; t < r.end; t++) {
        uint32_t v =
            s->seqs[s->seq[t]].rope_variant < c->rope->n_variant ? s->seqs[s->seq[t]].rope_variant : 0;
        float *cs = c->table + t * 2 * c->n_pair;
        for (uint32_t i = 0; i < c->n_pair; i++) {
            float angle = (float)s->pos[t] * c->rope->inv_freq[v][i];
            cs[i] = cosf(angle) * c->rope->mscale[v];
            cs[c->n_pair + i] = sinf(angle) * c->rope->mscale[v];
        }
    }
}

void tn_cpu_run_embed(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = tn_team_share(x->step.n_token, 1, member, n_member);
    for (uint64_t t = r.first; t < r.end; t++) {
        float *y = c->out + t * c->cols;
        tn_tensor_dequantize(c->linear.tensor, c->linear.first_row + (uint32_t)x->step.ids[t], 0,
                             c->linear.cols, y);
        if (c->f != 1.0f) x->device->kernels->scale(y, y, c->cols, c->f);
    }
}

void tn_cpu_run_linear(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint32_t n_row = tn_cpu_rows(x, c->rows);
    tn_range r = tn_team_share(c->linear.rows, TN_CPU_LINEAR_ROWS, member, n_member);
    if (n_row == 0 || r.first == r.end) return;
    x->device->kernels->linear_f32(&c->linear, c->in[0], c->out, n_row, r, tn_cpu_scratch(x, member));
}

void tn_cpu_run_quantize(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = tn_team_share(tn_cpu_act_blocks(c->cols), 2, member, n_member);
    x->device->kernels->quantize(c->in[0], c->cols, tn_cpu_rows(x, c->rows), r, c->act);
}

void tn_cpu_run_linear_int8(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = tn_team_share(tn_cpu_panels_count(&c->panels), 1, member, n_member);
    x->device->kernels->linear_int8(&c->panels, c->act, c->out, tn_cpu_rows(x, c->rows), r,
                                    tn_cpu_scratch(x, member));
}

void tn_cpu_run_rms_norm(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint64_t n_group = (uint64_t)tn_cpu_rows(x, c->rows) * (c->cols / c->group);
    tn_range r = tn_team_share(n_group, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++)
        x->device->kernels->rms_norm(c->out + i * c->group, c->in[0] + i * c->group, c->w, c->group, c->f);
}

void tn_cpu_run_rope(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint32_t n_head = c->cols / c->group;
    tn_range r = tn_team_share((uint64_t)x->step.n_token * n_head, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++) {
        const float *cs = c->w + i / n_head * 2 * c->n_pair;
        x->device->kernels->rope(c->out + i * c->group, c->in[0] + i * c->group, c->group, c->n_pair, cs,
                                 c->style);
    }
}

void tn_cpu_run_store(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    const tn_step *s = &x->step;
    const tn_cpu_cache *cache = &c->attention.cache;
    uint32_t n_head = cache->n_head_kv;
    tn_range r = tn_team_share((uint64_t)s->n_token * n_head, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++) {
        uint64_t t = i / n_head, head = i % n_head;
        uint32_t page = s->seqs[s->seq[t]].pages[cache->group][s->pos[t] / cache->page_tokens];
        x->device->kernels->cache_store(cache, page, s->pos[t] % cache->page_tokens, (uint32_t)head,
                                        c->in[1] + i * cache->head_dim, c->in[2] + i * cache->head_dim);
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

static bool items_next(items *it) {
    const tn_attention_desc *d = &it->c->attention.desc;
    uint32_t most = tn_cpu_attention_rows(d), cols = d->n_head * d->head_dim;
    if (it->seq == it->x->step.n_seq) return false;
    const tn_step_seq *seq = &it->x->step.seqs[it->seq];
    size_t row = seq->first_token + it->token;
    it->item = (tn_cpu_attention_item){
        .q = it->c->in[0] + row * cols,
        .out = it->c->out + row * cols,
        .pages = seq->pages[it->c->attention.cache.group],
        .pos = seq->first_pos + it->token,
        .n_row = seq->n_token - it->token < most ? seq->n_token - it->token : most,
        .head_kv = it->head,
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
    const tn_attention_desc *d = &c->attention.desc;
    uint64_t n_item = 0, n_unit = 0, n_float = 0, most = tn_cpu_attention_rows(d);
    if (!x->parts || n_member == 1) return false;
    for (uint32_t i = 0; i < x->step.n_seq; i++)
        n_item += (x->step.seqs[i].n_token + most - 1) / most * d->n_head_kv;
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

/* Items are dealt out in turn: their costs grow along a sequence. */
void tn_cpu_run_attention(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint64_t index = 0;
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

void tn_cpu_run_slice(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    uint64_t n_run = (uint64_t)tn_cpu_rows(x, c->rows) * (c->cols / c->group);
    tn_range r = tn_team_share(n_run, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++)
        memcpy(c->out + i * c->n, c->in[0] + i * c->group + c->first, c->n * sizeof *c->out);
}

static tn_range share_elements(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member,
                               uint32_t n_member) {
    return tn_team_share((uint64_t)tn_cpu_rows(x, c->rows) * c->cols, GRAIN, member, n_member);
}

void tn_cpu_run_glu(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = share_elements(x, c, member, n_member);
    x->device->kernels->glu(c->out + r.first, c->in[0] + r.first, c->in[1] + r.first, r.end - r.first,
                            c->activation);
}
void tn_cpu_run_add(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = share_elements(x, c, member, n_member);
    x->device->kernels->add(c->out + r.first, c->in[0] + r.first, c->in[1] + r.first, r.end - r.first);
}
void tn_cpu_run_scale(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = share_elements(x, c, member, n_member);
    x->device->kernels->scale(c->out + r.first, c->in[0] + r.first, r.end - r.first, c->f);
}
void tn_cpu_run_softcap(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = share_elements(x, c, member, n_member);
    x->device->kernels->softcap(c->out + r.first, c->in[0] + r.first, r.end - r.first, c->f);
}

void tn_cpu_run_rows(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = tn_team_share(x->step.n_row, 1, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++)
        memcpy(c->out + i * c->cols, c->in[0] + (size_t)x->step.rows[i] * c->cols, c->cols * sizeof(float));
}

void tn_cpu_run_copy(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member) {
    tn_range r = share_elements(x, c, member, n_member);
    memcpy(c->out + r.first, c->in[0] + r.first, (r.end - r.first) * sizeof(float));
}
