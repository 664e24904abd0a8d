/* SPDX-License-Identifier: Apache-2.0 */
/* What scans have found, kept between runs, so that a start does not begin with a process per module.
 *
 * An entry holds for a file of the same path, size and modification time, and for this release and ABI. Only
 * successes are kept: whatever made a module unusable (a library that was not installed) may have been
 * mended. The cache is a convenience: one that is damaged, or cannot be written, is as good as none. */
#ifndef TN_MODULES_CACHE_H
#define TN_MODULES_CACHE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct tn_scan_cache tn_scan_cache;

/* A file at one moment: take it before the file is scanned. */
typedef struct tn_scan_stamp {
    char *path; /* absolute, without links; owned */
    int64_t size_bytes, mtime_ns;
} tn_scan_stamp;

/* False when the file is not there. [any thread] */
bool tn_scan_stamp_init(tn_scan_stamp *ret, const char *path);
void tn_scan_stamp_fini(tn_scan_stamp *stamp);

/* file: where it is kept; NULL: $TENON_MODULE_CACHE, else tenon/modules.json in $XDG_CACHE_HOME or ~/.cache.
 * "off", or no place, gives a cache that remembers nothing. NULL when out of memory. [control] */
tn_scan_cache *tn_scan_cache_new(const char *file);
/* Writes the file when something changed, by replacing it; then frees. NULL is harmless. [control] */
void tn_scan_cache_free(tn_scan_cache *c);

/* The facts (facts.h) of the file: a new reference, or NULL when they are not known. [control] */
json_t *tn_scan_cache_get(const tn_scan_cache *c, const tn_scan_stamp *stamp);
/* Remembers them. [control] */
void tn_scan_cache_put(tn_scan_cache *c, const tn_scan_stamp *stamp, json_t *facts);

#endif
