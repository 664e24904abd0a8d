/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/mix.h"

#include <stdlib.h>
#include <string.h>

/* file_type: the ids that GGUF files use. */
static const tn_mix mixes[] = {
    {"Q8_0", 7, TN_TYPE_Q8_0, TN_TYPE_Q8_0, TN_TYPE_Q8_0, TN_TYPE_Q8_0},
    {"Q6_K", 18, TN_TYPE_Q6_K, TN_TYPE_Q6_K, TN_TYPE_Q6_K, TN_TYPE_Q6_K},
    {"Q5_K_M", 17, TN_TYPE_Q5_K, TN_TYPE_Q6_K, TN_TYPE_Q6_K, TN_TYPE_Q6_K},
    {"Q5_K_S", 16, TN_TYPE_Q5_K, TN_TYPE_Q6_K, TN_TYPE_Q5_K, TN_TYPE_Q5_K},
    {"Q4_K_M", 15, TN_TYPE_Q4_K, TN_TYPE_Q6_K, TN_TYPE_Q6_K, TN_TYPE_Q5_K},
    {"Q4_K_S", 14, TN_TYPE_Q4_K, TN_TYPE_Q6_K, TN_TYPE_Q5_K, TN_TYPE_Q4_K},
    {"Q4_0", 2, TN_TYPE_Q4_0, TN_TYPE_Q6_K, TN_TYPE_Q4_0, TN_TYPE_Q4_0},
    {"BF16", 32, TN_TYPE_BF16, TN_TYPE_BF16, TN_TYPE_BF16, TN_TYPE_BF16},
    {"F16", 1, TN_TYPE_F16, TN_TYPE_F16, TN_TYPE_F16, TN_TYPE_F16},
    {"F32", 0, TN_TYPE_F32, TN_TYPE_F32, TN_TYPE_F32, TN_TYPE_F32},
};

const tn_mix *tn_mix_at(size_t i) {
    return i < sizeof mixes / sizeof *mixes ? &mixes[i] : NULL;
}

const tn_mix *tn_mix_find(const char *name) {
    for (size_t i = 0; i < sizeof mixes / sizeof *mixes; i++)
        if (strcmp(mixes[i].name, name) == 0) return &mixes[i];
    return NULL;
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), k = strlen(tail);
    return n >= k && strcmp(s + n - k, tail) == 0;
}

bool tn_mix_takes(const tn_mix_tensor *t) {
    static const char *const kept[] = {
        "_norm.weight",      "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight",
        "ssm_conv1d.weight", "pos_embd.weight",     "token_types.weight"};
    if (t->n_dim < 2 || !ends_with(t->name, ".weight")) return false;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (ends_with(t->name, kept[i])) return false;
    return true;
}

const char *tn_mix_kind(const char *name, uint32_t *ret_layer) {
    char *end;
    if (strncmp(name, "blk.", 4) != 0) return NULL;
    unsigned long layer = strtoul(name + 4, &end, 10);
    if (end == name + 4 || *end != '.') return NULL;
    *ret_layer = (uint32_t)layer;
    return end + 1;
}

/* The first and last eighth of the layers, and every third between. */
static bool counts_most(uint32_t i, uint32_t n) {
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static bool is_kind(const char *kind, const char *stem) {
    size_t n = strlen(stem);
    return kind && strncmp(kind, stem, n) == 0 && (kind[n] == '.' || kind[n] == '_'); /* ffn_down_exps too */
}

/* In the small mixes the first layers alone get more: a fixed four of attn_v, an eighth of ffn_down. */
static bool gets_more(const tn_mix *mix, const tn_mix_tensor *t, const char *kind) {
    bool small = mix->name[strlen(mix->name) - 1] == 'S';
    if (is_kind(kind, "attn_v")) return small ? t->rank < 4 : counts_most(t->rank, t->of);
    if (is_kind(kind, "ffn_down")) return small ? t->rank < t->of / 8 : counts_most(t->rank, t->of);
    return false;
}

tn_type tn_mix_choose(const tn_mix *mix, const tn_mix_tensor *t, tn_type *ret_wanted) {
    uint32_t layer;
    const char *kind = tn_mix_kind(t->name, &layer);
    tn_type type = mix->base;
    if (strcmp(t->name, "output.weight") == 0 || (t->tied && strcmp(t->name, "token_embd.weight") == 0))
        type = mix->output;
    else if (is_kind(kind, "attn_qkv"))
        type = mix->fused;
    else if (gets_more(mix, t, kind))
        type = mix->more;
    *ret_wanted = type;
    if (t->cols % tn_type_info_get(type)->block_elems == 0) return type;
    return t->cols % tn_type_info_get(TN_TYPE_Q8_0)->block_elems == 0 ? TN_TYPE_Q8_0 : TN_TYPE_F16;
}
