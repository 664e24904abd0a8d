/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the test of metal/host.m. */
#ifndef TN_TESTS_METAL_HOST_TEST_H
#define TN_TESTS_METAL_HOST_TEST_H

#include "metal/host.h"
#include "standin/standin.h"

extern const tn_metal_kernels host_sources; /* tests/metal/host, as text */
extern const sim_library host_kernels;      /* and translated */

/* What the stand-in ends a program for. run: in a process of its own; expected: a part of what it says. */
typedef struct misuse {
    const char *name, *expected;
    void (*run)(void);
} misuse;
extern const misuse misuses[]; /* the last one's name is NULL */

/* The stand-in as new, with the kernels of tests/metal/host. */
void host_reset(void);
/* Runs f in a process of its own. Whether it is killed by abort() with `expected` on stderr; else says what
 * it did. */
bool host_dies(void (*f)(void), const char *expected);
/* A Metal GPU with these kernels; closing one, after which no object is left. */
tn_gpu *host_open(void);
void host_close(tn_gpu *g);

/* The tests of host_faults.c. */
void host_without_a_gpu(void **state);
void host_memory_runs_out(void **state);
void host_compilers_fail(void **state);
void host_batches_that_fail(void **state);
void host_old_systems(void **state);
void host_prebuilt_libraries(void **state);

#endif
