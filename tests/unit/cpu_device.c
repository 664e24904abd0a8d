/* SPDX-License-Identifier: Apache-2.0 */
/* The cpu device on a small program: close to the reference device, and bit for bit the same whatever the
 * batch, the chunks, the pages and the number of threads. */
#include "unit/unit.h"

#include <math.h>
#include <unistd.h>

#include "device/cpu/cpu.h"
#include "device/reference/reference.h"
#include "unit/cpu_model.h"

enum { N_SEQ = 3, MOST_TOKENS = 64, N_PAGE = 256 };
static const uint32_t lengths[N_SEQ] = {53, 1, 34};

/* Sanitizers slow the kernels down by two orders of magnitude: fewer schedules then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { TRIALS = 2 };
#else
enum { TRIALS = 8 };
#endif

/* What a run leaves of every token of every sequence: logits and the taps. */
typedef struct record {
    uint32_t n_vocab, n_embd;
    float *logits[N_SEQ]; /* [length, n_vocab] */
    float *taps[N_SEQ];   /* [length, 3 * n_embd] */
} record;

typedef struct run {
    const tn_device_class *cls;
    uint32_t n_thread, page_tokens;
    tn_type kv_type;
    tn_compute compute;
    bool shuffle_pages;
    uint32_t chunk; /* tokens of a sequence per step at most; 0: random */
    bool alone;     /* one sequence after the other, else mixed */
    uint64_t seed;
} run;

/* Sequences on their way, and the step made of them. */
typedef struct runner {
    const cpu_model *m;
    const run *how;
    rng r;
    tn_exec *x;
    uint32_t done[N_SEQ];
    uint32_t pages[N_SEQ][MOST_TOKENS];
    int32_t ids[MOST_TOKENS];
    uint32_t pos[MOST_TOKENS], seq[MOST_TOKENS], rows[MOST_TOKENS];
    tn_step_seq seqs[N_SEQ];
    uint32_t which[N_SEQ]; /* sequence of seqs[i] */
    tn_step step;
} runner;

static void record_init(record *rec, const cpu_model *m) {
    rec->n_vocab = m->program.n_vocab;
    rec->n_embd = m->program.n_embd;
    for (int i = 0; i < N_SEQ; i++) {
        rec->logits[i] = calloc((size_t)lengths[i] * rec->n_vocab, sizeof(float));
        rec->taps[i] = calloc((size_t)lengths[i] * 3 * rec->n_embd, sizeof(float));
    }
}
static void record_fini(record *rec) {
    for (int i = 0; i < N_SEQ; i++) {
        free(rec->logits[i]);
        free(rec->taps[i]);
    }
}
static void assert_same(const record *a, const record *b) {
    for (int i = 0; i < N_SEQ; i++) {
        assert_memory_equal(a->logits[i], b->logits[i], (size_t)lengths[i] * a->n_vocab * sizeof(float));
        assert_memory_equal(a->taps[i], b->taps[i], (size_t)lengths[i] * 3 * a->n_embd * sizeof(float));
    }
}

static int32_t token_id(const cpu_model *m, uint32_t seq, uint32_t pos) {
    rng r = {1000 * seq + pos + 7};
    return (int32_t)rng_below(&r, m->program.n_vocab);
}

/* Gives every sequence pages of its own, in order or shuffled. */
static void deal_pages(runner *n) {
    uint32_t deck[N_PAGE], next = 0;
    for (uint32_t i = 0; i < N_PAGE; i++) deck[i] = i;
    for (uint32_t i = N_PAGE - 1; n->how->shuffle_pages && i > 0; i--) {
        uint32_t j = rng_below(&n->r, i + 1), t = deck[i];
        deck[i] = deck[j];
        deck[j] = t;
    }
    for (uint32_t s = 0; s < N_SEQ; s++)
        for (uint32_t p = 0; p * n->how->page_tokens < lengths[s]; p++) n->pages[s][p] = deck[next++];
}

