/* SPDX-License-Identifier: Apache-2.0 */
/* SentencePiece's precompiled character map: a double-array trie (Darts) from byte sequences to offsets in a
 * table of NUL-terminated replacements. */
#ifndef TN_TEXT_CHARSMAP_H
#define TN_TEXT_CHARSMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"

typedef struct tn_charsmap tn_charsmap;

/* Copies and checks blob[0, len). TN_EFORMAT, TN_ENOMEM. */
int tn__charsmap_new(const void *blob, size_t len, tn_charsmap **ret, tn_error *err);
/* The same from base64, as tokenizer.json has it. */
int tn__charsmap_new_base64(const char *text, size_t len, tn_charsmap **ret, tn_error *err);
void tn__charsmap_free(tn_charsmap *c);

/* Appends the mapped form of well-formed s[0, n). longest: at each place the longest key counts, as
 * SentencePiece does; otherwise the tokenizers library's way: whole grapheme clusters of up to five bytes,
 * else single characters, and of the keys that begin there the shortest. */
int tn__charsmap_apply(const tn_charsmap *c, bool longest, const char *s, size_t n, tn_buf *out);

#endif
