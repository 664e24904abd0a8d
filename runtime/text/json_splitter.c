/* SPDX-License-Identifier: Apache-2.0 */
/* "pre_tokenizer" of a tokenizer.json. */
#include <string.h>

#include "text/json_get.h"
#include "text/json_pipeline.h"

static const char where[] = "pre_tokenizer";

/* How GPT-2 splits; what ByteLevel does unless use_regex is false. */
static const char gpt2_regex[] =
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static int behavior(const json_t *v, tn_split_behavior *ret, tn_error *err) {
    static const struct {
        const char *name;
        tn_split_behavior b;
    } table[] = {
        {"Isolated", TN_SPLIT_ISOLATED},
        {"Removed", TN_SPLIT_REMOVED},
        {"MergedWithPrevious", TN_SPLIT_WITH_PREVIOUS},
        {"MergedWithNext", TN_SPLIT_WITH_NEXT},
        {"Contiguous", TN_SPLIT_CONTIGUOUS},
    };
    const char *name;
    size_t n;
    int rc = tn__json_opt_string(v, "behavior", where, &name, &n, err);
    if (rc || !name) return rc;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(name, table[i].name) == 0) return *ret = table[i].b, 0;
    return tn_fail(err, TN_ENOTSUP, "%s: behavior \"%.64s\" is not supported", where, name);
}

static int add_split(const json_t *v, tn_splitter *ret, tn_error *err) {
    tn_split_step s = {.kind = TN_SPLIT_PATTERN};
    const char *re;
    size_t n;
    bool literal;
    if (!json_object_get(v, "behavior"))
        return tn_fail(err, TN_EFORMAT, "%s: a Split needs \"behavior\"", where);
    int rc = behavior(v, &s.behavior, err);
    if (!rc) rc = tn__json_bool(v, "invert", where, &s.invert, err);
    if (!rc) rc = tn__json_pattern(v, where, &re, &n, &literal, err);
    if (!rc) rc = tn__pattern_new(re, n, literal, &s.pattern, err);
    return rc ? rc : tn__splitter_add(ret, s, err);
}

/* One character that splits and disappears. */
static int add_delimiter(const json_t *v, tn_splitter *ret, tn_error *err) {
    tn_split_step s = {.kind = TN_SPLIT_PATTERN, .behavior = TN_SPLIT_REMOVED};
    const char *c;
    size_t n;
    int rc = tn__json_string(v, "delimiter", where, &c, &n, err);
    if (!rc) rc = tn__pattern_new(c, n, true, &s.pattern, err);
    return rc ? rc : tn__splitter_add(ret, s, err);
}

static int add_byte_level(const json_t *v, tn_splitter *ret, tn_error *err) {
    tn_split_step space = {
        .kind = TN_SPLIT_METASPACE, .prepend = TN_PREPEND_ALWAYS, .content = " ", .length = 1};
    bool prefix = true, regex = true;
    int rc = tn__json_bool(v, "add_prefix_space", where, &prefix, err);
    if (!rc) rc = tn__json_bool(v, "use_regex", where, &regex, err);
    if (!rc && prefix) rc = tn__splitter_add(ret, space, err);
    if (!rc && regex) rc = tn__splitter_add_regex(ret, gpt2_regex, err);
    return rc ? rc : tn__splitter_add(ret, (tn_split_step){.kind = TN_SPLIT_BYTE_LEVEL}, err);
}

/* Files before the scheme had a name say add_prefix_space. */
static int prepend_scheme(const json_t *v, tn_prepend *ret, tn_error *err) {
    const char *name;
    size_t n;
    bool add = true;
    int rc = tn__json_bool(v, "add_prefix_space", where, &add, err);
    if (!rc) rc = tn__json_opt_string(v, "prepend_scheme", where, &name, &n, err);
    if (rc) return rc;
    *ret = add ? TN_PREPEND_ALWAYS : TN_PREPEND_NEVER;
    if (!name) return 0;
    if (strcmp(name, "always") == 0) return *ret = TN_PREPEND_ALWAYS, 0;
    if (strcmp(name, "first") == 0) return *ret = TN_PREPEND_FIRST, 0;
    if (strcmp(name, "never") == 0) return *ret = TN_PREPEND_NEVER, 0;
    return tn_fail(err, TN_ENOTSUP, "%s: prepend_scheme \"%.64s\" is not supported", where, name);
}

