/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status.h"
#include "sched/programs.h"
#include "sched/tower.h"

enum { MAX_SEQS = 4096, MAX_STEP_TOKENS = 1 << 16, MAX_PAGES = 1 << 21, STATE_COPIES = 8 };

const char *const tn_model_kv_types[] = {"f32", "f16", "bf16", "q8_0", NULL};

static int parse_kv_type(const char *name, tn_compute compute, const tn_device_class *cls, tn_type *ret,
                         tn_error *err) {
    static const tn_type types[] = {TN_TYPE_F32, TN_TYPE_F16, TN_TYPE_BF16, TN_TYPE_Q8_0};
    bool f32 = compute == TN_COMPUTE_F32 || strcmp(cls->name, "reference") == 0;
    *ret = f32 ? TN_TYPE_F32 : TN_TYPE_F16;
    if (!name) return 0;
    for (size_t i = 0; tn_model_kv_types[i]; i++)
        if (strcmp(name, tn_model_kv_types[i]) == 0) {
            *ret = types[i];
            return 0;
        }
    return tn_fail(err, TN_EINVAL, "kv type \"%s\" does not exist (f32, f16, bf16, q8_0 do)", name);
}

static uint32_t pages_of(uint32_t n_token) {
    return (n_token + TN_PAGE_TOKENS - 1) / TN_PAGE_TOKENS;
}

static int configure(const tn_model_config *o, const tn_device_class *cls, tn_model *m, tn_error *err) {
    tn_exec_config *c = &m->config;
    uint32_t made_for = m->info.n_ctx ? m->info.n_ctx : TN_DEFAULT_CTX;
    m->n_ctx = o->n_ctx ? o->n_ctx : made_for < TN_DEFAULT_CTX ? made_for : TN_DEFAULT_CTX;
    m->ctx_is_given = o->n_ctx != 0;
    m->kv_bytes = o->kv_bytes;
    m->media_bytes = o->media_bytes;
    if (m->n_ctx > made_for)
        return tn_fail(err, TN_ELIMIT, "a context of %u tokens was asked for, the model was made for %u",
                       m->n_ctx, made_for);
    c->max_seqs = o->max_seqs ? o->max_seqs : 1;
    c->max_tokens = o->max_step_tokens ? o->max_step_tokens : 512;
    if (c->max_tokens < c->max_seqs) c->max_tokens = c->max_seqs;
    c->max_rows = o->max_step_rows ? o->max_step_rows : c->max_seqs;
    if (c->max_seqs > MAX_SEQS || c->max_tokens > MAX_STEP_TOKENS || c->max_rows > c->max_tokens)
        return tn_fail(err, TN_ELIMIT,
                       "%u sequences, %u tokens and %u rows a step (at most %d, %d, and the tokens)",
                       c->max_seqs, c->max_tokens, c->max_rows, MAX_SEQS, MAX_STEP_TOKENS);
    c->page_tokens = TN_PAGE_TOKENS;
    c->max_seq_pages = pages_of(m->n_ctx);
    c->compute = o->compute;
    c->taps = o->taps;
    return parse_kv_type(o->kv_type, o->compute, cls, &c->kv_type, err);
}

uint32_t tn_model_seq_pages(const tn_model *m, uint32_t group, uint32_t n) {
    uint32_t all = pages_of(n), window = m->program->groups[group].window;
    if (m->program->groups[group].is_state) return 1;
    /* The window before a step's first token and the step's own tokens, neither beginning with a page. */
    uint64_t held = (uint64_t)window / TN_PAGE_TOKENS + m->config.max_tokens / TN_PAGE_TOKENS + 3;
    return window && held < all ? (uint32_t)held : all;
}

/* Pages of a group without which one sequence cannot run. */
static uint32_t least_pages(const tn_model *m, uint32_t group) {
    return tn_model_seq_pages(m, group, m->n_ctx) + (m->program->groups[group].is_state ? STATE_COPIES : 0);
}

static int no_room(const tn_model *m, uint64_t memory, uint64_t rest, uint64_t least, tn_error *err) {
    return tn_fail(
        err, TN_ENOMEM,
        "%s has %llu MiB: weights and activations take %llu, a context of %u tokens %llu; choose a smaller "
        "context, kv_type or model",
        m->device->cls->name, (unsigned long long)memory >> 20, (unsigned long long)rest >> 20, m->n_ctx,
        (unsigned long long)least >> 20);
}

