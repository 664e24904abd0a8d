/* SPDX-License-Identifier: Apache-2.0 */
/* A device runs lowered programs. It owns activations, weights in its own layout and the pages of the KV
 * cache; the host owns sequences, page tables and sampling. Nothing here assumes that the host can see the
 * device's memory.
 *
 * Numerics that every device keeps: the order of each floating-point sum follows from the row (on devices
 * with roles, its role too) and the model alone, never from the number of rows, sequences, pages or threads.
 * Attention reads k and v as stored, those of the same step included, over positions in ascending order.
 *
 * Threads: one thread at a time per exec (the engine's); open and lower on the control thread. */
#ifndef TN_DEVICE_DEVICE_H
#define TN_DEVICE_DEVICE_H

#include "device/peak.h"
#include "device/profile.h"
#include "device/program.h"

typedef enum tn_compute {
    TN_COMPUTE_AUTO, /* activations may be rounded (BF16, int8 blocks) inside kernels; accumulation F32 or
                        exact integer */
    TN_COMPUTE_F32,  /* F32 activations and accumulation */
} tn_compute;

typedef struct tn_device_options {
    uint32_t n_thread; /* 0: as many as the process may use */
} tn_device_options;

/* How much an exec must hold. Everything is allocated (or reserved) when it is lowered; steps allocate
 * nothing. */
typedef struct tn_exec_config {
    uint32_t max_tokens;              /* T of one step */
    uint32_t max_seqs;                /* sequences in one step */
    uint32_t max_rows;                /* R of one step */
    uint32_t max_kept;                /* towers: rows of a picture, a multiple of the program's fold */
    uint32_t page_tokens;             /* tokens of a KV page, a power of two */
    uint32_t n_page[TN_CACHE_GROUPS]; /* pages in each group's pool; memory is touched when one is first
                                         written */
    uint32_t max_seq_pages;           /* entries of a sequence's page table */
    tn_type kv_type;                  /* how k and v are stored (device/kv_type.h): F32, F16, BF16 or Q8_0 */
    tn_compute compute;
    bool taps; /* keep TN_OP_TAP values of every step */
} tn_exec_config;

/* The recording that belongs to a sequence. */
enum { TN_CROSS_ROWS = 1 << 14 };
typedef struct tn_step_cross {
    uint32_t n_row;                      /* 1 to TN_CROSS_ROWS */
    const float *parts[TN_OUTPUT_PARTS]; /* [n_row, n_head * head_dim] each */
} tn_step_cross;

/* One sequence's share of a step: its tokens are rows first_token .. first_token + n_token of the step, in
 * order, at positions first_pos .. first_pos + n_token; everything before first_pos is in its pages. */
typedef struct tn_step_seq {
    uint32_t first_token, n_token;
    uint32_t n_generated; /* of them, the last ones, were chosen by sampling; the others are prompt */
    uint32_t first_pos;
    uint32_t rope_variant;
    /* Of each group, the page of positions i * page_tokens ..; n_page of them cover first_pos + n_token
     * tokens. Entries of pages that lie wholly before a group's window are not looked at. Of a group of
     * states entry 0 is the page with the state after first_pos tokens (nothing yet where that is 0, whatever
     * the page holds), which the step brings to first_pos + n_token. */
    const uint32_t *pages[TN_CACHE_GROUPS];
    uint32_t n_page;
    const tn_step_cross *cross; /* of programs that look at recordings; else NULL */
} tn_step_seq;

/* Tokens of a step that stand for rows of media. */
typedef struct tn_step_media {
    uint32_t first_token, n_token;
    const float *rows[TN_OUTPUT_PARTS]; /* of each part, [n_token, n_embd] */
} tn_step_media;

/* What rows see that do not see their past alone: positions first[t] .. end[t]; end[t] 0: row t sees its
 * past. first and end are the same for neighbouring rows that see the same. */
typedef struct tn_step_sees {
    const uint32_t *first, *end; /* [n_token], or NULL */
} tn_step_sees;

typedef struct tn_step {
    uint32_t n_token, n_seq, n_row;
    const int32_t *ids;         /* [n_token], each below the rows of the embedding */
    const int32_t *types;       /* [n_token]: of encoders; 1: of the second text of a pair, else 0 */
    const uint32_t *pos;        /* [n_token] */
    const uint32_t *seq;        /* [n_token]: index into seqs */
    const tn_step_seq *seqs;    /* [n_seq] */
    const uint32_t *rows;       /* [n_row]: the tokens of the step whose logits are wanted, ascending */
    const uint32_t (*coord)[3]; /* [n_token]: for rope tables with axes; NULL: pos on all of them */
    /* Of TN_SEES_PAST, where the positions lie within the step or before it; of TN_SEES_FRAME and
     * TN_SEES_WINDOW, where they are rows of the picture; of TN_SEES_AROUND, what the window is cut from. The
     * segments of an unfold are windows. */
    tn_step_sees sees[4];
    const tn_step_media *media; /* [n_media], ascending */
    uint32_t n_media;
    /* Of a tower: rows first_row .. first_row + n_token, which are multiples of the program's fold, go
     * through a stage; one sequence, whose pages hold all rows. Of an encoder: sequences are texts, which lie
     * one after the other in the rows and have pages for all of theirs. */
    uint32_t stage, first_row;
    const float *input; /* [n_token, n_input] */
    const uint32_t (*mix_index)[4];
    const float (*mix_weight)[4]; /* [n_token] */
} tn_step;

