/* SPDX-License-Identifier: Apache-2.0 */
/* The CUDA device's host part over stand-ins for NVIDIA's libraries: what it does with them, in every order
 * that they allow, and what it says when they fail. */
#include "unit/unit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>

#include "device/cuda/cuda.h"
#include "device/cuda/hash.h"
#include "fake_cuda.h"

enum { N = 1000, THREADS = 128 };

static fake_cuda *driver;
static fake_nvrtc *compiler;
static void (*reset_driver)(void), (*reset_compiler)(void);
static char libcuda[4096], libnvrtc[4096], cache[] = "/tmp/tenon-cuda-XXXXXX";
static const tn_gpu_api *const api = &tn_gpu_cuda;

static void find_library(char path[4096], const char *name) {
    const char *build = getenv("TN_BUILDDIR");
    snprintf(path, 4096, "%s/tests/metal/.libs/%s.so", build ? build : ".", name);
}

static void empty_cache(void) {
    DIR *d = opendir(cache);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", cache, e->d_name);
        if (e->d_name[0] != '.') unlink(path);
    }
    if (d) closedir(d);
}

/* The name of the only file there; "" when there is none. */
static void only_file(char path[4096]) {
    DIR *d = opendir(cache);
    path[0] = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            assert_int_equal(path[0], 0);
            snprintf(path, 4096, "%s/%s", cache, e->d_name);
        }
    if (d) closedir(d);
}

static int setup(void **state) {
    (void)state;
    reset_driver();
    reset_compiler();
    setenv("TENON_LIBCUDA", libcuda, 1);
    setenv("TENON_NVRTC", libnvrtc, 1);
    setenv("TENON_CUDA_CACHE", cache, 1);
    empty_cache();
    return 0;
}

/* Nothing is left, and nothing was asked for that is not allowed. */
static int teardown(void **state) {
    (void)state;
    if (driver->n_mistake) print_message("# %d mistakes, first: %s\n", driver->n_mistake, driver->mistake);
    if (driver->n_alive) print_message("# %d objects of the driver are left\n", driver->n_alive);
    if (compiler->n_alive) print_message("# %d programs of the compiler are left\n", compiler->n_alive);
    return driver->n_mistake || driver->n_alive || compiler->n_alive;
}

static tn_gpu *open_gpu(void) {
    tn_gpu *g = NULL;
    tn_error err = {0};
    if (api->open(&g, &err) != 0) fail_msg("%s", err.text);
    return g;
}

#define assert_says(err, words)                                                                              \
    do {                                                                                                     \
        if (!strstr((err).text, words)) fail_msg("\"%s\" does not say \"%s\"", (err).text, words);           \
    } while (0)

/* ---- opening ---- */

static void opens_and_says_what_it_is(void **state) {
    (void)state;
    tn_gpu *g = open_gpu();
    const tn_gpu_info *info = api->info(g);
    assert_string_equal(info->name, "Fake GPU");
    assert_int_equal(info->working_set, 1 << 26);
    assert_int_equal(info->wrap_align, 0);
    assert_true(g->api == api);
    api->close(g);
}

static void refused(int code, const char *words) {
    tn_gpu *g = NULL;
    tn_error err = {0};
    assert_int_equal(api->open(&g, &err), code);
    assert_int_equal(err.code, code);
    assert_says(err, words);
}

