/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/residency.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"

typedef struct entry {
    tn_residence state;
    uint32_t refs;
    tn_wait *waits, **waits_end; /* in the order of their coming */
    uint32_t n_waits;
    uint64_t wanted_at;   /* counts up: who was wanted first */
    int64_t last_used_ns; /* when it was last acquired or released */
    bool gentle;          /* nobody leaves for this load */
    bool worn;            /* in, but nobody new may have it */
    tn_model_need need;   /* while it is in */
} entry;

struct tn_residency {
    tn_residency_config config;
    pthread_mutex_t lock; /* of all that follows */
    pthread_cond_t news;  /* for the loader */
    entry *entries;       /* [n_model] */
    uint32_t n_waits;
    uint64_t n_wanted;
    bool stop;

    pthread_t loader;
    bool started; /* the control thread's */
};

/* ---- Waiting
 * -------------------------------------------------------------------------------------------------- */

/* Takes all waits of an entry. */
static tn_wait *take_waits(tn_residency *r, entry *e) {
    tn_wait *all = e->waits;
    r->n_waits -= e->n_waits;
    e->n_waits = 0;
    e->waits = NULL;
    e->waits_end = &e->waits;
    return all;
}

static void tell(tn_wait *all, int status, const tn_error *err) {
    while (all) {
        tn_wait *next = all->next;
        all->status = status;
        if (status) all->error = *err;
        all->done(all); /* which may free it */
        all = next;
    }
}

static void want(tn_residency *r, entry *e) {
    e->state = TN_RESIDENCE_WANTED;
    e->wanted_at = r->n_wanted++;
    pthread_cond_signal(&r->news);
}

static int wait_for(tn_residency *r, entry *e, tn_wait *w, tn_error *err) {
    if (r->stop) return tn_fail(err, TN_ECANCELED, "the server is shutting down");
    if (r->config.queue_length && e->n_waits >= r->config.queue_length)
        return tn_fail(err, TN_ECANCELED,
                       "%u requests are waiting for the model already, the limit is %u: try again later",
                       e->n_waits, r->config.queue_length);
    w->next = NULL;
    *e->waits_end = w;
    e->waits_end = &w->next;
    e->n_waits++;
    r->n_waits++;
    if (e->state == TN_RESIDENCE_OUT) want(r, e);
    return 1;
}

