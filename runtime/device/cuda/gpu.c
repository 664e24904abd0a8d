/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a GPU; errors. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "device/cuda/cuda_internal.h"

enum { OLDEST_ARCH = 80 }; /* of which the tensor cores take what the library's matrices give them */

/* ---- errors ---- */

/* Failures after which the context takes no more work (CUDA driver API, CUresult): errors of a running
 * kernel, memory that is broken, a context that is gone. */
static bool is_final(tn_cu_result result) {
    static const tn_cu_result final[] = {4,   201, 214, 220, 226, 700, 702, 709,
                                         710, 714, 715, 716, 717, 718, 719, 999};
    for (size_t i = 0; i < sizeof final / sizeof *final; i++)
        if (final[i] == result) return true;
    return false;
}

int tn_cuda_check(tn_cuda_gpu *g, tn_cu_result result, tn_error *err, const char *what, ...) {
    if (result == 0) return 0;
    const char *name = NULL, *text = NULL;
    char doing[256];
    va_list args;
    va_start(args, what);
    vsnprintf(doing, sizeof doing, what, args);
    va_end(args);
    g->cu.get_error_name(result, &name);
    g->cu.get_error_string(result, &text);
    const bool lost = is_final(result);
    const int rc =
        tn_fail(err, result == TN_CU_OUT_OF_MEMORY ? TN_ENOMEM : TN_EDEVICE, "cuda: %s: %s (%s, %d)%s", doing,
                text ? text : "unknown error", name ? name : "no name", result,
                lost ? "; the GPU is lost to this process: start it again" : "");
    if (lost && !g->lost.code)
        tn_fail(&g->lost, TN_EDEVICE,
                "cuda: the GPU was lost when %s failed: %s (%d); start the process again", doing,
                text ? text : "unknown error", result);
    return rc;
}

int tn_cuda_enter(tn_cuda_gpu *g, tn_error *err) {
    if (g->lost.code) return tn_fail(err, g->lost.code, "%s", g->lost.text);
    return tn_cuda_check(g, g->cu.set_current(g->context), err, "taking the context");
}

/* ---- opening ---- */

static int find_device(tn_cuda_gpu *g, int *ret_driver_major, int *ret_arch, tn_error *err) {
    int n = 0, version = 0, major = 0, minor = 0;
    const tn_cu_result started = g->cu.init(0);
    if (started == TN_CU_NO_DEVICE) return tn_fail(err, TN_ENOTSUP, "cuda: no NVIDIA GPU here");
    int rc = tn_cuda_check(g, started, err, "starting the driver");
    if (!rc) rc = tn_cuda_check(g, g->cu.driver_version(&version), err, "asking for the driver's version");
    if (!rc) rc = tn_cuda_check(g, g->cu.device_count(&n), err, "counting GPUs");
    if (!rc && n < 1)
        return tn_fail(err, TN_ENOTSUP, "cuda: no NVIDIA GPU here (CUDA_VISIBLE_DEVICES may hide them)");
    if (!rc) rc = tn_cuda_check(g, g->cu.device_get(&g->device, 0), err, "taking the first GPU");
    if (!rc)
        rc = tn_cuda_check(g, g->cu.device_name(g->info.name, sizeof g->info.name, g->device), err,
                           "asking its name");
    if (!rc)
        rc = tn_cuda_check(g, g->cu.device_attribute(&major, TN_CU_MAJOR, g->device), err, "asking its kind");
    if (!rc)
        rc = tn_cuda_check(g, g->cu.device_attribute(&minor, TN_CU_MINOR, g->device), err, "asking its kind");
    *ret_driver_major = version / 1000;
    *ret_arch = 10 * major + minor;
    return rc;
}

