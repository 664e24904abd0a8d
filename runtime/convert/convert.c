/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "convert/encode.h"
#include "convert/same.h"
#include "convert/source.h"
#include "text/tokenizer_to_gguf.h"

/* --- sources --- */

int tn__source_add(tn_source *s, const char *name, const tn_tensor *tensor, tn_source_tensor **ret,
                   tn_error *err) {
    if (s->n_tensor == s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 256;
        tn_source_tensor *grown = realloc(s->tensors, cap * sizeof *grown);
        if (!grown) return tn_fail(err, TN_ENOMEM, "out of memory for %u tensors", cap);
        s->tensors = grown;
        s->cap = cap;
    }
    tn_source_tensor *t = &s->tensors[s->n_tensor];
    *t = (tn_source_tensor){.name = strdup(name), .tensor = tensor, .n_dim = tensor ? tensor->n_dim : 1};
    if (!t->name) return tn_fail(err, TN_ENOMEM, "out of memory");
    if (tensor) memcpy(t->dim, tensor->dim, sizeof t->dim);
    s->n_tensor++;
    *ret = t;
    return 0;
}

int tn__source_add_values(tn_source *s, const char *name, float *values, uint64_t n, tn_error *err) {
    tn_source_tensor *t;
    int rc = tn__source_add(s, name, NULL, &t, err);
    if (rc) {
        free(values);
        return rc;
    }
    t->values = values;
    t->dim[0] = n;
    return 0;
}

int tn_source_open(const char *path, tn_source *ret, tn_error *err) {
    *ret = (tn_source){0};
    tn_gguf_meta_init(&ret->meta);
    int rc = tn_dir_exists(path) ? tn__source_open_dir(path, ret, err) : tn__source_open_gguf(path, ret, err);
    if (!rc && ret->n_tensor == 0) rc = tn_fail(err, TN_EINVAL, "%s: it has no tensors", path);
    if (rc && strncmp(err->text, path, strlen(path)) != 0) tn_error_prefix(err, rc, "%s", path);
    if (rc) tn_source_close(ret);
    return rc;
}

void tn_source_close(tn_source *s) {
    for (uint32_t i = 0; i < s->n_tensor; i++) {
        free(s->tensors[i].name);
        free(s->tensors[i].values);
    }
    free(s->tensors);
    tn_gguf_meta_fini(&s->meta);
    tn_checkpoint_close(s->checkpoint);
    tn_model_free(s->model);
    tn_registry_free(s->registry);
    *s = (tn_source){0};
}

static int mark_turned(tn_source *s, uint32_t weight, const tn_same_turned *turned, tn_error *err) {
    const tn_weight_info *w = &s->model->program->weights[weight];
    for (uint32_t i = 0; weight && i < s->n_tensor; i++) {
        tn_source_tensor *t = &s->tensors[i];
        if (t->tensor != w->tensor) continue;
        if (t->head_dim && (t->head_dim != turned->head_dim || t->n_rot != turned->n_rot))
            return tn_fail(err, TN_ENOTSUP, "tensor %s is rotated in two ways", t->name);
        t->head_dim = turned->head_dim;
        t->n_rot = turned->n_rot;
    }
    return 0;
}

int tn_source_verify(tn_source *s, const char *gguf, tn_error *err) {
    tn_model_config config = {.path = gguf, .mmproj = "none", .device = "reference", .n_thread = 1};
    tn_model *m = NULL;
    tn_same_turned *turned = NULL;
    uint32_t n = 0;
    if (!s->model) return 0;
    int rc = tn_model_open(s->registry, &config, &m, err);
    if (!rc && !m->tokenizer) rc = tn_fail(err, TN_EBUG, "the tokenizer got lost");
    if (!rc) rc = tn_same_program(s->model->program, m->program, &turned, &n, err);
    for (uint32_t i = 0; !rc && i < n; i++) {
        rc = mark_turned(s, turned[i].weight, &turned[i], err);
        if (!rc) rc = mark_turned(s, turned[i].bias, &turned[i], err);
    }
    if (!rc) rc = tn_tokenizer_same(s->model->tokenizer, m->tokenizer, err);
    free(turned);
    tn_model_free(m);
    return rc;
}

