/* SPDX-License-Identifier: Apache-2.0 */
/* A set of byte strings for longest-match and common-prefix searches. Nodes are numbered breadth first, so
 * the children of a node are neighbours and one label byte, one first-child index and one value are all that
 * a node needs. */
#ifndef TN_TEXT_TRIE_H
#define TN_TEXT_TRIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

typedef struct tn_trie {
    uint8_t *label;  /* of the edge into a node */
    uint32_t *first; /* children of node i: first[i] .. first[i + 1] */
    uint32_t *value; /* TN_TRIE_NONE where no key ends */
    uint32_t n;      /* nodes; 0 for an empty set */
} tn_trie;

typedef struct tn_trie_key {
    const char *s;
    uint32_t len; /* > 0 */
    uint32_t value;
} tn_trie_key;

#define TN_TRIE_NONE UINT32_MAX

/* Sorts keys and builds; of equal keys the one with the lowest value stays. TN_ENOMEM, TN_ELIMIT. */
int tn__trie_init(tn_trie *t, tn_trie_key *keys, size_t n, tn_error *err);
void tn__trie_fini(tn_trie *t);
/* One step: *node (the root is 0) along byte c. False: no such child. */
bool tn__trie_step(const tn_trie *t, uint32_t *node, unsigned char c);
/* The longest key that s[0, n) begins with, searched from node; its length, 0 for none. */
size_t tn__trie_longest(const tn_trie *t, uint32_t node, const char *s, size_t n, uint32_t *ret_value);

#endif
