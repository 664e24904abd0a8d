/* SPDX-License-Identifier: Apache-2.0 */
/* TN_OP_ATTENTION: keys and values are stored, then generated rows and tiles of prompt rows go through
 * kernels of their own (metal/kernels/attention_*.metal). */
#include <assert.h>
#include "device/gpu/exec.h"

static_assert((int)TN_KV_F32 == TN_TYPE_F32 && (int)TN_KV_F16 == TN_TYPE_F16 &&
                  (int)TN_KV_BF16 == TN_TYPE_BF16 && (int)TN_KV_Q8_0 == TN_TYPE_Q8_0,
              "kernels are told a tn_type");

/* Parts that attention_rows leaves: no more are kept than this, or than one row of the longest context needs.
 */
static const uint64_t max_scratch = UINT64_C(64) << 20;

static uint32_t log2_of(uint32_t power) {
    uint32_t n = 0;
    while (power >> (n + 1)) n++;
    return n;
}

uint64_t tn_gpu_kv_layer_bytes(const tn_cache_info *c, const tn_exec_config *config) {
    return (uint64_t)2 * c->n_head_kv * config->page_tokens * tn_kv_row_bytes(config->kv_type, c->head_dim);
}

static tn_kv_place place_of(const tn_gpu_exec *x, uint32_t layer) {
    return (tn_kv_place){.page_bytes = x->page_bytes[x->p->caches[layer].group],
                         .layer_offset = x->layer_offset[layer],
                         .page_shift = log2_of(x->config.page_tokens),
                         .pages_per_seq = x->config.max_seq_pages};
}

static int encode_store(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_attention_desc *a = &op->attention;
    const uint32_t group = x->p->caches[a->layer].group, simds = TN_ATTENTION_THREADS / TN_SIMD_WIDTH;
    const tn_gpu_constant constants[] = {{TN_FC_KV_TYPE, x->config.kv_type}, {TN_FC_HEAD_DIM, a->head_dim}};
    tn_gpu_command *c = tn_gpu_add(x, "kv_store", constants, 2, TN_ATTENTION_THREADS, err);
    if (!c) return err->code;
    const uint32_t blocks = 2 * a->n_head_kv * tn_ceil_div(a->head_dim, TN_KV_BLOCK);
    tn_gpu_grid(c, tn_ceil_div(blocks, simds), TN_GPU_TOKENS, 1, 1);
    tn_gpu_bind_value(x, c, op->in[1], false);
    tn_gpu_bind_value(x, c, op->in[2], false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_PAGES + group);
    tn_gpu_bind_pool(x, c, group, true);
    const tn_kv_store_args args = {.kv = place_of(x, a->layer), .n_head_kv = a->n_head_kv};
    tn_gpu_bind_bytes(c, &args, sizeof args);
    return 0;
}

/* ---- rows ---- */

/* Query heads of a threadgroup: batches of a group of heads are as even as may be. */
static uint32_t heads_of(const tn_attention_desc *a) {
    const uint32_t group = a->n_head / a->n_head_kv;
    const uint32_t most = a->head_dim > 256 ? TN_ATTENTION_HEADS / 2 : TN_ATTENTION_HEADS;
    return tn_ceil_div(group, tn_ceil_div(group, most));
}

/* Spans that a row with at most n of them can see something of. */
static uint32_t seen_spans(const tn_attention_args *a, uint32_t n) {
    if (a->window == 0) return n;
    const uint32_t most = (a->window - 1 + TN_ATTENTION_SPAN - 1) / TN_ATTENTION_SPAN + 1;
    return n < most ? n : most;
}

static const tn_attention_args *args_of(const tn_gpu_command *c) {
    return (const tn_attention_args *)&c->bytes;
}

/* Whether generated rows leave parts: several spans, and room for them. The result is the same. */
static bool is_split(const tn_gpu_exec *x, const tn_gpu_command *c, const uint32_t n[TN_GPU_N_COUNT],
                     uint32_t *ret_spans) {
    const tn_attention_args *a = args_of(c);
    const uint64_t row = (uint64_t)a->n_head * tn_attention_part(a->head_dim) * sizeof(float);
    *ret_spans = seen_spans(a, n[TN_GPU_SPANS]);
    return *ret_spans > 1 && row * n[TN_GPU_GENERATED] * *ret_spans <= x->scratch_bytes;
}

