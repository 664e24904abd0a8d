/* SPDX-License-Identifier: Apache-2.0 */
/* The program's log: one line an event on stderr, as text or as JSON. Library code returns errors; programs
 * log them once, where they are handled. */
#ifndef TN_BASE_LOG_H
#define TN_BASE_LOG_H

#include <stdbool.h>
#include <tenon/status.h>

typedef enum tn_log_level { TN_LOG_ERROR, TN_LOG_WARN, TN_LOG_INFO, TN_LOG_DEBUG, TN_LOG_TRACE } tn_log_level;
typedef enum tn_log_format { TN_LOG_TEXT, TN_LOG_JSON } tn_log_format;

/* Set once before threads start; the default is warnings as text. [control thread] */
void tn_log_setup(tn_log_level level, tn_log_format format);
/* "error", "warn", ...; false for an unknown name. [any thread] */
bool tn_log_level_parse(const char *name, tn_log_level *ret);
bool tn_log_format_parse(const char *name, tn_log_format *ret);
bool tn_log_enabled(tn_log_level level);
/* One line; part is who speaks ("weights", "module llama"). The text must not end in a newline. [any thread]
 */
void tn_log(tn_log_level level, const char *part, const char *fmt, ...) TN_PRINTF(3, 4);

#endif
