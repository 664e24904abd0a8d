/* SPDX-License-Identifier: Apache-2.0 */
/* Where the time of a step goes, for people and as JSON. */
#ifndef TN_CLI_BENCH_PROFILE_H
#define TN_CLI_BENCH_PROFILE_H

#include <jansson.h>
#include <tenon/status.h>

#include "device/profile.h"

/* p as an object, the caller's, or NULL without memory. seconds: how long the steps of p took, all in all.
 * "steps"; "step_ms", the mean time of one; "kinds", longest first: "kind", "calls" a step, "run_ms" and
 * "wait_ms" a step, and where weights are read "gb_per_s" of them and "gops" with them while that lasted. The
 * last two kinds are "begin and end of the step" and "outside of the device": the engine, sampling. */
json_t *tn_bench_profile_json(const tn_profile *p, double seconds);

/* The same as a table on stdout, under a title. */
void tn_bench_profile_print(const char *title, const json_t *profile);

#endif
