/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of few rows: codes are brought to registers from the panel and used there by the rows of a group,
 * one vector of outputs at a time; and the unpacking of units for many rows. Included by the sources that
 * instantiate them for a family of types. */
#ifndef TN_DEVICE_CPU_KERNELS_DIRECT_H
#define TN_DEVICE_CPU_KERNELS_DIRECT_H

#include "device/cpu/kernels/formats.h"
#include "device/cpu/kernels/tiles.h"

enum {
    GROUP = TN_CPU_ACT_GROUP,
    STRIDE = TN_CPU_ACT_STRIDE,
    DIRECT_ROWS = MANY_REGISTERS ? GROUP : 4 /* of a register block */
};

/* A vector of outputs y[m * ldy + 0 .. n_store) for rows m of a group: w is at its lanes of the panel's first
 * line, a at the first row's words, bias at the outputs' own or NULL. */
typedef void (*direct_kernel)(const tn_cpu_panels *p, const uint8_t *w, const int32_t *a, float *y,
                              size_t ldy, const float *bias, uint32_t n_store);

typedef struct int8_type {
    direct_kernel direct[4]; /* for groups of 1, 2, 4 and 8 rows; of the last DIRECT_ROWS are done */
    tile_type tile;          /* where the set has tiles */
} int8_type;

/* NULL for types of other families. */
const int8_type *SET(tn_cpu_int8_blocks)(const tn_cpu_panels *p);
const int8_type *SET(tn_cpu_int8_super)(const tn_cpu_panels *p);
const int8_type *SET(tn_cpu_int8_affine)(const tn_cpu_panels *p);

/* In what follows mr rows are taken of a group of g, both constant after inlining; f[m] are the outputs. */

ALWAYS_INLINE vi word(const int32_t *a, const int g, int i, int m) {
    return vi_set1(a[i * g + m]);
}
ALWAYS_INLINE vf number(const int32_t *a, const int g, int i, int m) {
    float x;
    memcpy(&x, a + i * g + m, sizeof x);
    return vf_set1(x);
}

/* - offset * the sum of a block's activations. */
ALWAYS_INLINE vi direct_start(const int offset, const int g, const int32_t *a, int m) {
    return offset == 128  ? vi_start128(a[TN_CPU_ACT_SUM128 * g + m])
           : offset == 16 ? word(a, g, TN_CPU_ACT_SUM8, m) * 2
           : offset == 8  ? word(a, g, TN_CPU_ACT_SUM8, m)
                          : (vi){0};
}
/* sum += the products of codes q and the four activations in word i of a. */
ALWAYS_INLINE vi direct_dot(const int offset, vi sum, vi q, const int32_t *a, const int i) {
    return offset == 128 ? vi_dot4_128_at(sum, q, a, i) : vi_dot4_small_at(sum, q, a, i);
}

/* A block whose codes have one scale. */
ALWAYS_INLINE void direct_block(const format t, const format_code code, const int mr, const int g,
                                const uint8_t *w, const format_unit *x, int j, const int b, const int32_t *a,
                                vf *f) {
    vf scale = x->scale[j * t.inner + b];
    vi s[GROUP];
    UNROLL for (int m = 0; m < mr; m++) s[m] = direct_start(t.offset, g, a, m);
    UNROLL for (int i = 0; i < 8; i++) {
        vi q = code(w, x, j, b, i);
        UNROLL for (int m = 0; m < mr; m++) s[m] = direct_dot(t.offset, s[m], q, a, i * g + m);
    }
    UNROLL for (int m = 0; m < mr; m++) f[m] =
        vf_fma(vf_from_i32(s[m]), scale * number(a, g, TN_CPU_ACT_SCALE, m), f[m]);
}

/* A block whose halves of 16 k have a scale each. */
ALWAYS_INLINE void direct_halves(const format t, const format_code code, const int mr, const int g,
                                 const uint8_t *w, const format_unit *x, int j, const int b, const int32_t *a,
                                 vf *f) {
    vf sum[GROUP];
    UNROLL for (int h = 0; h < 2; h++) {
        vf scale = x->scale[2 * (j * t.inner + b) + h];
        vi s[GROUP];
        UNROLL for (int m = 0; m < mr; m++) s[m] = word(a, g, TN_CPU_ACT_LOW + h, m);
        UNROLL for (int i = 4 * h; i < 4 * h + 4; i++) {
            vi q = code(w, x, j, b, i);
            UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_small_at(s[m], q, a, i * g + m);
        }
        UNROLL for (int m = 0; m < mr; m++) sum[m] =
            h ? vf_fma(vf_from_i32(s[m]), scale, sum[m]) : vf_from_i32(s[m]) * scale;
    }
    UNROLL for (int m = 0; m < mr; m++) f[m] = vf_fma(sum[m], number(a, g, TN_CPU_ACT_SCALE, m), f[m]);
}

ALWAYS_INLINE void direct_min(const int mr, const int g, vf min, const int32_t *a, vf *f) {
    UNROLL for (int m = 0; m < mr; m++) f[m] = vf_fma(min, number(a, g, TN_CPU_ACT_MINUS, m), f[m]);
}
ALWAYS_INLINE void direct_mins(const int mr, const int g, vf min, vi two, const int32_t *a, vf *f) {
    UNROLL for (int m = 0; m < mr; m++) {
        vi sum = vi_dot2((vi){0}, two, word(a, g, TN_CPU_ACT_PAIR, m));
        f[m] = vf_fma(vf_from_i32(sum), min * number(a, g, TN_CPU_ACT_SCALE, m), f[m]);
    }
}

