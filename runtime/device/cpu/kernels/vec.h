/* SPDX-License-Identifier: Apache-2.0 */
/* Vectors for the kernel sources, which are compiled once per set with TN_CPU_SET naming the set; without it
 * they are the set that every processor of this kind can run. The arithmetic of GCC's and clang's vector
 * extensions does most of it; intrinsics serve what those lack.
 *
 * Everything here is static inline: an instance compiled for one set must never be linked into another. */
#ifndef TN_DEVICE_CPU_KERNELS_VEC_H
#define TN_DEVICE_CPU_KERNELS_VEC_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#    include <immintrin.h>
#elif defined(__ARM_NEON)
#    include <arm_neon.h>
#endif

/* VN: floats in a vector. MANY_REGISTERS: 32 of them, else 16. */
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#    define VEC_AVX512     1
#    define VN             16
#    define MANY_REGISTERS 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#    define VEC_AVX2       1
#    define VN             8
#    define MANY_REGISTERS 0
#else
#    define VN 4
#    if defined(__aarch64__)
#        define VEC_NEON       1
#        define MANY_REGISTERS 1
#    else
#        define MANY_REGISTERS 0
#    endif
#endif

#ifndef TN_CPU_SET
#    if VEC_NEON
#        define TN_CPU_SET neon
#    else
#        define TN_CPU_SET generic
#    endif
#endif
#define PASTE2(a, b) a##_##b
#define PASTE(a, b)  PASTE2(a, b)
#define SET(name)    PASTE(name, TN_CPU_SET)

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#    define UNROLL _Pragma("clang loop unroll(full)")
#else
#    define UNROLL _Pragma("GCC unroll 64")
#endif

typedef float vf __attribute__((vector_size(VN * 4)));
typedef int32_t vi __attribute__((vector_size(VN * 4)));
typedef uint32_t vu __attribute__((vector_size(VN * 4)));
typedef int16_t vs __attribute__((vector_size(VN * 4)));
typedef uint16_t vus __attribute__((vector_size(VN * 4)));
/* Unaligned views of memory. */
typedef int32_t vi_memory __attribute__((vector_size(VN * 4), aligned(1), may_alias));
typedef float vf_memory __attribute__((vector_size(VN * 4), aligned(1), may_alias));

ALWAYS_INLINE vf vf_set1(float x) {
    return x - (vf){0};
}
ALWAYS_INLINE vi vi_set1(int32_t x) {
    return x - (vi){0};
}
ALWAYS_INLINE vf vf_load(const void *p) {
    return *(const vf_memory *)p;
}
ALWAYS_INLINE vi vi_load(const void *p) {
    return *(const vi_memory *)p;
}
ALWAYS_INLINE void vf_store(void *p, vf x) {
    *(vf_memory *)p = x;
}

/* The first n < VN floats, zeros above. */
ALWAYS_INLINE vf vf_load_part(const float *p, uint32_t n) {
    vf x = {0};
    memcpy(&x, p, n * sizeof *p);
    return x;
}
ALWAYS_INLINE void vf_store_part(float *p, vf x, uint32_t n) {
    memcpy(p, &x, n * sizeof *p);
}

/* a * b + c: one rounding where the set has the instruction, else two. */
ALWAYS_INLINE vf vf_fma(vf a, vf b, vf c) {
#if VEC_AVX512
    return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif VEC_AVX2
    return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif VEC_NEON
    return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
    return a * b + c;
#endif
}

/* Comparisons give lanes of 0 and -1. */
ALWAYS_INLINE vf vf_select(vi mask, vf yes, vf no) {
#if VEC_AVX512
    return (vf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)no, (__m512)yes);
#else
    return (vf)(((vi)yes & mask) | ((vi)no & ~mask));
#endif
}
/* a > b ? a : b, and a < b ? a : b: b where one is no number. */
ALWAYS_INLINE vf vf_max(vf a, vf b) {
#if VEC_AVX512
    return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif VEC_AVX2
    return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vf_select(a > b, a, b);
#endif
}
ALWAYS_INLINE vf vf_min(vf a, vf b) {
#if VEC_AVX512
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif VEC_AVX2
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return vf_select(a < b, a, b);
#endif
}
ALWAYS_INLINE vf vf_abs(vf x) {
    return (vf)((vi)x & vi_set1(0x7fffffff));
}
ALWAYS_INLINE vf vf_from_i32(vi x) {
    return __builtin_convertvector(x, vf);
}

