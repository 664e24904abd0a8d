/* SPDX-License-Identifier: Apache-2.0 */
/* Rope settings of config.json in the words of GGUF metadata: a base, a scaling, and for some scalings a
 * tensor of divisors. program/rope.c has the formulas and reads both; the comparison of programs afterwards
 * sees whatever is said wrongly here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/source.h"

static const double PI = 3.14159265358979323846;

typedef struct rope_writer {
    tn_source *s;
    tn_hparams *h;
    const char *arch;
    const tn_rope_info *table; /* the first of the program: the one that scaling applies to */
    double theta;
    tn_error *err;
} rope_writer;

/* A number of the rope settings, wherever this version of config.json keeps them. */
static bool number(const rope_writer *w, const char *name, double *ret) {
    static const char *const sections[] = {"rope_parameters.full_attention.", "rope_parameters.",
                                           "rope_scaling."};
    char path[128];
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        snprintf(path, sizeof path, "%s%s", sections[i], name);
        if (tn_hparams_f64(w->h, path, NULL, ret)) return true;
    }
    return tn_hparams_f64(w->h, name, NULL, ret);
}

static double number_or(const rope_writer *w, const char *name, double absent) {
    double v;
    return number(w, name, &v) ? v : absent;
}

static const char *scaling_type(const rope_writer *w) {
    static const char *const paths[] = {"rope_parameters.full_attention.rope_type",
                                        "rope_parameters.rope_type", "rope_scaling.rope_type",
                                        "rope_scaling.type"};
    const tn_config *c = &w->h->api;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (c->has(c, paths[i], NULL)) return c->str(c, paths[i], NULL, "default");
    return "default";
}

static void put_f32(const rope_writer *w, const char *suffix, double v) {
    char key[128];
    snprintf(key, sizeof key, "%s.rope.%s", w->arch, suffix);
    tn_gguf_put_f32(&w->s->meta, key, (float)v);
}

static void put_type(const rope_writer *w, const char *type) {
    char key[128];
    snprintf(key, sizeof key, "%s.rope.scaling.type", w->arch);
    tn_gguf_put_string(&w->s->meta, key, type, strlen(type));
}

static double original_context(const rope_writer *w) {
    return number_or(w, "original_max_position_embeddings", number_or(w, "max_position_embeddings", 0));
}

static void put_original_context(const rope_writer *w) {
    char key[128];
    snprintf(key, sizeof key, "%s.rope.scaling.original_context_length", w->arch);
    tn_gguf_put_u32(&w->s->meta, key, (uint32_t)original_context(w));
}

static int put_linear(const rope_writer *w) {
    put_type(w, "linear");
    put_f32(w, "scaling.factor", number_or(w, "factor", 1));
    return 0;
}

/* attn_factor multiplies what readers of GGUF files make of the factor alone. */
static int put_yarn(const rope_writer *w) {
    double factor = number_or(w, "factor", 1), v;
    double usual = factor <= 1 ? 1 : 0.1 * log(factor) + 1, attn = w->table->mscale[0] / usual;
    put_type(w, "yarn");
    put_f32(w, "scaling.factor", factor);
    put_original_context(w);
    if (fabs(attn - 1) > 1e-6) put_f32(w, "scaling.attn_factor", attn);
    if (number(w, "beta_fast", &v)) put_f32(w, "scaling.yarn_beta_fast", v);
    if (number(w, "beta_slow", &v)) put_f32(w, "scaling.yarn_beta_slow", v);
    return 0;
}

/* The divisor of each pair's frequency: 1 for short wavelengths, factor for long ones. */
static int put_llama3(const rope_writer *w) {
    double factor = number_or(w, "factor", 8), n = original_context(w);
    double low = number_or(w, "low_freq_factor", 1), high = number_or(w, "high_freq_factor", 4);
    uint32_t dims = w->table->n_dims;
    float *divisors = malloc(dims / 2 * sizeof *divisors);
    if (!divisors) return tn_fail(w->err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < dims / 2; i++) {
        double wavelen = 2 * PI * pow(w->theta, 2.0 * i / dims), smooth = (n / wavelen - low) / (high - low);
        divisors[i] = (float)(wavelen > n / low     ? factor
                              : wavelen >= n / high ? 1 / ((1 - smooth) / factor + smooth)
                                                    : 1);
    }
    return tn__source_add_values(w->s, "rope_freqs.weight", divisors, dims / 2, w->err);
}

static int put_factors(const rope_writer *w, const char *name, const char *tensor) {
    static const char *const sections[] = {"rope_parameters", "rope_scaling"};
    uint32_t n = w->table->n_dims / 2, got = 0;
    char path[128];
    double *list = malloc((n + 1) * sizeof *list);
    float *values = malloc(n * sizeof *values);
    for (int i = 0; list && values && !got && i < 2; i++) {
        snprintf(path, sizeof path, "%s.%s", sections[i], name);
        got = tn_hparams_f64s(w->h, path, NULL, list, n + 1);
    }
    int rc = !list || !values ? tn_fail(w->err, TN_ENOMEM, "out of memory") : 0;
    if (!rc && got != n) rc = tn_fail(w->err, TN_EFORMAT, "%s has %u numbers, not %u", name, got, n);
    for (uint32_t i = 0; !rc && i < n; i++) values[i] = (float)list[i];
    free(list);
    if (!rc) return tn__source_add_values(w->s, tensor, values, n, w->err);
    free(values);
    return rc;
}

static int put_longrope(const rope_writer *w) {
    put_original_context(w);
    put_f32(w, "scaling.attn_factor", w->table->mscale[0]);
    int rc = put_factors(w, "long_factor", "rope_factors_long.weight");
    return rc ? rc : put_factors(w, "short_factor", "rope_factors_short.weight");
}

/* Layers with a window may turn by a base of their own. */
static void put_sliding_base(const rope_writer *w) {
    double v;
    if (tn_hparams_f64(w->h, "rope_parameters.sliding_attention.rope_theta", NULL, &v) ||
        tn_hparams_f64(w->h, "rope_local_base_freq", NULL, &v))
        put_f32(w, "freq_base_swa", v);
}

int tn__source_put_rope(tn_source *s, tn_hparams *h, const char *arch, double default_theta, tn_error *err) {
    char key[128];
    if (!s->model->program->n_rope) return tn_fail(err, TN_ENOTSUP, "a model without rope");
    rope_writer w = {s, h, arch, &s->model->program->ropes[1], default_theta, err};
    number(&w, "rope_theta", &w.theta);
    snprintf(key, sizeof key, "%s.rope.dimension_count", arch);
    tn_gguf_put_u32(&s->meta, key, w.table->n_dims);
    put_f32(&w, "freq_base", w.theta);
    put_sliding_base(&w);
    const char *type = scaling_type(&w);
    if (strcmp(type, "linear") == 0) return put_linear(&w);
    if (strcmp(type, "yarn") == 0) return put_yarn(&w);
    if (strcmp(type, "llama3") == 0) return put_llama3(&w);
    if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0) return put_longrope(&w);
    return tn_hparams_status(h, err);
}
