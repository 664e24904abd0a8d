/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/prometheus.h"

#include <stddef.h>

typedef struct series {
    const char *name, *kind, *help;
    const char *label; /* further labels, 'state="used"'; NULL: none */
    size_t offset;     /* of the number, or of the histogram, in tn_metrics */
} series;

#define AT(field) offsetof(tn_metrics, field)

/* Rows of one name stand together: its help is written once. */
static const series numbers[] = {
    {"tenon_requests_total", "counter", "Answers by how they ended.", "outcome=\"stop\"",
     AT(outcomes[TN_OUTCOME_STOP])},
    {"tenon_requests_total", "", "", "outcome=\"length\"", AT(outcomes[TN_OUTCOME_LENGTH])},
    {"tenon_requests_total", "", "", "outcome=\"repetition\"", AT(outcomes[TN_OUTCOME_REPETITION])},
    {"tenon_requests_total", "", "", "outcome=\"cancelled\"", AT(outcomes[TN_OUTCOME_CANCELLED])},
    {"tenon_requests_total", "", "", "outcome=\"failed\"", AT(outcomes[TN_OUTCOME_FAILED])},
    {"tenon_sequences", "gauge", "Sequences now.", "state=\"running\"", AT(n_running)},
    {"tenon_sequences", "", "", "state=\"waiting\"", AT(n_waiting)},
    {"tenon_prompt_tokens_total", "counter", "Prompt tokens computed.", NULL, AT(n_prompt)},
    {"tenon_cached_tokens_total", "counter", "Prompt tokens found in the cache instead.", NULL, AT(n_hit)},
    {"tenon_generated_tokens_total", "counter", "Tokens generated.", NULL, AT(n_generated)},
    {"tenon_pictures_encoded_total", "counter",
     "Images, and times of videos, that went through a vision tower.", NULL, AT(n_picture)},
    {"tenon_steps_total", "counter", "Steps of the engine.", NULL, AT(n_step)},
    {"tenon_step_tokens_total", "counter", "Tokens computed by them.", NULL, AT(n_step_tokens)},
    {"tenon_preemptions_total", "counter", "Sequences that gave up their pages for others.", NULL,
     AT(n_preempted)},
    {"tenon_kv_pages_evicted_total", "counter", "Cached pages given up.", NULL, AT(n_evicted)},
    {"tenon_kv_pages_copied_total", "counter", "Pages copied to go on from within them.", NULL, AT(n_copied)},
    {"tenon_kv_pages", "gauge", "Pages of keys and values: used by sequences, cached, free with memory.",
     "state=\"used\"", AT(pages_used)},
    {"tenon_kv_pages", "", "", "state=\"cached\"", AT(pages_cached)},
    {"tenon_kv_pages", "", "", "state=\"free\"", AT(pages_free)},
    {"tenon_kv_pages_shared", "gauge", "Used pages that several sequences share.", NULL, AT(pages_shared)},
    {"tenon_kv_bytes", "gauge", "The same in bytes.", "state=\"used\"", AT(bytes_used)},
    {"tenon_kv_bytes", "", "", "state=\"cached\"", AT(bytes_cached)},
    {"tenon_kv_bytes", "", "", "state=\"free\"", AT(bytes_free)},
};

static const series histograms[] = {
    {"tenon_queue_seconds", "histogram", "From a request's submission until it runs.", NULL, AT(queue)},
    {"tenon_time_to_first_token_seconds", "histogram", "From submission to the first token.", NULL,
     AT(first_token)},
    {"tenon_inter_token_seconds", "histogram", "Between two tokens of an answer.", NULL, AT(inter_token)},
    {"tenon_request_seconds", "histogram", "From submission to the end of the answer.", NULL, AT(whole)},
    {"tenon_step_seconds", "histogram", "Duration of a step.", NULL, AT(step)},
    {"tenon_step_occupancy_ratio", "histogram", "Tokens of a step over the most it may have.", NULL,
     AT(occupancy)},
};

static uint64_t load(const tn_metrics *m, size_t offset) {
    return atomic_load_explicit((atomic_uint_fast64_t *)(uintptr_t)((const char *)m + offset),
                                memory_order_relaxed);
}

static void head(const char *name, const char *kind, const char *help, tn_buf *out) {
    tn_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* Names of models are checked when they are configured: nothing in them needs escaping. */
static void number_line(const series *s, const tn_prometheus_model *m, tn_buf *out) {
    tn_buf_addf(out, "%s{model=\"%s\"%s%s} %llu\n", s->name, m->name, s->label ? "," : "",
                s->label ? s->label : "", (unsigned long long)load(m->metrics, s->offset));
}

static void histogram_lines(const series *s, const tn_prometheus_model *m, tn_buf *out) {
    const tn_histogram *h = (const tn_histogram *)((const char *)m->metrics + s->offset);
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= TN_HISTOGRAM_BOUNDS; i++) {
        char bound[32] = "+Inf";
        if (i < TN_HISTOGRAM_BOUNDS) snprintf(bound, sizeof bound, "%g", h->bounds[i]);
        sum += atomic_load_explicit(&h->count[i], memory_order_relaxed);
        tn_buf_addf(out, "%s_bucket{model=\"%s\",le=\"%s\"} %llu\n", s->name, m->name, bound,
                    (unsigned long long)sum);
    }
    tn_buf_addf(out, "%s_sum{model=\"%s\"} %.6f\n%s_count{model=\"%s\"} %llu\n", s->name, m->name,
                (double)atomic_load_explicit(&h->sum, memory_order_relaxed) * 1e-6, s->name, m->name,
                (unsigned long long)sum);
}

static void gauge(const char *name, const char *help, double value, tn_buf *out) {
    head(name, "gauge", help, out);
    tn_buf_addf(out, "%s %.15g\n", name, value);
}

static void server_lines(const tn_prometheus_server *s, tn_buf *out) {
    gauge("tenon_memory_used_bytes", "What weights, pages and activations take of the budget.",
          (double)s->memory_used, out);
    gauge("tenon_memory_limit_bytes", "The budget; 0 is none.", (double)s->memory_limit, out);
    gauge("tenon_requests_open", "Requests under way, from the first byte to the last.", s->requests_open,
          out);
    gauge("tenon_upload_bytes", "Bodies of requests that are being read or wait to be.",
          (double)s->uploads_bytes, out);
    gauge("tenon_uptime_seconds", "Since the server began.", s->uptime_s, out);
}

void tn_prometheus_write(const tn_prometheus_server *s, const tn_prometheus_model *models, uint32_t n_model,
                         tn_buf *out) {
    size_t n_number = sizeof numbers / sizeof *numbers;
    server_lines(s, out);
    head("tenon_model_loaded", "gauge", "Whether the model is in memory.", out);
    for (uint32_t m = 0; m < n_model; m++)
        tn_buf_addf(out, "tenon_model_loaded{model=\"%s\"} %d\n", models[m].name, models[m].loaded);
    for (size_t first = 0, end; first < n_number; first = end) {
        for (end = first + 1; end < n_number && numbers[end].kind[0] == 0;) end++;
        head(numbers[first].name, numbers[first].kind, numbers[first].help, out);
        for (uint32_t m = 0; m < n_model; m++)
            for (size_t i = first; i < end; i++) number_line(&numbers[i], &models[m], out);
    }
    for (size_t i = 0; i < sizeof histograms / sizeof *histograms; i++) {
        head(histograms[i].name, histograms[i].kind, histograms[i].help, out);
        for (uint32_t m = 0; m < n_model; m++) histogram_lines(&histograms[i], &models[m], out);
    }
}
