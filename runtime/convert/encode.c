/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/encode.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/quantize.h"

/* Elements in work at once: 16 MiB of F32. A longer row is taken whole. */
enum { PIECE = 4 << 20 };

bool tn_encode_is_quantized(tn_type type) {
    const tn_type_info *info = tn_type_info_get(type);
    return info->block_elems > 1 || info->block_bytes == 0;
}

/* What went wrong with an element. */
typedef struct fault {
    int status; /* 0: nothing */
    uint64_t row, col;
    float value;
} fault;

typedef struct work {
    const tn_source_tensor *t;
    tn_type type;
    uint64_t cols, row_bytes;
    uint64_t first, n;         /* rows of this piece */
    uint8_t *out;              /* [n, row_bytes] */
    float *rows;               /* [members, 2, cols] */
    fault faults[TN_TEAM_MAX]; /* by member: its first */
} work;

static bool copies(const tn_source_tensor *t, tn_type type) {
    return t->tensor && t->tensor->type == type && tn_encode_is_quantized(type);
}

/* Where the i-th row (element) of the file's order lies in that of the source. Rotated rows of a head: the
 * pair (2 j, 2 j + 1) is (j, j + n_rot / 2). */
static uint64_t source_of(const tn_source_tensor *t, uint64_t i) {
    if (!t->head_dim) return i;
    uint64_t head = i / t->head_dim * t->head_dim, in_head = i % t->head_dim;
    return in_head < t->n_rot ? head + in_head / 2 + (in_head % 2) * (t->n_rot / 2) : i;
}

static void read_row(const work *w, uint64_t row, float *ret, float *scratch) {
    const tn_source_tensor *t = w->t;
    bool vector = t->n_dim == 1;
    float *to = vector && t->head_dim ? scratch : ret;
    if (t->values)
        memcpy(to, t->values, w->cols * sizeof *to);
    else
        tn_tensor_dequantize(t->tensor, vector ? 0 : source_of(t, row), 0, w->cols, to);
    for (uint64_t i = 0; to != ret && i < w->cols; i++) ret[i] = to[source_of(t, i)];
    for (uint64_t i = 0; t->add_one && i < w->cols; i++) ret[i] += 1;
    for (uint64_t i = 0; t->neg_exp && i < w->cols; i++) ret[i] = -expf(ret[i]);
}

static void encode_rows(void *ctx, uint32_t member, uint32_t n_member) {
    work *w = ctx;
    tn_range share = tn_team_share(w->n, 1, member, n_member);
    float *row = w->rows + 2 * w->cols * member;
    uint64_t at = 0;
    for (uint64_t i = share.first; i < share.end; i++) {
        read_row(w, w->first + i, row, row + w->cols);
        int rc = tn_quantize(w->type, row, w->cols, w->out + i * w->row_bytes, &at);
        if (!rc) continue;
        w->faults[member] = (fault){rc, w->first + i, at, row[at]};
        return;
    }
}

static int report(const work *w, uint32_t n_member, tn_error *err) {
    for (uint32_t i = 0; i < n_member; i++) {
        const fault *f = &w->faults[i];
        unsigned long long row = f->row, col = f->col;
        if (f->status == TN_EFORMAT)
            return tn_fail(
                err, f->status,
                "tensor %s: element [%llu, %llu] is %g: the weights are damaged, or their training failed",
                w->t->name, row, col, (double)f->value);
        if (f->status)
            return tn_fail(
                err, f->status,
                "tensor %s: element [%llu, %llu] is %g, %s holds magnitudes up to %g: choose BF16 or F32",
                w->t->name, row, col, (double)f->value, tn_type_info_get(w->type)->name,
                (double)tn_quantize_max(w->type));
    }
    return 0;
}

static int encode_all(work *w, uint64_t rows, const tn_gguf_entry *e, tn_team *team, tn_new_file *out,
                      tn_encode_step *step, void *ctx, tn_error *err) {
    uint64_t piece = PIECE / w->cols ? PIECE / w->cols : 1;
    uint32_t n_member = tn_team_size(team);
    int rc = 0;
    if (piece > rows) piece = rows;
    w->out = malloc(piece * w->row_bytes);
    w->rows = malloc(2 * w->cols * n_member * sizeof *w->rows);
    if (!w->out || !w->rows) rc = tn_fail(err, TN_ENOMEM, "out of memory for tensor %s", e->name);
    for (w->first = 0; !rc && w->first < rows; w->first += w->n) {
        w->n = rows - w->first < piece ? rows - w->first : piece;
        tn_team_run(team, encode_rows, w);
        rc = report(w, n_member, err);
        uint64_t done = w->first * w->row_bytes, bytes = w->n * w->row_bytes;
        if (!rc) rc = tn_new_file_write(out, e->offset + done, w->out, bytes, err);
        if (!rc && step(ctx, done + bytes)) rc = tn_fail(err, TN_ECANCELED, "interrupted");
    }
    free(w->out);
    free(w->rows);
    return rc;
}

int tn_encode_tensor(const tn_source_tensor *t, const tn_gguf_entry *e, tn_team *team, tn_new_file *out,
                     tn_encode_step *step, void *ctx, tn_error *err) {
    uint64_t rows = 1, cols = t->dim[t->n_dim - 1];
    if (copies(t, e->type) || !tn_quantize_knows(e->type)) { /* as the file that was read has it */
        assert(t->tensor && t->tensor->type == e->type && !t->head_dim);
        int rc = tn_new_file_write(out, e->offset, t->tensor->data, t->tensor->bytes, err);
        return rc ? rc : step(ctx, e->bytes) ? tn_fail(err, TN_ECANCELED, "interrupted") : 0;
    }
    for (uint32_t i = 0; i + 1 < t->n_dim; i++) rows *= t->dim[i];
    work *w = calloc(1, sizeof *w);
    if (!w) return tn_fail(err, TN_ENOMEM, "out of memory");
    *w = (work){.t = t, .type = e->type, .cols = cols, .row_bytes = e->bytes / rows};
    int rc = encode_all(w, rows, e, team, out, step, ctx, err);
    free(w);
    return rc;
}
