/* SPDX-License-Identifier: Apache-2.0 */
/* What the two programs of a model know of it. */
#ifndef QWEN_VL_H
#define QWEN_VL_H

#include <tenon/family.h>

enum { QWEN_VL_DEEP = 7, QWEN_VL_DEPTH = 256 };

typedef enum qwen_vl_kind { QWEN2_VL, QWEN2_5_VL, QWEN3_VL } qwen_vl_kind;

typedef struct qwen_vl_tower {
    uint32_t depth, n_embd, n_head, n_ff, n_out;
    uint32_t patch, temporal, merge, n_channel;
    uint32_t window;             /* patches to a side; 0: none */
    uint8_t full[QWEN_VL_DEPTH]; /* blocks that see all of a frame */
    uint32_t pos_side;
    uint32_t n_deep, deep[QWEN_VL_DEEP]; /* blocks after which rows go to the text's first layers too */
    uint32_t activation;
    /* GGUF files of towers. */
    int is_mmproj;
    int mlp_swapped; /* the names of the mlp's first and last layer */
    int split_qkv;
} qwen_vl_tower;

typedef struct qwen_vl {
    qwen_vl_kind kind;
    uint32_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx;
    uint32_t section[3]; /* pairs that turn by time, y, x */
    float norm_eps;
    int has_tower;
    qwen_vl_tower tower;
} qwen_vl;

void qwen_vl_read_tower(qwen_vl *m, const tn_config *c);
int32_t qwen_vl_vision(void *instance, const tn_config *c, tn_vision *ret);
void qwen_vl_record_vision(void *instance, tn_recorder *r);

#endif
