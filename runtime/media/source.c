/* SPDX-License-Identifier: Apache-2.0 */
#include "media/source.h"

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "media/base64.h"

static bool begins(const char *text, size_t len, const char *with) {
    size_t n = strlen(with);
    return len >= n && strncasecmp(text, with, n) == 0;
}

/* ---- Data URIs (RFC 2397) ---- */

/* Where the data begin; 0 when they are not said to be base64. The type before is nothing to rely on. */
static size_t data_start(const char *text, size_t len) {
    enum { MAX_HEAD = 512 };
    static const char base64[] = ";base64";
    const size_t n = sizeof base64 - 1;
    const char *comma = memchr(text, ',', len < MAX_HEAD ? len : MAX_HEAD);
    if (!comma || (size_t)(comma - text) < 5 + n || strncasecmp(comma - n, base64, n) != 0) return 0;
    return (size_t)(comma - text) + 1;
}

/* ---- Base64 by itself ---- */

typedef struct magic {
    size_t at;
    const char *bytes;
    size_t n;
} magic;

#define MAGIC(at, bytes)                                                                                     \
    { at, bytes, sizeof bytes - 1 }

/* How files of pictures, clips and recordings begin. */
static const magic magics[] = {
    MAGIC(0, "\xff\xd8\xff"),      /* JPEG */
    MAGIC(0, "\x89PNG\r\n\x1a\n"), /* PNG */
    MAGIC(0, "GIF87a"),            /* GIF */
    MAGIC(0, "GIF89a"),
    MAGIC(8, "WEBP"), /* in RIFF */
    MAGIC(8, "AVI "),
    MAGIC(8, "WAVE"),
    MAGIC(4, "ftyp"),             /* MP4, MOV, HEIF, AVIF */
    MAGIC(0, "\x1a\x45\xdf\xa3"), /* Matroska, WebM */
    MAGIC(0, "II*\0"),
    MAGIC(0, "MM\0*"), /* TIFF */
    MAGIC(0, "OggS"),
    MAGIC(0, "\0\0\x01\xba"), /* MPEG */
    MAGIC(0, "fLaC"),
    MAGIC(8, "AIFF"),
    MAGIC(0, "ID3"), /* MP3 */
    MAGIC(0, "\xff\xfb"),
    MAGIC(0, "\xff\xf3"),
    MAGIC(0, "\xff\xf2"),
};

/* A path of letters, digits and slashes alone could be base64 as well, but hardly of these bytes. */
static bool is_base64(const char *text, size_t len) {
    enum { HEAD = 16 };
    uint8_t head[HEAD / 4 * 3];
    if (len < HEAD || tn_base64_decode(text, HEAD, head, NULL) || tn_base64_size(text, HEAD) < sizeof head)
        return false;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
        if (memcmp(head + magics[i].at, magics[i].bytes, magics[i].n) == 0) return true;
    return false;
}

/* ---- Kinds ---- */

/* The length of "scheme" in "scheme://", or 0. */
static size_t scheme_length(const char *text, size_t len) {
    size_t n = 0;
    if (!len || !isalpha((unsigned char)text[0])) return 0;
    while (n < len && (isalnum((unsigned char)text[n]) || strchr("+-.", text[n])) && text[n]) n++;
    return len - n >= 3 && memcmp(text + n, "://", 3) == 0 ? n : 0;
}

static int check_text(const char *text, size_t len, size_t most, const char *what, tn_error *err) {
    if (len > most)
        return tn_fail(
            err, TN_EINVAL,
            "%zu bytes are no URL, no data URI, no base64 of a known format, and too long for a %s: "
            "at most %zu",
            len, what, most);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return tn_fail(err, TN_EINVAL, "a %s with the character 0x%02x at byte %zu", what,
                           (unsigned char)text[i], i);
    return 0;
}

int tn_source_classify(const char *text, size_t len, tn_source_kind *ret, tn_error *err) {
    if (len == 0) return tn_fail(err, TN_EINVAL, "it is empty");
    if (begins(text, len, "data:")) {
        *ret = TN_SOURCE_DATA;
        if (data_start(text, len)) return 0;
        return tn_fail(err, TN_ENOTSUP, "a data URI begins with data:TYPE;base64, and has no other encoding");
    }
    if (begins(text, len, "http://") || begins(text, len, "https://")) {
        *ret = TN_SOURCE_URL;
        return check_text(text, len, TN_SOURCE_URL_BYTES, "URL", err);
    }
    if (begins(text, len, "file:")) {
        *ret = TN_SOURCE_FILE;
        return check_text(text, len, TN_SOURCE_PATH_BYTES, "path", err);
    }
    size_t scheme = scheme_length(text, len);
    if (scheme)
        return tn_fail(err, TN_ENOTSUP, "\"%.*s\" is not fetched; http, https, data and file are",
                       scheme < 40 ? (int)scheme : 40, text);
    *ret = is_base64(text, len) ? TN_SOURCE_BASE64 : TN_SOURCE_PATH;
    return *ret == TN_SOURCE_BASE64 ? 0 : check_text(text, len, TN_SOURCE_PATH_BYTES, "path", err);
}

const char *tn_source_base64(const char *text, size_t len, tn_source_kind kind, size_t *ret_len) {
    size_t start = kind == TN_SOURCE_DATA ? data_start(text, len) : 0;
    *ret_len = len - start;
    return text + start;
}

/* ---- Paths ---- */

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int decode_percent(char *text, tn_error *err) {
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);
        if (low < 0 || high * 16 + low < ' ')
            return tn_fail(err, TN_EINVAL,
                           "a file URI with a '%%' that is not followed by the two digits of a "
                           "printable character");
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return 0;
}

/* "/path" of "file:///path", "file://localhost/path", "file:/path". */
static const char *file_path(const char *uri) {
    const char *rest = uri + strlen("file:");
    if (strncmp(rest, "//", 2) != 0) return rest;
    rest += 2;
    if (strncasecmp(rest, "localhost/", 10) == 0) rest += 9;
    return rest;
}

int tn_source_path(const char *text, size_t len, tn_source_kind kind, char **ret, tn_error *err) {
    char *copy = strndup(text, len);
    if (!copy) return tn_fail(err, TN_ENOMEM, "out of memory");
    *ret = copy;
    if (kind == TN_SOURCE_PATH) return 0;
    const char *path = file_path(copy);
    int rc = *path == '/' ? 0 : tn_fail(err, TN_EINVAL, "a file URI has an absolute path: file:///...");
    memmove(copy, path, strlen(path) + 1);
    if (!rc) rc = decode_percent(copy, err);
    if (rc) {
        free(copy);
        *ret = NULL;
    }
    return rc;
}
