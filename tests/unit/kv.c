/* SPDX-License-Identifier: Apache-2.0 */
/* The KV cache against a device that only remembers what was written where: whatever chains share, copy, keep
 * and evict, a sequence finds at every position that it may look at exactly what its own tokens make of it.
 * Random histories; a failure prints the seed, which TN_SEED repeats. */
#include "unit/unit.h"

#include <time.h>

#include "cache/kv.h"

enum {
    PT = 4,
    N_GROUP = 4,
    N_PAGE = 60,
    MAX_SEQ_PAGES = 24,
    MAX_TOKENS = PT * MAX_SEQ_PAGES,
    N_CHAIN = 6,
    VOCAB = 2
};

static uint64_t state;
static uint32_t below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % n);
}

/* ---- A device that remembers ---- */

typedef struct memory {
    tn_exec base;
    uint64_t at[N_GROUP][N_PAGE][PT]; /* what stands at a position: a digest of all tokens up to it */
    bool gone[N_GROUP][N_PAGE];
} memory;

static void copy_page(tn_exec *x, uint32_t g, uint32_t from, uint32_t to) {
    memory *m = (memory *)x;
    assert_true(from != to && from < N_PAGE && to < N_PAGE && !m->gone[g][from]);
    memcpy(m->at[g][to], m->at[g][from], sizeof m->at[g][to]);
    m->gone[g][to] = false;
}

static void discard_page(tn_exec *x, uint32_t g, uint32_t page) {
    memory *m = (memory *)x;
    memset(m->at[g][page], 0xee, sizeof m->at[g][page]);
    m->gone[g][page] = true;
}

static const tn_device_class cls = {.name = "memory", .copy_page = copy_page, .discard_page = discard_page};

/* ---- Sequences ---- */

typedef struct seq {
    tn_chain *chain;
    uint32_t salt, n_ids, n_prompt;
    int32_t ids[MAX_TOKENS];
} seq;

typedef struct world {
    memory m;
    tn_program program;
    tn_exec_config config;
    tn_exec_size size;
    tn_budget budget;
    tn_kv *kv;
    seq seqs[N_CHAIN];
    seq last; /* somebody's tokens, which new prompts continue */
    uint64_t n_found, n_waited;
} world;

#define STATE UINT32_MAX /* in place of a window: recurrent layers */

static void open_world(world *w, const uint32_t *windows, uint32_t n_group, uint64_t budget) {
    tn_error err = {0};
    memset(w, 0, sizeof *w);
    w->m.base.cls = &cls;
    w->program.n_group = n_group;
    for (uint32_t g = 0; g < n_group; g++) {
        w->program.groups[g].is_state = windows[g] == STATE;
        if (windows[g] != STATE) w->program.groups[g].window = windows[g];
        w->config.n_page[g] = N_PAGE;
        w->size.page[g] = 100 + g;
    }
    w->config.page_tokens = PT;
    w->config.max_seqs = N_CHAIN;
    w->config.max_seq_pages = MAX_SEQ_PAGES;
    w->budget.limit = budget;
    tn_kv_config c = {.program = &w->program,
                      .pages = &w->config,
                      .size = &w->size,
                      .exec = &w->m.base,
                      .budget = &w->budget};
    assert_int_equal(tn_kv_new(&c, &w->kv, &err), 0);
}

static uint64_t digest(const seq *s, uint32_t pos) {
    uint64_t h = 1469598103934665603u + s->salt;
    for (uint32_t i = 0; i <= pos; i++) h = (h ^ (uint64_t)s->ids[i]) * 1099511628211u;
    return h;
}

static void compute(world *w, const seq *s, uint32_t n) {
    for (uint32_t pos = s->chain->n_past; pos < s->chain->n_past + n; pos++)
        for (uint32_t g = 0; g < w->program.n_group; g++) {
            bool is_state = w->program.groups[g].is_state;
            uint32_t page = s->chain->pages[g][is_state ? 0 : pos / PT], slot = is_state ? 0 : pos % PT;
            if (is_state && pos)
                assert_true(!w->m.gone[g][page] && w->m.at[g][page][0] == digest(s, pos - 1));
            w->m.at[g][page][slot] = digest(s, pos);
            w->m.gone[g][page] = false;
        }
}

