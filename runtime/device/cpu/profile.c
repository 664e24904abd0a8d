/* SPDX-License-Identifier: Apache-2.0 */
/* Steps with a clock beside them. Every member runs the same code; member 0 alone reads the clock. */
#include "device/cpu/cpu.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static const struct {
    tn_cpu_run run;
    const char *name;
} names[] = {
    {tn_cpu_run_rope_table, "rope table"},
    {tn_cpu_run_embed, "embedding"},
    {tn_cpu_run_embed_type, "embedding"},
    {tn_cpu_run_linear, "linear"},
    {tn_cpu_run_quantize, "quantize"},
    {tn_cpu_run_linear_rounded, "linear"},
    {tn_cpu_run_rms_norm, "rms norm"},
    {tn_cpu_run_rope, "rope"},
    {tn_cpu_run_store, "cache store"},
    {tn_cpu_run_attention, "attention"},
    {tn_cpu_run_conv, "conv"},
    {tn_cpu_run_delta_rule, "delta rule"},
    {tn_cpu_run_slice, "slice"},
    {tn_cpu_run_glu, "glu"},
    {tn_cpu_run_layer_norm, "layer norm"},
    {tn_cpu_run_input, "input"},
    {tn_cpu_run_mix, "positions"},
    {tn_cpu_run_fold, "fold"},
    {tn_cpu_run_mean, "mean"},
    {tn_cpu_run_unfold, "unfold"},
    {tn_cpu_run_positions, "positions"},
    {tn_cpu_run_cross, "cross attention"},
    {tn_cpu_run_media, "media"},
    {tn_cpu_run_add, "add"},
    {tn_cpu_run_scale, "scale"},
    {tn_cpu_run_softcap, "softcap"},
    {tn_cpu_run_rows, "output rows"},
    {tn_cpu_run_copy, "tap"},
};

static const char *name_of(tn_cpu_run run) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].run == run) return names[i].name;
    return "other";
}

/* "linear Q4_K"; F32 where the weights are decoded as they are used. */
static void describe(tn_cpu_call *c, char *text) {
    const char *name = name_of(c->run);
    if (c->run == tn_cpu_run_linear_rounded) {
        c->profile_bytes = tn_cpu_panels_count(&c->panels) * c->panels.panel_bytes;
        c->profile_ops = 2ull * c->panels.rows * c->panels.cols;
        snprintf(text, TN_PROFILE_NAME, "%s %s", name, tn_type_info_get(c->panels.type)->name);
    } else if (c->run == tn_cpu_run_linear) {
        c->profile_bytes = tn_cpu_tensor_bytes(c->linear.tensor, c->linear.rows, c->linear.cols);
        c->profile_ops = 2ull * c->linear.rows * c->linear.cols;
        snprintf(text, TN_PROFILE_NAME, "%s %s, as F32", name,
                 tn_type_info_get(c->linear.tensor->type)->name);
    } else {
        snprintf(text, TN_PROFILE_NAME, "%s%s", c->normed ? "rms norm, " : "", name);
    }
}

static uint32_t row_of(tn_profile *p, const char *name) {
    uint32_t i = 0;
    while (i < p->n_row && strcmp(p->rows[i].name, name) != 0) i++;
    if (i == TN_PROFILE_ROWS) return i - 1;
    if (i == p->n_row) {
        snprintf(p->rows[i].name, sizeof p->rows[i].name, "%s", i + 1 < TN_PROFILE_ROWS ? name : "other");
        p->n_row++;
    }
    return i;
}

int tn_cpu_profile(tn_exec *exec, tn_profile *profile, tn_error *err) {
    tn_cpu_exec *x = (tn_cpu_exec *)exec;
    char name[TN_PROFILE_NAME];
    (void)err;
    x->profile = profile;
    if (!profile) return 0;
    for (uint32_t i = 0; i < x->n_call; i++) {
        describe(&x->calls[i], name);
        x->calls[i].profile_row = row_of(profile, name);
    }
    return 0;
}

/* As run_calls of device.c. A wait counts for the call before the barrier: it is whose shares were uneven. */
static void run_calls(void *ctx, uint32_t member, uint32_t n_member) {
    const tn_cpu_exec *x = ctx;
    tn_profile_row *row = NULL;
    double before = tn_clock_s(), after;
    for (uint32_t i = x->stage_calls[x->step.stage]; i < x->stage_calls[x->step.stage + 1]; i++) {
        const tn_cpu_call *c = &x->calls[i];
        if (c->barrier) tn_team_barrier(x->device->team);
        if (member != 0) {
            c->run(x, c, member, n_member);
            continue;
        }
        after = tn_clock_s();
        if (c->barrier && row) row->wait_s += after - before;
        row = &x->profile->rows[c->profile_row];
        c->run(x, c, member, n_member);
        before = tn_clock_s();
        row->run_s += before - after;
        row->n_call++;
        row->bytes += tn_cpu_rows(x, c->rows) ? c->profile_bytes : 0;
        row->ops += tn_cpu_rows(x, c->rows) * c->profile_ops;
    }
}

void tn_cpu_step_profiled(tn_cpu_exec *x) {
    double start = tn_clock_s();
    tn_team_run(x->device->team, run_calls, x);
    x->profile->step_s += tn_clock_s() - start;
    x->profile->n_step++;
}