int tn_residency_acquire(tn_residency *r, uint32_t i, tn_wait *w, tn_error *err) {
    int rc = 0;
    entry *e = &r->entries[i];
    pthread_mutex_lock(&r->lock);
    w->model = i;
    if (e->state == TN_RESIDENCE_IN && !e->worn) {
        e->refs++;
        e->last_used_ns = tn_clock_ns();
    } else {
        rc = wait_for(r, e, w, err);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

void tn_residency_release(tn_residency *r, uint32_t i) {
    entry *e = &r->entries[i];
    pthread_mutex_lock(&r->lock);
    e->last_used_ns = tn_clock_ns();
    if (--e->refs == 0) pthread_cond_signal(&r->news);
    pthread_mutex_unlock(&r->lock);
}

void tn_residency_renew(tn_residency *r, uint32_t i) {
    pthread_mutex_lock(&r->lock);
    r->entries[i].worn = true;
    pthread_mutex_unlock(&r->lock); /* the loader hears of it from who lets go last */
}

/* Moves the late waits of e to *list. */
static void take_late(tn_residency *r, entry *e, int64_t now_ns, tn_wait **list) {
    for (tn_wait **at = &e->waits; *at;) {
        tn_wait *w = *at;
        if (!w->deadline_ns || w->deadline_ns > now_ns) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        if (!*at) e->waits_end = at;
        e->n_waits--;
        r->n_waits--;
        w->next = *list;
        *list = w;
    }
}

tn_wait *tn_residency_late(tn_residency *r, int64_t now_ns) {
    tn_wait *late = NULL;
    pthread_mutex_lock(&r->lock);
    for (uint32_t i = 0; r->n_waits && i < r->config.n_model; i++)
        take_late(r, &r->entries[i], now_ns, &late);
    pthread_mutex_unlock(&r->lock);
    return late;
}

uint32_t tn_residency_n_waits(tn_residency *r) {
    pthread_mutex_lock(&r->lock);
    uint32_t n = r->n_waits;
    pthread_mutex_unlock(&r->lock);
    return n;
}

tn_residence tn_residency_state(tn_residency *r, uint32_t i) {
    pthread_mutex_lock(&r->lock);
    tn_residence s = r->entries[i].state;
    pthread_mutex_unlock(&r->lock);
    return s;
}

bool tn_residency_is_stopping(tn_residency *r) {
    pthread_mutex_lock(&r->lock);
    bool stop = r->stop;
    pthread_mutex_unlock(&r->lock);
    return stop;
}

/* ---- The loader: all of this is called with the lock, and lets go of it around callbacks
 * -------------------- */

static bool may_leave(const tn_residency *r, uint32_t i) {
    return r->entries[i].state == TN_RESIDENCE_IN && r->entries[i].refs == 0 && !r->config.rules[i].keep;
}

/* What there is for model i beside the others, or beside those that stay. */
static tn_model_room room_beside(const tn_residency *r, uint32_t i, bool all) {
    tn_model_room room = {0};
    for (uint32_t k = 0; k < r->config.n_model; k++) {
        const entry *e = &r->entries[k];
        if (k == i || e->state != TN_RESIDENCE_IN || (!all && may_leave(r, k))) continue;
        room.others += e->need.fixed;
        if (e->need.kv_sequence > room.kv_sequence) room.kv_sequence = e->need.kv_sequence;
    }
    return room;
}

static uint64_t evictable(const tn_residency *r) {
    uint64_t n = 0;
    for (uint32_t k = 0; k < r->config.n_model; k++)
        if (may_leave(r, k)) n += r->entries[k].need.fixed;
    return n;
}

/* The one to leave next; -1: nobody may. */
static int least_recent(const tn_residency *r) {
    int least = -1;
    for (uint32_t k = 0; k < r->config.n_model; k++)
        if (may_leave(r, k) && (least < 0 || r->entries[k].last_used_ns < r->entries[least].last_used_ns))
            least = (int)k;
    return least;
}

static void take_out(tn_residency *r, uint32_t i) {
    entry *e = &r->entries[i];
    e->state = TN_RESIDENCE_LEAVING;
    pthread_mutex_unlock(&r->lock);
    r->config.unload(r->config.ctx, i);
    pthread_mutex_lock(&r->lock);
    e->need = (tn_model_need){0};
    e->state = TN_RESIDENCE_OUT;
    e->worn = false;
    if (e->waits) want(r, e);
}

static int fit(tn_residency *r, uint32_t i, bool beside_all, bool shrink, tn_error *err) {
    tn_model_room room = room_beside(r, i, beside_all);
    tn_model_need need = {0};
    pthread_mutex_unlock(&r->lock);
    int rc = r->config.fit(r->config.ctx, i, &room, shrink, &need, err);
    pthread_mutex_lock(&r->lock);
    r->entries[i].need = need;
    return rc;
}

static int take(tn_residency *r, uint32_t i, bool gentle, tn_error *err) {
    uint64_t could_come = gentle ? 0 : evictable(r);
    pthread_mutex_unlock(&r->lock);
    int rc = r->config.take(r->config.ctx, i, could_come, err);
    pthread_mutex_lock(&r->lock);
    return rc;
}

/* First what model i would need if all left that may: that is what it gets in the end. Only then does anybody
 * leave for it. */
static int make_room(tn_residency *r, uint32_t i, tn_error *err) {
    bool gentle = r->entries[i].gentle;
    int rc = fit(r, i, gentle, true, err);
    while (!rc) {
        int victim = gentle ? -1 : least_recent(r);
        rc = fit(r, i, true, victim < 0, err); /* without a victim: one was acquired meanwhile */
        if (!rc) rc = take(r, i, gentle, err);
        if (!rc || rc != TN_ENOMEM || victim < 0) break;
        rc = 0;
        if (may_leave(r, (uint32_t)victim)) take_out(r, (uint32_t)victim);
    }
    return rc;
}

static void bring_in(tn_residency *r, uint32_t i) {
    entry *e = &r->entries[i];
    tn_error err = {0};
    e->state = TN_RESIDENCE_LOADING;
    pthread_mutex_unlock(&r->lock);
    int rc = r->config.open(r->config.ctx, i, &err);
    pthread_mutex_lock(&r->lock);
    if (!rc) rc = make_room(r, i, &err);
    pthread_mutex_unlock(&r->lock);
    if (!rc) rc = r->config.load(r->config.ctx, i, &err);
    if (rc) r->config.unload(r->config.ctx, i);
    pthread_mutex_lock(&r->lock);
    e->state = rc ? TN_RESIDENCE_OUT : TN_RESIDENCE_IN;
    if (rc) e->need = (tn_model_need){0};
    e->gentle = false;
    e->last_used_ns = tn_clock_ns();
    if (!rc) e->refs = e->n_waits; /* all who waited hold it, whatever comes next */
    tn_wait *waits = take_waits(r, e);
    pthread_mutex_unlock(&r->lock);
    tell(waits, rc, &err);
    pthread_mutex_lock(&r->lock);
}

static int next_wanted(const tn_residency *r) {
    int first = -1;
    for (uint32_t k = 0; k < r->config.n_model; k++)
        if (r->entries[k].state == TN_RESIDENCE_WANTED &&
            (first < 0 || r->entries[k].wanted_at < r->entries[first].wanted_at))
            first = (int)k;
    return first;
}

/* One that does not work any more and that nobody holds; -1: none. */
static int next_worn(const tn_residency *r) {
    for (uint32_t k = 0; k < r->config.n_model; k++)
        if (r->entries[k].state == TN_RESIDENCE_IN && r->entries[k].worn && r->entries[k].refs == 0)
            return (int)k;
    return -1;
}

/* A model that has been idle for long enough, or -1 and how long the first one has left; 0 ns: there is none.
 */
static int next_idle(const tn_residency *r, int64_t *ret_left_ns) {
    int64_t now = tn_clock_ns();
    *ret_left_ns = 0;
    for (uint32_t k = 0; k < r->config.n_model; k++) {
        int64_t allowed = (int64_t)(r->config.rules[k].idle_unload_s * 1e9);
        int64_t left = r->entries[k].last_used_ns + allowed - now;
        if (!may_leave(r, k) || !allowed) continue;
        if (left <= 0) return (int)k;
        if (!*ret_left_ns || left < *ret_left_ns) *ret_left_ns = left;
    }
    return -1;
}

/* Waits for news, at most for a while: the clock that is waited by may be set. */
static void wait_for_news(tn_residency *r, int64_t ns) {
    enum { SECOND = 1000000000 };
    struct timespec until;
    if (ns == 0) {
        pthread_cond_wait(&r->news, &r->lock);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += ns < SECOND ? (long)ns : SECOND - 1;
    if (until.tv_nsec >= SECOND) {
        until.tv_nsec -= SECOND;
        until.tv_sec++;
    }
    pthread_cond_timedwait(&r->news, &r->lock, &until);
}

static void *run(void *arg) {
    tn_residency *r = arg;
    pthread_mutex_lock(&r->lock);
    while (!r->stop) {
        int64_t left = 0;
        int worn = next_worn(r), wanted = next_wanted(r), idle = wanted < 0 ? next_idle(r, &left) : -1;
        if (worn >= 0)
            take_out(r, (uint32_t)worn);
        else if (wanted >= 0)
            bring_in(r, (uint32_t)wanted);
        else if (idle >= 0)
            take_out(r, (uint32_t)idle);
        else
            wait_for_news(r, left);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- Life
 * ----------------------------------------------------------------------------------------------------- */

int tn_residency_new(const tn_residency_config *config, tn_residency **ret, tn_error *err) {
    tn_residency *r = calloc(1, sizeof *r);
    entry *entries = calloc((size_t)config->n_model + 1, sizeof *entries);
    if (!r || !entries) {
        free(r);
        free(entries);
        return tn_fail(err, TN_ENOMEM, "out of memory");
    }
    r->config = *config;
    r->entries = entries;
    for (uint32_t i = 0; i < config->n_model; i++) entries[i].waits_end = &entries[i].waits;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->news, NULL);
    r->started = pthread_create(&r->loader, NULL, run, r) == 0;
    if (!r->started) {
        tn_residency_free(r);
        return tn_fail(err, TN_EIO, "cannot start the thread that loads models");
    }
    *ret = r;
    return 0;
}

typedef struct preload {
    tn_wait wait;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool is_done;
} preload;

static void preloaded(tn_wait *w) {
    preload *p = (preload *)w;
    pthread_mutex_lock(&p->lock);
    p->is_done = true;
    pthread_cond_signal(&p->cond);
    pthread_mutex_unlock(&p->lock);
}

int tn_residency_preload(tn_residency *r, uint32_t i, tn_error *err) {
    preload p = {.wait.done = preloaded};
    pthread_mutex_lock(&r->lock);
    r->entries[i].gentle = true;
    pthread_mutex_unlock(&r->lock);
    pthread_mutex_init(&p.lock, NULL);
    pthread_cond_init(&p.cond, NULL);
    int rc = tn_residency_acquire(r, i, &p.wait, err);
    if (rc == 1) {
        pthread_mutex_lock(&p.lock);
        while (!p.is_done) pthread_cond_wait(&p.cond, &p.lock);
        pthread_mutex_unlock(&p.lock);
        rc = p.wait.status ? tn_fail(err, p.wait.status, "%s", p.wait.error.text) : 0;
    }
    pthread_cond_destroy(&p.cond);
    pthread_mutex_destroy(&p.lock);
    if (!rc) tn_residency_release(r, i);
    return rc;
}

void tn_residency_stop(tn_residency *r) {
    tn_error err;
    int rc = tn_fail(&err, TN_ECANCELED, "the server is shutting down");
    pthread_mutex_lock(&r->lock);
    r->stop = true;
    pthread_cond_signal(&r->news);
    for (uint32_t i = 0; i < r->config.n_model; i++) {
        entry *e = &r->entries[i];
        if (e->state == TN_RESIDENCE_WANTED) e->state = TN_RESIDENCE_OUT;
        tn_wait *waits = take_waits(r, e);
        pthread_mutex_unlock(&r->lock);
        tell(waits, rc, &err);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    if (r->started) pthread_join(r->loader, NULL);
    r->started = false;
}

void tn_residency_free(tn_residency *r) {
    if (!r) return;
    tn_residency_stop(r);
    for (uint32_t i = 0; i < r->config.n_model; i++)
        if (r->entries[i].state == TN_RESIDENCE_IN) r->config.unload(r->config.ctx, i);
    pthread_cond_destroy(&r->news);
    pthread_mutex_destroy(&r->lock);
    free(r->entries);
    free(r);
}
