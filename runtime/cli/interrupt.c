/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t raised;

static void on_interrupt(int number) {
    raised = 1;
}

void tn_interrupt_catch(void) {
    /* SA_RESETHAND makes the second one deadly; without SA_RESTART a read from the terminal returns. */
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
}

bool tn_interrupted(void) {
    return raised != 0;
}

void tn_interrupt_clear(void) {
    raised = 0;
    tn_interrupt_catch();
}
