/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

void tn_output_setup(void) {
    signal(SIGPIPE, SIG_IGN);
    /* The lowest free descriptor is taken, so this fills holes from below. Read-only: writing there still
     * fails. */
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDONLY) != fd) _exit(3);
}

static int write_failed(int error, tn_error *err) {
    return tn_fail(err, TN_EIO, "standard output could not be written: %s",
                   error ? strerror(error) : "an earlier write failed");
}

int tn_output_flush(tn_error *err) {
    errno = 0;
    bool earlier = ferror(stdout);
    if (fflush(stdout) || earlier) return write_failed(errno, err);
    return 0;
}

int tn_output_finish(tn_error *err) {
    int rc = tn_output_flush(err);
    errno = 0;
    if (fclose(stdout) && !rc) return write_failed(errno, err);
    return rc;
}

static int grow_failed(const tn_buf *buf, const char *what, tn_error *err) {
    if (buf->status == TN_ELIMIT)
        return tn_fail(err, TN_ELIMIT, "%s is longer than the limit of %zu bytes", what, buf->max);
    return tn_fail(err, buf->status, "%s: out of memory", what);
}

int tn_input_all(FILE *in, const char *what, tn_buf *buf, tn_error *err) {
    char piece[16384];
    size_t n;
    while ((n = fread(piece, 1, sizeof piece, in)) > 0)
        if (tn_buf_add(buf, piece, n)) return grow_failed(buf, what, err);
    if (ferror(in)) return tn_fail(err, TN_EIO, "%s could not be read: %s", what, strerror(errno));
    return 0;
}

int tn_input_line(FILE *in, const char *what, tn_buf *buf, bool *ret_more, tn_error *err) {
    int c;
    tn_buf_clear(buf);
    while ((c = getc_unlocked(in)) != EOF && c != '\n')
        if (tn_buf_addc(buf, (char)c)) return grow_failed(buf, what, err);
    if (ferror(in)) return tn_fail(err, TN_EIO, "%s could not be read: %s", what, strerror(errno));
    *ret_more = c == '\n' || buf->len > 0;
    return 0;
}
