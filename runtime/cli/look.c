/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/look.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/fetch.h"

#define AT(field) .offset = offsetof(tn_show_args, field)
const tn_option_row tn_show_options[] = {
    {TN_OPT_GROUP, .group = tn_media_options, AT(media)},
    {TN_OPT_STRINGS, .name = "frames", .arg = "FPS:FILE,FILE,...",
     .help = "a video given as images, so many a second; may be given several times", AT(frames)},
    {.kind = TN_OPT_END},
};

static int read_file(const char *path, tn_fetched *ret, tn_error *err) {
    const tn_fetch_limits limits = {
        .max_bytes = TN_DECODE_MAX_BYTES, .timeout_s = 60, .allow_url = true, .own_files = true};
    return tn_fetch(&limits, path, strlen(path), ret, err);
}

static int see_file(tn_look *l, const char *path, tn_media_kind kind, tn_seen *ret, tn_error *err) {
    tn_fetched file = {0};
    int rc = read_file(path, &file, err);
    if (!rc) rc = tn_intake_file(l->intake, l->decoder, file.bytes, file.len, kind, NULL, ret, err);
    tn_fetched_free(&file);
    return rc ? tn_error_prefix(err, rc, "%s", path) : 0;
}

/* The next frame of a clip. */
static int add_frame(tn_look *l, const char *path, tn_frames *clip, tn_error *err) {
    static const uint32_t first = 0;
    tn_fetched file = {0};
    tn_frames f = {0};
    int rc = read_file(path, &file, err);
    if (!rc) rc = tn_decoder_frames(l->decoder, TN_MEDIA_IMAGE, file.bytes, file.len, &first, 1, &f, err);
    tn_fetched_free(&file);
    const size_t bytes = (size_t)3 * f.width * f.height, n = clip->n_frame;
    if (!rc && n && (f.width != clip->width || f.height != clip->height))
        rc = tn_fail(err, TN_EINVAL, "%u x %u pixels, the first frame has %u x %u", f.width, f.height,
                     clip->width, clip->height);
    uint8_t *grown = rc ? NULL : realloc(clip->rgb, bytes * (n + 1));
    double *seconds = rc ? NULL : realloc(clip->seconds, (n + 1) * sizeof *seconds);
    if (grown) clip->rgb = grown;
    if (seconds) clip->seconds = seconds;
    if (!rc && !(grown && seconds)) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc) {
        memcpy(grown + bytes * n, f.rgb, bytes);
        seconds[n] = (double)n / clip->fps;
        clip->width = f.width;
        clip->height = f.height;
        clip->n_frame++;
    }
    tn_frames_fini(&f);
    return rc ? tn_error_prefix(err, rc, "%s", path) : 0;
}

/* "FPS:FILE,FILE,..." */
static int see_frames(tn_look *l, const char *text, tn_seen *ret, tn_error *err) {
    char *end, *list = NULL, *rest = NULL;
    tn_frames clip = {.fps = strtod(text, &end)};
    if (end == text || *end != ':' || !isfinite(clip.fps) || !(clip.fps > 0))
        return tn_fail(err, TN_EINVAL, "--frames %s: it begins with frames a second and a colon", text);
    list = strdup(end + 1);
    int rc = list ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
    for (char *at = list ? strtok_r(list, ",", &rest) : NULL; !rc && at; at = strtok_r(NULL, ",", &rest))
        rc = add_frame(l, at, &clip, err);
    clip.duration = clip.n_frame / clip.fps;
    if (!rc && clip.n_frame == 0) rc = tn_fail(err, TN_EINVAL, "--frames %s: there are no files", text);
    if (!rc) rc = tn_intake_frames(l->intake, &clip, TN_MEDIA_VIDEO, ret, err);
    free(list);
    free(clip.rgb);
    free(clip.seconds);
    return rc;
}

static int check_kinds(const tn_model *m, const tn_media_args *media, uint32_t n_frames, tn_error *err) {
    const tn_tower *t = m->tower;
    if (!t) return tn_model_no_tower(m, err);
    if (media->images.n && t->hears) return tn_fail(err, TN_ENOTSUP, "this model takes no images");
    if ((media->videos.n || n_frames) && !t->vision.video.text)
        return tn_fail(err, TN_ENOTSUP, "this model takes no videos");
    if (media->audios.n && !t->hears) return tn_fail(err, TN_ENOTSUP, "this model takes no recordings");
    return 0;
}

static int open_eyes(tn_look *l, const tn_loaded_model *m, uint32_t n, tn_error *err) {
    const tn_tower *t = m->model->tower;
    l->seen = calloc(n, sizeof *l->seen);
    if (!l->seen) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_media_store_new(UINT64_MAX, &l->store, err);
    if (!rc)
        rc = tn_intake_new(t->hears ? NULL : &t->vision, t->hears ? &t->audio : NULL, l->store, 0, &l->intake,
                           err);
    return rc ? rc : tn_decoder_new(m->registry, NULL, &l->decoder, err);
}

int tn_look_at(tn_look *l, const tn_loaded_model *m, const tn_media_args *media, const tn_opt_strings *frames,
               tn_error *err) {
    const uint32_t n_file = tn_media_args_count(media), n_frames = frames ? frames->n : 0;
    *l = (tn_look){0};
    if (n_file + n_frames == 0) return 0;
    int rc = check_kinds(m->model, media, n_frames, err);
    if (!rc) rc = open_eyes(l, m, n_file + n_frames, err);
    for (uint32_t i = 0; !rc && i < n_file; i++) {
        tn_media_kind kind;
        const char *path = tn_media_args_file(media, i, &kind);
        rc = see_file(l, path, kind, &l->seen[l->n_seen], err);
        l->n_seen += !rc;
    }
    for (uint32_t i = 0; !rc && i < n_frames; i++) {
        rc = see_frames(l, frames->value[i], &l->seen[l->n_seen], err);
        l->n_seen += !rc;
    }
    if (rc) tn_look_fini(l);
    return rc;
}

int tn_look_ids(tn_look *l, const tn_loaded_model *m, const tn_show_args *show, const tn_ids *ids,
                tn_sight *ret, tn_error *err) {
    *ret = (tn_sight){0};
    int rc = tn_look_at(l, m, &show->media, &show->frames, err);
    if (rc) return rc;
    if (l->n_seen) return tn_sight_bind(m->model, ids->data, ids->len, l->seen, l->n_seen, ret, err);
    ret->ids = malloc((ids->len + 1) * sizeof *ret->ids);
    if (!ret->ids) return tn_fail(err, TN_ENOMEM, "out of memory");
    memcpy(ret->ids, ids->data, ids->len * sizeof *ret->ids);
    ret->n_ids = (uint32_t)ids->len;
    return 0;
}

void tn_look_fini(tn_look *l) {
    for (uint32_t i = 0; i < l->n_seen; i++) tn_seen_fini(&l->seen[i]);
    free(l->seen);
    tn_intake_free(l->intake);
    tn_media_store_free(l->store);
    tn_decoder_free(l->decoder);
    *l = (tn_look){0};
}
