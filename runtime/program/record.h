/* SPDX-License-Identifier: Apache-2.0 */
/* From a family's record() to a checked, planned program. */
#ifndef TN_PROGRAM_RECORD_H
#define TN_PROGRAM_RECORD_H

#include <tenon/family.h>

#include "device/program.h"
#include "program/hparams.h"

/* Runs family->record on instance over h's checkpoint and plans the result. The program borrows tensors of
 * the checkpoint, which must outlive it. Errors name the operation or the weight: TN_EFORMAT (shape, absent
 * weight), TN_EMODULE (the family's mistake), TN_ELIMIT, TN_ENOMEM. [control thread] */
int tn_program_record(const tn_family *family, void *instance, tn_hparams *h, tn_program **ret,
                      tn_error *err);
/* The same of family->record_vision, or record_audio for what hears. */
int tn_program_record_tower(const tn_family *family, void *instance, tn_hparams *h, bool hears,
                            tn_program **ret, tn_error *err);
/* And of family->record_encoder: a tower with n_vocab, the rows of its embedding. */
int tn_program_record_encoder(const tn_family *family, void *instance, tn_hparams *h, tn_program **ret,
                              tn_error *err);
void tn_program_free(tn_program *p);

/* Assigns slots to values by their lives; part of recording. TN_ENOMEM. */
int tn_program_plan(tn_program *p, tn_error *err);

/* Groups the layers of p->caches by what they need, in the order of their first layers; part of recording.
 * false: more groups than TN_CACHE_GROUPS. */
bool tn_program_group_caches(tn_program *p);

/* "linear", "rms_norm", ...: static. */
const char *tn_op_name(tn_op_kind kind);

#endif
