/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/recipe.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/status.h"

enum { MAX_FILE = 1 << 20, MAX_MODULES = 16, MAX_COLS = 1 << 20, LANES = 8 };

/* ---- Files ---- */

/* Where we are while reading, for messages. */
typedef struct reader {
    const char *dir;
    tn_recipe *r;
    tn_error *err;
} reader;

/* DIR[/SUB]/NAME; NULL when out of memory. */
static char *path_of(const reader *f, const char *sub, const char *name) {
    char *folder = sub && *sub ? tn_path_join(f->dir, sub) : strdup(f->dir);
    char *path = folder ? tn_path_join(folder, name) : NULL;
    free(folder);
    return path;
}

static int load(const reader *f, const char *sub, const char *name, json_t **ret) {
    char *path = path_of(f, sub, name);
    if (!path) return tn_fail(f->err, TN_ENOMEM, "out of memory");
    int rc = tn_json_load(path, MAX_FILE, ret, f->err);
    free(path);
    return rc;
}

/* A folder below the checkpoint's, and nowhere else. */
static bool is_inside(const char *path) {
    return *path && *path != '/' && !strstr(path, "..") && strlen(path) < 256;
}

static const char *last_part(const char *dotted) {
    const char *dot = strrchr(dotted, '.');
    return dot ? dot + 1 : dotted;
}

static uint32_t pooling_named(const char *name) {
    if (strcmp(name, "cls") == 0) return TN_POOL_FIRST;
    if (strcmp(name, "mean") == 0) return TN_POOL_MEAN;
    if (strcmp(name, "lasttoken") == 0) return TN_POOL_LAST;
    return 0;
}

/* Older files have a flag for each mode, newer ones a name. */
static int read_pooling(const reader *f, const char *sub) {
    static const struct {
        const char *key;
        uint32_t pooling;
    } modes[] = {{"pooling_mode_cls_token", TN_POOL_FIRST}, {"pooling_mode_mean_tokens", TN_POOL_MEAN},
                 {"pooling_mode_lasttoken", TN_POOL_LAST},  {"pooling_mode_max_tokens", 0},
                 {"pooling_mode_mean_sqrt_len_tokens", 0},  {"pooling_mode_weightedmean_tokens", 0}};
    json_t *config = NULL;
    int rc = load(f, sub, "config.json", &config);
    if (rc) return rc;
    const char *name = json_string_value(json_object_get(config, "pooling_mode"));
    const char *bad = name && !pooling_named(name) ? name : NULL;
    uint32_t n = name != NULL;
    if (name) f->r->pooling = pooling_named(name);
    for (size_t i = 0; !name && i < sizeof modes / sizeof *modes; i++) {
        if (!json_is_true(json_object_get(config, modes[i].key))) continue;
        n++;
        f->r->pooling = modes[i].pooling;
        if (!modes[i].pooling) bad = modes[i].key;
    }
    f->r->with_prompt = !json_is_false(json_object_get(config, "include_prompt"));
    if (bad)
        rc = tn_fail(f->err, TN_ENOTSUP,
                     "%s/%s/config.json: %.64s is not supported (cls, mean and lasttoken are)", f->dir, sub,
                     bad);
    else if (n != 1)
        rc = tn_fail(f->err, TN_ENOTSUP, "%s/%s/config.json: %u pooling modes at once, only one is supported",
                     f->dir, sub, n);
    json_decref(config);
    return rc;
}

static int read_activation(const reader *f, const char *sub, const json_t *config, bool *ret_tanh) {
    const char *name = json_string_value(json_object_get(config, "activation_function"));
    const char *last = name ? last_part(name) : "Tanh"; /* the layer's default */
    *ret_tanh = strcmp(last, "Tanh") == 0;
    if (*ret_tanh || strcmp(last, "Identity") == 0) return 0;
    return tn_fail(f->err, TN_ENOTSUP,
                   "%s/%s/config.json: activation_function %.64s is not supported (Identity and "
                   "Tanh are)",
                   f->dir, sub, name);
}

static int check_dense(const reader *f, const char *sub, tn_dense *d) {
    const tn_tensor *w = d->weight, *b = d->bias;
    if (!w || w->n_dim != 2 || w->dim[0] > MAX_COLS || w->dim[1] > MAX_COLS || !w->dim[0] || !w->dim[1])
        return tn_fail(f->err, TN_EFORMAT, "%s/%s: linear.weight is missing, no matrix, or over %d columns",
                       f->dir, sub, MAX_COLS);
    d->rows = (uint32_t)w->dim[0];
    d->cols = (uint32_t)w->dim[1];
    if (b && (b->n_dim != 1 || b->dim[0] != d->rows))
        return tn_fail(f->err, TN_EFORMAT, "%s/%s: linear.bias does not have %u values", f->dir, sub,
                       d->rows);
    for (int i = 0; i < 2; i++) {
        const tn_tensor *t = i ? b : w;
        if (t && t->type != TN_TYPE_F32 && t->type != TN_TYPE_F16 && t->type != TN_TYPE_BF16)
            return tn_fail(f->err, TN_EFORMAT, "%s/%s: %s is not F32, F16 or BF16", f->dir, sub, t->name);
    }
    return 0;
}

