/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-in for <metal_stdlib>: the part of the Metal Shading Language's library that metal/README.md names, in CUDA
 * C++17 for NVRTC with -default-device. Needs no header of the toolkit. A simdgroup is a warp, all 32 lanes of it.
 *
 * Numerics: every function is the accurate one, fast or precise:: alike (but for rsqrt, 2 ulp; precise::rsqrt is
 * 1 / sqrt). Products and sums are contracted only where the kernel says fma (or dot); the driver compiles with
 * -fmad=false. simd_sum and its like combine lanes in butterfly order: l with l ^ 16, l ^ 8, l ^ 4, l ^ 2, l ^ 1. */
#ifndef TN_CUDA_METAL_STDLIB
#define TN_CUDA_METAL_STDLIB

#define __METAL_VERSION__ 310

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
typedef unsigned char uchar;
typedef unsigned short ushort;
typedef unsigned int uint;
typedef unsigned long long ulong;

/* CUDA has vectors of these names, which know no arithmetic. */
#define float2 metal_float2
#define float3 metal_float3
#define float4 metal_float4
#define int2 metal_int2
#define int3 metal_int3
#define int4 metal_int4
#define uint2 metal_uint2
#define uint3 metal_uint3
#define uint4 metal_uint4
#define short2 metal_short2
#define short3 metal_short3
#define short4 metal_short4
#define ushort2 metal_ushort2
#define ushort3 metal_ushort3
#define ushort4 metal_ushort4
#define char2 metal_char2
#define char3 metal_char3
#define char4 metal_char4
#define uchar2 metal_uchar2
#define uchar3 metal_uchar3
#define uchar4 metal_uchar4
#define ulong2 metal_ulong2
#define ulong3 metal_ulong3
#define ulong4 metal_ulong4

#define TN_INLINE static __forceinline__

struct half;

namespace metal {
namespace detail {
template <bool B, class T> struct enable {};
template <class T> struct enable<true, T> {
    typedef T type;
};
template <class A, class B> constexpr bool same = false;
template <class A> constexpr bool same<A, A> = true;
template <class T> constexpr bool integer = false;
#define TN_INTEGER(T) template <> constexpr bool integer<T> = true;
TN_INTEGER(bool)
TN_INTEGER(char)
TN_INTEGER(signed char)
TN_INTEGER(unsigned char)
TN_INTEGER(short)
TN_INTEGER(unsigned short)
TN_INTEGER(int)
TN_INTEGER(unsigned int)
TN_INTEGER(long)
TN_INTEGER(unsigned long)
TN_INTEGER(long long)
TN_INTEGER(unsigned long long)
#undef TN_INTEGER
template <class T> constexpr bool plain = integer<T> || same<T, float>;
template <class T> constexpr bool number = plain<T> || same<T, half>;
} // namespace detail
} // namespace metal

/* ---- half ---- */

struct half {
    ushort bits;
    half() = default;
    template <class T, class = typename metal::detail::enable<metal::detail::plain<T>, void>::type> half(T x) {
        asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(static_cast<float>(x)));
    }
    operator float() const {
        float x;
        asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
        return x;
    }
};

