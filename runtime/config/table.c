/* SPDX-License-Identifier: Apache-2.0 */
#include "config/table.h"

#include <string.h>

#include "media/address.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-"

enum { NAME_BYTES = 128 };

const char *const tn_section_names[TN_SECTION_COUNT + 1] = {"server", "cache",  "limits", "media",
                                                            "model",  "module", NULL};

const char *tn_model_name_check(const char *name) {
    size_t n = strlen(name);
    if (n == 0 || n > NAME_BYTES) return "a name has 1 to 128 characters";
    if (strspn(name, NAME_CHARS) != n) return "a name is made of letters, digits and ._:/@+-";
    return NULL;
}

static const char *key_check(const char *text) {
    for (; *text; text++)
        if (*text <= ' ' || *text > '~') return "a key is printable ASCII without blanks";
    return NULL;
}

static const char *origin_check(const char *text) {
    if (strcmp(text, "*") == 0) return NULL;
    const char *host = strstr(text, "://");
    if (!host || host == text || !host[3] || strpbrk(host + 3, "/?#") || key_check(text))
        return "an origin is \"*\" or like \"https://example.org:8443\", without a path";
    return NULL;
}

/* serve/defaults.h reads it. */
static const char *breaker_check(const char *text) {
    enum { MOST = 64 };
    if (strlen(text) > MOST) return "a sequence breaker has at most 64 bytes";
    for (; *text; text++) {
        if (*text != '\\') continue;
        if (!*++text || !strchr("ntr\"\\", *text)) return "after a '\\' stands one of n t r \" \\";
    }
    return NULL;
}

static const char *root_check(const char *text) {
    return *text == '/' ? NULL : "a folder is written with its whole path, from '/' on";
}

/* clang-format off */
#define SERVER(kind, key, field) TN_SECTION_SERVER, TN_SETTING_##kind, key, .offset = offsetof(tn_server_settings, field)
#define CACHE(kind, key, field) TN_SECTION_CACHE, TN_SETTING_##kind, key, .offset = offsetof(tn_cache_settings, field)
#define LIMITS(kind, key, field) TN_SECTION_LIMITS, TN_SETTING_##kind, key, .offset = offsetof(tn_limit_settings, field)
#define MEDIA(kind, key, field) TN_SECTION_MEDIA, TN_SETTING_##kind, key, .offset = offsetof(tn_media_settings, field)
#define MODEL(kind, key, field) TN_SECTION_MODEL, TN_SETTING_##kind, key, .offset = offsetof(tn_model_settings, field)
/* clang-format on */

#define DAY        86400
#define KV_WORDS   "f32|f16|bf16|q8_0"
#define CHECKPOINT "what the checkpoint recommends"

