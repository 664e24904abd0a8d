/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/ids.h"
#include "cli/json_lines.h"
#include "cli/text_model.h"

typedef struct detokenize_args {
    bool skip_special, jsonl;
    const char *ids;
} detokenize_args;

static const tn_option_row options[] = {
    {TN_OPT_STRING, .name = "ids", .arg = "IDS", .hint = TN_COMPLETE_FILE,
     .help = "token ids: 1,2,3 or a JSON file with an array", .offset = offsetof(detokenize_args, ids)},
    {TN_OPT_FLAG, .name = "skip-special", .help = "special tokens give no text",
     .offset = offsetof(detokenize_args, skip_special)},
    {TN_OPT_FLAG, .name = "jsonl", .help = "read one array of ids a line, write one JSON string a line",
     .offset = offsetof(detokenize_args, jsonl)},
    {.kind = TN_OPT_END},
};

typedef struct detokenize_work {
    tn_tokenizer *tok;
    unsigned flags;
    tn_buf text; /* reused from list to list */
} detokenize_work;

static int decode(detokenize_work *work, const tn_ids *ids, tn_error *err) {
    tn_buf_clear(&work->text);
    return tn_tokenizer_decode(work->tok, ids->data, ids->len, work->flags, &work->text, err);
}

static int decode_line(void *ctx, const char *text, size_t len, tn_error *err) {
    detokenize_work *work = ctx;
    tn_ids ids;
    json_t *value;
    int rc = tn_json_parse(text, len, "input", &value, err);
    if (rc) return rc;
    rc = tn_ids_from_json(value, "input", &ids, err);
    json_decref(value);
    if (rc) return rc;
    rc = decode(work, &ids, err);
    if (!rc) rc = tn_json_put_string(work->text.data ? work->text.data : "", work->text.len, err);
    tn_ids_free(&ids);
    return rc;
}

static int decode_operand(detokenize_work *work, const char *text, tn_error *err) {
    tn_ids ids;
    int rc = tn_ids_parse(text, &ids, err);
    if (rc) return rc;
    rc = decode(work, &ids, err);
    if (!rc && work->text.len) fwrite(work->text.data, 1, work->text.len, stdout);
    tn_ids_free(&ids);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const detokenize_args *a = args;
    detokenize_work work = {.flags = a->skip_special ? TN_DECODE_SKIP_SPECIAL : 0};
    if (a->jsonl == (a->ids != NULL)) return tn_usage(err, "either --ids or --jsonl is expected");
    int rc = tn_text_model_tokenizer(operands[0], &work.tok, err);
    if (rc) return rc;
    tn_buf_init(&work.text, (size_t)1 << 30);
    rc = a->jsonl ? tn_json_lines(decode_line, &work, err) : decode_operand(&work, a->ids, err);
    tn_buf_free(&work.text);
    tn_tokenizer_free(work.tok);
    return rc;
}

const tn_command tn_cmd_detokenize = {
    .name = "detokenize",
    .operands = "MODEL",
    .help = "turn token ids into text",
    .about =
        "Prints exactly the text of the ids, without a newline of its own. Bytes that are not UTF-8 become U+FFFD.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 1,
    .max_operands = 1,
    .args_size = sizeof(detokenize_args),
    .run = run,
};
