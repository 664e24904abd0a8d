/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the GPU devices: what lower() makes of a program and step() runs, for any tn_gpu_api.
 *
 * A lowered program is an array of commands: a kernel, its arguments, and how its grid follows from the step.
 * All of it but the grid is fixed when the program is lowered. What differs from step to step (tokens, page
 * tables, rows) lies in one input buffer, of which there are two: a step is staged while the one before it
 * runs.
 *
 * Towers: commands lie by stages, of which a step runs one. Values that outlive a stage have all rows of the
 * picture; commands look at those of the step. Every row is a prompt row.
 *
 * Roles: a row is a generated row when its token was chosen by sampling, else a prompt row. Which kernels a
 * row of a T value goes through follows from its role; rows of R values (logits) are treated as generated
 * rows. Both kinds keep one order of sums whatever else is in the step. */
#ifndef TN_DEVICE_GPU_EXEC_H
#define TN_DEVICE_GPU_EXEC_H

#include "device/device.h"
#include "device/gpu/gpu.h"

enum {
    TN_GPU_COMMAND_ARGS = 12,
    TN_GPU_VARIANTS = 5,
    TN_GPU_N_INPUT = 2,
    TN_GPU_LIST_PAD = 32, /* entries behind a list of rows, for kernels that read some at a time */
};

typedef struct tn_gpu_device {
    tn_device base;
    tn_gpu *gpu;
    char text[128];
} tn_gpu_device;

/* How many of what a step has. */
typedef enum tn_gpu_count {
    TN_GPU_ONE,
    TN_GPU_TOKENS,    /* T */
    TN_GPU_OUTPUT,    /* R */
    TN_GPU_GENERATED, /* generated rows of T */
    TN_GPU_PROMPT,    /* prompt rows of T */
    TN_GPU_TILES,     /* pieces of at most TN_QUERY_TILE prompt rows of one sequence */
    TN_GPU_FOLDED,    /* T / fold, in towers */
    TN_GPU_MEDIA,     /* rows of T that stand for media */
    TN_GPU_SEEING,    /* 1: some row sees more than its past */
    TN_GPU_SEQS,
    TN_GPU_SPANS, /* of TN_ATTENTION_SPAN positions that the generated row with the longest past has */
    TN_GPU_N_COUNT,
} tn_gpu_count;

/* The arrays of the input buffer (structs in metal/args.h). Those that a program has no use for have no room.
 */
typedef enum tn_gpu_input {
    TN_GPU_IN_TOKENS,                   /* [T] tn_metal_token */
    TN_GPU_IN_ROWS,                     /* [R] uint: rows of T whose logits are wanted */
    TN_GPU_IN_GENERATED,                /* [generated] uint: rows of T */
    TN_GPU_IN_PROMPT,                   /* [prompt] uint: rows of T */
    TN_GPU_IN_TILES,                    /* [tiles] tn_metal_tile */
    TN_GPU_IN_SEQS,                     /* [seqs] tn_metal_seq */
    TN_GPU_IN_FOLDED,                   /* [folded] uint: 0, 1, ... */
    TN_GPU_IN_COORDS,                   /* [T] tn_metal_coord */
    TN_GPU_IN_SEES,                     /* of enum tn_sees i at TN_GPU_IN_SEES + i: [T] tn_metal_sees */
    TN_GPU_IN_MIX = TN_GPU_IN_SEES + 3, /* [T] tn_metal_mix */
    TN_GPU_IN_MEDIA,                    /* [media] uint: rows of T */
    TN_GPU_IN_PAGES,                    /* of group g at TN_GPU_IN_PAGES + g: [seqs, max_seq_pages] uint */
    /* Those that follow go from the caller's memory to the GPU. */
    TN_GPU_IN_PATCHES = TN_GPU_IN_PAGES + TN_CACHE_GROUPS, /* [T, n_input]: a tower's input */
    TN_GPU_IN_MEDIA_ROWS,                                  /* [parts, max_tokens, n_embd] */
    TN_GPU_N_IN,
} tn_gpu_input;

typedef struct tn_gpu_exec tn_gpu_exec;
typedef struct tn_gpu_command tn_gpu_command;

