/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"

/* getopt_long's value of row i, above every character. */
enum { ROW_BASE = 256 };

static size_t flatten(const tn_option_row *table, size_t base, tn_option_row *ret, size_t n) {
    for (const tn_option_row *row = table; row && row->kind != TN_OPT_END; row++) {
        if (row->kind == TN_OPT_GROUP) {
            n = flatten(row->group, base + row->offset, ret, n);
            continue;
        }
        assert(n < TN_OPT_MAX);
        ret[n] = *row;
        ret[n++].offset += base;
    }
    return n;
}

size_t tn_options_flatten(const tn_option_row *table, tn_option_row *ret_rows) {
    return flatten(table, 0, ret_rows, 0);
}

int tn_parse_uint(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
                  tn_error *err) {
    char *end = NULL;
    errno = 0;
    bool digits = text[0] && strspn(text, "0123456789") == strlen(text);
    unsigned long long value = digits ? strtoull(text, &end, 10) : 0;
    if (!digits || errno || value < min || value > max)
        return tn_fail(err, TN_EINVAL, "%s takes a whole number from %llu to %llu, not '%s'", name,
                       (unsigned long long)min, (unsigned long long)max, text);
    *ret = value;
    return 0;
}

int tn_parse_real(const char *name, const char *text, double min, double max, double *ret, tn_error *err) {
    /* The program never calls setlocale(LC_NUMERIC), so strtod reads a point. Hexadecimal, "inf" and blanks
     * are out. */
    char *end = NULL;
    bool plain = text[0] && strspn(text, "0123456789+-.eE") == strlen(text);
    double value = plain ? strtod(text, &end) : 0;
    if (!plain || *end || !isfinite(value) || value < min || value > max)
        return tn_fail(err, TN_EINVAL, "%s takes a number from %g to %g, not '%s'", name, min, max, text);
    *ret = value;
    return 0;
}

static int add_string(const char *name, const char *text, tn_opt_strings *field, tn_error *err) {
    const uint32_t most = sizeof field->value / sizeof *field->value;
    if (field->n == most) return tn_fail(err, TN_EINVAL, "%s may be given at most %u times", name, most);
    field->value[field->n++] = text;
    return 0;
}

static int parse_list(const char *name, const tn_option_row *row, const char *text, tn_opt_list *ret,
                      tn_error *err) {
    ret->n = 0;
    for (const char *item = text;; item++) {
        char word[32];
        size_t len = strcspn(item, ",");
        if (ret->n == sizeof ret->value / sizeof *ret->value)
            return tn_fail(err, TN_EINVAL, "%s takes at most %zu numbers", name,
                           sizeof ret->value / sizeof *ret->value);
        if (len >= sizeof word) len = sizeof word - 1;
        memcpy(word, item, len);
        word[len] = '\0';
        int rc =
            tn_parse_uint(name, word, (uint64_t)row->min, (uint64_t)row->max, &ret->value[ret->n++], err);
        if (rc) return rc;
        item += strcspn(item, ",");
        if (!*item) return 0;
    }
}

static int parse_word(const char *name, const tn_option_row *row, char *text, const char **ret,
                      tn_error *err) {
    size_t len = strlen(text);
    for (const char *word = row->words; *word; word += strcspn(word, "|"), word += *word == '|')
        if (len == strcspn(word, "|") && strncmp(word, text, len) == 0) {
            *ret = text; /* argv outlives everything */
            return 0;
        }
    return tn_fail(err, TN_EINVAL, "%s takes %s, not '%s'", name, row->words, text);
}

static int store(const tn_option_row *row, char *text, void *args, tn_error *err) {
    void *field = (char *)args + row->offset;
    char name[64];
    snprintf(name, sizeof name, "--%s", row->name);
    switch (row->kind) {
    case TN_OPT_FLAG: *(bool *)field = true; return 0;
    case TN_OPT_STRING: *(const char **)field = text; return 0;
    case TN_OPT_WORD: return parse_word(name, row, text, field, err);
    case TN_OPT_UINT: return tn_parse_uint(name, text, (uint64_t)row->min, (uint64_t)row->max, field, err);
    case TN_OPT_REAL: return tn_parse_real(name, text, row->min, row->max, field, err);
    case TN_OPT_LIST: return parse_list(name, row, text, field, err);
    case TN_OPT_STRINGS: return add_string(name, text, field, err);
    case TN_OPT_END:
    case TN_OPT_GROUP: break;
    }
    return tn_fail(err, TN_EBUG, "option table row %s has no value kind", name);
}

