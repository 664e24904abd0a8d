/* SPDX-License-Identifier: Apache-2.0 */
#include "tested.h"

#include "device/cuda/cuda.h"

const tn_device_class *tested_device(void) {
    return &tn_device_cuda;
}

void tested_device_end(void) {}
