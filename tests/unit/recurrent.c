/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that look back along their sequence other than by keys and values of their own: convolution and
 * gated delta rule against their definitions, on every device and kernel set; the same bits however a
 * sequence is cut, with whom it runs, where its state lies; attention over an earlier layer's keys. */
#include "unit/unit.h"

#include <math.h>

#include "device/cpu/cpu.h"
#include "device/reference/reference.h"
#include "unit/cpu_model.h"
#include "unit/toy.h"

enum { N_ID = 61 };
static const uint32_t lengths[TOY_SEQ] = {150, 1, 97};

static float *random_floats(rng *r, size_t n, float size) {
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++) x[i] = size * rng_float(r);
    return x;
}

/* Calls test with the reference device, then with cpu and every kernel set that this machine has. */
static void each_device(void (*test)(const tn_device_class *cls, const char *set)) {
    test(&tn_device_reference, "reference");
    for (const tn_cpu_kernels *const *k = tn_cpu_kernel_sets; *k; k++) {
        if (!tn_cpu_kernels_usable(*k)) continue;
        setenv("TENON_CPU", (*k)->name, 1);
        test(&tn_device_cpu, (*k)->name);
        unsetenv("TENON_CPU");
    }
}

static void free_rows(float *rows[TOY_SEQ]) {
    for (uint32_t s = 0; s < TOY_SEQ; s++) free(rows[s]);
}

/* ---- A delta net: an embedding cut into what the projections of a layer would give ---- */

typedef struct net_shape {
    tn_delta_desc delta;
    uint32_t kernel, activation;
    bool bias;
} net_shape;

static const net_shape shapes[] = {
    {{0, 4, 2, 16, 16, TN_HEADS_GROUPED, 0.25f, 1e-6f}, 4, TN_ACT_SILU, false},
    {{0, 6, 3, 20, 37, TN_HEADS_TILED, 0.2f, 1e-6f}, 3, 0, true},
    {{0, 2, 2, 128, 128, TN_HEADS_GROUPED, 0.08f, 1e-6f}, 4, TN_ACT_SILU, true},
    {{0, 3, 1, 7, 81, TN_HEADS_TILED, 1, 1e-3f}, 9, TN_ACT_SILU, false},
};
enum { N_SHAPE = sizeof shapes / sizeof *shapes };

typedef struct net {
    const net_shape *s;
    uint32_t cols, n_out, width; /* of q|k|v, of v, and of a row of the embedding: q|k|v, gate, a, b */
    float *embed, *conv, *bias, *log_rate, *dt;
    bool flat; /* records the convolution's weight as MLX lays it out */
    toy t;
} net;

static void net_forward(void *ctx, tn_recorder *r) {
    const net *n = ctx;
    const tn_delta_desc *d = &n->s->delta;
    uint32_t cols = n->cols, k = n->s->kernel;
    tn_value x = r->embed(r, tn_matrix(r, 0, "embed", NULL, N_ID, n->width), 1);
    tn_value qkv = r->slice(r, x, n->width, 0, cols), gate = r->slice(r, x, n->width, cols, n->n_out);
    tn_value a = r->slice(r, x, n->width, cols + n->n_out, d->n_head);
    tn_value b = r->slice(r, x, n->width, cols + n->n_out + d->n_head, d->n_head);
    tn_weight w =
        n->flat ? tn_matrix(r, 0, "conv_flat", NULL, cols * k, 1) : tn_matrix(r, 0, "conv", NULL, cols, k);
    tn_weight bias = n->s->bias ? tn_vector(r, 0, "bias", NULL, cols, 0) : 0;
    tn_conv_desc c = {.kernel = k, .activation = n->s->activation};
    tn_weight rate = tn_vector(r, 0, "log_rate", NULL, d->n_head, TN_WEIGHT_NEG_EXP_HF);
    tn_weight dt = tn_vector(r, 0, "dt", NULL, d->n_head, 0);
    tn_value y = r->delta_rule(r, r->conv(r, qkv, w, bias, &c), a, b, rate, dt, d);
    r->logits(r, r->output_rows(r, r->glu(r, gate, y, TN_ACT_SIGMOID)));
}

