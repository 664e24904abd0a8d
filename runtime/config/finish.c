/* SPDX-License-Identifier: Apache-2.0 */
/* What settings need of each other, once all are read. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/assign.h"
#include "config/value.h"

/* The model that ships with the program. */
#define DEFAULT_MODEL "starter"

/* ---- -m ---- */

static const tn_setting_source from_flag = {.origin = TN_FROM_FLAG, .name = "-m"};

/* "models/Some Model.gguf" is called "Some-Model". ret: 129 bytes. */
static void name_from_path(const char *path, char *ret) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t start = n;
    while (start > 0 && path[start - 1] != '/') start--;
    if (n - start > 5 && memcmp(path + n - 5, ".gguf", 5) == 0) n -= 5;
    snprintf(ret, 129, "%.*s", (int)(n - start), path + start);
    if (!*ret) strcpy(ret, "model");
    for (char *c = ret; *c; c++)
        if (tn_model_name_check((char[]){*c, '\0'})) *c = '-';
}

/* What -m means when no model of that name is configured: a file or directory, or the name of an installed
 * model. */
static int add_from_flag(tn_settings *s, const char *text, tn_model_settings **ret, tn_error *err) {
    char name[129];
    bool is_here = !strchr(text, '/') && (tn_file_exists(text) || tn_dir_exists(text));
    char *path = is_here ? tn_path_join(".", text) : strdup(text);
    if (!path) return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
    name_from_path(text, name);
    tn_assignment a = {.section = TN_SECTION_MODEL,
                       .title = name,
                       .key = "path",
                       .text = path,
                       .first = true,
                       .source = from_flag,
                       .section_source = from_flag};
    const tn_model_settings *taken = tn_settings_model(s, name);
    int rc = taken ? tn_fail(err, TN_EINVAL, "-m %.200s: another model is called \"%s\" already", text, name)
                   : tn_settings_assign(s, &a, err);
    free(path);
    return rc ? rc : tn_settings_add_model(s, name, from_flag, ret, err);
}

/* Moves the model to position i, which is not after it. */
static void move_model(tn_settings *s, const tn_model_settings *model, size_t i) {
    tn_model_settings moved = *model;
    size_t k = (size_t)(model - s->models);
    memmove(&s->models[i + 1], &s->models[i], (k - i) * sizeof moved);
    s->models[i] = moved;
}

int tn_settings_select(tn_settings *s, const char *const *models, size_t n_models, tn_error *err) {
    size_t n_kept = 0;
    for (size_t i = 0; i < n_models; i++) {
        const tn_model_settings *found = models[i][0] ? tn_settings_model(s, models[i]) : NULL;
        tn_model_settings *added = NULL;
        int rc = found ? 0 : add_from_flag(s, models[i], &added, err);
        if (rc) return rc;
        if (!found) found = added;
        if (found < s->models + n_kept) continue; /* asked for twice */
        move_model(s, found, n_kept++);
    }
    while (n_models && s->n_models > n_kept) tn_settings_drop_model(s, s->n_models - 1);
    return 0;
}

/* ---- Checks ---- */

static int fail_at(tn_setting_source source, tn_error *err, const char *fmt, ...) TN_PRINTF(3, 4);
static int fail_at(tn_setting_source source, tn_error *err, const char *fmt, ...) {
    char where[TN_SETTING_WHERE_BYTES], text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    tn_setting_where(source, where);
    return tn_fail(err, TN_EINVAL, "%s: %s", where, text);
}

static int add_default_model(tn_settings *s, tn_error *err) {
    tn_assignment a = {.section = TN_SECTION_MODEL,
                       .title = DEFAULT_MODEL,
                       .key = "path",
                       .text = DEFAULT_MODEL,
                       .first = true};
    return s->n_models ? 0 : tn_settings_assign(s, &a, err);
}

static int inherit(tn_settings *s, tn_model_settings *m, const char *key, tn_setting_section from,
                   tn_error *err) {
    const tn_setting_row *to_row = tn_setting_find(TN_SECTION_MODEL, key),
                         *from_row = tn_setting_find(from, key);
    tn_setting_source *source = tn_settings_source_of(s, m, to_row);
    const void *value = tn_settings_field(s, NULL, from_row);
    if (source->origin != TN_FROM_DEFAULT || tn_setting_is_unset(from_row, value)) return 0;
    *source = *tn_settings_source_of(s, NULL, from_row);
    return tn_setting_copy(to_row, value, tn_settings_field(s, m, to_row), err);
}

