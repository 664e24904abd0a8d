/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/repeat.h"

#include <string.h>

static uint32_t clamp(uint32_t x, uint32_t min, uint32_t max) {
    return x < min ? min : x > max ? max : x;
}

void tn_repeat_init(tn_repeat *r, const tn_repeat_params *params) {
    tn_repeat_params *p = &r->params;
    p->max_pattern = clamp(params->max_pattern, 0, TN_REPEAT_PATTERN_MAX);
    p->min_pattern = clamp(params->min_pattern, 1, p->max_pattern ? p->max_pattern : 1);
    p->min_count = clamp(params->min_count, 2, TN_REPEAT_COUNT_MAX);
    p->min_tokens = clamp(params->min_tokens, 0, TN_REPEAT_TOKENS_MAX);
    r->at = r->n = 0;
    memset(r->run, 0, p->max_pattern * sizeof *r->run);
}

/* Ids that must have equalled the one a period earlier. */
static uint32_t needed(const tn_repeat_params *p, uint32_t period) {
    uint32_t by_count = period * (p->min_count - 1);
    return by_count + period >= p->min_tokens ? by_count : p->min_tokens - period;
}

bool tn_repeat_push(tn_repeat *r, int32_t id) {
    const tn_repeat_params *p = &r->params;
    const uint32_t most = p->max_pattern;
    const int32_t *past = r->ids + r->at;
    bool loops = false;
    if (most == 0) return false;
    /* Periods beyond what was seen compare with nothing: they are the first entries. */
    for (uint32_t i = most - r->n; i < most; i++) r->run[i] = past[i] == id ? r->run[i] + 1 : 0;
    for (uint32_t period = p->min_pattern; period <= r->n; period++)
        loops |= r->run[most - period] >= needed(p, period);
    r->ids[r->at] = r->ids[r->at + most] = id;
    r->at = r->at + 1 == most ? 0 : r->at + 1;
    if (r->n < most) r->n++;
    return loops;
}
