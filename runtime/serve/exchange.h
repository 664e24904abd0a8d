/* SPDX-License-Identifier: Apache-2.0 */
/* One generating request from its body to the last byte of its answer.
 *
 * Three threads meet here. The *prepare* thread parses, renders and encodes, and submits jobs. The *dispatch*
 * thread turns tokens into text and text into the bytes of the answer. The *http* thread hands bytes to the
 * client as fast as that one reads. The engine knows none of this. What two of them touch lies behind `lock`;
 * everything else belongs to one phase: prepare's until `phase` leaves TN_EXCHANGE_PREPARING, then
 * dispatch's. */
#ifndef TN_SERVE_EXCHANGE_H
#define TN_SERVE_EXCHANGE_H

#include <pthread.h>

#include "serve/served.h"
#include "serve/stop.h"

typedef enum tn_phase {
    TN_EXCHANGE_PREPARING,
    TN_EXCHANGE_GENERATING,
    TN_EXCHANGE_DONE,
} tn_phase;

/* One choice: a job and its text. */
typedef struct tn_choice {
    tn_job *job;
    uint32_t n_read; /* tokens turned into text */
    tn_detok *detok;
    tn_stop stop;
    tn_buf text;      /* not yet part of an event; for whole answers all of it */
    tn_token *tokens; /* [n_tokens]: log probabilities that belong to text; NULL where nobody wants them */
    uint32_t n_tokens, cap_tokens;
    uint32_t offset;    /* completion log probabilities: bytes before the first of tokens */
    const char *finish; /* "stop", "length"; NULL while it goes on */
} tn_choice;

/* What the http thread waits for. */
typedef struct tn_waiter {
    void (*resume)(void *connection); /* called with the lock held, once for each time `waiting` was set */
    void *connection;
    bool waiting;
} tn_waiter;

typedef struct tn_exchange {
    struct tn_exchange *next; /* in the dispatcher's lists */
    char *body;               /* owned; what was uploaded */
    size_t body_len;
    bool chat;
    char id[48];
    tn_api_request request;
    tn_api_head head;
    const tn_served *served;
    tn_choice *choices; /* [n_choice] */
    uint32_t n_choice;
    uint32_t prompt_tokens;
    int64_t arrived_ns; /* monotonic */
    int fd;             /* of the connection; -1: not watched */

    pthread_mutex_t lock;
    tn_phase phase;
    tn_waiter waiter;
    tn_api_error error; /* status 0: none */
    bool streaming;     /* bytes may be sent before the phase is DONE */
    tn_buf out;         /* bytes of the answer */
    size_t sent;        /* of those, handed to the client */
    bool cut;           /* the answer ends here, unfinished: a slow reader */
    bool closed;        /* the connection is over: nobody reads the answer */
} tn_exchange;

/* A new one for a body of the caller's malloc, which it takes. NULL when out of memory (the body is freed).
 */
tn_exchange *tn_exchange_new(char *body, size_t len, bool chat, int fd);
/* Releases the jobs (which cancels them) and frees. Only when no thread uses it any more. */
void tn_exchange_free(tn_exchange *x);

/* Fails it with what is in e. [prepare, dispatch] */
void tn_exchange_fail(tn_exchange *x, const tn_api_error *e);
/* Takes new tokens of all choices. *ret_busy: some job goes on. max_pending: bytes the client may leave
 * unread. [dispatch] */
void tn_exchange_pump(tn_exchange *x, size_t max_pending, bool *ret_busy);
/* The client went away: the jobs end, and the connection is woken so that it can be closed. [dispatch] */
void tn_exchange_hang_up(tn_exchange *x);
/* Cancels all jobs. [dispatch] */
void tn_exchange_cancel(tn_exchange *x);
/* Prepares the text machinery of the choices, before their jobs are submitted. TN_ENOMEM. [prepare] */
int tn_exchange_init_choices(tn_exchange *x);
/* The jobs are submitted: from here on the exchange is dispatch's. [prepare] */
void tn_exchange_begin(tn_exchange *x);

#endif