/* Everything that the token after n_past looks at is there and right. */
static void check(const world *w, const seq *s) {
    for (uint32_t g = 0; g < w->program.n_group; g++) {
        uint32_t window = w->program.groups[g].window, past = s->chain->n_past;
        if (w->program.groups[g].is_state) continue; /* looked at when it is gone on from */
        uint32_t pos = window && past + 1 > window ? past + 1 - window : 0;
        for (; pos < past; pos++) {
            uint32_t page = s->chain->pages[g][pos / PT];
            assert_true(page < N_PAGE && !w->m.gone[g][page]);
            assert_true(w->m.at[g][page][pos % PT] == digest(s, pos));
        }
    }
}

static void check_sums(const world *w) {
    tn_kv_stats t = tn_kv_get_stats(w->kv);
    assert_true(t.used_bytes + t.cached_bytes + t.free_bytes == tn_budget_used(&w->budget));
    assert_true(t.n_shared <= t.n_used);
    assert_true(!w->budget.limit || tn_budget_used(&w->budget) <= w->budget.limit);
}

/* A prompt that continues a part of somebody's tokens. */
static void begin(world *w, seq *s) {
    tn_error err = {0};
    uint32_t common = below(w->last.n_ids + 1), more = 1 + below(3 * PT);
    *s = (seq){.salt = below(8) == 0};
    if (below(3) == 0) common = w->last.n_ids;
    if (common + more > MAX_TOKENS - 8) common = MAX_TOKENS - 8 - more;
    for (uint32_t i = 0; i < common; i++) s->ids[i] = w->last.ids[i];
    for (uint32_t i = 0; i < more; i++) s->ids[common + i] = (int32_t)below(VOCAB);
    s->n_ids = s->n_prompt = common + more;
    tn_chain_config c = {.salt = &s->salt,
                         .n_salt = s->salt ? sizeof s->salt : 0,
                         .n_prompt = s->n_prompt,
                         .isolated = below(10) == 0};
    assert_int_equal(tn_chain_new(w->kv, &c, &s->chain, &err), 0);
}

static void end(world *w, seq *s) {
    w->last = *s;
    if (below(4)) tn_chain_release(w->kv, s->chain, s->ids);
    tn_chain_free(w->kv, s->chain);
    s->chain = NULL;
}

/* One step: some sequences look things up and make room, then all of them are computed. */
static void step(world *w) {
    uint32_t n[N_CHAIN] = {0};
    tn_kv_begin_step(w->kv);
    for (uint32_t i = 0; i < N_CHAIN; i++) {
        seq *s = &w->seqs[i];
        bool wait;
        if (!s->chain || below(4) == 0) continue;
        uint32_t before = s->chain->n_past,
                 found = tn_chain_match(w->kv, s->chain, s->ids, s->n_ids - 1, &wait);
        assert_int_equal(s->chain->n_past, before + found);
        assert_true(s->chain->n_past < s->n_ids);
        check(w, s);
        w->n_found += found;
        w->n_waited += wait;
        if (wait) continue;
        uint32_t left = s->n_ids - s->chain->n_past, want = 1 + below(left);
        n[i] = tn_chain_grow(w->kv, s->chain, s->ids, s->n_ids, want);
        assert_true(n[i] <= want);
        if (n[i] == 0) end(w, s); /* preempted */
    }
    for (uint32_t i = 0; i < N_CHAIN; i++)
        if (n[i]) compute(w, &w->seqs[i], n[i]);
    for (uint32_t i = 0; i < N_CHAIN; i++) {
        seq *s = &w->seqs[i];
        if (n[i] == 0) continue;
        tn_chain_advance(w->kv, s->chain, s->ids, n[i]);
        check(w, s);
        if (s->chain->n_past < s->n_ids) continue;
        if (s->n_ids == MAX_TOKENS || below(12) == 0)
            end(w, s);
        else
            s->ids[s->n_ids++] = (int32_t)below(VOCAB);
    }
}

static void rewind_some(world *w) {
    seq *s = &w->seqs[below(N_CHAIN)];
    if (!s->chain || s->chain->n_past < 2) return;
    uint32_t past = s->chain->n_past, n = 1 + below(past < 9 ? past - 1 : 8);
    if (tn_chain_rewind(w->kv, s->chain, s->ids, n)) {
        bool has_state = w->program.groups[w->program.n_group - 1].is_state; /* then it goes back to a copy */
        assert_true(s->chain->n_past <= past - n && (has_state || s->chain->n_past + PT > past - n));
        if (s->chain->n_past + 1 > s->n_prompt) s->n_ids = s->chain->n_past + 1;
    }
    check(w, s);
}

