/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers: text to token ids and back, as the checkpoint's own tokenizer defines it.
 *
 * A tokenizer is read from a directory (tokenizer.json, tokenizer_config.json) or from the metadata of a GGUF
 * file. Both give the same pipeline: added tokens are cut out of the text, the rest is normalised, split into
 * words, encoded by the model (BPE, Unigram, WordPiece), and the post-processor adds its tokens.
 *
 * Text is bytes with a length: NUL and empty are fine, ill-formed UTF-8 is read as U+FFFD, one for each
 * maximal ill-formed part. Everything here is immutable after loading and may be used by any thread at once;
 * a tn_detok belongs to one thread at a time.
 *
 * Limits: TN_TOKENIZER_MAX_*; beyond them loading or encoding fails with TN_ELIMIT and both numbers. */
#ifndef TN_TEXT_TOKENIZER_H
#define TN_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"
#include "weights/gguf.h"

enum {
    TN_TOKENIZER_MAX_FILE = 512 << 20, /* bytes of a tokenizer.json */
    TN_TOKENIZER_MAX_VOCAB = 1 << 22,  /* ids */
    TN_TOKENIZER_MAX_PIECE = 4096,     /* bytes of an added token, of a Unigram or WordPiece piece */
    TN_TOKENIZER_MAX_TEXT = 64 << 20,  /* bytes of one text; encoding takes up to 40 times as much memory */
};

typedef struct tn_tokenizer tn_tokenizer;

/* A growable list of token ids. {0} is an empty one. */
typedef struct tn_ids {
    int32_t *data; /* len ids; owned */
    size_t len, cap;
} tn_ids;

/* Appends; TN_ENOMEM leaves the list as it was. */
int tn_ids_add(tn_ids *ids, const int32_t *more, size_t n);
void tn_ids_free(tn_ids *ids);

/* Reads DIR/tokenizer.json, and DIR/tokenizer_config.json, special_tokens_map.json and chat_template.jinja
 * where they are there. TN_ENOENT (no tokenizer.json), TN_EFORMAT (damaged or contradictory: says what),
 * TN_ENOTSUP (a part of the pipeline that we do not know: named), TN_ELIMIT, TN_EIO, TN_ENOMEM. [control
 * thread] */
int tn_tokenizer_load_dir(const char *dir, tn_tokenizer **ret, tn_error *err);
/* Reads one tokenizer.json and nothing beside it. Errors as above. [control thread] */
int tn_tokenizer_load_file(const char *path, tn_tokenizer **ret, tn_error *err);
/* Reads the tokenizer.* metadata of g, which may be closed afterwards. TN_ENOENT (no vocabulary in the file),
 * TN_EFORMAT, TN_ENOTSUP (a tokenizer model or pre-tokenizer name that we do not know: named), TN_ELIMIT,
 * TN_ENOMEM. A missing pre-tokenizer name is logged and read as "default". [control thread] */
int tn_tokenizer_load_gguf(const tn_gguf *g, tn_tokenizer **ret, tn_error *err);
/* NULL is harmless. */
void tn_tokenizer_free(tn_tokenizer *t);

enum {
    TN_ENCODE_ADD_SPECIAL = 1, /* add what the post-processor adds (begin of text, ...) */
    TN_ENCODE_PARSE_SPECIAL =
        2, /* special tokens written in the text become their ids; without it they are plain
              text. Added tokens that are not special are recognised in either case */
};

/* Appends the ids of text[0, len) to ret_ids; on failure ret_ids is as it was. TN_ELIMIT (text too long, or a
 * splitting pattern that exceeds its match, depth or memory limit on this text), TN_EINVAL (a character that
 * the vocabulary cannot express and no unknown token), TN_ENOMEM. [any thread] */
int tn_tokenizer_encode(const tn_tokenizer *t, const char *text, size_t len, unsigned flags, tn_ids *ret_ids,
                        tn_error *err);
/* The same for two texts, joined as the post-processor joins a pair. [any thread] */
int tn_tokenizer_encode_pair(const tn_tokenizer *t, const char *a, size_t a_len, const char *b, size_t b_len,
                             unsigned flags, tn_ids *ret_ids, tn_error *err);

