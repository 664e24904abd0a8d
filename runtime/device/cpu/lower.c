/* SPDX-License-Identifier: Apache-2.0 */
/* From a program to an array of calls, and the memory they work in. */
#include "device/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"

#ifndef MAP_NORESERVE
#    define MAP_NORESERVE 0
#endif
#ifndef MAP_ANONYMOUS
#    define MAP_ANONYMOUS MAP_ANON
#endif

static int floats_new(tn_cpu_exec *x, uint64_t rows, uint64_t cols, float **ret, tn_error *err) {
    uint64_t bytes;
    if (!tn_mul_u64(rows, cols, &bytes) || !tn_mul_u64(bytes, sizeof(float), &bytes) ||
        !tn_align_u64(bytes, TN_CPU_ALIGN, &bytes) || bytes > SIZE_MAX)
        return tn_fail(err, TN_ENOMEM, "activations of %llu x %llu floats are beyond any memory",
                       (unsigned long long)rows, (unsigned long long)cols);
    x->size.activations += bytes;
    if (x->dry) return 0;
    *ret = aligned_alloc(TN_CPU_ALIGN, bytes ? bytes : TN_CPU_ALIGN);
    if (!*ret)
        return tn_fail(err, TN_ENOMEM, "out of memory for activations of %llu x %llu floats",
                       (unsigned long long)rows, (unsigned long long)cols);
    return 0;
}

static uint32_t rows_most(const tn_cpu_exec *x, uint32_t rows) {
    return tn_rows_count(rows, x->config.max_tokens, x->config.max_rows);
}

/* Room for the largest input of a linear layer, quantised; and for small ones, for each member. */
static int act_new(tn_cpu_exec *x, tn_error *err) {
    const tn_program *p = x->program;
    uint64_t most = 0;
    float *act = NULL, *own = NULL;
    for (uint32_t i = 0; i < p->n_op; i++) {
        if (p->ops[i].kind != TN_OP_LINEAR) continue;
        const tn_value_info *v = &p->values[p->ops[i].in[0]];
        uint64_t words = rows_most(x, v->rows) * tn_cpu_act_words(v->cols); /* below 2^62 */
        if (words > most) most = words;
    }
    for (int i = 0; i < TN_CPU_ACTS; i++) {
        int rc = floats_new(x, most, 1, &act, err);
        if (rc) return rc;
        x->act[i] = (int32_t *)act;
    }
    int rc = floats_new(x, tn_team_size(x->device->team), TN_CPU_OWN_WORDS, &own, err);
    if (rc == 0) x->own = (int32_t *)own;
    return rc;
}

static int slots_new(tn_cpu_exec *x, tn_error *err) {
    const tn_program *p = x->program;
    for (uint32_t i = 0; i < p->n_slot; i++) {
        int rc = floats_new(x, tn_slot_rows(&x->config, &p->slots[i]), p->slots[i].cols, &x->slots[i], err);
        if (rc) return rc;
    }
    for (uint32_t i = 1; i <= p->n_rope; i++) {
        int rc = floats_new(x, x->config.max_tokens, p->ropes[i].n_dims, &x->tables[i], err);
        if (rc) return rc;
    }
    if (x->config.compute != TN_COMPUTE_F32) {
        int rc = act_new(x, err);
        if (rc) return rc;
    }
    for (uint32_t i = 0; x->config.taps && i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (op->kind != TN_OP_TAP) continue;
        const tn_value_info *v = &p->values[op->in[0]];
        int rc =
            x->taps[op->index] ? 0 : floats_new(x, rows_most(x, v->rows), v->cols, &x->taps[op->index], err);
        if (rc) return rc;
    }
    return 0;
}

