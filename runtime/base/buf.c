/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

void tn_buf_init(tn_buf *b, size_t max) {
    *b = (tn_buf){.max = max};
}

void tn_buf_free(tn_buf *b) {
    free(b->data);
    tn_buf_init(b, b->max);
}

void tn_buf_clear(tn_buf *b) {
    b->len = 0;
    b->status = 0;
    if (b->data) b->data[0] = 0;
}

static int reserve(tn_buf *b, size_t n) {
    size_t need, total;
    if (b->status) return b->status;
    if (!tn_add_size(b->len, n, &need) || need > b->max || !tn_add_size(need, 1, &total))
        return b->status = TN_ELIMIT;
    if (total <= b->cap) return 0;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < total) cap = cap > ((size_t)-1) / 2 ? total : cap * 2;
    char *data = realloc(b->data, cap);
    if (!data) return b->status = TN_ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

int tn_buf_add(tn_buf *b, const void *bytes, size_t n) {
    int rc = reserve(b, n);
    if (rc) return rc;
    if (n) memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = 0;
    return 0;
}

int tn_buf_adds(tn_buf *b, const char *s) {
    return tn_buf_add(b, s, strlen(s));
}

int tn_buf_addc(tn_buf *b, char c) {
    return tn_buf_add(b, &c, 1);
}

int tn_buf_addf(tn_buf *b, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0) return b->status = TN_EINVAL;
    int rc = reserve(b, (size_t)n);
    if (rc) return rc;
    va_start(args, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
    return 0;
}

char *tn_buf_steal(tn_buf *b, size_t *ret_len) {
    if (ret_len) *ret_len = 0;
    if (reserve(b, 0)) {
        tn_buf_free(b);
        return NULL;
    }
    char *data = b->data;
    data[b->len] = 0;
    if (ret_len) *ret_len = b->len;
    tn_buf_init(b, b->max);
    return data;
}