enum {
    TN_DECODE_SKIP_SPECIAL = 1, /* special tokens give no text */
    TN_DECODE_CONTINUE = 2,     /* the ids continue an earlier text: nothing is stripped at their start */
};

/* Appends the text of ids to ret_text: always well-formed UTF-8, bytes that are none become U+FFFD. Ids
 * outside the vocabulary give no text. TN_ELIMIT or TN_ENOMEM as ret_text says. [any thread] */
int tn_tokenizer_decode(const tn_tokenizer *t, const int32_t *ids, size_t n, unsigned flags, tn_buf *ret_text,
                        tn_error *err);

/* Text while ids arrive. Each push appends what has become certain; a character whose bytes are not all there
 * yet is held back, so that the output never ends inside one. The concatenation is what tn_tokenizer_decode
 * gives for all ids, with one exception that no stream could avoid: byte tokens (<0xE4>) that turn out
 * ill-formed only after complete characters of the same run were handed out. */
typedef struct tn_detok tn_detok;

/* flags: TN_DECODE_*. t must outlive the result. TN_ENOMEM gives NULL. */
tn_detok *tn_detok_new(const tn_tokenizer *t, unsigned flags);
void tn_detok_free(tn_detok *d);
/* Appends to out; TN_ELIMIT or TN_ENOMEM as out says. */
int tn_detok_push(tn_detok *d, int32_t id, tn_buf *out);
/* What was held back: an incomplete character becomes U+FFFD. d is then as new. */
int tn_detok_finish(tn_detok *d, tn_buf *out);

/* Ids are 0 .. n_vocab - 1; a vocabulary may have holes (tn_tokenizer_piece gives NULL there). */
int32_t tn_tokenizer_n_vocab(const tn_tokenizer *t);
/* The piece as the vocabulary spells it ("Ġthe", "<0x0A>", "▁a"), borrowed, NUL-terminated, or NULL. */
const char *tn_tokenizer_piece(const tn_tokenizer *t, int32_t id, size_t *ret_len);
/* The id of a piece or added token, or -1. */
int32_t tn_tokenizer_id(const tn_tokenizer *t, const char *piece, size_t len);
/* Appends the bytes that id contributes inside a text (a part of a character, perhaps); special tokens give
 * theirs. */
int tn_tokenizer_token_bytes(const tn_tokenizer *t, int32_t id, tn_buf *out);
/* Whether id is a special token (one that skip_special leaves out). */
bool tn_tokenizer_is_special(const tn_tokenizer *t, int32_t id);
/* Whether generation ends at id: end of text, of turn or of message, by role or by well-known spelling. */
bool tn_tokenizer_is_end(const tn_tokenizer *t, int32_t id);

/* Ids by role, or -1: begin and end of text, end of turn, padding, unknown. */
int32_t tn_tokenizer_bos(const tn_tokenizer *t);
int32_t tn_tokenizer_eos(const tn_tokenizer *t);
int32_t tn_tokenizer_eot(const tn_tokenizer *t);
int32_t tn_tokenizer_pad(const tn_tokenizer *t);
int32_t tn_tokenizer_unk(const tn_tokenizer *t);
/* Whether TN_ENCODE_ADD_SPECIAL begins a single text with bos / ends it with eos. */
bool tn_tokenizer_adds_bos(const tn_tokenizer *t);
bool tn_tokenizer_adds_eos(const tn_tokenizer *t);

/* The text of a named special token as the configuration gives it ("bos_token", "image_token", ...),
 * borrowed, or NULL: what a chat template sees under that name. */
const char *tn_tokenizer_named_token(const tn_tokenizer *t, const char *name);
/* The i-th of them, or NULL past the last; *ret_text is its text. */
const char *tn_tokenizer_named_token_at(const tn_tokenizer *t, size_t i, const char **ret_text);

/* The chat template called name ("default" for the plain one, NULL the same), borrowed, or NULL. */
const char *tn_tokenizer_chat_template(const tn_tokenizer *t, const char *name, size_t *ret_len);
/* The name of the i-th chat template, or NULL past the last. */
const char *tn_tokenizer_chat_template_name(const tn_tokenizer *t, size_t i);

#endif
