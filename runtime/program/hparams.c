/* SPDX-License-Identifier: Apache-2.0 */
#include "program/hparams.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

enum { MAX_KEY = 256, MAX_STRINGS = 8192, MAX_STRING = 1 << 16 };

/* One value of either format; an array keeps its source. */
typedef struct hp_value {
    enum { HP_NONE, HP_INT, HP_REAL, HP_BOOL, HP_STRING, HP_ARRAY, HP_OTHER } kind;
    int64_t i;
    double f;
    const char *s; /* not NUL-terminated when from GGUF */
    size_t len;
    json_t *array;
    const tn_gguf_value *gguf_array;
} hp_value;

static tn_hparams *self(const tn_config *c) {
    return c->ctx;
}

static const char *spelling(const tn_hparams *h, const char *hf, const char *gguf) {
    const char *name = h->config ? hf : gguf;
    return name ? name : hf ? hf : gguf ? gguf : "?";
}

static void fail(tn_hparams *h, int code, const char *fmt, ...) TN_PRINTF(3, 4);
static void fail(tn_hparams *h, int code, const char *fmt, ...) {
    if (h->error.code) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(h->error.text, sizeof h->error.text, fmt, args);
    va_end(args);
    h->error.code = code;
}

static hp_value from_json(json_t *j) {
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_NULL: return (hp_value){.kind = HP_NONE};
    case JSON_INTEGER: return (hp_value){.kind = HP_INT, .i = json_integer_value(j)};
    case JSON_REAL: return (hp_value){.kind = HP_REAL, .f = json_real_value(j)};
    case JSON_TRUE: return (hp_value){.kind = HP_BOOL, .i = 1};
    case JSON_FALSE: return (hp_value){.kind = HP_BOOL, .i = 0};
    case JSON_STRING:
        return (hp_value){.kind = HP_STRING, .s = json_string_value(j), .len = json_string_length(j)};
    case JSON_ARRAY: return (hp_value){.kind = HP_ARRAY, .array = j};
    default: return (hp_value){.kind = HP_OTHER};
    }
}

static hp_value from_gguf(const tn_gguf_value *v) {
    if (!v) return (hp_value){.kind = HP_NONE};
    switch (v->type) {
    case TN_GGUF_U8:
    case TN_GGUF_U16:
    case TN_GGUF_U32:
    case TN_GGUF_U64:
        if (v->u > INT64_MAX) return (hp_value){.kind = HP_REAL, .f = (double)v->u};
        return (hp_value){.kind = HP_INT, .i = (int64_t)v->u};
    case TN_GGUF_I8:
    case TN_GGUF_I16:
    case TN_GGUF_I32:
    case TN_GGUF_I64: return (hp_value){.kind = HP_INT, .i = v->i};
    case TN_GGUF_F32:
    case TN_GGUF_F64: return (hp_value){.kind = HP_REAL, .f = v->f};
    case TN_GGUF_BOOL: return (hp_value){.kind = HP_BOOL, .i = v->u != 0};
    case TN_GGUF_STRING: return (hp_value){.kind = HP_STRING, .s = v->data, .len = v->len};
    case TN_GGUF_ARRAY: return (hp_value){.kind = HP_ARRAY, .gguf_array = v};
    }
    return (hp_value){.kind = HP_OTHER};
}

static json_t *json_path(json_t *at, const char *path) {
    char part[MAX_KEY];
    while (at && *path) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof part) return NULL;
        memcpy(part, path, n);
        part[n] = 0;
        at = json_object_get(at, part);
        path += n + (path[n] == '.');
    }
    return at;
}

/* Files beside config.json, by the first word of a path; NULL: it is of config.json. */
static const char *other_file(const tn_hparams *h, const char *hf, json_t **ret) {
    static const char *const words[] = {"preprocessor.", "video_preprocessor."};
    for (int i = 0; i < 2; i++) {
        if (strncmp(hf, words[i], strlen(words[i])) != 0) continue;
        *ret = tn_checkpoint_processor_config(h->ckpt, i == 1);
        return hf + strlen(words[i]);
    }
    return NULL;
}

static hp_value look_up(const tn_hparams *h, const char *hf, const char *gguf) {
    char key[MAX_KEY];
    json_t *other;
    if (h->config) {
        if (!hf) return (hp_value){.kind = HP_NONE};
        const char *rest = other_file(h, hf, &other);
        if (rest) return from_json(json_path(other, rest));
        hp_value v = from_json(json_path(h->config, hf));
        if (v.kind == HP_NONE) v = from_json(json_path(json_object_get(h->config, "text_config"), hf));
        return v;
    }
    if (!gguf) return (hp_value){.kind = HP_NONE};
    int n = snprintf(key, sizeof key, "%s%s", gguf[0] == '.' ? h->arch : "", gguf);
    if (n < 0 || (size_t)n >= sizeof key) return (hp_value){.kind = HP_NONE};
    const tn_gguf *g = strncmp(gguf, "clip.", 5) == 0 ? tn_checkpoint_mmproj(h->ckpt) : h->gguf;
    return from_gguf(g ? tn_gguf_find(g, key) : NULL);
}

