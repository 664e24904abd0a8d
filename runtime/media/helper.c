/* SPDX-License-Identifier: Apache-2.0 */
#include "media/helper.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checked.h"
#include "media/protocol.h"
#include "modules/loader.h"

enum { MODULES_MAX = 32, FILES_MAX = 64, SECONDS_MORE = 10, THREADS = 4 };

static struct {
    const tn_modality *list[MODULES_MAX];
    uint32_t n;
    tn_error problem; /* the first */
} g_modules;

/* ---- Modules ---- */

static void add_module(const tn_loaded *loaded) {
    const tn_modality *m = loaded->entry->get_factory(loaded->host, TN_MODALITY_FACTORY);
    if (!m || g_modules.n == MODULES_MAX) return;
    if (m->size != sizeof *m || !m->probe || !m->inspect || !m->decode)
        tn_fail(&g_modules.problem, TN_EMODULE, "module %s: its tn_modality is incomplete",
                loaded->entry->id);
    else
        g_modules.list[g_modules.n++] = m;
}

static void add_preopened(const tn_loaded *loaded, const tn_error *why, void *arg) {
    (void)why, (void)arg;
    if (loaded) add_module(loaded);
}

static void open_modules(const char *files) {
    char *copy = strdup(files), *rest = copy;
    tn_error err = {0};
    tn_loader_preopened(add_preopened, NULL, &err);
    for (char *file; copy && (file = strsep(&rest, ":"));) {
        const tn_loaded *loaded;
        if (!*file) continue;
        if (tn_loader_open(file, &loaded, &err) == 0)
            add_module(loaded);
        else if (!g_modules.problem.code)
            g_modules.problem = err;
    }
    free(copy);
}

/* ---- Limits ---- */

/* Sanitizers reserve far more address space than any limit on it would allow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define HAVE_SANITIZER 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#        define HAVE_SANITIZER 1
#    endif
#endif

/* The address space in use, 0 where the system does not say: then there is no limit on it either. */
static uint64_t space_in_use(void) {
    unsigned long long pages = 0;
#ifndef HAVE_SANITIZER
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%llu", &pages) != 1) pages = 0;
    if (f) fclose(f);
#endif
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void lower(int which, uint64_t value) {
    struct rlimit r;
    if (getrlimit(which, &r) != 0) return;
    r.rlim_cur = r.rlim_max != RLIM_INFINITY && value > r.rlim_max ? r.rlim_max : (rlim_t)value;
    setrlimit(which, &r);
}

static void limit_memory(uint64_t base, const tn_media_request *q) {
    uint64_t sum;
    if (!base) return;
    if (!tn_add_u64(base, q->memory, &sum) || !tn_add_u64(sum, q->n_byte, &sum) ||
        !tn_add_u64(sum, q->n_index ? q->limits.max_bytes : 0, &sum))
        return;
    lower(RLIMIT_AS, sum);
}

/* The program ends a call that takes too long; this is for when the program itself is gone. */
static void limit_time(const tn_media_request *q) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    uint64_t spent = (uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec;
    lower(RLIMIT_CPU, spent + ((uint64_t)q->seconds + SECONDS_MORE) * THREADS);
    alarm(q->seconds < 1u << 20 ? q->seconds + SECONDS_MORE : 1u << 20);
}

static void limit_process(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){FILES_MAX, FILES_MAX});
}

/* Whatever the program had open and forgot to mark. */
static void close_others(void) {
    int open[256], n = 0;
    DIR *d = opendir("/dev/fd");
    for (struct dirent *e; d && n < 256 && (e = readdir(d));) {
        int fd = atoi(e->d_name);
        if (fd > STDERR_FILENO && fd != dirfd(d)) open[n++] = fd;
    }
    if (d) closedir(d);
    for (int i = 0; i < n; i++) close(open[i]);
}

/* ---- Frames ---- */

typedef struct output {
    tn_modality_sink sink; /* first: the sink of a call is an output */
    const tn_modality_limits *limits;
    uint32_t n, n_done, width, height;
    uint64_t n_sample;
    int fd;
    uint8_t *memory;
    size_t size;
} output;

