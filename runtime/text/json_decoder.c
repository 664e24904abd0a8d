/* SPDX-License-Identifier: Apache-2.0 */
/* "decoder" of a tokenizer.json. */
#include <string.h>

#include "text/json_get.h"
#include "text/json_pipeline.h"

static const char where[] = "decoder";

static int add_replace(const json_t *v, tn_decoder *ret, tn_error *err) {
    const char *from, *to;
    size_t from_len, to_len;
    bool literal;
    int rc = tn__json_pattern(v, where, &from, &from_len, &literal, err);
    if (!rc) rc = tn__json_string(v, "content", where, &to, &to_len, err);
    return rc ? rc : tn__decoder_add_replace(ret, from, from_len, literal, to, to_len, err);
}

static int add_strip(const json_t *v, tn_decoder *ret, tn_error *err) {
    tn_dec_step s = {.kind = TN_DEC_STRIP};
    const char *c;
    size_t n;
    int rc = tn__json_string(v, "content", where, &c, &n, err);
    if (!rc) rc = tn__json_size(v, "start", where, 1 << 20, &s.start, err);
    if (!rc) rc = tn__json_size(v, "stop", where, 1 << 20, &s.stop, err);
    return rc ? rc : tn__decoder_add(ret, s, c, n, err);
}

static int add_metaspace(const json_t *v, tn_decoder *ret, tn_error *err) {
    tn_dec_step s = {.kind = TN_DEC_METASPACE};
    const char *c, *scheme;
    size_t n, scheme_len;
    bool add = true;
    int rc = tn__json_string(v, "replacement", where, &c, &n, err);
    if (!rc && !n) rc = tn_fail(err, TN_EFORMAT, "%s: \"replacement\" must be one character", where);
    if (!rc) rc = tn__json_bool(v, "add_prefix_space", where, &add, err);
    if (!rc) rc = tn__json_opt_string(v, "prepend_scheme", where, &scheme, &scheme_len, err);
    if (rc) return rc;
    s.keep_first = scheme ? strcmp(scheme, "never") == 0 : !add;
    return tn__decoder_add(ret, s, c, n, err);
}

static int add_wordpiece(const json_t *v, tn_decoder *ret, tn_error *err) {
    tn_dec_step s = {.kind = TN_DEC_WORDPIECE, .cleanup = true};
    const char *c;
    size_t n;
    int rc = tn__json_opt_string(v, "prefix", where, &c, &n, err);
    if (!rc) rc = tn__json_bool(v, "cleanup", where, &s.cleanup, err);
    return rc ? rc : tn__decoder_add(ret, s, c ? c : "##", c ? n : 2, err);
}

static int add_suffix(const json_t *v, tn_decoder *ret, tn_error *err) {
    const char *c;
    size_t n;
    int rc = tn__json_opt_string(v, "suffix", where, &c, &n, err);
    return rc ? rc
              : tn__decoder_add(ret, (tn_dec_step){.kind = TN_DEC_SUFFIX}, c ? c : "</w>", c ? n : 4, err);
}

static int add(const json_t *v, int depth, tn_decoder *ret, tn_error *err);

static int add_sequence(const json_t *v, int depth, tn_decoder *ret, tn_error *err) {
    const json_t *list = json_object_get(v, "decoders"), *item;
    size_t i;
    int rc;
    if (!json_is_array(list)) return tn_fail(err, TN_EFORMAT, "%s: a Sequence needs \"decoders\"", where);
    if (depth >= TN_JSON_MAX_DEPTH) return tn_fail(err, TN_ELIMIT, "%s: nested too deeply", where);
    json_array_foreach(list, i, item) if ((rc = add(item, depth + 1, ret, err))) return rc;
    return 0;
}

static int add(const json_t *v, int depth, tn_decoder *ret, tn_error *err) {
    static const struct {
        const char *name;
        tn_dec_kind kind;
    } plain[] = {
        {"ByteLevel", TN_DEC_BYTE_LEVEL}, {"ByteFallback", TN_DEC_BYTE_FALLBACK}, {"Fuse", TN_DEC_FUSE}};
    const char *type;
    int rc = tn__json_type(v, where, &type, err);
    if (rc) return rc;
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (strcmp(type, plain[i].name) == 0)
            return tn__decoder_add(ret, (tn_dec_step){.kind = plain[i].kind}, NULL, 0, err);
    if (strcmp(type, "Sequence") == 0) return add_sequence(v, depth, ret, err);
    if (strcmp(type, "Replace") == 0) return add_replace(v, ret, err);
    if (strcmp(type, "Strip") == 0) return add_strip(v, ret, err);
    if (strcmp(type, "Metaspace") == 0) return add_metaspace(v, ret, err);
    if (strcmp(type, "WordPiece") == 0) return add_wordpiece(v, ret, err);
    if (strcmp(type, "BPEDecoder") == 0) return add_suffix(v, ret, err);
    return tn_fail(err, TN_ENOTSUP, "%s of type \"%.64s\" is not supported", where, type);
}

int tn__json_decoder(const json_t *v, tn_decoder *ret, tn_error *err) {
    if (!v || json_is_null(v))
        return tn__decoder_add(ret, (tn_dec_step){.kind = TN_DEC_JOIN_SPACE}, NULL, 0, err);
    return add(v, 0, ret, err);
}
