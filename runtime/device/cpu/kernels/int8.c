/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers with activations rounded to 8 bits, on panels (panels.h).
 *
 * Per output and block of 32 k: the products of integers are summed exactly, the sum becomes a float once,
 * and one fma with (weight scale * activation scale) adds it to the output; for types with minima a second
 * fma adds minimum * (- activation scale * activation sum). Q6_K has two sums of 16 with a scale each, which
 * an fma joins. Blocks come in ascending order and every output has one accumulator, so a result depends on
 * its row and the weights alone; and as integers are exact, all sets that have an fma give the same bits.
 * Many rows go through tiles.c. */
#include "device/cpu/kernels/tiles.h"

enum {
    PANEL = TN_CPU_PANEL_ROWS,
    LINE = TN_CPU_LINE_BYTES,
    GROUP = TN_CPU_ACT_GROUP,
    STRIDE = TN_CPU_ACT_STRIDE,
    PARTS = PANEL / VN,               /* vectors of a line */
    MOST = MANY_REGISTERS ? GROUP : 4 /* rows of a register block */
};

typedef struct block32 {
    int8_t q[32];
    float scale;
    int32_t low, high; /* sums of q 0 .. 15, 16 .. 31 */
} block32;

/* 32 activations at x rounded; zeros where there are none. */
static block32 round_block(const float *x) {
    block32 r = {.scale = 0};
    vf v[32 / VN], most = {0};
    for (int i = 0; i < 32 / VN; i++) {
        v[i] = x ? vf_load(x + i * VN) : (vf){0};
        most = vf_max(vf_abs(v[i]), most);
    }
    float top = vf_max_lane(most);
    bool flat = top < 0x1p-100f; /* nothing, or too small to divide by */
    float inverse = flat ? 0.0f : 127.0f / top;
    r.scale = flat ? 0.0f : top / 127.0f;
    vi half[2] = {{0}, {0}};
    UNROLL for (int i = 0; i < 32 / VN; i++) {
        vi n = __builtin_convertvector(vf_round(v[i] * inverse), vi);
        vi_store_bytes(r.q + i * VN, n);
        half[i * VN / 16] += n;
    }
    r.low = vi_sum(half[0]);
    r.high = vi_sum(half[1]);
    return r;
}

/* A row's block put at `a` of a group of g rows. */
static void put_block(const block32 *b, int32_t *a, uint32_t g) {
    int32_t sum = b->low + b->high;
    float minus = -b->scale * (float)sum;
    for (int i = 0; i < TN_CPU_ACT_WORDS; i++) memcpy(a + i * g, b->q + 4 * i, 4);
    a[TN_CPU_ACT_LOW * g] = -32 * b->low;
    a[TN_CPU_ACT_HIGH * g] = -32 * b->high;
    a[TN_CPU_ACT_SUM128 * g] = -128 * sum;
    a[TN_CPU_ACT_SUM8 * g] = -8 * sum;
    memcpy(a + TN_CPU_ACT_SCALE * g, &b->scale, 4);
    memcpy(a + TN_CPU_ACT_MINUS * g, &minus, 4);
}

void SET(tn_cpu_quantize)(const float *x, uint32_t cols, uint32_t n_row, tn_range blocks, int32_t *act) {
    uint32_t n_block = tn_cpu_act_blocks(cols), g;
    for (uint32_t t = 0; t < n_row; t += g) {
        g = tn_cpu_act_group(t, n_row);
        int32_t *group = act + (size_t)t * n_block * STRIDE;
        for (uint64_t b = blocks.first; b < blocks.end; b++) {
            for (uint32_t m = 0; m < g; m++) {
                block32 r = round_block(b * 32 < cols ? x + (size_t)(t + m) * cols + b * 32 : NULL);
                put_block(&r, group + b * STRIDE * g + m, g);
            }
        }
    }
}

/* In what follows mr rows are taken of a group of g, both constant after inlining; w is at a vector's lanes
 * of the panel's first line, a at the first row's words, f[m] the outputs. */

ALWAYS_INLINE vi word(const int32_t *a, const int g, int i, int m) {
    return vi_set1(a[i * g + m]);
}
ALWAYS_INLINE vf number(const int32_t *a, const int g, int i, int m) {
    return (vf)vi_set1(a[i * g + m]);
}

/* A vector of a line. At the first use of a line, one some units on is asked for: the processor's own
 * prefetching does not keep up. */
ALWAYS_INLINE vi line(const uint8_t *p, bool first_use) {
    if (first_use) __builtin_prefetch(p + 4096);
    return vi_load(p);
}

