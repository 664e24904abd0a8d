/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media_args.h"

#define AT(field) .offset = offsetof(tn_media_args, field)
const tn_option_row tn_media_options[] = {
    {TN_OPT_STRINGS, .name = "image", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "an image that the first message shows; may be given several times", AT(images)},
    {TN_OPT_STRINGS, .name = "video", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "a video that it shows, after the images; may be given several times", AT(videos)},
    {.kind = TN_OPT_END},
};

uint32_t tn_media_args_count(const tn_media_args *a) {
    return a->images.n + a->videos.n;
}

const char *tn_media_args_file(const tn_media_args *a, uint32_t i, tn_media_kind *ret_kind) {
    *ret_kind = i < a->images.n ? TN_MEDIA_IMAGE : TN_MEDIA_VIDEO;
    return i < a->images.n ? a->images.value[i] : a->videos.value[i - a->images.n];
}

/* Appends what is new; a NULL is a failure of memory. */
static int add_part(json_t *parts, json_t *part, tn_error *err) {
    return json_array_append_new(parts, part) ? tn_fail(err, TN_ENOMEM, "out of memory") : 0;
}

static int add_parts(const tn_media_args *a, json_t *parts, json_t *text, tn_error *err) {
    int rc = 0;
    for (uint32_t i = 0; i < tn_media_args_count(a) && !rc; i++) {
        tn_media_kind kind;
        tn_media_args_file(a, i, &kind);
        rc = add_part(parts, json_pack("{s:s}", "type", kind == TN_MEDIA_IMAGE ? "image" : "video"), err);
    }
    return rc ? rc : add_part(parts, json_pack("{s:s,s:O}", "type", "text", "text", text), err);
}

int tn_media_args_content(const tn_media_args *a, const char *text, size_t len, json_t **ret, tn_error *err) {
    json_t *string = json_stringn(text, len);
    if (!string) return tn_fail(err, TN_EINVAL, "the text is not valid UTF-8");
    if (tn_media_args_count(a) == 0) {
        *ret = string;
        return 0;
    }
    json_t *parts = json_array();
    int rc = parts ? add_parts(a, parts, string, err) : tn_fail(err, TN_ENOMEM, "out of memory");
    json_decref(string);
    if (rc)
        json_decref(parts);
    else
        *ret = parts;
    return rc;
}
