/* SPDX-License-Identifier: Apache-2.0 */
/* Models side by side, with engines that are made of numbers: shares of the time, memory for those who
 * starve. */
#include "unit/unit.h"

#include "sched/lanes.h"

/* ---- Engines ---- */

struct tn_engine {
    uint64_t spare; /* bytes that it can give back */
    bool held, starved;
};

void tn_engine_hold(tn_engine *e, bool on) {
    e->held = on;
}

bool tn_engine_is_starved(const tn_engine *e) {
    return e->starved;
}

uint64_t tn_engine_shrink(tn_engine *e, uint64_t bytes) {
    uint64_t n = bytes < e->spare ? bytes : e->spare;
    e->spare -= n;
    return n;
}

enum { N = 3 };

typedef struct world {
    tn_lanes all;
    tn_engine engines[N];
    tn_lane lanes[N];
} world;

static void fill(world *w) {
    *w = (world){0};
    for (int i = 0; i < N; i++) {
        w->lanes[i].engine = &w->engines[i];
        w->lanes[i].n_jobs = 1;
        tn_lanes_add(&w->all, &w->lanes[i]);
    }
}

/* One round: the lane whose turn it was, after a step of cost[lane] ns; NULL when all were idle. */
static tn_lane *turn(world *w, const uint64_t cost[N]) {
    tn_lanes_begin(&w->all);
    for (tn_lane *l; (l = tn_lanes_next(&w->all));) {
        uint64_t ns = cost[l - w->lanes];
        tn_lanes_done(&w->all, l, ns, ns == 0);
        if (ns) return l;
    }
    return NULL;
}

static void play(world *w, const uint64_t cost[N], int rounds, uint64_t ret_given[N]) {
    memset(ret_given, 0, N * sizeof *ret_given);
    for (int i = 0; i < rounds; i++) {
        const tn_lane *l = turn(w, cost);
        if (l) ret_given[l - w->lanes] += cost[l - w->lanes];
    }
}

/* ---- Time ---- */

static void dear_steps_and_cheap_ones_get_the_same_time(void **state) {
    world w;
    uint64_t given[N];
    (void)state;
    fill(&w);
    play(&w, (uint64_t[]){7, 70, 700}, 10000, given);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) assert_true(given[i] + 700 >= given[k]);
    assert_true(given[0] > 10000);
}

static void who_was_away_saves_nothing_up(void **state) {
    world w;
    uint64_t given[N];
    (void)state;
    fill(&w);
    w.lanes[2].n_jobs = 0;
    play(&w, (uint64_t[]){10, 10, 10}, 1000, given);
    assert_int_equal(given[2], 0);
    w.lanes[2].n_jobs = 1;
    play(&w, (uint64_t[]){10, 10, 10}, 300, given);
    for (int i = 0; i < N; i++) assert_in_range(given[i], 980, 1020);
}

/* One that goes for a moment after each dear step does not get away with what it has used. */
static void who_was_away_for_a_moment_still_owes(void **state) {
    world w;
    uint64_t given[2] = {0};
    (void)state;
    fill(&w);
    w.lanes[2].n_jobs = 0;
    for (int i = 0; i < 10000; i++) {
        const tn_lane *l = turn(&w, (uint64_t[]){1000, 10, 0});
        w.lanes[0].n_jobs = l != &w.lanes[0];
        given[l - w.lanes] += l == &w.lanes[0] ? 1000 : 10;
    }
    assert_true(given[1] + 2000 >= given[0]);
}

/* A model that ran alone for long is not kept waiting for those who come now. */
static void who_ran_alone_owes_nothing(void **state) {
    world w;
    uint64_t given[N];
    (void)state;
    fill(&w);
    w.lanes[1].n_jobs = w.lanes[2].n_jobs = 0;
    play(&w, (uint64_t[]){10, 10, 10}, 100000, given);
    w.lanes[0].n_jobs = 0;
    w.lanes[1].n_jobs = 1;
    play(&w, (uint64_t[]){10, 10, 10}, 10, given);
    w.lanes[0].n_jobs = 1;
    play(&w, (uint64_t[]){10, 10, 10}, 100, given);
    assert_in_range(given[0], 400, 600);
    assert_in_range(given[1], 400, 600);
}

