/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cpu/panels.h"

#include <string.h>

#include "weights/float.h"

enum { ROWS = TN_CPU_PANEL_ROWS };

/* A unit of a row becomes lines: line i of the panel gets word i in lane `lane`. */
typedef void (*unit_fn)(const uint8_t *src, uint32_t *lines, uint32_t lane);

typedef struct layout {
    tn_type type;
    uint32_t unit_elems, unit_bytes, unit_lines;
    unit_fn put;
    uint8_t none; /* every byte of a block that is not there */
} layout;

static uint32_t half(const uint8_t *p) {
    return (uint32_t)(p[0] | p[1] << 8);
}
static uint32_t word(const uint8_t *p) {
    uint32_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static void put_words(const uint8_t *src, uint32_t n, uint32_t flip, uint32_t *lines, uint32_t lane) {
    for (uint32_t i = 0; i < n; i++) lines[i * ROWS + lane] = word(src + 4 * i) ^ flip;
}
static void put_float(const uint8_t *f16, uint32_t *line, uint32_t lane) {
    line[lane] = tn_f32_bits(tn_f16_to_f32((uint16_t)half(f16)));
}
/* 32 bits in the order of their k, to that of "bits". */
static void put_bits(const uint8_t *src, uint32_t *line, uint32_t lane) {
    uint32_t from = word(src), to = 0;
    for (uint32_t i = 0; i < 8; i++) to |= ((from >> 4 * i & 15) * 0x00204081 & 0x01010101) << i;
    line[lane] = to;
}

static void put_bf16(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 16, 0, lines, lane);
}
static void put_q4_k(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 36, 0, lines, lane);
}
static void put_q5_k(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 44, 0, lines, lane);
}
static void put_q6_k(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 52, 0, lines, lane);
    put_float(src + 208, lines + 52 * ROWS, lane);
}
static void put_q2_k(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 21, 0, lines, lane);
}
static void put_q3_k(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    for (uint32_t i = 0; i < 8; i += 2) {
        uint32_t a = word(src + 4 * i), b = word(src + 4 * i + 4);
        lines[i / 2 * ROWS + lane] = (a & 0x0f0f0f0f) | (b & 0x0f0f0f0f) << 4;
        lines[(4 + i / 2) * ROWS + lane] = (a >> 4 & 0x0f0f0f0f) | (b & 0xf0f0f0f0);
    }
    put_words(src + 32, 19, 0, lines + 8 * ROWS, lane);
    put_float(src + 108, lines + 27 * ROWS, lane);
}
static void put_iq4_xs(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 34, 0, lines, lane);
}

/* Two blocks of an f16 and n words. */
static void put_pair(const uint8_t *src, uint32_t n, uint32_t flip, uint32_t *lines, uint32_t lane) {
    const uint8_t *second = src + 2 + 4 * n;
    lines[lane] = half(src) | half(second) << 16;
    put_words(src + 2, n, flip, lines + ROWS, lane);
    put_words(second + 2, n, flip, lines + (n + 1) * ROWS, lane);
}
static void put_q8_0(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_pair(src, 8, 0x80808080, lines, lane);
}
static void put_q4_0(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_pair(src, 4, 0, lines, lane);
}
static void put_q5_0(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    lines[lane] = half(src) | half(src + 22) << 16;
    for (uint32_t b = 0; b < 2; b++, src += 22) {
        put_words(src + 6, 4, 0, lines + (1 + 5 * b) * ROWS, lane);
        put_bits(src + 2, lines + (5 + 5 * b) * ROWS, lane);
    }
}
static void put_q4_1(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 5, 0, lines, lane);
}
static void put_q5_1(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 1, 0, lines, lane);
    put_words(src + 8, 4, 0, lines + ROWS, lane);
    put_bits(src + 4, lines + 5 * ROWS, lane);
}

static void put_mxfp4(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    lines[lane] =
        (uint32_t)src[0] | (uint32_t)src[17] << 8 | (uint32_t)src[34] << 16 | (uint32_t)src[51] << 24;
    for (uint32_t b = 0; b < 4; b++) put_words(src + 17 * b + 1, 4, 0, lines + (1 + 4 * b) * ROWS, lane);
}
/* The format's scales have no sign, and what is NaN elsewhere counts as 0. */
static void put_nvfp4(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_words(src, 9, 0, lines, lane);
    for (uint32_t g = 0; g < 4; g++) {
        uint32_t scale = src[g] & 0x7fu, at = 8 * g;
        lines[lane] = (lines[lane] & ~(255u << at)) | (scale == 0x7f ? 0 : scale) << at;
    }
}

