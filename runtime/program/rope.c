/* SPDX-License-Identifier: Apache-2.0 */
#include "program/rope.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

enum { MAX_PAIRS = 4096, MAX_DIVISORS = MAX_PAIRS + 1 };

/* Where this table's parameters stand: one JSON object path and one GGUF prefix. */
typedef struct rope_source {
    tn_hparams *h;
    char section[160]; /* "rope_parameters.full_attention", "rope_scaling", or "" for none */
    bool scaled;       /* scaling applies to this table */
} rope_source;

static bool number(const rope_source *s, const char *hf, const char *gguf, double *ret) {
    char path[256];
    if (!s->h->config) return gguf && tn_hparams_f64(s->h, NULL, gguf, ret);
    if (!s->section[0] || !hf) return false;
    snprintf(path, sizeof path, "%s.%s", s->section, hf);
    return tn_hparams_f64(s->h, path, NULL, ret);
}

static double number_or(const rope_source *s, const char *hf, const char *gguf, double def) {
    double v;
    return number(s, hf, gguf, &v) ? v : def;
}

static const tn_config *cfg(const rope_source *s) {
    return &s->h->api;
}

/* Newer config.json files keep everything in rope_parameters (by layer type or flat), older ones in
 * rope_scaling. */
static void find_section(rope_source *s, const tn_rope_desc *d) {
    char path[160];
    s->section[0] = 0;
    if (!s->h->config) return;
    if (d->hf_section) {
        snprintf(path, sizeof path, "rope_parameters.%s", d->hf_section);
        if (cfg(s)->has(cfg(s), path, NULL)) {
            memcpy(s->section, path, sizeof path);
            return;
        }
    }
    if (cfg(s)->has(cfg(s), "rope_parameters", NULL) && !(d->flags & TN_ROPE_NO_SCALING))
        strcpy(s->section, "rope_parameters");
    else if (cfg(s)->has(cfg(s), "rope_scaling", NULL))
        strcpy(s->section, "rope_scaling");
}

static bool section_is_own(const rope_source *s, const tn_rope_desc *d) {
    return d->hf_section && strncmp(s->section, "rope_parameters.", 16) == 0;
}

static const char *scaling_type(const rope_source *s, const tn_rope_desc *d) {
    char path[200];
    if ((d->flags & TN_ROPE_NO_SCALING) && !section_is_own(s, d)) return "default";
    if (!s->h->config) return cfg(s)->str(cfg(s), NULL, ".rope.scaling.type", "default");
    if (!s->section[0]) return "default";
    snprintf(path, sizeof path, "%s.rope_type", s->section);
    if (cfg(s)->has(cfg(s), path, NULL)) return cfg(s)->str(cfg(s), path, NULL, "default");
    snprintf(path, sizeof path, "%s.type", s->section);
    return cfg(s)->str(cfg(s), path, NULL, "default");
}

static double theta_base(const rope_source *s, const tn_rope_desc *d) {
    double theta;
    if (!d->hf_theta && !d->gguf_theta) return d->default_theta;
    bool own = section_is_own(s, d) || strcmp(s->section, "rope_parameters") == 0;
    if (own && number(s, "rope_theta", NULL, &theta)) return theta;
    if (tn_hparams_f64(s->h, d->hf_theta, d->gguf_theta, &theta)) return theta;
    return d->default_theta;
}

static double context(const rope_source *s) {
    double n = 0;
    tn_hparams_f64(s->h, "max_position_embeddings", ".context_length", &n);
    return n;
}

static double original_context(const rope_source *s) {
    double n;
    if (number(s, "original_max_position_embeddings", ".rope.scaling.original_context_length", &n)) return n;
    if (tn_hparams_f64(s->h, "original_max_position_embeddings", NULL, &n)) return n;
    return context(s);
}

static void scale_linear(const rope_source *s, tn_rope_info *r, double *freq) {
    double factor = number_or(s, "factor", ".rope.scaling.factor", 1);
    for (uint32_t i = 0; i < r->n_dims / 2; i++) freq[i] /= factor;
}

/* Wavelengths above the original context are stretched by factor, short ones kept, those between
 * interpolated. */
static void scale_llama3(const rope_source *s, tn_rope_info *r, double *freq) {
    double factor = number_or(s, "factor", NULL, 8), n = original_context(s);
    double low = number_or(s, "low_freq_factor", NULL, 1), high = number_or(s, "high_freq_factor", NULL, 4);
    for (uint32_t i = 0; i < r->n_dims / 2; i++) {
        double wavelen = 2 * PI / freq[i];
        if (wavelen > n / low)
            freq[i] /= factor;
        else if (wavelen >= n / high) {
            double smooth = (n / wavelen - low) / (high - low);
            freq[i] = (1 - smooth) * freq[i] / factor + smooth * freq[i];
        }
    }
}

static double yarn_get_mscale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

