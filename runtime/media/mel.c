/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mel features (Radford et al. 2022, "Whisper", section 2.2), and windows of them for a tower.
 *
 * The spectrum of n_fft samples is taken by its sums: with e_j = x_j + x_(n-j) and o_j = x_j - x_(n-j),
 *
 *   Re X_k = x_0 + (-1)^k x_(n/2) + sum e_j cos(2 pi j k / n),   Im X_k = sum o_j sin(2 pi j k / n)   0 < j <
 * n/2
 *
 * which for n = 400, no power of 2, is as fast as needed and exact to the last bits of a double. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/patches.h"
#include "media/sound.h"

static const double PI = 3.14159265358979323846;
enum { MAX_ROWS = 1 << 14 }; /* of a window */

void tn_mel_fini(tn_mel *m) {
    free(m->values);
    *m = (tn_mel){0};
}

static uint32_t piece_of(const tn_audio *a) {
    return a->piece ? a->piece : a->window;
}
static uint32_t rows_of(const tn_audio *a, uint64_t frames) {
    return (uint32_t)((frames + a->row_frames - 1) / a->row_frames);
}

int tn_sound_check(const tn_audio *a, tn_error *err) {
    bool ok = a->sample_rate && a->sample_rate <= TN_SOUND_MAX_RATE && a->n_fft >= 4 && a->n_fft % 2 == 0 &&
              a->n_fft <= TN_SOUND_MAX_FFT && a->hop && a->hop <= a->n_fft && a->n_mel &&
              a->n_mel <= TN_SOUND_MAX_MEL && a->fill >= TN_AUDIO_FILL_SILENCE &&
              a->fill <= TN_AUDIO_FILL_ZERO;
    ok = ok && a->window && a->window <= 1 << 20 && a->row_frames && a->fold && a->fold <= 256;
    ok = ok && a->window % piece_of(a) == 0 && tn_sound_most_rows(a) <= MAX_ROWS;
    if (ok && (uint64_t)a->max_windows * a->window * a->hop <= TN_SOUND_MAX_SAMPLES) return 0;
    return tn_fail(
        err, TN_EMODULE,
        "features of %u bands, every %u of %u samples, in windows of %u and pieces of %u frames, %u to "
        "a row, %u rows joined: that cannot be",
        a->n_mel, a->hop, a->n_fft, a->window, a->piece, a->row_frames, a->fold);
}

uint32_t tn_sound_most_rows(const tn_audio *a) {
    const uint32_t rows = a->window / piece_of(a) * rows_of(a, piece_of(a));
    return (rows + a->fold - 1) / a->fold * a->fold;
}

/* ---- Filters ---- */

/* Hertz and mels (Slaney 1998, "Auditory Toolbox"): linear below 1000 Hz, logarithmic above. */
static double mel_of(double hertz) {
    return hertz < 1000 ? 3 * hertz / 200 : 15 + log(hertz / 1000) * 27 / log(6.4);
}
static double hertz_of(double mel) {
    return mel < 15 ? 200 * mel / 3 : 1000 * exp(log(6.4) * (mel - 15) / 27);
}

typedef struct extractor {
    const tn_audio *a;
    uint32_t n_bin;      /* n_fft / 2 + 1 */
    double *window;      /* [n_fft] */
    double *cos, *sin;   /* [n_bin][n_fft / 2]: column 0 unused */
    double *bank;        /* [n_mel][n_bin] */
    uint32_t *from, *to; /* [n_mel]: bins of a band */
    double *even, *odd;  /* [n_fft / 2] */
    double *power;       /* [n_bin] */
} extractor;

static void extractor_fini(extractor *x) {
    free(x->window), free(x->cos), free(x->sin), free(x->bank), free(x->from), free(x->to);
    free(x->even), free(x->odd), free(x->power);
}