static hp_value element(const hp_value *v, uint32_t i) {
    if (v->array) return from_json(json_array_get(v->array, i));
    if (i >= v->gguf_array->len) return (hp_value){.kind = HP_NONE};
    tn_gguf_iter it = tn_gguf_iter_begin(v->gguf_array);
    tn_gguf_value e = {0};
    for (uint32_t k = 0; k <= i; k++)
        if (!tn_gguf_iter_next(&it, &e)) return (hp_value){.kind = HP_NONE};
    hp_value r = from_gguf(&e);
    return r;
}

static int32_t hp_has(const tn_config *c, const char *hf, const char *gguf) {
    return look_up(self(c), hf, gguf).kind != HP_NONE;
}

static uint32_t to_u32(tn_hparams *h, const char *name, hp_value v, uint32_t def, uint32_t max) {
    uint32_t fallback = def == TN_REQUIRED_U32 ? 1 : def;
    if (v.kind == HP_NONE) {
        if (def == TN_REQUIRED_U32) fail(h, TN_EFORMAT, "%s is missing", name);
        return fallback;
    }
    if (v.kind == HP_REAL && v.f == floor(v.f) && fabs(v.f) < 1e15)
        v = (hp_value){.kind = HP_INT, .i = (int64_t)v.f};
    if (v.kind == HP_BOOL) v.kind = HP_INT;
    if (v.kind != HP_INT) {
        fail(h, TN_EFORMAT, "%s is not a whole number", name);
        return fallback;
    }
    int64_t min = def == TN_REQUIRED_U32;
    if (v.i < min || v.i > max) {
        fail(h, TN_EFORMAT, "%s is %lld, it must be from %lld to %u", name, (long long)v.i, (long long)min,
             max);
        return fallback;
    }
    return (uint32_t)v.i;
}

static uint32_t hp_u32(const tn_config *c, const char *hf, const char *gguf, uint32_t def, uint32_t max) {
    return to_u32(self(c), spelling(self(c), hf, gguf), look_up(self(c), hf, gguf), def, max);
}

static uint32_t hp_u32_at(const tn_config *c, const char *hf, const char *gguf, uint32_t i, uint32_t def,
                          uint32_t max) {
    hp_value v = look_up(self(c), hf, gguf);
    if (v.kind == HP_ARRAY) v = element(&v, i);
    return to_u32(self(c), spelling(self(c), hf, gguf), v, def, max);
}

static bool to_f64(tn_hparams *h, const char *name, const hp_value *v, double *ret) {
    if (v->kind == HP_NONE) return false;
    if (v->kind != HP_INT && v->kind != HP_REAL) {
        fail(h, TN_EFORMAT, "%s is not a number", name);
        return false;
    }
    double f = v->kind == HP_INT ? (double)v->i : v->f;
    if (!isfinite(f)) {
        fail(h, TN_EFORMAT, "%s is not finite", name);
        return false;
    }
    *ret = f;
    return true;
}

bool tn_hparams_f64(tn_hparams *h, const char *hf, const char *gguf, double *ret) {
    hp_value v = look_up(h, hf, gguf);
    return to_f64(h, spelling(h, hf, gguf), &v, ret);
}

uint32_t tn_hparams_f64s(tn_hparams *h, const char *hf, const char *gguf, double *ret, uint32_t max) {
    hp_value v = look_up(h, hf, gguf);
    if (v.kind == HP_NONE) return 0;
    if (v.kind != HP_ARRAY) {
        fail(h, TN_EFORMAT, "%s is not an array", spelling(h, hf, gguf));
        return 0;
    }
    uint32_t n = 0;
    for (; n < max; n++) {
        hp_value e = element(&v, n);
        if (!to_f64(h, spelling(h, hf, gguf), &e, &ret[n])) break;
    }
    return n;
}

static float hp_f32(const tn_config *c, const char *hf, const char *gguf, float def) {
    tn_hparams *h = self(c);
    double f;
    bool required = def == TN_REQUIRED_F32;
    if (!tn_hparams_f64(h, hf, gguf, &f)) {
        if (required) fail(h, TN_EFORMAT, "%s is missing", spelling(h, hf, gguf));
        return required ? 1 : def;
    }
    if (required && f <= 0) {
        fail(h, TN_EFORMAT, "%s is %g, it must be positive", spelling(h, hf, gguf), f);
        return 1;
    }
    return (float)f;
}

static int32_t hp_flag(const tn_config *c, const char *hf, const char *gguf, int32_t def) {
    hp_value v = look_up(self(c), hf, gguf);
    if (v.kind == HP_NONE) return def;
    if (v.kind == HP_BOOL || v.kind == HP_INT) return v.i != 0;
    fail(self(c), TN_EFORMAT, "%s is neither true nor false", spelling(self(c), hf, gguf));
    return def;
}

