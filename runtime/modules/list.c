/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/list.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "modules/facts.h"

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Paths are bytes; what is not UTF-8 becomes question marks. */
static json_t *text_json(const char *text) {
    if (!text) return json_null();
    json_t *value = json_string(text);
    char *copy = value ? NULL : strdup(text);
    for (char *p = copy; p && *p; p++)
        if (*p & 0x80) *p = '?';
    if (copy) value = json_string(copy);
    free(copy);
    return value;
}

static const char *place_text(const char *path) {
    return path ? path : "(part of the program)";
}

/* ---- One module ---- */

static void add_number(tn_buf *out, const json_t *n) {
    if (json_is_integer(n))
        tn_buf_addf(out, "%lld", (long long)json_integer_value(n));
    else
        tn_buf_addf(out, "%g", json_real_value(n));
}

static void add_joined(tn_buf *out, const json_t *list, const char *between) {
    const json_t *item;
    size_t i;
    json_array_foreach(list, i, item) tn_buf_addf(out, "%s%s", i ? between : "", json_string_value(item));
}

/* "window = 4096    int, 1 to 1048576" and the help below. */
static void add_option(tn_buf *out, const json_t *o) {
    const json_t *min = json_object_get(o, "min"), *choices = json_object_get(o, "choices");
    const json_t *def = json_object_get(o, "default");
    tn_buf_addf(out, "  %s", text_of(o, "name"));
    if (json_is_string(def)) tn_buf_addf(out, " = %s", json_string_value(def));
    tn_buf_addf(out, "  (%s", text_of(o, "type"));
    if (min) {
        tn_buf_adds(out, ", ");
        add_number(out, min);
        tn_buf_adds(out, " to ");
        add_number(out, json_object_get(o, "max"));
    }
    if (choices) {
        tn_buf_adds(out, ": ");
        add_joined(out, choices, ", ");
    }
    tn_buf_addf(out, "%s)\n      %s\n", json_is_null(def) ? "; must be given" : "", text_of(o, "help"));
}

void tn_module_text(const json_t *facts, const char *path, tn_buf *out) {
    const json_t *options = json_object_get(facts, "options"), *o;
    const json_t *factories = json_object_get(facts, "factories");
    size_t i;
    tn_buf_addf(out, "id         %s\nversion    %s\nlicence    %s\nmodule ABI %s\nfile       %s\nfactories  ",
                text_of(facts, "id"), text_of(facts, "version"), text_of(facts, "licence"),
                text_of(facts, "abi"), place_text(path));
    add_joined(out, factories, ", ");
    if (json_array_size(factories) == 0) tn_buf_adds(out, "none");
    tn_buf_adds(out, json_array_size(options) ? "\noptions\n" : "\noptions    none\n");
    json_array_foreach(options, i, o) add_option(out, o);
}

json_t *tn_module_json(const json_t *facts, const char *path) {
    json_t *copy = json_deep_copy(facts);
    if (copy && json_object_set_new(copy, "path", text_json(path)) == 0) return copy;
    json_decref(copy);
    return NULL;
}

/* ---- All of them ---- */

enum { N_COLUMN = 4 };

static void fill_row(const tn_module_info *m, const char *cell[N_COLUMN], tn_buf *factories) {
    tn_buf_clear(factories);
    tn_buf_adds(factories, "");
    add_joined(factories, json_object_get(m->facts, "factories"), ",");
    cell[0] = m->id;
    cell[1] = m->version;
    cell[2] = m->licence;
    cell[3] = factories->data ? factories->data : "";
}

static void add_table(const tn_registry *r, tn_buf *out) {
    const char *cell[N_COLUMN] = {"MODULE", "VERSION", "LICENCE", "FACTORIES"};
    size_t width[N_COLUMN];
    tn_buf factories;
    tn_buf_init(&factories, 1 << 16);
    for (size_t k = 0; k < N_COLUMN; k++) width[k] = strlen(cell[k]);
    for (size_t i = 0; i < tn_registry_count(r); i++) {
        fill_row(tn_registry_at(r, i), cell, &factories);
        for (size_t k = 0; k < N_COLUMN; k++)
            width[k] = strlen(cell[k]) > width[k] ? strlen(cell[k]) : width[k];
    }
    tn_buf_addf(out, "%-*s  %-*s  %-*s  %-*s  FILE\n", (int)width[0], "MODULE", (int)width[1], "VERSION",
                (int)width[2], "LICENCE", (int)width[3], "FACTORIES");
    for (size_t i = 0; i < tn_registry_count(r); i++) {
        fill_row(tn_registry_at(r, i), cell, &factories);
        for (size_t k = 0; k < N_COLUMN; k++) tn_buf_addf(out, "%-*s  ", (int)width[k], cell[k]);
        tn_buf_addf(out, "%s\n", place_text(tn_registry_at(r, i)->path));
    }
    tn_buf_free(&factories);
}

void tn_modules_list_text(const tn_registry *r, tn_buf *out) {
    if (tn_registry_count(r))
        add_table(r, out);
    else
        tn_buf_adds(out, "No modules were found.\n");
    if (tn_registry_problem_count(r)) tn_buf_adds(out, "\nNot used:\n");
    for (size_t i = 0; i < tn_registry_problem_count(r); i++)
        tn_buf_addf(out, "  %s\n", tn_registry_problem_at(r, i)->text);
}

static json_t *problem_json(const tn_module_problem *p) {
    return json_pack("{s:o,s:s,s:o}", "path", text_json(p->path), "code", tn_status_name(p->code), "text",
                     text_json(p->text));
}

json_t *tn_modules_list_json(const tn_registry *r) {
    json_t *modules = json_array(), *problems = json_array();
    for (size_t i = 0; i < tn_registry_count(r); i++) {
        const tn_module_info *m = tn_registry_at(r, i);
        json_array_append_new(modules, tn_module_json(m->facts, m->path));
    }
    for (size_t i = 0; i < tn_registry_problem_count(r); i++)
        json_array_append_new(problems, problem_json(tn_registry_problem_at(r, i)));
    return json_pack("{s:s,s:o,s:o}", "abi", TN_ABI_TEXT, "modules", modules, "problems", problems);
}

/* ---- Versions ---- */

static size_t digits(const char *s) {
    return strspn(s, "0123456789");
}

/* Numbers of any length: without leading zeros the longer is greater. Moves both past their number. */
static int compare_numbers(const char **a, const char **b) {
    while (**a == '0' && digits(*a) > 1) (*a)++;
    while (**b == '0' && digits(*b) > 1) (*b)++;
    size_t n = digits(*a), m = digits(*b);
    int order = n != m ? (n > m) - (n < m) : strncmp(*a, *b, n);
    *a += n;
    *b += m;
    return order;
}

int tn_version_compare(const char *a, const char *b) {
    for (;;) {
        if (digits(a) && digits(b)) {
            int order = compare_numbers(&a, &b);
            if (order) return order;
        }
        if (*a != *b || !*a) return (unsigned char)*a - (unsigned char)*b;
        a++;
        b++;
    }
}
