/* SPDX-License-Identifier: Apache-2.0 */
#include "text/template.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "text/jinja/convert.h"
#include "text/jinja/eval.h"
#include "text/jinja/lexer.h"
#include "text/jinja/chars.h"

#define COMPILED_MAX ((size_t)256 << 20) /* bytes of one compiled template */

struct tn_template {
    tn_jarena arena; /* everything below */
    tn_jnode *body;
    char *name;
};

static int compile(tn_template *t, const char *src, size_t len, tn_error *err) {
    tn_jarena scratch; /* tokens: needed until the tree is there */
    tn_jtokens tokens;
    size_t n;
    if (!tn__utf8_valid(src, len)) return tn_fail(err, TN_EFORMAT, "not valid UTF-8");
    char *source = tn_jsource(&t->arena, src, len, &n);
    if (!source) return tn_fail(err, t->arena.status, "out of memory for %zu bytes of source", len);
    tn_jarena_init(&scratch, COMPILED_MAX);
    int rc = tn_jlex(&scratch, &t->arena, source, n, &tokens, err);
    if (!rc) rc = tn_jparse(&t->arena, &tokens, &t->body, err);
    tn_jarena_fini(&scratch);
    return rc;
}

int tn_template_compile(const char *src, size_t len, const char *name, tn_template **ret, tn_error *err) {
    if (len > TN_TEMPLATE_SOURCE_MAX)
        return tn_fail(err, TN_ELIMIT, "template %s: %zu bytes, at most %zu are allowed", name, len,
                       TN_TEMPLATE_SOURCE_MAX);
    tn_template *t = calloc(1, sizeof *t);
    if (!t) return tn_fail(err, TN_ENOMEM, "template %s: out of memory", name);
    tn_jarena_init(&t->arena, COMPILED_MAX);
    t->name = strdup(name);
    int rc = t->name ? compile(t, src, len, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (rc) {
        tn_template_free(t);
        return tn_error_prefix(err, rc, "template %s", name);
    }
    *ret = t;
    return 0;
}

void tn_template_free(tn_template *t) {
    if (!t) return;
    tn_jarena_fini(&t->arena);
    free(t->name);
    free(t);
}

/* Runs the template with output into sink. */
static int run(tn_jrun *r, const tn_template *t, json_t *vars, tn_jsink *sink) {
    tn_jval v;
    if (!json_is_object(vars)) return tn_jfail(r, TN_EINVAL, "the variables are not a JSON object");
    TN_TRY(tn_jfrom_json(r, vars, &v));
    r->vars = v.u.dict;
    r->out = sink;
    TN_TRY(tn_jscope_new(r, NULL, &r->scope));
    return tn_jexec(r, t->body);
}

int tn_template_render(const tn_template *t, json_t *vars, const tn_template_options *options, tn_buf *out,
                       tn_error *err) {
    tn_template_options o = options ? *options : (tn_template_options){0};
    tn_jsink sink = {0};
    tn_jrun r = {
        .err = err, .now = o.now, .steps_max = o.max_steps ? o.max_steps : TN_TEMPLATE_STEPS_DEFAULT};
    tn_jarena_init(&r.arena, o.max_bytes ? o.max_bytes : TN_TEMPLATE_BYTES_DEFAULT);
    int rc = run(&r, t, vars, &sink);
    if (!rc) {
        rc = tn_buf_add(out, sink.data, sink.len);
        if (rc == TN_ELIMIT)
            tn_fail(err, rc, "the output has %zu bytes, at most %zu are allowed", sink.len, out->max);
        if (rc == TN_ENOMEM) tn_fail(err, rc, "out of memory for %zu bytes of output", sink.len);
    }
    tn_jarena_fini(&r.arena);
    if (rc == TN_ERAISED || !rc) return rc;
    return r.line ? tn_error_prefix(err, rc, "template %s, line %u", t->name, r.line)
                  : tn_error_prefix(err, rc, "template %s", t->name);
}
