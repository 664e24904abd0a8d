/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/frame.h"
#include "cli/common.h"
#include "cli/output.h"
#include "cli/settings_args.h"
#include "config/check.h"
#include "serve/server.h"

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

/* Blocked before any thread starts, so that only this waits for them. */
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

static int run(void *args, int n, char **operands, tn_error *err) {
    service s = {0};
    sigset_t signals;
    int signal = 0;
    (void)n;
    (void)operands;
    block_signals(&signals);
    int rc = load_settings(args, &s, err);
    if (!rc) rc = open_models(&s, err);
    if (!rc) rc = start(&s, err);
    if (!rc) {
        printf("%s\n", tn_server_url(s.server));
        rc = tn_output_flush(err);
    }
    while (!rc && sigwait(&signals, &signal) == EINTR) {}
    if (!rc) drain(&s);
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
    .options = tn_settings_options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(tn_settings_args),
    .run = run,
};