static void net_init(net *n, const net_shape *s, uint64_t seed) {
    rng r = {seed};
    char embed_shape[32], conv_shape[32], flat_shape[32], cols_shape[16], head_shape[16];
    const tn_delta_desc *d = &s->delta;
    *n = (net){.s = s, .cols = tn_delta_cols(d), .n_out = d->n_head * d->head_dim_v};
    n->width = n->cols + n->n_out + 2 * d->n_head;
    snprintf(embed_shape, sizeof embed_shape, "%d, %u", N_ID, n->width);
    snprintf(conv_shape, sizeof conv_shape, "%u, 1, %u", n->cols, s->kernel);
    snprintf(flat_shape, sizeof flat_shape, "%u, %u, 1", n->cols, s->kernel);
    snprintf(cols_shape, sizeof cols_shape, "%u", n->cols);
    snprintf(head_shape, sizeof head_shape, "%u", d->n_head);
    n->embed = random_floats(&r, (size_t)N_ID * n->width, 2);
    n->conv = random_floats(&r, (size_t)n->cols * s->kernel, 1);
    n->bias = random_floats(&r, n->cols, 0.5f);
    n->log_rate = random_floats(&r, d->n_head, 2);
    n->dt = random_floats(&r, d->n_head, 1);
    toy_tensor tensors[] = {
        {"embed", embed_shape, n->embed, (size_t)N_ID * n->width},
        {"conv", conv_shape, n->conv, (size_t)n->cols * s->kernel},
        {"conv_flat", flat_shape, n->conv, (size_t)n->cols * s->kernel},
        {"bias", cols_shape, n->bias, n->cols},
        {"log_rate", head_shape, n->log_rate, d->n_head},
        {"dt", head_shape, n->dt, d->n_head},
    };
    toy_init(&n->t, tensors, sizeof tensors / sizeof *tensors);
    tn_error err = {0};
    if (toy_record(&n->t, net_forward, n, &err) != 0) fail_msg("%s", err.text);
}

static void net_fini(net *n) {
    toy_fini(&n->t);
    free(n->embed);
    free(n->conv);
    free(n->bias);
    free(n->log_rate);
    free(n->dt);
}

static const float *net_row(const net *n, uint32_t seq, uint32_t pos) {
    return n->embed + (size_t)toy_id(seq, pos, N_ID) * n->width;
}

/* ---- The definitions, in double ---- */

static double sigmoid(double x) {
    return 1 / (1 + exp(-x));
}

/* Channel c of a position from everything before it. */
static double plain_conv(const net *n, uint32_t seq, uint32_t pos, uint32_t c) {
    double y = n->s->bias ? n->bias[c] : 0;
    for (uint32_t back = 0; back < n->s->kernel && back <= pos; back++)
        y += (double)n->conv[(size_t)c * n->s->kernel + n->s->kernel - 1 - back] *
             net_row(n, seq, pos - back)[c];
    return n->s->activation ? y * sigmoid(y) : y;
}

static double length_of(const double *x, uint32_t n, double eps) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += x[i] * x[i];
    return sqrt(sum + eps);
}

/* One head of one token, as the paper has it: S [dv, dk] becomes S (alpha (I - beta k k^T)) + beta v k^T. */
static void plain_delta(const tn_delta_desc *d, const double *q, const double *k, const double *v,
                        double alpha, double beta, double *s, double *y) {
    const uint32_t dk = d->head_dim_k;
    double lq = length_of(q, dk, d->eps), lk = length_of(k, dk, d->eps);
    double *row = malloc(dk * sizeof *row);
    for (uint32_t j = 0; j < d->head_dim_v; j++, s += dk) {
        memcpy(row, s, dk * sizeof *row);
        for (uint32_t i = 0; i < dk; i++) {
            double sum = beta * v[j] * k[i] / lk;
            for (uint32_t m = 0; m < dk; m++)
                sum += row[m] * alpha * ((m == i) - beta * (k[m] / lk) * (k[i] / lk));
            s[i] = sum;
        }
        y[j] = 0;
        for (uint32_t i = 0; i < dk; i++) y[j] += s[i] * q[i] / lq * d->scale;
    }
    free(row);
}

