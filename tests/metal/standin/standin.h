/* SPDX-License-Identifier: Apache-2.0 */
/* Metal on the simulator, for tests of metal/host.m: stricter than Metal, and it fails when asked to.
 *
 * A library's source is taken for what it names: each `kernel void NAME` must be in the translated library in
 * use (standin_use). Committed command buffers run when somebody waits for one or commits the next, so that a
 * host which does not wait reads NaN; until then the host cannot write what they read nor touch what they
 * write (SIGSEGV, with a word on stderr). Between two barriers dispatches run in the order of a seed; where
 * two use one buffer and one of them writes it, they run in the opposite order as well, and a difference is
 * an error.
 *
 * A mistake of the host ends the program: one line "standin: ..." on stderr, then abort(). One thread. */
#ifndef TN_TESTS_METAL_STANDIN_H
#define TN_TESTS_METAL_STANDIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/sim.h"

typedef struct standin_options {
    uint32_t seed; /* of the order of dispatches and of threads; 0: in order */

    /* What the machine is like. */
    bool no_device, old_gpu;
    bool macos_14;            /* no residency sets, no math modes */
    uint32_t execution_width; /* 0: 32 */
    uint32_t max_threads;     /* of a threadgroup; 0: 1024 */
    uint64_t max_buffer;      /* bytes; 0: 16 GiB */
    bool warnings;            /* the compiler has some */

    /* What goes wrong. n: the n-th from now on (counted down to 0); 0: none. */
    bool no_queue, no_residency_set;
    bool compile_error; /* in every source */
    bool no_pipeline;
    uint32_t fail_buffer;         /* n: nil */
    uint32_t fail_command_buffer; /* n: nil */
    uint32_t fail_encoder;        /* n: nil */
    uint32_t fail_run;            /* n: the command buffer ends with an error */
    int fail_code;                /* of that error, MTLCommandBufferError... */
} standin_options;

/* All zero at the start. */
extern standin_options standin;

/* Where kernels are from now on: a list that ends with NULL. At the start, metal_kernels. */
void standin_use(const sim_library *const *libraries);

/* How often things happened since the program began. */
typedef struct standin_counts {
    uint32_t compilations, pipelines, pipeline_changes, dispatches, command_buffers, residency_commits;
    uint32_t orders; /* intervals that were run in both orders */
} standin_counts;
extern standin_counts standin_counted;

/* Objects that are not freed, constant strings left out; lists them by class on stderr. */
size_t standin_live(void);

/* The contents of a file that newLibraryWithURL: accepts: these bytes, then source text. */
#define STANDIN_LIBRARY_MAGIC "MTLB\n"

#endif
