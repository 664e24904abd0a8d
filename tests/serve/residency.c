/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in memory: loading once, leaving for others, waiting, failing and trying again, with models that are
 * made of numbers. */
#include "unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/clock.h"
#include "serve/residency.h"

enum { N = 4, MOMENT_MS = 50, LONG_MS = 20000 };

typedef struct world {
    tn_residency *r;
    tn_residency_rule rules[N];
    uint64_t limit, size[N], kv[N], smallest[N]; /* smallest: what it can shrink its kv to; 0: cannot */
    atomic_uint_fast64_t used;
    atomic_int n_open[N], n_load[N], n_unload[N];
    atomic_bool slow_load, slow_unload; /* they take until this is false */
    atomic_bool broken[N];
    uint64_t taken[N];
} world;

static void pause_ms(int ms) {
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

static int open_model(void *ctx, uint32_t i, tn_error *err) {
    world *w = ctx;
    (void)err;
    atomic_fetch_add(&w->n_open[i], 1);
    return 0;
}

static int fit(void *ctx, uint32_t i, const tn_model_room *room, bool shrink, tn_model_need *ret,
               tn_error *err) {
    world *w = ctx;
    uint64_t left = w->limit - room->others;
    if (room->others > w->limit || w->size[i] > left) return tn_fail(err, TN_ENOMEM, "does not fit");
    left -= w->size[i];
    if (shrink && w->kv[i] > left && w->smallest[i] && w->smallest[i] <= left) w->kv[i] = left;
    if (w->kv[i] > left || room->kv_sequence > left) return tn_fail(err, TN_ENOMEM, "does not fit");
    *ret = (tn_model_need){.fixed = w->size[i], .kv_sequence = w->kv[i]};
    return 0;
}

static int take(void *ctx, uint32_t i, uint64_t evictable, tn_error *err) {
    world *w = ctx;
    uint64_t left = w->limit - atomic_load(&w->used);
    if (left < w->size[i])
        return tn_fail(err, w->size[i] - left > evictable ? TN_ELIMIT : TN_ENOMEM, "pages of others");
    w->taken[i] = w->size[i];
    atomic_fetch_add(&w->used, w->size[i]);
    return 0;
}

static int load(void *ctx, uint32_t i, tn_error *err) {
    world *w = ctx;
    atomic_fetch_add(&w->n_load[i], 1);
    while (atomic_load(&w->slow_load) && !tn_residency_is_stopping(w->r)) pause_ms(1);
    return atomic_load(&w->broken[i]) ? tn_fail(err, TN_EFORMAT, "broken") : 0;
}

static void unload(void *ctx, uint32_t i) {
    world *w = ctx;
    while (atomic_load(&w->slow_unload)) pause_ms(1);
    atomic_fetch_sub(&w->used, w->taken[i]);
    w->taken[i] = 0;
    atomic_fetch_add(&w->n_unload[i], 1);
}

/* Four models of 10 and 2 of KV each in a memory of 25: two fit. */
static void make(world *w, uint32_t queue_length) {
    tn_error err = {0};
    tn_residency_config c = {.rules = w->rules,
                             .n_model = N,
                             .queue_length = queue_length,
                             .ctx = w,
                             .open = open_model,
                             .fit = fit,
                             .take = take,
                             .load = load,
                             .unload = unload};
    if (!w->limit) w->limit = 25;
    for (int i = 0; i < N; i++) {
        if (!w->size[i]) w->size[i] = 10;
        if (!w->kv[i]) w->kv[i] = 2;
    }
    if (tn_residency_new(&c, &w->r, &err) != 0) fail_msg("%s", err.text);
}

/* Ends it: everything that was loaded has been unloaded, and given back. */
static void end(world *w) {
    tn_residency_free(w->r);
    for (int i = 0; i < N; i++) assert_true(atomic_load(&w->n_unload[i]) >= atomic_load(&w->n_load[i]));
    assert_int_equal(atomic_load(&w->used), 0);
}

typedef struct waiter {
    tn_wait wait;
    atomic_int n_done;
} waiter;

static void done(tn_wait *w) {
    atomic_fetch_add(&((waiter *)w)->n_done, 1);
}

static waiter waiter_until(int64_t deadline_ns) {
    return (waiter){.wait = {.done = done, .deadline_ns = deadline_ns}};
}

/* Its status once it is done. */
static int wait_for(waiter *w) {
    for (int i = 0; i < LONG_MS && !atomic_load(&w->n_done); i++) pause_ms(1);
    assert_int_equal(atomic_load(&w->n_done), 1);
    return w->wait.status;
}

/* Acquires model i, waiting if need be. */
static int hold(world *w, uint32_t i, tn_error *err) {
    waiter me = waiter_until(0);
    int rc = tn_residency_acquire(w->r, i, &me.wait, err);
    if (rc != 1) return rc;
    rc = wait_for(&me);
    if (rc) *err = me.wait.error;
    return rc;
}

static void use(world *w, uint32_t i) {
    tn_error err = {0};
    if (hold(w, i, &err) != 0) fail_msg("%s", err.text);
    tn_residency_release(w->r, i);
    pause_ms(2); /* so that the times of use differ */
}

static bool comes_to(world *w, uint32_t i, tn_residence state) {
    for (int k = 0; k < LONG_MS && tn_residency_state(w->r, i) != state; k++) pause_ms(1);
    return tn_residency_state(w->r, i) == state;
}

static void those_who_come_together_load_it_once(void **state) {
    world w = {0};
    waiter all[8];
    tn_error err = {0};
    (void)state;
    atomic_store(&w.slow_load, true);
    make(&w, 0);
    for (int i = 0; i < 8; i++) {
        all[i] = waiter_until(0);
        assert_int_equal(tn_residency_acquire(w.r, 1, &all[i].wait, &err), 1);
    }
    assert_int_equal(tn_residency_n_waits(w.r), 8);
    assert_true(comes_to(&w, 1, TN_RESIDENCE_LOADING));
    atomic_store(&w.slow_load, false);
    for (int i = 0; i < 8; i++) assert_int_equal(wait_for(&all[i]), 0);
    assert_int_equal(tn_residency_n_waits(w.r), 0);
    assert_int_equal(atomic_load(&w.n_load[1]), 1);
    assert_int_equal(tn_residency_acquire(w.r, 1, &all[0].wait, &err), 0); /* it is there */
    for (int i = 0; i < 9; i++) tn_residency_release(w.r, 1);
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_IN);
    end(&w);
}

