/* SPDX-License-Identifier: Apache-2.0 */
/* metal/host.m over the stand-in for Metal: memory, kernels, batches; and that the stand-in notices mistakes.
 */
#include "unit/unit.h"

#include <math.h>
#include <signal.h>
#include <sys/mman.h>

#include "device/gpu/check.h"
#include "host_test.h"
#include "libraries.h"

enum { N = 32 };

void host_reset(void) {
    static const sim_library *const libraries[] = {&host_kernels, NULL};
    standin = (standin_options){0};
    standin_use(libraries);
}

bool host_dies(void (*f)(void), const char *expected) {
    char text[2000];
    int fds[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        signal(SIGSEGV, SIG_DFL); /* not the test library's */
        f();
        _exit(0);
    }
    close(fds[1]);
    while ((got = read(fds[0], text + n, sizeof text - 1 - n)) > 0) n += (size_t)got;
    text[n] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, expected)) return true;
    printf("# status %#x: %s\n", (unsigned)status, text);
    return false;
}

tn_gpu *host_open(void) {
    tn_error err = {0};
    tn_gpu *g = NULL;
    if (tn_metal_open(&host_sources, NULL, &g, &err)) fail_msg("%s", err.text);
    return g;
}

void host_close(tn_gpu *g) {
    tn_gpu_metal.close(g);
    assert_int_equal(standin_live(), 0);
}

/* ---- memory ---- */

static void memory_is_written_and_read(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    tn_gpu_buffer *b;
    tn_error err = {0};
    float in[4] = {1, 2, 3, 4}, out[4];
    assert_int_equal(g->api->buffer_new(g, sizeof in, &b, &err), 0);
    assert_int_equal(g->api->read(g, b, 0, out, sizeof out, &err), 0);
    assert_true(isnan(out[0]) && isnan(out[3]));
    assert_int_equal(g->api->write(g, b, 0, in, sizeof in, &err), 0);
    assert_int_equal(g->api->read(g, b, 4, out, 12, &err), 0);
    assert_memory_equal(out, in + 1, 12);
    assert_int_equal(g->api->write(g, b, 16, in, 0, &err), 0);
    assert_int_equal(g->api->write(g, b, 4, in, sizeof in, &err), TN_EDEVICE);
    assert_string_equal(err.text, "16 bytes at 4 are not in a buffer of 16");
    assert_int_equal(g->api->read(g, b, UINT64_MAX, out, 1, &err), TN_EDEVICE);
    g->api->buffer_free(g, b);
    g->api->buffer_free(g, NULL);
    host_close(g);
}

/* Nothing but the caller holds a buffer: its memory is back when it is freed. */
static void freed_memory_is_free(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    tn_gpu_buffer *b;
    tn_error err = {0};
    uint64_t ticket;
    const size_t before = standin_live();
    assert_int_equal(g->api->buffer_new(g, 1 << 20, &b, &err), 0);
    assert_int_equal(standin_live(), before + 1);
    assert_int_equal(g->api->begin(g, &err), 0); /* from here on it is in the residency set */
    assert_int_equal(g->api->submit(g, &ticket, &err), 0);
    assert_int_equal(g->api->wait(g, ticket, &err), 0);
    g->api->buffer_free(g, b);
    assert_int_equal(standin_live(), before);
    host_close(g);
}

static void what_the_gpu_is(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    const tn_gpu_info *info = g->api->info(g);
    assert_string_equal(info->name, "a stand-in for Metal");
    assert_int_equal(info->wrap_align, sysconf(_SC_PAGESIZE));
    assert_int_equal(info->working_set, (uint64_t)16 << 30);
    assert_int_equal(info->max_buffer, (uint64_t)16 << 30);
    assert_ptr_equal(g->api, &tn_gpu_metal);
    host_close(g);
}

/* ---- kernels ---- */

static tn_gpu_kernel *kernel_with(tn_gpu *g, const char *name, uint32_t n, const tn_gpu_constant *c) {
    tn_gpu_kernel *k = NULL;
    tn_error err = {0};
    if (g->api->kernel(g, name, c, n, &k, &err)) fail_msg("%s", err.text);
    return k;
}

static tn_gpu_buffer *buffer_of(tn_gpu *g, uint64_t n_float) {
    tn_gpu_buffer *b = NULL;
    tn_error err = {0};
    if (g->api->buffer_new(g, n_float * sizeof(float), &b, &err)) fail_msg("%s", err.text);
    return b;
}