struct tn_gpu_command {
    tn_gpu_kernel *kernel[TN_GPU_VARIANTS]; /* [0] unless choose picks another */
    uint32_t n_thread;
    tn_gpu_arg args[TN_GPU_COMMAND_ARGS];
    bool is_input[TN_GPU_COMMAND_ARGS]; /* args[i].buffer is the step's input buffer */
    bool is_scratch[TN_GPU_COMMAND_ARGS];
    bool writes[TN_GPU_COMMAND_ARGS];
    tn_value kept[TN_GPU_COMMAND_ARGS]; /* args[i].offset follows the step's first row of this value; 0: it
                                           stays */
    uint32_t n_arg;
    bool barrier; /* before it */
    /* The grid: {groups[0], ceil(count / per_group), groups[2]}. */
    uint32_t groups[3];
    tn_gpu_count count;
    uint32_t per_group;
    /* Where that is not enough: sets *kernel and grid for this step. Grids with a 0 are left out. */
    void (*choose)(const tn_gpu_exec *x, const tn_gpu_command *c, const uint32_t n[TN_GPU_N_COUNT],
                   tn_gpu_kernel **kernel, uint32_t grid[3]);
    union { /* what the kernel gets by value */
        uint32_t words[16];
        uint64_t align;
    } bytes;
};

/* A weight where kernels find it. Matrices keep the bytes of the file (tn_tensor says how types with separate
 * scales lie); vectors and what a conv or delta_rule reads are F32. */
typedef struct tn_gpu_weight {
    tn_type type;
    uint32_t bits, group; /* types with separate scales */
    tn_type scale_type;
    tn_gpu_arg data, scales, biases; /* buffer NULL where there is none */
    uint64_t row_bytes;              /* of data */
} tn_gpu_weight;

struct tn_gpu_exec {
    tn_exec base;
    tn_gpu *gpu;
    const tn_program *p;
    tn_exec_config config;

    tn_gpu_command *commands;
    uint32_t n_command, max_command;
    uint32_t *stage_commands; /* [n_stage + 1]: where the commands of each stage begin */
    uint32_t n_begun;         /* stages, while they are encoded */

    tn_gpu_weight *weights; /* [n_weight + 1] */
    tn_gpu_buffer **owned;  /* [n_owned]: what weights lie in */
    uint32_t n_owned, max_owned;
    tn_gpu_buffer **ropes; /* [n_rope + 1]: [2, n_dims / 2] F32, then [n_dims / 2] uint axes */
    tn_gpu_buffer **slots; /* [n_slot]: [tn_slot_rows, cols] F32 */
    tn_gpu_buffer **taps;  /* [n_tap] or NULL */
    tn_gpu_buffer *pools[TN_CACHE_GROUPS]; /* [n_page, page_bytes] */
    uint64_t page_bytes[TN_CACHE_GROUPS];
    uint64_t
        *layer_offset; /* [n_layer]: bytes from the start of a page to the layer's part, a multiple of 16 */
    tn_gpu_buffer *scratch; /* parts of attention; scratch_bytes is what encoding asked for */
    uint64_t scratch_bytes;

    tn_gpu_buffer *inputs[TN_GPU_N_INPUT];
    uint64_t input_offset[TN_GPU_N_IN], input_bytes;
    uint8_t *staged;       /* [input_offset[TN_GPU_IN_PATCHES]] */
    uint32_t n_media_part; /* that the program wants of rows of media */
    uint64_t tickets[TN_GPU_N_INPUT];
    uint32_t turn;        /* the input buffer of the step given last */
    uint64_t last_ticket; /* whatever was submitted last */
    uint32_t n[TN_GPU_N_COUNT];
    uint32_t first_row, end_row; /* of the picture, in the step given last */

    float *host_logits;       /* [max_rows, n_vocab] */
    float *host_output;       /* [max_kept / fold, n_embd], in towers */
    float *host_tap;          /* [max tokens or rows, widest tap] */
    tn_gpu_kernel *copy_page; /* NULL without pages */
    tn_error lost_page;       /* code 0, or why a page was not copied: no step can be right any more */
    tn_exec_size size;
    bool dry; /* only size is wanted */
};

/* ---- encoding: what encode_*.c use. The first failure sticks (x's encoder returns it in the end). ---- */

/* The next command. kernel: name with constants, compiled now (not when dry). */
tn_gpu_command *tn_gpu_add(tn_gpu_exec *x, const char *kernel, const tn_gpu_constant *constants,
                           uint32_t n_constant, uint32_t n_thread, tn_error *err);
