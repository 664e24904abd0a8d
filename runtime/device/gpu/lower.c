/* SPDX-License-Identifier: Apache-2.0 */
/* A program becomes buffers and commands. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "device/gpu/device.h"
#include "device/gpu/exec.h"
#include "device/kv_type.h"
#include "program/record.h"

enum { INPUT_ALIGN = 256, LAYER_ALIGN = 16 };

/* ---- memory ---- */

int tn_gpu_buffer_create(tn_gpu_exec *x, const char *what, uint64_t n, uint64_t elem, tn_gpu_buffer **ret,
                         tn_error *err) {
    uint64_t bytes;
    const uint64_t most = x->gpu->api->info(x->gpu)->max_buffer;
    if (!tn_mul_u64(n, elem, &bytes))
        return tn_fail(err, TN_ELIMIT, "%.200s: %llu times %llu bytes are beyond any memory", what,
                       (unsigned long long)n, (unsigned long long)elem);
    if (most && bytes > most)
        return tn_fail(
            err, TN_ELIMIT,
            "%.200s: %llu bytes in one piece, this GPU takes at most %llu; choose a smaller model or "
            "context, or the device cpu",
            what, (unsigned long long)bytes, (unsigned long long)most);
    if (x->dry) return 0;
    return x->gpu->api->buffer_new(x->gpu, bytes ? bytes : 1, ret, err);
}

/* One that counts as activations. */
static int new_activations(tn_gpu_exec *x, uint64_t n, uint64_t elem, tn_gpu_buffer **ret, tn_error *err) {
    int rc = tn_gpu_buffer_create(x, "activations", n, elem, ret, err);
    if (!rc) x->size.activations += n * elem;
    return rc;
}

static int out_of_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory");
}

static int allocate_slots(tn_gpu_exec *x, tn_error *err) {
    int rc = 0;
    x->slots = calloc((size_t)x->p->n_slot + 1, sizeof(tn_gpu_buffer *));
    if (!x->slots) return out_of_memory(err);
    for (uint32_t i = 0; !rc && i < x->p->n_slot; i++)
        rc = new_activations(x, (uint64_t)tn_slot_rows(&x->config, &x->p->slots[i]) * x->p->slots[i].cols,
                             sizeof(float), &x->slots[i], err);
    return rc;
}

/* Parts of the output are read one at a time. */
static int allocate_output(tn_gpu_exec *x, tn_error *err) {
    const tn_program *p = x->p;
    if (!p->is_tower) return 0;
    const uint64_t n = (uint64_t)x->config.max_kept / p->fold * p->n_embd * sizeof(float);
    x->size.activations += n;
    if (!x->dry) x->host_output = malloc(n + 1);
    return x->dry || x->host_output ? 0 : out_of_memory(err);
}

static int allocate_taps(tn_gpu_exec *x, tn_error *err) {
    uint64_t widest = 0;
    int rc = 0;
    if (!x->config.taps) return 0;
    x->taps = calloc((size_t)x->p->n_tap + 1, sizeof(tn_gpu_buffer *));
    if (!x->taps) return out_of_memory(err);
    for (uint32_t i = 0; !rc && i < x->p->n_op; i++) {
        const tn_op *op = &x->p->ops[i];
        if (op->kind != TN_OP_TAP) continue;
        const tn_value_info *v = &x->p->values[op->in[0]];
        const uint64_t n =
            (uint64_t)tn_rows_count(v->rows, x->config.max_tokens, x->config.max_rows) * v->cols;
        rc = new_activations(x, n, sizeof(float), &x->taps[op->index], err);
        widest = n > widest ? n : widest;
    }
    x->size.activations += widest * sizeof(float);
    if (!rc && !x->dry) x->host_tap = malloc(widest * sizeof(float) + 1);
    return rc || x->dry || x->host_tap ? rc : out_of_memory(err);
}

static uint64_t layer_bytes(const tn_gpu_exec *x, const tn_cache_info *c) {
    return c->n_state ? (uint64_t)c->n_state * sizeof(float) : tn_gpu_kv_layer_bytes(c, &x->config);
}

