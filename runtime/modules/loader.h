/* SPDX-License-Identifier: Apache-2.0 */
/* Opening modules with libltdl, and nothing else: no searching (discover.h), no choosing (registry.h).
 *
 * libltdl has global state and no locks: every call into it happens here, under one lock. A module that was
 * opened stays until the process ends, so that no code disappears under a thread that might still return into
 * it. */
#ifndef TN_MODULES_LOADER_H
#define TN_MODULES_LOADER_H

#include "config.h" /* TN_PREOPENED_MODULES */

#include <ltdl.h>
#include <stddef.h>
#include <tenon/module.h>

/* A module in this process: its entry, which passed all checks, and the host table it was given. Lives until
 * the process ends. */
typedef struct tn_loaded {
    const tn_module *entry;
    const tn_host *host;
    const char *path; /* the file, or NULL when it is part of the program */
} tn_loaded;

/* Opens a file, all its symbols bound at once and kept to itself, and checks its entry. The same path again
 * gives the same tn_loaded. Runs the module's constructors: scan it first (scan.h). TN_EIO with the dynamic
 * linker's own reason, TN_EABI, TN_EMODULE, TN_ENOMEM. [any thread] */
int tn_loader_open(const char *path, const tn_loaded **ret, tn_error *err);

/* Told of each module that is part of the program: loaded, or (NULL) refused, and why. */
typedef void tn_loader_preopened_cb(const tn_loaded *loaded, const tn_error *why, void *arg);

/* Calls cb for every preopened module, in the order of linking. Every call tells all of them. [any thread] */
int tn_loader_preopened(tn_loader_preopened_cb *cb, void *arg, tn_error *err);

/* Every program that is linked with $(preopen_flags) says this first thing in main(): libtool puts the list
 * of what was linked in into the program itself, where a library cannot see it. [control] */
#ifdef TN_PREOPENED_MODULES
#    define tn_loader_set_preopened() tn_loader_set_symbols(lt_preloaded_symbols)
#else
#    define tn_loader_set_preopened() ((void)0)
#endif
void tn_loader_set_symbols(const lt_dlsymlist *symbols);

#endif