/* Triangles between mels at equal distances, of area 1 over Hertz. */
static void fill_bank(extractor *x) {
    const double top = mel_of(x->a->sample_rate / 2.0), n = x->a->n_mel + 1;
    for (uint32_t m = 0; m < x->a->n_mel; m++) {
        double low = hertz_of(top * m / n), mid = hertz_of(top * (m + 1) / n),
               high = hertz_of(top * (m + 2) / n);
        x->from[m] = x->n_bin;
        for (uint32_t k = 0; k < x->n_bin; k++) {
            double hertz = (double)k * x->a->sample_rate / x->a->n_fft;
            double value = fmin((hertz - low) / (mid - low), (high - hertz) / (high - mid));
            if (!(value > 0)) continue;
            x->bank[(size_t)m * x->n_bin + k] = value * 2 / (high - low);
            if (k < x->from[m]) x->from[m] = k;
            x->to[m] = k + 1;
        }
    }
}

static int extractor_init(extractor *x, const tn_audio *a, tn_error *err) {
    const uint32_t n = a->n_fft, half = n / 2;
    *x = (extractor){.a = a, .n_bin = half + 1};
    x->window = calloc(n, sizeof(double));
    x->cos = calloc((size_t)x->n_bin * half, sizeof(double));
    x->sin = calloc((size_t)x->n_bin * half, sizeof(double));
    x->bank = calloc((size_t)a->n_mel * x->n_bin, sizeof(double));
    x->from = calloc(a->n_mel, sizeof *x->from);
    x->to = calloc(a->n_mel, sizeof *x->to);
    x->even = calloc(half, sizeof(double));
    x->odd = calloc(half, sizeof(double));
    x->power = calloc(x->n_bin, sizeof(double));
    if (!x->window || !x->cos || !x->sin || !x->bank || !x->from || !x->to || !x->even || !x->odd ||
        !x->power)
        return tn_fail(err, TN_ENOMEM, "out of memory for features of sound");
    for (uint32_t i = 0; i < n; i++) x->window[i] = 0.5 - 0.5 * cos(2 * PI * i / n);
    for (uint32_t k = 0; k < x->n_bin; k++)
        for (uint32_t j = 1; j < half; j++) {
            double angle = 2 * PI * (double)((uint64_t)j * k % n) / n;
            x->cos[(size_t)k * half + j] = cos(angle);
            x->sin[(size_t)k * half + j] = sin(angle);
        }
    fill_bank(x);
    return 0;
}

/* ---- Frames ---- */

/* Sample i of the recording, silence after it up to n samples, mirrored at both ends of these. */
static double sample_at(const tn_sound *s, int64_t i, int64_t n) {
    if (i < 0) i = -i;
    if (i >= n) i = 2 * (n - 1) - i;
    return i >= 0 && i < (int64_t)s->n ? s->samples[i] : 0;
}

/* The power spectrum around sample `centre` of n. */
static void spectrum(extractor *x, const tn_sound *s, int64_t centre, int64_t n) {
    const uint32_t half = x->a->n_fft / 2;
    const int64_t first = centre - half;
    double ends = x->window[half] * sample_at(s, first + half, n); /* window[0] is 0 */
    for (uint32_t j = 1; j < half; j++) {
        double a = x->window[j] * sample_at(s, first + j, n);
        double b = x->window[j] * sample_at(s, first + x->a->n_fft - j, n);
        x->even[j] = a + b;
        x->odd[j] = a - b;
    }
    for (uint32_t k = 0; k < x->n_bin; k++) {
        const double *c = x->cos + (size_t)k * half, *d = x->sin + (size_t)k * half;
        double re[4] = {k % 2 ? -ends : ends}, im[4] = {0};
        uint32_t j = 1;
        for (; j + 4 <= half; j += 4)
            for (int i = 0; i < 4; i++) {
                re[i] += x->even[j + i] * c[j + i];
                im[i] += x->odd[j + i] * d[j + i];
            }
        for (; j < half; j++) {
            re[0] += x->even[j] * c[j];
            im[0] += x->odd[j] * d[j];
        }
        double r = (re[0] + re[1]) + (re[2] + re[3]), i = (im[0] + im[1]) + (im[2] + im[3]);
        x->power[k] = r * r + i * i;
    }
}

