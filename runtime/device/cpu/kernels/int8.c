/* SPDX-License-Identifier: Apache-2.0 */
/* Linear layers with activations rounded to 8 bits, on panels (panels.h).
 *
 * Per output and block of 32 k: the products of integers are summed exactly, the sum becomes a float once,
 * and one fma with (weight scale * activation scale) adds it to the output; for types with minima a second
 * fma adds minimum * (- activation scale * activation sum). Types with scales of 16 k have two sums, which an
 * fma joins, or codes that have those scales in them (formats.h). Blocks come in ascending order and every
 * output has one accumulator, so a result depends on its row and the weights alone; and as integers are
 * exact, all sets that have an fma give the same bits. Few rows go through direct.h, many through tiles.c. */
#include "device/cpu/kernels/direct.h"
#include "device/cpu/kernels/tiles.h"

enum { PANEL = TN_CPU_PANEL_ROWS, PARTS = PANEL / VN /* vectors of a line */ };

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
    a[TN_CPU_ACT_PAIR * g] = (int32_t)((uint32_t)-b->low & 0xffff) | -b->high * 0x10000;
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

static const int8_type *type_of(const tn_cpu_panels *p) {
    const int8_type *type = SET(tn_cpu_int8_blocks)(p);
    if (!type) type = SET(tn_cpu_int8_super)(p);
    return type ? type : SET(tn_cpu_int8_affine)(p);
}

#if HAS_TILES
const tile_type *SET(tn_cpu_tile_type)(const tn_cpu_panels *p) {
    return &type_of(p)->tile;
}
#endif

/* One panel for a group of g rows whose first is at y. */
static void panel_group(const tn_cpu_panels *p, uint64_t panel, direct_kernel k, uint32_t g, const int32_t *a,
                        float *y) {
    for (uint32_t v = 0; v < PARTS; v++) {
        uint64_t n = panel * PANEL + v * VN;
        if (n >= p->rows) return;
        const uint8_t *w = p->data + panel * p->panel_bytes + v * VN * 4;
        uint32_t n_store = p->rows - n < VN ? (uint32_t)(p->rows - n) : VN,
                 step = g < DIRECT_ROWS ? g : DIRECT_ROWS;
        for (uint32_t m = 0; m < g; m += step)
            k(p, w, a + m, y + m * (size_t)p->rows + n, p->rows, p->bias ? p->bias + n : NULL, n_store);
    }
}

/* Panels go a few at a time, so that a group's activations are near for all of them, and the panels for all
 * groups. */
void SET(tn_cpu_linear_int8)(const tn_cpu_panels *p, const int32_t *act, float *y, uint32_t n_row,
                             tn_range panels, void *scratch) {
    enum { NEAR_BYTES = 256 * 1024 };
    const int8_type *type = type_of(p);
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
            direct_kernel k = type->direct[g == 1 ? 0 : g == 2 ? 1 : g == 4 ? 2 : 3];
            for (uint64_t i = first; i < end; i++)
                panel_group(p, i, k, g, act + (size_t)t * n_block * STRIDE, y + (size_t)t * p->rows);
        }
    }
}