static int read_dense(const reader *f, const char *sub) {
    if (f->r->n_dense == TN_DENSE_MAX)
        return tn_fail(f->err, TN_ELIMIT, "%s/modules.json: more than %d dense layers", f->dir, TN_DENSE_MAX);
    tn_dense *d = &f->r->dense[f->r->n_dense++];
    json_t *config = NULL;
    int rc = load(f, sub, "config.json", &config);
    if (!rc) rc = read_activation(f, sub, config, &d->tanh);
    json_decref(config);
    if (rc) return rc;
    char *path = path_of(f, sub, "model.safetensors");
    if (!path) return tn_fail(f->err, TN_ENOMEM, "out of memory");
    rc = tn_safetensors_open(path, &d->file, f->err);
    free(path);
    if (rc) return rc;
    d->weight = tn_safetensors_tensor_find(d->file, "linear.weight");
    d->bias = tn_safetensors_tensor_find(d->file, "linear.bias");
    return check_dense(f, sub, d);
}

/* One of modules.json, which come in the order in which they run. */
static int read_module(const reader *f, size_t i, const json_t *module) {
    const char *type = json_string_value(json_object_get(module, "type"));
    const char *sub = json_string_value(json_object_get(module, "path"));
    if (!type || !sub)
        return tn_fail(f->err, TN_EFORMAT, "%s/modules.json: module %zu has no type or no path", f->dir, i);
    const char *name = last_part(type);
    if (i == 0) {
        if (strcmp(name, "Transformer") == 0 && !*sub) return 0;
        return tn_fail(f->err, TN_ENOTSUP,
                       "%s/modules.json: begins with %.64s in \"%.64s\", not with a Transformer in "
                       "\"\"",
                       f->dir, type, sub);
    }
    bool pooled = f->r->pooling != 0, ended = f->r->normalize;
    if (strcmp(name, "Normalize") == 0 && pooled && !ended) {
        f->r->normalize = true;
        return 0;
    }
    if (!is_inside(sub))
        return tn_fail(f->err, TN_EFORMAT, "%s/modules.json: \"%.64s\" is no folder below it", f->dir, sub);
    if (strcmp(name, "Pooling") == 0 && !pooled && !ended) return read_pooling(f, sub);
    if (strcmp(name, "Dense") == 0 && pooled && !ended) return read_dense(f, sub);
    return tn_fail(f->err, TN_ENOTSUP,
                   "%s/modules.json: %.64s is not supported in this place (a Transformer, "
                   "Pooling, any Dense and Normalize are, in this order)",
                   f->dir, type);
}

static int read_modules(const reader *f, const json_t *modules) {
    size_t i;
    json_t *module;
    f->r->from_files = true;
    if (!json_is_array(modules) || json_array_size(modules) > MAX_MODULES)
        return tn_fail(f->err, TN_EFORMAT, "%s/modules.json: not a list of at most %d modules", f->dir,
                       MAX_MODULES);
    json_array_foreach(modules, i, module) {
        int rc = read_module(f, i, module);
        if (rc) return rc;
    }
    return 0;
}

static int read_limits(const reader *f) {
    json_t *config = NULL;
    int rc = load(f, NULL, "sentence_bert_config.json", &config);
    if (rc) return rc == TN_ENOENT ? 0 : rc;
    json_int_t n = json_integer_value(json_object_get(config, "max_seq_length"));
    if (n < 0 || n > UINT32_MAX)
        rc = tn_fail(f->err, TN_EFORMAT, "%s/sentence_bert_config.json: max_seq_length is %lld", f->dir,
                     (long long)n);
    else
        f->r->max_tokens = (uint32_t)n;
    if (json_is_true(json_object_get(config, "do_lower_case")))
        tn_log(TN_LOG_WARN, "models", "%s/sentence_bert_config.json: do_lower_case is left to the tokenizer",
               f->dir);
    json_decref(config);
    return rc;
}

static int read_prompts(const reader *f) {
    json_t *config = NULL;
    int rc = load(f, NULL, "config_sentence_transformers.json", &config);
    if (rc) return rc == TN_ENOENT ? 0 : rc;
    json_t *prompts = json_object_get(config, "prompts");
    if (json_is_object(prompts)) f->r->prompts = json_incref(prompts);
    json_decref(config);
    return 0;
}

int tn_recipe_read(const char *path, tn_recipe *ret, tn_error *err) {
    json_t *modules = NULL;
    const reader f = {.dir = path, .r = ret, .err = err};
    *ret = (tn_recipe){.with_prompt = true};
    if (!tn_dir_exists(path)) return 0;
    int rc = load(&f, NULL, "modules.json", &modules);
    if (rc == TN_ENOENT) return 0;
    if (!rc) rc = read_modules(&f, modules);
    if (!rc) rc = read_limits(&f);
    if (!rc) rc = read_prompts(&f);
    json_decref(modules);
    if (rc) tn_recipe_fini(ret);
    return rc;
}

