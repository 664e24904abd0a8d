/* SPDX-License-Identifier: Apache-2.0 */
/* Files that somebody else names: only those below the folders that the operator opened. */
#ifndef TN_MEDIA_LOCAL_FILE_H
#define TN_MEDIA_LOCAL_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

/* Reads the regular file at path, of at most max bytes, into *ret (the caller's, free). It has to lie below
 * one of the roots once all symbolic links are followed; a relative path begins in each of the roots in turn.
 * The walk from the root to the file follows no link, so that nobody changes the answer between the look and
 * the opening.
 *
 * TN_EINVAL: outside of the roots, absent or no regular file, all in the same words, so that nobody learns
 * what else is there. TN_ELIMIT: both numbers. TN_EIO, TN_ENOMEM. [any thread] */
int tn_local_file_read(const char *const *roots, size_t n_roots, const char *path, uint64_t max,
                       uint8_t **ret, size_t *ret_len, tn_error *err);

/* The same for a path of the operator's own: no roots, and messages say what is wrong. */
int tn_own_file_read(const char *path, uint64_t max, uint8_t **ret, size_t *ret_len, tn_error *err);

#endif
