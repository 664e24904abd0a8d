/* SPDX-License-Identifier: Apache-2.0 */
/* Time. [any thread] */
#ifndef TN_BASE_CLOCK_H
#define TN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of a clock that only goes forward. */
static inline int64_t tn_clock_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The same clock in seconds. */
static inline double tn_clock_s(void) {
    return (double)tn_clock_ns() * 1e-9;
}

/* Seconds since 1970. */
static inline int64_t tn_clock_unix_s(void) {
    return (int64_t)time(NULL);
}

#endif
