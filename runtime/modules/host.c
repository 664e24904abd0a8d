/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "modules/host.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

enum { SERVICE_MAX = 64 };

/* Written before the first module is opened, read by all threads afterwards: hence no lock. */
static struct {
    const char *id;
    const void *table;
} g_services[SERVICE_MAX];
static size_t g_n_service;

static tn_log_level level_of(uint32_t severity) {
    switch (severity) {
    case TN_SEVERITY_WARN: return TN_LOG_WARN;
    case TN_SEVERITY_INFO: return TN_LOG_INFO;
    case TN_SEVERITY_DEBUG: return TN_LOG_DEBUG;
    case TN_SEVERITY_TRACE: return TN_LOG_TRACE;
    default: return TN_LOG_ERROR;
    }
}

static const char *blame_of(uint32_t severity) {
    switch (severity) {
    case TN_SEVERITY_HOST_MISBEHAVES: return "tenon misbehaves: ";
    case TN_SEVERITY_MODULE_MISBEHAVES: return "the module misbehaves: ";
    default: return severity > TN_SEVERITY_MODULE_MISBEHAVES ? "(unknown severity) " : "";
    }
}

/* Whether one more message fits into this second. Two threads may both open a new one: a few lines more or
 * less. */
static bool take_turn(tn_host_table *t) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (atomic_exchange(&t->window_s, (long long)now.tv_sec) != (long long)now.tv_sec)
        atomic_store(&t->n_in_window, 0);
    if (atomic_fetch_add(&t->n_in_window, 1) < TN_HOST_LOG_PER_SECOND) return true;
    atomic_fetch_add(&t->n_suppressed, 1);
    return false;
}

static void host_log(const tn_host *host, uint32_t severity, const char *text) {
    tn_host_table *t = (tn_host_table *)(uintptr_t)host;
    tn_log_level level = level_of(severity);
    if (!tn_log_enabled(level) || !take_turn(t)) return;
    unsigned missed = atomic_exchange(&t->n_suppressed, 0);
    if (missed) tn_log(TN_LOG_WARN, t->name, "%u messages were too many at once and are not shown", missed);
    tn_log(level, t->name, "%s%.2000s", blame_of(severity), text ? text : "(no text)");
}

static const void *host_get_service(const tn_host *host, const char *service_id) {
    (void)host;
    for (size_t i = 0; service_id && i < g_n_service; i++)
        if (strcmp(g_services[i].id, service_id) == 0) return g_services[i].table;
    return NULL;
}

void tn_host_init(tn_host_table *ret, const char *name) {
    memset(ret, 0, sizeof *ret);
    snprintf(ret->name, sizeof ret->name, "%s", name);
    ret->host = (tn_host){
        .size = sizeof(tn_host),
        .abi_major = TN_ABI_MAJOR,
        .abi_minor = TN_ABI_MINOR,
        .name = ret->name,
        .program_version = PACKAGE_VERSION,
        .log = host_log,
        .get_service = host_get_service,
    };
}

int tn_host_add_service(const char *id, const void *service, tn_error *err) {
    const char *slash = strrchr(id, '/');
    if (!slash || slash == id || !slash[1])
        return tn_fail(err, TN_EINVAL, "service id \"%s\" is not NAME/REVISION", id);
    if (host_get_service(NULL, id)) return tn_fail(err, TN_EINVAL, "service %s is there already", id);
    if (g_n_service == SERVICE_MAX) return tn_fail(err, TN_ELIMIT, "more than %d services", SERVICE_MAX);
    g_services[g_n_service].id = id;
    g_services[g_n_service++].table = service;
    return 0;
}
