/* SPDX-License-Identifier: Apache-2.0 */
/* Models that make embeddings, against what an independent implementation recorded: ids, pooled rows, vectors
 * and their cosines; and against themselves: alone = in any batch, in any order, with any number of threads.
 */
#include <math.h>

#include "golden/fixture.h"
#include "sched/encoder.h"

typedef struct bound {
    const char *name, *device;
    tn_compute compute;
    double max_diff; /* of a component of a vector of length 1; 0: only the cosine counts */
    double min_cosine;
} bound;

static const bound bounds[] = {
    {"reference", "reference", TN_COMPUTE_F32, 1e-5, 0.99999},
    {"cpu f32", "cpu", TN_COMPUTE_F32, 1e-5, 0.99999},
    {"cpu auto", "cpu", TN_COMPUTE_AUTO, 0, 0.999},
};

static const fixture embedding[] = {
    {"models/minilm", NULL, NULL, false},
    {"models/minilm", "config_v5.json", NULL, false},
    {"models/bge", NULL, NULL, false},
    {"models/bge", "config_v5.json", NULL, false},
    {"models/e5", NULL, NULL, false},
    {"models/e5", "config_v5.json", NULL, false},
    {"models/qwen3_embedding", NULL, NULL, false},
    {"models/qwen3_embedding", "config_v5.json", NULL, false},
    {"models/embeddinggemma", NULL, NULL, false},
    {"models/embeddinggemma", "config_v5.json", NULL, false},
};

enum { N_TEXT = 6 };

/* A model and the texts of its reference. */
typedef struct world {
    run run;
    reference ref;
    tn_encoder *encoder;
    uint32_t n_embd, n_out;
    tn_ids ids[N_TEXT];
} world;

static world world_open(const fixture *f, const bound *b, uint32_t n_thread) {
    setting s = {.device = b->device, .compute = b->compute, .n_thread = n_thread};
    world w = {.run = run_open(f, &s), .ref = reference_open(f)};
    tn_error err = {0};
    json_t *text;
    size_t i;
    w.encoder = w.run.model->encoder;
    assert_non_null(w.encoder);
    w.n_embd = w.run.model->program->n_embd;
    w.n_out = w.encoder->n_out;
    assert_int_equal(json_array_size(json_object_get(w.ref.json, "texts")), N_TEXT);
    json_array_foreach(json_object_get(w.ref.json, "texts"), i, text) {
        const json_t *t = json_object_get(text, "text");
        uint32_t skip;
        if (tn_encoder_tokens(w.encoder, w.run.model->tokenizer, w.run.model->n_ctx, json_string_value(t),
                              json_string_length(t), NULL, false, &w.ids[i], &skip, &err) != 0)
            fail_msg("text %zu: %s", i, err.text);
    }
    return w;
}

static void world_close(world *w) {
    for (int i = 0; i < N_TEXT; i++) tn_ids_free(&w->ids[i]);
    reference_close(&w->ref);
    run_close(&w->run);
}

/* Texts as an encoding wants them. */
typedef struct parcel {
    tn_encoding e;
    tn_ids ids;
    uint32_t *ends;
} parcel;

static parcel *parcel_of(const world *w, const uint32_t *which, uint32_t n) {
    parcel *p = calloc(1, sizeof *p);
    p->ends = calloc(n, sizeof *p->ends);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(tn_ids_add(&p->ids, w->ids[which[i]].data, w->ids[which[i]].len), 0);
        p->ends[i] = (uint32_t)p->ids.len;
    }
    p->e = (tn_encoding){.ids = p->ids.data,
                         .ends = p->ends,
                         .n_text = n,
                         .rows = calloc((size_t)n * w->n_embd, sizeof(float))};
    return p;
}
static void parcel_free(parcel *p) {
    tn_ids_free(&p->ids);
    free(p->ends);
    free(p->e.rows);
    free(p);
}

static void finish(const world *w) {
    bool busy = true;
    while (busy) tn_encoder_step(w->encoder, &busy);
}

/* Encodes the texts `which`; pooled rows [n, n_embd], the caller's. */
static float *encode(const world *w, const uint32_t *which, uint32_t n) {
    parcel *p = parcel_of(w, which, n);
    tn_encoder_add(w->encoder, &p->e);
    finish(w);
    assert_int_equal(p->e.status, 0);
    assert_true(tn_encoding_is_done(&p->e));
    float *rows = p->e.rows;
    p->e.rows = NULL;
    parcel_free(p);
    return rows;
}

