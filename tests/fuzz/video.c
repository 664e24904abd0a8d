/* SPDX-License-Identifier: Apache-2.0 */
/* The module video. */
#include "fuzz/fuzz.h"

#include "fuzz/modality.h"

extern const tn_module video_LTX_tn_module_entry;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_media(fuzz_modality(&video_LTX_tn_module_entry), data, size);
    return 0;
}

bool fuzz_seed(unsigned i, tn_buf *ret) {
    return fuzz_media_seed("mp4 mov mkv webm avi ts flv ogv mpg m4a wav", i, ret);
}
