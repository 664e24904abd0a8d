/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single kernels against plain loops in double, for any GPU: `tenon selftest` and the tests run
 * them. */
#ifndef TN_DEVICE_GPU_CHECK_H
#define TN_DEVICE_GPU_CHECK_H

#include "device/gpu/gpu.h"

typedef struct tn_gpu_check {
    const char *kernel;  /* whose check it is */
    const char *variant; /* what of it, for the table: "Q4_K, 4 rows"; may be "" */
    uint32_t n_shape;
    double tolerance; /* on |got - expected| / max(1, |expected|) */
    /* Runs shape number `shape` with inputs drawn from `seed`. The largest difference; INFINITY when the GPU
     * failed, with the reason in *err. */
    double (*run)(const struct tn_gpu_check *c, tn_gpu *g, uint32_t shape, uint32_t seed, tn_error *err);
    uint32_t param; /* run's: a type, a number of rows */
} tn_gpu_check;

/* Tables of checks, each ending with a NULL kernel; the list ends with NULL. Every kernel is in one. */
extern const tn_gpu_check *const tn_gpu_checks[];
extern const tn_gpu_check tn_gpu_checks_linear[], tn_gpu_checks_attention[], tn_gpu_checks_recurrent[],
    tn_gpu_checks_rows[];

/* One launch being put together: host data, buffers, arguments. Everything is freed by _end. */
typedef struct tn_gpu_launch tn_gpu_launch;
tn_gpu_launch *tn_gpu_launch_new(tn_gpu *g, uint32_t seed);
/* A number in -1 .. 1; an integer below n; n numbers, which live as long as the launch; room for n expected
 * ones. */
float tn_gpu_launch_random(tn_gpu_launch *l);
uint32_t tn_gpu_launch_below(tn_gpu_launch *l, uint32_t n);
float *tn_gpu_launch_floats(tn_gpu_launch *l, size_t n);
void *tn_gpu_launch_host(tn_gpu_launch *l, size_t bytes); /* zeroed */
double *tn_gpu_launch_expected(tn_gpu_launch *l, size_t n);
/* A new buffer with these bytes (NULL: NaN everywhere) as the next argument; returns its number. */
uint32_t tn_gpu_launch_buffer(tn_gpu_launch *l, const void *data, size_t bytes);
void tn_gpu_launch_bytes(tn_gpu_launch *l, const void *bytes, size_t n); /* copied */
void tn_gpu_launch_constant(tn_gpu_launch *l, uint32_t index, uint32_t value);
/* Runs the kernel with the arguments and constants given since the last dispatch; they are forgotten, buffers
 * stay. */
void tn_gpu_launch_dispatch(tn_gpu_launch *l, const char *kernel, uint32_t gx, uint32_t gy, uint32_t gz,
                            uint32_t n_thread);
/* A buffer made before, from offset on, as the next argument. */
void tn_gpu_launch_use(tn_gpu_launch *l, uint32_t nth, size_t offset);
/* Drops the arguments and constants given since the last dispatch: for buffers made before they are used. */
void tn_gpu_launch_forget(tn_gpu_launch *l);
/* Waits and compares n floats at the start of the n-th buffer with what is expected. The worst difference,
 * INFINITY after a failure (*err). */
double tn_gpu_launch_compare(tn_gpu_launch *l, uint32_t nth, const double *expected, size_t n, tn_error *err);
/* Reads back n bytes of the nth buffer into host memory that lives as long as the launch; NULL after a
 * failure. */
void *tn_gpu_launch_read(tn_gpu_launch *l, uint32_t nth, size_t n, tn_error *err);
void tn_gpu_launch_end(tn_gpu_launch *l);

#endif
