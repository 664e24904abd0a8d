/* SPDX-License-Identifier: Apache-2.0 */
/* Types of small blocks. */
#include "device/cpu/kernels/direct.h"

FORMATS_OF_BLOCKS(INT8_TYPE)

const int8_type *SET(tn_cpu_int8_blocks)(const tn_cpu_panels *p) {
    switch ((int)p->type) {
    case TN_TYPE_Q8_0: return &q8_0;
    case TN_TYPE_Q4_0: return &q4_0;
    case TN_TYPE_Q4_1: return &q4_1;
    case TN_TYPE_Q5_0: return &q5_0;
    case TN_TYPE_Q5_1: return &q5_1;
    case TN_TYPE_IQ4_NL: return &iq4_nl;
    case TN_TYPE_MXFP4:
    case TN_TYPE_MLX_MXFP4: return &mxfp4;
    case TN_TYPE_NVFP4:
    case TN_TYPE_MLX_NVFP4: return &nvfp4;
    default: return NULL;
    }
}