static void says_what_is_missing(void **state) {
    (void)state;
    setenv("TENON_LIBCUDA", "/nowhere/libcuda.so.1", 1);
    refused(TN_ENOTSUP, "no NVIDIA driver: /nowhere/libcuda.so.1");
    setenv("TENON_LIBCUDA", libnvrtc, 1);
    refused(TN_ENOTSUP, "has no function cuInit");
    setenv("TENON_LIBCUDA", libcuda, 1);
    setenv("TENON_NVRTC", "/nowhere/libnvrtc.so", 1);
    refused(TN_ENOTSUP, "TENON_NVRTC: /nowhere/libnvrtc.so");
    setenv("TENON_NVRTC", libcuda, 1);
    refused(TN_ENOTSUP, "has no function nvrtcVersion");
    setenv("TENON_NVRTC", libnvrtc, 1);
    driver->n_device = -1;
    refused(TN_ENOTSUP, "no NVIDIA GPU here");
    driver->n_device = 0;
    refused(TN_ENOTSUP, "no NVIDIA GPU here");
    driver->n_device = 1;
    driver->arch = 75;
    refused(TN_ENOTSUP, "compute capability 7.5, 8.0 is needed");
    driver->arch = 90;
    driver->version = 12040;
    refused(TN_ENOTSUP, "is of CUDA 13.0 and the driver of CUDA 12");
    driver->version = 13000;
    compiler->fail = "nvrtcVersion";
    refused(TN_ENOTSUP, "does not say its version");
    compiler->fail = "nvrtcGetSupportedArchs";
    refused(TN_ENOTSUP, "does not say for which GPUs");
    compiler->fail = NULL;
    compiler->archs[0] = compiler->archs[1] = 100;
    refused(TN_ENOTSUP, "for no GPU as old as sm_90");
}

static void finds_the_compiler_of_a_toolkit(void **state) {
    (void)state;
    char lib[4096], path[4200];
    unsetenv("TENON_NVRTC");
    setenv("CUDA_HOME", cache, 1);
    snprintf(lib, sizeof lib, "%s/lib64", cache);
    mkdir(lib, 0700);
    snprintf(path, sizeof path, "%s/libnvrtc.so.7", lib);
    driver->version = 7000; /* no toolkit on this machine is so old */
    refused(TN_ENOTSUP, "no NVRTC (libnvrtc.so.7");
    snprintf(path, sizeof path, "%s/libnvrtc.so", lib);
    assert_int_equal(symlink(libnvrtc, path), 0);
    compiler->major = 7;
    tn_gpu *g = open_gpu();
    api->close(g);
    unlink(path);
    rmdir(lib);
    unsetenv("CUDA_HOME");
}

/* Whatever fails while opening, everything before it is given back. */
static void every_failure_of_opening_is_reported(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int calls;
    } functions[] = {
        {"cuInit", 1},
        {"cuDriverGetVersion", 1},
        {"cuDeviceGetCount", 1},
        {"cuDeviceGet", 1},
        {"cuDeviceGetName", 1},
        {"cuDeviceGetAttribute", 2},
        {"cuDevicePrimaryCtxRetain", 1},
        {"cuCtxSetCurrent", 1},
        {"cuMemGetInfo_v2", 1},
        {"cuStreamCreate", 2},
        {"cuEventCreate", 17},
        {"cuMemHostAlloc", 1},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        for (int n = 0; n < functions[i].calls; n++) {
            reset_driver();
            driver->fail = functions[i].name;
            driver->fail_after = n;
            driver->fail_with = 304;
            refused(TN_EDEVICE, "a fake failure (CUDA_ERROR_FAKE, 304)");
            assert_int_equal(driver->n_alive, 0);
        }
    driver->fail = NULL;
    api->close(open_gpu());
}

/* ---- memory ---- */

