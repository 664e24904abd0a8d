/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/modality.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

enum { FRAMES = 3, FILES_MAX = 256, FILE_MAX = 1 << 17 };

static const tn_modality_limits limits = {.size = sizeof limits,
                                          .max_frames = FRAMES,
                                          .max_pixels = 1 << 16,
                                          .max_bytes = 1 << 20,
                                          .max_seconds = 100};

typedef struct collector {
    tn_modality_sink sink;
    uint8_t *room; /* of exactly one frame */
    uint32_t n, width, height;
    double seconds;
} collector;

/* A room that is full is gone: one that writes there later is found. */
static uint8_t *on_frame(tn_modality_sink *sink, uint32_t width, uint32_t height, double seconds,
                         tn_error *err) {
    collector *c = (collector *)sink;
    (void)err;
    if (c->n && (width != c->width || height != c->height || seconds < c->seconds)) abort();
    if (!width || !height || (uint64_t)width * height > limits.max_pixels || !isfinite(seconds)) abort();
    free(c->room);
    c->room = malloc((size_t)width * height * 3);
    if (!c->room) exit(1);
    c->n++;
    c->width = width;
    c->height = height;
    c->seconds = seconds;
    return c->room;
}

const tn_modality *fuzz_modality(const tn_module *entry) {
    static const tn_host host = {.size = sizeof host};
    return entry->get_factory(&host, TN_MODALITY_FACTORY);
}

static void check_refusal(int32_t rc, const tn_error *err) {
    bool known = rc == TN_EFORMAT || rc == TN_ENOTSUP || rc == TN_ELIMIT || rc == TN_ENOMEM;
    if (!known || err->code != rc || !err->text[0] || !memchr(err->text, 0, sizeof err->text)) abort();
}

static void check_info(const tn_media_info *i) {
    if (!i->width || !i->height || !i->n_frame || (uint64_t)i->width * i->height > limits.max_pixels) abort();
    if (!isfinite(i->fps) || !isfinite(i->seconds) || i->fps < 0 || i->seconds < 0) abort();
    if (!memchr(i->format, 0, sizeof i->format)) abort();
}

void fuzz_media(const tn_modality *m, const uint8_t *data, size_t size) {
    tn_media_info info = {.size = sizeof info};
    tn_error err = {0};
    collector c = {.sink = {.size = sizeof c.sink, .frame = on_frame}};
    uint32_t index[FRAMES] = {0}, n = 1;
    if (m->probe(data, size) == 0) return;
    int32_t rc = m->inspect(data, size, &limits, &info, &err);
    if (rc) {
        check_refusal(rc, &err);
        return;
    }
    check_info(&info);
    if (info.n_frame > 2) index[n++] = info.n_frame / 2;
    if (info.n_frame > 1) index[n++] = info.n_frame - 1;
    rc = m->decode(data, size, &limits, index, n, &c.sink, &info, &err);
    if (rc)
        check_refusal(rc, &err);
    else if (c.n != n || c.width != info.width || c.height != info.height)
        abort();
    free(c.room);
}

/* ---- Seeds ---- */

static bool ends_in(const char *name, const char *endings) {
    const char *dot = strrchr(name, '.');
    size_t n = dot ? strlen(dot + 1) : 0;
    for (const char *p = endings; n && *p; p += strcspn(p, " "), p += *p == ' ')
        if (strcspn(p, " ") == n && memcmp(p, dot + 1, n) == 0) return true;
    return false;
}

typedef struct seed_list {
    char *path[FILES_MAX];
    unsigned n;
} seed_list;

static void list_folder(seed_list *l, const char *folder, const char *endings) {
    const char *src = getenv("TN_SRCDIR");
    char dir[4096];
    struct dirent **names;
    snprintf(dir, sizeof dir, "%s/%s", src ? src : ".", folder);
    int n = scandir(dir, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (ends_in(names[i]->d_name, endings) && l->n < FILES_MAX)
            l->path[l->n++] = tn_path_join(dir, names[i]->d_name);
        free(names[i]);
    }
    if (n >= 0) free(names);
}

bool fuzz_media_seed(const char *endings, unsigned i, tn_buf *ret) {
    static seed_list list;
    char *data;
    size_t n;
    tn_error err;
    if (!list.n) {
        list_folder(&list, "tests/fuzz/corpus", endings);
        list_folder(&list, "tests/vectors/media", endings);
    }
    if (i >= list.n) return false;
    if (tn_file_read(list.path[i], FILE_MAX, &data, &n, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    tn_buf_add(ret, data, n);
    free(data);
    return true;
}
