/* SPDX-License-Identifier: Apache-2.0 */
/* "normalizer" of a tokenizer.json. */
#include <string.h>

#include "text/json_get.h"
#include "text/json_pipeline.h"

static const char where[] = "normalizer";

int tn__json_pattern(const json_t *v, const char *place, const char **ret, size_t *ret_len, bool *ret_literal,
                     tn_error *err) {
    const json_t *p = json_object_get(v, "pattern");
    if (json_is_string(p)) { /* some files write the string alone */
        *ret_literal = true;
        return tn__json_string(v, "pattern", place, ret, ret_len, err);
    }
    if (!json_is_object(p)) return tn_fail(err, TN_EFORMAT, "%s: \"pattern\" must be an object", place);
    *ret_literal = json_object_get(p, "String") != NULL;
    return tn__json_string(p, *ret_literal ? "String" : "Regex", place, ret, ret_len, err);
}

static int add_replace(const json_t *v, tn_normalizer *ret, tn_error *err) {
    const char *from, *to;
    size_t from_len, to_len;
    bool literal;
    int rc = tn__json_pattern(v, where, &from, &from_len, &literal, err);
    if (!rc) rc = tn__json_string(v, "content", where, &to, &to_len, err);
    return rc ? rc : tn__normalizer_add_replace(ret, from, from_len, literal, to, to_len, err);
}

static int add_prepend(const json_t *v, tn_normalizer *ret, tn_error *err) {
    const char *s;
    size_t n;
    int rc = tn__json_string(v, "prepend", where, &s, &n, err);
    return rc ? rc : tn__normalizer_add_prepend(ret, s, n, err);
}

static int add_precompiled(const json_t *v, tn_normalizer *ret, tn_error *err) {
    tn_norm_step s = {.kind = TN_NORM_CHARSMAP};
    const char *text;
    size_t n;
    int rc = tn__json_opt_string(v, "precompiled_charsmap", where, &text, &n, err);
    if (rc || !n) return rc;
    rc = tn__charsmap_new_base64(text, n, &s.map, err);
    return rc ? rc : tn__normalizer_add(ret, s, err);
}

static int add_strip(const json_t *v, tn_normalizer *ret, tn_error *err) {
    tn_norm_step s = {.kind = TN_NORM_STRIP, .left = true, .right = true};
    int rc = tn__json_bool(v, "strip_left", where, &s.left, err);
    if (!rc) rc = tn__json_bool(v, "strip_right", where, &s.right, err);
    return rc ? rc : tn__normalizer_add(ret, s, err);
}

static int add_bert(const json_t *v, tn_normalizer *ret, tn_error *err) {
    bool clean = true, cjk = true, lower = true;
    int rc = tn__json_bool(v, "clean_text", where, &clean, err);
    if (!rc) rc = tn__json_bool(v, "handle_chinese_chars", where, &cjk, err);
    if (!rc) rc = tn__json_bool(v, "lowercase", where, &lower, err);
    bool strip = lower; /* null means: as lowercase says */
    if (!rc) rc = tn__json_bool(v, "strip_accents", where, &strip, err);
    const struct {
        bool on;
        tn_norm_kind kind;
    } step[] = {{clean, TN_NORM_CLEAN},
                {cjk, TN_NORM_SPACE_CJK},
                {strip, TN_NORM_NFD},
                {strip, TN_NORM_STRIP_ACCENTS},
                {lower, TN_NORM_LOWERCASE}};
    for (size_t i = 0; i < sizeof step / sizeof *step && !rc; i++)
        if (step[i].on) rc = tn__normalizer_add(ret, (tn_norm_step){.kind = step[i].kind}, err);
    return rc;
}

static int add(const json_t *v, int depth, tn_normalizer *ret, tn_error *err);

static int add_sequence(const json_t *v, int depth, tn_normalizer *ret, tn_error *err) {
    const json_t *list = json_object_get(v, "normalizers"), *item;
    size_t i;
    int rc = 0;
    if (!json_is_array(list)) return tn_fail(err, TN_EFORMAT, "%s: a Sequence needs \"normalizers\"", where);
    if (depth >= TN_JSON_MAX_DEPTH) return tn_fail(err, TN_ELIMIT, "%s: nested too deeply", where);
    json_array_foreach(list, i, item) if ((rc = add(item, depth + 1, ret, err))) return rc;
    return 0;
}

static int add(const json_t *v, int depth, tn_normalizer *ret, tn_error *err) {
    static const struct {
        const char *name;
        tn_norm_kind kind;
    } plain[] = {
        {"NFC", TN_NORM_NFC},
        {"NFD", TN_NORM_NFD},
        {"NFKC", TN_NORM_NFKC},
        {"NFKD", TN_NORM_NFKD},
        {"Nmt", TN_NORM_NMT},
        {"Lowercase", TN_NORM_LOWERCASE},
        {"StripAccents", TN_NORM_STRIP_ACCENTS},
        {"ByteLevel", TN_NORM_BYTE_LEVEL},
    };
    const char *type;
    int rc = tn__json_type(v, where, &type, err);
    if (rc) return rc;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(type, plain[i].name) == 0)
            return tn__normalizer_add(ret, (tn_norm_step){.kind = plain[i].kind}, err);
    if (strcmp(type, "Sequence") == 0) return add_sequence(v, depth, ret, err);
    if (strcmp(type, "Replace") == 0) return add_replace(v, ret, err);
    if (strcmp(type, "Prepend") == 0) return add_prepend(v, ret, err);
    if (strcmp(type, "Precompiled") == 0) return add_precompiled(v, ret, err);
    if (strcmp(type, "Strip") == 0) return add_strip(v, ret, err);
    if (strcmp(type, "BertNormalizer") == 0) return add_bert(v, ret, err);
    return tn_fail(err, TN_ENOTSUP, "%s of type \"%.64s\" is not supported", where, type);
}

int tn__json_normalizer(const json_t *v, tn_normalizer *ret, tn_error *err) {
    return !v || json_is_null(v) ? 0 : add(v, 0, ret, err);
}
