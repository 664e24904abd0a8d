/* SPDX-License-Identifier: Apache-2.0 */
/* Who does what on the cpu device: cuts cover everything once, calls that go on without a barrier give the
 * bits of calls that are parted by one each, for all numbers of rows and members, and members that come late
 * do not show. */
#include "unit/unit.h"

#include <time.h>

#include "device/cpu/cpu.h"
#include "unit/cpu_model.h"

enum { MOST_ROWS = 17, PAGE_TOKENS = 32, N_MEMBER = 4 };

/* Quantised inputs of 256 columns are every member's own up to 16 rows. */
static const cpu_model_shape shapes[] = {
    {.n_vocab = 50,
     .n_embd = 256,
     .n_ff = 768,
     .n_head = 8,
     .n_head_kv = 4,
     .head_dim = 32,
     .n_rot = 32,
     .rope_style = TN_ROPE_HALF,
     .activation = TN_ACT_SILU,
     .type = TN_TYPE_Q4_K,
     .bias = true},
    {.n_vocab = 50,
     .n_embd = 512,
     .n_ff = 256,
     .n_head = 8,
     .n_head_kv = 2,
     .head_dim = 64,
     .n_rot = 64,
     .rope_style = TN_ROPE_HALF,
     .activation = TN_ACT_GELU_TANH,
     .type = TN_TYPE_Q6_K,
     .fused = true},
    {.n_vocab = 70,
     .n_embd = 288,
     .n_ff = 320,
     .n_head = 6,
     .n_head_kv = 3,
     .head_dim = 48,
     .n_rot = 24,
     .window = 9,
     .softcap = 20,
     .rope_style = TN_ROPE_INTERLEAVED,
     .activation = TN_ACT_GELU_ERF,
     .type = TN_TYPE_Q8_0},
    {.n_vocab = 97,
     .n_embd = 72,
     .n_ff = 100,
     .n_head = 4,
     .n_head_kv = 2,
     .head_dim = 18,
     .n_rot = 16,
     .rope_style = TN_ROPE_HALF,
     .activation = TN_ACT_SILU,
     .type = TN_TYPE_F32},
};
enum { N_SHAPE = sizeof shapes / sizeof *shapes };

typedef struct bench {
    cpu_model m;
    tn_device *d;
    tn_exec *x;
} bench;

static void bench_init(bench *b, const cpu_model_shape *shape, uint32_t n_member, bool plain) {
    tn_error err = {0};
    tn_exec_config c = {.max_tokens = MOST_ROWS,
                        .max_seqs = MOST_ROWS,
                        .max_rows = MOST_ROWS,
                        .page_tokens = PAGE_TOKENS,
                        .n_page = {MOST_ROWS, MOST_ROWS},
                        .max_seq_pages = 1,
                        .kv_type = TN_TYPE_F16,
                        .taps = true};
    cpu_model_init(&b->m, shape, 5);
    assert_int_equal(tn_device_cpu.open(&(tn_device_options){.n_thread = n_member}, &b->d, &err), 0);
    ((tn_cpu_device *)b->d)->plain = plain;
    if (tn_device_cpu.lower(b->d, &b->m.program, &c, NULL, NULL, &b->x, &err)) fail_msg("%s", err.text);
}
static void bench_fini(bench *b) {
    tn_device_cpu.exec_free(b->x);
    tn_device_cpu.close(b->d);
    cpu_model_fini(&b->m);
}

typedef void (*run_fn)(bench *b, const tn_step *s);
static void run_step(bench *b, const tn_step *s) {
    assert_int_equal(tn_device_cpu.step(b->x, s, NULL), 0);
}

/* n tokens of one sequence from its start, or one of n sequences each after the first position. Logits of
 * all, then what the last tap saw. */
