/* SPDX-License-Identifier: Apache-2.0 */
/* What the lines of panels (panels.h) mean: for each type the codes of a block of 32 k as bytes, four
 * neighbouring k to a lane, and the block's factors. The kernels of few rows and the unpacking for many both
 * read panels through this.
 *
 * A unit's blocks are numbered j * inner + b with b constant after inlining; x_open fills the factors of all
 * of them, x_code gives the bytes of word i (0 .. 7) of block (j, b). */
#ifndef TN_DEVICE_CPU_KERNELS_FORMATS_H
#define TN_DEVICE_CPU_KERNELS_FORMATS_H

#include "device/cpu/kernels/set.h"

enum { LINE = TN_CPU_LINE_BYTES };

/* How a block's codes c become its part of an output; a: activations, as: their scale. */
enum format_kind {
    FORMAT_SCALE,  /* scale * as * sum (c - offset) a */
    FORMAT_MIN,    /* the same - min * as * sum a */
    FORMAT_HALVES, /* as * (scale[0] * sum over 16 (c - 32) a + scale[1] * the same over the others) */
    FORMAT_MINS,   /* FORMAT_SCALE - min * as * (m[0] * sum over 16 of a + m[1] * sum over the others) */
};

typedef struct format {
    enum format_kind kind;
    int outer, inner; /* blocks of a unit: their product; outer 0: as the panels say */
    int offset;       /* 0, 8, 16 or 128; codes are below 128 unless it is 128 */
} format;

/* Factors of a unit's blocks, as many as its kind has. */
typedef struct format_unit {
    vf scale[16]; /* one a block; FORMAT_HALVES: two */
    vf min[8];
    vi bytes[4]; /* short scales or minima, as the type has them */
} format_unit;

typedef void (*format_open)(const tn_cpu_panels *p, const uint8_t *w, format_unit *x);
typedef vi (*format_code)(const uint8_t *w, const format_unit *x, int j, const int b, const int i);

/* A vector of a line. At the first use of a line, one some units on is asked for: the processor's own
 * prefetching does not keep up. */
ALWAYS_INLINE vi line(const uint8_t *w, int n, bool first_use) {
    if (first_use) __builtin_prefetch(w + n * LINE + 4096);
    return vi_load(w + n * LINE);
}

ALWAYS_INLINE vf low_half(vi x) {
    return vf_from_half(x & 0xffff);
}
ALWAYS_INLINE vf high_half(vi x) {
    return vf_from_half((vi)((vu)x >> 16));
}
ALWAYS_INLINE vi byte_of(vi x, int n) {
    return (x >> 8 * n) & 255;
}

/* A block's codes by parts, lines from n on: 4 bits (4 lines: low halves words 0 .. 3, high ones 4 .. 7),
 * 2 bits (2 lines of 4 words), 1 bit (a line), each where the part stands in the code. */
ALWAYS_INLINE vi nibbles(const uint8_t *w, int n, const int i) {
    return (line(w, n + i % 4, i < 4) >> (i < 4 ? 0 : 4)) & 0x0f0f0f0f;
}
ALWAYS_INLINE vi shifted(vi x, const int left) {
    return left < 0 ? x >> -left : x << left;
}
ALWAYS_INLINE vi pairs(const uint8_t *w, int n, const int i, const int at) {
    return shifted(line(w, n + i / 4, i % 4 == 0), at - 2 * (i % 4)) & vi_set1(0x03030303 << at);
}
ALWAYS_INLINE vi singles(const uint8_t *w, int n, const int i, const int at) {
    return shifted(line(w, n, i == 0), at - i) & vi_set1(0x01010101 << at);
}

/* Q8_0, Q4_0, IQ4_NL, Q5_0: the scales of two blocks. */
ALWAYS_INLINE void pair_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vi d = line(w, 0, true);
    x->scale[0] = low_half(d);
    x->scale[1] = high_half(d);
}
ALWAYS_INLINE vi q8_0_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x, (void)j;
    return line(w, 1 + 8 * b + i, true);
}
ALWAYS_INLINE vi q4_0_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x, (void)j;
    return nibbles(w, 1 + 4 * b, i);
}
ALWAYS_INLINE vi q5_0_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x, (void)j;
    return nibbles(w, 1 + 5 * b, i) | singles(w, 5 + 5 * b, i, 4);
}

