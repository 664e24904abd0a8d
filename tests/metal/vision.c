/* SPDX-License-Identifier: Apache-2.0 */
/* Vision on a GPU device of the tests (tested.h): towers as families record them, on made-up pictures, and
 * texts with rows of media, coordinates and spans that see themselves. Against the reference device, and
 * against themselves: a picture cut into other slices, a text in other chunks and other company. */
#include "golden/fixture.h"

#include <math.h>

#include "sched/tower.h"
#include "tested.h"

/* Of the largest number of a tower's output, or of logits: what F32 sums in another order lose, and what
 * halves do. */
static const double f32_bound = 5e-5, auto_bound = 2e-2;

enum { PAGE_TOKENS = 16, MAX_PARTS = TN_OUTPUT_PARTS };

typedef struct vision_case {
    fixture f;
    tn_compute compute;
    char name[2][64]; /* of its tests */
} vision_case;

static uint32_t random_state;

/* -1 .. 1, by the linear congruence of Numerical Recipes. */
static float next_random(void) {
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) * 0x1p-23f - 1.0f;
}
static uint32_t next_below(uint32_t n) {
    return (uint32_t)((next_random() + 1) * 0.5f * (float)n) % n;
}
static float *random_array(size_t n, float spread) {
    float *p = malloc(n * sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) p[i] = spread * next_random();
    return p;
}

static run open_model(const vision_case *c) {
    const setting s = {.device = "reference", .compute = TN_COMPUTE_F32, .step_tokens = 64};
    return run_open(&c->f, &s);
}

/* A program on a device, which is closed with it. */
typedef struct lowered {
    tn_device *device;
    tn_exec *exec;
} lowered;

static lowered lower(const tn_program *p, const tn_device_class *cls, const tn_exec_config *config,
                     const vision_case *c) {
    lowered l;
    tn_error err = {0};
    tn_exec_config own = *config;
    tn_exec_size size;
    const bool tested = cls == tested_device();
    own.compute = tested ? c->compute : TN_COMPUTE_F32;
    own.kv_type = tested && c->compute == TN_COMPUTE_AUTO ? TN_TYPE_F16 : TN_TYPE_F32;
    if (cls->open(&(tn_device_options){0}, &l.device, &err) != 0) fail_msg("%s", err.text);
    if (cls->size(l.device, p, &own, &size, &err) != 0) fail_msg("size: %s", err.text);
    if (cls->lower(l.device, p, &own, NULL, NULL, &l.exec, &err) != 0) fail_msg("lower: %s", err.text);
    return l;
}

static void close_lowered(lowered *l) {
    l->exec->cls->exec_free(l->exec);
    l->device->cls->close(l->device);
}

static double worst_difference(const float *a, const float *b, size_t n, double *ret_largest) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)a[i] - b[i]);
        if (!(off <= worst)) worst = off; /* also when it is not a number */
        if (fabs(b[i]) > *ret_largest) *ret_largest = fabs(b[i]);
    }
    return worst;
}

static double bound_of(const vision_case *c) {
    return c->compute == TN_COMPUTE_F32 ? f32_bound : auto_bound;
}

/* ---- towers ---- */

enum {
    N_ROW = 96,
    CUT = N_ROW * 2 / 3, /* where a second picture begins, */
    GAP = 64,            /* so many positions farther on */
    N_PAGE = (N_ROW + GAP) / PAGE_TOKENS,
    N_SLICING = 4,
};

/* Rows of slices, over and over, in units of the program's fold; 0: all rows at once. */
static const uint32_t slicings[N_SLICING][3] = {{0, 0, 0}, {1, 1, 1}, {2, 1, 3}, {3, 3, 3}};

typedef struct picture {
    float *input;
    uint32_t coord[N_ROW][3];
    uint32_t first[2][N_ROW], end[2][N_ROW]; /* in a frame, in a window */
    uint32_t mix_index[N_ROW][4];
    float mix_weight[N_ROW][4];
    uint32_t pos[N_ROW], seq[N_ROW], pages[N_PAGE];
} picture;

static uint32_t mix_rows(const tn_program *p) {
    for (uint32_t i = 0; i < p->n_op; i++)
        if (p->ops[i].kind == TN_OP_MIX) return p->weights[p->ops[i].w].rows;
    return 1;
}