/* Row t of a sequence; s: the states of all heads. */
static void plain_row(const net *n, uint32_t seq, uint32_t pos, double *s, double *y) {
    const tn_delta_desc *d = &n->s->delta;
    const uint32_t dk = d->head_dim_k, dv = d->head_dim_v, n_k = d->n_head_k;
    const float *x = net_row(n, seq, pos), *gate = x + n->cols, *a = gate + n->n_out, *b = a + d->n_head;
    double *mixed = malloc(n->cols * sizeof *mixed);
    for (uint32_t c = 0; c < n->cols; c++) mixed[c] = plain_conv(n, seq, pos, c);
    for (uint32_t h = 0; h < d->n_head; h++) {
        uint32_t hk = d->order == TN_HEADS_TILED ? h % n_k : h / (d->n_head / n_k);
        double g = -exp(n->log_rate[h]) * log(1 + exp((double)a[h] + n->dt[h]));
        plain_delta(d, mixed + hk * dk, mixed + (n_k + hk) * dk, mixed + 2 * n_k * dk + h * dv, exp(g),
                    sigmoid(b[h]), s + (size_t)h * dk * dv, y + (size_t)h * dv);
    }
    for (uint32_t i = 0; i < n->n_out; i++) y[i] *= sigmoid(gate[i]);
    free(mixed);
}

/* The most that a row is off by, relative to the largest value of the sequence. */
static double distance(const net *n, uint32_t seq, uint32_t length, const float *got) {
    const tn_delta_desc *d = &n->s->delta;
    double *s = calloc(tn_delta_state(d), sizeof *s), *y = calloc(n->n_out, sizeof *y), off = 0, most = 0;
    for (uint32_t pos = 0; pos < length; pos++, got += n->n_out) {
        plain_row(n, seq, pos, s, y);
        for (uint32_t i = 0; i < n->n_out; i++) {
            if (!isfinite(got[i])) fail_msg("sequence %u: value %u of token %u is not finite", seq, i, pos);
            off = fmax(off, fabs(got[i] - y[i]));
            most = fmax(most, fabs(y[i]));
        }
    }
    free(s);
    free(y);
    return off / most;
}

static void against_definition(const tn_device_class *cls, const char *set) {
    double bound = cls == &tn_device_reference ? 2e-6 : 1e-5, worst = 0;
    for (int i = 0; i < N_SHAPE; i++) {
        net n;
        float *got[TOY_SEQ];
        net_init(&n, &shapes[i], (uint64_t)i + 1);
        toy_run how = {.cls = cls, .n_thread = 2, .length = {70, 1, 33}, .chunk = 30, .seed = 3};
        toy_run_sequences(&n.t, &how, N_ID, got);
        for (uint32_t s = 0; s < TOY_SEQ; s++) {
            double off = distance(&n, s, how.length[s], got[s]);
            if (!(off <= bound)) fail_msg("%s, shape %d, sequence %u: off by %g", set, i, s, off);
            worst = fmax(worst, off);
        }
        free_rows(got);
        net_fini(&n);
    }
    printf("# %s: off by at most %.1e of the largest value\n", set, worst);
}
static void delta_nets_are_their_definition(void **state) {
    (void)state;
    each_device(against_definition);
}

/* ---- The same bits ---- */

static void expect_same(const char *what, float *got[TOY_SEQ], float *want[TOY_SEQ], uint32_t n_out) {
    for (uint32_t s = 0; s < TOY_SEQ; s++)
        if (memcmp(got[s], want[s], (size_t)lengths[s] * n_out * sizeof(float)) != 0)
            fail_msg("%s: sequence %u differs", what, s);
}

static toy_run whole(const tn_device_class *cls) {
    toy_run how = {.cls = cls, .n_thread = 1, .chunk = TOY_STEP, .alone = true};
    memcpy(how.length, lengths, sizeof lengths);
    return how;
}