static double cosine(const float *a, const float *b, size_t n) {
    double dot = 0, a2 = 0, b2 = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)a[i] * b[i];
        a2 += (double)a[i] * a[i];
        b2 += (double)b[i] * b[i];
    }
    return dot / sqrt(a2 * b2);
}

/* scale: what a component may be off by is of a vector of length 1. */
static void compare(const bound *b, const char *what, int i, const float *got, const float *want, size_t n) {
    double worst = 0, length = 0, c = cosine(got, want, n);
    for (size_t k = 0; k < n; k++) {
        worst = fmax(worst, fabs((double)got[k] - want[k]));
        length += (double)want[k] * want[k];
    }
    worst /= sqrt(length);
    if ((b->max_diff > 0 && !(worst <= b->max_diff)) || !(c >= b->min_cosine))
        fail_msg("%s %d: off by up to %g of its length (allowed %g), cosine %g", what, i, worst, b->max_diff,
                 c);
}

typedef struct embedding_case {
    const fixture *f;
    const bound *b;
    char name[160];
} embedding_case;

static const uint32_t in_order[N_TEXT] = {0, 1, 2, 3, 4, 5};

static void compare_ids(const world *w) {
    const json_t *texts = json_object_get(w->ref.json, "texts");
    for (size_t i = 0; i < N_TEXT; i++) {
        const json_t *ids = json_object_get(json_array_get(texts, i), "ids");
        assert_int_equal(w->ids[i].len, json_array_size(ids));
        for (size_t k = 0; k < w->ids[i].len; k++)
            assert_int_equal(w->ids[i].data[k], json_integer_value(json_array_get(ids, k)));
    }
}

static void test_recorded(void **state) {
    const embedding_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    float *rows = encode(&w, in_order, N_TEXT), *vectors = calloc((size_t)N_TEXT * w.n_out, sizeof *vectors);
    tn_error err = {0};
    size_t n_row;
    compare_ids(&w);
    for (int i = 0; i < N_TEXT; i++) {
        char name[32];
        float *to = vectors + (size_t)i * w.n_out;
        snprintf(name, sizeof name, "pooled%d", i);
        float *want = reference_array(&w.ref, name, w.n_embd, &n_row);
        compare(c->b, "pooled", i, rows + (size_t)i * w.n_embd, want, w.n_embd);
        free(want);
        assert_int_equal(
            tn_recipe_finish(&w.encoder->recipe, rows + (size_t)i * w.n_embd, w.n_embd, to, &err), 0);
        snprintf(name, sizeof name, "embedding%d", i);
        want = reference_array(&w.ref, name, w.n_out, &n_row);
        compare(c->b, "embedding", i, to, want, w.n_out);
        free(want);
    }
    float *want = reference_array(&w.ref, "cosine", N_TEXT, &n_row);
    for (int i = 0; i < N_TEXT * N_TEXT; i++) {
        double got = cosine(vectors + (size_t)(i / N_TEXT) * w.n_out,
                            vectors + (size_t)(i % N_TEXT) * w.n_out, w.n_out);
        assert_true(fabs(got - want[i]) <= (c->b->max_diff > 0 ? 1e-5 : 0.05));
    }
    free(want);
    free(rows);
    free(vectors);
    world_close(&w);
}

/* Each text alone, all together, the other way round among so many copies that they fill several batches, and
 * with another number of threads: every bit. */
static void test_company(void **state) {
    enum { MANY = 97 };
    const embedding_case *c = *state;
    world w = world_open(c->f, c->b, 1), other = world_open(c->f, c->b, 3);
    uint32_t crowd[MANY];
    const size_t bytes = w.n_embd * sizeof(float);
    for (uint32_t i = 0; i < MANY; i++) crowd[i] = (MANY - i) * 5 % N_TEXT;
    float *together = encode(&w, in_order, N_TEXT), *many = encode(&other, crowd, MANY);
    for (uint32_t i = 0; i < N_TEXT; i++) {
        float *alone = encode(&w, &i, 1);
        assert_memory_equal(alone, together + (size_t)i * w.n_embd, bytes);
        for (uint32_t k = 0; k < MANY; k++)
            if (crowd[k] == i) assert_memory_equal(alone, many + (size_t)k * w.n_embd, bytes);
        free(alone);
    }
    free(together);
    free(many);
    world_close(&w);
    world_close(&other);
}