#define TN_HALF_OPERATOR(op, ptx)                                                                            \
    TN_INLINE half operator op(half a, half b) {                                                             \
        half r;                                                                                              \
        asm(ptx " %0, %1, %2;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits));                                   \
        return r;                                                                                            \
    }                                                                                                        \
    TN_HALF_MIXED(op)
/* With a float the result is a float; with an integer a half. */
#define TN_HALF_MIXED(op)                                                                                    \
    TN_INLINE float operator op(half a, float b) {                                                           \
        return static_cast<float>(a) op b;                                                                   \
    }                                                                                                        \
    TN_INLINE float operator op(float a, half b) {                                                           \
        return a op static_cast<float>(b);                                                                   \
    }                                                                                                        \
    template <class T>                                                                                       \
    TN_INLINE typename metal::detail::enable<metal::detail::integer<T>, half>::type operator op(half a,      \
                                                                                               T b) {       \
        return a op half(b);                                                                                 \
    }                                                                                                        \
    template <class T>                                                                                       \
    TN_INLINE typename metal::detail::enable<metal::detail::integer<T>, half>::type operator op(T a,         \
                                                                                               half b) {    \
        return half(a) op b;                                                                                 \
    }                                                                                                        \
    template <class T> TN_INLINE half &operator op##=(half &a, T b) {                                        \
        return a = half(a op b);                                                                             \
    }
TN_HALF_OPERATOR(+, "add.rn.f16")
TN_HALF_OPERATOR(-, "sub.rn.f16")
TN_HALF_OPERATOR(*, "mul.rn.f16")
TN_INLINE half operator/(half a, half b) {
    return half(static_cast<float>(a) / static_cast<float>(b));
}
TN_HALF_MIXED(/)
#undef TN_HALF_OPERATOR
#undef TN_HALF_MIXED
TN_INLINE half operator-(half a) {
    a.bits ^= 0x8000;
    return a;
}
#define TN_HALF_COMPARE(op)                                                                                  \
    TN_INLINE bool operator op(half a, half b) {                                                             \
        return static_cast<float>(a) op static_cast<float>(b);                                               \
    }                                                                                                        \
    template <class T>                                                                                       \
    TN_INLINE typename metal::detail::enable<metal::detail::plain<T>, bool>::type operator op(half a,       \
                                                                                              T b) {        \
        return static_cast<float>(a) op static_cast<float>(b);                                               \
    }                                                                                                        \
    template <class T>                                                                                       \
    TN_INLINE typename metal::detail::enable<metal::detail::plain<T>, bool>::type operator op(T a,          \
                                                                                              half b) {     \
        return static_cast<float>(a) op static_cast<float>(b);                                               \
    }
TN_HALF_COMPARE(<)
TN_HALF_COMPARE(>)
TN_HALF_COMPARE(<=)
TN_HALF_COMPARE(>=)
TN_HALF_COMPARE(==)
TN_HALF_COMPARE(!=)
#undef TN_HALF_COMPARE

/* ---- vectors ---- */

namespace metal {

template <class T, int N> struct vec;

/* What vectors of every length have; each operation works element by element, a scalar stands for a vector of it.
 * Vectors are passed by value: of a reference the compiler would load every element by itself. */
#define TN_VEC_BINARY(op)                                                                                    \
    friend __forceinline__ vec operator op(vec a, vec b) {                                                   \
        TN_UNROLL for (int i = 0; i < N; i++) a[i] = static_cast<T>(a[i] op b[i]);                           \
        return a;                                                                                            \
    }                                                                                                        \
    __forceinline__ vec &operator op##=(vec b) {                                                             \
        return *this = *this op b;                                                                           \
    }
#define TN_UNROLL _Pragma("unroll")
#define TN_VEC_MEMBERS                                                                                       \
    vec() = default;                                                                                         \
    __forceinline__ vec(T s) {                                                                               \
        TN_UNROLL for (int i = 0; i < N; i++)(*this)[i] = s;                                                 \
    }                                                                                                        \
    template <class U> explicit __forceinline__ vec(vec<U, N> o) {                                           \
        convert(*this, o);                                                                                   \
    }                                                                                                        \
    __forceinline__ T &operator[](int i) {                                                                   \
        return (&x)[i];                                                                                      \
    }                                                                                                        \
    __forceinline__ const T &operator[](int i) const {                                                       \
        return (&x)[i];                                                                                      \
    }                                                                                                        \
    friend __forceinline__ vec operator-(vec a) {                                                            \
        TN_UNROLL for (int i = 0; i < N; i++) a[i] = static_cast<T>(-a[i]);                                  \
        return a;                                                                                            \
    }                                                                                                        \
    friend __forceinline__ vec operator~(vec a) {                                                            \
        TN_UNROLL for (int i = 0; i < N; i++) a[i] = static_cast<T>(~a[i]);                                  \
        return a;                                                                                            \
    }                                                                                                        \
    TN_VEC_BINARY(+)                                                                                         \
    TN_VEC_BINARY(-)                                                                                         \
    TN_VEC_BINARY(*)                                                                                         \
    TN_VEC_BINARY(/)                                                                                         \
    TN_VEC_BINARY(%)                                                                                         \
    TN_VEC_BINARY(&)                                                                                         \
    TN_VEC_BINARY(|)                                                                                         \
    TN_VEC_BINARY(^)                                                                                         \
    TN_VEC_BINARY(<<)                                                                                        \
    TN_VEC_BINARY(>>)

template <class T> struct alignas(2 * sizeof(T)) vec<T, 2> {
    enum { N = 2 };
    T x, y;
    __forceinline__ vec(T x_, T y_) : x(x_), y(y_) {}
    TN_VEC_MEMBERS
};
template <class T> struct alignas(4 * sizeof(T)) vec<T, 3> {
    enum { N = 3 };
    T x, y, z;
    __forceinline__ vec(T x_, T y_, T z_) : x(x_), y(y_), z(z_) {}
    TN_VEC_MEMBERS
};
template <class T> struct alignas(4 * sizeof(T)) vec<T, 4> {
    enum { N = 4 };
    T x, y, z, w;
    __forceinline__ vec(T x_, T y_, T z_, T w_) : x(x_), y(y_), z(z_), w(w_) {}
    TN_VEC_MEMBERS
};
/* Four bytes, and the word that they are in: it is taken apart only where they are asked for. */
template <> struct alignas(4) vec<uchar, 4> {
    typedef uchar T;
    enum { N = 4 };
    union {
        struct {
            T x, y, z, w;
        };
        uint word;
    };
    __forceinline__ vec(T x_, T y_, T z_, T w_) : x(x_), y(y_), z(z_), w(w_) {}
    TN_VEC_MEMBERS
};
template <> struct alignas(4) vec<signed char, 4> {
    typedef signed char T;
    enum { N = 4 };
    union {
        struct {
            T x, y, z, w;
        };
        uint word;
    };
    __forceinline__ vec(T x_, T y_, T z_, T w_) : x(x_), y(y_), z(z_), w(w_) {}
    TN_VEC_MEMBERS
};
#undef TN_VEC_MEMBERS
#undef TN_VEC_BINARY

template <class T, class U, int N> TN_INLINE void convert(vec<T, N> &to, vec<U, N> from) {
    TN_UNROLL for (int i = 0; i < N; i++) to[i] = static_cast<T>(from[i]);
}
/* A byte as the lowest bits of 2^23, from which that is taken away: processors have few units that turn integers into
 * floats. */
TN_INLINE void convert(vec<float, 4> &to, vec<uchar, 4> from) {
    TN_UNROLL for (int i = 0; i < 4; i++)
        to[i] = __uint_as_float(__byte_perm(from.word, 0x4b000000, 0x7540 + i)) - 8388608.0f;
}
TN_INLINE void convert(vec<float, 4> &to, vec<signed char, 4> from) {
    TN_UNROLL for (int i = 0; i < 4; i++)
        to[i] = __uint_as_float(__byte_perm(from.word ^ 0x80808080, 0x4b000000, 0x7540 + i)) - 8388736.0f;
}

} // namespace metal