static const layout layouts[] = {
    {TN_TYPE_BF16, 32, 64, 16, put_bf16, 0},       {TN_TYPE_Q8_0, 64, 68, 17, put_q8_0, 0},
    {TN_TYPE_Q4_0, 64, 36, 9, put_q4_0, 0},        {TN_TYPE_Q4_1, 32, 20, 5, put_q4_1, 0},
    {TN_TYPE_Q5_0, 64, 44, 11, put_q5_0, 0},       {TN_TYPE_Q5_1, 32, 24, 6, put_q5_1, 0},
    {TN_TYPE_IQ4_NL, 64, 36, 9, put_q4_0, 0},      {TN_TYPE_MXFP4, 128, 68, 17, put_mxfp4, 127},
    {TN_TYPE_NVFP4, 64, 36, 9, put_nvfp4, 0},      {TN_TYPE_Q2_K, 256, 84, 21, put_q2_k, 0},
    {TN_TYPE_Q3_K, 256, 110, 28, put_q3_k, 0},     {TN_TYPE_Q4_K, 256, 144, 36, put_q4_k, 0},
    {TN_TYPE_Q5_K, 256, 176, 44, put_q5_k, 0},     {TN_TYPE_Q6_K, 256, 210, 53, put_q6_k, 0},
    {TN_TYPE_IQ4_XS, 256, 136, 34, put_iq4_xs, 0},
};
enum { MOST_UNIT_BYTES = 210 };

static const layout *layout_of(tn_type type) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type) return &layouts[i];
    return NULL;
}

/* Types with separate scales. */

/* Eight codes of so many bits, the first lowest, to the bytes of two words. */
static void unpack_codes(const uint8_t *src, uint32_t bits, uint32_t word[2]) {
    const uint64_t one = (1u << bits) - 1, two = (1u << 2 * bits) - 1, four = (1ull << 4 * bits) - 1;
    uint64_t x = 0;
    for (uint32_t i = 0; i < bits; i++) x |= (uint64_t)src[i] << 8 * i;
    x = (x & four) | x >> 4 * bits << 32;
    x = (x & two * 0x100000001) | (x >> 2 * bits & two * 0x100000001) << 16;
    x = (x & one * 0x1000100010001) | (x >> bits & one * 0x1000100010001) << 8;
    word[0] = (uint32_t)x;
    word[1] = (uint32_t)(x >> 32);
}

/* Bits `at` .. at + wide of 32 codes (word i: k 4i .. 4i + 3) as `wide` lines. */
static void put_part(const uint32_t words[8], uint32_t at, uint32_t wide, uint32_t *lines, uint32_t lane) {
    const uint32_t n_in = 8 / wide, mask = ((1u << wide) - 1) * 0x01010101;
    for (uint32_t i = 0; i < wide; i++) {
        uint32_t to = 0;
        for (uint32_t j = 0; j < n_in; j++)
            to |= (words[wide == 4 ? i + 4 * j : i * n_in + j] >> at & mask) << wide * j;
        lines[i * ROWS + lane] = to;
    }
}

/* The widest part holds the lowest bits. Returns the next line. */
static uint32_t *put_affine_block(const uint8_t *src, uint32_t bits, uint32_t *lines, uint32_t lane) {
    uint32_t words[8], at = 0;
    for (uint32_t i = 0; i < 4; i++) unpack_codes(src + i * bits, bits, words + 2 * i);
    for (uint32_t wide = 8; wide; wide /= 2) {
        if (!(bits & wide)) continue;
        put_part(words, at, wide, lines, lane);
        at += wide;
        lines += wide * ROWS;
    }
    return lines;
}

static void put_affine(const tn_tensor *t, uint64_t row, uint32_t unit, uint32_t *lines, uint32_t lane) {
    uint64_t scale = row * (tn_tensor_cols(t) / t->group) + unit;
    const uint8_t *src = t->data + row * tn_tensor_row_bytes(t) + (uint64_t)unit * t->group / 8 * t->bits;
    for (uint32_t k = 0; k < t->group; k += 32, src += 4 * t->bits)
        lines = put_affine_block(src, t->bits, lines, lane);
    if (t->scale_type == TN_TYPE_F32) {
        lines[lane] = word(t->scales + 4 * scale);
        lines[ROWS + lane] = word(t->biases + 4 * scale);
    } else {
        lines[lane] = half(t->scales + 2 * scale) | half(t->biases + 2 * scale) << 16;
    }
}

/* 16 codes of E2M1 in the order of their k, to low halves k 0 .. 7 and high ones 8 .. 15; with n 4, 32 codes.
 */
