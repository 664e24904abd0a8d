/* SPDX-License-Identifier: Apache-2.0 */
/* One helper process, as the program sees it: starting it, asking it, ending it, and saying why it ended. One
 * thread at a time. */
#ifndef TN_MEDIA_CHILD_H
#define TN_MEDIA_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "media/protocol.h"

typedef struct tn_media_child {
    pid_t pid; /* 0: there is none */
    int fd;
    uint64_t n_served;
} tn_media_child;

/* Starts program --media-helper modules and waits for its greeting. TN_EIO, TN_ENOTSUP (it has no module that
 * reads anything). */
int tn_media_child_start(tn_media_child *c, const char *program, const char *modules, tn_error *err);

/* Whether it still listens. */
bool tn_media_child_alive(const tn_media_child *c);

/* Sends *q with memory and waits timeout_s for the answer; *ret_fd as tn_media_receive. When there is none
 * the child has been ended, and the error tells what it did as the fault of its input. */
int tn_media_child_ask(tn_media_child *c, const tn_media_request *q, int memory, double timeout_s,
                       tn_media_reply *ret, int *ret_fd, tn_error *err);

/* Ends it, and whatever it started. Harmless when there is none. */
void tn_media_child_end(tn_media_child *c);

#endif
