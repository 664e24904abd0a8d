/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/device.h"
#include "metal/host.h"

static int open_device(const tn_device_options *options, tn_device **ret, tn_error *err) {
    (void)options;
    return tn_gpu_device_open(&tn_gpu_metal, &tn_device_metal, ret, err);
}

const tn_device_class tn_device_metal =
    TN_GPU_DEVICE_CLASS("metal", "Apple GPUs, through Metal", open_device);
