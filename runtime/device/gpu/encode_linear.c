/* SPDX-License-Identifier: Apache-2.0 */
/* Products with weights and rows of the embedding: weights stay as the file has them, a kernel is made for
 * each type. */
#include "device/gpu/exec.h"

enum {
    N_CONSTANT = 4,
    WIDTHS = 8, /* of tn_gpu_command's words: behind the arguments, the widths of grids that choose_pass picks
                   from */
};
_Static_assert(sizeof(tn_linear_args) <= WIDTHS * sizeof(uint32_t), "the arguments end before the widths");

/* Types that metal/kernels/dequant.h knows. */
static bool can_multiply(tn_type type) {
    switch (type) {
    case TN_TYPE_F64:
    case TN_TYPE_I8:
    case TN_TYPE_I16:
    case TN_TYPE_I32:
    case TN_TYPE_I64:
    case TN_TYPE_U8:
    case TN_TYPE_U16:
    case TN_TYPE_U32:
    case TN_TYPE_U64:
    case TN_TYPE_BOOL: return false;
    default: return true;
    }
}

static int check_type(const tn_gpu_exec *x, tn_weight w, tn_error *err) {
    const tn_gpu_weight *g = &x->weights[w];
    if (can_multiply(g->type) && g->row_bytes <= UINT32_MAX) return 0;
    const tn_type_info *info = tn_type_info_get(g->type);
    if (can_multiply(g->type))
        return tn_fail(err, TN_ENOTSUP, "%.200s: rows of %llu bytes, at most %u are supported on a GPU",
                       x->p->weights[w].name, (unsigned long long)g->row_bytes, UINT32_MAX);
    return tn_fail(err, TN_ENOTSUP,
                   "%.200s: a GPU cannot multiply with weights of type %s; use the device cpu",
                   x->p->weights[w].name, info ? info->name : "?");
}

static void weight_constants(const tn_gpu_weight *w, tn_gpu_constant ret[N_CONSTANT]) {
    ret[0] = (tn_gpu_constant){TN_FC_TYPE, w->type};
    ret[1] = (tn_gpu_constant){TN_FC_BITS, w->bits};
    ret[2] = (tn_gpu_constant){TN_FC_GROUP, w->group};
    ret[3] = (tn_gpu_constant){TN_FC_SCALE_TYPE, w->bits ? w->scale_type : 0};
}

/* data, scales, biases; something must be bound where there is none. */
static void bind_weight(tn_gpu_command *c, const tn_gpu_weight *w) {
    tn_gpu_bind(c, &w->data);
    tn_gpu_bind(c, w->scales.buffer ? &w->scales : &w->data);
    tn_gpu_bind(c, w->biases.buffer ? &w->biases : &w->data);
}

/* ---- embed ---- */

int tn_gpu_encode_embed(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_gpu_weight *w = &x->weights[op->w];
    const uint32_t cols = x->p->values[op->out].cols;
    tn_gpu_constant constants[N_CONSTANT];
    int rc = check_type(x, op->w, err);
    if (rc) return rc;
    weight_constants(w, constants);
    tn_gpu_command *c = tn_gpu_add(x, "embed", constants, N_CONSTANT, TN_ELEMENT_THREADS, err);
    if (!c) return err->code;
    bind_weight(c, w);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    tn_gpu_bind_value(x, c, op->out, true);
    const tn_embed_args args = {.cols = cols, .row_bytes = (uint32_t)w->row_bytes, .factor = op->f};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    tn_gpu_grid(c, tn_ceil_div(cols, 8 * TN_ELEMENT_THREADS), TN_GPU_TOKENS, 1, 1);
    return 0;
}

/* ---- linear ---- */

/* The value that op, LINEAR, and `add` behind it (or NULL) add to the product; 0: none. */
static tn_value other_of(const tn_op *op, const tn_op *add) {
    return !add ? 0 : add->in[0] == op->out ? add->in[1] : add->in[0];
}

