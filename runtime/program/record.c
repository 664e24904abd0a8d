/* SPDX-License-Identifier: Apache-2.0 */
#include "program/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "program/rope.h"

enum { MAX_OPS = 1 << 18, MAX_NAME = 256, MAX_LAYER = 4096, MAX_COLS = 1 << 24 };
enum { MAX_STATE = 1 << 28, MAX_HEAD = 4096, MAX_FOLD = 256, MAX_SPLIT = 1 << 14, MAX_KERNEL = 64 };

typedef struct recording {
    tn_recorder api; /* first: the family hands it back */
    tn_hparams *h;
    tn_program *p;
    tn_error *err;
    int status;
    uint32_t op_cap, value_cap, weight_cap, rope_cap;
    uint32_t stage; /* of the operations being recorded */
    uint32_t n_attention;
} recording;

static recording *self(tn_recorder *r) {
    return r->ctx;
}

static const char *const op_names[TN_N_OP] = {
    [TN_OP_EMBED] = "embed",
    [TN_OP_LINEAR] = "linear",
    [TN_OP_RMS_NORM] = "rms_norm",
    [TN_OP_ROPE] = "rope",
    [TN_OP_ATTENTION] = "attention",
    [TN_OP_CONV] = "conv",
    [TN_OP_DELTA_RULE] = "delta_rule",
    [TN_OP_SLICE] = "slice",
    [TN_OP_GLU] = "glu",
    [TN_OP_ADD] = "add",
    [TN_OP_SCALE] = "scale",
    [TN_OP_SOFTCAP] = "softcap",
    [TN_OP_OUTPUT_ROWS] = "output_rows",
    [TN_OP_TAP] = "tap",
    [TN_OP_LAYER_NORM] = "layer_norm",
    [TN_OP_ACTIVATE] = "activate",
    [TN_OP_MEDIA] = "media",
    [TN_OP_INPUT] = "input",
    [TN_OP_MIX] = "mix",
    [TN_OP_FOLD] = "fold",
    [TN_OP_MEAN] = "mean",
    [TN_OP_EMBED_TYPE] = "embed_type",
    [TN_OP_UNFOLD] = "unfold",
    [TN_OP_POSITIONS] = "positions",
    [TN_OP_CROSS] = "cross_attention",
};

const char *tn_op_name(tn_op_kind kind) {
    return op_names[kind];
}

