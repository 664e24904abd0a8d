/* SPDX-License-Identifier: Apache-2.0 */
#include "media/intake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "media/hash.h"
#include "media/patches.h"
#include "media/sound.h"

enum { N_KNOWN = 1024, N_KEPT = 256 };

/* What a file was: hashes of its entries, so that it need not be decoded while they are in the store. */
typedef struct known {
    tn_media_hash file; /* and how frames were taken */
    uint32_t grid[3], n_row, n_hash;
    tn_media_hash *hashes; /* NULL: nothing is known here */
    double *seconds;
    double step;
    uint64_t used;
} known;

/* Decoded frames of a file. */
typedef struct kept {
    tn_media_hash file;
    tn_frames frames;
    uint64_t bytes, used; /* bytes 0: there are none */
    uint32_t n_held;
} kept;

struct tn_intake {
    const tn_vision *vision; /* or */
    const tn_audio *audio;   /* the other is NULL */
    tn_media_store *store;
    pthread_mutex_t lock; /* of what follows */
    known known[N_KNOWN];
    kept kept[N_KEPT];
    uint64_t max_frame_bytes, frame_bytes, clock;
};

int tn_intake_new(const tn_vision *vision, const tn_audio *audio, tn_media_store *store,
                  uint64_t max_frame_bytes, tn_intake **ret, tn_error *err) {
    tn_intake *in = calloc(1, sizeof *in);
    if (!in) return tn_fail(err, TN_ENOMEM, "out of memory");
    in->vision = vision;
    in->audio = audio;
    in->store = store;
    in->max_frame_bytes = max_frame_bytes;
    pthread_mutex_init(&in->lock, NULL);
    *ret = in;
    return 0;
}

static void forget(known *k) {
    free(k->hashes);
    free(k->seconds);
    *k = (known){0};
}

void tn_intake_free(tn_intake *in) {
    if (!in) return;
    for (int i = 0; i < N_KNOWN; i++) forget(&in->known[i]);
    for (int i = 0; i < N_KEPT; i++) tn_frames_fini(&in->kept[i].frames);
    pthread_mutex_destroy(&in->lock);
    free(in);
}

void tn_seen_fini(tn_seen *s) {
    for (uint32_t i = 0; i < s->n_entry; i++) tn_media_release(s->entries[i]);
    free(s->entries);
    free(s->seconds);
    *s = (tn_seen){0};
}

static int seen_init(tn_seen *s, tn_media_kind kind, const uint32_t grid[3], tn_error *err) {
    *s = (tn_seen){.kind = kind, .grid = {grid[0], grid[1], grid[2]}, .n_row = grid[0] * grid[1] * grid[2]};
    s->entries = calloc(grid[0], sizeof(tn_media_entry *));
    if (kind == TN_MEDIA_VIDEO) s->seconds = calloc(grid[0], sizeof *s->seconds);
    bool ok = s->entries && (s->seconds || kind != TN_MEDIA_VIDEO);
    s->n_entry = ok ? grid[0] : 0;
    return ok ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

/* ---- Frames ---- */

/* The name of what one time is made of: its frames as they are, and what becomes of them. */
static tn_media_hash hash_time(const tn_vision *v, const tn_frames *f, const tn_patches_size *size,
                               tn_media_kind kind, uint32_t t) {
    const size_t frame = (size_t)3 * f->width * f->height;
    const uint64_t shape[] = {kind, f->width, f->height, size->width, size->height};
    tn_media_hasher h;
    tn_media_hash ret;
    tn_media_hasher_init(&h);
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) tn_media_hasher_add_u64(&h, shape[i]);
    for (uint32_t i = t * v->temporal; i < (t + 1) * v->temporal; i++) {
        uint32_t n = i < f->n_frame ? i : f->n_frame - 1;
        tn_media_hasher_add(&h, f->rgb + n * frame, frame);
    }
    tn_media_hasher_finish(&h, &ret);
    return ret;
}

