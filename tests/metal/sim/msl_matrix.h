/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices of 8x8 that a simdgroup holds together. Lane l has elements 2l and 2l + 1, row by row; on a GPU
 * they lie elsewhere, so nothing but these functions may know. All 32 lanes arrive with the same arguments.
 *
 * A load takes its elements before the lanes meet and a store puts them down after: a kernel that needs a
 * barrier between the two, or between either and what single threads do, reads what is not there yet. A load
 * also looks again after the lanes have met, and has NaN where another thread has overwritten an element by
 * then. */
#ifndef TN_TESTS_METAL_SIM_MSL_MATRIX_H
#define TN_TESTS_METAL_SIM_MSL_MATRIX_H

#include "msl_threads.h"

namespace metal {

template <class T, int Cols, int Rows> struct simdgroup_matrix {
    static_assert(Cols == 8 && Rows == 8, "matrices of a simdgroup are 8x8");
    T element[2];
    simdgroup_matrix() { __builtin_memset(element, 0xff, sizeof element); }
};

// What the lanes must agree on.
struct sim_matrix_place {
    const void *memory;
    ulong stride, x, y;
    bool transposed, stored;
    double fill;
    bool same(const sim_matrix_place &o) const {
        return memory == o.memory && stride == o.stride && x == o.x && y == o.y &&
               transposed == o.transposed && fill == o.fill;
    }
};

inline const char *sim_matrix_lanes(uint32_t n) {
    return n == SIM_SIMD_WIDTH ? nullptr : "a matrix in a simdgroup of less than 32 threads";
}

inline const char *sim_agree(void *const *values, uint32_t n) {
    const sim_matrix_place *first = static_cast<sim_matrix_place *>(values[0]);
    for (uint32_t i = 1; i < n; i++)
        if (!static_cast<sim_matrix_place *>(values[i])->same(*first))
            return "the lanes of a simdgroup give a matrix operation different arguments";
    if (first->stored && first->stride < 8)
        return "a matrix is stored with rows that overlap: the stride is less than 8";
    return sim_matrix_lanes(n);
}

// Where element 2 * lane + i lies from the start.
inline ulong sim_matrix_offset(const sim_matrix_place &p, uint32_t i) {
    const ulong at = sim::position->index % SIM_SIMD_WIDTH * 2 + i, row = at / 8, col = at % 8;
    return p.transposed ? (p.y + col) * p.stride + p.x + row : (p.y + row) * p.stride + p.x + col;
}

template <class T>
void simdgroup_load(simdgroup_matrix<T, 8, 8> &m, const T *from, ulong stride = 8, ulong2 origin = ulong2(0),
                    bool transposed = false, SIM_SITE) {
    sim_matrix_place p = {from, stride, origin.x, origin.y, transposed, false, 0};
    for (uint32_t i = 0; i < 2; i++) m.element[i] = from[sim_matrix_offset(p, i)];
    sim::simdgroup_wait(sim_agree, &p, at);
    for (uint32_t i = 0; i < 2; i++)
        if (__builtin_memcmp(&m.element[i], &from[sim_matrix_offset(p, i)], sizeof(T)) != 0)
            __builtin_memset(&m.element[i], 0xff, sizeof(T));
}

template <class T> void simdgroup_store(simdgroup_matrix<T, 8, 8> m, T *to, ulong stride, SIM_SITE) {
    sim_matrix_place p = {to, stride, 0, 0, false, true, 0};
    sim::simdgroup_wait(sim_agree, &p, at);
    for (uint32_t i = 0; i < 2; i++) to[sim_matrix_offset(p, i)] = m.element[i];
}

template <class T, int Cols, int Rows>
simdgroup_matrix<T, Cols, Rows> make_filled_simdgroup_matrix(T value, SIM_SITE) {
    simdgroup_matrix<T, Cols, Rows> m;
    sim_matrix_place p = {nullptr, 0, 0, 0, false, false, static_cast<double>(value)};
    sim::simdgroup_wait(sim_agree, &p, at);
    m.element[0] = m.element[1] = value;
    return m;
}

template <class A, class B> struct sim_product {
    const A *a;
    const B *b;
    const float *c;
    float d[2];
};

// d = a b + c: to each element of c the eight products in ascending order, rounded as F32 after each.
template <class A, class B> SIM_UNCHECKED const char *sim_multiply(void *const *values, uint32_t n) {
    if (sim_matrix_lanes(n)) return sim_matrix_lanes(n);
    float a[64], b[64], d[64];
    for (uint32_t i = 0; i < 64; i++) {
        const sim_product<A, B> *p = static_cast<sim_product<A, B> *>(values[i / 2]);
        a[i] = static_cast<float>(p->a[i % 2]);
        b[i] = static_cast<float>(p->b[i % 2]);
        d[i] = p->c[i % 2];
    }
    for (uint32_t row = 0; row < 64; row += 8)
        for (uint32_t k = 0; k < 8; k++)
            for (uint32_t col = 0; col < 8; col++) d[row + col] += a[row + k] * b[8 * k + col];
    for (uint32_t i = 0; i < 64; i++) static_cast<sim_product<A, B> *>(values[i / 2])->d[i % 2] = d[i];
    return nullptr;
}

template <class A, class B>
void simdgroup_multiply_accumulate(simdgroup_matrix<float, 8, 8> &d, const simdgroup_matrix<A, 8, 8> &a,
                                   const simdgroup_matrix<B, 8, 8> &b, const simdgroup_matrix<float, 8, 8> &c,
                                   SIM_SITE) {
    sim_product<A, B> p = {a.element, b.element, c.element, {}};
    sim::simdgroup_wait(sim_multiply<A, B>, &p, at);
    d.element[0] = p.d[0];
    d.element[1] = p.d[1];
}

} // namespace metal

typedef metal::simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef metal::simdgroup_matrix<half, 8, 8> simdgroup_half8x8;

#endif
