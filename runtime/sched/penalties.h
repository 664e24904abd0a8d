/* SPDX-License-Identifier: Apache-2.0 */
/* What changes single logits before sampling: bias, penalties for what occurred, DRY. Definitions stand at
 * tn_sampling. Their cost goes with the history, but for one copy of the row. */
#ifndef TN_SCHED_PENALTIES_H
#define TN_SCHED_PENALTIES_H

#include "sched/sampler.h"

/* The row to sample from: logits itself, or s->logits where something had to change. */
const float *tn__penalties_apply(tn_sampler *s, const tn_sampling *p, const tn_history *h,
                                 const float *logits);

#endif
