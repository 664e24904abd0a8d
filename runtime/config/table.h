/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all settings: the one place where a setting is declared. What files may contain, the names of
 * environment variables, `tenon config show`, range checks and the test of tenon.conf(5) read it, so they
 * cannot disagree. */
#ifndef TN_CONFIG_TABLE_H
#define TN_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/settings.h"

/* What a setting's text may be, and the type of the field that it lands in. */
typedef enum tn_setting_kind {
    TN_SETTING_BOOL,    /* true/false, yes/no, on/off: bool */
    TN_SETTING_UINT,    /* min..max: uint64_t */
    TN_SETTING_SIZE,    /* bytes min..max, suffix K, M, G (1024): uint64_t */
    TN_SETTING_SECONDS, /* min..max, suffix ms, s, m, h: double */
    TN_SETTING_REAL,    /* min..max: double */
    TN_SETTING_WORD,    /* one of words: char * */
    TN_SETTING_CHOICE,  /* one of words: an enum, counting from the first word */
    TN_SETTING_TEXT,    /* char * */
    TN_SETTING_FILE,    /* a path, relative to the file that says it: char * */
    TN_SETTING_MODEL,   /* the same, but without '/' the name of an installed model: char * */
    TN_SETTING_LISTEN,  /* tn_listen */
    TN_SETTING_LIST,    /* tn_string_list */
} tn_setting_kind;

typedef enum tn_setting_section {
    TN_SECTION_SERVER,
    TN_SECTION_CACHE,
    TN_SECTION_LIMITS,
    TN_SECTION_MEDIA,
    TN_SECTION_MODEL,
    TN_SECTION_MODULE, /* has no rows: its keys are the modules' own */
    TN_SECTION_COUNT
} tn_setting_section;

typedef struct tn_setting_row {
    tn_setting_section section;
    tn_setting_kind kind;
    const char *key;
    const char *def;   /* what is set when nobody sets it; NULL: nothing is */
    const char *unset; /* what that means, for `config show`; NULL where def is not NULL */
    const char *help;  /* one sentence without a full stop */
    const char *words; /* WORD, CHOICE: the choices, "|" between them */
    double min, max;   /* of numbers, below 2^53 */
    size_t offset;     /* of the field in the section's struct */
    bool secret;       /* never shown */
    const char *(*check)(
        const char *text); /* TEXT, items of LIST: what is wrong with it, or NULL; may be NULL */
} tn_setting_row;

extern const tn_setting_row tn_setting_rows[];
extern const size_t tn_setting_row_count;

/* "server", ..., with NULL at [TN_SECTION_COUNT]. */
extern const char *const tn_section_names[];
/* Whether a section has a title: "model NAME {". */
bool tn_section_titled(tn_setting_section section);
/* TN_SECTION_COUNT when there is none. */
tn_setting_section tn_section_find(const char *name);

/* The row of that section, or NULL. */
const tn_setting_row *tn_setting_find(tn_setting_section section, const char *key);
/* Index into arrays that run parallel to the rows. */
size_t tn_setting_index(const tn_setting_row *row);

/* What is wrong with the name of a model, or NULL. */
const char *tn_model_name_check(const char *name);

#endif
