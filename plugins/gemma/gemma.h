/* SPDX-License-Identifier: Apache-2.0 */
/* What the two programs of a model know of it. */
#ifndef GEMMA_H
#define GEMMA_H

#include <tenon/family.h>

typedef struct gemma_tower {
    uint32_t n_layer, n_embd, n_head, n_ff; /* n_layer 0: there is none */
    uint32_t image_size, patch;
    uint32_t pool;   /* pool x pool patches become one row */
    int mlp_swapped; /* GGUF: the names of its two layers */
    float norm_eps;
} gemma_tower;

typedef struct gemma {
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    uint32_t window;
    uint8_t *sliding; /* [n_layer] */
    int is_gemma3;
    float norm_eps, attn_scale, attn_softcap, logit_softcap;
    gemma_tower tower;
} gemma;

void gemma_read_tower(gemma *m, const tn_config *c);
int32_t gemma_vision(void *instance, const tn_config *c, tn_vision *ret);
void gemma_record_vision(void *instance, tn_recorder *r);

#endif
