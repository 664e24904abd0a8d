/* SPDX-License-Identifier: Apache-2.0 */
/* JSON, one value a line: reading standard input and writing standard output for the --jsonl forms. */
#ifndef TN_CLI_JSON_LINES_H
#define TN_CLI_JSON_LINES_H

#include <jansson.h>
#include <stddef.h>
#include <tenon/status.h>

#include "text/tokenizer.h"

/* Longest line that is read, bytes. */
#define TN_JSON_LINE_MAX ((size_t)1 << 30)

/* Handles one line: text of len bytes, without its newline. A failure ends the reading. */
typedef int tn_json_line_fn(void *ctx, const char *text, size_t len, tn_error *err);

/* Calls fn for every line of standard input and flushes stdout after each, so that a program may converse
 * with us. A failure gets "line N" in front. [control thread] */
int tn_json_lines(tn_json_line_fn *fn, void *ctx, tn_error *err);

/* Writes a string, ids, or any value on stdout as compact ASCII JSON, with a newline. text: UTF-8, NUL
 * allowed. TN_ENOMEM; write errors are seen when stdout is flushed. */
int tn_json_put_string(const char *text, size_t len, tn_error *err);
void tn_json_put_ids(const tn_ids *ids);
int tn_json_put(const json_t *value, tn_error *err);

#endif
