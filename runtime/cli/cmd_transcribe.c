/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/load.h"
#include "cli/progress.h"
#include "media/decoder.h"
#include "media/fetch.h"
#include "media/sound.h"
#include "sched/speech.h"

typedef struct transcribe_args {
    tn_compute_args compute;
    const char *language, *format;
    bool translate, no_timestamps;
} transcribe_args;

static const char *const formats[] = {"text", "json", "srt", "vtt", NULL};

#define AT(field) .offset = offsetof(transcribe_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, .name = "language", .arg = "CODE",
     .help = "what is spoken: en, de, ... (default: the model listens)", AT(language)},
    {TN_OPT_FLAG, .name = "translate", .help = "write it in English", AT(translate)},
    {TN_OPT_STRING, .name = "format", .arg = "text|json|srt|vtt", .help = "what is printed (default text)",
     AT(format)},
    {TN_OPT_FLAG, .name = "no-timestamps", .help = "do not ask the model for times", AT(no_timestamps)},
    {TN_OPT_GROUP, .group = tn_compute_options, AT(compute)},
    {.kind = TN_OPT_END},
};

/* 00:01:02,345 */
static void print_time(double seconds, char point) {
    const long long ms = llround(seconds * 1000);
    printf("%02lld:%02lld:%02lld%c%03lld", ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, point, ms % 1000);
}

static void print_cues(const tn_transcript *t, bool vtt) {
    if (vtt) puts("WEBVTT\n");
    for (size_t i = 0; i < t->n_segment; i++) {
        const tn_segment *s = &t->segments[i];
        const size_t space = strspn(s->text, " ");
        for (char *c = s->text; *c; c++)
            if ((unsigned char)*c < ' ') *c = ' '; /* a line's end would end the cue */
        if (!vtt) printf("%zu\n", i + 1);
        print_time(s->start, vtt ? '.' : ',');
        fputs(" --> ", stdout);
        print_time(s->end, vtt ? '.' : ',');
        printf("\n%s\n\n", s->text + space);
    }
}

static int print_json(const tn_transcript *t, tn_error *err) {
    json_t *list = json_array(), *root;
    for (size_t i = 0; i < t->n_segment; i++) {
        const tn_segment *s = &t->segments[i];
        json_array_append_new(list, json_pack("{s:f,s:f,s:o}", "start", s->start, "end", s->end, "text",
                                              json_stringn_nocheck(s->text, s->len)));
    }
    root = json_pack("{s:s,s:f,s:o}", "language", t->language, "duration", t->duration, "segments", list);
    char *line = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!line) return tn_fail(err, TN_ENOMEM, "out of memory");
    puts(line);
    free(line);
    return 0;
}

static int print(const tn_transcript *t, const char *format, tn_error *err) {
    if (strcmp(format, "json") == 0) return print_json(t, err);
    if (strcmp(format, "text") != 0) {
        print_cues(t, strcmp(format, "vtt") == 0);
        return 0;
    }
    for (size_t i = 0; i < t->n_segment; i++) fwrite(t->segments[i].text, 1, t->segments[i].len, stdout);
    putchar('\n');
    return 0;
}

static int read_sound(const tn_registry *r, const char *path, tn_sound *ret, tn_error *err) {
    const tn_fetch_limits limits = {
        .max_bytes = TN_DECODE_MAX_BYTES, .timeout_s = 60, .allow_url = true, .own_files = true};
    tn_fetched file = {0};
    tn_decoder *d = NULL;
    int rc = tn_fetch(&limits, path, strlen(path), &file, err);
    if (!rc) rc = tn_decoder_new(r, NULL, &d, err);
    if (!rc) rc = tn_decoder_sound(d, file.bytes, file.len, ret, err);
    tn_decoder_free(d);
    tn_fetched_free(&file);
    return rc ? tn_error_prefix(err, rc, "%s", path) : 0;
}

static bool on_seconds(void *ctx, double done, double all) {
    return tn_progress_step(ctx, (uint64_t)done, (uint64_t)ceil(all)) == 0;
}

static int check_format(const char *format, tn_error *err) {
    for (int i = 0; formats[i]; i++)
        if (strcmp(formats[i], format) == 0) return 0;
    return tn_usage(err, "--format %s: text, json, srt or vtt", format);
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const transcribe_args *a = args;
    const tn_speech_options o = {
        .language = a->language, .translate = a->translate, .timestamps = !a->no_timestamps};
    tn_loaded_model l = {0};
    tn_sound sound = {0};
    tn_speech *speech = NULL;
    tn_transcript t = {0};
    (void)n;
    int rc = check_format(a->format, err);
    if (rc) return rc;
    tn_interrupt_catch();
    rc = tn_load(operands[0], &a->compute, (tn_model_config){.max_seqs = 1}, &l, err);
    if (!rc) rc = tn_need_tokenizer(l.model, err);
    if (!rc) rc = tn_speech_new(l.model, &speech, err);
    if (!rc) rc = read_sound(l.registry, operands[1], &sound, err);
    tn_progress bar;
    tn_progress_init(&bar, operands[1]);
    if (!rc) rc = tn_speech_transcribe(speech, &sound, &o, on_seconds, &bar, &t, err);
    tn_progress_fini(&bar);
    if (!rc) rc = print(&t, a->format, err);
    tn_transcript_fini(&t);
    tn_sound_fini(&sound);
    tn_speech_free(speech);
    tn_unload(&l);
    return rc;
}

static void defaults(void *args) {
    transcribe_args *a = args;
    a->format = "text";
}

const tn_command tn_cmd_transcribe = {
    .name = "transcribe",
    .operands = "MODEL FILE",
    .help = "write down what is said in a recording",
    .about = "Writes down the recording FILE with MODEL, which is a Whisper.",
    .options = options,
    .hint = TN_COMPLETE_FILE,
    .min_operands = 2,
    .max_operands = 2,
    .args_size = sizeof(transcribe_args),
    .defaults = defaults,
    .run = run,
};
