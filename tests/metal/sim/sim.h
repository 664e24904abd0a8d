/* SPDX-License-Identifier: Apache-2.0 */
/* The Metal simulator as a host sees it: a device whose memory is behind handles, and kernels that are run by
 * name.
 *
 * Kernels come from .metal files that tools/mslx turned into C++, one library per output file. A dispatch
 * runs every thread of every threadgroup on the calling thread, a threadgroup at a time, and stops with an
 * error where a GPU would hang, race or corrupt memory in silence:
 *   - threads of a simdgroup that do not arrive at the same simdgroup operation together;
 *   - threads of a threadgroup that wait at different barriers, or not all of them at one;
 *   - an access beyond the bytes of a buffer or of a threadgroup variable, or past a thread's stack;
 *   - a lane that is not there, lanes that disagree where they must not, a matrix in a short simdgroup;
 *   - where sim_checks_operations(): a misaligned access, an index outside an array whose size is known
 * there, a shift by the width or more, a division by zero, a float that its integer cannot hold, a signed
 * overflow;
 *   - an argument or function constant that the kernel does not have, that is absent, or whose size is not
 * the kernel's. Fresh buffers and the threadgroup memory of each group are filled with NaN bytes, and with
 * sim_seed() the threads run in random order, so that a result which needs a barrier that is not there
 * changes or becomes NaN.
 *
 * One thread at a time. Functions that return int give 0 or -1; sim_error() then has the reason. */
#ifndef TN_TESTS_METAL_SIM_H
#define TN_TESTS_METAL_SIM_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SIM_MAX_BINDINGS = 31,           /* argument indices of a kernel, as in Metal */
    SIM_MAX_INLINE_BYTES = 4096,     /* of one argument passed by value */
    SIM_MAX_GROUP_THREADS = 1024,    /* threads of a threadgroup */
    SIM_MAX_GROUP_BYTES = 32 * 1024, /* threadgroup memory of a kernel */
    SIM_SIMD_WIDTH = 32,
};

/* Device memory. Its bytes are reached by sim_buffer_write, sim_buffer_read and kernels only. */
typedef struct sim_buffer sim_buffer;
typedef struct sim_kernel sim_kernel;
/* The kernels of some .metal files: what mslx.py --library NAME defines as `extern const sim_library NAME`.
 */
typedef struct sim_library sim_library;

/* bytes >= 1, filled with 0xff (NaN as F32). NULL when there is no memory. The caller's, sim_buffer_free().
 */
sim_buffer *sim_buffer_new(size_t bytes);
void sim_buffer_free(sim_buffer *b);
size_t sim_buffer_bytes(const sim_buffer *b);
/* Copies n bytes to or from b at offset; an extent that does not fit is an error. */
int sim_buffer_write(sim_buffer *b, size_t offset, const void *src, size_t n);
int sim_buffer_read(const sim_buffer *b, size_t offset, void *dst, size_t n);
/* A buffer that is the caller's memory, which outlives it; no kernel may have it to write. NULL when there is
 * no memory. */
sim_buffer *sim_buffer_borrow(const void *bytes, size_t n);
/* Its bytes, for a host that shares memory with the device. */
void *sim_buffer_data(sim_buffer *b);
/* Until it is opened again, whoever writes (closed to writing) or touches (closed) its bytes gets a SIGSEGV.
 * Does nothing to the caller's memory. */
typedef enum sim_access { SIM_OPEN, SIM_READ_ONLY, SIM_CLOSED } sim_access;
void sim_buffer_protect(sim_buffer *b, sim_access access);
/* Whether address lies in the pages that it closes. */
int sim_buffer_has(const sim_buffer *b, const void *address);

/* A kernel by its name in the .metal file, or NULL. Static. In a library of kernels without barriers
 * (mslx.py --without-barriers) "kernel@48" is the kernel whose barrier on line 48 of its file does nothing.
 */
const sim_kernel *sim_kernel_find(const sim_library *l, const char *name);
/* The i-th kernel, NULL past the last. */
const sim_kernel *sim_kernel_at(const sim_library *l, size_t i);
const char *sim_kernel_name(const sim_kernel *k);

/* A kernel's [[buffer(index)]]. */
typedef struct sim_parameter {
    uint32_t index;
    int is_pointer;      /* else a reference */
    int writes;          /* a pointer to what is not const */
    size_t bytes, align; /* of the type referred to */
} sim_parameter;
/* The i-th parameter; 0, or -1 past the last. */
int sim_kernel_parameter(const sim_kernel *k, size_t i, sim_parameter *ret);
/* The i-th function constant that the kernel uses; 0, or -1 past the last. */
int sim_kernel_constant(const sim_kernel *k, size_t i, uint32_t *ret_index);

/* The value of `constant uint NAME [[function_constant(index)]]`. */
typedef struct sim_constant {
    uint32_t index, value;
} sim_constant;

/* One argument: a buffer (for pointers), or bytes that are copied (for `constant T &`). */
typedef struct sim_binding {
    uint32_t index; /* of [[buffer(index)]] */
    sim_buffer *buffer;
    size_t offset; /* into buffer, a multiple of 4 and of the alignment of what the kernel finds there */
    const void *bytes;
    size_t n_bytes;
} sim_binding;

/* Runs kernel over groups[0] * groups[1] * groups[2] threadgroups of n_thread threads in x. No group is no
 * work. Every function constant that the kernel uses is given, and none that its file does not have. */
int sim_dispatch(const sim_kernel *kernel, const sim_constant *constants, size_t n_constant,
                 const sim_binding *bindings, size_t n_binding, const uint32_t groups[3], uint32_t n_thread);

/* 0: groups, simdgroups and threads run in order; else in an order drawn from the seed. */
void sim_seed(uint32_t seed);
/* 1 where the kernels were compiled with checks of single operations; not under a sanitizer, which has its
 * own. */
int sim_checks_operations(void);
/* What the last call that failed met. Valid until the next failure. */
const char *sim_error(void);

#ifdef __cplusplus
}
#endif
#endif
