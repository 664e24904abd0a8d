/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/exec.h"

int tn_gpu_encode_attention(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    (void)x;
    (void)op;
    return tn_fail(err, TN_ENOTSUP, "attention");
}
uint64_t tn_gpu_kv_layer_bytes(const tn_cache_info *c, const tn_exec_config *config) {
    return (uint64_t)c->n_head_kv * c->head_dim * config->page_tokens * 8;
}