/* Keeps the first failure; returns 0 so that recording functions can `return fail(...)`. */
static uint32_t fail(recording *r, int code, const char *fmt, ...) TN_PRINTF(3, 4);
static uint32_t fail(recording *r, int code, const char *fmt, ...) {
    if (r->status) return 0;
    char text[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->status = tn_fail(r->err, code, "%s", text);
    return 0;
}

/* Makes room for one more element after n; false (and the failure kept) when there is none. */
static bool grow(recording *r, void *array, uint32_t n, uint32_t *cap, size_t size) {
    if (n < *cap) return true;
    void *p, **at = array;
    uint32_t want = *cap ? *cap * 2 : 64;
    if (want > MAX_OPS) return fail(r, TN_ELIMIT, "a program of more than %d operations", MAX_OPS);
    p = realloc(*at, want * size);
    if (!p) return fail(r, TN_ENOMEM, "out of memory");
    memset((char *)p + *cap * size, 0, (want - *cap) * size);
    *at = p;
    *cap = want;
    return true;
}

static const tn_value_info *value(recording *r, tn_op_kind op, tn_value v) {
    if (r->status) return NULL;
    if (v == 0 || v > r->p->n_value) {
        fail(r, TN_EMODULE, "%s: value %u does not exist", op_names[op], v);
        return NULL;
    }
    return &r->p->values[v];
}

static const tn_weight_info *weight_info(recording *r, tn_op_kind op, tn_weight w) {
    if (r->status) return NULL;
    if (w == 0 || w > r->p->n_weight) {
        fail(r, TN_EMODULE, "%s: weight %u does not exist", op_names[op], w);
        return NULL;
    }
    return &r->p->weights[w];
}

/* Some operations are for one kind of program. */
static bool has_place(recording *r, tn_op_kind op) {
    bool for_towers = op == TN_OP_INPUT || op == TN_OP_MIX || op == TN_OP_FOLD || op == TN_OP_MEAN ||
                      op == TN_OP_UNFOLD || op == TN_OP_EMBED_TYPE;
    bool for_text = op == TN_OP_CONV || op == TN_OP_DELTA_RULE || op == TN_OP_OUTPUT_ROWS ||
                    op == TN_OP_MEDIA || op == TN_OP_POSITIONS || op == TN_OP_CROSS;
    if (r->p->is_tower ? for_text : for_towers)
        return fail(r, TN_EMODULE, "%s has no place in a %s", op_names[op],
                    r->p->is_tower ? "tower" : "text program");
    return true;
}

/* Appends op with a new value of this shape (cols 0: none) and returns the value. */
static tn_value append(recording *r, tn_op op, uint32_t rows, uint64_t cols) {
    tn_program *p = r->p;
    if (r->status || !has_place(r, op.kind)) return 0;
    if (cols > MAX_COLS)
        return fail(r, TN_ELIMIT, "%s: %llu columns, the limit is %d", op_names[op.kind],
                    (unsigned long long)cols, MAX_COLS);
    if (!grow(r, &p->ops, p->n_op, &r->op_cap, sizeof *p->ops)) return 0;
    if (cols) {
        if (!grow(r, &p->values, p->n_value + 1, &r->value_cap, sizeof *p->values)) return 0;
        p->values[++p->n_value] = (tn_value_info){.rows = rows, .cols = (uint32_t)cols};
        op.out = p->n_value;
    }
    op.stage = r->stage;
    p->ops[p->n_op++] = op;
    return op.out;
}

/* The tensor's shape as text, for messages: "[617, 256]". */
static void shape_text(const tn_tensor *t, char *ret, size_t size) {
    size_t n = 0;
    for (uint32_t i = 0; i < t->n_dim && n < size; i++)
        n += (size_t)snprintf(ret + n, size - n, "%s%llu", i ? ", " : "[", (unsigned long long)t->dim[i]);
    if (n < size) snprintf(ret + n, size - n, "]");
}

static bool layer_name(const char *pattern, uint32_t layer, char *ret) {
    const char *at = strstr(pattern, "%u");
    int n = at ? snprintf(ret, MAX_NAME, "%.*s%u%s", (int)(at - pattern), pattern, layer, at + 2)
               : snprintf(ret, MAX_NAME, "%s", pattern);
    return n >= 0 && n < MAX_NAME;
}

static bool shape_fits(const tn_tensor *t, const tn_weight_desc *w) {
    uint64_t rows = w->rows ? w->fused_rows ? w->fused_rows : w->rows : 1;
    if (w->rows == 0 && t->n_dim != 1) return false;
    if (w->rows == TN_ROWS_OF_FILE)
        return !w->fused_rows && tn_tensor_cols(t) == w->cols && tn_tensor_rows(t) <= MAX_COLS;
    if (w->fused_rows && (uint64_t)w->first_row + w->rows > w->fused_rows) return false;
    return tn_tensor_cols(t) == w->cols && tn_tensor_rows(t) == rows;
}

static uint32_t rows_of(const tn_tensor *t, const tn_weight_desc *w) {
    if (w->rows == TN_ROWS_OF_FILE) return (uint32_t)tn_tensor_rows(t);
    return w->rows ? w->rows : 1;
}

static bool type_is_weight(tn_type type) {
    return !(type >= TN_TYPE_I8 && type <= TN_TYPE_I64) && !(type > TN_TYPE_AFFINE && type <= TN_TYPE_BOOL);
}

static tn_weight find_weight(const tn_program *p, const tn_weight_info *want) {
    for (uint32_t i = 1; i <= p->n_weight; i++) {
        const tn_weight_info *w = &p->weights[i];
        if (w->tensor == want->tensor && w->first_row == want->first_row && w->rows == want->rows &&
            w->add_one == want->add_one && w->neg_exp == want->neg_exp)
            return i;
    }
    return 0;
}

static bool is_plain(tn_type type) {
    return type == TN_TYPE_F32 || type == TN_TYPE_F16 || type == TN_TYPE_BF16;
}

/* [d0, d1, ...] as [d0, d1 * ...]. */
static tn_tensor *flat_view(const tn_tensor *t) {
    tn_tensor *view = malloc(sizeof *view);
    if (!view) return NULL;
    *view = *t;
    view->n_dim = 2;
    view->dim[1] = 1;
    for (uint32_t i = 1; i < t->n_dim; i++) view->dim[1] *= t->dim[i];
    return view;
}

/* [cols, rows] as a copy [rows, cols] behind the view. */
static tn_tensor *transposed_view(const tn_tensor *t) {
    const size_t n_row = t->dim[1], n_col = t->dim[0], size = tn_type_info_get(t->type)->block_bytes;
    tn_tensor *view = malloc(sizeof *view + n_row * n_col * size);
    if (!view) return NULL;
    uint8_t *to = (uint8_t *)(view + 1);
    *view = *t;
    view->dim[0] = n_row;
    view->dim[1] = n_col;
    view->data = to;
    for (size_t i = 0; i < n_row; i++)
        for (size_t j = 0; j < n_col; j++, to += size) memcpy(to, t->data + (j * n_row + i) * size, size);
    return view;
}

/* The tensor as the flags want to see it; *view is owned by the caller, NULL where that is how it is. */
static const tn_tensor *seen_as(recording *r, const tn_tensor *t, uint32_t flags, tn_tensor **view) {
    bool transposed = flags & TN_WEIGHT_TRANSPOSED;
    *view = NULL;
    if (!transposed && (!(flags & TN_WEIGHT_FLAT) || t->n_dim <= 2)) return t;
    if (!is_plain(t->type) || (transposed && t->n_dim != 2)) {
        fail(r, TN_ENOTSUP, "tensor %s has the type %s, which cannot be reshaped", t->name,
             tn_type_info_get(t->type)->name);
        return NULL;
    }
    *view = transposed ? transposed_view(t) : flat_view(t);
    if (!*view) fail(r, TN_ENOMEM, "out of memory");
    return *view;
}

static bool check_weight(recording *r, const tn_tensor *t, const tn_weight_desc *w) {
    char shape[96];
    shape_text(t, shape, sizeof shape);
    if (!shape_fits(t, w)) {
        if (w->rows == 0) return fail(r, TN_EFORMAT, "tensor %s is %s, not [%u]", t->name, shape, w->cols);
        if (w->rows == TN_ROWS_OF_FILE)
            return fail(r, TN_EFORMAT, "tensor %s is %s, not [n, %u]", t->name, shape, w->cols);
        return fail(r, TN_EFORMAT, "tensor %s is %s, not [%u, %u]", t->name, shape,
                    w->fused_rows ? w->fused_rows : w->rows, w->cols);
    }
    if (!type_is_weight(t->type))
        return fail(r, TN_EFORMAT, "tensor %s has the type %s, which weights cannot have", t->name,
                    tn_type_info_get(t->type)->name);
    return true;
}

static tn_weight rec_weight(tn_recorder *api, const tn_weight_desc *w, uint32_t layer) {
    recording *r = self(api);
    char hf[MAX_NAME] = "", gguf[MAX_NAME] = "";
    if (r->status) return 0;
    if ((w->hf && !layer_name(w->hf, layer, hf)) || (w->gguf && !layer_name(w->gguf, layer, gguf)))
        return fail(r, TN_EMODULE, "a weight's name is longer than %d characters", MAX_NAME);
    const char *name = r->h->config ? hf : gguf;
    const tn_tensor *t = tn_hparams_tensor(r->h->ckpt, w->hf ? hf : NULL, w->gguf ? gguf : NULL);
    if (!t && (w->flags & TN_WEIGHT_OPTIONAL)) return 0;
    if (!t) return fail(r, TN_EFORMAT, "tensor %s is missing", *name ? name : w->hf ? w->hf : "(unnamed)");
    tn_tensor *view;
    t = seen_as(r, t, w->flags, &view);
    if (!t || !check_weight(r, t, w)) {
        free(view);
        return 0;
    }
    tn_weight_info info = {.tensor = t,
                           .view = view,
                           .first_row = w->fused_rows ? w->first_row : 0,
                           .rows = rows_of(t, w),
                           .cols = w->cols,
                           .add_one = (w->flags & TN_WEIGHT_ADD_ONE_HF) && r->h->config,
                           .neg_exp = (w->flags & TN_WEIGHT_NEG_EXP_HF) && r->h->config};
    tn_weight known = find_weight(r->p, &info);
    if (known) return known;
    if (!grow(r, &r->p->weights, r->p->n_weight + 1, &r->weight_cap, sizeof info)) {
        free(view);
        return 0;
    }
    info.name = strdup(t->name);
    info.gguf = w->gguf ? strdup(gguf) : NULL;
    r->p->weights[++r->p->n_weight] = info;
    if (!info.name || (w->gguf && !info.gguf)) return fail(r, TN_ENOMEM, "out of memory");
    return r->p->n_weight;
}

static tn_rope rec_rope_table(tn_recorder *api, const tn_rope_desc *d) {
    recording *r = self(api);
    tn_program *p = r->p;
    if (r->status || !grow(r, &p->ropes, p->n_rope + 1, &r->rope_cap, sizeof *p->ropes)) return 0;
    p->n_rope++;
    r->status = tn_rope_build(r->h, d, &p->ropes[p->n_rope], r->err);
    return r->status ? 0 : p->n_rope;
}

static tn_value rec_embed(tn_recorder *api, tn_weight w, float scale) {
    recording *r = self(api);
    const tn_weight_info *wi = weight_info(r, TN_OP_EMBED, w);
    if (!wi) return 0;
    if (!r->p->n_embd) r->p->n_embd = wi->cols;
    if (r->p->is_tower) r->p->n_vocab = wi->rows;
    return append(r, (tn_op){.kind = TN_OP_EMBED, .w = w, .f = scale}, TN_ROWS_TOKEN, wi->cols);
}

static tn_value rec_embed_type(tn_recorder *api, tn_weight w) {
    recording *r = self(api);
    const tn_weight_info *wi = weight_info(r, TN_OP_EMBED_TYPE, w);
    if (!wi) return 0;
    return append(r, (tn_op){.kind = TN_OP_EMBED_TYPE, .w = w}, TN_ROWS_TOKEN, wi->cols);
}

static tn_value rec_linear(tn_recorder *api, tn_value x, tn_weight w, tn_weight bias) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_LINEAR, x);
    const tn_weight_info *wi = weight_info(r, TN_OP_LINEAR, w);
    if (!xi || !wi) return 0;
    if (xi->cols != wi->cols)
        return fail(r, TN_EMODULE, "linear: %u columns meet weight %s of %u columns", xi->cols, wi->name,
                    wi->cols);
    if (bias) {
        const tn_weight_info *bi = weight_info(r, TN_OP_LINEAR, bias);
        if (!bi) return 0;
        if (bi->rows != 1 || bi->cols != wi->rows)
            return fail(r, TN_EMODULE, "linear: bias %s has %u values for %u rows", bi->name, bi->cols,
                        wi->rows);
    }
    return append(r, (tn_op){.kind = TN_OP_LINEAR, .in = {x}, .w = w, .bias = bias}, xi->rows, wi->rows);
}