/* f += sum * (scale * activation scale) */
ALWAYS_INLINE void add_scaled(const int mr, const int g, const int32_t *a, const vi *sum, vf scale, vf *f) {
    UNROLL for (int m = 0; m < mr; m++) f[m] =
        vf_fma(vf_from_i32(sum[m]), scale * number(a, g, TN_CPU_ACT_SCALE, m), f[m]);
}

ALWAYS_INLINE void q8_0(const int mr, const int g, const uint8_t *w, const int32_t *a, uint32_t n_unit,
                        vf *f) {
    for (uint32_t u = 0; u < n_unit; u++, w += 17 * LINE) {
        vi dd = line(w, true);
        UNROLL for (int b = 0; b < 2; b++, a += STRIDE * g) {
            vi s[GROUP];
            UNROLL for (int m = 0; m < mr; m++) s[m] = word(a, g, TN_CPU_ACT_SUM128, m);
            UNROLL for (int i = 0; i < 8; i++) {
                vi q = line(w + (1 + 8 * b + i) * LINE, true);
                UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_at(s[m], q, a, i * g + m);
            }
            add_scaled(mr, g, a, s, vf_from_half(b ? (vi)((vu)dd >> 16) : dd & 0xffff), f);
        }
    }
}

ALWAYS_INLINE void q4_0(const int mr, const int g, const uint8_t *w, const int32_t *a, uint32_t n_unit,
                        vf *f) {
    for (uint32_t u = 0; u < n_unit; u++, w += 9 * LINE) {
        vi dd = line(w, true);
        UNROLL for (int b = 0; b < 2; b++, a += STRIDE * g) {
            vi s[GROUP];
            UNROLL for (int m = 0; m < mr; m++) s[m] = word(a, g, TN_CPU_ACT_SUM8, m);
            UNROLL for (int i = 0; i < 4; i++) {
                vi q = line(w + (1 + 4 * b + i) * LINE, true), low = q & 0x0f0f0f0f,
                   high = (q >> 4) & 0x0f0f0f0f;
                UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_small_at(s[m], low, a, i * g + m);
                UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_small_at(s[m], high, a, (4 + i) * g + m);
            }
            add_scaled(mr, g, a, s, vf_from_half(b ? (vi)((vu)dd >> 16) : dd & 0xffff), f);
        }
    }
}

/* Scales and minima of a Q4_K or Q5_K unit, as factors of its 8 blocks; w: its first line. */
ALWAYS_INLINE void k_factors(const uint8_t *w, vf scale[8], vf min[8]) {
    vi dd = line(w, true), s0 = line(w + LINE, true), s1 = line(w + 2 * LINE, true),
       s2 = line(w + 3 * LINE, true);
    vf d = vf_from_half(dd & 0xffff), dmin = vf_from_half((vi)((vu)dd >> 16));
    vi sc[2] = {s0 & 0x3f3f3f3f, (s2 & 0x0f0f0f0f) | ((s0 >> 2) & 0x30303030)};
    vi mn[2] = {s1 & 0x3f3f3f3f, ((s2 >> 4) & 0x0f0f0f0f) | ((s1 >> 2) & 0x30303030)};
    UNROLL for (int b = 0; b < 8; b++) {
        scale[b] = d * vf_from_i32((sc[b / 4] >> 8 * (b % 4)) & 255);
        min[b] = dmin * vf_from_i32((mn[b / 4] >> 8 * (b % 4)) & 255);
    }
}

/* The second fma of a block: f -= min * activation scale * activation sum. */
ALWAYS_INLINE void add_min(const int mr, const int g, const int32_t *a, vf min, vf *f) {
    UNROLL for (int m = 0; m < mr; m++) f[m] = vf_fma(min, number(a, g, TN_CPU_ACT_MINUS, m), f[m]);
}

ALWAYS_INLINE void q4_k(const int mr, const int g, const uint8_t *w, const int32_t *a, uint32_t n_unit,
                        vf *f) {
    for (uint32_t u = 0; u < n_unit; u++, w += 36 * LINE) {
        vf scale[8], min[8];
        k_factors(w, scale, min);
        for (int j = 0; j < 4; j++) {
            const uint8_t *lines = w + (4 + 8 * j) * LINE;
            UNROLL for (int b = 0; b < 2; b++, a += STRIDE * g) {
                vi s[GROUP];
                UNROLL for (int m = 0; m < mr; m++) s[m] = (vi){0};
                UNROLL for (int i = 0; i < 8; i++) {
                    vi q = (line(lines + i * LINE, b == 0) >> 4 * b) & 0x0f0f0f0f;
                    UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_small_at(s[m], q, a, i * g + m);
                }
                add_scaled(mr, g, a, s, scale[2 * j + b], f);
                add_min(mr, g, a, min[2 * j + b], f);
            }
        }
    }
}

