/* SPDX-License-Identifier: Apache-2.0 */
/* What the shells' completion scripts ask: `tenon complete -- WORD...` with the words after "tenon" up to the
 * cursor, the last one possibly empty. Prints one candidate a line, a tab and its help; the line ":file" asks
 * the shell to add file names. Everything comes from the command and option tables, so the scripts never
 * change. */
#include <stdio.h>
#include <string.h>

#include "cli/frame.h"
#include "config/settings.h"

/* Where the cursor stands. */
typedef struct position {
    const tn_command *cmd; /* NULL: before the command's name */
    tn_option_row rows[TN_OPT_MAX];
    size_t n_rows;
    const tn_option_row *value_of; /* the option whose value is wanted, or NULL */
} position;

static void offer(const char *prefix, const char *start, const char *word, size_t len, const char *help) {
    if (strncmp(word, start, strlen(start)) != 0 && strlen(start) > 0) return;
    printf("%s%.*s\t%s\n", prefix, (int)len, word, help);
}

static void offer_commands(const char *start) {
    for (const tn_command *const *c = tn_commands; *c; c++)
        if (!(*c)->hidden) offer("", start, (*c)->name, strlen((*c)->name), (*c)->help);
}

/* Those of tenon.conf; a file that is wrong offers none. */
static void offer_models(const char *start) {
    tn_settings *s = NULL;
    if (tn_settings_load(NULL, &s, NULL)) return;
    for (size_t i = 0; i < s->n_models; i++)
        offer("", start, s->models[i].name, strlen(s->models[i].name), "configured model");
    tn_settings_free(s);
}

static void offer_hint(tn_complete hint, const char *start) {
    if (hint == TN_COMPLETE_COMMAND) offer_commands(start);
    if (hint == TN_COMPLETE_MODEL) offer_models(start);
    if (hint == TN_COMPLETE_FILE || hint == TN_COMPLETE_MODEL) puts(":file");
}

static void offer_options(const position *at, const char *start) {
    for (size_t i = 0; i < at->n_rows; i++) {
        char name[64];
        int n = snprintf(name, sizeof name, "--%s", at->rows[i].name);
        if (!at->rows[i].hidden && n > 0) offer("", start, name, (size_t)n, at->rows[i].help);
    }
}

/* prefix: what stands before the value in the same word ("--device="), or "". */
static void offer_value(const tn_option_row *row, const char *prefix, const char *start) {
    if (!row->words) {
        offer_hint(row->hint, start);
        return;
    }
    for (const char *word = row->words; *word; word += strcspn(word, "|"), word += *word == '|')
        offer(prefix, start, word, strcspn(word, "|"), row->help);
}

static const tn_option_row *option_named(const position *at, const char *word) {
    for (size_t i = 0; i < at->n_rows; i++) {
        const tn_option_row *row = &at->rows[i];
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, row->name) == 0) return row;
        if (word[0] == '-' && word[1] == row->letter && row->letter && !word[2]) return row;
    }
    return NULL;
}

static void use_table(position *at, const tn_option_row *first, const tn_option_row *second) {
    const tn_option_row table[] = {
        {TN_OPT_GROUP, .group = first}, {TN_OPT_GROUP, .group = second}, {.kind = TN_OPT_END}};
    at->n_rows = tn_options_flatten(table, at->rows);
}

/* Reads the words before the cursor. */
static void locate(position *at, int n, char **words) {
    use_table(at, tn_global_options, NULL);
    for (int i = 0; i < n; i++) {
        if (at->value_of && strcmp(words[i], "=") == 0) continue; /* bash makes --a=b three words */
        if (at->value_of) {
            at->value_of = NULL;
            continue;
        }
        const tn_option_row *row = option_named(at, words[i]);
        if (row && row->kind != TN_OPT_FLAG) at->value_of = row;
        if (words[i][0] == '-' || at->cmd) continue;
        at->cmd = tn_command_find(words[i]);
        if (!at->cmd) return;
        use_table(at, at->cmd->options, tn_frame_options);
    }
}

static void complete_word(position *at, const char *word) {
    char name[64];
    size_t before_value = strcspn(word, "=");
    if (at->value_of) {
        offer_value(at->value_of, "", strcmp(word, "=") == 0 ? "" : word);
    } else if (word[0] == '-' && word[before_value]) {
        snprintf(name, sizeof name, "%.*s", (int)before_value, word);
        const tn_option_row *row = option_named(at, name);
        snprintf(name, sizeof name, "%.*s", (int)before_value + 1, word);
        if (row && row->kind != TN_OPT_FLAG) offer_value(row, name, word + before_value + 1);
    } else if (word[0] == '-') {
        offer_options(at, word);
    } else if (at->cmd) {
        offer_hint(at->cmd->hint, word);
    } else {
        offer_commands(word);
    }
}

static int run(void *args, int n, char **operands, tn_error *err) {
    position at = {0};
    locate(&at, n - 1, operands);
    complete_word(&at, operands[n - 1]);
    return 0;
}

const tn_command tn_cmd_complete = {
    .name = "complete",
    .operands = "-- WORD...",
    .help = "candidates for the last word of a command line",
    .about = "What the completion scripts of the shells call.",
    .hidden = true,
    .min_operands = 1,
    .max_operands = -1,
    .run = run,
};
