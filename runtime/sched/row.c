/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/row.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* Four lanes are what every processor has. */
enum { LANES = 4, GROUP = 4 * LANES };
typedef float vf __attribute__((vector_size(LANES * sizeof(float))));
typedef double vd __attribute__((vector_size(LANES * sizeof(double))));
typedef int32_t vi __attribute__((vector_size(LANES * sizeof(int32_t))));

static inline vf load(const float *x) {
    vf v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline vf set(float x) {
    return (vf){x, x, x, x};
}

static inline vf select(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

/* Block b of a row: in place, or copied to `padded` and filled up with -inf. */
static const float *block(const float *logits, uint32_t n, uint32_t b, float *padded) {
    uint32_t first = b * TN_ROW_BLOCK, count = n - first;
    if (count >= TN_ROW_BLOCK) return logits + first;
    memcpy(padded, logits + first, count * sizeof *padded);
    for (uint32_t i = count; i < TN_ROW_BLOCK; i++) padded[i] = -INFINITY;
    return padded;
}

/* ---- Looking for high entries ------------------------------------------------------------------------ */

/* Whether any of a block is above t. */
static bool any_above(const float *x, float t) {
    vi found[4] = {{0}};
    vf limit = set(t);
    for (uint32_t i = 0; i < TN_ROW_BLOCK; i += GROUP)
        for (uint32_t k = 0; k < 4; k++) found[k] |= load(x + i + k * LANES) > limit;
    vi all = (found[0] | found[1]) | (found[2] | found[3]);
    return (all[0] | all[1]) | (all[2] | all[3]);
}

static int32_t first_number(const float *logits, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        if (!isnan(logits[i])) return (int32_t)i;
    return 0;
}

int32_t tn__row_highest(const float *logits, uint32_t n) {
    float padded[TN_ROW_BLOCK], max = -INFINITY;
    int32_t best = -1;
    for (uint32_t b = 0; b < tn__row_blocks(n); b++) {
        const float *x = block(logits, n, b, padded);
        if (!any_above(x, max)) continue;
        for (uint32_t i = 0; i < TN_ROW_BLOCK; i++) {
            if (!(x[i] > max)) continue;
            max = x[i];
            best = (int32_t)(b * TN_ROW_BLOCK + i);
        }
    }
    return best >= 0 ? best : first_number(logits, n);
}

/* c is a heap with the last of the order on top but for its entry i, which may have to go down. */
static void sift_down(tn_candidate *c, uint32_t n, uint32_t i) {
    for (;;) {
        uint32_t last = i, l = 2 * i + 1, r = l + 1;
        if (l < n && tn__candidate_before(&c[last], &c[l])) last = l;
        if (r < n && tn__candidate_before(&c[last], &c[r])) last = r;
        if (last == i) return;
        tn_candidate t = c[i];
        c[i] = c[last];
        c[last] = t;
        i = last;
    }
}

/* Puts c among the k best; of k or more, the worst is at heap[0]. Returns how many there are. */
static uint32_t offer(tn_candidate *heap, uint32_t count, uint32_t k, tn_candidate c) {
    if (count == k) {
        heap[0] = c;
        sift_down(heap, k, 0);
        return k;
    }
    heap[count++] = c;
    for (uint32_t i = count == k ? k / 2 : 0; i-- > 0;) sift_down(heap, k, i);
    return count;
}

uint32_t tn__row_select(const float *logits, uint32_t n, uint32_t k, float floor, tn_candidate *ret) {
    float padded[TN_ROW_BLOCK], limit = nextafterf(floor, -INFINITY);
    uint32_t count = 0;
    for (uint32_t b = 0; b < tn__row_blocks(n); b++) {
        const float *x = block(logits, n, b, padded);
        if (!any_above(x, limit)) continue;
        for (uint32_t i = 0; i < TN_ROW_BLOCK; i++) {
            if (!(x[i] > limit)) continue;
            count = offer(ret, count, k, (tn_candidate){x[i], (int32_t)(b * TN_ROW_BLOCK + i)});
            if (count == k) limit = ret[0].logit; /* an equal one comes later, so it stays out */
        }
    }
    return count;
}

uint32_t tn__row_collect(const float *logits, uint32_t n, float floor, tn_candidate *ret) {
    float padded[TN_ROW_BLOCK], limit = nextafterf(floor, -INFINITY);
    uint32_t count = 0;
    for (uint32_t b = 0; b < tn__row_blocks(n); b++) {
        const float *x = block(logits, n, b, padded);
        if (!any_above(x, limit)) continue;
        for (uint32_t i = 0; i < TN_ROW_BLOCK; i++)
            if (x[i] > limit) ret[count++] = (tn_candidate){x[i], (int32_t)(b * TN_ROW_BLOCK + i)};
    }
    return count;
}

/* ---- Weights ----------------------------------------------------------------------------------------- */

/* 1 / temperature, but for temperatures so low that it would overflow: (max - max) / temperature has to be 0.
 */
static float inverse(float temperature) {
    float x = 1 / temperature;
    return x < FLT_MAX ? x : FLT_MAX;
}

/* Inlined so that it is compiled as its caller is: between old and new forms of vector instructions
 * processors lose time. */
static inline __attribute__((always_inline)) float sum_group(const float x[GROUP]) {
    float sum[LANES];
    for (int i = 0; i < LANES; i++) sum[i] = (x[i] + x[LANES + i]) + (x[2 * LANES + i] + x[3 * LANES + i]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* weigh_block() for the registers of each processor: what a compiler makes of a vector is settled where the
 * function stands, so each has its own copy of the text. */
#define WEIGH       weigh_block
#define WEIGH_F     vf
#define WEIGH_I     vi
#define WEIGH_LANES LANES
#define WEIGH_TARGET
#include "sched/row_weigh.h"
#if defined(__x86_64__)
typedef float vf8 __attribute__((vector_size(32))), vf16 __attribute__((vector_size(64)));
typedef int32_t vi8 __attribute__((vector_size(32))), vi16 __attribute__((vector_size(64)));
#    define WEIGH        weigh_avx2
#    define WEIGH_F      vf8
#    define WEIGH_I      vi8
#    define WEIGH_LANES  8
#    define WEIGH_TARGET __attribute__((target("avx2")))
#    include "sched/row_weigh.h"
#    define WEIGH        weigh_avx512
#    define WEIGH_F      vf16
#    define WEIGH_I      vi16
#    define WEIGH_LANES  16
#    define WEIGH_TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl")))
#    include "sched/row_weigh.h"
#endif

static double weigh(const tn_row *r, uint32_t b, float *w, double *ret_moment) {
    float padded[TN_ROW_BLOCK];
    const float *x = block(r->logits, r->n, b, padded);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return weigh_avx512(r, x, w, ret_moment);
    if (__builtin_cpu_supports("avx2")) return weigh_avx2(r, x, w, ret_moment);
#endif
    return weigh_block(r, x, w, ret_moment);
}

double tn__row_total(const tn_row *r, double *block_sums, double *ret_mean) {
    float w[TN_ROW_BLOCK];
    double total = 0, moments = 0, moment;
    for (uint32_t b = 0; b < tn__row_blocks(r->n); b++) {
        total += block_sums[b] = weigh(r, b, w, &moment);
        moments += moment;
    }
    if (ret_mean) *ret_mean = r->max + moments / total / inverse(r->temperature);
    return total;
}

int32_t tn__row_draw(const tn_row *r, const double *block_sums, double u) {
    float w[TN_ROW_BLOCK];
    uint32_t n_block = tn__row_blocks(r->n), b = 0, last = 0;
    double total = 0, at = 0, moment;
    for (uint32_t i = 0; i < n_block; i++) total += block_sums[i];
    while (b + 1 < n_block && at + block_sums[b] <= u * total) at += block_sums[b++];
    while (b > 0 && !(block_sums[b] > 0)) b--; /* rounding may lead past the last block that weighs */
    weigh(r, b, w, &moment);
    for (uint32_t i = 0; i < TN_ROW_BLOCK; i++) {
        if (!(w[i] > 0)) continue;
        last = i;
        at += w[i];
        if (at > u * total) break;
    }
    return (int32_t)(b * TN_ROW_BLOCK + last);
}

double tn__row_deviation(const float *logits, uint32_t n) {
    float padded[TN_ROW_BLOCK];
    vd sum = {0}, squares = {0};
    vi missing = {0};
    for (uint32_t b = 0; b < tn__row_blocks(n); b++) {
        const float *x = block(logits, n, b, padded);
        for (uint32_t i = 0; i < TN_ROW_BLOCK; i += LANES) {
            vf logit = load(x + i);
            vi finite = (logit >= set(-FLT_MAX)) & (logit <= set(FLT_MAX));
            vd value = __builtin_convertvector(select(finite, logit, set(0)), vd);
            sum += value;
            squares += value * value;
            missing -= ~finite;
        }
    }
    double count = (double)tn__row_blocks(n) * TN_ROW_BLOCK -
                   ((double)missing[0] + missing[1] + missing[2] + missing[3]);
    double mean = ((sum[0] + sum[1]) + (sum[2] + sum[3])) / count;
    double variance = ((squares[0] + squares[1]) + (squares[2] + squares[3])) / count - mean * mean;
    return variance > 0 ? sqrt(variance) : 0;
}
