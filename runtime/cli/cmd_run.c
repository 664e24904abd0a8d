/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/converse.h"
#include "cli/estimate.h"
#include "cli/output.h"

typedef struct run_args {
    tn_converse_args converse;
    bool raw, verbose, estimate, json;
} run_args;

enum { MAX_PROMPT = 64 << 20 };

#define AT(field) .offset = offsetof(run_args, field)
static const tn_option_row options[] = {
    {TN_OPT_GROUP, .group = tn_converse_options, AT(converse)},
    {TN_OPT_FLAG, .name = "raw", .help = "continue the text as it stands, without the chat template",
     AT(raw)},
    {TN_OPT_FLAG, .name = "stats", .help = "print tokens and speed on stderr at the end", AT(verbose)},
    {TN_OPT_FLAG, .name = "estimate", .help = "print what the model takes in memory, and do not load it",
     AT(estimate)},
    {TN_OPT_FLAG, .name = "json", .help = "print the estimate as one JSON object", AT(json)},
    {.kind = TN_OPT_END},
};

static int reply(const run_args *a, tn_conversation *c, const tn_buf *prompt, bool *interrupted,
                 tn_error *err) {
    const char *text = prompt->data ? prompt->data : "";
    if (a->raw) return tn_conversation_continue(c, text, prompt->len, interrupted, err);
    int rc = tn_conversation_ask(c, text, prompt->len, err);
    return rc ? rc : tn_conversation_reply(c, interrupted, err);
}

static int answer(const run_args *a, const tn_buf *prompt, tn_error *err) {
    tn_conversation c;
    bool interrupted = false;
    int rc = tn_conversation_init(&c, &a->converse, !a->raw, err);
    if (rc) return rc;
    rc = reply(a, &c, prompt, &interrupted, err);
    if (!rc) putchar('\n');
    if (!rc && a->verbose)
        fprintf(stderr, "%u prompt tokens in %.2f s, %u tokens in %.2f s\n", c.n_prompt, c.prefill_s,
                c.n_reply, c.decode_s);
    tn_conversation_fini(&c);
    if (!rc && interrupted) rc = tn_fail(err, TN_ECANCELED, "interrupted");
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const run_args *a = args;
    tn_buf prompt;
    int rc;
    tn_buf_init(&prompt, MAX_PROMPT);
    if (a->json && !a->estimate) return tn_usage(err, "--json is for --estimate");
    if (a->estimate && n) return tn_usage(err, "--estimate takes no prompt");
    if (a->raw && tn_media_args_count(&a->converse.media))
        return tn_usage(err, "--image, --video and --audio need the chat template, which --raw leaves out");
    if (a->estimate)
        return tn_estimate_print(a->converse.model.model, &a->converse.compute, (uint32_t)a->converse.ctx,
                                 a->json, err);
    if (n == 0 && isatty(STDIN_FILENO))
        return tn_usage(err, "a prompt is needed, as an operand or on standard input; tenon chat converses");
    if (n)
        rc = tn_buf_adds(&prompt, operands[0]);
    else
        rc = tn_input_all(stdin, "standard input", &prompt, err);
    if (!rc) rc = answer(a, &prompt, err);
    tn_buf_free(&prompt);
    return rc;
}

static void defaults(void *args) {
    tn_converse_defaults(&((run_args *)args)->converse);
}

const tn_command tn_cmd_run = {
    .name = "run",
    .operands = "[PROMPT]",
    .help = "answer one prompt",
    .about = "Streams a model's answer to PROMPT, or to what stands on standard input.",
    .options = options,
    .min_operands = 0,
    .max_operands = 1,
    .args_size = sizeof(run_args),
    .defaults = defaults,
    .run = run,
};
