/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* A checkpoint's hyper-parameters, read by a family without caring which format they came in.
 *
 * Every look-up names the parameter twice: `hf` is a dotted path in config.json ("rope_scaling.factor"; where
 * the path is absent the same path below "text_config" is tried; paths that begin with "preprocessor." or
 * "video_preprocessor." are in preprocessor_config.json or video_preprocessor_config.json), `gguf` a metadata
 * key, whose leading '.' stands for "ARCHITECTURE." (".block_count"); keys that begin with "clip." are in the
 * file of the vision tower (mmproj). Either may be NULL: the format does not have it.
 *
 * The first failed look-up (a required parameter absent, a wrong type, a value over max) sticks and is
 * reported by the host after the callback returns; until then the look-ups give harmless values. A family
 * need not check each one. */
#ifndef TENON_CONFIG_H
#define TENON_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tn_config_format { TN_CONFIG_HF = 1, TN_CONFIG_GGUF = 2 };

#define TN_REQUIRED_U32 UINT32_MAX /* as a default: the parameter must be there, and be at least 1 */
#define TN_REQUIRED_F32 (-1.0f)    /* as a default: the parameter must be there, and be positive */

typedef struct tn_config tn_config;
/* Owned by the host, valid during the callback it is passed to. [control thread] */
struct tn_config {
    uint32_t size;    /* sizeof(tn_config) */
    uint32_t format;  /* enum tn_config_format */
    const char *arch; /* model_type of config.json, or general.architecture; "" when absent */
    void *ctx;        /* the host's */

    /* 1 when the parameter is present and not null. */
    int32_t (*has)(const tn_config *c, const char *hf, const char *gguf);
    /* A whole number from 0 to max. absent gives def (TN_REQUIRED_U32: an error). */
    uint32_t (*u32)(const tn_config *c, const char *hf, const char *gguf, uint32_t def, uint32_t max);
    /* Element i of an array, or the scalar where one value serves all layers; absent (also past the end)
     * gives def. */
    uint32_t (*u32_at)(const tn_config *c, const char *hf, const char *gguf, uint32_t i, uint32_t def,
                       uint32_t max);
    /* A finite number. absent gives def (TN_REQUIRED_F32: an error). */
    float (*f32)(const tn_config *c, const char *hf, const char *gguf, float def);
    /* true or false as 1 or 0; a number counts as its truth. absent gives def. */
    int32_t (*flag)(const tn_config *c, const char *hf, const char *gguf, int32_t def);
    /* A string, NUL-terminated, valid as long as c; absent gives def. str_at: element i of an array of
     * strings. */
    const char *(*str)(const tn_config *c, const char *hf, const char *gguf, const char *def);
    const char *(*str_at)(const tn_config *c, const char *hf, const char *gguf, uint32_t i, const char *def);
    /* 1 when the checkpoint holds this tensor (spelled as in the file, prefix rules of tn_weight_desc apply).
     */
    int32_t (*has_tensor)(const tn_config *c, const char *hf, const char *gguf);
    /* How many elements that tensor has along axis, 0 being the outermost; 0 where there is no such tensor or
     * axis. */
    uint64_t (*tensor_dim)(const tn_config *c, const char *hf, const char *gguf, uint32_t axis);
    /* Makes the callback fail with this message ("hidden_act: \"relu\" is not supported, only \"silu\""). */
    void (*reject)(const tn_config *c, int32_t status, const char *fmt, ...);
};

/* How many of head_dim dimensions turn, for tn_rope_desc.n_dims: GGUF keeps a count, config.json a fraction
 * of head_dim (partial_rotary_factor, in newer files below rope_parameters). head_dim where there is neither.
 */
static inline uint32_t tn_rotary_dims(const tn_config *c, uint32_t head_dim) {
    if (c->format == TN_CONFIG_GGUF) return c->u32(c, NULL, ".rope.dimension_count", head_dim, 1 << 16);
    float part = c->f32(c, "partial_rotary_factor", NULL, 1);
    part = c->f32(c, "rope_parameters.partial_rotary_factor", NULL, part);
    if (part > 0 && part <= 1) return (uint32_t)((float)head_dim * part);
    c->reject(c, TN_EFORMAT, "partial_rotary_factor is %g, it must be above 0 and at most 1", (double)part);
    return head_dim;
}

#ifdef __cplusplus
}
#endif
#endif