static void memory_holds_what_is_written(void **state) {
    (void)state;
    tn_gpu *g = open_gpu();
    tn_error err = {0};
    tn_gpu_buffer *b;
    enum { BYTES = 3 << 20 };
    uint8_t *to = malloc(BYTES), *from = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) to[i] = (uint8_t)(i * 7 + i / 999);
    assert_int_equal(api->buffer_new(g, BYTES, &b, &err), 0);
    assert_int_equal(api->write(g, b, 0, to, BYTES, &err), 0); /* more than is staged */
    for (uint32_t i = 0; i < 40; i++) { /* so often that the stage is full several times */
        to[i * 100] ^= 0xff;
        memset(to + (1 << 20) + i * 100000 % 60000, (int)i, 100000);
        assert_int_equal(api->write(g, b, i * 100, to + i * 100, 1, &err), 0);
        assert_int_equal(api->write(g, b, 1 << 20, to + (1 << 20), 128 << 10, &err), 0);
        assert_int_equal(
            api->write(g, b, (1 << 20) + (128 << 10), to + (1 << 20) + (128 << 10), 64 << 10, &err), 0);
    }
    assert_int_equal(api->write(g, b, BYTES, to, 0, &err), 0);
    assert_int_equal(api->read(g, b, 0, from, 0, &err), 0);
    assert_int_equal(api->read(g, b, 1, from + 1, BYTES - 1, &err), 0);
    from[0] = to[0];
    assert_memory_equal(from, to, BYTES);
    assert_int_equal(api->write(g, b, BYTES - 1, to, 2, &err), TN_EDEVICE);
    assert_says(err, "2 bytes at 3145727 of a buffer of 3145728");
    assert_int_equal(api->read(g, b, UINT64_MAX, from, 2, &err), TN_EDEVICE);
    api->buffer_free(g, b);
    api->buffer_free(g, NULL);
    api->close(g);
    free(to);
    free(from);
}

static void failures_of_memory_are_reported(void **state) {
    (void)state;
    tn_gpu *g = open_gpu();
    tn_error err = {0};
    tn_gpu_buffer *b = NULL, *none = NULL;
    uint8_t bytes[64] = {0};
    assert_int_equal(api->buffer_new(g, UINT64_C(1) << 40, &none, &err), TN_ENOMEM);
    assert_says(err, "a buffer of 1048576 MiB");
    assert_int_equal(api->buffer_wrap(g, bytes, sizeof bytes, &none, &err), TN_ENOTSUP);
    assert_null(none);
    assert_int_equal(api->buffer_new(g, 1 << 20, &b, &err), 0);
    uint8_t *large = calloc(1, 1 << 20);
    driver->fail_with = 304;
    driver->fail = "cuMemcpyHtoDAsync_v2";
    driver->fail_after = 0;
    assert_int_equal(api->write(g, b, 0, bytes, sizeof bytes, &err), TN_EDEVICE);
    assert_says(err, "writing 64 bytes");
    driver->fail_after = 0;
    assert_int_equal(api->write(g, b, 0, large, 1 << 20, &err), TN_EDEVICE);
    driver->fail = "cuMemcpyDtoHAsync_v2";
    driver->fail_after = 0;
    assert_int_equal(api->read(g, b, 0, bytes, sizeof bytes, &err), TN_EDEVICE);
    assert_says(err, "reading 64 bytes");
    driver->fail = "cuStreamSynchronize";
    driver->fail_after = 0;
    assert_int_equal(api->read(g, b, 0, bytes, sizeof bytes, &err), TN_EDEVICE);
    driver->fail = "cuCtxSetCurrent";
    driver->fail_after = 0;
    assert_int_equal(api->buffer_new(g, 1, &none, &err), TN_EDEVICE);
    driver->fail = NULL;
    assert_int_equal(api->read(g, b, 0, large, 1 << 20, &err), 0); /* what failed did not end anything */
    api->buffer_free(g, b);
    api->close(g);
    free(large);
}

/* ---- kernels ---- */