static void live(world *w, uint32_t n_step) {
    for (uint32_t k = 0; k < n_step; k++) {
        for (uint32_t i = 0; i < N_CHAIN; i++)
            if (!w->seqs[i].chain && below(3) == 0) begin(w, &w->seqs[i]);
        if (below(5) == 0) rewind_some(w);
        step(w);
        if (below(10) == 0) {
            uint32_t i = below(N_CHAIN);
            if (w->seqs[i].chain) end(w, &w->seqs[i]);
        }
        if (below(40) == 0) tn_kv_shrink(w->kv, 100 * (1 + below(20)));
        check_sums(w);
    }
    for (uint32_t i = 0; i < N_CHAIN; i++)
        if (w->seqs[i].chain) end(w, &w->seqs[i]);
    tn_kv_stats t = tn_kv_get_stats(w->kv);
    assert_true(t.n_used == 0 && t.n_shared == 0);
}

static void close_world(world *w) {
    tn_kv_free(w->kv);
    assert_true(tn_budget_used(&w->budget) == 0);
}

static void random_histories(void **unused) {
    static const uint32_t windows[][N_GROUP] = {{0},          {7},        {0, 9},       {1, 0, 13},
                                                {PT, 2 * PT}, {0, STATE}, {0, 9, STATE}};
    static const uint32_t n_group[] = {1, 1, 2, 3, 2, 2, 3};
    world *w = malloc(sizeof *w);
    uint64_t found = 0, waited = 0, evicted = 0, copied = 0;
    (void)unused;
    for (uint32_t round = 0; round < 350; round++) {
        uint32_t k = round % 7;
        open_world(w, windows[k], n_group[k], below(2) ? 0 : 1500 + below(6000));
        live(w, 150);
        tn_kv_stats t = tn_kv_get_stats(w->kv);
        found += w->n_found;
        waited += w->n_waited;
        evicted += t.n_evicted;
        copied += t.n_copied;
        close_world(w);
    }
    printf("# %llu tokens found, %llu pages evicted, %llu copied\n", (unsigned long long)found,
           (unsigned long long)evicted, (unsigned long long)copied);
    assert_true(found > 1000 && evicted > 1000 && copied > 1000);
    (void)waited;
    free(w);
}

/* ---- Counted ---- */

static seq sequence_of(world *w, uint32_t n, int32_t first) {
    tn_error err = {0};
    seq s = {.n_ids = n, .n_prompt = n};
    for (uint32_t i = 0; i < n; i++) s.ids[i] = first + (int32_t)i;
    tn_chain_config c = {.n_prompt = n};
    assert_int_equal(tn_chain_new(w->kv, &c, &s.chain, &err), 0);
    return s;
}

static void run_to(world *w, seq *s, uint32_t n_past) {
    uint32_t n = n_past - s->chain->n_past;
    tn_kv_begin_step(w->kv);
    assert_int_equal(tn_chain_grow(w->kv, s->chain, s->ids, s->n_ids, n), n);
    compute(w, s, n);
    tn_chain_advance(w->kv, s->chain, s->ids, n);
}

static void finish(world *w, seq *s) {
    tn_chain_release(w->kv, s->chain, s->ids);
    tn_chain_free(w->kv, s->chain);
}

static void the_same_prompt_computes_one_token(void **unused) {
    static const uint32_t windows[] = {0, 6};
    (void)unused;
    for (uint32_t n = 1; n <= 5 * PT; n++) {
        world w;
        bool wait;
        open_world(&w, windows, 2, 0);
        seq a = sequence_of(&w, n, 5), b, c;
        run_to(&w, &a, n);
        b = sequence_of(&w, n, 5); /* while the first owner runs */
        tn_kv_begin_step(w.kv);
        assert_int_equal(tn_chain_match(w.kv, b.chain, b.ids, n - 1, &wait), n - 1);
        assert_false(wait);
        check(&w, &b);
        finish(&w, &a);
        run_to(&w, &b, n);
        finish(&w, &b);
        c = sequence_of(&w, n, 5); /* and after all have gone */
        assert_int_equal(tn_chain_match(w.kv, c.chain, c.ids, n - 1, &wait), n - 1);
        check(&w, &c);
        finish(&w, &c);
        close_world(&w);
    }
}

static void twins_end_up_on_one_page(void **unused) {
    static const uint32_t windows[] = {0};
    world w;
    (void)unused;
    open_world(&w, windows, 1, 0);
    seq a = sequence_of(&w, 3 * PT, 5), b = sequence_of(&w, 3 * PT, 5);
    run_to(&w, &a, 3 * PT);
    run_to(&w, &b, 3 * PT); /* nobody looked */
    assert_memory_equal(a.chain->pages[0], b.chain->pages[0], 3 * sizeof(uint32_t));
    tn_kv_stats t = tn_kv_get_stats(w.kv);
    assert_true(t.n_used == 3 && t.n_shared == 3);
    finish(&w, &a);
    finish(&w, &b);
    close_world(&w);
}

