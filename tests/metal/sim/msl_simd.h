/* SPDX-License-Identifier: Apache-2.0 */
/* What the threads of a simdgroup do together: sums, extremes, and values of other lanes. */
#ifndef TN_TESTS_METAL_SIM_MSL_SIMD_H
#define TN_TESTS_METAL_SIM_MSL_SIMD_H

#include "msl_threads.h"

namespace metal {

// ---- reductions ----

// All lanes combined in butterfly order, (l, l ^ 16), (l, l ^ 8) .. (l, l ^ 1); absent lanes of a short
// simdgroup count as `identity`. Every lane gets the result.
template <class T, class Op> SIM_UNCHECKED const char *sim_reduce(void *const *values, uint32_t n) {
    T lane[SIM_SIMD_WIDTH], next[SIM_SIMD_WIDTH];
    for (uint32_t i = 0; i < SIM_SIMD_WIDTH; i++)
        lane[i] = i < n ? *static_cast<T *>(values[i]) : Op::identity();
    for (uint32_t step = SIM_SIMD_WIDTH / 2; step; step /= 2) {
        for (uint32_t i = 0; i < SIM_SIMD_WIDTH; i++) next[i] = Op::apply(lane[i], lane[i ^ step]);
        for (uint32_t i = 0; i < SIM_SIMD_WIDTH; i++) lane[i] = next[i];
    }
    for (uint32_t i = 0; i < n; i++) *static_cast<T *>(values[i]) = lane[i];
    return nullptr;
}

template <class T> struct sim_limits;
template <> struct sim_limits<float> {
    static float highest() { return __builtin_inff(); }
    static float lowest() { return -__builtin_inff(); }
};
template <> struct sim_limits<int> {
    static int highest() { return INT32_MAX; }
    static int lowest() { return INT32_MIN; }
};
template <> struct sim_limits<uint> {
    static uint highest() { return UINT32_MAX; }
    static uint lowest() { return 0; }
};

template <class T> struct sim_add {
    static T identity() { return T(0); }
    SIM_UNCHECKED static T apply(T a, T b) { return a + b; }
};
// What is no number stays so: it is memory that nobody has written.
template <class T> struct sim_larger {
    static T identity() { return sim_limits<T>::lowest(); }
    SIM_UNCHECKED static T apply(T a, T b) { return a != a ? a : a < b || b != b ? b : a; }
};
template <class T> struct sim_smaller {
    static T identity() { return sim_limits<T>::highest(); }
    SIM_UNCHECKED static T apply(T a, T b) { return a != a ? a : b < a || b != b ? b : a; }
};

#define SIM_REDUCTION(name, op)                                                                              \
    template <class T> T name(T x, SIM_SITE) {                                                               \
        (void)sim_limits<T>::lowest; /* float, int or uint */                                                \
        sim::simdgroup_wait(sim_reduce<T, op<T>>, &x, at);                                                   \
        return x;                                                                                            \
    }
SIM_REDUCTION(simd_sum, sim_add)
SIM_REDUCTION(simd_max, sim_larger)
SIM_REDUCTION(simd_min, sim_smaller)
#undef SIM_REDUCTION

// ---- values of other lanes ----

template <class T> struct sim_exchange {
    T value;
    uint32_t n; // a lane, a mask or a distance
};

// from(lane, n): the lane whose value `lane` gets; a lane that is not there is an error.
template <class T, class From> SIM_UNCHECKED const char *sim_move(void *const *values, uint32_t n) {
    T value[SIM_SIMD_WIDTH];
    for (uint32_t i = 0; i < n; i++) value[i] = static_cast<sim_exchange<T> *>(values[i])->value;
    for (uint32_t i = 0; i < n; i++) {
        sim_exchange<T> *e = static_cast<sim_exchange<T> *>(values[i]);
        if (From::uniform && e->n != static_cast<sim_exchange<T> *>(values[0])->n)
            return "the lanes of a simdgroup give different numbers, the operation wants one for all";
        const uint32_t from = From::lane(i, e->n, n);
        if (from >= n) return "the value of a lane that is not there is asked for";
        e->value = value[from];
    }
    return nullptr;
}

struct sim_from_lane {
    static const bool uniform = false;
    static uint32_t lane(uint32_t, uint32_t n, uint32_t) { return n; }
};
struct sim_from_one_lane {
    static const bool uniform = true;
    static uint32_t lane(uint32_t, uint32_t n, uint32_t) { return n; }
};
struct sim_from_xor {
    static const bool uniform = true;
    static uint32_t lane(uint32_t lane, uint32_t n, uint32_t) { return lane ^ n; }
};
// The uppermost lanes keep their own value.
struct sim_from_above {
    static const bool uniform = true;
    static uint32_t lane(uint32_t lane, uint32_t n, uint32_t n_lane) {
        return n < n_lane - lane ? lane + n : lane;
    }
};

#define SIM_EXCHANGE(name, from)                                                                             \
    template <class T> T name(T x, ushort n, SIM_SITE) {                                                     \
        sim_exchange<T> e = {x, n};                                                                          \
        sim::simdgroup_wait(sim_move<T, from>, &e, at);                                                      \
        return e.value;                                                                                      \
    }
SIM_EXCHANGE(simd_shuffle, sim_from_lane)
SIM_EXCHANGE(simd_broadcast, sim_from_one_lane)
SIM_EXCHANGE(simd_shuffle_xor, sim_from_xor)
SIM_EXCHANGE(simd_shuffle_down, sim_from_above)
#undef SIM_EXCHANGE

} // namespace metal

#endif
