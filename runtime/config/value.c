/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/listen.h"

#define MASK "***"

/* ---- From text ---- */

typedef struct unit {
    const char *suffix;
    double factor;
} unit;

static const unit no_units[] = {{"", 1}, {NULL, 0}};
static const unit size_units[] = {{"", 1},       {"K", 0x1p10}, {"M", 0x1p20}, {"G", 0x1p30},
                                  {"k", 0x1p10}, {"m", 0x1p20}, {"g", 0x1p30}, {NULL, 0}};
static const unit time_units[] = {{"", 1}, {"s", 1}, {"ms", 1e-3}, {"m", 60}, {"h", 3600}, {NULL, 0}};

static const unit *units_of(const tn_setting_row *row) {
    if (row->kind == TN_SETTING_SIZE) return size_units;
    return row->kind == TN_SETTING_SECONDS ? time_units : no_units;
}

static bool is_whole(const tn_setting_row *row) {
    return row->kind == TN_SETTING_UINT || row->kind == TN_SETTING_SIZE;
}

/* "a whole number", "a size", ..., with its range. */
static int fail_number(const tn_setting_row *row, const char *text, const char *where, tn_error *err) {
    static const char *const nouns[] = {
        [TN_SETTING_UINT] = "a whole number",
        [TN_SETTING_SIZE] = "a number of bytes, or one with K, M or G,",
        [TN_SETTING_SECONDS] = "a number of seconds, or one with ms, s, m or h,",
        [TN_SETTING_REAL] = "a number",
    };
    return tn_fail(err, TN_EINVAL, "%s: %s.%s: %s from %.10g to %.10g is expected, not \"%.60s\"", where,
                   tn_section_names[row->section], row->key, nouns[row->kind], row->min, row->max, text);
}

static int parse_number(const tn_setting_row *row, const char *text, const char *where, double *ret,
                        tn_error *err) {
    /* Hexadecimal, "inf", blanks and signs that make no sense are out; the program never calls
     * setlocale(LC_NUMERIC), so that strtod reads a point. */
    size_t sign = *text == '-' && row->min < 0;
    size_t digits = sign + strspn(text + sign, is_whole(row) ? "0123456789" : "0123456789.");
    const unit *u = units_of(row);
    char number[32], *end = NULL;
    while (u->suffix && strcmp(u->suffix, text + digits) != 0) u++;
    snprintf(number, sizeof number, "%.*s", (int)digits, text);
    double value = strtod(number, &end);
    if (digits == sign || digits >= sizeof number || *end || !u->suffix)
        return fail_number(row, text, where, err);
    value *= u->factor;
    if (!(value >= row->min && value <= row->max)) return fail_number(row, text, where, err);
    *ret = value;
    return 0;
}

/* The position of text in "a|b|c", or -1. */
static int word_index(const char *words, const char *text) {
    size_t n = strlen(text);
    for (int i = 0;; i++) {
        size_t len = strcspn(words, "|");
        if (len == n && memcmp(words, text, n) == 0) return i;
        if (!words[len]) return -1;
        words += len + 1;
    }
}

static int parse_word(const tn_setting_row *row, const char *text, const char *where, int *ret,
                      tn_error *err) {
    const char *words = row->kind == TN_SETTING_BOOL ? "false|true|no|yes|off|on" : row->words;
    *ret = word_index(words, text);
    if (*ret >= 0) return 0;
    return tn_fail(err, TN_EINVAL, "%s: %s.%s: one of %s is expected, not \"%.60s\"", where,
                   tn_section_names[row->section], row->key, words, text);
}

static int no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
}

/* Takes text over. */
static int replace_string(char *text, void *field, tn_error *err) {
    if (!text) return no_memory(err);
    free(*(char **)field);
    *(char **)field = text;
    return 0;
}

static int parse_path(const tn_setting_row *row, const char *text, const tn_setting_place *place, void *field,
                      tn_error *err) {
    bool is_name = row->kind == TN_SETTING_MODEL && !strchr(text, '/');
    if (!*text || *text == '~')
        return tn_fail(err, TN_EINVAL, "%s: %s.%s: a path is expected, not \"%.200s\"%s", place->where,
                       tn_section_names[row->section], row->key, text,
                       *text ? "; write \"${HOME}/...\" for a home directory" : "");
    bool as_is = is_name || *text == '/' || !place->dir;
    return replace_string(as_is ? strdup(text) : tn_path_join(place->dir, text), field, err);
}

static int parse_listen(const tn_setting_row *row, const char *text, const char *where, tn_listen *field,
                        tn_error *err) {
    tn_listen value;
    const char *wrong = NULL;
    int rc = tn_listen_parse(text, &value, &wrong);
    if (rc == TN_ENOMEM) return no_memory(err);
    if (rc)
        return tn_fail(err, rc, "%s: %s.%s: HOST:PORT or [IPV6]:PORT is expected, not \"%.100s\": %s", where,
                       tn_section_names[row->section], row->key, text, wrong);
    free(field->host);
    *field = value;
    return 0;
}

