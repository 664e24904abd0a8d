/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "unit/png.h"

/* --- inflate (RFC 1951) --- */

enum { MAX_CODE = 15, N_LITERAL = 288, N_DISTANCE = 32 };

typedef struct bits {
    const uint8_t *in;
    size_t n, at;
    uint32_t held, n_held;
} bits;

typedef struct huffman {
    uint16_t count[MAX_CODE + 1], symbol[N_LITERAL];
} huffman;

static uint32_t take(bits *b, uint32_t n) {
    while (b->n_held < n) {
        assert_true(b->at < b->n);
        b->held |= (uint32_t)b->in[b->at++] << b->n_held;
        b->n_held += 8;
    }
    uint32_t v = b->held & ((1u << n) - 1);
    b->held >>= n;
    b->n_held -= n;
    return v;
}

static void huffman_init(huffman *h, const uint8_t *length, int n) {
    uint16_t next[MAX_CODE + 2] = {0};
    memset(h, 0, sizeof *h);
    for (int i = 0; i < n; i++) h->count[length[i]]++;
    h->count[0] = 0;
    for (int i = 1; i <= MAX_CODE; i++) next[i + 1] = (uint16_t)(next[i] + h->count[i]);
    for (int i = 0; i < n; i++)
        if (length[i]) h->symbol[next[length[i]]++] = (uint16_t)i;
}

static uint32_t symbol(bits *b, const huffman *h) {
    int code = 0, first = 0, index = 0;
    for (int i = 1; i <= MAX_CODE; i++) {
        code |= (int)take(b, 1);
        if (code - first < h->count[i]) return h->symbol[index + code - first];
        index += h->count[i];
        first = (first + h->count[i]) << 1;
        code <<= 1;
    }
    fail_msg("PNG: a code that is none");
    return 0;
}

static void read_codes(bits *b, huffman *literal, huffman *distance) {
    static const uint8_t order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint8_t length[N_LITERAL + N_DISTANCE] = {0};
    huffman codes;
    uint32_t n_literal = take(b, 5) + 257, n_distance = take(b, 5) + 1, n = take(b, 4) + 4;
    for (uint32_t i = 0; i < n; i++) length[order[i]] = (uint8_t)take(b, 3);
    huffman_init(&codes, length, 19);
    memset(length, 0, sizeof length);
    for (uint32_t i = 0; i < n_literal + n_distance;) {
        uint32_t s = symbol(b, &codes), times = 1;
        uint8_t value = (uint8_t)s;
        if (s >= 16) value = s == 16 ? length[i - 1] : 0;
        if (s == 16) times = 3 + take(b, 2);
        if (s == 17) times = 3 + take(b, 3);
        if (s == 18) times = 11 + take(b, 7);
        assert_true(i + times <= n_literal + n_distance);
        while (times--) length[i++] = value;
    }
    huffman_init(literal, length, (int)n_literal);
    huffman_init(distance, length + n_literal, (int)n_distance);
}

static void fixed_codes(huffman *literal, huffman *distance) {
    uint8_t length[N_LITERAL];
    for (int i = 0; i < N_LITERAL; i++) length[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    huffman_init(literal, length, N_LITERAL);
    memset(length, 5, 30);
    huffman_init(distance, length, 30);
}

static size_t inflate_block(bits *b, const huffman *literal, const huffman *distance, uint8_t *out, size_t at,
                            size_t n) {
    static const uint16_t length_base[] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                           31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint8_t length_more[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                          2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    for (uint32_t s; (s = symbol(b, literal)) != 256;) {
        if (s < 256) {
            assert_true(at < n);
            out[at++] = (uint8_t)s;
            continue;
        }
        size_t length = length_base[s - 257] + take(b, length_more[s - 257]);
        uint32_t d = symbol(b, distance), more = d < 4 ? 0 : d / 2 - 1;
        size_t back = 1 + (d < 4 ? d : (2 + d % 2) << more) + take(b, more);
        assert_true(back <= at && length <= n - at);
        for (; length; length--, at++) out[at] = out[at - back];
    }
    return at;
}

/* zlib's wrapping is skipped. */
static void inflate(const uint8_t *in, size_t n_in, uint8_t *out, size_t n) {
    bits b = {.in = in, .n = n_in, .at = 2};
    huffman literal, distance;
    size_t at = 0;
    for (uint32_t last = 0; !last;) {
        last = take(&b, 1);
        uint32_t kind = take(&b, 2);
        if (kind == 0) {
            b.held = b.n_held = 0;
            size_t length = take(&b, 16);
            take(&b, 16);
            assert_true(length <= n - at && length <= n_in - b.at);
            memcpy(out + at, in + b.at, length);
            at += length, b.at += length;
            continue;
        }
        kind == 1 ? fixed_codes(&literal, &distance) : read_codes(&b, &literal, &distance);
        at = inflate_block(&b, &literal, &distance, out, at, n);
    }
    assert_int_equal(at, n);
}

/* --- PNG --- */

static uint8_t paeth(int a, int b, int c) {
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* Undoes the filters of lines of n bytes, each behind a byte that names its filter. */
static void unfilter(const uint8_t *in, uint32_t n, uint32_t height, uint8_t *out) {
    for (uint32_t y = 0; y < height; y++, out += n) {
        uint8_t kind = *in++;
        for (uint32_t i = 0; i < n; i++, in++) {
            int left = i < 3 ? 0 : out[i - 3], up = y ? out[(long)i - n] : 0;
            int corner = y && i >= 3 ? out[(long)i - 3 - n] : 0;
            int guess[] = {0, left, up, (left + up) / 2, paeth(left, up, corner)};
            assert_true(kind < 5);
            out[i] = (uint8_t)(*in + guess[kind]);
        }
    }
}

static uint32_t big_endian(const uint8_t *b) {
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

uint8_t *unit_png(const char *name, uint32_t *ret_width, uint32_t *ret_height) {
    char path[4400];
    static uint8_t file[1 << 20], packed[1 << 20];
    size_t n_packed = 0;
    snprintf(path, sizeof path, "%s/%s", unit_vectors(), name);
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s is not there", path);
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    assert_true(n > 33 && n < sizeof file && memcmp(file, "\x89PNG", 4) == 0);
    *ret_width = big_endian(file + 16), *ret_height = big_endian(file + 20);
    assert_memory_equal(file + 24, "\x08\x02\0\0\0", 5);
    for (size_t at = 8; at + 12 <= n; at += 12 + big_endian(file + at)) {
        uint32_t length = big_endian(file + at);
        if (memcmp(file + at + 4, "IDAT", 4) != 0) continue;
        assert_true(length <= n - at - 12);
        memcpy(packed + n_packed, file + at + 8, length);
        n_packed += length;
    }
    size_t line = (size_t)*ret_width * 3;
    uint8_t *lines = malloc((line + 1) * *ret_height), *rgb = malloc(line * *ret_height);
    assert_true(lines && rgb);
    inflate(packed, n_packed, lines, (line + 1) * *ret_height);
    unfilter(lines, (uint32_t)line, *ret_height, rgb);
    free(lines);
    return rgb;
}