static tn_value rec_rms_norm(tn_recorder *api, tn_value x, tn_weight w, float eps) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_RMS_NORM, x);
    const tn_weight_info *wi = weight_info(r, TN_OP_RMS_NORM, w);
    if (!xi || !wi) return 0;
    if (wi->rows != 1 || xi->cols % wi->cols != 0)
        return fail(r, TN_EMODULE, "rms_norm: %u columns are no multiple of %s's %u", xi->cols, wi->name,
                    wi->cols);
    if (!(eps >= 0)) return fail(r, TN_EFORMAT, "rms_norm: eps is %g", (double)eps);
    return append(r, (tn_op){.kind = TN_OP_RMS_NORM, .in = {x}, .w = w, .group = wi->cols, .f = eps},
                  xi->rows, xi->cols);
}

static tn_value rec_rope(tn_recorder *api, tn_value x, uint32_t head_dim, tn_rope table) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_ROPE, x);
    if (!xi) return 0;
    if (table == 0 || table > r->p->n_rope)
        return fail(r, TN_EMODULE, "rope: table %u does not exist", table);
    if (xi->rows != TN_ROWS_TOKEN) return fail(r, TN_EMODULE, "rope: its rows are not the step's tokens");
    if (!head_dim || xi->cols % head_dim || r->p->ropes[table].n_dims > head_dim)
        return fail(r, TN_EMODULE, "rope: heads of %u in %u columns, %u of them rotated", head_dim, xi->cols,
                    r->p->ropes[table].n_dims);
    return append(r, (tn_op){.kind = TN_OP_ROPE, .in = {x}, .group = head_dim, .rope = table}, xi->rows,
                  xi->cols);
}

