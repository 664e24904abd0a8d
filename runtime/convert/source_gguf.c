/* SPDX-License-Identifier: Apache-2.0 */
/* A GGUF file as a source: all of its metadata and tensors, whatever model it is. Split files become one. */
#include <stdlib.h>
#include <string.h>

#include "convert/source.h"

/* What belongs to the file that was read and not to the model. */
static bool is_of_file(const char *key) {
    static const char *const keys[] = {"general.file_type", "general.quantization_version",
                                       "general.alignment", "split.no",
                                       "split.count",       "split.tensors.count"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

int tn__source_open_gguf(const char *path, tn_source *s, tn_error *err) {
    tn_source_tensor *added;
    const char *key;
    int rc = tn_checkpoint_open(path, &s->checkpoint, err);
    if (rc) return rc;
    const tn_gguf *g = tn_checkpoint_gguf(s->checkpoint);
    if (!g) return tn_fail(err, TN_EBUG, "%s: not a GGUF file", path);
    for (uint64_t i = 0; i < tn_gguf_kv_count(g); i++) {
        const tn_gguf_value *v = tn_gguf_kv_at(g, i, &key);
        if (!is_of_file(key)) tn_gguf_put_value(&s->meta, key, v);
    }
    for (uint64_t i = 0; !rc && i < tn_gguf_tensor_count(g); i++) {
        const tn_tensor *t = tn_gguf_tensor_at(g, i);
        rc = tn__source_add(s, t->name, t, &added, err);
    }
    return rc;
}
