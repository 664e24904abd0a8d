/* SPDX-License-Identifier: Apache-2.0 */
/* GIF by giflib: the first picture of an animation, on its screen. */
#include "vision.h"

#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

typedef struct reader {
    vision_job *j;
    GifFileType *gif;
    size_t at;
    uint8_t *line, *rgba; /* of the picture's width */
    GraphicsControlBlock control;
} reader;

static int on_read(GifFileType *gif, GifByteType *to, int n) {
    reader *r = gif->UserData;
    size_t take = r->j->n - r->at;
    if (n < 0) return 0;
    if (take > (size_t)n) take = (size_t)n;
    memcpy(to, r->j->bytes + r->at, take);
    r->at += take;
    return (int)take;
}

static int explain(const reader *r, int code) {
    const char *text = GifErrorString(code);
    if (code == D_GIF_ERR_NOT_ENOUGH_MEM) return tn_fail(r->j->err, TN_ENOMEM, "GIF: out of memory");
    if (code == D_GIF_ERR_READ_FAILED || r->at == r->j->n)
        return tn_fail(r->j->err, TN_EFORMAT, "GIF: cut off: its data end too early");
    return tn_fail(r->j->err, TN_EFORMAT, "GIF: damaged: %s", text ? text : "unknown reason");
}

/* Past the sub-blocks that begin at `at`; n where they are cut off. GIF89a, 15. */
static size_t skip_blocks(const uint8_t *bytes, size_t n, size_t at) {
    while (at < n && bytes[at]) at += (size_t)bytes[at] + 1;
    return at < n ? at + 1 : n;
}

static size_t palette_bytes(uint8_t packed) {
    return packed & 0x80 ? (size_t)3 << ((packed & 7) + 1) : 0;
}

/* How many pictures there are. GIF89a, 18 to 27. */
static uint32_t pictures_of(const vision_job *j) {
    enum { SCREEN = 13, PICTURE = 10 };
    const uint8_t *b = j->bytes;
    uint32_t count = 0;
    if (j->n < SCREEN) return 0;
    for (size_t at = SCREEN + palette_bytes(b[10]); at < j->n;) {
        if (b[at] == 0x21 && j->n - at >= 2) {
            at = skip_blocks(b, j->n, at + 2);
        } else if (b[at] == 0x2c && j->n - at > PICTURE) {
            count++;
            at = skip_blocks(b, j->n, at + PICTURE + palette_bytes(b[at + 9]) + 1);
        } else {
            break;
        }
    }
    return count ? count : 1;
}

static int read_extension(reader *r) {
    GifByteType *block;
    int code;
    if (DGifGetExtension(r->gif, &code, &block) == GIF_ERROR) return explain(r, r->gif->Error);
    if (block && code == GRAPHICS_EXT_FUNC_CODE) DGifExtensionToGCB(block[0], block + 1, &r->control);
    while (block)
        if (DGifGetExtensionNext(r->gif, &block) == GIF_ERROR) return explain(r, r->gif->Error);
    return 0;
}

static int put_line(const reader *r, const ColorMapObject *colours, uint32_t y) {
    const GifImageDesc *d = &r->gif->Image;
    for (int x = 0; x < d->Width; x++) {
        int index = r->line[x];
        bool seen = index < colours->ColorCount && index != r->control.TransparentColor;
        const GifColorType *c = seen ? &colours->Colors[index] : NULL;
        uint8_t pixel[4] = {c ? c->Red : 0, c ? c->Green : 0, c ? c->Blue : 0, seen ? 255 : 0};
        memcpy(r->rgba + (size_t)x * 4, pixel, 4);
    }
    vision_put_rgba(r->j, (uint32_t)d->Left, (uint32_t)d->Top + y, r->rgba, (uint32_t)d->Width);
    return 0;
}

/* Interlaced lines come in four passes. GIF89a, appendix E. */
static int read_lines(reader *r, const ColorMapObject *colours) {
    static const int first[] = {0, 4, 2, 1, 0}, step[] = {8, 8, 4, 2, 1};
    const GifImageDesc *d = &r->gif->Image;
    int pass = d->Interlace ? 0 : 4, last = d->Interlace ? 3 : 4;
    for (; pass <= last; pass++)
        for (int y = first[pass]; y < d->Height; y += step[pass]) {
            if (DGifGetLine(r->gif, r->line, d->Width) == GIF_ERROR) return explain(r, r->gif->Error);
            put_line(r, colours, (uint32_t)y);
        }
    return 0;
}

static uint32_t larger(int a, int b) {
    return (uint32_t)(a > b ? a : b);
}

/* A first picture larger than the screen makes the screen larger, as browsers have it. */
static int read_picture(reader *r) {
    if (DGifGetImageDesc(r->gif) == GIF_ERROR) return explain(r, r->gif->Error);
    const GifImageDesc *d = &r->gif->Image;
    const ColorMapObject *colours = d->ColorMap ? d->ColorMap : r->gif->SColorMap;
    if (!colours) return tn_fail(r->j->err, TN_EFORMAT, "GIF: damaged: it has no palette");
    if (d->Width <= 0 || d->Height <= 0)
        return tn_fail(r->j->err, TN_EFORMAT, "GIF: a picture of %d x %d pixels is empty", d->Width,
                       d->Height);
    int rc = vision_begin(r->j, "gif", larger(r->gif->SWidth, d->Left + d->Width),
                          larger(r->gif->SHeight, d->Top + d->Height), 1, pictures_of(r->j));
    if (rc) return rc;
    r->line = malloc((size_t)d->Width);
    r->rgba = malloc((size_t)d->Width * 4);
    if (!r->line || !r->rgba) return tn_fail(r->j->err, TN_ENOMEM, "GIF: out of memory");
    return read_lines(r, colours);
}

static int read_file(reader *r) {
    GifRecordType type;
    for (;;) {
        if (DGifGetRecordType(r->gif, &type) == GIF_ERROR) return explain(r, r->gif->Error);
        if (type == IMAGE_DESC_RECORD_TYPE) return read_picture(r);
        if (type == TERMINATE_RECORD_TYPE) return tn_fail(r->j->err, TN_EFORMAT, "GIF: it has no picture");
        int rc = type == EXTENSION_RECORD_TYPE ? read_extension(r) : 0;
        if (rc) return rc;
    }
}

int vision_gif(vision_job *j) {
    int code = 0;
    reader r = {.j = j, .control.TransparentColor = NO_TRANSPARENT_COLOR};
    r.gif = DGifOpen(&r, on_read, &code);
    int rc = r.gif ? read_file(&r) : explain(&r, code);
    if (r.gif) DGifCloseFile(r.gif, &code);
    free(r.line);
    free(r.rgba);
    return rc;
}
