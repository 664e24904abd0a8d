/* SPDX-License-Identifier: Apache-2.0 */
#include "device_sim.h"

#include <math.h>
#include <stdlib.h>

#include "base/checked.h"
#include "exec_sim.h"

uint32_t sim_max_rows(const sim_exec *x, uint32_t rows) {
    return rows == TN_ROWS_OUTPUT ? x->config.max_rows : x->config.max_tokens;
}

uint32_t sim_step_rows(const sim_exec *x, uint32_t rows) {
    return rows == TN_ROWS_OUTPUT ? x->n_row : x->n_token;
}

/* ---- memory ---- */

/* A buffer of a * b * c elements of `elem` bytes. */
static int new_buffer(uint64_t a, uint64_t b, uint64_t c, size_t elem, sim_buffer **ret, tn_error *err) {
    uint64_t n;
    if (!tn_mul_u64(a, b, &n) || !tn_mul_u64(n, c, &n) || !tn_mul_u64(n, elem, &n) || n > SIZE_MAX)
        return tn_fail(err, TN_ELIMIT, "a buffer of %llu x %llu x %llu elements is too large",
                       (unsigned long long)a, (unsigned long long)b, (unsigned long long)c);
    *ret = sim_buffer_new(n ? (size_t)n : 1);
    return *ret ? 0 : tn_fail(err, TN_ENOMEM, "%s", sim_error());
}