/* --- types --- */

typedef struct conversion {
    const tn_convert_options *o;
    tn_convert_report *report;
    tn_source s;
    tn_gguf_entry *entries; /* [s.n_tensor] */
    tn_new_file out;
    tn_team *team;
    uint64_t done; /* bytes of finished tensors */
    tn_error *err;
} conversion;

static bool has_output(const tn_source *s) {
    for (uint32_t i = 0; i < s->n_tensor; i++)
        if (strcmp(s->tensors[i].name, "output.weight") == 0) return true;
    return false;
}

/* How many tensors of t's kind lie in earlier layers, and how many there are. */
static void find_rank(const tn_source *s, tn_mix_tensor *t) {
    uint32_t layer, other;
    const char *kind = tn_mix_kind(t->name, &layer);
    for (uint32_t i = 0; kind && i < s->n_tensor; i++) {
        const char *k = tn_mix_kind(s->tensors[i].name, &other);
        if (!k || strcmp(k, kind) != 0) continue;
        t->of++;
        t->rank += other < layer;
    }
}

static void note_fallback(tn_convert_report *r, tn_type wanted, tn_type type, uint64_t cols) {
    uint32_t i = 0;
    while (i < r->n_fallback && (r->fallbacks[i].wanted != wanted || r->fallbacks[i].cols != cols)) i++;
    if (i == TN_CONVERT_ROWS) return;
    if (i == r->n_fallback)
        r->fallbacks[r->n_fallback++] =
            (struct tn_convert_fallback){.wanted = wanted, .type = type, .cols = cols};
    r->fallbacks[i].n++;
}

/* What is not quantised stays as a GGUF file has it, and is F32 from a directory. */
static tn_type choose(conversion *c, const tn_source_tensor *t, bool tied) {
    tn_mix_tensor what = {.name = t->name, .n_dim = t->n_dim, .cols = t->dim[t->n_dim - 1], .tied = tied};
    tn_type wanted, kept = c->s.model || !t->tensor ? TN_TYPE_F32 : t->tensor->type;
    if (!tn_mix_takes(&what)) return kept;
    find_rank(&c->s, &what);
    tn_type type = tn_mix_choose(c->o->mix, &what, &wanted);
    if (type != wanted) note_fallback(c->report, wanted, type, what.cols);
    return type;
}

/* Decoding to F32 loses nothing, and the same type again is a copy. */
static int check_twice(conversion *c, const tn_source_tensor *t, tn_type type) {
    if (!t->tensor || !tn_encode_is_quantized(t->tensor->type) || type == t->tensor->type ||
        type == TN_TYPE_F32)
        return 0;
    c->report->n_twice++;
    if (c->o->requantize) return 0;
    return tn_fail(
        c->err, TN_EINVAL,
        "%s: tensor %s is %s already: encoding it again loses twice; take the original weights, or say "
        "--requantize",
        c->o->in, t->tensor->name, tn_type_info_get(t->tensor->type)->name);
}

static int choose_types(conversion *c) {
    bool tied = !has_output(&c->s);
    int rc = 0;
    c->entries = calloc(c->s.n_tensor, sizeof *c->entries);
    if (!c->entries) return tn_fail(c->err, TN_ENOMEM, "out of memory for %u tensors", c->s.n_tensor);
    for (uint32_t i = 0; !rc && i < c->s.n_tensor; i++) {
        const tn_source_tensor *t = &c->s.tensors[i];
        tn_gguf_entry *e = &c->entries[i];
        *e = (tn_gguf_entry){.name = t->name, .type = choose(c, t, tied), .n_dim = t->n_dim};
        memcpy(e->dim, t->dim, sizeof e->dim);
        rc = check_twice(c, t, e->type);
    }
    return rc;
}

