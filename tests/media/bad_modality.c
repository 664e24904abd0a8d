/* SPDX-License-Identifier: Apache-2.0 */
/* A modality module that does what the file tells it: "TNTEST" and a word. */
#include <pthread.h>
#include <stdlib.h>
#include <tenon/modality.h>
#include <unistd.h>

static int32_t probe(const uint8_t *bytes, size_t n) {
    return n > 7 && memcmp(bytes, "TNTEST ", 7) == 0 ? 100 : 0;
}

static int told(const uint8_t *bytes, size_t n, const char *word) {
    return n == 7 + strlen(word) && memcmp(bytes + 7, word, n - 7) == 0;
}

static int recurse(volatile char *above, size_t depth) {
    volatile char here[4096];
    here[0] = above ? above[0] : 1;
    return depth ? recurse(here, depth - 1) + here[0] : 0;
}

static void *end_soon(void *arg) {
    usleep(50000);
    _exit(7);
    return arg;
}

/* Takes memory until there is none; without a limit it stops at far more than the test allows. */
static int32_t allocate(tn_error *err) {
    for (int i = 0; i < 1024; i++) {
        char *p = malloc(1 << 20);
        if (!p) return tn_fail(err, TN_ENOMEM, "out of memory");
        memset(p, 1, 1 << 20);
    }
    return tn_fail(err, TN_EFORMAT, "nothing stopped it");
}

static int32_t obey(const uint8_t *bytes, size_t n, tn_error *err) {
    pthread_t thread;
    volatile uintptr_t at = 16;
    if (told(bytes, n, "crash")) *(volatile int *)at = 1;
    if (told(bytes, n, "abort")) abort();
    if (told(bytes, n, "exit")) _exit(3);
    if (told(bytes, n, "stack")) return recurse(NULL, SIZE_MAX);
    if (told(bytes, n, "hang"))
        for (;;) sleep(1);
    if (told(bytes, n, "spin"))
        for (volatile int i = 0;; i++) {}
    if (told(bytes, n, "close")) {
        close(0);
        for (;;) sleep(1);
    }
    if (told(bytes, n, "garbage")) {
        char text[4096];
        memset(text, 'x', sizeof text);
        if (write(0, text, sizeof text) < 0) return TN_EIO;
    }
    if (told(bytes, n, "memory")) return allocate(err);
    if (told(bytes, n, "later")) return pthread_create(&thread, NULL, end_soon, NULL);
    if (told(bytes, n, "bug")) return tn_fail(err, TN_EBUG, "a bug\n\x1b[31m of its own");
    if (told(bytes, n, "code")) return tn_fail(err, 12345, "a code that is none");
    if (told(bytes, n, "refuse")) return tn_fail(err, TN_EFORMAT, "refused, as told");
    return 0;
}

static int32_t inspect(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, tn_media_info *ret,
                       tn_error *err) {
    int32_t rc = obey(bytes, n, err);
    (void)limits;
    *ret =
        (tn_media_info){.size = ret->size, .kind = TN_MODALITY_IMAGE, .width = 2, .height = 1, .n_frame = 1};
    ret->n_in_file = 1;
    strcpy(ret->format, "test");
    if (told(bytes, n, "kind")) ret->kind = 77;
    if (told(bytes, n, "pixels")) ret->width = UINT32_MAX;
    if (told(bytes, n, "none")) ret->n_frame = 0;
    if (told(bytes, n, "nan")) ret->fps = 0.0 / 0.0;
    return rc;
}

static int32_t decode(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, const uint32_t *index,
                      uint32_t n_index, tn_modality_sink *sink, tn_media_info *ret, tn_error *err) {
    int32_t rc = inspect(bytes, n, limits, ret, err);
    if (rc || told(bytes, n, "nothing")) return rc;
    (void)index;
    if (told(bytes, n, "more")) n_index++;
    for (uint32_t i = 0; i < n_index; i++) {
        uint32_t width = told(bytes, n, "wide") ? 1u << 30 : 2;
        uint8_t *room = sink->frame(sink, width, 1, 0, err);
        if (!room) return err->code;
        memcpy(room, "\1\2\3\4\5\6", 6);
    }
    if (told(bytes, n, "other size")) ret->width = 1000;
    return 0;
}

static const tn_modality modality = {
    .size = sizeof(tn_modality),
    .summary = "tests",
    .kinds = 1u << TN_MODALITY_IMAGE,
    .probe = probe,
    .inspect = inspect,
    .decode = decode,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_MODALITY_FACTORY) == 0 ? &modality : NULL;
}

TN_MODULE_ENTRY(.id = "bad_modality", .version = "1.0", .licence = "Apache-2.0", .options = NULL,
                .get_factory = get_factory);
