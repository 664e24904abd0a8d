/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the threads of one threadgroup after another. A thread runs until it parks at a simdgroup operation or
 * a barrier, or returns. When no thread of a simdgroup can run, the operation its threads wait at is done
 * once for all of them; when no simdgroup can run, the barrier opens. Anything that does not fit this is the
 * kernel's mistake. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fiber.h"
#include "runtime.h"

namespace sim {

const thread_position *position;

namespace {

enum class state { ready, at_operation, at_barrier, returned, failed };

struct thread {
    fiber f;
    state now;
    site at;            // of the operation or barrier
    combine_fn combine; // of the operation
    void *value;
    thread_position where;
};

const uint32_t max_variables = 16; // threadgroup variables of a kernel

// The dispatch that is running.
const sim_kernel *kernel;
const arguments *args;
thread threads[SIM_MAX_GROUP_THREADS];
thread *running;
uint32_t n_thread;
guarded variables[max_variables]; // made at first use, kept; where a variable lives while bytes > 0
uint32_t random_state;            // 0: everything in order
sigjmp_buf fault_exit;

uint32_t min_u32(uint32_t a, uint32_t b) {
    return a < b ? a : b;
}

// A number below n; 0 when order is not random. (xorshift; Marsaglia 2003)
uint32_t draw(uint32_t n) {
    if (!random_state) return 0;
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

// order[i] = i, shuffled when a seed is set.
void make_order(uint32_t *order, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    if (!random_state) return;
    for (uint32_t i = n; i > 1; i--) {
        const uint32_t j = draw(i), swap = order[j];
        order[j] = order[i - 1];
        order[i - 1] = swap;
    }
}

int fail_in_kernel(const thread *t, const char *what) {
    return fail("kernel %s, group (%u, %u, %u), thread %u: %s", kernel->name, t->where.group.x,
                t->where.group.y, t->where.group.z, t->where.index, what);
}

const char *file_name(const site &at) {
    const char *slash = strrchr(at.file, '/');
    return slash ? slash + 1 : at.file;
}

bool same_site(const site &a, const site &b) {
    return a.line == b.line && (a.file == b.file || strcmp(a.file, b.file) == 0);
}

void describe(const thread &t, char *buf, size_t size) {
    switch (t.now) {
    case state::at_operation:
        snprintf(buf, size, "a simdgroup operation at %s:%d", file_name(t.at), t.at.line);
        break;
    case state::at_barrier: snprintf(buf, size, "a barrier at %s:%d", file_name(t.at), t.at.line); break;
    case state::returned: snprintf(buf, size, "the kernel's end"); break;
    default: snprintf(buf, size, "no stop"); break;
    }
}

// The error of two threads that had to stop at the same place.
int fail_apart(const char *unit, const thread &a, const thread &b) {
    char at_a[120], at_b[120], text[400];
    describe(a, at_a, sizeof at_a);
    describe(b, at_b, sizeof at_b);
    snprintf(text, sizeof text, "the threads of a %s part: this one is at %s, thread %u at %s", unit, at_a,
             b.where.index, at_b);
    return fail_in_kernel(&a, text);
}

int fail_at_operation(const thread &t, const char *what) {
    char text[200];
    snprintf(text, sizeof text, "%s:%d: %s", file_name(t.at), t.at.line, what);
    return fail_in_kernel(&t, text);
}

void thread_main() {
    kernel->entry(*args);
    running->now = state::returned;
    fiber_suspend(&running->f);
}

void park(state now, const site &at) {
    thread *t = running;
    t->at = at;
    t->now = now;
    fiber_suspend(&t->f);
}

void resume(thread *t) {
    running = t;
    position = &t->where;
    fiber_resume(&t->f);
    position = nullptr;
}

// Runs the threads of a simdgroup until each waits at the same operation, or none at any. Does the operation.
// Returns 1 when there was one, 0 when all wait for a barrier or have returned, -1 on an error.
int advance_simdgroup(thread *first, uint32_t n) {
    uint32_t order[SIM_SIMD_WIDTH];
    make_order(order, n);
    for (uint32_t i = 0; i < n; i++) {
        thread *t = first + order[i];
        if (t->now == state::ready) resume(t);
        if (t->now == state::failed) return -1;
    }
    const thread *waiting = nullptr;
    for (uint32_t i = 0; i < n && !waiting; i++)
        if (first[i].now == state::at_operation) waiting = first + i;
    if (!waiting) return 0;
    void *values[SIM_SIMD_WIDTH];
    for (uint32_t i = 0; i < n; i++) {
        const thread &t = first[i];
        if (t.now != state::at_operation || t.combine != waiting->combine || !same_site(t.at, waiting->at))
            return fail_apart("simdgroup", *waiting, t);
        values[i] = t.value;
    }
    const char *mistake = waiting->combine(values, n);
    if (mistake) return fail_at_operation(*waiting, mistake);
    for (uint32_t i = 0; i < n; i++) first[i].now = state::ready;
    return 1;
}

// Runs every simdgroup until its threads are at a barrier or have returned.
int advance_group() {
    uint32_t order[SIM_MAX_GROUP_THREADS / SIM_SIMD_WIDTH];
    const uint32_t n_simd = (n_thread + SIM_SIMD_WIDTH - 1) / SIM_SIMD_WIDTH;
    make_order(order, n_simd);
    for (uint32_t i = 0; i < n_simd; i++) {
        const uint32_t first = order[i] * SIM_SIMD_WIDTH;
        int more;
        do {
            more = advance_simdgroup(threads + first, min_u32(n_thread - first, SIM_SIMD_WIDTH));
        } while (more > 0);
        if (more < 0) return -1;
    }
    return 0;
}

// All threads are at one barrier: 1, it opens. All have returned: 0. Else -1.
int open_barrier() {
    for (uint32_t i = 1; i < n_thread; i++)
        if (threads[i].now != threads[0].now ||
            (threads[0].now == state::at_barrier && !same_site(threads[i].at, threads[0].at)))
            return fail_apart("threadgroup", threads[0], threads[i]);
    if (threads[0].now == state::returned) return 0;
    for (uint32_t i = 0; i < n_thread; i++) threads[i].now = state::ready;
    return 1;
}

int run_group(const grid &g, triple group) {
    for (guarded &v : variables) v.bytes = 0;
    for (uint32_t i = 0; i < n_thread; i++) {
        thread &t = threads[i];
        t.now = state::ready;
        t.where = {group, i, g.groups, g.n_thread};
        if (!fiber_start(&t.f, i, thread_main))
            return fail("no memory for the stacks of %u threads", n_thread);
    }
    int more;
    do {
        if (advance_group() != 0) return -1;
        more = open_barrier();
    } while (more > 0);
    return more;
}

// ---- accesses outside memory ----

void describe_fault(const uint8_t *address, char *buf, size_t size) {
    for (size_t i = 0; i < max_variables; i++) {
        const guarded &v = variables[i];
        if (v.map && address >= v.map && address < v.map + v.map_bytes) {
            snprintf(buf, size, "an access %td bytes into a threadgroup variable of %zu bytes",
                     address - v.data, v.bytes);
            return;
        }
    }
    if (fiber_stack_overflowed(address)) {
        snprintf(buf, size, "its stack has overflowed");
        return;
    }
    for (size_t i = 0; i < kernel->n_parameter; i++) {
        const uint8_t *at = static_cast<const uint8_t *>(args->at[kernel->parameters[i].index]);
        if (address + (1 << 20) >= at && address < at + (1 << 30)) {
            snprintf(buf, size, "an access outside its memory, %td bytes from the start of buffer(%u)",
                     address - at, kernel->parameters[i].index);
            return;
        }
    }
    snprintf(buf, size, "an access outside its memory");
}

void on_fault(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    if (!running || !position) _exit(70); // the simulator's own mistake: nothing to go back to
    char text[200];
    describe_fault(static_cast<const uint8_t *>(info->si_addr), text, sizeof text);
    fail_in_kernel(running, text);
    siglongjmp(fault_exit, 1);
}

// Sends faults to on_fault, on a stack of its own since the faulting one may be full; end() puts all back.
struct fault_watch {
    struct sigaction old_segv, old_bus;
    stack_t old_stack;
    void begin() {
        static uint8_t stack[64 * 1024];
        stack_t s = {};
        s.ss_sp = stack;
        s.ss_size = sizeof stack;
        sigaltstack(&s, &old_stack);
        struct sigaction a = {};
        a.sa_sigaction = on_fault;
        a.sa_flags = SA_SIGINFO | SA_ONSTACK;
        sigaction(SIGSEGV, &a, &old_segv);
        sigaction(SIGBUS, &a, &old_bus);
    }
    void end() {
        sigaction(SIGSEGV, &old_segv, nullptr);
        sigaction(SIGBUS, &old_bus, nullptr);
        sigaltstack(&old_stack, nullptr);
        running = nullptr;
        position = nullptr;
    }
};

int run_groups(const grid &g) {
    const uint64_t n = static_cast<uint64_t>(g.groups.x) * g.groups.y * g.groups.z;
    // A random order of groups: start anywhere, go on in steps that share no factor with their number.
    uint64_t at = random_state ? draw(UINT32_MAX) % n : 0;
    const uint64_t step = random_state && n % 7919 ? 7919 % n : 1;
    for (uint64_t i = 0; i < n; i++, at = (at + step) % n) {
        const uint64_t yz = at / g.groups.x;
        const triple group = {static_cast<uint32_t>(at % g.groups.x), static_cast<uint32_t>(yz % g.groups.y),
                              static_cast<uint32_t>(yz / g.groups.y)};
        if (run_group(g, group) != 0) return -1;
    }
    return 0;
}

} // namespace

void stop_thread(const char *format, ...) {
    char text[300];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!position) { // in what a simdgroup does together, of which no kernel should be able
        fprintf(stderr, "simulator: %s\n", text);
        abort();
    }
    fail_in_kernel(running, text);
    park(state::failed, site());
    abort(); // nobody resumes it
}

void simdgroup_wait(combine_fn combine, void *value, site at) {
    running->combine = combine;
    running->value = value;
    park(state::at_operation, at);
}

void simdgroup_barrier_wait(site at) {
    if (at.line == kernel->left_out) return;
    simdgroup_wait([](void *const *, uint32_t) -> const char * { return nullptr; }, nullptr, at);
}

void barrier_wait(site at) {
    if (at.line == kernel->left_out) return;
    park(state::at_barrier, at);
}

void *threadgroup_memory(uint32_t slot, size_t bytes) {
    guarded *v = slot < max_variables ? variables + slot : nullptr;
    if (v && v->bytes > 0) return v->data; // another thread of the group was here
    size_t total = bytes;
    for (const guarded &other : variables) total += other.bytes;
    if (!v || total > SIM_MAX_GROUP_BYTES || (!v->map && !guarded_new(v, SIM_MAX_GROUP_BYTES))) {
        stop_thread("threadgroup variable %u makes %zu bytes, %d are allowed", slot, total,
                    SIM_MAX_GROUP_BYTES);
    }
    guarded_shrink(v, bytes);
    return v->data;
}

int run_grid(const sim_kernel *kernel_, const arguments &args_, const grid &g) {
    kernel = kernel_;
    args = &args_;
    n_thread = g.n_thread;
    fault_watch watch;
    watch.begin();
    volatile int rc = -1; // set before the jump back
    if (sigsetjmp(fault_exit, 1) == 0) rc = run_groups(g);
    watch.end();
    if (rc != 0) fibers_given_up();
    return rc;
}

} // namespace sim

extern "C" void sim_seed(uint32_t seed) {
    sim::random_state = seed;
}
