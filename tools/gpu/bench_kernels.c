/* SPDX-License-Identifier: Apache-2.0 */
/* How fast kernels are on a GPU: prints tables in Markdown.
 *
 * usage: bench_kernels [NAME...]   of: rows tiles attention (default: these), cols, once
 *
 * Programs of one operation, many times over with weights of their own, are lowered as a model's are; of a
 * step that they run the dispatches are kept, and those of one kernel are then run again and again, so many
 * of them between two waits that neither the wait nor the host's part counts. The weights of a case together
 * are larger than any cache. A time is the median of 7. Bytes are those that a kernel must move: weights or
 * stored keys and values, its inputs and outputs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "device/cuda/cuda.h"
#include "device/gpu/device.h"
#include "device/gpu/exec.h"

enum {
    MAX_CALLS = 2048,
    MAX_KERNELS = 512,
    MAX_COPIES = 64,
    MAX_OPS = MAX_COPIES + 8,
    N_TIME = 7,
    BEYOND_CACHE = 256 << 20, /* bytes: several times the largest second-level cache */
    COPY_BYTES = 512 << 20,
};
static const double ENOUGH_S = 0.01; /* of a timed batch */

static void must(int rc, const tn_error *err) {
    if (!rc) return;
    fprintf(stderr, "bench_kernels: %s\n", err->text);
    exit(1);
}

static void *take(size_t n) {
    void *p = calloc(1, n);
    if (p) return p;
    fprintf(stderr, "bench_kernels: out of memory for %zu bytes\n", n);
    exit(1);
}

/* ---- a GPU that keeps what is dispatched ---- */

typedef struct call {
    tn_gpu_kernel *kernel;
    const char *name;
    tn_gpu_arg args[TN_GPU_MAX_ARGS];
    uint64_t bytes[TN_GPU_MAX_ARGS][16];
    uint32_t n_arg, groups[3], n_thread;
} call;

static tn_gpu_api keeping; /* tn_gpu_cuda, but for these */
static call calls[MAX_CALLS];
static uint32_t n_call;
static struct {
    tn_gpu_kernel *kernel;
    char name[64];
    uint32_t usual_cols, cols; /* of linear_rows: TN_FC_COLS as lowering has it, and as it is now */
} kernels[MAX_KERNELS];
static uint32_t n_kernel;
static uint32_t forced_cols; /* 0: as lowering has it */

static int open_keeping(tn_gpu **ret, tn_error *err) {
    int rc = tn_gpu_cuda.open(ret, err);
    if (!rc) (*ret)->api = &keeping;
    return rc;
}

static uint32_t find_kernel(tn_gpu_kernel *kernel) {
    uint32_t i = 0;
    while (i < n_kernel && kernels[i].kernel != kernel) i++;
    return i;
}

/* Puts forced_cols in its place where the kernel has that many sums; what was there to *ret_usual. */
static void force_cols(tn_gpu_constant *constants, uint32_t n, uint32_t *ret_usual, uint32_t *ret_cols) {
    uint32_t rows = 1;
    for (uint32_t i = 0; i < n; i++)
        if (constants[i].index == TN_FC_ROWS) rows = constants[i].value;
    for (uint32_t i = 0; i < n; i++) {
        if (constants[i].index != TN_FC_COLS) continue;
        *ret_usual = constants[i].value;
        if (forced_cols && forced_cols * rows <= 64) constants[i].value = forced_cols;
        *ret_cols = constants[i].value;
    }
}

static int kernel_keeping(tn_gpu *g, const char *name, const tn_gpu_constant *constants, uint32_t n_constant,
                          tn_gpu_kernel **ret, tn_error *err) {
    tn_gpu_constant mine[TN_GPU_MAX_CONSTANTS];
    uint32_t usual = 1, cols = 1;
    for (uint32_t i = 0; i < n_constant; i++) mine[i] = constants[i];
    force_cols(mine, n_constant, &usual, &cols);
    int rc = tn_gpu_cuda.kernel(g, name, mine, n_constant, ret, err);
    if (rc) return rc;
    const uint32_t i = find_kernel(*ret);
    if (i == MAX_KERNELS) return 0;
    kernels[i].kernel = *ret;
    kernels[i].usual_cols = usual;
    kernels[i].cols = cols;
    snprintf(kernels[i].name, sizeof kernels->name, "%s", name);
    if (i == n_kernel) n_kernel++;
    return 0;
}

