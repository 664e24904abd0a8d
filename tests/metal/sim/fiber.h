/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of a threadgroup as fibers: each has a stack of its own and runs until it gives the processor back.
 * The scheduler's own stack is not a fiber; one scheduler runs at a time. */
#ifndef TN_TESTS_METAL_SIM_FIBER_H
#define TN_TESTS_METAL_SIM_FIBER_H

#include <stdint.h>

// x86-64 (ELF) switches stacks in a dozen instructions; other machines take the C library's slower contexts.
#if !(defined(__x86_64__) && defined(__ELF__)) && !defined(SIM_FIBER_UCONTEXT)
#    define SIM_FIBER_UCONTEXT 1
#endif
#ifdef SIM_FIBER_UCONTEXT
#    include <ucontext.h>
#endif

namespace sim {

struct fiber {
#ifdef SIM_FIBER_UCONTEXT
    ucontext_t context;
#else
    void *stack_pointer;
#endif
};

// Makes *f begin at entry() when it is resumed, on stack number i (below SIM_MAX_GROUP_THREADS), whose former
// user is forgotten. entry must not return. False when there is no memory.
bool fiber_start(fiber *f, uint32_t i, void (*entry)());
// Runs f until it suspends itself. Scheduler only.
void fiber_resume(fiber *f);
// Goes back to the scheduler. Called on f only.
void fiber_suspend(fiber *f);
// Some fibers will not be resumed although they have not come to their end.
void fibers_given_up();
// Whether an address lies in the closed page below a stack: the stack has overflowed.
bool fiber_stack_overflowed(const void *address);

} // namespace sim

#endif
