/* SPDX-License-Identifier: Apache-2.0 */
/* A driver without a GPU: buffers are memory of the host. */
#include "fake_cuda.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/cuda/libraries.h"
#include "metal/args.h"

/* Looked up by name: nobody needs their prototypes. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define EXPORT __attribute__((visibility("default")))
#define FAILS(name)                                                                                          \
    do {                                                                                                     \
        const int code_ = failure(name);                                                                     \
        if (code_) return code_;                                                                             \
    } while (0)

enum {
    INVALID_VALUE = 1,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
    NOT_FOUND = 500,
    MAX_BLOCKS = 8192,
    MAX_OPS = 1 << 16
};

typedef enum kind { DEVICE, PINNED, CONTEXT, STREAM, EVENT, MODULE, FUNCTION } kind;

/* Whatever a handle can be of. */
typedef struct object {
    kind kind;
    char *memory; /* DEVICE, PINNED */
    size_t bytes;
    struct object *stream;    /* EVENT: whose ... */
    uint64_t at;              /* ... operation it marks the end of */
    uint64_t n_given, n_done; /* STREAM: operations */
    char name[96];            /* MODULE, FUNCTION */
    struct object *module;    /* FUNCTION */
} object;

typedef enum what { COPY, LAUNCH, WAIT_FOR } what;

/* Work in a stream. */
typedef struct operation {
    what what;
    object *stream, *until; /* WAIT_FOR: a stream and ... */
    uint64_t end;           /* ... how many of its operations */
    char *to;
    const char *from;
    size_t n;
    char kernel[96];
    unsigned grid[3], threads;
    float *args[3];
    tn_element_args element;
} operation;

#define START                                                                                                \
    { .n_device = 1, .arch = 90, .version = 13000, .memory_bytes = 1 << 26 }
static fake_cuda state = START;
static object *objects[MAX_BLOCKS];
static operation operations[MAX_OPS]; /* of all streams, in the order in which they were given */
static int n_operation;
static uint64_t used_bytes;
static int sticky;
static bool current;

EXPORT fake_cuda *fake_cuda_state(void) {
    return &state;
}
/* As after a start of the process. */
EXPORT void fake_cuda_reset(void) {
    for (int i = 0; i < MAX_BLOCKS; i++) {
        if (objects[i]) free(objects[i]->memory);
        free(objects[i]);
        objects[i] = NULL;
    }
    n_operation = sticky = 0;
    used_bytes = 0;
    current = false;
    state = (fake_cuda)START;
}

TN_PRINTF(1, 2) static void mistake(const char *format, ...) {
    va_list args;
    va_start(args, format);
    if (state.n_mistake++ == 0) vsnprintf(state.mistake, sizeof state.mistake, format, args);
    va_end(args);
}

static int failure(const char *name) {
    if (state.fail && strcmp(state.fail, name) == 0 && state.fail_after-- == 0) return state.fail_with;
    return sticky;
}

/* ---- objects ---- */

static object *new_object(kind k, size_t bytes) {
    object *o = calloc(1, sizeof *o);
    o->kind = k;
    o->bytes = bytes;
    if (bytes) o->memory = malloc(bytes);
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (!objects[i]) {
            objects[i] = o;
            state.n_alive += k != FUNCTION;
            return o;
        }
    abort();
}

static object *find(void *handle, kind k, const char *who) {
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (objects[i] && objects[i] == handle && objects[i]->kind == k) return handle;
    mistake("%s: no such handle", who);
    return NULL;
}

static int drop(object *o) {
    if (!o) return INVALID_HANDLE;
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (objects[i] == o) objects[i] = NULL;
    state.n_alive -= o->kind != FUNCTION;
    free(o->memory);
    free(o);
    return 0;
}

/* The block with n bytes at p. */
static object *block_of(const void *p, size_t n, kind k) {
    for (int i = 0; i < MAX_BLOCKS; i++) {
        object *o = objects[i];
        if (o && o->kind == k && (const char *)p >= o->memory && (const char *)p + n <= o->memory + o->bytes)
            return o;
    }
    return NULL;
}

static void need_context(const char *who) {
    if (!current) mistake("%s without a context", who);
}

/* ---- work ---- */