static void add_tokens(runner *n, uint32_t s, uint32_t count) {
    tn_step *st = &n->step;
    n->which[st->n_seq] = s;
    n->seqs[st->n_seq] = (tn_step_seq){.first_token = st->n_token,
                                       .n_token = count,
                                       .first_pos = n->done[s],
                                       .rope_variant = s == 2,
                                       .pages = {n->pages[s], n->pages[s]}};
    n->seqs[st->n_seq].n_page = (n->done[s] + count + n->how->page_tokens - 1) / n->how->page_tokens;
    for (uint32_t i = 0; i < count; i++, st->n_token++) {
        n->ids[st->n_token] = token_id(n->m, s, n->done[s] + i);
        n->pos[st->n_token] = n->done[s] + i;
        n->seq[st->n_token] = st->n_seq;
        n->rows[st->n_token] = st->n_token;
    }
    n->done[s] += count;
    st->n_seq++;
}

/* The next step; false when all sequences are through. */
static bool next_step(runner *n) {
    n->step = (tn_step){.ids = n->ids, .pos = n->pos, .seq = n->seq, .seqs = n->seqs, .rows = n->rows};
    uint32_t start = rng_below(&n->r, N_SEQ);
    for (uint32_t i = 0; i < N_SEQ; i++) {
        uint32_t s = n->how->alone ? i : (start + i) % N_SEQ, left = lengths[s] - n->done[s];
        uint32_t room = MOST_TOKENS - n->step.n_token;
        uint32_t count = n->how->chunk ? n->how->chunk : 1 + rng_below(&n->r, 20);
        if (count > left) count = left;
        if (count > room) count = room;
        if (count) add_tokens(n, s, count);
        if (count && n->how->alone) break;
    }
    n->step.n_row = n->step.n_token;
    return n->step.n_token > 0;
}

static void keep(runner *n, record *rec) {
    const float *logits, *taps[3];
    assert_int_equal(n->how->cls->logits(n->x, &logits, NULL), 0);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(n->how->cls->tap(n->x, i, &taps[i], NULL), 0);
    for (uint32_t t = 0; t < n->step.n_token; t++) {
        uint32_t s = n->which[n->seq[t]], p = n->pos[t];
        memcpy(rec->logits[s] + (size_t)p * rec->n_vocab, logits + (size_t)t * rec->n_vocab,
               rec->n_vocab * sizeof(float));
        for (uint32_t i = 0; i < 3; i++)
            memcpy(rec->taps[s] + ((size_t)p * 3 + i) * rec->n_embd, taps[i] + (size_t)t * rec->n_embd,
                   rec->n_embd * sizeof(float));
    }
}

static record run_model(const cpu_model *m, const run *how) {
    runner n = {.m = m, .how = how, .r = {how->seed}};
    tn_device *d = NULL;
    tn_error err = {0};
    tn_exec_config config = {.max_tokens = MOST_TOKENS,
                             .max_seqs = N_SEQ,
                             .max_rows = MOST_TOKENS,
                             .page_tokens = how->page_tokens,
                             .n_page = {N_PAGE, N_PAGE},
                             .kv_type = how->kv_type,
                             .compute = how->compute,
                             .taps = true};
    record rec;
    record_init(&rec, m);
    assert_int_equal(how->cls->open(&(tn_device_options){.n_thread = how->n_thread}, &d, &err), 0);
    int rc = how->cls->lower(d, &m->program, &config, NULL, NULL, &n.x, &err);
    if (rc) fail_msg("%s", err.text);
    deal_pages(&n);
    while (next_step(&n)) {
        assert_int_equal(how->cls->step(n.x, &n.step, &err), 0);
        keep(&n, &rec);
    }
    how->cls->exec_free(n.x);
    how->cls->close(d);
    return rec;
}