static void *part_of(const void *all, size_t first, size_t n, size_t size, bool *ok) {
    if (!all) return NULL;
    void *part = malloc(n * size + 1);
    if (part)
        memcpy(part, (const char *)all + first * size, n * size);
    else
        *ok = false;
    return part;
}

/* The patches of one time as those of a picture of its own. */
static int cut_time(const tn_patches *p, uint32_t merge, uint32_t t, tn_patches *ret, tn_error *err) {
    const uint32_t n = p->n_row / p->grid[0], first = t * n, n_place = n / (merge * merge);
    bool ok = true;
    *ret = (tn_patches){.n_row = n, .cols = p->cols, .grid = {1, p->grid[1], p->grid[2]}, .n_frame = 1};
    ret->rows = part_of(p->rows, first, n, p->cols * sizeof *p->rows, &ok);
    ret->coord = part_of(p->coord, first, n, sizeof *p->coord, &ok);
    ret->mix_index = part_of(p->mix_index, first, n, sizeof *p->mix_index, &ok);
    ret->mix_weight = part_of(p->mix_weight, first, n, sizeof *p->mix_weight, &ok);
    ret->frame_end = part_of(&n, 0, 1, sizeof n, &ok);
    if (p->window_end) {
        uint32_t begin = 0, end;
        while (begin < p->n_window && p->window_end[begin] <= first) begin++;
        for (end = begin; end < p->n_window && p->window_end[end] <= first + n;) end++;
        ret->n_window = end - begin;
        ret->window_end = part_of(p->window_end, begin, ret->n_window, sizeof *p->window_end, &ok);
        for (uint32_t i = 0; ok && i < ret->n_window; i++) ret->window_end[i] -= first;
    }
    ret->place = part_of(p->place, (size_t)t * n_place, n_place, sizeof *p->place, &ok);
    for (uint32_t i = 0; ret->place && i < n_place; i++) ret->place[i] -= t * n_place;
    if (ok) return 0;
    tn_patches_fini(ret);
    return tn_fail(err, TN_ENOMEM, "out of memory for patches");
}

/* Entries for the times that the store does not have. */
static int add_missing(tn_intake *in, const tn_frames *f, const tn_media_hash *hashes, tn_seen *ret,
                       tn_error *err) {
    const uint32_t merge = in->vision->merge;
    bool video = ret->kind == TN_MEDIA_VIDEO;
    tn_patches all, one;
    int rc = tn_patches_make(in->vision, f, video, &all, err);
    for (uint32_t t = 0; !rc && t < ret->n_entry; t++) {
        if (ret->entries[t]) continue;
        if (ret->n_entry > 1)
            rc = cut_time(&all, merge, t, &one, err);
        else
            one = all, all = (tn_patches){0};
        const uint32_t n = one.n_row / (merge * merge);
        if (!rc) rc = tn_media_add(in->store, &hashes[t], &one, n, &ret->entries[t], err);
    }
    tn_patches_fini(&all);
    return rc;
}

static void take_times(const tn_vision *v, const tn_frames *f, tn_seen *ret) {
    if (!ret->seconds) return;
    if (f->seconds) tn_patches_seconds(f->seconds, f->n_frame, v->temporal, ret->seconds);
    ret->step = f->duration > 0 ? v->temporal * f->duration / f->n_frame : 0;
}

