/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/vectors.h"

#include <math.h>
#include <stdlib.h>

#include "base/status.h"
#include "sched/encoder.h"
#include "serve/fields.h"

/* ---- Texts to ids ------------------------------------------------------------------------------------ */

void tn_texts_fini(tn_texts *t) {
    tn_ids_free(&t->ids);
    free(t->ends);
    free(t->skip);
    free(t->second);
    *t = (tn_texts){0};
}

/* What the request calls prompt i. */
static tn_path path_of(const tn_api_request *r, uint32_t i) {
    if (r->route == TN_API_EMBEDDINGS)
        return r->n_prompts == 1 ? tn_path_field("", "input") : tn_path_item("input", i);
    if (r->route == TN_API_RERANK)
        return i == 0 ? tn_path_field("", "query") : tn_path_item("documents", i - 1);
    return i < r->n_left ? tn_path_item("text_1", i) : tn_path_item("text_2", i - r->n_left);
}

/* Takes the ids of a text, or says what is wrong with it. */
static int keep_text(const tn_api_request *r, uint32_t prompt, int rc, tn_ids *ids, tn_texts *t,
                     tn_error *err, tn_api_error *e) {
    if (!rc) rc = tn_ids_add(&t->ids, ids->data, ids->len);
    if (rc == TN_ENOMEM) tn_fail(err, rc, "out of memory");
    tn_ids_free(ids);
    if (!rc && t->ids.len > UINT32_MAX)
        rc = tn_fail(err, TN_ELIMIT, "more than %u tokens in all", UINT32_MAX);
    t->ends[t->n++] = (uint32_t)t->ids.len;
    tn_path path = path_of(r, prompt);
    if (rc == TN_ELIMIT)
        return tn_api_fail(e, 400, "context_length_exceeded", path.text, "%s: %s", path.text, err->text);
    return rc ? tn_api_fail_status(e, rc, path.text, err->text) : 0;
}

/* The i-th of the others with the left one that it is to be compared with. */
static int add_pair(const tn_model *m, const tn_api_request *r, uint32_t i, tn_texts *t, tn_api_error *e) {
    const tn_api_prompt *a = &r->prompts[r->n_left == 1 ? 0 : i], *b = &r->prompts[r->n_left + i];
    tn_error err = {0};
    tn_ids ids = {0};
    int rc = tn_encoder_pair(m->encoder, m->tokenizer, m->n_ctx, a->text, a->len, b->text, b->len,
                             r->truncate, &ids, &t->second[t->n], &err);
    return keep_text(r, r->n_left + i, rc, &ids, t, &err, e);
}

static int add_text(const tn_model *m, const tn_api_request *r, uint32_t i, tn_texts *t, tn_api_error *e) {
    const tn_api_prompt *p = &r->prompts[i];
    tn_error err = {0};
    tn_ids ids = {0};
    int rc = p->text ? tn_encoder_tokens(m->encoder, m->tokenizer, m->n_ctx, p->text, p->len, r->prompt_name,
                                         r->truncate, &ids, &t->skip[t->n], &err)
                     : tn_ids_add(&ids, p->ids, p->n_ids);
    if (!rc && !p->text && r->truncate && ids.len > m->n_ctx) ids.len = m->n_ctx;
    if (!rc && !p->text) rc = tn_encoder_check(m->encoder, m->n_ctx, ids.data, ids.len, &err);
    return keep_text(r, i, rc, &ids, t, &err, e);
}

int tn_vectors_texts(const tn_model *m, const tn_api_request *r, tn_texts *ret, tn_api_error *e) {
    tn_error err = {0};
    *ret = (tn_texts){0};
    if (tn_model_need_encoder(m, &err) != 0)
        return tn_api_fail(e, 400, NULL, "model", "this model makes no embeddings");
    const bool pairs = tn_encoder_scores(&m->encoder->info);
    if (pairs && !r->n_left)
        return tn_api_fail(e, 400, NULL, "model", "this model scores pairs of texts, it makes no embeddings");
    if (r->dimensions > m->encoder->n_out)
        return tn_api_fail(e, 400, NULL, "dimensions", "dimensions is %u, this model's vectors have %u",
                           r->dimensions, m->encoder->n_out);
    if (r->prompt_name && !tn_recipe_prompt(&m->encoder->recipe, r->prompt_name))
        return tn_api_fail(e, 400, NULL, "prompt_name", "this model has no prompt \"%.100s\"",
                           r->prompt_name);
    const uint32_t n = pairs ? r->n_prompts - r->n_left : r->n_prompts;
    ret->ends = calloc(n, sizeof *ret->ends);
    ret->skip = calloc(n, sizeof *ret->skip);
    ret->second = pairs ? calloc(n, sizeof *ret->second) : NULL;
    if (!ret->ends || !ret->skip || (pairs && !ret->second))
        return tn_api_fail_status(e, TN_ENOMEM, NULL, "out of memory");
    for (uint32_t i = 0; i < n; i++)
        if ((pairs ? add_pair : add_text)(m, r, i, ret, e)) return -1;
    return 0;
}

