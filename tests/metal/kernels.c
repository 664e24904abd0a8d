/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of metal/kernels against plain loops, its threads in order and in random orders; and every
 * barrier of every kernel is missed when it is left out. */
#include "unit/unit.h"

#include <time.h>

#include "kernel_check.h"
#include "libraries.h"

enum { N_SEED = 4 };
static uint32_t seeds[N_SEED]; /* 0, two fixed ones, one of the day (or TN_METAL_SIM_SEED) */

static void draw_seeds(void) {
    const char *given = getenv("TN_METAL_SIM_SEED");
    seeds[1] = 12345;
    seeds[2] = 987654321;
    seeds[3] = given ? (uint32_t)strtoul(given, NULL, 10) : (uint32_t)time(NULL) | 1;
    printf("# order of threads drawn from the seeds %u, %u, %u (TN_METAL_SIM_SEED)\n", seeds[1], seeds[2],
           seeds[3]);
}

static const kernel_check *check_of(const char *kernel_name) {
    for (const kernel_check *c = kernel_checks; c->kernel; c++) {
        const size_t n = strlen(c->kernel);
        if (strncmp(c->kernel, kernel_name, n) == 0 && (kernel_name[n] == '\0' || kernel_name[n] == '@'))
            return c;
    }
    return NULL;
}

static double run_seeded(const kernel_check *c, const sim_kernel *k, uint32_t shape, uint32_t seed) {
    check_random_seed(shape);
    sim_seed(seed);
    const double off = c->run(k, shape);
    sim_seed(0);
    return off;
}

static void kernels_agree_with_plain_loops(void **state) {
    (void)state;
    for (const kernel_check *c = kernel_checks; c->kernel; c++) {
        const sim_kernel *k = sim_kernel_find(&metal_kernels, c->kernel);
        double worst = 0;
        assert_non_null(k);
        for (uint32_t shape = 0; shape < c->n_shape; shape++)
            for (int s = 0; s < N_SEED; s++) {
                const double off = run_seeded(c, k, shape, seeds[s]);
                if (!(off <= c->tolerance))
                    fail_msg("%s, shape %u, seed %u: off by %g, %g allowed. %s", c->kernel, shape, seeds[s],
                             off, c->tolerance, sim_error());
                worst = off > worst ? off : worst;
            }
        printf("# %-14s %2u shapes, off by at most %.1e\n", c->kernel, c->n_shape, worst);
    }
}

static void every_kernel_has_a_check(void **state) {
    (void)state;
    const sim_kernel *k;
    for (size_t i = 0; (k = sim_kernel_at(&metal_kernels, i)) != NULL; i++)
        if (!check_of(sim_kernel_name(k))) fail_msg("kernel %s has no check", sim_kernel_name(k));
}

/* Whether some shape and order of threads shows that kernel k is wrong; counts the runs that do. */
static uint32_t count_caught(const kernel_check *c, const sim_kernel *k, uint32_t *ret_runs) {
    uint32_t caught = 0;
    *ret_runs = 0;
    for (uint32_t shape = 0; shape < c->n_shape; shape++)
        for (int s = 0; s < N_SEED; s++, ++*ret_runs)
            if (!(run_seeded(c, k, shape, seeds[s]) <= c->tolerance)) caught++;
    return caught;
}

static void every_missing_barrier_is_caught(void **state) {
    (void)state;
    const sim_kernel *k;
    uint32_t n_mutant = 0, runs;
    for (size_t i = 0; (k = sim_kernel_at(&metal_mutants, i)) != NULL; i++) {
        const uint32_t caught = count_caught(check_of(sim_kernel_name(k)), k, &runs);
        printf("# %-18s caught in %u of %u runs\n", sim_kernel_name(k), caught, runs);
        if (!caught) fail_msg("nobody misses the barrier in %s", sim_kernel_name(k));
        n_mutant++;
    }
    assert_true(n_mutant >= 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_agree_with_plain_loops),
        cmocka_unit_test(every_kernel_has_a_check),
        cmocka_unit_test(every_missing_barrier_is_caught),
    };
    draw_seeds();
    return unit_main(tests);
}
