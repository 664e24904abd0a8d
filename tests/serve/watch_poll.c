/* SPDX-License-Identifier: Apache-2.0 */
/* The tests of watch.c against the half of serve/watch.c for systems without epoll, compiled in here. */
#define TN_WATCH_POLL
#include "serve/watch.c"

#include "watch.c" /* the tests beside this file */
