/* SPDX-License-Identifier: Apache-2.0 */
#include "media/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "media/patches.h"

enum { N_BUCKET = 4096, MAX_KEYS = 1 << 30 };

struct tn_media_entry {
    tn_media_store *store;
    tn_media_entry *next;          /* in its bucket */
    tn_media_entry *newer, *older; /* among those that nobody holds */
    tn_media_hash hash;
    uint32_t n_held;
    bool is_idle;
    atomic_int state;
    tn_patches patches;
    float *rows;
    tn_media_view view;
    uint64_t bytes;
    tn_error error;
};

/* One lock for all: what is done below it is short. */
struct tn_media_store {
    pthread_mutex_t lock;
    tn_media_entry *buckets[N_BUCKET];
    tn_media_entry *newest, *oldest; /* idle ones */
    uint64_t max_bytes, idle_bytes;
    int32_t next_key;
    tn_media_store_stats stats;
};

int tn_media_store_new(uint64_t max_bytes, tn_media_store **ret, tn_error *err) {
    tn_media_store *s = calloc(1, sizeof *s);
    if (!s) return tn_fail(err, TN_ENOMEM, "out of memory");
    s->max_bytes = max_bytes;
    s->next_key = -1;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

static tn_media_entry **bucket(tn_media_store *s, const tn_media_hash *hash) {
    uint32_t n;
    memcpy(&n, hash->bytes, sizeof n);
    return &s->buckets[n % N_BUCKET];
}

static void unlink_idle(tn_media_store *s, tn_media_entry *e) {
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
    e->newer = e->older = NULL;
    e->is_idle = false;
    s->idle_bytes -= e->bytes;
}

static void forget(tn_media_store *s, tn_media_entry *e) {
    tn_media_entry **at = bucket(s, &e->hash);
    while (*at != e) at = &(*at)->next;
    *at = e->next;
    if (e->is_idle) unlink_idle(s, e);
    s->stats.n_entry--;
    s->stats.bytes -= e->bytes;
    tn_patches_fini(&e->patches);
    free(e->rows);
    free(e);
}

void tn_media_store_free(tn_media_store *s) {
    if (!s) return;
    for (uint32_t i = 0; i < N_BUCKET; i++)
        while (s->buckets[i]) forget(s, s->buckets[i]);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static tn_media_entry *find(tn_media_store *s, const tn_media_hash *hash) {
    for (tn_media_entry *e = *bucket(s, hash); e; e = e->next)
        if (memcmp(e->hash.bytes, hash->bytes, sizeof hash->bytes) == 0 &&
            atomic_load(&e->state) != TN_MEDIA_FAILED) {
            if (e->is_idle) unlink_idle(s, e);
            e->n_held++;
            return e;
        }
    return NULL;
}

tn_media_entry *tn_media_find(tn_media_store *s, const tn_media_hash *hash) {
    pthread_mutex_lock(&s->lock);
    tn_media_entry *e = find(s, hash);
    if (e) s->stats.n_hit++;
    pthread_mutex_unlock(&s->lock);
    return e;
}

/* Keys are handed out once: an entry that was forgotten gets others when it comes again, and the index has
 * forgotten it too in effect. After a billion rows they begin anew; what the index holds by then is older
 * than any cache. */
static int32_t take_keys(tn_media_store *s, uint32_t n) {
    if (n > (uint32_t)(MAX_KEYS + s->next_key)) s->next_key = -1;
    int32_t first = s->next_key;
    s->next_key -= (int32_t)n;
    return first;
}

int tn_media_add(tn_media_store *s, const tn_media_hash *hash, tn_patches *patches, uint32_t n_row,
                 tn_media_entry **ret, tn_error *err) {
    pthread_mutex_lock(&s->lock);
    tn_media_entry *e = find(s, hash);
    if (e) {
        s->stats.n_hit++;
        tn_patches_fini(patches);
    } else if ((e = calloc(1, sizeof *e))) {
        *e = (tn_media_entry){.store = s, .hash = *hash, .n_held = 1, .patches = *patches};
        e->view = (tn_media_view){.n_row = n_row, .first_key = take_keys(s, n_row)};
        e->next = *bucket(s, hash);
        *bucket(s, hash) = e;
        s->stats.n_entry++;
        s->stats.n_miss++;
    } else {
        tn_patches_fini(patches);
    }
    pthread_mutex_unlock(&s->lock);
    *patches = (tn_patches){0};
    *ret = e;
    return e ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

void tn_media_hold(tn_media_entry *e) {
    pthread_mutex_lock(&e->store->lock);
    e->n_held++;
    pthread_mutex_unlock(&e->store->lock);
}

static void evict(tn_media_store *s) {
    while (s->idle_bytes > s->max_bytes && s->oldest) {
        s->stats.n_evicted++;
        forget(s, s->oldest);
    }
}

void tn_media_release(tn_media_entry *e) {
    if (!e) return;
    tn_media_store *s = e->store;
    pthread_mutex_lock(&s->lock);
    if (--e->n_held == 0) {
        if (atomic_load(&e->state) != TN_MEDIA_READY) {
            forget(s, e); /* nobody waits for it any more */
        } else {
            e->older = s->newest;
            *(e->older ? &e->older->newer : &s->oldest) = e;
            s->newest = e;
            e->is_idle = true;
            s->idle_bytes += e->bytes;
            evict(s);
        }
    }
    pthread_mutex_unlock(&s->lock);
}

tn_media_state tn_media_entry_state(const tn_media_entry *e) {
    return (tn_media_state)atomic_load(&e->state);
}
tn_media_view tn_media_entry_view(const tn_media_entry *e) {
    return e->view;
}
const tn_error *tn_media_entry_error(const tn_media_entry *e) {
    return &e->error;
}
const tn_patches *tn_media_entry_patches(const tn_media_entry *e) {
    return &e->patches;
}

void tn_media_entry_done(tn_media_entry *e, float *rows, uint32_t n_part, uint32_t n_embd) {
    tn_media_store *s = e->store;
    pthread_mutex_lock(&s->lock);
    e->rows = rows;
    e->view.n_embd = n_embd;
    e->view.n_part = n_part;
    for (uint32_t i = 0; i < n_part; i++) e->view.parts[i] = rows + (size_t)i * e->view.n_row * n_embd;
    e->bytes = (uint64_t)n_part * e->view.n_row * n_embd * sizeof *rows;
    s->stats.bytes += e->bytes;
    s->stats.n_encoded++;
    tn_patches_fini(&e->patches);
    atomic_store(&e->state, TN_MEDIA_READY);
    pthread_mutex_unlock(&s->lock);
}

void tn_media_entry_fail(tn_media_entry *e, const tn_error *why) {
    pthread_mutex_lock(&e->store->lock);
    e->error = *why;
    tn_patches_fini(&e->patches);
    atomic_store(&e->state, TN_MEDIA_FAILED);
    pthread_mutex_unlock(&e->store->lock);
}

tn_media_store_stats tn_media_store_get_stats(tn_media_store *s) {
    pthread_mutex_lock(&s->lock);
    tn_media_store_stats stats = s->stats;
    pthread_mutex_unlock(&s->lock);
    return stats;
}
