/* SPDX-License-Identifier: Apache-2.0 */
/* Weights where kernels find them. Matrices keep the bytes of the file: used in place where the GPU shares
 * the host's memory, else copied. Vectors, and whatever else is not multiplied with rows, become F32 in one
 * buffer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "device/gpu/exec.h"

enum {
    DATA_ALIGN = 4,         /* of what kernels load at a time from block formats */
    VECTOR_ALIGN = 16,      /* F32 vectors may be read four at a time */
    PIECE_BYTES = 16 << 20, /* copied between two reports of progress */
};

typedef struct loading {
    tn_gpu_exec *x;
    tn_progress_fn progress;
    void *ctx;
    uint64_t done, total;
} loading;

/* ---- which weights are matrices ---- */

static void find_matrices(const tn_program *p, bool *is_matrix) {
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_LINEAR || p->ops[i].kind == TN_OP_EMBED) is_matrix[p->ops[i].w] = true;
}

/* ---- bytes of a matrix ---- */

static uint64_t scale_row_bytes(const tn_tensor *t) {
    return tn_tensor_cols(t) / t->group *
           (t->scale_type == TN_TYPE_F32  ? 4
            : t->scale_type == TN_TYPE_U8 ? 1
                                          : 2);
}

static int report(loading *l, uint64_t bytes, tn_error *err) {
    l->done += bytes;
    if (l->progress && l->progress(l->ctx, l->done, l->total) != 0)
        return tn_fail(err, TN_ECANCELED, "loading was cancelled");
    return 0;
}

static int own(tn_gpu_exec *x, tn_gpu_buffer *b, tn_error *err) {
    if (x->n_owned == x->max_owned) {
        const uint32_t n = x->max_owned ? 2 * x->max_owned : 64;
        tn_gpu_buffer **grown = realloc(x->owned, n * sizeof *grown);
        if (!grown) {
            x->gpu->api->buffer_free(x->gpu, b);
            return tn_fail(err, TN_ENOMEM, "out of memory");
        }
        x->owned = grown;
        x->max_owned = n;
    }
    x->owned[x->n_owned++] = b;
    return 0;
}

static int copy_bytes(loading *l, const char *name, const uint8_t *data, uint64_t n, tn_gpu_arg *ret,
                      tn_error *err) {
    tn_gpu *g = l->x->gpu;
    tn_gpu_buffer *b = NULL;
    l->x->size.weights += n;
    int rc = tn_gpu_buffer_create(l->x, name, n, 1, &b, err);
    if (l->x->dry) return rc;
    if (!rc) rc = own(l->x, b, err);
    for (uint64_t at = 0, piece; !rc && at < n; at += piece) {
        piece = n - at < PIECE_BYTES ? n - at : PIECE_BYTES;
        rc = g->api->write(g, b, at, data + at, piece, err);
        if (!rc) rc = report(l, piece, err);
    }
    *ret = (tn_gpu_arg){.buffer = b};
    return rc;
}

/* n bytes of the mapped file as a buffer: the file's own pages where that is possible. */
static int place_bytes(loading *l, const char *name, const uint8_t *data, uint64_t n, tn_gpu_arg *ret,
                       tn_error *err) {
    tn_gpu *g = l->x->gpu;
    const uint64_t page = g->api->info(g)->wrap_align, most = g->api->info(g)->max_buffer;
    if (page == 0 || (uintptr_t)data % DATA_ALIGN) return copy_bytes(l, name, data, n, ret, err);
    const uint64_t before = (uintptr_t)data % page;
    uint64_t bytes;
    if (!tn_align_u64(before + n, page, &bytes) || (most && bytes > most))
        return copy_bytes(l, name, data, n, ret, err);
    if (l->x->dry) return 0;
    tn_gpu_buffer *b;
    tn_error why;
    if (g->api->buffer_wrap(g, data - before, bytes, &b, &why) != 0)
        return copy_bytes(l, name, data, n, ret, err);
    int rc = own(l->x, b, err);
    *ret = (tn_gpu_arg){.buffer = b, .offset = before};
    return rc ? rc : report(l, n, err);
}