static void kernels_are_compiled_once(void **state) {
    (void)state;
    tn_gpu *g = open_gpu();
    tn_error err = {0};
    tn_gpu_kernel *add, *again, *scale;
    const tn_gpu_constant unused[] = {{63, 5}};
    assert_int_equal(api->kernel(g, "add", NULL, 0, &add, &err), 0);
    assert_non_null(strstr(compiler->options, "--gpu-architecture=sm_90\n"));
    assert_non_null(strstr(compiler->options, "--fmad=false\n"));
    assert_int_equal(api->kernel(g, "add", unused, 1, &again, &err), 0); /* it does not need that */
    assert_ptr_equal(add, again);
    assert_int_equal(api->kernel(g, "scale", NULL, 0, &scale, &err), 0);
    assert_ptr_not_equal(add, scale);
    assert_int_equal(compiler->n_compile, 2);
    api->close(g);

    g = open_gpu(); /* another process, as far as the compiler is concerned */
    assert_int_equal(api->kernel(g, "add", NULL, 0, &add, &err), 0);
    assert_int_equal(compiler->n_compile, 2);
    assert_int_equal(driver->n_load, 3);
    api->close(g);

    compiler->minor++; /* another compiler */
    g = open_gpu();
    assert_int_equal(api->kernel(g, "add", NULL, 0, &add, &err), 0);
    assert_int_equal(compiler->n_compile, 3);
    api->close(g);
}

static void unknown_gpus_get_code_for_an_older_one(void **state) {
    (void)state;
    tn_gpu_kernel *k;
    tn_error err = {0};
    driver->arch = 121;
    tn_gpu *g = open_gpu();
    assert_int_equal(api->kernel(g, "add", NULL, 0, &k, &err), 0);
    assert_non_null(strstr(compiler->options, "--gpu-architecture=compute_100\n"));
    api->close(g);
    driver->arch = 89;
    g = open_gpu();
    assert_int_equal(api->kernel(g, "add", NULL, 0, &k, &err), 0);
    assert_non_null(strstr(compiler->options, "--gpu-architecture=sm_80\n"));
    api->close(g);
}

static int compile_add(tn_error *err) {
    tn_gpu *g = open_gpu();
    tn_gpu_kernel *k;
    int rc = api->kernel(g, "add", NULL, 0, &k, err);
    api->close(g);
    return rc;
}