/* Q4_1, Q5_1: scale and what is added. */
ALWAYS_INLINE void sum_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vi d = line(w, 0, true);
    x->scale[0] = low_half(d);
    x->min[0] = -high_half(d);
}
/* Values that 4-bit codes stand for, plus 128. */
static const uint8_t format_iq4[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                       129, 141, 153, 166, 181, 197, 217, 241};
/* Those of E2M1, doubled, plus 128 and plus 32. */
static const uint8_t format_e2m1_128[16] = {128, 129, 130, 131, 132, 134, 136, 140,
                                            128, 127, 126, 125, 124, 122, 120, 116};
static const uint8_t format_e2m1_32[16] = {32, 33, 34, 35, 36, 38, 40, 44, 32, 31, 30, 29, 28, 26, 24, 20};

ALWAYS_INLINE vi iq4_nl_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    return vi_look_up(format_iq4, q4_0_code(w, x, j, b, i));
}

/* d * (scale - 32), the scale's low four bits in a word of nibbles, the upper two above d. */
ALWAYS_INLINE void iq4_xs_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vi first = line(w, 0, true), low = line(w, 1, true), high = first >> 16;
    vf d = low_half(first);
    UNROLL for (int g = 0; g < 8; g++) {
        vi scale = ((low >> 4 * g) & 15) | (((high >> 2 * g) & 3) << 4);
        x->scale[g] = d * vf_from_i32(scale - 32);
    }
}
ALWAYS_INLINE vi iq4_xs_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x;
    return vi_look_up(format_iq4, nibbles(w, 2 + 4 * (2 * j + b), i));
}

/* 2^(e - 128), the half of E8M0 that goes with doubled values. 255 is NaN in MLX's files and in no others. */
ALWAYS_INLINE void mxfp4_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    vi e4 = line(w, 0, true);
    UNROLL for (int b = 0; b < 4; b++) {
        vi e = byte_of(e4, b), bits = (e - 1) << 23;
        vf tiny = (vf)(vi_set1(0x00200000) << (e & 1));
        x->scale[b] = vf_select(e < 2, tiny, (vf)bits);
        if (p->type == TN_TYPE_MLX_MXFP4) x->scale[b] = vf_select(e == 255, vf_set1(NAN), x->scale[b]);
    }
}
ALWAYS_INLINE vi mxfp4_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x;
    return vi_look_up(format_e2m1_128, nibbles(w, 1 + 4 * (2 * j + b), i));
}

/* Half of an E4M3 number in the low 8 bits of each lane. */
ALWAYS_INLINE vf half_of_e4m3(vi v) {
    vi magnitude = v & 0x7f, sign = (v & 0x80) << 24;
    vf normal = (vf)((magnitude << 20) + vi_set1(119 << 23)), tiny = vf_from_i32(magnitude) * 0x1p-10f;
    vf y = vf_select(magnitude < 8, tiny, normal);
    y = vf_select(magnitude == 0x7f, vf_set1(NAN), y);
    return (vf)((vi)y | sign);
}
ALWAYS_INLINE void nvfp4_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vi d = line(w, 0, true);
    UNROLL for (int g = 0; g < 4; g++) x->scale[g] = half_of_e4m3(byte_of(d, g));
}
/* Two words hold 16 codes: low halves k 0 .. 7, high ones 8 .. 15. */
ALWAYS_INLINE vi nvfp4_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x, (void)j;
    vi q = line(w, 1 + 4 * b + 2 * (i / 4) + i % 2, i % 4 < 2);
    return vi_look_up(format_e2m1_32, (q >> (i % 4 < 2 ? 0 : 4)) & 0x0f0f0f0f);
}

/* Q4_K, Q5_K: scales and minima of 6 bits. */
ALWAYS_INLINE void k_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vi dd = line(w, 0, true), s0 = line(w, 1, true), s1 = line(w, 2, true), s2 = line(w, 3, true);
    vf d = low_half(dd), dmin = high_half(dd);
    vi sc[2] = {s0 & 0x3f3f3f3f, (s2 & 0x0f0f0f0f) | ((s0 >> 2) & 0x30303030)};
    vi mn[2] = {s1 & 0x3f3f3f3f, ((s2 >> 4) & 0x0f0f0f0f) | ((s1 >> 2) & 0x30303030)};
    UNROLL for (int b = 0; b < 8; b++) {
        x->scale[b] = d * vf_from_i32(byte_of(sc[b / 4], b % 4));
        x->min[b] = dmin * vf_from_i32(byte_of(mn[b / 4], b % 4));
    }
}
ALWAYS_INLINE vi q4_k_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x;
    return (line(w, 4 + 8 * j + i, b == 0) >> 4 * b) & 0x0f0f0f0f;
}
ALWAYS_INLINE vi q5_k_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x;
    vi fifth = (vi)((vu)line(w, 4 + i, b == 0 && i / 2 == j) >> (2 * j + b)) & 0x01010101;
    return ((line(w, 12 + 8 * j + i, b == 0) >> 4 * b) & 0x0f0f0f0f) | fifth << 4;
}

