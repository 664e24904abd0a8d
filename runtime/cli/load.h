/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that compute have in common: loading a model with a progress bar, and
 * streaming a generated text to stdout. */
#ifndef TN_CLI_LOAD_H
#define TN_CLI_LOAD_H

#include "cli/common.h"
#include "cli/sampling_args.h"
#include "sched/engine.h"

/* A loaded model and the registry it came from. */
typedef struct tn_loaded_model {
    tn_registry *registry;
    tn_model *model;
} tn_loaded_model;

/* Finds MODEL (NULL: the default), fills config's path and what args say, loads. TN_ECANCELED on Ctrl-C. What
 * tn_model_find and tn_model_load give. [control thread] */
int tn_load(const char *model, const tn_compute_args *args, tn_model_config config, tn_loaded_model *ret,
            tn_error *err);
/* The same up to its weights: what it would take is known, nothing is prepared. */
int tn_load_open(const char *model, const tn_compute_args *args, tn_model_config config, tn_loaded_model *ret,
                 tn_error *err);
/* Harmless on a zeroed struct. */
void tn_unload(tn_loaded_model *l);
/* 0, or why there is no tokenizer. */
int tn_need_tokenizer(const tn_model *m, tn_error *err);

/* Generated text on its way to stdout. */
typedef struct tn_printer {
    tn_detok *detok;
    tn_buf text;    /* all of it */
    size_t printed; /* bytes */
    bool quiet;     /* collect only */
    bool interrupted;
    int status; /* of writing */
    tn_error error;
    uint32_t n_token;
} tn_printer;

int tn_printer_init(tn_printer *p, const tn_tokenizer *t, bool quiet, tn_error *err);
/* For tn_seq_config.on_token, ctx being the printer. */
bool tn_printer_token(void *ctx, int32_t id);
/* What was held back. Returns the first failure of writing. */
int tn_printer_finish(tn_printer *p, tn_error *err);
void tn_printer_fini(tn_printer *p);

#endif
