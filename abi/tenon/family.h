/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* What a family module offers: get_factory("tenon.family/0") returns a const tn_family.
 *
 * A family says which checkpoints it takes, reads their hyper-parameters, and records their forward pass. It
 * holds no weights and does no arithmetic. Life of an instance: probe (no instance) -> create -> describe,
 * record -> destroy, all on the control thread; several instances may exist. */
#ifndef TENON_FAMILY_H
#define TENON_FAMILY_H

#include <stdint.h>
#include <tenon/audio.h>
#include <tenon/config.h>
#include <tenon/encoder.h>
#include <tenon/module.h>
#include <tenon/program.h>
#include <tenon/status.h>
#include <tenon/vision.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TN_FAMILY_FACTORY "tenon.family/0"

/* Facts the host needs of a model. */
typedef struct tn_model_info {
    uint32_t size;    /* sizeof(tn_model_info), set by the host before describe() */
    uint32_t n_layer; /* layers with a cache */
    uint32_t n_embd;
    uint32_t n_ctx; /* longest context the model was made for, tokens */
} tn_model_info;

/* How a family's models converse; strings are static, NULL where there is none. */
typedef struct tn_chat_conventions {
    const char *template_fallback; /* Jinja text for checkpoints without a template */
    const char *reasoning_open;    /* "<think>" */
    const char *reasoning_close;   /* "</think>" */
} tn_chat_conventions;

typedef struct tn_family {
    uint32_t size; /* sizeof(tn_family) */
    uint32_t reserved;
    const char *summary; /* "Llama 2 and 3.x, Mistral" */
    tn_chat_conventions chat;

    /* How well this family serves the checkpoint: 0 not at all, 100 made for it. Looks at c only. */
    int32_t (*probe)(const tn_config *c);
    /* Reads and checks hyper-parameters. options: the module's, in the order of its table; NULL when it has
     * none. host, options and *ret live until destroy; c only during the call. On success *ret is the
     * instance. Returns 0 or a tn_status with err filled; what c recorded as failed need not be repeated. */
    int32_t (*create)(const tn_host *host, const tn_option_value *options, const tn_config *c, void **ret,
                      tn_error *err);
    void (*describe)(void *instance, tn_model_info *ret);
    /* Records the text program; NULL: the family makes embeddings only. */
    void (*record)(void *instance, tn_recorder *r);
    void (*destroy)(void *instance);
    /* What the instance's checkpoint sees with; both NULL: the family takes no images. vision returns 0 where
     * this checkpoint has no tower, else 1 with *ret filled; c as in create, of which what failed sticks.
     * record_vision records the tower. */
    int32_t (*vision)(void *instance, const tn_config *c, tn_vision *ret);
    void (*record_vision)(void *instance, tn_recorder *r);
    /* How the checkpoint makes embeddings; both NULL: the family makes none. encoder returns 0 where this one
     * cannot, else enum tn_encodes with *ret filled; c as in create. record_encoder records the encoder:
     * embed() to output(), the rows that are pooled. */
    int32_t (*encoder)(void *instance, const tn_config *c, tn_encoder_info *ret);
    void (*record_encoder)(void *instance, tn_recorder *r);
    /* The same for what it hears with. A checkpoint sees or hears, not both. */
    int32_t (*audio)(void *instance, const tn_config *c, tn_audio *ret);
    void (*record_audio)(void *instance, tn_recorder *r);
} tn_family;

#ifdef __cplusplus
}
#endif
#endif