/* Scale 2 * block + half is a signed byte. */
ALWAYS_INLINE void q6_k_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vf d = vf_load(w + 52 * LINE);
    UNROLL for (int g = 0; g < 16; g++) {
        vi scale = (line(w, 48 + g / 4, g % 4 == 0) << (24 - 8 * (g % 4))) >> 24;
        x->scale[g] = d * vf_from_i32(scale);
    }
}
ALWAYS_INLINE vi q6_k_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    (void)x;
    vi low = (line(w, 16 * j + 8 * (b % 2) + i, b < 2) >> 4 * (b / 2)) & 0x0f0f0f0f;
    return low | (shifted(line(w, 32 + 8 * j + i, b == 0), 4 - 2 * b) & 0x30303030);
}

/* Two bits of each of 4 blocks. The code is scale * q, at most 45, so that 32 k have one sum. */
ALWAYS_INLINE void q2_k_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vi dd = line(w, 20, true);
    vf d = low_half(dd), dmin = high_half(dd);
    UNROLL for (int b = 0; b < 8; b++) {
        x->scale[b] = d;
        x->min[b] = dmin;
    }
    UNROLL for (int n = 0; n < 4; n++) x->bytes[n] = line(w, n, true);
}
ALWAYS_INLINE vi q2_k_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    vi q = (line(w, 4 + 8 * j + i, b == 0) >> 2 * b) & 0x03030303;
    vi scale = vi_byte_twice(x->bytes[2 * j + b / 2] & 0x0f0f0f0f, 2 * (b % 2) + i / 4);
    return (vi)((vus)q * (vus)scale);
}
/* m[0] and m[1] of a block in 16 bits each. */
ALWAYS_INLINE vi q2_k_minima(const format_unit *x, int j, const int b) {
    vi two = x->bytes[2 * j + b / 2] >> (4 + 16 * (b % 2));
    return (two & 15) | ((two & 0x0f00) << 8);
}

/* Codes q of 3 bits and scales u of 6: an element is d (u - 32) (q - 4). The code is 128 - (u - 32) (q - 4),
 * within 0 .. 252, so that 32 k have one sum, and the factor - d. */
ALWAYS_INLINE void q3_k_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    (void)p;
    vf d = -vf_load(w + 27 * LINE);
    vi s0 = line(w, 24, true), s1 = line(w, 25, true), s2 = line(w, 26, true);
    UNROLL for (int b = 0; b < 8; b++) x->scale[b] = d;
    x->bytes[0] = (s0 & 0x0f0f0f0f) | ((s2 << 4) & 0x30303030);
    x->bytes[1] = (s1 & 0x0f0f0f0f) | ((s2 << 2) & 0x30303030);
    x->bytes[2] = ((s0 >> 4) & 0x0f0f0f0f) | (s2 & 0x30303030);
    x->bytes[3] = ((s1 >> 4) & 0x0f0f0f0f) | ((s2 >> 2) & 0x30303030);
}
ALWAYS_INLINE vi q3_k_code(const uint8_t *w, const format_unit *x, int j, const int b, const int i) {
    const int n = 2 * (b % 2) + i / 4;
    vi u = x->bytes[2 * j + b / 2];
    vi third = shifted(line(w, 4 * j + i / 2, b == 0 && i % 2 == 0), 2 - 4 * (i % 2) - b) & 0x04040404;
    vi q = ((line(w, 8 + 8 * j + i, b == 0) >> 2 * b) & 0x03030303) | third;
    vus factor = 32 - (vus)vi_byte_twice(u, n), more = (vus)vi_byte_all(u << 2, n);
    return (vi)((vus)q * factor + more); /* (32 - u) q + 4 u, each byte without carry */
}