ALWAYS_INLINE void q5_k(const int mr, const int g, const uint8_t *w, const int32_t *a, uint32_t n_unit,
                        vf *f) {
    for (uint32_t u = 0; u < n_unit; u++, w += 44 * LINE) {
        vf scale[8], min[8];
        k_factors(w, scale, min);
        for (int j = 0; j < 4; j++) {
            const uint8_t *lines = w + (12 + 8 * j) * LINE;
            UNROLL for (int b = 0; b < 2; b++, a += STRIDE * g) {
                vi s[GROUP];
                UNROLL for (int m = 0; m < mr; m++) s[m] = (vi){0};
                UNROLL for (int i = 0; i < 8; i++) {
                    vi fifth =
                        (vi)((vu)line(w + (4 + i) * LINE, b == 0 && i / 2 == j) >> (2 * j + b)) & 0x01010101;
                    vi q = ((line(lines + i * LINE, b == 0) >> 4 * b) & 0x0f0f0f0f) | fifth << 4;
                    UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_small_at(s[m], q, a, i * g + m);
                }
                add_scaled(mr, g, a, s, scale[2 * j + b], f);
                add_min(mr, g, a, min[2 * j + b], f);
            }
        }
    }
}

/* The 16 elements from 16 * half on of block b (0 .. 3) of half h of a Q6_K unit, times their scale and d,
 * added to sum. */
ALWAYS_INLINE void q6_k_half(const int mr, const int g, const uint8_t *w, const int32_t *a, int h, int b,
                             int half, vf d, vf *sum) {
    const uint8_t *low = w + (16 * h + 8 * (b % 2) + 4 * half) * LINE,
                  *up = w + (32 + 8 * h + 4 * half) * LINE;
    vi s[GROUP];
    UNROLL for (int m = 0; m < mr; m++) s[m] = word(a, g, TN_CPU_ACT_LOW + half, m);
    UNROLL for (int i = 0; i < 4; i++) {
        vi q = (line(low + i * LINE, b < 2) >> 4 * (b / 2)) & 0x0f0f0f0f;
        q |= ((line(up + i * LINE, b == 0) >> 2 * b) & 0x03030303) << 4;
        UNROLL for (int m = 0; m < mr; m++) s[m] = vi_dot4_small_at(s[m], q, a, (4 * half + i) * g + m);
    }
    /* Scale 8h + 2b + half is a signed byte of the lines of scales. */
    vi scale =
        (line(w + (48 + 2 * h + b / 2) * LINE, b % 2 == 0 && half == 0) << (24 - 8 * (2 * (b % 2) + half))) >>
        24;
    vf factor = d * vf_from_i32(scale);
    UNROLL for (int m = 0; m < mr; m++) sum[m] =
        half ? vf_fma(vf_from_i32(s[m]), factor, sum[m]) : vf_from_i32(s[m]) * factor;
}

ALWAYS_INLINE void q6_k(const int mr, const int g, const uint8_t *w, const int32_t *a, uint32_t n_unit,
                        vf *f) {
    for (uint32_t u = 0; u < n_unit; u++, w += 53 * LINE) {
        vf d = vf_load(w + 52 * LINE);
        for (int h = 0; h < 2; h++) {
            UNROLL for (int b = 0; b < 4; b++, a += STRIDE * g) {
                vf sum[GROUP];
                q6_k_half(mr, g, w, a, h, b, 0, d, sum);
                q6_k_half(mr, g, w, a, h, b, 1, d, sum);
                UNROLL for (int m = 0; m < mr; m++) f[m] =
                    vf_fma(sum[m], number(a, g, TN_CPU_ACT_SCALE, m), f[m]);
            }
        }
    }
}

typedef void (*body)(const int mr, const int g, const uint8_t *w, const int32_t *a, uint32_t n_unit, vf *f);

