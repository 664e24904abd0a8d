/* SPDX-License-Identifier: Apache-2.0 */
/* What is put around the ids of one text or of a pair. */
#ifndef TN_TEXT_POSTPROC_H
#define TN_TEXT_POSTPROC_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/status.h>

/* Items of a form: an id to add, or a place for the first or second text. */
enum { TN_POST_A = -1, TN_POST_B = -2 };

typedef struct tn_post_form {
    int32_t *item;
    size_t n;
} tn_post_form;

/* Without items the texts are joined as they are. */
typedef struct tn_postproc {
    tn_post_form single, pair;
} tn_postproc;

/* Appends an item. TN_ENOMEM, TN_ELIMIT. */
int tn__post_add(tn_post_form *f, int32_t item, tn_error *err);
void tn__post_fini(tn_postproc *p);

#endif
