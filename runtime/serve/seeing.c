/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/seeing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "serve/served.h"

enum { N_THREAD = 4 };

struct tn_seeing {
    tn_seeing_config config;
    tn_decoder *decoder;
    pthread_t threads[N_THREAD];
    uint32_t n_thread, n_idle;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t more;
    tn_exchange *first, **end;
};

/* ---- One request ---- */

/* What fetching asks, ten times a second. */
typedef struct patience {
    tn_seeing *s;
    tn_exchange *x;
} patience;

static bool is_over(void *ctx) {
    const patience *p = ctx;
    return atomic_load(&p->s->stop) || tn_exchange_is_gone(p->x);
}

static int fetch(const patience *p, const tn_api_source *source, tn_fetched *ret, tn_error *err) {
    tn_fetch_limits limits = p->s->config.limits.fetch;
    limits.cancelled = is_over;
    limits.ctx = (void *)(uintptr_t)p;
    return tn_fetch(&limits, source->text, source->len, ret, err);
}

/* Frame n of a clip that came as images: all have the size of the first. */
static int add_frame(const patience *p, const tn_api_source *source, uint32_t n, tn_frames *clip,
                     tn_error *err) {
    static const uint32_t first = 0;
    tn_fetched file = {0};
    tn_frames f = {0};
    int rc = fetch(p, source, &file, err);
    if (!rc) rc = tn_decoder_frames(p->s->decoder, TN_MEDIA_IMAGE, file.bytes, file.len, &first, 1, &f, err);
    tn_fetched_free(&file);
    if (rc) return rc;
    const size_t bytes = (size_t)3 * f.width * f.height;
    uint8_t *grown = NULL;
    if (n && (f.width != clip->width || f.height != clip->height))
        rc = tn_fail(err, TN_EINVAL, "frame %u is %u x %u, the first one %u x %u: all frames need one size",
                     n, f.width, f.height, clip->width, clip->height);
    else if (bytes * (n + 1) > TN_DECODE_MAX_DECODED_BYTES)
        rc = tn_fail(err, TN_ELIMIT, "%u frames of %zu bytes, the limit is %llu in sum", n + 1, bytes,
                     (unsigned long long)TN_DECODE_MAX_DECODED_BYTES);
    else if (!(grown = realloc(clip->rgb, bytes * (n + 1))))
        rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) {
        memcpy(grown + bytes * n, f.rgb, bytes);
        clip->rgb = grown;
        clip->width = f.width;
        clip->height = f.height;
        clip->n_frame = n + 1;
    }
    tn_frames_fini(&f);
    return rc;
}

static int see_clip(const patience *p, const tn_api_media *m, tn_intake *in, double fps, tn_seen *ret,
                    tn_error *err) {
    tn_frames clip = {.fps = m->fps > 0 ? m->fps : fps};
    int rc = 0;
    for (uint32_t i = 0; !rc && i < m->n_source; i++) rc = add_frame(p, &m->source[i], i, &clip, err);
    clip.seconds = calloc(m->n_source + 1, sizeof *clip.seconds);
    if (!rc && !clip.seconds) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; !rc && i < clip.n_frame; i++) clip.seconds[i] = i / clip.fps;
    clip.duration = clip.n_frame / clip.fps;
    if (!rc) rc = tn_intake_frames(in, &clip, TN_MEDIA_VIDEO, ret, err);
    free(clip.rgb);
    free(clip.seconds);
    return rc;
}

static int see_one(const patience *p, const tn_api_media *m, const tn_served *served, tn_seen *ret,
                   tn_error *err) {
    const tn_vision *v = &served->model->tower->vision;
    const uint32_t most = p->s->config.limits.max_frames;
    tn_sampling_request sampling = {.fps = m->fps, .max_frames = m->max_frames};
    tn_fetched file = {0};
    if (m->is_frames) return see_clip(p, m, served->intake, v->video.fps, ret, err);
    if (most && (sampling.max_frames == 0 || sampling.max_frames > most))
        sampling.max_frames = most < v->video.max_frames ? most : sampling.max_frames;
    int rc = fetch(p, &m->source[0], &file, err);
    if (!rc)
        rc =
            tn_intake_file(served->intake, p->s->decoder, file.bytes, file.len, m->kind, &sampling, ret, err);
    tn_fetched_free(&file);
    return rc;
}

