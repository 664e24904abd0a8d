/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the command line, as a model sees them. */
#ifndef TN_CLI_LOOK_H
#define TN_CLI_LOOK_H

#include "cli/load.h"
#include "cli/media_args.h"
#include "sched/sight.h"

/* --image, --video and --frames, for commands whose ids have a token for each row already. */
typedef struct tn_show_args {
    tn_media_args media;
    tn_opt_strings frames; /* "FPS:FILE,FILE,..." */
} tn_show_args;
extern const tn_option_row tn_show_options[];

typedef struct tn_look {
    tn_media_store *store;
    tn_intake *intake;
    tn_decoder *decoder;
    tn_seen *seen; /* [n_seen] */
    uint32_t n_seen;
} tn_look;

/* Gets the files and sees them; nothing to do where there are none. TN_ENOTSUP: the model sees nothing, or
 * not that; errors name the file. */
int tn_look_at(tn_look *l, const tn_loaded_model *m, const tn_media_args *media, const tn_opt_strings *frames,
               tn_error *err);
/* The same, and ids with what they show: *ret owns a copy. */
int tn_look_ids(tn_look *l, const tn_loaded_model *m, const tn_show_args *show, const tn_ids *ids,
                tn_sight *ret, tn_error *err);
/* Zeros are harmless. Before the model is unloaded. */
void tn_look_fini(tn_look *l);

#endif
