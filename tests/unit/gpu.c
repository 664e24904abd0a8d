/* SPDX-License-Identifier: Apache-2.0 */
/* What the GPU devices do when the GPU refuses: each failure is reported, in the GPU's words, and nothing is
 * left behind. */
#include "unit/unit.h"

#include "device/gpu/exec.h"
#include "device/tiny_model.h"
#include "modules/loader.h"
#include "sched/model.h"
#include "unit/fake_gpu.h"

enum { N_TOKEN = 8, PAGE_TOKENS = 4, N_PAGE = N_TOKEN / PAGE_TOKENS };

static tn_tiny_model tiny;
static tn_device *device;
static tn_error err;

static const tn_exec_config config = {.max_tokens = N_TOKEN,
                                      .max_seqs = 2,
                                      .max_rows = 2,
                                      .page_tokens = PAGE_TOKENS,
                                      .n_page = {2 * N_PAGE, 2 * N_PAGE},
                                      .max_seq_pages = N_PAGE,
                                      .kv_type = TN_TYPE_F16,
                                      .compute = TN_COMPUTE_AUTO,
                                      .taps = true};

static int set_up(void **state) {
    (void)state;
    fake_reset();
    err = (tn_error){0};
    tn_tiny_model_init(&tiny);
    return fake_device.open(&(tn_device_options){0}, &device, &err);
}

static int tear_down(void **state) {
    (void)state;
    device->cls->close(device);
    tn_tiny_model_fini(&tiny);
    return 0;
}

static int lower(tn_exec **ret) {
    return fake_device.lower(device, &tiny.program, &config, NULL, NULL, ret, &err);
}

static tn_exec *must_lower(void) {
    tn_exec *x;
    if (lower(&x) != 0) fail_msg("%s", err.text);
    return x;
}

static void expect_error(int rc, int want, const char *part) {
    if (rc != want || err.code != want)
        fail_msg("status %d (%d) instead of %d: %s", rc, err.code, want, err.text);
    if (!strstr(err.text, part)) fail_msg("no \"%s\" in: %s", part, err.text);
}

/* ---- loading ---- */

/* Lowers again and again; each time the call after the last one fails. How many there are. */
static uint32_t fail_each(fake_call call, int want, const char *name) {
    for (uint32_t n = 1;; n++) {
        char part[64];
        tn_exec *x;
        fake_fail(call, n);
        err = (tn_error){0};
        int rc = lower(&x);
        if (rc == 0) {
            fake_device.exec_free(x);
            assert_int_equal(fake.n_buffer, 0);
            return n - 1;
        }
        snprintf(part, sizeof part, "fake: %s %u", name, n);
        expect_error(rc, want, part);
        assert_int_equal(fake.n_buffer, 0);
    }
}

static void every_failure_of_loading_is_reported(void **state) {
    (void)state;
    /* Weights, tables, slots, taps, pools, inputs, scratch. */
    assert_true(fail_each(FAKE_BUFFER_NEW, TN_ENOMEM, "buffer_new") > 30);
    assert_true(fail_each(FAKE_WRITE, TN_EDEVICE, "write") > 15);
    assert_true(fail_each(FAKE_KERNEL, TN_EDEVICE, "kernel") > 50);
}

typedef struct watcher {
    uint32_t n, stop_at;
    uint64_t done, total;
} watcher;

static int on_progress(void *ctx, uint64_t done, uint64_t total) {
    watcher *w = ctx;
    assert_true(done > w->done && done <= total);
    w->done = done;
    w->total = total;
    return ++w->n == w->stop_at;
}

static void loading_can_be_cancelled(void **state) {
    (void)state;
    watcher w = {0};
    tn_exec *x;
    assert_int_equal(fake_device.lower(device, &tiny.program, &config, on_progress, &w, &x, &err), 0);
    fake_device.exec_free(x);
    assert_true(w.n > 10 && w.done == w.total);
    for (uint32_t k = 1; k <= w.n; k++) {
        watcher stopped = {.stop_at = k};
        expect_error(fake_device.lower(device, &tiny.program, &config, on_progress, &stopped, &x, &err),
                     TN_ECANCELED, "cancelled");
        assert_int_equal(stopped.n, k);
        assert_int_equal(fake.n_buffer, 0);
    }
}

/* ---- weights in place ---- */

static bool is_matrix(tn_weight w) {
    for (uint32_t i = 0; i < tiny.program.n_op; i++)
        if ((tiny.ops[i].kind == TN_OP_LINEAR || tiny.ops[i].kind == TN_OP_EMBED) && tiny.ops[i].w == w)
            return true;
    return false;
}

