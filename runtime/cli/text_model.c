/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text_model.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "cli/common.h"

/* Whether path begins as a GGUF file does; the name may be anything. */
static bool is_gguf(const char *path) {
    char magic[4] = {0};
    FILE *file = fopen(path, "rbe");
    if (!file) return false;
    size_t n = fread(magic, 1, sizeof magic, file);
    fclose(file);
    return n == sizeof magic && memcmp(magic, "GGUF", 4) == 0;
}

static int load_gguf(const char *path, tn_tokenizer **ret, tn_error *err) {
    tn_gguf *gguf;
    int rc = tn_gguf_open(path, &gguf, err);
    if (rc) return rc;
    rc = tn_tokenizer_load_gguf(gguf, ret, err);
    tn_gguf_close(gguf);
    return rc ? tn_error_prefix(err, rc, "%s", path) : 0;
}

int tn_text_model_tokenizer(const char *model, tn_tokenizer **ret, tn_error *err) {
    char *path;
    int rc = tn_model_find(model, &path, err);
    if (rc) return rc;
    if (tn_dir_exists(path))
        rc = tn_tokenizer_load_dir(path, ret, err);
    else if (is_gguf(path))
        rc = load_gguf(path, ret, err);
    else
        rc = tn_tokenizer_load_file(path, ret, err);
    free(path);
    return rc;
}

int tn_text_model_template(const tn_tokenizer *tok, const char *model, tn_template **ret, tn_error *err) {
    size_t len;
    const char *source = tn_tokenizer_chat_template(tok, NULL, &len);
    if (!source) return tn_fail(err, TN_ENOENT, "%s: this model has no chat template", model);
    return tn_template_compile(source, len, "chat template", ret, err);
}

int tn_text_model_template_file(const char *path, tn_template **ret, tn_error *err) {
    char *source;
    size_t len;
    int rc = tn_file_read(path, TN_TEMPLATE_SOURCE_MAX, &source, &len, err);
    if (rc) return rc;
    rc = tn_template_compile(source, len, path, ret, err);
    free(source);
    return rc;
}
