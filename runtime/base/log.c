/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"

static tn_log_level g_level = TN_LOG_WARN;
static tn_log_format g_format = TN_LOG_TEXT;
static const char *const level_names[] = {"error", "warn", "info", "debug", "trace"};

void tn_log_setup(tn_log_level level, tn_log_format format) {
    g_level = level;
    g_format = format;
}

bool tn_log_level_parse(const char *name, tn_log_level *ret) {
    for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *ret = (tn_log_level)i;
            return true;
        }
    return false;
}

bool tn_log_format_parse(const char *name, tn_log_format *ret) {
    bool json = strcmp(name, "json") == 0;
    if (!json && strcmp(name, "text") != 0) return false;
    *ret = json ? TN_LOG_JSON : TN_LOG_TEXT;
    return true;
}

bool tn_log_enabled(tn_log_level level) {
    return level <= g_level;
}

static void write_json(tn_log_level level, const char *part, const char *text) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double t = (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1000.0;
    json_t *line = json_pack("{s:f,s:s,s:s,s:o}", "time", t, "level", level_names[level], "part", part,
                             "text", json_stringn_nocheck(text, strlen(text)));
    char *out = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(13)) : NULL;
    fprintf(stderr, "%s\n", out ? out : "{\"level\":\"error\",\"text\":\"a log line could not be encoded\"}");
    free(out);
    json_decref(line);
}

/* Text from outside must not be able to look like lines of ours, nor to command a terminal. */
static void blank_controls(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 32 || *text == 127) *text = '?';
}

void tn_log(tn_log_level level, const char *part, const char *fmt, ...) {
    char text[2048];
    if (!tn_log_enabled(level)) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    blank_controls(text);
    if (g_format == TN_LOG_JSON)
        write_json(level, part, text);
    else
        fprintf(stderr, "tenon: %s: %s: %s\n", level_names[level], part, text);
}