/* A further variant of the kernel of c. */
int tn_gpu_add_variant(tn_gpu_exec *x, tn_gpu_command *c, uint32_t variant, const char *kernel,
                       const tn_gpu_constant *constants, uint32_t n_constant, tn_error *err);
void tn_gpu_grid(tn_gpu_command *c, uint32_t width, tn_gpu_count count, uint32_t per_group, uint32_t depth);
void tn_gpu_bind_value(tn_gpu_exec *x, tn_gpu_command *c, tn_value v, bool writes);
void tn_gpu_bind_input(tn_gpu_exec *x, tn_gpu_command *c, tn_gpu_input in);
/* The array from `offset` bytes on. */
void tn_gpu_bind_input_at(tn_gpu_exec *x, tn_gpu_command *c, tn_gpu_input in, uint64_t offset);
void tn_gpu_bind_pool(tn_gpu_exec *x, tn_gpu_command *c, uint32_t group, bool writes);
void tn_gpu_bind_scratch(tn_gpu_exec *x, tn_gpu_command *c, bool writes);
/* Any buffer that no command writes. */
void tn_gpu_bind(tn_gpu_command *c, const tn_gpu_arg *arg);
/* n bytes by value, at most sizeof c->bytes; one of a command's arguments can be such. */
void tn_gpu_bind_bytes(tn_gpu_command *c, const void *bytes, size_t n);

/* Commands from now on are of this stage or one already begun; stages begin in ascending order. */
void tn_gpu_begin_stage(tn_gpu_exec *x, uint32_t stage);
/* How many rows a value of `rows` has in a step. */
tn_gpu_count tn_gpu_count_of(uint32_t rows);

/* encode_linear.c: LINEAR, EMBED. encode_attention.c: ATTENTION. encode_recurrent.c: CONV, DELTA_RULE.
 * encode_rows.c: the rest. Each appends the commands of op; TN_ENOTSUP names what it cannot do. LINEAR does
 * the ADD behind it as well, where `add` is not NULL; ATTENTION begins its stage. */
int tn_gpu_encode_linear(tn_gpu_exec *x, const tn_op *op, const tn_op *add, tn_error *err);
/* The ADD behind operation i when i is a LINEAR that can do it: nothing else reads the product. Else NULL. */
const tn_op *tn_gpu_find_add(const tn_gpu_exec *x, uint32_t i);
int tn_gpu_encode_embed(tn_gpu_exec *x, const tn_op *op, tn_error *err);
int tn_gpu_encode_attention(tn_gpu_exec *x, const tn_op *op, tn_error *err);
int tn_gpu_encode_conv(tn_gpu_exec *x, const tn_op *op, tn_error *err);
int tn_gpu_encode_delta_rule(tn_gpu_exec *x, const tn_op *op, tn_error *err);
int tn_gpu_encode_rows(tn_gpu_exec *x, const tn_op *op, tn_error *err);

/* Bytes of a layer's part of a page; encode_attention.c (keys and values) knows their layout. States are F32
 * as tn_cache_info says. */
uint64_t tn_gpu_kv_layer_bytes(const tn_cache_info *c, const tn_exec_config *config);

/* ---- between lower.c, weights.c and step.c ---- */

/* weights.c: fills x->weights and x->owned. TN_ENOMEM, TN_ECANCELED, TN_EDEVICE. */
int tn_gpu_weights_new(tn_gpu_exec *x, tn_progress_fn progress, void *ctx, tn_error *err);

/* lower.c: a buffer of n * elem bytes, at least one; none when dry. what: for the error. TN_ELIMIT beyond
 * what the GPU takes in one piece; TN_ENOMEM. */
int tn_gpu_buffer_create(tn_gpu_exec *x, const char *what, uint64_t n, uint64_t elem, tn_gpu_buffer **ret,
                         tn_error *err);

/* input.c: bytes of an input array at most. */
uint64_t tn_gpu_input_room(const tn_gpu_exec *x, tn_gpu_input in);
/* Parts of rows of media that p wants; 0: it takes none. */
uint32_t tn_gpu_media_parts(const tn_program *p);
/* TN_EINVAL where s is not what x was lowered for. */
int tn_gpu_check_step(const tn_gpu_exec *x, const tn_step *s, tn_error *err);
/* Counts what s has (x->n), and puts it into the input buffer of this turn. TN_EDEVICE. */
int tn_gpu_bring(tn_gpu_exec *x, const tn_step *s, tn_error *err);

#endif