static int parse_item(const tn_setting_row *row, const char *text, const char *where, tn_string_list *field,
                      tn_error *err) {
    if (!*text) return 0;
    if (field->n == TN_SETTING_LIST_ITEMS)
        return tn_fail(err, TN_ELIMIT, "%s: %s.%s: a list has at most %d items", where,
                       tn_section_names[row->section], row->key, TN_SETTING_LIST_ITEMS);
    return tn_string_list_add(field, text, err);
}

const char *tn_setting_text_check(const char *text) {
    if (strnlen(text, TN_SETTING_TEXT_BYTES + 1) > TN_SETTING_TEXT_BYTES)
        return "a text has at most 4096 bytes";
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f) return "control characters are not allowed";
    json_t *utf8 = json_string(text);
    json_decref(utf8);
    return utf8 ? NULL : "the text is not UTF-8";
}

/* What the row's own rule or the rule for all texts says against text. */
static int check_text(const tn_setting_row *row, const char *text, const char *where, tn_error *err) {
    const char *wrong = tn_setting_text_check(text);
    if (!wrong && row->check && *text) wrong = row->check(text);
    if (!wrong) return 0;
    if (row->secret)
        return tn_fail(err, TN_EINVAL, "%s: %s.%s: %s", where, tn_section_names[row->section], row->key,
                       wrong);
    return tn_fail(err, TN_EINVAL, "%s: %s.%s: \"%.60s\": %s", where, tn_section_names[row->section],
                   row->key, text, wrong);
}

int tn_setting_parse(const tn_setting_row *row, const char *text, const tn_setting_place *place, void *field,
                     tn_error *err) {
    double number;
    int word;
    int rc = check_text(row, text, place->where, err);
    if (rc) return rc;
    switch (row->kind) {
    case TN_SETTING_UINT:
    case TN_SETTING_SIZE:
        rc = parse_number(row, text, place->where, &number, err);
        if (!rc) *(uint64_t *)field = (uint64_t)number;
        return rc;
    case TN_SETTING_SECONDS:
    case TN_SETTING_REAL: return parse_number(row, text, place->where, field, err);
    case TN_SETTING_BOOL:
        rc = parse_word(row, text, place->where, &word, err);
        if (!rc) *(bool *)field = word & 1;
        return rc;
    case TN_SETTING_CHOICE:
        rc = parse_word(row, text, place->where, &word, err);
        if (!rc) *(int *)field = word;
        return rc;
    case TN_SETTING_WORD:
        rc = parse_word(row, text, place->where, &word, err);
        return rc ? rc : replace_string(strdup(text), field, err);
    case TN_SETTING_TEXT: return replace_string(strdup(text), field, err);
    case TN_SETTING_FILE:
    case TN_SETTING_MODEL: return parse_path(row, text, place, field, err);
    case TN_SETTING_LISTEN: return parse_listen(row, text, place->where, field, err);
    case TN_SETTING_LIST: return parse_item(row, text, place->where, field, err);
    }
    return tn_fail(err, TN_EBUG, "setting %s has no kind", row->key);
}

/* ---- The field ---- */

void tn_setting_clear(const tn_setting_row *row, void *field) {
    switch (row->kind) {
    case TN_SETTING_UINT:
    case TN_SETTING_SIZE: *(uint64_t *)field = TN_UNSET; return;
    case TN_SETTING_SECONDS:
    case TN_SETTING_REAL: *(double *)field = NAN; return;
    case TN_SETTING_BOOL: *(bool *)field = false; return;
    case TN_SETTING_CHOICE: *(int *)field = 0; return;
    case TN_SETTING_WORD:
    case TN_SETTING_TEXT:
    case TN_SETTING_FILE:
    case TN_SETTING_MODEL:
        free(*(char **)field);
        *(char **)field = NULL;
        return;
    case TN_SETTING_LISTEN:
        free(((tn_listen *)field)->host);
        *(tn_listen *)field = (tn_listen){0};
        return;
    case TN_SETTING_LIST: tn_string_list_free(field); return;
    }
}

int tn_setting_copy(const tn_setting_row *row, const void *from, void *to, tn_error *err) {
    switch (row->kind) {
    case TN_SETTING_UINT: *(uint64_t *)to = *(const uint64_t *)from; return 0;
    case TN_SETTING_WORD: return replace_string(strdup(*(char *const *)from), to, err);
    default: return tn_fail(err, TN_EBUG, "setting %s is of a kind that nothing inherits", row->key);
    }
}

