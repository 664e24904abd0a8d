/* SPDX-License-Identifier: Apache-2.0 */
/* A model as a GGUF file would have it, whatever it was read from: metadata, and where each tensor's values
 * come from. [control thread] */
#ifndef TN_CONVERT_SOURCE_H
#define TN_CONVERT_SOURCE_H

#include "program/hparams.h"
#include "sched/model.h"
#include "weights/gguf_write.h"

typedef struct tn_source_tensor {
    char *name;              /* in GGUF files; owned */
    const tn_tensor *tensor; /* borrowed; NULL: values */
    float *values;           /* [dim[0]], owned; NULL: tensor */
    uint32_t n_dim;
    uint64_t dim[TN_MAX_DIM];
    uint32_t head_dim, n_rot; /* rows (of a vector: elements) are those of heads of head_dim whose first n_rot
                                 rotate in halves and are to rotate in pairs; 0: as they are */
    bool add_one, neg_exp;    /* what is written is x + 1, is -exp(x) */
} tn_source_tensor;

typedef struct tn_source {
    tn_registry *registry;     /* of a directory */
    tn_model *model;           /* of a directory */
    tn_checkpoint *checkpoint; /* of a file */
    tn_gguf_meta meta;         /* without general.file_type, .quantization_version and .alignment */
    tn_source_tensor *tensors; /* [n_tensor], owned */
    uint32_t n_tensor, cap;
    uint64_t n_unread;  /* tensors of a directory that the language model does not use */
    const char *unread; /* the first of them */
} tn_source;

/* Opens a directory or a GGUF file. A directory's configuration, tensors and tokenizer become those of a GGUF
 * file by what the model's family says of both spellings. What opening a model gives; TN_ENOTSUP where GGUF
 * has no words for something: named. */
int tn_source_open(const char *path, tn_source *ret, tn_error *err);
/* A zeroed one is harmless. */
void tn_source_close(tn_source *s);

/* Whether a GGUF file that has this source's head, and the values of tensors without a checkpoint's, is the
 * same model: opened, it records the same program and has the same tokenizer. Marks the tensors whose rows
 * GGUF files keep in another order. TN_ENOTSUP: what is not the same. Nothing to do for a source that was a
 * GGUF file. */
int tn_source_verify(tn_source *s, const char *gguf, tn_error *err);

/* source_dir.c, source_gguf.c: fill an empty *s. */
int tn__source_open_dir(const char *path, tn_source *s, tn_error *err);
int tn__source_open_gguf(const char *path, tn_source *s, tn_error *err);
/* Appends a tensor called name (copied), of the shape of tensor (which may be NULL). TN_ENOMEM, TN_ELIMIT. */
int tn__source_add(tn_source *s, const char *name, const tn_tensor *tensor, tn_source_tensor **ret,
                   tn_error *err);
/* Appends a vector of n values, which are taken over, also on failure. */
int tn__source_add_values(tn_source *s, const char *name, float *values, uint64_t n, tn_error *err);
/* source_rope.c: what the file says of rotation for an architecture of this base, from s->model and h. */
int tn__source_put_rope(tn_source *s, tn_hparams *h, const char *arch, double default_theta, tn_error *err);

#endif
