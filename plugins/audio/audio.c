/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings, by libsndfile: WAV, AIFF, AU, CAF, W64, FLAC, Ogg (Vorbis, Opus), MP3. Channels are mixed down
 * as they are read, so memory goes with the length of one. */
#include <math.h>
#include <sndfile.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/modality.h>

#define READS "WAV, FLAC, Ogg and MP3"
enum { MAX_CHANNEL = 64, MAX_RATE = 768000, PART = 4096 /* samples at a time */ };

/* ---- Which file it is ---- */

typedef struct format {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t n);
    bool is_read;
} format;

static bool at(const uint8_t *bytes, size_t n, size_t where, const char *magic) {
    const size_t len = strlen(magic);
    return n >= where + len && memcmp(bytes + where, magic, len) == 0;
}
static bool is_wav(const uint8_t *bytes, size_t n) {
    return (at(bytes, n, 0, "RIFF") || at(bytes, n, 0, "RIFX") || at(bytes, n, 0, "RF64")) &&
           at(bytes, n, 8, "WAVE");
}
static bool is_w64(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, "riff\x2e\x91\xcf\x11");
}
static bool is_flac(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, "fLaC");
}
/* Theora and others are in Ogg too: the first packet, behind a header of 27 bytes and one segment length,
 * says. */
static bool is_ogg(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, "OggS") && (at(bytes, n, 28, "\x01vorbis") || at(bytes, n, 28, "OpusHead") ||
                                       at(bytes, n, 28,
                                          "\x7f"
                                          "FLAC") ||
                                       at(bytes, n, 28, "Speex"));
}
static bool is_aiff(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, "FORM") && (at(bytes, n, 8, "AIFF") || at(bytes, n, 8, "AIFC"));
}
static bool is_au(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, ".snd") || at(bytes, n, 0, "caff");
}
/* A tag, or the header of a frame of MPEG 1, 2 or 2.5, layer 3, with a rate and a bit rate that there are. */
static bool is_mp3(const uint8_t *bytes, size_t n) {
    if (at(bytes, n, 0, "ID3")) return true;
    return n >= 4 && bytes[0] == 0xff && (bytes[1] & 0xe6) == 0xe2 && (bytes[1] & 0x18) != 0x08 &&
           (bytes[2] & 0xf0) != 0xf0 && (bytes[2] & 0xf0) != 0 && (bytes[2] & 0x0c) != 0x0c;
}
static bool is_m4a(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 4, "ftypM4A") || at(bytes, n, 4, "ftypM4B");
}
static bool is_aac(const uint8_t *bytes, size_t n) {
    return n >= 4 && bytes[0] == 0xff && (bytes[1] & 0xf6) == 0xf0;
}
static bool is_wma(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11");
}
static bool is_amr(const uint8_t *bytes, size_t n) {
    return at(bytes, n, 0, "#!AMR");
}

static const format formats[] = {
    {"a WAV", is_wav, true},  {"a W64", is_w64, true},    {"a FLAC", is_flac, true},
    {"an Ogg", is_ogg, true}, {"an AIFF", is_aiff, true}, {"an AU or CAF", is_au, true},
    {"an MP3", is_mp3, true}, {"an M4A", is_m4a, false},  {"an AAC", is_aac, false},
    {"a WMA", is_wma, false}, {"an AMR", is_amr, false},
};

static const format *find(const uint8_t *bytes, size_t n) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (formats[i].is(bytes, n)) return &formats[i];
    return NULL;
}

static int32_t probe(const uint8_t *bytes, size_t n) {
    return find(bytes, n) ? 100 : 0;
}

/* libsndfile takes what is left of a WAV file that was cut off for all of it. Files that were written to
 * pipes say nothing, or as much as can be said. */
