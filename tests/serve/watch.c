/* SPDX-License-Identifier: Apache-2.0 */
/* Watched sockets. watch_poll.c compiles the same tests against the half for systems without epoll. */
#include "unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "serve/watch.h"

enum { PAIRS = 300 };

static int pairs[PAIRS][2];
static tn_watch *watch;

static int open_all(void **state) {
    tn_error err = {0};
    struct rlimit l;
    (void)state;
    getrlimit(RLIMIT_NOFILE, &l);
    if (l.rlim_cur < 2 * PAIRS + 50) l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
    for (int i = 0; i < PAIRS; i++) assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]), 0);
    assert_int_equal(tn_watch_new(&watch, &err), 0);
    return 0;
}

static void hang_up(int i) {
    close(pairs[i][1]);
    pairs[i][1] = -1;
}

static int close_all(void **state) {
    (void)state;
    tn_watch_free(watch);
    for (int i = 0; i < PAIRS; i++)
        for (int k = 0; k < 2; k++)
            if (pairs[i][k] >= 0) close(pairs[i][k]);
    return 0;
}

static void add(int i) {
    tn_error err = {0};
    assert_int_equal(tn_watch_add(watch, pairs[i][0], pairs[i], &err), 0);
}

/* How many of pairs [0, n) are reported, each at most once, within a few waits. */
static int reported(int n, bool *ret_which) {
    void *ctx[7];
    int total = 0;
    memset(ret_which, 0, (size_t)n);
    for (int quiet = 0; quiet < 3;) {
        int got = tn_watch_wait(watch, 20, ctx, 7);
        assert_in_range(got, 0, 7);
        quiet = got ? 0 : quiet + 1;
        for (int k = 0; k < got; k++) {
            size_t i = (size_t)((int(*)[2])ctx[k] - pairs);
            assert_true(i < (size_t)n && !ret_which[i]);
            ret_which[i] = true;
            total++;
        }
    }
    return total;
}

static void test_those_that_hang_up_are_reported_once(void **state) {
    bool which[PAIRS];
    (void)state;
    for (int i = 0; i < PAIRS; i++) add(i);
    assert_int_equal(reported(PAIRS, which), 0);
    for (int i = 0; i < PAIRS; i += 3) hang_up(i);
    assert_int_equal(reported(PAIRS, which), PAIRS / 3);
    for (int i = 0; i < PAIRS; i++) assert_true(which[i] == (i % 3 == 0));
    assert_int_equal(reported(PAIRS, which), 0);
}

static void test_data_is_no_news(void **state) {
    bool which[PAIRS];
    (void)state;
    add(0);
    assert_int_equal(write(pairs[0][1], "x", 1), 1);
    assert_int_equal(reported(1, which), 0);
    hang_up(0); /* with what it wrote unread */
    assert_int_equal(reported(1, which), 1);
}

static void test_taken_out_ones_are_silent(void **state) {
    bool which[PAIRS];
    (void)state;
    add(0);
    add(1);
    assert_int_equal(reported(2, which), 0);
    tn_watch_remove(watch, pairs[0][0]);
    tn_watch_remove(watch, pairs[0][0]);
    hang_up(0);
    hang_up(1);
    assert_int_equal(reported(2, which), 1);
    assert_true(which[1]);
}

/* A socket that is closed and another that gets its number: the other's fate counts. */
static void test_a_number_that_is_used_again(void **state) {
    bool which[PAIRS];
    int old = pairs[0][0];
    (void)state;
    add(0);
    assert_int_equal(reported(2, which), 0);
    tn_watch_remove(watch, old);
    assert_int_equal(dup2(pairs[1][0], old), old);
    tn_error err = {0};
    assert_int_equal(tn_watch_add(watch, old, pairs[1], &err), 0);
    hang_up(0);
    assert_int_equal(reported(2, which), 0);
    hang_up(1);
    assert_int_equal(reported(2, which), 1);
    assert_true(which[1]);
}

static void *ring_later(void *arg) {
    tn_error err = {0};
    poll(NULL, 0, 50);
    if (!arg) {
        tn_watch_ring(watch);
        return NULL;
    }
    hang_up(0);
    assert_int_equal(tn_watch_add(watch, pairs[0][0], pairs[0], &err), 0);
    return NULL;
}

static void test_the_bell_ends_a_wait(void **state) {
    void *ctx[1];
    pthread_t t;
    (void)state;
    int64_t before = tn_clock_ns();
    assert_int_equal(pthread_create(&t, NULL, ring_later, NULL), 0);
    assert_int_equal(tn_watch_wait(watch, 20000, ctx, 1), 0);
    pthread_join(t, NULL);
    for (int i = 0; i < 100000; i++) tn_watch_ring(watch); /* more than a pipe holds */
    assert_int_equal(tn_watch_wait(watch, 20000, ctx, 1), 0);
    assert_true(tn_clock_ns() - before < 15000000000);
    before = tn_clock_ns();
    assert_int_equal(tn_watch_wait(watch, 100, ctx, 1), 0); /* the bell is quiet again */
    assert_true(tn_clock_ns() - before > 90000000);
}

/* What is put in while a wait is under way counts for that one. */
static void test_added_during_a_wait(void **state) {
    void *ctx[1] = {NULL};
    pthread_t t;
    (void)state;
    int64_t before = tn_clock_ns();
    assert_int_equal(pthread_create(&t, NULL, ring_later, watch), 0);
    while (tn_watch_wait(watch, 20000, ctx, 1) == 0) assert_true(tn_clock_ns() - before < 15000000000);
    pthread_join(t, NULL);
    assert_ptr_equal(ctx[0], pairs[0]);
}

#define WATCHED(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void) {
    const struct CMUnitTest tests[] = {
        WATCHED(test_those_that_hang_up_are_reported_once),
        WATCHED(test_data_is_no_news),
        WATCHED(test_taken_out_ones_are_silent),
        WATCHED(test_a_number_that_is_used_again),
        WATCHED(test_the_bell_ends_a_wait),
        WATCHED(test_added_during_a_wait),
    };
    return unit_main(tests);
}
