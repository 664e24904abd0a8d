/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars and small vectors of the Metal Shading Language. */
#ifndef TN_TESTS_METAL_SIM_MSL_TYPES_H
#define TN_TESTS_METAL_SIM_MSL_TYPES_H

#include <stddef.h>
#include <stdint.h>

// Not from <math.h>, whose functions would compete with those of the namespace metal.
#define INFINITY __builtin_inff()

typedef _Float16 half;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

namespace metal {

// What a vector of 2, 3 and 4 elements looks like; 3 take the room of 4.
template <class T, int N> struct vec_storage;
template <class T> struct alignas(2 * sizeof(T)) vec_storage<T, 2> {
    T x, y;
    vec_storage() = default;
    vec_storage(T x_, T y_) : x(x_), y(y_) {}
    T &at(int i) { return i == 0 ? x : y; }
};
template <class T> struct alignas(4 * sizeof(T)) vec_storage<T, 3> {
    T x, y, z;
    vec_storage() = default;
    vec_storage(T x_, T y_, T z_) : x(x_), y(y_), z(z_) {}
    T &at(int i) { return i == 0 ? x : i == 1 ? y : z; }
};
template <class T> struct alignas(4 * sizeof(T)) vec_storage<T, 4> {
    T x, y, z, w;
    vec_storage() = default;
    vec_storage(T x_, T y_, T z_, T w_) : x(x_), y(y_), z(z_), w(w_) {}
    T &at(int i) { return i == 0 ? x : i == 1 ? y : i == 2 ? z : w; }
};

template <class T, int N> struct vec : vec_storage<T, N> {
    using vec_storage<T, N>::vec_storage;
    vec() = default;
    vec(T s) {
        for (int i = 0; i < N; i++) (*this)[i] = s;
    }
    template <class U> explicit vec(const vec<U, N> &o) {
        for (int i = 0; i < N; i++) (*this)[i] = static_cast<T>(o[i]);
    }
    T &operator[](int i) { return this->at(i); }
    T operator[](int i) const { return const_cast<vec *>(this)->at(i); }
    friend vec operator-(vec a) { return vec(T(0)) - a; }
    // Element by element; a scalar stands for a vector of it.
#define SIM_VEC_OPERATOR(op)                                                                                 \
    friend vec operator op(vec a, vec b) {                                                                   \
        for (int i = 0; i < N; i++) a[i] = static_cast<T>(a[i] op b[i]);                                     \
        return a;                                                                                            \
    }                                                                                                        \
    vec &operator op##=(vec b) {                                                                             \
        return *this = *this op b;                                                                           \
    }
    SIM_VEC_OPERATOR(+)
    SIM_VEC_OPERATOR(-)
    SIM_VEC_OPERATOR(*)
    SIM_VEC_OPERATOR(/)
#undef SIM_VEC_OPERATOR
};

template <class T, int N> T dot(vec<T, N> a, vec<T, N> b) {
    T sum = a[0] * b[0];
    for (int i = 1; i < N; i++) sum += a[i] * b[i];
    return sum;
}

} // namespace metal

#define SIM_VEC_NAMES(T)                                                                                     \
    typedef metal::vec<T, 2> T##2;                                                                           \
    typedef metal::vec<T, 3> T##3;                                                                           \
    typedef metal::vec<T, 4> T##4;
SIM_VEC_NAMES(float)
SIM_VEC_NAMES(half)
SIM_VEC_NAMES(int)
SIM_VEC_NAMES(uint)
#undef SIM_VEC_NAMES

#endif