static void a_damaged_cache_is_no_cache(void **state) {
    (void)state;
    tn_error err = {0};
    char path[4096];
    assert_int_equal(compile_add(&err), 0);
    only_file(path);
    assert_int_not_equal(path[0], 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
    FILE *f = fopen(path, "r+");
    fputs("F", f);
    fclose(f);
    assert_int_equal(compile_add(&err), 0); /* a changed byte */
    assert_int_equal(compiler->n_compile, 2);
    assert_int_equal(compile_add(&err), 0); /* written again */
    assert_int_equal(compiler->n_compile, 2);
    assert_int_equal(truncate(path, 10), 0);
    assert_int_equal(compile_add(&err), 0); /* cut off */
    assert_int_equal(compiler->n_compile, 3);

    setenv("TENON_CUDA_CACHE", "off", 1);
    assert_int_equal(compile_add(&err), 0);
    assert_int_equal(compiler->n_compile, 4);
    setenv("TENON_CUDA_CACHE", "/dev/null/there", 1); /* not to be made */
    assert_int_equal(compile_add(&err), 0);
    assert_int_equal(compiler->n_compile, 5);
    unsetenv("TENON_CUDA_CACHE");
    setenv("XDG_CACHE_HOME", cache, 1);
    assert_int_equal(compile_add(&err), 0);
    snprintf(path, sizeof path, "%s/tenon/cuda", cache);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(compile_add(&err), 0);
    assert_int_equal(compiler->n_compile, 6);
    char command[4200];
    snprintf(command, sizeof command, "rm -r '%s/tenon'", cache);
    assert_int_equal(system(command), 0);
    unsetenv("XDG_CACHE_HOME");
}

static void failures_of_kernels_are_reported(void **state) {
    (void)state;
    tn_gpu *g = open_gpu();
    tn_gpu_kernel *k;
    tn_error err = {0};
    assert_int_equal(api->kernel(g, "nothing", NULL, 0, &k, &err), TN_EDEVICE);
    assert_says(err, "there is no kernel nothing");
    compiler->log = "metal/kernels/elementwise.metal(7): error: no such thing";
    assert_int_equal(api->kernel(g, "add", NULL, 0, &k, &err), TN_EDEVICE);
    assert_says(err, "kernel add");
    assert_says(err, "NVRTC_ERROR_COMPILATION: metal/kernels/elementwise.metal(7): error: no such thing");
    compiler->log = NULL;
    static const char *const compiling[] = {"nvrtcCreateProgram", "nvrtcCompileProgram", "nvrtcGetCUBINSize",
                                            "nvrtcGetCUBIN"};
    for (size_t i = 0; i < sizeof compiling / sizeof *compiling; i++) {
        compiler->fail = compiling[i];
        assert_int_equal(api->kernel(g, "add", NULL, 0, &k, &err), TN_EDEVICE);
        assert_says(err, "kernel add");
    }
    compiler->fail = NULL;
    static const char *const loading[] = {"cuModuleLoadData", "cuModuleGetFunction", "cuFuncGetAttribute"};
    for (size_t i = 0; i < sizeof loading / sizeof *loading; i++) {
        driver->fail = loading[i];
        driver->fail_after = 0;
        driver->fail_with = 304;
        assert_int_equal(api->kernel(g, "add", NULL, 0, &k, &err), TN_EDEVICE);
        assert_says(err, "kernel add");
    }
    driver->fail = NULL;
    assert_int_equal(api->kernel(g, "add", NULL, 0, &k, &err), 0);
    api->close(g);
}

/* Needs a kernel with function constants. */
static void all_constants_must_be_given(void **state) {
    (void)state;
    tn_gpu *g = open_gpu();
    tn_gpu_kernel *k;
    tn_error err = {0};
    const tn_gpu_constant some[] = {{TN_FC_TYPE, 12}};
    const tn_gpu_constant all[] = {
        {TN_FC_SCALE_TYPE, 0}, {TN_FC_TYPE, 12}, {TN_FC_BITS, 4}, {TN_FC_GROUP, 7}, {TN_FC_ROWS, 2}};
    assert_int_equal(api->kernel(g, "embed", some, 1, &k, &err), TN_EDEVICE);
    assert_says(err, "kernel embed needs function constant 2");
    assert_int_equal(api->kernel(g, "embed", all, 5, &k, &err), 0);
    assert_non_null(
        strstr(compiler->options,
               "-DTN_CONSTANTS=TN_CONSTANT(0,12u)TN_CONSTANT(2,4u)TN_CONSTANT(3,7u)TN_CONSTANT(4,0u)\n"));
    api->close(g);
}

/* ---- batches ---- */

typedef struct sums {
    tn_gpu *gpu;
    tn_gpu_kernel *add;
    tn_gpu_buffer *x, *y, *out;
    tn_element_args element;
    tn_gpu_arg args[4];
    uint32_t grid[3];
} sums;

static void sums_open(sums *s) {
    tn_error err = {0};
    *s = (sums){.gpu = open_gpu(), .element = {.cols = N}, .grid = {(N + THREADS - 1) / THREADS, 1, 1}};
    assert_int_equal(api->kernel(s->gpu, "add", NULL, 0, &s->add, &err), 0);
    tn_gpu_buffer **const buffers[] = {&s->x, &s->y, &s->out};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(api->buffer_new(s->gpu, (N + 1) * sizeof(float), buffers[i], &err), 0);
        s->args[i] = (tn_gpu_arg){.buffer = *buffers[i], .offset = i == 1 ? 4 : 0};
    }
    s->args[3] = (tn_gpu_arg){.bytes = &s->element, .n_bytes = sizeof s->element};
}

static void sums_close(sums *s) {
    api->buffer_free(s->gpu, s->x);
    api->buffer_free(s->gpu, s->y);
    api->buffer_free(s->gpu, s->out);
    api->close(s->gpu);
}

static void fill(sums *s, tn_gpu_buffer *b, float first) {
    float numbers[N + 1];
    tn_error err = {0};
    for (int i = 0; i <= N; i++) numbers[i] = first + (float)i;
    assert_int_equal(api->write(s->gpu, b, 0, numbers, sizeof numbers, &err), 0);
}

