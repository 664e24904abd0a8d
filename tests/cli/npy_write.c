/* SPDX-License-Identifier: Apache-2.0 */
/* npy_write FILE ROWS COLS: an array whose element i, counted through, is i / 4. For npy.py. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/npy.h"

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    uint64_t rows = strtoull(argv[2], NULL, 10), cols = strtoull(argv[3], NULL, 10);
    float *row = calloc(cols ? cols : 1, sizeof *row);
    tn_npy npy = {0};
    tn_error err = {0};
    int rc = row ? tn_npy_open(&npy, argv[1], rows, cols, &err) : TN_ENOMEM;
    for (uint64_t r = 0; r < rows && !rc; r++) {
        for (uint64_t c = 0; c < cols; c++) row[c] = (float)(r * cols + c) / 4;
        rc = tn_npy_write(&npy, row, 1, &err);
    }
    if (!rc) rc = tn_npy_close(&npy, &err);
    if (rc) fprintf(stderr, "%s\n", err.text);
    free(row);
    return rc != 0;
}
