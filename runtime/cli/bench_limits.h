/* SPDX-License-Identifier: Apache-2.0 */
/* How near to the machine's limits a model runs: the roofline of Williams, Waterman & Patterson 2009.
 *
 * Operations are those of linear layers, 2 for each weight and token (rows of logits are few); attention is
 * left out. Bytes are the weights, once a step, and the keys, values and states that the step's tokens look
 * at. */
#ifndef TN_CLI_BENCH_LIMITS_H
#define TN_CLI_BENCH_LIMITS_H

#include <jansson.h>

#include "cli/bench_measure.h"
#include "cli/samples.h"

/* Starts as zeros. */
typedef struct tn_bench_limits {
    double peak[TN_PEAK_COUNT]; /* a second; READ apart */
    tn_samples reads;           /* bytes a second */
    tn_work work;
} tn_bench_limits;

/* Whether the model's device can tell. */
bool tn_bench_limits_known(const tn_model *m);
/* Measures what the model's device can do. As tn_device_class.measure_peak. [control thread] */
int tn_bench_limits_init(tn_bench_limits *l, tn_model *m, tn_error *err);
void tn_bench_limits_fini(tn_bench_limits *l);

/* What the samples [n] of a case are of the limits, the caller's, NULL without memory: "gops" (of the
 * median), "compute" (share: least time for the operations over the time that they took), and where steps
 * were timed "read_gb_per_s" (of the median), "steady" (of "of" samples those between two measurements of
 * reading that differ by less than 15 %, as its speed changes from second to second on shared machines) and,
 * from those alone, "read" (median share of what those measurements found). */
json_t *tn_bench_share(tn_bench_limits *l, const tn_model *m, const tn_bench_case *c,
                       const tn_bench_sample *samples, size_t n);
/* "int8_gops", "bf16_gops", "f32_gops" where there are such; "read_gb_per_s": "median", "least", "most", "n".
 * As above. */
json_t *tn_bench_limits_json(tn_bench_limits *l);

/* Both as a table on stdout; shares: an object of tn_bench_share() by name of case. */
void tn_bench_limits_print(const json_t *limits, const json_t *shares);

#endif
