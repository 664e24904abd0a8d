/* SPDX-License-Identifier: Apache-2.0 */
/* Types of super-blocks of 256. */
#include "device/cpu/kernels/direct.h"

FORMATS_OF_SUPER_BLOCKS(INT8_TYPE)

const int8_type *SET(tn_cpu_int8_super)(const tn_cpu_panels *p) {
    switch ((int)p->type) {
    case TN_TYPE_Q2_K: return &q2_k;
    case TN_TYPE_Q3_K: return &q3_k;
    case TN_TYPE_Q4_K: return &q4_k;
    case TN_TYPE_Q5_K: return &q5_k;
    case TN_TYPE_Q6_K: return &q6_k;
    case TN_TYPE_IQ4_XS: return &iq4_xs;
    default: return NULL;
    }
}
