/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "cli/frame.h"
#include "modules/list.h"
#include "modules/registry.h"
#include "modules/scan.h"

typedef struct modules_args {
    bool json, in_process;
    const char *at_least;
} modules_args;

static const tn_option_row options[] = {
    {TN_OPT_FLAG, .name = "json", .help = "print JSON", .offset = offsetof(modules_args, json)},
    {TN_OPT_STRING, .name = "at-least", .arg = "VERSION", .help = "inspect: fail when the module is older",
     .offset = offsetof(modules_args, at_least)},
    {TN_OPT_FLAG, .name = "in-process",
     .help = "open modules in this process, for a debugger; forgets the cache",
     .offset = offsetof(modules_args, in_process)},
    {.kind = TN_OPT_END},
};

enum { TEXT_MAX = 16 << 20 };

/* Prints value and releases it. */
static int print_json(json_t *value, tn_error *err) {
    int rc = value ? json_dumpf(value, stdout, JSON_INDENT(2)) : -1;
    json_decref(value);
    if (rc) return tn_fail(err, TN_ENOMEM, "the JSON text could not be built");
    fputc('\n', stdout);
    return 0;
}

static int open_registry(const modules_args *a, tn_registry **ret, tn_error *err) {
    tn_registry_config config = {.in_process = a->in_process};
    return tn_registry_new(&config, ret, err);
}

static int list(const modules_args *a, tn_error *err) {
    tn_registry *r;
    tn_buf out;
    int rc = open_registry(a, &r, err);
    if (rc) return rc;
    tn_buf_init(&out, TEXT_MAX);
    if (a->json) {
        rc = print_json(tn_modules_list_json(r), err);
    } else {
        tn_modules_list_text(r, &out);
        rc = tn_frame_print(&out, err);
    }
    tn_registry_free(r);
    return rc;
}

static int show(const modules_args *a, const json_t *facts, const char *path, tn_error *err) {
    const char *id = json_string_value(json_object_get(facts, "id"));
    const char *version = json_string_value(json_object_get(facts, "version"));
    tn_buf out;
    if (a->at_least && tn_version_compare(version, a->at_least) < 0)
        return tn_fail(err, TN_ENOENT, "module %s is version %s, older than %s", id, version, a->at_least);
    if (a->json) return print_json(tn_module_json(facts, path), err);
    tn_buf_init(&out, TEXT_MAX);
    tn_module_text(facts, path, &out);
    return tn_frame_print(&out, err);
}

/* "good" is asked for and .../good.so was passed over: that is the answer. */
static bool is_file_of(const char *path, const char *id) {
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *name = slash ? slash + 1 : path;
    size_t n = strlen(id);
    return name && strncmp(name, id, n) == 0 && strcmp(name + n, ".so") == 0;
}

static int absent(const tn_registry *r, const char *id, tn_error *err) {
    for (size_t i = 0; i < tn_registry_problem_count(r); i++) {
        const tn_module_problem *p = tn_registry_problem_at(r, i);
        if (p->code && is_file_of(p->path, id)) return tn_fail(err, p->code, "%s", p->text);
    }
    return tn_fail(err, TN_ENOENT, "there is no module \"%.64s\": `tenon modules` lists those that there are",
                   id);
}

static int inspect_id(const modules_args *a, const char *id, tn_error *err) {
    tn_registry *r;
    int rc = open_registry(a, &r, err);
    if (rc) return rc;
    const tn_module_info *m = tn_registry_find(r, id);
    rc = m ? show(a, m->facts, m->path, err) : absent(r, id, err);
    tn_registry_free(r);
    return rc;
}

static int inspect_file(const modules_args *a, const char *path, tn_error *err) {
    json_t *facts;
    int rc = a->in_process ? tn_scan_here(path, &facts, err) : tn_scan_file(NULL, path, &facts, err);
    if (rc) return rc;
    rc = show(a, facts, path, err);
    json_decref(facts);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const modules_args *a = args;
    bool is_list = n == 0 || strcmp(operands[0], "list") == 0;
    if (is_list && a->at_least) return tn_usage(err, "--at-least goes with inspect");
    if (is_list) return n > 1 ? tn_usage(err, "list takes no operand") : list(a, err);
    if (strcmp(operands[0], "inspect") != 0)
        return tn_usage(err, "list or inspect is expected, not %s", operands[0]);
    if (n != 2) return tn_usage(err, "inspect takes one ID or FILE");
    bool is_file = strchr(operands[1], '/') || strstr(operands[1], ".so");
    return is_file ? inspect_file(a, operands[1], err) : inspect_id(a, operands[1], err);
}

const tn_command tn_cmd_modules = {
    .name = "modules",
    .operands = "[list | inspect ID | inspect FILE]",
    .help = "list and inspect modules",
    .about =
        "Lists the modules that the program can use and says why others are passed over, or shows all there is\n"
        "to know about one. FILE is an operand with a '/' or \".so\" in it. inspect fails when the module cannot\n"
        "be used: 1 when it is absent or too old, 3 when it does not fit this program, 70 when it misbehaves.",
    .options = options,
    .hint = TN_COMPLETE_FILE,
    .max_operands = 2,
    .args_size = sizeof(modules_args),
    .run = run,
};
