/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/speech.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "media/intake.h"
#include "media/sound.h"
#include "sched/engine.h"
#include "sched/sight.h"
#include "sched/tower.h"

enum { MAX_LANGUAGE = 256, MAX_LIST = 4096, MAX_TEXT = 1 << 20, MAX_SEGMENT = 1 << 20 };
#define STORE_BYTES ((uint64_t)1) /* a window's rows are not wanted twice */

typedef struct language {
    char name[16]; /* "en" */
    int32_t id;
} language;

/* What generation_config.json says. Ids are -1 where there is none. */
typedef struct rules {
    int32_t start, end, no_timestamps, first_timestamp, transcribe, translate;
    int32_t max_initial; /* timestamps after the first that may come first */
    language languages[MAX_LANGUAGE];
    uint32_t n_language;
    int32_t *suppress, *begin_suppress; /* never chosen; not chosen first */
    size_t n_suppress, n_begin_suppress;
} rules;

struct tn_speech {
    tn_model *m;
    rules rules;
    tn_media_store *store;
    tn_intake *intake;
    tn_engine *engine;
};

/* ---- Rules ---- */

static int32_t id_of(const tn_speech *s, const json_t *v) {
    const json_int_t id = json_is_integer(v) ? json_integer_value(v) : -1;
    return id >= 0 && id < s->m->program->n_vocab ? (int32_t)id : -1;
}

/* "<|en|>": 50259 */
static void read_languages(tn_speech *s, json_t *map) {
    rules *r = &s->rules;
    const char *key;
    json_t *v;
    json_object_foreach(map, key, v) {
        const size_t len = strlen(key);
        const int32_t id = id_of(s, v);
        if (id < 0 || len < 6 || len - 4 >= sizeof r->languages->name || r->n_language == MAX_LANGUAGE)
            continue;
        language *l = &r->languages[r->n_language++];
        memcpy(l->name, key + 2, len - 4);
        l->name[len - 4] = 0;
        l->id = id;
    }
}

static int read_list(tn_speech *s, json_t *list, int32_t **ret, size_t *ret_n, tn_error *err) {
    size_t i;
    json_t *v;
    *ret_n = 0;
    if (json_array_size(list) > MAX_LIST)
        return tn_fail(err, TN_ELIMIT, "generation_config.json: a list of %zu ids, the limit is %d",
                       json_array_size(list), MAX_LIST);
    *ret = calloc(json_array_size(list) + 1, sizeof **ret);
    if (!*ret) return tn_fail(err, TN_ENOMEM, "out of memory");
    json_array_foreach(list, i, v) if (id_of(s, v) >= 0)(*ret)[(*ret_n)++] = id_of(s, v);
    return 0;
}

static int read_rules(tn_speech *s, tn_error *err) {
    rules *r = &s->rules;
    json_t *g = tn_checkpoint_generation_config(s->m->checkpoint), *v;
    r->start = id_of(s, json_object_get(g, "decoder_start_token_id"));
    v = json_object_get(g, "eos_token_id");
    r->end = id_of(s, json_is_array(v) ? json_array_get(v, 0) : v);
    r->no_timestamps = id_of(s, json_object_get(g, "no_timestamps_token_id"));
    r->first_timestamp = r->no_timestamps < 0 ? -1 : r->no_timestamps + 1;
    v = json_object_get(g, "max_initial_timestamp_index");
    r->max_initial = json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < 1 << 20
                         ? (int32_t)json_integer_value(v)
                         : 50;
    r->transcribe = id_of(s, json_object_get(json_object_get(g, "task_to_id"), "transcribe"));
    r->translate = id_of(s, json_object_get(json_object_get(g, "task_to_id"), "translate"));
    read_languages(s, json_object_get(g, "lang_to_id"));
    int rc = read_list(s, json_object_get(g, "suppress_tokens"), &r->suppress, &r->n_suppress, err);
    if (!rc)
        rc = read_list(s, json_object_get(g, "begin_suppress_tokens"), &r->begin_suppress,
                       &r->n_begin_suppress, err);
    if (!rc && (r->start < 0 || r->end < 0))
        rc = tn_fail(err, TN_EFORMAT,
                     "generation_config.json has no decoder_start_token_id or no eos_token_id");
    return rc;
}

/* ---- Shaping rows ---- */

/* What may come next in one window. */
typedef struct shaper {
    const rules *r;
    uint32_t n_vocab;
    bool timestamps, languages; /* the answer has times; it is a language */
} shaper;

