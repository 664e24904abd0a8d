/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/output.h"
#include "cli/text_model.h"

typedef struct tokenize_args {
    bool no_special, jsonl;
} tokenize_args;

static const tn_option_row options[] = {
    {TN_OPT_FLAG, .name = "no-special",
     .help = "leave out what the model's post-processor adds (begin of text, ...)",
     .offset = offsetof(tokenize_args, no_special)},
    {TN_OPT_FLAG, .name = "jsonl", .help = "read one JSON string a line, write one array a line",
     .offset = offsetof(tokenize_args, jsonl)},
    {.kind = TN_OPT_END},
};

typedef struct tokenize_work {
    tn_tokenizer *tok;
    unsigned flags;
    tn_ids ids; /* reused from text to text */
} tokenize_work;

static int encode_and_print(tokenize_work *work, const char *text, size_t len, tn_error *err) {
    work->ids.len = 0;
    int rc = tn_tokenizer_encode(work->tok, text, len, work->flags, &work->ids, err);
    if (!rc) tn_json_put_ids(&work->ids);
    return rc;
}

static int encode_line(void *ctx, const char *text, size_t len, tn_error *err) {
    json_t *value;
    int rc = tn_json_parse(text, len, "input", &value, err);
    if (rc) return rc;
    if (json_is_string(value))
        rc = encode_and_print(ctx, json_string_value(value), json_string_length(value), err);
    else
        rc = tn_fail(err, TN_EINVAL, "expected a JSON string");
    json_decref(value);
    return rc;
}

static int encode_input(tokenize_work *work, tn_error *err) {
    tn_buf text;
    tn_buf_init(&text, TN_TOKENIZER_MAX_TEXT);
    int rc = tn_input_all(stdin, "standard input", &text, err);
    if (!rc) rc = encode_and_print(work, text.data ? text.data : "", text.len, err);
    tn_buf_free(&text);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const tokenize_args *a = args;
    tokenize_work work = {.flags = TN_ENCODE_PARSE_SPECIAL | (a->no_special ? 0 : TN_ENCODE_ADD_SPECIAL)};
    int rc = tn_text_model_tokenizer(operands[0], &work.tok, err);
    if (rc) return rc;
    rc = a->jsonl ? tn_json_lines(encode_line, &work, err) : encode_input(&work, err);
    tn_ids_free(&work.ids);
    tn_tokenizer_free(work.tok);
    return rc;
}

const tn_command tn_cmd_tokenize = {
    .name = "tokenize",
    .operands = "MODEL",
    .help = "turn text into token ids",
    .about = "Reads standard input byte for byte and prints its token ids as a JSON array.\n"
             "MODEL may be a directory with tokenizer files only, or a GGUF file with a vocabulary only.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 1,
    .max_operands = 1,
    .args_size = sizeof(tokenize_args),
    .run = run,
};
