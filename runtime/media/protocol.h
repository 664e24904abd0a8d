/* SPDX-License-Identifier: Apache-2.0 */
/* What the program and its helper say to each other over a socket pair: a greeting, then a request and a
 * reply in turn. Bytes of media are not in the messages but in shared memory whose descriptor travels with
 * them. Both sides are the same program, so structures travel as they lie in memory; what comes from the
 * helper is checked like any input, since a file may have taken it over. */
#ifndef TN_MEDIA_PROTOCOL_H
#define TN_MEDIA_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/modality.h>
#include <tenon/status.h>

enum { TN_MEDIA_MAGIC = 0x744e6d31, TN_MEDIA_SOCKET = 0 /* the helper's stdin */ };

typedef struct tn_media_hello {
    uint32_t magic;
    uint32_t n_module;
    tn_error problem; /* of a module that cannot be used; code 0: there is none */
} tn_media_hello;

/* Comes with the file in shared memory: index [n_index] of 32 bits, then n_byte bytes. */
typedef struct tn_media_request {
    uint32_t magic;
    uint32_t n_index; /* 0: inspect */
    uint64_t n_byte;
    uint64_t memory;  /* the helper may take, beside the file and the frames */
    uint32_t seconds; /* the program waits */
    uint32_t
        kind; /* enum tn_modality_kind that is wanted, where a file can be several (an animation); 0: any */
    tn_modality_limits limits;
} tn_media_request;

/* Comes with the frames in shared memory when code is 0 and frames were wanted: seconds [n_index] of 64 bits,
 * then pixels [n_index][height][width][3]; or info.n_frame samples of 32 bits. */
typedef struct tn_media_reply {
    uint32_t magic;
    int32_t code;
    tn_media_info info;
    tn_error err;
} tn_media_reply;

/* Both ends close on exec, and a write to a dead end is an error, not a signal. Returns 0 or an errno. */
int tn_media_socketpair(int ret_fd[2]);

/* All n bytes; with fd >= 0 that descriptor goes along. Returns 0 or an errno. [any thread] */
int tn_media_send(int socket, const void *bytes, size_t n, int fd);
/* All n bytes, until deadline_ns of tn_clock_ns (0: for ever). *ret_fd (may be NULL) is a descriptor that
 * came along, or -1; the caller's to close, after a failure too. Returns 0, ETIMEDOUT, ECONNRESET at the end
 * of the stream, or another errno. [any thread] */
int tn_media_receive(int socket, void *bytes, size_t n, int64_t deadline_ns, int *ret_fd);

/* New shared memory of n > 0 bytes, zeroed, without a name. -1 with errno. [any thread] */
int tn_media_memory_new(size_t n);
/* Says that it will not shrink any more, where the system can hold to that. */
int tn_media_memory_seal(int fd);
/* Whether fd is memory that has at least n bytes and cannot shrink: reading what is mapped raises no signal.
 */
bool tn_media_memory_safe(int fd, size_t n);

#endif
