/* SPDX-License-Identifier: Apache-2.0 */
/* One barrier does everything: a job starts when the caller joins the idle members in it, and ends in it. A
 * barrier is a count of those who have come and a phase that the last one advances. Waiting is a bounded spin
 * on the phase, then sleep: a futex on Linux, a condition variable elsewhere. */
#include "base/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#    include <linux/futex.h>
#    include <sched.h>
#    include <sys/syscall.h>
#endif

/* Long enough to cross the gap between two operations of a step, short enough (tens of microseconds) not to
 * matter when the processor is wanted elsewhere. */
enum { SPIN = 1000, CACHE_LINE = 64 };

struct tn_team {
    _Alignas(CACHE_LINE) _Atomic uint32_t arrived;
    _Alignas(CACHE_LINE) _Atomic uint32_t phase;
    _Atomic uint32_t sleepers;
    _Alignas(CACHE_LINE) uint32_t n_member;
    uint32_t spin;
    /* Written by member 0 before the barrier that starts a job, read by the others after it. */
    bool stop;
    tn_team_fn fn;
    void *ctx;
    pthread_mutex_t lock; /* for the condition variable only */
    pthread_cond_t woken;
    uint32_t n_thread;
    struct member {
        tn_team *team;
        uint32_t index;
        pthread_t thread;
    } members[];
};

#ifdef __linux__
/* Processors' worth of time that a control group grants (a container's limit, "200000 100000" for two),
 * rounded up; 0 without a limit. */
static uint32_t granted(const char *path) {
    unsigned long long quota, period;
    FILE *f = fopen(path, "re");
    if (!f) return 0;
    bool ok = fscanf(f, "%llu %llu", &quota, &period) == 2 && quota > 0 && period > 0;
    fclose(f);
    unsigned long long n = ok ? quota / period + (quota % period != 0) : 0;
    return n < TN_TEAM_MAX ? (uint32_t)n : TN_TEAM_MAX;
}

static uint32_t allowed(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
    return n > 0 ? (uint32_t)n : 0;
}
#endif

uint32_t tn_team_processors(void) {
#ifdef __linux__
    uint32_t n_allowed = allowed(), n_granted = granted("/sys/fs/cgroup/cpu.max");
    if (n_allowed > 0) return n_granted > 0 && n_granted < n_allowed ? n_granted : n_allowed;
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (uint32_t)n : 1;
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleeps until the phase is no longer `phase`; may return early. The sleeper counts itself first and the
 * waker advances the phase first, so one of them always sees the other. */
static void sleep_on(tn_team *t, uint32_t phase) {
    atomic_fetch_add(&t->sleepers, 1);
#ifdef __linux__
    syscall(SYS_futex, &t->phase, FUTEX_WAIT_PRIVATE, phase, NULL, NULL, 0);
#else
    pthread_mutex_lock(&t->lock);
    while (atomic_load(&t->phase) == phase) pthread_cond_wait(&t->woken, &t->lock);
    pthread_mutex_unlock(&t->lock);
#endif
    atomic_fetch_sub(&t->sleepers, 1);
}

static void wake_all(tn_team *t) {
    if (atomic_load(&t->sleepers) == 0) return;
#ifdef __linux__
    syscall(SYS_futex, &t->phase, FUTEX_WAKE_PRIVATE, TN_TEAM_MAX, NULL, NULL, 0);
#else
    pthread_mutex_lock(&t->lock);
    pthread_cond_broadcast(&t->woken);
    pthread_mutex_unlock(&t->lock);
#endif
}

void tn_team_barrier(tn_team *t) {
    if (t->n_member == 1) return;
    uint32_t phase = atomic_load_explicit(&t->phase, memory_order_relaxed);
    if (atomic_fetch_add(&t->arrived, 1) + 1 == t->n_member) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_store(&t->phase, phase + 1);
        wake_all(t);
        return;
    }
    for (uint32_t i = 0; i < t->spin; i++) {
        if (atomic_load_explicit(&t->phase, memory_order_acquire) != phase) return;
        relax();
    }
    while (atomic_load(&t->phase) == phase) sleep_on(t, phase);
}

static void *member_main(void *arg) {
    const struct member *m = arg;
    tn_team *t = m->team;
    for (;;) {
        tn_team_barrier(t);
        if (t->stop) return NULL;
        t->fn(t->ctx, m->index, t->n_member);
        tn_team_barrier(t);
    }
}

void tn_team_run(tn_team *t, tn_team_fn fn, void *ctx) {
    t->fn = fn;
    t->ctx = ctx;
    tn_team_barrier(t);
    fn(ctx, 0, t->n_member);
    tn_team_barrier(t);
}

/* Signals are for the threads of the program, not for these. */
static int start_members(tn_team *t) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = 0;
    for (uint32_t i = 1; i < t->n_member && rc == 0; i++) {
        t->members[i] = (struct member){.team = t, .index = i};
        rc = pthread_create(&t->members[i].thread, NULL, member_main, &t->members[i]);
        if (rc == 0) t->n_thread++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

/* Lets the members that did start pass the barrier and leave; those that did not are counted out first. */
static void stop_members(tn_team *t) {
    t->stop = true;
    for (uint32_t i = t->n_thread + 1; i < t->n_member; i++) atomic_fetch_add(&t->arrived, 1);
    if (t->n_thread > 0) tn_team_barrier(t);
    for (uint32_t i = 1; i <= t->n_thread; i++) pthread_join(t->members[i].thread, NULL);
}

int tn_team_new(uint32_t n_member, tn_team **ret, tn_error *err) {
    uint32_t n_cpu = tn_team_processors();
    if (n_member == 0) n_member = n_cpu < TN_TEAM_MAX ? n_cpu : TN_TEAM_MAX;
    if (n_member > TN_TEAM_MAX)
        return tn_fail(err, TN_ELIMIT, "%u threads: at most %d are supported", n_member, TN_TEAM_MAX);
    size_t bytes = sizeof(tn_team) + n_member * sizeof(struct member);
    bytes = (bytes + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
    tn_team *t = aligned_alloc(CACHE_LINE, bytes);
    if (!t) return tn_fail(err, TN_ENOMEM, "out of memory for a team of %u threads", n_member);
    *t = (tn_team){.n_member = n_member, .spin = n_member <= n_cpu ? SPIN : 0};
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->woken, NULL);
    int rc = start_members(t);
    if (rc != 0) {
        uint32_t n = t->n_thread + 1;
        tn_team_free(t);
        return tn_fail(err, TN_EIO, "thread %u of %u could not be started (error %d); ask for fewer threads",
                       n + 1, n_member, rc);
    }
    *ret = t;
    return 0;
}

void tn_team_free(tn_team *t) {
    if (!t) return;
    stop_members(t);
    pthread_cond_destroy(&t->woken);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

uint32_t tn_team_size(const tn_team *t) {
    return t->n_member;
}
