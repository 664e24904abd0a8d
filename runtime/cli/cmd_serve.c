/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

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
    tn_served *models;
    uint32_t n_model;
    tn_dispatch *dispatch;
    tn_server *server;
} service;

static int load_settings(const tn_settings_args *a, service *s, tn_error *err) {
    int rc = tn_settings_args_load(a, &s->settings, err);
    if (!rc) tn_frame_log_over(NULL, s->settings->server.log_level, s->settings->server.log_format);
    return rc;
}

static int load_models(service *s, tn_error *err) {
    int rc = tn_registry_new(NULL, &s->registry, err);
    if (rc) return rc;
    tn_registry_log_problems(s->registry);
    rc = tn_settings_check(s->settings, s->registry, err);
    if (rc) return rc;
    s->models = calloc(s->settings->n_models, sizeof *s->models);
    if (!s->models) return tn_fail(err, TN_ENOMEM, "out of memory");
    for (size_t i = 0; !rc && i < s->settings->n_models; i++) {
        char *path = NULL;
        rc = tn_model_path_find(s->settings->models[i].path, &path, err);
        if (!rc)
            rc = tn_served_load(s->registry, path, s->settings, &s->settings->models[i], &s->models[i], err);
        free(path);
        s->n_model += !rc;
    }
    return rc;
}

static int start(service *s, tn_error *err) {
    tn_dispatch_config config = {.settings = s->settings, .models = s->models, .n_model = s->n_model};
    int rc = tn_dispatch_new(&config, &s->dispatch, err);
    return rc ? rc : tn_server_new(s->settings, s->dispatch, &s->server, err);
}

static void stop(service *s) {
    tn_server_free(s->server);
    tn_dispatch_free(s->dispatch);
    for (uint32_t i = 0; i < s->n_model; i++) tn_served_fini(&s->models[i]);
    free(s->models);
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

static int run(void *args, int n, char **operands, tn_error *err) {
    service s = {0};
    sigset_t signals;
    int signal = 0;
    (void)n;
    (void)operands;
    block_signals(&signals);
    int rc = load_settings(args, &s, err);
    if (!rc) rc = load_models(&s, err);
    if (!rc) rc = start(&s, err);
    if (!rc) {
        printf("%s\n", tn_server_url(s.server));
        rc = tn_output_flush(err);
    }
    while (!rc && sigwait(&signals, &signal) == EINTR) {}
    stop(&s);
    return rc;
}

const tn_command tn_cmd_serve = {
    .name = "serve",
    .operands = "",
    .help = "answer OpenAI-style requests over HTTP",
    .about =
        "Loads the configured models (or those of -m) and serves POST /v1/chat/completions, /v1/completions,\n"
        "GET /v1/models and /health. Prints its address when it is ready; SIGINT or SIGTERM end it.",
    .options = tn_settings_options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(tn_settings_args),
    .run = run,
};
