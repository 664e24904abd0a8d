/* SPDX-License-Identifier: Apache-2.0 */
/* Attention of rows that stand alone: generated ones, and prompts of models whose heads are too wide for
 * attention_tiles.
 *
 * The positions of a sequence are cut into spans of TN_ATTENTION_SPAN from position 0 on, a span into one part for each
 * simdgroup. Each part has a softmax of its own; parts fold into spans in ascending order, spans into the row likewise
 * (Milakov & Gimelshein 2018, alg. 3; split over spans: Dao et al. 2023, "Flash-Decoding"). All of that follows from
 * the row's position and the model. Parts and spans that the row sees nothing of are left out, single positions have
 * weight 0. Products meet sums in fma() only, so that no compiler can round the two forms of the kernel differently. */
#include <metal_stdlib>

#include "metal/args.h"
#include "metal/kernels/kv.h"

using namespace metal;

constant uint HEADS [[function_constant(TN_FC_HEADS)]];
constant uint WHOLE [[function_constant(TN_FC_WHOLE)]];

#define SIMDS (TN_ATTENTION_THREADS / TN_SIMD_WIDTH)
#define PART (TN_ATTENTION_SPAN / SIMDS)  /* positions of a simdgroup, */
#define STEP TN_SIMD_WIDTH                /* of which it takes so many at a time */
#define PASS 256                          /* numbers of a simdgroup that are folded at a time, */
#define PASS_NUMBERS (PASS / TN_ATTENTION_THREADS) /* and of a thread */
#define MAX_SUMS 64                       /* of a lane */

/* Neighbouring dimensions of v that a lane sums up: a simdgroup reads a row, or 256 dimensions of it, at once. */
static inline uint lane_dims()
{
    return tn_kv_cols(HEAD_DIM) <= 64 ? 2u : tn_kv_cols(HEAD_DIM) <= 128 ? 4u : 8u;
}
/* Times that a simdgroup reads for a row of v. */
static inline uint reads()
{
    return (tn_kv_cols(HEAD_DIM) + TN_SIMD_WIDTH * lane_dims() - 1) / (TN_SIMD_WIDTH * lane_dims());
}

static inline void load_v(device const uchar *row, uint d, thread float *x)
{
    if (lane_dims() == 2)
        kv_load2(row, d, x);
    else if (lane_dims() == 4)
        kv_load4(row, d, x);
    else
        kv_load8(row, d, x);
}

/* dots[p] of the lane's quarter of the dimensions, its four positions p and all heads: x[p * HEADS + h].
 * place: of the four positions. */
static inline void dot_quarter(device const uchar *k, threadgroup const ulong *place, threadgroup const float *query,
                               uint quarter, thread float *x)
{
    for (uint i = 0; i < 4 * HEADS; i++)
        x[i] = 0.0f;
    for (uint d = 8 * quarter; d < tn_kv_cols(HEAD_DIM); d += 32) {
        float key[4 * 8];
#pragma unroll
        for (uint p = 0; p < 4; p++)
            kv_load8(k + place[p], d, key + 8 * p);
#pragma unroll
        for (uint h = 0; h < HEADS; h++) {
            threadgroup const float4 *q = (threadgroup const float4 *)(query + h * kv_padded() + d);
            const float4 a = q[0], b = q[1];
#pragma unroll
            for (uint p = 0; p < 4; p++) {
                float sum = x[p * HEADS + h];
                sum = fma(a.x, key[8 * p], sum);
                sum = fma(a.y, key[8 * p + 1], sum);
                sum = fma(a.z, key[8 * p + 2], sum);
                sum = fma(a.w, key[8 * p + 3], sum);
                sum = fma(b.x, key[8 * p + 4], sum);
                sum = fma(b.y, key[8 * p + 5], sum);
                sum = fma(b.z, key[8 * p + 6], sum);
                x[p * HEADS + h] = fma(b.w, key[8 * p + 7], sum);
            }
        }
    }
}

/* Four lanes hold quarters of the dots of four positions: lane i of them gets the sum for position i. */
static inline float gather_quarters(float x0, float x1, float x2, float x3, uint lane)
{
    const bool odd = (lane & 1) != 0, high = (lane & 2) != 0;
    const float a = (high ? x2 : x0) + simd_shuffle_xor(high ? x0 : x2, ushort(2));
    const float b = (high ? x3 : x1) + simd_shuffle_xor(high ? x1 : x3, ushort(2));
    return (odd ? b : a) + simd_shuffle_xor(odd ? a : b, ushort(1));
}

