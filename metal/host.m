/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and batches of the Metal device. Objects are retained and released by hand, no blocks are used, and
 * whatever is newer than macOS 13 is asked for before it is used. */
#include "metal/metal_gpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct flight {
    id<MTLCommandBuffer> commands;
    uint64_t ticket;
} flight;

typedef struct metal_gpu {
    tn_gpu base;
    tn_gpu_info info;
    id<MTLDevice> device;
    id<MTLCommandQueue> queue;
    tn_metal_pipelines pipelines;
#if TN_HAVE_RESIDENCY
    id<MTLResidencySet> residency; /* all buffers; nil where the system has no such thing */
    bool residency_changed;
#endif

    /* The batch being put together; encoder is nil outside of one. Command buffers do not retain what they
     * use: kernels are kept until close, buffers until their last batch is done. */
    id<MTLCommandBuffer> commands;
    id<MTLComputeCommandEncoder> encoder;
    const tn_gpu_kernel *current; /* whose pipeline the encoder has */
    tn_error batch_error;         /* what dispatch met first */

    /* Batches handed over: tickets finished + 1 .. last. */
    flight flights[TN_METAL_IN_FLIGHT]; /* that of ticket t at t % TN_METAL_IN_FLIGHT */
    uint64_t last, finished;
    uint64_t failed; /* the first ticket that failed, or 0 */
    tn_error failure;
} metal_gpu;

struct tn_gpu_buffer {
    id<MTLBuffer> metal;
    uint8_t *contents;
    uint64_t bytes;
};

static metal_gpu *metal_of(tn_gpu *g) {
    return (metal_gpu *)g;
}

/* ---- residency: buffers stay where the GPU can reach them between batches ---- */

#if TN_HAVE_RESIDENCY
static void residency_open(metal_gpu *g) {
    if (![g->device respondsToSelector:@selector(newResidencySetWithDescriptor:error:)]) return;
    MTLResidencySetDescriptor *descriptor = [[MTLResidencySetDescriptor alloc] init];
    g->residency = [g->device newResidencySetWithDescriptor:descriptor error:NULL];
    [descriptor release];
    if (g->residency) [g->queue addResidencySet:g->residency];
}

static void residency_close(metal_gpu *g) {
    if (!g->residency) return;
    [g->residency endResidency];
    [g->queue removeResidencySet:g->residency];
    [g->residency removeAllAllocations];
    [g->residency commit];
    [g->residency release];
}

static void residency_add(metal_gpu *g, id<MTLBuffer> b) {
    [g->residency addAllocation:b];
    g->residency_changed = true;
}

/* At once: until then the set keeps the memory. */
static void residency_remove(metal_gpu *g, id<MTLBuffer> b) {
    [g->residency removeAllocation:b];
    [g->residency commit];
}

/* Many buffers are made before the first batch: one commit for all. */
static void residency_update(metal_gpu *g) {
    if (!g->residency_changed) return;
    [g->residency commit];
    [g->residency requestResidency];
    g->residency_changed = false;
}
#else
static void residency_open(metal_gpu *g) {}
static void residency_close(metal_gpu *g) {}
static void residency_add(metal_gpu *g, id<MTLBuffer> b) {}
static void residency_remove(metal_gpu *g, id<MTLBuffer> b) {}
static void residency_update(metal_gpu *g) {}
#endif

/* ---- the device ---- */

static void fill_info(metal_gpu *g) {
    const char *name = [[g->device name] UTF8String];
    strncpy(g->info.name, name ? name : "", sizeof g->info.name - 1);
    g->info.working_set = [g->device recommendedMaxWorkingSetSize];
    g->info.max_buffer = [g->device maxBufferLength];
    g->info.wrap_align = (uint32_t)sysconf(_SC_PAGESIZE);
}

/* Simdgroup matrices and reductions, and memory shared with the CPU. */
static int check_family(const metal_gpu *g, tn_error *err) {
    if ([g->device supportsFamily:MTLGPUFamilyApple7]) return 0;
    return tn_fail(err, TN_ENOTSUP, "%s: Metal needs an Apple GPU of family 7 or later (M1 and later)",
                   g->info.name);
}

static int open_parts(metal_gpu *g, const tn_metal_kernels *kernels, const char *library, tn_error *err) {
    g->device = MTLCreateSystemDefaultDevice();
    if (!g->device) return tn_fail(err, TN_ENOTSUP, "Metal finds no GPU on this machine");
    fill_info(g);
    int rc = check_family(g, err);
    if (rc) return rc;
    g->queue = [g->device newCommandQueue];
    if (!g->queue) return tn_fail(err, TN_EDEVICE, "%s: no command queue", g->info.name);
    residency_open(g);
    return tn_metal_pipelines_init(&g->pipelines, g->device, kernels, library, err);
}

