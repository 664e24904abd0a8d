/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of a vocabulary: id to bytes and bytes to id. Strings lie in one arena; the hash table holds ids
 * only. */
#ifndef TN_TEXT_VOCAB_H
#define TN_TEXT_VOCAB_H

#include <stdbool.h>
#include <stdint.h>
#include <tenon/status.h>

typedef struct tn_vocab {
    char *arena; /* every piece followed by a NUL */
    size_t arena_len, arena_cap;
    struct tn_span {
        uint32_t off, len;
    } * span;      /* by id; off is TN_VOCAB_HOLE where the id has no piece */
    uint32_t n_id; /* highest id + 1 */
    uint32_t id_cap;
    uint32_t n_piece; /* ids with a piece that look-ups find */
    uint32_t *slot;   /* id + 1, 0 is free; linear probing, at most 2/3 full */
    uint32_t n_slot;  /* a power of two, or 0 */
    uint32_t max_len; /* bytes of the longest piece */
} tn_vocab;

#define TN_VOCAB_HOLE UINT32_MAX

/* How a piece is added. */
typedef enum tn_vocab_mode {
    TN_VOCAB_UNIQUE, /* the piece must be new */
    TN_VOCAB_LATEST, /* of several ids with this piece, look-ups find the one added last */
    TN_VOCAB_HIDDEN, /* known by its id, not found by look-ups: added tokens that the model does not have */
} tn_vocab_mode;

/* Gives id the piece s[0, len). TN_EFORMAT: id or piece is there already; TN_ELIMIT; TN_ENOMEM. */
int tn__vocab_add(tn_vocab *v, uint64_t id, const char *s, size_t len, tn_vocab_mode mode, tn_error *err);
/* Whether s[0, len) is a piece; *ret is its id. */
bool tn__vocab_find(const tn_vocab *v, const char *s, size_t len, uint32_t *ret);
/* Whether id has a piece. */
static inline bool tn__vocab_has(const tn_vocab *v, uint64_t id) {
    return id < v->n_id && v->span[id].off != TN_VOCAB_HOLE;
}
/* The piece of an id that has one. */
static inline const char *tn__vocab_text(const tn_vocab *v, uint32_t id, size_t *ret_len) {
    *ret_len = v->span[id].len;
    return v->arena + v->span[id].off;
}
/* Gives unused memory back, once loading is over. */
void tn__vocab_shrink(tn_vocab *v);
void tn__vocab_fini(tn_vocab *v);

#endif