static void forbid(float *logits, int64_t first, int64_t end) {
    for (int64_t i = first; i < end; i++) logits[i] = -INFINITY;
}

/* Times come in pairs, never go back, and come first, near the beginning. Where a time is more probable than
 * any text, it is one. */
static void shape_times(const shaper *s, const tn_history *h, float *logits) {
    const rules *r = s->r;
    const int32_t t0 = r->first_timestamp, n = (int32_t)s->n_vocab;
    const int32_t *ids = h->ids + h->n_prompt;
    const uint32_t n_ids = h->n_ids - h->n_prompt;
    if (r->no_timestamps >= 0) logits[r->no_timestamps] = -INFINITY;
    const bool last = n_ids && ids[n_ids - 1] >= t0, before = n_ids < 2 || ids[n_ids - 2] >= t0;
    if (last && before) forbid(logits, t0, n); /* a pair is complete: text */
    if (last && !before)
        forbid(logits, 0, r->end < t0 ? r->end : t0); /* the other one of a pair, or the end */
    for (uint32_t i = n_ids; i-- > 0;)
        if (ids[i] >= t0) {
            forbid(logits, t0, ids[i] + !(last && !before));
            break;
        }
    if (n_ids == 0) {
        forbid(logits, 0, t0);
        forbid(logits, (int64_t)t0 + r->max_initial + 1, n);
    }
    float most_text = -INFINITY, most = -INFINITY;
    for (int32_t i = 0; i < n; i++) {
        if (i < t0 && logits[i] > most_text) most_text = logits[i];
        if (logits[i] > most) most = logits[i];
    }
    double sum = 0;
    for (int32_t i = t0; i < n; i++) sum += exp((double)logits[i] - most);
    if (log(sum) > (double)most_text - most) forbid(logits, 0, t0);
}

static void shape(void *ctx, const tn_history *h, float *logits) {
    const shaper *s = ctx;
    const rules *r = s->r;
    if (s->languages) {
        float kept[MAX_LANGUAGE];
        for (uint32_t i = 0; i < r->n_language; i++) kept[i] = logits[r->languages[i].id];
        forbid(logits, 0, s->n_vocab);
        for (uint32_t i = 0; i < r->n_language; i++) logits[r->languages[i].id] = kept[i];
        return;
    }
    for (size_t i = 0; i < r->n_suppress; i++) logits[r->suppress[i]] = -INFINITY;
    for (size_t i = 0; h->n_ids == h->n_prompt && i < r->n_begin_suppress; i++)
        logits[r->begin_suppress[i]] = -INFINITY;
    if (s->timestamps) shape_times(s, h, logits);
}

/* ---- Windows ---- */

typedef struct answer {
    int32_t *ids; /* [n_max] */
    uint32_t n, n_max;
} answer;

static bool on_token(void *ctx, const tn_token *token) {
    answer *a = ctx;
    if (a->n < a->n_max) a->ids[a->n++] = token->id;
    return a->n < a->n_max;
}

/* What the decoder says after `prompt` about the window. */
static int decode(tn_speech *s, const tn_seen *seen, const int32_t *prompt, uint32_t n_prompt,
                  uint32_t max_new, const shaper *how, answer *ret, tn_error *err) {
    tn_sight sight;
    tn_seq *seq;
    tn_seq_config c = {
        .max_new = max_new, .ctx = ret, .on_token = on_token, .stop_ids = &s->rules.end, .n_stop_ids = 1};
    c.sampling.shape = shape;
    c.sampling.shape_ctx = (void *)(uintptr_t)how;
    ret->n = 0;
    int rc = tn_sight_bind(s->m, prompt, n_prompt, seen, 1, &sight, err);
    if (rc) return rc;
    tn_sight_config(&sight, &c);
    rc = tn_engine_add(s->engine, &c, &seq, err);
    if (!rc) {
        rc = tn_engine_run(s->engine, err);
        if (!rc && tn_seq_finish(seq) == TN_FINISH_FAILED)
            rc = tn_fail(err, tn_seq_error(seq)->code, "%s", tn_seq_error(seq)->text);
        tn_engine_remove(s->engine, seq);
    }
    tn_sight_fini(&sight);
    return rc;
}

