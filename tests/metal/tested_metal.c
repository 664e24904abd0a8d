/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "metal/host.h"
#include "standin/standin.h"
#include "tested.h"

/* TN_METAL_SIM_SEED: the order of dispatches between barriers, and of threads. */
const tn_device_class *tested_device(void) {
    const char *seed = getenv("TN_METAL_SIM_SEED");
    standin.seed = seed ? (uint32_t)strtoul(seed, NULL, 10) : 1;
    return &tn_device_metal;
}

void tested_device_end(void) {
    const size_t n = standin_live();
    if (n) fail_msg("%zu objects of Metal's are left", n);
}