/* sums of weight * v over four positions: sums[h * dims + i] for the lane's dims = lane_dims() * reads() dimensions.
 * place, weight: of the first position; weight[h * STEP]. */
static inline void add_values(device const uchar *v, threadgroup const ulong *place, threadgroup const float *weight,
                              uint lane, thread float *sums)
{
    const uint dims = lane_dims() * reads();
    float value[4 * 16];
#pragma unroll
    for (uint p = 0; p < 4; p++)
#pragma unroll
        for (uint r = 0; r < reads(); r++) {
            const uint d = (r * TN_SIMD_WIDTH + lane) * lane_dims();
            for (uint i = 0; i < lane_dims(); i++)
                value[p * dims + r * lane_dims() + i] = 0.0f;
            if (d < tn_kv_cols(HEAD_DIM))
                load_v(v + place[p], d, value + p * dims + r * lane_dims());
        }
#pragma unroll
    for (uint h = 0; h < HEADS; h++) {
        const float4 w = *(threadgroup const float4 *)(weight + h * STEP);
#pragma unroll
        for (uint i = 0; i < dims; i++) {
            float sum = sums[h * dims + i];
            sum = fma(w.x, value[i], sum);
            sum = fma(w.y, value[dims + i], sum);
            sum = fma(w.z, value[2 * dims + i], sum);
            sums[h * dims + i] = fma(w.w, value[3 * dims + i], sum);
        }
    }
}

/* q [n_head, HEAD_DIM] as scores want it: query [HEADS, padded]. A simdgroup takes every SIMDS-th block of
 * dimensions. */
static inline void load_query(device const float *q, uint n_head, constant tn_attention_args &a, uint simd, uint lane,
                              threadgroup float *query)
{
    const uint blocks = kv_padded() / TN_KV_BLOCK;
    for (uint block = simd; block < HEADS * blocks; block += SIMDS) {
        const uint head = block / blocks, d = block % blocks * TN_KV_BLOCK;
        const float x = head < n_head && d + lane < HEAD_DIM ? q[head * HEAD_DIM + d + lane] : 0.0f;
        query[head * kv_padded() + d + lane] =
            kv_turn_back(x, kv_block_dims(d), lane) * kv_query_factor(a.scale, a.softcap);
    }
}

/* Whether a row that sees positions first .. pos sees one of the STEP positions from `from` on. */
static inline bool sees_step(uint from, uint first, uint pos)
{
    return from <= pos && from + STEP > first;
}

/* Scores of the simdgroup's part, positions part ..: score[s * HEADS + h] of position lane of step s. */
static inline void score_part(device const uchar *k, threadgroup const ulong *place, threadgroup const float *query,
                              uint part, uint first, uint pos, float softcap, uint lane, thread float *score)
{
#pragma unroll
    for (uint s = 0; s < PART / STEP; s++) {
        const uint p = part + s * STEP + lane;
        float dots[4 * TN_ATTENTION_HEADS];
        const bool seen = sees_step(part + s * STEP, first, pos);
        if (seen)
            dot_quarter(k, place + s * STEP + lane / 4 * 4, query, lane % 4, dots);
#pragma unroll
        for (uint h = 0; h < HEADS; h++) {
            score[s * HEADS + h] = NO_SCORE;
            if (!seen)
                continue;
            float x = gather_quarters(dots[h], dots[HEADS + h], dots[2 * HEADS + h], dots[3 * HEADS + h], lane);
            if (softcap > 0.0f)
                x = precise::tanh(x);
            if (p >= first && p <= pos)
                score[s * HEADS + h] = x;
        }
    }
}

/* A head's scores, score[s * HEADS], become weights; x: the largest score of the part, y: the sum of its weights. */
static inline float2 weigh_part(thread float *score, float spread)
{
    float top = score[0], sum = 0.0f;
    for (uint s = 1; s < PART / STEP; s++)
        top = max(top, score[s * HEADS]);
    top = simd_max(top);
    for (uint s = 0; s < PART / STEP; s++) {
        const float x = score[s * HEADS];
        score[s * HEADS] = x > NO_SCORE ? exp2((x - top) * spread) : 0.0f;
        sum += score[s * HEADS];
    }
    return float2(top, simd_sum(sum));
}

/* Numbers are folded in passes of as many units as fit, a unit being a head, or 256 dimensions of one. */
static inline uint unit_width()
{
    return min(kv_padded(), uint(PASS));
}
static inline uint pass_units()
{
    return PASS / unit_width();
}

