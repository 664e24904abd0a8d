/* SPDX-License-Identifier: Apache-2.0 */
/* Declared command-line options. A command says in one table what it takes; parsing, --help and shell
 * completion all read that table, so they cannot disagree.
 *
 * Values land in a struct of the command's, at the offset each row names. A field holds the command's default
 * before parsing; strings point into argv. Knows getopt_long and runtime/base, nothing of the commands. */
#ifndef TN_CLI_OPTIONS_H
#define TN_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"

/* What a row's value is, and the type of the field it lands in. */
typedef enum tn_opt_kind {
    TN_OPT_END,     /* the end of a table, written {.kind = TN_OPT_END} */
    TN_OPT_FLAG,    /* no value; bool */
    TN_OPT_STRING,  /* any text; const char * */
    TN_OPT_WORD,    /* one of words ("f32|auto"); const char *, in argv like a string */
    TN_OPT_UINT,    /* a whole number min..max; uint64_t */
    TN_OPT_REAL,    /* a finite number min..max; double */
    TN_OPT_LIST,    /* whole numbers min..max with commas ("1,2,4"); tn_opt_list */
    TN_OPT_STRINGS, /* any text, may be given several times; tn_opt_strings */
    TN_OPT_GROUP,   /* another table, shared by several commands; its struct lies at the offset */
} tn_opt_kind;

/* What a shell may offer as a value or an operand. */
typedef enum tn_complete {
    TN_COMPLETE_NONE,
    TN_COMPLETE_FILE,
    TN_COMPLETE_MODEL,   /* a file, a directory, or a configured name */
    TN_COMPLETE_COMMAND, /* a subcommand of tenon */
} tn_complete;

/* The value of a TN_OPT_STRINGS: in the order given, in argv like a string. */
typedef struct tn_opt_strings {
    uint32_t n; /* 0: not given */
    const char *value[32];
} tn_opt_strings;

/* The value of a TN_OPT_LIST. */
typedef struct tn_opt_list {
    uint32_t n; /* 0: not given */
    uint64_t value[32];
} tn_opt_list;

typedef struct tn_option_row {
    tn_opt_kind kind;
    char letter;       /* short form, or 0 */
    tn_complete hint;  /* STRING */
    bool hidden;       /* works, but is not shown */
    const char *name;  /* long form without dashes */
    const char *arg;   /* placeholder of the value ("FILE"); NULL for a flag */
    const char *help;  /* one sentence without a full stop */
    const char *words; /* WORD: the choices, "|" between them */
    double min, max;   /* UINT, LIST (below 2^53) and REAL */
    size_t offset;     /* of the field in the command's struct */
    const struct tn_option_row *group;
} tn_option_row;

/* Most rows of a command, groups included. */
enum { TN_OPT_MAX = 64 };

/* Parses argv[1..argc-1] into args by table. Options and operands may mix unless stop_at_operand; "--" ends
 * the options. args: the command's struct, holding defaults. *ret_first: index of the first operand; argv is
 * reordered so that all operands follow it. TN_EINVAL with the option, its value and what is allowed.
 * [control thread] */
int tn_options_parse(const tn_option_row *table, int argc, char **argv, bool stop_at_operand, void *args,
                     int *ret_first, tn_error *err);

/* The rows of a table with groups opened, in order, offsets made absolute; at most TN_OPT_MAX. Returns their
 * number. */
size_t tn_options_flatten(const tn_option_row *table, tn_option_row *ret_rows);

/* Appends the table as the options part of --help, hidden rows left out. */
void tn_options_help(const tn_option_row *table, tn_buf *out);

/* Strict numbers: all of text, decimal, min..max; name is the option's or operand's for the message.
 * TN_EINVAL. */
int tn_parse_uint(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *ret,
                  tn_error *err);
int tn_parse_real(const char *name, const char *text, double min, double max, double *ret, tn_error *err);

#endif