#define TN_VEC_NAMES(T, prefix)                                                                              \
    typedef metal::vec<T, 2> prefix##T##2;                                                                   \
    typedef metal::vec<T, 3> prefix##T##3;                                                                   \
    typedef metal::vec<T, 4> prefix##T##4;
TN_VEC_NAMES(float, metal_)
TN_VEC_NAMES(int, metal_)
TN_VEC_NAMES(uint, metal_)
TN_VEC_NAMES(short, metal_)
TN_VEC_NAMES(ushort, metal_)
TN_VEC_NAMES(uchar, metal_)
TN_VEC_NAMES(ulong, metal_)
TN_VEC_NAMES(half, )
#undef TN_VEC_NAMES
typedef metal::vec<signed char, 2> metal_char2;
typedef metal::vec<signed char, 3> metal_char3;
typedef metal::vec<signed char, 4> metal_char4;

/* ---- scalar functions ---- */

template <class To, class From> TN_INLINE To as_type(From from) {
    static_assert(sizeof(To) == sizeof(From), "as_type: the sizes differ");
    To to;
    memcpy(&to, &from, sizeof to);
    return to;
}

/* Bytes to floats: the byte becomes the lowest bits of 2^23, which is then taken away. A conversion of each byte would
 * need more instructions, on a slower unit. */