static int add_metaspace(const json_t *v, tn_splitter *ret, tn_error *err) {
    tn_split_step s = {.kind = TN_SPLIT_METASPACE, .behavior = TN_SPLIT_WITH_NEXT, .split = true};
    const char *c;
    int rc = tn__json_string(v, "replacement", where, &c, &s.length, err);
    if (rc) return rc;
    if (!s.length || s.length >= sizeof s.content)
        return tn_fail(err, TN_EFORMAT, "%s: \"replacement\" must be one character", where);
    memcpy(s.content, c, s.length);
    rc = prepend_scheme(v, &s.prepend, err);
    if (!rc) rc = tn__json_bool(v, "split", where, &s.split, err);
    return rc ? rc : tn__splitter_add(ret, s, err);
}

static int add_class(const json_t *v, const char *type, tn_splitter *ret, tn_error *err) {
    tn_split_step s = {.kind = TN_SPLIT_PUNCT};
    int rc = 0;
    if (strcmp(type, "Digits") == 0) {
        bool one_by_one = false;
        rc = tn__json_bool(v, "individual_digits", where, &one_by_one, err);
        s.kind = TN_SPLIT_DIGITS;
        s.behavior = one_by_one ? TN_SPLIT_ISOLATED : TN_SPLIT_CONTIGUOUS;
    } else {
        rc = behavior(v, &s.behavior, err);
    }
    return rc ? rc : tn__splitter_add(ret, s, err);
}

static int add_bert(tn_splitter *ret, tn_error *err) {
    int rc =
        tn__splitter_add(ret, (tn_split_step){.kind = TN_SPLIT_SPACE, .behavior = TN_SPLIT_REMOVED}, err);
    return rc ? rc
              : tn__splitter_add(ret, (tn_split_step){.kind = TN_SPLIT_PUNCT, .behavior = TN_SPLIT_ISOLATED},
                                 err);
}

static int add_fixed(const json_t *v, tn_splitter *ret, tn_error *err) {
    tn_split_step s = {.kind = TN_SPLIT_FIXED, .length = 5};
    int rc = tn__json_size(v, "length", where, 1 << 20, &s.length, err);
    if (!rc && !s.length) rc = tn_fail(err, TN_EFORMAT, "%s: \"length\" must not be 0", where);
    return rc ? rc : tn__splitter_add(ret, s, err);
}

static int add(const json_t *v, int depth, tn_splitter *ret, tn_error *err);

static int add_sequence(const json_t *v, int depth, tn_splitter *ret, tn_error *err) {
    const json_t *list = json_object_get(v, "pretokenizers"), *item;
    size_t i;
    int rc;
    if (!json_is_array(list))
        return tn_fail(err, TN_EFORMAT, "%s: a Sequence needs \"pretokenizers\"", where);
    if (depth >= TN_JSON_MAX_DEPTH) return tn_fail(err, TN_ELIMIT, "%s: nested too deeply", where);
    json_array_foreach(list, i, item) if ((rc = add(item, depth + 1, ret, err))) return rc;
    return 0;
}

static int add(const json_t *v, int depth, tn_splitter *ret, tn_error *err) {
    const char *type;
    int rc = tn__json_type(v, where, &type, err);
    if (rc) return rc;
    if (strcmp(type, "Sequence") == 0) return add_sequence(v, depth, ret, err);
    if (strcmp(type, "Split") == 0) return add_split(v, ret, err);
    if (strcmp(type, "ByteLevel") == 0) return add_byte_level(v, ret, err);
    if (strcmp(type, "Metaspace") == 0) return add_metaspace(v, ret, err);
    if (strcmp(type, "BertPreTokenizer") == 0) return add_bert(ret, err);
    if (strcmp(type, "Punctuation") == 0 || strcmp(type, "Digits") == 0) return add_class(v, type, ret, err);
    if (strcmp(type, "CharDelimiterSplit") == 0) return add_delimiter(v, ret, err);
    if (strcmp(type, "FixedLength") == 0) return add_fixed(v, ret, err);
    if (strcmp(type, "Whitespace") == 0)
        return tn__splitter_add(ret, (tn_split_step){.kind = TN_SPLIT_WORDS}, err);
    if (strcmp(type, "WhitespaceSplit") == 0)
        return tn__splitter_add(ret, (tn_split_step){.kind = TN_SPLIT_SPACE, .behavior = TN_SPLIT_REMOVED},
                                err);
    return tn_fail(err, TN_ENOTSUP, "%s of type \"%.64s\" is not supported", where, type);
}

int tn__json_splitter(const json_t *v, tn_splitter *ret, tn_error *err) {
    return !v || json_is_null(v) ? 0 : add(v, 0, ret, err);
}
