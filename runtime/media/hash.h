/* SPDX-License-Identifier: Apache-2.0 */
/* The name of some bytes: BLAKE2b with 256 bits (RFC 7693). Two that are alike have not been found and cannot
 * be made. [any thread] */
#ifndef TN_MEDIA_HASH_H
#define TN_MEDIA_HASH_H

#include <sodium/crypto_generichash.h>
#include <stddef.h>
#include <stdint.h>

#include "media/media.h"

void tn_media_hash_bytes(const void *bytes, size_t n, tn_media_hash *ret);

/* The same piece by piece: init, add as often as wanted, finish. Pieces are not told apart: whoever hashes
 * several things adds their lengths. */
typedef struct tn_media_hasher {
    crypto_generichash_state state;
} tn_media_hasher;

void tn_media_hasher_init(tn_media_hasher *h);
void tn_media_hasher_add(tn_media_hasher *h, const void *bytes, size_t n);
/* Little endian, whatever the machine's order. */
void tn_media_hasher_add_u64(tn_media_hasher *h, uint64_t value);
void tn_media_hasher_finish(tn_media_hasher *h, tn_media_hash *ret);

/* Compares. */
bool tn_media_hash_equal(const tn_media_hash *a, const tn_media_hash *b);

#endif
