/* SPDX-License-Identifier: Apache-2.0 */
/* Speed of a model on this machine: prompt processing, decoding with an empty and with a filled context, and
 * several sequences at once. Every figure is the median of -r runs after one warm-up, in tokens a second.
 * Beside them what they are of the machine's limits, where the time goes, or the same of another program. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "cli/bench_compare.h"
#include "cli/bench_embed.h"
#include "cli/bench_gaps.h"
#include "cli/bench_limits.h"
#include "cli/bench_measure.h"
#include "cli/bench_profile.h"
#include "cli/bench_vision.h"
#include "cli/command.h"
#include "cli/load.h"

enum { BATCH_PROMPT = 32, BATCH_STEPS = 16, MAX_REPS = 1000, MAX_CASES = 32 + 2 + 32 };

typedef struct bench_args {
    tn_model_args model;
    tn_compute_args compute;
    uint64_t n_gen, depth, reps, gaps, streams, pairs, timeout_s;
    tn_opt_list prompts, parallel, embed;
    const char *command; /* of --compare, or NULL */
    bool json, profile, no_limits, vision;
} bench_args;

#define AT(field) .offset = offsetof(bench_args, field)
static const tn_option_row options[] = {
    {TN_OPT_GROUP, .group = tn_model_options, AT(model)},
    {TN_OPT_LIST, 'p', .name = "prompt", .arg = "N,N,...", .max = 1 << 20,
     .help = "tokens of the prompt, of each that is measured (default 128,512; 0: skip)", AT(prompts)},
    {TN_OPT_UINT, 'n', .name = "generate", .arg = "N", .max = 1 << 20,
     .help = "tokens to decode (default 64, 0: skip)", AT(n_gen)},
    {TN_OPT_UINT, .name = "depth", .arg = "N", .max = 1 << 24,
     .help = "also decode after this many tokens of context (default 1024, 0: skip)", AT(depth)},
    {TN_OPT_LIST, .name = "parallel", .arg = "N,N,...", .max = 256,
     .help = "decode this many sequences at once (default 1,2,4,8,16; 0: skip)", AT(parallel)},
    {TN_OPT_LIST, .name = "embed", .arg = "N,N,...", .max = 1 << 20,
     .help = "instead texts a second of a model for embeddings: of so many tokens, --parallel at once",
     AT(embed)},
    {TN_OPT_UINT, .name = "gaps", .arg = "N", .max = 1 << 24,
     .help = "gaps between tokens of streams while a prompt of so many tokens is computed (default 0: skip)",
     AT(gaps)},
    {TN_OPT_UINT, .name = "streams", .arg = "N", .min = 1, .max = 256,
     .help = "streams for --gaps (default 4)", AT(streams)},
    {TN_OPT_FLAG, .name = "vision",
     .help = "instead of all that: time to the first token for images and videos, new and seen before",
     AT(vision)},
    {TN_OPT_UINT, 'r', .name = "repetitions", .arg = "N", .min = 1, .max = MAX_REPS,
     .help = "runs of each (default 3; with --compare 1 in a pair)", AT(reps)},
    {TN_OPT_FLAG, .name = "no-limits", .help = "do not measure what the machine could do", AT(no_limits)},
    {TN_OPT_FLAG, .name = "profile", .help = "also show where the time of a step goes, by kind of operation",
     AT(profile)},
    {TN_OPT_STRING, .name = "compare", .arg = "COMMAND",
     .help = "measure in turn with a command that prints the same figures as JSON", AT(command)},
    {TN_OPT_UINT, .name = "pairs", .arg = "N", .min = 1, .max = MAX_REPS,
     .help = "turns of each for --compare (default 5)", AT(pairs)},
    {TN_OPT_UINT, .name = "compare-timeout", .arg = "SECONDS", .min = 1, .max = 1 << 20,
     .help = "end the command of --compare after so long, each time (default 1800)", AT(timeout_s)},
    {TN_OPT_FLAG, .name = "json", .help = "one line of JSON", AT(json)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

typedef struct bench {
    const bench_args *args;
    tn_model *m;
    tn_error *err;
    tn_bench_case cases[MAX_CASES];
    size_t n_case;
    int32_t *prompt; /* random ids, the longest that is needed */
    double load_s, max_spread_pct;
    tn_bench_limits limits;
    json_t *batch;             /* its figures by number of sequences; borrowed */
    json_t *shares, *profiles; /* objects by name of case; NULL: not wanted */
} bench;

/* Takes value, which may be NULL for want of memory. */
static int put(bench *b, json_t *out, const char *name, json_t *value) {
    return json_object_set_new(out, name, value) ? tn_fail(b->err, TN_ENOMEM, "out of memory") : 0;
}

/* ---- What is measured ---- */

static tn_bench_case *add_case(bench *b, uint64_t n_seq, uint64_t n_prompt, uint64_t n_steps) {
    tn_bench_case *c = &b->cases[b->n_case++];
    *c = (tn_bench_case){
        .n_seq = (uint32_t)n_seq, .n_prompt = (uint32_t)n_prompt, .n_steps = (uint32_t)n_steps};
    return c;
}

static void list_cases(bench *b) {
    const bench_args *a = b->args;
    unsigned long long n = a->n_gen, d = a->depth;
    if (a->vision) return;
    for (uint32_t i = 0; i < a->prompts.n; i++) {
        unsigned long long p = a->prompts.value[i];
        if (p) snprintf(add_case(b, 1, p, 0)->name, sizeof b->cases->name, "pp%llu", p);
    }
    if (n) snprintf(add_case(b, 1, 1, n)->name, sizeof b->cases->name, "tg%llu", n);
    if (n && d) snprintf(add_case(b, 1, d, n)->name, sizeof b->cases->name, "tg%llu_d%llu", n, d);
    for (uint32_t i = 0; i < a->parallel.n; i++) {
        unsigned long long p = a->parallel.value[i];
        if (p == 0) continue;
        tn_bench_case *c = add_case(b, p, BATCH_PROMPT, BATCH_STEPS);
        c->skip = 1;
        snprintf(c->name, sizeof c->name, "batch %llu", p);
    }
}

/* The longest sequence and the most of them, so that everything is allocated once. */
static tn_model_config needs(const bench *b) {
    const bench_args *a = b->args;
    uint64_t longest = TN_BENCH_STREAM_PROMPT, most = 1;
    for (size_t i = 0; i < b->n_case; i++) {
        uint64_t n = tn_bench_context(&b->cases[i]);
        if (n > longest) longest = n;
        if (b->cases[i].n_seq > most) most = b->cases[i].n_seq;
    }
    if (a->embed.n) return (tn_model_config){0}; /* as long texts as the model takes */
    if (a->gaps && a->gaps + 2 > longest) longest = a->gaps + 2;
    if (a->gaps && a->streams + 1 > most) most = a->streams + 1;
    if (a->vision) return (tn_model_config){.max_seqs = TN_BENCH_VISION_STREAMS + 1};
    return (tn_model_config){.n_ctx = (uint32_t)longest, .max_seqs = (uint32_t)most};
}

static uint32_t longest_text(const bench_args *a) {
    uint64_t longest = 1;
    for (uint32_t i = 0; i < a->embed.n; i++)
        if (a->embed.value[i] > longest) longest = a->embed.value[i];
    return (uint32_t)longest;
}

/* ---- Measuring ---- */

/* The median of the repetitions; keeps the widest spread seen. */
static int judge(bench *b, const tn_bench_sample *samples, size_t n, double *ret) {
    tn_samples speeds = {0};
    for (size_t i = 0; i < n; i++) tn_samples_add(&speeds, samples[i].speed);
    *ret = tn_samples_median(&speeds);
    double spread = (tn_samples_most(&speeds) - tn_samples_least(&speeds)) / *ret * 100;
    if (spread > b->max_spread_pct) b->max_spread_pct = spread;
    int rc = speeds.full ? tn_fail(b->err, TN_ENOMEM, "out of memory") : 0;
    tn_samples_fini(&speeds);
    return rc;
}

/* The figure, under its name in out or out's "batch", and what is beside it. */
static int keep(bench *b, json_t *out, const tn_bench_case *c, const tn_bench_sample *samples,
                const tn_bench_extra *extra) {
    size_t n = b->args->reps;
    bool batch = strncmp(c->name, "batch ", 6) == 0;
    double speed;
    int rc = judge(b, samples, n, &speed);
    if (!rc)
        rc = put(b, batch ? b->batch : out, batch ? c->name + 6 : c->name,
                 json_real((double)(int64_t)(speed * 100 + 0.5) / 100));
    if (!rc && b->shares) rc = put(b, b->shares, c->name, tn_bench_share(&b->limits, b->m, c, samples, n));
    if (!rc && b->profiles)
        rc = put(b, b->profiles, c->name, tn_bench_profile_json(extra->profile, extra->profiled_s));
    return rc;
}

static int measure(bench *b, const tn_bench_case *c, json_t *out) {
    tn_profile profile = {0};
    tn_bench_extra extra = {.read = b->shares != NULL, .profile = b->profiles ? &profile : NULL};
    tn_bench_sample samples[MAX_REPS], warm_up;
    int rc = tn_bench_measure(b->m, b->prompt, c, NULL, &warm_up, b->err);
    for (uint64_t i = 0; !rc && i < b->args->reps; i++)
        rc = tn_bench_measure(b->m, b->prompt, c, &extra, &samples[i], b->err);
    return rc ? rc : keep(b, out, c, samples, &extra);
}

static int measure_vision(bench *b, json_t *out) {
    json_t *vision = NULL;
    int rc = tn_bench_vision(b->m, (uint32_t)b->args->reps, &vision, b->err);
    return rc ? rc : put(b, out, "vision", vision);
}

static int measure_all(bench *b, json_t *out) {
    const bench_args *a = b->args;
    json_t *gaps = NULL;
    int rc = 0;
    b->batch = json_object();
    for (size_t i = 0; !rc && i < b->n_case; i++) rc = measure(b, &b->cases[i], out);
    rc = rc ? (json_decref(b->batch), rc) : put(b, out, "batch", b->batch);
    if (!rc && a->gaps)
        rc = tn_bench_gaps(b->m, b->prompt, (uint32_t)a->gaps, (uint32_t)a->streams, &gaps, b->err);
    if (!rc && gaps) rc = put(b, out, "gaps", gaps);
    if (!rc && b->shares) rc = put(b, out, "limits", tn_bench_limits_json(&b->limits));
    if (!rc && b->shares) rc = put(b, out, "shares", json_incref(b->shares));
    if (!rc && b->profiles) rc = put(b, out, "profile", json_incref(b->profiles));
    return rc ? rc : put(b, out, "max_spread_pct", json_real(b->max_spread_pct));
}

static int embed(bench *b, json_t *out) {
    const tn_bench_embed_args args = {.lengths = &b->args->embed,
                                      .batches = &b->args->parallel,
                                      .reps = (uint32_t)b->args->reps,
                                      .limits = b->shares ? &b->limits : NULL};
    json_t *figures = NULL;
    int rc = tn_bench_embed(b->m, b->prompt, &args, &figures, b->err);
    return rc ? rc : put(b, out, "embed", figures);
}

static int compare(bench *b, json_t *out) {
    const bench_args *a = b->args;
    tn_bench_compare_args args = {.command = a->command,
                                  .n_pair = (uint32_t)a->pairs,
                                  .timeout_s = (uint32_t)a->timeout_s,
                                  .reps = (uint32_t)a->reps};
    json_t *comparison = NULL;
    int rc = tn_bench_compare(b->m, b->prompt, b->cases, b->n_case, &args, &comparison, b->err);
    return rc ? rc : put(b, out, "compare", comparison);
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

/* What has a table of its own. */
static bool is_table(const char *key) {
    static const char *const keys[] = {"limits", "shares", "profile", "compare", "embed"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

static void print_text(json_t *out) {
    const char *key;
    json_t *value, *shares = json_object_get(out, "shares"), *compared = json_object_get(out, "compare");
    json_object_foreach(out, key, value) {
        if (is_table(key)) continue;
        char *v = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
        printf("%-18s %s\n", key, v ? v : "?");
        free(v);
    }
    if (shares) tn_bench_limits_print(json_object_get(out, "limits"), shares);
    json_object_foreach(json_object_get(out, "profile"), key, value) tn_bench_profile_print(key, value);
    if (json_object_get(out, "embed")) tn_bench_embed_print(json_object_get(out, "embed"));
    if (compared) tn_bench_compare_print(compared);
}

static void print(json_t *out, bool as_json) {
    char *text = as_json ? json_dumps(out, JSON_COMPACT | JSON_REAL_PRECISION(6)) : NULL;
    if (as_json)
        puts(text ? text : "{}");
    else
        print_text(out);
    free(text);
}

static int fill_prompt(bench *b, uint32_t n) {
    b->prompt = malloc(n * sizeof *b->prompt);
    if (!b->prompt) return tn_fail(b->err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++) b->prompt[i] = (int32_t)(tn_random_unit(1, i) * b->m->program->n_vocab);
    return 0;
}

/* What is wanted beside the figures. */
static int prepare(bench *b) {
    const tn_device_class *cls = b->m->device->cls;
    if (b->args->profile && !cls->profile)
        return tn_fail(b->err, TN_ENOTSUP,
                       "--profile: the device %s does not time its steps; use --device cpu", cls->name);
    if (b->args->profile && !(b->profiles = json_object()))
        return tn_fail(b->err, TN_ENOMEM, "out of memory");
    if (b->args->no_limits || b->args->command || b->args->vision || !tn_bench_limits_known(b->m)) return 0;
    if (!(b->shares = json_object())) return tn_fail(b->err, TN_ENOMEM, "out of memory");
    return tn_bench_limits_init(&b->limits, b->m, b->err);
}

static int run_loaded(bench *b, uint32_t n_ctx) {
    json_t *out = json_object();
    int rc = out ? fill_prompt(b, n_ctx) : tn_fail(b->err, TN_ENOMEM, "out of memory");
    if (!rc) rc = describe(b, out);
    if (!rc) rc = prepare(b);
    if (!rc && b->args->vision)
        rc = measure_vision(b, out);
    else if (!rc)
        rc = b->args->command ? compare(b, out) : b->args->embed.n ? embed(b, out) : measure_all(b, out);
    if (!rc) print(out, b->args->json);
    json_decref(out);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    bench_args *a = args;
    tn_loaded_model l = {0};
    (void)n;
    (void)operands;
    if (a->embed.n && (a->command || a->profile || a->gaps))
        return tn_usage(err, "--embed goes with neither --compare nor --profile nor --gaps");
    if (a->command && (a->profile || a->gaps))
        return tn_usage(err, "--compare goes with neither --profile nor --gaps");
    if (a->vision && (a->command || a->profile || a->gaps || a->embed.n))
        return tn_usage(err, "--vision goes with none of --compare, --profile, --gaps and --embed");
    if (!a->reps) a->reps = a->command ? 1 : 3;
    bench *b = calloc(1, sizeof *b);
    if (!b) return tn_fail(err, TN_ENOMEM, "out of memory");
    b->args = a;
    b->err = err;
    list_cases(b);
    tn_model_config config = needs(b);
    double start = tn_clock_s();
    int rc = tn_load(a->model.model, &a->compute, config, &l, err);
    b->load_s = tn_clock_s() - start;
    b->m = l.model;
    if (!rc) rc = run_loaded(b, config.n_ctx ? config.n_ctx : longest_text(a));
    free(b->prompt);
    tn_bench_limits_fini(&b->limits);
    json_decref(b->shares);
    json_decref(b->profiles);
    free(b);
    tn_unload(&l);
    return rc;
}

static void defaults(void *args) {
    bench_args *a = args;
    a->prompts = (tn_opt_list){.n = 2, .value = {128, 512}};
    a->n_gen = 64;
    a->depth = 1024;
    a->streams = 4;
    a->pairs = 5;
    a->timeout_s = 1800;
    a->parallel = (tn_opt_list){.n = 5, .value = {1, 2, 4, 8, 16}};
}

const tn_command tn_cmd_bench = {
    .name = "bench",
    .operands = "",
    .help = "measure a model's speed on this machine",
    .about =
        "Prints tokens a second: pp prompt tokens, tg decoded tokens (_d: after that much context), batch: all\n"
        "sequences together, 32 prompt tokens and 16 steps each. Medians; nothing is sampled but the highest logit.\n"
        "gaps: the longest time between two tokens of a stream, beside the median time of a full step.\n"
        "--vision: seconds to the first token, for a picture that nobody has seen and again under another question.\n"
        "Beside them stand the limits of the machine, measured with up to 1 GiB of memory, and the shares achieved.\n"
        "--compare: the model stays loaded while the command runs, so there must be memory for both.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(bench_args),
    .defaults = defaults,
    .run = run,
};
