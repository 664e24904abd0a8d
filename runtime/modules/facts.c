/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/facts.h"

#include <string.h>

#include "modules/entry.h"
#include "modules/option_table.h"

/* What this program can make use of; a module may have others for other programs. */
static const char *const known_factories[] = {"tenon.family/0", "tenon.modality/0"};

static json_t *choices_list(const char *choices) {
    json_t *list = json_array();
    for (const char *p = choices; p;) {
        size_t n = strcspn(p, "|");
        json_array_append_new(list, json_stringn(p, n));
        p = p[n] ? p + n + 1 : NULL;
    }
    return list;
}

static json_t *option_facts(const tn_option *o) {
    json_t *f = json_pack("{s:s,s:s,s:s,s:s?}", "name", o->name, "type", tn_option_type_name(o->type), "help",
                          o->help, "default", o->default_text);
    if (!f) return NULL;
    if (o->type == TN_OPTION_INT) {
        json_object_set_new(f, "min", json_integer(o->int_min));
        json_object_set_new(f, "max", json_integer(o->int_max));
    } else if (o->type == TN_OPTION_FLOAT) {
        json_object_set_new(f, "min", json_real(o->float_min));
        json_object_set_new(f, "max", json_real(o->float_max));
    } else if (o->type == TN_OPTION_ENUM) {
        json_object_set_new(f, "choices", choices_list(o->choices));
    }
    return f;
}

json_t *tn_facts_new(const tn_loaded *loaded) {
    const tn_module *entry = loaded->entry;
    json_t *factories = json_array(), *options = json_array();
    for (size_t i = 0; i < sizeof known_factories / sizeof *known_factories; i++)
        if (entry->get_factory(loaded->host, known_factories[i]))
            json_array_append_new(factories, json_string(known_factories[i]));
    for (const tn_option *o = entry->options; o && o->name; o++)
        json_array_append_new(options, option_facts(o));
    return json_pack("{s:s,s:s,s:s,s:s,s:o,s:o}", "id", entry->id, "version", entry->version, "licence",
                     entry->licence, "abi", TN_ABI_TEXT, "factories", factories, "options", options);
}

static bool is_text(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text;
}

static bool option_valid(const json_t *option) {
    const json_t *def = json_object_get(option, "default"), *choices = json_object_get(option, "choices"),
                 *choice;
    size_t i;
    if (!is_text(option, "name") || !is_text(option, "type") || !is_text(option, "help")) return false;
    if (!json_is_string(def) && !json_is_null(def)) return false;
    if (choices && !json_is_array(choices)) return false;
    json_array_foreach(choices, i, choice) if (!json_is_string(choice)) return false;
    return true;
}

bool tn_facts_valid(const json_t *value) {
    const json_t *factories = json_object_get(value, "factories"),
                 *options = json_object_get(value, "options"), *item;
    size_t i;
    if (!is_text(value, "id") || !is_text(value, "version") || !is_text(value, "licence") ||
        !is_text(value, "abi"))
        return false;
    if (!tn_module_id_valid(json_string_value(json_object_get(value, "id")))) return false;
    if (!json_is_array(factories) || !json_is_array(options)) return false;
    json_array_foreach(factories, i, item) if (!json_is_string(item)) return false;
    json_array_foreach(options, i, item) if (!option_valid(item)) return false;
    return true;
}