/* Bytes of a layer in a page; false when they overflow. */
static bool layer_bytes(const tn_cpu_exec *x, uint32_t layer, uint64_t *ret) {
    const tn_cache_info *c = &x->program->caches[layer];
    if (c->n_state) return tn_align_u64((uint64_t)c->n_state * sizeof(float), TN_CPU_ALIGN, ret);
    uint64_t n = 2ull * tn_kv_type_bytes(x->config.kv_type, c->head_dim);
    return tn_mul_u64(n, x->config.page_tokens, &n) && tn_mul_u64(n, c->n_head_kv, &n) &&
           tn_align_u64(n, TN_CPU_ALIGN, ret);
}

/* Reserves a group's pages; the system gives memory when one is first written. Pages are whole pages of the
 * system too, so that each can be given back by itself. */
static int pool_new(tn_cpu_exec *x, uint32_t group, tn_error *err) {
    uint64_t page = 0, n, total;
    bool ok = true;
    for (uint32_t i = 0; i < x->program->n_layer; i++)
        if (x->program->caches[i].group == group)
            ok = ok && layer_bytes(x, i, &n) && tn_add_u64(page, n, &page);
    ok = ok && tn_align_u64(page, (uint64_t)sysconf(_SC_PAGESIZE), &page);
    if (!ok || !tn_mul_u64(page, x->config.n_page[group], &total) || total > SIZE_MAX)
        return tn_fail(err, TN_ENOMEM, "a KV cache of %u pages of %u tokens is beyond any memory",
                       x->config.n_page[group], x->config.page_tokens);
    x->size.page[group] = page;
    if (total == 0 || x->dry) return 0;
    void *pool =
        mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pool == MAP_FAILED)
        return tn_fail(err, TN_ENOMEM,
                       "%llu bytes for a KV cache of %u pages of %u tokens: no such room; use fewer",
                       (unsigned long long)total, x->config.n_page[group], x->config.page_tokens);
#ifdef MADV_HUGEPAGE
    madvise(pool, total, MADV_HUGEPAGE); /* a head's part of a page is small: many addresses to translate */
#endif
    x->pools[group] = pool;
    x->pool_bytes[group] = total;
    return 0;
}

static void scratch_at_least(tn_cpu_exec *x, size_t bytes) {
    bytes = (bytes + TN_CPU_ALIGN - 1) / TN_CPU_ALIGN * TN_CPU_ALIGN;
    if (bytes > x->scratch_bytes) x->scratch_bytes = bytes;
}

/* Elements to decode at a time: whole blocks and whole vectors, about 2 KiB of floats. */
static uint32_t chunk_of(const tn_tensor *t) {
    const tn_type_info *info = tn_type_info_get(t->type);
    uint32_t unit = info->block_bytes == 0 && t->group > info->block_elems ? t->group : info->block_elems;
    while (unit % TN_CPU_LANES_MAX) unit *= 2;
    return unit >= 512 ? unit : 512 / unit * unit;
}

static int matrix_of(tn_cpu_exec *x, tn_weight w, tn_cpu_linear *ret, tn_error *err) {
    const tn_weight_info *info = &x->program->weights[w];
    const tn_type_info *type = tn_type_info_get(info->tensor->type);
    if (!type)
        return tn_fail(err, TN_ENOTSUP, "%s: tensor type %u is not known to the cpu device", info->name,
                       (unsigned)info->tensor->type);
    *ret = (tn_cpu_linear){
        .tensor = info->tensor,
        .first_row = info->first_row,
        .rows = info->rows,
        .cols = info->cols,
        .chunk = chunk_of(info->tensor),
    };
    return 0;
}

/* A new value comes into a slot. */
static void forget_act(tn_cpu_exec *x, const float *slot) {
    for (int i = 0; i < TN_CPU_ACTS; i++)
        if (x->act_of[i] == slot) x->act_of[i] = NULL;
}

static void append(tn_cpu_exec *x, const tn_cpu_call *c, tn_cpu_run run) {
    forget_act(x, c->out);
    x->calls[x->n_call] = *c;
    x->calls[x->n_call].stage = x->stage;
    x->calls[x->n_call++].run = run;
}

