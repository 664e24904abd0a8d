/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for embeddings and scores between their bodies and the engine: texts to ids, rows to answers. */
#ifndef TN_SERVE_VECTORS_H
#define TN_SERVE_VECTORS_H

#include "sched/model.h"
#include "serve/api.h"

/* The texts of a request, as a job takes them. Owns what it points to. */
typedef struct tn_texts {
    tn_ids ids;
    uint32_t *ends, *skip, *second; /* [n] */
    uint32_t n;
} tn_texts;

/* Encodes all of r's; for a model that scores pairs each of the others with its left one. -1 with e filled,
 * *ret for tn_texts_fini in any case: 400 for a model that makes no embeddings, more dimensions than it has,
 * a prompt that it does not know, a text that is too long (both numbers) or no tokens of it. [prepare] */
int tn_vectors_texts(const tn_model *m, const tn_api_request *r, tn_texts *ret, tn_api_error *e);
void tn_texts_fini(tn_texts *t);

/* The body of the answer, from the pooled rows of the texts: vectors, or scores of the left ones with the
 * others: the model's, or cosines. TN_ENOMEM, TN_ELIMIT (of out), TN_EFORMAT (the model gave no finite
 * numbers). [dispatch] */
int tn_vectors_write(const tn_model *m, const tn_api_head *h, const tn_api_request *r, const float *rows,
                     const tn_api_usage *usage, tn_buf *out, tn_error *err);

#endif
