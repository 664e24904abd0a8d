/* SPDX-License-Identifier: 0BSD OR Apache-2.0 */
/* Recording a forward pass.
 *
 * A family does not compute: it records operations once, on symbolic row counts, and the host checks, plans
 * and runs them for every step. All values are matrices of F32, row-major [rows, cols]; rows is one of the
 * symbols of tn_rows. Every operation works row by row, except those that look back along their sequence
 * (attention, conv, delta_rule), so one program serves prefill, decode and any mix of sequences.
 *
 * A family records one program for text and one for its tower (what turns an image or a recording into rows
 * that the text program takes in place of embeddings). Both use the same operations; those that only one of
 * them has say so. In a tower rows are patches, or pieces of time, attention keeps nothing beyond the
 * picture, and the result is output(). An encoder (what turns texts into embeddings, tenon/encoder.h) is a
 * tower whose rows are tokens.
 *
 * Recording cannot fail halfway: the first mistake (a shape that does not fit, a weight that is absent)
 * sticks, names the operation and the weight, and is reported when record() returns. Calls after it return 0
 * and do nothing, and 0 is accepted as an argument then. */
#ifndef TENON_PROGRAM_H
#define TENON_PROGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef uint32_t tn_value;  /* a matrix computed in the program; 0 is none */
typedef uint32_t tn_weight; /* a tensor of the checkpoint; 0 is none */
typedef uint32_t tn_rope;   /* a table of rotary frequencies; 0 is none */

/* How many rows a value has in a step. */
enum tn_rows {
    TN_ROWS_TOKEN = 1,  /* T: the tokens of the step, of all its sequences */
    TN_ROWS_OUTPUT = 2, /* R: the tokens whose logits are wanted */
};
/* T / n, in towers: n neighbouring rows became one (fold, mean). */
#define TN_ROWS_FOLDED(n) (TN_ROWS_TOKEN | (uint32_t)(n) << 8)
/* T * n, in towers: each row became n (unfold). */
#define TN_ROWS_SPLIT(n) (TN_ROWS_TOKEN | (uint32_t)(n) << 17)

enum tn_weight_flags {
    TN_WEIGHT_OPTIONAL = 1,   /* absent gives 0 instead of an error */
    TN_WEIGHT_ADD_ONE_HF = 2, /* vectors only: the checkpoint stores w - 1 where it is not a GGUF file */
    TN_WEIGHT_NEG_EXP_HF = 4, /* vectors only: it stores log(-w) where it is not a GGUF file */
    TN_WEIGHT_FLAT = 8,       /* all dimensions after the first count as one: the kernel of a convolution that
                                 does not overlap is a matrix over patches */
    TN_WEIGHT_TRANSPOSED = 16, /* stored as [cols, rows] */
};

/* Names a tensor in both spellings; "%u" stands for the layer. HF names are tried as they stand after each of
 * the prefixes "model.", "", "model.language_model.", "language_model.model.", "language_model.", "bert.",
 * "roberta.". A name of NULL: the format does not have it. GGUF names that begin with "v." or "mm." are
 * looked up in the file of the vision tower (mmproj) only. Biases and norms are vectors: rows 0, cols their
 * length. From a fused tensor take rows: first_row to first_row + rows of its fused_rows. rows may be
 * TN_ROWS_OF_FILE: as many as there are (the vocabulary's size, which checkpoints pad as they please). */
#define TN_ROWS_OF_FILE UINT32_MAX
typedef struct tn_weight_desc {
    const char *hf;   /* "layers.%u.self_attn.q_proj.weight" */
    const char *gguf; /* "blk.%u.attn_q.weight" */
    uint32_t rows, cols;
    uint32_t first_row, fused_rows; /* fused_rows 0: not fused */
    uint32_t flags;                 /* enum tn_weight_flags */
    uint32_t reserved;
} tn_weight_desc;

/* How a head's dimensions pair up (Su et al. 2021, eq. 15, and its two layouts). */
enum tn_rope_style {
    TN_ROPE_HALF = 1, /* (i, i + n_dims/2): Hugging Face checkpoints, most GGUF families */
    TN_ROPE_INTERLEAVED =
        2, /* (2i, 2i + 1): GGUF files of the llama family, whose q and k rows are permuted */
};

/* Where a rope table's parameters stand. Scaling (linear, llama3, yarn, longrope) is read by the host:
 * rope_scaling or rope_parameters of config.json, rope.scaling.*, rope_freqs and rope_factors_* of a GGUF
 * file. */
