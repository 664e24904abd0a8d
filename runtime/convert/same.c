/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/same.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "program/record.h"

/* A divisor in F32 moves a frequency by an F32 step or two. */
static const double rope_tolerance = 0x1p-21;

static bool close_to(float x, float y) {
    return fabs((double)x - y) <= rope_tolerance * fmax(fabs((double)x), fabs((double)y));
}

static bool same_rope(const tn_rope_info *a, const tn_rope_info *b) {
    if (a->n_dims != b->n_dims || a->n_variant != b->n_variant || a->long_from != b->long_from) return false;
    for (uint32_t v = 0; v < a->n_variant; v++) {
        if (!close_to(a->mscale[v], b->mscale[v])) return false;
        for (uint32_t i = 0; i < a->n_dims / 2; i++)
            if (!close_to(a->inv_freq[v][i], b->inv_freq[v][i])) return false;
    }
    return true;
}

static bool same_attention(const tn_attention_desc *a, const tn_attention_desc *b) {
    return a->layer == b->layer && a->n_head == b->n_head && a->n_head_kv == b->n_head_kv &&
           a->head_dim == b->head_dim && a->window == b->window && a->scale == b->scale &&
           a->softcap == b->softcap;
}

static bool same_delta(const tn_delta_desc *a, const tn_delta_desc *b) {
    return a->layer == b->layer && a->n_head == b->n_head && a->n_head_k == b->n_head_k &&
           a->head_dim_k == b->head_dim_k && a->head_dim_v == b->head_dim_v && a->order == b->order &&
           a->scale == b->scale && a->eps == b->eps;
}

static bool same_details(const tn_op *a, const tn_op *b) {
    switch (a->kind) {
    case TN_OP_ATTENTION: return same_attention(&a->attention, &b->attention);
    case TN_OP_DELTA_RULE: return same_delta(&a->delta, &b->delta);
    case TN_OP_CONV:
        return a->conv.layer == b->conv.layer && a->conv.kernel == b->conv.kernel &&
               a->conv.activation == b->conv.activation;
    default: return true;
    }
}

static bool same_op(const tn_op *a, const tn_op *b) {
    return a->kind == b->kind && memcmp(a->in, b->in, sizeof a->in) == 0 && a->out == b->out &&
           a->w == b->w && a->bias == b->bias && a->rope == b->rope && a->group == b->group &&
           a->activation == b->activation && a->index == b->index && a->state == b->state && a->f == b->f &&
           same_details(a, b);
}

static bool same_weight(const tn_weight_info *a, const tn_weight_info *b) {
    return a->rows == b->rows && a->cols == b->cols && a->first_row == b->first_row && a->gguf && b->gguf &&
           strcmp(a->gguf, b->gguf) == 0;
}

static int differs(tn_error *err, const char *what, uint32_t i) {
    return tn_fail(err, TN_ENOTSUP,
                   "this model cannot be written to a GGUF file: %s %u would be read differently", what, i);
}

static int same_parts(const tn_program *a, const tn_program *b, tn_error *err) {
    if (a->n_op != b->n_op || a->n_weight != b->n_weight || a->n_rope != b->n_rope ||
        a->n_layer != b->n_layer || a->n_vocab != b->n_vocab || a->n_embd != b->n_embd)
        return tn_fail(
            err, TN_ENOTSUP,
            "this model cannot be written to a GGUF file: it would be read as a program of %u operations and "
            "%u weights, it has %u and %u",
            b->n_op, b->n_weight, a->n_op, a->n_weight);
    for (uint32_t i = 1; i <= a->n_weight; i++)
        if (!same_weight(&a->weights[i], &b->weights[i]))
            return tn_fail(err, TN_ENOTSUP,
                           "this model cannot be written to a GGUF file: %s would be read as %s",
                           a->weights[i].name, b->weights[i].name);
    for (uint32_t i = 1; i <= a->n_rope; i++)
        if (!same_rope(&a->ropes[i], &b->ropes[i])) return differs(err, "its rope settings of table", i);
    for (uint32_t i = 0; i < a->n_op; i++)
        if (!same_op(&a->ops[i], &b->ops[i]))
            return tn_fail(
                err, TN_ENOTSUP,
                "this model cannot be written to a GGUF file: its operation %u (%s%s) would be read with "
                "other settings",
                i, tn_op_name(a->ops[i].kind),
                a->ops[i].kind == TN_OP_ATTENTION ? ", its window or scale" : "");
    return 0;
}

/* The linear layer whose output is v, or NULL. */
static const tn_op *linear_of(const tn_program *p, tn_value v) {
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].out == v) return p->ops[i].kind == TN_OP_LINEAR ? &p->ops[i] : NULL;
    return NULL;
}

/* Halves become pairs by another order of the rows that make the rotated value, if they are a whole matrix.
 */
static int turn(const tn_program *p, const tn_op *op, tn_same_turned *ret, tn_error *err) {
    const tn_op *linear = linear_of(p, op->in[0]);
    const tn_weight_info *w = linear ? &p->weights[linear->w] : NULL;
    uint64_t whole = w ? tn_tensor_rows(w->tensor) : 0;
    if (!w || w->rows != whole || p->ropes[op->rope].style != TN_ROPE_HALF)
        return differs(err, "its rotation by table", op->rope);
    *ret = (tn_same_turned){linear->w, linear->bias, op->group, p->ropes[op->rope].n_dims};
    return 0;
}

int tn_same_program(const tn_program *a, const tn_program *b, tn_same_turned **ret_turned, uint32_t *ret_n,
                    tn_error *err) {
    int rc = same_parts(a, b, err);
    uint32_t n = 0;
    if (rc) return rc;
    tn_same_turned *turned = calloc(a->n_op, sizeof *turned);
    if (!turned) return tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; !rc && i < a->n_op; i++) {
        const tn_op *op = &a->ops[i];
        if (op->kind == TN_OP_ROPE && a->ropes[op->rope].style != b->ropes[op->rope].style)
            rc = turn(a, op, &turned[n++], err);
    }
    if (rc) {
        free(turned);
        return rc;
    }
    *ret_turned = turned;
    *ret_n = n;
    return 0;
}