/* mr rows of a group against one vector of outputs, of which n_store count. */
ALWAYS_INLINE void block(const int mr, const int g, body sums, const uint8_t *w, const int32_t *a,
                         uint32_t n_unit, float *y, size_t ldy, const float *bias, uint32_t n_store) {
    vf f[GROUP];
    UNROLL for (int m = 0; m < mr; m++) f[m] = (vf){0};
    sums(mr, g, w, a, n_unit, f);
    if (n_store >= VN) {
        UNROLL for (int m = 0; m < mr; m++) vf_store(y + m * ldy, bias ? f[m] + vf_load(bias) : f[m]);
    } else {
        vf b = bias ? vf_load_part(bias, n_store) : (vf){0};
        UNROLL for (int m = 0; m < mr; m++) vf_store_part(y + m * ldy, bias ? f[m] + b : f[m], n_store);
    }
}

typedef void (*kernel)(const uint8_t *w, const int32_t *a, uint32_t n_unit, float *y, size_t ldy,
                       const float *bias, uint32_t n_store);

#define KERNEL(type, mr, g)                                                                                  \
    static void type##_##mr##_##g(const uint8_t *w, const int32_t *a, uint32_t n_unit, float *y, size_t ldy, \
                                  const float *bias, uint32_t n_store) {                                     \
        block(mr, g, type, w, a, n_unit, y, ldy, bias, n_store);                                             \
    }
/* Per type, for groups of 1, 2, 4 and 8. */
#if MANY_REGISTERS
#    define KERNELS(type) KERNEL(type, 1, 1) KERNEL(type, 2, 2) KERNEL(type, 4, 4) KERNEL(type, 8, 8)
#    define TABLE(type)                                                                                      \
        { type##_1_1, type##_2_2, type##_4_4, type##_8_8 }
#else
#    define KERNELS(type) KERNEL(type, 1, 1) KERNEL(type, 2, 2) KERNEL(type, 4, 4) KERNEL(type, 4, 8)
#    define TABLE(type)                                                                                      \
        { type##_1_1, type##_2_2, type##_4_4, type##_4_8 }
#endif
KERNELS(q8_0)
KERNELS(q4_0)
KERNELS(q4_k)
KERNELS(q5_k)
KERNELS(q6_k)

static const kernel *kernels_of(tn_type type) {
    static const kernel table[5][4] = {TABLE(q8_0), TABLE(q4_0), TABLE(q4_k), TABLE(q5_k), TABLE(q6_k)};
    switch ((int)type) {
    case TN_TYPE_Q8_0: return table[0];
    case TN_TYPE_Q4_0: return table[1];
    case TN_TYPE_Q4_K: return table[2];
    case TN_TYPE_Q5_K: return table[3];
    default: return table[4];
    }
}

/* One panel for a group of g rows whose first is at y. */
static void panel_group(const tn_cpu_panels *p, uint64_t panel, kernel k, uint32_t g, const int32_t *a,
                        float *y) {
    for (uint32_t v = 0; v < PARTS; v++) {
        uint64_t n = panel * PANEL + v * VN;
        if (n >= p->rows) return;
        const uint8_t *w = p->data + panel * p->panel_bytes + v * VN * 4;
        uint32_t n_store = p->rows - n < VN ? (uint32_t)(p->rows - n) : VN, step = g < MOST ? g : MOST;
        for (uint32_t m = 0; m < g; m += step)
            k(w, a + m, p->n_unit, y + m * (size_t)p->rows + n, p->rows, p->bias ? p->bias + n : NULL,
              n_store);
    }
}

/* Panels go a few at a time, so that a group's activations are near for all of them, and the panels for all
 * groups. */
void SET(tn_cpu_linear_int8)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                             tn_range panels, void *scratch) {
    enum { NEAR_BYTES = 256 * 1024 };
    const kernel *kernels = kernels_of(p->type);
    uint64_t few = NEAR_BYTES / p->panel_bytes ? NEAR_BYTES / p->panel_bytes : 1;
    uint32_t n_block = tn_cpu_act_blocks(p->cols), done = 0, g;
    (void)scratch;
#if HAS_TILES
    if (n_row >= TILE_ROWS) done = SET(tn_cpu_linear_tiles)(p, act, y, n_row, panels, scratch);
    if (done == n_row) return;
#endif
    for (uint64_t first = panels.first; first < panels.end; first += few) {
        uint64_t end = first + few < panels.end ? first + few : panels.end;
        for (uint32_t t = done; t < n_row; t += g) {
            g = tn_cpu_act_group(t, n_row);
            kernel k = kernels[g == 1 ? 0 : g == 2 ? 1 : g == 4 ? 2 : 3];
            for (uint64_t i = first; i < end; i++)
                panel_group(p, i, k, g, act + (size_t)t * n_block * STRIDE, y + (size_t)t * p->rows);
        }
    }
}