static void the_least_recently_used_leaves(void **state) {
    world w = {0};
    (void)state;
    make(&w, 0);
    use(&w, 0);
    use(&w, 1);
    use(&w, 0);
    use(&w, 2);
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_IN);
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_OUT);
    assert_int_equal(tn_residency_state(w.r, 2), TN_RESIDENCE_IN);
    assert_int_equal(atomic_load(&w.n_unload[0]), 0);
    assert_int_equal(atomic_load(&w.n_unload[1]), 1);
    use(&w, 3);
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_OUT);
    end(&w);
}

static void one_that_is_held_stays_and_nobody_leaves_in_vain(void **state) {
    world w = {.size = {10, 3, 20, 10}};
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    assert_int_equal(hold(&w, 0, &err), 0);
    use(&w, 1);
    assert_int_equal(hold(&w, 2, &err),
                     TN_ENOMEM); /* 20 do not fit beside 10 that are held, with 1 gone or not */
    assert_non_null(strstr(err.text, "does not fit"));
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_IN);
    assert_int_equal(tn_residency_state(w.r, 2), TN_RESIDENCE_OUT);
    tn_residency_release(w.r, 0);
    use(&w, 2); /* now they can */
    assert_int_equal(atomic_load(&w.n_unload[0]), 1);
    end(&w);
}

/* Memory that running requests have, which no model holds: who would not be enough does not leave. */
static void pages_of_others_count(void **state) {
    world w = {0};
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    use(&w, 0);
    atomic_fetch_add(&w.used, 14);
    assert_int_equal(hold(&w, 1, &err), 0); /* 10 + 14 used: 0 leaves */
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_OUT);
    assert_int_equal(hold(&w, 2, &err), TN_ELIMIT);
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_IN);
    atomic_fetch_sub(&w.used, 14);
    tn_residency_release(w.r, 1);
    end(&w);
}

