/* SPDX-License-Identifier: Apache-2.0 */
/* "post_processor" of a tokenizer.json. */
#include <string.h>

#include "text/json_get.h"
#include "text/json_pipeline.h"

static const char where[] = "post_processor";

static int add_id(const json_t *v, uint32_t n_vocab, tn_post_form *ret, tn_error *err) {
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= n_vocab)
        return tn_fail(err, TN_EFORMAT, "%s: a token id that is not in 0 .. %u", where, n_vocab - 1);
    return tn__post_add(ret, (int32_t)json_integer_value(v), err);
}

static int add_special(const json_t *tokens, const json_t *item, uint32_t n_vocab, tn_post_form *ret,
                       tn_error *err) {
    const char *name;
    size_t n, i;
    const json_t *id;
    int rc = tn__json_string(item, "id", where, &name, &n, err);
    if (rc) return rc;
    const json_t *ids = json_object_get(json_object_get(tokens, name), "ids");
    if (!json_is_array(ids))
        return tn_fail(err, TN_EFORMAT, "%s: \"%.64s\" has no ids in \"special_tokens\"", where, name);
    json_array_foreach(ids, i, id) if ((rc = add_id(id, n_vocab, ret, err))) return rc;
    return 0;
}

static int add_form(const json_t *v, const char *key, uint32_t n_vocab, tn_post_form *ret, tn_error *err) {
    const json_t *form = json_object_get(v, key), *tokens = json_object_get(v, "special_tokens"), *item;
    size_t i, n;
    int rc;
    if (!json_is_array(form)) return tn_fail(err, TN_EFORMAT, "%s: \"%s\" must be an array", where, key);
    json_array_foreach(form, i, item) {
        const json_t *special = json_object_get(item, "SpecialToken"),
                     *seq = json_object_get(item, "Sequence");
        const char *which = NULL;
        if (special)
            rc = add_special(tokens, special, n_vocab, ret, err);
        else if (!(rc = tn__json_string(seq, "id", where, &which, &n, err)))
            rc = strcmp(which, "A") == 0   ? tn__post_add(ret, TN_POST_A, err)
                 : strcmp(which, "B") == 0 ? tn__post_add(ret, TN_POST_B, err)
                                           : tn_fail(err, TN_EFORMAT, "%s: sequence \"%.16s\"", where, which);
        if (rc) return rc;
    }
    return 0;
}

/* ["[SEP]", 102] under key. */
static int token_of(const json_t *v, const char *key, uint32_t n_vocab, int32_t *ret, tn_error *err) {
    const json_t *id = json_array_get(json_object_get(v, key), 1);
    if (!json_is_integer(id) || json_integer_value(id) < 0 || json_integer_value(id) >= n_vocab)
        return tn_fail(err, TN_EFORMAT, "%s: \"%s\" must be a token and its id", where, key);
    *ret = (int32_t)json_integer_value(id);
    return 0;
}

/* [CLS] A [SEP], and [CLS] A [SEP] B [SEP]; RoBERTa has the middle one twice. */
static int add_cls_sep(const json_t *v, bool twice, uint32_t n_vocab, tn_postproc *ret, tn_error *err) {
    int32_t cls = 0, sep = 0;
    int rc = token_of(v, "cls", n_vocab, &cls, err);
    if (!rc) rc = token_of(v, "sep", n_vocab, &sep, err);
    const int32_t single[] = {cls, TN_POST_A, sep}, pair[] = {cls, TN_POST_A, sep, sep, TN_POST_B, sep};
    for (size_t i = 0; i < 3 && !rc; i++) rc = tn__post_add(&ret->single, single[i], err);
    for (size_t i = 0; i < 6 && !rc; i++)
        if (i != 3 || twice) rc = tn__post_add(&ret->pair, pair[i], err);
    return rc;
}

static int add(const json_t *v, int depth, uint32_t n_vocab, tn_postproc *ret, tn_error *err) {
    const char *type;
    int rc = tn__json_type(v, where, &type, err);
    if (rc) return rc;
    if (strcmp(type, "ByteLevel") == 0) return 0; /* changes offsets only */
    if (strcmp(type, "Sequence") == 0) {
        const json_t *list = json_object_get(v, "processors"), *item;
        size_t i;
        if (!json_is_array(list))
            return tn_fail(err, TN_EFORMAT, "%s: a Sequence needs \"processors\"", where);
        if (depth >= TN_JSON_MAX_DEPTH) return tn_fail(err, TN_ELIMIT, "%s: nested too deeply", where);
        json_array_foreach(list, i, item) if ((rc = add(item, depth + 1, n_vocab, ret, err))) return rc;
        return 0;
    }
    if (ret->single.n) return tn_fail(err, TN_ENOTSUP, "%s: two that add tokens are not supported", where);
    if (strcmp(type, "BertProcessing") == 0) return add_cls_sep(v, false, n_vocab, ret, err);
    if (strcmp(type, "RobertaProcessing") == 0) return add_cls_sep(v, true, n_vocab, ret, err);
    if (strcmp(type, "TemplateProcessing") != 0)
        return tn_fail(err, TN_ENOTSUP, "%s of type \"%.64s\" is not supported", where, type);
    rc = add_form(v, "single", n_vocab, &ret->single, err);
    return rc ? rc : add_form(v, "pair", n_vocab, &ret->pair, err);
}

int tn__json_postproc(const json_t *v, uint32_t n_vocab, tn_postproc *ret, tn_error *err) {
    return !v || json_is_null(v) ? 0 : add(v, 0, n_vocab, ret, err);
}