static void dispatch_keeping(tn_gpu *g, tn_gpu_kernel *kernel, const tn_gpu_arg *args, uint32_t n_arg,
                             const uint32_t groups[3], uint32_t n_thread) {
    const uint32_t k = find_kernel(kernel);
    uint32_t mine[3] = {groups[0], groups[1], groups[2]};
    if (k < n_kernel) mine[0] = (groups[0] * kernels[k].usual_cols + kernels[k].cols - 1) / kernels[k].cols;
    tn_gpu_cuda.dispatch(g, kernel, args, n_arg, mine, n_thread);
    if (n_call == MAX_CALLS) return;
    call *c = &calls[n_call++];
    *c = (call){
        .kernel = kernel, .name = k < n_kernel ? kernels[k].name : "?", .n_arg = n_arg, .n_thread = n_thread};
    memcpy(c->groups, mine, sizeof c->groups);
    for (uint32_t i = 0; i < n_arg; i++) {
        c->args[i] = args[i];
        if (args[i].buffer) continue;
        if (args[i].n_bytes > sizeof c->bytes[i]) abort();
        c->args[i].bytes = memcpy(c->bytes[i], args[i].bytes, args[i].n_bytes);
    }
}

/* ---- timing ---- */

/* Every call of that name, `times` over. Seconds. */
static double run_calls(tn_gpu *g, const char *name, uint32_t times) {
    tn_error err;
    uint64_t ticket;
    const double start = tn_clock_s();
    must(g->api->begin(g, &err), &err);
    for (uint32_t t = 0; t < times; t++)
        for (uint32_t i = 0; i < n_call; i++) {
            const call *c = &calls[i];
            if (strcmp(c->name, name) == 0)
                tn_gpu_cuda.dispatch(g, c->kernel, c->args, c->n_arg, c->groups, c->n_thread);
        }
    must(g->api->submit(g, &ticket, &err), &err);
    must(g->api->wait(g, ticket, &err), &err);
    return tn_clock_s() - start;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds of one call of that name; 0 when there is none. *ret_n: how many there are. */
static double time_calls(tn_gpu *g, const char *name, uint32_t *ret_n) {
    double seconds[N_TIME];
    uint32_t n = 0, times = 1;
    for (uint32_t i = 0; i < n_call; i++) n += strcmp(calls[i].name, name) == 0;
    *ret_n = n;
    if (n == 0) return 0;
    run_calls(g, name, 1);
    while (times < 100000 && run_calls(g, name, times) < ENOUGH_S) times *= 2;
    for (int i = 0; i < N_TIME; i++) seconds[i] = run_calls(g, name, times);
    qsort(seconds, N_TIME, sizeof *seconds, compare);
    return seconds[N_TIME / 2] / times / n;
}

/* ---- programs of one operation ---- */

typedef struct model {
    tn_program program;
    tn_op ops[MAX_OPS];
    tn_value_info values[MAX_OPS];
    tn_slot slots[MAX_OPS];
    tn_weight_info weights[MAX_OPS];
    tn_tensor tensors[MAX_OPS];
    tn_rope_info ropes[1];
    tn_cache_info caches[1];
} model;

static tn_value add_value(model *m, uint32_t rows, uint32_t cols) {
    const tn_value v = ++m->program.n_value;
    m->values[v] = (tn_value_info){.rows = rows, .cols = cols, .slot = v - 1};
    m->slots[v - 1] = (tn_slot){.rows = rows, .cols = cols};
    m->program.n_slot = v;
    return v;
}

static tn_value add_op(model *m, tn_op op, uint32_t rows, uint32_t cols) {
    op.out = add_value(m, rows, cols);
    m->ops[m->program.n_op++] = op;
    return op.out;
}

static tn_weight add_weight(model *m, tn_tensor tensor) {
    const tn_weight w = ++m->program.n_weight;
    m->tensors[w] = tensor;
    m->weights[w] = (tn_weight_info){.tensor = &m->tensors[w],
                                     .rows = (uint32_t)tensor.dim[0],
                                     .cols = (uint32_t)tensor.dim[1],
                                     .name = "w"};
    return w;
}

/* The only row of an embedding, [T, cols]. zeros: [cols] of F32. */
static tn_value add_input(model *m, uint32_t cols, const void *zeros) {
    const tn_weight w = add_weight(m, (tn_tensor){.name = "w",
                                                  .type = TN_TYPE_F32,
                                                  .n_dim = 2,
                                                  .dim = {1, cols},
                                                  .data = zeros,
                                                  .bytes = cols * sizeof(float)});
    return add_op(m, (tn_op){.kind = TN_OP_EMBED, .w = w, .f = 1}, TN_ROWS_TOKEN, cols);
}

static model *new_model(void) {
    model *m = take(sizeof *m);
    m->program = (tn_program){.n_stage = 1,
                              .ops = m->ops,
                              .values = m->values,
                              .slots = m->slots,
                              .weights = m->weights,
                              .ropes = m->ropes,
                              .caches = m->caches};
    return m;
}

static void add_logits(model *m, tn_value x) {
    const uint32_t cols = m->values[x].cols;
    m->program.logits = add_op(m, (tn_op){.kind = TN_OP_OUTPUT_ROWS, .in = {x}}, TN_ROWS_OUTPUT, cols);
    m->program.n_vocab = m->program.n_embd = cols;
}

typedef struct rig {
    tn_device *device;
    tn_gpu *gpu;
    double copy_rate; /* bytes/s, read and written ones together */
} rig;

/* Lowers m and runs a step of n_seq sequences, each with n_token tokens from first_pos on; what it dispatches
 * is in calls. */
static tn_exec *run_step(rig *r, const model *m, tn_type kv_type, uint32_t n_seq, uint32_t n_token,
                         bool generated, uint32_t first_pos) {
    enum { PAGE = 64 };
    const uint32_t n_page = (first_pos + n_token + PAGE - 1) / PAGE, rows = n_seq * n_token;
    tn_exec_config config = {.max_tokens = rows,
                             .max_seqs = n_seq,
                             .max_rows = 1,
                             .page_tokens = PAGE,
                             .n_page = {n_seq * n_page},
                             .max_seq_pages = n_page,
                             .kv_type = kv_type};
    int32_t *ids = take(rows * sizeof *ids);
    uint32_t *pos = take(rows * sizeof *pos), *seq = take(rows * sizeof *seq), first_row = 0;
    uint32_t *pages = take((size_t)n_seq * n_page * sizeof *pages);
    tn_step_seq *seqs = take(n_seq * sizeof *seqs);
    for (uint32_t i = 0; i < rows; i++) {
        seq[i] = i / n_token;
        pos[i] = first_pos + i % n_token;
    }
    for (uint32_t i = 0; i < n_seq * n_page; i++) pages[i] = i;
    for (uint32_t s = 0; s < n_seq; s++)
        seqs[s] = (tn_step_seq){.first_token = s * n_token,
                                .n_token = n_token,
                                .n_generated = generated ? n_token : 0,
                                .first_pos = first_pos,
                                .pages = {pages + (size_t)s * n_page},
                                .n_page = n_page};
    const tn_step step = {.n_token = rows,
                          .n_seq = n_seq,
                          .n_row = 1,
                          .ids = ids,
                          .pos = pos,
                          .seq = seq,
                          .seqs = seqs,
                          .rows = &first_row};
    const tn_device_class *cls = r->device->cls;
    const float *logits;
    tn_error err;
    tn_exec *x;
    n_call = 0;
    must(cls->lower(r->device, &m->program, &config, NULL, NULL, &x, &err), &err);
    must(cls->step(x, &step, &err), &err);
    must(cls->logits(x, &logits, &err), &err);
    free(ids), free(pos), free(seq), free(pages), free(seqs);
    return x;
}

/* ---- what is measured ---- */

static void print_rate(const rig *r, double bytes, double flops, double seconds) {
    printf(" %9.2f | %8.0f | %5.0f %% |", seconds * 1e6, bytes / seconds * 1e-9,
           100 * bytes / seconds / r->copy_rate);
    if (flops > 0) printf(" %7.1f |", flops / seconds * 1e-12);
    printf("\n");
    fflush(stdout);
}

/* Time of a dispatch that does nothing much, and what a kernel that only copies reaches. */
static void measure_copy(rig *r, bool print) {
    tn_gpu *g = r->gpu;
    tn_gpu_buffer *b;
    tn_error err;
    tn_gpu_kernel *k;
    uint32_t n;
    must(g->api->buffer_new(g, 2 * (uint64_t)COPY_BYTES, &b, &err), &err);
    must(g->api->kernel(g, "copy_page", NULL, 0, &k, &err), &err);
    const uint64_t sizes[] = {TN_COPY_PAGE_VEC * TN_ELEMENT_THREADS, COPY_BYTES};
    for (size_t i = 0; i < 2; i++) {
        const tn_copy_page_args args = {.from = 0, .to = 1, .n_vec = (uint32_t)(sizes[i] / TN_COPY_PAGE_VEC)};
        const tn_gpu_arg list[] = {{.buffer = b}, {.bytes = &args, .n_bytes = sizeof args}};
        const uint32_t grid[3] = {(args.n_vec + TN_ELEMENT_THREADS - 1) / TN_ELEMENT_THREADS, 1, 1};
        uint64_t ticket;
        n_call = 0;
        must(g->api->begin(g, &err), &err);
        g->api->dispatch(g, k, list, 2, grid, TN_ELEMENT_THREADS);
        must(g->api->submit(g, &ticket, &err), &err);
        const double seconds = time_calls(g, "copy_page", &n);
        if (i == 1) r->copy_rate = 2.0 * (double)sizes[i] / seconds;
        if (print && i == 0)
            printf("A dispatch that moves %u bytes: %.2f us.\n", (unsigned)sizes[i], seconds * 1e6);
        if (print && i == 1)
            printf("A copy of %u MiB by a kernel: %.0f GB/s read and written, the 100 %% of the tables.\n\n",
                   (unsigned)(sizes[i] >> 20), r->copy_rate * 1e-9);
    }
    g->api->buffer_free(g, b);
}

typedef struct weight_type {
    const char *name;
    tn_type type;
    uint32_t bits, group;
} weight_type;

static const weight_type types[] = {
    {"F16", TN_TYPE_F16, 0, 0},
    {"Q8_0", TN_TYPE_Q8_0, 0, 0},
    {"Q6_K", TN_TYPE_Q6_K, 0, 0},
    {"Q5_K", TN_TYPE_Q5_K, 0, 0},
    {"Q4_K", TN_TYPE_Q4_K, 0, 0},
    {"Q3_K", TN_TYPE_Q3_K, 0, 0},
    {"Q4_0", TN_TYPE_Q4_0, 0, 0},
    {"IQ4_XS", TN_TYPE_IQ4_XS, 0, 0},
    {"MXFP4", TN_TYPE_MXFP4, 0, 0},
    {"affine 4, 64", TN_TYPE_AFFINE, 4, 64},
    {"affine 8, 64", TN_TYPE_AFFINE, 8, 64},
};

/* n_copies products [T, n_in] -> [T, n_out]. *ret_bytes: of a weight. */
static model *linear_model(const weight_type *t, uint32_t n_out, uint32_t n_in, uint64_t *ret_bytes,
                           uint8_t **ret_data) {
    tn_tensor w = {.name = "w",
                   .type = t->type,
                   .n_dim = 2,
                   .dim = {n_out, n_in},
                   .bits = t->bits,
                   .group = t->group,
                   .scale_type = TN_TYPE_F16};
    const uint64_t codes = n_out * tn_tensor_row_bytes(&w);
    const uint64_t scales = t->bits ? (uint64_t)n_out * (n_in / t->group) * 2 : 0;
    uint8_t *data = take(codes + n_in * sizeof(float));
    for (uint64_t i = 0; i < codes; i++) data[i] = (uint8_t)(i * 2654435761u >> 13);
    float *row = (float *)(void *)(data + codes);
    for (uint32_t i = 0; i < n_in; i++) row[i] = (float)(i % 61) * 0x1p-5f - 1;
    w.data = data;
    w.bytes = codes;
    w.scales = w.biases = scales ? data : NULL; /* any numbers do */
    *ret_bytes = codes + 2 * scales;
    *ret_data = data;
    model *m = new_model();
    const tn_value x = add_input(m, n_in, data + codes);
    add_logits(m, x);
    for (uint64_t i = 0; i < MAX_COPIES && (i < 1 || i * *ret_bytes < BEYOND_CACHE); i++) {
        const tn_value y =
            add_op(m, (tn_op){.kind = TN_OP_LINEAR, .in = {x}, .w = add_weight(m, w)}, TN_ROWS_TOKEN, n_out);
        if (i > 0) m->values[y].slot = m->values[y - 1].slot; /* one output for all */
    }
    return m;
}

static void measure_tiles_of(rig *r, const weight_type *t, uint32_t n_out, uint32_t n_in, uint32_t rows) {
    uint64_t bytes;
    uint8_t *data;
    uint32_t n;
    model *m = linear_model(t, n_out, n_in, &bytes, &data);
    tn_exec *x = run_step(r, m, TN_TYPE_F16, 1, rows, false, 0);
    const double seconds = time_calls(r->gpu, "linear_tiles", &n);
    printf("| %-12s | %6u x %-6u | %4u |", t->name, n_out, n_in, rows);
    print_rate(r, (double)bytes + 4.0 * rows * ((double)n_in + n_out), 2.0 * rows * n_out * n_in, seconds);
    r->device->cls->exec_free(x);
    free(m);
    free(data);
}

static const uint32_t shapes[][2] = {{4096, 14336}, {14336, 4096}, {151936, 2560}};
enum { N_SHAPE = sizeof shapes / sizeof *shapes, N_TYPE = sizeof types / sizeof *types };

/* A line of the table of a shape: times by rows, bytes of the weight a second for one row, and how much
 * longer 8 and 16 rows take. */
static void measure_rows_of(rig *r, const weight_type *t, uint32_t n_out, uint32_t n_in) {
    enum { N_ROWS = 5 };
    uint64_t bytes;
    uint8_t *data;
    double seconds[N_ROWS];
    model *m = linear_model(t, n_out, n_in, &bytes, &data);
    for (uint32_t v = 0; v < N_ROWS; v++) {
        uint32_t n;
        tn_exec *x = run_step(r, m, TN_TYPE_F16, 1, 1u << v, true, 0);
        seconds[v] = time_calls(r->gpu, "linear_rows", &n);
        r->device->cls->exec_free(x);
    }
    printf("| %-12s |", t->name);
    for (uint32_t v = 0; v < N_ROWS; v++) printf(" %7.2f |", seconds[v] * 1e6);
    printf(" %5.2f | %4.1f | %4.1f |\n", (double)bytes / seconds[0] * 1e-12, seconds[3] / seconds[0],
           seconds[4] / seconds[0]);
    fflush(stdout);
    free(m);
    free(data);
}

static void measure_rows(rig *r) {
    for (uint32_t s = 0; s < N_SHAPE; s++) {
        printf(
            "linear_rows: products with generated rows, %u x %u. us by rows.\n\n"
            "| weight | 1 | 2 | 4 | 8 | 16 | TB/s, 1 row | 8 : 1 | 16 : 1 |\n|---|---|---|---|---|---|---|---|---|\n",
            shapes[s][0], shapes[s][1]);
        for (uint32_t t = 0; t < N_TYPE; t++) measure_rows_of(r, &types[t], shapes[s][0], shapes[s][1]);
        printf("\n");
    }
}

/* What TN_FC_COLS does: us by rows and columns of a lane, those that tn_linear_cols gives marked. Many
 * kernels are compiled. */
static void measure_cols(rig *r) {
    static const uint32_t rows[] = {1, 2, 4, 8, 16};
    for (uint32_t s = 1; s < N_SHAPE; s++) {
        printf(
            "linear_rows, %u x %u: us by columns of a lane.\n\n| weight | rows | 1 | 2 | 4 | 8 |\n|---|---|---|---|---|---|\n",
            shapes[s][0], shapes[s][1]);
        for (uint32_t t = 0; t < N_TYPE; t++)
            for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
                uint64_t bytes;
                uint8_t *data;
                uint32_t n;
                model *m = linear_model(&types[t], shapes[s][0], shapes[s][1], &bytes, &data);
                printf("| %-12s | %2u |", types[t].name, rows[i]);
                for (forced_cols = 1; forced_cols <= TN_LINEAR_MAX_COLS; forced_cols *= 2) {
                    const uint32_t usual =
                        tn_linear_cols(tn_linear_type(types[t].type, types[t].group), rows[i]);
                    if (forced_cols * rows[i] > 64) continue;
                    tn_exec *x = run_step(r, m, TN_TYPE_F16, 1, rows[i], true, 0);
                    printf(" %.2f%s |", time_calls(r->gpu, "linear_rows", &n) * 1e6,
                           forced_cols == usual ? "*" : "");
                    r->device->cls->exec_free(x);
                }
                printf("\n");
                fflush(stdout);
                free(m);
                free(data);
            }
        printf("\n");
    }
    forced_cols = 0;
}

