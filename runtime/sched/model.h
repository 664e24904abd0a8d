/* SPDX-License-Identifier: Apache-2.0 */
/* A model ready to run: checkpoint, family instance, program, device and its lowered form, tokenizer. */
#ifndef TN_SCHED_MODEL_H
#define TN_SCHED_MODEL_H

#include <tenon/family.h>

#include "device/device.h"
#include "modules/host.h"
#include "modules/option_table.h"
#include "modules/registry.h"
#include "base/budget.h"
#include "text/tokenizer.h"
#include "weights/checkpoint.h"

enum { TN_PAGE_TOKENS = 32 };

/* What a load asks for; zeros are the defaults. */
typedef struct tn_model_config {
    const char *path;   /* a directory or a .gguf file */
    const char *mmproj; /* the file with the vision tower of a .gguf file, without '/' also one beside it;
                           "none"; NULL: the only mmproj*.gguf beside it, where that fits */
    const char *family; /* id of the module to use; NULL: the best score */
    /* Settings of a module's options: the n_args of *ret_args, or 0. Called with the id of the one chosen;
     * may be NULL. */
    size_t (*module_args)(void *ctx, const char *id, const tn_option_arg **ret_args);
    void *module_args_ctx;
    const char *device; /* NULL: the first class */
    uint32_t n_thread;  /* 0: all */
    tn_compute compute;
    const char
        *kv_type; /* "f32", "f16", "bf16", "q8_0"; NULL: F16, or F32 with F32 computation and on reference */
    uint32_t n_ctx;    /* tokens of one sequence; 0: what the model was made for, at most TN_DEFAULT_CTX */
    uint32_t max_seqs; /* sequences held at once; 0: 1 */
    uint64_t kv_bytes; /* most that KV pages may take; 0: enough for max_seqs sequences of n_ctx tokens */
    uint32_t max_step_tokens; /* 0: 512 */
    uint32_t max_step_rows;   /* rows of logits per step; 0: max_seqs */
    bool taps;                /* keep the layers' outputs */
    uint64_t media_bytes;     /* that rows of pictures may take, if it sees: counted in what it needs */
    tn_progress_fn progress;  /* may be NULL */
    void *progress_ctx;
} tn_model_config;

enum { TN_DEFAULT_CTX = 32768, TN_LEAST_CTX = 512 };

/* What a model takes, in bytes. */
typedef struct tn_model_need {
    uint64_t file;        /* tensors, mapped from their files */
    uint64_t weights;     /* copies that the device makes of them */
    uint64_t activations; /* and tables: all that a step needs but pages */
    uint64_t fixed;       /* the sum of these: held while the model is loaded */
    uint64_t kv_token;    /* pages, a token, of a sequence that no window cuts */
    uint64_t kv_sequence; /* pages of one sequence as long as the context */
} tn_model_need;

/* What there is for one more model. */
typedef struct tn_model_room {
    uint64_t limit;       /* of all models together; 0: none */
    uint64_t others;      /* what other models hold while they are loaded */
    uint64_t kv_sequence; /* the longest sequence of any other model: it must go on fitting */
} tn_model_room;

typedef struct tn_tower tn_tower;     /* sched/tower.h */
typedef struct tn_encoder tn_encoder; /* sched/encoder.h */

typedef struct tn_model {
    tn_checkpoint *checkpoint;
    const tn_family *family;
    const char *family_id;
    void *instance;
    tn_host_table host;              /* the instance's view of us, named after its module */
    tn_option_value *module_options; /* the module's options, checked; NULL when it has none */
    tn_model_info info;
    tn_program *program;
    tn_tower *tower;     /* NULL: it sees nothing */
    tn_error blind;      /* why, where that can be changed; else no text */
    tn_encoder *encoder; /* it makes embeddings: program is an encoder, nothing is generated; or NULL */
    tn_device *device;
    tn_exec *exec;
    tn_exec_config config;
    tn_exec_size size; /* what exec holds */
    uint32_t n_ctx;
    bool ctx_is_given; /* n_ctx was asked for, and does not shrink */
    uint64_t kv_bytes; /* as in tn_model_config */
    uint64_t media_bytes;
    tn_model_need need;
    tn_budget *budget;        /* where need.fixed was taken from; NULL: from none */
    tn_tokenizer *tokenizer;  /* NULL where the checkpoint has none */
    tn_error tokenizer_error; /* why */
} tn_model;

/* Opens a model up to its weights: what it is, what it will take, its tokenizer. Little memory is used.
 * Errors say which file, tensor or parameter: TN_ENOENT, TN_EFORMAT, TN_ENOTSUP (no module takes it: lists
 * what was looked at), TN_ELIMIT, TN_ENOMEM, TN_EDEVICE. r outlives the model. [control thread] */
int tn_model_open(tn_registry *r, const tn_model_config *options, tn_model **ret, tn_error *err);
/* Another context or kv type (NULL: as it is) for a model that is not lowered; need and size follow.
 * TN_ELIMIT, TN_EINVAL: nothing changed. */
int tn_model_resize(tn_model *m, uint32_t n_ctx, const char *kv_type, tn_error *err);
/* Whether an open model, with one sequence of its context, has room. shrink: a context that nobody asked for
 * may be cut to what has, down to TN_LEAST_CTX. TN_ENOMEM: all numbers. */
int tn_model_fit(tn_model *m, const tn_model_room *room, bool shrink, tn_error *err);
/* Takes need.fixed from b (which outlives the model); TN_ENOMEM. */
int tn_model_take(tn_model *m, tn_budget *b, tn_error *err);
/* Makes an open model ready to run. TN_ECANCELED when progress (may be NULL) says so. */
int tn_model_lower(tn_model *m, tn_progress_fn progress, void *progress_ctx, tn_error *err);
/* Fails with TN_ENOTSUP: this model takes no images, videos or recordings, and why. */
int tn_model_no_tower(const tn_model *m, tn_error *err);
/* Opens and lowers, whatever room there is. */
int tn_model_load(tn_registry *r, const tn_model_config *options, tn_model **ret, tn_error *err);
/* A sampling parameter that the checkpoint recommends ("temp", "top_k", "top_p", "min_p",
 * "repetition_penalty"): generation_config.json, or general.sampling.* of a GGUF file; else def. [any thread]
 */
double tn_model_recommended(const tn_model *m, const char *name, double def);
/* Pages of a cache group that a sequence of n tokens holds at once, while it is computed in the largest
 * steps. [any thread] */
uint32_t tn_model_seq_pages(const tn_model *m, uint32_t group, uint32_t n);
/* 0, or TN_EINVAL: the model makes embeddings, and no text. [any thread] */
int tn_model_need_text(const tn_model *m, tn_error *err);
/* And the reverse. */
int tn_model_need_encoder(const tn_model *m, tn_error *err);
/* The names of the kv types; ends with NULL. A device may know fewer. */
extern const char *const tn_model_kv_types[];
/* Gives back what was taken. NULL is harmless. */
void tn_model_free(tn_model *m);

#endif
