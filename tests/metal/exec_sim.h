/* SPDX-License-Identifier: Apache-2.0 */
/* A program lowered for msl-sim: device memory, and the list of commands that a step runs. device_sim.c owns
 * the memory, encode_sim.c turns operations into commands. */
#ifndef TN_TESTS_METAL_EXEC_SIM_H
#define TN_TESTS_METAL_EXEC_SIM_H

#include "device/device.h"
#include "metal/args.h"
#include "sim/sim.h"

enum { SIM_MAX_ARGS = 8 };

/* One kernel launch. Everything is fixed when the program is lowered but the grid's height, the rows of the
 * step. */
typedef struct sim_command {
    const sim_kernel *kernel;
    sim_binding bindings[SIM_MAX_ARGS]; /* argument i is buffer(i) */
    uint32_t n_binding;
    uint32_t groups;   /* the grid's width in threadgroups */
    uint32_t n_thread; /* of a threadgroup */
    uint32_t rows;     /* enum tn_rows */
    union {
        tn_embed_args embed;
        tn_linear_args linear;
        tn_rms_norm_args rms_norm;
        tn_rope_args rope;
        tn_kv_store_args kv_store;
        tn_attention_args attention;
        tn_element_args element;
    } args;
} sim_command;

typedef struct sim_exec {
    tn_exec base;
    const tn_program *p;
    tn_exec_config config;

    sim_buffer **weights; /* [n_weight + 1]: [rows, cols] F32; entry 0 unused */
    sim_buffer **ropes;   /* [n_rope + 1]: [2, n_dims / 2] F32; entry 0 unused */
    sim_buffer **slots;   /* [n_slot]: activations */
    sim_buffer **taps;    /* [n_tap], or NULL without taps */
    sim_buffer **pools; /* [2 * n_layer]: keys, then values: [n_page, page_tokens, n_head_kv, head_dim] F32 */
    sim_buffer *tokens; /* [max_tokens] tn_metal_token */
    sim_buffer *page_tables[TN_CACHE_GROUPS]; /* [max_seqs, max_seq_pages] u32 */
    sim_buffer *rows;                         /* [max_rows] u32 */

    sim_command *commands; /* [n_command] */
    uint32_t n_command;

    /* The step that was given last. */
    uint32_t n_token, n_row;
    bool pending;                /* its commands have not run yet */
    tn_metal_token *host_tokens; /* [max_tokens]: on its way to the device */
    float *host_logits;          /* [max_rows, n_vocab]: back from it */
    float *host_tap;             /* [max_tokens, widest tap] */
} sim_exec;

/* Rows of a value: the most there can be, and those of the step. */
uint32_t sim_max_rows(const sim_exec *x, uint32_t rows);
uint32_t sim_step_rows(const sim_exec *x, uint32_t rows);

/* Checks that the kernels can do all of p's operations: TN_ENOTSUP names the one they cannot. */
int sim_check_program(const tn_program *p, const tn_exec_config *config, tn_error *err);
/* Fills x->commands from x->p; all buffers are there. TN_ENOMEM, TN_EDEVICE (a kernel is missing). */
int sim_encode(sim_exec *x, tn_error *err);

#endif
