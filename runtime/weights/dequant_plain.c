/* SPDX-License-Identifier: Apache-2.0 */
/* Types with one value an element: widened or converted, nothing packed. */
#include "weights/dequant.h"

#include "weights/bytes.h"
#include "weights/float.h"

void tn__dequant_f32(const uint8_t *restrict src, uint64_t n, float *restrict dst) {
    memcpy(dst, src, n * sizeof *dst);
}

/* The loop of a type of `size` bytes whose element at p is `expr`. A step of fixed length inside is what
 * compilers turn into vector code without being asked to try hard. */
enum { STEP = 32 };
#define PLAIN(name, size, expr)                                                                              \
    static inline float name##_at(const uint8_t *p) {                                                        \
        return (expr);                                                                                       \
    }                                                                                                        \
    void tn__dequant_##name(const uint8_t *restrict src, uint64_t n, float *restrict dst) {                  \
        for (; n >= STEP; n -= STEP, src += STEP * (size), dst += STEP)                                      \
            for (int i = 0; i < STEP; i++) dst[i] = name##_at(src + i * (size));                             \
        for (uint64_t i = 0; i < n; i++) dst[i] = name##_at(src + i * (size));                               \
    }

PLAIN(f16, 2, tn_f16_to_f32(tn_load_u16(p)))
PLAIN(bf16, 2, tn_bf16_to_f32(tn_load_u16(p)))
PLAIN(f64, 8, (float)tn_load_f64(p))
PLAIN(i8, 1, (float)(int8_t)*p)
PLAIN(i16, 2, (float)(int16_t)tn_load_u16(p))
PLAIN(i32, 4, (float)(int32_t)tn_load_u32(p))
PLAIN(i64, 8, (float)(int64_t)tn_load_u64(p))
PLAIN(u8, 1, (float)*p)
PLAIN(u16, 2, (float)tn_load_u16(p))
PLAIN(u32, 4, (float)tn_load_u32(p))
PLAIN(u64, 8, (float)tn_load_u64(p))
PLAIN(bool, 1, *p ? 1.0f : 0.0f)