/* A page of a group holds the parts of its layers one after the other. */
static int lay_out_pages(tn_gpu_exec *x, tn_error *err) {
    x->layer_offset = calloc((size_t)x->p->n_layer + 1, sizeof *x->layer_offset);
    if (!x->layer_offset) return out_of_memory(err);
    for (uint32_t i = 0; i < x->p->n_layer; i++) {
        const tn_cache_info *c = &x->p->caches[i];
        x->layer_offset[i] = x->page_bytes[c->group];
        x->page_bytes[c->group] += (layer_bytes(x, c) + LAYER_ALIGN - 1) / LAYER_ALIGN * LAYER_ALIGN;
    }
    for (uint32_t g = 0; g < x->p->n_group; g++) x->size.page[g] = x->page_bytes[g];
    return 0;
}

static int allocate_pools(tn_gpu_exec *x, tn_error *err) {
    int rc = 0;
    for (uint32_t g = 0; !rc && g < x->p->n_group; g++)
        rc = tn_gpu_buffer_create(x, "pages of keys and values", x->config.n_page[g], x->page_bytes[g],
                                  &x->pools[g], err);
    return rc;
}

static int allocate_inputs(tn_gpu_exec *x, tn_error *err) {
    int rc = 0;
    x->n_media_part = tn_gpu_media_parts(x->p);
    for (uint32_t i = 0; i < TN_GPU_N_IN; i++) {
        x->input_offset[i] = x->input_bytes;
        x->input_bytes +=
            (tn_gpu_input_room(x, (tn_gpu_input)i) + INPUT_ALIGN - 1) / INPUT_ALIGN * INPUT_ALIGN;
    }
    for (uint32_t i = 0; !rc && i < TN_GPU_N_INPUT; i++)
        rc = new_activations(x, x->input_bytes, 1, &x->inputs[i], err);
    const uint64_t logits = (uint64_t)x->config.max_rows * x->p->n_vocab * sizeof(float);
    x->size.activations += x->input_offset[TN_GPU_IN_PATCHES] + logits;
    if (rc || x->dry) return rc;
    x->staged = calloc(x->input_offset[TN_GPU_IN_PATCHES] + 1, 1);
    x->host_logits = malloc(logits + 1);
    return x->staged && x->host_logits ? 0 : out_of_memory(err);
}

/* What a rope kernel wants to know of each pair: its axis, as a number. */
static int upload_axes(tn_gpu_exec *x, tn_rope table, tn_error *err) {
    const tn_rope_info *r = &x->p->ropes[table];
    const uint32_t n = r->n_dims / 2;
    uint32_t *axes = malloc(n * sizeof *axes + 1);
    if (!axes) return out_of_memory(err);
    for (uint32_t i = 0; i < n; i++) axes[i] = r->axis[i];
    int rc = x->gpu->api->write(x->gpu, x->ropes[table], 2 * n * sizeof(float), axes, n * sizeof *axes, err);
    free(axes);
    return rc;
}

/* Both variants of each table; a table with one variant has it twice. */
static int upload_ropes(tn_gpu_exec *x, tn_error *err) {
    int rc = 0;
    x->ropes = calloc((size_t)x->p->n_rope + 1, sizeof(tn_gpu_buffer *));
    if (!x->ropes) return out_of_memory(err);
    for (uint32_t i = 1; !rc && i <= x->p->n_rope; i++) {
        const tn_rope_info *r = &x->p->ropes[i];
        const uint64_t bytes = r->n_dims / 2 * sizeof(float);
        rc = new_activations(x, r->axis ? 3 : 2, bytes, &x->ropes[i], err);
        for (uint32_t v = 0; !rc && !x->dry && v < 2; v++)
            rc = x->gpu->api->write(x->gpu, x->ropes[i], v * bytes, r->inv_freq[r->n_variant > 1 ? v : 0],
                                    bytes, err);
        if (!rc && !x->dry && r->axis) rc = upload_axes(x, i, err);
    }
    return rc;
}

/* ---- commands ---- */

