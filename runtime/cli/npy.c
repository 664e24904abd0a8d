/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/npy.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The format: 6 magic bytes, version, a 16-bit little-endian header length, and a Python dictionary padded
 * with spaces so that data begin at a multiple of 64, its last byte a newline. */
enum { HEADER_BYTES = 128, PREFIX_BYTES = 10 };

static const char *float_type(void) {
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first ? "<f4" : ">f4";
}

static void make_header(uint64_t rows, uint64_t cols, char *ret) {
    memset(ret, ' ', HEADER_BYTES);
    memcpy(ret, "\x93NUMPY\x01\x00", 8);
    ret[8] = HEADER_BYTES - PREFIX_BYTES;
    ret[9] = 0;
    int n = snprintf(ret + PREFIX_BYTES, HEADER_BYTES - PREFIX_BYTES,
                     "{'descr': '%s', 'fortran_order': False, 'shape': (%" PRIu64 ", %" PRIu64 "), }",
                     float_type(), rows, cols);
    ret[PREFIX_BYTES + n] = ' '; /* two 20-digit numbers fit: n is at most 101 */
    ret[HEADER_BYTES - 1] = '\n';
}

static int io_failed(const tn_npy *npy, tn_error *err) {
    return tn_fail(err, TN_EIO, "%s could not be written: %s", npy->path, strerror(errno));
}

int tn_npy_open(tn_npy *ret, const char *path, uint64_t rows, uint64_t cols, tn_error *err) {
    char header[HEADER_BYTES];
    *ret = (tn_npy){.rows = rows, .cols = cols, .path = strdup(path)};
    if (!ret->path) return tn_fail(err, TN_ENOMEM, "out of memory");
    make_header(rows, cols, header);
    ret->file = fopen(path, "wb");
    if (!ret->file || fwrite(header, sizeof header, 1, ret->file) != 1) {
        int rc = io_failed(ret, err);
        tn_npy_abort(ret);
        return rc;
    }
    return 0;
}

int tn_npy_write(tn_npy *npy, const float *data, uint64_t n, tn_error *err) {
    if (n > npy->rows - npy->written)
        return tn_fail(err, TN_EINVAL, "%s: %" PRIu64 " rows were announced, more came", npy->path,
                       npy->rows);
    npy->written += n;
    if (npy->cols == 0 || n == 0) return 0;
    for (uint64_t i = 0; i < n; i++, data += npy->cols)
        if (fwrite(data, sizeof *data, npy->cols, npy->file) != npy->cols) return io_failed(npy, err);
    return 0;
}

int tn_npy_close(tn_npy *npy, tn_error *err) {
    int rc = 0;
    if (npy->written != npy->rows)
        rc = tn_fail(err, TN_EINVAL, "%s: %" PRIu64 " of %" PRIu64 " rows came", npy->path, npy->written,
                     npy->rows);
    else if (fflush(npy->file) || ferror(npy->file))
        rc = io_failed(npy, err);
    if (rc) {
        tn_npy_abort(npy);
        return rc;
    }
    if (fclose(npy->file)) rc = io_failed(npy, err);
    free(npy->path);
    *npy = (tn_npy){0};
    return rc;
}

void tn_npy_abort(tn_npy *npy) {
    struct stat st;
    if (npy->file) {
        /* Only a file of our making is removed, not a pipe or a device that was named as the output. */
        if (fstat(fileno(npy->file), &st) == 0 && S_ISREG(st.st_mode)) unlink(npy->path);
        fclose(npy->file);
    }
    free(npy->path);
    *npy = (tn_npy){0};
}
