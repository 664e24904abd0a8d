/* SPDX-License-Identifier: Apache-2.0 */
/* Types of small blocks. */
#include "device/cpu/kernels/direct.h"

FORMATS_OF_BLOCKS(DIRECT)

const tn_cpu_direct *SET(tn_cpu_direct_blocks)(const tn_cpu_panels *p) {
    switch ((int)p->type) {
    case TN_TYPE_Q8_0: return q8_0_direct;
    case TN_TYPE_Q4_0: return q4_0_direct;
    case TN_TYPE_Q4_1: return q4_1_direct;
    case TN_TYPE_Q5_0: return q5_0_direct;
    case TN_TYPE_Q5_1: return q5_1_direct;
    case TN_TYPE_IQ4_NL: return iq4_nl_direct;
    case TN_TYPE_MXFP4:
    case TN_TYPE_MLX_MXFP4: return mxfp4_direct;
    case TN_TYPE_NVFP4:
    case TN_TYPE_MLX_NVFP4: return nvfp4_direct;
    default: return NULL;
    }
}
