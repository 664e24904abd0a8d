/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the cpu device: what lower() makes of a program and step() runs.
 *
 * A lowered program is an array of calls, each with the addresses it works on, run in order by every member
 * of the team; a barrier stands before a call only where it touches what another member may have written, or
 * may still read. Most values are cut by columns, all rows of a column to one member, and calls that follow
 * each other on the same cut need no barrier: from the normed input to attention's output by heads, from gate
 * and up to the quantised input of down. */
#ifndef TN_DEVICE_CPU_CPU_H
#define TN_DEVICE_CPU_CPU_H

#include "device/cpu/kernels.h"
#include "device/device.h"

typedef struct tn_cpu_device {
    tn_device base;
    tn_team *team;
    const tn_cpu_kernels *kernels;
    char text[64];        /* "avx2, 4 threads" */
    bool plain;           /* for tests: calls are lowered one by one and a barrier stands before each */
    uint8_t *peak_buffer; /* to read for the speed of it, or NULL: */
    uint64_t peak_bytes, peak_at;
} tn_cpu_device;

typedef struct tn_cpu_exec tn_cpu_exec;
typedef struct tn_cpu_call tn_cpu_call;

enum {
    TN_CPU_ACTS = 2,
    TN_CPU_ACT_BLOCK = 32,
    /* Elements of a value at most, that every member quantises for itself: it takes as long as the barriers
     * that sharing the work would cost. */
    TN_CPU_OWN = 4096,
    /* Of one, quantised: a row that ends in half a pair of blocks takes up to twice its elements. */
    TN_CPU_OWN_ACT = 2 * TN_CPU_OWN / TN_CPU_ACT_BLOCK * TN_CPU_ACT_ROOM,
    TN_CPU_OWN_WORDS = TN_CPU_ACTS * TN_CPU_OWN_ACT + TN_CPU_OWN,
};

/* The member's share of a call. */
typedef void (*tn_cpu_run)(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);

/* Which columns and rows of a matrix go to which member: units of `width` columns in contiguous shares, each
 * unit with all its rows; or, by_row, the pairs of row and unit in contiguous shares, row by row. width 0: in
 * a way of its own. */
typedef struct tn_cpu_cut {
    uint32_t width;
    bool by_row;
} tn_cpu_cut;

/* What a member has of a matrix, row by row: columns `cols` of `row`. */
typedef struct tn_cpu_walk {
    uint64_t row;
    tn_range cols;
    /* Where it goes on. */
    uint64_t next_row, n_row, n_col, n_unit;
    tn_range units; /* of a row, or of all */
    tn_cpu_cut cut;
} tn_cpu_walk;

/* Which fields count depends on run. Inputs and outputs are [rows, cols] F32. */
struct tn_cpu_call {
    tn_cpu_run run;
    bool barrier;   /* before it */
    tn_cpu_cut cut; /* of its output; inputs of other widths (attention's) have as many units */
    uint32_t stage; /* of a tower, in which it runs */
    uint32_t rows;  /* enum tn_rows: of in[0], or of out where there is none */
    uint32_t cols;  /* likewise */
    uint32_t group, n_pair, style, activation;
    uint32_t first, n; /* columns of a slice */
    float f;
    const float *in[3];
    float *out;
    const float *w;    /* a norm's weights, or a rope table: [T][2 * n_pair] cosines, sines */
    const float *bias; /* a layer norm's */
    float *table;      /* the rope table to fill */
    const tn_rope_info *rope;
    uint32_t act;   /* which quantised rows: written, or read by linear_int8 */
    bool act_whole; /* they were not cut by columns, so each member may have its own: tn_cpu_act_own() */
    bool normed;    /* in[0] is normed before it is quantised */
    bool bf16;      /* rows are rounded to BF16, as the weights are; else to 8 bits */
    tn_cpu_panels panels;
    tn_cpu_linear linear; /* and the embedding's matrix */
    tn_cpu_attention attention;
    tn_cpu_state state; /* of conv and delta_rule */
    tn_cpu_conv conv;
    tn_cpu_delta delta;
    tn_cross_desc cross;
    tn_unfold_desc unfold;  /* of x, `group` channels; cols: of the output */
    uint32_t profile_row;   /* where its time is added */
    uint64_t profile_bytes; /* of weights that it reads */
    uint64_t profile_ops;   /* with them, a row */
};

