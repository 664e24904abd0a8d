/* SPDX-License-Identifier: Apache-2.0 */
/* A file that appears whole or not at all: written under another name beside its place and renamed at the
 * end. [control thread] */
#ifndef TN_BASE_NEW_FILE_H
#define TN_BASE_NEW_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

typedef struct tn_new_file {
    char *path, *temporary; /* owned; temporary is the file's name until it is finished */
    int fd;
} tn_new_file;

/* Begins path. TN_EINVAL: it is there and replace is not set; TN_EIO: the folder is not there, is not
 * writable, ...; TN_ENOMEM. */
int tn_new_file_open(tn_new_file *ret, const char *path, bool replace, tn_error *err);
/* Makes the file size bytes long; what was not written is zero. TN_EIO. */
int tn_new_file_resize(tn_new_file *f, uint64_t size, tn_error *err);
/* Writes n bytes at a place. TN_EIO (disk full, ...). */
int tn_new_file_write(tn_new_file *f, uint64_t at, const void *bytes, size_t n, tn_error *err);
/* All of it to the disk, and to its name. TN_EIO; f is closed in any case, and the temporary file gone. */
int tn_new_file_finish(tn_new_file *f, tn_error *err);
/* Gives it up; a zeroed or finished one is harmless. */
void tn_new_file_abort(tn_new_file *f);

#endif