/* The cache entry of a layer, made when it is new; NULL (and the failure kept) when there is none. */
static tn_cache_info *cache_slot(recording *r, tn_op_kind op, uint32_t layer) {
    tn_program *p = r->p;
    if (layer >= MAX_LAYER) {
        fail(r, TN_ELIMIT, "%s: layer %u, the limit is %d", op_names[op], layer, MAX_LAYER);
        return NULL;
    }
    if (layer >= p->n_layer) {
        tn_cache_info *grown = realloc(p->caches, (layer + 1) * sizeof *grown);
        if (!grown) {
            fail(r, TN_ENOMEM, "out of memory");
            return NULL;
        }
        memset(grown + p->n_layer, 0, (layer + 1 - p->n_layer) * sizeof *grown);
        p->caches = grown;
        p->n_layer = layer + 1;
    }
    return &p->caches[layer];
}

/* The layer's keys and values are this attention's own. */
static bool store_keys(recording *r, const tn_attention_desc *a) {
    tn_cache_info *c = cache_slot(r, TN_OP_ATTENTION, a->layer);
    if (!c) return false;
    if (c->head_dim || c->n_state)
        return fail(r, TN_EMODULE, "attention: layer %u keeps something already", a->layer);
    *c = (tn_cache_info){.n_head_kv = a->n_head_kv, .head_dim = a->head_dim, .window = a->window};
    return true;
}

/* They are those of an earlier one, whose pages are kept as long as its own window needs them. */
static bool share_keys(recording *r, const tn_attention_desc *a) {
    const tn_program *p = r->p;
    const tn_cache_info *c = a->layer < p->n_layer ? &p->caches[a->layer] : NULL;
    if (!c || !c->head_dim)
        return fail(r, TN_EMODULE, "attention: no keys and values, and none of layer %u before it", a->layer);
    if (c->n_head_kv != a->n_head_kv || c->head_dim != a->head_dim)
        return fail(r, TN_EMODULE, "attention: %u heads of %u over layer %u's %u heads of %u", a->n_head_kv,
                    a->head_dim, a->layer, c->n_head_kv, c->head_dim);
    if (c->window && (!a->window || a->window > c->window))
        return fail(r, TN_EMODULE, "attention: a window of %u tokens over layer %u's of %u", a->window,
                    a->layer, c->window);
    return true;
}

static bool check_attention(recording *r, const tn_attention_desc *a, uint32_t q_cols) {
    if (!a->n_head || !a->n_head_kv || !a->head_dim || a->n_head % a->n_head_kv)
        return fail(r, TN_EFORMAT, "attention: %u heads over %u key/value heads of %u", a->n_head,
                    a->n_head_kv, a->head_dim);
    if (q_cols != (uint64_t)a->n_head * a->head_dim)
        return fail(r, TN_EMODULE, "attention: q has %u columns for %u heads of %u", q_cols, a->n_head,
                    a->head_dim);
    if (!isfinite(a->scale) || !(a->softcap >= 0)) return fail(r, TN_EFORMAT, "attention: scale or softcap");
    if (r->p->is_tower ? a->sees > TN_SEES_AROUND : a->sees != TN_SEES_PAST)
        return fail(r, TN_EMODULE, "attention: it sees %u, which a %s has not", a->sees,
                    r->p->is_tower ? "tower" : "text program");
    return true;
}

/* Attentions of a tower take turns with two rooms for keys and values: while some rows go through a stage,
 * which stores those of the next attention, others have yet to look at those of this one. */
static bool keep_for_stage(recording *r, tn_attention_desc *a) {
    a->layer = r->n_attention++ % 2;
    if (a->sees != TN_SEES_PAST && a->sees != TN_SEES_AROUND) a->window = 0;
    tn_cache_info *c = cache_slot(r, TN_OP_ATTENTION, a->layer);
    if (!c) return false;
    if (c->head_dim && (c->n_head_kv != a->n_head_kv || c->head_dim != a->head_dim))
        return fail(r, TN_EMODULE, "attention: %u heads of %u after %u heads of %u", a->n_head_kv,
                    a->head_dim, c->n_head_kv, c->head_dim);
    *c = (tn_cache_info){.n_head_kv = a->n_head_kv, .head_dim = a->head_dim};
    r->stage++;
    return true;
}

/* A value of this many columns whose rows are the step's tokens. */
static bool check_tokens(recording *r, tn_op_kind op, const char *what, const tn_value_info *v,
                         uint64_t cols) {
    if (!v) return false;
    if (v->rows != TN_ROWS_TOKEN)
        return fail(r, TN_EMODULE, "%s: rows of %s are not the step's tokens", op_names[op], what);
    if (v->cols != cols)
        return fail(r, TN_EMODULE, "%s: %s has %u columns, not %llu", op_names[op], what, v->cols,
                    (unsigned long long)cols);
    return true;
}

static tn_value rec_attention(tn_recorder *api, tn_value q, tn_value k, tn_value v,
                              const tn_attention_desc *a) {
    recording *r = self(api);
    const tn_value_info *qi = value(r, TN_OP_ATTENTION, q);
    if (!qi || !check_attention(r, a, qi->cols)) return 0;
    uint64_t kv_cols = (uint64_t)a->n_head_kv * a->head_dim;
    tn_op op = {.kind = TN_OP_ATTENTION, .in = {q, k, v}, .attention = *a};
    if (!check_tokens(r, TN_OP_ATTENTION, "q", qi, qi->cols)) return 0;
    if (k || v || r->p->is_tower) {
        if (!check_tokens(r, TN_OP_ATTENTION, "k", value(r, TN_OP_ATTENTION, k), kv_cols) ||
            !check_tokens(r, TN_OP_ATTENTION, "v", value(r, TN_OP_ATTENTION, v), kv_cols) ||
            !(r->p->is_tower ? keep_for_stage(r, &op.attention) : store_keys(r, a)))
            return 0;
    } else if (!share_keys(r, a)) {
        return 0;
    }
    return append(r, op, TN_ROWS_TOKEN, qi->cols);
}

