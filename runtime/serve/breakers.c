/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/breakers.h"

#include <stdlib.h>
#include <string.h>

/* Strings to look for, and where to look closely: bytes that one of them begins with. */
typedef struct search {
    const char *const *strings;
    const size_t *len;
    uint32_t n;
    bool begins[256];
    bool *found; /* [n]: some token contains it */
} search;

/* Whether a string stands at text. */
static bool stands_at(search *s, const char *text, size_t len) {
    bool any = false;
    if (!s->begins[(unsigned char)*text]) return false;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->len[i] <= len && memcmp(text, s->strings[i], s->len[i]) == 0) s->found[i] = any = true;
    return any;
}

static bool contains(search *s, const char *text, size_t len) {
    bool any = false;
    for (size_t i = 0; i < len; i++) any |= stands_at(s, text + i, len - i);
    return any;
}

static int find_tokens(search *s, const tn_tokenizer *t, bool *breaks, tn_error *err) {
    tn_buf text;
    int rc = 0;
    tn_buf_init(&text, 1 << 20);
    for (int32_t id = 0; !rc && id < tn_tokenizer_n_vocab(t); id++) {
        tn_buf_clear(&text);
        rc = tn_tokenizer_token_bytes(t, id, &text);
        if (!rc) breaks[id] = contains(s, text.data, text.len);
    }
    tn_buf_free(&text);
    return rc ? tn_fail(err, rc, "out of memory for the text of a token") : 0;
}

static int find_endings(const search *s, const tn_tokenizer *t, bool *breaks, tn_error *err) {
    tn_ids ids = {0};
    int rc = 0;
    for (uint32_t i = 0; !rc && i < s->n; i++) {
        if (s->found[i]) continue;
        ids.len = 0;
        rc = tn_tokenizer_encode(t, s->strings[i], s->len[i], 0, &ids, err);
        if (!rc && ids.len) breaks[ids.data[ids.len - 1]] = true;
    }
    tn_ids_free(&ids);
    return rc;
}

static int list(const bool *breaks, uint32_t n_vocab, int32_t **ret_ids, uint32_t *ret_n, tn_error *err) {
    uint32_t count = 0, at = 0;
    for (uint32_t i = 0; i < n_vocab; i++) count += breaks[i];
    int32_t *ids = malloc((count + 1) * sizeof *ids);
    if (!ids) return tn_fail(err, TN_ENOMEM, "out of memory for %u sequence breakers", count);
    for (uint32_t i = 0; i < n_vocab; i++)
        if (breaks[i]) ids[at++] = (int32_t)i;
    *ret_ids = ids;
    *ret_n = count;
    return 0;
}

int tn_breakers_find(const tn_tokenizer *t, const char *const *strings, const size_t *len, uint32_t n,
                     int32_t **ret_ids, uint32_t *ret_n, tn_error *err) {
    search s = {.strings = strings, .len = len, .n = n, .found = calloc(n + 1, sizeof *s.found)};
    uint32_t n_vocab = (uint32_t)tn_tokenizer_n_vocab(t);
    bool *breaks = calloc(n_vocab + 1, sizeof *breaks);
    int rc = s.found && breaks ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for sequence breakers");
    for (uint32_t i = 0; i < n; i++) s.begins[(unsigned char)*strings[i]] = true;
    if (!rc) rc = find_tokens(&s, t, breaks, err);
    if (!rc) rc = find_endings(&s, t, breaks, err);
    if (!rc) rc = list(breaks, n_vocab, ret_ids, ret_n, err);
    free(s.found);
    free(breaks);
    return rc;
}

int tn_breakers_default(const tn_tokenizer *t, int32_t **ret_ids, uint32_t *ret_n, tn_error *err) {
    static const char *const strings[] = {"\n", ":", "\"", "*"};
    static const size_t len[] = {1, 1, 1, 1};
    return tn_breakers_find(t, strings, len, 4, ret_ids, ret_n, err);
}

/* In place; the length, 0 where it is wrong or empty. */
static size_t unescape(char *text) {
    static const char from[] = "ntr\"\\", to[] = "\n\t\r\"\\";
    char *out = text;
    for (const char *in = text; *in; in++) {
        const char *escape = *in == '\\' && in[1] ? strchr(from, in[1]) : NULL;
        if (*in == '\\' && !escape) return 0;
        *out++ = escape ? to[escape - from] : *in;
        in += escape != NULL;
    }
    *out = '\0';
    return (size_t)(out - text);
}

int tn_breakers_read(const tn_tokenizer *t, const char *const *texts, uint32_t n, int32_t **ret_ids,
                     uint32_t *ret_n, tn_error *err) {
    char **copies = calloc(n + 1, sizeof *copies);
    size_t *len = calloc(n + 1, sizeof *len);
    int rc = copies && len ? 0 : tn_fail(err, TN_ENOMEM, "out of memory for sequence breakers");
    for (uint32_t i = 0; !rc && i < n; i++) {
        copies[i] = strdup(texts[i]);
        len[i] = copies[i] ? unescape(copies[i]) : 0;
        if (!copies[i]) rc = tn_fail(err, TN_ENOMEM, "out of memory for sequence breakers");
        if (!rc && !len[i])
            rc = tn_fail(
                err, TN_EINVAL,
                "\"%.80s\" is no sequence breaker: it is empty, or a '\\' stands before something else than n "
                "t r \" \\",
                texts[i]);
    }
    if (!rc) rc = tn_breakers_find(t, (const char *const *)copies, len, n, ret_ids, ret_n, err);
    for (uint32_t i = 0; copies && i < n; i++) free(copies[i]);
    free(copies);
    free(len);
    return rc;
}
