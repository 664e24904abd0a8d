/* SPDX-License-Identifier: Apache-2.0 */
/* What a model would take, without loading its weights. */
#ifndef TN_CLI_ESTIMATE_H
#define TN_CLI_ESTIMATE_H

#include "cli/load.h"

/* Prints what an open model would take: with one kv type (NULL: with each that its device knows), beside
 * limit. json: as one object; name (may be NULL) is in it. TN_ENOMEM when it does not fit, after printing.
 * [control thread] */
int tn_estimate_model(tn_model *m, const char *name, const char *kv_type, uint64_t limit, bool json,
                      tn_error *err);
/* The same for MODEL as tn_load() takes it, with a context of n_ctx tokens (0: what it was made for) and the
 * limit of tenon.conf. What tn_load_open gives. [control thread] */
int tn_estimate_print(const char *model, const tn_compute_args *args, uint32_t n_ctx, bool json,
                      tn_error *err);

#endif