/* Folds halves onto each other until one is left: a fixed tree. */
typedef float v4 __attribute__((vector_size(16)));
ALWAYS_INLINE v4 vf_fold4(vf x) {
#if VEC_AVX512
    __m512 z = (__m512)x;
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(z), _mm512_extractf32x8_ps(z, 1));
    return (v4)_mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
#elif VEC_AVX2
    return (v4)_mm_add_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
#else
    return (v4)x;
#endif
}
ALWAYS_INLINE float vf_sum(vf x) {
    v4 y = vf_fold4(x);
    return (y[0] + y[2]) + (y[1] + y[3]);
}
/* The largest lane. Lanes that are no number count as they come. */
ALWAYS_INLINE float vf_max_lane(vf x) {
#if VEC_AVX512
    return _mm512_reduce_max_ps((__m512)x);
#elif VEC_NEON
    return vmaxnmvq_f32((float32x4_t)x);
#else
    float m = x[0];
    UNROLL for (int i = 1; i < VN; i++) m = x[i] > m ? x[i] : m;
    return m;
#endif
}
/* The sum of all lanes. */
ALWAYS_INLINE int32_t vi_sum(vi x) {
#if VEC_AVX512
    return _mm512_reduce_add_epi32((__m512i)x);
#elif VEC_NEON
    return vaddvq_s32((int32x4_t)x);
#else
    int32_t sum = 0;
    UNROLL for (int i = 0; i < VN; i++) sum += x[i];
    return sum;
#endif
}
/* The lowest bytes of all lanes. */
ALWAYS_INLINE void vi_store_bytes(int8_t *p, vi x) {
#if VEC_AVX512
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)x));
#elif VEC_NEON
    int16x4_t half = vmovn_s32((int32x4_t)x);
    int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
    memcpy(p, &bytes, VN);
#else
    for (int i = 0; i < VN; i++) p[i] = (int8_t)x[i];
#endif
}

/* VN values rounded to half precision, to the nearest and even ones; not in the set generic. */
#if VEC_AVX512
ALWAYS_INLINE void vf_store_f16(uint16_t *p, vf x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}
#elif VEC_AVX2
ALWAYS_INLINE void vf_store_f16(uint16_t *p, vf x) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
}
#elif VEC_NEON
ALWAYS_INLINE void vf_store_f16(uint16_t *p, vf x) {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)x)));
}
#endif

/* VN half-precision values, and the same as bfloat16, from any address. */
ALWAYS_INLINE vf vf_load_f16(const void *p) {
#if VEC_AVX512
    return (vf)_mm512_cvtph_ps(_mm256_loadu_si256(p));
#elif VEC_AVX2
    return (vf)_mm256_cvtph_ps(_mm_loadu_si128(p));
#elif VEC_NEON
    return (vf)vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
#else
    uint16_t h[VN];
    memcpy(h, p, sizeof h);
    vu x = {h[0], h[1], h[2], h[3]};
    vu magnitude = x & 0x7fff;
    vf scaled = (vf)(magnitude << 13) * vf_set1(0x1p112f);
    vf special = (vf)((magnitude << 13) | 0x7f800000);
    vf y = vf_select((vi)(magnitude >= 0x7c00), special, scaled);
    return (vf)((vu)y | (x & 0x8000) << 16);
#endif
}
ALWAYS_INLINE vf vf_load_bf16(const void *p) {
#if VEC_AVX512
    return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(p)), 16);
#elif VEC_AVX2
    return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(p)), 16);
#elif VEC_NEON
    return (vf)vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16);
#else
    uint16_t h[VN];
    memcpy(h, p, sizeof h);
    vu x = {h[0], h[1], h[2], h[3]};
    return (vf)(x << 16);
#endif
}
/* VN bytes as unsigned, and as signed, integers. */
ALWAYS_INLINE vi vi_load_u8(const void *p) {
#if VEC_AVX512
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128(p));
#elif VEC_AVX2
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64(p));
#elif VEC_NEON
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return (vi)vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(bytes))));
#else
    const uint8_t *b = p;
    return (vi){b[0], b[1], b[2], b[3]};
