/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a device computes what it should on this machine: every kernel against plain loops. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "cli/command.h"
#include "device/gpu/check.h"
#include "device/gpu/device.h"

typedef struct selftest_args {
    const char *device, *kernel;
    uint64_t seed;
    bool json;
} selftest_args;

#define AT(field) .offset = offsetof(selftest_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, 'd', .name = "device", .arg = "DEVICE", .help = "the GPU (default: the first there is)",
     AT(device)},
    {TN_OPT_STRING, 'k', .name = "kernel", .arg = "NAME", .help = "only the checks of this kernel",
     AT(kernel)},
    {TN_OPT_UINT, .name = "seed", .arg = "N", .max = UINT32_MAX, .help = "draws the inputs (default 0)",
     AT(seed)},
    {TN_OPT_FLAG, .name = "json", .help = "the table as JSON, a line for each check", AT(json)},
    {.kind = TN_OPT_END},
};

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

static void print_json(const tn_gpu_check *c, const outcome *o, bool passed) {
    json_t *line = json_pack("{s:s,s:s,s:i,s:f,s:f,s:f,s:b}", "kernel", c->kernel, "variant", c->variant,
                             "shapes", (int)c->n_shape, "worst", isfinite(o->worst) ? o->worst : -1.0,
                             "tolerance", c->tolerance, "seconds", o->seconds, "passed", passed);
    if (line && o->err.text[0]) json_object_set_new(line, "error", json_string(o->err.text));
    if (line && !passed) json_object_set_new(line, "shape", json_integer(o->shape));
    json_dumpf(line, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(line);
}

static void print_row(const tn_gpu_check *c, const outcome *o, bool passed) {
    printf("%-20s %-28s %6u %10.1e %10.1e %8.2f  %s", c->kernel, c->variant, c->n_shape, o->worst,
           c->tolerance, o->seconds, passed ? "ok" : "FAILED");
    if (!passed) printf(" at shape %u%s%s", o->shape, o->err.text[0] ? ": " : "", o->err.text);
    putchar('\n');
}

/* Every check that is wanted; numbers of those that passed and failed. */
static void run_all(const selftest_args *a, tn_gpu *g, uint32_t *ret_passed, uint32_t *ret_failed) {
    for (size_t t = 0; tn_gpu_checks[t]; t++)
        for (const tn_gpu_check *c = tn_gpu_checks[t]; c->kernel; c++) {
            outcome o;
            if (a->kernel && strcmp(a->kernel, c->kernel) != 0) continue;
            run_check(c, g, (uint32_t)a->seed, &o);
            const bool passed = o.worst <= c->tolerance;
            *(passed ? ret_passed : ret_failed) += 1;
            (a->json ? print_json : print_row)(c, &o, passed);
            fflush(stdout);
        }
}

/* The device asked for, or the first GPU. */
static int open_device(const char *name, tn_device **ret, tn_error *err) {
    const tn_device_options device_options = {0};
    if (name) {
        const tn_device_class *cls = tn_device_class_find(name);
        if (!cls) return tn_fail(err, TN_EINVAL, "there is no device \"%s\" in this build", name);
        int rc = cls->open(&device_options, ret, err);
        if (rc || tn_gpu_of(*ret)) return rc;
        cls->close(*ret);
        return tn_fail(err, TN_EINVAL, "%s has no kernels to check here: `make check` of the sources does",
                       name);
    }
    int rc = TN_ENOTSUP;
    tn_fail(err, rc, "this build has no device for GPUs");
    for (size_t i = 0; rc && tn_device_classes[i]; i++)
        if (tn_device_classes[i]->lower == tn_gpu_lower)
            rc = tn_device_classes[i]->open(&device_options, ret, err);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const selftest_args *a = args;
    uint32_t passed = 0, failed = 0;
    tn_device *d;
    (void)n;
    (void)operands;
    int rc = open_device(a->device, &d, err);
    if (rc) return rc;
    if (!a->json) {
        printf("%s: %s\n\n", d->cls->name, d->cls->describe(d));
        printf("%-20s %-28s %6s %10s %10s %8s\n", "KERNEL", "OF", "SHAPES", "WORST", "ALLOWED", "SECONDS");
    }
    run_all(a, tn_gpu_of(d), &passed, &failed);
    if (!a->json) printf("\n%u passed, %u failed\n", passed, failed);
    d->cls->close(d);
    if (passed + failed == 0) return tn_fail(err, TN_EINVAL, "no check is of a kernel \"%s\"", a->kernel);
    return failed ? tn_fail(err, TN_EDEVICE, "%u checks failed: do not trust answers of this device", failed)
                  : 0;
}

const tn_command tn_cmd_selftest = {
    .name = "selftest",
    .operands = "",
    .help = "check that a GPU computes what it should",
    .about =
        "Compiles every kernel of a GPU and compares what it computes with plain loops, over many shapes.\n"
        "The table shows the largest difference found, relative to values above 1.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(selftest_args),
    .run = run,
};
