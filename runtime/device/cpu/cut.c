/* SPDX-License-Identifier: Apache-2.0 */
/* Who does what: how values are cut among the members, and where a barrier must stand because a call touches
 * what another member has written or still reads.
 *
 * A member that owns columns owns them in all rows, so it can go on with what it has made itself. Two kinds
 * of chains profit:
 *   - attention's, where heads go round evenly: q, k and v with all that happens to their heads, the cache,
 *     attention itself and the quantising of its output, cut by key/value heads;
 *   - what is made for the next matrix, such as gate, up and their product, cut at the blocks in which
 *     activations are quantised.
 * All other values are cut at the rows of a panel. */
#include "device/cpu/cpu.h"

#include <stdlib.h>

/* ---- Walks ---- */

tn_cpu_walk tn_cpu_walk_of(uint64_t n_row, uint32_t cols, tn_cpu_cut cut, uint32_t member,
                           uint32_t n_member) {
    tn_cpu_walk w = {.n_row = n_row, .n_col = cols, .cut = cut};
    w.n_unit = (cols + (uint64_t)cut.width - 1) / cut.width;
    w.units = tn_team_share(cut.by_row ? n_row * w.n_unit : w.n_unit, 1, member, n_member);
    return w;
}

bool tn_cpu_walk_next(tn_cpu_walk *w) {
    if (w->units.first == w->units.end || w->next_row == w->n_row) return false;
    uint64_t first = w->units.first, end = w->units.end;
    if (w->cut.by_row) {
        w->row = first / w->n_unit;
        first -= w->row * w->n_unit;
        end -= w->row * w->n_unit;
        if (end > w->n_unit) end = w->n_unit;
        w->units.first = w->row * w->n_unit + end;
    } else {
        w->row = w->next_row++;
    }
    w->cols = (tn_range){first * w->cut.width, end * w->cut.width};
    if (w->cols.end > w->n_col) w->cols.end = w->n_col;
    return true;
}

/* ---- Cuts ---- */

static bool is_cut_freely(tn_op_kind kind) {
    return kind == TN_OP_LINEAR || kind == TN_OP_SLICE;
}
static bool is_element_wise(tn_op_kind kind) {
    return kind == TN_OP_GLU || kind == TN_OP_SCALE || kind == TN_OP_SOFTCAP || kind == TN_OP_ACTIVATE;
}

/* v, and what it is made of up to a matrix, cut into n_head pieces. */
static void cut_by_heads(const tn_cpu_exec *x, const uint32_t *producer, tn_value v, uint32_t n_head) {
    const tn_program *p = x->program;
    while (v && !x->widths[v]) {
        const tn_op *op = &p->ops[producer[v]];
        uint32_t width = p->values[v].cols / n_head;
        bool on_heads = (op->kind == TN_OP_ROPE || op->kind == TN_OP_RMS_NORM) && width % op->group == 0;
        if (!on_heads && !is_cut_freely(op->kind)) return;
        x->widths[v] = width;
        v = on_heads ? op->in[0] : 0;
    }
}

static void cut_attention(const tn_cpu_exec *x, const uint32_t *producer, const tn_op *op) {
    const tn_attention_desc *d = &op->attention;
    if (d->n_head_kv % tn_team_size(x->device->team) || d->head_dim % TN_CPU_PANEL_ROWS) return;
    x->widths[op->out] = x->program->values[op->out].cols / d->n_head_kv;
    for (int i = 0; i < 3; i++) cut_by_heads(x, producer, op->in[i], d->n_head_kv);
}

/* v is to be quantised: by those who make it, where they can. */
static void cut_by_blocks(const tn_cpu_exec *x, const uint32_t *producer, tn_value v) {
    const tn_op *op = &x->program->ops[producer[v]];
    uint32_t width = TN_CPU_ACT_BLOCK;
    if (x->widths[v] || !(is_cut_freely(op->kind) || is_element_wise(op->kind))) return;
    for (int i = 0; is_element_wise(op->kind) && i < 2; i++)
        if (op->in[i] && x->widths[op->in[i]]) width = x->widths[op->in[i]];
    x->widths[v] = width;
    for (int i = 0; is_element_wise(op->kind) && i < 2; i++) {
        tn_value in = op->in[i];
        if (in && !x->widths[in] && is_cut_freely(x->program->ops[producer[in]].kind)) x->widths[in] = width;
    }
}