/* Where a layer starts in a page of its group. */
static uint64_t layer_offset(const tn_cpu_exec *x, uint32_t layer) {
    uint64_t offset = 0, bytes = 0;
    for (uint32_t i = 0; i < layer; i++) {
        if (x->program->caches[i].group != x->program->caches[layer].group) continue;
        layer_bytes(x, i, &bytes);
        offset += bytes;
    }
    return offset;
}

static tn_cpu_state state_at(const tn_cpu_exec *x, uint32_t layer, const tn_op *op) {
    uint32_t group = x->program->caches[layer].group;
    return (tn_cpu_state){.pool = x->pools[group],
                          .group = group,
                          .page_bytes = x->size.page[group],
                          .offset = layer_offset(x, layer) + op->state * sizeof(float)};
}

static int lower_conv(tn_cpu_exec *x, const tn_op *op, tn_cpu_call *c, tn_error *err) {
    const tn_conv_desc *d = &op->conv;
    c->conv = (tn_cpu_conv){.cols = c->cols, .kernel = d->kernel, .activation = d->activation};
    c->state = state_at(x, d->layer, op);
    int rc = tn_cpu_weights_conv(x, op->w, d->kernel, &c->conv.w, err);
    if (rc == 0 && op->bias) rc = tn_cpu_weights_vector(x, op->bias, &c->conv.bias, err);
    append(x, c, tn_cpu_run_conv);
    return rc;
}

static int lower_delta_rule(tn_cpu_exec *x, const tn_op *op, tn_cpu_call *c, tn_error *err) {
    c->delta.desc = op->delta;
    c->state = state_at(x, op->delta.layer, op);
    int rc = tn_cpu_weights_vector(x, op->w, &c->delta.rate, err);
    if (rc == 0) rc = tn_cpu_weights_vector(x, op->bias, &c->delta.dt_bias, err);
    scratch_at_least(x, tn_cpu_delta_scratch(&op->delta));
    append(x, c, tn_cpu_run_delta_rule);
    return rc;
}

static int lower_attention(tn_cpu_exec *x, const tn_op *op, tn_cpu_call *c, tn_error *err) {
    const tn_attention_desc *d = &op->attention;
    const tn_cache_info *cache = &x->program->caches[d->layer];
    if (cache->n_head_kv != d->n_head_kv || cache->head_dim != d->head_dim)
        return tn_fail(err, TN_EBUG, "layer %u: attention of %u heads of %u, cache of %u heads of %u",
                       d->layer, d->n_head_kv, d->head_dim, cache->n_head_kv, cache->head_dim);
    c->attention.desc = *d;
    c->attention.cache = (tn_cpu_cache){
        .pool = x->pools[cache->group],
        .group = cache->group,
        .page_bytes = x->size.page[cache->group],
        .offset = layer_offset(x, d->layer),
    };
    tn_cpu_cache_shape(&c->attention.cache, x->config.kv_type, x->config.page_tokens, d->n_head_kv,
                       d->head_dim);
    scratch_at_least(x, tn_cpu_attention_scratch(d));
    return 0;
}

/* Keys and values, by the heads of those who look at them, or in equal shares. */
static void append_store(tn_cpu_exec *x, const tn_cpu_call *attention) {
    tn_cpu_call c = *attention;
    c.cut = (tn_cpu_cut){c.attention.cache.head_dim, attention->cut.width == 0};
    c.out = NULL;
    append(x, &c, tn_cpu_run_store);
}

/* Room for one sequence, as long as one may be, or as many as leave members idle. Where heads go round evenly
 * there is nothing to share. */
