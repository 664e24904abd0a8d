/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"
#include "base/suggest.h"
#include "cli/output.h"

const tn_option_row tn_frame_options[] = {
    {TN_OPT_FLAG, 'h', .name = "help", .help = "print this help", .offset = offsetof(tn_frame_args, help)},
    {TN_OPT_WORD, .name = "log-level", .arg = "LEVEL", .words = "error|warn|info|debug|trace",
     .help = "how much to log on stderr (default warn)", .offset = offsetof(tn_frame_args, log_level)},
    {TN_OPT_WORD, .name = "log-format", .arg = "FORMAT", .words = "text|json",
     .help = "how a log line and an error look (default text)",
     .offset = offsetof(tn_frame_args, log_format)},
    {.kind = TN_OPT_END},
};

const tn_option_row tn_global_options[] = {
    {TN_OPT_FLAG, 'V', .name = "version", .help = "print version, commit, module ABI and features",
     .offset = offsetof(tn_global_args, version)},
    {TN_OPT_STRING, .name = "scan-module", .arg = "FILE", .hidden = true,
     .help = "describe one module as JSON (used by the out-of-process scan)",
     .offset = offsetof(tn_global_args, scan_module)},
    {TN_OPT_STRING, .name = "media-helper", .arg = "MODULES", .hidden = true,
     .help = "decode media for the program at the other end of stdin (used by itself)",
     .offset = offsetof(tn_global_args, media_helper)},
    {TN_OPT_GROUP, .group = tn_frame_options, .offset = offsetof(tn_global_args, frame)},
    {.kind = TN_OPT_END},
};

void tn_frame_log(const tn_frame_args *frame) {
    tn_frame_log_over(frame, TN_LOG_WARN, TN_LOG_TEXT);
}

void tn_frame_log_over(const tn_frame_args *frame, tn_log_level level, tn_log_format format) {
    static tn_frame_args last;
    if (frame)
        last = *frame;
    else
        frame = &last;
    if (frame->log_level) tn_log_level_parse(frame->log_level, &level);
    if (frame->log_format) tn_log_format_parse(frame->log_format, &format);
    tn_log_setup(level, format);
}

int tn_frame_fail(const tn_frame_args *frame, const char *who, int rc, const tn_error *err) {
    int status = tn_exit_status(rc);
    if (frame->log_format && strcmp(frame->log_format, "json") == 0) {
        tn_log(TN_LOG_ERROR, who, "%s", err->text);
        return status;
    }
    fprintf(stderr, "%s: %s\n", who, err->text);
    if (status == TN_EXIT_USAGE) fprintf(stderr, "Try '%s --help'.\n", who);
    return status;
}

int tn_frame_print(tn_buf *out, tn_error *err) {
    int status = out->status;
    if (!status) fwrite(out->data, 1, out->len, stdout);
    tn_buf_free(out);
    return status ? tn_fail(err, status, "out of memory while building a text") : 0;
}

int tn_frame_unknown_command(const char *name, tn_error *err) {
    const char *names[64] = {0};
    size_t n = 0;
    for (const tn_command *const *c = tn_commands; *c && n < 63; c++)
        if (!(*c)->hidden) names[n++] = (*c)->name;
    const char *close = tn_did_you_mean(name, names);
    if (close) return tn_usage(err, "unknown command '%s'; did you mean '%s'?", name, close);
    return tn_usage(err, "unknown command '%s'", name);
}

void tn_help_program(tn_buf *out) {
    tn_buf_adds(out, "Usage: tenon [OPTION...] COMMAND [ARGUMENT...]\n"
                     "Runs language models.\n\nCommands:\n");
    for (const tn_command *const *c = tn_commands; *c; c++)
        if (!(*c)->hidden) tn_buf_addf(out, "  %-14s%s\n", (*c)->name, (*c)->help);
    tn_buf_adds(out, "\nOptions:\n");
    tn_options_help(tn_global_options, out);
    tn_buf_adds(
        out,
        "\n'tenon COMMAND --help' explains a command; tenon(1) has everything.\n"
        "Exit status: 0 success, 1 bad input, 2 usage, 3 environment, 70 internal error, 130 interrupted.\n");
}

void tn_help_command(const tn_command *cmd, tn_buf *out) {
    tn_buf_addf(out, "Usage: tenon %s [OPTION...]%s%s\n%s\n\nOptions:\n", cmd->name,
                *cmd->operands ? " " : "", cmd->operands, cmd->about);
    tn_options_help(cmd->options, out);
    tn_options_help(tn_frame_options, out);
}

static int check_operands(const tn_command *cmd, int n, char **operands, tn_error *err) {
    if (n < cmd->min_operands)
        return tn_usage(err, "%s expected: tenon %s [OPTION...] %s", n ? "more operands" : "operands",
                        cmd->name, cmd->operands);
    if (cmd->max_operands >= 0 && n > cmd->max_operands)
        return tn_usage(err, "unexpected operand '%s'", operands[cmd->max_operands]);
    return 0;
}

/* The command's options and the frame's are parsed as one table into two structs of one allocation, the
 * frame's first. */
typedef union frame_block {
    tn_frame_args frame;
    max_align_t align;
} frame_block;

static int run_parsed(const tn_command *cmd, frame_block *block, tn_frame_args *frame, int argc, char **argv,
                      tn_error *err) {
    const tn_option_row table[] = {
        {TN_OPT_GROUP, .group = cmd->options, .offset = sizeof *block},
        {TN_OPT_GROUP, .group = tn_frame_options},
        {.kind = TN_OPT_END},
    };
    int first;
    int rc = tn_options_parse(table, argc, argv, false, block, &first, err);
    *frame = block->frame;
    if (rc) return tn_usage_status(rc);
    tn_frame_log(frame);
    if (frame->help) {
        tn_buf out;
        tn_buf_init(&out, 1 << 20);
        tn_help_command(cmd, &out);
        return tn_frame_print(&out, err);
    }
    rc = check_operands(cmd, argc - first, argv + first, err);
    return rc ? rc : cmd->run(block + 1, argc - first, argv + first, err);
}

int tn_frame_run(const tn_command *cmd, tn_frame_args frame, int argc, char **argv) {
    char who[64];
    tn_error err = {0};
    snprintf(who, sizeof who, "tenon %s", cmd->name);
    frame_block *block = calloc(1, sizeof *block + cmd->args_size);
    if (!block) return tn_frame_fail(&frame, who, tn_fail(&err, TN_ENOMEM, "out of memory"), &err);
    block->frame = frame;
    if (cmd->defaults) cmd->defaults(block + 1);
    int rc = run_parsed(cmd, block, &frame, argc, argv, &err);
    int status = tn_exit_status(rc);
    if (rc < 0 && !err.text[0]) tn_fail(&err, rc, "%s", tn_status_text(rc));
    if (rc && err.text[0]) status = tn_frame_fail(&frame, who, rc, &err);
    /* A command that streams has reported a failed write itself. */
    if (tn_output_finish(&err) && !rc) status = tn_frame_fail(&frame, who, err.code, &err);
    free(block);
    return status;
}