int tn_cpu_cut_values(tn_cpu_exec *x, tn_error *err) {
    const tn_program *p = x->program;
    uint32_t *producer = calloc((size_t)p->n_value + 1, sizeof *producer);
    if (!producer) return tn_fail(err, TN_ENOMEM, "out of memory for a program of %u values", p->n_value);
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].out) producer[p->ops[i].out] = i;
    for (uint32_t i = 0; i < p->n_op && !x->device->plain; i++)
        if (p->ops[i].kind == TN_OP_ATTENTION) cut_attention(x, producer, &p->ops[i]);
    for (uint32_t i = 0; i < p->n_op && !x->device->plain; i++)
        if (p->ops[i].kind == TN_OP_LINEAR && x->panels[p->ops[i].w].panel_bytes)
            cut_by_blocks(x, producer, p->ops[i].in[0]);
    free(producer);
    return 0;
}

tn_cpu_cut tn_cpu_cut_of(const tn_cpu_exec *x, const tn_op *op) {
    const tn_value_info *values = x->program->values;
    uint32_t width = x->widths[op->out], usual = width ? width : TN_CPU_PANEL_ROWS;
    switch (op->kind) {
    case TN_OP_EMBED:
    case TN_OP_EMBED_TYPE:
    case TN_OP_INPUT:
    case TN_OP_MIX:
    case TN_OP_POSITIONS:
    case TN_OP_LAYER_NORM:
    case TN_OP_OUTPUT_ROWS: return (tn_cpu_cut){values[op->out].cols, true};
    case TN_OP_RMS_NORM:
    case TN_OP_ROPE: return width ? (tn_cpu_cut){width, false} : (tn_cpu_cut){op->group, true};
    case TN_OP_ATTENTION: return (tn_cpu_cut){width, false};
    case TN_OP_LINEAR: return (tn_cpu_cut){usual, false};
    case TN_OP_GLU:
    case TN_OP_ACTIVATE:
    case TN_OP_MEDIA:
    case TN_OP_ADD:
    case TN_OP_SCALE:
    case TN_OP_SOFTCAP:
    case TN_OP_SLICE:
    case TN_OP_TAP: return (tn_cpu_cut){usual, x->device->plain};
    default: return (tn_cpu_cut){0, false};
    }
}

/* ---- Barriers ---- */

/* Part of what lies at an address: the member's share of `cols` columns under a cut; width 0: anything. */
typedef struct touch {
    const void *at; /* NULL: nothing */
    uint32_t cols;
    tn_cpu_cut cut;
} touch;

/* What a call reads and what it writes. */
enum { READS = 4, WRITES = 2 };
typedef struct touches {
    touch in[READS], out[WRITES];
} touches;

/* What has been touched since the last barrier. */
typedef struct touched {
    touch *read, *written;
    uint32_t n_read, n_written;
} touched;

static bool clashes(const touch *set, uint32_t n, const touch *t) {
    for (uint32_t i = 0; i < n; i++) {
        const touch *s = &set[i];
        bool same = s->cut.width && s->cut.width == t->cut.width && s->cut.by_row == t->cut.by_row &&
                    s->cols == t->cols;
        if (s->at == t->at && !same) return true;
    }
    return false;
}

static touch whole(const void *at) {
    return (touch){.at = at};
}

static touches quantize_touches(const tn_cpu_exec *x, const tn_cpu_call *c) {
    if (c->act_whole) return (touches){{whole(c->in[0])}, {whole(x->act[c->act]), whole(c->out)}};
    return (touches){{{c->in[0], c->cols, c->cut}}, {{x->act[c->act], c->cols, c->cut}}};
}