/* A step each of the largest shape with 1 and 8 rows, timed by nobody: for a profiler, which runs what it is
 * shown many times over. Prints which dispatches are which. */
static void run_once(rig *r) {
    for (uint32_t t = 0; t < N_TYPE; t++)
        for (uint32_t rows = 1; rows <= 8; rows *= 8) {
            uint64_t bytes;
            uint8_t *data;
            const uint32_t *shape = shapes[N_SHAPE - 1];
            model *m = linear_model(&types[t], shape[0], shape[1], &bytes, &data);
            tn_exec *x = run_step(r, m, TN_TYPE_F16, 1, rows, true, 0);
            printf("%s, %u rows: the next %u of linear_rows\n", types[t].name, rows, m->program.n_weight - 1);
            fflush(stdout);
            r->device->cls->exec_free(x);
            free(m);
            free(data);
        }
}

/* Both kinds of kernels side by side: what it costs that a row may not take the one which is faster for so
 * many. */
static void measure_both(rig *r) {
    static const uint32_t rows[] = {16, 32, 64, 128};
    const weight_type *t = &types[4];
    printf(
        "%s, %u x %u: us as generated rows, as prompt rows.\n\n| rows | linear_rows | linear_tiles |\n|---|---|---|\n",
        t->name, shapes[1][0], shapes[1][1]);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        static const char *const kernel[] = {"linear_rows", "linear_tiles"};
        printf("| %4u |", rows[i]);
        for (uint32_t k = 0; k < 2; k++) {
            uint64_t bytes;
            uint8_t *data;
            uint32_t n;
            model *m = linear_model(t, shapes[1][0], shapes[1][1], &bytes, &data);
            tn_exec *x = run_step(r, m, TN_TYPE_F16, 1, rows[i], k == 0, 0);
            printf(" %8.1f |", time_calls(r->gpu, kernel[k], &n) * 1e6);
            r->device->cls->exec_free(x);
            free(m);
            free(data);
        }
        printf("\n");
        fflush(stdout);
    }
    printf("\n");
}

