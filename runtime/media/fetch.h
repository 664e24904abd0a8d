/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes behind a URL, a data URI, base64 or a path, as somebody else wrote it.
 *
 * A URL is fetched by http or https. Every address that is connected to is looked at when it is connected to,
 * by the socket that is opened: after redirects, and whatever a name means by then. There is no proxy, no
 * cookie, no password, and what the other side says of the type counts for nothing. */
#ifndef TN_MEDIA_FETCH_H
#define TN_MEDIA_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

enum { TN_FETCH_REDIRECTS = 5 };

/* What may be got, and what it may cost. Lists are borrowed. */
typedef struct tn_fetch_limits {
    uint64_t max_bytes; /* of one source, decoded */
    double timeout_s;   /* of one URL: names, redirects and all; 0: none */
    bool allow_url;
    const char *const *allow_private; /* [n_allow_private]: rules of media/address.h */
    size_t n_allow_private;
    const char *const *roots; /* [n_roots]: folders whose files may be read; none: no files */
    size_t n_roots;
    bool own_files; /* the one who names files may read them anyway: the command line's */
    /* Asked about every 0.1 s while a URL is fetched; true ends it. NULL: nothing does. */
    bool (*cancelled)(void *ctx);
    void *ctx;
} tn_fetch_limits;

typedef struct tn_fetched {
    uint8_t *bytes; /* owned; not NULL, though len may be 0 */
    size_t len;
} tn_fetched;

/* Gets what the len bytes of source say (media/source.h). What is wrong with the source or what it leads to
 * is an input error, for a client 400: TN_EINVAL (not well-formed; forbidden; no file; no name, no
 * connection, no success), TN_ENOTSUP (a scheme), TN_ELIMIT (bytes, time, redirects: value and limit).
 * TN_ECANCELED; TN_ENOMEM and TN_EIO are ours. *ret is zeroed on failure. [any thread] */
int tn_fetch(const tn_fetch_limits *l, const char *source, size_t len, tn_fetched *ret, tn_error *err);
/* Harmless on a zeroed one. */
void tn_fetched_free(tn_fetched *f);

#endif