/* Two frames of two thirds and a third of the rows, `gap` positions between; windows of 1 to 4 folds. */
static void make_picture(const tn_program *p, uint32_t gap, picture *pic) {
    random_state = 7;
    *pic = (picture){.input = random_array((size_t)N_ROW * p->n_input, 1)};
    for (uint32_t t = 0, window = 0, end = 0; t < N_ROW; t++) {
        if (t == end) {
            window = end;
            end += p->fold * (1 + next_below(4));
            if (end > N_ROW) end = N_ROW;
            if (window < CUT && end > CUT) end = CUT;
        }
        const uint32_t shift = t < CUT ? 0 : gap;
        pic->first[0][t] = t < CUT ? 0 : CUT + shift;
        pic->end[0][t] = t < CUT ? CUT : N_ROW + shift;
        pic->first[1][t] = window + shift;
        pic->end[1][t] = end + shift;
        pic->pos[t] = t + shift;
        for (int k = 0; k < 3; k++) pic->coord[t][k] = next_below(12);
        for (int k = 0; k < 4; k++) {
            pic->mix_index[t][k] = next_below(mix_rows(p));
            pic->mix_weight[t][k] = next_random();
        }
    }
    for (uint32_t i = 0; i < N_PAGE; i++) pic->pages[i] = N_PAGE - 1 - i;
}

static void run_slice(const lowered *l, const picture *pic, const tn_program *p, uint32_t stage, uint32_t row,
                      uint32_t n) {
    tn_error err = {0};
    const tn_step_seq seq = {
        .n_token = n, .first_pos = pic->pos[row], .pages = {pic->pages}, .n_page = N_PAGE};
    const tn_step step = {.n_token = n,
                          .n_seq = 1,
                          .pos = pic->pos + row,
                          .seq = pic->seq,
                          .seqs = &seq,
                          .coord = (const uint32_t(*)[3])(pic->coord + row),
                          .sees = {[TN_SEES_FRAME] = {pic->first[0] + row, pic->end[0] + row},
                                   [TN_SEES_WINDOW] = {pic->first[1] + row, pic->end[1] + row}},
                          .stage = stage,
                          .first_row = row,
                          .input = pic->input + (size_t)row * p->n_input,
                          .mix_index = (const uint32_t(*)[4])(pic->mix_index + row),
                          .mix_weight = (const float(*)[4])(pic->mix_weight + row)};
    if (l->exec->cls->step(l->exec, &step, &err) != 0)
        fail_msg("stage %u, rows %u to %u: %s", stage, row, row + n, err.text);
}

static size_t part_size(const tn_program *p) {
    return (size_t)N_ROW / p->fold * p->n_embd;
}

/* All parts, one after the other: the caller's. */
static float *encode_picture(const lowered *l, const picture *pic, const tn_program *p,
                             const uint32_t slicing[3]) {
    tn_error err = {0};
    const float *part;
    float *all = malloc(p->n_output * part_size(p) * sizeof *all);
    assert_non_null(all);
    for (uint32_t stage = 0; stage < p->n_stage; stage++)
        for (uint32_t row = 0, i = 0, n; row < N_ROW; row += n, i++) {
            n = slicing[0] ? slicing[i % 3] * p->fold : N_ROW;
            if (n > N_ROW - row) n = N_ROW - row;
            run_slice(l, pic, p, stage, row, n);
        }
    for (uint32_t k = 0; k < p->n_output; k++) {
        if (l->exec->cls->output(l->exec, k, &part, &err) != 0) fail_msg("output %u: %s", k, err.text);
        memcpy(all + k * part_size(p), part, part_size(p) * sizeof *all);
    }
    assert_int_equal(l->exec->cls->output(l->exec, p->n_output, &part, &err), TN_EINVAL);
    return all;
}

