/* SPDX-License-Identifier: Apache-2.0 */
/* RGB8 pictures to other sizes, with antialiasing, bit for bit as the libraries do it that the families'
 * processors are built on. A filter is stretched by the scale when a side shrinks; first all rows are
 * brought to the new width and rounded to 8 bits, then all columns to the new height; a side that keeps its
 * length is left alone. Weights are integers, so that no machine gives another result. */
#ifndef TN_MEDIA_RESIZE_H
#define TN_MEDIA_RESIZE_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>
#include <tenon/vision.h>

enum { TN_RESIZE_MAX_SIDE = 1 << 16 }; /* pixels, of either picture */

/* How fine weights are. */
typedef enum tn_resize_weights {
    TN_WEIGHTS_PILLOW, /* in steps of 2^-22 */
    TN_WEIGHTS_TORCH,  /* in the finest steps in which the largest weight of a side fits 16 bits (torchvision
                          on uint8, whose results differ in places by a step or two) */
} tn_resize_weights;

/* Weights of one side. */
typedef struct tn_resize_side {
    uint32_t from, to;      /* pixels */
    uint32_t n_weight;      /* room for each target pixel */
    uint32_t bits;          /* weights are in steps of 2^-bits */
    uint32_t *first, *used; /* [to]: pixels first .. first + used - 1 are weighed */
    int32_t *weight;        /* [to][n_weight] */
} tn_resize_side;

/* From one size to another, as often as wanted. Not for two threads at once (it has scratch memory). */
typedef struct tn_resizer {
    tn_resize_side x, y;
    uint8_t *rows; /* [y.from][x.to][3]; NULL where one side keeps its length */
    int32_t *wide; /* [x.from][4] */
} tn_resizer;

/* filter: enum tn_filter. TN_EINVAL (a side of 0; filter unknown), TN_ELIMIT (a side over
 * TN_RESIZE_MAX_SIDE), TN_ENOMEM. r is empty after a failure. */
int tn_resizer_init(tn_resizer *r, uint32_t width, uint32_t height, uint32_t to_width, uint32_t to_height,
                    uint32_t filter, tn_resize_weights weights, tn_error *err);
/* Zeros are harmless. */
void tn_resizer_fini(tn_resizer *r);
/* from: [y.from][x.from][3], ret: [y.to][x.to][3]; they do not overlap. */
void tn_resizer_run(tn_resizer *r, const uint8_t *from, uint8_t *ret);

#endif
