/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/load.h"

#include <stdlib.h>
#include <string.h>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress.h"

enum { MAX_REPLY_BYTES = 256 << 20 };

int tn_load_open(const char *model, const tn_compute_args *args, tn_model_config config, tn_loaded_model *ret,
                 tn_error *err) {
    char *path = NULL, *mmproj = NULL;
    *ret = (tn_loaded_model){0};
    int rc = tn_model_find_pair(model, &path, &mmproj, err);
    if (rc) {
        free(mmproj);
        return rc;
    }
    config.path = path;
    config.device = args->device;
    config.n_thread = (uint32_t)args->threads;
    config.compute = args->compute && strcmp(args->compute, "f32") == 0 ? TN_COMPUTE_F32 : TN_COMPUTE_AUTO;
    config.kv_type = args->kv_type;
    config.mmproj = args->mmproj ? args->mmproj : mmproj;
    rc = tn_registry_new(NULL, &ret->registry, err);
    if (!rc) tn_registry_log_problems(ret->registry);
    if (!rc) rc = tn_model_open(ret->registry, &config, &ret->model, err);
    if (rc) tn_unload(ret);
    free(path);
    free(mmproj);
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