static int finish_until(metal_gpu *g, uint64_t ticket);
static void drop_batch(metal_gpu *g);

static void metal_close(tn_gpu *base) {
    if (!base) return;
    @autoreleasepool {
        metal_gpu *g = metal_of(base);
        drop_batch(g);
        finish_until(g, g->last);
        tn_metal_pipelines_fini(&g->pipelines);
        residency_close(g);
        [g->queue release];
        [g->device release];
        free(g);
    }
}

int tn_metal_open(const tn_metal_kernels *kernels, const char *library, tn_gpu **ret, tn_error *err) {
    metal_gpu *g = calloc(1, sizeof *g);
    if (!g) return tn_fail(err, TN_ENOMEM, "out of memory for the Metal device");
    g->base.api = &tn_gpu_metal;
    @autoreleasepool {
        int rc = open_parts(g, kernels, library, err);
        if (rc) {
            metal_close(&g->base);
            return rc;
        }
    }
    *ret = &g->base;
    return 0;
}

/* A library made beforehand: TENON_METALLIB, or the one that was installed. */
static int metal_open(tn_gpu **ret, tn_error *err) {
    const char *library = getenv("TENON_METALLIB");
    if (library && !*library) library = NULL;
#ifdef TN_METALLIB
    if (!library && access(TN_METALLIB, R_OK) == 0) library = TN_METALLIB;
#endif
    return tn_metal_open(&tn_metal_embedded, library, ret, err);
}

static const tn_gpu_info *metal_info(const tn_gpu *g) {
    return &((const metal_gpu *)g)->info;
}

/* ---- buffers ---- */

static int check_bytes(const metal_gpu *g, uint64_t bytes, tn_error *err) {
    if (bytes && bytes <= g->info.max_buffer) return 0;
    return tn_fail(err, TN_ENOMEM, "%s: a buffer of %llu bytes: 1 to %llu are possible", g->info.name,
                   (unsigned long long)bytes, (unsigned long long)g->info.max_buffer);
}

/* Takes over the reference to metal, which is nil where there was no memory. */
static int finish_buffer(metal_gpu *g, id<MTLBuffer> metal, uint64_t bytes, tn_gpu_buffer **ret,
                         tn_error *err) {
    tn_gpu_buffer *b = metal ? calloc(1, sizeof *b) : NULL;
    if (!b) {
        [metal release];
        return tn_fail(err, TN_ENOMEM, "%s: no memory for a buffer of %llu bytes", g->info.name,
                       (unsigned long long)bytes);
    }
    *b = (tn_gpu_buffer){.metal = metal, .contents = [metal contents], .bytes = bytes};
    residency_add(g, metal);
    *ret = b;
    return 0;
}

static int metal_buffer_new(tn_gpu *base, uint64_t bytes, tn_gpu_buffer **ret, tn_error *err) {
    metal_gpu *g = metal_of(base);
    int rc = check_bytes(g, bytes, err);
    if (rc) return rc;
    @autoreleasepool {
        return finish_buffer(g, [g->device newBufferWithLength:bytes options:MTLResourceStorageModeShared],
                             bytes, ret, err);
    }
}

static int metal_buffer_wrap(tn_gpu *base, const void *ptr, uint64_t bytes, tn_gpu_buffer **ret,
                             tn_error *err) {
    metal_gpu *g = metal_of(base);
    if ((uintptr_t)ptr % g->info.wrap_align || bytes % g->info.wrap_align)
        return tn_fail(err, TN_ENOTSUP,
                       "memory at %p, %llu bytes, cannot be wrapped: both must be multiples of %u", ptr,
                       (unsigned long long)bytes, g->info.wrap_align);
    int rc = check_bytes(g, bytes, err);
    if (rc) return rc;
    @autoreleasepool {
        return finish_buffer(g,
                             [g->device newBufferWithBytesNoCopy:(void *)(uintptr_t)ptr
                                                          length:bytes
                                                         options:MTLResourceStorageModeShared
                                                     deallocator:nil],
                             bytes, ret, err);
    }
}

static void metal_buffer_free(tn_gpu *base, tn_gpu_buffer *b) {
    if (!b) return;
    @autoreleasepool {
        residency_remove(metal_of(base), b->metal);
        [b->metal release];
        free(b);
    }
}

static bool fits(const tn_gpu_buffer *b, uint64_t offset, uint64_t n) {
    return offset <= b->bytes && n <= b->bytes - offset;
}