static const cpu_model_shape shapes[] = {
    {.n_vocab = 97,
     .n_embd = 64,
     .n_ff = 96,
     .n_head = 4,
     .n_head_kv = 2,
     .head_dim = 16,
     .n_rot = 16,
     .rope_style = TN_ROPE_HALF,
     .activation = TN_ACT_SILU,
     .type = TN_TYPE_F32},
    {.n_vocab = 61,
     .n_embd = 256,
     .n_ff = 512,
     .n_head = 6,
     .n_head_kv = 2,
     .head_dim = 40,
     .n_rot = 24,
     .window = 9,
     .softcap = 20,
     .rope_style = TN_ROPE_INTERLEAVED,
     .activation = TN_ACT_GELU_TANH,
     .type = TN_TYPE_BF16,
     .bias = true},
    {.n_vocab = 70,
     .n_embd = 256,
     .n_ff = 256,
     .n_head = 4,
     .n_head_kv = 1,
     .head_dim = 64,
     .n_rot = 64,
     .window = 40,
     .rope_style = TN_ROPE_HALF,
     .activation = TN_ACT_GELU_ERF,
     .type = TN_TYPE_Q8_0,
     .fused = true},
    {.n_vocab = 50,
     .n_embd = 256,
     .n_ff = 768,
     .n_head = 2,
     .n_head_kv = 2,
     .head_dim = 128,
     .n_rot = 128,
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
     .activation = TN_ACT_SILU,
     .type = TN_TYPE_Q6_K,
     .fused = true},
};
enum { N_SHAPE = sizeof shapes / sizeof *shapes };

/* The most that any logit or tap of b differs from a's, relative to the largest of its row. */
static double distance(const record *a, const record *b) {
    double worst = 0;
    for (int s = 0; s < N_SEQ; s++) {
        for (uint32_t p = 0; p < lengths[s]; p++) {
            double most = 0, off = 0;
            for (uint32_t i = 0; i < a->n_vocab; i++) {
                size_t at = (size_t)p * a->n_vocab + i;
                most = fmax(most, fabs(a->logits[s][at]));
                off = fmax(off, fabs(a->logits[s][at] - b->logits[s][at]));
            }
            worst = fmax(worst, off / most);
        }
    }
    return worst;
}

/* Runs the test with TENON_CPU set to each set that this machine has. */
static void each_set(void (*test)(const char *set)) {
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (!tn_cpu_kernels_usable(*k)) continue;
        setenv("TENON_CPU", (*k)->name, 1);
        test((*k)->name);
        unsetenv("TENON_CPU");
    }
}

static const run reference_run = {.cls = &tn_device_reference,
                                  .n_thread = 1,
                                  .page_tokens = 16,
                                  .kv_type = TN_TYPE_F32,
                                  .compute = TN_COMPUTE_F32,
                                  .chunk = MOST_TOKENS,
                                  .alone = true};

static const tn_type kv_types[] = {TN_TYPE_F32, TN_TYPE_F16, TN_TYPE_BF16, TN_TYPE_Q8_0};
enum { N_KV_TYPE = sizeof kv_types / sizeof *kv_types };

/* Both devices round alike, but not quite the same numbers: now and then one falls on the other side. */
static void close_with_every_cache(const char *set, const cpu_model *m, const record *exact) {
    static const double bounds[] = {2e-5, 4e-4, 1e-3, 2e-3};
    for (int k = 0; k < N_KV_TYPE; k++) {
        run how = reference_run;
        how.kv_type = kv_types[k];
        record want = run_model(m, &how);
        how.cls = &tn_device_cpu;
        record got = run_model(m, &how);
        double off = distance(&want, &got), cost = distance(exact, &want);
        if (off > bounds[k] || (k > 0) != (cost > 0))
            fail_msg("%s, keys and values of type %d: off by %g, of %g that the type costs", set, kv_types[k],
                     off, cost);
        record_fini(&want);
        record_fini(&got);
    }
}

