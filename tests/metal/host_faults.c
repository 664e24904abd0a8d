/* SPDX-License-Identifier: Apache-2.0 */
/* metal/host.m where the machine, the memory, the compiler or the GPU fails. Objects are counted after each.
 */
#include "unit/unit.h"

#include <math.h>

#include "host_test.h"

enum { N = 32 };

/* ---- opening ---- */

static void cannot_open(int code, const char *expected) {
    tn_gpu *g = NULL;
    tn_error err = {0};
    assert_int_equal(tn_metal_open(&host_sources, NULL, &g, &err), code);
    if (!strstr(err.text, expected)) fail_msg("\"%s\", expected \"%s\"", err.text, expected);
    assert_null(g);
    assert_int_equal(standin_live(), 0);
}

void host_without_a_gpu(void **state) {
    (void)state;
    host_reset();
    standin.no_device = true;
    cannot_open(TN_ENOTSUP, "finds no GPU");
    host_reset();
    standin.old_gpu = true;
    cannot_open(TN_ENOTSUP, "family 7");
    host_reset();
    standin.no_queue = true;
    cannot_open(TN_EDEVICE, "no command queue");
}

/* ---- memory ---- */

void host_memory_runs_out(void **state) {
    (void)state;
    host_reset();
    standin.max_buffer = 1 << 20;
    tn_gpu *g = host_open();
    tn_gpu_buffer *a, *b;
    tn_error err = {0};
    assert_int_equal(g->api->buffer_new(g, (1 << 20) + 1, &a, &err), TN_ENOMEM);
    assert_non_null(strstr(err.text, "a buffer of 1048577 bytes: 1 to 1048576 are possible"));
    assert_int_equal(g->api->buffer_new(g, 0, &a, &err), TN_ENOMEM);
    standin.fail_buffer = 2;
    assert_int_equal(g->api->buffer_new(g, 16, &a, &err), 0);
    assert_int_equal(g->api->buffer_new(g, 16, &b, &err), TN_ENOMEM);
    assert_non_null(strstr(err.text, "no memory for a buffer of 16 bytes"));
    assert_int_equal(g->api->buffer_new(g, 16, &b, &err), 0);
    g->api->buffer_free(g, a);
    g->api->buffer_free(g, b);
    host_close(g);
}

/* ---- kernels ---- */

static void no_kernel(tn_gpu *g, const char *name, const tn_gpu_constant *c, uint32_t n, int code,
                      const char *expected) {
    tn_gpu_kernel *k = NULL;
    tn_error err = {0};
    assert_int_equal(g->api->kernel(g, name, c, n, &k, &err), code);
    if (!strstr(err.text, expected)) fail_msg("\"%s\", expected \"%s\"", err.text, expected);
    assert_null(k);
}

static void has_kernel(tn_gpu *g, const char *name) {
    tn_gpu_kernel *k = NULL;
    tn_error err = {0};
    if (g->api->kernel(g, name, NULL, 0, &k, &err)) fail_msg("%s", err.text);
    assert_non_null(k);
}

void host_compilers_fail(void **state) {
    (void)state;
    const tn_gpu_constant one[TN_GPU_MAX_CONSTANTS + 1] = {{TN_FC_ROWS, 1}};
    host_reset();
    tn_gpu *g = host_open();
    no_kernel(g, "no_such", NULL, 0, TN_EDEVICE, "there is no Metal kernel no_such");
    no_kernel(g, "fil", NULL, 0, TN_EDEVICE, "there is no Metal kernel fil");
    no_kernel(g, "affine", one, 1, TN_EDEVICE, "needs a value for constant 2");
    no_kernel(g, "affine", one, TN_GPU_MAX_CONSTANTS + 1, TN_EDEVICE, "17 function constants, 16 at most");
    host_close(g);

    host_reset();
    g = host_open();
    standin.compile_error = true;
    no_kernel(g, "fill", NULL, 0, TN_EDEVICE,
              "tests/metal/host/first.metal does not compile: program_source:1:1: error");
    standin.compile_error = false;
    standin.no_pipeline = true;
    no_kernel(g, "fill", NULL, 0, TN_EDEVICE, "no pipeline: Compute function exceeds");
    standin.no_pipeline = false;
    standin.execution_width = 16;
    no_kernel(g, "fill", NULL, 0, TN_ENOTSUP, "simdgroups of 16 threads, 32 are needed");
    standin.execution_width = 0;
    has_kernel(g, "fill"); /* none of it lasts */
    host_close(g);

    host_reset();
    standin.warnings = true; /* an error object, and all is well */
    g = host_open();
    has_kernel(g, "fill");
    host_close(g);

    static const tn_metal_source unknown[] = {
        {"unknown.metal", "kernel void unknown(device float *x [[buffer(0)]]) {}"}, {0}};
    static const tn_metal_kernels kernels = {unknown, "tn_kernels_0"};
    tn_error err = {0};
    assert_int_equal(tn_metal_open(&kernels, NULL, &g, &err), 0);
    no_kernel(g, "unknown", NULL, 0, TN_EDEVICE, "kernel unknown is not in the simulator");
    host_close(g);
}