static int check_extent(const tn_gpu_buffer *b, uint64_t offset, uint64_t n, tn_error *err) {
    if (fits(b, offset, n)) return 0;
    return tn_fail(err, TN_EDEVICE, "%llu bytes at %llu are not in a buffer of %llu", (unsigned long long)n,
                   (unsigned long long)offset, (unsigned long long)b->bytes);
}

static int metal_write(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, const void *src, uint64_t n,
                       tn_error *err) {
    int rc = check_extent(b, offset, n, err);
    if (!rc && n) memcpy(b->contents + offset, src, n);
    return rc;
}

static int metal_read(tn_gpu *g, tn_gpu_buffer *b, uint64_t offset, void *dst, uint64_t n, tn_error *err) {
    int rc = check_extent(b, offset, n, err);
    if (!rc && n) memcpy(dst, b->contents + offset, n);
    return rc;
}

static int metal_kernel(tn_gpu *base, const char *name, const tn_gpu_constant *constants, uint32_t n_constant,
                        tn_gpu_kernel **ret, tn_error *err) {
    metal_gpu *g = metal_of(base);
    @autoreleasepool {
        return tn_metal_pipeline(&g->pipelines, g->device, name, constants, n_constant, ret, err);
    }
}

/* ---- batches ---- */

static int start_batch(metal_gpu *g, tn_error *err) {
    residency_update(g);
    g->commands = [[g->queue commandBufferWithUnretainedReferences] retain];
    if (!g->commands) return tn_fail(err, TN_EDEVICE, "%s: no command buffer", g->info.name);
    g->encoder = [[g->commands computeCommandEncoderWithDispatchType:MTLDispatchTypeConcurrent] retain];
    if (g->encoder) return 0;
    [g->commands release];
    g->commands = nil;
    return tn_fail(err, TN_EDEVICE, "%s: no command encoder", g->info.name);
}

static int metal_begin(tn_gpu *base, tn_error *err) {
    metal_gpu *g = metal_of(base);
    if (g->encoder) return tn_fail(err, TN_EDEVICE, "a batch is begun already");
    g->current = NULL;
    g->batch_error = (tn_error){0};
    @autoreleasepool {
        return start_batch(g, err);
    }
}

static int check_argument(const tn_gpu_kernel *k, uint32_t i, const tn_gpu_arg *a, tn_error *err) {
    if (a->buffer && a->offset < a->buffer->bytes) return 0;
    if (!a->buffer && a->bytes && a->n_bytes && a->n_bytes <= TN_GPU_MAX_BYTES) return 0;
    if (a->buffer)
        return tn_fail(err, TN_EDEVICE, "kernel %s: argument %u begins at byte %llu of a buffer of %llu",
                       k->name, i, (unsigned long long)a->offset, (unsigned long long)a->buffer->bytes);
    return tn_fail(err, TN_EDEVICE, "kernel %s: argument %u: %u bytes by value, 1 to %d are possible",
                   k->name, i, a->bytes ? a->n_bytes : 0, TN_GPU_MAX_BYTES);
}

static int check_dispatch(const tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg, uint32_t n_thread,
                          tn_error *err) {
    if (n_arg > TN_GPU_MAX_ARGS)
        return tn_fail(err, TN_EDEVICE, "kernel %s: %u arguments, %d at most", k->name, n_arg,
                       TN_GPU_MAX_ARGS);
    if (!n_thread || n_thread > k->max_threads)
        return tn_fail(err, TN_ENOTSUP, "kernel %s: %u threads a threadgroup, this GPU runs 1 to %u of it",
                       k->name, n_thread, k->max_threads);
    int rc = 0;
    for (uint32_t i = 0; !rc && i < n_arg; i++) rc = check_argument(k, i, &args[i], err);
    return rc;
}

static void encode(metal_gpu *g, const tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg,
                   const uint32_t groups[3], uint32_t n_thread) {
    if (g->current != k) [g->encoder setComputePipelineState:k->state];
    g->current = k;
    for (uint32_t i = 0; i < n_arg; i++) {
        if (args[i].buffer)
            [g->encoder setBuffer:args[i].buffer->metal offset:args[i].offset atIndex:i];
        else
            [g->encoder setBytes:args[i].bytes length:args[i].n_bytes atIndex:i];
    }
    [g->encoder dispatchThreadgroups:MTLSizeMake(groups[0], groups[1], groups[2])
               threadsPerThreadgroup:MTLSizeMake(n_thread, 1, 1)];
}

static void metal_dispatch(tn_gpu *base, tn_gpu_kernel *k, const tn_gpu_arg *args, uint32_t n_arg,
                           const uint32_t groups[3], uint32_t n_thread) {
    metal_gpu *g = metal_of(base);
    if (g->batch_error.code || !g->encoder) return;
    if (!groups[0] || !groups[1] || !groups[2]) return;
    if (check_dispatch(k, args, n_arg, n_thread, &g->batch_error)) return;
    @autoreleasepool {
        encode(g, k, args, n_arg, groups, n_thread);
    }
}