/* Room for n elements in the state of a layer; *ret: where it starts. */
static bool take_state(recording *r, tn_op_kind op, uint32_t layer, uint64_t n, uint32_t *ret) {
    tn_cache_info *c = cache_slot(r, op, layer);
    if (!c) return false;
    if (c->head_dim) return fail(r, TN_EMODULE, "%s: layer %u keeps keys and values", op_names[op], layer);
    if (n > MAX_STATE || c->n_state + n > MAX_STATE)
        return fail(r, TN_ELIMIT, "%s: a state of more than %d elements", op_names[op], MAX_STATE);
    *ret = c->n_state;
    c->n_state += (uint32_t)n;
    return true;
}

/* A vector of n elements, in whatever shape it is stored. */
static bool check_elements(recording *r, tn_op_kind op, tn_weight w, uint64_t n) {
    const tn_weight_info *wi = weight_info(r, op, w);
    if (!wi) return false;
    if ((uint64_t)wi->rows * wi->cols != n)
        return fail(r, TN_EMODULE, "%s: %s has %llu values, not %llu", op_names[op], wi->name,
                    (unsigned long long)wi->rows * wi->cols, (unsigned long long)n);
    return true;
}

static tn_value rec_conv(tn_recorder *api, tn_value x, tn_weight w, tn_weight bias, const tn_conv_desc *c) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_CONV, x);
    tn_op op = {.kind = TN_OP_CONV, .in = {x}, .w = w, .bias = bias, .conv = *c};
    if (!xi || !check_tokens(r, TN_OP_CONV, "x", xi, xi->cols)) return 0;
    if (c->kernel < 2 || c->kernel > TN_CONV_KERNEL || (c->activation && c->activation != TN_ACT_SILU))
        return fail(r, TN_EFORMAT, "conv: a kernel of %u, activation %u", c->kernel, c->activation);
    if (!check_elements(r, TN_OP_CONV, w, (uint64_t)xi->cols * c->kernel) ||
        (bias && !check_elements(r, TN_OP_CONV, bias, xi->cols)) ||
        !take_state(r, TN_OP_CONV, c->layer, tn_conv_state(c, xi->cols), &op.state))
        return 0;
    return append(r, op, xi->rows, xi->cols);
}

static bool check_delta(recording *r, const tn_delta_desc *d) {
    if (!d->n_head || !d->n_head_k || d->n_head % d->n_head_k || d->n_head > MAX_HEAD || !d->head_dim_k ||
        !d->head_dim_v || d->head_dim_k > TN_DELTA_DIM || d->head_dim_v > TN_DELTA_DIM)
        return fail(r, TN_EFORMAT, "delta_rule: %u heads of %u over %u heads of %u", d->n_head, d->head_dim_v,
                    d->n_head_k, d->head_dim_k);
    if (d->order != TN_HEADS_GROUPED && d->order != TN_HEADS_TILED)
        return fail(r, TN_EMODULE, "delta_rule: order %u", d->order);
    if (!isfinite(d->scale) || !(d->eps >= 0)) return fail(r, TN_EFORMAT, "delta_rule: scale or eps");
    return true;
}

static tn_value rec_delta_rule(tn_recorder *api, tn_value qkv, tn_value a, tn_value b, tn_weight rate,
                               tn_weight dt_bias, const tn_delta_desc *d) {
    const tn_op_kind kind = TN_OP_DELTA_RULE;
    recording *r = self(api);
    tn_op op = {.kind = kind, .in = {qkv, a, b}, .w = rate, .bias = dt_bias, .delta = *d};
    if (r->status || !check_delta(r, d)) return 0;
    if (!check_tokens(r, kind, "qkv", value(r, kind, qkv), tn_delta_cols(d)) ||
        !check_tokens(r, kind, "a", value(r, kind, a), d->n_head) ||
        !check_tokens(r, kind, "b", value(r, kind, b), d->n_head) ||
        !check_elements(r, kind, rate, d->n_head) || !check_elements(r, kind, dt_bias, d->n_head) ||
        !take_state(r, kind, d->layer, tn_delta_state(d), &op.state))
        return 0;
    return append(r, op, TN_ROWS_TOKEN, (uint64_t)d->n_head * d->head_dim_v);
}

static tn_value rec_slice(tn_recorder *api, tn_value x, uint32_t run, uint32_t first, uint32_t n) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_SLICE, x);
    if (!xi) return 0;
    if (!run || xi->cols % run || !n || first >= run || n > run - first)
        return fail(r, TN_EMODULE, "slice: %u from %u on of each %u of %u columns", n, first, run, xi->cols);
    return append(r, (tn_op){.kind = TN_OP_SLICE, .in = {x}, .group = run, .index = first}, xi->rows,
                  xi->cols / run * n);
}

static tn_value same_shape(recording *r, tn_op op) {
    const tn_value_info *a = value(r, op.kind, op.in[0]), *b = value(r, op.kind, op.in[1]);
    if (!a || !b) return 0;
    if (a->rows != b->rows || a->cols != b->cols)
        return fail(r, TN_EMODULE, "%s: %u and %u columns", op_names[op.kind], a->cols, b->cols);
    return append(r, op, a->rows, a->cols);
}

static tn_value rec_glu(tn_recorder *api, tn_value gate, tn_value up, uint32_t act) {
    recording *r = self(api);
    if (act < TN_ACT_SILU || act > TN_ACT_GELU_QUICK) return fail(r, TN_EMODULE, "glu: activation %u", act);
    return same_shape(r, (tn_op){.kind = TN_OP_GLU, .in = {gate, up}, .activation = act});
}

static tn_value rec_add(tn_recorder *api, tn_value a, tn_value b) {
    return same_shape(self(api), (tn_op){.kind = TN_OP_ADD, .in = {a, b}});
}

