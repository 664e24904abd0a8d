/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/stop.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"

void tn_stop_init(tn_stop *s, const char *const *strings, const size_t *len, size_t n, size_t max_text) {
    *s = (tn_stop){.strings = strings, .len = len, .n = n, .found = SIZE_MAX};
    tn_buf_init(&s->held, max_text);
}

void tn_stop_fini(tn_stop *s) {
    tn_buf_free(&s->held);
    free(s->tables);
    *s = (tn_stop){0};
}

/* border[k], k >= 1: length of the longest proper prefix of w that ends w[0, k). */
static void fill_borders(const char *w, size_t len, size_t *border) {
    size_t k = 0;
    border[0] = border[1] = 0;
    for (size_t i = 1; i < len; i++) {
        while (k && w[k] != w[i]) k = border[k];
        if (w[k] == w[i]) k++;
        border[i + 1] = k;
    }
}

static size_t table_size(const tn_stop *s, size_t i) {
    return s->len[i] + 2;
}

/* Makes the tables on first use. False when out of memory. */
static bool prepare(tn_stop *s) {
    size_t total = 0, bytes;
    if (s->tables) return true;
    for (size_t i = 0; i < s->n; i++)
        if (!tn_add_size(total, table_size(s, i), &total)) return false;
    if (!tn_mul_size(total, sizeof *s->tables, &bytes)) return false;
    size_t *t = s->tables = malloc(bytes);
    if (!t) return false;
    for (size_t i = 0; i < s->n; t += table_size(s, i++)) {
        t[0] = 0;
        fill_borders(s->strings[i], s->len[i], t + 1);
    }
    return true;
}

/* Takes one byte in one string: how many of its bytes end the text now. */
static size_t step(const char *w, size_t len, const size_t *border, size_t k, char c) {
    if (k == len) k = border[k];
    while (k && w[k] != c) k = border[k];
    return k + (w[k] == c);
}

/* Takes held[at] in all strings. Returns where the earliest candidate that may still grow begins; at + 1 if
 * none does. */
static size_t take(tn_stop *s, size_t at) {
    size_t open = at + 1, *t = s->tables;
    for (size_t i = 0; i < s->n; t += table_size(s, i++)) {
        size_t k = t[0] = step(s->strings[i], s->len[i], t + 1, t[0], s->held.data[at]);
        size_t begin = at + 1 - k;
        if (k == s->len[i]) {
            if (begin < s->found) s->found = begin;
        } else if (begin < open) {
            open = begin;
        }
    }
    return open;
}

static void hand_out(tn_stop *s, size_t n, tn_buf *out) {
    if (n == 0) return;
    tn_buf_add(out, s->held.data, n);
    s->held.len -= n;
    memmove(s->held.data, s->held.data + n, s->held.len);
    if (s->found != SIZE_MAX) s->found -= n;
}

static bool end_text(tn_stop *s, tn_buf *out) {
    hand_out(s, s->found, out);
    tn_buf_free(&s->held);
    return s->hit = true;
}

static void fail(tn_buf *out, int code) {
    if (!out->status) out->status = code;
}

bool tn_stop_push(tn_stop *s, const char *text, size_t len, tn_buf *out) {
    size_t at = s->held.len, open = at;
    if (s->hit) return true;
    if (len == 0) return false;
    if (s->n == 0) {
        tn_buf_add(out, text, len);
        return false;
    }
    if (!prepare(s)) {
        fail(out, TN_ENOMEM);
        return false;
    }
    if (tn_buf_add(&s->held, text, len)) {
        fail(out, s->held.status);
        return false;
    }
    for (; at < s->held.len; at++) {
        open = take(s, at);
        if (s->found != SIZE_MAX && open >= s->found) return end_text(s, out);
    }
    hand_out(s, open, out);
    return false;
}

bool tn_stop_finish(tn_stop *s, tn_buf *out) {
    if (!s->hit && s->found != SIZE_MAX) return end_text(s, out);
    if (!s->hit) hand_out(s, s->held.len, out);
    return s->hit;
}
