/* SPDX-License-Identifier: Apache-2.0 */
/* Files as bytes: mapped (model files) or read whole under a limit (configuration, tokenizers). */
#ifndef TN_BASE_FILE_H
#define TN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

/* A read-only mapping of a whole regular file. data is NULL for an empty file. The file must not shrink while
 * it is mapped; the name is kept for messages. */
typedef struct tn_map {
    const uint8_t *data;
    uint64_t size; /* bytes */
    char *path;    /* owned */
} tn_map;

/* Maps path. TN_ENOENT, TN_EIO (not a regular file, unreadable), TN_ENOMEM. [control thread] */
int tn_map_open(tn_map *ret, const char *path, tn_error *err);
/* Unmaps and frees; a zeroed or closed map is harmless. */
void tn_map_close(tn_map *map);

/* Reads all of path, at most max bytes, into a NUL-terminated allocation of the caller's (free() it).
 * TN_ENOENT, TN_EIO, TN_ELIMIT (names both numbers), TN_ENOMEM. [control thread] */
int tn_file_read(const char *path, size_t max, char **ret_data, size_t *ret_len, tn_error *err);

/* Whether path is there as a regular file / a directory. [any thread] */
bool tn_file_exists(const char *path);
bool tn_dir_exists(const char *path);

/* Makes a directory and those above it; 0 or -1 with errno. One that is there is fine. [control thread] */
int tn_dir_make(const char *path);

/* dir + "/" + name in an allocation of the caller's, or NULL when out of memory. [any thread] */
char *tn_path_join(const char *dir, const char *name);

#endif