typedef struct tn_rope_desc {
    uint32_t style;       /* enum tn_rope_style */
    uint32_t n_dims;      /* dimensions rotated, even, at most the head's */
    const char *hf_theta; /* where the base stands in config.json without rope_parameters: "rope_theta" */
    const char
        *hf_section; /* rope_parameters kept by layer type: "full_attention", "sliding_attention"; or NULL */
    const char *gguf_theta; /* ".rope.freq_base" */
    float default_theta;    /* where neither is there */
    uint32_t flags;         /* enum tn_rope_flags */
    uint32_t axes;          /* enum tn_axes */
    uint32_t section[3];    /* TN_AXES_SECTIONS, TN_AXES_INTERLEAVED: pairs of each axis, n_dims / 2 in sum */
} tn_rope_desc;

/* Which coordinate (0 time, 1 y, 2 x) of a row a pair turns by. */
enum tn_axes {
    TN_AXES_NONE = 0,        /* by its position */
    TN_AXES_SECTIONS = 1,    /* the first section[0] pairs by time, then y, then x (Qwen2-VL) */
    TN_AXES_INTERLEAVED = 2, /* pair i by axis i % 3 as long as that one has pairs left, then by time
                                (Qwen3-VL) */
    TN_AXES_HALVES = 3,      /* the first half of the pairs by y, the other by x, each half with the
                                frequencies of a table of n_dims / 2 (vision towers) */
};
enum tn_rope_flags {
    TN_ROPE_NO_SCALING = 1, /* rope_scaling and rope.scaling.* do not apply to this table (a local table) */
};

/* Attention over the cached keys and values of this layer, this step's included (Vaswani et al. 2017, eq. 1),
 * grouped heads (Ainslie et al. 2023): query head h reads key/value head h / (n_head / n_head_kv). Token at
 * position p sees positions max(0, p - window + 1) .. p of its own sequence. score = softcap(scale * q.k). */
typedef struct tn_attention_desc {
    uint32_t layer; /* the cache slot written and read; each is written once */
    uint32_t n_head, n_head_kv, head_dim;
    uint32_t window; /* tokens; 0: all */
    float scale;
    float softcap; /* cap * tanh(score / cap); 0: none */
    uint32_t sees; /* enum tn_sees */
} tn_attention_desc;

/* What a row attends to. In towers `layer` does not count. In text programs it is TN_SEES_PAST, but that rows
 * of an image see all of it where the family's tn_vision says so. */
enum tn_sees {
    TN_SEES_PAST = 0,   /* `window` counts; encoders too: of the row's own text */
    TN_SEES_FRAME = 1,  /* towers: all patches of one time; encoders: all of the text */
    TN_SEES_WINDOW = 2, /* towers: the patches of a window, tn_vision.window */
    TN_SEES_AROUND = 3, /* encoders: at most `window` tokens before and after; window 0: all */
};

enum tn_activation {
    TN_ACT_SILU = 1,
    TN_ACT_GELU_TANH = 2,
    TN_ACT_GELU_ERF = 3,
    TN_ACT_SIGMOID = 4,
    TN_ACT_GELU_QUICK = 5, /* x * sigmoid(1.702 x) (Hendrycks & Gimpel 2016, section 2) */
};

/* Causal depthwise convolution along a sequence: channel c of row t is the activation of
 *
 *   bias[c] + sum over j of w[c][j] * x[t - kernel + 1 + j][c]      j = 0 .. kernel - 1
 *
 * with zeros before the sequence's first token. The last kernel - 1 rows of x are state of `layer`. */
typedef struct tn_conv_desc {
    uint32_t layer;
    uint32_t kernel;     /* 2 .. 64 */
    uint32_t activation; /* TN_ACT_SILU, or 0: none */
    uint32_t reserved;
} tn_conv_desc;

/* Which query and key head a value head h of n_head reads. */
enum tn_head_order {
    TN_HEADS_GROUPED = 1, /* h / (n_head / n_head_k): Hugging Face checkpoints */
    TN_HEADS_TILED = 2,   /* h % n_head_k: GGUF files, whose value heads are reordered */
};

/* The gated delta rule (Yang et al. 2024, "Gated Delta Networks", eq. 10), token by token along a sequence.
 * Each value head has a matrix S [head_dim_k, head_dim_v], zero before the first token, state of `layer`:
 *
 *   q, k   = unit(q) * scale, unit(k)                 unit(x) = x / sqrt(sum(x^2) + eps)
 *   S      = exp(rate * softplus(a + dt_bias)) * S    softplus(x) = log(1 + e^x)
 *   S      = S + k (sigmoid(b) * (v - S^T k))^T
 *   out    = S^T q */
