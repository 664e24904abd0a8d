/* SPDX-License-Identifier: Apache-2.0 */
/* What this build is. */
#ifndef TN_CLI_VERSION_H
#define TN_CLI_VERSION_H

#include "base/buf.h"

/* The commit this was built from, or "unknown". The build writes it (commit.c). */
extern const char tn_version_commit[];

/* Appends the text of --version: version and commit, module ABI, features. */
void tn_version_text(tn_buf *out);

#endif
