/* SPDX-License-Identifier: Apache-2.0 */
/* POST /v1/embeddings, /v1/rerank and /v1/score: bodies in, bodies out. */
#include <stdlib.h>
#include <string.h>

#include "media/base64.h"
#include "serve/api_json.h"
#include "serve/api_parts.h"

/* ---- Fields ------------------------------------------------------------------------------------------ */

enum { EMBEDDINGS = 1, RERANK = 2, SCORE = 4, ALL = 7 };

static const struct {
    const char *name;
    unsigned routes;
} known[] = {
    {"dimensions", EMBEDDINGS},
    {"documents", RERANK | SCORE},
    {"encoding_format", EMBEDDINGS},
    {"input", EMBEDDINGS},
    {"model", ALL},
    {"prompt_name", ALL},
    {"queries", SCORE},
    {"query", RERANK},
    {"return_documents", RERANK},
    {"text_1", SCORE},
    {"text_2", SCORE},
    {"top_n", RERANK},
    {"truncate", ALL},
    {"user", ALL},
};

static unsigned bit_of(tn_api_route route) {
    return route == TN_API_EMBEDDINGS ? EMBEDDINGS : route == TN_API_RERANK ? RERANK : SCORE;
}

static bool is_known(const char *name, unsigned route) {
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if ((known[i].routes & route) && strcmp(known[i].name, name) == 0) return true;
    return false;
}

static void report_unknown(const tn_api_request *r, void (*unknown)(void *ctx, const char *field),
                           void *ctx) {
    enum { MOST = 64 };
    const char *name;
    json_t *value;
    unsigned n = 0;
    json_object_foreach(r->body, name, value) {
        if (is_known(name, bit_of(r->route))) continue;
        if (n++ == MOST) return;
        unknown(ctx, name);
    }
}

/* Makes room for n more texts; where they begin. NULL with e filled. */
static tn_api_prompt *more_texts(const tn_fields *f, const char *name, size_t n, const tn_api_limits *limits,
                                 tn_api_request *r) {
    if (n == 0) {
        tn_fields_fail(f, name, "an empty array; there must be at least 1 text");
        return NULL;
    }
    if (n > limits->max_inputs - r->n_prompts) {
        tn_fields_fail(f, name,
                       "%zu texts with %u before them, the limit of a request is %u (limits.max_inputs)", n,
                       r->n_prompts, limits->max_inputs);
        return NULL;
    }
    tn_api_prompt *grown = realloc(r->prompts, (r->n_prompts + n) * sizeof *grown);
    if (!grown) {
        tn_api_no_memory(f->e);
        return NULL;
    }
    memset(grown + r->n_prompts, 0, n * sizeof *grown);
    r->prompts = grown;
    tn_api_prompt *first = grown + r->n_prompts;
    r->n_prompts += (uint32_t)n;
    return first;
}

static int empty_text(const char *path, tn_api_error *e) {
    return tn_api_fail(e, 400, NULL, path, "%s is an empty string; there is nothing to embed", path);
}

static int read_text(const json_t *v, const char *path, tn_api_prompt *p, tn_api_error *e) {
    if (tn_api_parse_prompt(v, path, p, e)) return -1;
    return p->text && p->len == 0 ? empty_text(path, e) : 0;
}

/* A string, an array of token ids, or an array of either. */
static int read_input(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    static const char expected[] = "a string, an array of token ids, or an array of either";
    const json_t *v = tn_fields_get(f, "input");
    if (!v) return tn_fields_missing(f, "input", expected);
    if (!json_is_string(v) && !json_is_array(v)) return tn_value_wrong(v, "input", f->e, "%s", expected);
    const bool many = json_is_array(v) && !json_is_number(json_array_get(v, 0));
    const size_t n = many ? json_array_size(v) : 1;
    tn_api_prompt *to = more_texts(f, "input", n, limits, r);
    if (!to) return -1;
    if (!many) return read_text(v, "input", to, f->e);
    for (size_t i = 0; i < n; i++)
        if (read_text(json_array_get(v, i), tn_path_item("input", i).text, &to[i], f->e)) return -1;
    return 0;
}

/* A string, or an object that has one as "text". */
static int read_document(const json_t *v, const char *path, tn_api_prompt *p, tn_api_error *e) {
    const json_t *text = json_is_object(v) ? json_object_get(v, "text") : v;
    if (!json_is_string(text))
        return tn_value_wrong(v, path, e, "a string, or an object with a string \"text\"");
    p->text = json_string_value(text);
    p->len = json_string_length(text);
    return p->len ? 0 : empty_text(path, e);
}

