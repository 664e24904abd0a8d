/* SPDX-License-Identifier: Apache-2.0 */
/* Media in a prompt: which tokens stand for which rows of which medium, and where they stand for rotary
 * tables with axes. Pure functions.
 *
 * A chat template writes a placeholder for each medium (tn_vision.image_text, video_text). It becomes begin,
 * a token for each row of the tower's output, end. Three ways lead there:
 *  - tn_media_expand: the placeholder is found in ids. Texts beside it are encoded by themselves.
 *  - tn_media_write, the caller's tokenizer, tn_media_fill: the placeholder is found in the text, before that
 * is encoded, so that what stands beside it may join ("\n" before Gemma's "\n\n"), as it does in the
 * families' own processors.
 *  - tn_media_bind: the rows are in the ids already. */
#ifndef TN_MEDIA_PROMPT_H
#define TN_MEDIA_PROMPT_H

#include <tenon/audio.h>
#include <tenon/status.h>
#include <tenon/vision.h>

#include "base/buf.h"
#include "media/media.h"

enum {
    TN_MEDIA_MAX_TOKENS = 1 << 26, /* of a prompt */
    TN_MEDIA_MAX_MEDIA = 1 << 16,  /* in it */
};

/* How a model takes media; NULL: it takes none of these. Both outlive what they are given to. */
typedef struct tn_media_rules {
    const tn_vision *vision;
    const tn_audio *audio;
} tn_media_rules;

/* How the tokenizer spells the tokens of rows; NULL where there is none. */
typedef struct tn_media_row_texts {
    const char *image, *video, *audio;
} tn_media_row_texts;

/* An image, a video or a recording of a prompt: what tn_patches and tn_patches_size know of it. */
typedef struct tn_medium {
    tn_media_kind kind;
    uint32_t grid[3];      /* patches: time, y, x; of a recording 1, 1, rows of the tower's output */
    const double *seconds; /* [grid[0]]: tn_patches.seconds, borrowed; videos of TN_VIDEO_TIMED */
    double step;           /* tn_patches.step; videos of TN_VIDEO_WHOLE */
} tn_medium;

/* Tokens that follow each other and stand for rows that follow each other: all of a medium, or one time of a
 * video of TN_VIDEO_TIMED. */
typedef struct tn_media_span {
    size_t first;     /* token of the prompt */
    uint32_t n;       /* tokens, and rows */
    uint32_t medium;  /* index in the list of media */
    uint32_t row;     /* the first one, of that medium's output in the picture's order (tn_patches.place) */
    uint32_t grid[3]; /* output rows: time, y, x; their product is n */
    float step;       /* seconds from one time to the next; 0 where there is one */
} tn_media_span;

/* Owns what it points to. */
typedef struct tn_media_prompt {
    int32_t *ids; /* [n] */
    size_t n;
    tn_media_span *spans; /* [n_span], ascending */
    size_t n_span;
} tn_media_prompt;

/* Zeros are harmless. [any thread] */
void tn_media_prompt_fini(tn_media_prompt *p);

/* Writes the ids of text, special tokens in it included, nothing added, to ret [room], and how many to
 * *ret_n. Fails with TN_ELIMIT when they are more. */
typedef int (*tn_media_encode)(void *ctx, const char *text, int32_t *ret, size_t room, size_t *ret_n,
                               tn_error *err);

/* ids [n] with a placeholder for each of media [n_media], the i-th for images standing for the i-th image,
 * and so for videos. *ret is the caller's, empty after a failure. TN_EINVAL (more placeholders of a kind than
 * media or fewer: both numbers; more placeholders than the family knows), TN_ENOTSUP (a kind that the family
 * does not take), TN_EFORMAT (a grid or a time that cannot be), TN_ELIMIT, TN_ENOMEM; what encode returns.
 * [any thread]
 */
int tn_media_expand(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                    size_t n_media, tn_media_encode encode, void *ctx, tn_media_prompt *ret, tn_error *err);

/* The same in two steps, text first: appends text [len] to out, placeholders replaced by begin, the text of
 * one row token, end. Errors as above, and those of out. [any thread] */
int tn_media_write(const tn_media_rules *v, const char *text, size_t len, const tn_medium *media,
                   size_t n_media, const tn_media_row_texts *rows, tn_buf *out, tn_error *err);
/* Then, in the ids of that text: each row token becomes as many as there are rows. Errors of tn_media_expand.
 * [any thread] */
int tn_media_fill(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                  size_t n_media, tn_media_prompt *ret, tn_error *err);

/* For ids in which all row tokens stand already: finds them. TN_EINVAL when they are not as many as media
 * have rows, or lie otherwise (both numbers); further errors of tn_media_expand. [any thread] */
int tn_media_bind(const tn_media_rules *v, const int32_t *ids, size_t n, const tn_medium *media,
                  size_t n_media, tn_media_prompt *ret, tn_error *err);

/* Where the n tokens of a prompt stand: ret_coord [3][n], time, y, x; *ret_next is all three coordinates of
 * the token after the prompt, and so on by ones. With TN_POSITIONS_PLAIN all are the token's number. Times of
 * TN_VIDEO_WHOLE are floor(time * step * tokens_per_second), in single precision as in transformers.
 * TN_ELIMIT (a coordinate beyond 2^30), TN_EBUG (spans that do not lie in the prompt). [any thread] */
int tn_media_positions(const tn_vision *v, size_t n, const tn_media_span *spans, size_t n_span,
                       int32_t *ret_coord, int32_t *ret_next, tn_error *err);

#endif
