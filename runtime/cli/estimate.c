/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/estimate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"

/* limits.memory, or the default where no configuration can be read. */
static int read_limit(uint64_t *ret, tn_error *err) {
    tn_settings *s = NULL;
    int rc = tn_settings_load(NULL, &s, err);
    if (rc) return rc;
    *ret = tn_memory_limit(s->limits.memory);
    tn_settings_free(s);
    return 0;
}

static json_t *need_json(const tn_model *m, const char *kv_type, uint64_t limit) {
    const tn_model_need *n = &m->need;
    uint64_t total = n->fixed + n->kv_sequence;
    return json_pack("{s:s, s:I, s:I, s:I, s:b}", "kv_type", kv_type, "kv_token", (json_int_t)n->kv_token,
                     "kv_context", (json_int_t)n->kv_sequence, "total", (json_int_t)total, "fits",
                     total <= limit);
}

static int print_json(const tn_model *m, const char *name, json_t *types, uint64_t limit, tn_error *err) {
    const tn_model_need *n = &m->need;
    json_t *root =
        json_pack("{s:s*, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "model", name, "device",
                  m->device->cls->name, "context", (json_int_t)m->n_ctx, "file", (json_int_t)n->file,
                  "weights", (json_int_t)n->weights, "activations", (json_int_t)n->activations, "fixed",
                  (json_int_t)n->fixed, "limit", (json_int_t)limit, "kv", types);
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!line) return tn_fail(err, TN_ENOMEM, "out of memory");
    puts(line);
    free(line);
    return 0;
}

static void print_row(const char *what, uint64_t bytes) {
    printf("%-34s %16" PRIu64 " bytes %12.2f MiB\n", what, bytes, (double)bytes / (1 << 20));
}

static void print_text(const tn_model *m, const char *name, const json_t *types, uint64_t limit) {
    const tn_model_need *n = &m->need;
    size_t i;
    json_t *t;
    char label[64];
    if (name) printf("%s\n", name);
    print_row("mapped files", n->file);
    print_row("repacked weights", n->weights);
    print_row("activations and tables", n->activations);
    json_array_foreach(types, i, t) {
        const char *type = json_string_value(json_object_get(t, "kv_type"));
        snprintf(label, sizeof label, "KV in %s, a token", type);
        print_row(label, (uint64_t)json_integer_value(json_object_get(t, "kv_token")));
        snprintf(label, sizeof label, "KV in %s, %u tokens", type, m->n_ctx);
        print_row(label, (uint64_t)json_integer_value(json_object_get(t, "kv_context")));
        snprintf(label, sizeof label, "all together with KV in %s%s", type,
                 json_is_true(json_object_get(t, "fits")) ? "" : " (too much)");
        print_row(label, (uint64_t)json_integer_value(json_object_get(t, "total")));
    }
    print_row("the limit (limits.memory)", limit);
}

/* Adds what m takes with every kv type that its device knows; leaves m as it was. */
static int add_types(tn_model *m, const char *only, json_t *types, uint64_t limit, tn_error *err) {
    tn_type own = m->config.kv_type;
    const char *own_name = NULL;
    for (size_t i = 0; tn_model_kv_types[i]; i++) {
        const char *name = tn_model_kv_types[i];
        tn_error no = {0};
        if (only && strcmp(only, name) != 0) continue;
        if (tn_model_resize(m, m->n_ctx, name, &no) != 0) continue;
        if (m->config.kv_type == own) own_name = name;
        if (json_array_append_new(types, need_json(m, name, limit)) != 0)
            return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    return own_name ? tn_model_resize(m, m->n_ctx, own_name, err) : 0;
}

int tn_estimate_model(tn_model *m, const char *name, const char *kv_type, uint64_t limit, bool json,
                      tn_error *err) {
    json_t *types = json_array();
    tn_model_room room = {.limit = limit};
    int rc = types ? add_types(m, kv_type, types, limit, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc && json) rc = print_json(m, name, types, limit, err);
    if (!rc && !json) print_text(m, name, types, limit);
    json_decref(types);
    return rc ? rc : tn_model_fit(m, &room, true, err);
}

int tn_estimate_print(const char *model, const tn_compute_args *args, uint32_t n_ctx, bool json,
                      tn_error *err) {
    tn_model_config config = {.n_ctx = n_ctx};
    tn_loaded_model l = {0};
    uint64_t limit = 0;
    int rc = read_limit(&limit, err);
    if (!rc) rc = tn_load_open(model, args, config, &l, err);
    if (!rc) rc = tn_estimate_model(l.model, NULL, args->kv_type, limit, json, err);
    tn_unload(&l);
    return rc;
}
