/* SPDX-License-Identifier: Apache-2.0 */
/* A tn_gpu_api straight over the simulator, and the device class made of it: "msl-sim". */
#ifndef TN_TESTS_METAL_GPU_SIM_H
#define TN_TESTS_METAL_GPU_SIM_H

#include "device/device.h"
#include "device/gpu/gpu.h"
#include "sim/sim.h"

extern const tn_gpu_api tn_gpu_sim;
extern const tn_device_class tn_device_sim;

/* From now on `wrong` runs wherever a kernel named `kernel` is wanted; NULL: the right one again. */
void tn_gpu_sim_replace(const char *kernel, const sim_kernel *wrong);

#endif
