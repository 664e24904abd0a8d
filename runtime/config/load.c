/* SPDX-License-Identifier: Apache-2.0 */
/* Where settings lie: files, then the environment, then flags. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "config/assign.h"
#include "config/text.h"
#include "config/value.h"

extern char **environ;

enum { CONF_D_FILES = 256, VARIABLE_BYTES = 64 };

static int no_memory(tn_error *err) {
    return tn_fail(err, TN_ENOMEM, "out of memory for the settings");
}

/* ---- Files ---- */

static int read_file(tn_settings *s, const char *path, tn_error *err) {
    char *text = NULL;
    size_t len;
    int rc = tn_file_read(path, TN_CONFIG_TEXT_BYTES, &text, &len, err);
    if (!rc) rc = tn_string_list_add(&s->files, path, err);
    if (!rc) rc = tn_settings_read(s, s->files.item[s->files.n - 1], text, len, err);
    free(text);
    return rc;
}

static int is_conf(const struct dirent *entry) {
    size_t n = strlen(entry->d_name);
    return entry->d_name[0] != '.' && n > 5 && strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* By bytes, the same in every locale. */
static int by_name(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_entries(tn_settings *s, const char *dir, struct dirent **entries, int n, tn_error *err) {
    int rc = 0;
    if (n > CONF_D_FILES)
        return tn_fail(err, TN_ELIMIT, "%s: %d files, at most %d are read", dir, n, CONF_D_FILES);
    for (int i = 0; i < n && !rc; i++) {
        char *path = tn_path_join(dir, entries[i]->d_name);
        rc = path ? read_file(s, path, err) : no_memory(err);
        free(path);
    }
    return rc;
}

static int read_dir(tn_settings *s, const char *dir, tn_error *err) {
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, is_conf, by_name);
    if (n < 0) {
        if (errno == ENOENT) return 0;
        return tn_fail(err, TN_EIO, "%s: its *.conf files cannot be listed: %s", dir, strerror(errno));
    }
    int rc = read_entries(s, dir, entries, n, err);
    for (int i = 0; i < n; i++) free(entries[i]);
    free(entries);
    return rc;
}

/* dir/tenon.conf, or another file when one is named, and dir/conf.d beside it. */
static int read_place(tn_settings *s, const char *dir, const char *file, tn_error *err) {
    char *main_file = file ? strdup(file) : tn_path_join(dir, "tenon.conf");
    char *conf_d = tn_path_join(dir, "conf.d");
    int rc = main_file && conf_d ? 0 : no_memory(err);
    if (!rc && (file || tn_file_exists(main_file))) rc = read_file(s, main_file, err);
    if (!rc) rc = read_dir(s, conf_d, err);
    free(main_file);
    free(conf_d);
    return rc;
}

static int read_named(tn_settings *s, const char *file, tn_error *err) {
    const char *slash = strrchr(file, '/');
    char *dir = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
    int rc = dir ? read_place(s, dir, file, err) : no_memory(err);
    free(dir);
    return rc;
}

/* Whether dir/name is there, as whatever it is. */
static bool has(const char *dir, const char *name) {
    char *path = tn_path_join(dir, name);
    bool there = path && (tn_file_exists(path) || tn_dir_exists(path));
    free(path);
    return there;
}

/* $XDG_CONFIG_HOME/tenon or ~/.config/tenon, or NULL when there is no home. */
static char *user_dir(void) {
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (xdg && *xdg == '/') return tn_path_join(xdg, "tenon");
    return home && *home == '/' ? tn_path_join(home, ".config/tenon") : NULL;
}

static int read_files(tn_settings *s, const char *file, tn_error *err) {
    const char *variable = getenv("TENON_CONF");
    int rc = 0;
    if (file) return read_named(s, file, err);
    if (variable && *variable) return read_named(s, variable, err);
    char *user = user_dir();
    if (user && (has(user, "tenon.conf") || has(user, "conf.d")))
        rc = read_place(s, user, NULL, err);
    else
        rc = read_place(s, TN_CONFIG_DIR, NULL, err);
    free(user);
    return rc;
}

/* ---- Environment and flags ---- */

/* A list's items lie between commas; blanks around them do not count. */
static int assign_list(tn_settings *s, tn_assignment a, char *text, tn_error *err) {
    char *rest = NULL;
    a.text = "";
    a.first = true;
    int rc = tn_settings_assign(s, &a, err); /* empties it */
    a.first = false;
    for (char *item = strtok_r(text, ",", &rest); item && !rc; item = strtok_r(NULL, ",", &rest)) {
        while (*item == ' ') item++;
        for (size_t n = strlen(item); n && item[n - 1] == ' ';) item[--n] = '\0';
        a.text = item;
        rc = tn_settings_assign(s, &a, err);
    }
    return rc;
}

static int assign_text(tn_settings *s, tn_assignment a, const char *text, tn_error *err) {
    const tn_setting_row *row = tn_setting_find(a.section, a.key);
    a.text = text;
    a.first = true;
    if (!row || row->kind != TN_SETTING_LIST) return tn_settings_assign(s, &a, err);
    char *copy = strdup(text);
    int rc = copy ? assign_list(s, a, copy, err) : no_memory(err);
    free(copy);
    return rc;
}

/* "TENON_SERVER_LISTEN" into section and key; false when it is not a setting's name. Sections with titles
 * have none, which keeps TENON_MODEL_PATH and TENON_MODULE_PATH what they are. */
static bool split_variable(const char *name, size_t n, tn_setting_section *ret_section, char *ret_key) {
    char lower[VARIABLE_BYTES];
    if (n >= sizeof lower || strncmp(name, "TENON_", 6) != 0) return false;
    for (size_t i = 0; i < n; i++) {
        if (islower((unsigned char)name[i])) return false;
        lower[i] = (char)tolower((unsigned char)name[i]);
    }
    lower[n] = '\0';
    char *key = strchr(lower + 6, '_');
    if (!key) return false;
    *key++ = '\0';
    *ret_section = tn_section_find(lower + 6);
    strcpy(ret_key, key);
    return *ret_section != TN_SECTION_COUNT && !tn_section_titled(*ret_section);
}

static int assign_variable(tn_settings *s, const char *variable, tn_error *err) {
    char key[VARIABLE_BYTES], name[VARIABLE_BYTES];
    size_t n = strcspn(variable, "=");
    tn_assignment a = {.key = key, .source = {.origin = TN_FROM_ENVIRONMENT}};
    if (variable[n] != '=' || !variable[n + 1] || !split_variable(variable, n, &a.section, key)) return 0;
    snprintf(name, sizeof name, "%.*s", (int)n, variable);
    int rc = tn_settings_intern(s, name, &a.source.name, err);
    return rc ? rc : assign_text(s, a, variable + n + 1, err);
}

/* "server.listen", "model.NAME.context"; names may have dots, keys have none. Points into key, which is
 * changed. */
static bool split_key(char *key, tn_assignment *a) {
    char *first = strchr(key, '.'), *last = strrchr(key, '.');
    if (!first) return false;
    *first = *last = '\0';
    a->section = tn_section_find(key);
    a->title = first < last ? first + 1 : NULL;
    a->key = last + 1;
    return a->section != TN_SECTION_COUNT && tn_section_titled(a->section) == (a->title != NULL);
}

static int assign_flag(tn_settings *s, const tn_settings_flag *flag, tn_error *err) {
    tn_assignment a = {.source = {.origin = TN_FROM_FLAG}};
    char *key = strdup(flag->key);
    int rc = key ? tn_settings_intern(s, flag->flag, &a.source.name, err) : no_memory(err);
    a.section_source = a.source;
    if (!rc && !split_key(key, &a))
        rc = tn_fail(
            err, TN_EINVAL,
            "%s: \"%.100s\": SECTION.KEY, model.NAME.KEY or module.ID.KEY is expected, where SECTION is "
            "server, cache, limits or media",
            flag->flag, flag->key);
    if (!rc) rc = assign_text(s, a, flag->value, err);
    free(key);
    return rc;
}

int tn_settings_load(const tn_settings_overrides *overrides, tn_settings **ret, tn_error *err) {
    static const tn_settings_overrides nothing = {0};
    const tn_settings_overrides *o = overrides ? overrides : &nothing;
    tn_settings *s = NULL;
    int rc = tn_settings_new(&s, err);
    if (!rc) rc = read_files(s, o->file, err);
    for (char **variable = environ; !rc && variable && *variable; variable++)
        rc = assign_variable(s, *variable, err);
    if (!rc) rc = tn_settings_select(s, o->models, o->n_models, err);
    for (size_t i = 0; !rc && i < o->n_flags; i++) rc = assign_flag(s, &o->flags[i], err);
    if (!rc) rc = tn_settings_finish(s, err);
    if (rc)
        tn_settings_free(s);
    else
        *ret = s;
    return rc;
}