static int make_room(output *o, uint32_t width, uint32_t height, tn_error *err) {
    uint64_t pixels = (uint64_t)width * height, bytes, size;
    if (!pixels) return tn_fail(err, TN_EMODULE, "a frame of %u x %u pixels", width, height);
    if (pixels > o->limits->max_pixels || !tn_mul_u64(pixels, (uint64_t)o->n * 3, &bytes) ||
        bytes > o->limits->max_bytes || !tn_add_u64(bytes, (uint64_t)o->n * sizeof(double), &size))
        return tn_fail(err, TN_ELIMIT,
                       "%u frames of %u x %u pixels; at most %llu bytes are taken: ask for fewer", o->n,
                       width, height, (unsigned long long)o->limits->max_bytes);
    o->fd = tn_media_memory_new((size_t)size);
    void *p = o->fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
    if (p == MAP_FAILED) return tn_fail(err, TN_ENOMEM, "out of memory");
    o->memory = p;
    o->size = (size_t)size;
    o->width = width;
    o->height = height;
    return 0;
}

static uint8_t *on_frame(tn_modality_sink *sink, uint32_t width, uint32_t height, double seconds,
                         tn_error *err) {
    output *o = (output *)sink;
    if (!o->memory && make_room(o, width, height, err)) return NULL;
    if (o->n_done == o->n || width != o->width || height != o->height) {
        tn_fail(err, TN_EMODULE, "frame %u of %u has %u x %u pixels, the first %u x %u", o->n_done + 1, o->n,
                width, height, o->width, o->height);
        return NULL;
    }
    memcpy(o->memory + (size_t)o->n_done * sizeof seconds, &seconds, sizeof seconds);
    uint8_t *pixels = o->memory + (size_t)o->n * sizeof seconds;
    return pixels + (size_t)o->n_done++ * width * height * 3;
}

/* Address space for as many samples as may come; pages are taken as they are written. */
static int make_sound_room(output *o, tn_error *err) {
    const uint64_t size = o->limits->max_bytes / sizeof(float) * sizeof(float);
    o->fd = size ? tn_media_memory_new((size_t)size) : -1;
    void *p = o->fd < 0 ? MAP_FAILED : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, o->fd, 0);
    if (p == MAP_FAILED) return tn_fail(err, TN_ENOMEM, "out of memory");
    o->memory = p;
    o->size = (size_t)size;
    return 0;
}

static float *on_samples(tn_modality_sink *sink, uint32_t n, tn_error *err) {
    output *o = (output *)sink;
    if (!o->memory && make_sound_room(o, err)) return NULL;
    const uint64_t room = o->size / sizeof(float), most = room < UINT32_MAX ? room : UINT32_MAX;
    if (n > most - o->n_sample) {
        tn_fail(err, TN_ELIMIT, "a recording of more than %llu samples", (unsigned long long)most);
        return NULL;
    }
    float *at = (float *)(void *)o->memory + o->n_sample;
    o->n_sample += n;
    return at;
}

static int finish_sound(output *o, tn_media_reply *a) {
    if (a->info.kind != TN_MODALITY_AUDIO || o->n_done)
        return tn_fail(&a->err, TN_EMODULE, "a module gave both frames and samples, or neither");
    if (!o->n_sample) return tn_fail(&a->err, TN_EFORMAT, "the recording has no samples");
    a->info.n_frame = (uint32_t)o->n_sample;
    a->info.seconds = a->info.fps > 0 ? (double)o->n_sample / a->info.fps : 0;
    return tn_media_memory_seal(o->fd) ? tn_fail(&a->err, TN_EIO, "sealing: %s", strerror(errno)) : 0;
}

static void release(output *o) {
    if (o->memory) munmap(o->memory, o->size);
    if (o->fd >= 0) close(o->fd);
}

/* ---- Requests ---- */