/* A layer's cache counts by its address in the first page, all its heads' keys and values as columns. */
static touches cache_touches(const tn_cpu_exec *x, const tn_cpu_call *c) {
    const tn_cpu_cache *k = &c->attention.cache;
    uint32_t cols = k->n_head_kv * k->head_dim;
    tn_cpu_cut heads = {c->cut.width ? k->head_dim : 0, c->cut.by_row};
    touch cache = {k->pool ? k->pool + k->offset : NULL, cols, heads};
    if (c->run == tn_cpu_run_store)
        return (touches){{{c->in[1], cols, heads}, {c->in[2], cols, heads}}, {cache}};
    return (touches){{{c->in[0], c->cols, c->cut}, cache}, {{c->out, c->cols, c->cut}, whole(x->parts)}};
}

static touches touches_of(const tn_cpu_exec *x, const tn_cpu_call *c) {
    if (c->run == tn_cpu_run_rope_table) return (touches){.out = {whole(c->table)}};
    if (c->run == tn_cpu_run_quantize) return quantize_touches(x, c);
    if (c->run == tn_cpu_run_linear_rounded)
        return (touches){{whole(x->act[c->act])}, {{c->out, c->panels.rows, c->cut}}};
    if (c->run == tn_cpu_run_linear) return (touches){{whole(c->in[0])}, {{c->out, c->linear.rows, c->cut}}};
    if (c->run == tn_cpu_run_store || c->run == tn_cpu_run_attention) return cache_touches(x, c);
    if (c->run == tn_cpu_run_rows) return (touches){{whole(c->in[0])}, {{c->out, c->cols, c->cut}}};
    if (c->run == tn_cpu_run_fold || c->run == tn_cpu_run_mean || c->run == tn_cpu_run_unfold ||
        c->run == tn_cpu_run_cross)
        return (touches){{whole(c->in[0])}, {whole(c->out)}};
    if (c->run == tn_cpu_run_slice)
        return (touches){{whole(c->in[0])}, {{c->out, c->cols / c->group * c->n, c->cut}}};
    touches t = {.out = {{c->out, c->cols, c->cut}}};
    for (int j = 0; j < 3; j++) t.in[j] = (touch){c->in[j], c->cols, c->cut};
    if (c->run == tn_cpu_run_rope) t.in[1] = whole(c->w);
    if (c->state.pool) t.out[1] = whole(c->state.pool + c->state.offset);
    return t;
}

static bool needs_barrier(const touched *t, const touches *now) {
    for (int j = 0; j < READS; j++)
        if (now->in[j].at && clashes(t->written, t->n_written, &now->in[j])) return true;
    for (int j = 0; j < WRITES; j++)
        if (now->out[j].at &&
            (clashes(t->read, t->n_read, &now->out[j]) || clashes(t->written, t->n_written, &now->out[j])))
            return true;
    return false;
}

/* Rows that are quantised whole, and normed before, are there for everybody when the call is over. */
static bool is_settled(const tn_cpu_call *c) {
    return c->run == tn_cpu_run_quantize && c->act_whole;
}

int tn_cpu_place_barriers(tn_cpu_exec *x, tn_error *err) {
    touch *sets = calloc((READS + WRITES) * (size_t)x->n_call + 1, sizeof *sets);
    if (!sets) return tn_fail(err, TN_ENOMEM, "out of memory for a program of %u calls", x->n_call);
    touched t = {.read = sets, .written = sets + READS * (size_t)x->n_call};
    for (uint32_t i = 0; i < x->n_call; i++) {
        tn_cpu_call *c = &x->calls[i];
        touches now = touches_of(x, c);
        if (i && c->stage != c[-1].stage) t.n_read = t.n_written = 0; /* stages run by themselves */
        c->barrier = x->device->plain || needs_barrier(&t, &now);
        if (c->barrier) t.n_read = t.n_written = 0;
        for (int j = 0; j < READS; j++)
            if (now.in[j].at) t.read[t.n_read++] = now.in[j];
        for (int j = 0; j < WRITES && !is_settled(c); j++)
            if (now.out[j].at) t.written[t.n_written++] = now.out[j];
    }
    free(sets);
    return 0;
}
