/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled kernels on disk: in the folder TENON_CUDA_CACHE ("off": nowhere), else $XDG_CACHE_HOME/tenon/cuda
 * or
 * ~/.cache/tenon/cuda. A file that cannot be read or is damaged counts as absent, one that cannot be written
 * as written: the kernel is compiled again. Processes may share the folder. */
#ifndef TN_DEVICE_CUDA_CACHE_H
#define TN_DEVICE_CUDA_CACHE_H

#include <stdbool.h>

#include "device/cuda/compile.h"
#include "device/cuda/hash.h"

/* Whether there is an image of this key; it is the caller's. */
bool tn_cuda_cache_get(const uint8_t key[TN_SHA256_BYTES], tn_cuda_image *ret);
void tn_cuda_cache_put(const uint8_t key[TN_SHA256_BYTES], const tn_cuda_image *image);

#endif
