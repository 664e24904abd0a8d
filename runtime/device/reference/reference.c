/* SPDX-License-Identifier: Apache-2.0 */
#include "device/reference/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/checked.h"
#include "device/kv_type.h"
#include "device/reference/ops.h"

typedef struct ref_exec {
    tn_exec base;
    const tn_program *p;
    tn_exec_config config;
    float **slots; /* [n_slot]: [max rows, cols] */
    /* [n_layer]: pages of [2, page_tokens, n_head_kv * head_dim], k then v: F32 numbers, those that are left
     * of them where config.kv_type is a narrower type; or pages of states. */
    float **kv;
    size_t *kv_bytes; /* [n_layer]: of the whole layer */
    float **taps;     /* [n_tap]: [max_tokens, cols], or NULL without taps */
    float *row;       /* one dequantised weight row, or all of a vector's or a convolution's */
    float *bias;      /* one dequantised bias */
    float *window;    /* [kernel, cols]: inputs that a convolution sees */
    float *scores;    /* one query's scores */
    const tn_step *step;
} ref_exec;

static uint32_t step_rows(const ref_exec *x, uint32_t rows) {
    return tn_rows_count(rows, x->step->n_token, x->step->n_row);
}

/* Of the step's rows. */
static float *data(const ref_exec *x, tn_value v) {
    const tn_value_info *info = &x->p->values[v];
    size_t row = info->kept && x->step ? tn_rows_count(info->rows, x->step->first_row, 0) : 0;
    return x->slots[info->slot] + row * info->cols;
}

static void weight_row(const ref_exec *x, tn_weight w, uint32_t row, float *ret) {
    const tn_weight_info *wi = &x->p->weights[w];
    tn_tensor_dequantize(wi->tensor, wi->first_row + row, 0, wi->cols, ret);
    for (uint32_t i = 0; wi->add_one && i < wi->cols; i++) ret[i] += 1;
    for (uint32_t i = 0; wi->neg_exp && i < wi->cols; i++) ret[i] = (float)-exp(ret[i]);
}

/* All rows, one after the other. */
static void weight_rows(const ref_exec *x, tn_weight w, float *ret) {
    const tn_weight_info *wi = &x->p->weights[w];
    for (uint32_t i = 0; i < wi->rows; i++) weight_row(x, w, i, ret + (size_t)i * wi->cols);
}

static void run_embed(ref_exec *x, const tn_op *op) {
    uint32_t cols = x->p->values[op->out].cols;
    for (uint32_t t = 0; t < x->step->n_token; t++) {
        float *y = data(x, op->out) + (size_t)t * cols;
        weight_row(x, op->w, (uint32_t)x->step->ids[t], y);
        for (uint32_t i = 0; i < cols; i++) y[i] *= op->f;
    }
}

static void run_embed_type(ref_exec *x, const tn_op *op) {
    uint32_t cols = x->p->values[op->out].cols;
    bool two = x->p->weights[op->w].rows > 1;
    for (uint32_t t = 0; t < x->step->n_token; t++)
        weight_row(x, op->w, two ? (uint32_t)x->step->types[t] : 0, data(x, op->out) + (size_t)t * cols);
}

static void run_linear(ref_exec *x, const tn_op *op) {
    const tn_weight_info *wi = &x->p->weights[op->w];
    uint32_t n = step_rows(x, x->p->values[op->out].rows);
    const float *in = data(x, op->in[0]);
    float *out = data(x, op->out);
    if (op->bias) weight_row(x, op->bias, 0, x->bias);
    for (uint32_t j = 0; j < wi->rows; j++) {
        weight_row(x, op->w, j, x->row);
        for (uint32_t t = 0; t < n; t++) {
            double y = tn_ref_dot(in + (size_t)t * wi->cols, x->row, wi->cols);
            out[(size_t)t * wi->rows + j] = (float)(op->bias ? y + x->bias[j] : y);
        }
    }
}

static void run_rms_norm(ref_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    size_t n = (size_t)step_rows(x, v->rows) * v->cols;
    weight_row(x, op->w, 0, x->row);
    for (size_t i = 0; i < n; i += op->group)
        tn_ref_rms_norm(data(x, op->in[0]) + i, x->row, op->group, op->f, data(x, op->out) + i);
}