/* All units of a panel. */
ALWAYS_INLINE void direct_sums(const format t, const format_open open, const format_code code, const int mr,
                               const int g, const tn_cpu_panels *p, const uint8_t *w, const int32_t *a,
                               vf *f) {
    const int outer = t.outer ? t.outer : (int)p->unit_blocks;
    for (uint32_t u = 0; u < p->n_unit; u++, w += p->unit_lines * LINE) {
        format_unit x;
        open(p, w, &x);
        for (int j = 0; j < outer; j++) {
            UNROLL for (int b = 0; b < t.inner; b++, a += STRIDE * g) {
                if (t.kind == FORMAT_HALVES)
                    direct_halves(t, code, mr, g, w, &x, j, b, a, f);
                else
                    direct_block(t, code, mr, g, w, &x, j, b, a, f);
                if (t.kind == FORMAT_MIN) direct_min(mr, g, x.min[j * t.inner + b], a, f);
                if (t.kind == FORMAT_MINS)
                    direct_mins(mr, g, x.min[j * t.inner + b], q2_k_minima(&x, j, b), a, f);
            }
        }
    }
}

ALWAYS_INLINE void direct(const format t, const format_open open, const format_code code, const int mr,
                          const int g, const tn_cpu_panels *p, const uint8_t *w, const int32_t *a, float *y,
                          size_t ldy, const float *bias, uint32_t n_store) {
    vf f[GROUP];
    UNROLL for (int m = 0; m < mr; m++) f[m] = (vf){0};
    direct_sums(t, open, code, mr, g, p, w, a, f);
    if (n_store >= VN) {
        UNROLL for (int m = 0; m < mr; m++) vf_store(y + m * ldy, bias ? f[m] + vf_load(bias) : f[m]);
    } else {
        vf b = bias ? vf_load_part(bias, n_store) : (vf){0};
        UNROLL for (int m = 0; m < mr; m++) vf_store_part(y + m * ldy, bias ? f[m] + b : f[m], n_store);
    }
}

#if HAS_TILES
ALWAYS_INLINE void unpack_unit(const format t, const format_open open, const format_code code,
                               const tn_cpu_panels *p, const uint8_t *w, tile *to) {
    const int outer = t.outer ? t.outer : (int)p->unit_blocks;
    format_unit x;
    open(p, w, &x);
    for (int j = 0; j < outer; j++) {
        UNROLL for (int b = 0; b < t.inner; b++, to++) {
            const int n = j * t.inner + b;
            UNROLL for (int i = 0; i < 8; i++) {
                vi q = code(w, &x, j, b, i);
                memcpy(to->q[i], &q, sizeof q);
            }
            vf_store(to->scale[0], x.scale[t.kind == FORMAT_HALVES ? 2 * n : n]);
            if (t.kind == FORMAT_HALVES) vf_store(to->scale[1], x.scale[2 * n + 1]);
            if (t.kind == FORMAT_MIN || t.kind == FORMAT_MINS) vf_store(to->min, x.min[n]);
            if (t.kind == FORMAT_MINS) {
                vi two = q2_k_minima(&x, j, b);
                memcpy(to->two, &two, sizeof two);
            }
        }
    }
}
#    define UNPACK(name, open, code, kind, outer, inner, offset)                                             \
        static void name##_unpack(const tn_cpu_panels *p, const uint8_t *w, tile *to) {                      \
            unpack_unit((format){kind, outer, inner, offset}, open, code, p, w, to);                         \
        }
#    define TILE_KIND(kind, offset)                                                                          \
        (kind == FORMAT_SCALE    ? TILE_SCALE                                                                \
         : kind == FORMAT_HALVES ? TILE_HALVES                                                               \
         : kind == FORMAT_MINS   ? TILE_MINS                                                                 \
         : offset == 128         ? TILE_MIN128                                                               \
                                 : TILE_MIN)
#    define TILE_TYPE(name, kind, offset)                                                                    \
        { TILE_KIND(kind, offset), offset == 128 ? 4 : offset == 16, offset, name##_unpack }
#else
#    define UNPACK(name, open, code, kind, outer, inner, offset)
#    define TILE_TYPE(name, kind, offset)                                                                    \
        { 0 }
#endif

#define DIRECT(name, open, code, kind, outer, inner, offset, mr, g)                                          \
    static void name##_##g(const tn_cpu_panels *p, const uint8_t *w, const int32_t *a, float *y, size_t ldy, \
                           const float *bias, uint32_t n_store) {                                            \
        direct((format){kind, outer, inner, offset}, open, code, mr, g, p, w, a, y, ldy, bias, n_store);     \
    }
/* Kernels of a format of FORMATS_*, and the int8_type `name` of them. */
#define INT8_TYPE(name, open, code, kind, outer, inner, offset)                                              \
    DIRECT(name, open, code, kind, outer, inner, offset, 1, 1)                                               \
    DIRECT(name, open, code, kind, outer, inner, offset, 2, 2)                                               \
    DIRECT(name, open, code, kind, outer, inner, offset, 4, 4)                                               \
    DIRECT(name, open, code, kind, outer, inner, offset, DIRECT_ROWS, 8)                                     \
    UNPACK(name, open, code, kind, outer, inner, offset)                                                     \
    static const int8_type name = {{name##_1, name##_2, name##_4, name##_8}, TILE_TYPE(name, kind, offset)};

#endif