/* ret_hashes: [grid[0]], the caller's to free. */
static int take_frames(tn_intake *in, const tn_frames *f, tn_media_kind kind, tn_seen *ret,
                       tn_media_hash **ret_hashes, tn_error *err) {
    const tn_vision *v = in->vision;
    tn_patches_size size;
    *ret_hashes = NULL;
    if (!v) return tn_fail(err, TN_ENOTSUP, "this model takes no images or videos");
    int rc = tn_patches_size_of(v, f->width, f->height, f->n_frame, kind == TN_MEDIA_VIDEO, &size, err);
    if (rc) return rc;
    const uint32_t grid[3] = {size.grid[0], size.grid[1] / v->merge, size.grid[2] / v->merge};
    tn_media_hash *hashes = calloc(grid[0], sizeof *hashes);
    rc = hashes ? seen_init(ret, kind, grid, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    bool missing = false;
    for (uint32_t t = 0; !rc && t < grid[0]; t++) {
        hashes[t] = hash_time(v, f, &size, kind, t);
        ret->entries[t] = tn_media_find(in->store, &hashes[t]);
        missing = missing || !ret->entries[t];
    }
    if (!rc && missing) rc = add_missing(in, f, hashes, ret, err);
    if (!rc) take_times(v, f, ret);
    if (rc) {
        free(hashes);
        hashes = NULL;
        tn_seen_fini(ret);
    }
    *ret_hashes = hashes;
    return rc;
}

int tn_intake_frames(tn_intake *in, const tn_frames *f, tn_media_kind kind, tn_seen *ret, tn_error *err) {
    tn_media_hash *hashes;
    *ret = (tn_seen){0};
    int rc = take_frames(in, f, kind, ret, &hashes, err);
    if (!rc) free(hashes);
    return rc;
}

/* ---- Sound ---- */

/* The name of a window: its features, and how many rows of it count. */
static tn_media_hash hash_window(const tn_patches *p, uint32_t n_row) {
    const uint64_t shape[] = {TN_MEDIA_AUDIO, p->n_row, p->cols, p->frame_end[0], n_row};
    tn_media_hasher h;
    tn_media_hash ret;
    tn_media_hasher_init(&h);
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++) tn_media_hasher_add_u64(&h, shape[i]);
    tn_media_hasher_add(&h, p->rows, (size_t)p->n_row * p->cols * sizeof *p->rows);
    tn_media_hasher_finish(&h, &ret);
    return ret;
}

/* Entries for all windows. */
static int add_windows(tn_intake *in, const tn_mel *mel, tn_media_hash *hashes, tn_seen *ret, tn_error *err) {
    int rc = 0;
    ret->n_row = 0;
    for (uint32_t w = 0; !rc && w < ret->n_entry; w++) {
        const uint32_t n = tn_mel_window_rows(in->audio, mel, w);
        tn_patches p;
        if (n == 0)
            return tn_fail(err, TN_EINVAL, "a recording of %llu frames is too short for this model",
                           (unsigned long long)mel->n_sound);
        rc = tn_mel_cut(in->audio, mel, w, &p, err);
        if (rc) break;
        hashes[w] = hash_window(&p, n);
        ret->n_row += n;
        if ((ret->entries[w] = tn_media_find(in->store, &hashes[w])))
            tn_patches_fini(&p);
        else
            rc = tn_media_add(in->store, &hashes[w], &p, n, &ret->entries[w], err);
    }
    return rc;
}

/* ret_hashes: [grid[0]], the caller's to free. */
static int take_sound(tn_intake *in, tn_sound *s, tn_seen *ret, tn_media_hash **ret_hashes, tn_error *err) {
    tn_mel mel = {0};
    *ret_hashes = NULL;
    if (!in->audio) return tn_fail(err, TN_ENOTSUP, "this model takes no recordings");
    int rc = tn_sound_resample(s, in->audio->sample_rate, err);
    if (!rc) rc = tn_mel_make(in->audio, s, &mel, err);
    if (rc) return rc;
    const uint32_t grid[3] = {tn_mel_windows(in->audio, &mel), 1,
                              tn_sound_most_rows(in->audio) / in->audio->fold};
    tn_media_hash *hashes = calloc((size_t)grid[0] + 1, sizeof *hashes);
    rc = hashes ? seen_init(ret, TN_MEDIA_AUDIO, grid, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) rc = add_windows(in, &mel, hashes, ret, err);
    tn_mel_fini(&mel);
    if (rc) {
        free(hashes);
        tn_seen_fini(ret);
        return rc;
    }
    *ret_hashes = hashes;
    return 0;
}

int tn_intake_sound(tn_intake *in, tn_sound *s, tn_seen *ret, tn_error *err) {
    tn_media_hash *hashes;
    *ret = (tn_seen){0};
    int rc = take_sound(in, s, ret, &hashes, err);
    free(hashes);
    return rc;
}

/* ---- Files ---- */

