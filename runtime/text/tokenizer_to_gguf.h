/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer as the metadata of a GGUF file. */
#ifndef TN_TEXT_TOKENIZER_TO_GGUF_H
#define TN_TEXT_TOKENIZER_TO_GGUF_H

#include "text/tokenizer.h"
#include "weights/gguf_write.h"

/* Appends tokenizer.* metadata for t, which was read from a directory; ids up to n_vocab that it does not
 * have become unused tokens. GGUF files name a kind of splitting instead of spelling it out: TN_ENOTSUP (with
 * what stands in the way) where there is no name for t's, or its model is none that has merges. That the
 * file's tokenizer gives the same ids is for the caller to see: tn_tokenizer_same. TN_ENOMEM. [control
 * thread] */
int tn_tokenizer_to_gguf(const tn_tokenizer *t, uint32_t n_vocab, tn_gguf_meta *out, tn_error *err);

/* 0 where both encode and decode a page of texts of all kinds alike, their special tokens included;
 * TN_ENOTSUP with the text that they differ in. [any thread] */
int tn_tokenizer_same(const tn_tokenizer *a, const tn_tokenizer *b, tn_error *err);

#endif
