/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a module from a safe distance: a child process opens the file and prints its facts. A module
 * that crashes, hangs or ends the process takes down the child only.
 *
 * The child is this same program, started as `PROGRAM --scan-module FILE`, whose main() then does nothing but
 * `return tn_scan_main(FILE)`. A program without that option must name one that has it. */
#ifndef TN_MODULES_SCAN_H
#define TN_MODULES_SCAN_H

#include <jansson.h>
#include <tenon/status.h>

enum {
    TN_SCAN_TIMEOUT_MS = 10000, /* by default; a module has nothing to do that takes a second */
    TN_SCAN_OUTPUT = 1 << 20,   /* most bytes that a child may print */
};

typedef struct tn_scan_config {
    const char *program; /* NULL: $TENON_MODULE_SCANNER, else the program that is running */
    unsigned timeout_ms; /* 0: $TENON_MODULE_TIMEOUT_MS, else TN_SCAN_TIMEOUT_MS */
} tn_scan_config;

/* Facts (facts.h) of the module in a file: a new reference. config may be NULL. TN_EIO (cannot be opened, and
 * the dynamic linker's reason; or no child could be started), TN_EABI, TN_EMODULE (breaks a rule, crashes,
 * hangs), TN_ENOMEM. [any thread] */
int tn_scan_file(const tn_scan_config *config, const char *path, json_t **ret_facts, tn_error *err);

/* The program that children are started from: the one that is named, else $TENON_MODULE_SCANNER, else the one
 * that runs. NULL when the system does not say which that is. Static or borrowed. [any thread] */
const char *tn_scan_program(const char *program);

/* The same without a child, for a debugger: a crash is ours then. [any thread] */
int tn_scan_here(const char *path, json_t **ret_facts, tn_error *err);

/* The child's part: opens file and prints facts, or {"code": -22, "error": "..."}, on stdout. Returns the
 * process's exit status. */
int tn_scan_main(const char *file);

#endif