/* One document, or an array of them. 1 where there is none. */
static int read_documents(const tn_fields *f, const char *name, const tn_api_limits *limits,
                          tn_api_request *r) {
    const json_t *v = tn_fields_get(f, name);
    if (!v) return 1;
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    tn_api_prompt *to = more_texts(f, name, n, limits, r);
    if (!to) return -1;
    if (!json_is_array(v)) return read_document(v, name, to, f->e);
    for (size_t i = 0; i < n; i++)
        if (read_document(json_array_get(v, i), tn_path_item(name, i).text, &to[i], f->e)) return -1;
    return 0;
}

static int need_documents(const tn_fields *f, const char *name, const tn_api_limits *limits,
                          tn_api_request *r) {
    int rc = read_documents(f, name, limits, r);
    return rc == 1 ? tn_fields_missing(f, name, "a string or an array of strings") : rc;
}

static int read_embeddings(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    const char *format = "float";
    int64_t dimensions = 0;
    if (tn_fields_name(f, "encoding_format", &format) < 0) return -1;
    r->base64 = strcmp(format, "base64") == 0;
    if (!r->base64 && strcmp(format, "float") != 0)
        return tn_value_wrong(tn_fields_get(f, "encoding_format"), "encoding_format", f->e,
                              "\"float\" or \"base64\"");
    if (tn_fields_whole(f, "dimensions", 1, 1 << 20, &dimensions) < 0) return -1;
    r->dimensions = (uint32_t)dimensions;
    return read_input(f, limits, r);
}

static int read_rerank(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    int64_t top_n = 0;
    if (tn_fields_whole(f, "top_n", 1, UINT32_MAX, &top_n) < 0) return -1;
    if (tn_fields_bool(f, "return_documents", &r->return_documents) < 0) return -1;
    r->top_n = (uint32_t)top_n;
    if (need_documents(f, "query", limits, r)) return -1;
    if (r->n_prompts != 1) return tn_fields_fail(f, "query", "%u texts, it must be one", r->n_prompts);
    r->n_left = 1;
    return need_documents(f, "documents", limits, r);
}

/* One with many, or each with its own. */
static int read_score(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    const bool named = tn_fields_get(f, "queries") || tn_fields_get(f, "documents");
    const char *left = named ? "queries" : "text_1", *right = named ? "documents" : "text_2";
    if (need_documents(f, left, limits, r)) return -1;
    r->n_left = r->n_prompts;
    if (need_documents(f, right, limits, r)) return -1;
    const uint32_t n_right = r->n_prompts - r->n_left;
    if (r->n_left == 1 || r->n_left == n_right) return 0;
    return tn_fields_fail(f, right, "%u texts for the %u of %s; there must be as many, or one of %s", n_right,
                          r->n_left, left, left);
}

int tn_api_parse_vectors(const char *text, size_t len, tn_api_route route, const tn_api_limits *limits,
                         void (*unknown)(void *ctx, const char *field), void *ctx, tn_api_request *ret,
                         tn_api_error *e) {
    tn_api_request r = {.route = route, .n = 1};
    int rc = tn_api_parse_body(text, len, &r.body, e);
    tn_fields f = {r.body, "", e};
    if (!rc && unknown) report_unknown(&r, unknown, ctx);
    if (!rc &&
        (tn_fields_name(&f, "model", &r.model) < 0 || tn_fields_name(&f, "prompt_name", &r.prompt_name) < 0 ||
         tn_fields_bool(&f, "truncate", &r.truncate) < 0))
        rc = -1;
    if (!rc)
        rc = route == TN_API_EMBEDDINGS ? read_embeddings(&f, limits, &r)
             : route == TN_API_RERANK   ? read_rerank(&f, limits, &r)
                                        : read_score(&f, limits, &r);
    if (rc) tn_api_request_fini(&r);
    *ret = r;
    return rc;
}

/* ---- Answers ----------------------------------------------------------------------------------------- */

/* Nine digits give every float back. */
static void add_numbers(const float *v, uint32_t n, tn_buf *out) {
    for (uint32_t i = 0; i < n; i++) tn_buf_addf(out, "%s%.9g", i ? "," : "[", (double)v[i]);
    tn_buf_adds(out, "]");
}

