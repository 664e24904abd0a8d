/* SPDX-License-Identifier: Apache-2.0 */
/* What NVRTC knows by itself and clang does not, for tests/metal/cuda_clang.py: CUDA's words, positions, and
 * the functions that runtime/device/cuda/metal_stdlib.cuh uses. */
#define __global__             __attribute__((global))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __device__             __attribute__((device))
#define __host__               __attribute__((host))
#define __shared__             __attribute__((shared))
#define __constant__           __attribute__((constant))
#define __forceinline__        inline __attribute__((always_inline))
#define __grid_constant__      /* clang 14 does not know it */
#define memcpy                 __builtin_memcpy

struct tn_dim {
    unsigned x, y, z;
};
#define blockIdx                                                                                             \
    (tn_dim{(unsigned)__nvvm_read_ptx_sreg_ctaid_x(), (unsigned)__nvvm_read_ptx_sreg_ctaid_y(),              \
            (unsigned)__nvvm_read_ptx_sreg_ctaid_z()})
#define gridDim                                                                                              \
    (tn_dim{(unsigned)__nvvm_read_ptx_sreg_nctaid_x(), (unsigned)__nvvm_read_ptx_sreg_nctaid_y(),            \
            (unsigned)__nvvm_read_ptx_sreg_nctaid_z()})
#define threadIdx (tn_dim{(unsigned)__nvvm_read_ptx_sreg_tid_x(), 0, 0})
#define blockDim  (tn_dim{(unsigned)__nvvm_read_ptx_sreg_ntid_x(), 1, 1})

extern "C" {
__device__ float expf(float);
__device__ float exp2f(float);
__device__ float logf(float);
__device__ float log2f(float);
__device__ float sinf(float);
__device__ float cosf(float);
__device__ float tanhf(float);
__device__ float sqrtf(float);
__device__ float rsqrtf(float);
__device__ float floorf(float);
__device__ float ceilf(float);
__device__ float rintf(float);
__device__ float roundf(float);
__device__ float fmaf(float, float, float);
}
static __device__ __forceinline__ unsigned __popc(unsigned x) {
    return (unsigned)__builtin_popcount(x);
}
static __device__ __forceinline__ float __uint_as_float(unsigned x) {
    float f;
    memcpy(&f, &x, 4);
    return f;
}
static __device__ __forceinline__ unsigned __float_as_uint(float f) {
    unsigned x;
    memcpy(&x, &f, 4);
    return x;
}
static __device__ __forceinline__ unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
    return __nvvm_prmt(a, b, selector);
}
static __device__ __forceinline__ void __syncwarp() {
    __nvvm_bar_warp_sync(~0u);
}
static __device__ __forceinline__ unsigned __shfl_sync(unsigned mask, unsigned x, unsigned lane) {
    return (unsigned)__nvvm_shfl_sync_idx_i32(mask, (int)x, (int)lane, 31);
}
static __device__ __forceinline__ unsigned __shfl_xor_sync(unsigned mask, unsigned x, unsigned lanes) {
    return (unsigned)__nvvm_shfl_sync_bfly_i32(mask, (int)x, (int)lanes, 31);
}
static __device__ __forceinline__ unsigned __shfl_down_sync(unsigned mask, unsigned x, unsigned delta) {
    return (unsigned)__nvvm_shfl_sync_down_i32(mask, (int)x, (int)delta, 31);
}