/* The simdgroup's sums of the units from `unit` on: to[(u - unit) * unit_width() + d]. */
static inline void put_sums(thread const float *acc, uint unit, uint lane, threadgroup float *to)
{
#pragma unroll
    for (uint u = 0; u < pass_units(); u++)
#pragma unroll
        for (uint i = 0; i < lane_dims(); i++) {
            const uint d = lane * lane_dims() + i;
            if (unit + u < HEADS * reads() && d < unit_width())
                to[u * unit_width() + d] = acc[(unit + u) * lane_dims() + i];
        }
}

/* Number i of the pass that begins at `unit`. */
static inline uint pass_head(uint unit, uint i)
{
    return (unit + i / unit_width()) / reads();
}
static inline uint pass_dim(uint unit, uint i)
{
    return (unit + i / unit_width()) % reads() * PASS + i % unit_width();
}
/* Whether there is such a number; the same for all of an aligned TN_KV_BLOCK. */
static inline bool is_in_pass(uint unit, uint i, uint n_head)
{
    return i / unit_width() < pass_units() && pass_head(unit, i) < n_head && pass_dim(unit, i) < kv_padded();
}

/* A row's attention, of HEADS query heads that read the same key/value head (Vaswani et al. 2017, eq. 1; Ainslie et al.
 * 2023): score = softcap(scale * q.k), over positions max(0, pos - window + 1) .. pos of its own sequence, or what
 * SEES and sees say (kv.h: row_sees).
 *
 * q, out: [T, n_head * HEAD_DIM], not the same. pool, page_table: metal/args.h, this step's keys and values included.
 * rows: [grid's rows], of T. sees: [T], read unless SEES is TN_SEE_PAST, which it is with WHOLE 0. The query heads of a
 * key/value head go in b = ceil(n_head / n_head_kv / HEADS) batches.
 * WHOLE 0: grid (n_head_kv * b, rows, spans): the threadgroup's span, counted from the row's first, goes to
 *   parts: [spans, rows, n_head, tn_attention_part] for attention_merge; out is not touched.
 * WHOLE 1: grid (n_head_kv * b, rows): the threadgroup folds its row's spans itself; parts is not touched.
 * TN_ATTENTION_THREADS. HEADS: at most TN_ATTENTION_HEADS, 4 where HEAD_DIM is over 256. */
