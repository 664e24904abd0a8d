/* SPDX-License-Identifier: Apache-2.0 */
/* From an open checkpoint to recorded programs: which family, which file has the vision tower, text and
 * tower. Internal to the model. */
#ifndef TN_SCHED_PROGRAMS_H
#define TN_SCHED_PROGRAMS_H

#include "sched/model.h"

/* Fills m's family, instance, info, program, tower and blind; m->checkpoint is open, and gets the file of its
 * tower. Errors as tn_model_open; what is there then is the model's to free. [control thread] */
int tn__programs_load(tn_registry *r, const tn_model_config *o, tn_model *m, tn_error *err);
/* Frees instance, options, program and tower, which are NULL then. */
void tn__programs_drop(tn_model *m);

#endif