static void close_to_reference(const char *set) {
    for (int i = 0; i < N_SHAPE; i++) {
        cpu_model m;
        cpu_model_init(&m, &shapes[i], (uint64_t)i + 1);
        run how = reference_run;
        record want = run_model(&m, &how);
        close_with_every_cache(set, &m, &want);
        how.cls = &tn_device_cpu;
        how.compute = TN_COMPUTE_AUTO;
        for (int k = 1; k < N_KV_TYPE; k++) {
            how.kv_type = kv_types[k];
            record quick = run_model(&m, &how);
            double off = distance(&want, &quick);
            if (off > 0.06) fail_msg("%s, shape %d, type %d: auto %g", set, i, kv_types[k], off);
            record_fini(&quick);
        }
        record_fini(&want);
        cpu_model_fini(&m);
    }
}
static void logits_are_close_to_the_reference(void **state) {
    (void)state;
    each_set(close_to_reference);
}

static void same_bits(const char *set) {
    (void)set;
    static const struct {
        tn_type kv;
        tn_compute compute;
    } kinds[] = {{TN_TYPE_F32, TN_COMPUTE_F32},
                 {TN_TYPE_F16, TN_COMPUTE_AUTO},
                 {TN_TYPE_BF16, TN_COMPUTE_AUTO},
                 {TN_TYPE_Q8_0, TN_COMPUTE_AUTO},
                 {TN_TYPE_Q8_0, TN_COMPUTE_F32}};
    for (int i = 0; i < N_SHAPE; i++) {
        cpu_model m;
        cpu_model_init(&m, &shapes[i], (uint64_t)i + 1);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
            run whole = {.cls = &tn_device_cpu,
                         .n_thread = 1,
                         .page_tokens = 16,
                         .kv_type = kinds[k].kv,
                         .compute = kinds[k].compute,
                         .chunk = MOST_TOKENS,
                         .alone = true};
            record want = run_model(&m, &whole);
            for (uint32_t trial = 0; trial < (k == 0 ? TRIALS : 1 + TRIALS / 4); trial++) {
                run how = whole;
                how.seed = trial + 10 * (uint64_t)i;
                how.n_thread = 1 + trial % 3;
                how.page_tokens = 1u << (trial + (uint32_t)i) % 7;
                how.shuffle_pages = trial > 0;
                how.chunk = trial == 1 ? 1 : trial == 2 ? 7 : 0;
                how.alone = trial % 4 == 3;
                record got = run_model(&m, &how);
                assert_same(&want, &got);
                record_fini(&got);
            }
            record_fini(&want);
        }
        cpu_model_fini(&m);
    }
}
static void schedule_does_not_show_in_the_bits(void **state) {
    (void)state;
    each_set(same_bits);
}

static void refusals_say_why(void **state) {
    (void)state;
    tn_device *d = NULL;
    tn_error err = {0};
    setenv("TENON_CPU", "z80", 1);
    assert_int_equal(tn_device_cpu.open(NULL, &d, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "z80"));
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++)
        assert_non_null(strstr(err.text, (*k)->name));
    unsetenv("TENON_CPU");
    assert_int_equal(tn_device_cpu.open(&(tn_device_options){.n_thread = 100000}, &d, &err), TN_ELIMIT);
    assert_null(d);
    assert_int_equal(tn_device_cpu.open(NULL, &d, &err), 0);
    assert_non_null(strstr(tn_device_cpu.describe(d), "thread"));

    cpu_model m;
    cpu_model_init(&m, &shapes[0], 1);
    tn_exec *x = NULL;
    tn_exec_config c = {.max_tokens = 4,
                        .max_seqs = 1,
                        .max_rows = 4,
                        .page_tokens = 16,
                        .n_page = {4, 4},
                        .kv_type = TN_TYPE_Q4_0};
    assert_int_equal(tn_device_cpu.lower(d, &m.program, &c, NULL, NULL, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "Q4_0"));
    assert_int_equal(tn_device_reference.lower(d, &m.program, &c, NULL, NULL, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "Q4_0"));
    c.kv_type = TN_TYPE_F16;
    c.page_tokens = 12;
    assert_int_equal(tn_device_cpu.lower(d, &m.program, &c, NULL, NULL, &x, &err), TN_EINVAL);
    c.page_tokens = 1u << 31;
    c.n_page[0] = c.n_page[1] = UINT32_MAX;
    assert_int_equal(tn_device_cpu.lower(d, &m.program, &c, NULL, NULL, &x, &err), TN_ENOMEM);
    assert_null(x);
    c.page_tokens = 16;
    c.n_page[0] = c.n_page[1] = 4;
    assert_int_equal(tn_device_cpu.lower(d, &m.program, &c, NULL, NULL, &x, &err), 0);
    tn_exec_size size;
    assert_int_equal(tn_device_cpu.size(d, &m.program, &c, &size, &err), 0);
    uint64_t page = 0;
    for (uint32_t g = 0; g < m.program.n_group; g++) page += size.page[g];
    assert_true(size.activations > 0 && page >= 2 * 16 * 2 * 2 * 16 * sizeof(uint16_t));
    assert_true(page % (uint64_t)sysconf(_SC_PAGESIZE) == 0);
    const float *tap;
    assert_int_equal(tn_device_cpu.tap(x, 0, &tap, &err), TN_EINVAL);
    assert_int_equal(tn_device_cpu.step(x, &(tn_step){.n_token = 5}, &err), TN_EDEVICE);
    tn_device_cpu.exec_free(x);
    tn_device_cpu.close(d);
    cpu_model_fini(&m);
}

