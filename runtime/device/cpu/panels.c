/* SPDX-License-Identifier: Apache-2.0 */
#include "device/cpu/panels.h"

#include <string.h>

#include "weights/float.h"

/* A unit of a row becomes lines: line i of the panel gets word i in lane `lane`. */
typedef void (*unit_fn)(const uint8_t *src, uint32_t *lines, uint32_t lane);

typedef struct layout {
    tn_type type;
    uint32_t unit_elems, unit_bytes, unit_lines;
    unit_fn put;
} layout;

static uint32_t word(const uint8_t *p) {
    uint32_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

static void put_words(const uint8_t *src, uint32_t n, uint32_t flip, uint32_t *lines, uint32_t lane) {
    for (uint32_t i = 0; i < n; i++) lines[i * TN_CPU_PANEL_ROWS + lane] = word(src + 4 * i) ^ flip;
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
    float d = tn_f16_to_f32((uint16_t)(src[208] | src[209] << 8));
    memcpy(&lines[52 * TN_CPU_PANEL_ROWS + lane], &d, sizeof d);
}

/* Two blocks of an f16 and n words. */
static void put_pair(const uint8_t *src, uint32_t n, uint32_t flip, uint32_t *lines, uint32_t lane) {
    const uint8_t *second = src + 2 + 4 * n;
    lines[lane] = src[0] | (uint32_t)src[1] << 8 | (uint32_t)second[0] << 16 | (uint32_t)second[1] << 24;
    put_words(src + 2, n, flip, lines + TN_CPU_PANEL_ROWS, lane);
    put_words(second + 2, n, flip, lines + (n + 1) * TN_CPU_PANEL_ROWS, lane);
}
static void put_q8_0(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_pair(src, 8, 0x80808080, lines, lane);
}
static void put_q4_0(const uint8_t *src, uint32_t *lines, uint32_t lane) {
    put_pair(src, 4, 0, lines, lane);
}

static const layout layouts[] = {
    {TN_TYPE_BF16, 32, 64, 16, put_bf16},   {TN_TYPE_Q8_0, 64, 68, 17, put_q8_0},
    {TN_TYPE_Q4_0, 64, 36, 9, put_q4_0},    {TN_TYPE_Q4_K, 256, 144, 36, put_q4_k},
    {TN_TYPE_Q5_K, 256, 176, 44, put_q5_k}, {TN_TYPE_Q6_K, 256, 210, 53, put_q6_k},
};
enum { MOST_UNIT_BYTES = 210 };

static const layout *layout_of(tn_type type) {
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++)
        if (layouts[i].type == type) return &layouts[i];
    return NULL;
}

bool tn_cpu_panels_init(tn_cpu_panels *p, tn_type type, uint32_t rows, uint32_t cols) {
    const layout *l = layout_of(type);
    if (!l) return false;
    uint32_t n_unit = (cols + l->unit_elems - 1) / l->unit_elems;
    *p = (tn_cpu_panels){.type = type, .rows = rows, .cols = cols, .n_unit = n_unit};
    p->panel_bytes = (uint64_t)n_unit * l->unit_lines * TN_CPU_LINE_BYTES;
    return true;
}

void tn_cpu_panels_fill(const tn_cpu_panels *p, const tn_tensor *t, uint64_t first_row, tn_range range) {
    const layout *l = layout_of(p->type);
    uint64_t row_bytes = tn_tensor_row_bytes(t);
    for (uint64_t i = range.first; i < range.end; i++) {
        uint32_t *lines = (uint32_t *)(p->data + i * p->panel_bytes);
        for (uint32_t unit = 0; unit < p->n_unit; unit++, lines += l->unit_lines * TN_CPU_PANEL_ROWS) {
            uint64_t at = (uint64_t)unit * l->unit_bytes;
            for (uint32_t lane = 0; lane < TN_CPU_PANEL_ROWS; lane++) {
                uint64_t row = i * TN_CPU_PANEL_ROWS + lane;
                if (row >= p->rows) row = p->rows - 1;
                const uint8_t *src = t->data + (first_row + row) * row_bytes + at;
                uint8_t padded[MOST_UNIT_BYTES] = {0};
                if (row_bytes - at < l->unit_bytes) /* half a pair of blocks */
                    src = memcpy(padded, src, row_bytes - at);
                l->put(src, lines, lane);
            }
        }
    }
}
