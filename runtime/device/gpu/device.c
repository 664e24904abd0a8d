/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/device.h"

#include <stdio.h>
#include <stdlib.h>

#include "device/gpu/exec.h"

int tn_gpu_device_open(const tn_gpu_api *api, const tn_device_class *cls, tn_device **ret, tn_error *err) {
    tn_gpu *gpu;
    int rc = api->open(&gpu, err);
    if (rc) return rc;
    tn_gpu_device *d = calloc(1, sizeof *d);
    if (!d) {
        api->close(gpu);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    d->base.cls = cls;
    d->gpu = gpu;
    const tn_gpu_info *info = api->info(gpu);
    if (info->working_set)
        snprintf(d->text, sizeof d->text, "%s, %.1f GiB", info->name, (double)info->working_set / (1u << 30));
    else
        snprintf(d->text, sizeof d->text, "%s", info->name);
    *ret = &d->base;
    return 0;
}

tn_gpu *tn_gpu_of(tn_device *d) {
    return d->cls->lower == tn_gpu_lower ? ((tn_gpu_device *)d)->gpu : NULL;
}

void tn_gpu_device_close(tn_device *base) {
    tn_gpu_device *d = (tn_gpu_device *)base;
    if (!d) return;
    d->gpu->api->close(d->gpu);
    free(d);
}

const char *tn_gpu_device_describe(const tn_device *d) {
    return ((const tn_gpu_device *)d)->text;
}

tn_device_limits tn_gpu_device_limits(const tn_device *base) {
    const tn_gpu_device *d = (const tn_gpu_device *)base;
    const tn_gpu_info *info = d->gpu->api->info(d->gpu);
    return (tn_device_limits){.memory = info->working_set, .pool = info->max_buffer};
}
