/* SPDX-License-Identifier: Apache-2.0 */
#include "media/hash.h"

#include <pthread.h>
#include <sodium/core.h>
#include <string.h>

static void start(void) {
    if (sodium_init() < 0) return; /* the plain code still runs */
}

/* Lets the library choose the code for this processor. */
static void choose(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start);
}

/* The library's functions fail for wrong lengths only. */

void tn_media_hash_bytes(const void *bytes, size_t n, tn_media_hash *ret) {
    choose();
    crypto_generichash(ret->bytes, sizeof ret->bytes, bytes, n, NULL, 0);
}

void tn_media_hasher_init(tn_media_hasher *h) {
    choose();
    crypto_generichash_init(&h->state, NULL, 0, sizeof((tn_media_hash *)0)->bytes);
}

void tn_media_hasher_add(tn_media_hasher *h, const void *bytes, size_t n) {
    crypto_generichash_update(&h->state, bytes, n);
}

void tn_media_hasher_add_u64(tn_media_hasher *h, uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> (8 * i));
    tn_media_hasher_add(h, bytes, sizeof bytes);
}

void tn_media_hasher_finish(tn_media_hasher *h, tn_media_hash *ret) {
    crypto_generichash_final(&h->state, ret->bytes, sizeof ret->bytes);
}

bool tn_media_hash_equal(const tn_media_hash *a, const tn_media_hash *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
