/* SPDX-License-Identifier: Apache-2.0 */
#include "vision.h"

#include <string.h>

enum { HEADER = 8, ENTRY = 12, TAG_ORIENTATION = 0x112, TYPE_SHORT = 3 };

typedef struct tiff {
    const uint8_t *bytes;
    size_t n;
    bool big;
} tiff;

static uint32_t u16(const tiff *t, size_t at) {
    return t->big ? vision_be16(t->bytes + at) : vision_le16(t->bytes + at);
}
static uint32_t u32(const tiff *t, size_t at) {
    return t->big ? vision_be32(t->bytes + at) : vision_le32(t->bytes + at);
}

/* Of the first directory, which begins at `at`. */
static unsigned from_directory(const tiff *t, size_t at) {
    if (at > t->n || t->n - at < 2) return 1;
    size_t n_entry = u16(t, at);
    at += 2;
    for (size_t i = 0; i < n_entry && t->n - at >= ENTRY; i++, at += ENTRY) {
        if (u16(t, at) != TAG_ORIENTATION || u16(t, at + 2) != TYPE_SHORT) continue;
        uint32_t value = u16(t, at + 8);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

unsigned vision_orientation(const uint8_t *exif, size_t n) {
    if (n >= 6 && memcmp(exif, "Exif\0\0", 6) == 0) {
        exif += 6;
        n -= 6;
    }
    tiff t = {exif, n, n >= 2 && exif[0] == 'M'};
    if (n < HEADER || (memcmp(exif, "II", 2) != 0 && memcmp(exif, "MM", 2) != 0) || u16(&t, 2) != 42)
        return 1;
    return from_directory(&t, u32(&t, 4));
}