static int parts_new(tn_cpu_exec *x, tn_error *err) {
    const tn_program *p = x->program;
    uint32_t n_member = tn_team_size(x->device->team);
    uint64_t n_token, most = 0;
    if (!tn_mul_u64(x->config.max_seq_pages, x->config.page_tokens, &n_token) || n_token > UINT32_MAX)
        n_token = UINT32_MAX;
    uint64_t spans = n_token / TN_CPU_SPAN + (n_token % TN_CPU_SPAN != 0);
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_attention_desc *d = &p->ops[i].attention;
        if (p->ops[i].kind != TN_OP_ATTENTION || d->n_head_kv % n_member == 0) continue;
        uint64_t n_seq = (2 * n_member + d->n_head_kv - 1) / d->n_head_kv;
        if (n_seq > x->config.max_seqs) n_seq = x->config.max_seqs;
        uint64_t n = n_seq * d->n_head * tn_cpu_partial(d->head_dim); /* below 2^42 */
        if (n > most) most = n;
    }
    if (most == 0 || spans < 2) return 0;
    int rc = floats_new(x, most, spans, &x->parts, err);
    if (rc == 0) x->n_part = most * spans;
    return rc;
}

/* Whether the norm's value is read by the matrices that follow it alone, all on the same rounded rows. */
static bool is_norm_of_rounded(const tn_cpu_exec *x, const tn_op *op) {
    const tn_program *p = x->program;
    const tn_op *end = p->ops + p->n_op, *next = op + 1;
    while (next < end && next->kind == TN_OP_LINEAR && next->in[0] == op->out &&
           x->panels[next->w].panel_bytes &&
           (x->panels[next->w].type == TN_TYPE_BF16) == (x->panels[op[1].w].type == TN_TYPE_BF16))
        next++;
    if (next == op + 1 || p->logits == op->out || op->group != p->values[op->out].cols) return false;
    for (; next < end; next++)
        for (int i = 0; i < 3; i++)
            if (next->in[i] == op->out) return false;
    return !x->device->plain;
}

/* A norm that only matrices read is taken when its value is quantised, and its value need not be written. */
static int lower_rms_norm(tn_cpu_exec *x, const tn_op *op, tn_cpu_call *c, tn_error *err) {
    int rc = tn_cpu_weights_vector(x, op->w, &c->w, err);
    if (rc == 0 && is_norm_of_rounded(x, op)) {
        forget_act(x, c->out);
        x->norm = *c;
        x->norm.normed = true;
    } else {
        append(x, c, tn_cpu_run_rms_norm);
    }
    return rc;
}

/* Quantises the value at `c->in[0]` into the rows that are not the last ones. */
static void quantize(tn_cpu_exec *x, const tn_cpu_call *c, uint32_t width) {
    tn_cpu_call q = *c;
    if (x->norm.normed && x->norm.out == c->in[0])
        q = x->norm;
    else
        q.out = NULL;
    q.bf16 = c->bf16;
    q.act = (x->act_last + 1) % TN_CPU_ACTS;
    q.act_whole = q.normed || width == 0 || width % TN_CPU_ACT_BLOCK != 0;
    if (!q.normed) q.cut = (tn_cpu_cut){q.act_whole ? 0 : width, false};
    x->norm.normed = false;
    append(x, &q, tn_cpu_run_quantize);
    x->act_last = q.act;
    x->act_of[q.act] = c->in[0];
    x->act_whole[q.act] = q.act_whole;
    x->act_bf16[q.act] = q.bf16;
}

/* Layers that read the same value share its rounded rows. */
static void lower_linear_rounded(tn_cpu_exec *x, const tn_op *op, tn_cpu_call *c, const float *bias) {
    uint32_t i = 0;
    c->bf16 = x->panels[op->w].type == TN_TYPE_BF16;
    while (i < TN_CPU_ACTS && (x->act_of[i] != c->in[0] || x->act_bf16[i] != c->bf16)) i++;
    if (i == TN_CPU_ACTS) {
        quantize(x, c, x->widths[op->in[0]]);
        i = x->act_last;
    }
    c->panels = x->panels[op->w];
    c->panels.bias = bias;
    scratch_at_least(x, c->bf16 ? TN_CPU_MATRIX_SCRATCH : TN_CPU_TILE_SCRATCH);
    c->act = i;
    c->act_whole = x->act_whole[i];
    append(x, c, tn_cpu_run_linear_rounded);
}