static void measure_tiles(rig *r) {
    static const uint32_t rows[] = {32, 512};
    printf(
        "linear_tiles: products with prompt rows.\n\n"
        "| weight | n_out x n_in | rows | us | GB/s | of a copy | TFLOP/s |\n|---|---|---|---|---|---|---|\n");
    for (uint32_t t = 0; t < N_TYPE; t++)
        for (uint32_t i = 0; i < 2; i++) measure_tiles_of(r, &types[t], shapes[1][0], shapes[1][1], rows[i]);
    printf("\n");
}

/* ---- attention ---- */

typedef struct attention_case {
    tn_type kv_type;
    uint32_t n_seq, n_token, length; /* each sequence's new tokens and those before them */
} attention_case;

enum { HEADS = 32, HEADS_KV = 8, HEAD_DIM = 128 };

static void measure_attention_case(rig *r, const attention_case *c) {
    static const char *const names[] = {"attention_rows", "attention_merge", "attention_tiles"};
    float *zeros = take(HEADS * HEAD_DIM * sizeof *zeros);
    model *m = new_model();
    const tn_value q = add_input(m, HEADS * HEAD_DIM, zeros), k = add_input(m, HEADS_KV * HEAD_DIM, zeros),
                   v = add_input(m, HEADS_KV * HEAD_DIM, zeros);
    add_logits(m, q);
    add_op(
        m,
        (tn_op){
            .kind = TN_OP_ATTENTION,
            .in = {q, k, v},
            .attention = {.n_head = HEADS, .n_head_kv = HEADS_KV, .head_dim = HEAD_DIM, .scale = 0.0883883f}},
        TN_ROWS_TOKEN, HEADS * HEAD_DIM);
    m->caches[0] = (tn_cache_info){.n_head_kv = HEADS_KV, .head_dim = HEAD_DIM};
    m->program.n_layer = m->program.n_group = 1;
    m->program.groups[0] = (tn_cache_group){.n_layer = 1};
    tn_exec *x = run_step(r, m, c->kv_type, c->n_seq, c->n_token, c->n_token == 1, c->length);
    const double stored =
        2.0 * c->n_seq * (c->length + c->n_token) * HEADS_KV * tn_kv_row_bytes(c->kv_type, HEAD_DIM);
    const double pairs = (double)c->n_seq * c->n_token * (c->length + 0.5 * (c->n_token + 1));
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t n;
        const double seconds = time_calls(r->gpu, names[i], &n);
        if (n == 0) continue;
        printf("| %-16s | %-4s | %2u | %4u | %6u |", names[i], tn_type_info_get(c->kv_type)->name, c->n_seq,
               c->n_token, c->length);
        if (strcmp(names[i], "attention_merge") == 0)
            printf(" %9.2f | | | |\n", seconds * 1e6);
        else
            print_rate(r, stored, pairs * 4 * HEADS * HEAD_DIM, seconds);
    }
    r->device->cls->exec_free(x);
    free(m);
    free(zeros);
}

