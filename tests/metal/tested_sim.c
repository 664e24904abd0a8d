/* SPDX-License-Identifier: Apache-2.0 */
#include "tested.h"

#include "gpu_sim.h"

const tn_device_class *tested_device(void) {
    return &tn_device_sim;
}

void tested_device_end(void) {}
