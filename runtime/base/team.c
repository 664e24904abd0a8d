/* SPDX-License-Identifier: Apache-2.0 */
/* One barrier does everything: a job starts when the caller joins the idle members in it, and ends in it. A
 * barrier is a count of those who have come and a phase that the last one advances. Waiting is a spin on the
 * phase for a bounded time, then sleep: a futex on Linux, a condition variable elsewhere.
 *
 * Placement is left to the system, which on a busy machine puts two members on one processor: spinning would
 * only keep the other from coming, so who waits there sleeps at once. */
#include "base/team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#ifdef __linux__
#    include <linux/futex.h>
#    include <sched.h>
#    include <sys/syscall.h>
#endif

/* Within a job as long as members' shares usually differ, between jobs as long as a token takes to be chosen;
 * both short beside the milliseconds that a member is away when its processor is wanted elsewhere. */
enum { SPIN_NS = 50 * 1000, SPIN_IDLE_NS = 200 * 1000, LOOKS = 32, CACHE_LINE = 64 };

struct tn_team {
    _Alignas(CACHE_LINE) _Atomic uint32_t arrived;
    _Alignas(CACHE_LINE) _Atomic uint32_t phase;
    _Atomic uint32_t sleepers;
    _Alignas(CACHE_LINE) uint32_t n_member;
    bool spins; /* there is a processor for each */
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
        _Atomic int32_t processor; /* where it was last seen; -1: not known */
    } members[];
};

/* The member that this thread is; a thread may be the caller of several teams, but then it is member 0. */
static _Thread_local uint32_t self;

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

/* Written only when it changes, so that the line stays with all who read it. */
static void note_processor(tn_team *t) {
#ifdef __linux__
    struct member *m = &t->members[self];
    int32_t now = sched_getcpu();
    if (atomic_load_explicit(&m->processor, memory_order_relaxed) != now)
        atomic_store_explicit(&m->processor, now, memory_order_relaxed);
#endif
}

static bool shares_processor(const tn_team *t) {
    int32_t mine = atomic_load_explicit(&t->members[self].processor, memory_order_relaxed);
    for (uint32_t i = 0; i < t->n_member && mine >= 0; i++)
        if (i != self && atomic_load_explicit(&t->members[i].processor, memory_order_relaxed) == mine)
            return true;
    return false;
}

/* Whether the phase has gone on before the time was up. */
static bool spin(const tn_team *t, uint32_t phase, int64_t limit_ns) {
    int64_t end = 0, now;
    while (t->spins) {
        for (int i = 0; i < LOOKS; i++) {
            if (atomic_load_explicit(&t->phase, memory_order_acquire) != phase) return true;
            relax();
        }
        now = tn_clock_ns();
        if (end == 0 && shares_processor(t)) return false;
        if (end == 0) end = now + limit_ns;
        if (now >= end) return false;
    }
    return false;
}

static void meet(tn_team *t, int64_t spin_ns) {
    if (t->n_member == 1) return;
    uint32_t phase = atomic_load_explicit(&t->phase, memory_order_relaxed);
    note_processor(t);
    if (atomic_fetch_add(&t->arrived, 1) + 1 == t->n_member) {
        atomic_store_explicit(&t->arrived, 0, memory_order_relaxed);
        atomic_store(&t->phase, phase + 1);
        wake_all(t);
        return;
    }
    if (spin(t, phase, spin_ns)) return;
    while (atomic_load(&t->phase) == phase) sleep_on(t, phase);
}

void tn_team_barrier(tn_team *t) {
    meet(t, SPIN_NS);
}

static void *member_main(void *arg) {
    const struct member *m = arg;
    tn_team *t = m->team;
    self = m->index;
    for (;;) {
        meet(t, SPIN_IDLE_NS);
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
        t->members[i].team = t;
        t->members[i].index = i;
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
    *t = (tn_team){.n_member = n_member, .spins = n_member <= n_cpu};
    for (uint32_t i = 0; i < n_member; i++) t->members[i].processor = -1;
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