static tn_value one_input(recording *r, tn_op op) {
    const tn_value_info *x = value(r, op.kind, op.in[0]);
    return x ? append(r, op, x->rows, x->cols) : 0;
}

static tn_value rec_scale(tn_recorder *api, tn_value x, float factor) {
    return one_input(self(api), (tn_op){.kind = TN_OP_SCALE, .in = {x}, .f = factor});
}

static tn_value rec_softcap(tn_recorder *api, tn_value x, float cap) {
    recording *r = self(api);
    if (!(cap > 0)) return fail(r, TN_EFORMAT, "softcap: cap is %g", (double)cap);
    return one_input(r, (tn_op){.kind = TN_OP_SOFTCAP, .in = {x}, .f = cap});
}

static tn_value rec_output_rows(tn_recorder *api, tn_value x) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_OUTPUT_ROWS, x);
    if (!xi) return 0;
    if (xi->rows != TN_ROWS_TOKEN)
        return fail(r, TN_EMODULE, "output_rows: its rows are not the step's tokens");
    return append(r, (tn_op){.kind = TN_OP_OUTPUT_ROWS, .in = {x}}, TN_ROWS_OUTPUT, xi->cols);
}

static void rec_logits(tn_recorder *api, tn_value x) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_LINEAR, x);
    if (!xi) return;
    if (r->p->logits || xi->rows != TN_ROWS_OUTPUT) {
        fail(r, TN_EMODULE, "logits: recorded twice, or not on output rows");
        return;
    }
    r->p->logits = x;
    r->p->n_vocab = xi->cols;
}

static void rec_tap(tn_recorder *api, tn_value x, uint32_t index) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_TAP, x);
    if (!xi) return;
    if (index > MAX_LAYER || xi->cols != r->p->n_embd) {
        fail(r, TN_EMODULE, "tap: index %u, %u columns", index, xi->cols);
        return;
    }
    if (index >= r->p->n_tap) r->p->n_tap = index + 1;
    append(r, (tn_op){.kind = TN_OP_TAP, .in = {x}, .index = index}, 0, 0);
}

static tn_value rec_layer_norm(tn_recorder *api, tn_value x, tn_weight w, tn_weight bias, float eps) {
    recording *r = self(api);
    const tn_op_kind kind = TN_OP_LAYER_NORM;
    const tn_value_info *xi = value(r, kind, x);
    if (!xi || !check_elements(r, kind, w, xi->cols) || (bias && !check_elements(r, kind, bias, xi->cols)))
        return 0;
    if (!(eps >= 0)) return fail(r, TN_EFORMAT, "layer_norm: eps is %g", (double)eps);
    return append(r, (tn_op){.kind = kind, .in = {x}, .w = w, .bias = bias, .group = xi->cols, .f = eps},
                  xi->rows, xi->cols);
}

static tn_value rec_activate(tn_recorder *api, tn_value x, uint32_t act) {
    recording *r = self(api);
    if (act < TN_ACT_SILU || act > TN_ACT_GELU_QUICK)
        return fail(r, TN_EMODULE, "activate: activation %u", act);
    return one_input(r, (tn_op){.kind = TN_OP_ACTIVATE, .in = {x}, .activation = act});
}

static tn_value rec_media(tn_recorder *api, tn_value x, uint32_t part) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_MEDIA, x);
    if (!check_tokens(r, TN_OP_MEDIA, "x", xi, r->p->n_embd)) return 0;
    if (part >= TN_OUTPUT_PARTS)
        return fail(r, TN_ELIMIT, "media: part %u, the limit is %d", part, TN_OUTPUT_PARTS);
    return append(r, (tn_op){.kind = TN_OP_MEDIA, .in = {x}, .index = part}, xi->rows, xi->cols);
}

static tn_value rec_input(tn_recorder *api, uint32_t cols) {
    recording *r = self(api);
    if (r->status) return 0;
    if (r->p->n_input || !cols) return fail(r, TN_EMODULE, "input: %u columns, or recorded twice", cols);
    r->p->n_input = cols;
    return append(r, (tn_op){.kind = TN_OP_INPUT}, TN_ROWS_TOKEN, cols);
}

static tn_value rec_mix(tn_recorder *api, tn_weight table) {
    recording *r = self(api);
    const tn_weight_info *wi = weight_info(r, TN_OP_MIX, table);
    return wi ? append(r, (tn_op){.kind = TN_OP_MIX, .w = table}, TN_ROWS_TOKEN, wi->cols) : 0;
}

/* n rows become one. */
static tn_value join_rows(recording *r, tn_op_kind kind, tn_value x, uint32_t n, bool side_by_side) {
    const tn_value_info *xi = value(r, kind, x);
    if (!xi) return 0;
    uint64_t fold = (uint64_t)n * (xi->rows >> 8 ? xi->rows >> 8 : 1);
    if (xi->rows >= TN_ROWS_SPLIT(1)) return fail(r, TN_EMODULE, "%s: its rows were split", op_names[kind]);
    if (n < 1 || fold > MAX_FOLD)
        return fail(r, TN_EFORMAT, "%s: %llu rows become one, the limit is %d", op_names[kind],
                    (unsigned long long)fold, MAX_FOLD);
    if (fold > r->p->fold) r->p->fold = (uint32_t)fold;
    return append(r, (tn_op){.kind = kind, .in = {x}, .group = n}, TN_ROWS_FOLDED(fold),
                  side_by_side ? (uint64_t)n * xi->cols : xi->cols);
}
static tn_value rec_fold(tn_recorder *api, tn_value x, uint32_t n) {
    return join_rows(self(api), TN_OP_FOLD, x, n, true);
}
static tn_value rec_mean(tn_recorder *api, tn_value x, uint32_t n) {
    return join_rows(self(api), TN_OP_MEAN, x, n, false);
}

