/* SPDX-License-Identifier: Apache-2.0 */
/* A tn_gpu_api over NVIDIA's driver. */
#ifndef TN_DEVICE_CUDA_CUDA_H
#define TN_DEVICE_CUDA_CUDA_H

#include "device/device.h"
#include "device/gpu/gpu.h"

extern const tn_gpu_api tn_gpu_cuda;
extern const tn_device_class tn_device_cuda;

#endif
