/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of the machine, as the team that runs steps meets them. */
#include "device/cpu/cpu.h"

#include <string.h>
#include <sys/mman.h>

#include "base/budget.h"
#include "base/clock.h"

#ifndef MAP_ANONYMOUS
#    define MAP_ANONYMOUS MAP_ANON
#endif

enum {
    BUFFER_BYTES = 1 << 30, /* beyond all but a few caches */
    SLICE_BYTES = 64 << 20, /* read at a time by all members together */
    UNIT_BYTES = 4096,      /* members' shares are multiples of it */
    TRIES = 8,
};
static const double READ_S = 0.06, SPIN_S = 0.01;

/* ---- Reading ---- */

typedef struct reading {
    tn_cpu_device *device;
    uint8_t *slice;
    bool fill, ahead;
    uint64_t sums[TN_TEAM_MAX]; /* so that reading is not for nothing */
} reading;

/* Every member reads what it wrote: the memory is near it. */
static void read_slice(void *ctx, uint32_t member, uint32_t n_member) {
    reading *r = ctx;
    tn_range share = tn_team_share(SLICE_BYTES, UNIT_BYTES, member, n_member);
    uint8_t *p = r->slice + share.first;
    size_t n = share.end - share.first;
    if (r->fill)
        memset(p, (int)member + 1, n);
    else
        r->sums[member] = r->device->kernels->peak_read(p, n, r->ahead);
}

static int buffer_new(tn_cpu_device *d, tn_error *err) {
    uint64_t n = tn_memory_size() / 8;
    if (n > BUFFER_BYTES) n = BUFFER_BYTES;
    n -= n % SLICE_BYTES;
    void *p = n ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (p == MAP_FAILED)
        return tn_fail(err, TN_ENOMEM, "no memory to read for measuring its speed: %llu bytes",
                       (unsigned long long)n);
#ifdef MADV_HUGEPAGE
    madvise(p, n, MADV_HUGEPAGE);
#endif
    d->peak_buffer = p;
    d->peak_bytes = n;
    reading r = {.device = d, .fill = true};
    for (uint64_t at = 0; at < n; at += SLICE_BYTES) {
        r.slice = d->peak_buffer + at;
        tn_team_run(d->team, read_slice, &r);
    }
    return 0;
}

void tn_cpu_peak_free(tn_cpu_device *d) {
    if (d->peak_buffer) munmap(d->peak_buffer, d->peak_bytes);
}

/* Slice after slice, with and without prefetching in turn: the better of the two. */
static double measure_read(tn_cpu_device *d) {
    reading r = {.device = d};
    double seconds[2] = {0, 0};
    uint64_t n[2] = {0, 0};
    while (seconds[0] + seconds[1] < READ_S || n[0] != n[1]) {
        r.slice = d->peak_buffer + d->peak_at;
        d->peak_at = (d->peak_at + SLICE_BYTES) % d->peak_bytes;
        double start = tn_clock_s();
        tn_team_run(d->team, read_slice, &r);
        seconds[r.ahead] += tn_clock_s() - start;
        n[r.ahead] += SLICE_BYTES;
        r.ahead = !r.ahead;
    }
    double plain = (double)n[0] / seconds[0], ahead = (double)n[1] / seconds[1];
    return plain > ahead ? plain : ahead;
}

/* ---- Multiplying ---- */

typedef struct spinning {
    tn_cpu_device *device;
    tn_peak what;
    uint64_t n_round;
    uint64_t ops; /* of member 0; all do as many */
} spinning;

static void spin(void *ctx, uint32_t member, uint32_t n_member) {
    spinning *s = ctx;
    (void)n_member;
    uint64_t ops = s->device->kernels->peak_spin(s->what, s->n_round);
    if (member == 0) s->ops = ops;
}

static double spin_for(spinning *s, double *ret_seconds) {
    double start = tn_clock_s();
    tn_team_run(s->device->team, spin, s);
    *ret_seconds = tn_clock_s() - start;
    return (double)s->ops * tn_team_size(s->device->team) / *ret_seconds;
}

/* The best of some runs: what disturbs makes it slower. */
static double measure_spin(tn_cpu_device *d, tn_peak what) {
    spinning s = {.device = d, .what = what, .n_round = 1 << 10};
    double seconds = 0, best = 0;
    for (; seconds < SPIN_S; s.n_round *= 2) {
        spin_for(&s, &seconds);
        if (s.ops == 0) return 0;
    }
    for (int i = 0; i < TRIES; i++) {
        double rate = spin_for(&s, &seconds);
        if (rate > best) best = rate;
    }
    return best;
}

int tn_cpu_measure_peak(tn_device *device, tn_peak what, double *ret, tn_error *err) {
    tn_cpu_device *d = (tn_cpu_device *)device;
    int rc = what == TN_PEAK_READ && !d->peak_buffer ? buffer_new(d, err) : 0;
    if (rc == 0) *ret = what == TN_PEAK_READ ? measure_read(d) : measure_spin(d, what);
    return rc;
}

/* ---- What a program asks ---- */

void tn_cpu_work(const tn_exec *exec, tn_work *ret) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)exec;
    const tn_program *p = x->program;
    *ret = (tn_work){0};
    for (uint32_t i = 0; i < p->n_op; i++) {
        const tn_op *op = &p->ops[i];
        if (op->kind != TN_OP_LINEAR) continue;
        const tn_weight_info *w = &p->weights[op->w];
        const tn_cpu_panels *panels = &x->panels[op->w];
        bool is_int8 = panels->panel_bytes != 0;
        ret->weight_bytes += is_int8 ? tn_cpu_panels_count(panels) * panels->panel_bytes
                                     : tn_cpu_tensor_bytes(w->tensor, w->rows, w->cols);
        uint64_t *ops = p->values[op->in[0]].rows == TN_ROWS_OUTPUT ? ret->row_ops : ret->token_ops;
        ops[is_int8 ? TN_PEAK_INT8 : TN_PEAK_F32] += 2ull * w->rows * w->cols;
    }
}