static void put_halves(const uint8_t *src, uint32_t n, uint32_t *lines, uint32_t lane) {
    uint32_t words[8];
    for (uint32_t i = 0; i < n; i++) unpack_codes(src + 4 * i, 4, words + 2 * i);
    for (uint32_t i = 0; i < n; i++) lines[i * ROWS + lane] = words[i] | words[n + i] << 4;
}

/* Four groups of 16 or 32 with a scale each; beyond the end they are 1 (E8M0) or 0. */
static void put_mlx_fp4(const tn_tensor *t, uint64_t row, uint32_t unit, uint32_t *lines, uint32_t lane) {
    const uint32_t group = t->group, n_line = group / 8;
    uint64_t n_group = tn_tensor_cols(t) / group, first = (uint64_t)unit * 4;
    uint32_t scales = group == 32 ? 0x7f7f7f7f : 0;
    for (uint32_t g = 0; g < 4; g++) {
        static const uint8_t none[16] = {0};
        bool there = first + g < n_group;
        const uint8_t *src = t->data + row * tn_tensor_row_bytes(t) + (first + g) * group / 2;
        put_halves(there ? src : none, n_line, lines + (1 + g * n_line) * ROWS, lane);
        if (!there) continue;
        scales &= ~(255u << 8 * g);
        scales |= (uint32_t)t->scales[row * n_group + first + g] << 8 * g;
    }
    lines[lane] = scales;
}

static bool init_separate(tn_cpu_panels *p, const tn_tensor *t) {
    if (p->cols % 32) return false;
    p->bits = t->bits;
    p->group = t->group;
    p->scale_type = t->scale_type;
    switch ((int)t->type) {
    case TN_TYPE_AFFINE:
        p->unit_blocks = t->group / 32;
        p->unit_lines = p->unit_blocks * t->bits + (t->scale_type == TN_TYPE_F32 ? 2 : 1);
        return t->group == 32 || t->group == 64 || t->group == 128;
    case TN_TYPE_MLX_MXFP4:
    case TN_TYPE_MLX_NVFP4:
        p->unit_blocks = t->group / 8;
        p->unit_lines = 1 + 4 * p->unit_blocks;
        return t->group == (t->type == TN_TYPE_MLX_MXFP4 ? 32 : 16);
    default: return false;
    }
}

bool tn_cpu_panels_init(tn_cpu_panels *p, const tn_tensor *t, uint32_t rows) {
    const layout *l = layout_of(t->type);
    uint64_t cols = tn_tensor_cols(t);
    *p = (tn_cpu_panels){.type = t->type, .rows = rows, .cols = (uint32_t)cols};
    if (l) {
        p->unit_blocks = l->unit_elems / 32;
        p->unit_lines = l->unit_lines;
    } else if (!init_separate(p, t)) {
        return false;
    }
    p->n_unit = (uint32_t)((cols + 32ull * p->unit_blocks - 1) / (32ull * p->unit_blocks));
    p->panel_bytes = (uint64_t)p->n_unit * p->unit_lines * TN_CPU_LINE_BYTES;
    return true;
}

/* A unit of blocks that hold all that is theirs. */
static void put_blocks(const layout *l, const tn_tensor *t, uint64_t row, uint32_t unit, uint32_t *lines,
                       uint32_t lane) {
    uint64_t row_bytes = tn_tensor_row_bytes(t), at = (uint64_t)unit * l->unit_bytes;
    const uint8_t *src = t->data + row * row_bytes + at;
    uint8_t padded[MOST_UNIT_BYTES];
    if (row_bytes - at < l->unit_bytes) { /* the last unit is not full */
        memset(padded, l->none, sizeof padded);
        src = memcpy(padded, src, row_bytes - at);
    }
    l->put(src, lines, lane);
}

static void put_unit(const layout *l, const tn_tensor *t, uint64_t row, uint32_t unit, uint32_t *lines,
                     uint32_t lane) {
    if (l)
        put_blocks(l, t, row, unit, lines, lane);
    else if (t->type == TN_TYPE_AFFINE)
        put_affine(t, row, unit, lines, lane);
    else
        put_mlx_fp4(t, row, unit, lines, lane);
}

void tn_cpu_panels_fill(const tn_cpu_panels *p, const tn_tensor *t, uint64_t first_row, tn_range range) {
    const layout *l = layout_of(p->type);
    for (uint64_t i = range.first; i < range.end; i++) {
        uint32_t *lines = (uint32_t *)(p->data + i * p->panel_bytes);
        for (uint32_t unit = 0; unit < p->n_unit; unit++, lines += p->unit_lines * ROWS) {
            for (uint32_t lane = 0; lane < ROWS; lane++) {
                uint64_t row = i * ROWS + lane;
                if (row >= p->rows) row = p->rows - 1;
                put_unit(l, t, first_row + row, unit, lines, lane);
            }
        }
    }
}
