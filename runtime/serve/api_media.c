/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of messages that show something: in which of many forms an image, a video or a recording is named.
 * Nothing is opened here. */
#include <stdlib.h>
#include <string.h>

#include "serve/api_parts.h"

enum { FPS_MAX = 240 };
#define FPS_MIN 0.01

/* A type of part, and the field that says where the media are. */
typedef struct form {
    const char *type, *field;
    tn_media_kind kind;
    bool object; /* the field may be an object with "url", or "data" of a recording */
    bool list;   /* the field may be a list of frames */
} form;

static const form forms[] = {
    {"image_url", "image_url", TN_MEDIA_IMAGE, true, false},
    {"input_image", "image_url", TN_MEDIA_IMAGE, true, false},
    {"image", "image", TN_MEDIA_IMAGE, true, false},
    {"video_url", "video_url", TN_MEDIA_VIDEO, true, true},
    {"video", "video", TN_MEDIA_VIDEO, true, true},
    {"input_audio", "input_audio", TN_MEDIA_AUDIO, true, false},
    {"audio_url", "audio_url", TN_MEDIA_AUDIO, true, false},
    {"audio", "audio", TN_MEDIA_AUDIO, true, false},
};

static const form *form_of(const char *type) {
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (strcmp(type, forms[i].type) == 0) return &forms[i];
    return NULL;
}

bool tn_api_is_media(const char *type) {
    return form_of(type) != NULL;
}

static const char *plural(tn_media_kind kind) {
    return kind == TN_MEDIA_IMAGE ? "images" : kind == TN_MEDIA_VIDEO ? "video" : "audio";
}

/* ---- Sources ---- */

static const char expected_source[] = "a URL, a data URI, base64 or a path";

static int read_source(json_t *v, const char *path, tn_api_source *ret, tn_api_error *e) {
    tn_error err = {0};
    if (!json_is_string(v)) return tn_value_wrong(v, path, e, "%s", expected_source);
    *ret = (tn_api_source){.text = json_string_value(v), .len = json_string_length(v)};
    int rc = tn_source_classify(ret->text, ret->len, &ret->kind, &err);
    return rc ? tn_api_fail(e, 400, NULL, path, "%s: %s", path, err.text) : 0;
}

/* An item of a list of frames: what an image is named by, or an object as image_url has it. */
static int read_frame(json_t *v, const char *path, tn_api_source *ret, tn_api_error *e) {
    tn_fields f = {v, path, e};
    if (!json_is_object(v)) return read_source(v, path, ret, e);
    json_t *url = tn_fields_get(&f, "url");
    if (!url) return tn_fields_missing(&f, "url", expected_source);
    return read_source(url, tn_path_field(path, "url").text, ret, e);
}

static int read_frames(json_t *list, const char *path, const tn_api_limits *limits, tn_api_media *m,
                       tn_api_error *e) {
    size_t n = json_array_size(list);
    if (n == 0) return tn_api_fail(e, 400, NULL, path, "%s has no frames; it must have at least 1", path);
    if (n > limits->max_frames)
        return tn_api_fail(e, 400, NULL, path, "%s has %zu frames, the limit is %u", path, n,
                           limits->max_frames);
    m->is_frames = true;
    m->source = calloc(n, sizeof *m->source);
    if (!m->source) return tn_api_no_memory(e);
    for (size_t i = 0; i < n; i++) {
        if (read_frame(json_array_get(list, i), tn_path_item(path, i).text, &m->source[i], e)) return -1;
        m->n_source++;
    }
    return 0;
}

static int read_one(json_t *v, const char *path, tn_api_media *m, tn_api_error *e) {
    m->source = calloc(1, sizeof *m->source);
    if (!m->source) return tn_api_no_memory(e);
    m->n_source = 1;
    return read_source(v, path, m->source, e);
}

/* ---- Options ---- */

static int read_detail(const tn_fields *f, tn_api_media *m) {
    static const char *const names[] = {"auto", "low", "high"};
    const char *name;
    int rc = tn_fields_name(f, "detail", &name);
    if (rc <= 0) return rc;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, names[i]) == 0) {
            m->detail = (tn_api_detail)i;
            return 0;
        }
    return tn_value_wrong(tn_fields_get(f, "detail"), tn_path_field(f->path, "detail").text, f->e,
                          "\"auto\", \"low\" or \"high\"");
}

static int read_sampling(const tn_fields *f, const char *fps, const char *max_frames,
                         const tn_api_limits *limits, double *ret_fps, uint32_t *ret_frames) {
    int64_t most;
    if (tn_fields_number(f, fps, FPS_MIN, FPS_MAX, ret_fps) < 0) return -1;
    int rc = tn_fields_whole(f, max_frames, 1, limits->max_frames, &most);
    if (rc > 0) *ret_frames = (uint32_t)most;
    return rc < 0 ? -1 : 0;
}