/* Positions that row t of a step sees: *first .. *end. */
static inline void tn_step_row_sees(const tn_step *s, const tn_attention_desc *a, uint32_t t, uint32_t *first,
                                    uint32_t *end) {
    const tn_step_sees *sees = &s->sees[a->sees];
    uint32_t pos = s->pos[t];
    *first = a->window && pos >= a->window ? pos - a->window + 1 : 0;
    *end = pos + 1;
    if (!sees->end || !sees->end[t]) return;
    *end = sees->end[t];
    if (a->sees == TN_SEES_AROUND) {
        *first = a->window && pos > a->window ? pos - a->window : 0;
        if (a->window && *end - pos > a->window) *end = pos + a->window + 1;
        if (*first < sees->first[t]) *first = sees->first[t];
        return;
    }
    if (a->sees != TN_SEES_PAST || (a->window && sees->first[t] < *first)) *first = sees->first[t];
}

/* Rows that a slot must have room for. */
static inline uint32_t tn_slot_rows(const tn_exec_config *c, const tn_slot *slot) {
    return tn_rows_count(slot->rows, slot->kept ? c->max_kept : c->max_tokens, c->max_rows);
}

/* What an exec holds, in bytes. */
typedef struct tn_exec_size {
    uint64_t weights; /* of its own: mapped ones are not counted */
    uint64_t activations;
    uint64_t page[TN_CACHE_GROUPS]; /* one page of each group, from its first write until it is discarded */
} tn_exec_size;

/* What a device with memory of its own, or with rules for it, can hold; zeros: no limit but the host's
 * memory. */
typedef struct tn_device_limits {
    uint64_t memory; /* bytes in use at once */
    uint64_t pool;   /* bytes of one group's pages */
} tn_device_limits;

typedef struct tn_device tn_device;
typedef struct tn_exec tn_exec;

/* Called while weights are prepared; done and total in bytes. Returning non-zero cancels (TN_ECANCELED). */
typedef int (*tn_progress_fn)(void *ctx, uint64_t done, uint64_t total);

/* A kind of device. Static data; implementations put tn_device and tn_exec first in their own structs. */
typedef struct tn_device_class {
    const char *name;    /* "cpu" */
    const char *summary; /* one line for humans */
    /* A row goes through other kernels as a generated token than as a prompt's, so its numbers differ a
     * little; which ones follows from n_generated. false: all rows are alike. */
    bool has_roles;
    /* TN_ENOTSUP where this machine cannot; the device is the caller's (close). */
    int (*open)(const tn_device_options *options, tn_device **ret, tn_error *err);
    void (*close)(tn_device *d);
    /* What this device is on this machine, for --version and logs: "avx512, 2 threads". Borrowed. */
    const char *(*describe)(const tn_device *d);
    /* NULL: none, and pools are only reserved addresses. Where it is there, pools are allocated whole. */
    tn_device_limits (*limits)(const tn_device *d);
    /* What lower() would hold, without doing it. Errors as lower's. */
    int (*size)(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                tn_error *err);
    /* Prepares p to run: binds or repacks weights, allocates activations and reserves pages. p and the mapped
     * tensors stay valid as long as the exec. TN_ENOMEM, TN_ENOTSUP (an operation or type, named),
     * TN_ECANCELED, TN_EDEVICE. */
    int (*lower)(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                 void *ctx, tn_exec **ret, tn_error *err);
    void (*exec_free)(tn_exec *x);
    /* Runs one step (n_token >= 1, within the config). May return before the work is done; the arrays of s
     * are free for reuse on return. TN_EDEVICE. */
    int (*step)(tn_exec *x, const tn_step *s, tn_error *err);
    /* The last step's logits, [n_row, n_vocab] F32, waiting for them if need be. Borrowed until the next
     * step. */
    int (*logits)(tn_exec *x, const float **ret, tn_error *err);
    /* Tap `index` of the last step, [T or R, cols] F32. TN_EINVAL without taps. Borrowed until the next step.
     */
    int (*tap)(tn_exec *x, uint32_t index, const float **ret, tn_error *err);
    /* Part `part` of a tower's output for all rows that went through the last stage since it began: [rows /
     * fold, n_embd] F32, waiting for them if need be. Borrowed until the next step or output. NULL: no towers
     * here. */
    int (*output)(tn_exec *x, uint32_t part, const float **ret, tn_error *err);
    /* Page `to` of a group gets the contents of page `from`. In order with steps. */
    void (*copy_page)(tn_exec *x, uint32_t group, uint32_t from, uint32_t to);
    /* Nobody wants what is in the page: its memory goes back to the system until it is written again. */
    void (*discard_page)(tn_exec *x, uint32_t group, uint32_t page);
    /* From the next step on times are added to *p, which starts as zeros and stays valid until another call;
     * NULL: no more. Steps then cost a little more. The member may be NULL. */
    int (*profile)(tn_exec *x, tn_profile *p, tn_error *err);
    /* Measures a limit for about a tenth of a second, with the threads that run steps. 0: there are no such
     * instructions in use. READ takes up to 1 GiB of memory until the device is closed. Not during a step.
     * TN_ENOMEM. Both members or none may be NULL. */
    int (*measure_peak)(tn_device *d, tn_peak what, double *ret, tn_error *err);
    void (*work)(const tn_exec *x, tn_work *ret);
} tn_device_class;

struct tn_device {
    const tn_device_class *cls;
};
struct tn_exec {
    const tn_device_class *cls;
};

/* The classes of this build, the default first; ends with NULL. */
extern const tn_device_class *const tn_device_classes[];
/* A further class, for programs that bring one of their own, as tests do. Before any thread is started; a few
 * at most.
 */
void tn_device_class_offer(const tn_device_class *cls);
/* By name, of this build or offered; NULL when there is none. */
const tn_device_class *tn_device_class_find(const char *name);

#endif
