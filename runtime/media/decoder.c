/* SPDX-License-Identifier: Apache-2.0 */
#include "media/decoder.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/checked.h"
#include "media/child.h"
#include "media/sound.h"
#include "modules/scan.h"

enum { HELPERS_MAX = 16, HELPERS = 2, TEXT_MAX = 1 << 20 };

typedef struct slot {
    tn_media_child child;
    bool busy;
} slot;

struct tn_decoder {
    tn_decode_limits limits;
    char *program, *modules;
    pthread_mutex_t lock;
    pthread_cond_t freed;
    slot slots[HELPERS_MAX];
    uint32_t n_slot;
    atomic_ullong n_lost;
};

/* ---- Making one ---- */

static tn_decode_limits with_defaults(tn_decode_limits l) {
    if (!l.max_bytes) l.max_bytes = TN_DECODE_MAX_BYTES;
    if (!l.max_pixels) l.max_pixels = TN_DECODE_MAX_PIXELS;
    if (!l.max_decoded_bytes) l.max_decoded_bytes = TN_DECODE_MAX_DECODED_BYTES;
    if (!l.memory) l.memory = TN_DECODE_MEMORY;
    if (!l.max_frames) l.max_frames = TN_DECODE_MAX_FRAMES;
    if (!(l.max_duration_s > 0)) l.max_duration_s = TN_DECODE_MAX_DURATION_S;
    if (!(l.timeout_s > 0)) l.timeout_s = TN_DECODE_TIMEOUT_S;
    return l;
}

/* The files of the modules that decode, ':' between them. */
static char *module_files(const tn_registry *r) {
    tn_buf b;
    tn_buf_init(&b, TEXT_MAX);
    tn_buf_adds(&b, "");
    for (size_t i = 0; r && i < tn_registry_count(r); i++) {
        const tn_module_info *m = tn_registry_at(r, i);
        if (m->path && tn_module_offers(m, TN_MODALITY_FACTORY))
            tn_buf_addf(&b, "%s%s", b.len ? ":" : "", m->path);
    }
    return tn_buf_steal(&b, NULL);
}

int tn_decoder_new(const tn_registry *r, const tn_decoder_config *config, tn_decoder **ret, tn_error *err) {
    static const tn_decoder_config defaults;
    if (!config) config = &defaults;
    const char *program = tn_scan_program(config->program);
    if (config->n_helper > HELPERS_MAX)
        return tn_fail(err, TN_EINVAL, "%u helpers that decode; at most %d", config->n_helper, HELPERS_MAX);
    if (!program) return tn_fail(err, TN_EIO, "the program does not know its own file");
    tn_decoder *d = calloc(1, sizeof *d);
    if (!d) return tn_fail(err, TN_ENOMEM, "out of memory");
    d->limits = with_defaults(config->limits);
    d->n_slot = config->n_helper ? config->n_helper : HELPERS;
    d->program = strdup(program);
    d->modules = module_files(r);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->freed, NULL);
    if (!d->program || !d->modules) {
        tn_decoder_free(d);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    *ret = d;
    return 0;
}

void tn_decoder_free(tn_decoder *d) {
    if (!d) return;
    for (uint32_t i = 0; i < d->n_slot; i++) tn_media_child_end(&d->slots[i].child);
    pthread_cond_destroy(&d->freed);
    pthread_mutex_destroy(&d->lock);
    free(d->program);
    free(d->modules);
    free(d);
}

uint64_t tn_decoder_restarts(const tn_decoder *d) {
    return atomic_load(&d->n_lost);
}

/* ---- A call ---- */

/* One that runs already, if any: it need not be started. */
static slot *find_free(tn_decoder *d) {
    slot *found = NULL;
    for (uint32_t i = 0; i < d->n_slot; i++) {
        slot *s = &d->slots[i];
        if (!s->busy && (!found || (s->child.pid && !found->child.pid))) found = s;
    }
    return found;
}

static slot *take_slot(tn_decoder *d) {
    slot *s;
    pthread_mutex_lock(&d->lock);
    while (!(s = find_free(d))) pthread_cond_wait(&d->freed, &d->lock);
    s->busy = true;
    pthread_mutex_unlock(&d->lock);
    return s;
}