/* GGUF strings have no NUL of their own; the copies live as long as h. */
static const char *keep_string(tn_hparams *h, const hp_value *v, const char *def) {
    if (h->config) return v->s;
    if (h->n_string >= MAX_STRINGS || v->len > MAX_STRING) {
        fail(h, TN_ELIMIT, "too many or too long strings in the metadata");
        return def;
    }
    tn_buf *grown = realloc(h->strings, (h->n_string + 1) * sizeof *grown);
    if (!grown) return def;
    h->strings = grown;
    tn_buf *b = &h->strings[h->n_string++];
    tn_buf_init(b, MAX_STRING);
    return tn_buf_add(b, v->s, v->len) == 0 ? b->data : def;
}

static const char *to_str(tn_hparams *h, const char *name, const hp_value *v, const char *def) {
    if (v->kind == HP_NONE) return def;
    if (v->kind == HP_STRING) return keep_string(h, v, def);
    fail(h, TN_EFORMAT, "%s is not a string", name);
    return def;
}

static const char *hp_str(const tn_config *c, const char *hf, const char *gguf, const char *def) {
    hp_value v = look_up(self(c), hf, gguf);
    return to_str(self(c), spelling(self(c), hf, gguf), &v, def);
}

static const char *hp_str_at(const tn_config *c, const char *hf, const char *gguf, uint32_t i,
                             const char *def) {
    hp_value v = look_up(self(c), hf, gguf);
    if (v.kind == HP_ARRAY) v = element(&v, i);
    return to_str(self(c), spelling(self(c), hf, gguf), &v, def);
}

const tn_tensor *tn_hparams_tensor(const tn_checkpoint *c, const char *hf, const char *gguf) {
    static const char *const prefixes[] = {"model.", "", "model.language_model.", "language_model.model.",
                                           "language_model."};
    char name[2 * MAX_KEY];
    if (tn_checkpoint_gguf(c)) return gguf ? tn_checkpoint_tensor_find(c, gguf) : NULL;
    if (!hf) return NULL;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        int n = snprintf(name, sizeof name, "%s%s", prefixes[i], hf);
        if (n < 0 || (size_t)n >= sizeof name) return NULL;
        const tn_tensor *t = tn_checkpoint_tensor_find(c, name);
        if (t) return t;
    }
    return NULL;
}

static int32_t hp_has_tensor(const tn_config *c, const char *hf, const char *gguf) {
    return tn_hparams_tensor(self(c)->ckpt, hf, gguf) != NULL;
}

static uint64_t hp_tensor_dim(const tn_config *c, const char *hf, const char *gguf, uint32_t axis) {
    const tn_tensor *t = tn_hparams_tensor(self(c)->ckpt, hf, gguf);
    return t && axis < t->n_dim ? t->dim[axis] : 0;
}

TN_PRINTF(3, 4)
static void hp_reject(const tn_config *c, int32_t status, const char *fmt, ...) {
    tn_hparams *h = self(c);
    if (h->error.code) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(h->error.text, sizeof h->error.text, fmt, args);
    va_end(args);
    h->error.code = status < 0 ? status : TN_ENOTSUP;
}

static char *architecture(const tn_hparams *h) {
    if (h->config) {
        const char *type = json_string_value(json_object_get(h->config, "model_type"));
        return strdup(type ? type : "");
    }
    const tn_gguf_value *v = tn_gguf_find(h->gguf, "general.architecture");
    return v && v->type == TN_GGUF_STRING && v->len < 64 ? strndup(v->data, v->len) : strdup("");
}

int tn_hparams_init(tn_hparams *h, const tn_checkpoint *c, tn_error *err) {
    *h = (tn_hparams){.ckpt = c, .config = tn_checkpoint_config(c), .gguf = tn_checkpoint_gguf(c)};
    h->arch = architecture(h);
    if (!h->arch) return tn_fail(err, TN_ENOMEM, "out of memory");
    h->api = (tn_config){
        .size = sizeof(tn_config),
        .format = h->config ? TN_CONFIG_HF : TN_CONFIG_GGUF,
        .arch = h->arch,
        .ctx = h,
        .has = hp_has,
        .u32 = hp_u32,
        .u32_at = hp_u32_at,
        .f32 = hp_f32,
        .flag = hp_flag,
        .str = hp_str,
        .str_at = hp_str_at,
        .has_tensor = hp_has_tensor,
        .tensor_dim = hp_tensor_dim,
        .reject = hp_reject,
    };
    return 0;
}

void tn_hparams_fini(tn_hparams *h) {
    for (uint32_t i = 0; i < h->n_string; i++) tn_buf_free(&h->strings[i]);
    free(h->strings);
    free(h->arch);
    *h = (tn_hparams){0};
}

int tn_hparams_status(tn_hparams *h, tn_error *err) {
    int code = h->error.code;
    if (!code) return 0;
    tn_fail(err, code, "%s", h->error.text);
    h->error = (tn_error){0};
    return code;
}
