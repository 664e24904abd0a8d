/* SPDX-License-Identifier: Apache-2.0 */
/* MLX's affine types, whose groups have a scale and a bias. */
#include "device/cpu/kernels/direct.h"

FORMATS_AFFINE(DIRECT)

const tn_cpu_direct *SET(tn_cpu_direct_affine)(const tn_cpu_panels *p) {
    if (p->type != TN_TYPE_AFFINE) return NULL;
    switch (p->bits) {
    case 2: return affine2_direct;
    case 3: return affine3_direct;
    case 4: return affine4_direct;
    case 5: return affine5_direct;
    case 6: return affine6_direct;
    default: return affine8_direct;
    }
}