static double yarn_mscale(const rope_source *s, double factor) {
    double m, m_all;
    if (number(s, "attention_factor", NULL, &m)) return m;
    if (number(s, "mscale", NULL, &m) && number(s, "mscale_all_dim", NULL, &m_all) && m != 0 && m_all != 0)
        return yarn_get_mscale(factor, m) / yarn_get_mscale(factor, m_all);
    return yarn_get_mscale(factor, 1) * number_or(s, NULL, ".rope.scaling.attn_factor", 1);
}

static bool yarn_truncates(const rope_source *s) {
    char path[200];
    if (!s->h->config) return true;
    snprintf(path, sizeof path, "%s.truncate", s->section);
    return cfg(s)->flag(cfg(s), path, NULL, 1);
}

/* Blends interpolated and original frequencies over a ramp of dimensions (Peng et al. 2023, eq. 20 to 25). */
static void scale_yarn(const rope_source *s, tn_rope_info *r, double theta, double *freq) {
    double factor = number_or(s, "factor", ".rope.scaling.factor", 1), n = original_context(s);
    double fast = number_or(s, "beta_fast", ".rope.scaling.yarn_beta_fast", 32);
    double slow = number_or(s, "beta_slow", ".rope.scaling.yarn_beta_slow", 1);
    double dims = r->n_dims;
    double low = dims * log(n / (fast * 2 * PI)) / (2 * log(theta));
    double high = dims * log(n / (slow * 2 * PI)) / (2 * log(theta));
    if (yarn_truncates(s)) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0);
    high = fmin(high, dims - 1);
    if (low == high) high += 0.001;
    for (uint32_t i = 0; i < r->n_dims / 2; i++) {
        double ramp = fmin(fmax((i - low) / (high - low), 0), 1);
        freq[i] = freq[i] / factor * ramp + freq[i] * (1 - ramp);
    }
    r->mscale[0] = (float)yarn_mscale(s, factor);
}

/* n divisors from config.json or from a tensor of a GGUF file; false where there are none, or another number
 * of them. ret has room for MAX_DIVISORS. */
static bool divisors(const rope_source *s, const char *hf, const char *tensor, uint32_t n, double *ret) {
    char path[200];
    if (s->h->config) {
        if (!hf || !s->section[0]) return false;
        snprintf(path, sizeof path, "%s.%s", s->section, hf);
        return tn_hparams_f64s(s->h, path, NULL, ret, n + 1) == n;
    }
    const tn_tensor *t = tn_hparams_tensor(s->h->ckpt, NULL, tensor);
    if (!t || t->n_dim != 1 || t->dim[0] != n || t->type != TN_TYPE_F32) return false;
    float row[MAX_PAIRS];
    tn_tensor_dequantize(t, 0, 0, n, row);
    for (uint32_t i = 0; i < n; i++) ret[i] = row[i];
    return true;
}

static int scale_longrope(const rope_source *s, tn_rope_info *r, const double *freq, tn_error *err) {
    static const char *const hf[2] = {"short_factor", "long_factor"};
    static const char *const gguf[2] = {"rope_factors_short.weight", "rope_factors_long.weight"};
    uint32_t n = r->n_dims / 2;
    double original = original_context(s), factor = original > 0 ? context(s) / original : 1, m;
    if (!(original > 1))
        return tn_fail(err, TN_EFORMAT, "longrope scaling without an original context length");
    if (!number(s, "attention_factor", ".rope.scaling.attn_factor", &m))
        m = factor <= 1 ? 1 : sqrt(1 + log(factor) / log(original));
    for (int v = 0; v < 2; v++) {
        double div[MAX_DIVISORS];
        if (!divisors(s, hf[v], gguf[v], n, div))
            return tn_fail(err, TN_EFORMAT, "longrope scaling needs %u numbers in %s", n,
                           s->h->config ? hf[v] : gguf[v]);
        for (uint32_t i = 0; i < n; i++) r->inv_freq[v][i] = (float)(freq[i] / div[i]);
        r->mscale[v] = (float)m;
    }
    r->n_variant = 2;
    r->long_from = (uint32_t)fmin(original, UINT32_MAX);
    return 0;
}