/* MLX's affine types: a group's blocks, then its scale and bias, in a line if they have 16 bits. */
ALWAYS_INLINE void affine_factors(const tn_cpu_panels *p, const uint8_t *w, vf *ret_scale, vf *ret_bias) {
    const int n = (int)(p->group / 32 * p->bits);
    vi first = line(w, n, true);
    if (p->scale_type == TN_TYPE_F32) {
        *ret_scale = (vf)first;
        *ret_bias = (vf)line(w, n + 1, true);
    } else if (p->scale_type == TN_TYPE_F16) {
        *ret_scale = low_half(first);
        *ret_bias = high_half(first);
    } else {
        *ret_scale = (vf)(first << 16);
        *ret_bias = (vf)(first & (int32_t)0xffff0000);
    }
}
ALWAYS_INLINE void affine_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    vf scale, bias;
    affine_factors(p, w, &scale, &bias);
    UNROLL for (int b = 0; b < 4; b++) {
        x->scale[b] = scale;
        x->min[b] = -bias;
    }
}
/* With 128 less in a code there is 128 * scale more in the bias. */
ALWAYS_INLINE void affine8_open(const tn_cpu_panels *p, const uint8_t *w, format_unit *x) {
    vf scale, bias;
    affine_factors(p, w, &scale, &bias);
    UNROLL for (int b = 0; b < 4; b++) {
        x->scale[b] = scale;
        x->min[b] = -vf_fma(scale, vf_set1(128.0f), bias);
    }
}
#define AFFINE_CODE(bits, code)                                                                              \
    ALWAYS_INLINE vi affine##bits##_code(const uint8_t *w, const format_unit *x, int j, const int b,         \
                                         const int i) {                                                      \
        (void)x, (void)b;                                                                                    \
        const int n = j * bits;                                                                              \
        return code;                                                                                         \
    }
AFFINE_CODE(2, pairs(w, n, i, 0))
AFFINE_CODE(3, pairs(w, n, i, 0) | singles(w, n + 2, i, 2))
AFFINE_CODE(4, nibbles(w, n, i))
AFFINE_CODE(5, nibbles(w, n, i) | singles(w, n + 4, i, 4))
AFFINE_CODE(6, nibbles(w, n, i) | pairs(w, n + 4, i, 4))
AFFINE_CODE(8, line(w, n + i, true))

/* X(name, open, code, kind, outer, inner, offset) */
#define FORMATS_OF_BLOCKS(X)                                                                                 \
    X(q8_0, pair_open, q8_0_code, FORMAT_SCALE, 1, 2, 128)                                                   \
    X(q4_0, pair_open, q4_0_code, FORMAT_SCALE, 1, 2, 8)                                                     \
    X(q4_1, sum_open, q4_0_code, FORMAT_MIN, 1, 1, 0)                                                        \
    X(q5_0, pair_open, q5_0_code, FORMAT_SCALE, 1, 2, 16)                                                    \
    X(q5_1, sum_open, q5_0_code, FORMAT_MIN, 1, 1, 0)                                                        \
    X(iq4_nl, pair_open, iq4_nl_code, FORMAT_SCALE, 1, 2, 128)                                               \
    X(mxfp4, mxfp4_open, mxfp4_code, FORMAT_SCALE, 2, 2, 128)                                                \
    X(nvfp4, nvfp4_open, nvfp4_code, FORMAT_HALVES, 1, 2, 32)
#define FORMATS_OF_SUPER_BLOCKS(X)                                                                           \
    X(q2_k, q2_k_open, q2_k_code, FORMAT_MINS, 2, 4, 0)                                                      \
    X(q3_k, q3_k_open, q3_k_code, FORMAT_SCALE, 2, 4, 128)                                                   \
    X(q4_k, k_open, q4_k_code, FORMAT_MIN, 4, 2, 0)                                                          \
    X(q5_k, k_open, q5_k_code, FORMAT_MIN, 4, 2, 0)                                                          \
    X(q6_k, q6_k_open, q6_k_code, FORMAT_HALVES, 2, 4, 32)                                                   \
    X(iq4_xs, iq4_xs_open, iq4_xs_code, FORMAT_SCALE, 4, 2, 128)
#define FORMATS_AFFINE(X)                                                                                    \
    X(affine2, affine_open, affine2_code, FORMAT_MIN, 0, 1, 0)                                               \
    X(affine3, affine_open, affine3_code, FORMAT_MIN, 0, 1, 0)                                               \
    X(affine4, affine_open, affine4_code, FORMAT_MIN, 0, 1, 0)                                               \
    X(affine5, affine_open, affine5_code, FORMAT_MIN, 0, 1, 0)                                               \
    X(affine6, affine_open, affine6_code, FORMAT_MIN, 0, 1, 0)                                               \
    X(affine8, affine8_open, affine8_code, FORMAT_MIN, 0, 1, 128)

#endif
