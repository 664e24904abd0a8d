/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a device computes what it should on this machine. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "device/gpu/check.h"
#include "device/gpu/device.h"
#include "device/selfcheck.h"

typedef struct selftest_args {
    const char *device, *kernel;
    uint64_t seed;
    bool json;
} selftest_args;

#define AT(field) .offset = offsetof(selftest_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, 'd', .name = "device", .arg = "DEVICE",
     .help = "what is checked (default: the first GPU, else the first device)", AT(device)},
    {TN_OPT_STRING, 'k', .name = "kernel", .arg = "NAME",
     .help = "only the checks of this kernel; \"program\" is the model", AT(kernel)},
    {TN_OPT_UINT, .name = "seed", .arg = "N", .max = UINT32_MAX, .help = "draws the inputs (default 0)",
     AT(seed)},
    {TN_OPT_FLAG, .name = "json", .help = "the table as JSON, a line for each check", AT(json)},
    {.kind = TN_OPT_END},
};

typedef struct test {
    const selftest_args *args;
    tn_device *device;
    uint32_t n_passed, n_failed;
} test;

/* What a check came to. */
typedef struct outcome {
    double worst, seconds;
    uint32_t shape; /* the worst one, or that failed */
    tn_error err;   /* of the GPU, when it failed */
} outcome;

static void run_check(const tn_gpu_check *c, tn_gpu *g, uint32_t seed, outcome *ret) {
    const int64_t start = tn_clock_ns();
    *ret = (outcome){.worst = 0};
    for (uint32_t shape = 0; shape < c->n_shape; shape++) {
        const double off = c->run(c, g, shape, seed * 1000 + shape + 1, &ret->err);
        if (off <= ret->worst) continue;
        ret->worst = off;
        ret->shape = shape;
        if (!(off <= c->tolerance)) break;
    }
    ret->seconds = (double)(tn_clock_ns() - start) * 1e-9;
}

static void print_json(const char *kernel, const char *variant, uint32_t n_shape, double allowed,
                       const outcome *o, bool passed) {
    json_t *line = json_pack("{s:s,s:s,s:i,s:f,s:f,s:f,s:b}", "kernel", kernel, "variant", variant, "shapes",
                             (int)n_shape, "worst", isfinite(o->worst) ? o->worst : -1.0, "tolerance",
                             allowed, "seconds", o->seconds, "passed", passed);
    if (line && o->err.text[0]) json_object_set_new(line, "error", json_string(o->err.text));
    if (line && !passed) json_object_set_new(line, "shape", json_integer(o->shape));
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(line);
}

static void print_row(const char *kernel, const char *variant, uint32_t n_shape, double allowed,
                      const outcome *o, bool passed) {
    printf("%-20s %-28s %6u %10.1e %10.1e %8.2f  %s", kernel, variant, n_shape, o->worst, allowed, o->seconds,
           passed ? "ok" : "FAILED");
    if (!passed) printf(" at shape %u%s%s", o->shape, o->err.text[0] ? ": " : "", o->err.text);
    putchar('\n');
}

static void report(test *t, const char *kernel, const char *variant, uint32_t n_shape, double allowed,
                   const outcome *o) {
    const bool passed = o->worst <= allowed;
    *(passed ? &t->n_passed : &t->n_failed) += 1;
    (t->args->json ? print_json : print_row)(kernel, variant, n_shape, allowed, o, passed);
    fflush(stdout);
}

static bool is_wanted(const test *t, const char *kernel) {
    return !t->args->kernel || strcmp(t->args->kernel, kernel) == 0;
}

static void test_kernels(test *t) {
    tn_gpu *g = tn_gpu_of(t->device);
    for (size_t k = 0; g && tn_gpu_checks[k]; k++)
        for (const tn_gpu_check *c = tn_gpu_checks[k]; c->kernel; c++) {
            outcome o;
            if (!is_wanted(t, c->kernel)) continue;
            run_check(c, g, (uint32_t)t->args->seed, &o);
            report(t, c->kernel, c->variant, c->n_shape, c->tolerance, &o);
        }
}

static void test_program(test *t) {
    const double allowed = 1e-3; /* of logits up to 4 */
    const int64_t start = tn_clock_ns();
    outcome o = {.worst = 0};
    if (!is_wanted(t, "program")) return;
    if (tn_device_selfcheck(t->device, &o.worst, &o.err) != 0) o.worst = INFINITY;
    o.seconds = (double)(tn_clock_ns() - start) * 1e-9;
    report(t, "program", "two layers, three sequences", 1, allowed, &o);
}

/* The device asked for, or the first GPU, or the first of all. GPUs that are passed over say why. */
static int open_device(const char *name, tn_device **ret, tn_error *err) {
    const tn_device_options device_options = {0};
    const tn_device_class *cls = name ? tn_device_class_find(name) : tn_device_classes[0];
    if (!cls) return tn_fail(err, TN_EINVAL, "there is no device \"%s\" in this build", name);
    for (size_t i = 0; !name && tn_device_classes[i]; i++) {
        if (tn_device_classes[i]->lower != tn_gpu_lower) continue;
        if (tn_device_classes[i]->open(&device_options, ret, err) == 0) return 0;
        tn_log(TN_LOG_WARN, "selftest", "%s is not tested: %s", tn_device_classes[i]->name, err->text);
    }
    return cls->open(&device_options, ret, err);
}

static int run(void *args, int n, char **operands, tn_error *err) {
    test t = {.args = args};
    (void)n;
    (void)operands;
    int rc = open_device(t.args->device, &t.device, err);
    if (rc) return rc;
    if (!t.args->json) {
        printf("%s: %s\n\n", t.device->cls->name, t.device->cls->describe(t.device));
        printf("%-20s %-28s %6s %10s %10s %8s\n", "KERNEL", "OF", "SHAPES", "WORST", "ALLOWED", "SECONDS");
    }
    test_kernels(&t);
    test_program(&t);
    t.device->cls->close(t.device);
    if (!t.args->json) printf("\n%u passed, %u failed\n", t.n_passed, t.n_failed);
    if (t.n_passed + t.n_failed == 0)
        return tn_fail(err, TN_EINVAL, "this device has no kernel \"%s\"", t.args->kernel);
    if (t.n_failed == 0) return 0;
    return tn_fail(err, TN_EDEVICE, "%u checks failed: do not trust answers of this device", t.n_failed);
}

const tn_command tn_cmd_selftest = {
    .name = "selftest",
    .operands = "",
    .help = "check that a device computes what it should",
    .about =
        "Compiles every kernel of a GPU and compares what it computes with plain loops, over many shapes; then, on\n"
        "any device, runs a small model alone and in company. The table shows the largest difference found,\n"
        "relative to values above 1.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(selftest_args),
    .run = run,
};