#endif
}
ALWAYS_INLINE vi vi_load_i8(const void *p) {
#if VEC_AVX512
    return (vi)_mm512_cvtepi8_epi32(_mm_loadu_si128(p));
#elif VEC_AVX2
    return (vi)_mm256_cvtepi8_epi32(_mm_loadl_epi64(p));
#elif VEC_NEON
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return (vi)vmovl_s16(vget_low_s16(vmovl_s8(vcreate_s8(bytes))));
#else
    const int8_t *b = p;
    return (vi){b[0], b[1], b[2], b[3]};
#endif
}

#if VEC_NEON
/* vi_dot4 with 4 signed bytes in w. No two products together leave 16 bits. */
ALWAYS_INLINE vi vi_dot4_signed(vi acc, vi w, vi a) {
#    if defined(__ARM_FEATURE_DOTPROD)
    return (vi)vdotq_s32((int32x4_t)acc, (int8x16_t)w, (int8x16_t)a);
#    else
    int16x8_t low = vmull_s8(vget_low_s8((int8x16_t)w), vget_low_s8((int8x16_t)a));
    int16x8_t high = vmull_high_s8((int8x16_t)w, (int8x16_t)a);
    return (vi)vpadalq_s16((int32x4_t)acc, vpaddq_s16(low, high));
#    endif
}
#endif

/* acc + the sum of 4 products, in each lane: w holds 4 bytes taken as unsigned, a 4 signed ones in -127 ..
 * 127. Exact. */
ALWAYS_INLINE vi vi_dot4(vi acc, vi w, vi a) {
#if VEC_AVX512 && defined(__AVX512VNNI__)
    return (vi)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, (__m512i)a);
#elif VEC_AVX2 && defined(__AVXVNNI__)
    return (vi)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)w, (__m256i)a);
#elif VEC_AVX512 || VEC_AVX2
    /* Pairs of products must stay within 16 bits: the low 7 bits of w and its top bit go separately. */
#    if VEC_AVX512
    __m512i low = _mm512_maddubs_epi16((__m512i)(w & 0x7f7f7f7f), (__m512i)a);
    __m512i top = _mm512_maddubs_epi16((__m512i)((vi)((vu)w >> 7) & 0x01010101), (__m512i)a);
    low = _mm512_madd_epi16(low, _mm512_set1_epi16(1));
    return acc + (vi)low + (vi)_mm512_madd_epi16(top, _mm512_set1_epi16(128));
#    else
    __m256i low = _mm256_maddubs_epi16((__m256i)(w & 0x7f7f7f7f), (__m256i)a);
    __m256i top = _mm256_maddubs_epi16((__m256i)((vi)((vu)w >> 7) & 0x01010101), (__m256i)a);
    low = _mm256_madd_epi16(low, _mm256_set1_epi16(1));
    return acc + (vi)low + (vi)_mm256_madd_epi16(top, _mm256_set1_epi16(128));
#    endif
#elif VEC_NEON && defined(__ARM_FEATURE_MATMUL_INT8)
    return (vi)vusdotq_s32((int32x4_t)acc, (uint8x16_t)w, (int8x16_t)a);
#elif VEC_NEON
    /* w = (w - 128) + 128, and the bytes of -128 are those of 128 negated. */
    vi top = vi_set1((int32_t)0x80808080);
    return vi_dot4_signed(acc, w ^ top, a) - vi_dot4_signed((vi){0}, top, a);
#else
    /* Even and odd bytes as 16-bit lanes, whose products fit. */
    vs w0 = (vs)(w & 0x00ff00ff), w1 = (vs)((vi)((vu)w >> 8) & 0x00ff00ff);
    vs a0 = (vs)((vu)a << 8) >> 8, a1 = (vs)a >> 8;
#    if defined(__SSE2__)
    return acc + (vi)_mm_madd_epi16((__m128i)w0, (__m128i)a0) + (vi)_mm_madd_epi16((__m128i)w1, (__m128i)a1);
#    else
    vi p0 = (vi)(w0 * a0), p1 = (vi)(w1 * a1);
    return acc + (p0 >> 16) + ((vi)((vu)p0 << 16) >> 16) + (p1 >> 16) + ((vi)((vu)p1 << 16) >> 16);