kernel void attention_rows(device const float          *q          [[buffer(0)]],
                           device const uchar          *pool       [[buffer(1)]],
                           device const tn_metal_token *tokens     [[buffer(2)]],
                           device const uint           *page_table [[buffer(3)]],
                           device const uint           *rows       [[buffer(4)]],
                           device float                *parts      [[buffer(5)]],
                           device float                *out        [[buffer(6)]],
                           constant tn_attention_args  &a          [[buffer(7)]],
                           device const tn_metal_sees  *sees       [[buffer(8)]],
                           uint3 at   [[threadgroup_position_in_grid]],
                           uint3 grid [[threadgroups_per_grid]],
                           uint  tid  [[thread_index_in_threadgroup]],
                           uint  lane [[thread_index_in_simdgroup]],
                           uint  simd [[simdgroup_index_in_threadgroup]])
{
    threadgroup float query[TN_ATTENTION_QUERY];                  /* [HEADS, padded], times kv_query_factor */
    threadgroup float weights[SIMDS * TN_ATTENTION_HEADS * STEP]; /* of a step; later a pass, [SIMDS, PASS] */
    threadgroup ulong places[TN_ATTENTION_SPAN];
    threadgroup float tops[SIMDS * TN_ATTENTION_HEADS];    /* of each part: the largest score, */
    threadgroup float sums[SIMDS * TN_ATTENTION_HEADS];    /* the sum of weights, */
    threadgroup float factors[SIMDS * TN_ATTENTION_HEADS]; /* what its sums are multiplied by in the span's */
    threadgroup float keeps[TN_ATTENTION_HEADS];           /* the same of the spans so far in the row's, */
    threadgroup float adds[TN_ATTENTION_HEADS];            /* and of this span */
    threadgroup float row_sums[TN_ATTENTION_HEADS];

    const uint group = a.n_head / a.n_head_kv, batches = (group + HEADS - 1) / HEADS;
    const uint head_kv = at.x / batches, first_head = head_kv * group + at.x % batches * HEADS;
    const uint n_head = min(HEADS, (head_kv + 1) * group - first_head);
    const uint row = rows[at.y];
    const uint2 seen = row_sees(a.window, tokens[row].pos, sees, row);
    const uint first = seen.x, pos = seen.y - 1; /* pos: the last one, the row's own unless sees says otherwise */
    const uint first_span = first / TN_ATTENTION_SPAN, last_span = pos / TN_ATTENTION_SPAN;
    const uint begin = WHOLE != 0 ? first_span : first_span + at.z, end = WHOLE != 0 ? last_span : begin;
    if (end > last_span)
        return;
    device const uint *pages = page_table + ulong(tokens[row].seq) * a.kv.pages_per_seq;
    device const uchar *k = pool + kv_head(a.kv, head_kv), *v = pool + kv_head(a.kv, a.n_head_kv + head_kv);
    const float spread = kv_spread(a.softcap);

    load_query(q + (ulong(row) * a.n_head + first_head) * HEAD_DIM, n_head, a, simd, lane, query);
    float span_top = NO_SCORE, span_sum = 0.0f, row_top = NO_SCORE, row_sum = 0.0f; /* of head tid */
    float row_acc[TN_ATTENTION_QUERY / TN_ATTENTION_THREADS];
#pragma unroll
    for (uint i = 0; i < TN_ATTENTION_QUERY / TN_ATTENTION_THREADS; i++)
        row_acc[i] = 0.0f;
    threadgroup_barrier(mem_flags::mem_threadgroup);

    for (uint span = begin; span <= end; span++) {
        const uint part = span * TN_ATTENTION_SPAN + simd * PART; /* the simdgroup's positions part .. part + PART */
        threadgroup ulong *place = places + simd * PART;
        threadgroup float *weight = weights + simd * TN_ATTENTION_HEADS * STEP;
        /* Those that the row does not see have weight 0, and in place of what they hold one that it sees. */
        for (uint i = lane; i < PART; i += TN_SIMD_WIDTH)
            place[i] = kv_place(a.kv, pages, part + i >= first && part + i <= pos ? part + i : pos);
        simdgroup_barrier(mem_flags::mem_threadgroup);

        float score[PART / STEP * TN_ATTENTION_HEADS]; /* of position lane of each step */
        float acc[MAX_SUMS];
#pragma unroll
        for (uint i = 0; i < MAX_SUMS; i++)
            acc[i] = 0.0f;
        score_part(k, place, query, part, first, pos, a.softcap, lane, score);
#pragma unroll
        for (uint h = 0; h < HEADS; h++) {
            const float2 top_sum = weigh_part(score + h, spread);
            if (lane == 0) {
                tops[simd * TN_ATTENTION_HEADS + h] = top_sum.x;
                sums[simd * TN_ATTENTION_HEADS + h] = top_sum.y;
            }
        }
#pragma unroll
        for (uint s = 0; s < PART / STEP; s++) {
            if (!sees_step(part + s * STEP, first, pos))
                continue;
            simdgroup_barrier(mem_flags::mem_threadgroup); /* before the last step's weights are overwritten */
            for (uint h = 0; h < HEADS; h++)
                weight[h * STEP + lane] = score[s * HEADS + h];
            simdgroup_barrier(mem_flags::mem_threadgroup);
            for (uint i = 0; i < STEP; i += 4)
                add_values(v, place + s * STEP + i, weight + i, lane, acc);
        }
        threadgroup_barrier(mem_flags::mem_threadgroup);

        if (tid < HEADS) {
            span_top = NO_SCORE;
            span_sum = 0.0f;
            for (uint s = 0; s < SIMDS; s++)
                span_top = max(span_top, tops[s * TN_ATTENTION_HEADS + tid]);
            for (uint s = 0; s < SIMDS; s++) {
                const float factor = exp2((tops[s * TN_ATTENTION_HEADS + tid] - span_top) * spread);
                factors[s * TN_ATTENTION_HEADS + tid] = factor;
                span_sum = fma(sums[s * TN_ATTENTION_HEADS + tid], factor, span_sum);
            }
            const float top = max(row_top, span_top);
            keeps[tid] = exp2((row_top - top) * spread);
            adds[tid] = exp2((span_top - top) * spread);
            row_sum = fma(span_sum, adds[tid], row_sum * keeps[tid]);
            row_sums[tid] = row_sum;
            row_top = top;
        }
        const ulong where = (ulong(at.z) * grid.y + at.y) * a.n_head + first_head;
        device float *to = parts + where * tn_attention_part(HEAD_DIM);
#pragma unroll
        for (uint unit = 0; unit < HEADS * reads(); unit += pass_units()) {
            put_sums(acc, unit, lane, weights + simd * PASS);
            threadgroup_barrier(mem_flags::mem_threadgroup);
#pragma unroll
            for (uint j = 0; j < PASS_NUMBERS; j++) {
                const uint i = j * TN_ATTENTION_THREADS + tid, h = pass_head(unit, i);
                if (!is_in_pass(unit, i, n_head))
                    continue;
                float sum = 0.0f;
                for (uint s = 0; s < SIMDS; s++)
                    sum = fma(weights[s * PASS + i], factors[s * TN_ATTENTION_HEADS + h], sum);
                const uint slot = unit / pass_units() * PASS_NUMBERS + j;
                if (WHOLE != 0)
                    row_acc[slot] = fma(sum, adds[h], row_acc[slot] * keeps[h]);
                else
                    to[h * tn_attention_part(HEAD_DIM) + 2 + pass_dim(unit, i)] = sum;
            }
            threadgroup_barrier(mem_flags::mem_threadgroup); /* before the next numbers take their place */
        }
        if (WHOLE == 0 && tid < n_head) {
            to[tid * tn_attention_part(HEAD_DIM)] = span_top;
            to[tid * tn_attention_part(HEAD_DIM) + 1] = span_sum;
        }
    }
    if (WHOLE == 0)
        return;

#pragma unroll
    for (uint unit = 0; unit < HEADS * reads(); unit += pass_units())
#pragma unroll
        for (uint j = 0; j < PASS_NUMBERS; j++) {
            const uint i = j * TN_ATTENTION_THREADS + tid, h = pass_head(unit, i), d = pass_dim(unit, i);
            if (!is_in_pass(unit, i, n_head))
                continue;
            const float x = row_acc[unit / pass_units() * PASS_NUMBERS + j] / row_sums[h];
            const float y = kv_turn_back(x, kv_block_dims(d - lane), lane);
            if (d < HEAD_DIM)
                out[(ulong(row) * a.n_head + first_head + h) * HEAD_DIM + d] = y;
        }
}

