/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/common.h"
#include "cli/output.h"
#include "base/log.h"
#include "serve/server.h"

typedef struct serve_args {
    const char *config, *listen;
    tn_opt_strings models;
} serve_args;

#define AT(field) .offset = offsetof(serve_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, 'c', .name = "config", .arg = "FILE", .hint = TN_COMPLETE_FILE,
     .help = "configuration file (default: the first of $TENON_CONF and the places tenon.conf(5) names)", AT(config)},
    {TN_OPT_STRINGS, 'm', .name = "model", .arg = "MODEL", .hint = TN_COMPLETE_MODEL,
     .help = "serve this model and no other; may be given several times", AT(models)},
    {TN_OPT_STRING, .name = "listen", .arg = "HOST:PORT",
     .help = "where to listen (default 127.0.0.1:8080; port 0: any free one)", AT(listen)},
    {TN_OPT_END},
};

typedef struct service {
    tn_settings *settings;
    tn_registry *registry;
    tn_served *models;
    uint32_t n_model;
    tn_dispatch *dispatch;
    tn_server *server;
} service;

static int load_settings(const serve_args *a, service *s, tn_error *err) {
    tn_settings_flag listen = {.flag = "--listen", .key = "server.listen", .value = a->listen};
    tn_settings_overrides o = {.file = a->config, .flags = &listen, .n_flags = a->listen != NULL,
                               .models = a->models.value, .n_models = a->models.n};
    int rc = tn_settings_load(&o, &s->settings, err);
    if (!rc) tn_log_setup(s->settings->server.log_level, s->settings->server.log_format);
    return rc;
}

static int load_models(service *s, tn_error *err) {
    int rc = tn_registry_new(NULL, &s->registry, err);
    if (rc) return rc;
    tn_registry_log_problems(s->registry);
    s->models = calloc(s->settings->n_models, sizeof *s->models);
    if (!s->models) return tn_fail(err, TN_ENOMEM, "out of memory");
    for (size_t i = 0; !rc && i < s->settings->n_models; i++) {
        char *path = NULL;
        rc = tn_model_find(s->settings->models[i].path, &path, err);
        if (!rc) rc = tn_served_load(s->registry, path, &s->settings->models[i], &s->models[i], err);
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
    .about = "Loads the configured models (or those of -m) and serves POST /v1/chat/completions, /v1/completions,\n"
             "GET /v1/models and /health. Prints its address when it is ready; SIGINT or SIGTERM end it.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(serve_args),
    .run = run,
};