/* A pointer of a call into a value that is kept from stage to stage: it follows the step's first row. */
typedef struct tn_cpu_kept {
    uint32_t call;
    int which;   /* in[which]; 3: out */
    float *base; /* of row 0 */
    uint32_t rows, cols;
} tn_cpu_kept;

struct tn_cpu_exec {
    tn_exec base;
    tn_cpu_device *device;
    const tn_program *program;
    tn_exec_config config;
    tn_cpu_call *calls;
    uint32_t n_call;
    uint32_t *stage_calls; /* [n_stage + 1]: where the calls of each stage begin */
    tn_cpu_kept *kept;     /* [n_kept] */
    uint32_t n_kept;

    float **slots;         /* [n_slot] */
    float **vectors;       /* [n_weight + 1]: biases, norm and conv weights as F32, NULL for matrices */
    float **tables;        /* [n_rope + 1]: rope tables of the step */
    tn_cpu_panels *panels; /* [n_weight + 1]: panel_bytes 0 where the weight is used as it is mapped */
    uint8_t *arena;        /* their data, mapped */
    uint64_t arena_bytes;
    /* Values quantised, two in turn so that one can be written while others still read the one before. */
    int32_t *act[TN_CPU_ACTS];
    const float *act_of[TN_CPU_ACTS]; /* while lowering: the slots they are of */
    bool act_whole[TN_CPU_ACTS], act_bf16[TN_CPU_ACTS];
    uint32_t act_last;
    uint32_t stage; /* while lowering */
    tn_cpu_call
        norm;     /* while lowering: one that is taken when its value is quantised; normed: there is one */
    int32_t *own; /* per member TN_CPU_OWN_WORDS: the same, small ones, and a value before it is quantised */
    uint32_t *widths; /* [n_value + 1]: how each value is cut by columns */
    float **taps;     /* [n_tap] or NULL */
    uint8_t *scratch; /* per member scratch_bytes */
    size_t scratch_bytes;
    float *parts;    /* partial results of attention that members share; NULL where that never pays */
    uint64_t n_part; /* floats */
    uint8_t *pools[TN_CACHE_GROUPS]; /* KV pages, mapped */
    uint64_t pool_bytes[TN_CACHE_GROUPS];
    tn_exec_size size;
    bool dry;            /* only `size` is wanted: nothing of any size is allocated */
    tn_step step;        /* the one running */
    tn_profile *profile; /* not ours, or NULL */
};

static inline uint32_t tn_cpu_rows(const tn_cpu_exec *x, uint32_t rows) {
    return tn_rows_count(rows, x->step.n_token, x->step.n_row);
}
static inline void *tn_cpu_scratch(const tn_cpu_exec *x, uint32_t member) {
    return x->scratch + member * x->scratch_bytes;
}

/* Whether each member makes the quantised rows [n_row, cols] for itself. */
static inline bool tn_cpu_act_own(const tn_cpu_exec *x, const tn_cpu_call *c) {
    uint64_t n_row = tn_cpu_rows(x, c->rows);
    return c->act_whole && n_row * c->cols <= TN_CPU_OWN &&
           n_row * tn_cpu_act_words(c->cols) <= TN_CPU_OWN_ACT && !x->device->plain;
}
/* The quantised rows of the call, as the member has them. */
static inline int32_t *tn_cpu_act(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member) {
    if (!tn_cpu_act_own(x, c)) return x->act[c->act];
    return x->own + (size_t)member * TN_CPU_OWN_WORDS + c->act * TN_CPU_OWN_ACT;
}

