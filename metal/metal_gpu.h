/* SPDX-License-Identifier: Apache-2.0 */
/* Between host.m and pipelines.m. References are counted by hand: a field that is an object holds one. */
#ifndef TN_METAL_GPU_H
#define TN_METAL_GPU_H

#import <Foundation/Foundation.h>
#import <Metal/Metal.h>

#include "metal/host.h"

/* What is newer than the oldest macOS that we run on is asked for by respondsToSelector:, which the compiler
 * does not see.
 */
#pragma clang diagnostic ignored "-Wunknown-warning-option"
#pragma clang diagnostic ignored "-Wunguarded-availability-new"

/* Residency sets came with macOS 15; older SDKs do not declare them. */
#if __MAC_OS_X_VERSION_MAX_ALLOWED >= 150000
#    define TN_HAVE_RESIDENCY 1
#else
#    define TN_HAVE_RESIDENCY 0
#endif

enum { TN_METAL_IN_FLIGHT = 32 }; /* batches; a queue takes 64 command buffers before it blocks */

struct tn_gpu_kernel {
    id<MTLComputePipelineState> state;
    uint32_t max_threads; /* of a threadgroup */
    uint32_t n_constant;
    tn_gpu_constant constants[TN_GPU_MAX_CONSTANTS];
    tn_gpu_kernel *next;
    char name[]; /* ends with a NUL */
};

typedef struct tn_metal_pipelines {
    const tn_metal_kernels *kernels;
    id<MTLLibrary> prebuilt;   /* nil: what follows */
    id<MTLLibrary> *libraries; /* [n_source]; nil: not compiled yet */
    uint32_t n_source;
    tn_gpu_kernel *made;
} tn_metal_pipelines;

int tn_metal_pipelines_init(tn_metal_pipelines *p, id<MTLDevice> device, const tn_metal_kernels *kernels,
                            const char *library, tn_error *err);
void tn_metal_pipelines_fini(tn_metal_pipelines *p);
int tn_metal_pipeline(tn_metal_pipelines *p, id<MTLDevice> device, const char *name,
                      const tn_gpu_constant *constants, uint32_t n_constant, tn_gpu_kernel **ret,
                      tn_error *err);

/* What an error says. Lives as long as the pool in use; e may be nil. */
const char *tn_metal_words(NSError *e);

#endif