enum { LONG = 600, LONG_PAGE = 32, LONG_ROWS = LONG / MOST_TOKENS + LONG % MOST_TOKENS };

/* Logits of the last token of each step of a long sequence: whole steps, then token by token. Returns how
 * many attentions were shared between members. */
static uint32_t run_long(const cpu_model *m, tn_type kv_type, uint32_t n_thread, float *ret_logits) {
    static const uint32_t row = 0, seq[MOST_TOKENS];
    uint32_t pages[LONG / LONG_PAGE + 1], pos[MOST_TOKENS], n_shared = 0, n;
    int32_t ids[MOST_TOKENS];
    tn_device *d = NULL;
    tn_exec *x = NULL;
    tn_exec_config c = {.max_tokens = MOST_TOKENS,
                        .max_seqs = 1,
                        .max_rows = 1,
                        .page_tokens = LONG_PAGE,
                        .n_page = {LONG, LONG},
                        .max_seq_pages = LONG / LONG_PAGE + 1,
                        .kv_type = kv_type};
    assert_int_equal(tn_device_cpu.open(&(tn_device_options){.n_thread = n_thread}, &d, NULL), 0);
    assert_int_equal(tn_device_cpu.lower(d, &m->program, &c, NULL, NULL, &x, NULL), 0);
    for (uint32_t i = 0; i < LONG / LONG_PAGE + 1; i++) pages[i] = LONG / LONG_PAGE - i;
    for (uint32_t at = 0; at < LONG; at += n, ret_logits += m->program.n_vocab) {
        n = at + MOST_TOKENS <= LONG ? MOST_TOKENS : 1;
        for (uint32_t i = 0; i < n; i++) {
            pos[i] = at + i;
            ids[i] = token_id(m, 9, at + i);
        }
        uint32_t last = n - 1;
        tn_step_seq s = {.n_token = n, .first_pos = at, .pages = {pages, pages}};
        tn_step step = {.n_token = n, .n_seq = 1, .n_row = 1, .ids = ids, .pos = pos, .seq = seq, .seqs = &s};
        step.rows = n > 1 ? &last : &row;
        s.n_page = (at + n + LONG_PAGE - 1) / LONG_PAGE;
        const float *logits;
        assert_int_equal(tn_device_cpu.step(x, &step, NULL), 0);
        assert_int_equal(tn_device_cpu.logits(x, &logits, NULL), 0);
        memcpy(ret_logits, logits, m->program.n_vocab * sizeof *logits);
        const tn_cpu_exec *e = (const tn_cpu_exec *)x;
        for (uint32_t i = 0; i < e->n_call; i++)
            n_shared +=
                e->calls[i].run == tn_cpu_run_attention && tn_cpu_attention_shared(e, &e->calls[i], n_thread);
    }
    tn_device_cpu.exec_free(x);
    tn_device_cpu.close(d);
    return n_shared;
}