/* cut.c: who does what. Widths of all values; TN_ENOMEM. */
int tn_cpu_cut_values(tn_cpu_exec *x, tn_error *err);
/* The operation's cut. */
tn_cpu_cut tn_cpu_cut_of(const tn_cpu_exec *x, const tn_op *op);
/* Says before which calls a barrier stands. TN_ENOMEM. */
int tn_cpu_place_barriers(tn_cpu_exec *x, tn_error *err);
/* The member's columns of a matrix cut by columns. */
static inline tn_range tn_cpu_columns(uint32_t cols, tn_cpu_cut cut, uint32_t member, uint32_t n_member) {
    return tn_team_share(cols, cut.width, member, n_member);
}
/* Begins a walk; false at its end. Columns that follow each other in one row come together. */
tn_cpu_walk tn_cpu_walk_of(uint64_t n_row, uint32_t cols, tn_cpu_cut cut, uint32_t member, uint32_t n_member);
bool tn_cpu_walk_next(tn_cpu_walk *w);

/* calls.c: what a step runs. */
void tn_cpu_run_rope_table(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_embed(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_linear(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_quantize(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_linear_rounded(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member,
                               uint32_t n_member);
void tn_cpu_run_rms_norm(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_rope(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_store(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_attention(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_conv(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_delta_rule(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_slice(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_glu(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_layer_norm(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_input(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_mix(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_fold(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_mean(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_positions(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_cross(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_unfold(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_media(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_add(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_embed_type(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_scale(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_softcap(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_rows(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);
void tn_cpu_run_copy(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t member, uint32_t n_member);

/* Whether the members share the items of this attention in the step that runs: where there are too few to go
 * round and parts has room. */
bool tn_cpu_attention_shared(const tn_cpu_exec *x, const tn_cpu_call *c, uint32_t n_member);

/* weights.c: decides which weights become panels and fills them, calling progress. TN_ENOMEM, TN_ECANCELED.
 */
int tn_cpu_weights_new(tn_cpu_exec *x, tn_progress_fn progress, void *ctx, tn_error *err);
/* The weight, a vector, as F32 [cols], decoded once. */
int tn_cpu_weights_vector(tn_cpu_exec *x, tn_weight w, const float **ret, tn_error *err);
/* A conv's weight as F32 [kernel, cols], from [cols, kernel] or as many elements in that order. */
int tn_cpu_weights_conv(tn_cpu_exec *x, tn_weight w, uint32_t kernel, const float **ret, tn_error *err);
void tn_cpu_weights_free(tn_cpu_exec *x);

/* profile.c. The first as the member of tn_device_class; the second runs x->step, adding to x->profile. */
int tn_cpu_profile(tn_exec *x, tn_profile *p, tn_error *err);
void tn_cpu_step_profiled(tn_cpu_exec *x);

/* peak.c. As the members of tn_device_class; and what measuring left behind. */
int tn_cpu_measure_peak(tn_device *d, tn_peak what, double *ret, tn_error *err);
void tn_cpu_work(const tn_exec *x, tn_work *ret);
void tn_cpu_peak_free(tn_cpu_device *d);
/* weights.c. Bytes of rows of a tensor as it is mapped, scales included. */
uint64_t tn_cpu_tensor_bytes(const tn_tensor *t, uint32_t rows, uint32_t cols);

/* lower.c. As the members of tn_device_class. */
int tn_cpu_lower(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_progress_fn progress,
                 void *ctx, tn_exec **ret, tn_error *err);
int tn_cpu_size(tn_device *d, const tn_program *p, const tn_exec_config *config, tn_exec_size *ret,
                tn_error *err);
void tn_cpu_exec_free(tn_exec *x);

extern const tn_device_class tn_device_cpu;

#endif