static void begin(tn_gpu *g) {
    tn_error err = {0};
    if (g->api->begin(g, &err)) fail_msg("%s", err.text);
}

static uint64_t submit(tn_gpu *g) {
    tn_error err = {0};
    uint64_t ticket = 0;
    if (g->api->submit(g, &ticket, &err)) fail_msg("%s", err.text);
    return ticket;
}

static void wait_for(tn_gpu *g, uint64_t ticket) {
    tn_error err = {0};
    if (g->api->wait(g, ticket, &err)) fail_msg("%s", err.text);
}

static void launch(tn_gpu *g, tn_gpu_kernel *k, tn_gpu_buffer *x, tn_gpu_buffer *y, uint64_t offset,
                   float f) {
    const tn_element_args a = {.cols = N, .f = f};
    tn_gpu_arg args[3];
    uint32_t n = 0;
    if (x) args[n++] = (tn_gpu_arg){.buffer = x};
    args[n++] = (tn_gpu_arg){.buffer = y, .offset = offset};
    args[n++] = (tn_gpu_arg){.bytes = &a, .n_bytes = sizeof a};
    g->api->dispatch(g, k, args, n, (const uint32_t[3]){1, 1, 1}, N);
}

static float at(tn_gpu *g, tn_gpu_buffer *b, uint64_t i) {
    tn_error err = {0};
    float f = NAN;
    if (g->api->read(g, b, i * sizeof f, &f, sizeof f, &err)) fail_msg("%s", err.text);
    return f;
}

static void constants_make_kernels(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    const tn_gpu_constant c3[] = {{TN_FC_ROWS, 3}, {TN_FC_BITS, 100}},
                          c5[] = {{TN_FC_ROWS, 5}, {TN_FC_BITS, 200}};
    const standin_counts before = standin_counted;
    tn_gpu_kernel *by3 = kernel_with(g, "affine", 2, c3), *by5 = kernel_with(g, "affine", 2, c5);
    assert_ptr_not_equal(by3, by5);
    assert_ptr_equal(by3, kernel_with(g, "affine", 2, c3));
    assert_ptr_equal(by5, kernel_with(g, "affine", 2, c5));
    assert_int_equal(standin_counted.pipelines - before.pipelines, 2);
    assert_int_equal(standin_counted.compilations - before.compilations, 1);

    tn_gpu_buffer *x = buffer_of(g, N), *y3 = buffer_of(g, N), *y5 = buffer_of(g, N);
    float in[N];
    tn_error err = {0};
    for (int i = 0; i < N; i++) in[i] = (float)i;
    assert_int_equal(g->api->write(g, x, 0, in, sizeof in, &err), 0);
    begin(g);
    launch(g, by3, x, y3, 0, 0.5f);
    launch(g, by5, x, y5, 0, 0.25f);
    wait_for(g, submit(g));
    assert_float_equal(at(g, y3, 7), 121.5, 0);
    assert_float_equal(at(g, y5, 31), 355.25, 0);
    g->api->buffer_free(g, x);
    g->api->buffer_free(g, y3);
    g->api->buffer_free(g, y5);
    host_close(g);
}

static void a_file_is_compiled_when_wanted(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    const uint32_t before = standin_counted.compilations;
    const tn_gpu_constant c = {TN_FC_GROUP, 2};
    kernel_with(g, "fill", 0, NULL);
    kernel_with(g, "twice", 0, NULL);
    assert_int_equal(standin_counted.compilations - before, 1);
    kernel_with(g, "sum4", 1, &c);
    assert_int_equal(standin_counted.compilations - before, 2);
    host_close(g);
}

static void text_is_as_in_the_file(void **state) {
    (void)state;
    const char *text = host_sources.sources[0].text;
    assert_string_equal(host_sources.sources[0].file, "tests/metal/host/first.metal");
    assert_non_null(strstr(text, "spoil: \\ \" ?\?/ \\n %d */"));
    assert_non_null(strstr(text, "#define TWICE(x) \\\n    ((x) + (x))\n"));
    assert_non_null(strstr(text, "} tn_element_args;"));
    assert_null(strstr(text, "#include \"metal/args.h\""));
    assert_non_null(strstr(text, "#line 6 \"tests/metal/host/first.metal\"\n\nusing namespace metal;"));
    assert_string_not_equal(host_sources.stamp, tn_metal_embedded.stamp);
}

/* ---- memory of the host's ---- */

