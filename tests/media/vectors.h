/* SPDX-License-Identifier: Apache-2.0 */
/* Files of tests/vectors/media and the decoder that reads them. Include after unit.h. */
#ifndef TN_TESTS_MEDIA_VECTORS_H
#define TN_TESTS_MEDIA_VECTORS_H

#include "base/file.h"
#include "media/decoder.h"

typedef struct media_file {
    char *bytes;
    size_t n;
} media_file;

static inline media_file media_read(const char *name) {
    char path[4200];
    media_file f;
    tn_error err = {0};
    const char *src = getenv("TN_SRCDIR");
    snprintf(path, sizeof path, "%s/tests/vectors/media/%s", src ? src : ".", name);
    if (tn_file_read(path, 1 << 24, &f.bytes, &f.n, &err)) fail_msg("%s", err.text);
    return f;
}

/* Over the modules of this build and, when it is not NULL, one more file. */
static inline tn_decoder *media_decoder(const char *more, tn_decoder_config config) {
    tn_registry *r = NULL;
    tn_decoder *d = NULL;
    tn_error err = {0};
    char path[8400];
    const char *build = getenv("TN_BUILDDIR");
    snprintf(path, sizeof path, "%s/plugins/vision:%s/plugins/video:%s", build ? build : ".",
             build ? build : ".", more ? more : "");
    tn_registry_config where = {.search_path = path};
    assert_int_equal(tn_registry_new(&where, &r, &err), 0);
    if (!config.limits.timeout_s) config.limits.timeout_s = 120; /* the machine may be busy */
    if (tn_decoder_new(r, &config, &d, &err)) fail_msg("%s", err.text);
    tn_registry_free(r);
    return d;
}

/* A failure as it should be. */
static inline void media_assert_refused(int rc, const tn_error *err, int code, const char *why,
                                        const char *name) {
    if (rc != code || err->code != rc || !strstr(err->text, why))
        fail_msg("%s: code %d (\"%s\"), expected %d and \"%s\"", name, rc, err->text, code, why);
}

#endif