/* Every matrix is where kernels look for it, byte for byte; how many there are, and how many in place. */
static uint32_t count_matrices(tn_exec *base, uint32_t *ret_in_place) {
    const tn_gpu_exec *x = (const tn_gpu_exec *)base;
    uint32_t n = 0;
    *ret_in_place = 0;
    for (tn_weight w = 1; w <= tiny.program.n_weight; w++) {
        const tn_gpu_arg *a = &x->weights[w].data;
        const tn_tensor *t = &tiny.tensors[w];
        if (!is_matrix(w)) continue;
        assert_true(a->offset % 4 == 0 && a->offset + t->bytes <= a->buffer->bytes);
        assert_memory_equal(a->buffer->memory + a->offset, t->data, t->bytes);
        *ret_in_place += a->buffer->memory + a->offset == t->data;
        n++;
    }
    return n;
}

static void weights_are_used_in_place(void **state) {
    (void)state;
    uint32_t in_place, n;
    fake.info.wrap_align = 16;
    tn_exec *x = must_lower();
    n = count_matrices(x, &in_place);
    assert_true(n > 10 && in_place == n && fake.n_call[FAKE_BUFFER_WRAP] == n);
    fake_device.exec_free(x);
    assert_int_equal(fake.n_buffer, 0);
}

static void weights_that_cannot_be_wrapped_are_copied(void **state) {
    (void)state;
    tn_exec *x;
    fake.info.wrap_align = 16;
    fake_fail(FAKE_BUFFER_WRAP, 3);
    uint32_t in_place;
    x = must_lower();
    assert_true(count_matrices(x, &in_place) > in_place && in_place == 2);
    fake_device.exec_free(x);
    assert_int_equal(fake.n_buffer, 0);
}

static void weights_at_odd_addresses_are_copied(void **state) {
    (void)state;
    tn_tensor *t = &tiny.tensors[1];
    const uint8_t *aligned = t->data;
    uint8_t *odd = malloc(t->bytes + 1);
    uint32_t in_place, n;
    assert_true(is_matrix(1));
    t->data = memcpy(odd + 1, aligned, t->bytes);
    fake.info.wrap_align = 16;
    tn_exec *x = must_lower();
    n = count_matrices(x, &in_place);
    assert_int_equal(in_place, n - 1);
    fake_device.exec_free(x);
    t->data = aligned;
    free(odd);
}

/* ---- limits ---- */

static void a_buffer_beyond_the_limit_is_named(void **state) {
    (void)state;
    tn_exec *x;
    tn_exec_size size;
    char part[64];
    const uint64_t table = tiny.tensors[1].bytes; /* the embedding, the first to be loaded */
    snprintf(part, sizeof part, "%llu bytes in one piece, this GPU takes at most %llu",
             (unsigned long long)table, (unsigned long long)table - 1);
    assert_true(is_matrix(1));
    fake.info.max_buffer = table - 1;
    tiny.weights[1].name = "token_embd";
    expect_error(lower(&x), TN_ELIMIT, part);
    expect_error(lower(&x), TN_ELIMIT, "token_embd: ");
    assert_int_equal(fake.n_buffer, 0);
    expect_error(fake_device.size(device, &tiny.program, &config, &size, &err), TN_ELIMIT, part);

    fake.info.max_buffer = 64;
    expect_error(lower(&x), TN_ELIMIT, "vectors: "); /* they come first */
    assert_int_equal(fake.n_buffer, 0);
}

static void a_wrapped_page_may_not_exceed_the_limit(void **state) {
    (void)state;
    uint32_t in_place;
    fake.info.wrap_align = 1 << 14;
    fake.info.max_buffer = (1 << 14) - 1;
    tn_exec *x = must_lower(); /* the fake would stop the test if it were asked to wrap */
    count_matrices(x, &in_place);
    assert_int_equal(in_place, 0);
    fake_device.exec_free(x);
}

static void sizes_are_those_of_lowering(void **state) {
    (void)state;
    tn_exec_size size;
    assert_int_equal(fake_device.size(device, &tiny.program, &config, &size, &err), 0);
    assert_true(fake.n_buffer == 0 && fake.n_call[FAKE_BUFFER_NEW] == 0 && fake.n_call[FAKE_KERNEL] == 0);
    tn_exec *x = must_lower();
    assert_memory_equal(&size, &((tn_gpu_exec *)x)->size, sizeof size);
    fake_device.exec_free(x);
    fake.info.wrap_align = 16;
    const uint64_t copied = size.weights;
    assert_int_equal(fake_device.size(device, &tiny.program, &config, &size, &err), 0);
    assert_true(size.weights < copied); /* matrices stay in the file */
}

