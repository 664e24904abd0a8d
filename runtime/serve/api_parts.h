/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of tn_api_parse. Each reads its fields of the body into r; -1 with the error filled. What they
 * allocate is r's at once, so that tn_api_request_fini frees it after a failure too. [any thread] */
#ifndef TN_SERVE_API_PARTS_H
#define TN_SERVE_API_PARTS_H

#include "serve/fields.h"

/* messages -> r->messages, r->media. */
int tn_api_parse_messages(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r);
/* Whether a part of that type shows an image or a video. */
bool tn_api_is_media(const char *type);
/* Such a part -> r->media, and into parts what templates know: {"type": "image"}, {"type": "video"}. */
int tn_api_parse_media(const tn_fields *part, const char *type, const tn_api_limits *limits,
                       tn_api_request *r, json_t *parts);
/* video_fps, video_max_frames: for the videos that do not say. After the messages. */
int tn_api_parse_video_defaults(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r);
/* Frees r->media. */
void tn_api_media_fini(tn_api_request *r);
/* tools, tool_choice, parallel_tool_calls -> r->tools. */
int tn_api_parse_tools(const tn_fields *f, tn_api_request *r);
/* chat_template_kwargs, enable_thinking, reasoning_effort -> r->template_vars. */
int tn_api_parse_template_vars(const tn_fields *f, tn_api_request *r);
/* temperature ... logit_bias, logprobs -> r->sampling, r->given, r->bias. */
int tn_api_parse_sampling(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r);
/* repetition_last_n, dry_* and repetition_detection -> r->sampling, r->given, r->breaker. After the penalties
 * are in r->sampling. */
int tn_api_parse_repetition(const tn_fields *f, tn_api_request *r);
/* stop, stop_token_ids -> r->stop, r->stop_ids. */
int tn_api_parse_stop(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r);

/* The body as an object. */
int tn_api_parse_body(const char *text, size_t len, json_t **ret, tn_api_error *e);
/* A string or an array of token ids, which stands at path. Once for each p. */
int tn_api_parse_prompt(const json_t *v, const char *path, tn_api_prompt *p, tn_api_error *e);

/* Fails because memory is short. */
static inline int tn_api_no_memory(tn_api_error *e) {
    return tn_api_fail(e, 503, NULL, NULL, "out of memory");
}

#endif