/* log10 of the bands, and their largest. */
static double take_bands(const extractor *x, float *to) {
    double most = -10;
    for (uint32_t m = 0; m < x->a->n_mel; m++) {
        double sum = 0;
        for (uint32_t k = x->from[m]; k < x->to[m]; k++)
            sum += x->bank[(size_t)m * x->n_bin + k] * x->power[k];
        to[m] = (float)log10(fmax(sum, 1e-10));
        most = fmax(most, to[m]);
    }
    return most;
}

static float scaled(double value, double most) {
    return (float)((fmax(value, most - 8) + 4) / 4);
}

/* How long the recording counts as, in samples and frames. */
static int lengths(const tn_audio *a, const tn_sound *s, tn_mel *ret, int64_t *ret_n, tn_error *err) {
    const uint64_t window = (uint64_t)a->window * a->hop, half = a->n_fft / 2;
    const bool filled = a->fill != TN_AUDIO_FILL_ZERO;
    uint64_t n_window = (s->n + window - 1) / window;
    if (s->n == 0) return tn_fail(err, TN_EINVAL, "the recording has no samples");
    if (!filled && s->n <= half)
        return tn_fail(err, TN_EINVAL, "a recording of %g s; it must be longer than %g s",
                       (double)s->n / a->sample_rate, (double)half / a->sample_rate);
    if (a->max_windows && n_window > a->max_windows)
        return tn_fail(err, TN_ELIMIT,
                       "a recording of %g s; this model takes %g s at most: send less, or pieces",
                       (double)s->n / a->sample_rate, (double)a->max_windows * window / a->sample_rate);
    ret->n_sound = filled ? (s->n + a->hop - 1) / a->hop : s->n / a->hop;
    *ret_n = (int64_t)(filled ? n_window * window : s->n);
    ret->n_frame = (s->n + half) / a->hop + 1; /* later ones are of silence */
    if (!filled || ret->n_frame > (uint64_t)*ret_n / a->hop) ret->n_frame = (uint64_t)*ret_n / a->hop;
    return 0;
}

static int check_samples(const tn_sound *s, tn_error *err) {
    for (uint64_t i = 0; i < s->n; i++)
        if (!isfinite(s->samples[i]))
            return tn_fail(err, TN_EFORMAT, "sample %llu is not a number", (unsigned long long)i);
    return 0;
}

int tn_mel_make(const tn_audio *a, const tn_sound *s, tn_mel *ret, tn_error *err) {
    extractor x;
    int64_t n = 0;
    double most = -10;
    *ret = (tn_mel){.n_mel = a->n_mel};
    int rc = lengths(a, s, ret, &n, err);
    if (!rc) rc = check_samples(s, err);
    if (rc) return rc;
    rc = extractor_init(&x, a, err);
    if (!rc && !(ret->values = malloc((size_t)(ret->n_frame + 1) * a->n_mel * sizeof(float))))
        rc = tn_fail(err, TN_ENOMEM, "out of memory for %llu frames", (unsigned long long)ret->n_frame);
    for (uint64_t f = 0; !rc && f < ret->n_frame; f++) {
        spectrum(&x, s, (int64_t)(f * a->hop), n);
        most = fmax(most, take_bands(&x, ret->values + f * a->n_mel));
    }
    for (uint64_t i = 0; !rc && i < ret->n_frame * a->n_mel; i++)
        ret->values[i] = scaled(ret->values[i], most);
    ret->rest = a->fill == TN_AUDIO_FILL_ZERO ? 0 : scaled(-10, most);
    extractor_fini(&x);
    return rc;
}

