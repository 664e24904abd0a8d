/* SPDX-License-Identifier: Apache-2.0 */
/* What the OpenAI routes say: request bodies into tn_api_request, and generated text into response bodies and
 * stream events. Pure functions over JSON and text; no sockets, no threads, no engine. Wire shapes are those
 * of the OpenAI API reference for POST /v1/chat/completions and POST /v1/completions. */
#ifndef TN_SERVE_API_H
#define TN_SERVE_API_H

#include <jansson.h>

#include "base/buf.h"
#include "media/media.h"
#include "media/source.h"
#include "sched/sampler.h"

/* A failed request, as {"error": {"message", "type", "param", "code"}}. */
typedef struct tn_api_error {
    unsigned status;  /* HTTP: 400, 404, 413, 429, 500, 503 */
    const char *type; /* "invalid_request_error", "server_error", ...; static */
    const char *code; /* "context_length_exceeded", "model_not_found", ...; static, or NULL */
    char param[64];   /* the field, "messages[2].content"; "" for none */
    char message[512];
} tn_api_error;

/* Fills e (type and code follow from the status where NULL is given) and returns -1. [any thread] */
int tn_api_fail(tn_api_error *e, unsigned status, const char *code, const char *param, const char *fmt, ...)
    TN_PRINTF(5, 6);
/* From a tn_error: input errors are 400, TN_ENOENT 404, limits 400, environment 503, bugs 500. */
int tn_api_fail_status(tn_api_error *e, int code, const char *param, const char *text);
/* Appends the body. */
void tn_api_error_body(const tn_api_error *e, tn_buf *out);

enum { TN_API_SALT_BYTES = 256 }; /* of cache_salt, at most */

/* What a server allows. */
typedef struct tn_api_limits {
    uint32_t max_n;          /* answers of a request: n times the prompts of a completion; at least 1 */
    uint32_t max_stop;       /* stop strings */
    uint32_t max_stop_bytes; /* of one */
    uint32_t max_logit_bias; /* entries */
    uint32_t max_inputs;     /* texts of a request for vectors or scores */
    uint32_t max_tokens;     /* most that may be asked for; 0: no such limit */
    uint32_t max_media;      /* images, videos and recordings; 0: the server takes none */
    uint32_t max_frames;     /* of one video */
} tn_api_limits;

/* Bits of tn_api_request.given: sampling fields that the request set, others are the server's to fill. */
enum {
    TN_GIVEN_TEMPERATURE = 1,
    TN_GIVEN_TOP_P = 2,
    TN_GIVEN_TOP_K = 4,
    TN_GIVEN_MIN_P = 8,
    TN_GIVEN_REPETITION_PENALTY = 16,
    TN_GIVEN_SEED = 32,
    TN_GIVEN_DRY_BREAKERS = 64,
    TN_GIVEN_TYPICAL_P = 1 << 7,
    TN_GIVEN_TOP_N_SIGMA = 1 << 8,
    TN_GIVEN_XTC_PROBABILITY = 1 << 9,
    TN_GIVEN_XTC_THRESHOLD = 1 << 10,
    TN_GIVEN_MIN_KEEP = 1 << 11,
    TN_GIVEN_FREQUENCY_PENALTY = 1 << 12,
    TN_GIVEN_PRESENCE_PENALTY = 1 << 13,
    TN_GIVEN_REPETITION_LAST_N = 1 << 14,
    TN_GIVEN_DRY_MULTIPLIER = 1 << 15,
    TN_GIVEN_DRY_BASE = 1 << 16,
    TN_GIVEN_DRY_ALLOWED_LENGTH = 1 << 17,
    TN_GIVEN_DRY_LAST_N = 1 << 18,
    TN_GIVEN_REPETITION = 1 << 19, /* repetition_detection */
};

/* What a request asks for, by its address. */
typedef enum tn_api_route {
    TN_API_COMPLETION,
    TN_API_CHAT,
    TN_API_EMBEDDINGS, /* POST /v1/embeddings */
    TN_API_RERANK,     /* POST /v1/rerank, as Jina and Cohere have it */
    TN_API_SCORE,      /* POST /v1/score, as vLLM has it */
} tn_api_route;
static inline bool tn_api_wants_vectors(tn_api_route r) {
    return r >= TN_API_EMBEDDINGS;
}

/* One prompt of a completion, or one text to embed: text, or ids. */
typedef struct tn_api_prompt {
    const char *text; /* NULL: ids. Borrowed from the body */
    size_t len;
    int32_t *ids; /* owned; not checked against a vocabulary */
    uint32_t n_ids;
} tn_api_prompt;

/* Where the bytes of an image, a video or a frame are. Borrowed from the body. */
typedef struct tn_api_source {
    const char *text; /* [len], and a NUL; for tn_fetch */
    size_t len;
    tn_source_kind kind;
} tn_api_source;