#    endif
#endif
}
/* The same where no byte of w is over 127. */
ALWAYS_INLINE vi vi_dot4_small(vi acc, vi w, vi a) {
#if VEC_AVX512 && !defined(__AVX512VNNI__)
    __m512i pairs = _mm512_maddubs_epi16((__m512i)w, (__m512i)a);
    return acc + (vi)_mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
#elif VEC_AVX2 && !defined(__AVXVNNI__)
    __m256i pairs = _mm256_maddubs_epi16((__m256i)w, (__m256i)a);
    return acc + (vi)_mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
#elif VEC_NEON
    return vi_dot4_signed(acc, w, a);
#else
    return vi_dot4(acc, w, a);
#endif
}

/* vi_dot4 and vi_dot4_small with word i of p in every lane of a; the whole words 0, 4, 8, .. that i lies
 * among can be read. */
ALWAYS_INLINE vi vi_dot4_small_at(vi acc, vi w, const int32_t *p, const int i) {
#if VEC_AVX512 && defined(__AVX512VNNI__)
    /* Compilers that load a first run out of registers. */
    __m512i sum = (__m512i)acc;
    __asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"((__m512i)w), "m"(p[i]));
    return (vi)sum;
#elif VEC_NEON && defined(__ARM_FEATURE_DOTPROD)
    int8x16_t a = vld1q_s8((const int8_t *)(p + i / 4 * 4));
    switch (i % 4) {
    case 0: return (vi)vdotq_laneq_s32((int32x4_t)acc, (int8x16_t)w, a, 0);
    case 1: return (vi)vdotq_laneq_s32((int32x4_t)acc, (int8x16_t)w, a, 1);
    case 2: return (vi)vdotq_laneq_s32((int32x4_t)acc, (int8x16_t)w, a, 2);
    default: return (vi)vdotq_laneq_s32((int32x4_t)acc, (int8x16_t)w, a, 3);
    }
#else
    return vi_dot4_small(acc, w, vi_set1(p[i]));
#endif
}
ALWAYS_INLINE vi vi_dot4_at(vi acc, vi w, const int32_t *p, const int i) {
#if VEC_NEON && defined(__ARM_FEATURE_MATMUL_INT8)
    int8x16_t a = vld1q_s8((const int8_t *)(p + i / 4 * 4));
    switch (i % 4) {
    case 0: return (vi)vusdotq_laneq_s32((int32x4_t)acc, (uint8x16_t)w, a, 0);
    case 1: return (vi)vusdotq_laneq_s32((int32x4_t)acc, (uint8x16_t)w, a, 1);
    case 2: return (vi)vusdotq_laneq_s32((int32x4_t)acc, (uint8x16_t)w, a, 2);
    default: return (vi)vusdotq_laneq_s32((int32x4_t)acc, (uint8x16_t)w, a, 3);
    }
#elif VEC_AVX512 && defined(__AVX512VNNI__)
    return vi_dot4_small_at(acc, w, p, i);
#else
    return vi_dot4(acc, w, vi_set1(p[i]));
#endif
}
/* START128: whether the set takes unsigned bytes as such; others turn them to signed ones first. */
#if (VEC_AVX2 && !defined(__AVXVNNI__)) || (VEC_NEON && !defined(__ARM_FEATURE_MATMUL_INT8))
#    define START128 0
#else
#    define START128 1
#endif
/* vi_dot4_at for bytes that are 128 over the weight, which may be -128 .. 127, in a sum that began as what
 * vi_start128 makes of -128 times the sum of all of p's bytes. */
ALWAYS_INLINE vi vi_start128(int32_t minus_128_sum) {
    return vi_set1(START128 ? minus_128_sum : 0);
}
ALWAYS_INLINE vi vi_dot4_128_at(vi acc, vi w, const int32_t *p, const int i) {
#if START128
    return vi_dot4_at(acc, w, p, i);
#elif VEC_NEON
    return vi_dot4_small_at(acc, w ^ (int32_t)0x80808080, p, i);
#else
    /* Magnitudes with the activations' signs turned: pairs of products stay within 16 bits. */
    __m256i v = (__m256i)(w ^ (int32_t)0x80808080), turned = _mm256_sign_epi8((__m256i)vi_set1(p[i]), v);
    __m256i sums = _mm256_maddubs_epi16(_mm256_abs_epi8(v), turned);
    return acc + (vi)_mm256_madd_epi16(sums, _mm256_set1_epi16(1));
#endif
}

