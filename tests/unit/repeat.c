/* SPDX-License-Identifier: Apache-2.0 */
/* The watch for loops against looking at the whole answer after each id. */
#include "unit/unit.h"

#include "sched/repeat.h"
#include "sched/sampler.h"

enum { LONG = 3000 };

/* Whether ids end with enough repetitions of a pattern of p ids. */
static bool repeats(const tn_repeat_params *p, uint32_t period, const int32_t *ids, uint32_t n) {
    uint32_t same = 0;
    while (same + period < n && ids[n - 1 - same] == ids[n - 1 - same - period]) same++;
    return same / period + 1 >= p->min_count && same + period >= p->min_tokens;
}

static bool loops(const tn_repeat_params *p, const int32_t *ids, uint32_t n) {
    for (uint32_t period = p->min_pattern ? p->min_pattern : 1; period <= p->max_pattern && period < n;
         period++)
        if (repeats(p, period, ids, n)) return true;
    return false;
}

static uint32_t below(uint64_t seed, uint64_t at, uint32_t n) {
    return (uint32_t)(n * tn_random_unit(seed, at));
}

/* Loops of all kinds, broken now and then. */
static void fill(uint64_t seed, int32_t *ids, uint32_t n) {
    uint32_t period = 1 + below(seed, n + 1, 12), noise = below(seed, n + 2, 40);
    for (uint32_t i = 0; i < n; i++) {
        if (below(seed, i, 97) == 0) period = 1 + below(seed, n + 3 + i, 12);
        bool fresh = i < period || (noise && below(seed ^ 1, i, noise + 2) == 0);
        ids[i] = fresh ? (int32_t)below(seed ^ 2, i, 3) : ids[i - period];
    }
}

static void it_sees_what_a_look_at_the_whole_sees(void **state) {
    static tn_repeat r;
    static int32_t ids[400];
    uint32_t seen = 0, quiet = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        tn_repeat_params p = {.max_pattern = 1 + below(seed, 1, 14), .min_count = 2 + below(seed, 2, 6)};
        p.min_pattern = below(seed, 3, p.max_pattern + 1);
        p.min_tokens = below(seed, 4, 2) ? below(seed, 5, 60) : 0;
        fill(seed, ids, 400);
        tn_repeat_init(&r, &p);
        for (uint32_t i = 0; i < 400; i++) {
            bool expected = loops(&p, ids, i + 1), got = tn_repeat_push(&r, ids[i]);
            if (got != expected) fail_msg("answer %d, id %u: %d, expected %d", (int)seed, i, got, expected);
            seen += got;
            quiet += !got;
        }
    }
    assert_true(seen > 10000 && quiet > 10000);
}

/* The id, counted from 1, at which a loop of the given period is first seen. */
static uint32_t seen_at(const tn_repeat_params *p, uint32_t before, uint32_t period) {
    static tn_repeat r;
    tn_repeat_init(&r, p);
    for (uint32_t i = 0; i < LONG; i++)
        if (tn_repeat_push(&r, i < before ? -1 - (int32_t)i : (int32_t)((i - before) % period))) return i + 1;
    return 0;
}

static void it_sees_the_loop_at_once(void **state) {
    tn_repeat_params p = {.max_pattern = TN_REPEAT_PATTERN_MAX, .min_count = 3};
    (void)state;
    assert_int_equal(seen_at(&p, 0, 1), 3);
    assert_int_equal(seen_at(&p, 700, 1), 703);
    assert_int_equal(seen_at(&p, 10, 7), 31);
    assert_int_equal(seen_at(&p, 100, TN_REPEAT_PATTERN_MAX), 100 + 3 * TN_REPEAT_PATTERN_MAX);
    assert_int_equal(seen_at(&p, 0, TN_REPEAT_PATTERN_MAX + 1), 0);
    p.min_tokens = 100;
    assert_int_equal(seen_at(&p, 0, 1), 100);
    assert_int_equal(seen_at(&p, 5, 7), 105);
    assert_int_equal(seen_at(&p, 5, 50), 155);
    p.min_pattern = 3;
    assert_int_equal(seen_at(&p, 0, 1), 100); /* also a pattern of 3 */
    p = (tn_repeat_params){.max_pattern = TN_REPEAT_PATTERN_DEFAULT,
                           .min_count = TN_REPEAT_COUNT_DEFAULT,
                           .min_tokens = TN_REPEAT_TOKENS_DEFAULT};
    assert_int_equal(seen_at(&p, 50, 2), 306);
    assert_int_equal(seen_at(&p, 50, 100), 450);
}

static void a_new_answer_knows_nothing_of_the_last(void **state) {
    static tn_repeat r;
    tn_repeat_params p = {.max_pattern = 4, .min_count = 3};
    (void)state;
    tn_repeat_init(&r, &p);
    assert_false(tn_repeat_push(&r, 5) || tn_repeat_push(&r, 5));
    assert_true(tn_repeat_push(&r, 5) && tn_repeat_push(&r, 5));
    tn_repeat_init(&r, &p);
    assert_false(tn_repeat_push(&r, 5) || tn_repeat_push(&r, 5));
    assert_true(tn_repeat_push(&r, 5));
}

static void parameters_are_brought_into_range(void **state) {
    static tn_repeat r;
    (void)state;
    tn_repeat_init(&r, &(tn_repeat_params){0});
    for (int i = 0; i < LONG; i++) assert_false(tn_repeat_push(&r, 1));
    tn_repeat_init(&r, &(tn_repeat_params){UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX});
    assert_int_equal(r.params.max_pattern, TN_REPEAT_PATTERN_MAX);
    assert_int_equal(r.params.min_pattern, TN_REPEAT_PATTERN_MAX);
    for (int i = 0; i < LONG; i++) assert_false(tn_repeat_push(&r, 1));
    assert_int_equal(seen_at(&(tn_repeat_params){.max_pattern = 1}, 1, 1), 3); /* a count below 2 is 2 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_sees_what_a_look_at_the_whole_sees),
        cmocka_unit_test(it_sees_the_loop_at_once),
        cmocka_unit_test(a_new_answer_knows_nothing_of_the_last),
        cmocka_unit_test(parameters_are_brought_into_range),
    };
    return unit_main(tests);
}