static int find_language(const tn_speech *s, const char *name, int32_t *ret, tn_error *err) {
    const rules *r = &s->rules;
    char known[256] = "";
    for (uint32_t i = 0; i < r->n_language; i++) {
        if (strcmp(r->languages[i].name, name) == 0) {
            *ret = r->languages[i].id;
            return 0;
        }
        size_t len = strlen(known);
        if (len + 8 < sizeof known) snprintf(known + len, sizeof known - len, " %s", r->languages[i].name);
    }
    return tn_fail(err, TN_EINVAL, "the model does not know the language \"%.15s\"; it knows%s", name,
                   r->n_language ? known : " one only, and is not told which");
}

/* The language of a window, by what the decoder would say after its start. */
static int hear_language(tn_speech *s, const tn_seen *seen, int32_t *ret, tn_error *err) {
    const shaper how = {.r = &s->rules, .n_vocab = s->m->program->n_vocab, .languages = true};
    int32_t id = s->rules.languages[0].id;
    answer a = {.ids = &id, .n_max = 1};
    int rc = decode(s, seen, &s->rules.start, 1, 1, &how, &a, err);
    if (!rc) *ret = id;
    return rc;
}

/* start, language, task, and whether there are times. */
static uint32_t write_prompt(const tn_speech *s, const tn_speech_options *o, int32_t lang, int32_t ret[4]) {
    const rules *r = &s->rules;
    const int32_t task = o->translate ? r->translate : r->transcribe;
    uint32_t n = 0;
    ret[n++] = r->start;
    if (lang >= 0) ret[n++] = lang;
    if (lang >= 0 && task >= 0) ret[n++] = task;
    if (!o->timestamps && r->no_timestamps >= 0) ret[n++] = r->no_timestamps;
    return n;
}

static int add_segment(tn_speech *s, tn_transcript *t, const int32_t *ids, size_t n, double start, double end,
                       tn_error *err) {
    tn_buf text;
    if (t->n_segment == MAX_SEGMENT) return tn_fail(err, TN_ELIMIT, "more than %d segments", MAX_SEGMENT);
    tn_segment *grown = realloc(t->segments, (t->n_segment + 1) * sizeof *grown);
    if (!grown) return tn_fail(err, TN_ENOMEM, "out of memory");
    t->segments = grown;
    tn_buf_init(&text, MAX_TEXT);
    /* Models that are told to leave times out write some all the same. */
    int32_t *words = calloc(n + 1, sizeof *words);
    size_t n_word = 0;
    for (size_t i = 0; words && i < n; i++)
        if (s->rules.first_timestamp < 0 || ids[i] < s->rules.first_timestamp) words[n_word++] = ids[i];
    int rc = words ? tn_tokenizer_decode(s->m->tokenizer, words, n_word, TN_DECODE_SKIP_SPECIAL, &text, err)
                   : tn_fail(err, TN_ENOMEM, "out of memory");
    free(words);
    tn_buf_adds(&text, "");
    size_t len = text.len;
    char *chars = rc ? NULL : tn_buf_steal(&text, NULL);
    tn_buf_free(&text);
    if (rc) return rc;
    if (!chars) return tn_fail(err, TN_ENOMEM, "out of memory");
    t->segments[t->n_segment++] = (tn_segment){.start = start, .end = end, .text = chars, .len = len};
    return 0;
}

/* Segments between pairs of times, and where the next window begins, in seconds from this one's beginning. */
static int take_segments(tn_speech *s, const answer *a, double base, double length, double each,
                         tn_transcript *t, double *ret_next, tn_error *err) {
    const int32_t t0 = s->rules.first_timestamp;
    double start = 0;
    uint32_t first = 0;
    int rc = 0;
    *ret_next = length;
    for (uint32_t i = 0; !rc && i < a->n; i++) {
        if (a->ids[i] < t0) continue;
        const double at = fmin((a->ids[i] - t0) * each, length);
        if (i > first) {
            rc = add_segment(s, t, a->ids + first, i - first, base + start, base + at, err);
            *ret_next = at;
        }
        start = at;
        first = i + 1;
    }
    /* Text without an end belongs to the next window, unless there was nothing before it. A single time at
     * the end: nothing is said after it. */
    if (!rc && first < a->n && first <= 1) {
        rc = add_segment(s, t, a->ids + first, a->n - first, base + start, base + length, err);
        *ret_next = length;
    }
    if (a->n >= 2 && a->ids[a->n - 1] >= t0 && a->ids[a->n - 2] < t0) *ret_next = length;
    if (!(*ret_next > 0)) *ret_next = length;
    return rc;
}