static void memory_of_the_host_is_read(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    float *p = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tn_gpu_buffer *x, *y = buffer_of(g, N);
    const tn_gpu_constant c = {TN_FC_GROUP, 2};
    tn_error err = {0};
    for (int i = 0; i < 4 * N; i++) p[i] = (float)i;
    mprotect(p, 2 * page, PROT_READ);

    assert_int_equal(g->api->buffer_wrap(g, (char *)p + 4, page, &x, &err), TN_ENOTSUP);
    assert_int_equal(g->api->buffer_wrap(g, p, page + 4, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "both must be multiples of"));
    assert_int_equal(g->api->buffer_wrap(g, p, 2 * page, &x, &err), 0);
    begin(g);
    launch(g, kernel_with(g, "sum4", 1, &c), x, y, 0, 0);
    wait_for(g, submit(g));
    assert_float_equal(at(g, y, 0), 12, 0);
    assert_float_equal(at(g, y, 2), 76, 0);
    g->api->buffer_free(g, x);
    g->api->buffer_free(g, y);
    host_close(g);
    assert_float_equal(p[5], 5, 0); /* still the host's */
    munmap(p, 2 * page);
}

/* ---- batches ---- */

/* y = 1; y = 2 y + f, twice; another batch does the last part once more. */
static float run_chain(uint32_t seed) {
    host_reset();
    standin.seed = seed;
    tn_gpu *g = host_open();
    tn_gpu_kernel *fill = kernel_with(g, "fill", 0, NULL), *twice = kernel_with(g, "twice", 0, NULL);
    tn_gpu_buffer *y = buffer_of(g, N);
    begin(g);
    launch(g, fill, NULL, y, 0, 1);
    g->api->barrier(g);
    launch(g, twice, NULL, y, 0, 3);
    g->api->barrier(g);
    launch(g, twice, NULL, y, 0, 4);
    assert_int_equal(submit(g), 1);
    begin(g);
    launch(g, twice, NULL, y, 0, 5);
    assert_int_equal(submit(g), 2);
    wait_for(g, 2);
    wait_for(g, 1);
    wait_for(g, 0);
    const float got = at(g, y, N - 1);
    g->api->buffer_free(g, y);
    host_close(g);
    return got;
}

static void batches_come_one_after_the_other(void **state) {
    (void)state;
    for (uint32_t seed = 0; seed < 20; seed++) assert_float_equal(run_chain(seed), 33, 0);
}

static void a_pipeline_is_set_when_it_changes(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    tn_gpu_kernel *fill = kernel_with(g, "fill", 0, NULL);
    tn_gpu_buffer *a = buffer_of(g, N), *b = buffer_of(g, N);
    const standin_counts before = standin_counted;
    begin(g);
    launch(g, fill, NULL, a, 0, 1);
    launch(g, fill, NULL, b, 0, 2);
    wait_for(g, submit(g));
    assert_int_equal(standin_counted.pipeline_changes - before.pipeline_changes, 1);
    assert_int_equal(standin_counted.dispatches - before.dispatches, 2);
    assert_float_equal(at(g, a, 0), 1, 0);
    assert_float_equal(at(g, b, 0), 2, 0);
    begin(g); /* a new encoder knows nothing of it */
    launch(g, fill, NULL, a, 0, 3);
    wait_for(g, submit(g));
    assert_float_equal(at(g, a, 0), 3, 0);
    g->api->buffer_free(g, a);
    g->api->buffer_free(g, b);
    host_close(g);
}

/* Two parts of one buffer, no barrier: fine, and the stand-in has looked. */
static void parts_of_a_buffer_are_independent(void **state) {
    (void)state;
    host_reset();
    standin.seed = 7;
    tn_gpu *g = host_open();
    tn_gpu_kernel *fill = kernel_with(g, "fill", 0, NULL);
    tn_gpu_buffer *y = buffer_of(g, 2 * N);
    const uint32_t before = standin_counted.orders;
    begin(g);
    launch(g, fill, NULL, y, 0, 1);
    launch(g, fill, NULL, y, N * sizeof(float), 2);
    wait_for(g, submit(g));
    assert_int_equal(standin_counted.orders - before, 1);
    assert_float_equal(at(g, y, N - 1), 1, 0);
    assert_float_equal(at(g, y, N), 2, 0);
    g->api->buffer_free(g, y);
    host_close(g);
}