static void see(tn_seeing *s, tn_exchange *x) {
    const tn_api_request *r = &x->request;
    const patience p = {s, x};
    tn_error err = {0};
    x->seen = calloc(r->n_media, sizeof *x->seen);
    int rc = x->seen ? 0 : tn_fail(&err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; !rc && i < r->n_media; i++) {
        rc = see_one(&p, &r->media[i], x->served, &x->seen[i], &err);
        if (!rc) x->n_seen++;
        if (rc) tn_api_fail_status(&x->media_error, rc, r->media[i].place, err.text);
    }
    if (rc && !x->media_error.status) tn_api_fail_status(&x->media_error, rc, "messages", err.text);
}

/* ---- Threads ---- */

static tn_exchange *next(tn_seeing *s) {
    pthread_mutex_lock(&s->lock);
    s->n_idle++;
    while (!s->first && !atomic_load(&s->stop)) pthread_cond_wait(&s->more, &s->lock);
    s->n_idle--;
    tn_exchange *x = s->first;
    if (x) s->first = x->next;
    if (!s->first) s->end = &s->first;
    pthread_mutex_unlock(&s->lock);
    return x;
}

static void *loop(void *arg) {
    tn_seeing *s = arg;
    for (tn_exchange *x; (x = next(s));) {
        if (atomic_load(&s->stop))
            tn_api_fail(&x->media_error, 503, "shutting_down", NULL, "the server is shutting down");
        else
            see(s, x);
        x->has_looked = true;
        s->config.done(s->config.ctx, x);
    }
    return NULL;
}

void tn_seeing_take(tn_seeing *s, tn_exchange *x) {
    pthread_mutex_lock(&s->lock);
    const bool stopped = atomic_load(&s->stop);
    if (!stopped && s->n_idle == 0 && s->n_thread < N_THREAD &&
        pthread_create(&s->threads[s->n_thread], NULL, loop, s) == 0)
        s->n_thread++;
    const bool taken = !stopped && s->n_thread;
    if (taken) {
        x->next = NULL;
        *s->end = x;
        s->end = &x->next;
        pthread_cond_signal(&s->more);
    }
    pthread_mutex_unlock(&s->lock);
    if (taken) return;
    if (stopped)
        tn_api_fail(&x->media_error, 503, "shutting_down", NULL, "the server is shutting down");
    else
        tn_api_fail_status(&x->media_error, TN_EIO, NULL, "no thread could be started for images");
    x->has_looked = true;
    s->config.done(s->config.ctx, x);
}

/* ---- Life ---- */

int tn_seeing_new(const tn_seeing_config *config, tn_seeing **ret, tn_error *err) {
    const tn_media_limits *l = &config->limits;
    tn_seeing *s = calloc(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    tn_decoder_config decoder = {.limits = {.max_bytes = l->fetch.max_bytes,
                                            .max_pixels = l->max_pixels,
                                            .max_frames = l->max_frames,
                                            .max_duration_s = l->max_duration_s,
                                            .timeout_s = l->decode_timeout_s}};
    s->config = *config;
    s->end = &s->first;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->more, NULL);
    int rc = tn_decoder_new(config->registry, &decoder, &s->decoder, err);
    if (rc) {
        tn_seeing_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void tn_seeing_stop(tn_seeing *s) {
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, true);
    pthread_cond_broadcast(&s->more);
    pthread_mutex_unlock(&s->lock);
    for (uint32_t i = 0; i < s->n_thread; i++) pthread_join(s->threads[i], NULL);
    s->n_thread = 0;
}

void tn_seeing_free(tn_seeing *s) {
    if (!s) return;
    if (s->n_thread) tn_seeing_stop(s);
    tn_decoder_free(s->decoder);
    pthread_cond_destroy(&s->more);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