static void give_slot(tn_decoder *d, slot *s) {
    pthread_mutex_lock(&d->lock);
    s->busy = false;
    pthread_cond_signal(&d->freed);
    pthread_mutex_unlock(&d->lock);
}

/* One that died while nobody asked it anything is nobody's fault. */
static int ensure_alive(tn_decoder *d, slot *s, tn_error *err) {
    if (tn_media_child_alive(&s->child)) return 0;
    tn_media_child_end(&s->child);
    return tn_media_child_start(&s->child, d->program, d->modules, err);
}

/* Memory with index [n_index] and bytes [n], as a request wants it. */
static int share(const tn_media_request *q, const uint32_t *index, const void *bytes, int *ret_fd,
                 tn_error *err) {
    size_t head = (size_t)q->n_index * sizeof *index, size;
    if (!tn_add_size(head, (size_t)q->n_byte, &size)) return tn_fail(err, TN_ENOMEM, "out of memory");
    int fd = tn_media_memory_new(size);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        if (fd >= 0) close(fd);
        return tn_fail(err, TN_ENOMEM, "no shared memory of %zu bytes for the helper that decodes", size);
    }
    if (head) memcpy(p, index, head);
    memcpy((char *)p + head, bytes, (size_t)q->n_byte);
    munmap(p, size);
    *ret_fd = fd;
    return 0;
}

/* Asks a helper. One that ran out of memory may have lost it to files before: a fresh one gets a try. */
static int ask_slot(tn_decoder *d, slot *s, const tn_media_request *q, int memory, tn_media_reply *ret,
                    int *ret_fd, tn_error *err) {
    for (;;) {
        int rc = ensure_alive(d, s, err);
        if (rc) return rc;
        bool fresh = s->child.n_served == 0;
        rc = tn_media_child_ask(&s->child, q, memory, d->limits.timeout_s, ret, ret_fd, err);
        if (rc) atomic_fetch_add(&d->n_lost, 1);
        if (rc || ret->code != TN_ENOMEM) return rc;
        if (*ret_fd >= 0) close(*ret_fd);
        *ret_fd = -1;
        tn_media_child_end(&s->child);
        atomic_fetch_add(&d->n_lost, 1);
        if (fresh)
            return tn_fail(err, TN_ELIMIT, "decoding it takes more than %" PRIu64 " MiB of memory",
                           d->limits.memory >> 20);
    }
}

/* ---- What came back ---- */

static void make_printable(char *text, size_t size) {
    text[size - 1] = 0;
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p > '~') *p = '?';
}

static int senseless(tn_error *err, const char *what) {
    return tn_fail(err, TN_EMODULE, "the decoder's answer makes no sense: %s", what);
}

static int judge_sound(const tn_media_info *i, tn_error *err) {
    if (!(i->fps >= 1 && i->fps <= TN_SOUND_MAX_RATE) || i->fps != floor(i->fps))
        return senseless(err, "its rate");
    if (!isfinite(i->seconds) || i->seconds < 0) return senseless(err, "its times");
    return 0;
}

/* A refusal, or an info that can be believed. */
static int judge_reply(const tn_decoder *d, tn_media_reply *a, tn_error *err) {
    make_printable(a->err.text, sizeof a->err.text);
    make_printable(a->info.format, sizeof a->info.format);
    switch (a->code) {
    case 0: break;
    case TN_EINVAL:
    case TN_EFORMAT:
    case TN_ENOTSUP:
    case TN_ELIMIT: return tn_fail(err, a->code, "%s", a->err.text[0] ? a->err.text : "cannot be decoded");
    default: return tn_fail(err, TN_EMODULE, "the decoder fails: %s", a->err.text);
    }
    const tn_media_info *i = &a->info;
    if (i->kind == TN_MODALITY_AUDIO) return judge_sound(i, err);
    uint64_t pixels = (uint64_t)i->width * i->height;
    if (i->kind != TN_MODALITY_IMAGE && i->kind != TN_MODALITY_VIDEO) return senseless(err, "its kind");
    if (!pixels || pixels > d->limits.max_pixels) return senseless(err, "its size");
    if (!i->n_frame || (i->kind == TN_MODALITY_IMAGE && i->n_frame != 1))
        return senseless(err, "its number of frames");
    if (!isfinite(i->fps) || i->fps < 0 || !isfinite(i->seconds) || i->seconds < 0)
        return senseless(err, "its times");
    return 0;
}