static void run_rope(ref_exec *x, const tn_op *op) {
    uint32_t cols = x->p->values[op->out].cols;
    const tn_rope_info *table = &x->p->ropes[op->rope];
    for (uint32_t t = 0; t < x->step->n_token; t++) {
        float *y = data(x, op->out) + (size_t)t * cols;
        memmove(y, data(x, op->in[0]) + (size_t)t * cols, cols * sizeof *y);
        uint32_t variant = x->step->seqs[x->step->seq[t]].rope_variant;
        for (uint32_t h = 0; h < cols; h += op->group)
            tn_ref_rope(y + h, table, variant < table->n_variant ? variant : 0, x->step->pos[t],
                        x->step->coord ? x->step->coord[t] : NULL);
    }
}

/* Where k (which 0) or v (1) of a position of a sequence lies: a row of n_head_kv * head_dim. */
static float *kv_row(const ref_exec *x, uint32_t layer, const tn_step_seq *s, uint32_t pos, uint32_t which) {
    const tn_cache_info *c = &x->p->caches[layer];
    size_t cols = (size_t)c->n_head_kv * c->head_dim, pt = x->config.page_tokens;
    return x->kv[layer] + ((s->pages[c->group][pos / pt] * 2 + which) * pt + pos % pt) * cols;
}

typedef struct kv_head {
    const ref_exec *x;
    const tn_step_seq *s;
    uint32_t layer, offset; /* of the head in its row */
} kv_head;

static const float *k_at(const void *ctx, uint32_t pos) {
    const kv_head *h = ctx;
    return kv_row(h->x, h->layer, h->s, pos, 0) + h->offset;
}

static const float *v_at(const void *ctx, uint32_t pos) {
    const kv_head *h = ctx;
    return kv_row(h->x, h->layer, h->s, pos, 1) + h->offset;
}

static void store_kv(ref_exec *x, const tn_op *op) {
    const tn_attention_desc *a = &op->attention;
    uint32_t cols = a->n_head_kv * a->head_dim;
    for (uint32_t t = 0; t < x->step->n_token; t++)
        for (uint32_t which = 0; which < 2; which++) {
            const float *from = data(x, op->in[1 + which]) + (size_t)t * cols;
            float *to = kv_row(x, a->layer, &x->step->seqs[x->step->seq[t]], x->step->pos[t], which);
            for (uint32_t h = 0; h < cols; h += a->head_dim)
                tn_kv_type_round(x->config.kv_type, from + h, a->head_dim, to + h);
        }
}

static void run_attention(ref_exec *x, const tn_op *op) {
    const tn_attention_desc *a = &op->attention;
    float q[TN_REF_MAX_HEAD_DIM];
    uint32_t first, end;
    for (uint32_t t = 0; t < x->step->n_token; t++) {
        tn_step_row_sees(x->step, a, t, &first, &end);
        for (uint32_t h = 0; h < a->n_head; h++) {
            kv_head kv = {.x = x,
                          .s = &x->step->seqs[x->step->seq[t]],
                          .layer = a->layer,
                          .offset = h / (a->n_head / a->n_head_kv) * a->head_dim};
            size_t at = ((size_t)t * a->n_head + h) * a->head_dim;
            float *y = data(x, op->out) + at;
            tn_kv_type_turn(x->config.kv_type, data(x, op->in[0]) + at, a->head_dim, q);
            tn_ref_attention(q, k_at, v_at, &kv, a, first, end, x->scores, y);
            tn_kv_type_turn(x->config.kv_type, y, a->head_dim, y);
        }
    }
}

static size_t layer_page(const tn_program *p, const tn_exec_config *config, uint32_t layer);

/* An operation's n elements of the state of a sequence, as they are before the step. */
static float *state_of(const ref_exec *x, const tn_step_seq *s, uint32_t layer, const tn_op *op, size_t n) {
    const uint32_t page = s->pages[x->p->caches[layer].group][0];
    float *state = x->kv[layer] + page * layer_page(x->p, &x->config, layer) + op->state;
    if (s->first_pos == 0) memset(state, 0, n * sizeof *state);
    return state;
}