static void choose_rows(const tn_gpu_exec *x, const tn_gpu_command *c, const uint32_t n[TN_GPU_N_COUNT],
                        tn_gpu_kernel **kernel, uint32_t grid[3]) {
    uint32_t spans;
    const bool split = is_split(x, c, n, &spans);
    *kernel = c->kernel[split ? 0 : 1];
    grid[2] = split ? spans : 1;
}

static void choose_merge(const tn_gpu_exec *x, const tn_gpu_command *c, const uint32_t n[TN_GPU_N_COUNT],
                         tn_gpu_kernel **kernel, uint32_t grid[3]) {
    uint32_t spans;
    (void)kernel;
    if (!is_split(x, c, n, &spans)) grid[1] = 0;
}

/* Room for parts of as many rows of the longest context as there are sequences, within bounds. */
static void ask_for_scratch(tn_gpu_exec *x, const tn_attention_args *a) {
    const uint64_t longest = (uint64_t)x->config.max_seq_pages * x->config.page_tokens;
    const uint32_t spans = seen_spans(a, (uint32_t)((longest + TN_ATTENTION_SPAN - 1) / TN_ATTENTION_SPAN));
    const uint64_t row = (uint64_t)a->n_head * tn_attention_part(a->head_dim) * sizeof(float) * spans;
    const uint64_t most = row < max_scratch ? max_scratch : row;
    const uint64_t bytes = row * x->config.max_seqs < most ? row * x->config.max_seqs : most;
    if (bytes > x->scratch_bytes) x->scratch_bytes = bytes;
}

/* Of a tower's rows what the step says; of a text's that as well, where some of them stand for media. */
static uint32_t see_kind(const tn_gpu_exec *x) {
    return x->p->is_tower ? TN_SEE_ONLY : TN_SEE_PAST;
}
static bool may_see_more(const tn_gpu_exec *x) {
    return !x->p->is_tower && x->n_media_part;
}

static void choose_sees(const tn_gpu_exec *x, const tn_gpu_command *c, const uint32_t n[TN_GPU_N_COUNT],
                        tn_gpu_kernel **kernel, uint32_t grid[3]) {
    (void)x;
    (void)grid;
    *kernel = c->kernel[n[TN_GPU_SEEING]];
}

/* The last constant is SEES: where it may be needed, a variant that sees more. The result of rows that see
 * their past is the same. */
static int add_sees_variant(tn_gpu_exec *x, tn_gpu_command *c, const char *kernel, tn_gpu_constant *constants,
                            uint32_t n_constant, tn_error *err) {
    if (!may_see_more(x)) return 0;
    constants[n_constant - 1].value = TN_SEE_MORE;
    c->choose = choose_sees;
    return tn_gpu_add_variant(x, c, 1, kernel, constants, n_constant, err);
}

/* Something must be bound where nothing is read. */
static void bind_sees(tn_gpu_exec *x, tn_gpu_command *c, const tn_op *op) {
    const bool reads = x->p->is_tower || may_see_more(x);
    tn_gpu_bind_input(x, c, reads ? (tn_gpu_input)(TN_GPU_IN_SEES + op->attention.sees) : TN_GPU_IN_TOKENS);
}

static void bind_rows(tn_gpu_exec *x, tn_gpu_command *c, const tn_op *op, tn_gpu_input rows, bool split,
                      const tn_attention_args *args) {
    const uint32_t group = x->p->caches[op->attention.layer].group;
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_pool(x, c, group, false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_PAGES + group);
    tn_gpu_bind_input(x, c, rows);
    tn_gpu_bind_scratch(x, c, split);
    tn_gpu_bind_value(x, c, op->out, true);
    tn_gpu_bind_bytes(c, args, sizeof *args);
    bind_sees(x, c, op);
}

