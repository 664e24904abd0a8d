/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of metal/kernels against plain loops, its threads in order and in random orders; and every
 * barrier of every kernel is missed when it is left out. */
#include "unit/unit.h"

#include <math.h>
#include <time.h>

#include "device/gpu/check.h"
#include "gpu_sim.h"
#include "libraries.h"

enum { N_SEED = 3 };
static uint32_t seeds[N_SEED]; /* 0: in order; a fixed one; one of the day (or TN_METAL_SIM_SEED) */
static tn_gpu *gpu;

static void draw_seeds(void) {
    const char *given = getenv("TN_METAL_SIM_SEED");
    seeds[1] = 12345;
    seeds[2] = given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)time(NULL) | 1;
    printf("# order of threads drawn from the seeds %u, %u (TN_METAL_SIM_SEED)\n", seeds[1], seeds[2]);
}

/* TN_METAL_KERNEL=name: only the checks of that kernel. */
static bool is_wanted(const tn_gpu_check *c) {
    const char *only = getenv("TN_METAL_KERNEL");
    return !only || strcmp(only, c->kernel) == 0;
}

static double run_seeded(const tn_gpu_check *c, uint32_t shape, uint32_t seed, tn_error *err) {
    sim_seed(seed);
    const double off = c->run(c, gpu, shape, shape + 1, err);
    sim_seed(0);
    return off;
}

static void check_kernel(const tn_gpu_check *c) {
    double worst = 0;
    for (uint32_t shape = 0; shape < c->n_shape; shape++)
        for (int s = 0; s < N_SEED; s++) {
            tn_error err = {0};
            const double off = run_seeded(c, shape, seeds[s], &err);
            if (!(off <= c->tolerance))
                fail_msg("%s %s, shape %u, seed %u: off by %g, %g allowed. %s", c->kernel, c->variant, shape,
                         seeds[s], off, c->tolerance, err.text);
            worst = off > worst ? off : worst;
        }
    printf("# %-18s %-24s %2u shapes, off by at most %.1e\n", c->kernel, c->variant, c->n_shape, worst);
}

static void kernels_agree_with_plain_loops(void **state) {
    (void)state;
    for (size_t t = 0; tn_gpu_checks[t]; t++)
        for (const tn_gpu_check *c = tn_gpu_checks[t]; c->kernel; c++)
            if (is_wanted(c)) check_kernel(c);
}

static bool has_check(const char *kernel) {
    for (size_t t = 0; tn_gpu_checks[t]; t++)
        for (const tn_gpu_check *c = tn_gpu_checks[t]; c->kernel; c++)
            if (strcmp(c->kernel, kernel) == 0) return true;
    return false;
}

static void every_kernel_has_a_check(void **state) {
    (void)state;
    const sim_kernel *k;
    for (size_t i = 0; (k = sim_kernel_at(&metal_kernels, i)) != NULL; i++)
        if (!has_check(sim_kernel_name(k))) fail_msg("kernel %s has no check", sim_kernel_name(k));
}

/* A GPU whose kernel `name` is wrong, and only that. A failure of the simulator is final, so each run has its
 * own. */
static bool is_caught(const tn_gpu_check *c, const sim_kernel *wrong, uint32_t shape, uint32_t seed) {
    tn_gpu *right = gpu;
    tn_error err = {0};
    assert_int_equal(tn_gpu_sim.open(&gpu, &err), 0);
    tn_gpu_sim_replace(c->kernel, wrong);
    const bool caught = !(run_seeded(c, shape, seed, &err) <= c->tolerance);
    tn_gpu_sim_replace(NULL, NULL);
    tn_gpu_sim.close(gpu);
    gpu = right;
    return caught;
}

/* The first check, shape and order of threads that shows that `wrong`, of the kernel whose name has n
 * letters, is; counts runs up to there. Random orders first: they catch most. */
static bool find_catch(const sim_kernel *wrong, size_t n, uint32_t *ret_runs) {
    const char *name = sim_kernel_name(wrong);
    *ret_runs = 0;
    for (int s = N_SEED - 1; s >= 0; s--)
        for (size_t t = 0; tn_gpu_checks[t]; t++)
            for (const tn_gpu_check *c = tn_gpu_checks[t]; c->kernel; c++) {
                if (strlen(c->kernel) != n || strncmp(c->kernel, name, n) != 0 || !is_wanted(c)) continue;
                for (uint32_t shape = 0; shape < c->n_shape; shape++, ++*ret_runs)
                    if (is_caught(c, wrong, shape, seeds[s])) return true;
            }
    return false;
}

static void every_missing_barrier_is_caught(void **state) {
    (void)state;
    const char *only = getenv("TN_METAL_KERNEL");
    const sim_kernel *k;
    uint32_t n_mutant = 0, runs;
    if (!sim_checks_operations())
        unit_skip("in this build, a misaligned access of a kernel without its barrier would end the program");
    for (size_t i = 0; (k = sim_kernel_at(&metal_mutants, i)) != NULL; i++) {
        const size_t n = strcspn(sim_kernel_name(k), "@");
        if (only && (strlen(only) != n || strncmp(only, sim_kernel_name(k), n) != 0)) continue;
        if (!find_catch(k, n, &runs)) fail_msg("nobody misses the barrier in %s", sim_kernel_name(k));
        printf("# %-26s caught by run %u\n", sim_kernel_name(k), runs + 1);
        n_mutant++;
    }
    assert_true(only || n_mutant >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_agree_with_plain_loops),
        cmocka_unit_test(every_kernel_has_a_check),
        cmocka_unit_test(every_missing_barrier_is_caught),
    };
    tn_error err = {0};
    draw_seeds();
    if (tn_gpu_sim.open(&gpu, &err) != 0) return 1;
    const int rc = unit_main(tests);
    tn_gpu_sim.close(gpu);
    return rc;
}