/* Values of x for each T; 0: it has fewer rows than T. */
static uint64_t values_of_row(const tn_value_info *x) {
    if (x->rows == TN_ROWS_TOKEN) return x->cols;
    return x->rows >= TN_ROWS_SPLIT(1) ? (uint64_t)(x->rows >> 17) * x->cols : 0;
}

static bool check_unfold(recording *r, const tn_unfold_desc *u, uint64_t values) {
    const uint64_t area = (uint64_t)u->frames * u->bins;
    bool ok = area && area <= MAX_SPLIT && values && values % area == 0;
    for (int i = 0; i < 2; i++)
        ok = ok && u->kernel[i] && u->kernel[i] <= MAX_KERNEL && u->stride[i] && u->pad[i] < u->kernel[i];
    if (ok && u->frames % u->stride[0] == 0 && u->bins + 2 * u->pad[1] >= u->kernel[1]) return true;
    return fail(r, TN_EMODULE,
                "unfold: %u frames of %u bins out of %llu values, a kernel of %u x %u, strides %u and %u",
                u->frames, u->bins, (unsigned long long)values, u->kernel[0], u->kernel[1], u->stride[0],
                u->stride[1]);
}

static tn_value rec_unfold(tn_recorder *api, tn_value x, const tn_unfold_desc *u) {
    recording *r = self(api);
    const tn_value_info *xi = value(r, TN_OP_UNFOLD, x);
    if (!xi || !check_unfold(r, u, values_of_row(xi))) return 0;
    const uint64_t channels = values_of_row(xi) / ((uint64_t)u->frames * u->bins);
    const uint64_t n = (uint64_t)(u->frames / u->stride[0]) * tn_unfold_bins(u);
    if (n > MAX_SPLIT) return fail(r, TN_ELIMIT, "unfold: a row becomes more than %d", MAX_SPLIT);
    r->stage++;
    return append(r, (tn_op){.kind = TN_OP_UNFOLD, .in = {x}, .group = (uint32_t)channels, .unfold = *u},
                  n == 1 ? TN_ROWS_TOKEN : TN_ROWS_SPLIT(n), channels * u->kernel[0] * u->kernel[1]);
}

/* A tensor of our own, F32, whose data follow it. */
static tn_tensor *sinusoid_view(uint32_t rows, uint32_t cols) {
    const size_t n = (size_t)rows * cols;
    tn_tensor *view = malloc(sizeof *view + n * sizeof(float));
    if (!view) return NULL;
    float *to = (float *)(void *)(view + 1);
    *view = (tn_tensor){.name = "sinusoids",
                        .type = TN_TYPE_F32,
                        .n_dim = 2,
                        .dim = {rows, cols},
                        .data = (const uint8_t *)to,
                        .bytes = n * sizeof(float)};
    const uint32_t half = cols / 2;
    for (uint32_t i = 0; i < half; i++) {
        const float f = half > 1 ? expf(-(float)(log(10000) / (half - 1)) * (float)i) : 1;
        for (uint32_t p = 0; p < rows; p++) {
            to[(size_t)p * cols + i] = sinf((float)p * f);
            to[(size_t)p * cols + half + i] = cosf((float)p * f);
        }
    }
    return view;
}

static tn_weight rec_sinusoids(tn_recorder *api, uint32_t rows, uint32_t cols) {
    recording *r = self(api);
    tn_program *p = r->p;
    if (r->status) return 0;
    if (!rows || !cols || cols % 2 || rows > MAX_STATE / cols)
        return fail(r, TN_EMODULE, "sinusoids: a table of %u x %u", rows, cols);
    if (!grow(r, &p->weights, p->n_weight + 1, &r->weight_cap, sizeof *p->weights)) return 0;
    tn_tensor *view = sinusoid_view(rows, cols);
    char *name = strdup("sinusoids");
    p->weights[++p->n_weight] =
        (tn_weight_info){.tensor = view, .view = view, .rows = rows, .cols = cols, .name = name};
    return name && view ? p->n_weight : fail(r, TN_ENOMEM, "out of memory");
}

static tn_value rec_positions(tn_recorder *api, tn_weight table) {
    recording *r = self(api);
    const tn_weight_info *wi = weight_info(r, TN_OP_POSITIONS, table);
    if (!wi) return 0;
    if (!r->p->n_position || wi->rows < r->p->n_position) r->p->n_position = wi->rows;
    return append(r, (tn_op){.kind = TN_OP_POSITIONS, .w = table}, TN_ROWS_TOKEN, wi->cols);
}

static tn_value rec_cross(tn_recorder *api, tn_value q, const tn_cross_desc *d) {
    recording *r = self(api);
    const tn_value_info *qi = value(r, TN_OP_CROSS, q);
    if (!check_tokens(r, TN_OP_CROSS, "q", qi, (uint64_t)d->n_head * d->head_dim)) return 0;
    if (!d->n_head || d->n_head > MAX_HEAD || !d->head_dim || !isfinite(d->scale))
        return fail(r, TN_EFORMAT, "cross_attention: %u heads of %u", d->n_head, d->head_dim);
    if (d->part > TN_OUTPUT_PARTS - 2)
        return fail(r, TN_ELIMIT, "cross_attention: part %u, the limit is %d", d->part, TN_OUTPUT_PARTS - 2);
    if (qi->cols != r->p->n_embd)
        return fail(r, TN_EMODULE, "cross_attention: %u columns, rows of recordings have %u", qi->cols,
                    r->p->n_embd);
    if (d->part + 2 > r->p->n_cross) r->p->n_cross = d->part + 2;
    return append(r, (tn_op){.kind = TN_OP_CROSS, .in = {q}, .cross = *d}, TN_ROWS_TOKEN, qi->cols);
}