static int check_riff(const uint8_t *bytes, size_t n, tn_error *err) {
    if (n < 12 || !at(bytes, n, 0, "RIFF")) return 0;
    const uint32_t size =
        bytes[4] | (uint32_t)bytes[5] << 8 | (uint32_t)bytes[6] << 16 | (uint32_t)bytes[7] << 24;
    if (size >= 0x7fffff00 || size < n || size - n < 8) return 0;
    return tn_fail(err, TN_EFORMAT, "a WAV file that was cut off: %llu bytes of %llu", (unsigned long long)n,
                   (unsigned long long)size + 8);
}

/* ---- Bytes for libsndfile ---- */

typedef struct memory {
    const uint8_t *bytes;
    sf_count_t n, at;
} memory;

static sf_count_t on_length(void *ctx) {
    return ((memory *)ctx)->n;
}
static sf_count_t on_seek(sf_count_t offset, int whence, void *ctx) {
    memory *m = ctx;
    const sf_count_t from = whence == SEEK_CUR ? m->at : whence == SEEK_END ? m->n : 0;
    if (offset < -from || offset > m->n - from) return -1;
    return m->at = from + offset;
}
static sf_count_t on_read(void *to, sf_count_t count, void *ctx) {
    memory *m = ctx;
    if (count > m->n - m->at) count = m->n - m->at;
    if (count <= 0) return 0;
    memcpy(to, m->bytes + m->at, (size_t)count);
    m->at += count;
    return count;
}
static sf_count_t on_write(const void *from, sf_count_t count, void *ctx) {
    (void)from, (void)count, (void)ctx;
    return 0;
}
static sf_count_t on_tell(void *ctx) {
    return ((memory *)ctx)->at;
}

/* ---- Reading ---- */

typedef struct job {
    memory memory;
    SNDFILE *file;
    SF_INFO sf;
    const format *format;
    const tn_modality_limits *limits;
    tn_error *err;
} job;

static int check_length(const job *j, double seconds) {
    if (seconds <= j->limits->max_seconds) return 0;
    return tn_fail(j->err, TN_ELIMIT, "a recording of %.6g s; at most %.6g s are taken (media.max_duration)",
                   seconds, j->limits->max_seconds);
}

static void describe(const job *j, tn_media_info *ret) {
    SF_FORMAT_INFO f = {.format = j->sf.format & SF_FORMAT_TYPEMASK};
    const bool is_known = sf_command(NULL, SFC_GET_FORMAT_INFO, &f, sizeof f) == 0 && f.name;
    const bool is_counted = j->sf.frames > 0 && j->sf.frames < UINT32_MAX;
    ret->kind = TN_MODALITY_AUDIO;
    ret->width = ret->height = 0;
    ret->n_frame = is_counted ? (uint32_t)j->sf.frames : 0;
    ret->n_in_file = (uint32_t)j->sf.channels;
    ret->fps = j->sf.samplerate;
    ret->seconds = is_counted ? (double)j->sf.frames / j->sf.samplerate : 0;
    snprintf(ret->format, sizeof ret->format, "%s", is_known ? f.name : "sound");
}

/* Opens and compares what the head says with the limits; the file is to be closed after a success. */
static int open_sound(job *j, const uint8_t *bytes, size_t n, tn_media_info *ret) {
    SF_VIRTUAL_IO io = {on_length, on_seek, on_read, on_write, on_tell};
    j->memory = (memory){.bytes = bytes, .n = (sf_count_t)n};
    j->format = find(bytes, n);
    if (!j->format) return tn_fail(j->err, TN_EFORMAT, "not a recording: " READS " are read");
    if (!j->format->is_read)
        return tn_fail(j->err, TN_ENOTSUP, "%s file: " READS " are read, convert it to one of them",
                       j->format->name);
    int rc = check_riff(bytes, n, j->err);
    if (rc) return rc;
    j->file = sf_open_virtual(&io, SFM_READ, &j->sf, &j->memory);
    if (!j->file)
        return tn_fail(j->err, sf_error(NULL) == SF_ERR_UNSUPPORTED_ENCODING ? TN_ENOTSUP : TN_EFORMAT,
                       "%s file that cannot be read: %s", j->format->name, sf_strerror(NULL));
    if (j->sf.samplerate < 1 || j->sf.samplerate > MAX_RATE)
        rc = tn_fail(j->err, TN_ELIMIT, "%d samples a second; 1 to %d are taken", j->sf.samplerate, MAX_RATE);
    else if (j->sf.channels < 1 || j->sf.channels > MAX_CHANNEL)
        rc = tn_fail(j->err, TN_ELIMIT, "%d channels; 1 to %d are taken", j->sf.channels, MAX_CHANNEL);
    if (!rc) describe(j, ret);
    if (!rc) rc = check_length(j, ret->seconds);
    if (rc) sf_close(j->file);
    return rc;
}

