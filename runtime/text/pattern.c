/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/pattern.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Limits of one match. The published expressions are linear: a match step for each character of the longest
 * word is what they need. Expressions with nested repetition run into these instead of running for ever. */
enum {
    MATCH_LIMIT = 20 * 1000 * 1000,
    DEPTH_LIMIT = 1000 * 1000,
    HEAP_LIMIT_KIB = 128 << 10,
    STACK_START = 32 << 10,
    STACK_MAX = 8 << 20,
    CALLS_PER_CHECK = 64,
};

/* Processor time for the matches of one text: an expression that looks far ahead at each of them is
 * quadratic. */
static const double SECONDS = 10, SECONDS_PER_BYTE = 1e-6;

struct tn_pattern {
    pcre2_code *code; /* NULL for a literal */
    char *source;     /* what code was compiled from: the translation */
    char *literal;
    size_t literal_len;
};

static int compile(tn_pattern *p, const char *re, size_t len, tn_error *err) {
    int code, rc;
    size_t at;
    tn_buf b;
    tn_buf_init(&b, 16 * TN_PATTERN_MAX);
    rc = tn__regex_translate(re, len, &b, err);
    if (rc) goto out;
    pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
    if (ctx) pcre2_set_newline(ctx, PCRE2_NEWLINE_LF);
    p->code =
        pcre2_compile((PCRE2_SPTR)(b.data ? b.data : ""), b.len,
                      PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code, &at, ctx);
    pcre2_compile_context_free(ctx);
    if (!p->code) {
        PCRE2_UCHAR text[128];
        pcre2_get_error_message(code, text, sizeof text);
        size_t from = at > 20 ? at - 20 : 0;
        rc = tn_fail(err, TN_EFORMAT, "the expression \"%.60s\" does not compile: %s near \"%.30s\"", re,
                     (const char *)text, b.data ? b.data + from : "");
        goto out;
    }
    /* Without JIT (not built in, or no executable memory) the interpreter does the same, more slowly. */
    (void)pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
    p->source = tn_buf_steal(&b, NULL);
    if (!p->source) rc = tn_fail(err, TN_ENOMEM, "out of memory");
out:
    tn_buf_free(&b);
    return rc;
}

int tn__pattern_new(const char *re, size_t len, bool literal, tn_pattern **ret, tn_error *err) {
    int rc = 0;
    if (len > TN_PATTERN_MAX)
        return tn_fail(err, TN_ELIMIT, "an expression of %zu bytes, the limit is %d", len, TN_PATTERN_MAX);
    if (literal && !len) return tn_fail(err, TN_EFORMAT, "an empty string as a pattern");
    tn_pattern *p = calloc(1, sizeof *p);
    if (!p) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (literal) {
        p->literal = malloc(len);
        p->literal_len = len;
        if (p->literal)
            memcpy(p->literal, re, len);
        else
            rc = tn_fail(err, TN_ENOMEM, "out of memory");
    } else {
        rc = compile(p, re, len, err);
    }
    if (rc) {
        tn__pattern_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void tn__pattern_free(tn_pattern *p) {
    if (!p) return;
    if (p->code) pcre2_code_free(p->code);
    free(p->source);
    free(p->literal);
    free(p);
}

bool tn__pattern_is(const tn_pattern *p, const char *re) {
    tn_buf b;
    tn_buf_init(&b, 16 * TN_PATTERN_MAX);
    bool same = p->source && tn__regex_translate(re, strlen(re), &b, NULL) == 0 && b.data &&
                strcmp(b.data, p->source) == 0;
    tn_buf_free(&b);
    return same;
}

static int matcher_ready(tn_matcher *m, tn_error *err) {
    if (m->data) return 0;
    m->data = pcre2_match_data_create(1, NULL);
    m->context = pcre2_match_context_create(NULL);
    if (!m->data || !m->context) {
        tn__matcher_fini(m);
        return tn_fail(err, TN_ENOMEM, "out of memory for a search");
    }
    pcre2_set_match_limit(m->context, MATCH_LIMIT);
    pcre2_set_depth_limit(m->context, DEPTH_LIMIT);
    pcre2_set_heap_limit(m->context, HEAP_LIMIT_KIB);
    return 0;
}

void tn__matcher_fini(tn_matcher *m) {
    pcre2_match_data_free(m->data);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    *m = (tn_matcher){0};
}

/* One search. Compiled code first uses the machine's stack, then a larger one of its own, then the
 * interpreter. */
static int search(const tn_pattern *p, tn_matcher *m, const char *text, size_t len, size_t from,
                  uint32_t options) {
    PCRE2_SPTR s = (PCRE2_SPTR)text;
    options |= PCRE2_NO_UTF_CHECK;
    int rc = pcre2_match(p->code, s, len, from, options, m->data, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !m->stack) {
        m->stack = pcre2_jit_stack_create(STACK_START, STACK_MAX, NULL);
        if (m->stack) pcre2_jit_stack_assign(m->context, NULL, m->stack);
        rc = pcre2_match(p->code, s, len, from, options, m->data, m->context);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(p->code, s, len, from, options | PCRE2_NO_JIT, m->data, m->context);
    return rc;
}

static double thread_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Whether the matcher has used up its time; looked at now and then. */
static bool out_of_time(tn_matcher *m, size_t len) {
    if (m->calls++ % CALLS_PER_CHECK) return false;
    double t = thread_time();
    if (m->calls == 1) m->deadline = t + SECONDS;
    return t > m->deadline + (double)len * SECONDS_PER_BYTE;
}

static int find_literal(const tn_pattern *p, const char *text, size_t len, size_t from, size_t *ret_start,
                        size_t *ret_end) {
    const char *hit = memmem(text + from, len - from, p->literal, p->literal_len);
    if (!hit) return 0;
    *ret_start = (size_t)(hit - text);
    *ret_end = *ret_start + p->literal_len;
    return 1;
}

int tn__pattern_find(const tn_pattern *p, tn_matcher *m, const char *text, size_t len, size_t from,
                     size_t *ret_start, size_t *ret_end, tn_error *err) {
    if (from >= len) return 0;
    if (!p->code) return find_literal(p, text, len, from, ret_start, ret_end);
    int rc = matcher_ready(m, err);
    if (rc) return rc;
    if (out_of_time(m, len))
        return tn_fail(err, TN_ELIMIT,
                       "the tokenizer's splitting expression takes too long on a text of %zu bytes", len);
    rc = search(p, m, text, len, from, PCRE2_NOTEMPTY);
    if (rc == PCRE2_ERROR_NOMATCH) return 0;
    if (rc < 0) {
        PCRE2_UCHAR why[128];
        pcre2_get_error_message(rc, why, sizeof why);
        return tn_fail(err, rc == PCRE2_ERROR_NOMEMORY ? TN_ENOMEM : TN_ELIMIT,
                       "the tokenizer's splitting expression fails at byte %zu of a text of %zu: %s", from,
                       len, (const char *)why);
    }
    const size_t *bounds = pcre2_get_ovector_pointer(m->data);
    if (bounds[0] < from || bounds[1] <= bounds[0] || bounds[1] > len)
        return tn_fail(err, TN_ENOTSUP, "the tokenizer's splitting expression moves its own bounds (\\K)");
    *ret_start = bounds[0];
    *ret_end = bounds[1];
    return 1;
}
