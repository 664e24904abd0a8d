/* SPDX-License-Identifier: Apache-2.0 */
#include "device/gpu/exec.h"

int tn_gpu_encode_linear(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    (void)x;
    (void)op;
    return tn_fail(err, TN_ENOTSUP, "linear");
}
int tn_gpu_encode_embed(tn_gpu_exec *x, const tn_op *op, tn_error *err) {
    (void)x;
    (void)op;
    return tn_fail(err, TN_ENOTSUP, "embed");
}
