/* SPDX-License-Identifier: Apache-2.0 */
/* --image, --video and --audio: files that the next message shows. */
#ifndef TN_CLI_MEDIA_ARGS_H
#define TN_CLI_MEDIA_ARGS_H

#include <jansson.h>

#include "cli/options.h"
#include "media/media.h"

typedef struct tn_media_args {
    tn_opt_strings images, videos, audios;
} tn_media_args;

/* Table for a TN_OPT_GROUP row; the struct lies at the row's offset. */
extern const tn_option_row tn_media_options[];

/* How many files there are. */
uint32_t tn_media_args_count(const tn_media_args *a);
/* File i in the order in which the message shows them, images first, then videos; borrowed. For tn_fetch with
 * own_files.
 */
const char *tn_media_args_file(const tn_media_args *a, uint32_t i, tn_media_kind *ret_kind);

/* The content of a message with text: a string, or where there are files the parts that chat templates know,
 * [{"type": "image"}, {"type": "video"}, {"type": "text", "text"}]. *ret is the caller's. TN_EINVAL: no
 * UTF-8; TN_ENOMEM. [any thread] */
int tn_media_args_content(const tn_media_args *a, const char *text, size_t len, json_t **ret, tn_error *err);

#endif
