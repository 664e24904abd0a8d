/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu device: opening it, and running steps of lowered programs. */
#include "device/cpu/cpu.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void cpu_close(tn_device *d) {
    tn_cpu_device *c = (tn_cpu_device *)d;
    if (!c) return;
    tn_cpu_peak_free(c);
    tn_team_free(c->team);
    free(c);
}

static int cpu_open(const tn_device_options *options, tn_device **ret, tn_error *err) {
    tn_cpu_device *c = calloc(1, sizeof *c);
    if (!c) return tn_fail(err, TN_ENOMEM, "out of memory for the cpu device");
    c->base.cls = &tn_device_cpu;
    int rc = tn_cpu_kernels_choose(&c->kernels, err);
    if (rc == 0) rc = tn_team_new(options ? options->n_thread : 0, &c->team, err);
    if (rc) {
        cpu_close(&c->base);
        return rc;
    }
    uint32_t n = tn_team_size(c->team);
    snprintf(c->text, sizeof c->text, "%s, %u thread%s", c->kernels->name, n, n == 1 ? "" : "s");
    *ret = &c->base;
    return 0;
}

static const char *cpu_describe(const tn_device *d) {
    return ((const tn_cpu_device *)d)->text;
}

static void run_calls(void *ctx, uint32_t member, uint32_t n_member) {
    const tn_cpu_exec *x = ctx;
    for (uint32_t i = x->stage_calls[x->step.stage]; i < x->stage_calls[x->step.stage + 1]; i++) {
        const tn_cpu_call *c = &x->calls[i];
        if (c->barrier) tn_team_barrier(x->device->team);
        c->run(x, c, member, n_member);
    }
}

/* Kept values have all rows of a picture: calls look at those of the step. */
static void follow_kept(tn_cpu_exec *x) {
    for (uint32_t i = 0; i < x->n_kept; i++) {
        const tn_cpu_kept *k = &x->kept[i];
        tn_cpu_call *c = &x->calls[k->call];
        float *at = k->base + (size_t)tn_rows_count(k->rows, x->step.first_row, 0) * k->cols;
        if (k->which == 3)
            c->out = at;
        else
            c->in[k->which] = at;
    }
}

static int cpu_step(tn_exec *exec, const tn_step *s, tn_error *err) {
    tn_cpu_exec *x = (tn_cpu_exec *)exec;
    const tn_exec_config *c = &x->config;
    if (s->n_token == 0 || s->n_token > c->max_tokens || s->n_seq > c->max_seqs || s->n_row > c->max_rows)
        return tn_fail(err, TN_EDEVICE, "a step of %u tokens, %u sequences, %u rows; lowered for %u, %u, %u",
                       s->n_token, s->n_seq, s->n_row, c->max_tokens, c->max_seqs, c->max_rows);
    if (s->stage >= x->program->n_stage || (x->program->is_tower && s->first_row + s->n_token > c->max_kept))
        return tn_fail(err, TN_EDEVICE, "stage %u of %u, rows to %u of %u", s->stage, x->program->n_stage,
                       s->first_row + s->n_token, c->max_kept);
    x->step = *s;
    follow_kept(x);
    if (x->profile)
        tn_cpu_step_profiled(x);
    else
        tn_team_run(x->device->team, run_calls, x);
    return 0;
}

static int cpu_logits(tn_exec *exec, const float **ret, tn_error *err) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)exec;
    const tn_program *p = x->program;
    if (p->logits == 0) return tn_fail(err, TN_EINVAL, "this program has no logits");
    *ret = x->slots[p->values[p->logits].slot];
    return 0;
}

static int cpu_tap(tn_exec *exec, uint32_t index, const float **ret, tn_error *err) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)exec;
    if (index >= x->program->n_tap || !x->taps[index])
        return tn_fail(err, TN_EINVAL, "tap %u of %u is not there (%s)", index, x->program->n_tap,
                       x->config.taps ? "the program does not set it" : "lowered without taps");
    *ret = x->taps[index];
    return 0;
}

static int cpu_output(tn_exec *exec, uint32_t part, const float **ret, tn_error *err) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)exec;
    const tn_program *p = x->program;
    if (part >= p->n_output) return tn_fail(err, TN_EINVAL, "output %u of %u", part, p->n_output);
    *ret = x->slots[p->values[p->outputs[part]].slot];
    return 0;
}

/* macOS keeps the memory of pages that are only not needed. */
#ifdef __APPLE__
#    define GIVE_BACK MADV_FREE
#else
#    define GIVE_BACK MADV_DONTNEED
#endif

static uint8_t *page_at(const tn_cpu_exec *x, uint32_t group, uint32_t page) {
    return x->pools[group] + page * x->size.page[group];
}

static void cpu_copy_page(tn_exec *exec, uint32_t group, uint32_t from, uint32_t to) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)exec;
    memcpy(page_at(x, group, to), page_at(x, group, from), x->size.page[group]);
}

static void cpu_discard_page(tn_exec *exec, uint32_t group, uint32_t page) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)exec;
    madvise(page_at(x, group, page), x->size.page[group], GIVE_BACK);
}

const tn_device_class tn_device_cpu = {
    .name = "cpu",
    .summary = "vector kernels on the processors of this machine",
    .open = cpu_open,
    .close = cpu_close,
    .describe = cpu_describe,
    .size = tn_cpu_size,
    .lower = tn_cpu_lower,
    .exec_free = tn_cpu_exec_free,
    .step = cpu_step,
    .logits = cpu_logits,
    .tap = cpu_tap,
    .output = cpu_output,
    .copy_page = cpu_copy_page,
    .discard_page = cpu_discard_page,
    .profile = tn_cpu_profile,
    .measure_peak = tn_cpu_measure_peak,
    .work = tn_cpu_work,
};