/* out = x + y, the rows of a grid of TN_ELEMENT_THREADS a group. */
static void run_add(const operation *op) {
    const uint32_t cols = op->element.cols;
    for (uint32_t row = 0; row < op->grid[1]; row++)
        for (uint32_t col = 0; col < cols && col < op->grid[0] * op->threads; col++) {
            const size_t i = (size_t)row * cols + col;
            op->args[2][i] = op->args[0][i] + op->args[1][i];
        }
}

static void run_until(object *stream, uint64_t end);

static void run(operation *op) {
    if (op->what == WAIT_FOR) run_until(op->until, op->end);
    if (op->what == COPY) memcpy(op->to, op->from, op->n);
    if (op->what == LAUNCH) {
        state.n_launch++;
        if (strcmp(op->kernel, "add") == 0) run_add(op);
        if (state.fault) sticky = state.fault;
        state.fault = 0;
    }
}

/* The operations of a stream up to number `end`. */
static void run_until(object *stream, uint64_t end) {
    for (int i = 0; i < n_operation && stream->n_done < end; i++)
        if (operations[i].stream == stream) {
            operation op = operations[i];
            operations[i].stream = NULL;
            stream->n_done++;
            run(&op);
        }
    while (n_operation > 0 && !operations[n_operation - 1].stream) n_operation--;
}

static operation *give(object *stream, what w) {
    if (n_operation == MAX_OPS) /* a driver's queue is not endless either */
        for (int i = 0; i < MAX_BLOCKS; i++)
            if (objects[i] && objects[i]->kind == STREAM) run_until(objects[i], UINT64_MAX);
    operation *op = &operations[n_operation++];
    *op = (operation){.what = w, .stream = stream};
    stream->n_given++;
    return op;
}

/* ---- the driver's functions ---- */