static uint32_t count_reads(const tn_program *p, tn_value v) {
    uint32_t n = p->logits == v;
    for (uint32_t i = 0; i < p->n_output; i++) n += p->outputs[i] == v;
    for (uint32_t i = 0; i < p->n_op; i++)
        for (uint32_t k = 0; k < 3; k++) n += p->ops[i].in[k] == v;
    return n;
}

const tn_op *tn_gpu_find_add(const tn_gpu_exec *x, uint32_t i) {
    const tn_program *p = x->p;
    const tn_op *op = &p->ops[i], *add = op + 1;
    if (op->kind != TN_OP_LINEAR || i + 1 == p->n_op || add->kind != TN_OP_ADD) return NULL;
    const bool reads = (add->in[0] == op->out) != (add->in[1] == op->out);
    if (!reads || count_reads(p, op->out) != 1) return NULL;
    /* The product's threads still read x when the first of them write. */
    return p->values[add->out].slot == p->values[op->in[0]].slot ? NULL : add;
}

/* x, list, weight, bias, out, args, other: linear_rows and linear_tiles take the same. */
static void bind_linear(tn_gpu_exec *x, tn_gpu_command *c, const tn_op *op, const tn_op *add,
                        tn_gpu_input list, const tn_linear_args *args) {
    const tn_gpu_weight *w = &x->weights[op->w];
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_input(x, c, list);
    bind_weight(c, w);
    tn_gpu_bind(c, op->bias ? &x->weights[op->bias].data : &w->data);
    tn_gpu_bind_value(x, c, add ? add->out : op->out, true);
    tn_gpu_bind_bytes(c, args, sizeof *args);
    if (add)
        tn_gpu_bind_value(x, c, other_of(op, add), false);
    else
        tn_gpu_bind(c, &w->data);
}

/* Simdgroups that share a column: as many as make the GPU's processors busy with a narrow weight, while each
 * has some runs of units to add. It follows from the weight alone, as the order of a sum does from it. */
static uint32_t choose_split(uint32_t n_in, uint32_t n_out) {
    enum { ENOUGH_COLS = 16384, PART = 1024 };
    uint32_t split = 1;
    while (split < TN_LINEAR_SIMDS && n_out * (uint64_t)split < ENOUGH_COLS && n_in >= 2 * split * PART)
        split *= 2;
    return split;
}

/* 16 where every row of the weight begins at a multiple of it. */
static uint32_t row_alignment(const tn_gpu_weight *w) {
    return w->data.offset % 16 == 0 && w->row_bytes % 16 == 0 ? 16 : 4;
}

/* Threadgroups that a pass of 1 << v rows needs. type: tn_linear_type. */
static uint32_t rows_width(uint32_t type, uint32_t n_out, uint32_t split, uint32_t v) {
    const uint32_t simd_cols = tn_linear_cols(type, 1u << v) * (TN_SIMD_WIDTH / tn_linear_lanes(type));
    return tn_ceil_div(n_out, simd_cols * (TN_LINEAR_SIMDS / split));
}

/* Variant v does passes of 1 << v rows: the smallest that needs one pass, else the largest. */
static void choose_pass(const tn_gpu_exec *x, const tn_gpu_command *c, const uint32_t n[TN_GPU_N_COUNT],
                        tn_gpu_kernel **kernel, uint32_t grid[3]) {
    const uint32_t *widths = c->bytes.words + WIDTHS;
    uint32_t v = 0;
    (void)x;
    while (v + 1 < TN_GPU_VARIANTS && 1u << v < n[c->count]) v++;
    *kernel = c->kernel[v];
    grid[0] = widths[v];
    grid[1] = tn_ceil_div(n[c->count], 1u << v);
}