static int check_call(const tn_decoder *d, size_t n, uint32_t n_index, tn_error *err) {
    const tn_decode_limits *l = &d->limits;
    if (!n) return tn_fail(err, TN_EFORMAT, "a file of 0 bytes");
    if (n > l->max_bytes)
        return tn_fail(err, TN_ELIMIT, "a file of %zu bytes; at most %" PRIu64 " are taken (media.max_bytes)",
                       n, l->max_bytes);
    if (n_index > l->max_frames)
        return tn_fail(err, TN_ELIMIT, "%u frames at once; at most %u are taken (media.max_frames)", n_index,
                       l->max_frames);
    return 0;
}

/* Sends the file and waits; on success *ret has been judged, and *ret_fd is the caller's when >= 0. */
static int ask(tn_decoder *d, uint32_t kind, const void *bytes, size_t n, const uint32_t *index,
               uint32_t n_index, tn_media_reply *ret, int *ret_fd, tn_error *err) {
    const tn_decode_limits *l = &d->limits;
    tn_media_request q = {
        .magic = TN_MEDIA_MAGIC, .n_index = n_index, .n_byte = n, .memory = l->memory, .kind = kind};
    int memory = -1;
    q.seconds = l->timeout_s < 1e6 ? (uint32_t)ceil(l->timeout_s) : 1000000;
    q.limits = (tn_modality_limits){.size = sizeof q.limits,
                                    .max_frames = l->max_frames,
                                    .max_pixels = l->max_pixels,
                                    .max_bytes = l->max_decoded_bytes,
                                    .max_seconds = l->max_duration_s};
    *ret_fd = -1;
    int rc = check_call(d, n, n_index, err);
    if (!rc) rc = share(&q, index, bytes, &memory, err);
    if (rc) return rc;
    slot *s = take_slot(d);
    rc = ask_slot(d, s, &q, memory, ret, ret_fd, err);
    give_slot(d, s);
    close(memory);
    if (!rc) rc = judge_reply(d, ret, err);
    if (rc && *ret_fd >= 0) close(*ret_fd);
    return rc;
}

int tn_decoder_inspect(tn_decoder *d, uint32_t kind, const void *bytes, size_t n, tn_media_info *ret,
                       tn_error *err) {
    tn_media_reply a;
    int fd;
    int rc = ask(d, kind, bytes, n, NULL, 0, &a, &fd, err);
    if (rc) return rc;
    if (fd >= 0) close(fd);
    *ret = a.info;
    ret->size = sizeof *ret;
    return 0;
}

/* The numbers without repetitions; free() them. */
static int distinct(const uint32_t *index, uint32_t n_index, uint32_t **ret, uint32_t *ret_n, tn_error *err) {
    uint32_t n = 0;
    if (!n_index) return tn_fail(err, TN_EINVAL, "no frames are wanted");
    uint32_t *list = malloc(n_index * sizeof *list);
    if (!list) return tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n_index; i++) {
        if (i && index[i] < index[i - 1]) {
            free(list);
            return tn_fail(err, TN_EINVAL, "frames %u and %u are wanted in this order: it must ascend",
                           index[i - 1], index[i]);
        }
        if (!i || index[i] != index[i - 1]) list[n++] = index[i];
    }
    *ret = list;
    *ret_n = n;
    return 0;
}

static int allocate(const tn_media_info *info, uint32_t n, size_t frame, tn_frames *ret, tn_error *err) {
    size_t size;
    bool video = info->kind == TN_MODALITY_VIDEO;
    *ret = (tn_frames){.width = info->width, .height = info->height, .n_frame = n, .fps = info->fps};
    if (tn_mul_size(frame, n, &size)) ret->rgb = malloc(size);
    if (video) ret->seconds = malloc(n * sizeof *ret->seconds);
    if (ret->rgb && (!video || ret->seconds)) return 0;
    tn_frames_fini(ret);
    return tn_fail(err, TN_ENOMEM, "no memory for %u frames of %u x %u pixels", n, info->width, info->height);
}

/* Copies out of what the helper shared: it could still write there. index [n_index] has repetitions, what was
 * shared has not. */
