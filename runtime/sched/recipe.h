/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of an encoder's rows: pooling, dense layers, normalisation, and the prompts that may stand
 * before a text, as the files of sentence-transformers beside a checkpoint say: modules.json and the folders
 * that it names (1_Pooling, 2_Dense, ...), sentence_bert_config.json, config_sentence_transformers.json. */
#ifndef TN_SCHED_RECIPE_H
#define TN_SCHED_RECIPE_H

#include <jansson.h>
#include <tenon/encoder.h>
#include <tenon/status.h>

#include "weights/safetensors.h"

enum { TN_DENSE_MAX = 8 };

/* y = act(W x + bias), on the host. */
typedef struct tn_dense {
    tn_safetensors *file;           /* mapped */
    const tn_tensor *weight, *bias; /* [rows, cols]; [rows] or NULL */
    float *data;                    /* rows * cols, then rows (0 where there is no bias); NULL until loaded */
    uint32_t rows, cols;
    bool tanh;
} tn_dense;

/* Zeros are an empty one. */
typedef struct tn_recipe {
    bool from_files;     /* else modules.json is absent, and the family says */
    uint32_t pooling;    /* enum tn_pooling; 0: not said */
    bool with_prompt;    /* the mean counts the prompt's tokens too */
    bool normalize;      /* to length 1, in the end */
    uint32_t max_tokens; /* 0: not said */
    uint32_t n_dense;
    tn_dense dense[TN_DENSE_MAX];
    json_t *prompts; /* name to text, an object; or NULL */
} tn_recipe;

/* Reads what is there in the directory; a path that is none, as a GGUF file's, has nothing. TN_EFORMAT,
 * TN_ENOTSUP (a module, pooling or activation that we do not know: named, with its file), TN_ENOENT (a file
 * that modules.json names), TN_EIO, TN_ENOMEM. [control thread] */
int tn_recipe_read(const char *path, tn_recipe *ret, tn_error *err);
/* Brings the dense layers to memory as F32; tn_recipe_bytes says how much that takes. TN_ENOMEM. */
int tn_recipe_load(tn_recipe *r, tn_error *err);
uint64_t tn_recipe_bytes(const tn_recipe *r);
/* Columns of what comes out for rows of n_embd; 0 and err filled (TN_EFORMAT) where the layers do not fit. */
uint32_t tn_recipe_cols(const tn_recipe *r, uint32_t n_embd, tn_error *err);
void tn_recipe_fini(tn_recipe *r);

/* The text of a prompt (static for the recipe's life); NULL: there is none of that name. */
const char *tn_recipe_prompt(const tn_recipe *r, const char *name);

/* One text's rows [n_row, n_embd] become a row: all sums over rows in double, ascending. skip: how many of
 * the first rows a mean leaves out, fewer than n_row. */
void tn_recipe_pool(const tn_recipe *r, const float *rows, uint32_t n_row, uint32_t n_embd, uint32_t skip,
                    float *ret);
/* What comes after pooling: pooled [n_embd] to ret [tn_recipe_cols]. Loaded. TN_ENOMEM. [any thread] */
int tn_recipe_finish(const tn_recipe *r, const float *pooled, uint32_t n_embd, float *ret, tn_error *err);
/* x / |x|, the sum in double; zeros stay. */
void tn_recipe_normalize(float *x, uint32_t n);

#endif
