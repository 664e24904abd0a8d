/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing a request body in a test, and what a refusal has to say. */
#ifndef TN_TESTS_SERVE_PARSED_H
#define TN_TESTS_SERVE_PARSED_H

#include "unit/unit.h"

#include "serve/api.h"

/* Without media, as long as a test does not say otherwise. */
static tn_api_limits limits = {.max_n = 8, .max_stop = 4, .max_stop_bytes = 16, .max_logit_bias = 3};

typedef struct parsed {
    tn_api_request r;
    tn_api_error e;
    int rc;
    char unknown[256]; /* names, a space after each */
} parsed;

static inline void note_unknown(void *ctx, const char *field) {
    parsed *p = ctx;
    size_t n = strlen(p->unknown);
    snprintf(p->unknown + n, sizeof p->unknown - n, "%s ", field);
}

static inline parsed parse_bytes(bool chat, const char *body, size_t len) {
    parsed p = {.rc = 1};
    memset(&p.r, 0xff, sizeof p.r); /* all of it must be written */
    p.rc = tn_api_parse(body, len, chat, &limits, note_unknown, &p, &p.r, &p.e);
    return p;
}

/* A body with the fields after what the route cannot do without; of fields given twice the last counts. */
static inline parsed parse(bool chat, const char *fields) {
    char body[4096];
    const char *needed = chat ? "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" : "\"prompt\":\"x\"";
    int n = snprintf(body, sizeof body, "{%s%s%s}", needed, *fields ? "," : "", fields);
    assert_true(n > 0 && (size_t)n < sizeof body);
    return parse_bytes(chat, body, (size_t)n);
}

static inline parsed parse_ok(bool chat, const char *fields) {
    parsed p = parse(chat, fields);
    if (p.rc) fail_msg("{%s}: %s", fields, p.e.message);
    return p;
}

/* Refused with 400, param, a message that contains it and all of words (separated by '|'). */
static inline void refused(bool chat, const char *fields, const char *param, const char *words) {
    char list[512], *rest = list;
    parsed p = parse(chat, fields);
    if (p.rc != -1) fail_msg("{%s} was accepted", fields);
    if (p.e.status != 400 || strcmp(p.e.type, "invalid_request_error") != 0)
        fail_msg("{%s}: status %u, type %s", fields, p.e.status, p.e.type);
    if (strcmp(p.e.param, param) != 0)
        fail_msg("{%s}: param is \"%s\", not \"%s\"", fields, p.e.param, param);
    if (!strstr(p.e.message, param)) fail_msg("{%s}: \"%s\" lacks \"%s\"", fields, p.e.message, param);
    snprintf(list, sizeof list, "%s", words);
    for (char *word; (word = strsep(&rest, "|"));)
        if (!strstr(p.e.message, word)) fail_msg("{%s}: \"%s\" lacks \"%s\"", fields, p.e.message, word);
    assert_true(!p.r.body && !p.r.messages && !p.r.template_vars && !p.r.prompts && !p.r.bias && !p.r.stop &&
                !p.r.breaker && !p.r.media);
    tn_api_request_fini(&p.r);
}

typedef struct refusal {
    const char *fields, *param, *words; /* with ' for " */
} refusal;

static inline void check_refusals(bool chat, const refusal *list, size_t n) {
    for (size_t i = 0; i < n; i++) {
        char fields[1024], words[256];
        snprintf(fields, sizeof fields, "%s", list[i].fields);
        snprintf(words, sizeof words, "%s", list[i].words);
        for (char *c = fields; *c; c++)
            if (*c == '\'') *c = '"';
        for (char *c = words; *c; c++)
            if (*c == '\'') *c = '"';
        refused(chat, fields, list[i].param, words);
    }
}

#endif
