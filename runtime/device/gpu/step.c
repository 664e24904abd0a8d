/* SPDX-License-Identifier: Apache-2.0 */
/* Running a step: what it brings goes into one of the input buffers while the step before it may still run,
 * then the commands go to the GPU as one batch. */
#include <string.h>

#include "device/gpu/device.h"
#include "device/gpu/exec.h"

/* ---- what a step brings ---- */

static int check_step(const tn_gpu_exec *x, const tn_step *s, tn_error *err) {
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

static void *input(const tn_gpu_exec *x, tn_gpu_input in) {
    return x->stage + x->input_offset[in];
}

static void stage_tokens(tn_gpu_exec *x, const tn_step *s) {
    tn_metal_token *tokens = input(x, TN_GPU_IN_TOKENS);
    for (uint32_t t = 0; t < s->n_token; t++)
        tokens[t] = (tn_metal_token){.id = (uint32_t)s->ids[t],
                                     .pos = s->pos[t],
                                     .seq = s->seq[t],
                                     .rope_variant = s->seqs[s->seq[t]].rope_variant};
}

static void pad(uint32_t *list, uint32_t n) {
    for (uint32_t i = 0; i < TN_GPU_LIST_PAD; i++) list[n + i] = TN_NO_ROW;
}

/* Prompt rows of a sequence, in pieces. */
static void stage_tiles(tn_gpu_exec *x, const tn_step_seq *s, uint32_t seq, uint32_t n_prompt) {
    tn_metal_tile *tiles = input(x, TN_GPU_IN_TILES);
    for (uint32_t i = 0; i < n_prompt; i += TN_QUERY_TILE)
        tiles[x->n[TN_GPU_TILES]++] =
            (tn_metal_tile){.first_row = s->first_token + i,
                            .n_row = n_prompt - i < TN_QUERY_TILE ? n_prompt - i : TN_QUERY_TILE,
                            .seq = seq,
                            .first_pos = s->first_pos + i};
}

static void stage_seqs(tn_gpu_exec *x, const tn_step *s) {
    tn_metal_seq *seqs = input(x, TN_GPU_IN_SEQS);
    uint32_t *prompt = input(x, TN_GPU_IN_PROMPT), *generated = input(x, TN_GPU_IN_GENERATED);
    uint32_t *n = x->n;
    for (uint32_t i = 0; i < s->n_seq; i++) {
        const tn_step_seq *q = &s->seqs[i];
        const uint32_t n_prompt = q->n_token - q->n_generated;
        seqs[i] = (tn_metal_seq){.first_row = q->first_token, .n_row = q->n_token, .first_pos = q->first_pos};
        stage_tiles(x, q, i, n_prompt);
        for (uint32_t t = 0; t < n_prompt; t++) prompt[n[TN_GPU_PROMPT]++] = q->first_token + t;
        for (uint32_t t = n_prompt; t < q->n_token; t++) {
            const uint32_t spans = (q->first_pos + t) / TN_ATTENTION_SPAN + 1;
            generated[n[TN_GPU_GENERATED]++] = q->first_token + t;
            if (spans > n[TN_GPU_SPANS]) n[TN_GPU_SPANS] = spans;
        }
    }
    pad(prompt, n[TN_GPU_PROMPT]);
    pad(generated, n[TN_GPU_GENERATED]);
}

static void stage_pages(tn_gpu_exec *x, const tn_step *s) {
    const uint32_t stride = x->config.max_seq_pages;
    for (uint32_t g = 0; g < x->p->n_group; g++) {
        uint32_t *table = input(x, (tn_gpu_input)(TN_GPU_IN_PAGES + g));
        for (uint32_t i = 0; i < s->n_seq; i++) {
            const uint32_t n = x->p->groups[g].is_state ? 1 : s->seqs[i].n_page;
            memcpy(table + (size_t)i * stride, s->seqs[i].pages[g], n * sizeof *table);
        }
    }
}

static void stage(tn_gpu_exec *x, const tn_step *s) {
    memset(x->n, 0, sizeof x->n);
    x->n[TN_GPU_ONE] = 1;
    x->n[TN_GPU_TOKENS] = s->n_token;
    x->n[TN_GPU_OUTPUT] = s->n_row;
    x->n[TN_GPU_SEQS] = s->n_seq;
    uint32_t *rows = input(x, TN_GPU_IN_ROWS);
    if (s->n_row) memcpy(rows, s->rows, s->n_row * sizeof *rows);
    pad(rows, s->n_row);
    stage_tokens(x, s);
    stage_seqs(x, s);
    stage_pages(x, s);
}

/* Of each page table the rows of the sequences that are in the step. */
static int upload(tn_gpu_exec *x, const tn_step *s, tn_error *err) {
    const tn_gpu_api *api = x->gpu->api;
    tn_gpu_buffer *to = x->inputs[x->turn];
    int rc = api->write(x->gpu, to, 0, x->stage, x->input_offset[TN_GPU_IN_PAGES], err);
    for (uint32_t g = 0; !rc && g < x->p->n_group; g++) {
        const uint64_t at = x->input_offset[TN_GPU_IN_PAGES + g];
        const uint64_t n = (uint64_t)s->n_seq * x->config.max_seq_pages * sizeof(uint32_t);
        if (n) rc = api->write(x->gpu, to, at, x->stage + at, n, err);
    }
    return rc;
}

/* ---- running ---- */

static void run_command(tn_gpu_exec *x, tn_gpu_command *c) {
    tn_gpu_kernel *kernel = c->kernel[0];
    uint32_t grid[3] = {c->groups[0], tn_ceil_div(x->n[c->count], c->per_group), c->groups[2]};
    if (c->choose) c->choose(x, c, x->n, &kernel, grid);
    if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0) return;
    for (uint32_t i = 0; i < c->n_arg; i++)
        if (c->is_input[i]) c->args[i].buffer = x->inputs[x->turn];
    x->gpu->api->dispatch(x->gpu, kernel, c->args, c->n_arg, grid, c->n_thread);
}

