/* SPDX-License-Identifier: Apache-2.0 */
/* The modules of this program: those that are part of it, then those found on the search path.
 *
 * Making a registry looks at every module (a file in a child process, unless the cache knows it) and opens
 * none in this process; that happens when its factory is first wanted. A module that cannot be used is a
 * problem in a list, never a failure of the whole. Of two with the same id the first wins: preopened ones,
 * then the order of the path. */
#ifndef TN_MODULES_REGISTRY_H
#define TN_MODULES_REGISTRY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <tenon/module.h>

#include "modules/loader.h"
#include "modules/scan.h"

typedef struct tn_registry tn_registry;

/* Zeros are the defaults. */
typedef struct tn_registry_config {
    const char *search_path; /* ':'-separated; NULL: $TENON_MODULE_PATH, then the installed modules */
    const char *cache_file;  /* see cache.h; NULL: its default; "off": none */
    tn_scan_config scan;
    bool in_process; /* open files here instead of in a child: for a debugger. A crash is then ours */
} tn_registry_config;

/* One usable module. Lives as long as the registry. */
typedef struct tn_module_info {
    const char *id, *version, *licence;
    const char *path;    /* its file, or NULL when it is part of the program */
    const json_t *facts; /* all there is to know (facts.h); borrowed */
} tn_module_info;

/* A module that was passed over, or something else worth telling about a file. */
typedef struct tn_module_problem {
    const char *path; /* NULL when it is part of the program */
    int code; /* TN_EIO, TN_EABI, TN_EMODULE; TN_OK: nothing is wrong with it, another of the same id came
                 first */
    const char *text; /* names the file, and says what to do */
} tn_module_problem;

/* config may be NULL. TN_ELIMIT, TN_ENOMEM. [control] */
int tn_registry_new(const tn_registry_config *config, tn_registry **ret, tn_error *err);
/* What was opened stays open; infos and problems go. NULL is harmless. [control] */
void tn_registry_free(tn_registry *r);

/* Usable modules, preopened first, then in the order of the path. [any thread] */
size_t tn_registry_count(const tn_registry *r);
const tn_module_info *tn_registry_at(const tn_registry *r, size_t i);
/* The module with that id, or NULL. [any thread] */
const tn_module_info *tn_registry_find(const tn_registry *r, const char *id);
/* Whether the module has a factory of that id ("tenon.family/0"), as far as this program knows the id. [any
 * thread] */
bool tn_module_offers(const tn_module_info *m, const char *factory_id);

size_t tn_registry_problem_count(const tn_registry *r);
const tn_module_problem *tn_registry_problem_at(const tn_registry *r, size_t i);
/* Logs every problem once: a program that has no better place for them calls this after tn_registry_new.
 * [control] */
void tn_registry_log_problems(const tn_registry *r);

/* The opened module: opens it in this process at the first call. Errors as tn_loader_open, and TN_EMODULE
 * when the file is no longer the module that was scanned. [any thread] */
int tn_registry_load(tn_registry *r, const tn_module_info *m, const tn_loaded **ret, tn_error *err);
/* Its factory of that id; the caller casts it to the type that goes with the id. TN_ENOENT when it has none,
 * else as tn_registry_load. The factory is constant and lives until the process ends. [any thread] */
int tn_registry_factory(tn_registry *r, const tn_module_info *m, const char *factory_id, const void **ret,
                        tn_error *err);

#endif