static void run_rows(bench *b, run_fn run, uint32_t n, bool together, float *ret) {
    uint32_t pos[MOST_ROWS], seq[MOST_ROWS], rows[MOST_ROWS], pages[MOST_ROWS];
    int32_t ids[MOST_ROWS];
    tn_step_seq seqs[MOST_ROWS];
    for (uint32_t i = 0; i < n; i++) {
        ids[i] = (int32_t)((7 * i + 3 * n) % b->m.program.n_vocab);
        pos[i] = together ? i : 0;
        seq[i] = together ? 0 : i;
        rows[i] = pages[i] = i;
        seqs[i] = (tn_step_seq){.first_token = together ? 0 : i,
                                .n_token = together ? n : 1,
                                .pages = {&pages[i], &pages[i]},
                                .n_page = 1};
    }
    run(b, &(tn_step){.n_token = n,
                      .n_seq = together ? 1 : n,
                      .n_row = n,
                      .ids = ids,
                      .pos = pos,
                      .seq = seq,
                      .seqs = seqs,
                      .rows = rows});
    const float *logits, *tap;
    uint32_t n_vocab = b->m.program.n_vocab, n_embd = b->m.program.n_embd;
    assert_int_equal(tn_device_cpu.logits(b->x, &logits, NULL), 0);
    assert_int_equal(tn_device_cpu.tap(b->x, 2, &tap, NULL), 0);
    memcpy(ret, logits, sizeof *ret * n * n_vocab);
    memcpy(ret + (size_t)n * n_vocab, tap, sizeof *ret * n * n_embd);
}
static size_t result_bytes(const cpu_model_shape *s, uint32_t n) {
    return sizeof(float) * n * (s->n_vocab + s->n_embd);
}

static void cuts_do_not_show(void **state) {
    (void)state;
    for (int i = 0; i < N_SHAPE; i++) {
        size_t bytes = result_bytes(&shapes[i], MOST_ROWS);
        float *want = malloc(bytes), *got = malloc(bytes);
        bench plain, cut[N_MEMBER];
        bench_init(&plain, &shapes[i], 1, true);
        for (uint32_t k = 0; k < N_MEMBER; k++) bench_init(&cut[k], &shapes[i], k + 1, false);
        for (uint32_t n = 1; n <= MOST_ROWS; n++)
            for (int together = 0; together < 2; together++) {
                run_rows(&plain, run_step, n, together, want);
                for (uint32_t k = 0; k < N_MEMBER; k++) {
                    run_rows(&cut[k], run_step, n, together, got);
                    if (memcmp(want, got, result_bytes(&shapes[i], n)) != 0)
                        fail_msg("shape %d, %u rows, %u members: other bits", i, n, k + 1);
                }
            }
        for (uint32_t k = 0; k < N_MEMBER; k++) bench_fini(&cut[k]);
        bench_fini(&plain);
        free(want);
        free(got);
    }
}

/* A step whose members come late to calls, by turns of chance that are the same in every run. */
typedef struct late {
    tn_cpu_exec *x;
    uint64_t seed;
    bool without_barriers;
} late;

static void run_late(void *ctx, uint32_t member, uint32_t n_member) {
    const late *l = ctx;
    rng r = {l->seed * 100 + member};
    for (uint32_t i = 0; i < l->x->n_call; i++) {
        const tn_cpu_call *c = &l->x->calls[i];
        struct timespec pause = {.tv_nsec = 200 * 1000};
        if (c->barrier && !l->without_barriers) tn_team_barrier(l->x->device->team);
        if (rng_below(&r, 8) == 0) nanosleep(&pause, NULL);
        c->run(l->x, c, member, n_member);
    }
}
static uint64_t late_seed;
static void step_late(bench *b, const tn_step *s) {
    late l = {.x = (tn_cpu_exec *)b->x, .seed = ++late_seed};
    l.x->step = *s;
    tn_team_run(l.x->device->team, run_late, &l);
}
static void step_without_barriers(bench *b, const tn_step *s) {
    late l = {.x = (tn_cpu_exec *)b->x, .seed = ++late_seed, .without_barriers = true};
    l.x->step = *s;
    tn_team_run(l.x->device->team, run_late, &l);
}

/* Steps without barriers race, which a build that watches for that would report: there they are left out. */
#if defined(__SANITIZE_THREAD__)
enum { RACES = 0 };
#else
enum { RACES = 3 };
#endif

