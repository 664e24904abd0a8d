/* SPDX-License-Identifier: Apache-2.0 */
/* PNG by libpng: all colour types and depths, interlaced, transparent; of an APNG the picture that decoders
 * without animation show. */
#include "vision.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES_MAX = 8 << 20 };

typedef struct reader {
    png_structp png;
    png_infop info;
    jmp_buf out;
    vision_job *j;
    size_t at;
    uint8_t *pixels; /* one row of RGBA, or all of them where passes interlace */
    uint8_t **rows;
    int rc;
} reader;

static void on_error(png_structp png, png_const_charp text) {
    reader *r = png_get_error_ptr(png);
    if (!r->rc) r->rc = tn_fail(r->j->err, TN_EFORMAT, "PNG: damaged: %s", text);
    longjmp(r->out, 1);
}

static void leave(reader *r, int rc, const char *text) {
    r->rc = tn_fail(r->j->err, rc, "PNG: %s", text);
    longjmp(r->out, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png, (void)text;
}

static void on_read(png_structp png, png_bytep to, size_t n) {
    reader *r = png_get_io_ptr(png);
    if (n > r->j->n - r->at) leave(r, TN_EFORMAT, "cut off: its data end too early");
    memcpy(to, r->j->bytes + r->at, n);
    r->at += n;
}

/* The first chunk of a type, wherever it stands; NULL when there is none. */
static const uint8_t *find_chunk(const vision_job *j, const char *type, size_t *ret_n) {
    for (size_t at = 8; j->n - at >= 12;) {
        size_t n = vision_be32(j->bytes + at);
        if (n > j->n - at - 12) return NULL;
        if (memcmp(j->bytes + at + 4, type, 4) == 0) {
            *ret_n = n;
            return j->bytes + at + 8;
        }
        at += n + 12;
    }
    return NULL;
}

static unsigned orientation_of(const vision_job *j) {
    size_t n;
    const uint8_t *exif = find_chunk(j, "eXIf", &n);
    return exif ? vision_orientation(exif, n) : 1;
}

static uint32_t pictures_of(const vision_job *j) {
    size_t n;
    const uint8_t *control = find_chunk(j, "acTL", &n);
    uint32_t n_picture = control && n >= 4 ? vision_be32(control) : 1;
    return n_picture ? n_picture : 1;
}

/* What we do not look at the library need not either: some of it is compressed. */
static void ignore_chunks(png_structp png) {
    static const png_byte names[] = "iCCP\0tEXt\0zTXt\0iTXt\0sPLT\0hIST\0eXIf\0cHRM\0gAMA\0sRGB\0pHYs\0tIME";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
    png_set_chunk_malloc_max(png, CHUNK_BYTES_MAX);
}

/* Whatever it is becomes RGBA of 8 bits. */
static int set_transforms(reader *r) {
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_add_alpha(r->png, 255, PNG_FILLER_AFTER);
    int n_pass = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    return n_pass;
}

static void read_rows(reader *r, uint32_t width, uint32_t height) {
    r->pixels = malloc((size_t)width * 4);
    if (!r->pixels) leave(r, TN_ENOMEM, "out of memory");
    for (uint32_t y = 0; y < height; y++) {
        png_read_row(r->png, r->pixels, NULL);
        vision_put_rgba(r->j, 0, y, r->pixels, width);
    }
}

static void read_passes(reader *r, uint32_t width, uint32_t height) {
    r->pixels = malloc((size_t)width * height * 4);
    r->rows = malloc(sizeof *r->rows * height);
    if (!r->pixels || !r->rows) leave(r, TN_ENOMEM, "out of memory");
    for (uint32_t y = 0; y < height; y++) r->rows[y] = r->pixels + (size_t)y * width * 4;
    png_read_image(r->png, r->rows);
    for (uint32_t y = 0; y < height; y++) vision_put_rgba(r->j, 0, y, r->rows[y], width);
}

/* The library has one message for all that can be wrong with a header. */
static int check_size(const vision_job *j) {
    enum { WIDTH = 16, HEIGHT = 20, END = 24 };
    if (j->n < END) return 0;
    return vision_check_size(j, vision_be32(j->bytes + WIDTH), vision_be32(j->bytes + HEIGHT));
}

static void read_file(reader *r) {
    r->rc = check_size(r->j);
    if (r->rc) return;
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info) leave(r, TN_ENOMEM, "out of memory");
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, 0x7fffffff, 0x7fffffff); /* vision_begin has ours */
    ignore_chunks(r->png);
    png_read_info(r->png, r->info);
    uint32_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    r->rc = vision_begin(r->j, "png", width, height, orientation_of(r->j), pictures_of(r->j));
    if (r->rc) return;
    if (set_transforms(r) > 1)
        read_passes(r, width, height);
    else
        read_rows(r, width, height);
}

int vision_png(vision_job *j) {
    reader *r = calloc(1, sizeof *r);
    if (!r) return tn_fail(j->err, TN_ENOMEM, "PNG: out of memory");
    r->j = j;
    if (setjmp(r->out) == 0) read_file(r);
    int rc = r->rc;
    png_destroy_read_struct(&r->png, &r->info, NULL);
    free(r->pixels);
    free(r->rows);
    free(r);
    return rc;
}
