/* SPDX-License-Identifier: Apache-2.0 */
/* Where the vision tower of a GGUF model is: a file beside it, as published, or one that somebody names. */
#ifndef TN_WEIGHTS_MMPROJ_H
#define TN_WEIGHTS_MMPROJ_H

#include <tenon/status.h>

/* The only file mmproj*.gguf beside the GGUF file `model`; neither that itself nor a part of a split file.
 * *ret_path is the caller's (free), NULL where there is none. TN_EINVAL: there are several, named; TN_EIO,
 * TN_ENOMEM. [control thread] */
int tn_mmproj_find(const char *model, char **ret_path, tn_error *err);

/* What `name` means for the GGUF file `model`: a file, or without '/' one beside the model where there is
 * none of that name here. *ret_path is the caller's. TN_ENOENT, TN_ENOMEM. [control thread] */
int tn_mmproj_resolve(const char *model, const char *name, char **ret_path, tn_error *err);

#endif
