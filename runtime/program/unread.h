/* SPDX-License-Identifier: Apache-2.0 */
/* What of a checkpoint a recorded program leaves aside. */
#ifndef TN_PROGRAM_UNREAD_H
#define TN_PROGRAM_UNREAD_H

#include "device/program.h"
#include "weights/checkpoint.h"

/* Logs (info) how many tensors of c no weight of p, or of its tower (may be NULL), names, and the first of
 * them: a bias that a family forgot, a layer too few, or a vision tower that a text program does not want.
 * Only people can tell which, so it is no error. [control thread] */
void tn_program_log_unread(const tn_program *p, const tn_program *tower, const tn_checkpoint *c);

#endif