static void batches_run_in_order(void **state) {
    (void)state;
    sums s;
    tn_error err = {0};
    uint64_t tickets[40];
    float got[N];
    sums_open(&s);
    fill(&s, s.x, 1);
    fill(&s, s.y, 0.5f);
    for (uint64_t i = 0; i < 40; i++) { /* out = x + y, x = out + y, ... */
        assert_int_equal(api->begin(s.gpu, &err), 0);
        api->dispatch(s.gpu, s.add, s.args, 4, s.grid, THREADS);
        api->barrier(s.gpu);
        const tn_gpu_arg back[4] = {s.args[2], s.args[1], s.args[0], s.args[3]};
        api->dispatch(s.gpu, s.add, back, 4, s.grid, THREADS);
        api->dispatch(s.gpu, s.add, back, 4, (const uint32_t[]){0, 1, 1}, THREADS); /* nothing */
        assert_int_equal(api->submit(s.gpu, &tickets[i], &err), 0);
        assert_int_equal(tickets[i], i + 1);
    }
    s.element.cols = 0; /* arguments were copied */
    assert_int_equal(driver->n_launch, 0);
    assert_int_equal(api->wait(s.gpu, tickets[38], &err), 0);
    assert_int_equal(driver->n_launch, 78);
    assert_int_equal(api->wait(s.gpu, tickets[0], &err), 0); /* so old that its event is another's */
    assert_int_equal(api->wait(s.gpu, tickets[39], &err), 0);
    assert_int_equal(driver->n_launch, 80);
    assert_int_equal(api->read(s.gpu, s.x, 0, got, sizeof got, &err), 0);
    for (int i = 0; i < N; i++) assert_true(got[i] == 1 + i + 80 * (1.5f + (float)i));
    sums_close(&s);
}

/* As steps do: what the next batch reads is written while the one before it runs, of two inputs in turn. */
static void writes_are_seen_by_the_next_batch(void **state) {
    (void)state;
    enum { ROUNDS = 6 };
    sums s;
    tn_error err = {0};
    uint64_t tickets[ROUNDS];
    float got[N];
    tn_gpu_buffer *in[2], *out[2];
    sums_open(&s);
    fill(&s, s.y, -1);
    in[0] = s.x;
    out[0] = s.out;
    assert_int_equal(api->buffer_new(s.gpu, (N + 1) * sizeof(float), &in[1], &err), 0);
    assert_int_equal(api->buffer_new(s.gpu, N * sizeof(float), &out[1], &err), 0);
    for (int round = 0; round <= ROUNDS; round++) {
        if (round < ROUNDS) {
            if (round % 3) fill(&s, in[round % 2], (float)(1000 * round));
            assert_int_equal(api->begin(s.gpu, &err), 0);
            if (round % 3 == 0) fill(&s, in[round % 2], (float)(1000 * round)); /* as late as that */
            s.args[0].buffer = in[round % 2];
            s.args[2].buffer = out[round % 2];
            api->dispatch(s.gpu, s.add, s.args, 4, s.grid, THREADS);
            assert_int_equal(api->submit(s.gpu, &tickets[round], &err), 0);
        }
        if (round == 0) continue;
        assert_int_equal(api->wait(s.gpu, tickets[round - 1], &err), 0);
        assert_int_equal(driver->n_launch, round); /* the one after it still waits */
        assert_int_equal(api->read(s.gpu, out[(round - 1) % 2], 0, got, sizeof got, &err), 0);
        for (int i = 0; i < N; i++) assert_true(got[i] == (float)(1000 * (round - 1) + 2 * i));
    }
    api->buffer_free(s.gpu, in[1]);
    api->buffer_free(s.gpu, out[1]);
    sums_close(&s);
}

