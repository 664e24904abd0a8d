/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/media_args.h"

#define AT(field) .offset = offsetof(tn_media_args, field)
const tn_option_row tn_media_options[] = {
    {TN_OPT_STRINGS, .name = "image", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "an image that the first message shows; may be given several times", AT(images)},
    {TN_OPT_STRINGS, .name = "video", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "a video that it shows, after the images; may be given several times", AT(videos)},
    {TN_OPT_STRINGS, .name = "audio", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "a recording that it plays, after both; may be given several times", AT(audios)},
    {.kind = TN_OPT_END},
};

uint32_t tn_media_args_count(const tn_media_args *a) {
    return a->images.n + a->videos.n + a->audios.n;
}

const char *tn_media_args_file(const tn_media_args *a, uint32_t i, tn_media_kind *ret_kind) {
    const tn_opt_strings *lists[] = {&a->images, &a->videos, &a->audios};
    static const tn_media_kind kinds[] = {TN_MEDIA_IMAGE, TN_MEDIA_VIDEO, TN_MEDIA_AUDIO};
    int k = 0;
    while (k < 2 && i >= lists[k]->n) i -= lists[k++]->n;
    *ret_kind = kinds[k];
    return lists[k]->value[i];
}

/* Appends what is new; a NULL is a failure of memory. */
static int add_part(json_t *parts, json_t *part, tn_error *err) {
    return json_array_append_new(parts, part) ? tn_fail(err, TN_ENOMEM, "out of memory") : 0;
}

static int add_parts(const tn_media_args *a, json_t *parts, json_t *text, tn_error *err) {
    static const char *const names[] = {
        [TN_MEDIA_IMAGE] = "image", [TN_MEDIA_VIDEO] = "video", [TN_MEDIA_AUDIO] = "audio"};
    int rc = 0;
    for (uint32_t i = 0; i < tn_media_args_count(a) && !rc; i++) {
        tn_media_kind kind;
        tn_media_args_file(a, i, &kind);
        rc = add_part(parts,
                      kind == TN_MEDIA_AUDIO ? json_pack("{s:s,s:b}", "type", "audio", "audio", 1)
                                             : json_pack("{s:s}", "type", names[kind]),
                      err);
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