static int copy_frames(const uint8_t *shared, uint32_t n_shared, const uint32_t *index, uint32_t n_index,
                       size_t frame, tn_frames *ret, tn_error *err) {
    const uint8_t *pixels = shared + n_shared * sizeof(double);
    uint32_t k = 0;
    for (uint32_t i = 0; i < n_index; i++) {
        double seconds;
        k += i && index[i] != index[i - 1];
        memcpy(&seconds, shared + k * sizeof seconds, sizeof seconds);
        if (!isfinite(seconds) || (ret->seconds && i && seconds < ret->seconds[i - 1]))
            return senseless(err, "the times of its frames");
        if (ret->seconds) ret->seconds[i] = seconds;
        memcpy(ret->rgb + i * frame, pixels + k * frame, frame);
    }
    return 0;
}

static int take_frames(const tn_decoder *d, const tn_media_info *info, int fd, uint32_t n_shared,
                       const uint32_t *index, uint32_t n_index, tn_frames *ret, tn_error *err) {
    /* width * height is at most max_pixels. */
    size_t frame = (size_t)info->width * info->height * 3, pixels, size;
    if (!tn_mul_size(frame, n_shared, &pixels) || pixels > d->limits.max_decoded_bytes ||
        !tn_add_size(pixels, n_shared * sizeof(double), &size) || !tn_media_memory_safe(fd, size))
        return senseless(err, "the memory of its frames");
    uint8_t *shared = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) return tn_fail(err, TN_ENOMEM, "no memory for frames of %zu bytes", size);
    int rc = allocate(info, n_index, frame, ret, err);
    if (!rc) {
        rc = copy_frames(shared, n_shared, index, n_index, frame, ret, err);
        if (rc) tn_frames_fini(ret);
    }
    munmap(shared, size);
    return rc;
}

int tn_decoder_frames(tn_decoder *d, uint32_t kind, const void *bytes, size_t n, const uint32_t *index,
                      uint32_t n_index, tn_frames *ret, tn_error *err) {
    tn_media_reply a;
    uint32_t *wanted = NULL, n_wanted = 0;
    int fd;
    int rc = distinct(index, n_index, &wanted, &n_wanted, err);
    if (rc) return rc;
    rc = ask(d, kind, bytes, n, wanted, n_wanted, &a, &fd, err);
    free(wanted);
    if (rc) return rc;
    if (a.info.kind == TN_MODALITY_AUDIO)
        rc = tn_fail(err, TN_EINVAL, "this is a recording, which has no frames");
    else
        rc = take_frames(d, &a.info, fd, n_wanted, index, n_index, ret, err);
    if (fd >= 0) close(fd);
    return rc;
}

/* Copies out of what the helper shared. */
static int take_samples(const tn_decoder *d, const tn_media_info *info, int fd, tn_sound *ret,
                        tn_error *err) {
    const size_t size = (size_t)info->n_frame * sizeof(float);
    if (!size || size > d->limits.max_decoded_bytes || !tn_media_memory_safe(fd, size))
        return senseless(err, "the memory of its samples");
    const float *shared = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) return tn_fail(err, TN_ENOMEM, "no memory for samples of %zu bytes", size);
    *ret = (tn_sound){.rate = (uint32_t)info->fps, .n = info->n_frame, .samples = malloc(size)};
    if (ret->samples) memcpy(ret->samples, shared, size);
    munmap((void *)(uintptr_t)shared, size);
    return ret->samples ? 0 : tn_fail(err, TN_ENOMEM, "no memory for samples of %zu bytes", size);
}

int tn_decoder_sound(tn_decoder *d, const void *bytes, size_t n, tn_sound *ret, tn_error *err) {
    static const uint32_t all = 0;
    tn_media_reply a;
    int fd;
    *ret = (tn_sound){0};
    int rc = ask(d, TN_MODALITY_AUDIO, bytes, n, &all, 1, &a, &fd, err);
    if (rc) return rc;
    if (a.info.kind != TN_MODALITY_AUDIO)
        rc = tn_fail(err, TN_EINVAL, "this is %s, not a recording",
                     a.info.kind == TN_MODALITY_IMAGE ? "an image" : "a video");
    if (!rc) rc = take_samples(d, &a.info, fd, ret, err);
    if (fd >= 0) close(fd);
    return rc;
}

void tn_frames_fini(tn_frames *f) {
    free(f->rgb);
    free(f->seconds);
    *f = (tn_frames){0};
}