static void mix(const float *from, uint32_t n, uint32_t n_channel, float *to) {
    for (uint32_t i = 0; i < n; i++) {
        double sum = 0;
        for (uint32_t c = 0; c < n_channel; c++) sum += from[(size_t)i * n_channel + c];
        to[i] = (float)(sum / n_channel);
    }
}

/* To the end of what there is. A file that was cut off gives fewer samples than it says. */
static int read_all(job *j, tn_modality_sink *sink) {
    const uint32_t n_channel = (uint32_t)j->sf.channels;
    float *part = malloc(sizeof *part * PART * n_channel);
    uint64_t done = 0;
    int rc = part ? 0 : tn_fail(j->err, TN_ENOMEM, "out of memory");
    while (!rc) {
        const sf_count_t n = sf_readf_float(j->file, part, PART);
        if (n <= 0) break;
        float *to = sink->samples(sink, (uint32_t)n, j->err);
        if (to) mix(part, (uint32_t)n, n_channel, to);
        done += (uint64_t)n;
        rc = to ? check_length(j, (double)done / j->sf.samplerate) : j->err->code;
    }
    free(part);
    if (!rc && sf_error(j->file))
        rc = tn_fail(j->err, TN_EFORMAT, "%s file, damaged after %llu samples: %s", j->format->name,
                     (unsigned long long)done, sf_strerror(j->file));
    if (!rc && j->sf.frames > 0 && j->sf.frames < SF_COUNT_MAX && done < (uint64_t)j->sf.frames &&
        (j->sf.format & SF_FORMAT_TYPEMASK) == SF_FORMAT_FLAC)
        rc = tn_fail(j->err, TN_EFORMAT, "%s file, cut off after %llu of %lld samples", j->format->name,
                     (unsigned long long)done, (long long)j->sf.frames);
    if (!rc && done == 0) rc = tn_fail(j->err, TN_EFORMAT, "%s file without samples", j->format->name);
    return rc;
}

static int32_t inspect(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, tn_media_info *ret,
                       tn_error *err) {
    job j = {.limits = limits, .err = err};
    int rc = open_sound(&j, bytes, n, ret);
    if (!rc) sf_close(j.file);
    return rc;
}

static int32_t decode(const uint8_t *bytes, size_t n, const tn_modality_limits *limits, const uint32_t *index,
                      uint32_t n_index, tn_modality_sink *sink, tn_media_info *ret, tn_error *err) {
    job j = {.limits = limits, .err = err};
    if (n_index != 1 || index[0] != 0) return tn_fail(err, TN_EINVAL, "a recording has no frames");
    int rc = open_sound(&j, bytes, n, ret);
    if (rc) return rc;
    rc = read_all(&j, sink);
    sf_close(j.file);
    return rc;
}

static const tn_modality modality = {
    .size = sizeof(tn_modality),
    .summary = "recordings: WAV, FLAC, Ogg, MP3",
    .kinds = 1u << TN_MODALITY_AUDIO,
    .probe = probe,
    .inspect = inspect,
    .decode = decode,
};

static const void *get_factory(const tn_host *host, const char *factory_id) {
    (void)host;
    return strcmp(factory_id, TN_MODALITY_FACTORY) == 0 ? &modality : NULL;
}

TN_MODULE_ENTRY(.id = "audio", .version = "1.0", .licence = "Apache-2.0", .options = NULL,
                .get_factory = get_factory);
