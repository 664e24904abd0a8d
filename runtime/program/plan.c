/* SPDX-License-Identifier: Apache-2.0 */
/* Memory plan of a program: one pass over the operations in order, giving each new value a free slot of its
 * row symbol and returning slots of values that nobody reads any more.
 *
 * Values that a later stage reads have slots of their own kind, with all rows of a picture. These are reused
 * as the others are: within a stage a row is written where the same row was read for the last time, so values
 * in one such slot have the same width. */
#include <stdlib.h>
#include <string.h>

#include "program/record.h"

typedef struct plan {
    tn_program *p;
    uint32_t *last_use; /* [n_value + 1]: the last operation that reads a value */
    bool *slot_free;    /* [n_value] */
} plan;

static bool works_in_place(tn_op_kind kind) {
    return kind == TN_OP_ADD || kind == TN_OP_SCALE || kind == TN_OP_SOFTCAP || kind == TN_OP_GLU ||
           kind == TN_OP_ROPE || kind == TN_OP_RMS_NORM || kind == TN_OP_LAYER_NORM ||
           kind == TN_OP_ACTIVATE || kind == TN_OP_MEDIA;
}

/* The stage in which an input is read: keys and values are stored before the others look at them. */
static uint32_t read_stage(const tn_op *op, int k) {
    return op->kind == TN_OP_ATTENTION && k > 0 && op->stage ? op->stage - 1 : op->stage;
}

/* written: of each value, its stage. */
static void find_kept(tn_program *p, uint32_t *written) {
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        for (int k = 0; k < 3; k++)
            if (op->in[k] && read_stage(op, k) > written[op->in[k]]) p->values[op->in[k]].kept = true;
        if (op->out) written[op->out] = op->stage;
    }
    for (uint32_t i = 0; i < p->n_output; i++) p->values[p->outputs[i]].kept = true;
}

static void find_last_uses(plan *s) {
    const tn_program *p = s->p;
    for (uint32_t i = 0; i < p->n_op; i++) {
        if (p->ops[i].out) s->last_use[p->ops[i].out] = i;
        for (int k = 0; k < 3; k++)
            if (p->ops[i].in[k]) s->last_use[p->ops[i].in[k]] = i;
    }
    /* Later slices of its stage look at rows that are behind an earlier slice. */
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_UNFOLD) s->last_use[p->ops[i].in[0]] = p->n_op;
    s->last_use[p->logits] = p->n_op;
    for (uint32_t i = 0; i < p->n_output; i++) s->last_use[p->outputs[i]] = p->n_op;
}

static void release_inputs(plan *s, uint32_t i) {
    const tn_op *op = &s->p->ops[i];
    for (int k = 0; k < 3; k++)
        if (op->in[k] && s->last_use[op->in[k]] == i) s->slot_free[s->p->values[op->in[k]].slot] = true;
}

/* The slot of the operation's first input when it is free and of one shape with the output: who works in
 * place element by element needs no other, and whose columns are whose stays as it was. */
static bool take_input_slot(plan *s, const tn_op *op, tn_value_info *out) {
    const tn_value_info *in = &s->p->values[op->in[0]];
    if (!op->in[0] || in->rows != out->rows || in->cols != out->cols || in->kept != out->kept ||
        !s->slot_free[in->slot])
        return false;
    out->slot = in->slot;
    s->slot_free[in->slot] = false;
    return true;
}

/* The free slot that wastes least: the narrowest that is wide enough, else the widest, which grows. */
static uint32_t take_slot(plan *s, const tn_value_info *v) {
    tn_program *p = s->p;
    uint32_t best = p->n_slot;
    for (uint32_t i = 0; i < p->n_slot; i++) {
        if (!s->slot_free[i] || p->slots[i].rows != v->rows || p->slots[i].kept != v->kept) continue;
        if (v->kept && p->slots[i].cols != v->cols) continue;
        if (best == p->n_slot) {
            best = i;
            continue;
        }
        uint32_t have = p->slots[best].cols, cols = p->slots[i].cols;
        bool better = have < v->cols ? cols > have : cols >= v->cols && cols < have;
        if (better) best = i;
    }
    if (best == p->n_slot) p->slots[p->n_slot++] = (tn_slot){.rows = v->rows, .kept = v->kept};
    if (p->slots[best].cols < v->cols) p->slots[best].cols = v->cols;
    s->slot_free[best] = false;
    return best;
}

int tn_program_plan(tn_program *p, tn_error *err) {
    plan s = {.p = p};
    s.last_use = calloc((size_t)p->n_value + 1, sizeof *s.last_use);
    s.slot_free = calloc((size_t)p->n_value + 1, sizeof *s.slot_free);
    p->slots = calloc((size_t)p->n_value + 1, sizeof *p->slots);
    int rc = 0;
    if (!s.last_use || !s.slot_free || !p->slots) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) {
        find_kept(p, s.last_use); /* which is filled after it */
        memset(s.last_use, 0, ((size_t)p->n_value + 1) * sizeof *s.last_use);
        find_last_uses(&s);
    }
    for (uint32_t i = 0; !rc && i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (works_in_place(op->kind)) release_inputs(&s, i);
        if (op->out) {
            tn_value_info *out = &p->values[op->out];
            if (!works_in_place(op->kind) || !take_input_slot(&s, op, out)) out->slot = take_slot(&s, out);
            if (s.last_use[op->out] == i) s.slot_free[out->slot] = true; /* nobody reads it */
        }
        if (!works_in_place(op->kind)) release_inputs(&s, i);
    }
    free(s.last_use);
    free(s.slot_free);
    return rc;
}
