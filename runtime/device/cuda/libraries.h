/* SPDX-License-Identifier: Apache-2.0 */
/* NVIDIA's driver and run-time compiler (NVRTC), opened when wanted: the program is built without their
 * headers and runs without them. The names after the dot are the functions' own without their prefix; see
 * NVIDIA's documentation of the CUDA driver API and of NVRTC. */
#ifndef TN_DEVICE_CUDA_LIBRARIES_H
#define TN_DEVICE_CUDA_LIBRARIES_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

typedef int tn_cu_result;                 /* CUresult */
typedef int tn_cu_device;                 /* CUdevice */
typedef unsigned long long tn_cu_address; /* CUdeviceptr */
typedef struct tn_cu_context_ *tn_cu_context;
typedef struct tn_cu_module_ *tn_cu_module;
typedef struct tn_cu_function_ *tn_cu_function;
typedef struct tn_cu_stream_ *tn_cu_stream;
typedef struct tn_cu_event_ *tn_cu_event;
typedef int tn_nvrtc_result; /* nvrtcResult */
typedef struct tn_nvrtc_program_ *tn_nvrtc_program;

/* Numbers of cuda.h. */
enum {
    TN_CU_OUT_OF_MEMORY = 2,
    TN_CU_NO_DEVICE = 100,
    TN_CU_STREAM_NON_BLOCKING = 1,
    TN_CU_EVENT_DISABLE_TIMING = 2,
    TN_CU_MAJOR = 75, /* CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, _MINOR */
    TN_CU_MINOR = 76,
    TN_CU_MAX_THREADS = 0, /* CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK */
};

/* X(member, exported name, result, parameters) */
#define TN_CUDA_DRIVER_FUNCTIONS(X)                                                                          \
    X(init, "cuInit", tn_cu_result, (unsigned flags))                                                        \
    X(get_error_name, "cuGetErrorName", tn_cu_result, (tn_cu_result code, const char **ret))                 \
    X(get_error_string, "cuGetErrorString", tn_cu_result, (tn_cu_result code, const char **ret))             \
    X(driver_version, "cuDriverGetVersion", tn_cu_result, (int *ret))                                        \
    X(device_count, "cuDeviceGetCount", tn_cu_result, (int *ret))                                            \
    X(device_get, "cuDeviceGet", tn_cu_result, (tn_cu_device * ret, int ordinal))                            \
    X(device_name, "cuDeviceGetName", tn_cu_result, (char *ret, int len, tn_cu_device d))                    \
    X(device_attribute, "cuDeviceGetAttribute", tn_cu_result, (int *ret, int attribute, tn_cu_device d))     \
    X(primary_retain, "cuDevicePrimaryCtxRetain", tn_cu_result, (tn_cu_context * ret, tn_cu_device d))       \
    X(primary_release, "cuDevicePrimaryCtxRelease_v2", tn_cu_result, (tn_cu_device d))                       \
    X(set_current, "cuCtxSetCurrent", tn_cu_result, (tn_cu_context c))                                       \
    X(mem_info, "cuMemGetInfo_v2", tn_cu_result, (size_t * ret_free, size_t * ret_total))                    \
    X(mem_alloc, "cuMemAlloc_v2", tn_cu_result, (tn_cu_address * ret, size_t bytes))                         \
    X(mem_free, "cuMemFree_v2", tn_cu_result, (tn_cu_address p))                                             \
    X(host_alloc, "cuMemHostAlloc", tn_cu_result, (void **ret, size_t bytes, unsigned flags))                \
    X(host_free, "cuMemFreeHost", tn_cu_result, (void *p))                                                   \
    X(copy_to, "cuMemcpyHtoDAsync_v2", tn_cu_result,                                                         \
      (tn_cu_address to, const void *from, size_t n, tn_cu_stream s))                                        \
    X(copy_from, "cuMemcpyDtoHAsync_v2", tn_cu_result,                                                       \
      (void *to, tn_cu_address from, size_t n, tn_cu_stream s))                                              \
    X(stream_create, "cuStreamCreate", tn_cu_result, (tn_cu_stream * ret, unsigned flags))                   \
    X(stream_destroy, "cuStreamDestroy_v2", tn_cu_result, (tn_cu_stream s))                                  \
    X(stream_wait, "cuStreamSynchronize", tn_cu_result, (tn_cu_stream s))                                    \
    X(stream_wait_event, "cuStreamWaitEvent", tn_cu_result, (tn_cu_stream s, tn_cu_event e, unsigned flags)) \
    X(event_create, "cuEventCreate", tn_cu_result, (tn_cu_event * ret, unsigned flags))                      \
    X(event_destroy, "cuEventDestroy_v2", tn_cu_result, (tn_cu_event e))                                     \
    X(event_record, "cuEventRecord", tn_cu_result, (tn_cu_event e, tn_cu_stream s))                          \
    X(event_wait, "cuEventSynchronize", tn_cu_result, (tn_cu_event e))                                       \
    X(module_load, "cuModuleLoadData", tn_cu_result, (tn_cu_module * ret, const void *image))                \
    X(module_unload, "cuModuleUnload", tn_cu_result, (tn_cu_module m))                                       \
    X(module_function, "cuModuleGetFunction", tn_cu_result,                                                  \
      (tn_cu_function * ret, tn_cu_module m, const char *name))                                              \
    X(function_attribute, "cuFuncGetAttribute", tn_cu_result, (int *ret, int attribute, tn_cu_function f))   \
    X(launch, "cuLaunchKernel", tn_cu_result,                                                                \
      (tn_cu_function f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,       \
       unsigned shared_bytes, tn_cu_stream s, void **params, void **extra))