static void run_conv(ref_exec *x, const tn_op *op) {
    const tn_conv_desc *c = &op->conv;
    const size_t cols = x->p->values[op->out].cols, tail = tn_conv_state(c, (uint32_t)cols);
    weight_rows(x, op->w, x->row);
    if (op->bias) weight_rows(x, op->bias, x->bias);
    for (uint32_t i = 0; i < x->step->n_seq; i++) {
        const tn_step_seq *s = &x->step->seqs[i];
        float *state = state_of(x, s, c->layer, op, tail);
        memcpy(x->window, state, tail * sizeof *state);
        for (size_t t = s->first_token; t < s->first_token + s->n_token; t++) {
            memcpy(x->window + tail, data(x, op->in[0]) + t * cols, cols * sizeof *state);
            for (size_t k = 0; k < cols; k++)
                data(x, op->out)[t * cols + k] =
                    tn_ref_conv(x->window + k, (uint32_t)cols, x->row + k * c->kernel, c->kernel,
                                op->bias ? x->bias[k] : 0, c->activation);
            memmove(x->window, x->window + cols, tail * sizeof *state);
        }
        memcpy(state, x->window, tail * sizeof *state);
    }
}

/* One sequence's tokens of one value head. */
static void run_delta_head(ref_exec *x, const tn_op *op, const tn_step_seq *s, uint32_t h, float *state) {
    const tn_delta_desc *d = &op->delta;
    const size_t dk = d->head_dim_k, dv = d->head_dim_v, head_k = tn_delta_head_k(d, h);
    for (size_t t = s->first_token; t < s->first_token + s->n_token; t++) {
        const float *q = data(x, op->in[0]) + t * tn_delta_cols(d), *k = q + d->n_head_k * dk;
        const float *v = k + d->n_head_k * dk;
        double a = data(x, op->in[1])[t * d->n_head + h], b = data(x, op->in[2])[t * d->n_head + h];
        tn_ref_delta_rule(d, q + head_k * dk, k + head_k * dk, v + h * dv,
                          tn_ref_decay(x->row[h], a + x->bias[h]), tn_ref_sigmoid(b), state + h * dk * dv,
                          data(x, op->out) + (t * d->n_head + h) * dv);
    }
}

static void run_delta_rule(ref_exec *x, const tn_op *op) {
    const tn_delta_desc *d = &op->delta;
    weight_rows(x, op->w, x->row);
    weight_rows(x, op->bias, x->bias);
    for (uint32_t i = 0; i < x->step->n_seq; i++) {
        const tn_step_seq *s = &x->step->seqs[i];
        float *state = state_of(x, s, d->layer, op, tn_delta_state(d));
        for (uint32_t h = 0; h < d->n_head; h++) run_delta_head(x, op, s, h, state);
    }
}

static void run_slice(ref_exec *x, const tn_op *op) {
    const uint32_t cols = x->p->values[op->in[0]].cols, out_cols = x->p->values[op->out].cols;
    const uint32_t n_run = cols / op->group, n = out_cols / n_run;
    const uint64_t total = (uint64_t)step_rows(x, x->p->values[op->out].rows) * n_run;
    for (uint64_t i = 0; i < total; i++)
        memcpy(data(x, op->out) + i * n, data(x, op->in[0]) + i * op->group + op->index, n * sizeof(float));
}

static void run_layer_norm(ref_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    size_t n = (size_t)step_rows(x, v->rows) * v->cols;
    weight_rows(x, op->w, x->row);
    if (op->bias) weight_rows(x, op->bias, x->bias);
    for (size_t i = 0; i < n; i += v->cols)
        tn_ref_layer_norm(data(x, op->in[0]) + i, x->row, op->bias ? x->bias : NULL, v->cols, op->f,
                          data(x, op->out) + i);
}

static void run_input(ref_exec *x, const tn_op *op) {
    memcpy(data(x, op->out), x->step->input, (size_t)x->step->n_token * x->p->n_input * sizeof(float));
}

static void run_mix(ref_exec *x, const tn_op *op) {
    uint32_t cols = x->p->values[op->out].cols;
    for (uint32_t t = 0; t < x->step->n_token; t++) {
        float *y = data(x, op->out) + (size_t)t * cols;
        memset(y, 0, cols * sizeof *y);
        for (int i = 0; i < 4; i++) {
            weight_row(x, op->w, x->step->mix_index[t][i], x->row);
            for (uint32_t c = 0; c < cols; c++) y[c] += x->step->mix_weight[t][i] * x->row[c];
        }
    }
}

/* Rows that follow each other lie so in memory. */
static void run_fold(ref_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    memcpy(data(x, op->out), data(x, op->in[0]), (size_t)step_rows(x, v->rows) * v->cols * sizeof(float));
}

