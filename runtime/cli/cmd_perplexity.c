/* SPDX-License-Identifier: Apache-2.0 */
/* How well a model predicts a text: the mean negative log-likelihood of its tokens and exp of it, over
 * windows of the context that overlap, so that every token but the first few has at least a part of a window
 * before it. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/output.h"
#include "cli/progress.h"

enum { DEFAULT_WINDOW = 512, STEP_TOKENS = 256 };

typedef struct perplexity_args {
    tn_compute_args compute;
    uint64_t window, stride;
    bool json;
} perplexity_args;

#define AT(field) .offset = offsetof(perplexity_args, field)
static const tn_option_row options[] = {
    {TN_OPT_UINT, .name = "context", .arg = "N", .min = 8, .max = 1 << 24,
     .help = "tokens of a window (default 512, or the model's context where that is shorter)", AT(window)},
    {TN_OPT_UINT, .name = "stride", .arg = "N", .min = 1, .max = 1 << 24,
     .help = "tokens from one window's beginning to the next's (default: half a window)", AT(stride)},
    {TN_OPT_FLAG, .name = "json", .help = "one JSON object", AT(json)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

typedef struct measure {
    tn_model *m;
    tn_ids ids;      /* the whole text */
    int32_t *prompt; /* of a window: begin of text, where the tokenizer adds that, and its part of ids */
    uint32_t n_prompt;
    uint32_t first_scored; /* index into prompt: those before were scored in an earlier window, or never */
    uint32_t window, stride;
    double nll; /* the sum, in nats */
    uint64_t n_scored;
} measure;

/* -log softmax(logits)[id]. */
static double surprise(const float *logits, uint32_t n, int32_t id) {
    float most = logits[0];
    double sum = 0;
    for (uint32_t i = 1; i < n; i++)
        if (logits[i] > most) most = logits[i];
    for (uint32_t i = 0; i < n; i++) sum += exp((double)logits[i] - most);
    return log(sum) + most - logits[id];
}

/* The logits after a position are about the next token. */
static void on_logits(void *ctx, uint32_t pos, const float *logits) {
    measure *me = ctx;
    uint32_t next = pos + 1;
    if (next < me->first_scored || next >= me->n_prompt) return;
    me->nll += surprise(logits, me->m->program->n_vocab, me->prompt[next]);
    me->n_scored++;
}

static int run_window(measure *me, tn_error *err) {
    tn_engine *e;
    tn_seq_config c = {.prompt = me->prompt,
                       .n_prompt = me->n_prompt,
                       .all_logits = true,
                       .isolated = true,
                       .ctx = me,
                       .on_logits = on_logits};
    int rc = tn_engine_new(me->m, NULL, &e, err);
    if (rc) return rc;
    rc = tn_engine_add(e, &c, NULL, err);
    if (!rc) rc = tn_engine_run(e, err);
    tn_engine_free(e);
    return rc;
}

/* Windows begin at multiples of the stride; each scores what the ones before it have not. */
static int run_windows(measure *me, tn_error *err) {
    const int32_t bos = tn_tokenizer_bos(me->m->tokenizer);
    const uint32_t lead = tn_tokenizer_adds_bos(me->m->tokenizer) && bos >= 0;
    size_t scored = 1 - lead, end = 0; /* the first token of all can be predicted from a begin of text only */
    tn_progress progress;
    int rc = 0;
    tn_progress_init(&progress, "reading");
    for (size_t first = 0; !rc && end < me->ids.len; first += me->stride) {
        size_t n = me->ids.len - first;
        if (n > me->window - lead) n = me->window - lead;
        end = first + n;
        me->prompt[0] = bos;
        memcpy(me->prompt + lead, me->ids.data + first, n * sizeof *me->prompt);
        me->n_prompt = (uint32_t)n + lead;
        me->first_scored = (uint32_t)(scored - first) + lead;
        scored = end;
        rc = run_window(me, err);
        if (!rc && tn_progress_step(&progress, end, me->ids.len))
            rc = tn_fail(err, TN_ECANCELED, "interrupted");
    }
    tn_progress_fini(&progress);
    return rc;
}