/* How closely an image is to be looked at. */
typedef enum tn_api_detail { TN_DETAIL_AUTO, TN_DETAIL_LOW, TN_DETAIL_HIGH } tn_api_detail;

/* An image, a video or a recording of a message. */
typedef struct tn_api_media {
    tn_media_kind kind;
    const char *type; /* of the part, as the request has it: "image_url"; static */
    char place[64];   /* "messages[2].content[1]", for errors */
    tn_api_detail detail;
    /* One; of a video whose frames are given as images, each of them: [n_source], owned. */
    tn_api_source *source;
    uint32_t n_source;
    bool is_frames;      /* the sources are frames of a video */
    double fps;          /* of frames: how many are a second; else how many to take of one. 0: not given */
    uint32_t max_frames; /* to take; 0: not given */
} tn_api_media;

typedef struct tn_api_request {
    json_t *body; /* owned: what is borrowed below points into it */
    tn_api_route route;
    bool chat;           /* route is TN_API_CHAT */
    const char *model;   /* NULL: not given */
    json_t *messages;    /* chat: array of checked messages; owned */
    tn_api_media *media; /* chat: [n_media], what the messages show, in order; owned */
    uint32_t n_media;
    json_t *tools;          /* chat: array, not empty, or NULL. Borrowed */
    json_t *template_vars;  /* chat: object or NULL; owned */
    tn_api_prompt *prompts; /* completion, vectors: [n_prompts], owned */
    uint32_t n_prompts;     /* 1 for chat */
    bool echo;              /* completion: the prompt stands before the answer */
    bool stream, include_usage;
    uint32_t n;          /* choices per prompt */
    uint32_t max_tokens; /* 0: not given (max_completion_tokens wins over max_tokens) */
    bool ignore_eos;
    int32_t priority;       /* -100 .. 100, lower ones go first, as in vLLM */
    bool isolated;          /* cache_prompt false: shares computed prefixes with nobody */
    const char *cache_salt; /* [cache_salt_len], shares with the same salt only; NULL: not given. Borrowed */
    size_t cache_salt_len;
    uint32_t num_ctx;     /* tokens of prompt and answer at most; 0: not given */
    unsigned given;       /* TN_GIVEN_* */
    tn_sampling sampling; /* sampling.bias points to bias */
    tn_logit_bias *bias;  /* owned; ids not checked against a vocabulary */
    /* dry_sequence_breakers: [n_breaker], owned array of borrowed strings, none empty. The ids that they mean
     * depend on the model: tn_served_breakers fills them in, ascending; owned. */
    const char **breaker;
    size_t *breaker_len;
    uint32_t n_breaker;
    int32_t *breaker_ids;
    uint32_t n_breaker_ids;
    /* Vectors and scores. Of those, the first n_left prompts are compared with the others: a query with
     * documents, or text_1 with text_2. */
    uint32_t n_left;
    bool base64;             /* vectors as base64 of little-endian floats */
    bool truncate;           /* texts longer than the model takes are cut, else refused */
    bool return_documents;   /* rerank: the documents' texts come back with their scores */
    uint32_t dimensions;     /* vectors: the first ones only, normalised again; 0: all */
    uint32_t top_n;          /* rerank: the best ones only; 0: all */
    const char *prompt_name; /* of the checkpoint, before each text; NULL: none. Borrowed */
    const char **stop;       /* [n_stop], owned, as its strings are; none empty */
    size_t *stop_len;
    uint32_t n_stop;
    int32_t *stop_ids; /* stop_token_ids (an extension), owned */
    uint32_t n_stop_ids;
} tn_api_request;

/* Parses a body of len bytes. A field that is null counts as absent. Fields that neither we nor the original
 * know are accepted; unknown (may be NULL) is called with their names, at most 64 of a request.
 *
 * Messages come out as chat templates expect them: role "developer" is "system"; content is a string, parts
 * of text one after the other; keys without a value are absent; arguments of tool calls are objects where
 * their string holds one. Where a message shows media, its content is an array of {"type": "text", "text"},
 * {"type": "image"} and {"type": "video"}, whatever the request called them, and what they show is in media.
 * Variables of the template are chat_template_kwargs, and enable_thinking and reasoning_effort where those do
 * not set them. top_p and typical_p 0 become the smallest positive float. Of fields with several names
 * (repetition_penalty, repeat_penalty) all that are given have to agree.
 *
 * -1 with e filled and *ret zeroed: invalid JSON (with line and column), a wrong type, a value out of range
 * (field, value and range), too many of something (both numbers), fields that are recognised but not
 * supported when they ask for something we would silently not do (response_format other than text, audio
 * output, tool_choice "required" or a named one, media where limits->max_media is 0). What media are is not
 * looked at, only how they are named. [any thread] */