static void the_longest_sequence_of_others_goes_on_fitting(void **state) {
    world w = {.kv = {14, 2, 2, 2}};
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    assert_int_equal(hold(&w, 0, &err), 0);
    assert_int_equal(hold(&w, 1, &err), TN_ENOMEM); /* 10 + 10 + 2 would fit, but not 10 + 10 + 14 */
    tn_residency_release(w.r, 0);
    end(&w);
}

static void kept_ones_never_leave(void **state) {
    world w = {.rules = {{.keep = true, .idle_unload_s = 0.001}}};
    (void)state;
    make(&w, 0);
    use(&w, 0);
    use(&w, 1);
    use(&w, 2);
    pause_ms(MOMENT_MS);
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_IN);
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_OUT);
    end(&w);
}

/* What can shrink does so only when nobody is left who could leave for it. */
static void others_leave_before_it_shrinks(void **state) {
    world w = {.kv = {2, 12, 2, 2}, .smallest = {0, 3, 0, 0}};
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    use(&w, 0);
    assert_int_equal(hold(&w, 1, &err), 0);
    assert_int_equal(w.kv[1], 12);
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_OUT);
    tn_residency_release(w.r, 1);
    use(&w, 0);
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_OUT);
    assert_int_equal(hold(&w, 0, &err), 0);
    assert_int_equal(hold(&w, 1, &err), 0);
    assert_int_equal(w.kv[1], 5);
    tn_residency_release(w.r, 0);
    tn_residency_release(w.r, 1);
    end(&w);
}

static void what_failed_is_tried_again(void **state) {
    world w = {0};
    waiter all[3];
    tn_error err = {0};
    (void)state;
    atomic_store(&w.slow_load, true);
    atomic_store(&w.broken[0], true);
    make(&w, 0);
    for (int i = 0; i < 3; i++) {
        all[i] = waiter_until(0);
        assert_int_equal(tn_residency_acquire(w.r, 0, &all[i].wait, &err), 1);
    }
    atomic_store(&w.slow_load, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_for(&all[i]), TN_EFORMAT);
        assert_string_equal(all[i].wait.error.text, "broken");
    }
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_OUT);
    assert_int_equal(atomic_load(&w.n_load[0]), 1);
    assert_int_equal(atomic_load(&w.used), 0);
    assert_int_equal(hold(&w, 0, &err), TN_EFORMAT);
    atomic_store(&w.broken[0], false);
    use(&w, 0);
    assert_int_equal(atomic_load(&w.n_load[0]), 3);
    end(&w);
}

static void idle_ones_leave_in_time(void **state) {
    world w = {.rules = {{.idle_unload_s = 0.05}, {.idle_unload_s = 0.05}}};
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    assert_int_equal(hold(&w, 1, &err), 0);
    use(&w, 0);
    assert_true(comes_to(&w, 0, TN_RESIDENCE_OUT));
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_IN); /* held, however idle */
    tn_residency_release(w.r, 1);
    assert_true(comes_to(&w, 1, TN_RESIDENCE_OUT));
    use(&w, 0);
    assert_int_equal(atomic_load(&w.n_load[0]), 2);
    end(&w);
}

static void who_comes_while_it_leaves_waits_for_it_to_come_back(void **state) {
    world w = {.rules = {{.idle_unload_s = 0.01}}};
    waiter me = waiter_until(0);
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    atomic_store(&w.slow_unload, true);
    use(&w, 0);
    assert_true(comes_to(&w, 0, TN_RESIDENCE_LEAVING));
    assert_int_equal(tn_residency_acquire(w.r, 0, &me.wait, &err), 1);
    atomic_store(&w.slow_unload, false);
    assert_int_equal(wait_for(&me), 0);
    assert_int_equal(atomic_load(&w.n_load[0]), 2);
    tn_residency_release(w.r, 0);
    end(&w);
}