static void towers_run_on_kernels(void **state) {
    const vision_case *c = *state;
    run r = open_model(c);
    const tn_program *p = r.model->tower->program;
    const size_t n = p->n_output * part_size(p);
    const tn_exec_config config = {.max_tokens = N_ROW,
                                   .max_seqs = 1,
                                   .max_kept = N_ROW,
                                   .page_tokens = PAGE_TOKENS,
                                   .n_page = {N_PAGE},
                                   .max_seq_pages = N_PAGE};
    const tn_device_class *plain = tn_device_class_find("reference");
    lowered want_on = lower(p, plain, &config, c), got_on = lower(p, tested_device(), &config, c);
    picture pic;
    double largest = 0;
    make_picture(p, 0, &pic);
    float *want = encode_picture(&want_on, &pic, p, slicings[0]), *whole = NULL;
    for (uint32_t i = 0; i < N_SLICING; i++) {
        float *plain_sliced = encode_picture(&want_on, &pic, p, slicings[i]);
        float *got = encode_picture(&got_on, &pic, p, slicings[i]);
        if (memcmp(plain_sliced, want, n * sizeof *want) != 0)
            fail_msg("slicing %u changes what the reference device gives", i);
        if (whole && memcmp(got, whole, n * sizeof *got) != 0) fail_msg("slicing %u changes bits", i);
        free(plain_sliced);
        free(whole);
        whole = got;
    }
    free(pic.input);
    make_picture(p, GAP, &pic);
    for (uint32_t i = 0; i < N_SLICING; i++) {
        float *got = encode_picture(&got_on, &pic, p, slicings[i]);
        if (memcmp(got, whole, n * sizeof *got) != 0) fail_msg("slicing %u with a gap changes bits", i);
        free(got);
    }
    const double off = worst_difference(whole, want, n, &largest);
    printf("# %s: %u parts up to %.1f, off by at most %.1e\n", c->name[0], p->n_output, largest, off);
    if (!(off <= bound_of(c) * largest)) fail_msg("off by %g of %g", off, largest);
    free(whole);
    free(want);
    free(pic.input);
    close_lowered(&want_on);
    close_lowered(&got_on);
    run_close(&r);
    tested_device_end();
}

/* ---- texts ---- */

enum {
    N_TOKEN = 48, /* of a sequence: */
    FIRST = 9,    /* its picture, longer than a window and across tiles, */
    END = 36,
    N_PROMPT = 40, /* and the end of its prompt */
    N_SEQ = 2,     /* the other one has no picture */
    SEQ_PAGES = N_TOKEN / PAGE_TOKENS,
};

typedef struct text {
    int32_t ids[N_SEQ][N_TOKEN];
    uint32_t coord[N_SEQ][N_TOKEN][3];
    float *media[MAX_PARTS]; /* [END - FIRST, n_embd] */
    bool sees_whole;
    uint32_t n_vocab, n_embd;
} text;

static void make_text(const tn_model *m, text *t) {
    random_state = 11;
    *t = (text){.sees_whole = m->tower->vision.sees_whole,
                .n_vocab = m->program->n_vocab,
                .n_embd = m->program->n_embd};
    for (uint32_t k = 0; k < MAX_PARTS; k++)
        t->media[k] = random_array((size_t)(END - FIRST) * t->n_embd, k ? 0.3f : 1);
    for (uint32_t s = 0; s < N_SEQ; s++)
        for (uint32_t i = 0; i < N_TOKEN; i++) {
            const bool in_picture = s == 0 && i >= FIRST && i < END;
            t->ids[s][i] = (int32_t)next_below(t->n_vocab);
            t->coord[s][i][0] = in_picture ? FIRST : i;
            t->coord[s][i][1] = in_picture ? FIRST + (i - FIRST) / 6 : i;
            t->coord[s][i][2] = in_picture ? FIRST + (i - FIRST) % 6 : i;
        }
}

/* The next n[s] tokens of each sequence, logits of all to got. */
static void run_step(const lowered *l, const text *t, uint32_t past[N_SEQ], const uint32_t n[N_SEQ],
                     float *got) {
    enum { MOST = N_SEQ * N_TOKEN };
    int32_t ids[MOST];
    uint32_t pos[MOST], seq[MOST], rows[MOST], coord[MOST][3], first[MOST] = {0}, end[MOST] = {0};
    uint32_t pages[N_SEQ][SEQ_PAGES];
    tn_step_seq seqs[N_SEQ];
    tn_step_media media;
    tn_error err = {0};
    tn_step step = {.ids = ids,
                    .pos = pos,
                    .seq = seq,
                    .rows = rows,
                    .seqs = seqs,
                    .coord = (const uint32_t(*)[3])coord,
                    .sees = {[TN_SEES_PAST] = {first, end}},
                    .media = &media};
    for (uint32_t s = 0; s < N_SEQ; s++) {
        if (!n[s]) continue;
        const uint32_t after = past[s] + n[s];
        for (uint32_t i = 0; i < SEQ_PAGES; i++) pages[s][i] = i * N_SEQ + s;
        seqs[step.n_seq] = (tn_step_seq){.first_token = step.n_token,
                                         .n_token = n[s],
                                         .n_generated = past[s] >= N_PROMPT ? n[s]
                                                        : after > N_PROMPT  ? after - N_PROMPT
                                                                            : 0,
                                         .first_pos = past[s],
                                         .n_page = SEQ_PAGES};
        for (uint32_t g = 0; g < TN_CACHE_GROUPS; g++) seqs[step.n_seq].pages[g] = pages[s];
        const uint32_t from = past[s] > FIRST ? past[s] : FIRST, to = after < END ? after : END;
        if (s == 0 && from < to) {
            media = (tn_step_media){.first_token = step.n_token + from - past[s], .n_token = to - from};
            for (uint32_t k = 0; k < MAX_PARTS; k++)
                media.rows[k] = t->media[k] + (size_t)(from - FIRST) * t->n_embd;
            step.n_media = 1;
        }
        for (uint32_t i = past[s]; i < after; i++, step.n_token++) {
            ids[step.n_token] = t->ids[s][i];
            pos[step.n_token] = i;
            seq[step.n_token] = step.n_seq;
            rows[step.n_row++] = step.n_token;
            memcpy(coord[step.n_token], t->coord[s][i], sizeof coord[0]);
            if (!t->sees_whole || s != 0 || i < FIRST || i >= END) continue;
            first[step.n_token] = FIRST;
            end[step.n_token] = END;
        }
        step.n_seq++;
    }
    const float *logits;
    if (l->exec->cls->step(l->exec, &step, &err) != 0) fail_msg("step: %s", err.text);
    if (l->exec->cls->logits(l->exec, &logits, &err) != 0) fail_msg("logits: %s", err.text);
    for (uint32_t s = 0; s < N_SEQ; s++)
        for (uint32_t i = 0; i < n[s]; i++, past[s]++, logits += t->n_vocab)
            memcpy(got + ((size_t)s * N_TOKEN + past[s]) * t->n_vocab, logits, t->n_vocab * sizeof *got);
}