tn_gpu_command *tn_gpu_add(tn_gpu_exec *x, const char *kernel, const tn_gpu_constant *constants,
                           uint32_t n_constant, uint32_t n_thread, tn_error *err) {
    if (x->n_command == x->max_command) {
        const uint32_t n = x->max_command ? 2 * x->max_command : 128;
        tn_gpu_command *grown = realloc(x->commands, n * sizeof *grown);
        if (!grown) {
            out_of_memory(err);
            return NULL;
        }
        x->commands = grown;
        x->max_command = n;
    }
    tn_gpu_command *c = &x->commands[x->n_command];
    *c = (tn_gpu_command){.n_thread = n_thread, .groups = {1, 1, 1}, .count = TN_GPU_ONE, .per_group = 1};
    if (tn_gpu_add_variant(x, c, 0, kernel, constants, n_constant, err) != 0) return NULL;
    x->n_command++;
    return c;
}

int tn_gpu_add_variant(tn_gpu_exec *x, tn_gpu_command *c, uint32_t variant, const char *kernel,
                       const tn_gpu_constant *constants, uint32_t n_constant, tn_error *err) {
    if (x->dry) return 0;
    return x->gpu->api->kernel(x->gpu, kernel, constants, n_constant, &c->kernel[variant], err);
}

void tn_gpu_grid(tn_gpu_command *c, uint32_t width, tn_gpu_count count, uint32_t per_group, uint32_t depth) {
    c->groups[0] = width;
    c->count = count;
    c->per_group = per_group;
    c->groups[2] = depth;
}

void tn_gpu_bind(tn_gpu_command *c, const tn_gpu_arg *arg) {
    assert(c->n_arg < TN_GPU_COMMAND_ARGS);
    c->args[c->n_arg++] = *arg;
}

static void bind_buffer(tn_gpu_command *c, tn_gpu_buffer *b, uint64_t offset, bool writes) {
    c->writes[c->n_arg] = writes;
    tn_gpu_bind(c, &(tn_gpu_arg){.buffer = b, .offset = offset});
}

void tn_gpu_bind_value(tn_gpu_exec *x, tn_gpu_command *c, tn_value v, bool writes) {
    c->kept[c->n_arg] = x->p->values[v].kept ? v : 0;
    bind_buffer(c, x->slots[x->p->values[v].slot], 0, writes);
}

void tn_gpu_bind_pool(tn_gpu_exec *x, tn_gpu_command *c, uint32_t group, bool writes) {
    bind_buffer(c, x->pools[group], 0, writes);
}

void tn_gpu_bind_scratch(tn_gpu_exec *x, tn_gpu_command *c, bool writes) {
    c->is_scratch[c->n_arg] = true; /* allocated when all have said how much they need */
    bind_buffer(c, NULL, 0, writes);
}

void tn_gpu_bind_input_at(tn_gpu_exec *x, tn_gpu_command *c, tn_gpu_input in, uint64_t offset) {
    c->is_input[c->n_arg] = true; /* which of the buffers differs from step to step */
    bind_buffer(c, NULL, x->input_offset[in] + offset, false);
}

void tn_gpu_bind_input(tn_gpu_exec *x, tn_gpu_command *c, tn_gpu_input in) {
    tn_gpu_bind_input_at(x, c, in, 0);
}

/* The pointer follows when the commands no longer move. */
void tn_gpu_bind_bytes(tn_gpu_command *c, const void *bytes, size_t n) {
    assert(n <= sizeof c->bytes);
    memcpy(&c->bytes, bytes, n);
    tn_gpu_bind(c, &(tn_gpu_arg){.n_bytes = (uint32_t)n});
}

tn_gpu_count tn_gpu_count_of(uint32_t rows) {
    if (rows == TN_ROWS_OUTPUT) return TN_GPU_OUTPUT;
    return rows >> 8 ? TN_GPU_FOLDED : TN_GPU_TOKENS;
}

void tn_gpu_begin_stage(tn_gpu_exec *x, uint32_t stage) {
    while (x->n_begun <= stage && x->n_begun < x->p->n_stage) x->stage_commands[x->n_begun++] = x->n_command;
}

/* Rows are folded once. */
static int check_folds(const tn_program *p, tn_error *err) {
    for (uint32_t v = 1; v <= p->n_value; v++) {
        const uint32_t fold = p->values[v].rows >> 8;
        if (fold && fold != p->fold)
            return tn_fail(err, TN_ENOTSUP, "%u rows become one, and %u elsewhere: a GPU takes one number",
                           fold, p->fold);
    }
    return 0;
}