/* Options stand beside the source, which is in the part or in an object of its own. */
static int read_options(const tn_fields *f, const tn_api_limits *limits, tn_api_media *m) {
    if (m->kind == TN_MEDIA_AUDIO) return 0;
    if (m->kind == TN_MEDIA_IMAGE) return read_detail(f, m);
    return read_sampling(f, "fps", "max_frames", limits, &m->fps, &m->max_frames);
}

/* ---- Parts ---- */

/* An image that somebody else's server keeps. */
static int missing(const tn_fields *part, const form *how) {
    if (tn_fields_get(part, "file_id"))
        return tn_fields_fail(part, "file_id", "this server keeps no files; send the image itself in %s",
                              how->field);
    return tn_fields_missing(part, how->field, expected_source);
}

static int read_media(const tn_fields *part, const form *how, const tn_api_limits *limits, tn_api_media *m) {
    json_t *v = tn_fields_get(part, how->field);
    tn_path path = tn_path_field(part->path, how->field);
    if (!v) return missing(part, how);
    if (read_options(part, limits, m)) return -1;
    if (json_is_object(v) && how->object) {
        tn_fields inner = {v, path.text, part->e};
        if (read_options(&inner, limits, m)) return -1;
        const bool data = m->kind == TN_MEDIA_AUDIO && tn_fields_get(&inner, "data");
        v = tn_fields_get(&inner, data ? "data" : "url");
        if (!v) return tn_fields_missing(&inner, m->kind == TN_MEDIA_AUDIO ? "data" : "url", expected_source);
        path = tn_path_field(path.text, data ? "data" : "url");
    }
    if (json_is_array(v) && how->list) return read_frames(v, path.text, limits, m, part->e);
    return read_one(v, path.text, m, part->e);
}

/* Room for one more, zeroed. */
static tn_api_media *add_media(tn_api_request *r) {
    tn_api_media *media = realloc(r->media, (r->n_media + 1) * sizeof *media);
    if (!media) return NULL;
    r->media = media;
    media += r->n_media++;
    *media = (tn_api_media){0};
    return media;
}

int tn_api_parse_media(const tn_fields *part, const char *type, const tn_api_limits *limits,
                       tn_api_request *r, json_t *parts) {
    const form *how = form_of(type);
    if (limits->max_media == 0)
        return tn_api_fail(part->e, 400, NULL, part->path,
                           "%s is of type \"%s\", but the models of this server do not take %s", part->path,
                           type, plural(how->kind));
    if (r->n_media == limits->max_media)
        return tn_api_fail(part->e, 400, NULL, part->path,
                           "%s is one more than the %u images, videos and recordings that a request may have",
                           part->path, limits->max_media);
    tn_api_media *m = add_media(r);
    if (!m) return tn_api_no_memory(part->e);
    m->kind = how->kind;
    m->type = how->type;
    snprintf(m->place, sizeof m->place, "%s", part->path);
    if (read_media(part, how, limits, m)) return -1;
    /* Templates ask for the type, or whether there is such a key. */
    json_t *shown = how->kind == TN_MEDIA_AUDIO
                        ? json_pack("{s:s,s:b}", "type", "audio", "audio", 1)
                        : json_pack("{s:s}", "type", how->kind == TN_MEDIA_IMAGE ? "image" : "video");
    return json_array_append_new(parts, shown) ? tn_api_no_memory(part->e) : 0;
}

int tn_api_parse_video_defaults(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    double fps = 0;
    uint32_t frames = 0;
    if (limits->max_media == 0) return 0;
    if (read_sampling(f, "video_fps", "video_max_frames", limits, &fps, &frames)) return -1;
    for (uint32_t i = 0; i < r->n_media; i++) {
        tn_api_media *m = &r->media[i];
        if (m->kind != TN_MEDIA_VIDEO) continue;
        if (!(m->fps > 0)) m->fps = fps;
        if (!m->max_frames) m->max_frames = frames;
    }
    return 0;
}

int tn_api_check_media(const tn_api_request *r, unsigned kinds, const char *model, tn_api_error *e) {
    for (uint32_t i = 0; i < r->n_media; i++) {
        const tn_api_media *m = &r->media[i];
        if (!(kinds >> m->kind & 1))
            return tn_api_fail(e, 400, NULL, m->place,
                               "%s is of type \"%s\", but the model %s does not take %s", m->place, m->type,
                               model, plural(m->kind));
    }
    return 0;
}

void tn_api_media_fini(tn_api_request *r) {
    for (uint32_t i = 0; i < r->n_media; i++) free(r->media[i].source);
    free(r->media);
    r->media = NULL;
    r->n_media = 0;
}
