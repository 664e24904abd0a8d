/* SPDX-License-Identifier: Apache-2.0 */
/* A stable merge sort of positions, bottom up. */
#include "base/checked.h"
#include "text/jinja/ops.h"

/* Merges the runs [low, middle) and [middle, high) of from into to. */
static int merge(tn_jrun *r, const tn_jval *key, bool descending, const size_t *from, size_t *to, size_t low,
                 size_t middle, size_t high) {
    size_t a = low, b = middle;
    for (size_t i = low; i < high; i++) {
        bool second = a >= middle;
        if (!second && b < high) {
            int order;
            TN_TRY(tn_jorder(r, key[from[b]], key[from[a]], &order));
            second = descending ? order == 1 : order == -1;
        }
        to[i] = second ? from[b++] : from[a++];
    }
    return 0;
}

int tn_jsort(tn_jrun *r, const tn_jval *key, size_t n, bool descending, size_t **ret_order) {
    size_t bytes;
    if (!tn_mul_size(n, 2 * sizeof(size_t), &bytes)) bytes = SIZE_MAX;
    size_t *from = tn_jalloc(r, bytes);
    if (!from) return tn_jnomem(r);
    size_t *to = from + n;
    for (size_t i = 0; i < n; i++) from[i] = i;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            size_t middle = n - low < width ? n : low + width, high = n - middle < width ? n : middle + width;
            TN_TRY(merge(r, key, descending, from, to, low, middle, high));
        }
        size_t *swap = from;
        from = to;
        to = swap;
    }
    *ret_order = from;
    return 0;
}