static int load_matrix(loading *l, tn_weight w, tn_error *err) {
    const tn_weight_info *wi = &l->x->p->weights[w];
    const tn_tensor *t = wi->tensor;
    tn_gpu_weight *to = &l->x->weights[w];
    to->type = t->type;
    to->bits = t->bits;
    to->group = t->group;
    to->scale_type = t->scale_type;
    to->row_bytes = tn_tensor_row_bytes(t);
    int rc = place_bytes(l, wi->name, t->data + wi->first_row * to->row_bytes, wi->rows * to->row_bytes,
                         &to->data, err);
    if (rc || !t->scales) return rc;
    const uint64_t row = scale_row_bytes(t);
    rc = place_bytes(l, wi->name, t->scales + wi->first_row * row, wi->rows * row, &to->scales, err);
    if (!rc && t->biases)
        rc = place_bytes(l, wi->name, t->biases + wi->first_row * row, wi->rows * row, &to->biases, err);
    return rc;
}

static uint64_t matrix_bytes(const tn_weight_info *wi) {
    const tn_tensor *t = wi->tensor;
    const uint64_t scales = t->scales ? scale_row_bytes(t) * (t->biases ? 2 : 1) : 0;
    return wi->rows * (tn_tensor_row_bytes(t) + scales);
}

/* ---- vectors ---- */

static uint64_t vector_bytes(const tn_weight_info *wi) {
    const uint64_t n = (uint64_t)wi->rows * wi->cols * sizeof(float);
    return (n + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
}

static void decode(const tn_weight_info *wi, float *ret) {
    for (uint32_t r = 0; r < wi->rows; r++) {
        float *row = ret + (size_t)r * wi->cols;
        tn_tensor_dequantize(wi->tensor, wi->first_row + r, 0, wi->cols, row);
        for (uint32_t i = 0; wi->add_one && i < wi->cols; i++) row[i] += 1;
        for (uint32_t i = 0; wi->neg_exp && i < wi->cols; i++) row[i] = -expf(row[i]);
    }
}

static int load_vectors(loading *l, const bool *is_matrix, tn_error *err) {
    tn_gpu_exec *x = l->x;
    uint64_t bytes = 0;
    for (uint32_t w = 1; w <= x->p->n_weight; w++)
        if (!is_matrix[w]) bytes += vector_bytes(&x->p->weights[w]);
    x->size.weights += bytes;
    if (bytes == 0) return 0;
    tn_gpu_buffer *b = NULL;
    int rc = tn_gpu_buffer_create(x, "vectors", bytes, 1, &b, err);
    if (rc || x->dry) return rc;
    rc = own(x, b, err);
    if (rc) return rc;
    uint8_t *host = calloc(bytes, 1);
    if (!host)
        return tn_fail(err, TN_ENOMEM, "out of memory for %llu bytes of vectors", (unsigned long long)bytes);
    uint64_t at = 0;
    for (uint32_t w = 1; w <= x->p->n_weight; w++) {
        const tn_weight_info *wi = &x->p->weights[w];
        if (is_matrix[w]) continue;
        decode(wi, (float *)(host + at));
        x->weights[w] = (tn_gpu_weight){
            .type = TN_TYPE_F32, .data = {.buffer = b, .offset = at}, .row_bytes = wi->cols * sizeof(float)};
        at += vector_bytes(wi);
    }
    rc = x->gpu->api->write(x->gpu, b, 0, host, bytes, err);
    free(host);
    return rc;
}

int tn_gpu_weights_new(tn_gpu_exec *x, tn_progress_fn progress, void *ctx, tn_error *err) {
    loading l = {.x = x, .progress = progress, .ctx = ctx};
    bool *is_matrix = calloc((size_t)x->p->n_weight + 1, sizeof *is_matrix);
    x->weights = calloc((size_t)x->p->n_weight + 1, sizeof *x->weights);
    int rc = is_matrix && x->weights ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) find_matrices(x->p, is_matrix);
    for (uint32_t w = 1; !rc && w <= x->p->n_weight; w++)
        if (is_matrix[w]) l.total += matrix_bytes(&x->p->weights[w]);
    if (!rc) rc = load_vectors(&l, is_matrix, err);
    for (uint32_t w = 1; !rc && w <= x->p->n_weight; w++)
        if (is_matrix[w]) rc = load_matrix(&l, w, err);
    free(is_matrix);
    return rc;
}
