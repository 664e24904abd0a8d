/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#ifdef __linux__
#    include <sched.h>
#endif
#include <time.h>

#include "base/team.h"

enum { N = 1000 };

typedef struct job {
    tn_team *team;
    uint32_t cells[N];
    uint32_t sums[TN_TEAM_MAX];
    uint32_t seen[TN_TEAM_MAX];
} job;

/* Each member fills its share, and after a barrier sums what all have filled, twice over. */
static void fill_and_sum(void *ctx, uint32_t member, uint32_t n_member) {
    job *j = ctx;
    tn_range r = tn_team_share(N, 7, member, n_member);
    for (uint64_t i = r.first; i < r.end; i++) j->cells[i] += (uint32_t)i;
    tn_team_barrier(j->team);
    uint32_t sum = 0;
    for (uint32_t i = 0; i < N; i++) sum += j->cells[i];
    j->sums[member] = sum;
    j->seen[member] = n_member;
    tn_team_barrier(j->team);
    for (uint64_t i = r.first; i < r.end; i++) j->cells[i] -= (uint32_t)i;
}

static void members_meet_at_barriers(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 2, 3, 8};
    static job j;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        tn_error err = {0};
        assert_int_equal(tn_team_new(sizes[s], &j.team, &err), 0);
        assert_int_equal(tn_team_size(j.team), sizes[s]);
        for (int round = 0; round < 300; round++) {
            tn_team_run(j.team, fill_and_sum, &j);
            for (uint32_t i = 0; i < sizes[s]; i++) {
                assert_int_equal(j.sums[i], N * (N - 1) / 2);
                assert_int_equal(j.seen[i], sizes[s]);
            }
            for (uint32_t i = 0; i < N; i++) assert_int_equal(j.cells[i], 0);
        }
        tn_team_free(j.team);
    }
}

static void sleeping_members_wake(void **state) {
    (void)state;
    static job j;
    assert_int_equal(tn_team_new(3, &j.team, NULL), 0);
    for (int round = 0; round < 5; round++) {
        struct timespec pause = {.tv_nsec = 20 * 1000 * 1000}; /* far beyond the spin */
        nanosleep(&pause, NULL);
        tn_team_run(j.team, fill_and_sum, &j);
        for (uint32_t i = 0; i < 3; i++) assert_int_equal(j.sums[i], N * (N - 1) / 2);
    }
    tn_team_free(j.team);
}

#ifdef __linux__
/* Brings a member to the first processor that it may use, and lets it go anywhere again. */
static void crowd(void *ctx, uint32_t member, uint32_t n_member) {
    job *j = ctx;
    cpu_set_t all, one;
    uint32_t first = 0;
    sched_getaffinity(0, sizeof all, &all);
    while (!CPU_ISSET(first, &all)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    sched_setaffinity(0, sizeof one, &one);
    sched_setaffinity(0, sizeof all, &all);
    for (int i = 0; i < 50; i++) tn_team_barrier(j->team);
    j->seen[member] = n_member;
}

/* Members on one processor get along. */
static void members_on_one_processor_meet(void **state) {
    (void)state;
    static job j;
    assert_int_equal(tn_team_new(0, &j.team, NULL), 0);
    uint32_t n = tn_team_size(j.team);
    if (n == 1) print_message("skipped: one processor has one member\n");
    for (int round = 0; round < 20; round++) {
        tn_team_run(j.team, crowd, &j);
        for (uint32_t i = 0; i < n; i++) assert_int_equal(j.seen[i], n);
    }
    tn_team_free(j.team);
}
#endif

static void shares_cover_everything_once(void **state) {
    (void)state;
    for (uint64_t n = 0; n < 70; n++) {
        for (uint64_t grain = 1; grain < 20; grain += 3) {
            for (uint32_t n_member = 1; n_member < 9; n_member++) {
                uint64_t at = 0;
                for (uint32_t i = 0; i < n_member; i++) {
                    tn_range r = tn_team_share(n, grain, i, n_member);
                    assert_true(r.first == at && r.end >= r.first);
                    assert_true(r.end == n || r.end % grain == 0);
                    at = r.end;
                }
                assert_int_equal(at, n);
            }
        }
    }
}

static void sizes_are_checked(void **state) {
    (void)state;
    tn_team *t = NULL;
    tn_error err = {0};
    assert_int_equal(tn_team_new(TN_TEAM_MAX + 1, &t, &err), TN_ELIMIT);
    assert_non_null(strstr(err.text, "257"));
    assert_null(t);
    assert_int_equal(tn_team_new(0, &t, &err), 0);
    assert_true(tn_team_size(t) >= 1);
    tn_team_free(t);
    tn_team_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_meet_at_barriers),      cmocka_unit_test(sleeping_members_wake),
#ifdef __linux__
        cmocka_unit_test(members_on_one_processor_meet),
#endif
        cmocka_unit_test(shares_cover_everything_once),  cmocka_unit_test(sizes_are_checked),
    };
    return unit_main(tests);
}