/* ---- batches ---- */

static void launch(tn_gpu *g, const char *kernel, tn_gpu_buffer *y, float f) {
    const tn_element_args a = {.cols = N, .f = f};
    const tn_gpu_arg args[] = {{.buffer = y}, {.bytes = &a, .n_bytes = sizeof a}};
    tn_gpu_kernel *k = NULL;
    tn_error err = {0};
    if (g->api->kernel(g, kernel, NULL, 0, &k, &err)) fail_msg("%s", err.text);
    g->api->dispatch(g, k, args, 2, (const uint32_t[3]){1, 1, 1}, N);
}

static void batch(tn_gpu *g, tn_gpu_buffer *y, float f) {
    tn_error err = {0};
    uint64_t ticket;
    if (g->api->begin(g, &err)) fail_msg("%s", err.text);
    launch(g, "fill", y, f);
    if (g->api->submit(g, &ticket, &err)) fail_msg("%s", err.text);
}

/* The second of three batches ends with an error of that code; the others run. */
static void second_fails(int code, const char *expected) {
    float f = NAN;
    tn_gpu_buffer *y = NULL;
    tn_error err = {0};
    host_reset();
    standin.fail_run = 2;
    standin.fail_code = code;
    tn_gpu *g = host_open();
    assert_int_equal(g->api->buffer_new(g, N * sizeof(float), &y, &err), 0);
    for (int i = 1; i <= 3; i++) batch(g, y, (float)i);
    assert_int_equal(g->api->wait(g, 1, &err), 0);
    assert_int_equal(g->api->wait(g, 2, &err), TN_EDEVICE);
    if (!strstr(err.text, "batch 2: ") || !strstr(err.text, expected))
        fail_msg("\"%s\", expected \"%s\"", err.text, expected);
    err = (tn_error){0};
    assert_int_equal(g->api->wait(g, 3, &err), TN_EDEVICE);
    assert_non_null(strstr(err.text, expected));
    assert_int_equal(g->api->wait(g, 1, &err), 0);
    batch(g, y, 4); /* handed over all the same */
    assert_int_equal(g->api->wait(g, 4, &err), TN_EDEVICE);
    assert_int_equal(g->api->read(g, y, 0, &f, sizeof f, &err), 0);
    assert_float_equal(f, 4, 0);
    g->api->buffer_free(g, y);
    host_close(g);
}

static void cannot_begin(const char *expected) {
    tn_error err = {0};
    uint64_t ticket;
    tn_gpu *g = host_open();
    assert_int_equal(g->api->begin(g, &err), TN_EDEVICE);
    assert_non_null(strstr(err.text, expected));
    assert_int_equal(g->api->submit(g, &ticket, &err), TN_EDEVICE);
    assert_int_equal(g->api->begin(g, &err), 0); /* the next one works */
    assert_int_equal(g->api->submit(g, &ticket, &err), 0);
    assert_int_equal(g->api->wait(g, ticket, &err), 0);
    host_close(g);
}

void host_batches_that_fail(void **state) {
    (void)state;
    second_fails(1, "it failed (as ordered, code 1)");
    second_fails(2, "it took too long");
    second_fails(3, "memory was touched that is not there");
    second_fails(4, "no longer lets this program");
    second_fails(8, "out of memory");
    second_fails(9, "a buffer was freed too early");
    second_fails(11, "the GPU is gone");
    host_reset();
    standin.fail_command_buffer = 1;
    cannot_begin("no command buffer");
    host_reset();
    standin.fail_encoder = 1;
    cannot_begin("no command encoder");
}

