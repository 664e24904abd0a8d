/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "media/sound.h"

#include <stdlib.h>

#ifdef HAVE_SOXR
#    include <soxr.h>
#endif

void tn_sound_fini(tn_sound *s) {
    free(s->samples);
    *s = (tn_sound){0};
}

#ifdef HAVE_SOXR
static int resample(tn_sound *s, uint32_t rate, size_t room, float *to, size_t *ret_n, tn_error *err) {
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_runtime_spec_t one_thread = soxr_runtime_spec(1);
    soxr_error_t why = soxr_oneshot(s->rate, rate, 1, s->samples, (size_t)s->n, NULL, to, room, ret_n, &io,
                                    &quality, &one_thread);
    return why ? tn_fail(err, TN_EFORMAT, "resampling from %u to %u samples a second: %s", s->rate, rate, why)
               : 0;
}
#else
static int resample(tn_sound *s, uint32_t rate, size_t room, float *to, size_t *ret_n, tn_error *err) {
    (void)room, (void)to, (void)ret_n;
    return tn_fail(err, TN_ENOTSUP,
                   "a recording of %u samples a second, the model takes %u: this program was built without "
                   "libsoxr, which resamples",
                   s->rate, rate);
}
#endif

int tn_sound_resample(tn_sound *s, uint32_t rate, tn_error *err) {
    if (!s->rate || s->rate > TN_SOUND_MAX_RATE)
        return tn_fail(err, TN_ELIMIT, "a recording of %u samples a second; 1 to %d are taken", s->rate,
                       TN_SOUND_MAX_RATE);
    /* Below 2^64: n is at most 2^30, rates below 2^20. */
    const uint64_t n = s->n <= TN_SOUND_MAX_SAMPLES ? (s->n * rate + s->rate - 1) / s->rate : UINT64_MAX;
    if (n > TN_SOUND_MAX_SAMPLES)
        return tn_fail(err, TN_ELIMIT,
                       "a recording of %g s at %u samples a second; at most %llu samples are taken",
                       (double)s->n / s->rate, s->rate, (unsigned long long)TN_SOUND_MAX_SAMPLES);
    if (rate == s->rate || s->n == 0) {
        s->rate = rate;
        return 0;
    }
    float *to = malloc((size_t)(n + 1) * sizeof *to);
    size_t got = 0;
    if (!to) return tn_fail(err, TN_ENOMEM, "out of memory for %llu samples", (unsigned long long)n);
    int rc = resample(s, rate, (size_t)n + 1, to, &got, err);
    if (rc) {
        free(to);
        return rc;
    }
    free(s->samples);
    *s = (tn_sound){.rate = rate, .n = got, .samples = to};
    return 0;
}
