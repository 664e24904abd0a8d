/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator can set, and where each value came from.
 *
 * A value is taken from the last of these that gives it: the default, tenon.conf, the files of conf.d beside
 * it in the order of their names, the environment (TENON_SERVER_LISTEN=...), flags. table.h lists every
 * setting with its type, default, range and meaning; files, environment, flags, `tenon config show` and the
 * checks all read that list.
 *
 * Settings are made once and constant from then on: any thread may read them. Loading is for the control
 * thread (libconfuse keeps global state). Strings and lists belong to the settings. */
#ifndef TN_CONFIG_SETTINGS_H
#define TN_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/log.h"
#include "media/limits.h"
#include "modules/option_table.h"

/* An integer nobody gave, where 0 would mean something. A double nobody gave is NAN, a word nobody gave NULL.
 */
#define TN_UNSET UINT64_MAX

typedef enum tn_setting_origin {
    TN_FROM_DEFAULT,
    TN_FROM_FILE,
    TN_FROM_ENVIRONMENT,
    TN_FROM_FLAG,
} tn_setting_origin;

/* Where one value came from. */
typedef struct tn_setting_source {
    tn_setting_origin origin;
    uint32_t line; /* of a file, from 1; else 0 */
    const char
        *name; /* the file, the variable, or the flag with its dashes ("--listen"); NULL for a default */
} tn_setting_source;

typedef struct tn_string_list {
    size_t n;
    char **item; /* [n] */
} tn_string_list;

/* "host:port", "[v6]:port". */
typedef struct tn_listen {
    char *host;    /* a name or a numeric address without brackets, never empty */
    uint16_t port; /* 0: any free one */
    bool is_ipv6;  /* host is a numeric IPv6 address */
} tn_listen;

/* server {} */
typedef struct tn_server_settings {
    tn_listen listen;            /* 127.0.0.1:8080 */
    uint64_t max_connections;    /* open at once */
    uint64_t max_body_bytes;     /* of a request */
    uint64_t max_upload_bytes;   /* of all requests that are on their way in or not parsed; at least
                                    max_body_bytes */
    double idle_timeout_s;       /* a connection without traffic; 0: none */
    double drain_s;              /* how long running requests may go on after SIGTERM */
    tn_string_list api_keys;     /* none: everybody may. Secret: never print or log */
    tn_string_list cors_origins; /* none: no CORS headers; "*": any */
    tn_log_level log_level;
    tn_log_format log_format;
} tn_server_settings;

/* Who may go on from prompts that somebody else's request has computed. */
typedef enum tn_cache_share { TN_SHARE_ALL, TN_SHARE_KEY } tn_cache_share;

/* cache {}: for models that do not say otherwise. */
typedef struct tn_cache_settings {
    tn_cache_share share; /* by what requests are kept apart */
    bool exact;           /* on GPUs prompts do not go on from what answers left */
    const char *kv_type;  /* "f32", "f16", "bf16", "q8_0"; NULL: what device and compute ask for */
    uint64_t context;     /* tokens of one sequence; 0: what the model was made for */
} tn_cache_settings;

/* limits {} */
typedef struct tn_limit_settings {
    uint64_t memory;                   /* bytes of all models and caches; 0: 80 % of tn_memory_size() */
    double stall_s;                    /* a step that lasts longer is reported; 0: never */
    uint64_t max_tokens;               /* of an answer whose request does not say; 0: up to the context */
    uint64_t queue_length;             /* requests waiting for a model, more are refused */
    double queue_wait_s;               /* longest wait in the queue; 0: any */
    uint64_t max_n;                    /* choices of one request */
    uint64_t max_stop;                 /* stop strings of one request */
    uint64_t max_logit_bias;           /* entries of logit_bias */
    double request_timeout_s;          /* from arrival to the last token; 0: none */
    uint64_t max_output_pending_bytes; /* answer that one client has not read yet; past that it is cut off */
} tn_limit_settings;

/* media {} */
typedef struct tn_media_settings {
    tn_string_list roots;         /* folders, absolute; none: no files are opened for requests */
    bool allow_url;               /* http and https */
    tn_string_list allow_private; /* rules of media/address.h */
    uint64_t max_items;           /* images and videos of one request; 0: none are taken */
    uint64_t max_bytes;           /* of one, as it is stored */
    double fetch_timeout_s;
    uint64_t max_pixels; /* of an image or frame */
    uint64_t max_frames; /* taken of a video */
    double max_duration_s;
    double decode_timeout_s;
    uint64_t vision_cache; /* bytes of what vision towers gave */
    uint64_t pixel_cache;  /* bytes of decoded frames */
} tn_media_settings;

/* Whether prompts ask for thinking, where the template knows the difference. */
typedef enum tn_think { TN_THINK_AUTO, TN_THINK_ON, TN_THINK_OFF } tn_think;

/* When a model is loaded. */
typedef enum tn_load_when { TN_LOAD_AT_START, TN_LOAD_ON_DEMAND } tn_load_when;

/* Sampling besides what checkpoints recommend, for requests that do not say; as in tn_sampling
 * (sched/sampler.h). NAN, TN_UNSET: unset. */