/* Chunks of both sequences; what follows the last goes token by token. A picture that sees itself is not
 * cut. */
typedef struct chunks {
    uint32_t n[4][N_SEQ];
} chunks;
static const chunks ways[] = {
    {{{N_PROMPT, 0}, {0, N_PROMPT}}},          /* each alone */
    {{{N_PROMPT, N_PROMPT}}},                  /* together */
    {{{FIRST, 3}, {END - FIRST, 30}, {2, 1}}}, /* the picture by itself */
    {{{4, 1}, {END - 4 + 3, 20}, {0, 7}}},     /* with text on both sides */
    {{{20, 2}, {5, 0}, {9, 6}, {6, 0}}},       /* cut */
};
enum { N_WAY = sizeof ways / sizeof *ways };

static float *read_text(const lowered *l, const text *t, const chunks *way) {
    uint32_t past[N_SEQ] = {0};
    float *got = calloc((size_t)N_SEQ * N_TOKEN * t->n_vocab, sizeof *got);
    assert_non_null(got);
    for (uint32_t i = 0; past[0] < N_TOKEN || past[1] < N_TOKEN; i++) {
        uint32_t n[N_SEQ];
        for (uint32_t s = 0; s < N_SEQ; s++) n[s] = i < 4 ? way->n[i][s] : past[s] < N_TOKEN;
        if (n[0] + n[1]) run_step(l, t, past, n, got);
    }
    return got;
}

static void texts_run_on_kernels(void **state) {
    const vision_case *c = *state;
    run r = open_model(c);
    const tn_program *p = r.model->program;
    const size_t n = (size_t)N_SEQ * N_TOKEN * p->n_vocab;
    tn_exec_config config = {.max_tokens = N_SEQ * N_TOKEN,
                             .max_seqs = N_SEQ,
                             .max_rows = N_SEQ * N_TOKEN,
                             .page_tokens = PAGE_TOKENS,
                             .max_seq_pages = SEQ_PAGES};
    for (uint32_t g = 0; g < p->n_group; g++) config.n_page[g] = N_SEQ * SEQ_PAGES;
    const tn_device_class *plain = tn_device_class_find("reference");
    lowered want_on = lower(p, plain, &config, c), got_on = lower(p, tested_device(), &config, c);
    text t;
    double largest = 0;
    make_text(r.model, &t);
    float *want = read_text(&want_on, &t, &ways[0]), *alone = read_text(&got_on, &t, &ways[0]);
    const double off = worst_difference(alone, want, n, &largest);
    printf("# %s: logits up to %.1f, off by at most %.1e\n", c->name[1], largest, off);
    if (!(off <= bound_of(c) * largest)) fail_msg("off by %g of %g", off, largest);
    for (uint32_t i = 1; i < N_WAY; i++) {
        if (t.sees_whole && i == N_WAY - 1) continue; /* pictures are not cut */
        float *got = read_text(&got_on, &t, &ways[i]);
        if (memcmp(got, alone, n * sizeof *got) != 0) fail_msg("chunks of way %u change bits", i);
        free(got);
    }
    free(alone);
    free(want);
    for (uint32_t k = 0; k < MAX_PARTS; k++) free(t.media[k]);
    close_lowered(&want_on);
    close_lowered(&got_on);
    run_close(&r);
    tested_device_end();
}