static int scale(const rope_source *s, const tn_rope_desc *d, double theta, tn_rope_info *r, tn_error *err) {
    double freq[MAX_PAIRS], div[MAX_DIVISORS];
    uint32_t n = r->n_dims / 2;
    const char *type = scaling_type(s, d);
    for (uint32_t i = 0; i < n; i++) freq[i] = 1.0 / pow(theta, 2.0 * i / r->n_dims);
    bool factors = !s->h->config && tn_hparams_tensor(s->h->ckpt, NULL, "rope_factors_long.weight");
    if (strcmp(type, "longrope") == 0 || strcmp(type, "su") == 0 || factors)
        return scale_longrope(s, r, freq, err);
    if (strcmp(type, "linear") == 0)
        scale_linear(s, r, freq);
    else if (strcmp(type, "llama3") == 0)
        scale_llama3(s, r, freq);
    else if (strcmp(type, "yarn") == 0)
        scale_yarn(s, r, theta, freq);
    else if (strcmp(type, "default") != 0 && strcmp(type, "none") != 0 && strcmp(type, "mrope") != 0)
        return tn_fail(err, TN_ENOTSUP,
                       "rope scaling \"%s\" is not supported (default, linear, llama3, yarn, longrope are)",
                       type);
    if (!(d->flags & TN_ROPE_NO_SCALING) && divisors(s, NULL, "rope_freqs.weight", n, div))
        for (uint32_t i = 0; i < n; i++) freq[i] /= div[i];
    for (uint32_t i = 0; i < n; i++) r->inv_freq[0][i] = (float)freq[i];
    return 0;
}

/* The pair's coordinate; of TN_AXES_SECTIONS and TN_AXES_INTERLEAVED. */
static uint8_t axis_of(const tn_rope_desc *d, uint32_t pair) {
    const uint32_t *n = d->section;
    if (d->axes == TN_AXES_SECTIONS) return pair < n[0] ? 0 : pair < n[0] + n[1] ? 1 : 2;
    uint32_t axis = pair % 3;
    return (uint8_t)(axis && pair < 3 * n[axis] ? axis : 0);
}

/* Fills r->axis; TN_AXES_HALVES: the frequencies too, those of the first half having been made for n_dims
 * / 2.
 */
static int add_axes(const tn_rope_desc *d, tn_rope_info *r, tn_error *err) {
    uint32_t n_pair = r->n_dims / 2;
    const uint32_t *n = d->section;
    if (d->axes > TN_AXES_HALVES) return tn_fail(err, TN_EMODULE, "rope axes %u do not exist", d->axes);
    if (d->axes == TN_AXES_HALVES && n_pair % 2)
        return tn_fail(err, TN_EFORMAT, "%u rotary dimensions for two axes: no multiple of 4", r->n_dims);
    if (d->axes != TN_AXES_HALVES && (uint64_t)n[0] + n[1] + n[2] != n_pair)
        return tn_fail(err, TN_EFORMAT, "mrope_section is %u, %u, %u: not %u pairs", n[0], n[1], n[2],
                       n_pair);
    r->axis = malloc(n_pair);
    if (!r->axis) return tn_fail(err, TN_ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n_pair; i++) {
        r->axis[i] = d->axes == TN_AXES_HALVES ? 1 + (i >= n_pair / 2) : axis_of(d, i);
        for (int v = 0; d->axes == TN_AXES_HALVES && v < 2; v++)
            if (i >= n_pair / 2) r->inv_freq[v][i] = r->inv_freq[v][i - n_pair / 2];
    }
    return 0;
}

int tn_rope_build(tn_hparams *h, const tn_rope_desc *d, tn_rope_info *ret, tn_error *err) {
    rope_source s = {.h = h};
    *ret = (tn_rope_info){.style = d->style, .n_dims = d->n_dims, .n_variant = 1, .mscale = {1, 1}};
    if (d->style != TN_ROPE_HALF && d->style != TN_ROPE_INTERLEAVED)
        return tn_fail(err, TN_EMODULE, "rope style %u does not exist", d->style);
    if (d->n_dims < 2 || d->n_dims % 2 || d->n_dims / 2 > MAX_PAIRS)
        return tn_fail(err, TN_EFORMAT, "%u rotary dimensions (an even number from 2 to %u is possible)",
                       d->n_dims, 2 * MAX_PAIRS);
    find_section(&s, d);
    double theta = theta_base(&s, d);
    if (!(theta > 1)) return tn_fail(err, TN_EFORMAT, "rope base %g, it must be above 1", theta);
    for (int v = 0; v < 2; v++) {
        ret->inv_freq[v] = calloc(d->n_dims / 2, sizeof(float));
        if (!ret->inv_freq[v]) return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    if (d->axes == TN_AXES_HALVES) ret->n_dims /= 2;
    int rc = scale(&s, d, theta, ret, err);
    ret->n_dims = d->n_dims;
    if (rc == 0 && d->axes) rc = add_axes(d, ret, err);
    if (rc == 0) rc = tn_hparams_status(h, err);
    for (uint32_t v = 0; rc == 0 && v < ret->n_variant; v++)
        for (uint32_t i = 0; i < d->n_dims / 2; i++)
            if (!isfinite(ret->inv_freq[v][i]))
                rc = tn_fail(err, TN_EFORMAT, "rope frequency %u is not finite", i);
    return rc;
}

void tn_rope_fini(tn_rope_info *rope) {
    free(rope->inv_freq[0]);
    free(rope->inv_freq[1]);
    free(rope->axis);
    *rope = (tn_rope_info){0};
}
