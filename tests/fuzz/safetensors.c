/* SPDX-License-Identifier: Apache-2.0 */
/* A safetensors file from memory: refused with a message, or all of it can be read. */
#include "fuzz/fuzz.h"

#include "unit/model_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_safetensors *s;
    tn_error err = {0};
    int rc = tn_safetensors_open_memory(data, size, "fuzz", &s, &err);
    if (rc) {
        if (err.code != rc || !err.text[0]) abort();
        return 0;
    }
    walk_safetensors(s);
    tn_safetensors_close(s);
    return 0;
}

bool fuzz_seed(unsigned i, tn_buf *ret) {
    if (i > 0) return false;
    put_safetensors(ret, sample_safetensors, SAMPLE_SAFETENSORS_BYTES);
    return true;
}
