/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of a model on this machine, without sampling: prompt processing, decoding with an empty and with a
 * filled context, and several sequences at once. Every figure is the median of -r runs after one warm-up, in
 * tokens a second. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/bench_gaps.h"
#include "cli/bench_profile.h"
#include "cli/command.h"
#include "cli/load.h"

enum { BATCH_PROMPT = 32, BATCH_STEPS = 16, MAX_REPS = 1000 };

typedef struct bench_args {
    tn_model_args model;
    tn_compute_args compute;
    uint64_t n_prompt, n_gen, depth, reps, gaps, streams;
    tn_opt_list parallel;
    bool json, profile;
} bench_args;

#define AT(field) .offset = offsetof(bench_args, field)
static const tn_option_row options[] = {
    {TN_OPT_GROUP, .group = tn_model_options, AT(model)},
    {TN_OPT_UINT, 'p', .name = "prompt", .arg = "N", .max = 1 << 20,
     .help = "tokens of the prompt (default 512, 0: skip)", AT(n_prompt)},
    {TN_OPT_UINT, 'n', .name = "generate", .arg = "N", .max = 1 << 20,
     .help = "tokens to decode (default 64, 0: skip)", AT(n_gen)},
    {TN_OPT_UINT, .name = "depth", .arg = "N", .max = 1 << 24,
     .help = "also decode after this many tokens of context (default 1024, 0: skip)", AT(depth)},
    {TN_OPT_LIST, .name = "parallel", .arg = "N,N,...", .min = 1, .max = 256,
     .help = "decode this many sequences at once (default 1,2,4,8,16)", AT(parallel)},
    {TN_OPT_UINT, .name = "gaps", .arg = "N", .max = 1 << 24,
     .help = "gaps between tokens of streams while a prompt of so many tokens is computed (default 0: skip)",
     AT(gaps)},
    {TN_OPT_UINT, .name = "streams", .arg = "N", .min = 1, .max = 256,
     .help = "streams for --gaps (default 4)", AT(streams)},
    {TN_OPT_UINT, 'r', .name = "repetitions", .arg = "N", .min = 1, .max = MAX_REPS,
     .help = "runs of each (default 3)", AT(reps)},
    {TN_OPT_FLAG, .name = "profile", .help = "also show where the time of a step goes, by kind of operation",
     AT(profile)},
    {TN_OPT_FLAG, .name = "json", .help = "one line of JSON", AT(json)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

typedef struct bench {
    const bench_args *args;
    tn_model *m;
    tn_error *err;
    int32_t *prompt; /* random ids, the longest that is needed */
    double load_s, max_spread_pct;
    json_t *profiles;  /* object by measurement; NULL: not wanted */
    double profiled_s; /* what the profiled part of the measurement under way took */
} bench;

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Times one run: n_seq sequences of n_prompt tokens are filled untimed (or timed, when n_steps is 0), then
 * decoded for n_steps steps. *ret: tokens a second. */
static int run_once(bench *b, uint32_t n_seq, uint32_t n_prompt, uint32_t n_steps, tn_profile *profile,
                    double *ret) {
    tn_engine *e;
    bool busy = true;
    int rc = tn_engine_new(b->m, NULL, &e, b->err);
    if (rc) return rc;
    tn_seq_config c = {.prompt = b->prompt,
                       .n_prompt = n_prompt,
                       .max_new = n_steps + 2,
                       .ignore_end = true,
                       .isolated = true};
    tn_seq *last = NULL;
    for (uint32_t i = 0; !rc && i < n_seq; i++) rc = tn_engine_add(e, &c, &last, b->err);
    const tn_device_class *cls = b->m->device->cls;
    if (!rc && profile && !n_steps) rc = cls->profile(b->m->exec, profile, b->err);
    double start = tn_clock_s();
    while (!rc && tn_seq_get_info(last).n_past < n_prompt) rc = tn_engine_step(e, &busy, b->err);
    double filled = tn_clock_s() - start;
    if (!rc && profile && n_steps) rc = cls->profile(b->m->exec, profile, b->err);
    double decode = tn_clock_s();
    for (uint32_t i = 0; !rc && i < n_steps; i++) rc = tn_engine_step(e, &busy, b->err);
    double decoded = tn_clock_s() - decode;
    if (profile) cls->profile(b->m->exec, NULL, b->err);
    if (profile) b->profiled_s += n_steps ? decoded : filled;
    tn_engine_free(e);
    *ret = n_steps ? n_seq * n_steps / decoded : n_prompt / filled;
    return rc;
}

/* Takes value, which may be NULL for want of memory. */
static int put(bench *b, json_t *out, const char *name, json_t *value) {
    return json_object_set_new(out, name, value) ? tn_fail(b->err, TN_ENOMEM, "out of memory") : 0;
}

/* The median of the repetitions after a warm-up; keeps the widest spread seen. */
static int measure(bench *b, uint32_t n_seq, uint32_t n_prompt, uint32_t n_steps, tn_profile *profile,
                   double *ret) {
    double v[MAX_REPS], warm_up;
    uint32_t n = (uint32_t)b->args->reps;
    int rc = run_once(b, n_seq, n_prompt, n_steps, NULL, &warm_up);
    for (uint32_t i = 0; !rc && i < n; i++) rc = run_once(b, n_seq, n_prompt, n_steps, profile, &v[i]);
    if (rc) return rc;
    qsort(v, n, sizeof *v, by_value);
    *ret = n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
    double spread = (v[n - 1] - v[0]) / *ret * 100;
    if (spread > b->max_spread_pct) b->max_spread_pct = spread;
    return 0;
}

/* One figure, and its profile under its title. */
static int measure_into(bench *b, json_t *out, const char *name, const char *title, uint32_t n_seq,
                        uint32_t n_prompt, uint32_t n_steps) {
    tn_profile profile = {0};
    double value;
    b->profiled_s = 0;
    int rc = measure(b, n_seq, n_prompt, n_steps, b->profiles ? &profile : NULL, &value);
    if (!rc) rc = put(b, out, name, json_real((double)(int64_t)(value * 100 + 0.5) / 100));
    if (!rc && b->profiles) rc = put(b, b->profiles, title, tn_bench_profile_json(&profile, b->profiled_s));
    return rc;
}

static int measure_all(bench *b, json_t *out) {
    const bench_args *a = b->args;
    uint32_t p = (uint32_t)a->n_prompt, n = (uint32_t)a->n_gen, d = (uint32_t)a->depth;
    char name[64], title[80];
    int rc = 0;
    if (p) {
        snprintf(name, sizeof name, "pp%u", p);
        rc = measure_into(b, out, name, name, 1, p, 0);
    }
    if (!rc && n) {
        snprintf(name, sizeof name, "tg%u", n);
        rc = measure_into(b, out, name, name, 1, 1, n);
    }
    if (!rc && n && d) {
        snprintf(name, sizeof name, "tg%u_d%u", n, d);
        rc = measure_into(b, out, name, name, 1, d, n);
    }
    json_t *batch = json_object();
    for (uint32_t i = 0; !rc && i < a->parallel.n; i++) {
        snprintf(name, sizeof name, "%u", (uint32_t)a->parallel.value[i]);
        snprintf(title, sizeof title, "batch %s", name);
        rc = measure_into(b, batch, name, title, (uint32_t)a->parallel.value[i], BATCH_PROMPT, BATCH_STEPS);
    }
    json_object_set_new(out, "batch", batch);
    json_t *gaps = NULL;
    if (!rc && a->gaps)
        rc = tn_bench_gaps(b->m, b->prompt, (uint32_t)a->gaps, (uint32_t)a->streams, &gaps, b->err);
    if (gaps) json_object_set_new(out, "gaps", gaps);
    return rc;
}

static int describe(bench *b, json_t *out) {
    const char *path = tn_checkpoint_path(b->m->checkpoint), *slash = strrchr(path, '/');
    json_t *facts =
        json_pack("{s:s,s:s,s:s,s:I,s:f,s:I,s:I,s:I}", "model", slash && slash[1] ? slash + 1 : path,
                  "device", b->m->device->cls->name, "kernels", b->m->device->cls->describe(b->m->device),
                  "reps", (json_int_t)b->args->reps, "load_s", b->load_s, "model_bytes",
                  (json_int_t)tn_checkpoint_bytes(b->m->checkpoint), "repacked_bytes",
                  (json_int_t)b->m->size.weights, "activation_bytes", (json_int_t)b->m->size.activations);
    int bad = !facts || json_object_update(out, facts) != 0;
    json_decref(facts);
    return bad ? tn_fail(b->err, TN_ENOMEM, "out of memory") : 0;
}

static void print(const json_t *out, bool as_json) {
    const char *key;
    json_t *value;
    char *text = as_json ? json_dumps(out, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    if (as_json) puts(text ? text : "{}");
    free(text);
    if (as_json) return;
    json_object_foreach((json_t *)(uintptr_t)out, key, value) {
        if (strcmp(key, "profile") == 0) continue;
        char *v = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("%-18s %s\n", key, v ? v : "?");
        free(v);
    }
    json_object_foreach(json_object_get(out, "profile"), key, value) tn_bench_profile_print(key, value);
}

/* The longest sequence and the most of them, so that everything is allocated once. */
static tn_model_config needs(const bench_args *a) {
    uint64_t longest = a->n_prompt + 2, most = 1;
    if (a->depth + a->n_gen + 2 > longest) longest = a->depth + a->n_gen + 2;
    if (BATCH_PROMPT + BATCH_STEPS + 2 > longest) longest = BATCH_PROMPT + BATCH_STEPS + 2;
    for (uint32_t i = 0; i < a->parallel.n; i++)
        if (a->parallel.value[i] > most) most = a->parallel.value[i];
    if (a->gaps && a->gaps + 2 > longest) longest = a->gaps + 2;
    if (a->gaps && a->streams + 1 > most) most = a->streams + 1;
    return (tn_model_config){.n_ctx = (uint32_t)longest, .max_seqs = (uint32_t)most};
}

static int fill_prompt(bench *b, uint32_t n) {
    b->prompt = malloc(n * sizeof *b->prompt);
    if (!b->prompt) return tn_fail(b->err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++) b->prompt[i] = (int32_t)(tn_random_unit(1, i) * b->m->program->n_vocab);
    return 0;
}

static int start_profile(bench *b, json_t *out) {
    const tn_device_class *cls = b->m->device->cls;
    if (!cls->profile)
        return tn_fail(b->err, TN_ENOTSUP,
                       "--profile: the device %s does not time its steps; use --device cpu", cls->name);
    b->profiles = json_object();
    return put(b, out, "profile", b->profiles);
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const bench_args *a = args;
    bench b = {.args = a, .err = err};
    tn_loaded_model l = {0};
    tn_model_config config = needs(a);
    json_t *out = json_object();
    (void)n;
    (void)operands;
    double start = tn_clock_s();
    int rc = out ? tn_load(a->model.model, &a->compute, config, &l, err)
                 : tn_fail(err, TN_ENOMEM, "out of memory");
    b.load_s = tn_clock_s() - start;
    b.m = l.model;
    if (!rc) rc = fill_prompt(&b, config.n_ctx);
    if (!rc) rc = describe(&b, out);
    if (!rc && a->profile) rc = start_profile(&b, out);
    if (!rc) rc = measure_all(&b, out);
    if (!rc) {
        json_object_set_new(out, "max_spread_pct", json_real(b.max_spread_pct));
        print(out, a->json);
    }
    free(b.prompt);
    json_decref(out);
    tn_unload(&l);
    return rc;
}

static void defaults(void *args) {
    bench_args *a = args;
    a->n_prompt = 512;
    a->n_gen = 64;
    a->depth = 1024;
    a->reps = 3;
    a->streams = 4;
    a->parallel = (tn_opt_list){.n = 5, .value = {1, 2, 4, 8, 16}};
}

const tn_command tn_cmd_bench = {
    .name = "bench",
    .operands = "",
    .help = "measure a model's speed on this machine",
    .about =
        "Prints tokens a second: pp prompt tokens, tg decoded tokens (_d: after that much context), batch: all\n"
        "sequences together, 32 prompt tokens and 16 steps each. Medians; nothing is sampled but the highest logit.\n"
        "gaps: the longest time between two tokens of a stream, beside the median time of a full step.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(bench_args),
    .defaults = defaults,
    .run = run,
};
