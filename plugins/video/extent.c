/* SPDX-License-Identifier: Apache-2.0 */
/* Containers that say how long they are. Of those the library reads what is there and says nothing; where
 * there is an index of frames, as in MP4, it notices itself. */
#include "video.h"

#include <string.h>

/* The end of a RIFF file, 0 where it does not say. */
static uint64_t riff_end(const uint8_t *b, size_t n) {
    if (n < 12 || memcmp(b, "RIFF", 4) != 0) return 0;
    uint64_t size = (uint64_t)b[4] | (uint64_t)b[5] << 8 | (uint64_t)b[6] << 16 | (uint64_t)b[7] << 24;
    return size == UINT32_MAX ? 0 : size + 8;
}

/* A size of EBML at *at, which is moved past it: RFC 8794, section 6. UINT64_MAX: unknown, or not there. */
static uint64_t ebml_size(const uint8_t *b, size_t n, size_t *at) {
    unsigned len = *at < n && b[*at] ? (unsigned)__builtin_clz((unsigned)b[*at] << 24) + 1 : 0;
    if (!len || n - *at < len) return UINT64_MAX;
    uint64_t all = ((uint64_t)1 << (7 * len)) - 1, value = b[*at] & (0xffu >> len);
    for (unsigned i = 1; i < len; i++) value = value << 8 | b[*at + i];
    *at += len;
    return value == all ? UINT64_MAX : value;
}

/* The end of the segment that follows the header of a Matroska file. */
static uint64_t matroska_end(const uint8_t *b, size_t n) {
    size_t at = 4;
    if (n < 4 || memcmp(b, "\x1a\x45\xdf\xa3", 4) != 0) return 0;
    uint64_t header = ebml_size(b, n, &at);
    if (header > n - at || n - at - header < 4) return 0;
    at += (size_t)header;
    if (memcmp(b + at, "\x18\x53\x80\x67", 4) != 0) return 0;
    at += 4;
    uint64_t segment = ebml_size(b, n, &at);
    return segment == UINT64_MAX ? 0 : at + segment;
}

int video_check_extent(const uint8_t *bytes, size_t n, tn_error *err) {
    uint64_t end = riff_end(bytes, n);
    if (!end) end = matroska_end(bytes, n);
    if (end <= n) return 0;
    return tn_fail(err, TN_EFORMAT, "video: cut off: it has %zu bytes and says it has %llu", n,
                   (unsigned long long)end);
}