/* A group's pages, at most as many as a pool may have bytes. */
static int fit_pool(tn_model *m, uint32_t g, uint64_t most, tn_error *err) {
    const uint32_t least = least_pages(m, g);
    const uint64_t n = most / m->size.page[g];
    if (n < least)
        return tn_fail(
            err, TN_ELIMIT,
            "a context of %u tokens takes %llu MiB of keys and values in one piece, %s can have %llu; choose a "
            "smaller context or kv_type",
            m->n_ctx, (unsigned long long)(least * m->size.page[g]) >> 20, m->device->cls->name,
            (unsigned long long)most >> 20);
    if (n < m->config.n_page[g]) m->config.n_page[g] = (uint32_t)n;
    return 0;
}

/* Where pools are allocated whole they take at most half of what the device has beside weights and
 * activations, so that others have some too, but what one sequence needs in any case. All groups shrink
 * alike. */
static int fit_device(tn_model *m, tn_error *err) {
    const tn_device_limits limits = m->device->cls->limits(m->device);
    const uint32_t n_group = m->program->n_group;
    uint64_t file = tn_checkpoint_bytes(m->checkpoint), least = 0, pools = 0;
    uint64_t rest = (m->size.weights > file ? m->size.weights : file) + m->size.activations;
    for (uint32_t g = 0; g < n_group; g++) {
        int rc = limits.pool ? fit_pool(m, g, limits.pool, err) : 0;
        if (rc) return rc;
        least += m->size.page[g] * least_pages(m, g);
        pools += m->size.page[g] * m->config.n_page[g];
    }
    if (limits.memory == 0) return 0;
    if (rest + least > limits.memory) return no_room(m, limits.memory, rest, least, err);
    uint64_t most = (limits.memory - rest) / 2;
    if (most < least) most = least;
    if (pools <= most) return 0;
    const double share = (double)(most - least) / (double)(pools - least);
    for (uint32_t g = 0; g < n_group; g++) {
        uint32_t must = least_pages(m, g);
        m->config.n_page[g] = must + (uint32_t)((m->config.n_page[g] - must) * share);
    }
    return 0;
}

/* How many pages there may be. With a limit in bytes each group's pool could take all of it: what is reserved
 * is addresses, and the engine keeps the sum. */
static int size_pools(tn_model *m, tn_error *err) {
    for (uint32_t g = 0; g < m->program->n_group; g++) {
        uint32_t least = least_pages(m, g);
        uint64_t n = m->kv_bytes ? m->kv_bytes / m->size.page[g] : (uint64_t)least * m->config.max_seqs;
        if (n > MAX_PAGES) n = MAX_PAGES;
        if (n < least) n = least;
        if (n > MAX_PAGES)
            return tn_fail(err, TN_ELIMIT, "a context of %u tokens takes %llu pages, at most %d are managed",
                           m->n_ctx, (unsigned long long)n, MAX_PAGES);
        m->config.n_page[g] = (uint32_t)n;
    }
    return m->device->cls->limits ? fit_device(m, err) : 0;
}

/* What m takes as it is configured. */
static int measure(tn_model *m, tn_error *err) {
    tn_model_need n = {.file = tn_checkpoint_bytes(m->checkpoint)};
    int rc = m->device->cls->size(m->device, m->program, &m->config, &m->size, err);
    if (!rc && m->tower) rc = tn_tower_size(m->tower, m->device, m->config.compute, err);
    if (rc) return rc;
    n.weights = m->size.weights + (m->tower ? m->tower->size.weights : 0);
    n.activations = m->size.activations + (m->tower ? m->tower->size.activations + m->media_bytes : 0);
    n.fixed = n.file + n.weights + n.activations;
    for (uint32_t g = 0; g < m->program->n_group; g++) {
        if (!m->program->groups[g].is_state) n.kv_token += m->size.page[g] / TN_PAGE_TOKENS;
        n.kv_sequence += m->size.page[g] * least_pages(m, g);
    }
    m->need = n;
    return 0;
}

static int no_such_device(const char *name, tn_error *err) {
    tn_buf names;
    tn_buf_init(&names, 256);
    for (size_t i = 0; tn_device_classes[i]; i++)
        tn_buf_addf(&names, "%s%s", i ? ", " : "", tn_device_classes[i]->name);
    int rc = tn_fail(err, TN_EINVAL, "there is no device \"%s\" (this build has %s)", name, names.data);
    tn_buf_free(&names);
    return rc;
}

/* The device asked for, or the first of this build. */
static int open_device(const tn_model_config *o, tn_model *m, tn_error *err) {
    const tn_device_class *cls = o->device ? tn_device_class_find(o->device) : tn_device_classes[0];
    if (!cls) return no_such_device(o->device, err);
    int rc = configure(o, cls, m, err);
    if (rc) return rc;
    tn_device_options options = {.n_thread = o->n_thread};
    rc = cls->open(&options, &m->device, err);
    return rc ? rc : measure(m, err);
}

