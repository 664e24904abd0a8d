/* SPDX-License-Identifier: Apache-2.0 */
/* Scalar functions of the Metal standard library, in F32. Apple's `exp`, `tanh` and so on are less exact than
 * the C library's behind these: results of a GPU are compared with a tolerance. */
#ifndef TN_TESTS_METAL_SIM_MSL_MATH_H
#define TN_TESTS_METAL_SIM_MSL_MATH_H

#include "msl_types.h"

namespace metal {

#define SIM_FUNCTION(name, expression)                                                                       \
    inline float name(float x) {                                                                             \
        return expression;                                                                                   \
    }                                                                                                        \
    namespace precise {                                                                                      \
    inline float name(float x) {                                                                             \
        return expression;                                                                                   \
    }                                                                                                        \
    }                                                                                                        \
    namespace fast {                                                                                         \
    inline float name(float x) {                                                                             \
        return expression;                                                                                   \
    }                                                                                                        \
    }
SIM_FUNCTION(exp, __builtin_expf(x))
SIM_FUNCTION(log, __builtin_logf(x))
SIM_FUNCTION(sin, __builtin_sinf(x))
SIM_FUNCTION(cos, __builtin_cosf(x))
SIM_FUNCTION(tanh, __builtin_tanhf(x))
SIM_FUNCTION(sqrt, __builtin_sqrtf(x))
SIM_FUNCTION(rsqrt, 1.0f / __builtin_sqrtf(x))
#undef SIM_FUNCTION

template <class T> T max(T a, T b) {
    return a < b ? b : a;
}
template <class T> T min(T a, T b) {
    return b < a ? b : a;
}

} // namespace metal

#endif