static void metal_barrier(tn_gpu *base) {
    @autoreleasepool {
        [metal_of(base)->encoder memoryBarrierWithScope:MTLBarrierScopeBuffers];
    }
}

/* Ends the encoder; the command buffer's reference is the caller's. */
static id<MTLCommandBuffer> take_batch(metal_gpu *g) {
    id<MTLCommandBuffer> commands = g->commands;
    [g->encoder endEncoding];
    [g->encoder release];
    g->encoder = nil;
    g->commands = nil;
    return commands;
}

/* A batch that was begun and is not wanted. */
static void drop_batch(metal_gpu *g) {
    if (g->encoder) [take_batch(g) release];
}

static int submit(metal_gpu *g, tn_error *err) {
    if (g->batch_error.code) {
        drop_batch(g);
        return tn_fail(err, g->batch_error.code, "%s", g->batch_error.text);
    }
    if (g->last - g->finished == TN_METAL_IN_FLIGHT) finish_until(g, g->finished + 1);
    id<MTLCommandBuffer> commands = take_batch(g);
    [commands commit];
    g->last++;
    g->flights[g->last % TN_METAL_IN_FLIGHT] = (flight){commands, g->last};
    return 0;
}

static int metal_submit(tn_gpu *base, uint64_t *ret_ticket, tn_error *err) {
    metal_gpu *g = metal_of(base);
    if (!g->encoder) return tn_fail(err, TN_EDEVICE, "no batch is begun");
    @autoreleasepool {
        int rc = submit(g, err);
        if (!rc) *ret_ticket = g->last;
        return rc;
    }
}

static const char *reason(NSInteger code) {
    switch (code) {
    case MTLCommandBufferErrorTimeout: return "it took too long";
    case MTLCommandBufferErrorPageFault: return "memory was touched that is not there";
    case MTLCommandBufferErrorAccessRevoked: return "the system no longer lets this program use the GPU";
    case MTLCommandBufferErrorNotPermitted: return "this program may not use the GPU";
    case MTLCommandBufferErrorOutOfMemory: return "out of memory";
    case MTLCommandBufferErrorInvalidResource: return "a buffer was freed too early";
    case MTLCommandBufferErrorDeviceRemoved: return "the GPU is gone";
    default: return "it failed";
    }
}

/* Remembers the first failure. */
static void check_flight(metal_gpu *g, const flight *f) {
    if ([f->commands status] == MTLCommandBufferStatusCompleted || g->failed) return;
    NSError *error = [f->commands error];
    const NSInteger code = [error code];
    g->failed = f->ticket;
    tn_fail(&g->failure, TN_EDEVICE, "%s: batch %llu: %s (%s, code %ld)", g->info.name,
            (unsigned long long)f->ticket, reason(code), tn_metal_words(error), (long)code);
}

/* Waits for all batches up to ticket, in order. 0, or the failure of one of them. */
static int finish_until(metal_gpu *g, uint64_t ticket) {
    while (g->finished < ticket) {
        flight *f = &g->flights[(g->finished + 1) % TN_METAL_IN_FLIGHT];
        [f->commands waitUntilCompleted];
        check_flight(g, f);
        [f->commands release];
        f->commands = nil;
        g->finished++;
    }
    return g->failed && g->failed <= ticket ? g->failure.code : 0;
}

static int metal_wait(tn_gpu *base, uint64_t ticket, tn_error *err) {
    metal_gpu *g = metal_of(base);
    if (ticket > g->last)
        return tn_fail(err, TN_EDEVICE, "there is no batch %llu yet, the last is %llu",
                       (unsigned long long)ticket, (unsigned long long)g->last);
    @autoreleasepool {
        int rc = finish_until(g, ticket);
        return rc ? tn_fail(err, rc, "%s", g->failure.text) : 0;
    }
}

const tn_gpu_api tn_gpu_metal = {
    .name = "metal",
    .summary = "Apple GPUs, through Metal",
    .open = metal_open,
    .close = metal_close,
    .info = metal_info,
    .buffer_new = metal_buffer_new,
    .buffer_wrap = metal_buffer_wrap,
    .buffer_free = metal_buffer_free,
    .write = metal_write,
    .read = metal_read,
    .kernel = metal_kernel,
    .begin = metal_begin,
    .dispatch = metal_dispatch,
    .barrier = metal_barrier,
    .submit = metal_submit,
    .wait = metal_wait,
};