/* The token that stands for rows of a medium, where the checkpoint does not say which; -1: none. */
static int32_t find_row_token(const tn_model *m, int32_t said, const char *const spelling[2]) {
    int32_t id = said;
    for (int i = 0; id < 0 && i < 2 && spelling[i]; i++)
        id = tn_tokenizer_id(m->tokenizer, spelling[i], strlen(spelling[i]));
    return id;
}

static int find_row_tokens(tn_model *m, tn_error *err) {
    if (!m->tower) return 0;
    tn_vision *v = &m->tower->vision;
    v->image_token = find_row_token(m, v->image_token, v->image_row);
    v->video_token = find_row_token(m, v->video_token, v->video_row);
    if (v->video_token < 0) v->video.text = 0;
    if (v->image_token >= 0 || !v->image_row[0]) return 0;
    return tn_fail(err, TN_EFORMAT, "the tokenizer has no token %s, which stands for rows of an image",
                   v->image_row[0]);
}

static int load_tokenizer(tn_model *m, tn_error *err) {
    const tn_gguf *g = tn_checkpoint_gguf(m->checkpoint);
    int rc = g ? tn_tokenizer_load_gguf(g, &m->tokenizer, &m->tokenizer_error)
               : tn_tokenizer_load_dir(tn_checkpoint_path(m->checkpoint), &m->tokenizer, &m->tokenizer_error);
    if (rc == TN_ENOENT) return 0; /* ids in, ids out still work; what needs text says why it cannot */
    if (rc) return tn_fail(err, rc, "%s", m->tokenizer_error.text);
    uint32_t n = (uint32_t)tn_tokenizer_n_vocab(m->tokenizer);
    if (n > m->program->n_vocab)
        return tn_fail(
            err, TN_EFORMAT,
            "%s: the tokenizer has %u tokens, the model's output matrix %u rows: they do not belong together",
            tn_checkpoint_path(m->checkpoint), n, m->program->n_vocab);
    return find_row_tokens(m, err);
}

static int open_parts(tn_registry *r, const tn_model_config *options, tn_model *m, tn_error *err) {
    int rc = tn__programs_load(r, options, m, err);
    if (!rc) rc = load_tokenizer(m, err);
    if (!rc) rc = open_device(options, m, err);
    if (rc && err && strncmp(err->text, options->path, strlen(options->path)) != 0)
        tn_error_prefix(err, rc, "%s", options->path);
    return rc;
}