static int submit_one(sums *s, tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg,
                      const uint32_t grid[3], uint32_t n_thread, tn_error *err) {
    uint64_t ticket = 0;
    int rc = api->begin(s->gpu, err);
    if (rc) return rc;
    api->dispatch(s->gpu, k, args, n_arg, grid, n_thread);
    api->dispatch(s->gpu, s->add, s->args, 4, s->grid, THREADS); /* the first error stays */
    rc = api->submit(s->gpu, &ticket, err);
    return rc ? rc : api->wait(s->gpu, ticket, err);
}

static void wrong_dispatches_are_refused(void **state) {
    (void)state;
    sums s;
    tn_error err = {0};
    sums_open(&s);
    fill(&s, s.x, 0);
    fill(&s, s.y, 0);
    tn_gpu_arg args[4];
#define EXPECT(words, n_arg, grid, n_thread)                                                                 \
    do {                                                                                                     \
        assert_int_equal(submit_one(&s, s.add, args, n_arg, grid, n_thread, &err), TN_EDEVICE);              \
        assert_says(err, words);                                                                             \
        memcpy(args, s.args, sizeof args);                                                                   \
    } while (0)
    memcpy(args, s.args, sizeof args);
    EXPECT("takes 4 arguments and was given 3", 3, s.grid, THREADS);
    args[1] = args[3];
    EXPECT("argument 1 is a buffer", 4, s.grid, THREADS);
    args[3] = args[0];
    EXPECT("argument 3 is of 8 bytes and was given 0", 4, s.grid, THREADS);
    args[3].n_bytes = 4;
    EXPECT("argument 3 is of 8 bytes and was given 4", 4, s.grid, THREADS);
    args[0].offset = 2;
    EXPECT("argument 0 begins at 2", 4, s.grid, THREADS);
    args[0].offset = 1 << 20;
    EXPECT("of a buffer of 4004 bytes", 4, s.grid, THREADS);
    EXPECT("512 threads; a multiple of 32, at most 256", 4, s.grid, 512);
    EXPECT("0 threads", 4, s.grid, 0);
    EXPECT("33 threads", 4, s.grid, 33);
    EXPECT("a grid of 1 x 65536 x 1", 4, ((const uint32_t[]){1, 65536, 1}), THREADS);
#undef EXPECT
    assert_int_equal(submit_one(&s, s.add, args, 4, s.grid, THREADS, &err), 0); /* nothing of it stays */
    assert_int_equal(api->wait(s.gpu, 0, &err), TN_EDEVICE);
    assert_says(err, "batch 0 of 1");
    assert_int_equal(api->wait(s.gpu, 2, &err), TN_EDEVICE);
    sums_close(&s);
}

static void failures_of_batches_are_reported(void **state) {
    (void)state;
    sums s;
    tn_error err = {0};
    static const char *const functions[] = {"cuEventRecord", "cuStreamWaitEvent", "cuLaunchKernel",
                                            "cuEventSynchronize", "cuCtxSetCurrent"};
    sums_open(&s);
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        fill(&s, s.x, 0);
        fill(&s, s.y, 0);
        driver->fail = functions[i];
        driver->fail_after = 0;
        driver->fail_with = 304;
        assert_int_equal(submit_one(&s, s.add, s.args, 4, s.grid, THREADS, &err), TN_EDEVICE);
        assert_says(err, "(CUDA_ERROR_FAKE, 304)");
        driver->fail = NULL;
        assert_int_equal(submit_one(&s, s.add, s.args, 4, s.grid, THREADS, &err), 0);
    }
    driver->fail = "cuEventRecord"; /* at submit: nothing was written since */
    driver->fail_after = 0;
    assert_int_equal(submit_one(&s, s.add, s.args, 4, s.grid, THREADS, &err), TN_EDEVICE);
    assert_says(err, "marking the end of a batch");
    driver->fail = NULL;
    sums_close(&s);
}

