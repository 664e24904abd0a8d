/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/common.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/status.h"
#include "config/settings.h"

/* The model that ships with the program. */
#define DEFAULT_MODEL "starter"

const tn_option_row tn_model_options[] = {
    {TN_OPT_STRING, 'm', .name = "model", .arg = "MODEL", .hint = TN_COMPLETE_MODEL,
     .help = "a directory, a .gguf file, or the name of an installed model (default " DEFAULT_MODEL ")",
     .offset = offsetof(tn_model_args, model)},
    {.kind = TN_OPT_END},
};

const tn_option_row tn_compute_options[] = {
    {TN_OPT_WORD, .name = "device", .arg = "DEVICE", .words = "cpu|metal|cuda|reference",
     .help = "what computes (default: metal on a Mac, else cpu); reference is plain C, slow and exact",
     .offset = offsetof(tn_compute_args, device)},
    {TN_OPT_UINT, 't', .name = "threads", .arg = "N", .min = 1, .max = TN_THREADS_MAX,
     .help = "processor threads (default: as many as the process may use)",
     .offset = offsetof(tn_compute_args, threads)},
    {TN_OPT_WORD, .name = "compute", .arg = "MODE", .words = "f32|auto",
     .help = "f32: activations and accumulation in F32; auto (default): as fast as stays close",
     .offset = offsetof(tn_compute_args, compute)},
    {TN_OPT_WORD, .name = "kv-type", .arg = "TYPE", .words = "f32|f16|bf16|q8_0",
     .help = "how keys and values are stored (default f16, with --compute f32: f32)",
     .offset = offsetof(tn_compute_args, kv_type)},
    {TN_OPT_STRING, .name = "mmproj", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "the vision tower of a .gguf file (default: the only mmproj*.gguf beside it), or none",
     .offset = offsetof(tn_compute_args, mmproj)},
    {.kind = TN_OPT_END},
};

static bool model_exists(const char *path) {
    return tn_dir_exists(path) || tn_file_exists(path);
}

/* %s stands for dir first, then for name. */
static void add_pattern(tn_buf *path, const char *pattern, const char *dir, const char *name) {
    const char *next = dir;
    for (; *pattern; pattern++) {
        if (*pattern != '%') {
            tn_buf_addc(path, *pattern);
            continue;
        }
        tn_buf_adds(path, next);
        next = name;
        pattern++;
    }
}

/* dir/name.gguf, dir/name/name.gguf or dir/name, when it is there; *ret_path stays NULL when not. */
static int look_in(const char *dir, const char *name, char **ret_path) {
    static const char *const patterns[] = {"%s/%s.gguf", "%s/%s/%s.gguf", "%s/%s"};
    for (size_t i = 0; i < 3; i++) {
        tn_buf path;
        tn_buf_init(&path, 1 << 16);
        add_pattern(&path, patterns[i], dir, name);
        char *text = tn_buf_steal(&path, NULL);
        tn_buf_free(&path);
        if (!text) return TN_ENOMEM;
        if (model_exists(text)) {
            *ret_path = text;
            return 0;
        }
        free(text);
    }
    return 0;
}

/* Every folder of a ':' separated list, first come first served. */
static int look_along(const char *dirs, const char *name, char **ret_path) {
    char *list = strdup(dirs), *rest = NULL;
    int rc = list ? 0 : TN_ENOMEM;
    for (char *dir = list ? strtok_r(list, ":", &rest) : NULL; dir && !rc && !*ret_path;
         dir = strtok_r(NULL, ":", &rest))
        rc = look_in(dir, name, ret_path);
    free(list);
    return rc;
}

int tn_model_path_find(const char *path, char **ret_path, tn_error *err) {
    const char *dirs = getenv("TENON_MODEL_PATH");
    int rc = 0;
    *ret_path = NULL;
    if (strchr(path, '/')) {
        if (!model_exists(path))
            return tn_fail(err, TN_ENOENT, "%s: there is no such directory or file", path);
        *ret_path = strdup(path);
        return *ret_path ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    }
    if (dirs) rc = look_along(dirs, path, ret_path);
    if (!rc && !*ret_path) rc = look_in(TN_MODEL_DIR, path, ret_path);
    if (rc) return tn_fail(err, rc, "out of memory");
    if (*ret_path) return 0;
    return tn_fail(err, TN_ENOENT, "%s: there is no model of that name in %s%s%s", path, dirs ? dirs : "",
                   dirs ? ":" : "", TN_MODEL_DIR);
}

/* What the configured model of that name has for a path and mmproj; they stay NULL when none is configured. A
 * configuration that this user may not read is as good as none, unless the user asked for it. */
static int look_in_settings(const char *name, char **ret_path, char **ret_mmproj, tn_error *err) {
    const char *asked = getenv("TENON_CONF");
    tn_settings *s = NULL;
    tn_error why = {0};
    int rc = tn_settings_load(NULL, &s, &why);
    if (rc == TN_EIO && !(asked && *asked)) return 0;
    if (rc) return tn_fail(err, rc, "%s", why.text);
    const tn_model_settings *m = tn_settings_model(s, name);
    if (m) *ret_path = strdup(m->path);
    if (m && m->mmproj) *ret_mmproj = strdup(m->mmproj);
    if (m && (!*ret_path || (m->mmproj && !*ret_mmproj))) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    tn_settings_free(s);
    return rc;
}

int tn_model_find(const char *model, char **ret_path, tn_error *err) {
    char *mmproj;
    int rc = tn_model_find_pair(model, ret_path, &mmproj, err);
    free(mmproj);
    return rc;
}

int tn_model_find_pair(const char *model, char **ret_path, char **ret_mmproj, tn_error *err) {
    char *configured = NULL;
    *ret_path = *ret_mmproj = NULL;
    if (!model) return tn_model_path_find(DEFAULT_MODEL, ret_path, err);
    if (strchr(model, '/')) return tn_model_path_find(model, ret_path, err);
    if (model_exists(model)) {
        *ret_path = strdup(model);
        return *ret_path ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    }
    int rc = look_in_settings(model, &configured, ret_mmproj, err);
    if (!rc) rc = tn_model_path_find(configured ? configured : model, ret_path, err);
    if (rc == TN_ENOENT && !configured)
        rc = tn_error_prefix(err, rc, "there is no file or directory %s, and tenon.conf has no such model",
                             model);
    free(configured);
    return rc;
}
