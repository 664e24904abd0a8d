/* SPDX-License-Identifier: Apache-2.0 */
/* The module vision. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/modality.h"

extern const tn_module vision_LTX_tn_module_entry;

/* The sum that ends a chunk of PNG; W3C PNG, annex D. */
static uint32_t crc(const uint8_t *p, size_t n) {
    uint32_t c = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
    }
    return ~c;
}

/* A changed PNG gets no further than its first chunk unless the sums are changed too. */
static void mend_sums(uint8_t *data, size_t size) {
    for (size_t at = 8; size >= at && size - at >= 12;) {
        size_t n =
            (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (n > size - at - 12) return;
        uint32_t sum = crc(data + at + 4, n + 4);
        for (int i = 0; i < 4; i++) data[at + 8 + n + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
        at += n + 12;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const tn_modality *m = fuzz_modality(&vision_LTX_tn_module_entry);
    fuzz_media(m, data, size);
    if (size > 8 && memcmp(data, "\x89PNG", 4) == 0) {
        uint8_t *copy = malloc(size);
        if (!copy) exit(1);
        memcpy(copy, data, size);
        mend_sums(copy, size);
        fuzz_media(m, copy, size);
        free(copy);
    }
    return 0;
}

bool fuzz_seed(unsigned i, tn_buf *ret) {
    return fuzz_media_seed("jpg png webp gif bmp tiff", i, ret);
}