typedef struct tn_delta_desc {
    uint32_t layer;
    uint32_t n_head, n_head_k; /* value heads; query and key heads, of which n_head is a multiple */
    uint32_t head_dim_k, head_dim_v;
    uint32_t order; /* enum tn_head_order */
    float scale, eps;
} tn_delta_desc;

/* What a convolution of towers of sound looks at, as rows for a linear layer. A segment of x (tn_audio.piece)
 * is an image of channels over frames and bins, [n][frames][bins][channels] for its n rows, however many rows
 * and columns x has them in. Around it, and from frame `limit` of it on, are zeros. */
typedef struct tn_unfold_desc {
    uint32_t frames, bins;                 /* of x, for each T */
    uint32_t limit;                        /* frames of a segment that count; 0: all */
    uint32_t kernel[2], stride[2], pad[2]; /* over frames, over bins; stride[0] divides frames */
} tn_unfold_desc;

/* Attention over the rows of a recording that belongs to the sequence (Radford et al. 2022, section 2.2):
 * keys are part `part` of the tower's output, values the next one, [n_row, n_head * head_dim] each. */
typedef struct tn_cross_desc {
    uint32_t part, n_head, head_dim;
    float scale;
} tn_cross_desc;

typedef struct tn_recorder tn_recorder;
/* Owned by the host, valid during record(). [control thread] */
struct tn_recorder {
    uint32_t size; /* sizeof(tn_recorder) */
    uint32_t reserved;
    void *ctx; /* the host's */

    /* Declares a tensor of the checkpoint; layer replaces "%u". Naming one twice gives the same weight. */
    tn_weight (*weight)(tn_recorder *r, const tn_weight_desc *w, uint32_t layer);
    tn_rope (*rope_table)(tn_recorder *r, const tn_rope_desc *d);

    /* [T, cols(w)]: row id of w times scale, for the token id of each row. */
    tn_value (*embed)(tn_recorder *r, tn_weight w, float scale);
    /* [rows(x), rows(w)]: x w^T (+ bias). bias may be 0. */
    tn_value (*linear)(tn_recorder *r, tn_value x, tn_weight w, tn_weight bias);
    /* x / sqrt(mean(x^2) + eps) * w (Zhang & Sennrich 2019, eq. 4) over each run of cols(w) columns: whole
     * rows, or each head where cols(w) is head_dim. */
    tn_value (*rms_norm)(tn_recorder *r, tn_value x, tn_weight w, float eps);
    /* Rotates the first n_dims of each head of head_dim columns by the row's position. */
    tn_value (*rope)(tn_recorder *r, tn_value x, uint32_t head_dim, tn_rope table);
    /* q [T, n_head * head_dim], k and v [T, n_head_kv * head_dim] -> [T, n_head * head_dim]. With k = v = 0
     * nothing is stored: it reads what an earlier attention stored at a->layer, of the same heads, looking
     * back no farther than that one does. */
    tn_value (*attention)(tn_recorder *r, tn_value q, tn_value k, tn_value v, const tn_attention_desc *a);
    /* x [T, cols], w [cols, kernel] (or as many elements in that order), bias [cols] or 0 -> [T, cols]. A
     * layer keeps attention's keys and values or the state of any number of conv and delta_rule, not both. */
    tn_value (*conv)(tn_recorder *r, tn_value x, tn_weight w, tn_weight bias, const tn_conv_desc *c);
    /* qkv [T, 2 * n_head_k * head_dim_k + n_head * head_dim_v]: all heads of q, of k, of v; a and b
     * [T, n_head]; rate (below 0) and dt_bias [n_head] -> [T, n_head * head_dim_v]. */
    tn_value (*delta_rule)(tn_recorder *r, tn_value qkv, tn_value a, tn_value b, tn_weight rate,
                           tn_weight dt_bias, const tn_delta_desc *d);
    /* [rows, cols(x) / run * n]: of each run of `run` columns of x the n from `first` on. Where x is the
     * output of a linear layer take rows of its weight instead, if they lie together. */
    tn_value (*slice)(tn_recorder *r, tn_value x, uint32_t run, uint32_t first, uint32_t n);
    /* act(gate) * up, element by element (Shazeer 2020). */
    tn_value (*glu)(tn_recorder *r, tn_value gate, tn_value up, uint32_t activation);
    /* a + b. */
    tn_value (*add)(tn_recorder *r, tn_value a, tn_value b);
    /* x * factor. */
    tn_value (*scale)(tn_recorder *r, tn_value x, float factor);
    /* cap * tanh(x / cap). */
    tn_value (*softcap)(tn_recorder *r, tn_value x, float cap);
    /* [R, cols]: the rows of x [T, cols] whose logits are wanted. */
    tn_value (*output_rows)(tn_recorder *r, tn_value x);
    /* x [R, n_vocab] is the program's result. Once. */
    void (*logits)(tn_recorder *r, tn_value x);
    /* x is what layer `index` leaves (0: the embedding), kept for inspection when somebody asks; costs
     * nothing else. */
    void (*tap)(tn_recorder *r, tn_value x, uint32_t index);