/* The sum of 2 products of 16-bit integers in each lane, added to acc; no product over 16 bits. */
ALWAYS_INLINE vi vi_dot2(vi acc, vi w, vi a) {
#if VEC_AVX512
    return acc + (vi)_mm512_madd_epi16((__m512i)w, (__m512i)a);
#elif VEC_AVX2
    return acc + (vi)_mm256_madd_epi16((__m256i)w, (__m256i)a);
#else
    vi p = (vi)((vs)w * (vs)a);
    return acc + (p >> 16) + ((vi)((vu)p << 16) >> 16);
#endif
}

#if VEC_AVX512 || VEC_AVX2
/* Bytes of x by index, each within its 16; 0 where an index has its top bit. */
ALWAYS_INLINE vi vi_shuffle(vi x, vi index) {
#    if VEC_AVX512
    return (vi)_mm512_shuffle_epi8((__m512i)x, (__m512i)index);
#    else
    return (vi)_mm256_shuffle_epi8((__m256i)x, (__m256i)index);
#    endif
}
/* Where byte n of each lane is, in the bytes of the lane for which `to` has a 1. */
ALWAYS_INLINE vi vi_index(const int n, const int32_t to) {
    vi first;
    UNROLL for (int l = 0; l < VN; l++) first[l] = (l % 4 * 4 + n) * to;
    return first;
}
#endif
/* Byte n of each lane in its bytes 0 and 2, zeros between; and in all four. */
ALWAYS_INLINE vi vi_byte_twice(vi x, const int n) {
#if VEC_AVX512 || VEC_AVX2
    return vi_shuffle(x, vi_index(n, 0x00010001) | (int32_t)0x80008000);
#else
    vi y = (vi)((vu)x >> 8 * n) & 255;
    return y | y << 16;
#endif
}
ALWAYS_INLINE vi vi_byte_all(vi x, const int n) {
#if VEC_AVX512 || VEC_AVX2
    return vi_shuffle(x, vi_index(n, 0x01010101));
#else
    vi y = vi_byte_twice(x, n);
    return y | y << 8;
#endif
}
/* table[c] for each byte c, below 16. */
ALWAYS_INLINE vi vi_look_up(const uint8_t table[16], vi c) {
#if VEC_AVX512
    return vi_shuffle((vi)_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table)), c);
#elif VEC_AVX2
    return vi_shuffle((vi)_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table)), c);
#elif VEC_NEON
    return (vi)vqtbl1q_u8(vld1q_u8(table), (uint8x16_t)c);
#else
    uint8_t b[VN * 4];
    memcpy(b, &c, sizeof c);
    UNROLL for (int i = 0; i < VN * 4; i++) b[i] = table[b[i]];
    memcpy(&c, b, sizeof c);
    return c;
#endif
}

/* Half-precision numbers in the low 16 bits of each lane. */
ALWAYS_INLINE vf vf_from_half(vi h) {
#if VEC_AVX512
    return (vf)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)h));
#elif VEC_AVX2
    __m256i twice = _mm256_packus_epi32((__m256i)h, (__m256i)h);
    return (vf)_mm256_cvtph_ps(_mm256_castsi256_si128(_mm256_permute4x64_epi64(twice, 8)));
#elif VEC_NEON
    return (vf)vcvt_f32_f16(vreinterpret_f16_s16(vmovn_s32((int32x4_t)h)));
#else
    uint16_t narrow[VN];
    UNROLL for (int i = 0; i < VN; i++) narrow[i] = (uint16_t)h[i];
    return vf_load_f16(narrow);
#endif
}

/* The lanes of x at distance h from each, h a power of two: x[i ^ h]. */
ALWAYS_INLINE vf vf_across(const int h, vf x) {
    vf y;
#if VEC_AVX512
    __m512 z = (__m512)x;
    y = h == 1   ? (vf)_mm512_permute_ps(z, 0xb1)
        : h == 2 ? (vf)_mm512_permute_ps(z, 0x4e)
        : h == 4 ? (vf)_mm512_shuffle_f32x4(z, z, 0xb1)
                 : (vf)_mm512_shuffle_f32x4(z, z, 0x4e);
#elif VEC_NEON
    y = h == 1 ? (vf)vrev64q_f32((float32x4_t)x) : (vf)vextq_f32((float32x4_t)x, (float32x4_t)x, 2);
#else
    UNROLL for (int i = 0; i < VN; i++) y[i] = x[i ^ h];
#endif
    return y;
}
/* The Hadamard transform of the lanes: butterflies of distance 1, 2, 4 .. VN / 2, each a + b and a - b. */
ALWAYS_INLINE vf vf_turn(vf x) {
    vi lane;
    UNROLL for (int l = 0; l < VN; l++) lane[l] = l;
    UNROLL for (int h = 1; h < VN; h *= 2) {
        vi minus = (vi)((lane & h) != 0) & INT32_MIN;
        x = vf_across(h, x) + (vf)((vi)x ^ minus);
    }
    return x;
}
/* Its further steps over n vectors that follow each other. */
ALWAYS_INLINE void vf_turn_across(vf *x, const int n) {
    UNROLL for (int h = 1; h < n; h *= 2) {
        UNROLL for (int i = 0; i < n; i++) {
            if (i & h) continue;
            vf a = x[i], b = x[i + h];
            x[i] = a + b;
            x[i + h] = a - b;
        }
    }
}