/* What attention_rows left of each span of a row, folded in ascending order.
 *
 * parts: [spans, rows, n_head, tn_attention_part], those of the row's spans filled. tokens, rows, out, a: as there.
 * Grid: (n_head, rows) threadgroups of TN_ATTENTION_THREADS. */
kernel void attention_merge(device const float          *parts  [[buffer(0)]],
                            device const tn_metal_token *tokens [[buffer(1)]],
                            device const uint           *rows   [[buffer(2)]],
                            device float                *out    [[buffer(3)]],
                            constant tn_attention_args  &a      [[buffer(4)]],
                            uint3 at   [[threadgroup_position_in_grid]],
                            uint3 grid [[threadgroups_per_grid]],
                            uint  tid  [[thread_index_in_threadgroup]],
                            uint  lane [[thread_index_in_simdgroup]])
{
    const uint row = rows[at.y];
    const uint pos = tokens[row].pos;
    const uint first = a.window != 0 && pos >= a.window ? pos + 1 - a.window : 0;
    const uint n_span = pos / TN_ATTENTION_SPAN - first / TN_ATTENTION_SPAN + 1;
    const float spread = kv_spread(a.softcap);
    const ulong stride = ulong(grid.y) * a.n_head * tn_attention_part(HEAD_DIM);
    device const float *from = parts + (ulong(at.y) * a.n_head + at.x) * tn_attention_part(HEAD_DIM);

    for (uint d = tid; d < kv_padded(); d += TN_ATTENTION_THREADS) {
        float row_top = NO_SCORE, row_sum = 0.0f, row_acc = 0.0f;
#pragma unroll 4
        for (uint span = 0; span < n_span; span++) {
            device const float *part = from + span * stride;
            const float top = part[0], new_top = max(row_top, top);
            const float keep = exp2((row_top - new_top) * spread), add = exp2((top - new_top) * spread);
            row_sum = fma(part[1], add, row_sum * keep);
            row_acc = fma(part[2 + d], add, row_acc * keep);
            row_top = new_top;
        }
        const float y = kv_turn_back(row_acc / row_sum, kv_block_dims(d - lane), lane);
        if (d < HEAD_DIM)
            out[(ulong(row) * a.n_head + at.x) * HEAD_DIM + d] = y;
    }
}
