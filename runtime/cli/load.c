/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/load.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"

enum { MAX_REPLY_BYTES = 256 << 20 };

int tn_load_open(const char *model, const tn_compute_args *args, tn_model_config config, tn_loaded_model *ret,
                 tn_error *err) {
    char *path = NULL;
    *ret = (tn_loaded_model){0};
    int rc = tn_model_find(model, &path, err);
    if (rc) return rc;
    config.path = path;
    config.device = args->device;
    config.n_thread = (uint32_t)args->threads;
    config.compute = args->compute && strcmp(args->compute, "f32") == 0 ? TN_COMPUTE_F32 : TN_COMPUTE_AUTO;
    config.kv_type = args->kv_type;
    rc = tn_registry_new(NULL, &ret->registry, err);
    if (!rc) tn_registry_log_problems(ret->registry);
    if (!rc) rc = tn_model_open(ret->registry, &config, &ret->model, err);
    if (rc) tn_unload(ret);
    free(path);
    return rc;
}

int tn_load(const char *model, const tn_compute_args *args, tn_model_config config, tn_loaded_model *ret,
            tn_error *err) {
    tn_progress progress;
    int rc = tn_load_open(model, args, config, ret, err);
    if (rc) return rc;
    tn_progress_init(&progress, "loading");
    rc = tn_model_lower(ret->model, tn_progress_step, &progress, err);
    tn_progress_fini(&progress);
    if (rc) tn_unload(ret);
    return rc;
}

void tn_unload(tn_loaded_model *l) {
    tn_model_free(l->model);
    tn_registry_free(l->registry);
    *l = (tn_loaded_model){0};
}

int tn_need_tokenizer(const tn_model *m, tn_error *err) {
    return m->tokenizer ? 0 : tn_fail(err, m->tokenizer_error.code, "%s", m->tokenizer_error.text);
}

#define AT(field) .offset = offsetof(tn_sampling_args, field)
const tn_option_row tn_sampling_options[] = {
    {TN_OPT_FLAG, .name = "greedy", .help = "always the most probable token", AT(greedy)},
    {TN_OPT_REAL, .name = "temperature", .arg = "T", .min = 0, .max = 100,
     .help = "0 is greedy, 1 the model's own distribution (default: what the model recommends, else 0.7)",
     AT(temperature)},
    {TN_OPT_UINT, .name = "top-k", .arg = "K", .max = 1 << 24,
     .help = "only the K most probable tokens (0: all)", AT(top_k)},
    {TN_OPT_REAL, .name = "top-p", .arg = "P", .max = 1,
     .help = "only the most probable tokens that make up P", AT(top_p)},
    {TN_OPT_REAL, .name = "min-p", .arg = "P", .max = 1,
     .help = "no token less probable than P times the most probable", AT(min_p)},
    {TN_OPT_UINT, .name = "seed", .arg = "N", .max = 0x1p52, .help = "makes sampling repeatable", AT(seed)},
    {.kind = TN_OPT_END},
};

static const uint64_t NOT_GIVEN = UINT64_MAX;

void tn_sampling_defaults(tn_sampling_args *args) {
    *args = (tn_sampling_args){
        .temperature = -1, .top_p = -1, .min_p = -1, .top_k = NOT_GIVEN, .seed = NOT_GIVEN};
}

static double within(double value, double min, double max, double def) {
    return value >= min && value <= max ? value : def;
}

tn_sampling tn_sampling_choose(const tn_sampling_args *a, const tn_model *m) {
    tn_sampling s = {0};
    if (a->greedy) return s;
    double t = a->temperature, p = a->top_p, min_p = a->min_p;
    double k = a->top_k == NOT_GIVEN ? tn_model_recommended(m, "top_k", 40) : (double)a->top_k;
    s.temperature = (float)within(t < 0 ? tn_model_recommended(m, "temp", 0.7) : t, 0, 100, 0.7);
    s.top_p = (float)within(p < 0 ? tn_model_recommended(m, "top_p", 0.95) : p, 0, 1, 0.95);
    s.min_p = (float)within(min_p < 0 ? tn_model_recommended(m, "min_p", 0) : min_p, 0, 1, 0);
    s.top_k = (uint32_t)within(k, 0, 1 << 24, 40);
    s.seed = a->seed == NOT_GIVEN ? tn_random_seed() : a->seed;
    return s;
}

int tn_printer_init(tn_printer *p, const tn_tokenizer *t, bool quiet, tn_error *err) {
    *p = (tn_printer){.quiet = quiet};
    tn_buf_init(&p->text, MAX_REPLY_BYTES);
    p->detok = t ? tn_detok_new(t, TN_DECODE_SKIP_SPECIAL | TN_DECODE_CONTINUE) : NULL;
    return !t || p->detok ? 0 : tn_fail(err, TN_ENOMEM, "out of memory");
}

static void print_new(tn_printer *p) {
    if (p->quiet || p->status || p->text.len == p->printed) return;
    fwrite(p->text.data + p->printed, 1, p->text.len - p->printed, stdout);
    p->printed = p->text.len;
    p->status = tn_output_flush(&p->error);
}

bool tn_printer_token(void *ctx, int32_t id) {
    tn_printer *p = ctx;
    p->n_token++;
    if (p->detok && !p->status) p->status = tn_detok_push(p->detok, id, &p->text);
    print_new(p);
    p->interrupted = p->interrupted || tn_interrupted();
    return !p->status && !p->interrupted;
}

int tn_printer_finish(tn_printer *p, tn_error *err) {
    if (p->detok && !p->status) p->status = tn_detok_finish(p->detok, &p->text);
    print_new(p);
    if (!p->status) return 0;
    return tn_fail(err, p->status, "%s", p->error.text[0] ? p->error.text : "the reply is too long to keep");
}

void tn_printer_fini(tn_printer *p) {
    tn_detok_free(p->detok);
    tn_buf_free(&p->text);
    *p = (tn_printer){0};
}
