/* SPDX-License-Identifier: Apache-2.0 */
/* What translated kernels need of the simulator, and how its parts meet: kernels park in simdgroup_wait() and
 * barrier_wait(), scheduler.cpp resumes them, memory.cpp owns what they may touch. */
#ifndef TN_TESTS_METAL_SIM_RUNTIME_H
#define TN_TESTS_METAL_SIM_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#include "sim.h"

namespace sim {

// Where in the .metal file an operation stands. Two threads meet at an operation when their sites are equal.
struct site {
    const char *file;
    int line;
};

struct triple {
    uint32_t x, y, z;
};

// What a running thread knows about itself.
struct thread_position {
    triple group;           // of the grid
    uint32_t index;         // in its threadgroup
    triple grid_groups;     // threadgroups of the grid
    uint32_t group_threads; // threads of a threadgroup
};
extern const thread_position *position;

// Parks the calling thread until all of its simdgroup are here, then combine(values, n) runs once on the n
// threads' values, in lane order. value lies on the thread's stack; the result is written there. combine
// returns NULL, or the kernel's mistake.
typedef const char *(*combine_fn)(void *const *values, uint32_t n);
void simdgroup_wait(combine_fn combine, void *value, site at);
void simdgroup_barrier_wait(site at);
// Parks the calling thread until all of its threadgroup are here.
void barrier_wait(site at);
// The storage of a threadgroup variable: `slot` numbers the variables of a kernel. NaN bytes when a group
// begins.
void *threadgroup_memory(uint32_t slot, size_t bytes);

// The calling thread has made a mistake: the dispatch ends with it.
[[noreturn]] void stop_thread(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum parameter_kind { parameter_pointer, parameter_reference };
struct parameter {
    parameter_kind kind;
    uint32_t index;
    size_t bytes, align; // of the type referred to
    bool writes;         // a pointer to what is not const
};

// A function constant of a kernel's file, which dispatches set.
struct constant {
    const char *name;
    uint32_t index;
    bool used; // by the kernel or a function that it may call
    uint32_t *value;
};

// The arguments of a dispatch by index, checked against the kernel's parameters.
struct arguments {
    void *at[SIM_MAX_BINDINGS];
    template <class T> T *pointer(uint32_t i) const { return static_cast<T *>(at[i]); }
    template <class T> T &reference(uint32_t i) const { return *static_cast<T *>(at[i]); }
};

typedef void (*entry_fn)(const arguments &);

} // namespace sim

// Tables that the translator writes.
struct sim_kernel {
    const char *name;
    sim::entry_fn entry;
    const sim::parameter *parameters;
    size_t n_parameter;
    const sim::constant *constants;
    size_t n_constant;
    int left_out; // the line of barriers that do nothing, 0: none
};
struct sim_library {
    const sim_kernel *kernels;
    size_t n_kernel;
};

namespace sim {

// ---- between the simulator's own files ----

// Remembers the reason of a failure and returns -1.
int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct grid {
    triple groups;
    uint32_t n_thread;
};
// Runs all groups. Returns 0, or -1 with the reason in fail().
int run_grid(const sim_kernel *kernel, const arguments &args, const grid &g);

// Memory that faults when accessed outside [data, data + bytes rounded up to 16): the pages around it are
// closed.
struct guarded {
    uint8_t *map; // closed page(s), open pages, closed page(s)
    size_t map_bytes;
    uint8_t *data; // 16-byte aligned; ends at the upper closed page but for the rounding
    size_t bytes;
};
bool guarded_new(guarded *g, size_t bytes);
void guarded_free(guarded *g);
// False when bytes beside the data have been written.
bool guarded_intact(const guarded &g);
// Takes the last `bytes` of an existing region instead of all of it, and fills them with 0xff.
void guarded_shrink(guarded *g, size_t bytes);

} // namespace sim

struct sim_buffer {
    sim::guarded memory; // map nullptr: the caller's
};

#endif
