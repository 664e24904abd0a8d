/* SPDX-License-Identifier: Apache-2.0 */
/* BMP: 1 to 32 bits a pixel, palettes, bit fields, run lengths, either way up. The format is the structures
 * BITMAPFILEHEADER, BITMAPCOREHEADER, BITMAPINFOHEADER and BITMAPV4HEADER of Windows' GDI. */
#include "vision.h"

#include <stdlib.h>
#include <string.h>

enum { FILE_HEADER = 14, CORE_HEADER = 12, INFO_HEADER = 40, MASKS_IN_HEADER = 52, ALPHA_IN_HEADER = 56 };
enum { BI_RGB = 0, BI_RLE8 = 1, BI_RLE4 = 2, BI_BITFIELDS = 3, BI_ALPHABITFIELDS = 6 };

typedef struct reader {
    vision_job *j;
    uint32_t header, width, height, bits, compression, n_colour;
    bool top_down;
    size_t data;             /* where the pixels begin */
    uint8_t palette[256][4]; /* RGBA */
    struct {
        uint32_t mask, shift, max;
    } field[4];    /* R G B A; mask 0: there is none */
    uint8_t *rgba; /* one row */
} reader;

static int damaged(const reader *r, const char *what) {
    return tn_fail(r->j->err, TN_EFORMAT, "BMP: %s", what);
}

static void set_field(reader *r, int channel, uint32_t mask) {
    uint32_t shift = mask ? (uint32_t)__builtin_ctz(mask) : 0;
    r->field[channel].mask = mask;
    r->field[channel].shift = shift;
    r->field[channel].max = mask >> shift;
}

static void set_fields(reader *r, uint32_t red, uint32_t green, uint32_t blue, uint32_t alpha) {
    set_field(r, 0, red);
    set_field(r, 1, green);
    set_field(r, 2, blue);
    set_field(r, 3, alpha);
}

/* The masks stand at the end of an old header or within a new one: at the same place. */
static int read_fields(reader *r) {
    const uint8_t *p = r->j->bytes + FILE_HEADER + INFO_HEADER;
    bool given = r->compression == BI_BITFIELDS || r->compression == BI_ALPHABITFIELDS;
    bool alpha = r->compression == BI_ALPHABITFIELDS || r->header >= ALPHA_IN_HEADER;
    if (!given) {
        if (r->bits == 16) set_fields(r, 0x7c00, 0x3e0, 0x1f, 0);
        if (r->bits == 32) set_fields(r, 0xff0000, 0xff00, 0xff, 0);
        return 0;
    }
    if (r->bits != 16 && r->bits != 32) return damaged(r, "damaged: bit fields of neither 16 nor 32 bits");
    if (r->j->n < FILE_HEADER + INFO_HEADER + 16) return damaged(r, "cut off in its header");
    set_fields(r, vision_le32(p), vision_le32(p + 4), vision_le32(p + 8), alpha ? vision_le32(p + 12) : 0);
    return 0;
}

static int read_palette(reader *r) {
    size_t entry = r->header == CORE_HEADER ? 3 : 4, at = FILE_HEADER + (size_t)r->header;
    uint32_t room = r->bits <= 8 ? 1u << r->bits : 0, n = r->n_colour ? r->n_colour : room;
    if (n > room) n = room;
    if (r->header == INFO_HEADER && r->compression == BI_BITFIELDS) at += 12;
    if (at > r->j->n || (r->j->n - at) / entry < n) return damaged(r, "cut off in its palette");
    for (uint32_t i = 0; i < 256; i++) {
        const uint8_t *p = r->j->bytes + at + i * entry;
        const uint8_t colour[4] = {i < n ? p[2] : 0, i < n ? p[1] : 0, i < n ? p[0] : 0, 255};
        memcpy(r->palette[i], colour, 4);
    }
    return 0;
}

static int check_kind(const reader *r) {
    uint32_t b = r->bits, c = r->compression;
    if (b != 1 && b != 4 && b != 8 && b != 16 && b != 24 && b != 32)
        return tn_fail(r->j->err, TN_EFORMAT, "BMP: damaged: %u bits a pixel", b);
    if (c == BI_RGB || c == BI_BITFIELDS || c == BI_ALPHABITFIELDS) return 0;
    if ((c == BI_RLE8 && b == 8) || (c == BI_RLE4 && b == 4)) return 0;
    return tn_fail(r->j->err, TN_ENOTSUP, "BMP: compression %u with %u bits a pixel is not read", c, b);
}

static int read_header(reader *r) {
    const uint8_t *p = r->j->bytes;
    r->header = vision_le32(p + FILE_HEADER);
    r->data = vision_le32(p + 10);
    if (r->j->n < FILE_HEADER + (size_t)r->header) return damaged(r, "cut off in its header");
    if (r->header == CORE_HEADER) {
        r->width = vision_le16(p + 18);
        r->height = vision_le16(p + 20);
        r->bits = vision_le16(p + 24);
    } else {
        uint32_t height = vision_le32(p + 22);
        r->top_down = height >> 31;
        r->width = vision_le32(p + 18);
        r->height = r->top_down ? 0u - height : height;
        r->bits = vision_le16(p + 28);
        r->compression = vision_le32(p + 30);
        r->n_colour = vision_le32(p + 46);
    }
    if (r->width >> 31) return damaged(r, "damaged: its width is negative");
    return check_kind(r);
}

