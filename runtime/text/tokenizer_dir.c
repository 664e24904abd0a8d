/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer from a checkpoint's directory. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/status.h"
#include "text/json_get.h"
#include "text/tokenizer_json.h"

enum { MAX_CONFIG = 64 << 20 };

/* The text of a token: a string, or an object with "content". NULL for neither. */
static const json_t *token_text(const json_t *v) {
    if (json_is_object(v)) v = json_object_get(v, "content");
    return json_is_string(v) ? v : NULL;
}

/* Every *_token key with a text is a name that templates may use; so is every key of "extra_special_tokens".
 */
static int read_names(tn_tokenizer *t, const json_t *config, bool any_key, tn_error *err) {
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)config, key, v) {
        size_t n = strlen(key);
        const json_t *text = token_text(v);
        if (!text || (!any_key && (n < 6 || strcmp(key + n - 6, "_token") != 0))) continue;
        int rc = tn__named_set(&t->names, key, json_string_value(text), json_string_length(text), err);
        if (rc) return rc;
    }
    return any_key ? 0 : read_names(t, json_object_get(config, "extra_special_tokens"), true, err);
}

/* "chat_template": a string, or a list of {name, template}. */
static int read_templates(tn_tokenizer *t, const json_t *config, const char *path, tn_error *err) {
    const json_t *v = json_object_get(config, "chat_template"), *item;
    const char *name, *text;
    size_t i, n, name_len;
    int rc;
    if (json_is_string(v))
        return tn__named_set(&t->templates, "default", json_string_value(v), json_string_length(v), err);
    if (!v || json_is_null(v)) return 0;
    if (!json_is_array(v))
        return tn_fail(err, TN_EFORMAT, "%s: \"chat_template\" must be a string or a list", path);
    json_array_foreach(v, i, item) {
        if ((rc = tn__json_string(item, "name", path, &name, &name_len, err)) ||
            (rc = tn__json_string(item, "template", path, &text, &n, err)) ||
            (rc = tn__named_set(&t->templates, name, text, n, err)))
            return rc;
    }
    return 0;
}

/* Tokens that older files keep here only. Those of tokenizer.json stay as that has them; contradictions are
 * logged. */
static int read_added_decoder(tn_tokenizer *t, const json_t *config, const char *path, tn_error *err) {
    const char *key;
    json_t *v;
    json_object_foreach(json_object_get(config, "added_tokens_decoder"), key, v) {
        tn_added_token a = {0};
        char *end;
        unsigned long long id = strtoull(key, &end, 10);
        const json_t *text = token_text(v);
        if (*end || end == key || !text || id >= TN_TOKENIZER_MAX_VOCAB)
            return tn_fail(err, TN_EFORMAT, "%s: a bad entry \"%.32s\" in \"added_tokens_decoder\"", path,
                           key);
        const char *s = json_string_value(text);
        size_t n = json_string_length(text);
        if (tn__vocab_has(&t->vocab, id) || tn_tokenizer_id(t, s, n) >= 0) continue;
        int rc = tn__json_added_flags(v, path, &a, err);
        if (!rc) rc = tn__tokenizer_add_token(t, id, s, n, a, err);
        if (rc) return rc;
    }
    return 0;
}

/* Parses DIR/name; *ret is NULL where there is no such file. */
static int load_optional(const char *dir, const char *name, json_t **ret, char **ret_path, tn_error *err) {
    *ret = NULL;
    *ret_path = tn_path_join(dir, name);
    if (!*ret_path) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (!tn_file_exists(*ret_path)) return 0;
    int rc = tn_json_load(*ret_path, MAX_CONFIG, ret, err);
    if (!rc && !json_is_object(*ret)) rc = tn_fail(err, TN_EFORMAT, "%s: not an object", *ret_path);
    return rc;
}

/* A template in a file of its own goes before the configuration's. */
static int read_template_file(tn_tokenizer *t, const char *dir, tn_error *err) {
    char *path = tn_path_join(dir, "chat_template.jinja"), *text;
    size_t n;
    int rc = path ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc && tn_file_exists(path) && !(rc = tn_file_read(path, MAX_CONFIG, &text, &n, err))) {
        rc = tn__named_set(&t->templates, "default", text, n, err);
        free(text);
    }
    free(path);
    return rc;
}

int tn__tokenizer_read_config(tn_tokenizer *t, const char *dir, tn_error *err) {
    static const char *const names[] = {"special_tokens_map.json", "chat_template.json",
                                        "tokenizer_config.json"};
    int rc = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && !rc; i++) { /* later ones win */
        json_t *config;
        char *path;
        rc = load_optional(dir, names[i], &config, &path, err);
        if (!rc && config) rc = read_names(t, config, false, err);
        if (!rc && config) rc = read_templates(t, config, path, err);
        if (!rc && config) rc = read_added_decoder(t, config, path, err);
        json_decref(config);
        free(path);
    }
    return rc ? rc : read_template_file(t, dir, err);
}

static int load_json(tn_tokenizer *t, const char *path, tn_error *err) {
    tn_map map;
    int rc = tn_map_open(&map, path, err);
    if (rc) return rc;
    if (map.size > TN_TOKENIZER_MAX_FILE)
        rc = tn_fail(err, TN_ELIMIT, "%s: %llu bytes, the limit is %d", path, (unsigned long long)map.size,
                     TN_TOKENIZER_MAX_FILE);
    else
        rc = tn__tokenizer_parse_json(t, map.size ? (const char *)map.data : "", (size_t)map.size, path, err);
    tn_map_close(&map);
    return rc;
}

static int load(const char *path, const char *dir, tn_tokenizer **ret, tn_error *err) {
    tn_tokenizer *t = tn__tokenizer_new();
    if (!t) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = load_json(t, path, err);
    if (!rc && dir) rc = tn__tokenizer_read_config(t, dir, err);
    if (!rc) rc = tn__tokenizer_finish(t, err);
    if (rc) {
        tn_tokenizer_free(t);
        return rc;
    }
    *ret = t;
    return 0;
}

int tn_tokenizer_load_file(const char *path, tn_tokenizer **ret, tn_error *err) {
    return load(path, NULL, ret, err);
}

int tn_tokenizer_load_dir(const char *dir, tn_tokenizer **ret, tn_error *err) {
    char *path = tn_path_join(dir, "tokenizer.json");
    if (!path) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = load(path, dir, ret, err);
    free(path);
    return rc;
}