/* Steps that did nothing cost no turn, and who has jobs but no step is asked again in every round. */
static void idle_lanes_are_passed_over(void **state) {
    world w;
    (void)state;
    fill(&w);
    assert_ptr_equal(turn(&w, (uint64_t[]){0, 0, 5}), &w.lanes[2]);
    assert_ptr_equal(turn(&w, (uint64_t[]){0, 5, 5}), &w.lanes[1]);
    assert_null(turn(&w, (uint64_t[]){0, 0, 0}));
}

static void lanes_come_and_go(void **state) {
    world w;
    uint64_t given[N];
    (void)state;
    fill(&w);
    play(&w, (uint64_t[]){10, 10, 10}, 3000, given);
    tn_lanes_remove(&w.all, &w.lanes[1]);
    play(&w, (uint64_t[]){10, 10, 10}, 1000, given);
    assert_int_equal(given[1], 0);
    tn_lanes_add(&w.all, &w.lanes[1]);
    play(&w, (uint64_t[]){10, 10, 10}, 300, given);
    for (int i = 0; i < N; i++) assert_in_range(given[i], 980, 1020);
}

/* ---- Memory ---- */

static void idle_ones_give_first(void **state) {
    world w;
    (void)state;
    fill(&w);
    for (int i = 0; i < N; i++) w.engines[i].spare = 100;
    w.lanes[2].n_jobs = 0;
    assert_int_equal(tn_lanes_shrink(&w.all, NULL, 150), 150);
    assert_int_equal(w.engines[2].spare, 0);
    assert_int_equal(w.engines[0].spare, 50);
    assert_int_equal(w.engines[1].spare, 100);
    assert_true(tn_lane_reclaim(&w.lanes[1], 60));
    assert_int_equal(w.engines[0].spare, 0);
    assert_int_equal(w.engines[1].spare, 100); /* who asks keeps what it has */
    assert_false(tn_lane_reclaim(&w.lanes[1], 1));
}

static void holds(const world *w, bool a, bool b, bool c) {
    assert_int_equal(w->engines[0].held, a);
    assert_int_equal(w->engines[1].held, b);
    assert_int_equal(w->engines[2].held, c);
}

static void others_wait_for_one_that_starves(void **state) {
    world w;
    (void)state;
    fill(&w);
    tn_lanes_feed(&w.all);
    holds(&w, false, false, false);
    w.engines[1].starved = true;
    tn_lanes_feed(&w.all);
    holds(&w, true, false, true);
    w.engines[0].starved = true; /* who was first stays first */
    tn_lanes_feed(&w.all);
    holds(&w, true, false, true);
    w.engines[1].starved = false;
    tn_lanes_feed(&w.all);
    holds(&w, false, true, true);
    w.lanes[0].n_jobs = 0; /* its jobs were cancelled */
    tn_lanes_feed(&w.all);
    holds(&w, false, false, false);
}

static void nobody_waits_for_one_that_is_gone(void **state) {
    world w;
    (void)state;
    fill(&w);
    w.engines[1].starved = true;
    tn_lanes_feed(&w.all);
    tn_lanes_remove(&w.all, &w.lanes[2]);
    tn_lanes_add(&w.all, &w.lanes[2]);
    holds(&w, true, false, true); /* one that comes waits as well */
    tn_lanes_remove(&w.all, &w.lanes[1]);
    assert_false(w.engines[0].held || w.engines[2].held);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dear_steps_and_cheap_ones_get_the_same_time),
        cmocka_unit_test(who_was_away_saves_nothing_up),
        cmocka_unit_test(who_was_away_for_a_moment_still_owes),
        cmocka_unit_test(who_ran_alone_owes_nothing),
        cmocka_unit_test(idle_lanes_are_passed_over),
        cmocka_unit_test(lanes_come_and_go),
        cmocka_unit_test(idle_ones_give_first),
        cmocka_unit_test(others_wait_for_one_that_starves),
        cmocka_unit_test(nobody_waits_for_one_that_is_gone),
    };
    return unit_main(tests);
}
