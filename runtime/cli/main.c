/* SPDX-License-Identifier: Apache-2.0 */
/* tenon(1): reads the options that stand before the command's name, then hands over to the command. */
#include <string.h>

#include "cli/frame.h"
#include "cli/output.h"
#include "cli/paths.h"
#include "cli/version.h"
#include "media/helper.h"
#include "modules/loader.h"
#include "modules/scan.h"

static int print_text(void (*text)(tn_buf *out), tn_error *err) {
    tn_buf out;
    tn_buf_init(&out, 1 << 20);
    text(&out);
    int rc = tn_frame_print(&out, err);
    return rc ? rc : tn_output_finish(err);
}

static int run(int argc, char **argv, tn_global_args *args, tn_error *err) {
    int first;
    int rc = tn_options_parse(tn_global_options, argc, argv, true, args, &first, err);
    if (rc) return tn_usage_status(rc);
    tn_frame_log(&args->frame);
    if (args->scan_module) return tn_scan_main(args->scan_module);
    if (args->media_helper) return tn_media_helper_main(args->media_helper);
    if (args->version) return print_text(tn_version_text, err);
    if (args->frame.help) return print_text(tn_help_program, err);
    if (first == argc) return tn_usage(err, "a command is expected");
    const tn_command *cmd = tn_command_find(argv[first]);
    if (!cmd) return tn_frame_unknown_command(argv[first], err);
    return tn_frame_run(cmd, args->frame, argc - first, argv + first);
}

int main(int argc, char **argv) {
    tn_global_args args = {0};
    tn_error err = {0};
    tn_output_setup();
    tn_paths_setup();
    tn_loader_set_preopened();
    int rc = run(argc, argv, &args, &err);
    return err.text[0] ? tn_frame_fail(&args.frame, "tenon", rc, &err) : tn_exit_status(rc);
}
