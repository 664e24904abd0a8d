/* SPDX-License-Identifier: Apache-2.0 */
/* Writes NumPy's .npy files, format version 1.0: one float32 array [rows, cols], C order, little-endian. Rows
 * arrive in pieces, so an array need not fit in memory. */
#ifndef TN_CLI_NPY_H
#define TN_CLI_NPY_H

#include <stdint.h>
#include <stdio.h>
#include <tenon/status.h>

typedef struct tn_npy {
    FILE *file; /* NULL when closed */
    char *path; /* owned */
    uint64_t rows, cols;
    uint64_t written; /* rows */
} tn_npy;

/* Creates or truncates path and writes the header. rows and cols may be 0. TN_EIO, TN_ENOMEM. [control
 * thread] */
int tn_npy_open(tn_npy *ret, const char *path, uint64_t rows, uint64_t cols, tn_error *err);
/* Appends n rows, data: [n, cols] f32. TN_EINVAL past the announced number of rows, TN_EIO. */
int tn_npy_write(tn_npy *npy, const float *data, uint64_t n, tn_error *err);
/* Flushes and closes. TN_EINVAL when rows are missing, TN_EIO; a file that is not whole is removed. */
int tn_npy_close(tn_npy *npy, tn_error *err);
/* Closes and removes an unfinished file; harmless after tn_npy_close and on a zeroed struct. */
void tn_npy_abort(tn_npy *npy);

#endif
