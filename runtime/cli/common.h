/* SPDX-License-Identifier: Apache-2.0 */
/* Options and operands that several commands share: which model, and how to compute. */
#ifndef TN_CLI_COMMON_H
#define TN_CLI_COMMON_H

#include "cli/options.h"

/* --model, for commands whose operands are something else. Resolve it with tn_model_find(). */
typedef struct tn_model_args {
    const char *model; /* NULL: the default */
} tn_model_args;

/* --device, --threads, --compute, --kv-type, --mmproj: taken by every command that computes. */
typedef struct tn_compute_args {
    const char *device;  /* "reference", "cpu", ...; NULL: the default of this build */
    uint64_t threads;    /* 0: as many as the process may use */
    const char *compute; /* "f32" or "auto"; NULL: auto */
    const char *kv_type; /* "f32", "f16", "bf16" or "q8_0"; NULL: what compute says (f32: f32, auto: f16) */
    const char
        *mmproj; /* tn_model_config.mmproj; NULL: what tenon.conf says, else what lies beside the model */
} tn_compute_args;

enum { TN_THREADS_MAX = 1024 };

/* Tables for a TN_OPT_GROUP row; the struct lies at the row's offset. */
extern const tn_option_row tn_model_options[];
extern const tn_option_row tn_compute_options[];

/* What MODEL means: a directory or file when there is one of that name (or when it contains a '/'), else the
 * name of a model in tenon.conf, else that of an installed model; NULL means the default model. *ret_path is
 * the caller's (free). TN_ENOENT names where it looked; TN_ENOMEM, and what tn_settings_load gives when
 * tenon.conf is wrong. [control thread] */
int tn_model_find(const char *model, char **ret_path, tn_error *err);
/* The same, and *ret_mmproj, the caller's: where the path came from tenon.conf its mmproj, else NULL. */
int tn_model_find_pair(const char *model, char **ret_path, char **ret_mmproj, tn_error *err);

/* What the path of a configured model means (tn_model_settings): a directory or file, or without '/' a name
 * looked up in the folders of TENON_MODEL_PATH and in the installed models. As above otherwise. */
int tn_model_path_find(const char *path, char **ret_path, tn_error *err);

#endif
