/* SPDX-License-Identifier: Apache-2.0 */
/* Which models are in memory: a state machine with one lock and one thread, the loader.
 *
 *     OUT -> WANTED -> LOADING -> IN -> LEAVING -> OUT
 *                          '-> OUT (it failed: all who waited are told why, the next one tries again)
 *
 * What a model is, how it is loaded and what it takes is the business of the callbacks; they run on the
 * loader, one at a time and without the lock. A model that is held (acquired and not released) stays. One
 * that has to be loaded and does not fit makes those leave that nobody holds, the one first whose last use is
 * longest ago, but none when that would not be enough. */
#ifndef TN_SERVE_RESIDENCY_H
#define TN_SERVE_RESIDENCY_H

#include "sched/model.h"

typedef enum tn_residence {
    TN_RESIDENCE_OUT,
    TN_RESIDENCE_WANTED,  /* waits for the loader */
    TN_RESIDENCE_LOADING, /* the loader is at it */
    TN_RESIDENCE_IN,
    TN_RESIDENCE_LEAVING, /* nobody may have it any more; those who want it wait */
} tn_residence;

/* What one model is allowed. */
typedef struct tn_residency_rule {
    bool keep;            /* never leaves */
    double idle_unload_s; /* leaves after so long without use; 0: does not */
} tn_residency_rule;

typedef struct tn_residency_config {
    const tn_residency_rule *rules; /* [n_model], borrowed */
    uint32_t n_model;
    uint32_t queue_length; /* how many may wait for one model; 0: any number */
    void *ctx;             /* of the callbacks */
    /* Finds out what model i needs, for fit and take. After a failure of any of these unload() cleans up. */
    int (*open)(void *ctx, uint32_t i, tn_error *err);
    /* Whether it fits beside others (room->limit is the callback's to fill in); shrink: it may change what it
     * needs so that it does. TN_ENOMEM. */
    int (*fit)(void *ctx, uint32_t i, const tn_model_room *room, bool shrink, tn_model_need *ret,
               tn_error *err);
    /* Takes what it needs. TN_ENOMEM: it will be possible when others have left that hold `evictable` bytes;
     * TN_ELIMIT: not even then. */
    int (*take)(void *ctx, uint32_t i, uint64_t evictable, tn_error *err);
    /* Ends in time when the residency is stopping. */
    int (*load)(void *ctx, uint32_t i, tn_error *err);
    void (*unload)(void *ctx, uint32_t i);
} tn_residency_config;

typedef struct tn_residency tn_residency;

/* Somebody who waits for a model; a part of whatever waits. */
typedef struct tn_wait {
    struct tn_wait *next;
    int64_t deadline_ns; /* of tn_clock_ns(); 0: none */
    /* Called once unless tn_residency_late hands the wait out. status 0: the model is in, and held for the
     * waiter. [loader, or who stops the residency] */
    void (*done)(struct tn_wait *w);
    uint32_t model;
    int status;
    tn_error error;
} tn_wait;

/* Starts the loader. TN_ENOMEM, TN_EIO. [control thread] */
int tn_residency_new(const tn_residency_config *config, tn_residency **ret, tn_error *err);
/* Loads model i without making others leave, waits for it. Errors are the callbacks'. [control thread] */
int tn_residency_preload(tn_residency *r, uint32_t i, tn_error *err);

/* 0: model i is in, and held for the caller. 1: w (deadline and done set) waits. TN_ECANCELED: too many wait
 * already, or the residency has been stopped. [any thread] */
int tn_residency_acquire(tn_residency *r, uint32_t i, tn_wait *w, tn_error *err);
/* The caller lets go of a model that was held for it. [any thread] */
void tn_residency_release(tn_residency *r, uint32_t i);
/* Model i no longer works: when all who hold it have let go of it, it leaves, kept or not; who wants it from
 * now on waits until it has been loaded anew. For those that hold it. Again is harmless. [any thread] */
void tn_residency_renew(tn_residency *r, uint32_t i);
/* Takes out those whose deadline has passed; their done is not called. [any thread] */
tn_wait *tn_residency_late(tn_residency *r, int64_t now_ns);
/* How many wait. [any thread] */
uint32_t tn_residency_n_waits(tn_residency *r);
tn_residence tn_residency_state(tn_residency *r, uint32_t i);

/* From here on nothing is loaded: who waits is told so (TN_ECANCELED), the loader ends. What is in stays.
 * Again is harmless. [control thread] */
void tn_residency_stop(tn_residency *r);
bool tn_residency_is_stopping(tn_residency *r);
/* Stops, unloads everything. NULL is harmless. */
void tn_residency_free(tn_residency *r);

#endif
