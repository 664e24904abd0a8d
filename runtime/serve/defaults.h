/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling that neither a request nor the command line asked for, but the operator. */
#ifndef TN_SERVE_DEFAULTS_H
#define TN_SERVE_DEFAULTS_H

#include "config/settings.h"
#include "sched/sampler.h"

/* Sets the fields of p that settings have and that are not among given (TN_GIVEN_*, serve/api.h). [any
 * thread] */
void tn_defaults_fill(const tn_sampling_settings *settings, unsigned given, tn_sampling *p);

#endif
