/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/interrupt.h"

enum { BAR_CELLS = 24, WHAT_COLUMNS = 40 };
static const int64_t quiet_ns = 300000000, between_ns = 100000000;

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void tn_progress_init(tn_progress *p, const char *what) {
    *p = (tn_progress){.what = what, .terminal = isatty(STDERR_FILENO) == 1, .start_ns = now_ns()};
}

static int terminal_columns(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

static void draw(const char *what, uint64_t done, uint64_t total) {
    char bar[BAR_CELLS + 1], line[160];
    double part = total ? (double)(done < total ? done : total) / (double)total : 0;
    int full = (int)(part * BAR_CELLS);
    for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '#' : '.';
    bar[BAR_CELLS] = '\0';
    if (total)
        snprintf(line, sizeof line, "%.*s [%s] %3d%%", WHAT_COLUMNS, what, bar, (int)(part * 100));
    else
        snprintf(line, sizeof line, "%.*s ...", WHAT_COLUMNS, what);
    fprintf(stderr, "\r%.*s\033[K", terminal_columns() - 1, line);
    fflush(stderr);
}

void tn_progress_update(void *ctx, const char *what, uint64_t done, uint64_t total) {
    tn_progress *p = ctx;
    if (!p->terminal) return;
    int64_t now = now_ns();
    if (now - p->start_ns < quiet_ns || now - p->last_ns < between_ns) return;
    p->last_ns = now;
    p->drawn = true;
    draw(what, done, total);
}

int tn_progress_step(void *ctx, uint64_t done, uint64_t total) {
    tn_progress_update(ctx, ((tn_progress *)ctx)->what, done, total);
    return tn_interrupted();
}

void tn_progress_fini(tn_progress *p) {
    if (p->drawn) fputs("\r\033[K", stderr);
    p->drawn = false;
}
