/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/frame.h"

static int run(void *args, int n, char **operands, tn_error *err) {
    tn_buf out;
    const tn_command *cmd = n ? tn_command_find(operands[0]) : NULL;
    if (n && !cmd) return tn_frame_unknown_command(operands[0], err);
    tn_buf_init(&out, 1 << 20);
    if (cmd)
        tn_help_command(cmd, &out);
    else
        tn_help_program(&out);
    return tn_frame_print(&out, err);
}

const tn_command tn_cmd_help = {
    .name = "help",
    .operands = "[COMMAND]",
    .help = "explain a command",
    .about = "Prints the help of a command, or the list of commands.",
    .hint = TN_COMPLETE_COMMAND,
    .max_operands = 1,
    .run = run,
};