static int encode_op(tn_gpu_exec *x, const tn_op *op, const tn_op *add, tn_error *err) {
    switch (op->kind) {
    case TN_OP_EMBED: return tn_gpu_encode_embed(x, op, err);
    case TN_OP_LINEAR: return tn_gpu_encode_linear(x, op, add, err);
    case TN_OP_ATTENTION: return tn_gpu_encode_attention(x, op, err);
    case TN_OP_CONV: return tn_gpu_encode_conv(x, op, err);
    case TN_OP_DELTA_RULE: return tn_gpu_encode_delta_rule(x, op, err);
    default: return tn_gpu_encode_rows(x, op, err);
    }
}

static int encode_copy_page(tn_gpu_exec *x, tn_error *err) {
    if (x->dry || x->p->n_group == 0) return 0;
    return x->gpu->api->kernel(x->gpu, "copy_page", NULL, 0, &x->copy_page, err);
}

static int encode(tn_gpu_exec *x, tn_error *err) {
    x->stage_commands = calloc((size_t)x->p->n_stage + 1, sizeof *x->stage_commands);
    if (!x->stage_commands) return out_of_memory(err);
    int rc = check_folds(x->p, err);
    for (uint32_t i = 0; !rc && i < x->p->n_op; i++) {
        const tn_op *op = &x->p->ops[i], *add = tn_gpu_find_add(x, i);
        if (op->kind != TN_OP_ATTENTION) tn_gpu_begin_stage(x, op->stage);
        rc = encode_op(x, op, add, err);
        if (add) i++;
    }
    x->stage_commands[x->p->n_stage] = x->n_command;
    if (!rc) rc = encode_copy_page(x, err);
    if (!rc && x->scratch_bytes) rc = new_activations(x, x->scratch_bytes, 1, &x->scratch, err);
    for (uint32_t i = 0; !rc && i < x->n_command; i++) {
        tn_gpu_command *c = &x->commands[i];
        for (uint32_t a = 0; a < c->n_arg; a++) {
            if (c->args[a].n_bytes) c->args[a].bytes = &c->bytes;
            if (c->is_scratch[a]) c->args[a].buffer = x->scratch;
        }
    }
    return rc;
}

/* ---- barriers ---- */

/* Rows of T by role: what works on prompt rows alone and what works on generated rows alone do not meet in a
 * value. */
static int role_of(const tn_gpu_command *c) {
    if (c->count == TN_GPU_PROMPT || c->count == TN_GPU_TILES) return 1;
    return c->count == TN_GPU_GENERATED ? 2 : 0;
}

static bool is_pool(const tn_gpu_exec *x, const tn_gpu_buffer *b) {
    for (uint32_t g = 0; g < x->p->n_group; g++)
        if (x->pools[g] == b) return true;
    return false;
}

static bool conflicts(const tn_gpu_exec *x, const tn_gpu_command *a, const tn_gpu_command *b) {
    const bool other_rows = role_of(a) && role_of(b) && role_of(a) != role_of(b);
    for (uint32_t i = 0; i < a->n_arg; i++)
        for (uint32_t j = 0; j < b->n_arg; j++) {
            tn_gpu_buffer *buffer = a->args[i].buffer;
            if (!buffer || buffer != b->args[j].buffer || !(a->writes[i] || b->writes[j])) continue;
            if (!other_rows || buffer == x->scratch || is_pool(x, buffer)) return true;
        }
    return false;
}

/* A barrier stands before a command only where it touches what one since the last barrier wrote, or writes
 * what one reads. Stages are batches of their own. */
static void place_barriers(tn_gpu_exec *x) {
    uint32_t since = 0, stage = 0;
    for (uint32_t i = 0; i < x->n_command; i++) {
        while (stage < x->p->n_stage && i == x->stage_commands[stage]) {
            since = i;
            stage++;
        }
        for (uint32_t j = since; j < i; j++)
            if (conflicts(x, &x->commands[j], &x->commands[i])) {
                x->commands[i].barrier = true;
                since = i;
                break;
            }
    }
}

/* ---- the exec ---- */

