/* SPDX-License-Identifier: Apache-2.0 */
/* MLX's affine types, whose groups have a scale and a bias. */
#include "device/cpu/kernels/direct.h"

FORMATS_AFFINE(INT8_TYPE)

const int8_type *SET(tn_cpu_int8_affine)(const tn_cpu_panels *p) {
    if (p->type != TN_TYPE_AFFINE) return NULL;
    switch (p->bits) {
    case 2: return &affine2;
    case 3: return &affine3;
    case 4: return &affine4;
    case 5: return &affine5;
    case 6: return &affine6;
    default: return &affine8;
    }
}