static void measure_attention(rig *r) {
    static const attention_case cases[] = {
        {TN_TYPE_F16, 1, 1, 32767}, {TN_TYPE_Q8_0, 1, 1, 32767},  {TN_TYPE_F32, 1, 1, 32767},
        {TN_TYPE_F16, 1, 1, 2047},  {TN_TYPE_F16, 16, 1, 4095},   {TN_TYPE_Q8_0, 16, 1, 4095},
        {TN_TYPE_F16, 1, 512, 0},   {TN_TYPE_F16, 1, 512, 16384},
    };
    printf("Attention, %d query heads, %d of keys and values, %d dimensions.\n\n"
           "| kernel | stored | sequences | tokens each | before them | us | GB/s | of a copy | TFLOP/s |\n"
           "|---|---|---|---|---|---|---|---|---|\n",
           (int)HEADS, (int)HEADS_KV, (int)HEAD_DIM);
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) measure_attention_case(r, &cases[i]);
    printf("\n");
}

int main(int argc, char **argv) {
    rig r = {0};
    tn_error err;
    keeping = tn_gpu_cuda;
    keeping.open = open_keeping;
    keeping.kernel = kernel_keeping;
    keeping.dispatch = dispatch_keeping;
    must(tn_gpu_device_open(&keeping, &tn_device_cuda, &r.device, &err), &err);
    r.gpu = ((const tn_gpu_device *)r.device)->gpu;
    printf("%s\n\n", r.gpu->api->info(r.gpu)->name);
    measure_copy(&r, true);
    static const struct {
        const char *name;
        void (*run)(rig *r);
    } parts[] = {{"rows", measure_rows},           {"tiles", measure_tiles}, {"both", measure_both},
                 {"attention", measure_attention}, {"cols", measure_cols},   {"once", run_once}};
    enum { N_PART = sizeof parts / sizeof *parts, LAST_USUAL = N_PART - 2 };
    for (size_t p = 0; p < N_PART; p++)
        for (int i = argc > 1 ? 1 : 0; i < argc; i++)
            if (argc == 1 ? p < LAST_USUAL : strcmp(argv[i], parts[p].name) == 0) parts[p].run(&r);
    r.device->cls->close(r.device);
    return 0;
}
