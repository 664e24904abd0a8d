/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic on sizes that come from outside: every product and sum is checked before it is used. */
#ifndef TN_BASE_CHECKED_H
#define TN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when *ret holds the exact result; false on overflow, *ret is then unspecified. [any thread] */
static inline bool tn_add_u64(uint64_t a, uint64_t b, uint64_t *ret) {
    return !__builtin_add_overflow(a, b, ret);
}
static inline bool tn_mul_u64(uint64_t a, uint64_t b, uint64_t *ret) {
    return !__builtin_mul_overflow(a, b, ret);
}
static inline bool tn_add_size(size_t a, size_t b, size_t *ret) {
    return !__builtin_add_overflow(a, b, ret);
}
static inline bool tn_mul_size(size_t a, size_t b, size_t *ret) {
    return !__builtin_mul_overflow(a, b, ret);
}

/* n rounded up to a multiple of align (a power of two); false on overflow. [any thread] */
static inline bool tn_align_u64(uint64_t n, uint64_t align, uint64_t *ret) {
    uint64_t sum;
    if (!tn_add_u64(n, align - 1, &sum)) return false;
    *ret = sum & ~(align - 1);
    return true;
}

#endif
