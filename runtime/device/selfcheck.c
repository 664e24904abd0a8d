/* SPDX-License-Identifier: Apache-2.0 */
#include "device/selfcheck.h"

#include <math.h>
#include <string.h>

#include "base/status.h"
#include "device/reference/reference.h"
#include "device/tiny_model.h"

enum { N_TOKEN = 24, N_SEQ = 3, PAGE_TOKENS = 4, SEQ_PAGES = N_TOKEN / PAGE_TOKENS };

static const uint32_t rope_variants[N_SEQ] = {0, 1, 0};
static const uint32_t n_prompt[N_SEQ] = {N_TOKEN, 10, 1};

typedef float logits[N_SEQ][N_TOKEN][TN_TINY_VOCAB];

/* Sequences on an exec, their pages interleaved, in reverse order when asked for. */
typedef struct session {
    tn_exec *exec;
    uint32_t pages[N_SEQ][SEQ_PAGES];
    uint32_t n_past[N_SEQ];
} session;

static int open_session(session *s, tn_device *d, const tn_tiny_model *m, bool reverse, tn_error *err) {
    const tn_exec_config config = {.max_tokens = N_SEQ * N_TOKEN,
                                   .max_seqs = N_SEQ,
                                   .max_rows = N_SEQ * N_TOKEN,
                                   .page_tokens = PAGE_TOKENS,
                                   .n_page = {N_SEQ * SEQ_PAGES, N_SEQ * SEQ_PAGES},
                                   .max_seq_pages = SEQ_PAGES,
                                   .kv_type = TN_TYPE_F32,
                                   .compute = TN_COMPUTE_F32};
    memset(s, 0, sizeof *s);
    for (uint32_t i = 0; i < N_SEQ * SEQ_PAGES; i++)
        s->pages[i % N_SEQ][i / N_SEQ] = reverse ? N_SEQ * SEQ_PAGES - 1 - i : i;
    return d->cls->lower(d, &m->program, &config, NULL, NULL, &s->exec, err);
}

static int32_t id_of(uint32_t seq, uint32_t t) {
    return (int32_t)((t * 11 + seq * 5 + t * t) % TN_TINY_VOCAB);
}

static uint32_t n_generated(uint32_t seq, uint32_t past, uint32_t n) {
    const uint32_t prompt = n_prompt[seq];
    return past >= prompt ? n : past + n > prompt ? past + n - prompt : 0;
}

/* One step with the next n[i] tokens of each sequence, all rows wanted. */
static int run_step(session *s, const uint32_t n[N_SEQ], logits *got, tn_error *err) {
    int32_t ids[N_SEQ * N_TOKEN];
    uint32_t pos[N_SEQ * N_TOKEN], seq[N_SEQ * N_TOKEN], rows[N_SEQ * N_TOKEN];
    tn_step_seq seqs[N_SEQ];
    tn_step step = {.ids = ids, .pos = pos, .seq = seq, .rows = rows, .seqs = seqs};
    const float *out;
    for (uint32_t i = 0; i < N_SEQ; i++) {
        if (!n[i]) continue;
        seqs[step.n_seq] = (tn_step_seq){.first_token = step.n_token,
                                         .n_token = n[i],
                                         .n_generated = n_generated(i, s->n_past[i], n[i]),
                                         .first_pos = s->n_past[i],
                                         .rope_variant = rope_variants[i],
                                         .pages = {s->pages[i], s->pages[i]},
                                         .n_page = SEQ_PAGES};
        for (uint32_t j = 0; j < n[i]; j++, step.n_token++) {
            ids[step.n_token] = id_of(i, s->n_past[i] + j);
            pos[step.n_token] = s->n_past[i] + j;
            seq[step.n_token] = step.n_seq;
            rows[step.n_row++] = step.n_token;
        }
        step.n_seq++;
    }
    int rc = s->exec->cls->step(s->exec, &step, err);
    if (!rc) rc = s->exec->cls->logits(s->exec, &out, err);
    for (uint32_t i = 0; !rc && i < N_SEQ; i++)
        for (uint32_t j = 0; j < n[i]; j++, out += TN_TINY_VOCAB)
            memcpy((*got)[i][s->n_past[i]++], out, sizeof(*got)[i][0]);
    return rc;
}

static int run_alone(tn_device *d, const tn_tiny_model *m, logits *got, tn_error *err) {
    int rc = 0;
    for (uint32_t i = 0; !rc && i < N_SEQ; i++) {
        session s;
        uint32_t n[N_SEQ] = {0};
        n[i] = N_TOKEN;
        rc = open_session(&s, d, m, false, err);
        if (rc) return rc;
        rc = run_step(&s, n, got, err);
        d->cls->exec_free(s.exec);
    }
    return rc;
}

/* Pieces of 1 to 6 tokens. */
static int run_together(tn_device *d, const tn_tiny_model *m, logits *got, tn_error *err) {
    session s;
    int rc = open_session(&s, d, m, true, err);
    if (rc) return rc;
    for (uint32_t k = 1; !rc && s.n_past[0] + s.n_past[1] + s.n_past[2] < N_SEQ * N_TOKEN; k++) {
        uint32_t n[N_SEQ];
        for (uint32_t i = 0; i < N_SEQ; i++) {
            n[i] = 1 + (k * (i + 3) + i) % 6;
            if (n[i] > N_TOKEN - s.n_past[i]) n[i] = N_TOKEN - s.n_past[i];
        }
        rc = run_step(&s, n, got, err);
    }
    d->cls->exec_free(s.exec);
    return rc;
}

static int compare(tn_device *d, const tn_tiny_model *m, double *ret_worst, tn_error *err) {
    static logits want, alone, together; /* one check at a time: the control thread's */
    tn_device *reference;
    int rc = tn_device_reference.open(&(tn_device_options){0}, &reference, err);
    if (rc) return rc;
    rc = run_alone(reference, m, &want, err);
    reference->cls->close(reference);
    if (!rc) rc = run_alone(d, m, &alone, err);
    if (!rc) rc = run_together(d, m, &together, err);
    if (rc) return rc;
    *ret_worst = 0;
    for (uint32_t i = 0; i < N_SEQ; i++)
        for (uint32_t t = 0; t < N_TOKEN; t++) {
            for (uint32_t k = 0; k < TN_TINY_VOCAB; k++) {
                const double off = fabs((double)alone[i][t][k] - want[i][t][k]);
                if (!(off <= *ret_worst)) *ret_worst = isnan(off) ? INFINITY : off;
            }
            if (memcmp(alone[i][t], together[i][t], sizeof alone[i][t]) != 0)
                return tn_fail(err, TN_EDEVICE, "sequence %u, token %u: other bits in company than alone", i,
                               t);
        }
    return 0;
}

int tn_device_selfcheck(tn_device *d, double *ret_worst, tn_error *err) {
    tn_tiny_model m;
    tn_tiny_model_init(&m);
    int rc = compare(d, &m, ret_worst, err);
    tn_tiny_model_fini(&m);
    return rc;
}