static void run_mean(ref_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    for (uint32_t t = 0; t < step_rows(x, v->rows); t++)
        for (uint32_t c = 0; c < v->cols; c++) {
            double sum = 0;
            for (size_t i = 0; i < op->group; i++)
                sum += data(x, op->in[0])[((size_t)t * op->group + i) * v->cols + c];
            data(x, op->out)[(size_t)t * v->cols + c] = (float)(sum / op->group);
        }
}

/* Of what lies below the kernel at frame and bin `at` of row t, the value at `k` of channel c: 0 outside of
 * the segment. frame and bin may be below 0. */
static float unfold_value(const ref_exec *x, const tn_op *op, uint32_t t, int64_t frame, int64_t bin,
                          uint32_t c) {
    const tn_unfold_desc *u = &op->unfold;
    const tn_step_sees *sees = &x->step->sees[TN_SEES_WINDOW];
    const size_t row = (size_t)u->frames * u->bins * op->group; /* values of one T */
    int64_t n_frame = (int64_t)(sees->end[t] - sees->first[t]) * u->frames;
    if (u->limit && n_frame > u->limit) n_frame = u->limit;
    if (frame < 0 || frame >= n_frame || bin < 0 || bin >= u->bins) return 0;
    const size_t first = x->step->first_row + t - (x->step->pos[t] - sees->first[t]);
    const float *segment = x->slots[x->p->values[op->in[0]].slot] + first * row;
    return segment[((size_t)frame * u->bins + (size_t)bin) * op->group + c];
}

static void run_unfold(ref_exec *x, const tn_op *op) {
    const tn_unfold_desc *u = &op->unfold;
    const uint32_t bins = tn_unfold_bins(u), frames = u->frames / u->stride[0];
    float *y = data(x, op->out);
    for (uint32_t t = 0; t < x->step->n_token; t++)
        for (uint32_t i = 0; i < frames * bins; i++)
            for (uint32_t c = 0; c < op->group; c++)
                for (uint32_t kb = 0; kb < u->kernel[1]; kb++)
                    for (uint32_t kf = 0; kf < u->kernel[0]; kf++) {
                        int64_t row = x->step->pos[t] - x->step->sees[TN_SEES_WINDOW].first[t];
                        int64_t frame = (row * frames + i / bins) * u->stride[0] + kf - u->pad[0];
                        int64_t bin = (int64_t)(i % bins) * u->stride[1] + kb - u->pad[1];
                        *y++ = unfold_value(x, op, t, frame, bin, c);
                    }
}

static void run_positions(ref_exec *x, const tn_op *op) {
    for (uint32_t t = 0; t < x->step->n_token; t++)
        weight_row(x, op->w, x->step->pos[t], data(x, op->out) + (size_t)t * x->p->values[op->out].cols);
}

typedef struct cross_head {
    const float *k, *v; /* rows of a part, from the head on */
    uint32_t cols;
} cross_head;

static const float *cross_k(const void *ctx, uint32_t row) {
    const cross_head *h = ctx;
    return h->k + (size_t)row * h->cols;
}
static const float *cross_v(const void *ctx, uint32_t row) {
    const cross_head *h = ctx;
    return h->v + (size_t)row * h->cols;
}

static void run_cross(ref_exec *x, const tn_op *op) {
    const tn_cross_desc *d = &op->cross;
    const tn_attention_desc a = {.head_dim = d->head_dim, .scale = d->scale};
    const uint32_t cols = d->n_head * d->head_dim;
    for (uint32_t t = 0; t < x->step->n_token; t++)
        for (uint32_t h = 0; h < d->n_head; h++) {
            const tn_step_cross *c = x->step->seqs[x->step->seq[t]].cross;
            const uint32_t first = h * d->head_dim;
            const cross_head kv = {c->parts[d->part] + first, c->parts[d->part + 1] + first, cols};
            const size_t at = (size_t)t * cols + first;
            tn_ref_attention(data(x, op->in[0]) + at, cross_k, cross_v, &kv, &a, 0, c->n_row, x->scores,
                             data(x, op->out) + at);
        }
}

static void run_media(ref_exec *x, const tn_op *op) {
    const tn_step *s = x->step;
    size_t cols = x->p->values[op->out].cols;
    float *y = data(x, op->out);
    memmove(y, data(x, op->in[0]), s->n_token * cols * sizeof *y);
    for (uint32_t i = 0; i < s->n_media; i++) {
        float *to = y + s->media[i].first_token * cols;
        for (size_t k = 0; k < s->media[i].n_token * cols; k++)
            to[k] = s->media[i].rows[op->index][k] + (op->index ? to[k] : 0);
    }
}