static void rec_output(tn_recorder *api, tn_value x, uint32_t part) {
    recording *r = self(api);
    tn_program *p = r->p;
    const tn_value_info *xi = value(r, TN_OP_LINEAR, x);
    if (!xi) return;
    if (!p->is_tower || part >= TN_OUTPUT_PARTS || p->outputs[part]) {
        fail(r, TN_EMODULE, "output: part %u of a %s, or recorded twice", part,
             p->is_tower ? "tower" : "text program");
        return;
    }
    p->outputs[part] = x;
    if (part >= p->n_output) p->n_output = part + 1;
}

bool tn_program_group_caches(tn_program *p) {
    p->n_group = 0;
    for (int state = 0; state < 2; state++) { /* states come last */
        for (uint32_t i = 0; i < p->n_layer; i++) {
            tn_cache_info *c = &p->caches[i];
            uint32_t g = 0;
            if ((c->n_state != 0) != state) continue;
            while (g < p->n_group && (p->groups[g].is_state != state || p->groups[g].window != c->window))
                g++;
            if (g == TN_CACHE_GROUPS) return false;
            if (g == p->n_group)
                p->groups[p->n_group++] = (tn_cache_group){.is_state = state, .window = c->window};
            p->groups[g].n_layer++;
            c->group = g;
        }
    }
    return true;
}

/* All parts are there, of one width, with the rows that the last fold left. */
static bool check_outputs(recording *r) {
    tn_program *p = r->p;
    if (!p->n_output) return fail(r, TN_EMODULE, "the tower has no output");
    for (uint32_t i = 0; i < p->n_output; i++) {
        const tn_value_info *v = &p->values[p->outputs[i]];
        uint32_t rows = p->fold > 1 ? TN_ROWS_FOLDED(p->fold) : TN_ROWS_TOKEN;
        if (!p->outputs[i]) return fail(r, TN_EMODULE, "output: part %u is missing", i);
        if (v->rows != rows || v->cols != p->values[p->outputs[0]].cols)
            return fail(r, TN_EMODULE, "output: part %u has other rows or columns", i);
    }
    p->n_embd = p->values[p->outputs[0]].cols;
    return true;
}

static int finish(recording *r) {
    tn_program *p = r->p;
    p->n_stage = r->stage + 1;
    if (!r->status) r->status = tn_hparams_status(r->h, r->err);
    if (!r->status && p->is_tower) check_outputs(r);
    if (!r->status && !p->is_tower && !p->logits) fail(r, TN_EMODULE, "the program has no logits");
    for (uint32_t i = 0; !r->status && i < p->n_layer; i++)
        if (!p->caches[i].head_dim && !p->caches[i].n_state)
            fail(r, TN_EMODULE, "layer %u keeps nothing: no attention, no recurrent state", i);
    if (!r->status && !tn_program_group_caches(p))
        fail(r, TN_ELIMIT, "layers with more than %d different windows", TN_CACHE_GROUPS);
    if (!r->status) r->status = tn_program_plan(p, r->err);
    return r->status;
}

static int record(void (*recorder)(void *, tn_recorder *), void *instance, tn_hparams *h, bool is_tower,
                  tn_program **ret, tn_error *err) {
    recording r = {.h = h, .err = err};
    r.api = (tn_recorder){
        .size = sizeof(tn_recorder),
        .ctx = &r,
        .weight = rec_weight,
        .rope_table = rec_rope_table,
        .embed = rec_embed,
        .linear = rec_linear,
        .rms_norm = rec_rms_norm,
        .rope = rec_rope,
        .attention = rec_attention,
        .conv = rec_conv,
        .delta_rule = rec_delta_rule,
        .slice = rec_slice,
        .glu = rec_glu,
        .add = rec_add,
        .scale = rec_scale,
        .softcap = rec_softcap,
        .output_rows = rec_output_rows,
        .logits = rec_logits,
        .tap = rec_tap,
        .layer_norm = rec_layer_norm,
        .activate = rec_activate,
        .media = rec_media,
        .input = rec_input,
        .mix = rec_mix,
        .fold = rec_fold,
        .mean = rec_mean,
        .output = rec_output,
        .embed_type = rec_embed_type,
        .unfold = rec_unfold,
        .sinusoids = rec_sinusoids,
        .positions = rec_positions,
        .cross_attention = rec_cross,
    };
    r.p = calloc(1, sizeof *r.p);
    if (!r.p) return tn_fail(err, TN_ENOMEM, "out of memory");
    r.p->is_tower = is_tower;
    r.p->fold = 1;
    recorder(instance, &r.api);
    int rc = finish(&r);
    if (rc) {
        tn_program_free(r.p);
        return rc;
    }
    *ret = r.p;
    return 0;
}

int tn_program_record(const tn_family *family, void *instance, tn_hparams *h, tn_program **ret,
                      tn_error *err) {
    return record(family->record, instance, h, false, ret, err);
}

int tn_program_record_tower(const tn_family *family, void *instance, tn_hparams *h, bool hears,
                            tn_program **ret, tn_error *err) {
    return record(hears ? family->record_audio : family->record_vision, instance, h, true, ret, err);
}

int tn_program_record_encoder(const tn_family *family, void *instance, tn_hparams *h, tn_program **ret,
                              tn_error *err) {
    return record(family->record_encoder, instance, h, true, ret, err);
}

void tn_program_free(tn_program *p) {
    if (!p) return;
    for (uint32_t i = 1; i <= p->n_weight; i++) {
        free(p->weights[i].name);
        free(p->weights[i].gguf);
        free(p->weights[i].view);
    }
    for (uint32_t i = 1; i <= p->n_rope; i++) tn_rope_fini(&p->ropes[i]);
    free(p->ops);
    free(p->values);
    free(p->slots);
    free(p->weights);
    free(p->ropes);
    free(p->caches);
    free(p);
}