/* More members than heads share a long context, and nobody can tell. */
static void sharing_a_context_does_not_show(void **state) {
    (void)state;
    static const uint32_t threads[] = {2, 3, 5, 8};
    for (int i = 0; i < 3; i++) {
        cpu_model m;
        cpu_model_init(&m, &shapes[i], 3);
        size_t bytes = (size_t)LONG_ROWS * m.program.n_vocab * sizeof(float);
        float *alone = malloc(bytes), *shared = malloc(bytes);
        for (int k = 0; k < N_KV_TYPE; k++) {
            assert_int_equal(run_long(&m, kv_types[k], 1, alone), 0);
            uint32_t n_thread = threads[(i + k) % 4];
            uint32_t n = run_long(&m, kv_types[k], n_thread, shared);
            assert_true(shapes[i].n_head_kv % n_thread == 0 ? n == 0 : n > 20);
            assert_memory_equal(alone, shared, bytes);
        }
        free(alone);
        free(shared);
        cpu_model_fini(&m);
    }
}

/* A page is what its tokens take, and the system's pages beyond. */
static void pages_have_the_size_of_their_type(void **state) {
    (void)state;
    tn_device *d = NULL;
    cpu_model m;
    uint64_t system = (uint64_t)sysconf(_SC_PAGESIZE);
    static const uint32_t num[] = {128, 64, 64, 34}; /* of F32's 128 */
    cpu_model_init(&m, &shapes[3], 1);               /* heads of 128: whole blocks */
    assert_int_equal(tn_device_cpu.open(NULL, &d, NULL), 0);
    for (int k = 0; k < N_KV_TYPE; k++) {
        tn_exec_config c = {.max_tokens = 4,
                            .max_seqs = 1,
                            .max_rows = 4,
                            .page_tokens = 64,
                            .n_page = {4, 4},
                            .kv_type = kv_types[k]};
        tn_exec_size size;
        assert_int_equal(tn_device_cpu.size(d, &m.program, &c, &size, NULL), 0);
        for (uint32_t g = 0; g < m.program.n_group; g++) {
            uint64_t layers = 0;
            for (uint32_t i = 0; i < m.program.n_layer; i++) layers += m.program.caches[i].group == g;
            uint64_t want = layers * 2 * 64 * 2 * 128 * num[k] / 32;
            assert_true(layers > 0);
            assert_int_equal(size.page[g], (want + system - 1) / system * system);
        }
    }
    tn_device_cpu.close(d);
    cpu_model_fini(&m);
}

static int cancel(void *ctx, uint64_t done, uint64_t total) {
    (void)done;
    (void)total;
    ++*(int *)ctx;
    return 1;
}
static void preparing_can_be_cancelled(void **state) {
    (void)state;
    tn_device *d = NULL;
    tn_exec *x = NULL;
    cpu_model m;
    int calls = 0;
    cpu_model_init(&m, &shapes[2], 1);
    tn_exec_config c = {.max_tokens = 4, .max_seqs = 1, .max_rows = 4, .page_tokens = 16, .n_page = {4, 4}};
    assert_int_equal(tn_device_cpu.open(NULL, &d, NULL), 0);
    assert_int_equal(tn_device_cpu.lower(d, &m.program, &c, cancel, &calls, &x, NULL), TN_ECANCELED);
    assert_int_equal(calls, 1);
    assert_null(x);
    tn_device_cpu.close(d);
    cpu_model_fini(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_are_close_to_the_reference),
        cmocka_unit_test(schedule_does_not_show_in_the_bits),
        cmocka_unit_test(sharing_a_context_does_not_show),
        cmocka_unit_test(pages_have_the_size_of_their_type),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(preparing_can_be_cancelled),
    };
    return unit_main(tests);
}