    /* (x - mean) / sqrt(variance + eps) * w + bias over each row (Ba et al. 2016, eq. 3). bias may be 0. */
    tn_value (*layer_norm)(tn_recorder *r, tn_value x, tn_weight w, tn_weight bias, float eps);
    /* act(x), element by element. */
    tn_value (*activate)(tn_recorder *r, tn_value x, uint32_t activation);
    /* Text: x [T, n_embd] for tokens of text. For those of media: part 0 gives the row that stands for the
     * token, part i > 0 adds the i-th further row that came with it (Meng et al. 2024, "DeepStack"). */
    tn_value (*media)(tn_recorder *r, tn_value x, uint32_t part);
    /* Towers: [T, cols], the rows that the host gives: patches as tn_vision says. Once. */
    tn_value (*input)(tn_recorder *r, uint32_t cols);
    /* Towers: [T, cols(table)], a learned position: rows of the table by the host's weights; of encoders the
     * row position + tn_encoder_info.first_position. */
    tn_value (*mix)(tn_recorder *r, tn_weight table);
    /* Towers: [rows / n, n * cols], n neighbouring rows one after the other. */
    tn_value (*fold)(tn_recorder *r, tn_value x, uint32_t n);
    /* Towers: [rows / n, cols], their mean. */
    tn_value (*mean)(tn_recorder *r, tn_value x, uint32_t n);
    /* Towers: x [T / fold, n_embd] is part `part` of the result, 0 to tn_vision.n_deep. Each once. */
    void (*output)(tn_recorder *r, tn_value x, uint32_t part);
    /* Encoders: [T, cols(w)]: row 1 of w, where it has one, for tokens of the second text of a pair,
     * row 0 for all others. */
    tn_value (*embed_type)(tn_recorder *r, tn_weight w);
    /* Towers: x -> [T * frames' * bins', channels * kernel[1] * kernel[0]]: for each place of the kernel, by
     * frame and bin, what lies below it: by channel, bin, frame, as the weights of a convolution lie.
     * frames' = frames / stride[0], bins' = (bins + 2 pad[1] - kernel[1]) / stride[1] + 1. */
    tn_value (*unfold)(tn_recorder *r, tn_value x, const tn_unfold_desc *u);
    /* A table of positions that no checkpoint has: row p is sin(p f_0), ..., sin(p f_m), cos(p f_0), ...,
     * cos(p f_m), f_i = 10000^(-i / m), m = cols / 2 - 1. cols is even. */
    tn_weight (*sinusoids)(tn_recorder *r, uint32_t rows, uint32_t cols);
    /* Text: [T, cols(table)], row p of the table for a token at position p. It has as many rows as the
     * context has tokens. */
    tn_value (*positions)(tn_recorder *r, tn_weight table);
    /* Text: q [T, n_head * head_dim] -> the same. */
    tn_value (*cross_attention)(tn_recorder *r, tn_value q, const tn_cross_desc *d);
};

/* Shorthands for what families declare most. layer replaces "%u"; flags as in tn_weight_flags. */
static inline tn_weight tn_matrix(tn_recorder *r, uint32_t layer, const char *hf, const char *gguf,
                                  uint32_t rows, uint32_t cols) {
    tn_weight_desc d = {hf, gguf, rows, cols, 0, 0, 0, 0};
    return r->weight(r, &d, layer);
}
static inline tn_weight tn_vector(tn_recorder *r, uint32_t layer, const char *hf, const char *gguf,
                                  uint32_t n, uint32_t flags) {
    tn_weight_desc d = {hf, gguf, 0, n, 0, 0, flags, 0};
    return r->weight(r, &d, layer);
}

#ifdef __cplusplus
}
#endif
#endif