/* The upright row of the stored row y. */
static uint32_t row_of(const reader *r, uint32_t y) {
    return r->top_down ? y : r->height - 1 - y;
}

static uint8_t field_value(const reader *r, int channel, uint32_t pixel) {
    uint32_t max = r->field[channel].max;
    if (!max) return channel == 3 ? 255 : 0;
    uint64_t v = (pixel & r->field[channel].mask) >> r->field[channel].shift;
    return (uint8_t)((v * 255 + max / 2) / max);
}

static void unpack(const reader *r, const uint8_t *row) {
    for (uint32_t x = 0; x < r->width; x++) {
        uint8_t *to = r->rgba + (size_t)x * 4;
        if (r->bits <= 8) {
            size_t bit = (size_t)x * r->bits;
            unsigned index = row[bit / 8] >> (8 - r->bits - bit % 8) & ((1u << r->bits) - 1);
            memcpy(to, r->palette[index], 4);
        } else if (r->bits == 24) {
            const uint8_t *p = row + (size_t)x * 3;
            const uint8_t pixel[4] = {p[2], p[1], p[0], 255};
            memcpy(to, pixel, 4);
        } else {
            uint32_t pixel =
                r->bits == 16 ? vision_le16(row + (size_t)x * 2) : vision_le32(row + (size_t)x * 4);
            for (int c = 0; c < 4; c++) to[c] = field_value(r, c, pixel);
        }
    }
}

static int read_plain(reader *r) {
    size_t stride = ((size_t)r->width * r->bits + 31) / 32 * 4;
    if (r->data > r->j->n || (r->j->n - r->data) / stride < r->height) {
        /* The last row may lack its padding. */
        size_t least = stride * (r->height - 1) + ((size_t)r->width * r->bits + 7) / 8;
        if (r->data > r->j->n || r->j->n - r->data < least)
            return damaged(r, "cut off: its data end too early");
    }
    for (uint32_t y = 0; y < r->height; y++) {
        unpack(r, r->j->bytes + r->data + y * stride);
        vision_put_rgba(r->j, 0, row_of(r, y), r->rgba, r->width);
    }
    return 0;
}

/* n pixels of run-length code from (x, y) on, whose indices come from the bytes at p, again and again where
 * `repeat`. What lies outside of the picture is left out. */
static void put_run(const reader *r, uint64_t x, uint64_t y, const uint8_t *p, uint32_t n, bool repeat) {
    if (y >= r->height || x >= r->width) return;
    if (n > r->width - x) n = (uint32_t)(r->width - x);
    for (uint32_t i = 0; i < n; i++) {
        unsigned index = r->bits == 8 ? p[repeat ? 0 : i] : p[repeat ? 0 : i / 2];
        if (r->bits == 4) index = i % 2 ? index & 15 : index >> 4;
        memcpy(r->rgba + (size_t)i * 4, r->palette[index], 4);
    }
    vision_put_rgba(r->j, (uint32_t)x, row_of(r, (uint32_t)y), r->rgba, n);
}

/* Pairs of bytes: a run; or 0 and then 0 (end of line), 1 (end), 2 (move), n >= 3 (n indices, padded). */
static int read_runs(reader *r) {
    const uint8_t *p = r->j->bytes + r->data, *end = r->j->bytes + r->j->n;
    uint64_t x = 0, y = 0;
    if (r->data > r->j->n) return damaged(r, "cut off: its data end too early");
    while (end - p >= 2) {
        uint8_t n = p[0], code = p[1];
        p += 2;
        if (n) {
            put_run(r, x, y, &code, n, true);
            x += n;
        } else if (code == 1) {
            return 0;
        } else if (code == 0) {
            x = 0;
            y++;
        } else if (code == 2) {
            if (end - p < 2) break;
            x += p[0];
            y += p[1];
            p += 2;
        } else {
            size_t bytes = r->bits == 8 ? code : (code + 1u) / 2, padded = (bytes + 1) & ~(size_t)1;
            if ((size_t)(end - p) < bytes) break;
            put_run(r, x, y, p, code, false);
            x += code;
            p += padded < (size_t)(end - p) ? padded : (size_t)(end - p);
        }
    }
    /* Some writers forget the mark of the end. */
    return y + 1 >= r->height && x >= r->width ? 0 : damaged(r, "cut off: its data end too early");
}

static int read_file(reader *r) {
    int rc = read_header(r);
    if (!rc) rc = read_fields(r);
    if (!rc) rc = read_palette(r);
    if (!rc) rc = vision_begin(r->j, "bmp", r->width, r->height, 1, 1);
    if (rc) return rc;
    r->rgba = malloc((size_t)r->width * 4);
    if (!r->rgba) return tn_fail(r->j->err, TN_ENOMEM, "BMP: out of memory");
    return r->compression == BI_RLE8 || r->compression == BI_RLE4 ? read_runs(r) : read_plain(r);
}

int vision_bmp(vision_job *j) {
    reader *r = calloc(1, sizeof *r);
    if (!r) return tn_fail(j->err, TN_ENOMEM, "BMP: out of memory");
    r->j = j;
    int rc = read_file(r);
    free(r->rgba);
    free(r);
    return rc;
}