namespace metal {
namespace detail {
TN_INLINE float byte_behind_2p23(uint word, int i) {
    return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7440u | i));
}
} // namespace detail
template <> template <> __forceinline__ vec<float, 4>::vec(vec<uchar, 4> o) {
    const uint word = as_type<uint>(o);
    TN_UNROLL for (int i = 0; i < 4; i++)(*this)[i] = detail::byte_behind_2p23(word, i) - 8388608.0f;
}
template <> template <> __forceinline__ vec<float, 4>::vec(vec<char, 4> o) {
    const uint word = as_type<uint>(o) ^ 0x80808080u;
    TN_UNROLL for (int i = 0; i < 4; i++)(*this)[i] = detail::byte_behind_2p23(word, i) - 8388736.0f;
}
} // namespace metal

namespace metal {

/* Stands in for metal/kernels/raised.h, which says what these give. */
#define TN_KERNELS_RAISED_H
TN_INLINE float4 raised16(uint c, uint top) {
    float4 r;
    TN_UNROLL for (int i = 0; i < 4; i++) r[i] = __uint_as_float(__byte_perm(c, top << 24, 0x7044u | i << 8));
    return r;
}
TN_INLINE float4 raised8(uint c, uint top) {
    float4 r;
    TN_UNROLL for (int i = 0; i < 4; i++) r[i] = __uint_as_float(__byte_perm(c, top << 24, 0x7404u | i << 4));
    return r;
}

/* Templates, so that CUDA's own overloads of float and int, which do the same, are preferred and not ambiguous. */
#define TN_FUNCTION(name, expression)                                                                        \
    namespace detail {                                                                                       \
    TN_INLINE float name##_of(float x) {                                                                     \
        return expression;                                                                                   \
    }                                                                                                        \
    }                                                                                                        \
    template <class T> TN_INLINE typename detail::enable<detail::number<T>, T>::type name(T x) {             \
        return static_cast<T>(detail::name##_of(static_cast<float>(x)));                                     \
    }                                                                                                        \
    template <class T, int N> TN_INLINE vec<T, N> name(vec<T, N> x) {                                        \
        TN_UNROLL for (int i = 0; i < N; i++) x[i] = metal::name(x[i]);                                      \
        return x;                                                                                            \
    }                                                                                                        \
    namespace precise {                                                                                      \
    using metal::name;                                                                                       \
    }                                                                                                        \
    namespace fast {                                                                                         \
    using metal::name;                                                                                       \
    }
TN_FUNCTION(exp, ::expf(x))
TN_FUNCTION(exp2, ::exp2f(x))
TN_FUNCTION(log, ::logf(x))
TN_FUNCTION(log2, ::log2f(x))
TN_FUNCTION(sin, ::sinf(x))
TN_FUNCTION(cos, ::cosf(x))
TN_FUNCTION(tanh, ::tanhf(x))
TN_FUNCTION(sqrt, ::sqrtf(x))
TN_FUNCTION(floor, ::floorf(x))
TN_FUNCTION(ceil, ::ceilf(x))
TN_FUNCTION(rint, ::rintf(x))
TN_FUNCTION(round, ::roundf(x))
#undef TN_FUNCTION

template <class T> TN_INLINE T rsqrt(T x) {
    return static_cast<T>(::rsqrtf(static_cast<float>(x)));
}
namespace precise {
template <class T> TN_INLINE T rsqrt(T x) {
    return static_cast<T>(1.0f / ::sqrtf(static_cast<float>(x)));
}
} // namespace precise

template <class T> TN_INLINE T abs(T x) {
    return x < T(0) ? -x : x;
}
template <class T> TN_INLINE typename detail::enable<detail::number<T>, T>::type max(T a, T b) {
    return a < b ? b : a;
}
template <class T> TN_INLINE typename detail::enable<detail::number<T>, T>::type min(T a, T b) {
    return b < a ? b : a;
}
template <class T> TN_INLINE typename detail::enable<detail::number<T>, T>::type clamp(T x, T low, T high) {
    return x < low ? low : high < x ? high : x;
}
template <class T> TN_INLINE T select(T a, T b, bool c) {
    return c ? b : a;
}
template <class T> TN_INLINE typename detail::enable<detail::number<T>, T>::type fma(T a, T b, T c) {
    if constexpr (detail::same<T, half>) {
        half r;
        asm("fma.rn.f16 %0, %1, %2, %3;" : "=h"(r.bits) : "h"(a.bits), "h"(b.bits), "h"(c.bits));
        return r;
    } else
        return ::fmaf(a, b, c);
}
template <class T> TN_INLINE T popcount(T x) {
    return static_cast<T>(__popc(static_cast<uint>(x)));
}

/* The same of vectors. */
template <class T, int N> TN_INLINE vec<T, N> abs(vec<T, N> x) {
    TN_UNROLL for (int i = 0; i < N; i++) x[i] = metal::abs(x[i]);
    return x;
}
template <class T, int N> TN_INLINE vec<T, N> max(vec<T, N> a, vec<T, N> b) {
    TN_UNROLL for (int i = 0; i < N; i++) a[i] = metal::max(a[i], b[i]);
    return a;
}
template <class T, int N> TN_INLINE vec<T, N> min(vec<T, N> a, vec<T, N> b) {
    TN_UNROLL for (int i = 0; i < N; i++) a[i] = metal::min(a[i], b[i]);
    return a;
}
template <class T, int N> TN_INLINE vec<T, N> clamp(vec<T, N> x, vec<T, N> low, vec<T, N> high) {
    TN_UNROLL for (int i = 0; i < N; i++) x[i] = metal::clamp(x[i], low[i], high[i]);
    return x;
}
template <class T, int N> TN_INLINE vec<T, N> fma(vec<T, N> a, vec<T, N> b, vec<T, N> c) {
    TN_UNROLL for (int i = 0; i < N; i++) a[i] = metal::fma(a[i], b[i], c[i]);
    return a;
}
template <class T, int N> TN_INLINE T dot(vec<T, N> a, vec<T, N> b) {
    T sum = a[0] * b[0];
    TN_UNROLL for (int i = 1; i < N; i++) sum = metal::fma(a[i], b[i], sum);
    return sum;
}

/* ---- threads that meet ---- */

enum class mem_flags { mem_none, mem_device, mem_threadgroup };

TN_INLINE void threadgroup_barrier(mem_flags) {
    __syncthreads();
}
TN_INLINE void simdgroup_barrier(mem_flags) {
    __syncwarp();
}

namespace detail {
/* f on each 32-bit word of a value. */
template <class T, class F> TN_INLINE T by_words(T x, F f) {
    uint words[(sizeof(T) + 3) / 4] = {};
    memcpy(words, &x, sizeof x);
    TN_UNROLL for (uint &word : words) word = f(word);
    memcpy(&x, words, sizeof x);
    return x;
}
} // namespace detail

template <class T> TN_INLINE T simd_shuffle(T x, ushort lane) {
    return detail::by_words(x, [=](uint word) { return __shfl_sync(~0u, word, lane); });
}
template <class T> TN_INLINE T simd_broadcast(T x, ushort lane) {
    return simd_shuffle(x, lane);
}
template <class T> TN_INLINE T simd_shuffle_xor(T x, ushort mask) {
    return detail::by_words(x, [=](uint word) { return __shfl_xor_sync(~0u, word, mask); });
}
template <class T> TN_INLINE T simd_shuffle_down(T x, ushort delta) {
    return detail::by_words(x, [=](uint word) { return __shfl_down_sync(~0u, word, delta); });
}

#define TN_SIMD_REDUCE(name, expression)                                                                     \
    template <class T> TN_INLINE T name(T a) {                                                               \
        TN_UNROLL for (int mask = 16; mask > 0; mask /= 2) {                                                 \
            const T b = simd_shuffle_xor(a, mask);                                                           \
            a = expression;                                                                                  \
        }                                                                                                    \
        return a;                                                                                            \
    }
TN_SIMD_REDUCE(simd_sum, a + b)
TN_SIMD_REDUCE(simd_max, metal::max(a, b))
TN_SIMD_REDUCE(simd_min, metal::min(a, b))
#undef TN_SIMD_REDUCE

/* ---- 8x8 matrices ---- */

/* Lane l has elements (l / 4, 2 (l % 4)) and the next of the row, which is how mma.sync takes a first factor and a sum;
 * of the transposed matrix, where `turned`: mma.sync's second factor. Loops unrolled, `turned` is known when
 * compiling. */
template <class T, int Rows, int Cols> struct simdgroup_matrix {
    static_assert(Rows == 8 && Cols == 8, "matrices are 8x8");
    vec<T, 2> pair;
    bool turned;
};
typedef simdgroup_matrix<float, 8, 8> simdgroup_float8x8;
typedef simdgroup_matrix<half, 8, 8> simdgroup_half8x8;

namespace detail {
TN_INLINE uint lane_index() {
    uint lane;
    asm("mov.u32 %0, %%laneid;" : "=r"(lane));
    return lane;
}

/* The lanes' pairs as those of the transposed matrix. */
TN_INLINE half2 transpose(half2 pair) {
    uint to;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(to) : "r"(as_type<uint>(pair)));
    return as_type<half2>(to);
}
TN_INLINE float2 transpose(float2 pair) {
    const uint lane = lane_index(), from = lane % 4 * 8 + lane / 8;
    const bool odd = lane / 4 % 2;
    const float2 first = simd_shuffle(pair, from), second = simd_shuffle(pair, from + 4);
    return float2(odd ? first.y : first.x, odd ? second.y : second.x);
}
template <class T> TN_INLINE vec<T, 2> straight(simdgroup_matrix<T, 8, 8> m) {
    return m.turned ? transpose(m.pair) : m.pair;
}

template <class T> TN_INLINE vec<T, 2> turned(simdgroup_matrix<T, 8, 8> m) {
    return m.turned ? m.pair : transpose(m.pair);
}

/* A float as the sum of two of 11 bits, which is what the tensor cores take: all but the last bit or two of it. */
struct split {
    uint high, low;
};
TN_INLINE split split_of(float x) {
    split s;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(s.high) : "f"(x));
    s.high &= 0xffffe000; /* what the instruction leaves below is nobody's */
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(s.low) : "f"(x - __uint_as_float(s.high)));
    return s;
}
/* Of a half there is no rest. */
TN_INLINE split split_of(half x) {
    return {__float_as_uint(float(x)), 0};
}