/* ---- Windows ---- */

/* Frames of the recording in window w. */
static uint32_t frames_in(const tn_audio *a, const tn_mel *m, uint32_t w) {
    const uint64_t left = m->n_sound - (uint64_t)w * a->window;
    return left < a->window && a->fill != TN_AUDIO_FILL_WINDOW ? (uint32_t)left : a->window;
}

/* Rows of the tower that somebody sees. */
static uint32_t rows_in(const tn_audio *a, const tn_mel *m, uint32_t w) {
    const uint32_t frames = frames_in(a, m, w), piece = piece_of(a);
    return frames / piece * rows_of(a, piece) + rows_of(a, frames % piece);
}

uint32_t tn_mel_windows(const tn_audio *a, const tn_mel *m) {
    return (uint32_t)((m->n_sound + a->window - 1) / a->window);
}

uint32_t tn_mel_window_rows(const tn_audio *a, const tn_mel *m, uint32_t w) {
    return rows_in(a, m, w) / a->fold;
}

static void fill_row(const tn_audio *a, const tn_mel *m, uint32_t w, uint32_t row, float *to) {
    const uint32_t piece = piece_of(a), each = rows_of(a, piece);
    const uint64_t first = (uint64_t)w * a->window + (uint64_t)(row / each) * piece;
    for (uint32_t i = 0; i < a->row_frames; i++, to += a->n_mel) {
        const uint32_t in_piece = row % each * a->row_frames + i;
        const uint64_t frame = first + in_piece;
        const float *from = m->values + frame * a->n_mel;
        for (uint32_t k = 0; k < a->n_mel; k++)
            to[k] = in_piece >= piece ? 0 : frame < m->n_frame ? from[k] : m->rest;
    }
}

/* Convolutions that go beyond the last row that counts see what is there: one more row is enough. */
static uint32_t input_rows(const tn_audio *a, uint32_t seen) {
    const uint32_t most = tn_sound_most_rows(a), n = seen + 1 > most ? most : seen + 1;
    return (n + a->fold - 1) / a->fold * a->fold;
}

static int allocate(tn_patches *p, uint32_t n_piece, tn_error *err) {
    p->rows = malloc((size_t)p->n_row * p->cols * sizeof *p->rows);
    p->coord = calloc(p->n_row, sizeof *p->coord);
    p->mix_index = calloc(p->n_row, sizeof *p->mix_index);
    p->mix_weight = calloc(p->n_row, sizeof *p->mix_weight);
    p->frame_end = calloc(1, sizeof *p->frame_end);
    p->window_end = calloc(n_piece, sizeof *p->window_end);
    if (p->rows && p->coord && p->mix_index && p->mix_weight && p->frame_end && p->window_end) return 0;
    tn_patches_fini(p);
    return tn_fail(err, TN_ENOMEM, "out of memory for a window of sound");
}

int tn_mel_cut(const tn_audio *a, const tn_mel *m, uint32_t w, tn_patches *ret, tn_error *err) {
    const uint32_t each = rows_of(a, piece_of(a)), seen = rows_in(a, m, w);
    *ret = (tn_patches){.n_row = input_rows(a, seen), .cols = a->row_frames * a->n_mel, .n_frame = 1};
    ret->n_window = (ret->n_row + each - 1) / each;
    int rc = allocate(ret, ret->n_window, err);
    if (rc) return rc;
    for (uint32_t i = 0; i < ret->n_row; i++) {
        fill_row(a, m, w, i, ret->rows + (size_t)i * ret->cols);
        ret->mix_index[i][0] = i % each;
        ret->mix_weight[i][0] = 1;
    }
    for (uint32_t i = 0; i < ret->n_window; i++)
        ret->window_end[i] = (i + 1) * each < ret->n_row ? (i + 1) * each : ret->n_row;
    ret->frame_end[0] = seen;
    return 0;
}
