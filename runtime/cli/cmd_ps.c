/* SPDX-License-Identifier: Apache-2.0 */
/* What a server is doing: its models, its memory, a line for every request. */
#include <stdlib.h>

#include "cli/command.h"
#include "cli/http_get.h"

typedef struct ps_args {
    const char *url, *key;
    bool json;
} ps_args;

#define AT(field) .offset = offsetof(ps_args, field)
static const tn_option_row options[] = {
    {TN_OPT_STRING, 'u', .name = "url", .arg = "URL", .help = "the server (default http://127.0.0.1:8080)",
     AT(url)},
    {TN_OPT_STRING, .name = "key", .arg = "KEY", .help = "its API key (default: $TENON_API_KEY)", AT(key)},
    {TN_OPT_FLAG, .name = "json", .help = "what the server says, as it says it", AT(json)},
    {.kind = TN_OPT_END},
};

static const char *text(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "-";
}
static long long whole(const json_t *o, const char *key) {
    return (long long)json_integer_value(json_object_get(o, key));
}
static double mebi(const json_t *o, const char *key) {
    return json_number_value(json_object_get(o, key)) / (1 << 20);
}

static void print_server(const json_t *s) {
    const json_t *memory = json_object_get(s, "memory");
    printf("%s, up %.0f s, memory %.1f of %.1f MiB\n", text(s, "state"),
           json_number_value(json_object_get(s, "uptime_s")), mebi(memory, "used"), mebi(memory, "limit"));
}

static void print_models(const json_t *models) {
    size_t i;
    const json_t *m;
    printf("\n%-28s %-9s %7s %7s %9s %9s %9s %8s\n", "MODEL", "STATUS", "RUNNING", "WAITING", "KV USED",
           "CACHED", "HITS", "PREEMPT");
    json_array_foreach(models, i, m) {
        const json_t *bytes = json_object_get(m, "kv_bytes");
        printf("%-28s %-9s %7lld %7lld %8.1fM %8.1fM %9lld %8lld\n", text(m, "name"), text(m, "status"),
               whole(m, "running"), whole(m, "waiting"), mebi(bytes, "used"), mebi(bytes, "cached"),
               whole(m, "cached_tokens"), whole(m, "preemptions"));
    }
}

static void print_requests(const json_t *requests) {
    size_t i;
    const json_t *r;
    if (json_array_size(requests) == 0) return;
    printf("\n%-34s %-20s %-10s %8s %7s %7s %9s\n", "REQUEST", "MODEL", "STATE", "AGE", "PROMPT", "CACHED",
           "GENERATED");
    json_array_foreach(requests, i, r)
        printf("%-34s %-20s %-10s %7.1fs %7lld %7lld %9lld\n", text(r, "id"), text(r, "model"),
               text(r, "state"), json_number_value(json_object_get(r, "age_s")), whole(r, "prompt_tokens"),
               whole(r, "cached_tokens"), whole(r, "generated_tokens"));
}

static int run(void *args, int n, char **operands, tn_error *err) {
    const ps_args *a = args;
    json_t *status = NULL;
    const char *key = a->key ? a->key : getenv("TENON_API_KEY");
    (void)n;
    (void)operands;
    int rc = tn_http_get_json(a->url ? a->url : "http://127.0.0.1:8080", "/v1/status", key, &status, err);
    if (rc) return rc;
    if (a->json) {
        json_dumpf(status, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
    } else {
        print_server(status);
        print_models(json_object_get(status, "models"));
        print_requests(json_object_get(status, "requests"));
    }
    json_decref(status);
    return 0;
}

const tn_command tn_cmd_ps = {
    .name = "ps",
    .operands = "",
    .help = "show what a server is doing",
    .about = "Asks a running tenon serve for its models, memory and requests (GET /v1/status).",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .args_size = sizeof(ps_args),
    .run = run,
};