typedef struct tn_sampling_settings {
    double typical_p, top_n_sigma, xtc_probability, xtc_threshold;
    double frequency_penalty, presence_penalty;
    double dry_multiplier, dry_base;
    uint64_t min_keep;
    uint64_t repetition_last_n; /* tokens that the penalties look at; unset: all */
    uint64_t dry_allowed_length, dry_penalty_last_n;
    uint64_t repetition_max_pattern; /* answers that loop are ended; 0, unset: they are not */
    uint64_t repetition_min_pattern, repetition_min_count, repetition_min_tokens;
} tn_sampling_settings;

/* model NAME {}. Empty sampling values mean what the checkpoint recommends. */
typedef struct tn_model_settings {
    char *name;   /* what requests call it: [A-Za-z0-9._:/@+-], unique among names and aliases */
    char *path;   /* a directory or file (absolute, or below the working directory for one that -m gave), or
                     without '/' the name of an installed model; never NULL */
    char *mmproj; /* file with the vision tower of a .gguf file, as path, without '/' beside that; "none";
                     NULL: the only mmproj*.gguf beside it */
    char *family; /* id of the module to use; NULL: the best score */
    const char *device;     /* "reference", "cpu"; NULL: the first of this build */
    uint64_t threads;       /* 0: as many as the process may use */
    const char *compute;    /* "f32", "auto"; NULL: auto */
    const char *kv_type;    /* as cache.kv_type, which fills it in when this model does not say */
    uint64_t context;       /* the same */
    uint64_t parallel;      /* sequences at once */
    uint64_t step_tokens;   /* of one step, all sequences together */
    tn_string_list aliases; /* other names for it in requests */
    bool is_default;        /* answers requests that name none: exactly one model has it */
    tn_load_when load;
    double idle_unload_s;      /* 0: never */
    bool keep;                 /* never unloaded */
    double temperature;        /* NAN: unset */
    double top_p;              /* NAN: unset */
    double min_p;              /* NAN: unset */
    double repetition_penalty; /* NAN: unset */
    uint64_t top_k;            /* TN_UNSET; 0: all */
    tn_sampling_settings sampling;
    tn_string_list dry_sequence_breakers; /* with \n for a newline; its source says whether it was set */
    uint64_t max_tokens; /* as limits.max_tokens, which fills it in when this model does not say */
    char *warm;          /* a file of prompts to compute when it is loaded (absolute); NULL: none */
    char *chat_template; /* a file that replaces the checkpoint's template (absolute); NULL: none */
    tn_think think;
    tn_setting_source *sources; /* internal: by row of the table */
    tn_setting_source declared; /* where the model first appeared */
} tn_model_settings;

/* module NAME {}: unchecked until tn_settings_check(), as the keys are the module's own. */
typedef struct tn_module_settings {
    char *id;
    size_t n_args;
    tn_option_arg *args;        /* [n_args], keys unique; for tn_option_table_parse() */
    tn_setting_source *sources; /* [n_args] */
    tn_setting_source declared;
} tn_module_settings;

typedef struct tn_settings {
    tn_server_settings server;
    tn_cache_settings cache;
    tn_limit_settings limits;
    tn_media_settings media;
    size_t n_models; /* at least 1: where nobody named a model, the one that ships with the program */
    tn_model_settings *models;
    size_t n_modules;
    tn_module_settings *modules;
    tn_string_list files;       /* those that were read, in order; none is fine */
    tn_string_list names;       /* internal: variables and flags that sources point to */
    tn_setting_source *sources; /* internal: of sections without titles, by row of the table */
} tn_settings;

/* One flag. */
typedef struct tn_settings_flag {
    const char *flag; /* for messages and sources: "--listen" */
    const char *key;  /* "server.listen", "model.NAME.context", "module.ID.KEY" */
    const char *value;
} tn_settings_flag;

/* What stands over the files; zeros: nothing does. Borrowed for the call. */
typedef struct tn_settings_overrides {
    const char *file; /* must exist; NULL: the first there is of $TENON_CONF (must exist when it is set),
                         tenon.conf in $XDG_CONFIG_HOME/tenon (~/.config/tenon), in $(sysconfdir)/tenon */
    const tn_settings_flag *flags;
    size_t n_flags;
    const char *const
        *models; /* -m: serve these and no others. A configured name, else a path or installed name */
    size_t n_models;
} tn_settings_overrides;

/* Reads, merges and checks everything. overrides may be NULL. Sections of the same model in several files
 * merge, key by key; lists are replaced, not added to. TN_EINVAL for whatever is wrong with a text
 * ("FILE:LINE: ..."; unknown names come with the nearest valid one), TN_ENOENT, TN_EIO, TN_ELIMIT (a file or
 * a number of models past what can be sane), TN_ENOMEM. [control thread] */
int tn_settings_load(const tn_settings_overrides *overrides, tn_settings **ret, tn_error *err);
/* NULL is harmless. */
void tn_settings_free(tn_settings *s);

/* The model of that name or alias; NULL or "" give the default one. NULL when there is none. [any thread] */
const tn_model_settings *tn_settings_model(const tn_settings *s, const char *name);
/* The section of that module, or NULL. [any thread] */
const tn_module_settings *tn_settings_module(const tn_settings *s, const char *id);

/* What the section media says, for those who fetch, decode and keep; its lists are borrowed from s. [any
 * thread] */
tn_media_limits tn_settings_media(const tn_settings *s);

/* Where a value came from: key is "listen" for section "server" (title NULL), "context" for section "model"
 * with title NAME. A default for what does not exist. [any thread] */
tn_setting_source tn_settings_source(const tn_settings *s, const char *section, const char *title,
                                     const char *key);

#endif