/* The eight products of each element added up, of parts of a and of the transpose of b; the upper 8 rows of the
 * instruction take a's high parts and the lower ones its low parts. Column k of a lies where the instruction has
 * k / 2 + k % 2 * 4, and so do the rows of b. The sums so far stay out of it, since it does not round to nearest. */
TN_INLINE float2 multiply_tf32(split ax, split ay, uint bx, uint by) {
    float d[4] = {};
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(ax.high), "r"(ax.low), "r"(ay.high), "r"(ay.low), "r"(bx), "r"(by));
    return float2(d[0] + d[2], d[1] + d[3]);
}
template <class A, class B> TN_INLINE float2 multiply(vec<A, 2> a, vec<B, 2> b_turned) {
    const split ax = split_of(a.x), ay = split_of(a.y), bx = split_of(b_turned.x), by = split_of(b_turned.y);
    float2 product = multiply_tf32(ax, ay, bx.high, by.high);
    if constexpr (same<B, float>) product += multiply_tf32(ax, ay, bx.low, by.low);
    return product;
}
/* The same of halves, whose products are exact. The lower 8 rows are not used. */
TN_INLINE float2 multiply(half2 a, half2 b_turned) {
    float d[4] = {};
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(as_type<uint>(a)), "r"(0), "r"(as_type<uint>(b_turned)));
    return float2(d[0], d[1]);
}
} // namespace detail

