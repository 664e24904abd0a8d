/* SPDX-License-Identifier: Apache-2.0 */
/* Ctrl-C for commands that have something to finish: the first one asks, the second one ends the program.
 * Commands that do not catch it die of it, as the shell expects. */
#ifndef TN_CLI_INTERRUPT_H
#define TN_CLI_INTERRUPT_H

#include <stdbool.h>

/* From now on SIGINT only sets a flag, until it has been raised and not been cleared: then the next one
 * kills. [control thread] */
void tn_interrupt_catch(void);
/* Whether SIGINT came since the last clear. [any thread] */
bool tn_interrupted(void);
/* Forgets it (chat: the reply was stopped, the conversation goes on). [control thread] */
void tn_interrupt_clear(void);

#endif
