/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of the Metal standard library on scalars and, element by element, on vectors. Apple's `exp`,
 * `tanh` and so on are less exact than the C library's behind these: results of a GPU are compared with a
 * tolerance. */
#ifndef TN_TESTS_METAL_SIM_MSL_MATH_H
#define TN_TESTS_METAL_SIM_MSL_MATH_H

#include "msl_types.h"

namespace metal {

// name(x) in F32; halves are computed as floats and rounded.
#define SIM_FUNCTION_IN_PLACE(name, expression)                                                              \
    inline float name(float x) {                                                                             \
        return expression;                                                                                   \
    }                                                                                                        \
    inline half name(half x) {                                                                               \
        return static_cast<half>(name(static_cast<float>(x)));                                               \
    }                                                                                                        \
    template <class T, int N> vec<T, N> name(vec<T, N> v) {                                                  \
        for (int i = 0; i < N; i++) v.element[i] = name(v.element[i]);                                       \
        return v;                                                                                            \
    }
// The same, which precise:: has too.
#define SIM_FUNCTION(name, expression)                                                                       \
    SIM_FUNCTION_IN_PLACE(name, expression)                                                                  \
    namespace precise {                                                                                      \
    SIM_FUNCTION_IN_PLACE(name, expression)                                                                  \
    }                                                                                                        \
    namespace fast {                                                                                         \
    SIM_FUNCTION_IN_PLACE(name, expression)                                                                  \
    }
SIM_FUNCTION(exp, __builtin_expf(x))
SIM_FUNCTION(exp2, __builtin_exp2f(x))
SIM_FUNCTION(log, __builtin_logf(x))
SIM_FUNCTION(log2, __builtin_log2f(x))
SIM_FUNCTION(sin, __builtin_sinf(x))
SIM_FUNCTION(cos, __builtin_cosf(x))
SIM_FUNCTION(tanh, __builtin_tanhf(x))
SIM_FUNCTION(sqrt, __builtin_sqrtf(x))
SIM_FUNCTION(rsqrt, 1.0f / __builtin_sqrtf(x))
SIM_FUNCTION(floor, __builtin_floorf(x))
SIM_FUNCTION(ceil, __builtin_ceilf(x))
SIM_FUNCTION(rint, __builtin_rintf(x))   // halves to even
SIM_FUNCTION(round, __builtin_roundf(x)) // halves away from zero
#undef SIM_FUNCTION
SIM_FUNCTION_IN_PLACE(fabs, __builtin_fabsf(x))
#undef SIM_FUNCTION_IN_PLACE

template <class T> T max(T a, T b) {
    return a < b ? b : a;
}
template <class T> T min(T a, T b) {
    return b < a ? b : a;
}
template <class T> T abs(T x) {
    return x < T(0) ? static_cast<T>(-x) : x;
}
template <class T> T clamp(T x, T low, T high) {
    return min(max(x, low), high);
}
template <class T> T select(T a, T b, bool take_b) {
    return take_b ? b : a;
}
template <class T> T popcount(T x) {
    return static_cast<T>(
        __builtin_popcountll(static_cast<unsigned long long>(x) & (~0ull >> (64 - 8 * sizeof(T)))));
}

template <class T, int N> vec<T, N> max(vec<T, N> a, vec<T, N> b) {
    for (int i = 0; i < N; i++) a.element[i] = max(a.element[i], b.element[i]);
    return a;
}
template <class T, int N> vec<T, N> min(vec<T, N> a, vec<T, N> b) {
    for (int i = 0; i < N; i++) a.element[i] = min(a.element[i], b.element[i]);
    return a;
}
template <class T, int N> vec<T, N> abs(vec<T, N> v) {
    for (int i = 0; i < N; i++) v.element[i] = abs(v.element[i]);
    return v;
}
template <class T, int N> vec<T, N> clamp(vec<T, N> v, vec<T, N> low, vec<T, N> high) {
    return min(max(v, low), high);
}
template <class T, int N> vec<T, N> popcount(vec<T, N> v) {
    for (int i = 0; i < N; i++) v.element[i] = popcount(v.element[i]);
    return v;
}

// a * b + c, rounded once.
inline float fma(float a, float b, float c) {
    return __builtin_fmaf(a, b, c);
}
inline half fma(half a, half b, half c) {
    // A product of halves is exact as a double, and so is all but the last rounding.
    return static_cast<half>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
}
template <class T, int N> vec<T, N> fma(vec<T, N> a, vec<T, N> b, vec<T, N> c) {
    for (int i = 0; i < N; i++) a.element[i] = fma(a.element[i], b.element[i], c.element[i]);
    return a;
}
namespace precise {
using metal::fma;
}

} // namespace metal

#endif
