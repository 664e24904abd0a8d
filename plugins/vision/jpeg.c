/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG by libjpeg: baseline and progressive, grey, YCbCr, RGB, CMYK and YCCK. A file that is cut off or
 * damaged is refused, where the library would go on in grey. */
#include "vision.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum { SCANS_MAX = 256 }; /* a file of many empty scans costs a pass over the picture for each */

typedef struct reader {
    struct jpeg_decompress_struct c; /* first: what libjpeg passes is a reader */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf out;
    vision_job *j;
    uint8_t *row;
    bool incomplete; /* the end came before the library wanted it */
    int rc;
} reader;

static void leave(reader *r, int rc, const char *what, const char *detail) {
    r->rc = tn_fail(r->j->err, rc, "JPEG: %s%s%s", what, *detail ? ": " : "", detail);
    longjmp(r->out, 1);
}

static void on_error(j_common_ptr c) {
    char text[JMSG_LENGTH_MAX];
    reader *r = (reader *)c;
    c->err->format_message(c, text);
    switch (c->err->msg_code) {
    case JERR_OUT_OF_MEMORY: leave(r, TN_ENOMEM, "out of memory", ""); break;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL: leave(r, TN_ENOTSUP, "a kind that is not read", text); break;
    default: leave(r, TN_EFORMAT, "damaged", text);
    }
}

/* Warnings: that the data ended early or make no sense counts, the rest is for the author of the file. */
static void on_message(j_common_ptr c, int level) {
    char text[JMSG_LENGTH_MAX];
    reader *r = (reader *)c;
    if (level >= 0) return;
    switch (c->err->msg_code) {
    case JWRN_JPEG_EOF: r->incomplete = true; break;
    case JWRN_HIT_MARKER:
        leave(r, TN_EFORMAT, r->incomplete ? "cut off: its data end too early" : "damaged: data are missing",
              "");
        break;
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_NOT_SEQUENTIAL:
        c->err->format_message(c, text);
        leave(r, TN_EFORMAT, "damaged", text);
        break;
    default: break;
    }
}

static void no_output(j_common_ptr c) {
    (void)c;
}

static void on_progress(j_common_ptr c) {
    reader *r = (reader *)c;
    if (r->c.input_scan_number > SCANS_MAX) leave(r, TN_EFORMAT, "damaged: it has hundreds of scans", "");
}

static unsigned orientation_of(const reader *r) {
    for (jpeg_saved_marker_ptr m = r->c.marker_list; m; m = m->next)
        if (m->data_length > 6 && memcmp(m->data, "Exif\0\0", 6) == 0)
            return vision_orientation(m->data, m->data_length);
    return 1;
}

static void choose_colours(reader *r) {
    switch (r->c.jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr:
    case JCS_RGB: r->c.out_color_space = JCS_RGB; break;
    case JCS_CMYK:
    case JCS_YCCK: r->c.out_color_space = JCS_CMYK; break;
    default: leave(r, TN_ENOTSUP, "neither grey, RGB, YCbCr, CMYK nor YCCK", "");
    }
}

/* In place, n pixels of 4 bytes to 3. With Adobe's marker the four are stored inverted. */
static void from_cmyk(uint8_t *row, uint32_t n, bool inverted) {
    for (uint32_t i = 0; i < n; i++) {
        uint8_t four[4];
        for (int c = 0; c < 4; c++) four[c] = inverted ? row[4 * i + c] : (uint8_t)(255 - row[4 * i + c]);
        for (int c = 0; c < 3; c++) row[3 * i + c] = (uint8_t)((four[c] * four[3] + 127) / 255);
    }
}

static void read_rows(reader *r) {
    jpeg_start_decompress(&r->c);
    /* Where several scans make the picture, those that are not there would be missing in silence. */
    if (r->incomplete && jpeg_has_multiple_scans(&r->c))
        leave(r, TN_EFORMAT, "cut off: its data end too early", "");
    r->row = malloc((size_t)r->c.output_width * 4);
    if (!r->row) leave(r, TN_ENOMEM, "out of memory", "");
    while (r->c.output_scanline < r->c.output_height) {
        uint32_t y = r->c.output_scanline;
        JSAMPROW rows[1] = {r->row};
        jpeg_read_scanlines(&r->c, rows, 1);
        if (r->c.out_color_space == JCS_CMYK) from_cmyk(r->row, r->c.output_width, r->c.saw_Adobe_marker);
        vision_put_rgb(r->j, 0, y, r->row, r->c.output_width);
    }
}

static void read_file(reader *r) {
    jpeg_create_decompress(&r->c);
    r->c.progress = &r->progress;
    jpeg_mem_src(&r->c, r->j->bytes, (unsigned long)r->j->n);
    jpeg_save_markers(&r->c, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&r->c, TRUE);
    r->rc = vision_begin(r->j, "jpeg", r->c.image_width, r->c.image_height, orientation_of(r), 1);
    if (r->rc) return;
    choose_colours(r);
    read_rows(r);
}

int vision_jpeg(vision_job *j) {
    reader *r = calloc(1, sizeof *r);
    if (!r) return tn_fail(j->err, TN_ENOMEM, "JPEG: out of memory");
    r->j = j;
    r->c.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->errors.output_message = no_output;
    r->progress.progress_monitor = on_progress;
    if (setjmp(r->out) == 0) read_file(r);
    int rc = r->rc;
    jpeg_destroy_decompress(&r->c);
    free(r->row);
    free(r);
    return rc;
}