/* ---- older systems ---- */

static void runs(void) {
    tn_gpu *g = host_open();
    tn_gpu_buffer *y = NULL;
    tn_error err = {0};
    float f = NAN;
    assert_int_equal(g->api->buffer_new(g, N * sizeof(float), &y, &err), 0);
    batch(g, y, 6);
    assert_int_equal(g->api->wait(g, 1, &err), 0);
    assert_int_equal(g->api->read(g, y, 0, &f, sizeof f, &err), 0);
    assert_float_equal(f, 6, 0);
    g->api->buffer_free(g, y);
    host_close(g);
}

/* Residency sets and math modes are newer than what is asked for. */
void host_old_systems(void **state) {
    (void)state;
    uint32_t before = standin_counted.residency_commits;
    host_reset();
    runs();
    assert_true(standin_counted.residency_commits > before);
    before = standin_counted.residency_commits;
    host_reset();
    standin.macos_14 = true;
    runs();
    host_reset();
    standin.no_residency_set = true;
    runs();
    assert_int_equal(standin_counted.residency_commits, before);

    host_reset(); /* a kernel that this GPU cannot run so wide */
    standin.max_threads = 16;
    tn_gpu *g = host_open();
    tn_gpu_buffer *y = NULL;
    tn_error err = {0};
    uint64_t ticket;
    assert_int_equal(g->api->buffer_new(g, N * sizeof(float), &y, &err), 0);
    assert_int_equal(g->api->begin(g, &err), 0);
    launch(g, "fill", y, 1);
    assert_int_equal(g->api->submit(g, &ticket, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "32 threads a threadgroup, this GPU runs 1 to 16"));
    g->api->buffer_free(g, y);
    host_close(g);
}

/* ---- libraries made beforehand ---- */

static void write_library(const char *path, const char *magic, const char *stamp) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(magic, f);
    for (const tn_metal_source *s = host_sources.sources; s->file; s++)
        for (const char *line = s->text, *end; *line; line = end + 1) {
            end = strchr(line, '\n');
            fprintf(f, "%.*s\n", (int)(end - line), line);
        }
    fprintf(f, "kernel void %s() {}\n", stamp);
    fclose(f);
}

/* How often sources were compiled with that library, and what was logged. */
static uint32_t compilations_with(const char *library, char *log, size_t size) {
    char path[] = "/tmp/tn-metal-XXXXXX";
    const uint32_t before = standin_counted.compilations;
    tn_gpu *g = NULL;
    tn_error err = {0};
    const int fd = mkstemp(path), kept = dup(STDERR_FILENO);
    assert_true(fd >= 0);
    dup2(fd, STDERR_FILENO);
    const int rc = tn_metal_open(&host_sources, library, &g, &err);
    dup2(kept, STDERR_FILENO);
    close(kept);
    const ssize_t n = pread(fd, log, size - 1, 0);
    log[n > 0 ? n : 0] = '\0';
    close(fd);
    unlink(path);
    assert_int_equal(rc, 0);
    has_kernel(g, "fill");
    host_close(g);
    return standin_counted.compilations - before;
}

void host_prebuilt_libraries(void **state) {
    (void)state;
    char path[] = "/tmp/tn-metallib-XXXXXX", log[1000];
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    host_reset();
    write_library(path, STANDIN_LIBRARY_MAGIC, host_sources.stamp);
    assert_int_equal(compilations_with(path, log, sizeof log), 0);
    assert_string_equal(log, "");
    write_library(path, STANDIN_LIBRARY_MAGIC, "tn_kernels_1_2");
    assert_int_equal(compilations_with(path, log, sizeof log), 1);
    assert_non_null(strstr(log, "made of other kernels than this program's"));
    write_library(path, "not a library\n", host_sources.stamp);
    assert_int_equal(compilations_with(path, log, sizeof log), 1);
    assert_non_null(strstr(log, "Invalid library file; compiling the kernels instead"));
    unlink(path);
    assert_int_equal(compilations_with(path, log, sizeof log), 1);
    assert_non_null(strstr(log, path));
}