const tn_setting_row tn_setting_rows[] = {
    {SERVER(LISTEN, "listen", listen), .def = "127.0.0.1:8080",
     .help = "where to listen: HOST:PORT or [IPV6]:PORT; port 0 is any free one"},
    {SERVER(UINT, "max_connections", max_connections), .def = "1024", .min = 1, .max = 1 << 16,
     .help = "connections open at once; further ones wait to be accepted"},
    {SERVER(SIZE, "max_body_bytes", max_body_bytes), .def = "32M", .min = 1024, .max = 0x1p32,
     .help = "longest body of a request"},
    {SERVER(SIZE, "max_upload_bytes", max_upload_bytes), .def = "256M", .min = 1024, .max = 0x1p40,
     .help = "bodies of all requests on their way in, together; more are refused for the moment"},
    {SERVER(SECONDS, "idle_timeout", idle_timeout_s), .def = "75s", .max = DAY,
     .help = "a connection without traffic for so long is closed; 0 is never"},
    {SERVER(SECONDS, "drain", drain_s), .def = "30s", .max = DAY,
     .help = "after SIGTERM running requests may go on for so long"},
    {SERVER(LIST, "api_keys", api_keys), .def = "", .secret = true, .check = key_check,
     .help = "keys that clients may use; with none, everybody may"},
    {SERVER(LIST, "cors_origins", cors_origins), .def = "", .check = origin_check,
     .help = "web pages of these origins may use the server from a browser; \"*\" is any"},
    {SERVER(CHOICE, "log_level", log_level), .def = "info", .words = "error|warn|info|debug|trace",
     .help = "what the server logs"},
    {SERVER(CHOICE, "log_format", log_format), .def = "text", .words = "text|json",
     .help = "how the server logs"},

    {CACHE(WORD, "kv_type", kv_type), .unset = "what device and compute ask for", .words = KV_WORDS,
     .help = "how keys and values are stored, for models that do not say"},
    {CACHE(CHOICE, "share", share), .def = "all", .words = "all|key",
     .help = "who may go on from whose computed prompts: all, or only requests with the same API key"},
    {CACHE(BOOL, "exact", exact), .def = "true",
     .help =
         "on a GPU, earlier answers in a prompt are computed again, so that a hit changes no bit; off takes them as they are"},
    {CACHE(UINT, "context", context), .def = "0", .max = 1 << 24,
     .help = "tokens of one sequence, for models that do not say; 0 is what the model was made for"},

    {LIMITS(SIZE, "memory", memory), .def = "0", .max = 0x1p52,
     .help = "bytes that all models and their caches hold at most; 0 is 80% of what the process may use"},
    {LIMITS(SECONDS, "stall", stall_s), .def = "60s", .max = DAY,
     .help = "a step that lasts longer makes /health say so; 0 is never"},
    {LIMITS(UINT, "max_tokens", max_tokens), .def = "0", .max = 1 << 24,
     .help = "tokens of an answer whose request does not say; 0 is up to the context"},
    {LIMITS(UINT, "queue_length", queue_length), .def = "512", .max = 1 << 20,
     .help = "requests that may wait for a model; more are refused; 0 is no limit"},
    {LIMITS(SECONDS, "queue_wait", queue_wait_s), .def = "0s", .max = DAY,
     .help = "a request that waits longer is refused; 0 is never"},
    {LIMITS(UINT, "max_n", max_n), .def = "16", .min = 1, .max = 1024, .help = "choices of one request"},
    {LIMITS(UINT, "max_stop", max_stop), .def = "16", .min = 1, .max = 1024,
     .help = "stop strings of one request"},
    {LIMITS(UINT, "max_logit_bias", max_logit_bias), .def = "1024", .max = 1 << 20,
     .help = "tokens in the logit_bias of one request"},
    {LIMITS(UINT, "max_inputs", max_inputs), .def = "2048", .min = 1, .max = 1 << 16,
     .help = "texts of one request for embeddings or scores"},
    {LIMITS(SECONDS, "request_timeout", request_timeout_s), .def = "0s", .max = DAY,
     .help = "a request that takes longer, waiting included, is ended; 0 is never"},
    {LIMITS(SIZE, "max_output_pending_bytes", max_output_pending_bytes), .def = "4M", .min = 4096,
     .max = 0x1p32, .help = "a client that lets so much of its answer wait unread is cut off"},

    {MEDIA(LIST, "roots", roots), .def = "", .check = root_check,
     .help = "folders whose files requests may name; with none, no file is opened"},
    {MEDIA(BOOL, "allow_url", allow_url), .def = "true", .help = "whether http and https URLs are fetched"},
    {MEDIA(LIST, "allow_private", allow_private), .def = "", .check = tn_address_rule_check,
     .help =
         "what URLs may lead to besides the public internet: ADDRESS, ADDRESS/BITS, ADDRESS:PORT or NAME:PORT"},
    {MEDIA(UINT, "max_items", max_items), .def = "32", .max = 1024,
     .help = "images, videos and recordings of one request; 0 takes none"},
    {MEDIA(SIZE, "max_bytes", max_bytes), .def = "64M", .min = 1024, .max = 0x1p32,
     .help = "bytes of one image or video, as it is stored"},
    {MEDIA(SECONDS, "fetch_timeout", fetch_timeout_s), .def = "20s", .min = 0.1, .max = 3600,
     .help = "how long the fetching of one URL may take, redirects included"},
    {MEDIA(UINT, "max_pixels", max_pixels), .def = "40000000", .min = 1, .max = 1 << 30,
     .help = "pixels of an image, or of a frame of a video"},
    {MEDIA(UINT, "max_frames", max_frames), .def = "768", .min = 1, .max = 1 << 16,
     .help = "frames taken of one video"},
    {MEDIA(SECONDS, "max_duration", max_duration_s), .def = "1h", .min = 1, .max = 7 * DAY,
     .help = "the longest video that is opened"},
    {MEDIA(SECONDS, "decode_timeout", decode_timeout_s), .def = "30s", .min = 0.1, .max = 3600,
     .help = "how long the decoding of one image or video may take"},
    {MEDIA(SIZE, "vision_cache", vision_cache), .def = "256M", .max = 0x1p40,
     .help = "what towers made of images, videos and recordings, kept for the next request"},
    {MEDIA(SIZE, "pixel_cache", pixel_cache), .def = "256M", .max = 0x1p40,
     .help = "decoded images and frames, kept for the next request"},

    {MODEL(MODEL, "path", path), .unset = "must be given",
     .help = "a directory, a .gguf file, or without '/' the name of an installed model"},
    {MODEL(MODEL, "mmproj", mmproj), .unset = "the only mmproj*.gguf beside the model, if any",
     .help = "the vision tower of a .gguf file: a file, without '/' beside that, or none"},
    {MODEL(TEXT, "family", family), .unset = "the module that fits best",
     .help = "id of the module that runs the model"},
    {MODEL(WORD, "device", device), .unset = "the first device of this build",
     .words = "cpu|metal|cuda|reference", .help = "what computes"},
    {MODEL(UINT, "threads", threads), .def = "0", .max = 1024,
     .help = "processor threads; 0 is as many as the process may use"},
    {MODEL(WORD, "compute", compute), .def = "auto", .words = "f32|auto",
     .help = "f32 is everything in F32, auto as fast as stays close"},
    {MODEL(WORD, "kv_type", kv_type), .unset = "what device and compute ask for", .words = KV_WORDS,
     .help = "how keys and values are stored (else cache.kv_type)"},
    {MODEL(UINT, "context", context), .def = "0", .max = 1 << 24,
     .help = "tokens of one sequence; 0 is what the model was made for (else cache.context)"},
    {MODEL(UINT, "parallel", parallel), .def = "8", .min = 1, .max = 4096, .help = "sequences run at once"},
    {MODEL(UINT, "step_tokens", step_tokens), .def = "512", .min = 1, .max = 1 << 20,
     .help = "tokens computed in one step, all sequences together"},
    {MODEL(LIST, "aliases", aliases), .def = "", .check = tn_model_name_check,
     .help = "other names that requests may use"},
    {MODEL(BOOL, "default", is_default), .def = "false",
     .help = "answers requests that name no model (else the first model does)"},
    {MODEL(CHOICE, "load", load), .def = "start", .words = "start|demand",
     .help = "when the model is loaded: with the server, or for the first request that names it"},
    {MODEL(SECONDS, "idle_unload", idle_unload_s), .def = "0s", .max = 30 * DAY,
     .help = "a model that nobody used for so long is unloaded; 0 is never"},
    {MODEL(BOOL, "keep", keep), .def = "false",
     .help = "the model is never unloaded, for others or when idle"},
    {MODEL(REAL, "temperature", temperature), .unset = CHECKPOINT, .max = 100,
     .help = "default of requests: 0 is greedy, 1 the model's own distribution"},
    {MODEL(REAL, "top_p", top_p), .unset = CHECKPOINT, .max = 1,
     .help = "default of requests: only the most probable tokens that make up so much"},
    {MODEL(UINT, "top_k", top_k), .unset = CHECKPOINT, .max = 1 << 24,
     .help = "default of requests: only so many most probable tokens; 0 is all"},
    {MODEL(REAL, "min_p", min_p), .unset = CHECKPOINT, .max = 1,
     .help = "default of requests: no token less probable than so much of the most probable"},
    {MODEL(REAL, "repetition_penalty", repetition_penalty), .unset = CHECKPOINT, .min = 0.01, .max = 100,
     .help = "default of requests: makes tokens that occurred less probable; 1 does nothing"},
    {MODEL(REAL, "frequency_penalty", sampling.frequency_penalty), .unset = "0", .min = -2, .max = 2,
     .help = "default of requests: taken from a token's logit for each time it occurred in the answer"},
    {MODEL(REAL, "presence_penalty", sampling.presence_penalty), .unset = "0", .min = -2, .max = 2,
     .help = "default of requests: taken from a token's logit if it occurred in the answer"},
    {MODEL(UINT, "repetition_last_n", sampling.repetition_last_n), .unset = "all", .min = 1, .max = INT32_MAX,
     .help = "default of requests: how many last tokens the three penalties look at"},
    {MODEL(REAL, "typical_p", sampling.typical_p), .unset = "1", .max = 1,
     .help = "default of requests: only the tokens closest to the mean surprise that make up so much"},
    {MODEL(REAL, "top_n_sigma", sampling.top_n_sigma), .unset = "0", .max = 100,
     .help = "default of requests: only logits within so many standard deviations of the highest; 0 is all"},
    {MODEL(REAL, "xtc_probability", sampling.xtc_probability), .unset = "0", .max = 1,
     .help = "default of requests: how often the most probable tokens are excluded (XTC); 0 is never"},
    {MODEL(REAL, "xtc_threshold", sampling.xtc_threshold), .unset = "0.1", .max = 1,
     .help = "default of requests: from which probability on XTC excludes"},
    {MODEL(UINT, "min_keep", sampling.min_keep), .unset = "1", .min = 1, .max = INT32_MAX,
     .help = "default of requests: how many tokens typical_p, top_p, min_p and XTC leave at least"},
    {MODEL(REAL, "dry_multiplier", sampling.dry_multiplier), .unset = "0", .max = 100,
     .help = "default of requests: how strongly repetitions are held back (DRY); 0 is not at all"},
    {MODEL(REAL, "dry_base", sampling.dry_base), .unset = "1.75", .min = 1, .max = 100,
     .help = "default of requests: how much more for each further token of a repetition"},
    {MODEL(UINT, "dry_allowed_length", sampling.dry_allowed_length), .unset = "2", .min = 1, .max = 1024,
     .help = "default of requests: repetitions up to this many tokens are free"},
    {MODEL(UINT, "dry_penalty_last_n", sampling.dry_penalty_last_n), .unset = "all", .min = 1,
     .max = INT32_MAX, .help = "default of requests: how many last tokens DRY looks at"},
    {MODEL(LIST, "dry_sequence_breakers", dry_sequence_breakers), .unset = "newline, colon, quote and star",
     .check = breaker_check,
     .help = "default of requests: strings that no repetition reaches across, \\n for a newline; {} is none"},
    {MODEL(UINT, "repetition_max_pattern", sampling.repetition_max_pattern), .unset = "0", .max = 512,
     .help = "default of requests: an answer that repeats up to so many tokens is ended; 0 is never"},
    {MODEL(UINT, "repetition_min_pattern", sampling.repetition_min_pattern), .unset = "1", .min = 1,
     .max = 512, .help = "default of requests: the shortest such pattern"},
    {MODEL(UINT, "repetition_min_count", sampling.repetition_min_count), .unset = "4", .min = 2,
     .max = 1 << 16, .help = "default of requests: how often the pattern stands there, one after the other"},
    {MODEL(UINT, "repetition_min_tokens", sampling.repetition_min_tokens), .unset = "256", .max = 1 << 20,
     .help = "default of requests: how many tokens these repetitions make up at least"},
    {MODEL(UINT, "max_tokens", max_tokens), .def = "0", .max = 1 << 24,
     .help = "tokens of an answer whose request does not say (else limits.max_tokens)"},
    {MODEL(FILE, "chat_template", chat_template), .unset = "the checkpoint's own",
     .help = "a file with the template that turns messages into a prompt"},
    {MODEL(FILE, "warm", warm), .unset = "none",
     .help =
         "a file of prompts to compute when the model is loaded: messages as JSON, or text for a system message"},
    {MODEL(CHOICE, "think", think), .def = "auto", .words = "auto|on|off",
     .help = "whether prompts ask for thinking where the template can; auto is the template's own default"},
};

const size_t tn_setting_row_count = sizeof tn_setting_rows / sizeof *tn_setting_rows;

bool tn_section_titled(tn_setting_section section) {
    return section == TN_SECTION_MODEL || section == TN_SECTION_MODULE;
}

tn_setting_section tn_section_find(const char *name) {
    int i = 0;
    while (i < TN_SECTION_COUNT && strcmp(name, tn_section_names[i]) != 0) i++;
    return (tn_setting_section)i;
}

const tn_setting_row *tn_setting_find(tn_setting_section section, const char *key) {
    for (size_t i = 0; i < tn_setting_row_count; i++)
        if (tn_setting_rows[i].section == section && strcmp(tn_setting_rows[i].key, key) == 0)
            return &tn_setting_rows[i];
    return NULL;
}

size_t tn_setting_index(const tn_setting_row *row) {
    return (size_t)(row - tn_setting_rows);
}
