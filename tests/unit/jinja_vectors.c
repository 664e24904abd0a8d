/* SPDX-License-Identifier: Apache-2.0 */
/* Published chat templates against what transformers renders with them. The templates are other people's and
 * no part of this tree: they are used where they lie, or not at all. */
#include "unit/unit.h"

#include <dirent.h>
#include <stdbool.h>

#include "base/file.h"
#include "base/json.h"
#include "text/template.h"

#define FILE_MAX ((size_t)64 << 20)

static char folder[4200];

/* A file of the folder, named in parts, as JSON. */
static json_t *load(const char *name) {
    char path[4400];
    tn_error err = {0};
    json_t *json = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (tn_json_load(path, FILE_MAX, &json, &err)) fail_msg("%s", err.text);
    return json;
}

/* What apply_chat_template passes: messages, tools (or none), special tokens, the variant's arguments. */
static json_t *variables(json_t *book, json_t *sheet, json_t *test) {
    json_t *variant = json_object_get(json_object_get(book, "variants"),
                                      json_string_value(json_object_get(test, "variant")));
    json_t *messages = json_object_get(json_object_get(book, "conversations"),
                                       json_string_value(json_object_get(test, "conversation")));
    json_t *names = json_object_get(variant, "tools"), *tools = json_null(), *name;
    size_t i;
    assert_non_null(variant);
    assert_non_null(messages);
    if (json_is_array(names)) {
        tools = json_array();
        json_array_foreach(names, i, name) {
            json_array_append(tools,
                              json_object_get(json_object_get(book, "tools"), json_string_value(name)));
        }
    }
    json_t *vars = json_deep_copy(json_object_get(variant, "arguments"));
    json_object_set(vars, "messages", messages);
    json_object_set_new(vars, "tools", tools);
    json_object_set_new(vars, "documents", json_null());
    json_object_set(vars, "bos_token", json_object_get(sheet, "bos_token"));
    json_object_set(vars, "eos_token", json_object_get(sheet, "eos_token"));
    return vars;
}

/* Whether the case comes out as it should; if not, says how. */
static bool check_case(const tn_template *t, const char *name, json_t *book, json_t *sheet, json_t *test) {
    tn_template_options options = {.now = json_string_value(json_object_get(sheet, "now"))};
    json_t *vars = variables(book, sheet, test), *expected = json_object_get(test, "expected");
    tn_error err = {0};
    tn_buf out;
    tn_buf_init(&out, FILE_MAX);
    int rc = tn_template_render(t, vars, &options, &out, &err);
    bool ok = json_is_string(expected)
                  ? rc == 0 && out.len == json_string_length(expected) &&
                        !memcmp(out.data ? out.data : "", json_string_value(expected), out.len)
                  : rc != 0 && out.len == 0;
    if (!ok)
        printf("# %s: %s, %s: %s\n# got      <<%s>>\n# expected <<%s>>\n", name,
               json_string_value(json_object_get(test, "conversation")),
               json_string_value(json_object_get(test, "variant")), rc ? err.text : "",
               out.data ? out.data : "", json_is_string(expected) ? json_string_value(expected) : "an error");
    tn_buf_free(&out);
    json_decref(vars);
    return ok;
}

static void check_template(const char *name, json_t *book, size_t *io_cases, size_t *io_bad) {
    json_t *sheet = load(name), *test;
    char path[4400];
    char *source;
    size_t len, i;
    tn_template *t = NULL;
    tn_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(sheet, "template")));
    if (tn_file_read(path, FILE_MAX, &source, &len, &err)) fail_msg("%s", err.text);
    if (tn_template_compile(source, len, name, &t, &err)) fail_msg("%s", err.text);
    json_array_foreach(json_object_get(sheet, "cases"), i, test) {
        ++*io_cases;
        *io_bad += !check_case(t, name, book, sheet, test);
    }
    tn_template_free(t);
    free(source);
    json_decref(sheet);
}

static void published_templates_render_as_in_transformers(void **state) {
    (void)state;
    size_t cases = 0, bad = 0, templates = 0;
    DIR *dir = opendir(folder);
    if (!dir) unit_skip("no chat templates at %s: set TENON_VECTORS", folder);
    json_t *book = load("conversations.json");
    for (struct dirent *e; (e = readdir(dir));) {
        size_t n = strlen(e->d_name);
        if (n < 6 || strcmp(e->d_name + n - 5, ".json") || !strcmp(e->d_name, "conversations.json")) continue;
        check_template(e->d_name, book, &cases, &bad);
        templates++;
    }
    closedir(dir);
    json_decref(book);
    printf("# %zu templates, %zu cases, %zu wrong\n", templates, cases, bad);
    assert_int_not_equal(templates, 0);
    assert_int_equal(bad, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(published_templates_render_as_in_transformers)};
    snprintf(folder, sizeof folder, "%s/templates", unit_vectors());
    return unit_main(tests);
}
