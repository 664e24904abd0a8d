/* SPDX-License-Identifier: Apache-2.0 */
/* From a directory of safetensors or a GGUF file to a GGUF file of chosen types. */
#ifndef TN_CONVERT_CONVERT_H
#define TN_CONVERT_CONVERT_H

#include "convert/mix.h"
#include "device/device.h"

typedef struct tn_convert_options {
    const char *in, *out;
    const tn_mix *mix;
    bool requantize; /* take quantised weights too */
    bool replace;    /* a file that is there */
    uint32_t n_thread;
    tn_progress_fn progress; /* may be NULL; in bytes of the file */
    void *progress_ctx;
} tn_convert_options;

enum { TN_CONVERT_ROWS = 16 };

/* What was written. */
typedef struct tn_convert_report {
    struct tn_convert_type {
        tn_type type;
        uint64_t n, elements, bytes;
    } types[TN_CONVERT_ROWS]; /* in the order of their first tensors */
    struct tn_convert_fallback {
        tn_type wanted, type;
        uint64_t cols, n;
    } fallbacks[TN_CONVERT_ROWS]; /* tensors whose rows of cols are no multiple of the wanted type's block */
    uint32_t n_type, n_fallback;
    uint64_t n_tensor, elements, bytes; /* bytes: of the tensors */
    uint64_t file_bytes;
    uint64_t n_twice;  /* tensors that had lost something before */
    uint64_t n_unread; /* tensors of a directory that the language model does not use */
    char unread[128];  /* the first of them */
} tn_convert_report;

/* Writes o->out, whole or not at all. A directory's file is opened as a model and compared with the directory
 * before the weights are written. Errors name what they are about: what opening a model gives, TN_EINVAL (out
 * is there; quantised weights without requantize), TN_ENOTSUP (the model cannot be written to a GGUF file),
 * TN_EFORMAT and TN_ELIMIT (a weight), TN_EIO, TN_ECANCELED (progress said so), TN_ENOMEM. [control thread]
 */
int tn_convert(const tn_convert_options *o, tn_convert_report *ret, tn_error *err);

#endif