static void many_batches_are_under_way(void **state) {
    (void)state;
    enum { MANY = 100 };
    host_reset();
    tn_gpu *g = host_open();
    tn_gpu_kernel *twice = kernel_with(g, "twice", 0, NULL);
    tn_gpu_buffer *y = buffer_of(g, N);
    const float zeros[N] = {0};
    tn_error err = {0};
    assert_int_equal(g->api->write(g, y, 0, zeros, sizeof zeros, &err), 0);
    for (uint64_t i = 1; i <= MANY; i++) {
        begin(g);
        launch(g, twice, NULL, y, 0, i == MANY ? 1 : 0);
        assert_int_equal(submit(g), i);
    }
    wait_for(g, MANY);
    assert_float_equal(at(g, y, 3), 1, 0);
    g->api->buffer_free(g, y);
    host_close(g); /* some other one may be begun and not handed over */
    g = host_open();
    begin(g);
    host_close(g);
}

static void forget_to_wait(void) {
    host_reset();
    tn_gpu *g = host_open();
    tn_gpu_buffer *y = buffer_of(g, N);
    begin(g);
    launch(g, kernel_with(g, "fill", 0, NULL), NULL, y, 0, 1);
    submit(g);
    printf("%g\n", (double)at(g, y, 0));
}

static void forget_a_barrier(void) {
    host_reset();
    standin.seed = 3;
    tn_gpu *g = host_open();
    tn_gpu_buffer *y = buffer_of(g, N);
    begin(g);
    launch(g, kernel_with(g, "fill", 0, NULL), NULL, y, 0, 1);
    launch(g, kernel_with(g, "twice", 0, NULL), NULL, y, 0, 1);
    wait_for(g, submit(g));
}

static void a_host_that_forgets_is_noticed(void **state) {
    (void)state;
    assert_true(host_dies(forget_to_wait, "the host touches a buffer"));
    assert_true(host_dies(forget_a_barrier, "their order matters"));
}

static void misuse_is_noticed(void **state) {
    (void)state;
    int n = 0;
    host_reset();
    for (const misuse *m = misuses; m->name; m++, n++)
        if (!host_dies(m->run, m->expected)) fail_msg("%s: expected \"%s\"", m->name, m->expected);
    printf("# %d mistakes noticed\n", n);
}

/* ---- wrong calls ---- */

static void wrong_calls_are_refused(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    tn_error err = {0};
    uint64_t ticket = 77;
    assert_int_equal(g->api->submit(g, &ticket, &err), TN_EDEVICE);
    assert_string_equal(err.text, "no batch is begun");
    begin(g);
    assert_int_equal(g->api->begin(g, &err), TN_EDEVICE);
    assert_string_equal(err.text, "a batch is begun already");
    assert_int_equal(submit(g), 1);
    assert_int_equal(g->api->wait(g, 2, &err), TN_EDEVICE);
    assert_string_equal(err.text, "there is no batch 2 yet, the last is 1");
    wait_for(g, 1);
    assert_int_equal(ticket, 77);
    host_close(g);
}

/* What submit says of a dispatch with these arguments. */
static int refused(tn_gpu *g, const tn_gpu_arg *args, uint32_t n, uint32_t n_thread, tn_error *err) {
    uint64_t ticket;
    begin(g);
    g->api->dispatch(g, kernel_with(g, "fill", 0, NULL), args, n, (const uint32_t[3]){1, 1, 1}, n_thread);
    g->api->barrier(g);
    return g->api->submit(g, &ticket, err);
}

static void wrong_arguments_fail_the_batch(void **state) {
    (void)state;
    static const char big[TN_GPU_MAX_BYTES + 1];
    host_reset();
    tn_gpu *g = host_open();
    tn_gpu_buffer *y = buffer_of(g, N);
    const tn_element_args a = {.cols = N, .f = 9};
    const tn_gpu_arg out = {.buffer = y}, ok[2] = {out, {.bytes = &a, .n_bytes = sizeof a}};
    const tn_gpu_arg beyond[2] = {{.buffer = y, .offset = N * sizeof(float)}, ok[1]};
    const tn_gpu_arg none[2] = {out, {0}}, large[2] = {out, {.bytes = big, .n_bytes = sizeof big}};
    tn_gpu_arg many[TN_GPU_MAX_ARGS + 1];
    tn_error err = {0};
    for (int i = 0; i <= TN_GPU_MAX_ARGS; i++) many[i] = out;
    assert_int_equal(refused(g, beyond, 2, N, &err), TN_EDEVICE);
    assert_string_equal(err.text, "kernel fill: argument 0 begins at byte 128 of a buffer of 128");
    assert_int_equal(refused(g, none, 2, N, &err), TN_EDEVICE);
    assert_string_equal(err.text, "kernel fill: argument 1: 0 bytes by value, 1 to 4096 are possible");
    assert_int_equal(refused(g, large, 2, N, &err), TN_EDEVICE);
    assert_int_equal(refused(g, many, TN_GPU_MAX_ARGS + 1, N, &err), TN_EDEVICE);
    assert_int_equal(refused(g, ok, 2, 0, &err), TN_ENOTSUP);
    assert_int_equal(refused(g, ok, 2, 1025, &err), TN_ENOTSUP);
    assert_string_equal(err.text, "kernel fill: 1025 threads a threadgroup, this GPU runs 1 to 1024 of it");
    assert_int_equal(refused(g, ok, 2, N, &err), 0);
    wait_for(g, 1);
    assert_float_equal(at(g, y, 0), 9, 0);
    g->api->buffer_free(g, y);
    host_close(g);
}

