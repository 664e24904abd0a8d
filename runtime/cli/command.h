/* SPDX-License-Identifier: Apache-2.0 */
/* What a subcommand of tenon(1) is, and the list of them. To add one: write cmd_NAME.c with a tn_command, and
 * add its line to TN_COMMANDS. */
#ifndef TN_CLI_COMMAND_H
#define TN_CLI_COMMAND_H

#include <stddef.h>
#include <tenon/status.h>

#include "cli/options.h"

/* Exit statuses of the program, as tenon(1) documents them. */
enum tn_exit {
    TN_EXIT_OK = 0,
    TN_EXIT_INPUT = 1,        /* what was given is wrong: bad model file, template raised, prompt too long */
    TN_EXIT_USAGE = 2,        /* the command line is wrong */
    TN_EXIT_ENV = 3,          /* out of memory, input/output, device, module */
    TN_EXIT_BUG = 70,         /* a fault of ours or of a module */
    TN_EXIT_INTERRUPTED = 130 /* SIGINT */
};

typedef struct tn_command {
    const char *name;
    const char *operands; /* as the usage line shows them ("MODEL [PROMPT]"), or "" */
    const char *help;     /* one line for the list of commands, without a full stop */
    const char *about;    /* what --help says above the options: sentences, "\n" between lines */
    const tn_option_row *options;
    tn_complete hint;               /* of the operands */
    bool hidden;                    /* works, but is not listed */
    int min_operands, max_operands; /* max -1: any number */
    size_t args_size;               /* of the struct that options fill; it starts as zeros */
    void (*defaults)(void *args);   /* may be NULL */

    /* Does the work. operands: n strings, NULL-terminated. Results go to stdout by stdio: the frame flushes
     * and checks it. Returns 0, a tn_status with err filled (the frame prints it once and picks the exit
     * status), what tn_usage() returned, or a positive exit status when everything has been said. [control
     * thread] */
    int (*run)(void *args, int n, char **operands, tn_error *err);
} tn_command;

/* Fills err and returns a value that makes the program end with TN_EXIT_USAGE and a pointer to --help. */
int tn_usage(tn_error *err, const char *fmt, ...) TN_PRINTF(2, 3);

/* rc, a TN_EINVAL being what tn_usage() returns: for checks of the command line whose sentence is already in
 * err. */
int tn_usage_status(int rc);

/* The exit status for what a tn_command's run returned. */
int tn_exit_status(int rc);

/* X(name): cmd_NAME.c defines `const tn_command tn_cmd_NAME`. The order is that of --help. */
/* clang-format off */
#define TN_COMMANDS(X)                                                                       \
    X(run) X(chat) X(serve) X(ps) X(generate) X(logits) X(embed) X(tokenize) X(detokenize) X(render) X(quantize) X(transcribe) X(perplexity) X(bench) X(selftest) \
    X(modules) X(config) \
    X(help) X(complete)
/* clang-format on */

#define TN_COMMAND_DECLARE(name) extern const tn_command tn_cmd_##name;
TN_COMMANDS(TN_COMMAND_DECLARE)
#undef TN_COMMAND_DECLARE

/* All commands, hidden ones too, in order; ends with NULL. */
extern const tn_command *const tn_commands[];

/* The command called name, or NULL. */
const tn_command *tn_command_find(const char *name);

#endif