static int lower_linear(tn_cpu_exec *x, const tn_op *op, tn_cpu_call *c, tn_error *err) {
    const float *bias = NULL;
    int rc = op->bias ? tn_cpu_weights_vector(x, op->bias, &bias, err) : 0;
    if (rc == 0) rc = matrix_of(x, op->w, &c->linear, err);
    if (rc) return rc;
    if (x->panels[op->w].panel_bytes) {
        lower_linear_rounded(x, op, c, bias);
        return 0;
    }
    c->linear.bias = bias;
    scratch_at_least(x, tn_cpu_linear_scratch(c->linear.chunk));
    append(x, c, tn_cpu_run_linear);
    return 0;
}

static const tn_cpu_run simple_runs[] = {
    [TN_OP_GLU] = tn_cpu_run_glu,          [TN_OP_ADD] = tn_cpu_run_add,
    [TN_OP_SCALE] = tn_cpu_run_scale,      [TN_OP_SOFTCAP] = tn_cpu_run_softcap,
    [TN_OP_OUTPUT_ROWS] = tn_cpu_run_rows, [TN_OP_ACTIVATE] = tn_cpu_run_glu,
    [TN_OP_INPUT] = tn_cpu_run_input,      [TN_OP_FOLD] = tn_cpu_run_fold,
    [TN_OP_MEAN] = tn_cpu_run_mean,
};

/* Rope tables are made anew for the rows that are in the step; rounded rows are not there any more. */
static void begin_stage(tn_cpu_exec *x, uint32_t stage) {
    const tn_program *p = x->program;
    if (x->n_call && stage == x->stage) return;
    x->stage = stage;
    x->stage_calls[stage] = x->n_call;
    for (int i = 0; i < TN_CPU_ACTS; i++) x->act_of[i] = NULL;
    for (uint32_t i = 1; i <= p->n_rope; i++) {
        const tn_rope_info *r = &p->ropes[i];
        tn_cpu_call c = {.rows = TN_ROWS_TOKEN, .n_pair = r->n_dims / 2, .table = x->tables[i], .rope = r};
        append(x, &c, tn_cpu_run_rope_table);
    }
}

static int lower_op(tn_cpu_exec *x, const tn_op *op, tn_error *err) {
    const tn_program *p = x->program;
    const tn_value_info *shape = &p->values[op->in[0] ? op->in[0] : op->out];
    tn_cpu_call c = {.rows = shape->rows, .cols = shape->cols, .f = op->f, .group = op->group};
    c.activation = op->activation;
    c.cut = tn_cpu_cut_of(x, op);
    for (int i = 0; i < 3; i++)
        if (op->in[i]) c.in[i] = x->slots[p->values[op->in[i]].slot];
    if (op->out) c.out = x->slots[p->values[op->out].slot];
    int rc = 0;
    switch (op->kind) {
    case TN_OP_EMBED:
        rc = matrix_of(x, op->w, &c.linear, err);
        append(x, &c, tn_cpu_run_embed);
        return rc;
    case TN_OP_EMBED_TYPE:
        rc = matrix_of(x, op->w, &c.linear, err);
        append(x, &c, tn_cpu_run_embed_type);
        return rc;
    case TN_OP_LINEAR: return lower_linear(x, op, &c, err);
    case TN_OP_RMS_NORM: return lower_rms_norm(x, op, &c, err);
    case TN_OP_ROPE:
        c.w = x->tables[op->rope];
        c.n_pair = p->ropes[op->rope].n_dims / 2;
        c.style = p->ropes[op->rope].style;
        append(x, &c, tn_cpu_run_rope);
        return 0;
    case TN_OP_ATTENTION:
        rc = lower_attention(x, op, &c, err);
        if (op->in[1]) append_store(x, &c);
        begin_stage(x, op->stage);
        append(x, &c, tn_cpu_run_attention);
        return rc;
    case TN_OP_LAYER_NORM:
        rc = tn_cpu_weights_vector(x, op->w, &c.w, err);
        if (rc == 0 && op->bias) rc = tn_cpu_weights_vector(x, op->bias, &c.bias, err);
        append(x, &c, tn_cpu_run_layer_norm);
        return rc;
    case TN_OP_MIX:
        rc = tn_cpu_weights_vector(x, op->w, &c.w, err);
        append(x, &c, tn_cpu_run_mix);
        return rc;
    case TN_OP_MEDIA:
        c.first = op->index;
        append(x, &c, tn_cpu_run_media);
        return 0;
    case TN_OP_POSITIONS:
        rc = tn_cpu_weights_vector(x, op->w, &c.w, err);
        append(x, &c, tn_cpu_run_positions);
        return rc;
    case TN_OP_CROSS:
        c.cross = op->cross;
        scratch_at_least(x, (TN_CROSS_ROWS + TN_CPU_LANES_MAX) * sizeof(float));
        append(x, &c, tn_cpu_run_cross);
        return 0;
    case TN_OP_UNFOLD:
        c.unfold = op->unfold;
        c.cols = p->values[op->out].cols;
        begin_stage(x, op->stage);
        append(x, &c, tn_cpu_run_unfold);
        return 0;
    case TN_OP_CONV: return lower_conv(x, op, &c, err);
    case TN_OP_DELTA_RULE: return lower_delta_rule(x, op, &c, err);
    case TN_OP_SLICE:
        c.first = op->index;
        c.n = p->values[op->out].cols / (c.cols / c.group);
        append(x, &c, tn_cpu_run_slice);
        return 0;
    case TN_OP_TAP:
        c.out = x->taps[op->index];
        if (x->config.taps) append(x, &c, tn_cpu_run_copy);
        return 0;
    default: append(x, &c, simple_runs[op->kind]); return 0;
    }
}