/* What getopt_long means by '?': it leaves the offending word behind optind, and in optopt the letter (0 or a
 * row for long options). */
static int explain_unknown(const tn_option_row *rows, size_t n, const char *word, tn_error *err) {
    const char *names[TN_OPT_MAX + 1] = {0};
    char name[64];
    if (optopt >= ROW_BASE)
        return tn_fail(err, TN_EINVAL, "--%s takes no value", rows[optopt - ROW_BASE].name);
    if (optopt) return tn_fail(err, TN_EINVAL, "unknown option '-%c'", optopt);
    size_t shown = 0;
    for (size_t i = 0; i < n; i++)
        if (!rows[i].hidden) names[shown++] = rows[i].name;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    const char *close = tn_did_you_mean(name, names);
    if (close) return tn_fail(err, TN_EINVAL, "unknown option '--%s'; did you mean '--%s'?", name, close);
    return tn_fail(err, TN_EINVAL, "unknown or ambiguous option '--%s'", name);
}

/* The tables getopt_long wants. letters starts with how operands are treated and with ':' for "say what is
 * missing". */
typedef struct getopt_tables {
    struct option options[TN_OPT_MAX + 1];
    char letters[2 * TN_OPT_MAX + 3];
} getopt_tables;

static void make_tables(const tn_option_row *rows, size_t n, bool stop_at_operand, getopt_tables *ret) {
    memset(ret, 0, sizeof *ret);
    char *letter = ret->letters;
    if (stop_at_operand) *letter++ = '+';
    *letter++ = ':';
    for (size_t i = 0; i < n; i++) {
        bool value = rows[i].kind != TN_OPT_FLAG;
        ret->options[i] = (struct option){.name = rows[i].name, .has_arg = value, .val = ROW_BASE + (int)i};
        if (!rows[i].letter) continue;
        *letter++ = rows[i].letter;
        if (value) *letter++ = ':';
    }
}

static const tn_option_row *find_row(const tn_option_row *rows, size_t n, int c) {
    if (c >= ROW_BASE) return &rows[c - ROW_BASE];
    for (size_t i = 0; i < n; i++)
        if (rows[i].letter == c) return &rows[i];
    return NULL;
}

static void restart_getopt(void) {
    opterr = 0;
#if defined(__GLIBC__) || defined(__linux__)
    optind = 0; /* also forgets how the last scan treated operands */
#else
    optreset = 1;
    optind = 1;
#endif
}

int tn_options_parse(const tn_option_row *table, int argc, char **argv, bool stop_at_operand, void *args,
                     int *ret_first, tn_error *err) {
    tn_option_row rows[TN_OPT_MAX];
    getopt_tables tables;
    size_t n = tn_options_flatten(table, rows);
    make_tables(rows, n, stop_at_operand, &tables);
    restart_getopt();
    for (int c; (c = getopt_long(argc, argv, tables.letters, tables.options, NULL)) != -1;) {
        if (c == '?') return explain_unknown(rows, n, argv[optind - 1], err);
        const tn_option_row *row = find_row(rows, n, c == ':' ? optopt : c);
        if (!row) return tn_fail(err, TN_EBUG, "option parser returned %d", c);
        if (c == ':') return tn_fail(err, TN_EINVAL, "--%s needs a value: %s", row->name, row->arg);
        int rc = store(row, optarg, args, err);
        if (rc) return rc;
    }
    *ret_first = optind;
    return 0;
}

void tn_options_help(const tn_option_row *table, tn_buf *out) {
    tn_option_row rows[TN_OPT_MAX];
    size_t n = tn_options_flatten(table, rows);
    for (size_t i = 0; i < n; i++) {
        char left[96], letter[8] = "    ";
        if (rows[i].hidden) continue;
        if (rows[i].letter) snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
        const char *arg = rows[i].words ? rows[i].words : rows[i].arg;
        snprintf(left, sizeof left, "  %s--%s%s%s", letter, rows[i].name, arg ? " " : "", arg ? arg : "");
        bool wide = strlen(left) > 29;
        tn_buf_addf(out, wide ? "%s\n%30s%s\n" : "%-30s%s%s\n", left, "", rows[i].help);
    }
}