static void run_elementwise(ref_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->out];
    size_t n = (size_t)step_rows(x, v->rows) * v->cols;
    const float *a = data(x, op->in[0]), *b = op->in[1] ? data(x, op->in[1]) : NULL;
    float *y = data(x, op->out);
    for (size_t i = 0; i < n; i++) switch (op->kind) {
        case TN_OP_GLU: y[i] = tn_ref_glu(a[i], b[i], op->activation); break;
        case TN_OP_ACTIVATE: y[i] = tn_ref_glu(a[i], 1, op->activation); break;
        case TN_OP_ADD: y[i] = a[i] + b[i]; break;
        case TN_OP_SCALE: y[i] = a[i] * op->f; break;
        case TN_OP_SOFTCAP: y[i] = (float)(op->f * __builtin_tanh(a[i] / op->f)); break;
        default: break;
        }
}

static void run_output_rows(ref_exec *x, const tn_op *op) {
    uint32_t cols = x->p->values[op->out].cols;
    for (uint32_t r = 0; r < x->step->n_row; r++)
        memcpy(data(x, op->out) + (size_t)r * cols, data(x, op->in[0]) + (size_t)x->step->rows[r] * cols,
               cols * sizeof(float));
}

static void run_tap(ref_exec *x, const tn_op *op) {
    const tn_value_info *v = &x->p->values[op->in[0]];
    if (x->taps)
        memcpy(x->taps[op->index], data(x, op->in[0]),
               (size_t)step_rows(x, v->rows) * v->cols * sizeof(float));
}

static void run_op(ref_exec *x, const tn_op *op) {
    switch (op->kind) {
    case TN_OP_EMBED: run_embed(x, op); break;
    case TN_OP_LINEAR: run_linear(x, op); break;
    case TN_OP_RMS_NORM: run_rms_norm(x, op); break;
    case TN_OP_ROPE: run_rope(x, op); break;
    case TN_OP_ATTENTION: run_attention(x, op); break;
    case TN_OP_CONV: run_conv(x, op); break;
    case TN_OP_DELTA_RULE: run_delta_rule(x, op); break;
    case TN_OP_SLICE: run_slice(x, op); break;
    case TN_OP_OUTPUT_ROWS: run_output_rows(x, op); break;
    case TN_OP_TAP: run_tap(x, op); break;
    case TN_OP_LAYER_NORM: run_layer_norm(x, op); break;
    case TN_OP_INPUT: run_input(x, op); break;
    case TN_OP_MIX: run_mix(x, op); break;
    case TN_OP_FOLD: run_fold(x, op); break;
    case TN_OP_MEAN: run_mean(x, op); break;
    case TN_OP_UNFOLD: run_unfold(x, op); break;
    case TN_OP_POSITIONS: run_positions(x, op); break;
    case TN_OP_CROSS: run_cross(x, op); break;
    case TN_OP_MEDIA: run_media(x, op); break;
    case TN_OP_EMBED_TYPE: run_embed_type(x, op); break;
    case TN_OP_ACTIVATE:
    case TN_OP_GLU:
    case TN_OP_ADD:
    case TN_OP_SCALE:
    case TN_OP_SOFTCAP: run_elementwise(x, op); break;
    case TN_N_OP: break;
    }
}

static int ref_step(tn_exec *base, const tn_step *s, tn_error *err) {
    ref_exec *x = (ref_exec *)base;
    (void)err;
    x->step = s;
    for (uint32_t i = 0; i < x->p->n_op; i++) {
        const tn_op *op = &x->p->ops[i];
        uint32_t store = op->stage - x->p->is_tower;
        if (op->kind == TN_OP_ATTENTION && op->in[1] && store == s->stage) store_kv(x, op);
        if (op->stage == s->stage) run_op(x, op);
    }
    x->step = NULL;
    return 0;
}

static int ref_output(tn_exec *base, uint32_t part, const float **ret, tn_error *err) {
    ref_exec *x = (ref_exec *)base;
    if (part >= x->p->n_output) return tn_fail(err, TN_EINVAL, "output %u of %u", part, x->p->n_output);
    *ret = data(x, x->p->outputs[part]);
    return 0;
}

