/* SPDX-License-Identifier: Apache-2.0 */
/* A compiler whose cubins are "fake NAME". */
#include "fake_cuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Looked up by name: nobody needs their prototypes. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define EXPORT __attribute__((visibility("default")))

enum { COMPILATION = 6, INVALID = 4 };

typedef struct program {
    const char *text;
    char image[128];
} program;

#define START                                                                                                \
    { .major = 13, .minor = 0, .archs = {80, 90, 100}, .n_arch = 3 }
static fake_nvrtc state = START;

EXPORT fake_nvrtc *fake_nvrtc_state(void) {
    return &state;
}
EXPORT void fake_nvrtc_reset(void) {
    state = (fake_nvrtc)START;
}

static int failure(const char *name) {
    return state.fail && strcmp(state.fail, name) == 0 ? INVALID : 0;
}

EXPORT int nvrtcVersion(int *ret_major, int *ret_minor) {
    *ret_major = state.major;
    *ret_minor = state.minor;
    return failure("nvrtcVersion");
}
EXPORT const char *nvrtcGetErrorString(int code) {
    return code == COMPILATION ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR_FAKE";
}
EXPORT int nvrtcGetNumSupportedArchs(int *ret) {
    *ret = state.n_arch;
    return failure("nvrtcGetNumSupportedArchs");
}
EXPORT int nvrtcGetSupportedArchs(int *ret) {
    memcpy(ret, state.archs, (size_t)state.n_arch * sizeof *ret);
    return failure("nvrtcGetSupportedArchs");
}
EXPORT int nvrtcCreateProgram(program **ret, const char *text, const char *name, int n_header,
                              const char *const *headers, const char *const *header_names) {
    (void)name;
    if (failure("nvrtcCreateProgram")) return INVALID;
    if (n_header < 2 || strcmp(header_names[0], "metal_stdlib") != 0 || !strstr(headers[0], "simd_sum"))
        return INVALID;
    *ret = calloc(1, sizeof **ret);
    (*ret)->text = text;
    state.n_alive++;
    return 0;
}
EXPORT int nvrtcDestroyProgram(program **p) {
    free(*p);
    *p = NULL;
    state.n_alive--;
    return 0;
}
EXPORT int nvrtcCompileProgram(program *p, int n_option, const char *const *options) {
    state.n_compile++;
    state.options[0] = 0;
    for (int i = 0; i < n_option; i++) {
        const size_t at = strlen(state.options);
        snprintf(state.options + at, sizeof state.options - at, "%s\n", options[i]);
        char guard[160];
        if (strncmp(options[i], "-DTN_KERNEL_", 12) != 0) continue;
        snprintf(guard, sizeof guard, "#ifdef %s\n", options[i] + 2);
        if (!strstr(p->text, guard)) return INVALID;
        snprintf(p->image, sizeof p->image, "fake %.100s", options[i] + 12);
    }
    return state.log || failure("nvrtcCompileProgram") ? COMPILATION : 0;
}
EXPORT int nvrtcGetProgramLogSize(program *p, size_t *ret) {
    (void)p;
    *ret = state.log ? strlen(state.log) + 1 : 1;
    return failure("nvrtcGetProgramLogSize");
}
EXPORT int nvrtcGetProgramLog(program *p, char *ret) {
    (void)p;
    strcpy(ret, state.log);
    return 0;
}
EXPORT int nvrtcGetCUBINSize(program *p, size_t *ret) {
    *ret = strlen(p->image) + 1;
    return failure("nvrtcGetCUBINSize");
}
EXPORT int nvrtcGetCUBIN(program *p, char *ret) {
    strcpy(ret, p->image);
    return failure("nvrtcGetCUBIN");
}
EXPORT int nvrtcGetPTXSize(program *p, size_t *ret) {
    *ret = strlen(p->image) + 1;
    return failure("nvrtcGetPTXSize");
}
EXPORT int nvrtcGetPTX(program *p, char *ret) {
    strcpy(ret, p->image);
    return failure("nvrtcGetPTX");
}
