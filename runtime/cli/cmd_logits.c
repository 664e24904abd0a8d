/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/ids.h"
#include "cli/load.h"
#include "cli/look.h"
#include "cli/npy.h"

typedef struct logits_args {
    tn_compute_args compute;
    const char *ids, *out, *batch_with, *hidden;
    bool all;
    uint64_t step_tokens;
    tn_show_args show;
} logits_args;

#define AT(field) .offset = offsetof(logits_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, .name = "ids", .arg = "IDS", .hint = TN_COMPLETE_FILE,
     .help = "token ids: 1,2,3 or a JSON file with an array", AT(ids)},
    {TN_OPT_STRING, .name = "out", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "where the logits go: .npy, float32 [rows, vocabulary]", AT(out)},
    {TN_OPT_FLAG, .name = "all", .help = "the logits after every token, not only after the last", AT(all)},
    {TN_OPT_STRING, .name = "batch-with", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "run the id lists of this JSON file in the same steps; the output does not change",
     AT(batch_with)},
    {TN_OPT_STRING, .name = "hidden", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help =
         "also write each layer's output: .npy, float32 [layers + 1, tokens * width], the last one normalised",
     AT(hidden)},
    {TN_OPT_UINT, .name = "step-tokens", .arg = "N", .min = 1, .max = 1 << 16,
     .help = "most tokens of one step (default 512); the output does not change", AT(step_tokens)},
    {TN_OPT_GROUP, .group = tn_show_options, AT(show)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

/* Where the wanted rows end up; the others' are dropped. */
typedef struct sink {
    tn_npy *npy;
    tn_error *err;
    int status;
    uint32_t n_layer, n_tap, n_embd, n_token;
    float *hidden; /* [n_tap, n_token, n_embd], or NULL */
} sink;

static void on_logits(void *ctx, uint32_t pos, const float *logits) {
    sink *s = ctx;
    (void)pos;
    if (!s->status) s->status = tn_npy_write(s->npy, logits, 1, s->err);
}

/* The last tap lies on output rows, which are all tokens here. */
static void on_taps(void *ctx, tn_exec *exec, uint32_t first_row, uint32_t pos, uint32_t n) {
    sink *s = ctx;
    const float *rows;
    for (uint32_t i = 0; !s->status && i < s->n_tap; i++) {
        s->status = exec->cls->tap(exec, i, &rows, s->err);
        if (s->status) return;
        memcpy(s->hidden + ((size_t)i * s->n_token + pos) * s->n_embd, rows + (size_t)first_row * s->n_embd,
               (size_t)n * s->n_embd * sizeof *rows);
    }
}

static int add_others(tn_engine *e, const tn_ids *lists, size_t n, bool all, tn_error *err) {
    for (size_t i = 0; i < n; i++) {
        tn_seq_config c = {.prompt = lists[i].data, .n_prompt = (uint32_t)lists[i].len, .all_logits = all};
        int rc = tn_engine_add(e, &c, NULL, err);
        if (rc) return rc;
    }
    return 0;
}

static int compute(tn_model *m, const tn_sight *sight, const tn_ids *lists, size_t n_lists, sink *s, bool all,
                   tn_error *err) {
    tn_engine *e;
    int rc = tn_engine_new(m, NULL, &e, err);
    if (rc) return rc;
    tn_seq_config c = {
        .all_logits = all, .ctx = s, .on_logits = on_logits, .on_taps = s->hidden ? on_taps : NULL};
    /* The middle of the batch is the place where a neighbour's influence would show. */
    tn_seq *seq = NULL;
    tn_sight_config(sight, &c);
    rc = add_others(e, lists, n_lists / 2, all, err);
    if (!rc) rc = tn_engine_add(e, &c, &seq, err);
    if (!rc) rc = add_others(e, lists + n_lists / 2, n_lists - n_lists / 2, all, err);
    if (!rc) rc = tn_engine_run(e, err);
    if (!rc && tn_seq_finish(seq) == TN_FINISH_FAILED)
        rc = tn_fail(err, tn_seq_error(seq)->code, "%s", tn_seq_error(seq)->text);
    tn_engine_free(e);
    return rc ? rc : s->status;
}

static int write_hidden(const char *path, const sink *s, tn_error *err) {
    tn_npy npy;
    int rc = tn_npy_open(&npy, path, s->n_tap, (uint64_t)s->n_token * s->n_embd, err);
    if (!rc) rc = tn_npy_write(&npy, s->hidden, s->n_tap, err);
    if (!rc) rc = tn_npy_close(&npy, err);
    if (rc) tn_npy_abort(&npy);
    return rc;
}

static int run_model(const logits_args *a, tn_model *m, const tn_sight *sight, const tn_ids *lists,
                     size_t n_lists, tn_error *err) {
    tn_npy npy = {0};
    sink s = {.npy = &npy,
              .err = err,
              .n_tap = m->program->n_tap,
              .n_embd = m->program->n_embd,
              .n_token = sight->n_ids};
    bool all = a->all || a->hidden;
    if (a->hidden) {
        s.hidden = calloc((size_t)s.n_tap * s.n_token * s.n_embd, sizeof *s.hidden);
        if (!s.hidden) return tn_fail(err, TN_ENOMEM, "out of memory for the layers' outputs");
    }
    int rc = tn_npy_open(&npy, a->out, all ? sight->n_ids : 1, m->program->n_vocab, err);
    if (!rc) rc = compute(m, sight, lists, n_lists, &s, all, err);
    if (!rc) rc = tn_npy_close(&npy, err);
    if (!rc && a->hidden) rc = write_hidden(a->hidden, &s, err);
    tn_npy_abort(&npy);
    free(s.hidden);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const logits_args *a = args;
    tn_ids ids = {0}, *lists = NULL;
    size_t n_lists = 0;
    tn_loaded_model l = {0};
    (void)n;
    if (!a->ids || !a->out) return tn_usage(err, "--ids and --out are needed");
    int rc = tn_usage_status(tn_ids_parse(a->ids, &ids, err));
    if (!rc && ids.len == 0)
        rc = tn_fail(err, TN_EINVAL, "the id list is empty: there is nothing to compute");
    if (!rc && a->batch_with) rc = tn_ids_load_lists(a->batch_with, &lists, &n_lists, err);
    bool all = a->all || a->hidden;
    uint32_t step = a->step_tokens ? (uint32_t)a->step_tokens : 512;
    if (step < n_lists + 1) step = (uint32_t)n_lists + 1;
    tn_model_config config = {.max_seqs = (uint32_t)n_lists + 1,
                              .taps = a->hidden != NULL,
                              .max_step_tokens = step,
                              .max_step_rows = all ? step : 0};
    if (!rc) rc = tn_load(operands[0], &a->compute, config, &l, err);
    tn_look look = {0};
    tn_sight sight = {0};
    if (!rc) rc = tn_look_ids(&look, &l, &a->show, &ids, &sight, err);
    if (!rc) rc = run_model(a, l.model, &sight, lists, n_lists, err);
    tn_sight_fini(&sight);
    tn_look_fini(&look);
    tn_unload(&l);
    tn_ids_free_lists(lists, n_lists);
    tn_ids_free(&ids);
    return rc;
}

const tn_command tn_cmd_logits = {
    .name = "logits",
    .operands = "MODEL",
    .help = "write a model's logits for given token ids",
    .about =
        "Runs MODEL over the ids and writes the logits after the last one (or after all) as a NumPy file.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 1,
    .max_operands = 1,
    .args_size = sizeof(logits_args),
    .run = run,
};