/* A shortest pattern longer than the longest would never be found. */
static int check_patterns(const tn_settings *s, const tn_model_settings *m, tn_error *err) {
    uint64_t least = m->sampling.repetition_min_pattern, most = m->sampling.repetition_max_pattern;
    if (least == TN_UNSET || most == TN_UNSET || most == 0 || least <= most) return 0;
    return fail_at(tn_settings_source(s, "model", m->name, "repetition_min_pattern"), err,
                   "model %s: repetition_min_pattern: %llu is more than repetition_max_pattern, %llu",
                   m->name, (unsigned long long)least, (unsigned long long)most);
}

static int finish_model(tn_settings *s, tn_model_settings *m, tn_error *err) {
    int checked = check_patterns(s, m, err);
    if (checked) return checked;
    if (!m->path) return fail_at(m->declared, err, "model %s: path must be given", m->name);
    int rc = inherit(s, m, "kv_type", TN_SECTION_CACHE, err);
    if (!rc) rc = inherit(s, m, "context", TN_SECTION_CACHE, err);
    if (!rc) rc = inherit(s, m, "max_tokens", TN_SECTION_LIMITS, err);
    return rc;
}

/* The model before i, or among its own first n_aliases aliases, that answers to name; NULL when none does. */
static const tn_model_settings *earlier_owner(const tn_settings *s, size_t i, size_t n_aliases,
                                              const char *name) {
    for (size_t k = 0; k <= i; k++) {
        const tn_model_settings *m = &s->models[k];
        size_t n = k < i ? m->aliases.n : n_aliases;
        for (size_t a = 0; a < n; a++)
            if (strcmp(m->aliases.item[a], name) == 0) return m;
    }
    for (size_t k = 0; k < s->n_models; k++)
        if (strcmp(s->models[k].name, name) == 0) return &s->models[k];
    return NULL;
}

static int check_aliases(const tn_settings *s, size_t i, tn_error *err) {
    const tn_model_settings *m = &s->models[i];
    for (size_t a = 0; a < m->aliases.n; a++) {
        const tn_model_settings *other = earlier_owner(s, i, a, m->aliases.item[a]);
        if (other)
            return fail_at(tn_settings_source(s, "model", m->name, "aliases"), err,
                           "model %s: the alias \"%s\" is a name of model %s already", m->name,
                           m->aliases.item[a], other->name);
    }
    return 0;
}

static int choose_default(tn_settings *s, tn_error *err) {
    tn_model_settings *chosen = NULL;
    for (size_t i = 0; i < s->n_models; i++) {
        if (!s->models[i].is_default) continue;
        if (chosen)
            return fail_at(tn_settings_source(s, "model", s->models[i].name, "default"), err,
                           "model %s is the default already, %s cannot be too", chosen->name,
                           s->models[i].name);
        chosen = &s->models[i];
    }
    if (!chosen) s->models[0].is_default = true;
    return 0;
}

/* One body always fits. */
static int check_uploads(tn_settings *s, tn_error *err) {
    tn_setting_source source = tn_settings_source(s, "server", NULL, "max_upload_bytes");
    uint64_t one = s->server.max_body_bytes;
    if (s->server.max_upload_bytes >= one) return 0;
    if (source.origin != TN_FROM_DEFAULT)
        return fail_at(source, err,
                       "server.max_upload_bytes: %llu bytes are less than a single body may have, %llu "
                       "(server.max_body_bytes)",
                       (unsigned long long)s->server.max_upload_bytes, (unsigned long long)one);
    s->server.max_upload_bytes = one;
    return 0;
}

int tn_settings_finish(tn_settings *s, tn_error *err) {
    int rc = add_default_model(s, err);
    if (!rc) rc = check_uploads(s, err);
    for (size_t i = 0; i < s->n_models && !rc; i++) rc = finish_model(s, &s->models[i], err);
    for (size_t i = 0; i < s->n_models && !rc; i++) rc = check_aliases(s, i, err);
    return rc ? rc : choose_default(s, err);
}