/* ---- refusals ---- */

static void expect_refusal(const lowered *l, const tn_step *step, const char *part) {
    tn_error err = {0};
    assert_int_equal(l->exec->cls->step(l->exec, step, &err), TN_EINVAL);
    if (!strstr(err.text, part)) fail_msg("no \"%s\" in: %s", part, err.text);
}

static void refuse_tower_steps(const tn_program *p, const vision_case *c) {
    const tn_exec_config config = {.max_tokens = N_ROW,
                                   .max_seqs = 1,
                                   .max_kept = N_ROW,
                                   .page_tokens = PAGE_TOKENS,
                                   .n_page = {N_PAGE},
                                   .max_seq_pages = N_PAGE};
    lowered l = lower(p, tested_device(), &config, c);
    const float *unused;
    tn_error err = {0};
    expect_refusal(&l, &(tn_step){.n_token = p->fold, .stage = p->n_stage}, "stage");
    expect_refusal(&l, &(tn_step){.n_token = p->fold, .first_row = N_ROW}, "from row 96 on");
    expect_refusal(&l, &(tn_step){.n_token = p->fold, .first_row = UINT32_MAX}, "of a picture of 96");
    expect_refusal(&l, &(tn_step){.n_token = p->fold, .first_row = 1}, "become one");
    expect_refusal(&l, &(tn_step){.n_token = p->fold + 1}, "become one");
    expect_refusal(&l, &(tn_step){.n_token = p->fold}, "without its input");
    expect_refusal(&l, &(tn_step){.n_token = p->fold, .stage = 1}, "without its mix");
    assert_int_equal(l.exec->cls->logits(l.exec, &unused, &err), TN_EINVAL);

    tn_exec *x;
    tn_exec_config odd = config;
    odd.max_kept = N_ROW + 1;
    assert_int_equal(l.device->cls->lower(l.device, p, &odd, NULL, NULL, &x, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "97"));
    tn_program other = *p;
    other.fold = 2 * p->fold;
    assert_int_equal(l.device->cls->lower(l.device, &other, &config, NULL, NULL, &x, &err), TN_ENOTSUP);
    assert_non_null(strstr(err.text, "become one"));
    close_lowered(&l);
}

static void refuse_text_steps(const tn_program *p, const vision_case *c) {
    tn_exec_config config = {
        .max_tokens = 8, .max_seqs = 1, .max_rows = 8, .page_tokens = 8, .max_seq_pages = 1, .n_page = {1}};
    lowered l = lower(p, tested_device(), &config, c);
    const tn_step_media beyond = {.first_token = 3, .n_token = 6}, bare = {.first_token = 3, .n_token = 2};
    expect_refusal(&l, &(tn_step){.n_token = 8, .media = &beyond, .n_media = 1}, "tokens 3 to 9 of 8");
    expect_refusal(&l, &(tn_step){.n_token = 8, .media = &bare, .n_media = 1}, "part 0");
    close_lowered(&l);
}

static void refusals_say_why(void **state) {
    const vision_case *c = *state;
    run r = open_model(c);
    refuse_tower_steps(r.model->tower->program, c);
    refuse_text_steps(r.model->program, c);
    run_close(&r);
    tested_device_end();
}

int main(void) {
    static const char *const paths[] = {"models/qwen2_5_vl", "models/qwen3_vl", "models/gemma3_vl"};
    enum { N = 2 * sizeof paths / sizeof *paths };
    static vision_case cases[N];
    struct CMUnitTest tests[2 * N + 1];
    tn_loader_set_preopened();
    tn_device_class_offer(tested_device());
    for (size_t i = 0; i < N; i++) {
        vision_case *c = &cases[i];
        *c = (vision_case){.f = {.path = paths[i / 2]}, .compute = i % 2 ? TN_COMPUTE_AUTO : TN_COMPUTE_F32};
        for (int k = 0; k < 2; k++) {
            snprintf(c->name[k], sizeof c->name[k], "%s, %s, %s", c->f.path, k ? "text" : "tower",
                     i % 2 ? "auto" : "f32");
            tests[2 * i + k] = (struct CMUnitTest){
                c->name[k], k ? texts_run_on_kernels : towers_run_on_kernels, NULL, NULL, c};
        }
    }
    tests[2 * N] = (struct CMUnitTest){"refusals_say_why", refusals_say_why, NULL, NULL, &cases[2]};
    return unit_main(tests);
}
