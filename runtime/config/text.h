/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration text made fit for libconfuse.
 *
 * Its released versions accept more than they should, in silence: a section that never ends, stray
 * characters, a quote that is open at the end, names with '|' in them; "http://" is a comment, a comment
 * inside a list is an error, an empty list calls nobody back, an unset environment variable is the empty
 * text, and every comment makes the line numbers that follow wrong. This pass refuses the former with the
 * exact line and rewrites the latter. */
#ifndef TN_CONFIG_TEXT_H
#define TN_CONFIG_TEXT_H

#include "base/buf.h"
#include "config/settings.h"

enum { TN_CONFIG_TEXT_BYTES = 256 << 10, TN_CONFIG_TEXT_ASSIGNMENTS = 4096, TN_CONFIG_TEXT_SECTIONS = 1024 };

typedef struct tn_config_text {
    tn_buf text;         /* for libconfuse; lines stay where they are */
    tn_string_list keys; /* every name that something is assigned to, each once */
    unsigned n_sections;
    uint32_t section_line[TN_CONFIG_TEXT_SECTIONS]; /* where they open, in order */
} tn_config_text;

/* name is the file's, for messages. *ret is to be freed whatever is returned. TN_EINVAL ("NAME:LINE: ..."),
 * TN_ELIMIT, TN_ENOMEM. [control thread: reads the environment] */
int tn_config_text_init(tn_config_text *ret, const char *name, const char *text, size_t len, tn_error *err);
void tn_config_text_fini(tn_config_text *t);

#endif