/* The context that this process has on the GPU anyway, streams, events, memory that copies go through. */
static int make_context(tn_cuda_gpu *g, tn_error *err) {
    const tn_cuda_driver *cu = &g->cu;
    size_t n_free = 0, total = 0;
    int rc = tn_cuda_check(g, cu->primary_retain(&g->context, g->device), err, "making a context on %s",
                           g->info.name);
    if (!rc) rc = tn_cuda_enter(g, err);
    if (!rc) rc = tn_cuda_check(g, cu->mem_info(&n_free, &total), err, "asking for free memory");
    g->info.working_set = n_free;
    g->info.max_buffer = total;
    tn_cu_stream *const streams[] = {&g->kernels_stream, &g->copies_stream};
    for (size_t i = 0; !rc && i < 2; i++)
        rc = tn_cuda_check(g, cu->stream_create(streams[i], TN_CU_STREAM_NON_BLOCKING), err,
                           "making a stream");
    for (size_t i = 0; !rc && i < TN_CUDA_EVENTS; i++)
        rc = tn_cuda_check(g, cu->event_create(&g->events[i], TN_CU_EVENT_DISABLE_TIMING), err,
                           "making an event");
    if (!rc)
        rc = tn_cuda_check(g, cu->event_create(&g->copied, TN_CU_EVENT_DISABLE_TIMING), err,
                           "making an event");
    void *stage = NULL;
    if (!rc) rc = tn_cuda_check(g, cu->host_alloc(&stage, TN_CUDA_STAGE, 0), err, "taking pinned memory");
    g->stage = stage;
    return rc;
}

static void cuda_close(tn_gpu *base) {
    tn_cuda_gpu *g = (tn_cuda_gpu *)base;
    const tn_cuda_driver *cu = &g->cu;
    if (g->context) {
        cu->set_current(g->context);
        if (g->kernels_stream) cu->stream_wait(g->kernels_stream);
        if (g->copies_stream) cu->stream_wait(g->copies_stream);
        tn_cuda_kernels_free(g);
        if (g->stage) cu->host_free(g->stage);
        for (size_t i = 0; i < TN_CUDA_EVENTS; i++)
            if (g->events[i]) cu->event_destroy(g->events[i]);
        if (g->copied) cu->event_destroy(g->copied);
        if (g->kernels_stream) cu->stream_destroy(g->kernels_stream);
        if (g->copies_stream) cu->stream_destroy(g->copies_stream);
        cu->primary_release(g->device);
    }
    tn_cuda_nvrtc_close(&g->nvrtc);
    tn_cuda_driver_close(&g->cu);
    free(g);
}

static int cuda_open(tn_gpu **ret, tn_error *err) {
    int driver_major = 0, arch = 0;
    tn_cuda_gpu *g = calloc(1, sizeof *g);
    if (!g) return tn_fail(err, TN_ENOMEM, "out of memory");
    g->base.api = &tn_gpu_cuda;
    int rc = tn_cuda_driver_open(&g->cu, err);
    if (!rc) rc = find_device(g, &driver_major, &arch, err);
    if (!rc && arch < OLDEST_ARCH)
        rc = tn_fail(err, TN_ENOTSUP, "cuda: %s has compute capability %d.%d, %d.%d is needed", g->info.name,
                     arch / 10, arch % 10, OLDEST_ARCH / 10, OLDEST_ARCH % 10);
    if (!rc) rc = tn_cuda_nvrtc_open(&g->nvrtc, driver_major, err);
    if (!rc) rc = tn_cuda_target_find(&g->nvrtc, arch, &g->target, err);
    if (!rc) rc = make_context(g, err);
    if (rc)
        cuda_close(&g->base);
    else
        *ret = &g->base;
    return rc;
}

static const tn_gpu_info *cuda_info(const tn_gpu *base) {
    return &((const tn_cuda_gpu *)base)->info;
}

const tn_gpu_api tn_gpu_cuda = {
    .name = "cuda",
    .summary = "NVIDIA GPUs",
    .open = cuda_open,
    .close = cuda_close,
    .info = cuda_info,
    .buffer_new = tn_cuda_buffer_new,
    .buffer_wrap = tn_cuda_buffer_wrap,
    .buffer_free = tn_cuda_buffer_free,
    .write = tn_cuda_write,
    .read = tn_cuda_read,
    .kernel = tn_cuda_kernel,
    .begin = tn_cuda_begin,
    .dispatch = tn_cuda_dispatch,
    .barrier = tn_cuda_barrier,
    .submit = tn_cuda_submit,
    .wait = tn_cuda_wait,
};