static void late_ones_are_handed_out(void **state) {
    world w = {0};
    int64_t now = tn_clock_ns();
    waiter patient = waiter_until(0), hasty = waiter_until(now + 1000),
           later = waiter_until(now + 1000000000);
    tn_error err = {0};
    (void)state;
    atomic_store(&w.slow_load, true);
    make(&w, 0);
    assert_int_equal(tn_residency_acquire(w.r, 0, &patient.wait, &err), 1);
    assert_int_equal(tn_residency_acquire(w.r, 0, &later.wait, &err), 1);
    assert_int_equal(tn_residency_acquire(w.r, 0, &hasty.wait, &err), 1);
    assert_null(tn_residency_late(w.r, now));
    assert_ptr_equal(tn_residency_late(w.r, now + 1000), &hasty.wait);
    assert_null(hasty.wait.next);
    waiter last = waiter_until(0); /* behind the one that was taken out of the end */
    assert_int_equal(tn_residency_acquire(w.r, 0, &last.wait, &err), 1);
    assert_ptr_equal(tn_residency_late(w.r, now + 1000000000), &later.wait);
    atomic_store(&w.slow_load, false);
    assert_int_equal(wait_for(&patient), 0);
    assert_int_equal(wait_for(&last), 0);
    assert_int_equal(atomic_load(&hasty.n_done) + atomic_load(&later.n_done), 0);
    tn_residency_release(w.r, 0);
    tn_residency_release(w.r, 0);
    end(&w);
}

static void too_many_are_refused(void **state) {
    world w = {0};
    waiter all[3];
    tn_error err = {0};
    (void)state;
    atomic_store(&w.slow_load, true);
    make(&w, 2);
    for (int i = 0; i < 3; i++) all[i] = waiter_until(0);
    assert_int_equal(tn_residency_acquire(w.r, 0, &all[0].wait, &err), 1);
    assert_int_equal(tn_residency_acquire(w.r, 0, &all[1].wait, &err), 1);
    assert_int_equal(tn_residency_acquire(w.r, 0, &all[2].wait, &err), TN_ECANCELED);
    assert_non_null(strstr(err.text, "2 requests are waiting for the model already, the limit is 2"));
    assert_int_equal(tn_residency_acquire(w.r, 1, &all[2].wait, &err), 1); /* another one's queue */
    atomic_store(&w.slow_load, false);
    for (int i = 0; i < 3; i++) assert_int_equal(wait_for(&all[i]), 0);
    tn_residency_release(w.r, 0);
    tn_residency_release(w.r, 0);
    tn_residency_release(w.r, 1);
    end(&w);
}

/* A model whose device has failed: those who hold it end, the next one waits for a new one, kept or not. */
static void a_worn_one_is_loaded_anew(void **state) {
    world w = {.rules = {{.keep = true}}};
    tn_error err = {0};
    waiter first = waiter_until(0), second = waiter_until(0), late = waiter_until(0);
    (void)state;
    make(&w, 0);
    assert_int_equal(tn_residency_acquire(w.r, 0, &first.wait, &err), 1);
    assert_int_equal(wait_for(&first), 0);
    assert_int_equal(tn_residency_acquire(w.r, 0, &second.wait, &err), 0);
    tn_residency_renew(w.r, 0);
    tn_residency_renew(w.r, 0);
    assert_int_equal(tn_residency_acquire(w.r, 0, &late.wait, &err), 1);
    tn_residency_release(w.r, 0);
    pause_ms(MOMENT_MS);
    assert_int_equal(atomic_load(&w.n_unload[0]), 0); /* somebody still holds it */
    assert_int_equal(atomic_load(&late.n_done), 0);
    tn_residency_release(w.r, 0);
    assert_int_equal(wait_for(&late), 0);
    assert_int_equal(atomic_load(&w.n_load[0]), 2);
    tn_residency_release(w.r, 0);
    use(&w, 0);
    assert_int_equal(atomic_load(&w.n_load[0]), 2); /* the new one stays */
    end(&w);
}