/* The kept slot that begins at an address; NULL: none. */
static const tn_slot *kept_slot(const tn_cpu_exec *x, const float *at) {
    for (uint32_t i = 0; at && i < x->program->n_slot; i++)
        if (x->program->slots[i].kept && x->slots[i] == at) return &x->program->slots[i];
    return NULL;
}

/* Which pointers of calls lead into kept values. */
static int find_kept(tn_cpu_exec *x, tn_error *err) {
    if (!x->program->is_tower || x->dry) return 0;
    x->kept = calloc(4 * (size_t)x->n_call, sizeof *x->kept);
    if (!x->kept) return tn_fail(err, TN_ENOMEM, "out of memory for a program of %u calls", x->n_call);
    for (uint32_t i = 0; i < x->n_call; i++)
        for (int j = 0; j < 4; j++) {
            const float *at = j == 3 ? x->calls[i].out : x->calls[i].in[j];
            const tn_slot *slot = kept_slot(x, at);
            if (slot)
                x->kept[x->n_kept++] = (tn_cpu_kept){i, j, (float *)(uintptr_t)at, slot->rows, slot->cols};
        }
    return 0;
}

static int calls_new(tn_cpu_exec *x, tn_error *err) {
    const tn_program *p = x->program;
    int rc = tn_cpu_cut_values(x, err);
    if (rc) return rc;
    begin_stage(x, 0);
    for (uint32_t i = 0; i < p->n_op; i++) {
        rc = lower_op(x, &p->ops[i], err);
        if (rc) return rc;
    }
    x->stage_calls[p->n_stage] = x->n_call;
    rc = find_kept(x, err);
    if (rc) return rc;
    float *scratch = NULL;
    rc = floats_new(x, tn_team_size(x->device->team), x->scratch_bytes / sizeof(float), &scratch, err);
    if (rc) return rc;
    x->scratch = (uint8_t *)scratch;
    rc = parts_new(x, err);
    return rc ? rc : tn_cpu_place_barriers(x, err);
}

static int check_config(const tn_exec_config *c, tn_error *err) {
    if (c->max_tokens == 0 || c->max_seqs == 0 || c->page_tokens == 0 ||
        (c->page_tokens & (c->page_tokens - 1)))
        return tn_fail(err, TN_EINVAL,
                       "%u tokens and %u sequences a step, pages of %u tokens: need 1, 1 and a power of 2",
                       c->max_tokens, c->max_seqs, c->page_tokens);
    return tn_kv_type_check(c->kv_type, err);
}

