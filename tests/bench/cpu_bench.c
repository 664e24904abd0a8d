/* SPDX-License-Identifier: Apache-2.0 */
/* How fast the cpu device multiplies: rough numbers for whoever changes its kernels.
 *
 * cpu_bench [f32|auto] [THREADS] [TYPE... | attention [KV_TYPE...]]: for each weight type, a program of
 * linear layers [9728, 2560] over more weights than caches hold, for several numbers of rows; GB/s of stored
 * weights and GFLOPS (2 per weight and row), the median of several steps. Then attention alone: one token,
 * and a chunk of a prompt, over contexts of several lengths. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "device/cpu/cpu.h"
#include "unit/cpu_model.h"

enum { N = 9728, K = 2560, MOST_ROWS = 512, REPEATS = 5 };

/* One thread is measured in processor time, which a busy machine disturbs less. */
static uint32_t n_thread;

static double now(void) {
    struct timespec t;
    clock_gettime(n_thread == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void must(int rc, const tn_error *err) {
    if (rc == 0) return;
    fprintf(stderr, "cpu_bench: %s\n", err->text);
    exit(1);
}

/* Runs a step of n tokens at position pos, once to warm up, then `repeats` times; median seconds. */
static double time_step(tn_exec *x, uint32_t n, uint32_t first_pos, uint32_t n_page, uint32_t page_tokens,
                        int repeats) {
    static int32_t ids[MOST_ROWS];
    static uint32_t pos[MOST_ROWS], seq[MOST_ROWS], rows[MOST_ROWS];
    uint32_t *pages = calloc(n_page, sizeof *pages);
    for (uint32_t i = 0; i < n_page; i++) pages[i] = i;
    for (uint32_t i = 0; i < n; i++) pos[i] = first_pos + i;
    tn_step_seq s = {.n_token = n, .first_pos = first_pos, .pages = {pages}};
    s.n_page = (first_pos + n + page_tokens - 1) / page_tokens;
    tn_step step = {.n_token = n, .n_seq = 1, .ids = ids, .pos = pos, .seq = seq, .seqs = &s, .rows = rows};
    double times[REPEATS];
    tn_error err = {0};
    for (int i = -1; i < repeats; i++) {
        double start = now();
        must(tn_device_cpu.step(x, &step, &err), &err);
        if (i >= 0) times[i] = now() - start;
    }
    free(pages);
    qsort(times, (size_t)repeats, sizeof *times, compare);
    return repeats ? times[repeats / 2] : 0;
}

/* Values 1 = embedding, 2.. = outputs of linear layers in one slot. */
static void bench_linear(tn_device *d, tn_type type, tn_compute compute, uint64_t total) {
    rng r = {1};
    const tn_type_info *info = tn_type_info_get(type);
    tn_tensor embd = tensor_random(&r, TN_TYPE_F32, 2, K, 0, 0);
    tn_tensor first = tensor_random(&r, type, N, K, 4, 64);
    uint32_t n = (uint32_t)(total / first.bytes) + 1;
    tn_tensor *w = calloc(n, sizeof *w);
    tn_program p = {.n_stage = 1, .n_op = n + 1, .n_value = n + 1, .n_slot = 2, .n_weight = n + 1};
    p.ops = calloc(p.n_op, sizeof *p.ops);
    p.values = calloc(p.n_value + 1, sizeof *p.values);
    p.weights = calloc(p.n_weight + 1, sizeof *p.weights);
    p.slots = (tn_slot[]){{TN_ROWS_TOKEN, K}, {TN_ROWS_TOKEN, N}};
    p.ops[0] = (tn_op){.kind = TN_OP_EMBED, .w = n + 1, .out = 1, .f = 1};
    p.values[1] = (tn_value_info){TN_ROWS_TOKEN, K, 0};
    p.weights[n + 1] = (tn_weight_info){.tensor = &embd, .rows = 2, .cols = K};
    for (uint32_t i = 0; i < n; i++) {
        w[i] = first;
        w[i].data = memcpy(malloc(first.bytes), first.data, first.bytes);
        p.weights[i + 1] = (tn_weight_info){.tensor = &w[i], .rows = N, .cols = K};
        p.values[i + 2] = (tn_value_info){TN_ROWS_TOKEN, N, 1};
        p.ops[i + 1] = (tn_op){.kind = TN_OP_LINEAR, .in = {1}, .w = i + 1, .out = i + 2};
    }
    tn_exec_config c = {
        .max_tokens = MOST_ROWS, .max_seqs = 1, .max_rows = 1, .page_tokens = 16, .compute = compute};
    tn_exec *x;
    tn_error err = {0};
    double start = now();
    must(tn_device_cpu.lower(d, &p, &c, NULL, NULL, &x, &err), &err);
    printf("%-6s prepared %5.2f GB/s |", info->name, (double)n * (double)first.bytes / (now() - start) / 1e9);
    static const uint32_t rows[] = {1, 2, 4, 8, 16, 64, 512};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double each = time_step(x, rows[i], 0, 32, 16, REPEATS) / n;
        printf(" T=%u %.1f GB/s %.0f GFLOPS |", rows[i], (double)first.bytes / each / 1e9,
               2.0 * N * K * rows[i] / each / 1e9);
        fflush(stdout);
    }
    printf("\n");
    tn_device_cpu.exec_free(x);
    for (uint32_t i = 0; i < n; i++) free((void *)(uintptr_t)w[i].data);
    tensor_fini(&first);
    tensor_fini(&embd);
    free(w);
    free(p.ops);
    free(p.values);
    free(p.weights);
}

/* A model's attention and nothing else: q, k and v are one value. */
typedef struct attention_shape {
    uint32_t n_head, n_head_kv, head_dim, n_layer;
} attention_shape;

enum { PAGE = 32, N_LAYER_MOST = 28 };

/* Random keys and values at positions 0 .. depth of every layer, without computing their way there. */
static void fill_cache(const tn_cpu_exec *x, uint32_t depth) {
    rng r = {2};
    float *k = malloc(sizeof *k * 2 * 4096);
    for (uint32_t i = 0; i < 2 * 4096; i++) k[i] = rng_float(&r);
    for (uint32_t i = 0; i < x->n_call; i++) {
        const tn_cpu_cache *c = &x->calls[i].attention.cache;
        if (x->calls[i].run != tn_cpu_run_store) continue;
        for (uint32_t p = 0; p < depth; p++)
            for (uint32_t h = 0; h < c->n_head_kv; h++) {
                const float *from = k + rng_below(&r, 4096);
                x->device->kernels->cache_store(c, p / PAGE, p % PAGE, h, from, from + c->head_dim);
            }
    }
    free(k);
}

static tn_program attention_program(const attention_shape *s, tn_tensor *embd) {
    uint32_t cols = s->n_head * s->head_dim, n = s->n_layer;
    rng r = {1};
    *embd = tensor_random(&r, TN_TYPE_F32, 2, cols, 0, 0);
    tn_program p = {.n_stage = 1,
                    .n_op = 1 + n,
                    .n_value = 2 + n,
                    .n_slot = 2,
                    .n_weight = 1,
                    .n_layer = n,
                    .n_group = 1};
    p.ops = calloc(p.n_op, sizeof *p.ops);
    p.values = calloc(p.n_value + 1, sizeof *p.values);
    p.caches = calloc(n, sizeof *p.caches);
    p.slots = calloc(2, sizeof *p.slots);
    p.weights = calloc(2, sizeof *p.weights);
    p.slots[0] = p.slots[1] = (tn_slot){TN_ROWS_TOKEN, cols};
    p.weights[1] = (tn_weight_info){.tensor = embd, .rows = 2, .cols = cols};
    p.ops[0] = (tn_op){.kind = TN_OP_EMBED, .w = 1, .out = 1, .f = 1};
    p.values[1] = (tn_value_info){TN_ROWS_TOKEN, cols, 0};
    for (uint32_t i = 0; i < n; i++) {
        p.values[i + 2] = (tn_value_info){TN_ROWS_TOKEN, cols, 1};
        p.caches[i] = (tn_cache_info){.n_head_kv = s->n_head_kv, .head_dim = s->head_dim};
        p.ops[i + 1] = (tn_op){.kind = TN_OP_ATTENTION, .in = {1, 1, 1}, .out = i + 2};
        p.ops[i + 1].attention = (tn_attention_desc){.layer = i,
                                                     .n_head = s->n_head,
                                                     .n_head_kv = s->n_head_kv,
                                                     .head_dim = s->head_dim,
                                                     .scale = 0.1f};
    }
    return p;
}

/* n_row tokens of one sequence after `depth` others. GB/s is of the cache's own bytes. */
static void bench_attention(tn_device *d, tn_type kv, attention_shape s, uint32_t n_row, uint32_t depth) {
    tn_tensor embd;
    uint32_t n_page = (depth + n_row + PAGE - 1) / PAGE;
    uint64_t each_layer = 2ull * s.n_head_kv * s.head_dim * (depth + n_row);
    while (s.n_layer > 2 && s.n_layer * each_layer > 400ull << 20) s.n_layer /= 2;
    if (n_row > 1) s.n_layer = 2; /* it computes more than it reads */
    tn_program p = attention_program(&s, &embd);
    tn_exec_config c = {.max_tokens = MOST_ROWS,
                        .max_seqs = 1,
                        .max_rows = 1,
                        .page_tokens = PAGE,
                        .n_page = {n_page},
                        .max_seq_pages = n_page,
                        .kv_type = kv};
    tn_exec *x;
    tn_exec_size size;
    tn_error err = {0};
    must(tn_device_cpu.lower(d, &p, &c, NULL, NULL, &x, &err), &err);
    must(tn_device_cpu.size(d, &p, &c, &size, &err), &err);
    fill_cache((tn_cpu_exec *)x, depth);
    double each = time_step(x, n_row, depth, n_page, PAGE, REPEATS) / s.n_layer;
    double bytes = (double)size.page[0] / PAGE / s.n_layer * (depth + n_row);
    double flop = 4.0 * s.n_head * s.head_dim * n_row * (depth + n_row / 2.0);
    printf(
        "attention %2u/%u heads of %3u, %-4s %3u rows at %5u: %8.1f us a layer, %5.1f GB/s, %4.0f GFLOPS\n",
        s.n_head, s.n_head_kv, s.head_dim, tn_type_info_get(kv)->name, n_row, depth, each * 1e6,
        bytes / each / 1e9, flop / each / 1e9);
    fflush(stdout);
    tn_device_cpu.exec_free(x);
    tensor_fini(&embd);
    free(p.ops);
    free(p.values);
    free(p.caches);
    free(p.slots);
    free(p.weights);
}

static tn_type type_by_name(const char *name) {
    for (uint32_t i = 0; i < 2000; i++) {
        const tn_type_info *info = tn_type_info_get(i);
        if (info && strcmp(info->name, name) == 0) return (tn_type)i;
    }
    fprintf(stderr, "cpu_bench: no type %s\n", name);
    exit(2);
}

/* Shapes of Qwen3-0.6B and Llama-3.2-1B, and four queries of 128 to a key. */
static void bench_attentions(tn_device *d, int n_type, char **types) {
    static const attention_shape shapes[] = {
        {16, 8, 128, N_LAYER_MOST}, {32, 8, 64, N_LAYER_MOST}, {32, 8, 128, N_LAYER_MOST}};
    static const uint32_t alone[] = {1024, 8192, 32768}, prompt[] = {0, 4096, 16384};
    for (int i = 0; i < n_type; i++) {
        tn_type t = type_by_name(types[i]);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (size_t k = 0; k < sizeof alone / sizeof *alone; k++)
                bench_attention(d, t, shapes[s], 1, alone[k]);
        for (size_t k = 0; k < sizeof prompt / sizeof *prompt; k++)
            bench_attention(d, t, shapes[0], MOST_ROWS, prompt[k]);
    }
}

int main(int argc, char **argv) {
    static const char *const usual[] = {"Q8_0", "Q4_0", "Q4_K", "Q5_K", "Q6_K", "BF16", "F16", "F32"};
    tn_compute compute = argc > 1 && strcmp(argv[1], "f32") == 0 ? TN_COMPUTE_F32 : TN_COMPUTE_AUTO;
    tn_device_options options = {.n_thread = argc > 2 ? (uint32_t)atoi(argv[2]) : 0};
    n_thread = options.n_thread;
    tn_device *d;
    tn_error err = {0};
    must(tn_device_cpu.open(&options, &d, &err), &err);
    printf("%s\n", tn_device_cpu.describe(d));
    uint64_t total =
        getenv("CPU_BENCH_MB") ? strtoull(getenv("CPU_BENCH_MB"), NULL, 10) << 20 : 1024ull << 20;
    if (argc > 3 && strcmp(argv[3], "attention") != 0) {
        for (int i = 3; i < argc; i++) bench_linear(d, type_by_name(argv[i]), compute, total);
    } else if (argc <= 3) {
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            bench_linear(d, type_by_name(usual[i]), compute, total);
    }
    if (argc > 4 && strcmp(argv[3], "attention") == 0)
        bench_attentions(d, argc - 4, argv + 4);
    else if (argc <= 3 || strcmp(argv[3], "attention") == 0)
        bench_attentions(d, 2, (char *[]){"F16", "BF16"});
    tn_device_cpu.close(d);
    return 0;
}
