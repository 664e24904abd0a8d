/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary frequencies with the scalings that checkpoints ask for. */
#ifndef TN_PROGRAM_ROPE_H
#define TN_PROGRAM_ROPE_H

#include "device/program.h"
#include "program/hparams.h"

/* Fills ret from the checkpoint's parameters: default, linear (Chen et al. 2023), llama3 (Meta's Llama 3.1
 * release), yarn (Peng et al. 2023, section 3.4), longrope (Ding et al. 2024, section 3). ret's tables are
 * the caller's to free. TN_ENOTSUP names another scaling type; TN_EFORMAT a parameter that cannot be.
 * [control thread] */
int tn_rope_build(tn_hparams *h, const tn_rope_desc *d, tn_rope_info *ret, tn_error *err);
void tn_rope_fini(tn_rope_info *rope);

#endif