/* The one that is surest; of those that read the kind that is wanted, if there is one. */
static const tn_modality *choose(const uint8_t *bytes, size_t n, uint32_t kind, tn_error *err) {
    enum { WANTED = 1000 };
    const tn_modality *best = NULL;
    int32_t best_score = 0;
    char known[256] = "";
    for (uint32_t i = 0; i < g_modules.n; i++) {
        const tn_modality *m = g_modules.list[i];
        int32_t score = m->probe(bytes, n);
        if (score > 0 && kind && (m->kinds >> kind & 1)) score += WANTED;
        size_t len = strlen(known);
        snprintf(known + len, sizeof known - len, "%s%s", len ? "; " : "", m->summary);
        if (score <= best_score) continue;
        best = m;
        best_score = score;
    }
    if (!best) tn_fail(err, TN_EFORMAT, "not a file of a kind that is known here (%s)", known);
    return best;
}

static int decode(const tn_media_request *q, const uint8_t *memory, output *o, tn_media_reply *a) {
    const uint32_t *index = (const uint32_t *)(const void *)memory;
    const uint8_t *bytes = memory + (size_t)q->n_index * sizeof *index;
    const tn_modality *m = choose(bytes, (size_t)q->n_byte, q->kind, &a->err);
    a->info.size = sizeof a->info;
    if (!m) return a->err.code;
    if (!q->n_index) return m->inspect(bytes, (size_t)q->n_byte, &q->limits, &a->info, &a->err);
    int rc = m->decode(bytes, (size_t)q->n_byte, &q->limits, index, q->n_index, &o->sink, &a->info, &a->err);
    if (!rc && (o->n_sample || a->info.kind == TN_MODALITY_AUDIO)) return finish_sound(o, a);
    if (!rc && o->n_done != o->n)
        return tn_fail(&a->err, TN_EMODULE, "a module gave %u of %u frames", o->n_done, o->n);
    return !rc && tn_media_memory_seal(o->fd) ? tn_fail(&a->err, TN_EIO, "sealing: %s", strerror(errno)) : rc;
}

/* Returns 0, or an errno when there is nobody to answer any more. */
static int serve(const tn_media_request *q, int fd) {
    tn_media_reply a = {.magic = TN_MEDIA_MAGIC};
    output o = {.sink = {.size = sizeof o.sink, .frame = on_frame, .samples = on_samples},
                .limits = &q->limits,
                .n = q->n_index,
                .fd = -1};
    size_t size = (size_t)q->n_index * sizeof(uint32_t) + (size_t)q->n_byte;
    void *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    a.code = memory == MAP_FAILED ? tn_fail(&a.err, TN_ENOMEM, "out of memory") : decode(q, memory, &o, &a);
    if (memory != MAP_FAILED) munmap(memory, size);
    int rc = tn_media_send(TN_MEDIA_SOCKET, &a, sizeof a, a.code ? -1 : o.fd);
    release(&o);
    return rc;
}

static int serve_all(uint64_t base) {
    for (;;) {
        tn_media_request q;
        int fd;
        alarm(0);
        int rc = tn_media_receive(TN_MEDIA_SOCKET, &q, sizeof q, 0, &fd);
        if (!rc && (q.magic != TN_MEDIA_MAGIC || fd < 0)) rc = EPROTO;
        if (!rc) {
            limit_time(&q);
            limit_memory(base, &q);
            rc = serve(&q, fd);
        }
        if (fd >= 0) close(fd);
        if (rc) return rc == ECONNRESET ? 0 : 1;
    }
}

int tn_media_helper_main(const char *modules) {
    close_others();
    /* What libraries print goes where errors go; nobody reads stdout. */
    dup2(STDERR_FILENO, STDOUT_FILENO);
    limit_process();
    open_modules(modules);
    tn_media_hello hello = {.magic = TN_MEDIA_MAGIC, .n_module = g_modules.n, .problem = g_modules.problem};
    if (tn_media_send(TN_MEDIA_SOCKET, &hello, sizeof hello, -1)) return 1;
    int status = serve_all(space_in_use());
    /* No exit handlers: what libraries registered there is not worth waiting for. */
    _exit(status);
}