int tn_gpu_step(tn_exec *base, const tn_step *s, tn_error *err) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_gpu_api *api = x->gpu->api;
    int rc = check_step(x, s, err);
    if (rc) return rc;
    if (x->lost_page.code) return tn_fail(err, x->lost_page.code, "copying a page: %s", x->lost_page.text);
    const uint32_t turn = (x->turn + 1) % TN_GPU_N_INPUT;
    if (x->tickets[turn]) rc = api->wait(x->gpu, x->tickets[turn], err);
    if (rc) return rc;
    x->turn = turn;
    stage(x, s);
    rc = upload(x, s, err);
    if (!rc) rc = api->begin(x->gpu, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < x->n_command; i++) {
        if (x->commands[i].barrier) api->barrier(x->gpu);
        run_command(x, &x->commands[i]);
    }
    rc = api->submit(x->gpu, &x->tickets[turn], err);
    x->last_ticket = x->tickets[turn];
    return rc;
}

/* ---- results ---- */

static int read_rows(tn_gpu_exec *x, tn_gpu_buffer *from, const tn_value_info *v, float *to, tn_error *err) {
    const uint64_t bytes = (uint64_t)tn_gpu_rows(x, v->rows) * v->cols * sizeof *to;
    int rc = x->tickets[x->turn] ? x->gpu->api->wait(x->gpu, x->tickets[x->turn], err) : 0;
    return rc || bytes == 0 ? rc : x->gpu->api->read(x->gpu, from, 0, to, bytes, err);
}

int tn_gpu_logits(tn_exec *base, const float **ret, tn_error *err) {
    tn_gpu_exec *x = (tn_gpu_exec *)base;
    const tn_value_info *v = &x->p->values[x->p->logits];
    int rc = read_rows(x, x->slots[v->slot], v, x->host_logits, err);
    if (!rc) *ret = x->host_logits;
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
    int rc = read_rows(x, x->taps[index], &x->p->values[op->in[0]], x->host_tap, err);
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
