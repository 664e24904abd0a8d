/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "device/device.h"

#include <string.h>

#include "device/cpu/cpu.h"
#include "device/reference/reference.h"
#ifdef HAVE_METAL
#    include "metal/host.h"
#endif
#ifdef TN_CUDA_DEVICE
#    include "device/cuda/cuda.h"
#endif

const tn_device_class *const tn_device_classes[] = {
    &tn_device_cpu,
    &tn_device_reference,
#ifdef HAVE_METAL
    &tn_device_metal,
#endif
#ifdef TN_CUDA_DEVICE
    &tn_device_cuda,
#endif
    NULL,
};

enum { MAX_OFFERED = 4 };
static const tn_device_class *offered[MAX_OFFERED];

void tn_device_class_offer(const tn_device_class *cls) {
    for (size_t i = 0; i < MAX_OFFERED; i++)
        if (!offered[i] || offered[i] == cls) {
            offered[i] = cls;
            return;
        }
}

const tn_device_class *tn_device_class_find(const char *name) {
    for (size_t i = 0; tn_device_classes[i]; i++)
        if (strcmp(tn_device_classes[i]->name, name) == 0) return tn_device_classes[i];
    for (size_t i = 0; i < MAX_OFFERED && offered[i]; i++)
        if (strcmp(offered[i]->name, name) == 0) return offered[i];
    return NULL;
}