#define TN_CUDA_NVRTC_FUNCTIONS(X)                                                                           \
    X(version, "nvrtcVersion", tn_nvrtc_result, (int *ret_major, int *ret_minor))                            \
    X(error_string, "nvrtcGetErrorString", const char *, (tn_nvrtc_result code))                             \
    X(n_arch, "nvrtcGetNumSupportedArchs", tn_nvrtc_result, (int *ret))                                      \
    X(archs, "nvrtcGetSupportedArchs", tn_nvrtc_result, (int *ret))                                          \
    X(create, "nvrtcCreateProgram", tn_nvrtc_result,                                                         \
      (tn_nvrtc_program * ret, const char *text, const char *name, int n_header, const char *const *headers, \
       const char *const *header_names))                                                                     \
    X(destroy, "nvrtcDestroyProgram", tn_nvrtc_result, (tn_nvrtc_program * p))                               \
    X(compile, "nvrtcCompileProgram", tn_nvrtc_result,                                                       \
      (tn_nvrtc_program p, int n_option, const char *const *options))                                        \
    X(log_size, "nvrtcGetProgramLogSize", tn_nvrtc_result, (tn_nvrtc_program p, size_t * ret))               \
    X(log, "nvrtcGetProgramLog", tn_nvrtc_result, (tn_nvrtc_program p, char *ret))                           \
    X(cubin_size, "nvrtcGetCUBINSize", tn_nvrtc_result, (tn_nvrtc_program p, size_t * ret))                  \
    X(cubin, "nvrtcGetCUBIN", tn_nvrtc_result, (tn_nvrtc_program p, char *ret))                              \
    X(ptx_size, "nvrtcGetPTXSize", tn_nvrtc_result, (tn_nvrtc_program p, size_t * ret))                      \
    X(ptx, "nvrtcGetPTX", tn_nvrtc_result, (tn_nvrtc_program p, char *ret))

#define TN_CUDA_MEMBER(member, name, result, parameters) result(*member) parameters;
typedef struct tn_cuda_driver {
    void *handle;
    TN_CUDA_DRIVER_FUNCTIONS(TN_CUDA_MEMBER)
} tn_cuda_driver;
typedef struct tn_cuda_nvrtc {
    void *handle;
    int major, minor; /* of the toolkit it belongs to */
    TN_CUDA_NVRTC_FUNCTIONS(TN_CUDA_MEMBER)
} tn_cuda_nvrtc;
#undef TN_CUDA_MEMBER

/* libcuda.so.1, or what TENON_LIBCUDA names. TN_ENOTSUP: not there, or without a function that is needed. */
int tn_cuda_driver_open(tn_cuda_driver *ret, tn_error *err);
void tn_cuda_driver_close(tn_cuda_driver *d);

/* The newest NVRTC of a toolkit no newer than driver_major: what TENON_NVRTC names, else from the usual
 * places of libraries, CUDA_HOME, CUDA_PATH, /usr/local/cuda. TN_ENOTSUP says where it was looked for. */
int tn_cuda_nvrtc_open(tn_cuda_nvrtc *ret, int driver_major, tn_error *err);
void tn_cuda_nvrtc_close(tn_cuda_nvrtc *n);

#endif
