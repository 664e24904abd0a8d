/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a shared object is all there. The dynamic linker maps what the headers promise and dies of SIGBUS
 * where the file has ended; this says so instead. */
#ifndef TN_MODULES_IMAGE_H
#define TN_MODULES_IMAGE_H

#include <tenon/status.h>

/* TN_EIO: path is not readable, or shorter than its headers say (both numbers are named). 0 for what is not a
 * 64-bit ELF file: its judge is the dynamic linker. [any thread] */
int tn_image_check(const char *path, tn_error *err);

#endif
