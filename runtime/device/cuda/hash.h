/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 (FIPS 180-4). */
#ifndef TN_DEVICE_CUDA_HASH_H
#define TN_DEVICE_CUDA_HASH_H

#include <stddef.h>
#include <stdint.h>

enum { TN_SHA256_BYTES = 32 };

typedef struct tn_sha256 {
    uint32_t state[8];
    uint64_t n_byte;
    uint8_t block[64];
} tn_sha256;

void tn_sha256_init(tn_sha256 *h);
void tn_sha256_add(tn_sha256 *h, const void *data, size_t n);
void tn_sha256_end(tn_sha256 *h, uint8_t ret[TN_SHA256_BYTES]);

#endif
