/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <string.h>

#include "base/file.h"
#include "base/suggest.h"
#include "config/assign.h"

enum { CANDIDATES = 256 };

static const char *nearest_module(const tn_registry *r, const char *id) {
    const char *ids[CANDIDATES + 1];
    size_t n = 0;
    for (; n < tn_registry_count(r) && n < CANDIDATES; n++) ids[n] = tn_registry_at(r, n)->id;
    ids[n] = NULL;
    return tn_did_you_mean(id, ids);
}

static int find_module(const tn_registry *r, const char *id, tn_setting_source source,
                       const tn_module_info **ret, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    *ret = tn_registry_find(r, id);
    if (*ret) return 0;
    const char *close = nearest_module(r, id);
    tn_setting_where(source, where);
    if (close)
        return tn_fail(err, TN_ENOENT, "%s: there is no module \"%s\": did you mean \"%s\"?", where, id,
                       close);
    return tn_fail(err, TN_ENOENT, "%s: there is no module \"%s\": `tenon modules` lists those there are",
                   where, id);
}

static int check_parse(const tn_option *table, const tn_option_arg *args, size_t n_args, const char *where,
                       tn_error *err) {
    tn_option_value *values = NULL;
    int rc = tn_option_table_parse(table, args, n_args, where, &values, err);
    tn_option_values_free(values);
    return rc;
}

/* One key alone, so that the message has its line: against its own option, or all when there is none of that
 * name. */
static int check_argument(const tn_option *table, const tn_module_settings *m, size_t i, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES], label[TN_SETTING_WHERE_BYTES + 160];
    tn_option one[2] = {0};
    const tn_option *option = table;
    tn_setting_where(m->sources[i], where);
    snprintf(label, sizeof label, "%s: module %s", where, m->id);
    while (option && option->name && strcmp(option->name, m->args[i].key) != 0) option++;
    if (!option || !option->name) return check_parse(table, &m->args[i], 1, label, err);
    one[0] = *option;
    return check_parse(one, &m->args[i], 1, label, err);
}

static int check_module(const tn_module_settings *m, tn_registry *r, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES], label[TN_SETTING_WHERE_BYTES + 160];
    const tn_module_info *info;
    const tn_loaded *loaded;
    int rc = find_module(r, m->id, m->declared, &info, err);
    if (!rc) rc = tn_registry_load(r, info, &loaded, err);
    for (size_t i = 0; !rc && i < m->n_args; i++) rc = check_argument(loaded->entry->options, m, i, err);
    if (rc) return rc;
    tn_setting_where(m->declared, where);
    snprintf(label, sizeof label, "%s: module %s", where, m->id);
    return check_parse(loaded->entry->options, m->args, m->n_args, label, err);
}

static int check_model(const tn_settings *s, const tn_model_settings *m, const tn_registry *r,
                       tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    const tn_module_info *info;
    if (m->chat_template && !tn_file_exists(m->chat_template)) {
        tn_setting_where(tn_settings_source(s, "model", m->name, "chat_template"), where);
        return tn_fail(err, TN_ENOENT, "%s: model %s: there is no template file %s", where, m->name,
                       m->chat_template);
    }
    return m->family
               ? find_module(r, m->family, tn_settings_source(s, "model", m->name, "family"), &info, err)
               : 0;
}

static int check_roots(const tn_settings *s, tn_error *err) {
    char where[TN_SETTING_WHERE_BYTES];
    const tn_string_list *roots = &s->media.roots;
    for (size_t i = 0; i < roots->n; i++) {
        if (tn_dir_exists(roots->item[i])) continue;
        tn_setting_where(tn_settings_source(s, "media", NULL, "roots"), where);
        return tn_fail(err, TN_ENOENT, "%s: media.roots: there is no folder %.200s", where, roots->item[i]);
    }
    return 0;
}

int tn_settings_check(const tn_settings *s, tn_registry *r, tn_error *err) {
    int rc = check_roots(s, err);
    for (size_t i = 0; i < s->n_modules && !rc; i++) rc = check_module(&s->modules[i], r, err);
    for (size_t i = 0; i < s->n_models && !rc; i++) rc = check_model(s, &s->models[i], r, err);
    return rc;
}