/* Little-endian, whatever this machine is. */
static void add_base64(const float *v, uint32_t n, tn_buf *out) {
    uint8_t *bytes = malloc((size_t)n * 4 + 1);
    char *text = malloc(tn_base64_length((size_t)n * 4) + 1);
    for (uint32_t i = 0; bytes && i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        for (int k = 0; k < 4; k++) bytes[4 * (size_t)i + (size_t)k] = (uint8_t)(bits >> 8 * k);
    }
    if (bytes && text) {
        tn_base64_encode(bytes, (size_t)n * 4, text);
        tn_buf_adds(out, "\"");
        tn_buf_add(out, text, tn_base64_length((size_t)n * 4));
        tn_buf_adds(out, "\"");
    } else {
        out->status = TN_ENOMEM;
    }
    free(bytes);
    free(text);
}

static json_t *usage_json(const tn_api_usage *u) {
    return json_pack("{s:I, s:I}", "prompt_tokens", (json_int_t)u->prompt_tokens, "total_tokens",
                     (json_int_t)u->prompt_tokens);
}

/* ,"model":"...","usage":{...}} */
static void add_end(const tn_api_head *h, const tn_api_usage *usage, tn_buf *out) {
    tn_buf_adds(out, ",\"model\":");
    json_t *name = tn_api_text(h->model, strlen(h->model));
    char *text = name ? json_dumps(name, JSON_ENCODE_ANY) : NULL;
    if (text)
        tn_buf_adds(out, text);
    else
        out->status = TN_ENOMEM;
    free(text);
    json_decref(name);
    tn_buf_adds(out, ",\"usage\":");
    tn_api_print(usage_json(usage), out);
    tn_buf_adds(out, "}");
}

void tn_api_vectors_body(const tn_api_head *h, const float *vectors, uint32_t n, uint32_t n_col, bool base64,
                         const tn_api_usage *usage, tn_buf *out) {
    tn_buf_adds(out, "{\"object\":\"list\",\"data\":[");
    for (uint32_t i = 0; i < n; i++) {
        tn_buf_addf(out, "%s{\"object\":\"embedding\",\"index\":%u,\"embedding\":", i ? "," : "", i);
        (base64 ? add_base64 : add_numbers)(vectors + (size_t)i * n_col, n_col, out);
        tn_buf_adds(out, "}");
    }
    tn_buf_adds(out, "]");
    add_end(h, usage, out);
}

typedef struct ranked {
    uint32_t index;
    float score;
} ranked;

/* The better one first; of equal ones the one that came first. */
static int compare(const void *a, const void *b) {
    const ranked *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->index < y->index ? -1 : 1;
}

static json_t *result_json(const tn_api_request *r, const ranked *at) {
    json_t *result =
        json_pack("{s:I, s:f}", "index", (json_int_t)at->index, "relevance_score", (double)at->score);
    if (!r->return_documents) return result;
    const tn_api_prompt *p = &r->prompts[r->n_left + at->index];
    if (json_object_set_new(result, "document", json_pack("{s:o}", "text", tn_api_text(p->text, p->len))) ==
        0)
        return result;
    json_decref(result);
    return NULL;
}

void tn_api_rerank_body(const tn_api_head *h, const tn_api_request *r, const float *scores, uint32_t n,
                        const tn_api_usage *usage, tn_buf *out) {
    ranked *order = calloc((size_t)n + 1, sizeof *order);
    json_t *results = json_array();
    int bad = !order;
    for (uint32_t i = 0; order && i < n; i++) order[i] = (ranked){i, scores[i]};
    if (order) qsort(order, n, sizeof *order, compare);
    for (uint32_t i = 0; order && i < n && (!r->top_n || i < r->top_n); i++)
        bad |= json_array_append_new(results, result_json(r, &order[i]));
    free(order);
    if (bad) out->status = TN_ENOMEM;
    tn_api_print(json_pack("{s:s, s:s, s:o, s:o}", "id", h->id, "model", h->model, "results", results,
                           "usage", usage_json(usage)),
                 out);
}

void tn_api_score_body(const tn_api_head *h, const float *scores, uint32_t n, const tn_api_usage *usage,
                       tn_buf *out) {
    json_t *data = json_array();
    int bad = 0;
    for (uint32_t i = 0; i < n; i++)
        bad |= json_array_append_new(data, json_pack("{s:I, s:s, s:f}", "index", (json_int_t)i, "object",
                                                     "score", "score", (double)scores[i]));
    if (bad) out->status = TN_ENOMEM;
    tn_api_print(json_pack("{s:s, s:s, s:I, s:s, s:o, s:o}", "id", h->id, "object", "list", "created",
                           (json_int_t)h->created, "model", h->model, "data", data, "usage",
                           usage_json(usage)),
                 out);
}