EXPORT int cuInit(unsigned flags) {
    (void)flags;
    const char *gib = getenv("FAKE_CUDA_GIB"); /* for programs that need more than a test */
    if (gib) state.memory_bytes = strtoull(gib, NULL, 10) << 30;
    FAILS("cuInit");
    return state.n_device < 0 ? TN_CU_NO_DEVICE : 0;
}
EXPORT int cuGetErrorName(int code, const char **ret) {
    *ret = code == 700 ? "CUDA_ERROR_ILLEGAL_ADDRESS" : "CUDA_ERROR_FAKE";
    return 0;
}
EXPORT int cuGetErrorString(int code, const char **ret) {
    *ret = code == 700 ? "an illegal memory access was encountered" : "a fake failure";
    return 0;
}
EXPORT int cuDriverGetVersion(int *ret) {
    FAILS("cuDriverGetVersion");
    *ret = state.version;
    return 0;
}
EXPORT int cuDeviceGetCount(int *ret) {
    FAILS("cuDeviceGetCount");
    *ret = state.n_device;
    return 0;
}
EXPORT int cuDeviceGet(int *ret, int ordinal) {
    FAILS("cuDeviceGet");
    *ret = ordinal;
    return ordinal < state.n_device ? 0 : 101;
}
EXPORT int cuDeviceGetName(char *ret, int len, int device) {
    (void)device;
    FAILS("cuDeviceGetName");
    snprintf(ret, (size_t)len, "Fake GPU");
    return 0;
}
EXPORT int cuDeviceGetAttribute(int *ret, int attribute, int device) {
    (void)device;
    FAILS("cuDeviceGetAttribute");
    *ret = attribute == TN_CU_MAJOR ? state.arch / 10 : attribute == TN_CU_MINOR ? state.arch % 10 : -1;
    return 0;
}
EXPORT int cuDevicePrimaryCtxRetain(void **ret, int device) {
    (void)device;
    FAILS("cuDevicePrimaryCtxRetain");
    *ret = new_object(CONTEXT, 0);
    return 0;
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int device) {
    (void)device;
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (objects[i] && objects[i]->kind == CONTEXT) return drop(objects[i]);
    mistake("a context is released that nobody has");
    return INVALID_CONTEXT;
}
EXPORT int cuCtxSetCurrent(void *context) {
    FAILS("cuCtxSetCurrent");
    current = find(context, CONTEXT, "cuCtxSetCurrent") != NULL;
    return current ? 0 : INVALID_CONTEXT;
}
EXPORT int cuMemGetInfo_v2(size_t *ret_free, size_t *ret_total) {
    need_context("cuMemGetInfo");
    FAILS("cuMemGetInfo_v2");
    *ret_free = state.memory_bytes - used_bytes;
    *ret_total = state.memory_bytes;
    return 0;
}
EXPORT int cuMemAlloc_v2(tn_cu_address *ret, size_t bytes) {
    need_context("cuMemAlloc");
    FAILS("cuMemAlloc_v2");
    if (bytes == 0) return INVALID_VALUE;
    if (bytes > state.memory_bytes - used_bytes) return TN_CU_OUT_OF_MEMORY;
    used_bytes += bytes;
    *ret = (tn_cu_address)(uintptr_t)new_object(DEVICE, bytes)->memory;
    return 0;
}
static int free_memory(void *p, kind k, const char *who) {
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (objects[i] && objects[i]->kind == k && objects[i]->memory == p) {
            for (int s = 0; s < MAX_BLOCKS; s++) /* freeing waits */
                if (objects[s] && objects[s]->kind == STREAM) run_until(objects[s], UINT64_MAX);
            if (k == DEVICE) used_bytes -= objects[i]->bytes;
            return drop(objects[i]);
        }
    mistake("%s: nothing begins there", who);
    return INVALID_VALUE;
}
EXPORT int cuMemFree_v2(tn_cu_address p) {
    need_context("cuMemFree");
    FAILS("cuMemFree_v2");
    return free_memory((void *)(uintptr_t)p, DEVICE, "cuMemFree");
}
EXPORT int cuMemHostAlloc(void **ret, size_t bytes, unsigned flags) {
    (void)flags;
    need_context("cuMemHostAlloc");
    FAILS("cuMemHostAlloc");
    *ret = new_object(PINNED, bytes)->memory;
    return 0;
}
EXPORT int cuMemFreeHost(void *p) {
    return free_memory(p, PINNED, "cuMemFreeHost");
}
static int copy(void *to, const void *from, size_t n, void *stream, bool at_once, const void *device) {
    object *s = find(stream, STREAM, "a copy");
    if (!s) return INVALID_HANDLE;
    if (!block_of(device, n, DEVICE)) mistake("a copy of %zu bytes beyond a buffer", n);
    if (at_once) {
        memcpy(to, from, n);
        return 0;
    }
    operation *op = give(s, COPY);
    op->to = to;
    op->from = from;
    op->n = n;
    return 0;
}
EXPORT int cuMemcpyHtoDAsync_v2(tn_cu_address to, const void *from, size_t n, void *stream) {
    need_context("cuMemcpyHtoDAsync");
    FAILS("cuMemcpyHtoDAsync_v2");
    void *p = (void *)(uintptr_t)to;
    return copy(p, from, n, stream, !block_of(from, n, PINNED), p);
}
EXPORT int cuMemcpyDtoHAsync_v2(void *to, tn_cu_address from, size_t n, void *stream) {
    need_context("cuMemcpyDtoHAsync");
    FAILS("cuMemcpyDtoHAsync_v2");
    const void *p = (const void *)(uintptr_t)from;
    return copy(to, p, n, stream, false, p);
}
EXPORT int cuStreamCreate(void **ret, unsigned flags) {
    need_context("cuStreamCreate");
    if (flags != TN_CU_STREAM_NON_BLOCKING) mistake("a stream that waits for others");
    FAILS("cuStreamCreate");
    *ret = new_object(STREAM, 0);
    return 0;
}
EXPORT int cuStreamDestroy_v2(void *stream) {
    return drop(find(stream, STREAM, "cuStreamDestroy"));
}
EXPORT int cuStreamSynchronize(void *stream) {
    object *s = find(stream, STREAM, "cuStreamSynchronize");
    FAILS("cuStreamSynchronize");
    if (!s) return INVALID_HANDLE;
    run_until(s, UINT64_MAX);
    return sticky;
}
EXPORT int cuStreamWaitEvent(void *stream, void *event, unsigned flags) {
    object *s = find(stream, STREAM, "cuStreamWaitEvent"), *e = find(event, EVENT, "cuStreamWaitEvent");
    (void)flags;
    FAILS("cuStreamWaitEvent");
    if (!s || !e || !e->stream) return INVALID_HANDLE;
    operation *op = give(s, WAIT_FOR); /* for what the event marks now, also when it is recorded again */
    op->until = e->stream;
    op->end = e->at;
    return 0;
}
EXPORT int cuEventCreate(void **ret, unsigned flags) {
    need_context("cuEventCreate");
    (void)flags;
    FAILS("cuEventCreate");
    *ret = new_object(EVENT, 0);
    return 0;
}
EXPORT int cuEventDestroy_v2(void *event) {
    return drop(find(event, EVENT, "cuEventDestroy"));
}
EXPORT int cuEventRecord(void *event, void *stream) {
    object *e = find(event, EVENT, "cuEventRecord"), *s = find(stream, STREAM, "cuEventRecord");
    FAILS("cuEventRecord");
    if (!e || !s) return INVALID_HANDLE;
    e->stream = s;
    e->at = s->n_given;
    return 0;
}
EXPORT int cuEventSynchronize(void *event) {
    object *e = find(event, EVENT, "cuEventSynchronize");
    FAILS("cuEventSynchronize");
    if (!e) return INVALID_HANDLE;
    if (e->stream) run_until(e->stream, e->at);
    return sticky;
}
EXPORT int cuModuleLoadData(void **ret, const void *image) {
    need_context("cuModuleLoadData");
    FAILS("cuModuleLoadData");
    const bool is_real = memcmp(image, "\177ELF", 4) == 0; /* a cubin: of no name that is known here */
    if (!is_real && strncmp(image, "fake ", 5) != 0) return 200;
    object *m = new_object(MODULE, 0);
    if (!is_real) snprintf(m->name, sizeof m->name, "%s", (const char *)image + 5);
    state.n_load++;
    *ret = m;
    return 0;
}
EXPORT int cuModuleUnload(void *module) {
    object *m = find(module, MODULE, "cuModuleUnload");
    for (int i = 0; i < MAX_BLOCKS; i++)
        if (objects[i] && objects[i]->kind == FUNCTION && objects[i]->module == m) drop(objects[i]);
    return drop(m);
}
EXPORT int cuModuleGetFunction(void **ret, void *module, const char *name) {
    object *m = find(module, MODULE, "cuModuleGetFunction");
    FAILS("cuModuleGetFunction");
    if (!m || (m->name[0] && strcmp(m->name, name) != 0)) return NOT_FOUND;
    object *f = new_object(FUNCTION, 0);
    f->module = m;
    memcpy(f->name, m->name, sizeof f->name);
    *ret = f;
    return 0;
}
EXPORT int cuFuncGetAttribute(int *ret, int attribute, void *function) {
    FAILS("cuFuncGetAttribute");
    *ret = attribute == TN_CU_MAX_THREADS ? 256 : -1;
    return find(function, FUNCTION, "cuFuncGetAttribute") ? 0 : INVALID_HANDLE;
}
EXPORT int cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by,
                          unsigned bz, unsigned shared, void *stream, void **params, void **extra) {
    object *f = find(function, FUNCTION, "cuLaunchKernel"), *s = find(stream, STREAM, "cuLaunchKernel");
    need_context("cuLaunchKernel");
    FAILS("cuLaunchKernel");
    if (!f || !s || gx == 0 || gy == 0 || gz == 0 || by != 1 || bz != 1 || shared != 0 || extra)
        return INVALID_VALUE;
    operation *op = give(s, LAUNCH);
    memcpy(op->kernel, f->name, sizeof op->kernel);
    op->grid[0] = gx;
    op->grid[1] = gy;
    op->grid[2] = gz;
    op->threads = bx;
    if (strcmp(f->name, "add") != 0) return 0;
    for (int i = 0; i < 3; i++) op->args[i] = (float *)(uintptr_t) * (tn_cu_address *)params[i];
    memcpy(&op->element, params[3], sizeof op->element);
    for (int i = 0; i < 3; i++)
        if (!block_of(op->args[i], (size_t)gy * op->element.cols * sizeof(float), DEVICE))
            mistake("argument %d of add ends beyond its buffer", i);
    return 0;
}