void tn_gpu_exec_free(tn_exec *base) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    if (!x) return;
    const tn_gpu_api *api = x->gpu->api;
    tn_error err;
    if (x->last_ticket) api->wait(x->gpu, x->last_ticket, &err);
    for (uint32_t i = 0; i < TN_GPU_N_INPUT; i++) api->buffer_free(x->gpu, x->inputs[i]);
    for (uint32_t i = 0; i < x->n_owned; i++) api->buffer_free(x->gpu, x->owned[i]);
    for (uint32_t i = 0; x->ropes && i <= x->p->n_rope; i++) api->buffer_free(x->gpu, x->ropes[i]);
    for (uint32_t i = 0; x->slots && i < x->p->n_slot; i++) api->buffer_free(x->gpu, x->slots[i]);
    for (uint32_t i = 0; x->taps && i < x->p->n_tap; i++) api->buffer_free(x->gpu, x->taps[i]);
    for (uint32_t g = 0; g < TN_CACHE_GROUPS; g++) api->buffer_free(x->gpu, x->pools[g]);
    api->buffer_free(x->gpu, x->scratch);
    free(x->owned);
    free(x->ropes);
    free(x->slots);
    free(x->taps);
    free(x->weights);
    free(x->commands);
    free(x->layer_offset);
    free(x->stage_commands);
    free(x->staged);
    free(x->host_output);
    free(x->host_logits);
    free(x->host_tap);
    free(x);
}

static int check_config(const tn_program *p, const tn_exec_config *c, tn_error *err) {
    if (p->is_tower && (c->max_kept == 0 || c->max_kept % p->fold || c->max_tokens % p->fold))
        return tn_fail(err, TN_EINVAL, "pictures of %u rows, %u a step; %u of them become one", c->max_kept,
                       c->max_tokens, p->fold);
    if (c->max_tokens == 0 || c->max_seqs == 0 || c->page_tokens == 0 ||
        c->page_tokens & (c->page_tokens - 1))
        return tn_fail(err, TN_EINVAL,
                       "%u tokens and %u sequences a step, pages of %u tokens: need 1, 1 and a power of 2",
                       c->max_tokens, c->max_seqs, c->page_tokens);
    return tn_kv_type_check(c->kv_type, err);
}

static int fill(tn_gpu_exec *x, tn_progress_fn progress, void *ctx, tn_error *err) {
    int rc = check_config(x->p, &x->config, err);
    if (!rc) rc = tn_gpu_weights_new(x, progress, ctx, err);
    if (!rc) rc = upload_ropes(x, err);
    if (!rc) rc = allocate_slots(x, err);
    if (!rc) rc = allocate_output(x, err);
    if (!rc) rc = allocate_taps(x, err);
    if (!rc) rc = lay_out_pages(x, err);
    if (!rc) rc = allocate_pools(x, err);
    if (!rc) rc = allocate_inputs(x, err);
    if (!rc) rc = encode(x, err);
    if (!rc && !x->dry) place_barriers(x);
    return rc;
}

static int make(tn_device *d, const tn_program *p, const tn_exec_config *config, bool dry,
                tn_progress_fn progress, void *ctx, tn_gpu_exec **ret, tn_error *err) {
    tn_gpu_exec *x = calloc(1, sizeof *x);
    if (!x) return out_of_memory(err);
    x->base.cls = d->cls;
    x->gpu = ((tn_gpu_device *)d)->gpu;
    x->p = p;
    x->config = *config;
    x->dry = dry;
    int rc = fill(x, progress, ctx, err);
    if (rc) {
        tn_gpu_exec_free(&x->base);
        return rc;
    }
    *ret = x;
    return 0;
}

int tn_gpu_lower(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                 void *ctx, tn_exec **ret, tn_error *err) {
    tn_gpu_exec *x;
    int rc = make(d, p, config, false, progress, ctx, &x, err);
    if (!rc) *ret = &x->base;
    return rc;
}

int tn_gpu_size(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                tn_error *err) {
    tn_gpu_exec *x;
    int rc = make(d, p, config, true, NULL, NULL, &x, err);
    if (rc) return rc;
    *ret = x->size;
    tn_gpu_exec_free(&x->base);
    return 0;
}
