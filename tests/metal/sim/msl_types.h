/* SPDX-License-Identifier: Apache-2.0 */
/* Scalars and vectors of the Metal Shading Language. */
#ifndef TN_TESTS_METAL_SIM_MSL_TYPES_H
#define TN_TESTS_METAL_SIM_MSL_TYPES_H

#include <stddef.h>
#include <stdint.h>

typedef _Float16 half;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long ulong;

namespace metal {

// What a vector of 2, 3 and 4 elements looks like; 3 take the room of 4.
template <class T, int N> struct vec_storage;
template <class T> struct alignas(2 * sizeof(T)) vec_storage<T, 2> {
    union {
        struct {
            T x, y;
        };
        T element[2];
    };
    vec_storage() = default;
    constexpr vec_storage(T x_, T y_) : x(x_), y(y_) {}
};
template <class T> struct alignas(4 * sizeof(T)) vec_storage<T, 3> {
    union {
        struct {
            T x, y, z;
        };
        T element[3];
    };
    vec_storage() = default;
    constexpr vec_storage(T x_, T y_, T z_) : x(x_), y(y_), z(z_) {}
};
template <class T> struct alignas(4 * sizeof(T)) vec_storage<T, 4> {
    union {
        struct {
            T x, y, z, w;
        };
        T element[4];
    };
    vec_storage() = default;
    constexpr vec_storage(T x_, T y_, T z_, T w_) : x(x_), y(y_), z(z_), w(w_) {}
};

template <class T, int N> struct vec : vec_storage<T, N> {
    using vec_storage<T, N>::vec_storage;
    vec() = default;
    vec(T s) {
        for (int i = 0; i < N; i++) this->element[i] = s;
    }
    template <class U> explicit vec(const vec<U, N> &o) {
        for (int i = 0; i < N; i++) this->element[i] = static_cast<T>(o.element[i]);
    }
    vec(const vec &) = default;
    // Written out, so that every compiler checks the alignment of what it is called on.
    vec &operator=(const vec &o) {
        for (int i = 0; i < N; i++) this->element[i] = o.element[i];
        return *this;
    }
    T &operator[](uint32_t i) { return this->element[i]; }
    T operator[](uint32_t i) const { return this->element[i]; }
    friend vec operator-(vec a) {
        for (int i = 0; i < N; i++) a.element[i] = static_cast<T>(-a.element[i]);
        return a;
    }
    friend vec operator~(vec a) {
        for (int i = 0; i < N; i++) a.element[i] = static_cast<T>(~a.element[i]);
        return a;
    }
    // Element by element, without promotion to int; a scalar stands for a vector of it.
#define SIM_VEC_OPERATOR(op)                                                                                 \
    friend vec operator op(vec a, vec b) {                                                                   \
        for (int i = 0; i < N; i++) a.element[i] = static_cast<T>(a.element[i] op b.element[i]);             \
        return a;                                                                                            \
    }                                                                                                        \
    vec &operator op##=(vec b) {                                                                             \
        return *this = *this op b;                                                                           \
    }
    SIM_VEC_OPERATOR(+)
    SIM_VEC_OPERATOR(-)
    SIM_VEC_OPERATOR(*)
    SIM_VEC_OPERATOR(/)
    SIM_VEC_OPERATOR(%)
    SIM_VEC_OPERATOR(&)
    SIM_VEC_OPERATOR(|)
    SIM_VEC_OPERATOR(^)
    SIM_VEC_OPERATOR(<<)
    SIM_VEC_OPERATOR(>>)
#undef SIM_VEC_OPERATOR
};

// From the first element to the last.
template <class T, int N> T dot(vec<T, N> a, vec<T, N> b) {
    T sum = static_cast<T>(a.element[0] * b.element[0]);
    for (int i = 1; i < N; i++) sum = static_cast<T>(sum + a.element[i] * b.element[i]);
    return sum;
}

// The same bits as a T.
template <class T, class U> T as_type(const U &from) {
    static_assert(sizeof(T) == sizeof(U), "as_type wants types of the same size");
    T to;
    __builtin_memcpy(static_cast<void *>(&to), &from, sizeof to);
    return to;
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
SIM_VEC_NAMES(short)
SIM_VEC_NAMES(ushort)
typedef metal::vec<signed char, 2> char2;
typedef metal::vec<signed char, 3> char3;
typedef metal::vec<signed char, 4> char4;
SIM_VEC_NAMES(uchar)
#undef SIM_VEC_NAMES
typedef metal::vec<ulong, 2> ulong2;

#endif
