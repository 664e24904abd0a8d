/* SPDX-License-Identifier: Apache-2.0 */
/* Images: which format it is, and the module's entry. */
#include "vision.h"

#include <string.h>

#define READS "JPEG, PNG, WebP, GIF and BMP"

typedef struct format {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t n);
    int (*read)(vision_job *j); /* NULL: known, but not read */
} format;

static bool starts(const uint8_t *bytes, size_t n, const char *magic, size_t n_magic) {
    return n >= n_magic && memcmp(bytes, magic, n_magic) == 0;
}
#define STARTS(magic) starts(bytes, n, magic, sizeof magic - 1)

static bool is_jpeg(const uint8_t *bytes, size_t n) {
    return STARTS("\xff\xd8\xff");
}

static bool is_png(const uint8_t *bytes, size_t n) {
    return STARTS("\x89PNG\r\n\x1a\n");
}

static bool is_webp(const uint8_t *bytes, size_t n) {
    return n >= 12 && STARTS("RIFF") && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static bool is_gif(const uint8_t *bytes, size_t n) {
    return STARTS("GIF87a") || STARTS("GIF89a");
}

/* Two letters are little: the length of the second header has to be one that there is. */
static bool is_bmp(const uint8_t *bytes, size_t n) {
    static const uint32_t lengths[] = {12, 40, 52, 56, 64, 108, 124};
    if (n < 18 || !STARTS("BM")) return false;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        if (vision_le32(bytes + 14) == lengths[i]) return true;
    return false;
}

static bool is_tiff(const uint8_t *bytes, size_t n) {
    return STARTS("II*\0") || STARTS("MM\0*");
}

/* Containers of ISO/IEC 14496-12 whose major brand is a picture's. */
static bool is_heif(const uint8_t *bytes, size_t n) {
    static const char brands[] = "heic heix heim heis hevc hevx mif1 msf1 avif avis";
    if (n < 12 || memcmp(bytes + 4, "ftyp", 4) != 0) return false;
    for (const char *p = brands; p < brands + sizeof brands; p += 5)
        if (memcmp(bytes + 8, p, 4) == 0) return true;
    return false;
}

static bool is_jxl(const uint8_t *bytes, size_t n) {
    return STARTS("\xff\x0a") || STARTS("\0\0\0\x0cJXL ");
}

static bool is_jp2(const uint8_t *bytes, size_t n) {
    return STARTS("\0\0\0\x0cjP  ") || STARTS("\xff\x4f\xff\x51");
}

static bool is_ico(const uint8_t *bytes, size_t n) {
    return n >= 6 && (STARTS("\0\0\1\0") || STARTS("\0\0\2\0")) && bytes[5] == 0;
}

static bool is_psd(const uint8_t *bytes, size_t n) {
    return STARTS("8BPS");
}

static bool is_svg(const uint8_t *bytes, size_t n) {
    enum { WITHIN = 1024 };
    if (!STARTS("<svg") && !STARTS("<?xml")) return false;
    return memmem(bytes, n < WITHIN ? n : WITHIN, "<svg", 4) != NULL;
}

static bool is_pdf(const uint8_t *bytes, size_t n) {
    return STARTS("%PDF-");
}

static const format formats[] = {
    {"a JPEG", is_jpeg, vision_jpeg},  {"a PNG", is_png, vision_png}, {"a WebP", is_webp, vision_webp},
    {"a GIF", is_gif, vision_gif},     {"a BMP", is_bmp, vision_bmp}, {"a TIFF", is_tiff, NULL},
    {"a HEIF or AVIF", is_heif, NULL}, {"a JPEG XL", is_jxl, NULL},   {"a JPEG 2000", is_jp2, NULL},
    {"an icon", is_ico, NULL},         {"a Photoshop", is_psd, NULL}, {"an SVG", is_svg, NULL},
    {"a PDF", is_pdf, NULL},
};

static const format *find(const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].is(bytes, n)) return &formats[i];
    return NULL;
}

static int32_t probe(const uint8_t *bytes, size_t n) {
    return find(bytes, n) ? 100 : 0;
}

static int read_image(vision_job *j) {
    const format *f = find(j->bytes, j->n);
    if (!f) return tn_fail(j->err, TN_EFORMAT, "not an image: " READS " are read");
    if (!f->read)
        return tn_fail(j->err, TN_ENOTSUP, "%s file: " READS " are read, convert it to one of them", f->name);
    int rc = f->read(j);
    return rc == VISION_DONE ? 0 : rc;
}

static int32_t inspect(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, tn_media_info *ret,
                       tn_error *err) {
    vision_job j = {.bytes = bytes, .n = n, .limits = limits, .info = ret, .err = err};
    return read_image(&j);
}

static int32_t decode(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, const uint32_t *index,
                      uint32_t n_index, tn_modality_sink *sink, tn_media_info *ret, tn_error *err) {
    vision_job j = {.bytes = bytes, .n = n, .limits = limits, .info = ret, .sink = sink, .err = err};
    if (n_index != 1 || index[0] != 0)
        return tn_fail(err, TN_EINVAL, "frame %u of an image: it has frame 0 and no other",
                       n_index ? index[n_index - 1] : 0);
    return read_image(&j);
}

static const tn_modality modality = {
    .size = sizeof(tn_modality),
    .summary = "images: JPEG, PNG, WebP, GIF, BMP",
    .kinds = 1u << TN_MODALITY_IMAGE,
    .probe = probe,
    .inspect = inspect,
    .decode = decode,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_MODALITY_FACTORY) == 0 ? &modality : NULL;
}

TN_MODULE_ENTRY(.id = "vision", .version = "1.0", .licence = "Apache-2.0", .options = NULL,
                .get_factory = get_factory);
