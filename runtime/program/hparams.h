/* SPDX-License-Identifier: Apache-2.0 */
/* The host's side of tenon/config.h: hyper-parameters of a checkpoint in either format. [control thread] */
#ifndef TN_PROGRAM_HPARAMS_H
#define TN_PROGRAM_HPARAMS_H

#include <tenon/config.h>

#include "base/buf.h"
#include "weights/checkpoint.h"

typedef struct tn_hparams {
    tn_config api; /* what a family is given */
    const tn_checkpoint *ckpt;
    json_t *config; /* borrowed; NULL for GGUF */
    const tn_gguf *gguf;
    char *arch;      /* owned */
    tn_buf *strings; /* NUL-terminated copies of GGUF strings handed out */
    uint32_t n_string;
    tn_error error; /* the first failed look-up */
} tn_hparams;

/* c outlives h. TN_ENOMEM. */
int tn_hparams_init(tn_hparams *h, const tn_checkpoint *c, tn_error *err);
void tn_hparams_fini(tn_hparams *h);
/* 0, or the first failure that sticks, with its message in err; clears it. */
int tn_hparams_status(tn_hparams *h, tn_error *err);

/* Numbers for the host's own use (rope scaling), with the same spelling rules. False where absent; a wrong
 * type sticks as an error. */
bool tn_hparams_f64(tn_hparams *h, const char *hf, const char *gguf, double *ret);
/* Up to max numbers of an array; the count, or 0 where absent. */
uint32_t tn_hparams_f64s(tn_hparams *h, const char *hf, const char *gguf, double *ret, uint32_t max);

/* A checkpoint's tensor by either spelling ("%u" already replaced), HF prefixes tried in order; NULL where
 * absent. */
const tn_tensor *tn_hparams_tensor(const tn_checkpoint *c, const char *hf, const char *gguf);

#endif
