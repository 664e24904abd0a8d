/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/device.h"

#include "device/cuda/cuda.h"

static int cuda_open(const tn_device_options *options, tn_device **ret, tn_error *err) {
    (void)options;
    return tn_gpu_device_open(&tn_gpu_cuda, &tn_device_cuda, ret, err);
}

const tn_device_class tn_device_cuda =
    TN_GPU_DEVICE_CLASS("cuda", "an NVIDIA GPU, by the kernels of the Metal device", cuda_open);
