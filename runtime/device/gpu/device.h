/* SPDX-License-Identifier: Apache-2.0 */
/* Device classes made of a tn_gpu_api. */
#ifndef TN_DEVICE_GPU_DEVICE_H
#define TN_DEVICE_GPU_DEVICE_H

#include "device/device.h"
#include "device/gpu/gpu.h"

/* Opens the GPU for a device of class cls. As tn_device_class.open. */
int tn_gpu_device_open(const tn_gpu_api *api, const tn_device_class *cls, tn_device **ret, tn_error *err);

/* The GPU below a device, or NULL where there is none. Borrowed. */
tn_gpu *tn_gpu_of(tn_device *d);

/* The rest of a class. As the members of tn_device_class. */
void tn_gpu_device_close(tn_device *d);
const char *tn_gpu_device_describe(const tn_device *d);
tn_device_limits tn_gpu_device_limits(const tn_device *d);
int tn_gpu_size(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                tn_error *err);
int tn_gpu_lower(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                 void *ctx, tn_exec **ret, tn_error *err);
void tn_gpu_exec_free(tn_exec *x);
int tn_gpu_step(tn_exec *x, const tn_step *s, tn_error *err);
int tn_gpu_logits(tn_exec *x, const float **ret, tn_error *err);
int tn_gpu_output(tn_exec *x, uint32_t part, const float **ret, tn_error *err);
int tn_gpu_tap(tn_exec *x, uint32_t index, const float **ret, tn_error *err);
void tn_gpu_copy_page(tn_exec *x, uint32_t group, uint32_t from, uint32_t to);
void tn_gpu_discard_page(tn_exec *x, uint32_t group, uint32_t page);

#define TN_GPU_DEVICE_CLASS(name_, summary_, open_)                                                          \
    {                                                                                                        \
        .name = name_, .summary = summary_, .has_roles = true, .open = open_, .close = tn_gpu_device_close,  \
        .describe = tn_gpu_device_describe, .limits = tn_gpu_device_limits, .size = tn_gpu_size,             \
        .lower = tn_gpu_lower, .exec_free = tn_gpu_exec_free, .step = tn_gpu_step, .logits = tn_gpu_logits,  \
        .tap = tn_gpu_tap, .output = tn_gpu_output, .copy_page = tn_gpu_copy_page,                           \
        .discard_page = tn_gpu_discard_page,                                                                 \
    }

#endif