/* An array of n handles, all NULL; n may be 0. */
static int new_handles(uint32_t n, sim_buffer ***ret, tn_error *err) {
    *ret = calloc((size_t)n + 1, sizeof(sim_buffer *));
    return *ret ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

static void free_handles(sim_buffer **handles, uint32_t n) {
    for (uint32_t i = 0; handles && i < n; i++) sim_buffer_free(handles[i]);
    free(handles);
}

static int allocate_slots(sim_exec *x, tn_error *err) {
    int rc = new_handles(x->p->n_slot, &x->slots, err);
    for (uint32_t i = 0; !rc && i < x->p->n_slot; i++)
        rc = new_buffer(sim_max_rows(x, x->p->slots[i].rows), x->p->slots[i].cols, 1, sizeof(float),
                        &x->slots[i], err);
    return rc;
}

/* A buffer per tap, and one row block on the host that fits any of them. */
static int allocate_taps(sim_exec *x, tn_error *err) {
    uint32_t widest = 1;
    int rc = x->config.taps ? new_handles(x->p->n_tap, &x->taps, err) : 0;
    for (uint32_t i = 0; !rc && x->taps && i < x->p->n_op; i++) {
        const tn_op *op = &x->p->ops[i];
        const tn_value_info *v = &x->p->values[op->in[0]];
        if (op->kind != TN_OP_TAP) continue;
        if (v->cols > widest) widest = v->cols;
        rc = new_buffer(sim_max_rows(x, v->rows), v->cols, 1, sizeof(float), &x->taps[op->index], err);
    }
    if (!rc && x->taps) {
        x->host_tap = calloc((size_t)x->config.max_tokens * widest, sizeof(float));
        if (!x->host_tap) rc = tn_fail(err, TN_ENOMEM, "out of memory for taps");
    }
    return rc;
}

static int allocate_pools(sim_exec *x, tn_error *err) {
    int rc = new_handles(2 * x->p->n_layer, &x->pools, err);
    for (uint32_t i = 0; !rc && i < 2 * x->p->n_layer; i++) {
        const tn_cache_info *c = &x->p->caches[i / 2];
        const uint64_t rows = (uint64_t)x->config.n_page[c->group] * x->config.page_tokens;
        rc = new_buffer(rows, c->n_head_kv, c->head_dim, sizeof(float), &x->pools[i], err);
    }
    return rc;
}

/* What a step brings and takes away. */
static int allocate_inputs(sim_exec *x, tn_error *err) {
    const tn_exec_config *c = &x->config;
    int rc = new_buffer(c->max_tokens, 1, 1, sizeof(tn_metal_token), &x->tokens, err);
    for (uint32_t g = 0; !rc && g < x->p->n_group; g++)
        rc = new_buffer(c->max_seqs, c->max_seq_pages, 1, sizeof(uint32_t), &x->page_tables[g], err);
    if (!rc) rc = new_buffer(c->max_rows, 1, 1, sizeof(uint32_t), &x->rows, err);
    if (rc) return rc;
    x->host_tokens = calloc(c->max_tokens, sizeof *x->host_tokens);
    x->host_logits = calloc((size_t)c->max_rows * x->p->n_vocab + 1, sizeof(float));
    return x->host_tokens && x->host_logits ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for logits");
}

/* ---- weights ---- */

/* One weight as F32, row by row through `row`, which has room for its columns. */
static int upload_weight(sim_exec *x, tn_weight w, float *row, tn_error *err) {
    const tn_weight_info *wi = &x->p->weights[w];
    const size_t bytes = wi->cols * sizeof(float);
    int rc = new_buffer(wi->rows, wi->cols, 1, sizeof(float), &x->weights[w], err);
    for (uint32_t i = 0; !rc && i < wi->rows; i++) {
        tn_tensor_dequantize(wi->tensor, wi->first_row + i, 0, wi->cols, row);
        for (uint32_t j = 0; wi->add_one && j < wi->cols; j++) row[j] += 1;
        for (uint32_t j = 0; wi->neg_exp && j < wi->cols; j++) row[j] = -expf(row[j]);
        if (sim_buffer_write(x->weights[w], i * bytes, row, bytes) != 0)
            rc = tn_fail(err, TN_EDEVICE, "%s", sim_error());
    }
    return rc;
}

static uint64_t weight_bytes(const tn_weight_info *w) {
    return (uint64_t)w->rows * w->cols * sizeof(float);
}

static int upload_weights(sim_exec *x, tn_progress_fn progress, void *ctx, tn_error *err) {
    uint64_t done = 0, total = 0;
    uint32_t widest = 1;
    for (uint32_t w = 1; w <= x->p->n_weight; w++) {
        total += weight_bytes(&x->p->weights[w]);
        if (x->p->weights[w].cols > widest) widest = x->p->weights[w].cols;
    }
    float *row = malloc(widest * sizeof *row);
    int rc =
        row ? new_handles(x->p->n_weight + 1, &x->weights, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t w = 1; !rc && w <= x->p->n_weight; w++) {
        rc = upload_weight(x, w, row, err);
        done += weight_bytes(&x->p->weights[w]);
        if (!rc && progress && progress(ctx, done, total) != 0)
            rc = tn_fail(err, TN_ECANCELED, "loading was cancelled");
    }
    free(row);
    return rc;
}

/* Both variants of each table; a table with one variant has it twice. */
static int upload_ropes(sim_exec *x, tn_error *err) {
    int rc = new_handles(x->p->n_rope + 1, &x->ropes, err);
    for (uint32_t i = 1; !rc && i <= x->p->n_rope; i++) {
        const tn_rope_info *r = &x->p->ropes[i];
        const size_t bytes = r->n_dims / 2 * sizeof(float);
        rc = new_buffer(2, r->n_dims / 2, 1, sizeof(float), &x->ropes[i], err);
        for (uint32_t v = 0; !rc && v < 2; v++)
            if (sim_buffer_write(x->ropes[i], v * bytes, r->inv_freq[r->n_variant > 1 ? v : 0], bytes) != 0)
                rc = tn_fail(err, TN_EDEVICE, "%s", sim_error());
    }
    return rc;
}

/* ---- lowering ---- */

static void exec_free(tn_exec *base) {
    sim_exec *x = (sim_exec *)base;
    if (!x) return;
    free_handles(x->weights, x->p->n_weight + 1);
    free_handles(x->ropes, x->p->n_rope + 1);
    free_handles(x->slots, x->p->n_slot);
    free_handles(x->taps, x->p->n_tap);
    free_handles(x->pools, 2 * x->p->n_layer);
    sim_buffer_free(x->tokens);
    for (uint32_t g = 0; g < x->p->n_group; g++) sim_buffer_free(x->page_tables[g]);
    sim_buffer_free(x->rows);
    free(x->commands);
    free(x->host_tokens);
    free(x->host_logits);
    free(x->host_tap);
    free(x);
}

static int lower(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                 void *ctx, tn_exec **ret, tn_error *err) {
    int rc = sim_check_program(p, config, err);
    if (rc) return rc;
    sim_exec *x = calloc(1, sizeof *x);
    if (!x) return tn_fail(err, TN_ENOMEM, "out of memory");
    x->base.cls = d->cls;
    x->p = p;
    x->config = *config;
    rc = upload_weights(x, progress, ctx, err);
    if (!rc) rc = upload_ropes(x, err);
    if (!rc) rc = allocate_slots(x, err);
    if (!rc) rc = allocate_taps(x, err);
    if (!rc) rc = allocate_pools(x, err);
    if (!rc) rc = allocate_inputs(x, err);
    if (!rc) rc = sim_encode(x, err);
    if (rc) {
        exec_free(&x->base);
        return rc;
    }
    *ret = &x->base;
    return 0;
}

/* ---- steps ---- */

/* Runs the commands of the step given last, unless they have run. */
static int finish_step(sim_exec *x, tn_error *err) {
    if (!x->pending) return 0;
    for (uint32_t i = 0; i < x->n_command; i++) {
        const sim_command *c = &x->commands[i];
        const uint32_t groups[3] = {c->groups, sim_step_rows(x, c->rows), 1};
        if (sim_dispatch(c->kernel, NULL, 0, c->bindings, c->n_binding, groups, c->n_thread) != 0)
            return tn_fail(err, TN_EDEVICE, "%s", sim_error());
    }
    x->pending = false;
    return 0;
}

static int check_step(const sim_exec *x, const tn_step *s, tn_error *err) {
    const tn_exec_config *c = &x->config;
    if (s->n_token < 1 || s->n_token > c->max_tokens || s->n_seq > c->max_seqs || s->n_row > c->max_rows)
        return tn_fail(err, TN_EINVAL, "a step of %u tokens, %u sequences, %u rows; lowered for %u, %u, %u",
                       s->n_token, s->n_seq, s->n_row, c->max_tokens, c->max_seqs, c->max_rows);
    for (uint32_t i = 0; i < s->n_seq; i++)
        if (s->seqs[i].n_page > c->max_seq_pages)
            return tn_fail(err, TN_EINVAL, "sequence %u has %u pages of %u", i, s->seqs[i].n_page,
                           c->max_seq_pages);
    return 0;
}

/* Copies what the step brings to the device: the caller's arrays are free afterwards. */
static int stage_step(sim_exec *x, const tn_step *s) {
    for (uint32_t t = 0; t < s->n_token; t++)
        x->host_tokens[t] = (tn_metal_token){.id = (uint32_t)s->ids[t],
                                             .pos = s->pos[t],
                                             .seq = s->seq[t],
                                             .rope_variant = s->seqs[s->seq[t]].rope_variant};
    int rc = sim_buffer_write(x->tokens, 0, x->host_tokens, s->n_token * sizeof *x->host_tokens);
    for (uint32_t g = 0; g < x->p->n_group; g++)
        for (uint32_t i = 0; !rc && i < s->n_seq; i++)
            rc = sim_buffer_write(x->page_tables[g], (size_t)i * x->config.max_seq_pages * sizeof(uint32_t),
                                  s->seqs[i].pages[g], s->seqs[i].n_page * sizeof(uint32_t));
    if (!rc) rc = sim_buffer_write(x->rows, 0, s->rows, s->n_row * sizeof(uint32_t));
    return rc;
}

static int step(tn_exec *base, const tn_step *s, tn_error *err) {
    sim_exec *x = (sim_exec *)base;
    int rc = check_step(x, s, err);
    if (!rc)
        rc = finish_step(
            x, err); /* nobody asked for the last one's results, but its keys and values are wanted */
    if (rc) return rc;
    if (stage_step(x, s) != 0) return tn_fail(err, TN_EDEVICE, "%s", sim_error());
    x->n_token = s->n_token;
    x->n_row = s->n_row;
    x->pending = true;
    return 0;
}

static int logits(tn_exec *base, const float **ret, tn_error *err) {
    sim_exec *x = (sim_exec *)base;
    int rc = finish_step(x, err);
    if (rc) return rc;
    const size_t bytes = (size_t)x->n_row * x->p->n_vocab * sizeof(float);
    if (sim_buffer_read(x->slots[x->p->values[x->p->logits].slot], 0, x->host_logits, bytes) != 0)
        return tn_fail(err, TN_EDEVICE, "%s", sim_error());
    *ret = x->host_logits;
    return 0;
}

static int tap(tn_exec *base, uint32_t index, const float **ret, tn_error *err) {
    sim_exec *x = (sim_exec *)base;
    if (!x->taps || index >= x->p->n_tap) return tn_fail(err, TN_EINVAL, "tap %u is not kept", index);
    int rc = finish_step(x, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < x->p->n_op; i++) {
        const tn_op *op = &x->p->ops[i];
        const tn_value_info *v = &x->p->values[op->in[0]];
        if (op->kind != TN_OP_TAP || op->index != index) continue;
        if (sim_buffer_read(x->taps[index], 0, x->host_tap,
                            (size_t)sim_step_rows(x, v->rows) * v->cols * sizeof(float)))
            return tn_fail(err, TN_EDEVICE, "%s", sim_error());
        *ret = x->host_tap;
        return 0;
    }
    return tn_fail(err, TN_EINVAL, "tap %u was not recorded", index);
}

static uint64_t bytes_of(sim_buffer *const *handles, uint32_t n) {
    uint64_t sum = 0;
    for (uint32_t i = 0; handles && i < n; i++) sum += handles[i] ? sim_buffer_bytes(handles[i]) : 0;
    return sum;
}

/* Sized by doing it: models of these tests are tiny. */
static int size(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                tn_error *err) {
    tn_exec *base;
    int rc = lower(d, p, config, NULL, NULL, &base, err);
    if (rc) return rc;
    const sim_exec *x = (const sim_exec *)base;
    *ret = (tn_exec_size){.weights = bytes_of(x->weights, p->n_weight + 1),
                          .activations = bytes_of(x->slots, p->n_slot) + bytes_of(x->taps, p->n_tap)};
    for (uint32_t i = 0; i < p->n_layer; i++) {
        const tn_cache_info *c = &p->caches[i];
        ret->page[c->group] += (uint64_t)2 * config->page_tokens * c->n_head_kv * c->head_dim * sizeof(float);
    }
    exec_free(base);
    return 0;
}

static void copy_page(tn_exec *base, uint32_t group, uint32_t from, uint32_t to) {
    sim_exec *x = (sim_exec *)base;
    tn_error err = {0};
    finish_step(x, &err); /* in order with steps; its failure shows at the next one */
    for (uint32_t i = 0; i < 2 * x->p->n_layer; i++) {
        const tn_cache_info *c = &x->p->caches[i / 2];
        const size_t bytes = (size_t)x->config.page_tokens * c->n_head_kv * c->head_dim * sizeof(float);
        void *page = c->group == group ? malloc(bytes) : NULL;
        if (!page) continue;
        sim_buffer_read(x->pools[i], from * bytes, page, bytes);
        sim_buffer_write(x->pools[i], to * bytes, page, bytes);
        free(page);
    }
}

static void discard_page(tn_exec *base, uint32_t group, uint32_t page) {
    (void)base;
    (void)group;
    (void)page;
}

/* ---- the class ---- */

static int open_device(const tn_device_options *options, tn_device **ret, tn_error *err) {
    (void)options;
    tn_device *d = calloc(1, sizeof *d);
    if (!d) return tn_fail(err, TN_ENOMEM, "out of memory");
    d->cls = &tn_device_sim;
    *ret = d;
    return 0;
}

static void close_device(tn_device *d) {
    free(d);
}

static const char *describe(const tn_device *d) {
    (void)d;
    return "kernels of metal/ run by the simulator, one thread";
}

const tn_device_class tn_device_sim = {
    .name = "msl-sim",
    .summary = "the Metal kernels in F32 on a simulator, for tests",
    .open = open_device,
    .close = close_device,
    .describe = describe,
    .size = size,
    .lower = lower,
    .exec_free = exec_free,
    .step = step,
    .logits = logits,
    .tap = tap,
    .copy_page = copy_page,
    .discard_page = discard_page,
};
