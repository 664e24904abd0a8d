/* SPDX-License-Identifier: Apache-2.0 */
/* Which files might be modules: the .so files of a search path, in the order in which they are to be
 * considered. Looks at names only; .la files are never needed. */
#ifndef TN_MODULES_DISCOVER_H
#define TN_MODULES_DISCOVER_H

#include <stddef.h>
#include <tenon/status.h>

typedef struct tn_module_files {
    char **path; /* [n], owned */
    size_t n;
} tn_module_files;

enum {
    TN_DISCOVER_FILES = 512, /* most modules on a path */
    TN_DISCOVER_DEPTH = 3,   /* most folders below one that is named on the path: a build tree has them */
};

/* $TENON_MODULE_PATH, when it is set, then the folder where modules are installed, joined by ':'; free() it.
 * NULL when out of memory. [control] */
char *tn_discover_default_path(void);

/* Files of every element of a ':'-separated path, elements in order, names sorted within each; an element may
 * be one file. Hidden folders are passed over, except libtool's ".libs". Paths come out absolute.
 * A file that is met twice is listed once. What cannot be read is passed over: an absent folder is normal.
 * TN_ELIMIT, TN_ENOMEM. [control] */
int tn_discover(const char *search_path, tn_module_files *ret, tn_error *err);
void tn_module_files_free(tn_module_files *files);

#endif
