/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/warm.h"

#include <stdlib.h>
#include <time.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

enum { MAX_FILE = 64 << 20 };

/* The file as an array of conversations; the caller's. */
static int read_prompts(const char *path, json_t **ret, tn_error *err) {
    char *text = NULL;
    size_t len = 0;
    json_t *all = NULL;
    tn_error not_json = {0};
    int rc = tn_file_read(path, MAX_FILE, &text, &len, err);
    if (rc) return rc;
    if (tn_json_parse(text, len, path, &all, &not_json) != 0 || !json_is_array(all)) {
        json_decref(all);
        all = json_pack("[[{s:s,s:s%}]]", "role", "system", "content", text, len);
    } else if (json_is_object(json_array_get(all, 0))) {
        all = json_pack("[o]", all);
    }
    free(text);
    *ret = all;
    return all ? 0 : tn_fail(err, TN_EFORMAT, "neither messages as JSON nor UTF-8 text");
}

static int submit(const tn_served *s, tn_runner *r, json_t *messages, tn_job **ret, tn_error *err) {
    tn_ids ids = {0};
    int rc = tn_chat_prompt(&s->chat, messages, NULL, NULL, &ids, err);
    tn_job_config config = {.lane = s->lane, .prompt = ids.data, .n_prompt = (uint32_t)ids.len};
    if (!rc) rc = tn_runner_submit(r, &config, ret, err);
    tn_ids_free(&ids);
    return rc;
}

static int compute(const tn_served *s, tn_runner *r, json_t *messages, bool (*keep_waiting)(void *ctx),
                   void *ctx, tn_error *err) {
    const struct timespec moment = {.tv_nsec = 5000000};
    tn_job *job;
    int rc = submit(s, r, messages, &job, err);
    if (rc) return rc;
    while (!tn_job_is_final(tn_job_get_state(job)) && keep_waiting(ctx)) nanosleep(&moment, NULL);
    if (tn_job_get_state(job) == TN_JOB_FAILED) rc = tn_fail(err, TN_EDEVICE, "%s", tn_job_error(job)->text);
    tn_job_release(job);
    return rc;
}

void tn_warm(const tn_served *s, tn_runner *r, bool (*keep_waiting)(void *ctx), void *ctx) {
    const char *path = s->settings->warm;
    json_t *all = NULL, *messages;
    size_t i;
    tn_error err = {0};
    int rc =
        s->has_chat ? read_prompts(path, &all, &err) : tn_fail(&err, TN_ENOTSUP, "%s", s->chat_error.text);
    json_array_foreach(all, i, messages) if (!rc && keep_waiting(ctx)) rc =
        compute(s, r, messages, keep_waiting, ctx, &err);
    if (rc) tn_log(TN_LOG_WARN, "models", "model %s: warm prompt %s: %s", s->settings->name, path, err.text);
    json_decref(all);
}