static int ref_logits(tn_exec *base, const float **ret, tn_error *err) {
    ref_exec *x = (ref_exec *)base;
    (void)err;
    *ret = data(x, x->p->logits);
    return 0;
}

static int ref_tap(tn_exec *base, uint32_t index, const float **ret, tn_error *err) {
    ref_exec *x = (ref_exec *)base;
    if (!x->taps || index >= x->p->n_tap) return tn_fail(err, TN_EINVAL, "tap %u is not kept", index);
    *ret = x->taps[index];
    return 0;
}

/* A layer's share of a page, in floats; small, as head_dim and states are. */
static size_t layer_page(const tn_program *p, const tn_exec_config *config, uint32_t layer) {
    if (p->caches[layer].n_state) return p->caches[layer].n_state;
    return (size_t)2 * config->page_tokens * p->caches[layer].n_head_kv * p->caches[layer].head_dim;
}

static int ref_size(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                    tn_error *err) {
    (void)d;
    (void)err;
    *ret = (tn_exec_size){0};
    for (uint32_t i = 0; i < p->n_slot; i++)
        ret->activations += (uint64_t)tn_slot_rows(config, &p->slots[i]) * p->slots[i].cols * sizeof(float);
    for (uint32_t i = 0; i < p->n_layer; i++)
        ret->page[p->caches[i].group] += layer_page(p, config, i) * sizeof(float);
    return 0;
}

static float *page_of(const ref_exec *x, uint32_t layer, uint32_t page) {
    return x->kv[layer] + page * layer_page(x->p, &x->config, layer);
}

static void ref_copy_page(tn_exec *base, uint32_t group, uint32_t from, uint32_t to) {
    const ref_exec *x = (const ref_exec *)base;
    for (uint32_t i = 0; i < x->p->n_layer; i++)
        if (x->p->caches[i].group == group)
            memcpy(page_of(x, i, to), page_of(x, i, from), layer_page(x->p, &x->config, i) * sizeof(float));
}

/* The memory stays: this device is for comparing, and what it says in size() is what a page would take. What
 * nobody wants is spoilt, so that somebody who does is found out. */
static void ref_discard_page(tn_exec *base, uint32_t group, uint32_t page) {
    const ref_exec *x = (const ref_exec *)base;
    for (uint32_t i = 0; i < x->p->n_layer; i++)
        if (x->p->caches[i].group == group)
            memset(page_of(x, i, page), 0xff, layer_page(x->p, &x->config, i) * sizeof(float));
}

static void ref_exec_free(tn_exec *base) {
    ref_exec *x = (ref_exec *)base;
    if (!x) return;
    for (uint32_t i = 0; x->slots && i < x->p->n_slot; i++) free(x->slots[i]);
    for (uint32_t i = 0; x->kv && i < x->p->n_layer; i++)
        if (x->kv[i]) munmap(x->kv[i], x->kv_bytes[i]);
    for (uint32_t i = 0; x->taps && i < x->p->n_tap; i++) free(x->taps[i]);
    free(x->slots);
    free(x->kv);
    free(x->kv_bytes);
    free(x->taps);
    free(x->row);
    free(x->bias);
    free(x->window);
    free(x->scores);
    free(x);
}

/* Reserves the pages of one layer; the memory is touched when a page is first written. */
static int reserve_pages(ref_exec *x, uint32_t layer, tn_error *err) {
    const tn_cache_info *c = &x->p->caches[layer];
    size_t bytes;
    if (!tn_mul_size(layer_page(x->p, &x->config, layer), sizeof(float), &bytes) ||
        !tn_mul_size(bytes, x->config.n_page[c->group], &bytes))
        return tn_fail(err, TN_ELIMIT, "the KV cache of %u pages is too large", x->config.n_page[c->group]);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return tn_fail(err, TN_ENOMEM, "out of memory for %zu bytes of KV cache", bytes);
    x->kv[layer] = p;
    x->kv_bytes[layer] = bytes;
    return 0;
}