static void who_comes_together_waits(void **unused) {
    static const uint32_t windows[] = {0};
    world w;
    bool wait;
    (void)unused;
    open_world(&w, windows, 1, 0);
    w.config.page_tokens = PT;
    tn_kv_free(w.kv);
    w.config.page_tokens = 32; /* waiting pays from 16 tokens on */
    tn_kv_config config = {.program = &w.program, .pages = &w.config, .size = &w.size, .exec = &w.m.base};
    tn_error err = {0};
    assert_int_equal(tn_kv_new(&config, &w.kv, &err), 0);
    seq a = sequence_of(&w, 80, 5), b = sequence_of(&w, 80, 5);
    b.ids[60] = 1;
    tn_kv_begin_step(w.kv);
    assert_int_equal(tn_chain_grow(w.kv, a.chain, a.ids, 80, 70), 70);
    assert_int_equal(tn_chain_match(w.kv, b.chain, b.ids, 79, &wait), 0);
    assert_true(wait);
    tn_chain_advance(w.kv, a.chain, a.ids, 70);
    tn_kv_begin_step(w.kv);
    assert_int_equal(tn_chain_match(w.kv, b.chain, b.ids, 79, &wait), 60);
    assert_false(wait);
    finish(&w, &a);
    finish(&w, &b);
    tn_kv_free(w.kv);
}

static void salts_share_nothing(void **unused) {
    static const uint32_t windows[] = {0};
    world w;
    tn_error err = {0};
    bool wait;
    (void)unused;
    open_world(&w, windows, 1, 0);
    seq a = sequence_of(&w, 3 * PT, 5), b = a;
    run_to(&w, &a, 3 * PT);
    finish(&w, &a);
    static const tn_chain_config others[] = {
        {.salt = "x", .n_salt = 1}, {.salt = "xy", .n_salt = 2}, {.variant = 1}, {.isolated = true}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(tn_chain_new(w.kv, &others[i], &b.chain, &err), 0);
        assert_int_equal(tn_chain_match(w.kv, b.chain, b.ids, b.n_ids, &wait), 0);
        run_to(&w, &b, 3 * PT);
        finish(&w, &b);
    }
    assert_int_equal(tn_chain_new(w.kv, &others[1], &b.chain, &err), 0);
    assert_int_equal(tn_chain_match(w.kv, b.chain, b.ids, b.n_ids, &wait), 3 * PT);
    finish(&w, &b);
    close_world(&w);
}

/* A long prompt's window is kept where the prompt ends: who continues it computes nothing again, and between,
 * a window costs what it costs, not what the prompt does. */
static void windows_are_kept_where_prompts_end(void **unused) {
    static const uint32_t windows[] = {0, 2 * PT};
    world w;
    bool wait;
    (void)unused;
    open_world(&w, windows, 2, 0);
    seq a = sequence_of(&w, 6 * PT, 5);
    for (uint32_t n = PT; n <= 6 * PT; n += PT) run_to(&w, &a, n);
    for (; a.n_ids < 20 * PT; a.n_ids++) a.ids[a.n_ids] = (int32_t)a.n_ids; /* a long answer */
    for (uint32_t n = 7 * PT; n <= 20 * PT; n += PT) run_to(&w, &a, n);
    tn_kv_stats t = tn_kv_get_stats(w.kv);
    assert_true(t.n_used <= 20 + 3);                     /* of the window, three pages at most */
    assert_true(t.n_cached >= 2 && t.n_cached <= 4 * 3); /* two at the prompt's end, some on the way */
    finish(&w, &a);
    seq b = sequence_of(&w, 8 * PT, 5);
    for (uint32_t i = 6 * PT; i < 8 * PT; i++) b.ids[i] = 1; /* continues the prompt in another way */
    assert_int_equal(tn_chain_match(w.kv, b.chain, b.ids, b.n_ids - 1, &wait), 6 * PT);
    check(&w, &b);
    finish(&w, &b);
    close_world(&w);
}

