/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/unit.h"

#include "unit/toy.h"

#include "program/record.h"
#include "unit/cpu_model.h"
#include "unit/files.h"
#include "unit/model_files.h"

void toy_init(toy *t, const toy_tensor *tensors, size_t n) {
    char path[4400];
    tn_buf header, file;
    tn_error err = {0};
    size_t at = 0;
    *t = (toy){.dir = unit_temp_dir()};
    tn_buf_init(&header, FILE_MAX);
    tn_buf_init(&file, FILE_MAX);
    for (size_t i = 0; i < n; at += tensors[i++].n * sizeof(float))
        tn_buf_addf(&header, "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                    i ? ',' : '{', tensors[i].name, tensors[i].shape, at, at + tensors[i].n * sizeof(float));
    tn_buf_addc(&header, '}');
    put_u64(&file, header.len);
    tn_buf_add(&file, header.data, header.len);
    for (size_t i = 0; i < n; i++) tn_buf_add(&file, tensors[i].data, tensors[i].n * sizeof(float));
    assert_int_equal(file.status, 0);
    snprintf(path, sizeof path, "%s/model.safetensors", t->dir);
    unit_write(path, file.data, file.len);
    unit_write_in(t->dir, "config.json", "{\"model_type\": \"toy\"}");
    tn_buf_free(&header);
    tn_buf_free(&file);
    if (tn_checkpoint_open(t->dir, &t->ckpt, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(tn_hparams_init(&t->h, t->ckpt, &err), 0);
}

void toy_fini(toy *t) {
    tn_program_free(t->program);
    tn_hparams_fini(&t->h);
    tn_checkpoint_close(t->ckpt);
    unit_remove_dir(t->dir);
}

/* The instance of a toy family is the test's function and what it is called with. */
typedef struct instance {
    toy_forward forward;
    void *ctx;
} instance;

static void record_instance(void *self, tn_recorder *r) {
    instance *i = self;
    i->forward(i->ctx, r);
}

int toy_record(toy *t, toy_forward forward, void *ctx, tn_error *err) {
    tn_family family = {.size = sizeof family, .record = record_instance};
    instance i = {forward, ctx};
    tn_program *p = NULL;
    int rc = tn_program_record(&family, &i, &t->h, &p, err);
    tn_program_free(t->program);
    t->program = p;
    return rc;
}

int32_t toy_id(uint32_t seq, uint32_t pos, uint32_t n_id) {
    rng r = {1000 * seq + pos + 7};
    return (int32_t)rng_below(&r, n_id);
}

/* Sequences on their way, and the step made of them. */
typedef struct runner {
    const toy_run *how;
    const tn_program *p;
    tn_exec *x;
    rng r;
    uint32_t n_id, done[TOY_SEQ];
    uint32_t pages[TOY_SEQ][TOY_PAGES], state_page[TOY_SEQ], spare_page;
    int32_t ids[TOY_STEP];
    uint32_t pos[TOY_STEP], seq[TOY_STEP], rows[TOY_STEP], which[TOY_SEQ];
    tn_step_seq seqs[TOY_SEQ];
    tn_step step;
} runner;

/* Every sequence has pages of its own for its tokens and one for its state. */
static void deal_pages(runner *n) {
    uint32_t deck[TOY_PAGES], next = 0;
    for (uint32_t i = 0; i < TOY_PAGES; i++) deck[i] = i;
    for (uint32_t i = TOY_PAGES - 1; i > 0; i--) {
        uint32_t j = rng_below(&n->r, i + 1), t = deck[i];
        deck[i] = deck[j];
        deck[j] = t;
    }
    for (uint32_t s = 0; s < TOY_SEQ; s++) {
        n->state_page[s] = deck[s];
        for (uint32_t p = 0; p * TOY_PAGE_TOKENS < n->how->length[s]; p++) n->pages[s][p] = deck[next++];
        n->done[s] = 0;
    }
    n->spare_page = deck[TOY_SEQ];
}

static void move_state(runner *n, uint32_t s) {
    uint32_t g = n->p->n_group - 1, from = n->state_page[s];
    if (!n->how->move || !n->p->groups[g].is_state || rng_below(&n->r, 2)) return;
    n->x->cls->copy_page(n->x, g, from, n->spare_page);
    n->x->cls->discard_page(n->x, g, from);
    n->state_page[s] = n->spare_page;
    n->spare_page = from;
}

static void add_tokens(runner *n, uint32_t s, uint32_t count) {
    tn_step *st = &n->step;
    tn_step_seq *seq = &n->seqs[st->n_seq];
    n->which[st->n_seq] = s;
    *seq = (tn_step_seq){.first_token = st->n_token, .n_token = count, .first_pos = n->done[s]};
    seq->n_page = (n->done[s] + count + TOY_PAGE_TOKENS - 1) / TOY_PAGE_TOKENS;
    for (uint32_t g = 0; g < n->p->n_group; g++)
        seq->pages[g] = n->p->groups[g].is_state ? &n->state_page[s] : n->pages[s];
    for (uint32_t i = 0; i < count; i++, st->n_token++) {
        n->ids[st->n_token] = toy_id(s, n->done[s] + i, n->n_id);
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
    uint32_t start = rng_below(&n->r, TOY_SEQ);
    for (uint32_t i = 0; i < TOY_SEQ; i++) {
        uint32_t s = n->how->alone ? i : (start + i) % TOY_SEQ, left = n->how->length[s] - n->done[s];
        uint32_t room = TOY_STEP - n->step.n_token;
        uint32_t count = n->how->chunk ? n->how->chunk : 1 + rng_below(&n->r, 25);
        if (count > left) count = left;
        if (count > room) count = room;
        if (!count) continue;
        move_state(n, s);
        add_tokens(n, s, count);
        if (n->how->alone) break;
    }
    n->step.n_row = n->step.n_token;
    return n->step.n_token > 0;
}

static void keep(const runner *n, float *ret[TOY_SEQ]) {
    const float *rows;
    size_t cols = n->p->n_vocab;
    assert_int_equal(n->x->cls->logits(n->x, &rows, NULL), 0);
    for (uint32_t t = 0; t < n->step.n_token; t++)
        memcpy(ret[n->which[n->seq[t]]] + n->pos[t] * cols, rows + t * cols, cols * sizeof *rows);
}

void toy_run_sequences(const toy *t, const toy_run *how, uint32_t n_id, float *ret[TOY_SEQ]) {
    runner n = {.how = how, .p = t->program, .r = {how->seed}, .n_id = n_id};
    tn_device *d = NULL;
    tn_error err = {0};
    tn_exec_config c = {.max_tokens = TOY_STEP,
                        .max_seqs = TOY_SEQ,
                        .max_rows = TOY_STEP,
                        .page_tokens = TOY_PAGE_TOKENS,
                        .max_seq_pages = TOY_PAGES,
                        .kv_type = TN_TYPE_F32,
                        .compute = TN_COMPUTE_F32};
    for (uint32_t g = 0; g < TN_CACHE_GROUPS; g++) c.n_page[g] = TOY_PAGES;
    for (uint32_t s = 0; s < TOY_SEQ; s++) ret[s] = calloc((size_t)how->length[s] + 1, n.p->n_vocab * 4);
    assert_int_equal(how->cls->open(&(tn_device_options){.n_thread = how->n_thread}, &d, &err), 0);
    if (how->cls->lower(d, n.p, &c, NULL, NULL, &n.x, &err) != 0) fail_msg("%s", err.text);
    for (int round = 0; round < 2; round++) {
        deal_pages(&n);
        while (next_step(&n)) {
            if (how->cls->step(n.x, &n.step, &err) != 0) fail_msg("%s", err.text);
            keep(&n, ret);
        }
    }
    how->cls->exec_free(n.x);
    how->cls->close(d);
}
