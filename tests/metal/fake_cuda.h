/* SPDX-License-Identifier: Apache-2.0 */
/* What a test asks of the stand-ins for NVIDIA's libraries: fake_cuda.c and fake_nvrtc.c are shared objects,
 * which the program opens by the names in TENON_LIBCUDA and TENON_NVRTC, and whose functions of these names
 * the test looks up. */
#ifndef TN_TESTS_FAKE_CUDA_H
#define TN_TESTS_FAKE_CUDA_H

#include <stdint.h>

/* The driver has a GPU of memory_bytes. Copies and launches are kept in their stream and done when somebody
 * waits for them, as late as can be; copies from ordinary memory are done at once. Addresses, modules and so
 * on must be its own and alive: whatever else is a mistake, which is counted. Of kernels it knows how to do
 * `add`. Cubins of NVIDIA's compiler are taken too and do nothing. */
typedef struct fake_cuda {
    /* What the test sets. */
    int n_device, arch, version;
    uint64_t memory_bytes;
    const char *fail; /* the function that fails, ... */
    int fail_after;   /* ... after this many calls of it, ... */
    int fail_with;    /* ... with this */
    int fault;        /* what the next kernel that runs ends with; later calls give it too */
    /* What it counts. */
    int n_alive; /* contexts, streams, events, buffers, pinned memory, modules */
    int n_mistake;
    char mistake[200]; /* the first */
    int n_launch;      /* done */
    int n_load;
} fake_cuda;
typedef fake_cuda *fake_cuda_state_fn(void);

typedef struct fake_nvrtc {
    int major, minor;
    int archs[8], n_arch;
    const char *fail; /* the function that fails, always */
    const char *log;  /* the compiler's words; NULL: none */
    int n_compile;
    int n_alive;        /* programs */
    char options[1024]; /* of the last compilation, a line each */
} fake_nvrtc;
typedef fake_nvrtc *fake_nvrtc_state_fn(void);

#endif
