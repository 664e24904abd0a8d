/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/fake_gpu.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "device/gpu/device.h"

struct tn_gpu_kernel {
    uint8_t nothing;
};

fake_state fake;
static const tn_gpu_api fake_api;
static tn_gpu_kernel the_kernel;
static uint64_t n_submitted;
static bool in_batch;

void fake_reset(void) {
    memset(&fake, 0, sizeof fake);
    strcpy(fake.info.name, "nothing");
    n_submitted = 0;
    in_batch = false;
}

void fake_fail(fake_call call, uint32_t n) {
    fake.failing = call;
    fake.fail_at = n;
    memset(fake.n_call, 0, sizeof fake.n_call);
}

static int count(fake_call call, tn_error *err) {
    static const char *const names[FAKE_N_CALL] = {"buffer_new", "buffer_wrap", "write",  "read",
                                                   "kernel",     "begin",       "submit", "wait"};
    const uint32_t nth = ++fake.n_call[call];
    if (!fake.fail_at || call != fake.failing || nth < fake.fail_at) return 0;
    const int rc = call == FAKE_BUFFER_NEW ? TN_ENOMEM : call == FAKE_BUFFER_WRAP ? TN_ENOTSUP : TN_EDEVICE;
    return tn_fail(err, rc, "fake: %s %u", names[call], nth);
}

static int fake_open(tn_gpu **ret, tn_error *err) {
    static tn_gpu gpu = {.api = &fake_api};
    (void)err;
    *ret = &gpu;
    return 0;
}

static void fake_close(tn_gpu *g) {
    (void)g;
}

static const tn_gpu_info *fake_info(const tn_gpu *g) {
    (void)g;
    return &fake.info;
}

static int add_buffer(tn_gpu_buffer b, tn_gpu_buffer **ret) {
    *ret = malloc(sizeof **ret);
    assert(*ret);
    **ret = b;
    fake.n_buffer++;
    return 0;
}

static int fake_new(tn_gpu *g, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    (void)g;
    assert(bytes > 0);
    int rc = count(FAKE_BUFFER_NEW, err);
    if (rc) return rc;
    uint8_t *own = malloc(bytes);
    assert(own);
    return add_buffer((tn_gpu_buffer){.memory = own, .own = own, .bytes = bytes}, ret);
}

static int fake_wrap(tn_gpu *g, const void *ptr, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    (void)g;
    assert(fake.info.wrap_align && (uintptr_t)ptr % fake.info.wrap_align == 0);
    assert(bytes % fake.info.wrap_align == 0 && (!fake.info.max_buffer || bytes <= fake.info.max_buffer));
    int rc = count(FAKE_BUFFER_WRAP, err);
    return rc ? rc : add_buffer((tn_gpu_buffer){.memory = ptr, .bytes = bytes}, ret);
}

static void fake_free(tn_gpu *g, tn_gpu_buffer *b) {
    (void)g;
    if (!b) return;
    fake.n_buffer--;
    free(b->own);
    free(b);
}

static int fake_write(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n,
                      tn_error *err) {
    (void)g;
    assert(b->own && offset + n <= b->bytes);
    int rc = count(FAKE_WRITE, err);
    if (!rc) memcpy(b->own + offset, src, n);
    return rc;
}

static int fake_read(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err) {
    (void)g;
    assert(offset + n <= b->bytes);
    int rc = count(FAKE_READ, err);
    if (!rc) memset(dst, 0, n);
    return rc;
}

static int fake_kernel(tn_gpu *g, const char *name, const tn_gpu_constant *constants, uint32_t n_constant,
                       tn_gpu_kernel **ret, tn_error *err) {
    (void)g, (void)name, (void)constants, (void)n_constant;
    *ret = &the_kernel;
    return count(FAKE_KERNEL, err);
}

static int fake_begin(tn_gpu *g, tn_error *err) {
    (void)g;
    assert(!in_batch);
    int rc = count(FAKE_BEGIN, err);
    in_batch = rc == 0;
    return rc;
}

static void fake_dispatch(tn_gpu *g, tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg,
                          const uint32_t groups[3], uint32_t n_thread) {
    (void)g;
    assert(in_batch && k == &the_kernel && groups[0] && groups[1] && groups[2]);
    assert(n_thread && n_thread % TN_SIMD_WIDTH == 0);
    for (uint32_t i = 0; i < n_arg; i++)
        assert(args[i].buffer ? args[i].offset < args[i].buffer->bytes && args[i].offset % 4 == 0
                              : args[i].bytes && args[i].n_bytes);
    fake.n_dispatch++;
}

static void fake_barrier(tn_gpu *g) {
    (void)g;
    assert(in_batch);
}

static int fake_submit(tn_gpu *g, uint64_t *ret_ticket, tn_error *err) {
    (void)g;
    assert(in_batch);
    in_batch = false;
    int rc = count(FAKE_SUBMIT, err);
    if (!rc) *ret_ticket = ++n_submitted;
    return rc;
}

static int fake_wait(tn_gpu *g, uint64_t ticket, tn_error *err) {
    (void)g;
    assert(ticket >= 1 && ticket <= n_submitted);
    return count(FAKE_WAIT, err);
}

static const tn_gpu_api fake_api = {
    .name = "fake-gpu",
    .summary = "nothing",
    .open = fake_open,
    .close = fake_close,
    .info = fake_info,
    .buffer_new = fake_new,
    .buffer_wrap = fake_wrap,
    .buffer_free = fake_free,
    .write = fake_write,
    .read = fake_read,
    .kernel = fake_kernel,
    .begin = fake_begin,
    .dispatch = fake_dispatch,
    .barrier = fake_barrier,
    .submit = fake_submit,
    .wait = fake_wait,
};

static int open_device(const tn_device_options *options, tn_device **ret, tn_error *err) {
    (void)options;
    return tn_gpu_device_open(&fake_api, &fake_device, ret, err);
}

const tn_device_class fake_device = TN_GPU_DEVICE_CLASS("fake-gpu", "nothing", open_device);
