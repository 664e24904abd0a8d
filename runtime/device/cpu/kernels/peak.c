/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of a core: how fast it reads, and the fastest multiplications that the set has. They compute
 * nothing of use; empty assembly keeps the compiler from finding that out. */
#include "device/cpu/kernels/set.h"

/* Chains that do not wait for each other: a latency of 5 to 6 cycles, two instructions in each. */
enum { CHAINS = 12, READ_STEP = 8 * VN * 4, READ_AHEAD = 4096 };

#if defined(__x86_64__) || defined(__i386__)
#    define VECTOR_REGISTER "x"
#elif VEC_NEON
#    define VECTOR_REGISTER "w"
#else
#    define VECTOR_REGISTER "m"
#endif
/* v may be anything from here on: chains that begin alike are not one. */
#define UNKNOWN(v) __asm__ volatile("" : "+" VECTOR_REGISTER(v))

uint64_t SET(tn_cpu_peak_read)(const uint8_t *p, size_t n, bool ahead) {
    vi sum[8] = {{0}, {0}, {0}, {0}, {0}, {0}, {0}, {0}};
    for (size_t at = 0; at + READ_STEP <= n; at += READ_STEP) {
        if (ahead) UNROLL for (int i = 0; i < READ_STEP; i += 64) __builtin_prefetch(p + at + READ_AHEAD + i);
        UNROLL for (int i = 0; i < 8; i++) sum[i] ^= vi_load(p + at + (size_t)i * VN * 4);
    }
    UNROLL for (int i = 1; i < 8; i++) sum[0] ^= sum[i];
    return (uint32_t)vi_sum(sum[0]);
}

/* Older compilers spell them __AMXINT8__. */
#if defined(__AMX_INT8__) || defined(__AMXINT8__)
#    define AMX_INT8 1
#endif
#if defined(__AMX_BF16__) || defined(__AMXBF16__)
#    define AMX_BF16 1
#endif

#if AMX_INT8 || AMX_BF16
/* Tiles of 16 rows of 64 bytes: 0 .. 3 are sums, 4 .. 7 factors. What was configured before comes back. */
typedef struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_config;
static const tile_config tiles = {
    .palette = 1,
    .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
    .rows = {16, 16, 16, 16, 16, 16, 16, 16},
};
static const uint8_t zeros[16 * 64] __attribute__((aligned(64)));

/* product(sum, a, b) on four sums, n_round times. Each does 16 x 16 sums over `depth` products. */
#    define TILE_ROUNDS(product, depth)                                                                      \
        tile_config before;                                                                                  \
        _tile_storeconfig(&before);                                                                          \
        _tile_loadconfig(&tiles);                                                                            \
        _tile_zero(0);                                                                                       \
        _tile_zero(1);                                                                                       \
        _tile_zero(2);                                                                                       \
        _tile_zero(3);                                                                                       \
        _tile_loadd(4, zeros, 64);                                                                           \
        _tile_loadd(5, zeros, 64);                                                                           \
        _tile_loadd(6, zeros, 64);                                                                           \
        _tile_loadd(7, zeros, 64);                                                                           \
        for (uint64_t r = 0; r < n_round; r++) {                                                             \
            product(0, 4, 6);                                                                                \
            product(1, 4, 7);                                                                                \
            product(2, 5, 6);                                                                                \
            product(3, 5, 7);                                                                                \
        }                                                                                                    \
        _tile_loadconfig(&before);                                                                           \
        return n_round * 4 * 16 * 16 * (depth)*2
#endif

#if VEC_NEON && defined(__ARM_FEATURE_MATMUL_INT8)
/* 2 x 2 sums over 8 products. */
enum { INT8_OPS = 2 * 2 * 8 * 2 };
ALWAYS_INLINE vi add_int8(vi sum, vi w, vi a) {
    return (vi)vmmlaq_s32((int32x4_t)sum, (int8x16_t)w, (int8x16_t)a);
}
#elif !AMX_INT8
enum { INT8_OPS = VN * 4 * 2 };
ALWAYS_INLINE vi add_int8(vi sum, vi w, vi a) {
    return vi_dot4_small(sum, w, a);
}
#endif

static uint64_t spin_int8(uint64_t n_round) {
#if AMX_INT8
    TILE_ROUNDS(_tile_dpbusd, 64);
#else
    vi sum[CHAINS] = {{0}}, w = vi_set1(0x01020304), a = vi_set1(0x04030201);
    for (uint64_t r = 0; r < n_round; r++) {
        UNROLL for (int i = 0; i < CHAINS; i++) {
            UNKNOWN(a);
            sum[i] = add_int8(sum[i], w, a);
        }
    }
    UNROLL for (int i = 0; i < CHAINS; i++) UNKNOWN(sum[i]);
    return n_round * CHAINS * INT8_OPS;
#endif
}

static uint64_t spin_bf16(uint64_t n_round) {
#if AMX_BF16
    TILE_ROUNDS(_tile_dpbf16ps, 32);
#elif defined(__AVX512BF16__)
    vf sum[CHAINS] = {{0}}, w = vf_set1(0.5f), a = vf_set1(0.25f);
    for (uint64_t r = 0; r < n_round; r++) {
        UNROLL for (int i = 0; i < CHAINS; i++) {
            UNKNOWN(a);
            sum[i] = (vf)_mm512_dpbf16_ps((__m512)sum[i], (__m512bh)w, (__m512bh)a);
        }
    }
    UNROLL for (int i = 0; i < CHAINS; i++) UNKNOWN(sum[i]);
    return n_round * CHAINS * VN * 2 * 2;
#else
    (void)n_round;
    return 0;
#endif
}

static uint64_t spin_f32(uint64_t n_round) {
    vf sum[CHAINS] = {{0}}, w = vf_set1(0.5f), a = vf_set1(0.25f);
    for (uint64_t r = 0; r < n_round; r++) {
        UNROLL for (int i = 0; i < CHAINS; i++) {
            UNKNOWN(a);
            sum[i] = vf_fma(w, a, sum[i]);
        }
    }
    UNROLL for (int i = 0; i < CHAINS; i++) UNKNOWN(sum[i]);
    return n_round * CHAINS * VN * 2;
}

uint64_t SET(tn_cpu_peak_spin)(tn_peak what, uint64_t n_round) {
    switch (what) {
    case TN_PEAK_INT8: return spin_int8(n_round);
    case TN_PEAK_BF16: return spin_bf16(n_round);
    case TN_PEAK_F32: return spin_f32(n_round);
    default: return 0;
    }
}