/* Of the bytes, and of how frames of a video are taken. */
static tn_media_hash hash_file(const void *bytes, size_t n, tn_media_kind kind,
                               const tn_sampling_request *sampling) {
    tn_media_hasher h;
    tn_media_hash ret;
    tn_media_hasher_init(&h);
    tn_media_hasher_add_u64(&h, kind);
    if (kind == TN_MEDIA_VIDEO) tn_media_hasher_add(&h, sampling, sizeof *sampling);
    tn_media_hasher_add(&h, bytes, n);
    tn_media_hasher_finish(&h, &ret);
    return ret;
}

/* All entries of a file that was seen before, where the store still has them. */
static bool recall(tn_intake *in, const tn_media_hash *file, tn_media_kind kind, tn_seen *ret) {
    bool found = false;
    tn_error err;
    pthread_mutex_lock(&in->lock);
    for (int i = 0; i < N_KNOWN && !found; i++) {
        known *k = &in->known[i];
        if (!k->hashes || !tn_media_hash_equal(&k->file, file)) continue;
        if (seen_init(ret, kind, k->grid, &err)) break;
        found = true;
        k->used = ++in->clock;
        for (uint32_t t = 0; t < k->n_hash && found; t++)
            found = (ret->entries[t] = tn_media_find(in->store, &k->hashes[t])) != NULL;
        if (ret->seconds) memcpy(ret->seconds, k->seconds, k->n_hash * sizeof *k->seconds);
        ret->step = k->step;
        ret->n_row = k->n_row;
        break;
    }
    pthread_mutex_unlock(&in->lock);
    if (!found) tn_seen_fini(ret);
    return found;
}

/* Takes hashes. */
static void remember(tn_intake *in, const tn_media_hash *file, tn_media_hash *hashes, const tn_seen *s) {
    double *seconds = malloc((s->n_entry + 1) * sizeof *seconds);
    if (!seconds) {
        free(hashes);
        return;
    }
    if (s->seconds) memcpy(seconds, s->seconds, s->n_entry * sizeof *seconds);
    pthread_mutex_lock(&in->lock);
    known *to = &in->known[0];
    for (int i = 0; i < N_KNOWN; i++) {
        known *k = &in->known[i];
        if (k->hashes && tn_media_hash_equal(&k->file, file)) {
            to = k;
            break;
        }
        if (k->used < to->used) to = k;
    }
    forget(to);
    *to = (known){.file = *file,
                  .grid = {s->grid[0], s->grid[1], s->grid[2]},
                  .n_row = s->n_row,
                  .n_hash = s->n_entry,
                  .hashes = hashes,
                  .seconds = seconds,
                  .step = s->step,
                  .used = ++in->clock};
    pthread_mutex_unlock(&in->lock);
}

static const char *name_of(tn_media_kind kind) {
    return kind == TN_MEDIA_IMAGE ? "an image" : kind == TN_MEDIA_VIDEO ? "a video" : "a recording";
}

static int decode(const tn_intake *in, tn_decoder *decoder, const void *bytes, size_t n, tn_media_kind kind,
                  const tn_sampling_request *sampling, tn_frames *ret, tn_error *err) {
    tn_media_info info;
    uint32_t first = 0, *index = &first, n_index = 1;
    if (!in->vision) return tn_fail(err, TN_ENOTSUP, "this model takes no images or videos");
    int rc = tn_decoder_inspect(decoder, kind, bytes, n, &info, err);
    if (rc) return rc;
    if (info.kind != kind)
        return tn_fail(err, TN_EINVAL, "this is %s, not %s", name_of((tn_media_kind)info.kind),
                       name_of(kind));
    if (kind == TN_MEDIA_VIDEO)
        rc = tn_frames_choose(in->vision, info.n_frame, info.fps, sampling, &index, &n_index, err);
    if (rc) return rc;
    rc = tn_decoder_frames(decoder, kind, bytes, n, index, n_index, ret, err);
    if (index != &first) free(index);
    return rc;
}