/* And that this would be noticed shows without any barrier. */
static void late_members_do_not_show(void **state) {
    (void)state;
    static const uint32_t n_rows[] = {1, 3, MOST_ROWS};
    for (int i = 0; i < N_SHAPE; i++) {
        bool noticed = false;
        float *want = malloc(result_bytes(&shapes[i], MOST_ROWS)),
              *got = malloc(result_bytes(&shapes[i], MOST_ROWS));
        bench plain;
        bench_init(&plain, &shapes[i], 1, true);
        for (uint32_t n_member = 2; n_member <= N_MEMBER; n_member++) {
            bench b;
            bench_init(&b, &shapes[i], n_member, false);
            for (uint32_t k = 0; k < 6; k++) {
                uint32_t n = n_rows[k / 2];
                run_rows(&plain, run_step, n, k % 2, want);
                run_rows(&b, step_late, n, k % 2, got);
                assert_memory_equal(want, got, result_bytes(&shapes[i], n));
            }
            for (uint32_t n = 1; n <= RACES; n++) {
                run_rows(&plain, run_step, n, true, want);
                run_rows(&b, step_without_barriers, n, true, got);
                noticed = noticed || memcmp(want, got, result_bytes(&shapes[i], n)) != 0;
            }
            bench_fini(&b);
        }
        if (RACES == 0) print_message("without barriers: skipped, those races are meant\n");
        assert_true(noticed || RACES == 0);
        bench_fini(&plain);
        free(want);
        free(got);
    }
}

/* Of the first layer; what stands before the taps themselves is not counted. */
static uint32_t barriers_between_taps(const bench *b) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)b->x;
    uint32_t n = 0, n_tap = 0;
    for (uint32_t i = 0; i < x->n_call; i++) {
        bool is_tap = x->calls[i].run == tn_cpu_run_copy;
        n_tap += is_tap;
        if (n_tap == 1 && !is_tap) n += x->calls[i].barrier;
    }
    return n;
}

/* Before attention's own matrix, gate and up, and down; and as the model's slots are dealt, before attention,
 * whose output comes where k was. Where heads are not cut, also before they are normed and rotated. */
static void a_layer_has_few_barriers(void **state) {
    (void)state;
    bench b;
    bench_init(&b, &shapes[0], 4, false);
    assert_int_equal(barriers_between_taps(&b), 4);
    bench_fini(&b);
    bench_init(&b, &shapes[0], 3, false);
    assert_int_equal(barriers_between_taps(&b), 5);
    bench_fini(&b);
    bench_init(&b, &shapes[0], 2, true);
    assert_true(barriers_between_taps(&b) > 16);
    bench_fini(&b);
}

/* Every element belongs to one member, and rows come in order. */
static void check_walks(uint32_t n_row, uint32_t cols, tn_cpu_cut cut, uint32_t n_member) {
    uint8_t *seen = calloc((size_t)n_row * cols + 1, 1);
    for (uint32_t m = 0; m < n_member; m++) {
        tn_cpu_walk w = tn_cpu_walk_of(n_row, cols, cut, m, n_member);
        for (uint64_t at = 0; tn_cpu_walk_next(&w); at = w.row + 1) {
            assert_true(w.row >= at && w.row < n_row);
            assert_true(w.cols.first < w.cols.end && w.cols.end <= cols && w.cols.first % cut.width == 0);
            for (uint64_t i = w.cols.first; i < w.cols.end; i++) seen[w.row * cols + i]++;
            tn_range r = tn_cpu_columns(cols, cut, m, n_member);
            if (!cut.by_row) assert_true(w.cols.first == r.first && w.cols.end == r.end);
        }
        assert_false(tn_cpu_walk_next(&w));
    }
    for (size_t i = 0; i < (size_t)n_row * cols; i++) assert_int_equal(seen[i], 1);
    free(seen);
}
static void walks_cover_everything_once(void **state) {
    (void)state;
    static const uint32_t widths[] = {1, 3, 16, 32, 100};
    for (uint32_t n_row = 0; n_row < 6; n_row++)
        for (uint32_t cols = 1; cols < 100; cols += 14)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                for (uint32_t n_member = 1; n_member < 6; n_member++) {
                    check_walks(n_row, cols, (tn_cpu_cut){widths[w], false}, n_member);
                    check_walks(n_row, cols, (tn_cpu_cut){widths[w], true}, n_member);
                }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walks_cover_everything_once),
        cmocka_unit_test(cuts_do_not_show),
        cmocka_unit_test(late_members_do_not_show),
        cmocka_unit_test(a_layer_has_few_barriers),
    };
    return unit_main(tests);
}
