/* SPDX-License-Identifier: Apache-2.0 */
#include "fiber.h"

#include <sys/mman.h>

#include "sim.h"

#if defined(__SANITIZE_ADDRESS__)
#    include <sanitizer/asan_interface.h>
#endif

namespace sim {

namespace {

const size_t stack_bytes = 256 * 1024; // of which the lowest guard_bytes are closed
const size_t guard_bytes = 64 * 1024;
uint8_t *stacks; // SIM_MAX_GROUP_THREADS of them, reserved at first use; untouched ones cost nothing

bool reserve_stacks() {
    if (stacks) return true;
    void *map = mmap(nullptr, SIM_MAX_GROUP_THREADS * stack_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) return false;
    stacks = static_cast<uint8_t *>(map);
    for (size_t i = 0; i < SIM_MAX_GROUP_THREADS; i++)
        if (mprotect(stacks + i * stack_bytes, guard_bytes, PROT_NONE) != 0) return false;
    return true;
}

// The stack of fiber i, without the closed page. Tops are moved apart: at equal distances of a power of two
// all of them would share a few lines of the processor's cache.
struct room {
    uint8_t *lowest;
    size_t bytes;
};
room room_of(uint32_t i) {
    uint8_t *stack = stacks + i * stack_bytes;
    return {stack + guard_bytes, stack_bytes - guard_bytes - i % 64 * 192};
}

} // namespace

void fibers_given_up() {
#if defined(__SANITIZE_ADDRESS__)
    // Their frames' red zones would still be there for the next fiber on the stack.
    if (stacks) __asan_unpoison_memory_region(stacks, SIM_MAX_GROUP_THREADS * stack_bytes);
#endif
}

bool fiber_stack_overflowed(const void *address) {
    const uint8_t *p = static_cast<const uint8_t *>(address);
    if (!stacks || p < stacks || p >= stacks + SIM_MAX_GROUP_THREADS * stack_bytes) return false;
    return static_cast<size_t>(p - stacks) % stack_bytes < guard_bytes;
}

#ifdef SIM_FIBER_UCONTEXT

static ucontext_t scheduler_context;

bool fiber_start(fiber *f, uint32_t i, void (*entry)()) {
    if (!reserve_stacks() || getcontext(&f->context) != 0) return false;
    const room r = room_of(i);
    f->context.uc_stack.ss_sp = r.lowest;
    f->context.uc_stack.ss_size = r.bytes;
    f->context.uc_link = nullptr;
    makecontext(&f->context, entry, 0);
    return true;
}

void fiber_resume(fiber *f) {
    swapcontext(&scheduler_context, &f->context);
}
void fiber_suspend(fiber *f) {
    swapcontext(&f->context, &scheduler_context);
}

#else

// sim_switch_stack(save, to): pushes what the System V ABI lets a callee keep, leaves the stack pointer in
// *save, continues where `to` was left.
extern "C" void sim_switch_stack(void **save, void *to);
asm(".text\n"
    ".globl sim_switch_stack\n"
    ".type sim_switch_stack, @function\n"
    "sim_switch_stack:\n"
    "    pushq %rbp\n"
    "    pushq %rbx\n"
    "    pushq %r12\n"
    "    pushq %r13\n"
    "    pushq %r14\n"
    "    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n"
    "    popq %r14\n"
    "    popq %r13\n"
    "    popq %r12\n"
    "    popq %rbx\n"
    "    popq %rbp\n"
    "    popq %rcx\n"
    "    jmpq *%rcx\n"
    ".size sim_switch_stack, . - sim_switch_stack\n"
    ".section .note.GNU-stack, \"\", @progbits\n"
    ".text\n");

static void *scheduler_stack_pointer;

bool fiber_start(fiber *f, uint32_t i, void (*entry)()) {
    if (!reserve_stacks()) return false;
    const room r = room_of(i);
    // From the top: a null return address for entry (which also gives it the alignment after a call), entry
    // itself for the switch to return to, six registers.
    void **top = reinterpret_cast<void **>(r.lowest + r.bytes) - 2;
    *--top = nullptr;
    *--top = reinterpret_cast<void *>(entry);
    for (int reg = 0; reg < 6; reg++) *--top = nullptr;
    f->stack_pointer = top;
    return true;
}

void fiber_resume(fiber *f) {
    sim_switch_stack(&scheduler_stack_pointer, f->stack_pointer);
}
void fiber_suspend(fiber *f) {
    sim_switch_stack(&f->stack_pointer, scheduler_stack_pointer);
}

#endif

} // namespace sim
