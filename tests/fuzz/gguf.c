/* SPDX-License-Identifier: Apache-2.0 */
/* A GGUF file from memory: refused with a message, or all of it can be read. */
#include "fuzz/fuzz.h"

#include "unit/model_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_gguf *g;
    tn_error err = {0};
    int rc = tn_gguf_open_memory(data, size, "fuzz", &g, &err);
    if (rc) {
        if (err.code != rc || !err.text[0]) abort();
        return 0;
    }
    walk_gguf(g);
    tn_gguf_close(g);
    return 0;
}

bool fuzz_seed(unsigned i, tn_buf *ret) {
    if (i > 1) return false;
    if (i == 0) {
        put_sample_gguf(ret);
        return true;
    }
    /* Mostly tensor records, so that mutations land there. */
    put_header(ret, 4, 1);
    put_kv_u32(ret, "general.alignment", 8);
    put_tensor(ret, "a", 1, 256, TN_TYPE_IQ2_XS, 0);
    put_tensor(ret, "b", 2, 32, TN_TYPE_MXFP4, 80);
    put_tensor(ret, "c", 3, 5, TN_TYPE_F16, 120);
    put_tensor(ret, "d", 1, 256, TN_TYPE_IQ1_M, 152);
    put_padding(ret, 8);
    for (unsigned j = 0; j < 208; j++) tn_buf_addc(ret, (char)(j * 11));
    return true;
}