static void any_schedule(const tn_device_class *cls, const char *set) {
    for (int i = 0; i < N_SHAPE; i++) {
        net n;
        float *want[TOY_SEQ], *got[TOY_SEQ];
        char what[64];
        net_init(&n, &shapes[i], (uint64_t)i + 1);
        toy_run how = whole(cls);
        toy_run_sequences(&n.t, &how, N_ID, want);
        for (uint32_t trial = 0; trial < 4; trial++) {
            how.seed = trial + 10 * (uint64_t)i;
            how.n_thread = 1 + trial % 3;
            how.chunk = trial == 0 ? 1 : trial == 1 ? 2 : 0;
            how.alone = trial == 1;
            how.move = trial != 0;
            snprintf(what, sizeof what, "%s, shape %d, trial %u", set, i, trial);
            toy_run_sequences(&n.t, &how, N_ID, got);
            expect_same(what, got, want, n.n_out);
            free_rows(got);
        }
        free_rows(want);
        net_fini(&n);
    }
}
static void schedule_does_not_show_in_the_bits(void **state) {
    (void)state;
    each_device(any_schedule);
}

static void flat_weights(const tn_device_class *cls, const char *set) {
    net n;
    float *want[TOY_SEQ], *got[TOY_SEQ];
    tn_error err = {0};
    toy_run how = whole(cls);
    net_init(&n, &shapes[1], 1);
    toy_run_sequences(&n.t, &how, N_ID, want);
    n.flat = true;
    if (toy_record(&n.t, net_forward, &n, &err) != 0) fail_msg("%s", err.text);
    toy_run_sequences(&n.t, &how, N_ID, got);
    expect_same(set, got, want, n.n_out);
    free_rows(want);
    free_rows(got);
    net_fini(&n);
}
static void weights_of_either_layout_are_the_same(void **state) {
    (void)state;
    each_device(flat_weights);
}

/* What size() says, and that a group of states is the last one. */
static void states_are_accounted(void **state) {
    (void)state;
    const tn_device_class *const classes[] = {&tn_device_reference, &tn_device_cpu};
    net n;
    net_init(&n, &shapes[2], 1);
    const tn_program *p = n.t.program;
    uint64_t floats = 2 * 128 * 128 + 3 * 3 * 2 * 128; /* S of two heads; three rows of q, k and v */
    assert_int_equal(p->n_layer, 1);
    assert_int_equal(p->caches[0].n_state, floats);
    assert_true(p->n_group == 1 && p->groups[0].is_state);
    for (int i = 0; i < 2; i++) {
        tn_device *d = NULL;
        tn_exec_size size;
        tn_exec_config c = {
            .max_tokens = 4, .max_seqs = 1, .max_rows = 4, .page_tokens = 16, .n_page = {4}, .kv_type = 0};
        assert_int_equal(classes[i]->open(NULL, &d, NULL), 0);
        assert_int_equal(classes[i]->size(d, p, &c, &size, NULL), 0);
        assert_true(size.page[0] >= floats * sizeof(float) && size.page[0] < floats * sizeof(float) + 8192);
        classes[i]->close(d);
    }
    net_fini(&n);
}

/* ---- Attention over the keys of another layer ---- */

enum {
    DIM = 24,
    N_HEAD = 4,
    N_HEAD_KV = 1,
    Q = N_HEAD * DIM,
    KV = N_HEAD_KV * DIM,
    SHARER_WIDTH = 2 * (Q + KV)
};

typedef struct sharer {
    bool shared; /* else the second layer has the same keys and values once more */
    uint32_t window, second_window;
} sharer;

static void sharer_forward(void *ctx, tn_recorder *r) {
    const sharer *m = ctx;
    tn_attention_desc first = {.layer = 0,
                               .n_head = N_HEAD,
                               .n_head_kv = N_HEAD_KV,
                               .head_dim = DIM,
                               .window = m->window,
                               .scale = 0.2f};
    tn_attention_desc second = first;
    second.window = m->second_window;
    second.layer = m->shared ? 0 : 1;
    tn_value x = r->embed(r, tn_matrix(r, 0, "embed", NULL, N_ID, SHARER_WIDTH), 1);
    tn_value q = r->slice(r, x, SHARER_WIDTH, 0, Q), q2 = r->slice(r, x, SHARER_WIDTH, Q, Q);
    tn_value k = r->slice(r, x, SHARER_WIDTH, 2 * Q, KV), v = r->slice(r, x, SHARER_WIDTH, 2 * Q + KV, KV);
    tn_value y = r->attention(r, q, k, v, &first);
    y = r->add(r, y, r->attention(r, q2, m->shared ? 0 : k, m->shared ? 0 : v, &second));
    y = r->add(r, y, q); /* q lives on: the second attention does not write where the first reads */
    r->logits(r, r->output_rows(r, y));
}