static int read_text(const char *path, tn_buf *text, tn_error *err) {
    char *data;
    size_t len;
    tn_buf_init(text, TN_TOKENIZER_MAX_TEXT);
    if (strcmp(path, "-") == 0) return tn_input_all(stdin, "standard input", text, err);
    int rc = tn_file_read(path, TN_TOKENIZER_MAX_TEXT, &data, &len, err);
    if (rc) return rc;
    tn_buf_add(text, data, len);
    free(data);
    return text->status ? tn_fail(err, text->status, "%s: out of memory", path) : 0;
}

static int prepare(measure *me, const perplexity_args *a, const tn_buf *text, const char *name,
                   tn_error *err) {
    int rc = tn_need_tokenizer(me->m, err);
    if (!rc)
        rc = tn_tokenizer_encode(me->m->tokenizer, text->data ? text->data : "", text->len,
                                 TN_ENCODE_PARSE_SPECIAL, &me->ids, err);
    if (rc) return rc;
    if (me->ids.len < 2)
        return tn_fail(err, TN_EINVAL, "%s: a text of %zu tokens; two are the least that can be measured",
                       name, me->ids.len);
    me->window = me->m->n_ctx;
    if (!a->window && me->window > DEFAULT_WINDOW) me->window = DEFAULT_WINDOW;
    me->stride = a->stride ? (uint32_t)a->stride : me->window / 2;
    if (me->stride >= me->window)
        return tn_usage(err, "--stride %u must be below the window of %u tokens", me->stride, me->window);
    me->prompt = malloc(me->window * sizeof *me->prompt);
    return me->prompt ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

static int print(const measure *me, const perplexity_args *a, double seconds, tn_error *err) {
    double mean = me->nll / (double)me->n_scored;
    if (!isfinite(mean))
        return tn_fail(err, TN_EFORMAT, "%s: its logits are not numbers: the weights are damaged",
                       tn_checkpoint_path(me->m->checkpoint));
    if (!a->json) {
        printf("perplexity %.4f, %.5f nats a token: %llu of %zu tokens scored, windows of %u, stride %u\n",
               exp(mean), mean, (unsigned long long)me->n_scored, me->ids.len, me->window, me->stride);
        return 0;
    }
    json_t *all = json_pack("{s:f,s:f,s:I,s:I,s:I,s:I,s:f}", "perplexity", exp(mean), "nll", mean, "tokens",
                            (json_int_t)me->ids.len, "scored", (json_int_t)me->n_scored, "context",
                            (json_int_t)me->window, "stride", (json_int_t)me->stride, "seconds", seconds);
    char *line = all ? json_dumps(all, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    if (line) puts(line);
    free(line);
    json_decref(all);
    return line ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const perplexity_args *a = args;
    tn_loaded_model l = {0};
    tn_buf text;
    measure me = {0};
    (void)n;
    int rc = read_text(operands[1], &text, err);
    tn_interrupt_catch();
    tn_model_config config = {.n_ctx = (uint32_t)a->window,
                              .max_seqs = 1,
                              .max_step_tokens = STEP_TOKENS,
                              .max_step_rows = STEP_TOKENS};
    if (!rc) rc = tn_load(operands[0], &a->compute, config, &l, err);
    me.m = l.model;
    if (!rc) rc = prepare(&me, a, &text, operands[1], err);
    double start = tn_clock_s();
    if (!rc) rc = run_windows(&me, err);
    if (!rc) rc = print(&me, a, tn_clock_s() - start, err);
    free(me.prompt);
    tn_ids_free(&me.ids);
    tn_buf_free(&text);
    tn_unload(&l);
    return rc;
}

const tn_command tn_cmd_perplexity = {
    .name = "perplexity",
    .operands = "MODEL FILE",
    .help = "measure how well a model predicts a text",
    .about =
        "Prints the perplexity of the text in FILE (- for standard input), and the mean negative log-likelihood of\n"
        "its tokens. The text is read in windows that overlap; each token is scored once, in the first window\n"
        "that holds it. Every window begins as a text of its own does.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 2,
    .max_operands = 2,
    .args_size = sizeof(perplexity_args),
    .run = run,
};