static void a_fault_ends_the_gpu(void **state) {
    (void)state;
    sums s;
    tn_error err = {0};
    float got[N];
    tn_gpu_buffer *b;
    tn_gpu_kernel *k;
    sums_open(&s);
    fill(&s, s.x, 0);
    driver->fault = 700;
    assert_int_equal(submit_one(&s, s.add, s.args, 4, s.grid, THREADS, &err), TN_EDEVICE);
    assert_says(
        err, "running batch 1: an illegal memory access was encountered (CUDA_ERROR_ILLEGAL_ADDRESS, 700)");
    assert_says(err, "the GPU is lost to this process");
    const int n_launch = driver->n_launch;
    err = (tn_error){0};
    assert_int_equal(submit_one(&s, s.add, s.args, 4, s.grid, THREADS, &err), TN_EDEVICE);
    assert_says(err, "the GPU was lost when running batch 1 failed");
    assert_int_equal(driver->n_launch, n_launch);
    assert_int_equal(api->read(s.gpu, s.out, 0, got, sizeof got, &err), TN_EDEVICE);
    assert_int_equal(api->write(s.gpu, s.out, 0, got, sizeof got, &err), TN_EDEVICE);
    assert_int_equal(api->buffer_new(s.gpu, 1, &b, &err), TN_EDEVICE);
    assert_int_equal(api->kernel(s.gpu, "scale", NULL, 0, &k, &err), TN_EDEVICE);
    assert_int_equal(api->wait(s.gpu, 1, &err), TN_EDEVICE);
    sums_close(&s);
    reset_driver(); /* what was on the GPU went with it */
}

/* FIPS 180-4's examples. */
static void sha256_is_right(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int times;
        const char *digest;
    } cases[] = {
        {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_sha256 h;
        uint8_t got[TN_SHA256_BYTES];
        char text[2 * TN_SHA256_BYTES + 1];
        tn_sha256_init(&h);
        for (int n = 0; n < cases[i].times; n++) tn_sha256_add(&h, cases[i].text, strlen(cases[i].text));
        tn_sha256_end(&h, got);
        for (int b = 0; b < TN_SHA256_BYTES; b++) snprintf(text + 2 * b, 3, "%02x", got[b]);
        assert_string_equal(text, cases[i].digest);
    }
}

static void *must_find(void *library, const char *name) {
    void *p = library ? dlsym(library, name) : NULL;
    if (p) return p;
    printf("Bail out! %s: %s\n", name, dlerror());
    exit(1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(opens_and_says_what_it_is),         TEST(says_what_is_missing),
        TEST(finds_the_compiler_of_a_toolkit),   TEST(every_failure_of_opening_is_reported),
        TEST(memory_holds_what_is_written),      TEST(failures_of_memory_are_reported),
        TEST(kernels_are_compiled_once),         TEST(unknown_gpus_get_code_for_an_older_one),
        TEST(a_damaged_cache_is_no_cache),       TEST(failures_of_kernels_are_reported),
        TEST(all_constants_must_be_given),       TEST(batches_run_in_order),
        TEST(writes_are_seen_by_the_next_batch), TEST(wrong_dispatches_are_refused),
        TEST(failures_of_batches_are_reported),  TEST(a_fault_ends_the_gpu),
        cmocka_unit_test(sha256_is_right),
    };
    find_library(libcuda, "fake_cuda");
    find_library(libnvrtc, "fake_nvrtc");
    void *cuda = dlopen(libcuda, RTLD_NOW), *nvrtc = dlopen(libnvrtc, RTLD_NOW);
    fake_cuda_state_fn *driver_state = (fake_cuda_state_fn *)must_find(cuda, "fake_cuda_state");
    fake_nvrtc_state_fn *compiler_state = (fake_nvrtc_state_fn *)must_find(nvrtc, "fake_nvrtc_state");
    reset_driver = (void (*)(void))must_find(cuda, "fake_cuda_reset");
    reset_compiler = (void (*)(void))must_find(nvrtc, "fake_nvrtc_reset");
    driver = driver_state();
    compiler = compiler_state();
    if (!mkdtemp(cache)) return 1;
    int failed = unit_main(tests);
    empty_cache();
    rmdir(cache);
    return failed;
}
