/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that meet at barriers, threadgroup variables, and the numbers a thread is told about itself, named
 * as the attributes of kernel parameters. */
#ifndef TN_TESTS_METAL_SIM_MSL_THREADS_H
#define TN_TESTS_METAL_SIM_MSL_THREADS_H

#include "msl_types.h"
#include "runtime.h"

namespace metal {

enum class mem_flags { mem_none, mem_device, mem_threadgroup };

// For what is done once for all lanes: no kernel's mistake can be there.
#define SIM_UNCHECKED __attribute__((no_sanitize("undefined")))

// The place of the call, as a default argument: evaluated at the call.
#define SIM_SITE sim::site at = {__builtin_FILE(), __builtin_LINE()}

inline void threadgroup_barrier(mem_flags, SIM_SITE) {
    sim::barrier_wait(at);
}
inline void simdgroup_barrier(mem_flags, SIM_SITE) {
    sim::simdgroup_barrier_wait(at);
}

} // namespace metal

namespace sim {

// What the translator puts in place of `threadgroup T name;`.
template <class T> T &threadgroup_variable(uint32_t slot) {
    return *static_cast<T *>(threadgroup_memory(slot, sizeof(T)));
}

// The attributes. A kernel's parameter may be a scalar (x) or a vector of them.
inline triple thread_position_in_grid() {
    return {position->group.x * position->group_threads + position->index, position->group.y,
            position->group.z};
}
inline triple threadgroup_position_in_grid() {
    return position->group;
}
inline triple threadgroups_per_grid() {
    return position->grid_groups;
}
inline triple thread_position_in_threadgroup() {
    return {position->index, 0, 0};
}
inline triple threads_per_threadgroup() {
    return {position->group_threads, 1, 1};
}
inline uint32_t thread_index_in_threadgroup() {
    return position->index;
}
inline uint32_t thread_index_in_simdgroup() {
    return position->index % SIM_SIMD_WIDTH;
}
inline uint32_t simdgroup_index_in_threadgroup() {
    return position->index / SIM_SIMD_WIDTH;
}
inline uint32_t simdgroups_per_threadgroup() {
    return (position->group_threads + SIM_SIMD_WIDTH - 1) / SIM_SIMD_WIDTH;
}

template <class T> struct attribute_as {
    static T from(triple v) { return static_cast<T>(v.x); }
    static T from(uint32_t v) { return static_cast<T>(v); }
};
template <> struct attribute_as<metal::vec<uint, 2>> {
    static metal::vec<uint, 2> from(triple v) { return {v.x, v.y}; }
};
template <> struct attribute_as<metal::vec<uint, 3>> {
    static metal::vec<uint, 3> from(triple v) { return {v.x, v.y, v.z}; }
};

} // namespace sim

#endif
