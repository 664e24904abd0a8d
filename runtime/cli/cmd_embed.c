/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/output.h"
#include "sched/encoder.h"

enum { MAX_INPUT_BYTES = 256 << 20, MAX_INPUTS = 1 << 20 };

typedef struct embed_args {
    tn_compute_args compute;
    const char *prompt;
    uint64_t dimensions;
    bool json, truncate;
} embed_args;

#define AT(field) .offset = offsetof(embed_args, field)
static const tn_option_row options[] = {
    {TN_OPT_FLAG, .name = "json",
     .help = "read a JSON array of texts, write a JSON array of vectors; without it one text is read",
     AT(json)},
    {TN_OPT_STRING, .name = "prompt", .arg = "NAME",
     .help = "put the checkpoint's prompt of this name before each text; usually none is", AT(prompt)},
    {TN_OPT_UINT, .name = "dimensions", .arg = "N", .min = 1, .max = 1 << 20,
     .help = "only the first N numbers of each vector, normalised again", AT(dimensions)},
    {TN_OPT_FLAG, .name = "truncate",
     .help = "cut texts that are longer than the model takes, instead of failing", AT(truncate)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

/* The texts as ids, and what becomes of them. */
typedef struct texts {
    tn_ids ids;
    uint32_t *ends, *skip; /* [n] */
    float *rows;           /* [n, n_embd] */
    uint32_t n;
} texts;

static void texts_free(texts *t) {
    tn_ids_free(&t->ids);
    free(t->ends);
    free(t->skip);
    free(t->rows);
}

static int add_text(const embed_args *a, const tn_model *m, const json_t *text, texts *t, tn_error *err) {
    tn_ids ids = {0};
    if (!json_is_string(text)) return tn_fail(err, TN_EINVAL, "input %u is no string", t->n);
    int rc = tn_encoder_tokens(m->encoder, m->tokenizer, m->n_ctx, json_string_value(text),
                               json_string_length(text), a->prompt, a->truncate, &ids, &t->skip[t->n], err);
    if (!rc) rc = tn_ids_add(&t->ids, ids.data, ids.len);
    if (rc) tn_error_prefix(err, rc, "input %u", t->n);
    tn_ids_free(&ids);
    if (!rc && t->ids.len > UINT32_MAX)
        rc = tn_fail(err, TN_ELIMIT, "more than %u tokens in all", UINT32_MAX);
    if (!rc) t->ends[t->n++] = (uint32_t)t->ids.len;
    return rc;
}

static int read_texts(const embed_args *a, const tn_model *m, const json_t *inputs, texts *t, tn_error *err) {
    const size_t n = json_array_size(inputs);
    json_t *text;
    size_t i;
    if (n > MAX_INPUTS) return tn_fail(err, TN_ELIMIT, "%zu texts, the limit is %d", n, MAX_INPUTS);
    t->ends = calloc(n + 1, sizeof *t->ends);
    t->skip = calloc(n + 1, sizeof *t->skip);
    t->rows = calloc(n * m->program->n_embd + 1, sizeof *t->rows);
    if (!t->ends || !t->skip || !t->rows) return tn_fail(err, TN_ENOMEM, "out of memory for %zu texts", n);
    json_array_foreach(inputs, i, text) {
        int rc = add_text(a, m, text, t, err);
        if (rc) return rc;
    }
    return 0;
}

static int encode(const tn_model *m, const texts *t, tn_error *err) {
    tn_encoding e = {.ids = t->ids.data, .ends = t->ends, .skip = t->skip, .n_text = t->n, .rows = t->rows};
    bool busy = true;
    tn_encoder_add(m->encoder, &e);
    while (!tn_encoding_is_done(&e) && !tn_interrupted()) tn_encoder_step(m->encoder, &busy);
    tn_encoder_remove(m->encoder, &e);
    if (e.status) return tn_fail(err, e.status, "%s", e.error.text);
    return tn_encoding_is_done(&e) ? 0 : tn_fail(err, TN_ECANCELED, "interrupted");
}

static int print_vector(const tn_model *m, const float *pooled, uint32_t n, float *row, tn_error *err) {
    int rc = tn_recipe_finish(&m->encoder->recipe, pooled, m->program->n_embd, row, err);
    if (rc) return rc;
    if (n < m->encoder->n_out) tn_recipe_normalize(row, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!isfinite(row[i]))
            return tn_fail(err, TN_EFORMAT, "the model gives no finite numbers for a text");
        printf("%s%.9g", i ? "," : "[", (double)row[i]);
    }
    putchar(']');
    return 0;
}

static int print_all(const embed_args *a, const tn_model *m, const texts *t, tn_error *err) {
    const uint32_t most = m->encoder->n_out;
    if (a->dimensions > most)
        return tn_fail(err, TN_ELIMIT, "--dimensions %llu: the model's vectors have %u",
                       (unsigned long long)a->dimensions, most);
    float *row = calloc(most, sizeof *row);
    if (!row) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = 0;
    if (a->json) putchar('[');
    for (uint32_t i = 0; !rc && i < t->n; i++) {
        if (i) printf(",\n");
        rc = print_vector(m, t->rows + (size_t)i * m->program->n_embd,
                          a->dimensions ? (uint32_t)a->dimensions : most, row, err);
    }
    printf(a->json ? "]\n" : "\n");
    free(row);
    return rc;
}

/* A JSON array of texts, or one text as it is. */
static int read_input(bool is_json, json_t **ret, tn_error *err) {
    tn_buf text;
    tn_buf_init(&text, MAX_INPUT_BYTES);
    int rc = tn_input_all(stdin, "standard input", &text, err);
    const char *data = text.data ? text.data : "";
    if (!rc && is_json) {
        rc = tn_json_parse(data, text.len, "standard input", ret, err);
    } else if (!rc) {
        *ret = json_pack("[o]", json_stringn(data, text.len));
        if (!*ret) rc = tn_fail(err, TN_EINVAL, "standard input is not UTF-8");
    }
    tn_buf_free(&text);
    if (!rc && !json_is_array(*ret)) rc = tn_fail(err, TN_EINVAL, "standard input is no JSON array of texts");
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const embed_args *a = args;
    json_t *inputs = NULL;
    tn_loaded_model l = {0};
    texts t = {0};
    (void)n;
    int rc = read_input(a->json, &inputs, err);
    if (!rc) rc = tn_load(operands[0], &a->compute, (tn_model_config){0}, &l, err);
    if (!rc) rc = tn_model_need_encoder(l.model, err);
    if (!rc && tn_encoder_scores(&l.model->encoder->info))
        rc = tn_fail(err, TN_EINVAL, "%s scores pairs of texts, it makes no embeddings", operands[0]);
    if (!rc) rc = tn_need_tokenizer(l.model, err);
    if (!rc) rc = read_texts(a, l.model, inputs, &t, err);
    if (!rc) rc = encode(l.model, &t, err);
    if (!rc) rc = print_all(a, l.model, &t, err);
    texts_free(&t);
    tn_unload(&l);
    json_decref(inputs);
    return rc;
}

const tn_command tn_cmd_embed = {
    .name = "embed",
    .operands = "MODEL",
    .help = "turn texts into vectors",
    .about =
        "Reads a text, or a JSON array of texts, from standard input and prints what MODEL makes of each:\n"
        "pooled, multiplied and normalised as the checkpoint says.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 1,
    .max_operands = 1,
    .args_size = sizeof(embed_args),
    .run = run,
};