static int transcribe_window(tn_speech *s, tn_sound *part, const tn_speech_options *o, int32_t *lang,
                             answer *a, tn_error *err) {
    const shaper how = {.r = &s->rules, .n_vocab = s->m->program->n_vocab, .timestamps = o->timestamps};
    int32_t prompt[4];
    tn_seen seen;
    int rc = tn_intake_sound(s->intake, part, &seen, err);
    if (rc) return rc;
    if (*lang < 0 && s->rules.n_language) rc = hear_language(s, &seen, lang, err);
    const uint32_t n = write_prompt(s, o, *lang, prompt);
    if (!rc) rc = decode(s, &seen, prompt, n, a->n_max - n, &how, a, err);
    tn_seen_fini(&seen);
    return rc;
}

static int check_options(const tn_speech *s, const tn_speech_options *o, int32_t *ret_lang, tn_error *err) {
    *ret_lang = -1;
    if (o->translate && s->rules.translate < 0)
        return tn_fail(err, TN_EINVAL, "the model does not translate");
    if (o->timestamps && s->rules.first_timestamp < 0)
        return tn_fail(err, TN_EINVAL, "the model has no tokens for times");
    return o->language ? find_language(s, o->language, ret_lang, err) : 0;
}

int tn_speech_transcribe(tn_speech *s, tn_sound *sound, const tn_speech_options *options,
                         bool (*seconds)(void *ctx, double done, double all), void *ctx, tn_transcript *ret,
                         tn_error *err) {
    const tn_audio *a = &s->m->tower->audio;
    const uint64_t window = (uint64_t)a->window * a->hop;
    const double rate = a->sample_rate, each = (double)a->hop * a->row_frames / rate;
    answer said = {.n_max = s->m->n_ctx};
    int32_t lang;
    *ret = (tn_transcript){0};
    int rc = check_options(s, options, &lang, err);
    if (!rc) rc = tn_sound_resample(sound, a->sample_rate, err);
    if (!rc && !(said.ids = calloc(said.n_max, sizeof(int32_t))))
        rc = tn_fail(err, TN_ENOMEM, "out of memory");
    if (!rc && sound->n == 0) rc = tn_fail(err, TN_EINVAL, "the recording has no samples");
    ret->duration = (double)sound->n / rate;
    for (uint64_t at = 0; !rc && at < sound->n;) {
        const uint64_t n = sound->n - at < window ? sound->n - at : window;
        tn_sound part = {.rate = a->sample_rate, .n = n, .samples = sound->samples + at};
        double next = (double)n / rate;
        rc = transcribe_window(s, &part, options, &lang, &said, err);
        if (!rc && options->timestamps)
            rc = take_segments(s, &said, (double)at / rate, next, each, ret, &next, err);
        else if (!rc)
            rc = add_segment(s, ret, said.ids, said.n, (double)at / rate, (double)at / rate + next, err);
        const uint64_t step = (uint64_t)llround(next * rate);
        at += step ? step : n;
        if (!rc && seconds && !seconds(ctx, fmin((double)at / rate, ret->duration), ret->duration))
            rc = tn_fail(err, TN_ECANCELED, "interrupted");
    }
    for (uint32_t i = 0; !rc && i < s->rules.n_language; i++)
        if (s->rules.languages[i].id == lang)
            snprintf(ret->language, sizeof ret->language, "%s", s->rules.languages[i].name);
    free(said.ids);
    if (rc) tn_transcript_fini(ret);
    return rc;
}

/* ---- Life ---- */

int tn_speech_new(tn_model *m, tn_speech **ret, tn_error *err) {
    if (!m->program->n_cross)
        return tn_fail(err, TN_ENOTSUP,
                       "this model does not write down recordings: it has no cross attention");
    tn_speech *s = calloc(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    s->m = m;
    int rc = read_rules(s, err);
    if (!rc) rc = tn_media_store_new(STORE_BYTES, &s->store, err);
    if (!rc) rc = tn_intake_new(NULL, &m->tower->audio, s->store, 0, &s->intake, err);
    if (!rc) rc = tn_engine_new(m, NULL, &s->engine, err);
    if (rc) {
        tn_speech_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void tn_speech_free(tn_speech *s) {
    if (!s) return;
    tn_engine_free(s->engine);
    tn_intake_free(s->intake);
    tn_media_store_free(s->store);
    free(s->rules.suppress);
    free(s->rules.begin_suppress);
    free(s);
}

void tn_transcript_fini(tn_transcript *t) {
    for (size_t i = 0; i < t->n_segment; i++) free(t->segments[i].text);
    free(t->segments);
    *t = (tn_transcript){0};
}