static void toy_of_sharer(toy *t) {
    rng r = {5};
    char shape[32];
    float *embed = random_floats(&r, (size_t)N_ID * SHARER_WIDTH, 2);
    snprintf(shape, sizeof shape, "%d, %d", N_ID, SHARER_WIDTH);
    toy_tensor tensor = {"embed", shape, embed, (size_t)N_ID * SHARER_WIDTH};
    toy_init(t, &tensor, 1);
    free(embed);
}

/* The long sequence has spans enough for members to share them out. */
static void shared_keys(const tn_device_class *cls, const char *set) {
    static const uint32_t windows[][2] = {{0, 0}, {0, 40}, {90, 90}, {90, 17}};
    toy t;
    toy_of_sharer(&t);
    for (int i = 0; i < 4; i++) {
        sharer m = {.window = windows[i][0], .second_window = windows[i][1]};
        toy_run how = {.cls = cls, .n_thread = 1, .length = {600, 1, 97}, .chunk = TOY_STEP};
        float *want[TOY_SEQ], *got[TOY_SEQ];
        tn_error err = {0};
        if (toy_record(&t, sharer_forward, &m, &err) != 0) fail_msg("%s", err.text);
        assert_int_equal(t.program->n_layer, 2);
        toy_run_sequences(&t, &how, N_ID, want);
        m.shared = true;
        how.n_thread = 3;
        how.chunk = 0;
        if (toy_record(&t, sharer_forward, &m, &err) != 0) fail_msg("%s", err.text);
        assert_true(t.program->n_layer == 1 && t.program->groups[0].n_layer == 1);
        toy_run_sequences(&t, &how, N_ID, got);
        for (uint32_t s = 0; s < TOY_SEQ; s++)
            if (memcmp(got[s], want[s], (size_t)how.length[s] * Q * sizeof(float)) != 0)
                fail_msg("%s, windows %u and %u: sequence %u differs", set, m.window, m.second_window, s);
        free_rows(want);
        free_rows(got);
    }
    toy_fini(&t);
}
static void shared_keys_are_as_if_computed_again(void **state) {
    (void)state;
    each_device(shared_keys);
}

/* Both attentions share out spans through the same memory, and nothing else parts them. */
static void a_barrier_parts_attentions_of_one_cache(void **state) {
    (void)state;
    toy t;
    tn_device *d = NULL;
    tn_exec *x = NULL;
    uint32_t n = 0;
    sharer m = {.shared = true};
    tn_exec_config c = {.max_tokens = 4,
                        .max_seqs = 1,
                        .max_rows = 4,
                        .page_tokens = 16,
                        .n_page = {TOY_PAGES},
                        .max_seq_pages = TOY_PAGES,
                        .compute = TN_COMPUTE_F32};
    toy_of_sharer(&t);
    assert_int_equal(toy_record(&t, sharer_forward, &m, NULL), 0);
    assert_int_equal(tn_device_cpu.open(&(tn_device_options){.n_thread = 3}, &d, NULL), 0);
    assert_int_equal(tn_device_cpu.lower(d, t.program, &c, NULL, NULL, &x, NULL), 0);
    const tn_cpu_exec *cpu = (const tn_cpu_exec *)x;
    assert_non_null(cpu->parts);
    for (uint32_t i = 0; i < cpu->n_call; i++) {
        if (cpu->calls[i].run == tn_cpu_run_attention) assert_true(cpu->calls[i].barrier && ++n);
        assert_true(cpu->calls[i].run != tn_cpu_run_store || n == 0);
    }
    assert_int_equal(n, 2);
    tn_device_cpu.exec_free(x);
    tn_device_cpu.close(d);
    toy_fini(&t);
}