int tn_api_parse(const char *text, size_t len, bool chat, const tn_api_limits *limits,
                 void (*unknown)(void *ctx, const char *field), void *ctx, tn_api_request *ret,
                 tn_api_error *e);
/* The same of a request for vectors or scores (tn_api_wants_vectors(route)). [any thread] */
int tn_api_parse_vectors(const char *text, size_t len, tn_api_route route, const tn_api_limits *limits,
                         void (*unknown)(void *ctx, const char *field), void *ctx, tn_api_request *ret,
                         tn_api_error *e);
/* Whether a model that takes the kinds of media in the mask (1 << TN_MEDIA_IMAGE, ...) takes all of r's; -1
 * with e filled: 400, naming the first part that it does not take. [any thread] */
int tn_api_check_media(const tn_api_request *r, unsigned kinds, const char *model, tn_api_error *e);
/* Frees what prompts are made from (body, messages, media, tools, template_vars, prompts, bias, breakers;
 * model), which may be large, once they are made: what rules the answer stays. */
void tn_api_request_drop_input(tn_api_request *r);
/* Frees what parsing made; harmless on a zeroed one. */
void tn_api_request_fini(tn_api_request *r);

/* Log probabilities of one token, ready to print: -inf and what is no number becomes -9999. Chat shows U+FFFD
 * for bytes that are no text of their own, next to the list of bytes; completions, which have no such list,
 * show "bytes:\xe2\x96". */
typedef struct tn_api_logprob {
    const char *bytes; /* what the token contributes; any bytes */
    size_t len;
    float logprob;
    uint32_t n_top;
    struct {
        const char *bytes;
        size_t len;
        float logprob;
    } top[TN_TOP_LOGPROBS_MAX];
} tn_api_logprob;

/* Identifies one response; the same in all its events. */
typedef struct tn_api_head {
    bool chat;
    const char *id; /* "chatcmpl-...", "cmpl-..." */
    const char *model;
    int64_t created;    /* seconds since 1970 */
    bool include_usage; /* streams: all events but the one with the usage say "usage": null */
} tn_api_head;

typedef struct tn_api_usage {
    uint32_t prompt_tokens, completion_tokens, cached_tokens;
} tn_api_usage;

/* A choice of a whole response. finish: "stop", "length". text is valid UTF-8. */
typedef struct tn_api_choice {
    const char *text;
    size_t len;
    const char *finish;
    const tn_api_logprob *logprobs; /* [n_logprobs], NULL when not asked for */
    uint32_t n_logprobs;
    uint32_t first_offset; /* completion logprobs: text_offset of the first token, in characters */
} tn_api_choice;

/* Characters (code points) that begin in text: the unit of text_offset. */
uint32_t tn_api_characters(const char *text, size_t len);

/* Appends the body of a whole response. */
void tn_api_response(const tn_api_head *h, const tn_api_choice *choices, uint32_t n,
                     const tn_api_usage *usage, tn_buf *out);
/* Appends one event, "data: {...}\n\n": the opening one of a chat choice (role), a piece of text (delta;
 * finish NULL), or the last one of a choice (finish set, text possibly empty). */
void tn_api_event_role(const tn_api_head *h, uint32_t index, tn_buf *out);
void tn_api_event_text(const tn_api_head *h, uint32_t index, const tn_api_choice *piece, tn_buf *out);
/* The usage event (choices empty), and "data: [DONE]\n\n". An error inside a stream: {"error": {...}}. */
void tn_api_event_usage(const tn_api_head *h, const tn_api_usage *usage, tn_buf *out);
void tn_api_event_done(tn_buf *out);
void tn_api_event_error(const tn_api_error *e, tn_buf *out);

/* Vectors [n, n_col] as a body; base64 as the request asked. No number may be infinite or none. */
void tn_api_vectors_body(const tn_api_head *h, const float *vectors, uint32_t n, uint32_t n_col, bool base64,
                         const tn_api_usage *usage, tn_buf *out);
/* Scores [n] of documents, best first, of which r wants some. */
void tn_api_rerank_body(const tn_api_head *h, const tn_api_request *r, const float *scores, uint32_t n,
                        const tn_api_usage *usage, tn_buf *out);
/* Scores [n], in order. */
void tn_api_score_body(const tn_api_head *h, const float *scores, uint32_t n, const tn_api_usage *usage,
                       tn_buf *out);

/* One entry of GET /v1/models. status and memory are ours: "loaded", "loading", "unloading", "unloaded"
 * (NULL: not told), and the bytes that the model holds apart from the pages of its sequences. */
typedef struct tn_api_model {
    const char *name;
    int64_t created; /* seconds since 1970 */
    const char *status;
    uint64_t memory;
} tn_api_model;

/* GET /v1/models, and one entry of it. */
void tn_api_models_body(const tn_api_model *models, uint32_t n, tn_buf *out);
void tn_api_model_body(const tn_api_model *model, tn_buf *out);

#endif