/* The frames of a file, held; NULL: they are not kept. */
static kept *find_kept(tn_intake *in, const tn_media_hash *file) {
    kept *found = NULL;
    pthread_mutex_lock(&in->lock);
    for (int i = 0; i < N_KEPT && !found; i++)
        if (in->kept[i].bytes && tn_media_hash_equal(&in->kept[i].file, file)) found = &in->kept[i];
    if (found) {
        found->n_held++;
        found->used = ++in->clock;
    }
    pthread_mutex_unlock(&in->lock);
    return found;
}

static void let_go(tn_intake *in, kept *k) {
    pthread_mutex_lock(&in->lock);
    k->n_held--;
    pthread_mutex_unlock(&in->lock);
}

/* The place to use next: an empty one, or that of the frames that were not used for longest; NULL: all are
 * held. */
static kept *place_for(tn_intake *in) {
    kept *best = NULL;
    for (int i = 0; i < N_KEPT; i++) {
        kept *k = &in->kept[i];
        if (!k->n_held && (!best || k->used < best->used)) best = k;
    }
    return best;
}

static void drop(tn_intake *in, kept *k) {
    in->frame_bytes -= k->bytes;
    tn_frames_fini(&k->frames);
    *k = (kept){0};
}

/* Takes frames, if there is room for them. */
static void keep_frames(tn_intake *in, const tn_media_hash *file, tn_frames *f) {
    const uint64_t bytes = (uint64_t)3 * f->width * f->height * f->n_frame;
    pthread_mutex_lock(&in->lock);
    while (bytes <= in->max_frame_bytes && in->frame_bytes + bytes > in->max_frame_bytes) {
        kept *oldest = NULL;
        for (int i = 0; i < N_KEPT; i++) {
            kept *k = &in->kept[i];
            if (k->bytes && !k->n_held && (!oldest || k->used < oldest->used)) oldest = k;
        }
        if (!oldest) break;
        drop(in, oldest);
    }
    kept *k = place_for(in);
    if (k && in->frame_bytes - k->bytes + bytes <= in->max_frame_bytes) {
        drop(in, k);
        *k = (kept){.file = *file, .frames = *f, .bytes = bytes, .used = ++in->clock};
        in->frame_bytes += bytes;
        *f = (tn_frames){0};
    }
    pthread_mutex_unlock(&in->lock);
}

static int take_sound_file(tn_intake *in, tn_decoder *decoder, const void *bytes, size_t n, tn_seen *ret,
                           tn_media_hash **ret_hashes, tn_error *err) {
    tn_sound s = {0};
    *ret_hashes = NULL;
    if (!in->audio) return tn_fail(err, TN_ENOTSUP, "this model takes no recordings");
    int rc = tn_decoder_sound(decoder, bytes, n, &s, err);
    if (!rc) rc = take_sound(in, &s, ret, ret_hashes, err);
    tn_sound_fini(&s);
    return rc;
}

int tn_intake_file(tn_intake *in, tn_decoder *decoder, const void *bytes, size_t n, tn_media_kind kind,
                   const tn_sampling_request *sampling, tn_seen *ret, tn_error *err) {
    static const tn_sampling_request usual;
    if (!sampling) sampling = &usual;
    const tn_media_hash file = hash_file(bytes, n, kind, sampling);
    tn_frames frames = {0};
    tn_media_hash *hashes;
    *ret = (tn_seen){0};
    if (recall(in, &file, kind, ret)) return 0;
    if (kind == TN_MEDIA_AUDIO) {
        int rc = take_sound_file(in, decoder, bytes, n, ret, &hashes, err);
        if (!rc) remember(in, &file, hashes, ret);
        return rc;
    }
    kept *k = find_kept(in, &file);
    int rc = k ? 0 : decode(in, decoder, bytes, n, kind, sampling, &frames, err);
    if (!rc) rc = take_frames(in, k ? &k->frames : &frames, kind, ret, &hashes, err);
    if (!rc && !k) keep_frames(in, &file, &frames);
    if (k) let_go(in, k);
    tn_frames_fini(&frames);
    if (!rc) remember(in, &file, hashes, ret);
    return rc;
}