/* ---- Rows to answers --------------------------------------------------------------------------------- */

/* Vectors [n, n_col] of pooled rows. */
static int finish_all(const tn_model *m, const float *rows, uint32_t n, uint32_t n_col, float *ret,
                      tn_error *err) {
    const uint32_t n_embd = m->program->n_embd, n_out = m->encoder->n_out;
    float *whole = calloc(n_out, sizeof *whole);
    int rc = whole ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; !rc && i < n; i++) {
        rc = tn_recipe_finish(&m->encoder->recipe, rows + (size_t)i * n_embd, n_embd, whole, err);
        if (n_col < n_out) tn_recipe_normalize(whole, n_col);
        for (uint32_t k = 0; !rc && k < n_col; k++) {
            if (!isfinite(whole[k]))
                rc = tn_fail(err, TN_EFORMAT, "the model gives no finite numbers for text %u", i);
            ret[(size_t)i * n_col + k] = whole[k];
        }
    }
    free(whole);
    return rc;
}

static float cosine(const float *a, const float *b, uint32_t n) {
    double dot = 0, a2 = 0, b2 = 0;
    for (uint32_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        a2 += (double)a[i] * a[i];
        b2 += (double)b[i] * b[i];
    }
    return a2 > 0 && b2 > 0 ? (float)(dot / sqrt(a2 * b2)) : 0;
}

/* Of the others with their left ones. */
static void cosines(const tn_api_request *r, const float *v, uint32_t n_col, float *ret) {
    for (uint32_t i = 0; i < r->n_prompts - r->n_left; i++)
        ret[i] =
            cosine(v + (size_t)(r->n_left == 1 ? 0 : i) * n_col, v + (size_t)(r->n_left + i) * n_col, n_col);
}

/* What the model gave for each pair. */
static int pair_scores(const tn_encoder *e, const float *rows, uint32_t n, float *ret, tn_error *err) {
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(rows[i]))
            return tn_fail(err, TN_EFORMAT, "the model gives no finite number for pair %u", i);
        ret[i] = e->info.result == TN_RESULT_SIGMOID ? 1 / (1 + expf(-rows[i])) : rows[i];
    }
    return 0;
}

static void write_scores(const tn_api_head *h, const tn_api_request *r, const float *scores,
                         const tn_api_usage *usage, tn_buf *out) {
    const uint32_t n = r->n_prompts - r->n_left;
    if (r->route == TN_API_RERANK)
        tn_api_rerank_body(h, r, scores, n, usage, out);
    else
        tn_api_score_body(h, scores, n, usage, out);
}

int tn_vectors_write(const tn_model *m, const tn_api_head *h, const tn_api_request *r, const float *rows,
                     const tn_api_usage *usage, tn_buf *out, tn_error *err) {
    const bool pairs = tn_encoder_scores(&m->encoder->info);
    const uint32_t n = r->n_prompts, n_col = r->dimensions ? r->dimensions : m->encoder->n_out;
    float *v = calloc((size_t)n * n_col + 1, sizeof *v), *scores = calloc((size_t)n + 1, sizeof *scores);
    int rc = v && scores ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc)
        rc = pairs ? pair_scores(m->encoder, rows, n - r->n_left, scores, err)
                   : finish_all(m, rows, n, n_col, v, err);
    if (!rc && r->n_left && !pairs) cosines(r, v, n_col, scores);
    if (!rc && r->n_left)
        write_scores(h, r, scores, usage, out);
    else if (!rc)
        tn_api_vectors_body(h, v, n, n_col, r->base64, usage, out);
    free(v);
    free(scores);
    if (!rc && out->status)
        rc = tn_fail(err, out->status, "the answer is too long for the server, or out of memory");
    return rc;
}