/* Rows that stand alone: those of a list. split: they may leave parts for encode_merge. */
static int encode_rows(tn_gpu_exec *x, const tn_op *op, tn_gpu_input rows, bool split,
                       const tn_attention_args *args, tn_error *err) {
    const tn_attention_desc *a = &op->attention;
    const uint32_t heads = heads_of(a), batches = tn_ceil_div(a->n_head / a->n_head_kv, heads);
    tn_gpu_constant constants[] = {{TN_FC_KV_TYPE, x->config.kv_type},
                                   {TN_FC_HEAD_DIM, a->head_dim},
                                   {TN_FC_HEADS, heads},
                                   {TN_FC_WHOLE, !split},
                                   {TN_FC_SEES, split ? TN_SEE_PAST : see_kind(x)}};
    tn_gpu_command *c = tn_gpu_add(x, "attention_rows", constants, 5, TN_ATTENTION_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, a->n_head_kv * batches, split ? TN_GPU_GENERATED : TN_GPU_PROMPT, 1, 1);
    bind_rows(x, c, op, rows, split, args);
    if (!split) return add_sees_variant(x, c, "attention_rows", constants, 5, err);
    c->choose = choose_rows;
    constants[3].value = 1;
    return tn_gpu_add_variant(x, c, 1, "attention_rows", constants, 5, err);
}

static int encode_merge(tn_gpu_exec *x, const tn_op *op, const tn_attention_args *args, tn_error *err) {
    const tn_gpu_constant constants[] = {{TN_FC_KV_TYPE, x->config.kv_type},
                                         {TN_FC_HEAD_DIM, args->head_dim}};
    tn_gpu_command *c = tn_gpu_add(x, "attention_merge", constants, 2, TN_ATTENTION_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, args->n_head, TN_GPU_GENERATED, 1, 1);
    c->choose = choose_merge;
    tn_gpu_bind_scratch(x, c, false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TOKENS);
    tn_gpu_bind_input(x, c, TN_GPU_IN_GENERATED);
    tn_gpu_bind_value(x, c, op->out, true);
    tn_gpu_bind_bytes(c, args, sizeof *args);
    return 0;
}

/* ---- tiles ---- */

/* Halves are multiplied where keys and values are no finer and the caller leaves it to us. */
static int encode_tiles(tn_gpu_exec *x, const tn_op *op, const tn_attention_args *args, tn_error *err) {
    const uint32_t group = x->p->caches[op->attention.layer].group;
    const tn_type type = x->config.kv_type;
    const bool half = x->config.compute == TN_COMPUTE_AUTO && (type == TN_TYPE_F16 || type == TN_TYPE_Q8_0);
    tn_gpu_constant constants[] = {{TN_FC_KV_TYPE, type},
                                   {TN_FC_HEAD_DIM, args->head_dim},
                                   {TN_FC_HALF, half},
                                   {TN_FC_SEES, see_kind(x)}};
    tn_gpu_command *c = tn_gpu_add(x, "attention_tiles", constants, 4, TN_ATTENTION_THREADS, err);
    if (!c) return err->code;
    tn_gpu_grid(c, args->n_head, TN_GPU_TILES, 1, 1);
    tn_gpu_bind_value(x, c, op->in[0], false);
    tn_gpu_bind_pool(x, c, group, false);
    tn_gpu_bind_input(x, c, TN_GPU_IN_TILES);
    tn_gpu_bind_input(x, c, TN_GPU_IN_PAGES + group);
    tn_gpu_bind_value(x, c, op->out, true);
    tn_gpu_bind_bytes(c, args, sizeof *args);
    bind_sees(x, c, op);
    return add_sees_variant(x, c, "attention_tiles", constants, 4, err);
}

int tn_gpu_encode_attention(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_attention_desc *a = &op->attention;
    const tn_attention_args args = {.kv = place_of(x, a->layer),
                                    .n_head = a->n_head,
                                    .n_head_kv = a->n_head_kv,
                                    .head_dim = a->head_dim,
                                    .window = a->window,
                                    .scale = a->scale,
                                    .softcap = a->softcap};
    if (a->head_dim > TN_ATTENTION_MAX_HEAD_DIM)
        return tn_fail(err, TN_ENOTSUP,
                       "attention of layer %u: heads of %u dimensions, the GPU's kernels take %d", a->layer,
                       a->head_dim, TN_ATTENTION_MAX_HEAD_DIM);
    int rc = op->in[1] ? encode_store(x, op, err) : 0;
    tn_gpu_begin_stage(x, op->stage);
    ask_for_scratch(x, &args);
    if (!rc && !x->p->is_tower) rc = encode_rows(x, op, TN_GPU_IN_GENERATED, true, &args, err);
    if (!rc && !x->p->is_tower) rc = encode_merge(x, op, &args, err);
    if (rc) return rc;
    if (a->head_dim > TN_TILE_MAX_HEAD_DIM) return encode_rows(x, op, TN_GPU_IN_PROMPT, false, &args, err);
    return encode_tiles(x, op, &args, err);
}
