/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/status.h"
#include "cli/command.h"
#include "cli/frame.h"
#include "cli/common.h"
#include "cli/estimate.h"
#include "cli/output.h"
#include "cli/settings_args.h"
#include "config/check.h"
#include "serve/server.h"

typedef struct serve_args {
    tn_settings_args settings;
    bool estimate, json;
} serve_args;

#define AT(field) .offset = offsetof(serve_args, field)
static const tn_option_row options[] = {
    {TN_OPT_GROUP, .group = tn_settings_options, AT(settings)},
    {TN_OPT_FLAG, .name = "estimate", .help = "print what each model takes in memory, and do not serve",
     AT(estimate)},
    {TN_OPT_FLAG, .name = "json", .help = "print the estimates as JSON objects, one a line", AT(json)},
    {.kind = TN_OPT_END},
};

typedef struct service {
    tn_settings *settings;
    tn_registry *registry;
    tn_models *models;
    tn_dispatch *dispatch;
    tn_server *server;
} service;

static int load_settings(const tn_settings_args *a, service *s, tn_error *err) {
    int rc = tn_settings_args_load(a, &s->settings, err);
    if (!rc) tn_frame_log_over(NULL, s->settings->server.log_level, s->settings->server.log_format);
    return rc;
}

static int open_models(service *s, tn_error *err) {
    int rc = tn_registry_new(NULL, &s->registry, err);
    if (rc) return rc;
    tn_registry_log_problems(s->registry);
    rc = tn_settings_check(s->settings, s->registry, err);
    tn_models_config config = {.settings = s->settings, .registry = s->registry, .find = tn_model_path_find};
    return rc ? rc : tn_models_new(&config, &s->models, err);
}

static int start(service *s, tn_error *err) {
    tn_dispatch_config config = {.settings = s->settings, .models = s->models};
    int rc = tn_dispatch_new(&config, &s->dispatch, err);
    return rc ? rc : tn_server_new(s->settings, s->dispatch, &s->server, err);
}

static void stop(service *s) {
    tn_server_free(s->server);
    tn_dispatch_free(s->dispatch);
    tn_models_free(s->models);
    tn_registry_free(s->registry);
    tn_settings_free(s->settings);
}

/* Blocked before any thread starts, so that only this thread waits for them. */
static void block_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, set, NULL);
}

/* Lets running requests end, until the deadline or a second signal. */
static void drain(const service *s) {
    struct timespec moment = {.tv_nsec = 20000000};
    double deadline = tn_clock_s() + s->settings->server.drain_s;
    sigset_t pending;
    tn_server_drain(s->server);
    uint32_t n = tn_dispatch_n_open(s->dispatch);
    if (n)
        tn_log(TN_LOG_INFO, "serve", "shutting down: %u requests may go on for %g s", n,
               s->settings->server.drain_s);
    for (; tn_dispatch_n_open(s->dispatch) && tn_clock_s() < deadline; nanosleep(&moment, NULL)) {
        sigpending(&pending);
        if (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM)) break;
    }
}

/* Whatever hangs from here on, another signal ends it: with nobody to wait for it, it does what it does by
 * default.
 */
static void unblock_signals(const sigset_t *signals) {
    sigset_t pending;
    int signal;
    while (sigpending(&pending) == 0 && (sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM)))
        sigwait(signals, &signal);
    pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

/* Prints what each model takes when it is loaded alone. */
static int estimate(const service *s, bool json, tn_error *err) {
    uint64_t limit = tn_memory_limit(s->settings->limits.memory);
    int rc = 0;
    for (size_t i = 0; !rc && i < s->settings->n_models; i++) {
        const tn_model_settings *c = &s->settings->models[i];
        tn_served served = {0};
        char *path = NULL;
        rc = tn_model_path_find(c->path, &path, err);
        if (!rc) rc = tn_served_open(s->registry, path, s->settings, c, limit, &served, err);
        if (!rc) rc = tn_estimate_model(served.model, c->name, c->kv_type, limit, json, err);
        if (rc) tn_error_prefix(err, rc, "model %s", c->name);
        tn_served_fini(&served);
        free(path);
    }
    return rc;
}

static int serve(service *s, const sigset_t *signals, tn_error *err) {
    int signal = 0, rc = start(s, err);
    if (!rc) {
        printf("%s\n", tn_server_url(s->server));
        rc = tn_output_flush(err);
    }
    while (!rc && sigwait(signals, &signal) == EINTR) {}
    if (!rc) drain(s);
    unblock_signals(signals);
    return rc;
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const serve_args *a = args;
    service s = {0};
    sigset_t signals;
    (void)n;
    (void)operands;
    if (a->json && !a->estimate) return tn_usage(err, "--json is for --estimate");
    block_signals(&signals);
    int rc = load_settings(&a->settings, &s, err);
    if (!rc) rc = open_models(&s, err);
    if (!rc) rc = a->estimate ? estimate(&s, a->json, err) : serve(&s, &signals, err);
    stop(&s);
    return rc;
}

const tn_command tn_cmd_serve = {
    .name = "serve",
    .operands = "",
    .help = "answer OpenAI-style requests over HTTP",
    .about =
        "Loads the configured models (or those of -m) and serves POST /v1/chat/completions, /v1/completions,\n"
        "GET /v1/models and /health. Prints its address when it is ready; SIGINT or SIGTERM end it, when what runs\n"
        "has ended, the second time at once.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(serve_args),
    .run = run,
};