/* --- the report --- */

static uint64_t elements_of(const tn_gguf_entry *e) {
    uint64_t n = 1;
    for (uint32_t i = 0; i < e->n_dim; i++) n *= e->dim[i];
    return n;
}

static void count(tn_convert_report *r, const tn_gguf_entry *e) {
    uint32_t i = 0;
    while (i < r->n_type && r->types[i].type != e->type) i++;
    r->n_tensor++;
    r->elements += elements_of(e);
    r->bytes += e->bytes;
    if (i == TN_CONVERT_ROWS) return;
    if (i == r->n_type) r->types[r->n_type++] = (struct tn_convert_type){.type = e->type};
    r->types[i].n++;
    r->types[i].elements += elements_of(e);
    r->types[i].bytes += e->bytes;
}

/* --- writing --- */

static int on_bytes(void *ctx, uint64_t bytes) {
    const conversion *c = ctx;
    return c->o->progress ? c->o->progress(c->o->progress_ctx, c->done + bytes, c->report->bytes) : 0;
}

static int write_head(conversion *c) {
    tn_buf head;
    tn_gguf_put_u32(&c->s.meta, "general.file_type", c->o->mix->file_type);
    tn_gguf_put_u32(&c->s.meta, "general.quantization_version", 2);
    tn_buf_init(&head, SIZE_MAX / 4);
    int rc = tn_gguf_head(&c->s.meta, c->entries, c->s.n_tensor, &head, &c->report->file_bytes, c->err);
    if (!rc) rc = tn_new_file_write(&c->out, 0, head.data, head.len, c->err);
    if (!rc) rc = tn_new_file_resize(&c->out, c->report->file_bytes, c->err);
    tn_buf_free(&head);
    for (uint32_t i = 0; !rc && i < c->s.n_tensor; i++) count(c->report, &c->entries[i]);
    return rc;
}

/* values: those that no checkpoint has (they are part of what a program is recorded from), or all others. */
static int write_tensors(conversion *c, bool values) {
    int rc = 0;
    for (uint32_t i = 0; !rc && i < c->s.n_tensor; i++) {
        const tn_source_tensor *t = &c->s.tensors[i];
        if ((t->values != NULL) != values) continue;
        rc = tn_encode_tensor(t, &c->entries[i], c->team, &c->out, on_bytes, c, c->err);
        c->done += c->entries[i].bytes;
    }
    if (rc && rc != TN_EIO && rc != TN_ECANCELED) tn_error_prefix(c->err, rc, "%s", c->o->in);
    return rc;
}

static int verify(conversion *c) {
    int rc = tn_source_verify(&c->s, c->out.temporary, c->err);
    return rc ? tn_error_prefix(c->err, rc, "%s", c->o->in) : 0;
}

static int write_file(conversion *c) {
    int rc = tn_new_file_open(&c->out, c->o->out, c->o->replace, c->err);
    if (!rc) rc = write_head(c);
    if (!rc) rc = write_tensors(c, true);
    if (!rc) rc = verify(c);
    if (!rc) rc = write_tensors(c, false);
    if (!rc) return tn_new_file_finish(&c->out, c->err);
    tn_new_file_abort(&c->out);
    return rc;
}

int tn_convert(const tn_convert_options *o, tn_convert_report *ret, tn_error *err) {
    conversion c = {.o = o, .report = ret, .out = {.fd = -1}, .err = err};
    *ret = (tn_convert_report){0};
    int rc = tn_source_open(o->in, &c.s, err);
    if (rc) return rc;
    ret->n_unread = c.s.n_unread;
    snprintf(ret->unread, sizeof ret->unread, "%s", c.s.unread ? c.s.unread : "");
    rc = choose_types(&c);
    if (!rc) rc = tn_team_new(o->n_thread, &c.team, err);
    if (!rc) rc = write_file(&c);
    tn_team_free(c.team);
    free(c.entries);
    tn_source_close(&c.s);
    return rc;
}
