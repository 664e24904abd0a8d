/* SPDX-License-Identifier: Apache-2.0 */
/* What main() is made of: the options that every command takes, running a command, and printing help. */
#ifndef TN_CLI_FRAME_H
#define TN_CLI_FRAME_H

#include "base/buf.h"
#include "base/log.h"
#include "cli/command.h"

/* Taken before the command's name and after it. */
typedef struct tn_frame_args {
    bool help;
    const char *log_level, *log_format;
} tn_frame_args;

/* Taken before the command's name only. */
typedef struct tn_global_args {
    tn_frame_args frame;
    bool version;
    const char *scan_module, *media_helper;
} tn_global_args;

extern const tn_option_row tn_frame_options[];
extern const tn_option_row tn_global_options[];

/* Runs one command, argv[0] being its name; prints its error and returns the exit status. frame: what stood
 * before the name. */
int tn_frame_run(const tn_command *cmd, tn_frame_args frame, int argc, char **argv);

/* Applies --log-level and --log-format. */
void tn_frame_log(const tn_frame_args *frame);
/* The same over a level and a format that something else says (a configuration file); frame NULL: those of
 * the last call. [control thread] */
void tn_frame_log_over(const tn_frame_args *frame, tn_log_level level, tn_log_format format);

/* Prints a failure of who ("tenon tokenize") as --log-format wants it, with a pointer to --help when it was a
 * usage error, and returns the exit status. */
int tn_frame_fail(const tn_frame_args *frame, const char *who, int rc, const tn_error *err);

/* Appends the text of `tenon --help`, or of `tenon CMD --help`. */
void tn_help_program(tn_buf *out);
void tn_help_command(const tn_command *cmd, tn_buf *out);

/* Prints out's content on stdout and frees it. TN_ENOMEM when the text could not be built. */
int tn_frame_print(tn_buf *out, tn_error *err);

/* Fills err with a sentence about an unknown command, with the nearest name; returns what tn_usage does. */
int tn_frame_unknown_command(const char *name, tn_error *err);

#endif
