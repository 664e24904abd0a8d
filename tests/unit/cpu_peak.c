/* SPDX-License-Identifier: Apache-2.0 */
/* What the cpu device says of its speed: that it is said, and that steps do not change by it. */
#include "unit/unit.h"

#include "device/cpu/cpu.h"
#include "unit/cpu_model.h"

static void every_set_has_limits(void **state) {
    (void)state;
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (!tn_cpu_kernels_usable(*k)) continue;
        for (int what = 0; what < TN_PEAK_COUNT; what++) {
            uint64_t ten = (*k)->peak_spin((tn_peak)what, 10);
            assert_int_equal((*k)->peak_spin((tn_peak)what, 30), 3 * ten);
            if (what == TN_PEAK_INT8 || what == TN_PEAK_F32) assert_true(ten > 0);
        }
    }
}

/* Every byte counts, with or without prefetching. */
static void reading_reads_everything(void **state) {
    (void)state;
    enum { N = 4096 };
    uint8_t *p = aligned_alloc(64, N);
    for (int i = 0; i < N; i++) p[i] = (uint8_t)(i * 37);
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (!tn_cpu_kernels_usable(*k)) continue;
        uint64_t all = (*k)->peak_read(p, N, false);
        assert_int_equal((*k)->peak_read(p, N, true), all);
        for (int i = 0; i < N; i += 1 + i % 7) {
            p[i] ^= 1;
            assert_true((*k)->peak_read(p, N, i % 2) != all);
            p[i] ^= 1;
        }
    }
    free(p);
}

static void the_device_measures(void **state) {
    (void)state;
    tn_device *d;
    tn_error err = {0};
    double rate;
    assert_int_equal(tn_device_cpu.open(&(tn_device_options){.n_thread = 2}, &d, &err), 0);
    for (int i = 0; i < 2; i++) { /* the second time with what the first one left */
        assert_int_equal(tn_device_cpu.measure_peak(d, TN_PEAK_READ, &rate, &err), 0);
        assert_true(rate > 1e6);
    }
    assert_int_equal(tn_device_cpu.measure_peak(d, TN_PEAK_INT8, &rate, &err), 0);
    assert_true(rate > 1e6);
    tn_device_cpu.close(d);
}

static const cpu_model_shape shape = {.n_vocab = 50,
                                      .n_embd = 256,
                                      .n_ff = 768,
                                      .n_head = 2,
                                      .n_head_kv = 2,
                                      .head_dim = 128,
                                      .n_rot = 128,
                                      .rope_style = TN_ROPE_HALF,
                                      .activation = TN_ACT_SILU,
                                      .type = TN_TYPE_Q4_K,
                                      .bias = true};

typedef struct fixture {
    cpu_model m;
    tn_device *d;
    tn_exec *x;
    float logits[50];
} fixture;

static void fixture_init(fixture *f, tn_compute compute) {
    tn_error err = {0};
    cpu_model_init(&f->m, &shape, 1);
    assert_int_equal(tn_device_cpu.open(&(tn_device_options){.n_thread = 2}, &f->d, &err), 0);
    tn_exec_config config = {.max_tokens = 4,
                             .max_seqs = 1,
                             .max_rows = 1,
                             .page_tokens = 16,
                             .n_page = {1, 1},
                             .kv_type = TN_TYPE_F32,
                             .compute = compute};
    assert_int_equal(tn_device_cpu.lower(f->d, &f->m.program, &config, NULL, NULL, &f->x, &err), 0);
}
static void fixture_fini(fixture *f) {
    tn_device_cpu.exec_free(f->x);
    tn_device_cpu.close(f->d);
    cpu_model_fini(&f->m);
}

/* Four tokens from position 0, the last one's logits. */
static void step(fixture *f) {
    tn_step_seq s = {.n_token = 4, .pages = {(uint32_t[]){0}, (uint32_t[]){0}}, .n_page = 1};
    tn_step st = {.n_token = 4,
                  .n_seq = 1,
                  .n_row = 1,
                  .ids = (int32_t[]){1, 2, 3, 4},
                  .pos = (uint32_t[]){0, 1, 2, 3},
                  .seq = (uint32_t[]){0, 0, 0, 0},
                  .seqs = &s,
                  .rows = (uint32_t[]){3}};
    const float *logits;
    tn_error err = {0};
    assert_int_equal(tn_device_cpu.step(f->x, &st, &err), 0);
    assert_int_equal(tn_device_cpu.logits(f->x, &logits, &err), 0);
    memcpy(f->logits, logits, sizeof f->logits);
}

/* What the kinds did in n steps, and that their times are parts of the whole. */
static void check_profile(const fixture *f, const tn_profile *p, uint64_t n) {
    const tn_cpu_exec *x = (const tn_cpu_exec *)f->x;
    uint64_t n_call = 0, bytes = 0;
    double seconds = 0;
    for (uint32_t i = 0; i < p->n_row; i++) {
        assert_string_not_equal(p->rows[i].name, "other");
        n_call += p->rows[i].n_call;
        bytes += p->rows[i].bytes;
        seconds += p->rows[i].run_s + p->rows[i].wait_s;
    }
    tn_work work;
    tn_device_cpu.work(f->x, &work);
    assert_int_equal(p->n_step, n);
    assert_int_equal(n_call, n * x->n_call);
    assert_int_equal(bytes, n * work.weight_bytes);
    assert_true(seconds > 0 && seconds <= p->step_s * (1 + 1e-9));
}

static void a_profile_changes_nothing(void **state) {
    (void)state;
    fixture f;
    float plain[50];
    tn_error err = {0};
    fixture_init(&f, TN_COMPUTE_AUTO);
    step(&f);
    memcpy(plain, f.logits, sizeof plain);
    static tn_profile p;
    p = (tn_profile){0};
    for (uint64_t n = 1; n <= 3; n++) { /* turned on anew each time, it goes on */
        assert_int_equal(tn_device_cpu.profile(f.x, &p, &err), 0);
        step(&f);
        assert_memory_equal(f.logits, plain, sizeof plain);
        check_profile(&f, &p, n);
    }
    assert_int_equal(tn_device_cpu.profile(f.x, NULL, &err), 0);
    step(&f);
    check_profile(&f, &p, 3);
    fixture_fini(&f);
}

/* The operations of linear layers, whichever arithmetic does them. */
static void work_is_counted(void **state) {
    (void)state;
    uint64_t totals[2], row_ops = 0;
    for (int i = 0; i < 2; i++) {
        fixture f;
        tn_work w;
        fixture_init(&f, i ? TN_COMPUTE_F32 : TN_COMPUTE_AUTO);
        tn_device_cpu.work(f.x, &w);
        assert_true((w.token_ops[TN_PEAK_INT8] > 0) == (i == 0));
        assert_int_equal(w.token_ops[TN_PEAK_READ] + w.row_ops[TN_PEAK_READ], 0);
        totals[i] = row_ops = 0;
        for (int k = 0; k < TN_PEAK_COUNT; k++) totals[i] += w.token_ops[k], row_ops += w.row_ops[k];
        assert_int_equal(row_ops, 2 * 50 * 256);
        fixture_fini(&f);
    }
    assert_int_equal(totals[0], totals[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_has_limits), cmocka_unit_test(reading_reads_everything),
        cmocka_unit_test(the_device_measures),  cmocka_unit_test(a_profile_changes_nothing),
        cmocka_unit_test(work_is_counted),
    };
    return unit_main(tests);
}
