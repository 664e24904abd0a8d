/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/loader.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "modules/entry.h"
#include "modules/host.h"
#include "modules/image.h"

typedef struct record {
    tn_loaded loaded;
    tn_host_table host;
    struct record *next;
    char path[]; /* "" when preopened */
} record;

/* Held around every call into libltdl and while g_records or g_preopened change. Nothing else is locked
 * inside, but for what a module's constructors and get_factory do. */
static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER;
static bool g_ready;
static record *g_records; /* opened from files */

static const lt_dlsymlist *g_symbols;
/* What is part of the program, looked at once: modules that were accepted and errors of those that were not.
 */
enum { PREOPENED_MAX = 64 };
static struct {
    const tn_loaded *loaded;
    tn_error why;
} g_preopened[PREOPENED_MAX];
static size_t g_n_preopened;
static bool g_preopened_known;

/* libltdl's message lives until its next call. */
static const char *ltdl_reason(void) {
    const char *reason = lt_dlerror();
    return reason ? reason : "unknown reason";
}

static int init_locked(tn_error *err) {
    if (g_ready) return 0;
    if (g_symbols) lt_dlpreload_default(g_symbols);
    if (lt_dlinit()) return tn_fail(err, TN_EBUG, "libltdl does not start: %s", ltdl_reason());
    g_ready = true;
    return 0;
}

static int accept_entry(const tn_module *entry, const char *path, const char *where, record **ret,
                        tn_error *err) {
    int rc = tn_entry_check(entry, where, err);
    if (rc) return rc;
    record *r = calloc(1, sizeof *r + strlen(path) + 1);
    if (!r) return tn_fail(err, TN_ENOMEM, "%s: out of memory", where);
    strcpy(r->path, path);
    tn_host_init(&r->host, entry->id);
    r->loaded = (tn_loaded){.entry = entry, .host = &r->host.host, .path = *path ? r->path : NULL};
    /* From here on the module may have kept the host's address: the record is never freed. */
    r->next = g_records;
    g_records = r;
    rc = tn_entry_check_factories(entry, &r->host.host, where, err);
    if (rc) {
        r->path[0] = 0; /* not to be found again */
        return rc;
    }
    *ret = r;
    return 0;
}

/* libltdl says "file not found" for a damaged file or a missing symbol, and binds functions at their first
 * call. So the dynamic linker is asked first: it gives the true reason, and binds all that the file needs.
 * The handle is kept. */
static int bind_all(const char *path, tn_error *err) {
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL)) return 0;
    const char *reason = dlerror();
    size_t len = strlen(path);
    if (reason && strncmp(reason, path, len) == 0 && reason[len] == ':')
        reason += len + 1 + (reason[len + 1] == ' ');
    return tn_fail(err, TN_EIO, "%s: cannot be opened: %s", path, reason ? reason : "unknown reason");
}

static int open_file(const char *path, lt_dlhandle *ret, tn_error *err) {
    lt_dladvise advise;
    int rc = tn_image_check(path, err);
    if (!rc) rc = bind_all(path, err);
    if (rc) return rc;
    if (lt_dladvise_init(&advise)) return tn_fail(err, TN_ENOMEM, "%s: %s", path, ltdl_reason());
    lt_dladvise_local(&advise);
    lt_dladvise_resident(&advise);
    *ret = lt_dlopenadvise(path, advise);
    if (!*ret) rc = tn_fail(err, TN_EIO, "%s: cannot be opened: %s", path, ltdl_reason());
    lt_dladvise_destroy(&advise);
    if (*ret) lt_dlmakeresident(*ret);
    return rc;
}

static int open_locked(const char *path, const tn_loaded **ret, tn_error *err) {
    lt_dlhandle handle = NULL;
    record *r = NULL;
    for (record *k = g_records; k; k = k->next)
        if (strcmp(k->path, path) == 0) {
            *ret = &k->loaded;
            return 0;
        }
    int rc = init_locked(err);
    if (!rc) rc = open_file(path, &handle, err);
    if (rc) return rc;
    const tn_module *entry = lt_dlsym(handle, "tn_module_entry");
    if (!entry) {
        const lt_dlinfo *info = lt_dlgetinfo(handle);
        const char *name = info && info->name ? info->name : "NAME";
        return tn_fail(err, TN_EMODULE,
                       "%s: exports neither %s_LTX_tn_module_entry nor tn_module_entry: it is not a module "
                       "of tenon, or its file is not named as its TN_MODULE_NAME",
                       path, name);
    }
    rc = accept_entry(entry, path, path, &r, err);
    if (!rc) *ret = &r->loaded;
    return rc;
}

int tn_loader_open(const char *path, const tn_loaded **ret, tn_error *err) {
    char here[PATH_MAX];
    if (!*path) return tn_fail(err, TN_EINVAL, "a module's path is empty");
    if (!strchr(path, '/')) { /* the dynamic linker would look for it among the libraries */
        if ((size_t)snprintf(here, sizeof here, "./%s", path) >= sizeof here)
            return tn_fail(err, TN_EINVAL, "a module's path is longer than %d bytes", PATH_MAX);
        path = here;
    }
    pthread_mutex_lock(&g_lock);
    int rc = open_locked(path, ret, err);
    pthread_mutex_unlock(&g_lock);
    return rc;
}

void tn_loader_set_symbols(const lt_dlsymlist *symbols) {
    pthread_mutex_lock(&g_lock);
    if (!g_ready) g_symbols = symbols;
    pthread_mutex_unlock(&g_lock);
}

/* Called by libltdl under our lock; the answer tells it whether to count an error, which we do ourselves. */
static int on_preopened(lt_dlhandle handle) {
    if (g_n_preopened == PREOPENED_MAX) return 0;
    const lt_dlinfo *info = lt_dlgetinfo(handle);
    const tn_module *entry = lt_dlsym(handle, "tn_module_entry");
    if (!entry) return 0; /* something else that was preopened */
    char where[128];
    record *r = NULL;
    tn_error why = {0};
    snprintf(where, sizeof where, "preopened module %s", info && info->name ? info->name : "without a name");
    if (accept_entry(entry, "", where, &r, &why) == 0) g_preopened[g_n_preopened].loaded = &r->loaded;
    g_preopened[g_n_preopened++].why = why;
    return 0;
}

static int learn_preopened_locked(tn_error *err) {
    int rc = init_locked(err);
    if (rc || g_preopened_known) return rc;
    g_preopened_known = true;
    if (g_symbols) lt_dlpreload_open("@PROGRAM@", on_preopened);
    return 0;
}

int tn_loader_preopened(tn_loader_preopened_cb *cb, void *arg, tn_error *err) {
    pthread_mutex_lock(&g_lock);
    int rc = learn_preopened_locked(err);
    pthread_mutex_unlock(&g_lock);
    /* The table does not change any more. */
    for (size_t i = 0; !rc && i < g_n_preopened; i++) cb(g_preopened[i].loaded, &g_preopened[i].why, arg);
    return rc;
}
