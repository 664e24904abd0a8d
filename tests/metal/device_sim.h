/* SPDX-License-Identifier: Apache-2.0 */
/* "msl-sim": a device that runs programs in F32 through the kernels of metal/kernels, on the simulator of
 * sim/. It has what sets a GPU apart from a CPU and nothing else: memory behind handles, weights in a layout
 * of its own, commands that are put together once and started later, results that must be asked for. For
 * tests. */
#ifndef TN_TESTS_METAL_DEVICE_SIM_H
#define TN_TESTS_METAL_DEVICE_SIM_H

#include "device/device.h"

extern const tn_device_class tn_device_sim;

#endif