/* ---- Mistakes ---- */

/* Each records one mistake on x [T, 96]; what is said of it holds `text`. */
static const struct {
    const char *text;
    int what;
} mistakes[] = {{"none of layer 3", 0},       {"2 heads of 24", 1},  {"window of 50", 2},
                {"keeps keys and values", 3}, {"kernel of 1", 4},    {"activation 2", 5},
                {"conv has 384 values", 6},   {"3 heads of 8", 7},   {"qkv has 96 columns", 8},
                {"a has 96 columns", 9},      {"40 from 60 on", 10}, {"each 95 of 96", 11},
                {"keeps something", 12},      {"rows of x", 13}};

static void mistaken_attention(tn_recorder *r, tn_value x, int what) {
    tn_attention_desc a = {.n_head = 4, .n_head_kv = 4, .head_dim = 24, .window = 40, .scale = 1};
    tn_conv_desc c = {.layer = 0, .kernel = 4};
    if (what == 12) r->conv(r, x, tn_matrix(r, 0, "conv", NULL, 96, 4), 0, &c);
    if (what != 0) r->attention(r, x, x, x, &a);
    if (what == 0) a.layer = 3;
    if (what == 1) a.n_head_kv = 2;
    if (what == 2) a.window = 50;
    if (what == 3) r->conv(r, x, tn_matrix(r, 0, "conv", NULL, 96, 4), 0, &c);
    r->attention(r, x, 0, 0, &a);
}

static void mistaken_state(tn_recorder *r, tn_value x, int what) {
    tn_weight w = tn_matrix(r, 0, "conv", NULL, 96, 4), head = tn_vector(r, 0, "head", NULL, 4, 0);
    tn_conv_desc c = {.layer = 0,
                      .kernel = what == 4   ? 1
                                : what == 6 ? 3
                                            : 4,
                      .activation = what == 5 ? 2 : 0};
    tn_delta_desc d = {.n_head = what == 7 ? 3 : 4,
                       .n_head_k = 2,
                       .head_dim_k = 8,
                       .head_dim_v = what == 9 ? 16 : 8,
                       .order = TN_HEADS_GROUPED,
                       .scale = 1};
    if (what == 13) x = r->output_rows(r, x);
    if (what < 7 || what == 13)
        r->conv(r, x, w, 0, &c);
    else
        r->delta_rule(r, x, x, x, head, head, &d);
}

static void mistaken_forward(void *ctx, tn_recorder *r) {
    int what = *(const int *)ctx;
    tn_value x = r->embed(r, tn_matrix(r, 0, "embed", NULL, N_ID, 96), 1);
    if (what == 10 || what == 11)
        r->slice(r, x, what == 10 ? 96 : 95, what == 10 ? 60 : 0, 40);
    else if (what < 4 || what == 12)
        mistaken_attention(r, x, what);
    else
        mistaken_state(r, x, what);
    r->logits(r, r->output_rows(r, x));
}

static void mistakes_are_named(void **state) {
    (void)state;
    rng r = {1};
    float *data = random_floats(&r, N_ID * 96, 1);
    toy_tensor tensors[] = {
        {"embed", "61, 96", data, N_ID * 96}, {"conv", "96, 1, 4", data, 384}, {"head", "4", data, 4}};
    toy t;
    toy_init(&t, tensors, 3);
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        tn_error err = {0};
        int what = mistakes[i].what;
        assert_true(toy_record(&t, mistaken_forward, &what, &err) != 0);
        if (!strstr(err.text, mistakes[i].text)) fail_msg("mistake %d: %s", what, err.text);
    }
    toy_fini(&t);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delta_nets_are_their_definition),
        cmocka_unit_test(schedule_does_not_show_in_the_bits),
        cmocka_unit_test(weights_of_either_layout_are_the_same),
        cmocka_unit_test(states_are_accounted),
        cmocka_unit_test(shared_keys_are_as_if_computed_again),
        cmocka_unit_test(a_barrier_parts_attentions_of_one_cache),
        cmocka_unit_test(mistakes_are_named),
    };
    return unit_main(tests);
}
