/* SPDX-License-Identifier: Apache-2.0 */
/* Metal behind runtime/device/gpu/gpu.h. host.m has memory and batches, pipelines.m kernels. Without Metal
 * there is no such device; the tests build it over a stand-in. */
#ifndef TN_METAL_HOST_H
#define TN_METAL_HOST_H

#include "device/device.h"
#include "device/gpu/gpu.h"

/* A .metal file with all that it includes. */
typedef struct tn_metal_source {
    const char *file;
    const char *text;
} tn_metal_source;

typedef struct tn_metal_kernels {
    const tn_metal_source *sources; /* the last one's file is NULL */
    /* A kernel that a library made of these sources has, and no other: its name has their checksum. */
    const char *stamp;
} tn_metal_kernels;

/* Those of this program; metal/source.sh writes them into a C file when the program is built. */
extern const tn_metal_kernels tn_metal_embedded;

extern const tn_gpu_api tn_gpu_metal;
extern const tn_device_class tn_device_metal; /* over it */

/* tn_gpu_metal's open with kernels of the caller's choice, which live as long as *ret. library: a file that
 * holds them compiled, or NULL; where it does not load, or lacks the stamp, a warning is logged and the
 * sources are compiled. */
int tn_metal_open(const tn_metal_kernels *kernels, const char *library, tn_gpu **ret, tn_error *err);

#endif
