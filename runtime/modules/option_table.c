/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/option_table.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

enum { NAME_MAX_BYTES = 48, TEXT_MAX = 400, VALUE_MAX = 4096 };

const char *tn_option_type_name(uint32_t type) {
    static const char *const names[] = {NULL, "bool", "int", "float", "string", "enum"};
    return type < sizeof names / sizeof *names ? names[type] : NULL;
}

size_t tn_option_table_count(const tn_option *table) {
    size_t n = 0;
    while (table && table[n].name) n++;
    return n;
}

/* ---- One value ---- */

static int parse_bool(const char *text, tn_option_value *v, char *why, size_t why_size) {
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            v->i = (int64_t)(i & 1);
            return 0;
        }
    snprintf(why, why_size, "true or false is expected");
    return TN_EINVAL;
}

static int parse_int(const tn_option *o, const char *text, tn_option_value *v, char *why, size_t why_size) {
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    bool is_number = strchr("+-0123456789", text[0]) && end != text && !*end;
    if (is_number && !errno && n >= o->int_min && n <= o->int_max) {
        v->i = n;
        return 0;
    }
    snprintf(why, why_size, "a whole number from %lld to %lld is expected", (long long)o->int_min,
             (long long)o->int_max);
    return TN_EINVAL;
}

static int parse_float(const tn_option *o, const char *text, tn_option_value *v, char *why, size_t why_size) {
    char *end;
    double f = strtod(text, &end);
    bool is_number = strspn(text, "+-.0123456789eE") == strlen(text) && end != text && !*end;
    if (is_number && isfinite(f) && f >= o->float_min && f <= o->float_max) {
        v->f = f;
        return 0;
    }
    snprintf(why, why_size, "a number from %g to %g is expected", o->float_min, o->float_max);
    return TN_EINVAL;
}

static int parse_string(const char *text, tn_option_value *v, char *why, size_t why_size) {
    json_t *utf8 = strnlen(text, VALUE_MAX + 1) <= VALUE_MAX ? json_string(text) : NULL;
    json_decref(utf8);
    v->s = text;
    if (utf8) return 0;
    snprintf(why, why_size, "UTF-8 of at most %d bytes is expected", VALUE_MAX);
    return TN_EINVAL;
}

static int parse_enum(const tn_option *o, const char *text, tn_option_value *v, char *why, size_t why_size) {
    size_t len = strlen(text);
    int64_t k = 0;
    for (const char *p = o->choices; p; k++) {
        size_t n = strcspn(p, "|");
        if (n == len && memcmp(p, text, n) == 0) {
            v->i = k;
            v->s = text;
            return 0;
        }
        p = p[n] ? p + n + 1 : NULL;
    }
    snprintf(why, why_size, "one of %s is expected", o->choices);
    return TN_EINVAL;
}

/* Leaves what would have been right in why. String values point into text. */
static int parse_value(const tn_option *o, const char *text, tn_option_value *ret, char *why,
                       size_t why_size) {
    *ret = (tn_option_value){.type = o->type};
    switch (o->type) {
    case TN_OPTION_BOOL: return parse_bool(text, ret, why, why_size);
    case TN_OPTION_INT: return parse_int(o, text, ret, why, why_size);
    case TN_OPTION_FLOAT: return parse_float(o, text, ret, why, why_size);
    case TN_OPTION_STRING: return parse_string(text, ret, why, why_size);
    default: return parse_enum(o, text, ret, why, why_size);
    }
}

/* ---- The table ---- */

static bool name_valid(const char *name) {
    size_t len = strnlen(name, NAME_MAX_BYTES + 1);
    return len && len <= NAME_MAX_BYTES && name[0] >= 'a' && name[0] <= 'z' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len;
}

static bool choices_valid(const char *choices) {
    size_t len = choices ? strnlen(choices, TEXT_MAX + 1) : 0;
    return len && len <= TEXT_MAX && choices[0] != '|' && choices[len - 1] != '|' && !strstr(choices, "||");
}

static bool text_valid(const char *text) {
    json_t *utf8 = strnlen(text, TEXT_MAX + 1) <= TEXT_MAX ? json_string(text) : NULL;
    json_decref(utf8);
    return utf8 != NULL;
}

static const char *option_defect(const tn_option *table, size_t k) {
    const tn_option *o = &table[k];
    if (!tn_option_type_name(o->type)) return "an unknown type";
    if (!o->help || !o->help[0] || !text_valid(o->help)) return "no help, or too long a one";
    if (o->type == TN_OPTION_INT && o->int_min > o->int_max) return "an empty range";
    if (o->type == TN_OPTION_FLOAT && !(o->float_min <= o->float_max)) return "an empty range";
    if (o->type == TN_OPTION_ENUM && (!choices_valid(o->choices) || !text_valid(o->choices)))
        return "no valid choices";
    for (size_t i = 0; i < k; i++)
        if (strcmp(table[i].name, o->name) == 0) return "a name that another has";
    return NULL;
}