/* Cheap ones first, with age: of two prefixes used at the same time the deeper pages stay longer. */
static void eviction_goes_by_cost_and_age(void **unused) {
    static const uint32_t windows[] = {0};
    world w;
    bool wait;
    (void)unused;
    open_world(&w, windows, 1, 20 * 100);
    seq old = sequence_of(&w, 8 * PT, 5), young = sequence_of(&w, 8 * PT, 100);
    run_to(&w, &old, 8 * PT);
    finish(&w, &old);
    run_to(&w, &young, 8 * PT);
    finish(&w, &young);
    seq big = sequence_of(&w, 10 * PT, 200);
    run_to(&w, &big, 10 * PT); /* six pages have to go */
    seq again = sequence_of(&w, 8 * PT, 100);
    uint32_t left_young = tn_chain_match(w.kv, again.chain, again.ids, 8 * PT, &wait);
    seq again_old = sequence_of(&w, 8 * PT, 5);
    uint32_t left_old = tn_chain_match(w.kv, again_old.chain, again_old.ids, 8 * PT, &wait);
    assert_int_equal(left_young + left_old, 10 * PT);
    assert_true(left_young > 0 &&
                left_old > 0); /* neither is lost whole: their ends cost as much as each other's */
    finish(&w, &big);
    finish(&w, &again);
    finish(&w, &again_old);
    close_world(&w);
}

/* Recurrent layers go on from copies: at the last page border of a prompt, and where an answer ended. */
static void states_are_kept_where_prompts_and_answers_end(void **unused) {
    static const uint32_t windows[] = {0, STATE};
    world w;
    bool wait;
    (void)unused;
    open_world(&w, windows, 2, 0);
    seq a = sequence_of(&w, 3 * PT + 2, 5);
    tn_kv_begin_step(w.kv);
    assert_int_equal(tn_chain_grow(w.kv, a.chain, a.ids, a.n_ids, a.n_ids),
                     3 * PT); /* a step ends at the border */
    compute(&w, &a, 3 * PT);
    tn_chain_advance(w.kv, a.chain, a.ids, 3 * PT);
    run_to(&w, &a, 3 * PT + 2);
    for (; a.n_ids < 5 * PT + 1; a.n_ids++) a.ids[a.n_ids] = 1;
    run_to(&w, &a, 5 * PT + 1);
    finish(&w, &a);
    seq same = sequence_of(&w, 3 * PT + 2, 5);
    assert_int_equal(tn_chain_match(w.kv, same.chain, same.ids, same.n_ids - 1, &wait), 3 * PT);
    run_to(&w, &same, same.n_ids);
    finish(&w, &same);
    seq next = sequence_of(&w, 5 * PT + 3, 5);
    for (uint32_t i = 3 * PT + 2; i < next.n_ids; i++) next.ids[i] = 1;
    assert_int_equal(tn_chain_match(w.kv, next.chain, next.ids, next.n_ids - 1, &wait), 5 * PT + 1);
    run_to(&w, &next, next.n_ids);
    finish(&w, &next);
    close_world(&w);
}

static void memory_is_refused_not_overdrawn(void **unused) {
    static const uint32_t windows[] = {0};
    world w;
    (void)unused;
    open_world(&w, windows, 1, 5 * 100);
    seq a = sequence_of(&w, 8 * PT, 5), b = sequence_of(&w, PT, 50);
    tn_kv_begin_step(w.kv);
    assert_int_equal(tn_kv_short(w.kv, a.chain, 8 * PT, 64, 0), 3 * 100);
    assert_int_equal(tn_kv_short(w.kv, a.chain, 5 * PT, 64, 0), 0);
    assert_int_equal(tn_kv_short(w.kv, a.chain, 5 * PT, 64, 1), 1);
    assert_int_equal(tn_chain_grow(w.kv, a.chain, a.ids, a.n_ids, 8 * PT), 5 * PT);
    assert_int_equal(tn_chain_grow(w.kv, b.chain, b.ids, b.n_ids, 1), 0);
    assert_true(tn_budget_used(&w.budget) == 500);
    finish(&w, &a);
    assert_int_equal(tn_chain_grow(w.kv, b.chain, b.ids, b.n_ids, 1), 1);
    finish(&w, &b);
    assert_true(tn_kv_shrink(w.kv, 150) >= 150);
    close_world(&w);
}

int main(void) {
    const char *given = getenv("TN_SEED");
    state = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    printf("# TN_SEED=%llu\n", (unsigned long long)state);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories),
        cmocka_unit_test(the_same_prompt_computes_one_token),
        cmocka_unit_test(twins_end_up_on_one_page),
        cmocka_unit_test(who_comes_together_waits),
        cmocka_unit_test(salts_share_nothing),
        cmocka_unit_test(windows_are_kept_where_prompts_end),
        cmocka_unit_test(states_are_kept_where_prompts_and_answers_end),
        cmocka_unit_test(eviction_goes_by_cost_and_age),
        cmocka_unit_test(memory_is_refused_not_overdrawn),
    };
    return unit_main(tests);
}