static void stopping_tells_everybody(void **state) {
    world w = {0};
    waiter first = waiter_until(0), second = waiter_until(0);
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    use(&w, 2);
    atomic_store(&w.slow_load, true); /* until it hears of it */
    assert_int_equal(tn_residency_acquire(w.r, 0, &first.wait, &err), 1);
    assert_int_equal(tn_residency_acquire(w.r, 1, &second.wait, &err), 1);
    assert_true(comes_to(&w, 0, TN_RESIDENCE_LOADING));
    tn_residency_stop(w.r);
    assert_int_equal(wait_for(&first), TN_ECANCELED);
    assert_int_equal(wait_for(&second), TN_ECANCELED);
    assert_int_equal(atomic_load(&w.n_load[1]), 0);
    assert_int_equal(tn_residency_acquire(w.r, 1, &second.wait, &err), TN_ECANCELED);
    assert_int_equal(tn_residency_acquire(w.r, 2, &second.wait, &err),
                     0); /* what is in can be used to the end */
    tn_residency_release(w.r, 2);
    tn_residency_stop(w.r);
    end(&w);
}

static void at_the_start_nobody_leaves(void **state) {
    world w = {0};
    tn_error err = {0};
    (void)state;
    make(&w, 0);
    assert_int_equal(tn_residency_preload(w.r, 0, &err), 0);
    assert_int_equal(tn_residency_preload(w.r, 1, &err), 0);
    assert_int_equal(tn_residency_preload(w.r, 2, &err), TN_ENOMEM);
    assert_int_equal(tn_residency_state(w.r, 0), TN_RESIDENCE_IN);
    assert_int_equal(tn_residency_state(w.r, 1), TN_RESIDENCE_IN);
    use(&w, 2); /* on demand, somebody does */
    end(&w);
}

/* Many threads want different models all the time; what each holds is in. */
typedef struct customer {
    world *w;
    int number;
    atomic_int n_served;
    atomic_bool was_cheated;
} customer;

static void *shop(void *arg) {
    customer *c = arg;
    for (int k = 0; k < 60; k++) {
        uint32_t i = (uint32_t)(c->number + k * k) % N;
        tn_error err = {0};
        int rc = hold(c->w, i, &err);
        if (rc) continue; /* all others were held at that moment */
        if (tn_residency_state(c->w->r, i) != TN_RESIDENCE_IN || c->w->taken[i] != 10)
            atomic_store(&c->was_cheated, true);
        atomic_fetch_add(&c->n_served, 1);
        tn_residency_release(c->w->r, i);
    }
    return NULL;
}

static void many_threads_get_what_they_want(void **state) {
    world w = {0};
    customer all[6];
    pthread_t threads[6];
    int n = 0;
    (void)state;
    make(&w, 0);
    for (int i = 0; i < 6; i++) {
        all[i] = (customer){.w = &w, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, shop, &all[i]), 0);
    }
    for (int i = 0; i < 6; i++) {
        pthread_join(threads[i], NULL);
        assert_false(atomic_load(&all[i].was_cheated));
        n += atomic_load(&all[i].n_served);
    }
    assert_true(n > 60);
    end(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_come_together_load_it_once),
        cmocka_unit_test(the_least_recently_used_leaves),
        cmocka_unit_test(one_that_is_held_stays_and_nobody_leaves_in_vain),
        cmocka_unit_test(pages_of_others_count),
        cmocka_unit_test(the_longest_sequence_of_others_goes_on_fitting),
        cmocka_unit_test(kept_ones_never_leave),
        cmocka_unit_test(others_leave_before_it_shrinks),
        cmocka_unit_test(what_failed_is_tried_again),
        cmocka_unit_test(idle_ones_leave_in_time),
        cmocka_unit_test(who_comes_while_it_leaves_waits_for_it_to_come_back),
        cmocka_unit_test(late_ones_are_handed_out),
        cmocka_unit_test(too_many_are_refused),
        cmocka_unit_test(a_worn_one_is_loaded_anew),
        cmocka_unit_test(stopping_tells_everybody),
        cmocka_unit_test(at_the_start_nobody_leaves),
        cmocka_unit_test(many_threads_get_what_they_want),
    };
    return unit_main(tests);
}
