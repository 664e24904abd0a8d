/* SPDX-License-Identifier: Apache-2.0 */
#include "sched/programs.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/status.h"
#include "modules/option_table.h"
#include "program/record.h"
#include "program/unread.h"
#include "sched/encoder.h"
#include "sched/tower.h"
#include "weights/mmproj.h"

/* ---- The family ---- */

/* Asks one module; a module that cannot be opened counts as 0 and is logged. */
static int32_t score(tn_registry *r, const tn_module_info *info, const tn_hparams *h, const tn_family **ret) {
    const void *factory;
    tn_error err = {0};
    if (!tn_module_offers(info, TN_FAMILY_FACTORY)) return 0;
    if (tn_registry_factory(r, info, TN_FAMILY_FACTORY, &factory, &err) != 0) {
        tn_log(TN_LOG_WARN, "modules", "%s", err.text);
        return 0;
    }
    const tn_family *family = factory;
    if (family->size != sizeof *family) {
        tn_log(TN_LOG_WARN, "modules", "%s: its family table has %u bytes, this program's %zu: rebuild it",
               info->id, family->size, sizeof *family);
        return 0;
    }
    *ret = family;
    return family->probe(&h->api);
}

static int no_family(tn_registry *r, const tn_hparams *h, tn_error *err) {
    if (strcmp(h->arch, "clip") == 0)
        return tn_fail(
            err, TN_ENOTSUP,
            "this file holds a vision tower: name the model's own file, and this one as its mmproj");
    tn_buf seen;
    tn_buf_init(&seen, 256);
    for (size_t i = 0; i < tn_registry_count(r); i++)
        if (tn_module_offers(tn_registry_at(r, i), TN_FAMILY_FACTORY))
            tn_buf_addf(&seen, "%s%s", seen.len ? ", " : "", tn_registry_at(r, i)->id);
    int rc = tn_fail(err, TN_ENOTSUP,
                     "no module takes models of %s \"%s\" (modules found: %s); tenon modules lists them",
                     h->config ? "model_type" : "architecture", h->arch, seen.len ? seen.data : "none");
    tn_buf_free(&seen);
    return rc;
}

static int choose_family(tn_registry *r, const tn_model_config *o, tn_hparams *h, tn_model *m,
                         tn_error *err) {
    int32_t best = 0;
    if (o->family && !tn_registry_find(r, o->family))
        return tn_fail(err, TN_ENOENT, "there is no module \"%s\"; tenon modules lists them", o->family);
    for (size_t i = 0; i < tn_registry_count(r); i++) {
        const tn_module_info *info = tn_registry_at(r, i);
        const tn_family *family = NULL;
        if (o->family && strcmp(info->id, o->family) != 0) continue;
        int32_t s = score(r, info, h, &family);
        if (o->family && family) s = s > 0 ? s : 1; /* pinned: the operator knows better */
        if (s > best) {
            best = s;
            m->family = family;
            m->family_id = info->id;
        }
    }
    h->error = (tn_error){0}; /* a probe's look-ups are nobody's failure */
    return m->family ? 0 : no_family(r, h, err);
}

static int create_instance(tn_registry *r, const tn_model_config *o, tn_hparams *h, tn_model *m,
                           tn_error *err) {
    const tn_loaded *loaded;
    const tn_option_arg *args = NULL;
    size_t n_args = o->module_args ? o->module_args(o->module_args_ctx, m->family_id, &args) : 0;
    int rc = tn_registry_load(r, tn_registry_find(r, m->family_id), &loaded, err);
    if (rc) return rc;
    tn_host_init(&m->host, m->family_id);
    rc = tn_option_table_parse(loaded->entry->options, args, n_args, m->family_id, &m->module_options, err);
    if (rc) return rc;
    tn_error own = {0};
    rc = m->family->create(&m->host.host, m->module_options, &h->api, &m->instance, &own);
    int failed = tn_hparams_status(h, err);
    if (failed) return failed;
    if (rc) return tn_fail(err, rc, "module %s: %s", m->family_id, own.text[0] ? own.text : "create failed");
    m->info.size = sizeof m->info;
    m->family->describe(m->instance, &m->info);
    return 0;
}

/* ---- The file of the vision tower ---- */

static bool is_asked(const tn_model_config *o) {
    return o->mmproj != NULL;
}

/* The one that was asked for, else what lies beside the model. */
static int add_mmproj(const tn_model_config *o, tn_model *m, tn_error *err) {
    char *path = NULL;
    int rc =
        is_asked(o) ? tn_mmproj_resolve(o->path, o->mmproj, &path, err) : tn_mmproj_find(o->path, &path, err);
    if (!rc && path) rc = tn_checkpoint_add_mmproj(m->checkpoint, path, err);
    if (!rc && path && !is_asked(o))
        tn_log(TN_LOG_INFO, "model", "%s: the vision tower is %s", o->path, path);
    if (!rc && !path)
        tn_fail(
            &m->blind, TN_EINVAL,
            "a GGUF file has its vision tower in another one, and there is no mmproj*.gguf beside it: name "
            "it with mmproj");
    free(path);
    return rc;
}