static int add_rows(tn_gpu_exec *x, const tn_op *op, const tn_op *add, tn_gpu_input list, tn_gpu_count count,
                    tn_linear_args args, tn_error *err) {
    enum { N = N_CONSTANT + 5 };
    const tn_gpu_weight *w = &x->weights[op->w];
    const uint32_t split = choose_split(args.n_in, args.n_out), type = tn_linear_type(w->type, w->group);
    tn_gpu_constant constants[N];
    weight_constants(w, constants);
    constants[N - 5] = (tn_gpu_constant){TN_FC_RESIDUAL, add != NULL};
    constants[N - 4] = (tn_gpu_constant){TN_FC_ALIGN, row_alignment(w)};
    constants[N - 3] = (tn_gpu_constant){TN_FC_SPLIT, split};
    constants[N - 2] = (tn_gpu_constant){TN_FC_COLS, tn_linear_cols(type, 1)};
    constants[N - 1] = (tn_gpu_constant){TN_FC_ROWS, 1};
    tn_gpu_command *c = tn_gpu_add(x, "linear_rows", constants, N, TN_LINEAR_SIMDS * TN_SIMD_WIDTH, err);
    if (!c) return err->code;
    for (uint32_t v = 1; v < TN_GPU_VARIANTS; v++) {
        constants[N - 2].value = tn_linear_cols(type, 1u << v);
        constants[N - 1].value = 1u << v;
        int rc = tn_gpu_add_variant(x, c, v, "linear_rows", constants, N, err);
        if (rc) return rc;
    }
    args.rows_are_listed = list != TN_GPU_IN_ROWS;
    bind_linear(x, c, op, add, list, &args);
    for (uint32_t v = 0; v < TN_GPU_VARIANTS; v++)
        c->bytes.words[WIDTHS + v] = rows_width(type, args.n_out, split, v);
    tn_gpu_grid(c, c->bytes.words[WIDTHS], count, 1, 1);
    c->choose = choose_pass;
    return 0;
}

/* Whether a tile holds the weight as halves: without loss for F16, else only where activations may be rounded
 * as well. */
static bool is_half_tile(const tn_gpu_exec *x, tn_type type) {
    if (type == TN_TYPE_F32 || type == TN_TYPE_BF16) return false;
    return type == TN_TYPE_F16 || x->config.compute != TN_COMPUTE_F32;
}

static int add_tiles(tn_gpu_exec *x, const tn_op *op, const tn_op *add, tn_gpu_input list, tn_gpu_count count,
                     tn_linear_args args, tn_error *err) {
    enum { N = N_CONSTANT + 2 };
    tn_gpu_constant constants[N];
    weight_constants(&x->weights[op->w], constants);
    constants[N_CONSTANT] = (tn_gpu_constant){TN_FC_HALF, is_half_tile(x, x->weights[op->w].type)};
    constants[N_CONSTANT + 1] = (tn_gpu_constant){TN_FC_RESIDUAL, add != NULL};
    tn_gpu_command *c = tn_gpu_add(x, "linear_tiles", constants, N, TN_TILE_SIMDS * TN_SIMD_WIDTH, err);
    if (!c) return err->code;
    args.rows_are_listed = 1;
    bind_linear(x, c, op, add, list, &args);
    tn_gpu_grid(c, tn_ceil_div(args.n_out, TN_TILE_COLS), count, TN_TILE_ROWS, 1);
    return 0;
}

int tn_gpu_encode_linear(tn_gpu_exec *x, const tn_op *op, const tn_op *add, tn_error *err) {
    const tn_weight_info *w = &x->p->weights[op->w];
    const uint64_t row_bytes = x->weights[op->w].row_bytes;
    const tn_linear_args args = {
        .n_in = w->cols, .n_out = w->rows, .row_bytes = (uint32_t)row_bytes, .has_bias = op->bias != 0};
    int rc = check_type(x, op->w, err);
    if (rc) return rc;
    const uint32_t rows = x->p->values[op->out].rows;
    if (rows >> 8) return add_tiles(x, op, add, TN_GPU_IN_FOLDED, TN_GPU_FOLDED, args, err);
    if (rows == TN_ROWS_OUTPUT) return add_rows(x, op, add, TN_GPU_IN_ROWS, TN_GPU_OUTPUT, args, err);
    if (!x->p->is_tower) rc = add_rows(x, op, add, TN_GPU_IN_GENERATED, TN_GPU_GENERATED, args, err);
    return rc ? rc : add_tiles(x, op, add, TN_GPU_IN_PROMPT, TN_GPU_PROMPT, args, err);
}
