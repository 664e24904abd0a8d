/* SPDX-License-Identifier: Apache-2.0 */
/* Little-endian loads from any alignment: mapped files promise none. */
#ifndef TN_WEIGHTS_BYTES_H
#define TN_WEIGHTS_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "model files are little-endian and are used as mapped: a big-endian host is not supported"
#endif

static inline uint16_t tn_load_u16(const void *p) {
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint32_t tn_load_u32(const void *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t tn_load_u64(const void *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline float tn_load_f32(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline double tn_load_f64(const void *p) {
    double v;
    memcpy(&v, p, sizeof v);
    return v;
}

#endif
