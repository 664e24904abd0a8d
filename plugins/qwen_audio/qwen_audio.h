/* SPDX-License-Identifier: Apache-2.0 */
/* What the two programs of a model know of it. */
#ifndef QWEN_AUDIO_H
#define QWEN_AUDIO_H

#include <tenon/family.h>

typedef struct qwen_audio_tower {
    uint32_t n_layer, n_embd, n_head, n_ff, n_mel;
    uint32_t n_position;    /* Qwen2-Audio: rows of a window */
    uint32_t n_channel;     /* Qwen3-ASR: of its convolutions */
    uint32_t piece, window; /* Qwen3-ASR: frames */
} qwen_audio_tower;

typedef struct qwen_audio {
    int is_asr;
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    float norm_eps;
    qwen_audio_tower tower;
} qwen_audio;

void qwen_audio_read_tower(qwen_audio *m, const tn_config *c);
int32_t qwen_audio_audio(void *instance, const tn_config *c, tn_audio *ret);
void qwen_audio_record_audio(void *instance, tn_recorder *r);

#endif