static size_t at_least(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t elements(const tn_program *p, tn_weight w) {
    return w ? (size_t)p->weights[w].rows * p->weights[w].cols : 0;
}

/* Scratch for the widest weight row, or all of a weight where an operation wants that, and for what a
 * convolution sees. */
static bool allocate_scratch(ref_exec *x) {
    const tn_program *p = x->p;
    size_t widest = 0, window = 0, pages = 0;
    for (uint32_t g = 0; g < p->n_group; g++) pages = at_least(pages, x->config.n_page[g]);
    for (uint32_t i = 1; i <= p->n_weight; i++) widest = at_least(widest, p->weights[i].cols);
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (op->kind != TN_OP_CONV && op->kind != TN_OP_DELTA_RULE && op->kind != TN_OP_LAYER_NORM) continue;
        widest = at_least(widest, at_least(elements(p, op->w), elements(p, op->bias)));
        if (op->kind == TN_OP_CONV)
            window = at_least(window, (size_t)op->conv.kernel * p->values[op->out].cols);
    }
    x->row = calloc(widest, sizeof(float));
    x->bias = calloc(widest, sizeof(float));
    x->window = calloc(window + 1, sizeof(float));
    x->scores =
        calloc(at_least(pages * x->config.page_tokens, p->n_cross ? TN_CROSS_ROWS : 0) + 1, sizeof(float));
    return x->row && x->bias && x->window && x->scores;
}

static bool allocate(ref_exec *x) {
    const tn_program *p = x->p;
    x->slots = calloc(p->n_slot, sizeof *x->slots);
    x->kv = calloc(p->n_layer, sizeof *x->kv);
    x->kv_bytes = calloc(p->n_layer, sizeof *x->kv_bytes);
    bool ok = allocate_scratch(x) && x->slots && x->kv && x->kv_bytes;
    for (uint32_t i = 0; ok && i < p->n_slot; i++) {
        x->slots[i] =
            calloc((size_t)tn_slot_rows(&x->config, &p->slots[i]) * p->slots[i].cols, sizeof(float));
        ok = x->slots[i] != NULL;
    }
    if (ok && x->config.taps && p->n_tap) {
        x->taps = calloc(p->n_tap, sizeof *x->taps);
        ok = x->taps != NULL;
        for (uint32_t i = 0; ok && i < p->n_tap; i++) {
            x->taps[i] = calloc((size_t)x->config.max_tokens * p->n_embd, sizeof(float));
            ok = x->taps[i] != NULL;
        }
    }
    return ok;
}

static int ref_lower(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                     void *ctx, tn_exec **ret, tn_error *err) {
    (void)progress;
    (void)ctx;
    int rc = tn_kv_type_check(config->kv_type, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_CROSS && p->ops[i].cross.head_dim > TN_REF_MAX_HEAD_DIM)
            return tn_fail(err, TN_ENOTSUP, "heads of %u dimensions, the limit is %d",
                           p->ops[i].cross.head_dim, TN_REF_MAX_HEAD_DIM);
    for (uint32_t i = 0; i < p->n_layer; i++)
        if (p->caches[i].head_dim > TN_REF_MAX_HEAD_DIM)
            return tn_fail(err, TN_ENOTSUP, "heads of %u dimensions, the limit is %d", p->caches[i].head_dim,
                           TN_REF_MAX_HEAD_DIM);
    ref_exec *x = calloc(1, sizeof *x);
    if (!x) return tn_fail(err, TN_ENOMEM, "out of memory");
    x->base.cls = d->cls;
    x->p = p;
    x->config = *config;
    rc = allocate(x) ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for activations");
    for (uint32_t i = 0; !rc && i < p->n_layer; i++) rc = reserve_pages(x, i, err);
    if (rc) {
        ref_exec_free(&x->base);
        return rc;
    }
    *ret = &x->base;
    return 0;
}

static int ref_open(const tn_device_options *options, tn_device **ret, tn_error *err) {
    (void)options;
    tn_device *d = calloc(1, sizeof *d);
    if (!d) return tn_fail(err, TN_ENOMEM, "out of memory");
    d->cls = &tn_device_reference;
    *ret = d;
    return 0;
}

static void ref_close(tn_device *d) {
    free(d);
}

static const char *ref_describe(const tn_device *d) {
    (void)d;
    return "plain C, one thread";
}

const tn_device_class tn_device_reference = {
    .name = "reference",
    .summary = "plain C, one thread, F32: the oracle the others are compared with",
    .open = ref_open,
    .close = ref_close,
    .describe = ref_describe,
    .size = ref_size,
    .lower = ref_lower,
    .exec_free = ref_exec_free,
    .step = ref_step,
    .logits = ref_logits,
    .tap = ref_tap,
    .output = ref_output,
    .copy_page = ref_copy_page,
    .discard_page = ref_discard_page,
};
