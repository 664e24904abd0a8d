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

#include "base/budget.h"
#include "media/intake.h"
#include "serve/models.h"
#include "serve/stop.h"

typedef enum tn_phase {
    TN_EXCHANGE_PREPARING,
    TN_EXCHANGE_GENERATING,
    TN_EXCHANGE_DONE,
} tn_phase;

/* A token whose log probabilities are still to be told. */
typedef struct tn_kept {
    tn_token token;
    size_t start; /* where its text begins in the choice's, stop strings included */
} tn_kept;

/* One choice: a job and its text. */
typedef struct tn_choice {
    tn_job *job;
    uint32_t n_read; /* tokens turned into text */
    tn_detok *detok;
    tn_stop stop;
    tn_buf text;   /* not yet part of an event; for whole answers all of it */
    size_t raw;    /* bytes that came out of the tokens so far, stop strings included */
    size_t given;  /* bytes in earlier events */
    tn_kept *kept; /* [n_kept]; NULL where nobody wants log probabilities */
    uint32_t n_kept, cap_kept;
    uint32_t offset;    /* completion log probabilities: characters in earlier events */
    const char *finish; /* "stop", "length"; NULL while it goes on */
} tn_choice;

/* What the http thread waits for. */
typedef struct tn_waiter {
    void (*resume)(void *connection); /* called with the lock held, once for each time `waiting` was set */
    void *connection;
    bool waiting;
} tn_waiter;

typedef struct tn_exchange {
    struct tn_exchange *next, *prev, *next_closed; /* in the dispatcher's lists */
    struct tn_exchange *next_open, *prev_open;     /* in its list of all, under its lock */
    bool is_live, is_orphan;                       /* the dispatcher's: in its list; closed before it came */
    bool is_watched;                               /* http's: hang-ups are reported */
    char *body; /* owned; what was uploaded, NULL once it has been parsed */
    size_t body_len;
    tn_budget *budget; /* borrowed; what body_len is taken from */
    tn_api_route route;
    char id[48];
    tn_api_request request;
    tn_api_head head;
    const tn_served *served;      /* held until the exchange is freed; NULL before prepare has got it */
    tn_wait wait;                 /* for a model that is not loaded */
    struct tn_dispatch *dispatch; /* that takes it back then */
    bool is_parsed;
    bool has_looked; /* its media have been got: they are in seen, or media_error says why not */
    tn_seen *seen;   /* [n_seen] */
    uint32_t n_seen;
    tn_api_error media_error; /* status 0: none */
    tn_choice *choices;       /* [n_choice] */
    uint32_t n_choice;
    uint32_t prompt_tokens;
    uint64_t client;    /* whose it is, for a fair share */
    int64_t arrived_ns; /* monotonic */

    pthread_mutex_t lock;
    tn_phase phase;
    int fd;         /* of the connection; -1 once that is over */
    bool gone;      /* the client has hung up */
    bool cancelled; /* somebody wants it ended */
    tn_waiter waiter;
    tn_api_error error; /* status 0: none */
    bool streaming;     /* bytes may be sent before the phase is DONE */
    tn_buf out;         /* bytes of the answer */
    size_t sent;        /* of those, handed to the client */
    bool cut;           /* the answer ends here, unfinished: a slow reader, or nobody */
} tn_exchange;

/* A new one for a body of the caller's malloc, which it takes, with its len bytes of budget. NULL when out of
 * memory (the body is freed, its bytes are given back). */
tn_exchange *tn_exchange_new(char *body, size_t len, tn_budget *budget, tn_api_route route, int fd);
/* Releases the jobs (which cancels them) and frees. Only when no thread uses it any more. */
void tn_exchange_free(tn_exchange *x);
/* Lets go of what it has seen: its jobs hold what they need. [prepare] */
void tn_exchange_drop_media(tn_exchange *x);
/* Frees the body and gives its bytes back. [prepare] */
void tn_exchange_drop_body(tn_exchange *x);

tn_phase tn_exchange_phase(tn_exchange *x);
bool tn_exchange_is_gone(tn_exchange *x);
/* The socket belongs to somebody else from here on. [http] */
void tn_exchange_leave(tn_exchange *x);

/* Fails it with what is in e: with its status, or as an event where the answer has begun. [prepare, dispatch]
 */
void tn_exchange_fail(tn_exchange *x, const tn_api_error *e);
/* Takes new tokens of all choices. max_pending: bytes the client may leave unread. [dispatch] */
void tn_exchange_pump(tn_exchange *x, size_t max_pending);
/* The client went away: where jobs run, they end, and the connection is woken so that it can be closed.
 * [dispatch] */
void tn_exchange_hang_up(tn_exchange *x);
/* Tokens of the engine so far, while it generates. [any thread] */
tn_api_usage tn_exchange_progress(const tn_exchange *x);
/* Ends it as cancelled; dispatch tells the client. Its phase. [any thread] */
tn_phase tn_exchange_end(tn_exchange *x);
/* Whether no job has begun yet. [dispatch] */
bool tn_exchange_is_waiting(const tn_exchange *x);
/* Prepares the text machinery of the choices, before their jobs are submitted. TN_ENOMEM. [prepare] */
int tn_exchange_init_choices(tn_exchange *x);
/* The jobs are submitted: from here on the exchange is dispatch's. [prepare] */
void tn_exchange_begin(tn_exchange *x);

#endif