int tn_model_open(tn_registry *r, const tn_model_config *options, tn_model **ret, tn_error *err) {
    tn_model *m = calloc(1, sizeof *m);
    if (!m) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_checkpoint_open(options->path, &m->checkpoint, err);
    if (!rc) rc = open_parts(r, options, m, err);
    if (rc) {
        tn_model_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

int tn_model_lower(tn_model *m, tn_progress_fn progress, void *progress_ctx, tn_error *err) {
    int rc = size_pools(m, err);
    if (!rc)
        rc = m->device->cls->lower(m->device, m->program, &m->config, progress, progress_ctx, &m->exec, err);
    if (!rc && m->tower) rc = tn_tower_lower(m->tower, m->device, progress, progress_ctx, err);
    return rc ? tn_error_prefix(err, rc, "%s", tn_checkpoint_path(m->checkpoint)) : 0;
}

int tn_model_load(tn_registry *r, const tn_model_config *options, tn_model **ret, tn_error *err) {
    tn_model *m = NULL;
    int rc = tn_model_open(r, options, &m, err);
    if (!rc) rc = tn_model_lower(m, options->progress, options->progress_ctx, err);
    if (rc) {
        tn_model_free(m);
        return rc;
    }
    *ret = m;
    return 0;
}

/* ---- Room
 * ------------------------------------------------------------------------------------------------------ */

int tn_model_resize(tn_model *m, uint32_t n_ctx, const char *kv_type, tn_error *err) {
    tn_exec_config was = m->config;
    uint32_t was_ctx = m->n_ctx;
    int rc = kv_type ? parse_kv_type(kv_type, was.compute, m->device->cls, &m->config.kv_type, err) : 0;
    m->n_ctx = n_ctx;
    m->config.max_seq_pages = pages_of(n_ctx);
    if (!rc) rc = measure(m, err);
    if (!rc) return 0;
    m->config = was;
    m->n_ctx = was_ctx;
    return rc;
}

static bool fits(const tn_model *m, const tn_model_room *room) {
    uint64_t kv = m->need.kv_sequence > room->kv_sequence ? m->need.kv_sequence : room->kv_sequence;
    uint64_t left = room->limit > room->others ? room->limit - room->others : 0;
    return !room->limit || (m->need.fixed <= left && kv <= left - m->need.fixed);
}

/* The longest context that fits, above pages `low`, which does, and below `high`, which does not. */
static int shrink_between(tn_model *m, const tn_model_room *room, uint32_t low, uint32_t high,
                          tn_error *err) {
    while (low + 1 < high) {
        uint32_t middle = low + (high - low) / 2;
        int rc = tn_model_resize(m, middle * TN_PAGE_TOKENS, NULL, err);
        if (rc) return rc;
        if (fits(m, room))
            low = middle;
        else
            high = middle;
    }
    return tn_model_resize(m, low * TN_PAGE_TOKENS, NULL, err);
}

/* "1.5 GiB" */
static const char *print_bytes(uint64_t n, char ret[32]) {
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)n;
    int i = 0;
    for (; value >= 1024 && i < 4; i++) value /= 1024;
    snprintf(ret, 32, i ? "%.2f %s" : "%.0f %s", value, units[i]);
    return ret;
}

static int does_not_fit(const tn_model *m, const tn_model_room *room, tn_error *err) {
    char file[32], weights[32], activations[32], kv[32], token[32], limit[32], others[32];
    const tn_model_need *n = &m->need;
    return tn_fail(
        err, TN_ENOMEM,
        "does not fit: it takes %s as mapped files, %s of repacked weights, %s of activations, and "
        "%s of KV for one sequence of %u tokens (%s a token); the limit is %s, other models hold %s: "
        "choose a smaller context or kv_type, unload another model, or raise limits.memory",
        print_bytes(n->file, file), print_bytes(n->weights, weights),
        print_bytes(n->activations, activations), print_bytes(n->kv_sequence, kv), m->n_ctx,
        print_bytes(n->kv_token, token), print_bytes(room->limit, limit), print_bytes(room->others, others));
}

int tn_model_fit(tn_model *m, const tn_model_room *room, bool shrink, tn_error *err) {
    uint32_t wanted = m->n_ctx, least = TN_LEAST_CTX / TN_PAGE_TOKENS;
    if (fits(m, room)) return 0;
    if (!shrink || m->ctx_is_given || wanted <= TN_LEAST_CTX) return does_not_fit(m, room, err);
    int rc = tn_model_resize(m, TN_LEAST_CTX, NULL, err);
    if (rc) return rc;
    if (!fits(m, room)) return does_not_fit(m, room, err);
    rc = shrink_between(m, room, least, pages_of(wanted), err);
    if (!rc)
        tn_log(TN_LOG_WARN, "models", "%s: the context is %u tokens instead of %u: no more fit the memory",
               tn_checkpoint_path(m->checkpoint), m->n_ctx, wanted);
    return rc;
}

int tn_model_take(tn_model *m, tn_budget *b, tn_error *err) {
    char need[32], left[32], limit[32];
    if (!tn_budget_take(b, m->need.fixed))
        return tn_fail(err, TN_ENOMEM,
                       "needs %s, of a limit of %s only %s are left while requests of other models run: try "
                       "again later",
                       print_bytes(m->need.fixed, need), print_bytes(b->limit, limit),
                       print_bytes(tn_budget_left(b), left));
    m->budget = b;
    return 0;
}

double tn_model_recommended(const tn_model *m, const char *name, double def) {
    char key[64];
    json_t *config = tn_checkpoint_generation_config(m->checkpoint);
    const tn_gguf *g = tn_checkpoint_gguf(m->checkpoint);
    json_t *value = json_object_get(config, strcmp(name, "temp") == 0 ? "temperature" : name);
    if (json_is_number(value)) return json_number_value(value);
    snprintf(key, sizeof key, "general.sampling.%s", name);
    const tn_gguf_value *v = g ? tn_gguf_find(g, key) : NULL;
    if (!v) return def;
    if (v->type == TN_GGUF_F32 || v->type == TN_GGUF_F64) return v->f;
    if (v->type == TN_GGUF_I32 || v->type == TN_GGUF_I64) return (double)v->i;
    return v->type == TN_GGUF_U32 || v->type == TN_GGUF_U64 ? (double)v->u : def;
}

void tn_model_free(tn_model *m) {
    if (!m) return;
    tn_tower_free(m->tower);
    m->tower = NULL;
    if (m->exec) m->exec->cls->exec_free(m->exec);
    if (m->device) m->device->cls->close(m->device);
    tn__programs_drop(m);
    tn_tokenizer_free(m->tokenizer);
    tn_checkpoint_close(m->checkpoint);
    if (m->budget) tn_budget_give(m->budget, m->need.fixed);
    free(m);
}