/* A text does not wait for thousands of others that came before it; who leaves does not disturb others. */
static void test_queue(void **state) {
    enum { MANY = 400 };
    const embedding_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    uint32_t crowd[MANY] = {0}, one = 2;
    float *alone = encode(&w, &one, 1);
    parcel *many = parcel_of(&w, crowd, MANY), *gone = parcel_of(&w, crowd, 20),
           *few = parcel_of(&w, &one, 1);
    bool busy = true;
    tn_encoder_add(w.encoder, &many->e);
    tn_encoder_add(w.encoder, &gone->e);
    tn_encoder_add(w.encoder, &few->e);
    tn_encoder_step(w.encoder, &busy); /* all are in the batch */
    assert_true(busy);
    tn_encoder_remove(w.encoder, &gone->e);
    parcel_free(gone);
    while (!tn_encoding_is_done(&few->e)) tn_encoder_step(w.encoder, &busy);
    assert_true(many->e.n_done < MANY);
    assert_memory_equal(few->e.rows, alone, w.n_embd * sizeof(float));
    tn_encoder_remove(w.encoder, &many->e);
    finish(&w);
    free(alone);
    parcel_free(many);
    parcel_free(few);
    world_close(&w);
}

/* Too long: both numbers, or cut so that what the tokenizer adds stays. */
static void test_too_long(void **state) {
    const embedding_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    const tn_tokenizer *t = w.run.model->tokenizer;
    const json_t *text = json_object_get(json_array_get(json_object_get(w.ref.json, "texts"), 5), "text");
    const char *s = json_string_value(text);
    const size_t len = json_string_length(text), n = w.ids[5].len, cut = n - 7;
    tn_ids ids = {0};
    uint32_t skip;
    tn_error err = {0};
    char numbers[64];
    assert_int_equal(tn_encoder_tokens(w.encoder, t, (uint32_t)cut, s, len, NULL, false, &ids, &skip, &err),
                     TN_ELIMIT);
    snprintf(numbers, sizeof numbers, "%zu tokens, the model takes %zu", n, cut);
    assert_non_null(strstr(err.text, numbers));
    ids.len = 0;
    assert_int_equal(tn_encoder_tokens(w.encoder, t, (uint32_t)cut, s, len, NULL, true, &ids, &skip, &err),
                     0);
    assert_int_equal(ids.len, cut);
    assert_int_equal(ids.data[0], w.ids[5].data[0]);
    assert_int_equal(ids.data[cut - 1], w.ids[5].data[n - 1]);
    assert_memory_equal(ids.data, w.ids[5].data, (cut - 1) * sizeof *ids.data);
    ids.len = 0;
    assert_int_equal(tn_encoder_tokens(w.encoder, t, 512, "", 0, NULL, false, &ids, &skip, &err), TN_EINVAL);
    assert_int_equal(tn_encoder_tokens(w.encoder, t, 512, "a", 1, "query", false, &ids, &skip, &err),
                     TN_EINVAL);
    const int32_t bad = (int32_t)w.run.model->program->n_vocab;
    assert_int_equal(tn_encoder_check(w.encoder, 512, &bad, 1, &err), TN_EINVAL);
    tn_ids_free(&ids);
    world_close(&w);
}

/* It generates nothing. */
static void test_no_text(void **state) {
    const embedding_case *c = *state;
    world w = world_open(c->f, c->b, 0);
    tn_engine *e;
    tn_error err = {0};
    assert_int_equal(tn_engine_new(w.run.model, NULL, &e, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "embeddings"));
    world_close(&w);
}

int main(void) {
    enum { N_F = sizeof embedding / sizeof *embedding, N_B = sizeof bounds / sizeof *bounds, N_T = 5 };
    static const struct {
        const char *name;
        CMUnitTestFunction run;
    } kinds[N_T] = {{"recorded", test_recorded},
                    {"company", test_company},
                    {"queue", test_queue},
                    {"too long", test_too_long},
                    {"no text", test_no_text}};
    static embedding_case cases[N_F * N_B * N_T];
    struct CMUnitTest tests[N_F * N_B * N_T];
    size_t n = 0;
    for (size_t f = 0; f < N_F; f++)
        for (size_t b = 0; b < N_B; b++)
            for (size_t k = 0; k < N_T; k++) {
                embedding_case *c = &cases[n];
                bool slow = b == 0 && k > 0; /* the oracle takes its time, and the rest is not its business */
                *c = (embedding_case){.f = &embedding[f], .b = &bounds[b]};
                snprintf(c->name, sizeof c->name, "%s%s%s, %s: %s", c->f->path, c->f->config ? "/" : "",
                         c->f->config ? c->f->config : "", c->b->name, kinds[k].name);
                if (!slow && (k < 2 || !c->f->config))
                    tests[n++] = (struct CMUnitTest){c->name, kinds[k].run, NULL, NULL, c};
            }
    return unit_main_of("embedding", tests, n);
}
