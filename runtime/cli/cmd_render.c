/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/command.h"
#include "cli/json_lines.h"
#include "cli/output.h"
#include "cli/text_model.h"

enum { VARS_MAX = 1 << 28, TEXT_MAX = 1 << 28 }; /* bytes */

typedef struct render_args {
    const char *template_file, *vars;
    bool jsonl;
} render_args;

static const tn_option_row options[] = {
    {TN_OPT_STRING, .name = "template", .arg = "FILE.jinja", .hint = TN_COMPLETE_FILE,
     .help = "render this template instead of a model's own", .offset = offsetof(render_args, template_file)},
    {TN_OPT_STRING, .name = "vars", .arg = "VARS.json", .hint = TN_COMPLETE_FILE,
     .help =
         "an object with every variable: messages, tools, add_generation_prompt, ...; - is standard input",
     .offset = offsetof(render_args, vars)},
    {TN_OPT_FLAG, .name = "jsonl",
     .help = "read one VARS a line, write one {\"text\":...} or {\"error\":...} a line",
     .offset = offsetof(render_args, jsonl)},
    {.kind = TN_OPT_END},
};

typedef struct render_work {
    tn_tokenizer *tok; /* NULL with --template */
    tn_template *template;
    tn_buf text; /* reused */
} render_work;

/* The model's own special tokens stand where vars does not say otherwise. */
static int add_named_tokens(const tn_tokenizer *tok, json_t *vars, tn_error *err) {
    const char *name, *text;
    for (size_t i = 0; tok && (name = tn_tokenizer_named_token_at(tok, i, &text)); i++)
        if (!json_object_get(vars, name) && json_object_set_new(vars, name, json_string(text)))
            return tn_fail(err, TN_ENOMEM, "out of memory");
    return 0;
}

/* Renders into work->text. vars is changed: "now" is not a variable but what the clock says. */
static int render(render_work *work, json_t *vars, tn_error *err) {
    tn_template_options limits = {0};
    if (!json_is_object(vars))
        return tn_fail(err, TN_EINVAL, "expected a JSON object with the template's variables");
    json_t *now = json_incref(json_object_get(vars, "now"));
    json_object_del(vars, "now");
    if (json_is_string(now)) limits.now = json_string_value(now);
    tn_buf_clear(&work->text);
    int rc = add_named_tokens(work->tok, vars, err);
    if (!rc) rc = tn_template_render(work->template, vars, &limits, &work->text, err);
    json_decref(now);
    return rc;
}

static json_t *line_result(const render_work *work, int rc, const tn_error *err) {
    if (rc) return json_pack("{s:o}", "error", json_string_nocheck(err->text));
    return json_pack("{s:o}", "text", json_stringn(work->text.data ? work->text.data : "", work->text.len));
}

/* What is wrong with one line is that line's answer; only the environment ends the reading. */
static int render_line(void *ctx, const char *text, size_t len, tn_error *err) {
    render_work *work = ctx;
    tn_error why = {0};
    json_t *vars = NULL;
    int rc = tn_json_parse(text, len, "input", &vars, &why);
    if (!rc) rc = render(work, vars, &why);
    json_decref(vars);
    if (tn_exit_status(rc) > TN_EXIT_INPUT) return tn_fail(err, rc, "%s", why.text);
    json_t *result = line_result(work, rc, &why);
    rc = tn_json_put(result, err);
    json_decref(result);
    return rc;
}

static int load_vars(const char *path, json_t **ret, tn_error *err) {
    if (strcmp(path, "-") != 0) return tn_json_load(path, VARS_MAX, ret, err);
    tn_buf text;
    tn_buf_init(&text, VARS_MAX);
    int rc = tn_input_all(stdin, "standard input", &text, err);
    if (!rc) rc = tn_json_parse(text.data ? text.data : "", text.len, "standard input", ret, err);
    tn_buf_free(&text);
    return rc;
}

static int render_file(render_work *work, const char *path, tn_error *err) {
    json_t *vars;
    int rc = load_vars(path, &vars, err);
    if (rc) return rc;
    rc = render(work, vars, err);
    json_decref(vars);
    if (!rc && work->text.len) fwrite(work->text.data, 1, work->text.len, stdout);
    return rc;
}

static int open_template(render_work *work, const render_args *a, const char *model, tn_error *err) {
    if (a->template_file) return tn_text_model_template_file(a->template_file, &work->template, err);
    int rc = tn_text_model_tokenizer(model, &work->tok, err);
    return rc ? rc : tn_text_model_template(work->tok, model, &work->template, err);
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const render_args *a = args;
    render_work work = {0};
    if ((n == 1) == (a->template_file != NULL))
        return tn_usage(err, "either MODEL or --template is expected");
    if (a->jsonl == (a->vars != NULL)) return tn_usage(err, "either --vars or --jsonl is expected");
    int rc = open_template(&work, a, operands[0], err);
    tn_buf_init(&work.text, TEXT_MAX);
    if (!rc) rc = a->jsonl ? tn_json_lines(render_line, &work, err) : render_file(&work, a->vars, err);
    tn_buf_free(&work.text);
    tn_template_free(work.template);
    tn_tokenizer_free(work.tok);
    return rc;
}

const tn_command tn_cmd_render = {
    .name = "render",
    .operands = "[MODEL]",
    .help = "render a chat template",
    .about =
        "Prints exactly what the template makes of the variables. \"now\" (ISO 8601, local) is what strftime_now sees.\n"
        "Special tokens that VARS leaves out are those of MODEL. A template that raises exits 1 with its message.",
    .options = options,
    .hint = TN_COMPLETE_MODEL,
    .max_operands = 1,
    .args_size = sizeof(render_args),
    .run = run,
};
