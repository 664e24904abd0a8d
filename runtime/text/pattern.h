/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions of tokenizers. They are written for Oniguruma (Ruby syntax) or Rust's regex; what
 * differs is translated to PCRE2's syntax: \s, \w and \h as Unicode has them, nested classes, class
 * intersections, \u escapes. */
#ifndef TN_TEXT_PATTERN_H
#define TN_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"

enum { TN_PATTERN_MAX = 64 << 10 }; /* bytes of an expression */

/* A compiled expression; immutable, any thread. */
typedef struct tn_pattern tn_pattern;

/* Compiles well-formed UTF-8 re[0, len). literal: the bytes themselves, no syntax. TN_EFORMAT (does not
 * compile: says where), TN_ENOTSUP (syntax that we do not translate), TN_ELIMIT, TN_ENOMEM. */
int tn__pattern_new(const char *re, size_t len, bool literal, tn_pattern **ret, tn_error *err);
void tn__pattern_free(tn_pattern *p);
/* Whether p was made from re, but for how escapes are spelt; never true of a literal. */
bool tn__pattern_is(const tn_pattern *p, const char *re);

/* What a search needs beside the pattern; one per thread and text. {0} is ready. */
typedef struct tn_matcher {
    void *data, *context, *stack;
    uint64_t calls;
    double deadline; /* processor time of this thread, seconds */
} tn_matcher;
void tn__matcher_fini(tn_matcher *m);

/* The first match of at least one byte in text[from, len): 1 and its bounds, 0 for none. text is well-formed
 * UTF-8; what lies before from is seen by look-behinds. TN_ELIMIT: the expression needs more steps, depth or
 * memory than allowed on this text; TN_ENOMEM. */
int tn__pattern_find(const tn_pattern *p, tn_matcher *m, const char *text, size_t len, size_t from,
                     size_t *ret_start, size_t *ret_end, tn_error *err);

/* The translation alone: appends PCRE2's form of re to out. */
int tn__regex_translate(const char *re, size_t len, tn_buf *out, tn_error *err);

#endif