static void configurations_are_checked(void **state) {
    (void)state;
    tn_exec *x;
    tn_exec_config c = config;
    c.page_tokens = 3;
    expect_error(fake_device.lower(device, &tiny.program, &c, NULL, NULL, &x, &err), TN_EINVAL,
                 "pages of 3 tokens");
    c = config;
    c.max_tokens = 0;
    expect_error(fake_device.lower(device, &tiny.program, &c, NULL, NULL, &x, &err), TN_EINVAL,
                 "0 tokens and 2 sequences");
}

/* ---- steps ---- */

static int step(tn_exec *x, uint32_t n_token) {
    static const int32_t ids[N_TOKEN + 1];
    static const uint32_t pos[N_TOKEN + 1] = {0, 1, 2, 3, 4, 5, 6, 7}, seq[N_TOKEN + 1],
                                        pages[N_PAGE] = {0, 1}, rows[1] = {0};
    const tn_step_seq s = {
        .n_token = n_token, .n_generated = n_token / 2, .pages = {pages, pages}, .n_page = N_PAGE};
    const tn_step t = {.ids = ids,
                       .pos = pos,
                       .seq = seq,
                       .n_token = n_token,
                       .seqs = &s,
                       .n_seq = 1,
                       .rows = rows,
                       .n_row = 1};
    err = (tn_error){0};
    return fake_device.step(x, &t, &err);
}

