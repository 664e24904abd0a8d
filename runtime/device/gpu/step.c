/* SPDX-License-Identifier: Apache-2.0 */
/* Running a step: what it brings goes into one of the input buffers while the step before it may still run
 * (input.c), then the commands go to the GPU as one batch. */
#include <string.h>

#include "device/gpu/device.h"
#include "device/gpu/exec.h"

/* ---- running ---- */

/* Where the step's rows of a kept value begin, in bytes. */
static uint64_t first_row_at(const tn_gpu_exec *x, tn_value v) {
    const tn_value_info *info = &x->p->values[v];
    return (uint64_t)tn_rows_count(info->rows, x->first_row, 0) * info->cols * sizeof(float);
}

static void run_command(tn_gpu_exec *x, tn_gpu_command *c) {
    tn_gpu_kernel *kernel = c->kernel[0];
    uint32_t grid[3] = {c->groups[0], tn_ceil_div(x->n[c->count], c->per_group), c->groups[2]};
    if (c->choose) c->choose(x, c, x->n, &kernel, grid);
    if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0) return;
    for (uint32_t i = 0; i < c->n_arg; i++) {
        if (c->is_input[i]) c->args[i].buffer = x->inputs[x->turn];
        if (c->kept[i]) c->args[i].offset = first_row_at(x, c->kept[i]);
    }
    x->gpu->api->dispatch(x->gpu, kernel, c->args, c->n_arg, grid, c->n_thread);
}

int tn_gpu_step(tn_exec *base, const tn_step *s, tn_error *err) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_gpu_api *api = x->gpu->api;
    int rc = tn_gpu_check_step(x, s, err);
    if (rc) return rc;
    if (x->lost_page.code) return tn_fail(err, x->lost_page.code, "copying a page: %s", x->lost_page.text);
    const uint32_t turn = (x->turn + 1) % TN_GPU_N_INPUT;
    if (x->tickets[turn]) rc = api->wait(x->gpu, x->tickets[turn], err);
    if (rc) return rc;
    x->turn = turn;
    x->first_row = s->first_row;
    x->end_row = s->first_row + s->n_token;
    rc = tn_gpu_bring(x, s, err);
    if (!rc) rc = api->begin(x->gpu, err);
    if (rc) return rc;
    for (uint32_t i = x->stage_commands[s->stage]; i < x->stage_commands[s->stage + 1]; i++) {
        if (x->commands[i].barrier) api->barrier(x->gpu);
        run_command(x, &x->commands[i]);
    }
    rc = api->submit(x->gpu, &x->tickets[turn], err);
    x->last_ticket = x->tickets[turn];
    return rc;
}

/* ---- results ---- */

static int read_rows(tn_gpu_exec *x, tn_gpu_buffer *from, uint32_t n_row, uint32_t cols, float *to,
                     tn_error *err) {
    const uint64_t bytes = (uint64_t)n_row * cols * sizeof *to;
    int rc = x->tickets[x->turn] ? x->gpu->api->wait(x->gpu, x->tickets[x->turn], err) : 0;
    return rc || bytes == 0 ? rc : x->gpu->api->read(x->gpu, from, 0, to, bytes, err);
}

int tn_gpu_logits(tn_exec *base, const float **ret, tn_error *err) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_value_info *v = &x->p->values[x->p->logits];
    if (!x->p->logits) return tn_fail(err, TN_EINVAL, "this program has no logits");
    int rc = read_rows(x, x->slots[v->slot], x->n[TN_GPU_OUTPUT], v->cols, x->host_logits, err);
    if (!rc) *ret = x->host_logits;
    return rc;
}

int tn_gpu_output(tn_exec *base, uint32_t part, const float **ret, tn_error *err) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_program *p = x->p;
    if (part >= p->n_output) return tn_fail(err, TN_EINVAL, "output %u of %u", part, p->n_output);
    const tn_value_info *v = &p->values[p->outputs[part]];
    const uint32_t n_row = tn_rows_count(v->rows, x->end_row, 0);
    int rc = read_rows(x, x->slots[v->slot], n_row, v->cols, x->host_output, err);
    if (!rc) *ret = x->host_output;
    return rc;
}

static const tn_op *find_tap(const tn_program *p, uint32_t index) {
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_TAP && p->ops[i].index == index) return &p->ops[i];
    return NULL;
}

int tn_gpu_tap(tn_exec *base, uint32_t index, const float **ret, tn_error *err) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_op *op = find_tap(x->p, index);
    if (!x->taps || !op) return tn_fail(err, TN_EINVAL, "tap %u: the exec keeps no such tap", index);
    const tn_value_info *v = &x->p->values[op->in[0]];
    int rc = read_rows(x, x->taps[index], x->n[tn_gpu_count_of(v->rows)], v->cols, x->host_tap, err);
    if (!rc) *ret = x->host_tap;
    return rc;
}

/* ---- pages ---- */

/* A failure is the next step's. */
void tn_gpu_copy_page(tn_exec *base, uint32_t group, uint32_t from, uint32_t to) {
    enum { THREADS = TN_ELEMENT_THREADS };
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_gpu_api *api = x->gpu->api;
    const tn_copy_page_args args = {
        .from = from, .to = to, .n_vec = (uint32_t)(x->page_bytes[group] / TN_COPY_PAGE_VEC)};
    const tn_gpu_arg list[] = {{.buffer = x->pools[group]}, {.bytes = &args, .n_bytes = sizeof args}};
    const uint32_t grid[3] = {tn_ceil_div(args.n_vec, THREADS), 1, 1};
    if (x->lost_page.code || api->begin(x->gpu, &x->lost_page) != 0) return;
    api->dispatch(x->gpu, x->copy_page, list, 2, grid, THREADS);
    api->submit(x->gpu, &x->last_ticket, &x->lost_page);
}

/* Pools are allocated whole: nothing to give back. */
void tn_gpu_discard_page(tn_exec *base, uint32_t group, uint32_t page) {
    (void)base;
    (void)group;
    (void)page;
}