template <class T, int Rows, int Cols> TN_INLINE simdgroup_matrix<T, Rows, Cols> make_filled_simdgroup_matrix(T x) {
    return {vec<T, 2>(x), false};
}

/* Element (r, c) is p[r * stride + c]; transposed: p[c * stride + r]. origin: column and row of the first. */
template <class T>
TN_INLINE void simdgroup_load(simdgroup_matrix<T, 8, 8> &m, const T *p, ulong stride = 8, ulong2 origin = ulong2(0, 0),
                              bool transposed = false) {
    const uint lane = detail::lane_index();
    p += origin.y * stride + origin.x + lane / 4 * stride + lane % 4 * 2;
    m.turned = transposed;
    if (((ulong)p | stride * sizeof(T)) % (2 * sizeof(T)) == 0)
        m.pair = *(const vec<T, 2> *)p;
    else
        m.pair = vec<T, 2>(p[0], p[1]);
}
template <class T>
TN_INLINE void simdgroup_store(simdgroup_matrix<T, 8, 8> m, T *p, ulong stride = 8, ulong2 origin = ulong2(0, 0),
                               bool transposed = false) {
    const uint lane = detail::lane_index();
    p += origin.y * stride + origin.x + lane / 4 * stride + lane % 4 * 2;
    __syncwarp(); /* a store begins when all lanes have come to it */
    const vec<T, 2> pair = m.turned == transposed ? m.pair : detail::transpose(m.pair);
    if (((ulong)p | stride * sizeof(T)) % (2 * sizeof(T)) == 0)
        *(vec<T, 2> *)p = pair;
    else {
        p[0] = pair.x;
        p[1] = pair.y;
    }
}

