/* SPDX-License-Identifier: Apache-2.0 */
/* From the bytes of a picture or a clip to frames. Modality modules do it, in helper processes: nothing of a
 * file is parsed in this one. A helper starts when it is first needed and serves one call at a time; one that
 * crashes, hangs or wants too much memory is ended, the call fails with that as the fault of its input, and
 * the next call starts another.
 *
 * The helper is this same program, started as `PROGRAM --media-helper MODULES` (helper.h). */
#ifndef TN_MEDIA_DECODER_H
#define TN_MEDIA_DECODER_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/modality.h>
#include <tenon/status.h>

#include "media/media.h"
#include "modules/registry.h"

typedef struct tn_decoder tn_decoder;

/* Limits of one call; messages name the setting in brackets, where there is one. 0: the default. */
typedef struct tn_decode_limits {
    uint64_t max_bytes;         /* of the file [media.max_bytes] */
    uint64_t max_pixels;        /* of one frame, compared before memory is asked for [media.max_pixels] */
    uint64_t max_decoded_bytes; /* of all frames of a call: more frames take more calls */
    uint64_t memory;            /* that a helper may take beside the file and the frames */
    uint32_t max_frames;        /* of one call [media.max_frames] */
    double max_duration_s;      /* of a video [media.max_duration] */
    double timeout_s;           /* [media.decode_timeout] */
} tn_decode_limits;

/* The defaults. */
#define TN_DECODE_MAX_BYTES         ((uint64_t)64 << 20)
#define TN_DECODE_MAX_PIXELS        40000000
#define TN_DECODE_MAX_DECODED_BYTES ((uint64_t)1 << 30)
#define TN_DECODE_MEMORY            ((uint64_t)2 << 30)
#define TN_DECODE_MAX_FRAMES        768
#define TN_DECODE_MAX_DURATION_S    3600.0
#define TN_DECODE_TIMEOUT_S         30.0

typedef struct tn_decoder_config {
    tn_decode_limits limits;
    uint32_t n_helper;   /* calls that are served at once, the others wait; 0: 2 */
    const char *program; /* that has --media-helper; NULL: $TENON_MODULE_SCANNER, else the one that runs */
} tn_decoder_config;

/* A decoder over the modality modules of a registry, which need not live longer than this call. Starts
 * nothing. config may be NULL. TN_EINVAL, TN_ENOMEM. [control] */
int tn_decoder_new(const tn_registry *r, const tn_decoder_config *config, tn_decoder **ret, tn_error *err);
/* Ends the helpers. No call may be running. NULL is harmless. [control] */
void tn_decoder_free(tn_decoder *d);

/* What is in a file. kind: enum tn_modality_kind that is wanted, which counts for files that can be read as
 * several, as animations can; 0: any. TN_EFORMAT (damaged, cut off, not a picture or a video at all; the
 * decoder crashed), TN_ENOTSUP (valid, but nothing here reads it), TN_ELIMIT (with the value, the limit and
 * its setting; time and memory count); TN_EIO (a helper cannot be started: not the input's fault), TN_EMODULE
 * (a module broke a rule), TN_ENOMEM. [any thread; waits] */
int tn_decoder_inspect(tn_decoder *d, uint32_t kind, const void *bytes, size_t n, tn_media_info *ret,
                       tn_error *err);

/* The frames whose numbers are in index [n_index], ascending (a number may stand there twice); 0 alone for an
 * image. *ret is the caller's to release with tn_frames_fini. Errors as above, and TN_EINVAL for a number
 * that is not below n_frame or out of order. [any thread; waits] */
int tn_decoder_frames(tn_decoder *d, uint32_t kind, const void *bytes, size_t n, const uint32_t *index,
                      uint32_t n_index, tn_frames *ret, tn_error *err);

/* The samples of a recording, at the rate of the file, mixed down to one channel. *ret is the caller's to
 * release with tn_sound_fini. Errors as above; TN_EINVAL: it is something else. [any thread; waits] */
int tn_decoder_sound(tn_decoder *d, const void *bytes, size_t n, tn_sound *ret, tn_error *err);

/* Frees what it owns; zeros are harmless. [any thread] */
void tn_frames_fini(tn_frames *f);

/* Helpers that had to be ended or died, since the start. [any thread] */
uint64_t tn_decoder_restarts(const tn_decoder *d);

#endif