static void no_threadgroup_is_no_work(void **state) {
    (void)state;
    host_reset();
    tn_gpu *g = host_open();
    const uint32_t before = standin_counted.dispatches;
    begin(g);
    for (int i = 0; i < 3; i++) {
        uint32_t groups[3] = {1, 1, 1};
        groups[i] = 0;
        g->api->dispatch(g, kernel_with(g, "fill", 0, NULL), NULL, 0, groups, N);
    }
    wait_for(g, submit(g));
    assert_int_equal(standin_counted.dispatches, before);
    host_close(g);
}

/* ---- the program's own kernels ---- */

static tn_gpu *open_embedded(void) {
    static const sim_library *const libraries[] = {&metal_kernels, NULL};
    tn_gpu *g = NULL;
    tn_error err = {0};
    host_reset();
    standin_use(libraries);
    unsetenv("TENON_METALLIB");
    if (tn_gpu_metal.open(&g, &err)) fail_msg("%s", err.text);
    return g;
}

static void every_kernel_is_in_the_program(void **state) {
    (void)state;
    tn_gpu *g = open_embedded();
    const sim_kernel *k;
    for (size_t i = 0; (k = sim_kernel_at(&metal_kernels, i)) != NULL; i++) {
        tn_gpu_constant constants[TN_GPU_MAX_CONSTANTS] = {0};
        uint32_t n = 0;
        while (sim_kernel_constant(k, n, &constants[n].index) == 0) n++;
        kernel_with(g, sim_kernel_name(k), n, constants);
    }
    host_close(g);
}

/* Another order of dispatches and threads in each check. */
static void checks_pass(void **state) {
    (void)state;
    uint32_t n = 0;
    tn_gpu *g = open_embedded();
    for (size_t t = 0; tn_gpu_checks[t]; t++)
        for (const tn_gpu_check *c = tn_gpu_checks[t]; c->kernel; c++, n++) {
            tn_error err = {0};
            standin.seed = n + 1;
            sim_seed(n + 1);
            const double off = c->run(c, g, 0, 1, &err);
            if (!(off <= c->tolerance))
                fail_msg("%s %s: off by %g, %g allowed. %s", c->kernel, c->variant, off, c->tolerance,
                         err.text);
        }
    sim_seed(0);
    printf("# %u checks\n", n);
    host_close(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_gpu_is),
        cmocka_unit_test(memory_is_written_and_read),
        cmocka_unit_test(freed_memory_is_free),
        cmocka_unit_test(memory_of_the_host_is_read),
        cmocka_unit_test(constants_make_kernels),
        cmocka_unit_test(a_file_is_compiled_when_wanted),
        cmocka_unit_test(text_is_as_in_the_file),
        cmocka_unit_test(batches_come_one_after_the_other),
        cmocka_unit_test(a_pipeline_is_set_when_it_changes),
        cmocka_unit_test(parts_of_a_buffer_are_independent),
        cmocka_unit_test(many_batches_are_under_way),
        cmocka_unit_test(a_host_that_forgets_is_noticed),
        cmocka_unit_test(misuse_is_noticed),
        cmocka_unit_test(wrong_calls_are_refused),
        cmocka_unit_test(wrong_arguments_fail_the_batch),
        cmocka_unit_test(no_threadgroup_is_no_work),
        cmocka_unit_test(host_without_a_gpu),
        cmocka_unit_test(host_memory_runs_out),
        cmocka_unit_test(host_compilers_fail),
        cmocka_unit_test(host_batches_that_fail),
        cmocka_unit_test(host_old_systems),
        cmocka_unit_test(host_prebuilt_libraries),
        cmocka_unit_test(every_kernel_is_in_the_program),
        cmocka_unit_test(checks_pass),
    };
    return unit_main(tests);
}
