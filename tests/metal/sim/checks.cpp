/* SPDX-License-Identifier: Apache-2.0 */
/* Undefined arithmetic and misaligned accesses in kernels. Kernels are compiled with some of the compiler's
 * checks
 * (-fsanitize=alignment,bounds,shift,... without its run-time library); what those call when one fails is
 * here and makes it the kernel's mistake. The layout of the data is that of the compilers' own run-time
 * library (LLVM, compiler-rt, ubsan_handlers.h), which g++ shares. A build that is itself under a sanitizer
 * has that library instead. */
#include "runtime.h"

#ifndef SIM_OTHER_CHECKS

#    include <stdio.h>
#    include <string.h>

namespace {

struct place {
    const char *file;
    uint32_t line, column;
};
struct type_name {
    uint16_t kind,
        info;     // kind 0: an integer; info: twice the binary logarithm of its bits, plus 1 for signed
    char text[1]; // 'float4', with the quotes
};
struct place_only {
    place at;
};
struct mismatch {
    place at;
    const type_name *type;
    unsigned char log_alignment, access;
};
struct two_types {
    place at;
    const type_name *first, *second;
};

void stop(const place &at, const char *what) {
    const char *slash = strrchr(at.file, '/');
    sim::stop_thread("%s:%u: %s", slash ? slash + 1 : at.file, at.line, what);
}

bool is_signed(const type_name *t) {
    return t->kind == 0 && t->info & 1;
}

} // namespace

extern "C" {

void __ubsan_handle_type_mismatch_v1(const mismatch *m, uintptr_t address) {
    char text[200];
    snprintf(text, sizeof text, "an access to a %s at an address that is no multiple of %u", m->type->text,
             1u << m->log_alignment);
    stop(m->at, address ? text : "an access through a null pointer");
}

void __ubsan_handle_out_of_bounds(const two_types *t, uintptr_t index) {
    char text[200];
    snprintf(text, sizeof text, is_signed(t->second) ? "index %jd of a %s" : "index %ju of a %s",
             static_cast<intmax_t>(index), t->first->text);
    stop(t->at, text);
}

void __ubsan_handle_shift_out_of_bounds(const two_types *t, uintptr_t, uintptr_t by) {
    char text[200];
    snprintf(text, sizeof text, is_signed(t->second) ? "a %s shifted by %jd" : "a %s shifted by %ju",
             t->first->text, static_cast<intmax_t>(by));
    stop(t->at, text);
}

void __ubsan_handle_divrem_overflow(const place_only *d, uintptr_t, uintptr_t) {
    stop(d->at, "a division by zero or too large for its type");
}
void __ubsan_handle_float_cast_overflow(const two_types *t, uintptr_t) {
    char text[200];
    snprintf(text, sizeof text, "a %s that no %s can hold", t->first->text, t->second->text);
    stop(t->at, text);
}
void __ubsan_handle_add_overflow(const place_only *d, uintptr_t, uintptr_t) {
    stop(d->at, "a sum too large for its signed type");
}
void __ubsan_handle_sub_overflow(const place_only *d, uintptr_t, uintptr_t) {
    stop(d->at, "a difference too large for its signed type");
}
void __ubsan_handle_mul_overflow(const place_only *d, uintptr_t, uintptr_t) {
    stop(d->at, "a product too large for its signed type");
}
void __ubsan_handle_negate_overflow(const place_only *d, uintptr_t) {
    stop(d->at, "a negative too large for its signed type");
}

} // extern "C"

#endif

extern "C" int sim_checks_operations(void) {
#ifdef SIM_OTHER_CHECKS
    return 0;
#else
    return 1;
#endif
}