/* What was asked for must be there and fit; what lies around need not, and then is not used. */
static int find_mmproj(const tn_model_config *o, tn_model *m, tn_error *err) {
    const bool sees = m->family->vision && m->family->record_vision;
    if (is_asked(o) && strcmp(o->mmproj, "none") == 0) return 0;
    if (is_asked(o) && tn_checkpoint_gguf(m->checkpoint) && !sees)
        return tn_fail(err, TN_EINVAL, "mmproj %s: models of module %s see nothing", o->mmproj, m->family_id);
    if (!is_asked(o) && (!sees || !tn_checkpoint_gguf(m->checkpoint))) return 0;
    tn_error own = {0};
    int rc = add_mmproj(o, m, &own);
    if (!rc) return 0;
    if (is_asked(o)) return tn_fail(err, rc, "%s", own.text);
    tn_log(TN_LOG_WARN, "model", "%s: it sees nothing: %s", o->path, own.text);
    m->blind = own;
    return 0;
}

int tn_model_no_tower(const tn_model *m, tn_error *err) {
    return tn_fail(err, TN_ENOTSUP, "this model takes no images, videos or recordings%s%s",
                   m->blind.code ? ": " : "", m->blind.text);
}

/* ---- Programs ---- */

void tn__programs_drop(tn_model *m) {
    tn_tower_free(m->tower);
    tn_encoder_free(m->encoder);
    tn_program_free(m->program);
    if (m->instance) m->family->destroy(m->instance);
    tn_option_values_free(m->module_options);
    m->tower = NULL;
    m->encoder = NULL;
    m->program = NULL;
    m->instance = NULL;
    m->module_options = NULL;
}

/* Whether the two programs of a model and what its family says of it go together. */
static int check_parts(const tn_model *m, tn_error *err) {
    const tn_program *p = m->program, *tower = m->tower ? m->tower->program : NULL;
    if (p->n_position && m->info.n_ctx > p->n_position)
        return tn_fail(err, TN_EMODULE, "a context of %u tokens, and positions for %u", m->info.n_ctx,
                       p->n_position);
    if (p->n_cross && (!tower || tower->n_output < p->n_cross || tower->n_embd != p->n_embd))
        return tn_fail(err, TN_EMODULE,
                       "cross attention looks at %u parts of a recording, the tower gives others",
                       p->n_cross);
    return 0;
}

static int record_text(tn_model *m, tn_hparams *h, tn_error *err) {
    if (!m->family->record)
        return tn_fail(err, TN_ENOTSUP, "module %s makes embeddings only, and none of this checkpoint",
                       m->family_id);
    int rc = tn_program_record(m->family, m->instance, h, &m->program, err);
    if (!rc) rc = tn_tower_open(m->family, m->instance, h, &m->tower, err);
    return rc ? rc : check_parts(m, err);
}

static int record_programs(tn_registry *r, const tn_model_config *o, tn_hparams *h, tn_model *m,
                           tn_error *err) {
    int rc = create_instance(r, o, h, m, err);
    if (!rc)
        rc = tn_encoder_open(m->family, m->instance, h, tn_checkpoint_path(m->checkpoint), &m->encoder,
                             &m->program, err);
    return rc || m->encoder ? rc : record_text(m, h, err);
}

/* Again without the tower that lay around and does not fit. */
static int record_blind(tn_registry *r, const tn_model_config *o, tn_hparams *h, tn_model *m, tn_error *err) {
    tn_error why = *err;
    tn__programs_drop(m);
    tn_checkpoint_drop_mmproj(m->checkpoint);
    int rc = record_programs(r, o, h, m, err);
    if (rc) return rc;
    m->blind = why;
    tn_log(TN_LOG_WARN, "model", "%s: it sees nothing: the file mmproj*.gguf beside it does not fit: %s",
           o->path, why.text);
    return 0;
}

int tn__programs_load(tn_registry *r, const tn_model_config *o, tn_model *m, tn_error *err) {
    tn_hparams h;
    tn_error own = {0};
    int rc = tn_hparams_init(&h, m->checkpoint, err);
    if (rc) return rc;
    rc = choose_family(r, o, &h, m, &own);
    if (!rc) rc = find_mmproj(o, m, &own);
    if (!rc) {
        rc = record_programs(r, o, &h, m, &own);
        if (rc && tn_checkpoint_mmproj(m->checkpoint) && !is_asked(o)) rc = record_blind(r, o, &h, m, &own);
    }
    if (rc) tn_fail(err, rc, "%s", own.text);
    if (!rc) tn_program_log_unread(m->program, m->tower ? m->tower->program : NULL, m->checkpoint);
    tn_hparams_fini(&h);
    return rc;
}