/* ---- Dense layers ---- */

uint64_t tn_recipe_bytes(const tn_recipe *r) {
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->n_dense; i++)
        n += ((uint64_t)r->dense[i].rows * r->dense[i].cols + r->dense[i].rows) * sizeof(float);
    return n;
}

int tn_recipe_load(tn_recipe *r, tn_error *err) {
    for (uint32_t i = 0; i < r->n_dense; i++) {
        tn_dense *d = &r->dense[i];
        size_t n = (size_t)d->rows * d->cols;
        if (d->data) continue;
        d->data = calloc(n + d->rows, sizeof *d->data);
        if (!d->data)
            return tn_fail(err, TN_ENOMEM, "out of memory for a dense layer of %u x %u", d->rows, d->cols);
        for (uint32_t k = 0; k < d->rows; k++)
            tn_tensor_dequantize(d->weight, k, 0, d->cols, d->data + (size_t)k * d->cols);
        if (d->bias) tn_tensor_dequantize(d->bias, 0, 0, d->rows, d->data + n);
    }
    return 0;
}

uint32_t tn_recipe_cols(const tn_recipe *r, uint32_t n_embd, tn_error *err) {
    for (uint32_t i = 0; i < r->n_dense; i++) {
        if (r->dense[i].cols != n_embd) {
            tn_fail(err, TN_EFORMAT, "dense layer %u takes %u columns, there are %u", i, r->dense[i].cols,
                    n_embd);
            return 0;
        }
        n_embd = r->dense[i].rows;
    }
    return n_embd;
}

void tn_recipe_fini(tn_recipe *r) {
    for (uint32_t i = 0; i < r->n_dense; i++) {
        free(r->dense[i].data);
        tn_safetensors_close(r->dense[i].file);
    }
    json_decref(r->prompts);
    *r = (tn_recipe){0};
}

const char *tn_recipe_prompt(const tn_recipe *r, const char *name) {
    return json_string_value(json_object_get(r->prompts, name));
}

/* ---- Rows ---- */

void tn_recipe_pool(const tn_recipe *r, const float *rows, uint32_t n_row, uint32_t n_embd, uint32_t skip,
                    float *ret) {
    if (r->pooling == TN_POOL_MEAN) {
        for (uint32_t c = 0; c < n_embd; c++) {
            double sum = 0;
            for (size_t i = skip; i < n_row; i++) sum += rows[i * n_embd + c];
            ret[c] = (float)(sum / (n_row - skip));
        }
        return;
    }
    memcpy(ret, rows + (r->pooling == TN_POOL_LAST ? (size_t)(n_row - 1) * n_embd : 0), n_embd * sizeof *ret);
}

/* In LANES interleaved sums, which are then added in order. */
static float dot(const float *x, const float *w, uint32_t n) {
    float lanes[LANES] = {0}, sum = 0;
    uint32_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (uint32_t k = 0; k < LANES; k++) lanes[k] += x[i + k] * w[i + k];
    for (uint32_t k = 0; k < LANES; k++) sum += lanes[k];
    for (; i < n; i++) sum += x[i] * w[i];
    return sum;
}

static void apply(const tn_dense *d, const float *x, float *y) {
    const float *bias = d->data + (size_t)d->rows * d->cols;
    for (uint32_t i = 0; i < d->rows; i++) {
        y[i] = dot(x, d->data + (size_t)i * d->cols, d->cols) + bias[i];
        if (d->tanh) y[i] = tanhf(y[i]);
    }
}

void tn_recipe_normalize(float *x, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)x[i] * x[i];
    for (uint32_t i = 0; sum > 0 && i < n; i++) x[i] = (float)(x[i] / sqrt(sum));
}

int tn_recipe_finish(const tn_recipe *r, const float *pooled, uint32_t n_embd, float *ret, tn_error *err) {
    uint32_t widest = n_embd, n = n_embd;
    for (uint32_t i = 0; i < r->n_dense; i++)
        if (r->dense[i].rows > widest) widest = r->dense[i].rows;
    float *from = malloc(2 * (size_t)widest * sizeof *from), *to = from ? from + widest : NULL, *both = from;
    if (!from) return tn_fail(err, TN_ENOMEM, "out of memory");
    memcpy(from, pooled, n_embd * sizeof *from);
    for (uint32_t i = 0; i < r->n_dense; i++) {
        float *other = from;
        apply(&r->dense[i], from, to);
        n = r->dense[i].rows;
        from = to;
        to = other;
    }
    memcpy(ret, from, n * sizeof *ret);
    free(both);
    if (r->normalize) tn_recipe_normalize(ret, n);
    return 0;
}