bool tn_setting_is_unset(const tn_setting_row *row, const void *field) {
    switch (row->kind) {
    case TN_SETTING_UINT:
    case TN_SETTING_SIZE: return *(const uint64_t *)field == TN_UNSET;
    case TN_SETTING_SECONDS:
    case TN_SETTING_REAL: return isnan(*(const double *)field);
    case TN_SETTING_WORD:
    case TN_SETTING_TEXT:
    case TN_SETTING_FILE:
    case TN_SETTING_MODEL: return !*(char *const *)field;
    case TN_SETTING_BOOL:
    case TN_SETTING_CHOICE:
    case TN_SETTING_LISTEN:
    case TN_SETTING_LIST: break;
    }
    return false;
}

/* ---- Into text ---- */

static void print_size(uint64_t bytes, tn_buf *out) {
    static const char *const suffixes[] = {"", "K", "M", "G"};
    int i = 0;
    for (; i < 3 && bytes && bytes % 1024 == 0; i++) bytes /= 1024;
    tn_buf_addf(out, "%llu%s", (unsigned long long)bytes, suffixes[i]);
}

void tn_setting_quote(const char *text, tn_buf *out) {
    tn_buf_addc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || *text == '$') tn_buf_addc(out, '\\');
        tn_buf_addc(out, *text);
    }
    tn_buf_addc(out, '"');
}

static void print_list(const tn_setting_row *row, const tn_string_list *list, tn_buf *out) {
    tn_buf_addc(out, '{');
    for (size_t i = 0; i < list->n; i++) {
        if (i) tn_buf_adds(out, ", ");
        tn_setting_quote(row->secret ? MASK : list->item[i], out);
    }
    tn_buf_addc(out, '}');
}

static void print_word(const char *words, int index, tn_buf *out) {
    for (; index > 0; index--) words += strcspn(words, "|") + 1;
    tn_buf_add(out, words, strcspn(words, "|"));
}

void tn_setting_print(const tn_setting_row *row, const void *field, tn_buf *out) {
    if (tn_setting_is_unset(row, field)) return;
    switch (row->kind) {
    case TN_SETTING_UINT: tn_buf_addf(out, "%llu", (unsigned long long)*(const uint64_t *)field); return;
    case TN_SETTING_SIZE: print_size(*(const uint64_t *)field, out); return;
    case TN_SETTING_SECONDS: tn_buf_addf(out, "%.15gs", *(const double *)field); return;
    case TN_SETTING_REAL: tn_buf_addf(out, "%.15g", *(const double *)field); return;
    case TN_SETTING_BOOL: tn_buf_adds(out, *(const bool *)field ? "true" : "false"); return;
    case TN_SETTING_CHOICE: print_word(row->words, *(const int *)field, out); return;
    case TN_SETTING_WORD: tn_buf_adds(out, *(char *const *)field); return;
    case TN_SETTING_TEXT:
    case TN_SETTING_FILE:
    case TN_SETTING_MODEL: tn_setting_quote(*(char *const *)field, out); return;
    case TN_SETTING_LISTEN: tn_listen_print(field, out); return;
    case TN_SETTING_LIST: print_list(row, field, out); return;
    }
}

static json_t *list_json(const tn_setting_row *row, const tn_string_list *list) {
    json_t *array = json_array();
    for (size_t i = 0; array && i < list->n; i++)
        json_array_append_new(array, json_string(row->secret ? MASK : list->item[i]));
    return array;
}

/* A WORD, TEXT, ... as it is, without the quotes of a configuration file. */
static json_t *string_json(const tn_setting_row *row, const void *field) {
    tn_buf text;
    tn_buf_init(&text, 1024);
    if (row->kind != TN_SETTING_LISTEN && row->kind != TN_SETTING_CHOICE)
        return json_string(*(char *const *)field);
    tn_setting_print(row, field, &text);
    json_t *value = json_string(text.data);
    tn_buf_free(&text);
    return value;
}

json_t *tn_setting_json(const tn_setting_row *row, const void *field) {
    json_t *value = NULL;
    if (tn_setting_is_unset(row, field)) return json_null();
    switch (row->kind) {
    case TN_SETTING_UINT:
    case TN_SETTING_SIZE: value = json_integer((json_int_t) * (const uint64_t *)field); break;
    case TN_SETTING_SECONDS:
    case TN_SETTING_REAL: value = json_real(*(const double *)field); break;
    case TN_SETTING_BOOL: value = json_boolean(*(const bool *)field); break;
    case TN_SETTING_LIST: value = list_json(row, field); break;
    default: value = string_json(row, field); break;
    }
    return value ? value : json_null();
}

int tn_string_list_add(tn_string_list *list, const char *text, tn_error *err) {
    char *copy = strdup(text), **item = copy ? realloc(list->item, (list->n + 1) * sizeof *item) : NULL;
    if (!item) {
        free(copy);
        return no_memory(err);
    }
    list->item = item;
    item[list->n++] = copy;
    return 0;
}

void tn_string_list_free(tn_string_list *list) {
    for (size_t i = 0; i < list->n; i++) free(list->item[i]);
    free(list->item);
    *list = (tn_string_list){0};
}