static int tables_new(tn_cpu_exec *x, tn_error *err) {
    const tn_program *p = x->program;
    size_t n_call = 2 * (size_t)p->n_op + (size_t)p->n_rope * p->n_stage + 1;
    x->stage_calls = calloc((size_t)p->n_stage + 1, sizeof *x->stage_calls);
    x->calls = calloc(n_call, sizeof *x->calls);
    x->slots = calloc((size_t)p->n_slot + 1, sizeof *x->slots);
    x->vectors = calloc((size_t)p->n_weight + 1, sizeof *x->vectors);
    x->panels = calloc((size_t)p->n_weight + 1, sizeof *x->panels);
    x->tables = calloc((size_t)p->n_rope + 1, sizeof *x->tables);
    x->taps = calloc((size_t)p->n_tap + 1, sizeof *x->taps);
    x->widths = calloc((size_t)p->n_value + 1, sizeof *x->widths);
    if (!x->calls || !x->slots || !x->vectors || !x->panels || !x->tables || !x->taps || !x->widths ||
        !x->stage_calls)
        return tn_fail(err, TN_ENOMEM, "out of memory for a program of %u operations", p->n_op);
    return 0;
}

/* dry: as lower, but for the memory. */
static int exec_new(tn_device *d, const tn_program *p, const tn_exec_config *config, bool dry,
                    tn_progress_fn progress, void *ctx, tn_cpu_exec **ret, tn_error *err) {
    int rc = check_config(config, err);
    if (rc) return rc;
    tn_cpu_exec *x = calloc(1, sizeof *x);
    if (!x) return tn_fail(err, TN_ENOMEM, "out of memory for a program of %u operations", p->n_op);
    *x = (tn_cpu_exec){
        .base.cls = d->cls, .device = (tn_cpu_device *)d, .program = p, .config = *config, .dry = dry};
    rc = tables_new(x, err);
    if (rc == 0) rc = slots_new(x, err);
    for (uint32_t g = 0; rc == 0 && g < p->n_group; g++) rc = pool_new(x, g, err);
    if (rc == 0) rc = tn_cpu_weights_new(x, progress, ctx, err);
    if (rc == 0) rc = calls_new(x, err);
    if (rc) {
        tn_cpu_exec_free(&x->base);
        return rc;
    }
    *ret = x;
    return 0;
}

int tn_cpu_lower(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                 void *ctx, tn_exec **ret, tn_error *err) {
    tn_cpu_exec *x;
    int rc = exec_new(d, p, config, false, progress, ctx, &x, err);
    if (rc == 0) *ret = &x->base;
    return rc;
}

int tn_cpu_size(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                tn_error *err) {
    tn_cpu_exec *x;
    int rc = exec_new(d, p, config, true, NULL, NULL, &x, err);
    if (rc) return rc;
    *ret = x->size;
    tn_cpu_exec_free(&x->base);
    return 0;
}

static void free_all(float **p, size_t n) {
    for (size_t i = 0; p && i < n; i++) free(p[i]);
    free(p);
}

void tn_cpu_exec_free(tn_exec *exec) {
    tn_cpu_exec *x = (tn_cpu_exec *)exec;
    if (!x) return;
    const tn_program *p = x->program;
    free_all(x->slots, p->n_slot);
    tn_cpu_weights_free(x);
    free_all(x->tables, (size_t)p->n_rope + 1);
    free_all(x->taps, p->n_tap);
    free(x->calls);
    free(x->stage_calls);
    free(x->kept);
    for (int i = 0; i < TN_CPU_ACTS; i++) free(x->act[i]);
    free(x->own);
    free(x->widths);
    free(x->scratch);
    free(x->parts);
    for (uint32_t g = 0; g < p->n_group; g++)
        if (x->pools[g]) munmap(x->pools[g], x->pool_bytes[g]);
    free(x);
}
