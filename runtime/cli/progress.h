/* SPDX-License-Identifier: Apache-2.0 */
/* A progress bar for long loads: one line on stderr, drawn only when stderr is a terminal, only after the
 * work has taken a moment, at most ten times a second, and wiped away at the end. */
#ifndef TN_CLI_PROGRESS_H
#define TN_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct tn_progress {
    const char *what; /* what is going on ("loading model.gguf"); the caller's */
    bool terminal;    /* stderr shows it */
    bool drawn;       /* there is a line to wipe */
    int64_t start_ns, last_ns;
} tn_progress;

/* [control thread, as all of these] */
void tn_progress_init(tn_progress *p, const char *what);
/* Callback: ctx is a tn_progress. done of total, in any unit; total 0: unknown. The last call may be missing.
 */
void tn_progress_update(void *ctx, const char *what, uint64_t done, uint64_t total);
/* The same under the name that init gave; returns 0, or 1 when the user has asked to stop (cli/interrupt.h).
 */
int tn_progress_step(void *ctx, uint64_t done, uint64_t total);
/* Wipes the line. Harmless when nothing was drawn. */
void tn_progress_fini(tn_progress *p);

#endif
