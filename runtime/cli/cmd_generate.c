/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/ids.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/look.h"

typedef struct generate_args {
    tn_compute_args compute;
    tn_sampling_args sampling;
    const char *ids, *batch_with;
    uint64_t n;
    bool ignore_eos, json;
    tn_show_args show;
} generate_args;

#define AT(field) .offset = offsetof(generate_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, .name = "ids", .arg = "IDS", .hint = TN_COMPLETE_FILE,
     .help = "token ids of the prompt: 1,2,3 or a JSON file with an array", AT(ids)},
    {TN_OPT_UINT, 'n', .name = "max-tokens", .arg = "N", .min = 1, .max = 1 << 24,
     .help = "most tokens to generate (default 128)", AT(n)},
    {TN_OPT_FLAG, .name = "ignore-eos", .help = "go on after end tokens", AT(ignore_eos)},
    {TN_OPT_FLAG, .name = "json", .help = "print {\"ids\": [new ids], \"text\": \"...\"} at the end",
     AT(json)},
    {TN_OPT_STRING, .name = "batch-with", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "generate from the id lists of this JSON file in the same steps; the output does not change",
     AT(batch_with)},
    {TN_OPT_GROUP, .group = tn_show_options, AT(show)},
    {TN_OPT_GROUP, .group = tn_sampling_options, AT(sampling)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

typedef struct output {
    tn_printer printer;
    json_t *ids;
} output;

static bool on_token(void *ctx, const tn_token *token) {
    output *o = ctx;
    json_array_append_new(o->ids, json_integer(token->id));
    return tn_printer_token(&o->printer, token->id);
}

static int print_json(const output *o, tn_error *err) {
    json_t *text =
        json_stringn_nocheck(o->printer.text.data ? o->printer.text.data : "", o->printer.text.len);
    json_t *root = json_pack("{s:O,s:o}", "ids", o->ids, "text", text);
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!line) return tn_fail(err, TN_ENOMEM, "out of memory");
    puts(line);
    free(line);
    return 0;
}

static int generate(const generate_args *a, tn_model *m, const tn_sampling *sampling, const tn_sight *sight,
                    const tn_ids *lists, size_t n_lists, output *o, tn_error *err) {
    tn_engine *e;
    int rc = tn_engine_new(m, NULL, &e, err);
    if (rc) return rc;
    tn_seq *seq = NULL;
    tn_seq_config c = {.max_new = (uint32_t)a->n,
                       .sampling = *sampling,
                       .ignore_end = a->ignore_eos,
                       .ctx = o,
                       .on_token = on_token};
    tn_sight_config(sight, &c);
    for (size_t i = 0; !rc && i < n_lists; i++) {
        tn_seq_config other = {.prompt = lists[i].data,
                               .n_prompt = (uint32_t)lists[i].len,
                               .max_new = c.max_new,
                               .sampling = c.sampling,
                               .ignore_end = c.ignore_end};
        rc = tn_engine_add(e, &other, NULL, err);
    }
    if (!rc) rc = tn_engine_add(e, &c, &seq, err);
    if (!rc) rc = tn_engine_run(e, err);
    if (!rc && tn_seq_finish(seq) == TN_FINISH_FAILED)
        rc = tn_fail(err, tn_seq_error(seq)->code, "%s", tn_seq_error(seq)->text);
    tn_engine_free(e);
    return rc;
}

static int run_model(const generate_args *a, tn_model *m, const tn_sight *sight, const tn_ids *lists,
                     size_t n_lists, tn_error *err) {
    output o = {.ids = json_array()};
    tn_sampling_choice choice;
    if (!o.ids) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_sampling_choose(&a->sampling, m, &choice, err);
    if (!rc) rc = tn_printer_init(&o.printer, m->tokenizer, a->json, err);
    if (!rc) rc = generate(a, m, &choice.sampling, sight, lists, n_lists, &o, err);
    if (!rc) rc = tn_printer_finish(&o.printer, err);
    if (!rc && a->json) rc = print_json(&o, err);
    if (!rc && !a->json) putchar('\n');
    if (!rc && o.printer.interrupted) rc = tn_fail(err, TN_ECANCELED, "interrupted");
    tn_printer_fini(&o.printer);
    tn_sampling_choice_fini(&choice);
    json_decref(o.ids);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const generate_args *a = args;
    tn_ids ids = {0}, *lists = NULL;
    size_t n_lists = 0;
    tn_loaded_model l = {0};
    (void)n;
    if (!a->ids) return tn_usage(err, "--ids is needed");
    int rc = tn_usage_status(tn_ids_parse(a->ids, &ids, err));
    if (!rc && a->batch_with) rc = tn_ids_load_lists(a->batch_with, &lists, &n_lists, err);
    tn_interrupt_catch();
    tn_model_config config = {.max_seqs = (uint32_t)n_lists + 1};
    if (!rc) rc = tn_load(operands[0], &a->compute, config, &l, err);
    if (!rc && !a->json) rc = tn_need_tokenizer(l.model, err);
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

static void defaults(void *args) {
    generate_args *a = args;
    a->n = 128;
    tn_sampling_defaults(&a->sampling);
}

const tn_command tn_cmd_generate = {
    .name = "generate",
    .operands = "MODEL",
    .help = "continue given token ids",
    .about =
        "Runs MODEL over the ids and generates; the prompt is not printed. For conversations see tenon run.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .min_operands = 1,
    .max_operands = 1,
    .args_size = sizeof(generate_args),
    .defaults = defaults,
    .run = run,
};