static int check_option(const tn_option *table, size_t k, const char *where, tn_error *err) {
    const tn_option *o = &table[k];
    if (!name_valid(o->name))
        return tn_fail(err, TN_EMODULE,
                       "%s: option %zu has a name that is not a lower-case letter followed by letters, "
                       "digits and _ (%d bytes at most)",
                       where, k, NAME_MAX_BYTES);
    const char *defect = option_defect(table, k);
    if (defect) return tn_fail(err, TN_EMODULE, "%s: option \"%s\" has %s", where, o->name, defect);
    tn_option_value v;
    char why[TEXT_MAX + 100];
    if (o->default_text && (strnlen(o->default_text, TEXT_MAX + 1) > TEXT_MAX ||
                            parse_value(o, o->default_text, &v, why, sizeof why) != 0))
        return tn_fail(err, TN_EMODULE, "%s: the default of option \"%s\" is not one of its values", where,
                       o->name);
    return 0;
}

int tn_option_table_check(const tn_option *table, const char *where, tn_error *err) {
    for (size_t k = 0; table && table[k].name; k++) {
        if (k == TN_OPTION_MAX)
            return tn_fail(err, TN_EMODULE, "%s: more than %d options, or a table without TN_OPTION_END",
                           where, TN_OPTION_MAX);
        int rc = check_option(table, k, where, err);
        if (rc) return rc;
    }
    return 0;
}

/* ---- Configuration to values ---- */

/* Insertions, deletions and replacements from a to b; names are short, so one row suffices. */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[NAME_MAX_BYTES + 1], n = strlen(b);
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
            size_t shorter = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < shorter ? replaced : shorter;
        }
    }
    return row[n];
}

static const char *nearest_name(const tn_option *table, const char *key) {
    const char *best = NULL;
    size_t best_distance = strnlen(key, NAME_MAX_BYTES) / 2 + 1;
    if (strnlen(key, NAME_MAX_BYTES + 1) > NAME_MAX_BYTES) return NULL;
    for (size_t k = 0; table && table[k].name; k++) {
        size_t d = edit_distance(key, table[k].name);
        if (d < best_distance) {
            best = table[k].name;
            best_distance = d;
        }
    }
    return best;
}

static int unknown_key(const tn_option *table, const char *key, const char *where, tn_error *err) {
    const char *nearest = nearest_name(table, key);
    if (nearest)
        return tn_fail(err, TN_EINVAL, "%s: unknown option \"%.60s\": did you mean \"%s\"?", where, key,
                       nearest);
    return tn_fail(err, TN_EINVAL, "%s: unknown option \"%.60s\": `tenon modules inspect` lists those it has",
                   where, key);
}

static int take_arg(const tn_option *table, const tn_option_arg *arg, const char *where,
                    tn_option_value *values, tn_error *err) {
    size_t k = 0;
    while (table && table[k].name && strcmp(table[k].name, arg->key) != 0) k++;
    if (!table || !table[k].name) return unknown_key(table, arg->key, where, err);
    if (values[k].was_given)
        return tn_fail(err, TN_EINVAL, "%s: option \"%s\" is given twice", where, arg->key);
    char why[TEXT_MAX + 100];
    if (parse_value(&table[k], arg->value, &values[k], why, sizeof why))
        return tn_fail(err, TN_EINVAL, "%s: option \"%s\" cannot be \"%.60s\": %s", where, arg->key,
                       arg->value, why);
    values[k].was_given = 1;
    return 0;
}

static int fill_defaults(const tn_option *table, const char *where, tn_option_value *values, tn_error *err) {
    char why[TEXT_MAX + 100];
    for (size_t k = 0; table && table[k].name; k++) {
        if (values[k].was_given) continue;
        if (!table[k].default_text)
            return tn_fail(err, TN_EINVAL, "%s: option \"%s\" must be given: %s", where, table[k].name,
                           table[k].help);
        if (parse_value(&table[k], table[k].default_text, &values[k], why, sizeof why))
            return tn_fail(err, TN_EMODULE, "%s: the default of option \"%s\": %s", where, table[k].name,
                           why);
    }
    return 0;
}

/* One allocation: the values, then the bytes of their strings. */
static tn_option_value *with_own_strings(const tn_option_value *values, size_t n) {
    size_t bytes = 0;
    for (size_t k = 0; k < n; k++)
        if (values[k].s) bytes += strlen(values[k].s) + 1; /* at most VALUE_MAX each */
    tn_option_value *copy = malloc(n * sizeof *copy + bytes);
    if (!copy) return NULL;
    memcpy(copy, values, n * sizeof *copy);
    char *at = (char *)(copy + n);
    for (size_t k = 0; k < n; k++) {
        if (!copy[k].s) continue;
        size_t len = strlen(values[k].s) + 1;
        memcpy(at, values[k].s, len);
        copy[k].s = at;
        at += len;
    }
    return copy;
}

int tn_option_table_parse(const tn_option *table, const tn_option_arg *args, size_t n_args, const char *where,
                          tn_option_value **ret_values, tn_error *err) {
    tn_option_value values[TN_OPTION_MAX] = {0};
    size_t n = tn_option_table_count(table);
    int rc = 0;
    for (size_t i = 0; !rc && i < n_args; i++) rc = take_arg(table, &args[i], where, values, err);
    if (!rc) rc = fill_defaults(table, where, values, err);
    if (rc) return rc;
    tn_option_value *copy = n ? with_own_strings(values, n) : NULL;
    if (n && !copy) return tn_fail(err, TN_ENOMEM, "%s: out of memory", where);
    *ret_values = copy;
    return 0;
}

void tn_option_values_free(tn_option_value *values) {
    free(values);
}
