/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cuda/libraries.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NODELETE: what these libraries start when they are loaded does not end when they are closed. */
enum { OLDEST_NVRTC = 12, OPEN = RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE };

/* A function of a library and the pointer that is to point to it. */
typedef struct symbol {
    const char *name;
    void **ret;
} symbol;

static int resolve(void *handle, const char *library, const symbol *symbols, size_t n, tn_error *err) {
    for (size_t i = 0; i < n; i++) {
        *symbols[i].ret = dlsym(handle, symbols[i].name);
        if (!*symbols[i].ret)
            return tn_fail(err, TN_ENOTSUP, "%s has no function %s: a newer version is needed", library,
                           symbols[i].name);
    }
    return 0;
}

/* The dynamic linker's message lives until its next call. */
static const char *reason(void) {
    const char *text = dlerror();
    return text ? text : "unknown reason";
}

static const char *named(const char *variable) {
    const char *value = getenv(variable);
    return value && *value ? value : NULL;
}

#define TN_SYMBOL(member, name, result, parameters) {name, (void **)&d->member},

int tn_cuda_driver_open(tn_cuda_driver *d, tn_error *err) {
    const char *library = named("TENON_LIBCUDA");
    if (!library) library = "libcuda.so.1";
    *d = (tn_cuda_driver){.handle = dlopen(library, OPEN)};
    if (!d->handle)
        return tn_fail(err, TN_ENOTSUP, "no NVIDIA driver: %s (TENON_LIBCUDA may name it)", reason());
    const symbol symbols[] = {TN_CUDA_DRIVER_FUNCTIONS(TN_SYMBOL)};
    int rc = resolve(d->handle, library, symbols, sizeof symbols / sizeof *symbols, err);
    if (rc) tn_cuda_driver_close(d);
    return rc;
}

void tn_cuda_driver_close(tn_cuda_driver *d) {
    if (d->handle) dlclose(d->handle);
    *d = (tn_cuda_driver){0};
}

/* ---- NVRTC ---- */

/* Takes the library when it is there, has all functions and fits the driver. */
static bool try_nvrtc(tn_cuda_nvrtc *d, const char *library, int driver_major, tn_error *err) {
    *d = (tn_cuda_nvrtc){.handle = dlopen(library, OPEN)};
    if (!d->handle) {
        tn_fail(err, TN_ENOTSUP, "%s", reason());
        return false;
    }
    const symbol symbols[] = {TN_CUDA_NVRTC_FUNCTIONS(TN_SYMBOL)};
    int rc = resolve(d->handle, library, symbols, sizeof symbols / sizeof *symbols, err);
    if (!rc && d->version(&d->major, &d->minor) != 0)
        rc = tn_fail(err, TN_ENOTSUP, "%s does not say its version", library);
    if (!rc && d->major > driver_major)
        rc = tn_fail(err, TN_ENOTSUP, "%s is of CUDA %d.%d and the driver of CUDA %d", library, d->major,
                     d->minor, driver_major);
    if (rc) tn_cuda_nvrtc_close(d);
    return rc == 0;
}

#undef TN_SYMBOL

/* The same with each version of the name, the newest first. folder: "" for where the dynamic linker looks. */
static bool try_folder(tn_cuda_nvrtc *d, const char *folder, int driver_major, tn_error *err) {
    char path[PATH_MAX];
    const char *slash = *folder ? "/" : "";
    for (int major = driver_major; major >= OLDEST_NVRTC; major--) {
        snprintf(path, sizeof path, "%s%slibnvrtc.so.%d", folder, slash, major);
        if (try_nvrtc(d, path, driver_major, err)) return true;
    }
    snprintf(path, sizeof path, "%s%slibnvrtc.so", folder, slash);
    return try_nvrtc(d, path, driver_major, err);
}

static bool try_toolkit(tn_cuda_nvrtc *d, const char *toolkit, int driver_major, tn_error *err) {
    static const char *const folders[] = {"lib64", "lib"};
    char path[PATH_MAX];
    for (size_t i = 0; toolkit && i < sizeof folders / sizeof *folders; i++) {
        if ((size_t)snprintf(path, sizeof path, "%s/%s", toolkit, folders[i]) >= sizeof path) continue;
        if (try_folder(d, path, driver_major, err)) return true;
    }
    return false;
}

int tn_cuda_nvrtc_open(tn_cuda_nvrtc *ret, int driver_major, tn_error *err) {
    const char *library = named("TENON_NVRTC");
    tn_error why = {0};
    if (library) {
        if (try_nvrtc(ret, library, driver_major, &why)) return 0;
        return tn_fail(err, TN_ENOTSUP, "TENON_NVRTC: %s", why.text);
    }
    if (try_folder(ret, "", driver_major, &why) || try_toolkit(ret, named("CUDA_HOME"), driver_major, &why) ||
        try_toolkit(ret, named("CUDA_PATH"), driver_major, &why) ||
        try_toolkit(ret, "/usr/local/cuda", driver_major, &why))
        return 0;
    return tn_fail(
        err, TN_ENOTSUP,
        "no NVRTC (libnvrtc.so.%d, of NVIDIA's CUDA toolkit) where libraries are, in CUDA_HOME, CUDA_PATH or "
        "/usr/local/cuda; TENON_NVRTC may name it. Last: %s",
        driver_major, why.text);
}

void tn_cuda_nvrtc_close(tn_cuda_nvrtc *n) {
    if (n->handle) dlclose(n->handle);
    *n = (tn_cuda_nvrtc){0};
}