/* d = a b + c. */
template <class A, class B>
TN_INLINE void simdgroup_multiply_accumulate(simdgroup_float8x8 &d, simdgroup_matrix<A, 8, 8> a,
                                             simdgroup_matrix<B, 8, 8> b, simdgroup_float8x8 c) {
    d.pair = detail::straight(c) + detail::multiply(detail::straight(a), detail::turned(b));
    d.turned = false;
}

} // namespace metal

/* ---- what kernels are told about themselves, for tools/mslx/cuda.py ---- */

namespace tn {

/* A function constant. The driver defines TN_CONSTANTS as TN_CONSTANT(number, value) of each. */
template <uint Number> struct constant {
    static constexpr uint value = 0;
};
#define TN_CONSTANT(number, constant_value)                                                                  \
    template <> struct constant<number> {                                                                    \
        static constexpr uint value = constant_value;                                                        \
    };
#ifdef TN_CONSTANTS
TN_CONSTANTS
#endif

/* Positions as kernels ask for them: uint, uint2 or uint3. */
struct position {
    uint x, y, z;
    operator uint() const {
        return x;
    }
    operator uint2() const {
        return uint2(x, y);
    }
    operator uint3() const {
        return uint3(x, y, z);
    }
};
TN_INLINE position threadgroup_position_in_grid() {
    return {blockIdx.x, blockIdx.y, blockIdx.z};
}
TN_INLINE position threadgroups_per_grid() {
    return {gridDim.x, gridDim.y, gridDim.z};
}
TN_INLINE position thread_position_in_threadgroup() {
    return {threadIdx.x, 0, 0};
}
TN_INLINE position threads_per_threadgroup() {
    return {blockDim.x, 1, 1};
}
TN_INLINE position thread_position_in_grid() {
    return {blockIdx.x * blockDim.x + threadIdx.x, blockIdx.y, blockIdx.z};
}
TN_INLINE uint thread_index_in_threadgroup() {
    return threadIdx.x;
}
TN_INLINE uint thread_index_in_simdgroup() {
    return threadIdx.x % 32;
}
TN_INLINE uint simdgroup_index_in_threadgroup() {
    return threadIdx.x / 32;
}
TN_INLINE uint simdgroups_per_threadgroup() {
    return (blockDim.x + 31) / 32;
}

/* linear_rows: threadgroups that a processor is to hold at once. A thread gets 512 / n registers of its 65536: as few
 * as the sums of its rows and columns, its words and a few quads of x need, or else the compiler loads all of x ahead
 * and leaves room for two. Types by number: Q4_K and Q5_K have units of 32, the other super-blocks with planes, IQ4_XS
 * and affine with groups of 64 of 16. */
struct linear_rows_bounds {
    static constexpr uint type = constant<0>::value, sums = constant<1>::value * constant<13>::value;
    static constexpr bool is_32 = type == 12 || type == 13;
    static constexpr bool is_16 = type == 10 || type == 11 || type == 14 || type == 23 || type == 35 ||
                                  (type == 1000 && constant<3>::value >= 64);
    static constexpr int groups_32 = sums <= 2 ? 7 : sums <= 8 ? 5 : sums <= 32 ? 3 : 2;
    static constexpr int groups_16 = sums <= 2 ? 7 : sums <= 8 ? 5 : sums <= 32 ? 4 : 2;
    static constexpr int groups_8 = sums <= 8 ? 6 : sums <= 16 ? 5 : sums <= 32 ? 4 : 2;
    static constexpr int groups = is_32 ? groups_32 : is_16 ? groups_16 : groups_8;
};
#define TN_BOUNDS_linear_rows 128, tn::linear_rows_bounds::groups

} // namespace tn

/* From here on: CUDA's char has a sign where the host's has. */
typedef signed char metal_char;
#define char metal_char

#endif
