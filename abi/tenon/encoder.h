/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* How a family's models turn texts into vectors, as far as the family knows: the files beside a checkpoint
 * (modules.json and what it names) say more, and have the last word. Data only: the host pools, multiplies
 * and normalises. Filled by tn_family.encoder. */
#ifndef TENON_ENCODER_H
#define TENON_ENCODER_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What becomes of a text's rows. */
enum tn_pooling {
    TN_POOL_FIRST = 1, /* the first row */
    TN_POOL_LAST = 2,
    TN_POOL_MEAN = 3,
};

/* What the rows are. */
enum tn_encoder_result {
    TN_RESULT_VECTOR = 0,
    TN_RESULT_SCORE = 1,   /* one number, of how well the texts of a pair fit (cross-encoders) */
    TN_RESULT_SIGMOID = 2, /* the same once 1 / (1 + e^-x) is taken of it */
};

/* What tn_family.encoder returns. */
enum tn_encodes {
    TN_ENCODES_TOO = 1,  /* where the checkpoint's files say that it is for embeddings, else it generates */
    TN_ENCODES_ONLY = 2, /* the checkpoint makes embeddings, whatever lies beside it */
};

typedef struct tn_encoder_info {
    uint32_t size;           /* sizeof(tn_encoder_info), set by the host before the call */
    uint32_t pooling;        /* enum tn_pooling, where no file says */
    uint32_t max_tokens;     /* of a text, special tokens included; at least 1 */
    uint32_t first_position; /* of a text's first token, in the table of mix() */
    uint32_t result;         /* enum tn_encoder_result */
} tn_encoder_info;

#ifdef __cplusplus
}
#endif
#endif