static void failures_of_a_step_are_reported(void **state) {
    (void)state;
    static const struct {
        fake_call call;
        uint32_t n;
        const char *text;
    } cases[] = {{FAKE_WRITE, 1, "fake: write 1"},
                 {FAKE_WRITE, 3, "fake: write 3"}, /* tokens; a page table */
                 {FAKE_BEGIN, 1, "fake: begin 1"},
                 {FAKE_SUBMIT, 1, "fake: submit 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_exec *x = must_lower();
        assert_int_equal(step(x, N_TOKEN), 0);
        fake_fail(cases[i].call, cases[i].n);
        expect_error(step(x, 1), TN_EDEVICE, cases[i].text);
        fake_device.exec_free(x);
        assert_int_equal(fake.n_buffer, 0);
        fake_reset();
    }
}

/* A batch that failed shows when its results are asked for, or when its input buffer is wanted again. */
static void failures_of_a_batch_are_reported(void **state) {
    (void)state;
    const float *out;
    tn_exec *x = must_lower();
    assert_int_equal(step(x, N_TOKEN), 0);
    fake_fail(FAKE_READ, 1);
    expect_error(fake_device.logits(x, &out, &err), TN_EDEVICE, "fake: read 1");
    fake_fail(FAKE_WAIT, 1);
    expect_error(fake_device.logits(x, &out, &err), TN_EDEVICE, "fake: wait 1");
    expect_error(fake_device.tap(x, 0, &out, &err), TN_EDEVICE, "fake: wait 2");
    assert_int_equal(step(x, 1), 0); /* the other buffer */
    expect_error(step(x, 1), TN_EDEVICE, "fake: wait 3");
    fake_device.exec_free(x);
    assert_int_equal(fake.n_buffer, 0);
}

static void a_page_that_was_not_copied_stops_the_device(void **state) {
    (void)state;
    static const fake_call calls[] = {FAKE_BEGIN, FAKE_SUBMIT};
    for (size_t i = 0; i < 2; i++) {
        tn_exec *x = must_lower();
        assert_int_equal(step(x, N_TOKEN), 0);
        fake_fail(calls[i], 1);
        fake_device.copy_page(x, 0, 0, 1);
        fake.fail_at = 0;
        expect_error(step(x, 1), TN_EDEVICE,
                     i ? "copying a page: fake: submit 1" : "copying a page: fake: begin 1");
        expect_error(step(x, 1), TN_EDEVICE, "copying a page: ");
        fake_device.exec_free(x);
        fake_reset();
    }
}

static void steps_too_large_are_refused(void **state) {
    (void)state;
    tn_exec *x = must_lower();
    expect_error(step(x, N_TOKEN + 1), TN_EINVAL,
                 "a step of 9 tokens, 1 sequences, 1 rows; lowered for 8, 2, 2");
    expect_error(step(x, 0), TN_EINVAL, "a step of 0 tokens");
    assert_int_equal(fake.n_dispatch, 0);
    fake_device.exec_free(x);
}

/* ---- models ---- */

typedef struct loaded {
    tn_registry *registry;
    tn_model *model;
} loaded;

static int load(uint32_t max_seqs, loaded *ret) {
    char path[4200];
    snprintf(path, sizeof path, "%.4095s/models/llama3", unit_vectors());
    if (access(path, R_OK) != 0) unit_skip("models/llama3 is not among the vectors");
    const tn_model_config c = {
        .path = path, .device = "fake-gpu", .n_ctx = 512, .max_seqs = max_seqs, .max_step_tokens = 64};
    *ret = (loaded){0};
    err = (tn_error){0};
    assert_int_equal(tn_registry_new(NULL, &ret->registry, &err), 0);
    return tn_model_load(ret->registry, &c, &ret->model, &err);
}

static void unload(loaded *l) {
    tn_model_free(l->model);
    tn_registry_free(l->registry);
    assert_int_equal(fake.n_buffer, 0);
}

static uint64_t bytes_of_pools(const loaded *l) {
    return l->model->config.n_page[0] * l->model->size.page[0];
}

static void pools_fit_the_memory(void **state) {
    (void)state;
    loaded l;
    if (load(64, &l) != 0) fail_msg("%s", err.text); /* no limit */
    const uint64_t all = bytes_of_pools(&l), one = l.model->need.kv_sequence;
    const uint64_t rest =
        l.model->size.activations +
        (l.model->size.weights > l.model->need.file ? l.model->size.weights : l.model->need.file);
    assert_true(all == 64 * one);
    unload(&l);

    fake.info.working_set = rest + 2 * all;
    assert_int_equal(load(64, &l), 0);
    assert_true(bytes_of_pools(&l) == all);
    unload(&l);

    fake.info.working_set = rest + all; /* others have the other half */
    assert_int_equal(load(64, &l), 0);
    assert_true(bytes_of_pools(&l) <= all / 2 && bytes_of_pools(&l) > all / 2 - one);
    unload(&l);

    fake.info.working_set = rest + one; /* one sequence, whatever is left for others */
    assert_int_equal(load(64, &l), 0);
    assert_true(bytes_of_pools(&l) == one);
    unload(&l);

    fake.info.working_set = 0;
    fake.info.max_buffer = 5 * one + 1;
    assert_int_equal(load(64, &l), 0);
    assert_true(bytes_of_pools(&l) == 5 * one);
    unload(&l);
}

static void a_model_without_room_is_refused(void **state) {
    (void)state;
    loaded l;
    char has[64], takes[64];
    if (load(1, &l) != 0) fail_msg("%s", err.text);
    const uint64_t one = l.model->need.kv_sequence,
                   least = l.model->size.activations + l.model->need.file + one;
    unload(&l);

    fake.info.working_set = least / 2;
    snprintf(has, sizeof has, "fake-gpu has %llu MiB", (unsigned long long)(least / 2) >> 20);
    snprintf(takes, sizeof takes, "a context of 512 tokens %llu", (unsigned long long)one >> 20);
    int rc = load(1, &l);
    expect_error(rc, TN_ENOMEM, has);
    expect_error(rc, TN_ENOMEM, takes);
    unload(&l);

    fake.info.working_set = 0;
    fake.info.max_buffer = one - 1;
    rc = load(1, &l);
    expect_error(rc, TN_ELIMIT, "a context of 512 tokens takes");
    unload(&l);
}

static void a_failing_gpu_fails_the_load(void **state) {
    (void)state;
    loaded l;
    fake_fail(FAKE_BUFFER_NEW, 20);
    expect_error(load(1, &l), TN_ENOMEM, "fake: buffer_new 20");
    unload(&l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_failure_of_loading_is_reported),
        TEST(loading_can_be_cancelled),
        TEST(weights_are_used_in_place),
        TEST(weights_that_cannot_be_wrapped_are_copied),
        TEST(weights_at_odd_addresses_are_copied),
        TEST(a_buffer_beyond_the_limit_is_named),
        TEST(a_wrapped_page_may_not_exceed_the_limit),
        TEST(sizes_are_those_of_lowering),
        TEST(configurations_are_checked),
        TEST(failures_of_a_step_are_reported),
        TEST(failures_of_a_batch_are_reported),
        TEST(a_page_that_was_not_copied_stops_the_device),
        TEST(steps_too_large_are_refused),
        TEST(pools_fit_the_memory),
        TEST(a_model_without_room_is_refused),
        TEST(a_failing_gpu_fails_the_load),
    };
    tn_loader_set_preopened();
    tn_device_class_offer(&fake_device);
    return unit_main(tests);
}