/* Round to nearest, ties to even, for |x| < 2^22. */
ALWAYS_INLINE vf vf_round(vf x) {
    const vf magic = vf_set1(0x1.8p23f);
    return (x + magic) - magic;
}

/* e^x within 2 units in the last place; results under 2^-125 are 0, over the range infinity; e^-inf = 0.
 * x = n ln 2 + r, e^r = 1 + r + r^2 p(r) with p fitted to |r| <= ln 2 / 2. */
ALWAYS_INLINE vf vf_exp(vf x) {
    vf y = vf_max(vf_set1(-86.6f), vf_min(vf_set1(89.0f), x));
    vf n = vf_round(y * 0x1.715476p+0f);
    vf r = vf_fma(n, vf_set1(-0x1.63p-1f), y);
    r = vf_fma(n, vf_set1(0x1.bd0106p-13f), r);
    vf p = vf_set1(0x1.6d75e8p-10f);
    p = vf_fma(p, r, vf_set1(0x1.120be8p-7f));
    p = vf_fma(p, r, vf_set1(0x1.5554b8p-5f));
    p = vf_fma(p, r, vf_set1(0x1.5554dcp-3f));
    p = vf_fma(p, r, vf_set1(0x1.0p-1f));
    p = vf_fma(p * r, r, r) + 1.0f;
#if VEC_AVX512
    vf e = (vf)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
    /* 2^n in two steps: n may be 128. */
    vf scale = (vf)((__builtin_convertvector(n, vi) + 126) << 23);
    vf e = p * scale * 2.0f;
#endif
    e = vf_select(x < -86.6f, vf_set1(0), e);
    return vf_select(x == x, e, x);
}

/* tanh x within 3 units in the last place: an odd polynomial near 0, 1 - 2 / (e^2x + 1) elsewhere. */
ALWAYS_INLINE vf vf_tanh(vf x) {
    vf a = vf_abs(x), z = x * x;
    vf p = vf_set1(-0x1.90a24ap-8f);
    p = vf_fma(p, z, vf_set1(0x1.583aaap-6f));
    p = vf_fma(p, z, vf_set1(-0x1.b92c2cp-5f));
    p = vf_fma(p, z, vf_set1(0x1.110e3ep-3f));
    p = vf_fma(p, z, vf_set1(-0x1.555552p-2f));
    vf near = vf_fma(p * z, x, x);
    vf far = 1.0f - 2.0f / (vf_exp(a + a) + 1.0f);
    far = (vf)((vi)far | ((vi)x & vi_set1(INT32_MIN)));
    return vf_select(a < 0.625f, near, far);
}

/* x / (1 + e^-x). */
ALWAYS_INLINE vf vf_silu(vf x) {
    return x / (1.0f + vf_exp(-x));
}

/* Sums of squares in 4 vectors in turn: independent chains, one fixed order. */
ALWAYS_INLINE float vf_square_sum(const float *x, uint32_t n) {
    vf sum[4] = {{0}, {0}, {0}, {0}};
    uint32_t i = 0;
    for (; i + 4 * VN <= n; i += 4 * VN) {
        UNROLL for (int j = 0; j < 4; j++) {
            vf v = vf_load(x + i + j * VN);
            sum[j] = vf_fma(v, v, sum[j]);
        }
    }
    for (int j = 0; i < n; i += VN, j++) {
        vf v = n - i >= VN ? vf_load(x + i) : vf_load_part(x + i, n - i);
        sum[j] = vf_fma(v, v, sum[j]);
    }
    return vf_sum((sum[0] + sum[2]) + (sum[1] + sum[3]));
}

#endif
