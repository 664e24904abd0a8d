/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/served.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "serve/breakers.h"
#include "serve/defaults.h"

enum { MAX_TEMPLATE = 1 << 20 };

/* A model without a template still completes text. */
static int init_chat(tn_served *s, tn_error *err) {
    const tn_model_settings *c = s->settings;
    char *text = NULL;
    if (c->chat_template) {
        int rc = tn_file_read(c->chat_template, MAX_TEMPLATE, &text, NULL, err);
        if (rc) return rc;
    }
    int rc = tn_chat_init(&s->chat, s->model->tokenizer, text, s->model->family->chat.template_fallback,
                          &s->chat_error);
    free(text);
    s->has_chat = rc == 0;
    return rc && c->chat_template ? tn_fail(err, rc, "%s: %s", c->chat_template, s->chat_error.text) : 0;
}

/* What `module ID {}` says. */
static size_t module_args(void *ctx, const char *id, const tn_option_arg **ret_args) {
    const tn_module_settings *m = tn_settings_module(ctx, id);
    *ret_args = m ? m->args : NULL;
    return m ? m->n_args : 0;
}

/* What the settings say about DRY's sequence breakers, else everybody's. */
static int init_breakers(tn_served *s, const tn_settings *all, tn_error *err) {
    const tn_string_list *list = &s->settings->dry_sequence_breakers;
    tn_setting_source source = tn_settings_source(all, "model", s->settings->name, "dry_sequence_breakers");
    if (source.origin == TN_FROM_DEFAULT)
        return tn_breakers_default(s->model->tokenizer, &s->breakers, &s->n_breakers, err);
    return tn_breakers_read(s->model->tokenizer, (const char *const *)list->item, (uint32_t)list->n,
                            &s->breakers, &s->n_breakers, err);
}

/* What it needs to see, if it does. */
static int init_sight(tn_served *s, const tn_settings *all, tn_error *err) {
    const tn_tower *t = s->model->tower;
    if (!t) return 0;
    int rc = tn_media_store_new(tn_settings_media(all).tower_cache_bytes, &s->store, err);
    return rc ? rc
              : tn_intake_new(t->hears ? NULL : &t->vision, t->hears ? &t->audio : NULL, s->store,
                              tn_settings_media(all).pixels_cache_bytes, &s->intake, err);
}

int tn_served_open(tn_registry *registry, const char *path, const tn_settings *all,
                   const tn_model_settings *c, uint64_t kv_bytes, tn_served *ret, tn_error *err) {
    tn_model_config config = {
        .path = path,
        .mmproj = c->mmproj,
        .family = c->family,
        .device = c->device,
        .n_thread = (uint32_t)c->threads,
        .compute = c->compute && strcmp(c->compute, "f32") == 0 ? TN_COMPUTE_F32 : TN_COMPUTE_AUTO,
        .kv_type = c->kv_type,
        .n_ctx = (uint32_t)c->context,
        .max_seqs = (uint32_t)c->parallel,
        .kv_bytes = kv_bytes,
        .max_step_tokens = (uint32_t)c->step_tokens,
        .media_bytes = tn_settings_media(all).tower_cache_bytes + tn_settings_media(all).pixels_cache_bytes,
        .module_args = module_args,
        .module_args_ctx = (void *)(uintptr_t)all};
    *ret = (tn_served){.settings = c};
    int rc = tn_model_open(registry, &config, &ret->model, err);
    if (!rc && !ret->model->tokenizer)
        rc = tn_fail(err, ret->model->tokenizer_error.code, "%s", ret->model->tokenizer_error.text);
    if (!rc) rc = init_chat(ret, err);
    if (!rc) rc = init_sight(ret, all, err);
    return rc ? rc : init_breakers(ret, all, err);
}

void tn_served_fini(tn_served *s) {
    tn_chat_fini(&s->chat);
    free(s->breakers);
    tn_intake_free(s->intake);
    tn_model_free(s->model);
    tn_media_store_free(s->store);
    *s = (tn_served){0};
}

/* Template variables of the request; the operator's choice about thinking stands under the client's. */
static json_t *template_vars(const tn_served *s, const tn_api_request *r) {
    json_t *vars = r->template_vars ? json_deep_copy(r->template_vars) : json_object();
    if (vars && s->settings->think != TN_THINK_AUTO && !json_object_get(vars, "enable_thinking"))
        json_object_set_new(vars, "enable_thinking", json_boolean(s->settings->think == TN_THINK_ON));
    return vars;
}

static int chat_prompt(const tn_served *s, const tn_api_request *r, tn_ids *ret, tn_api_error *e) {
    tn_error err = {0};
    if (!s->has_chat)
        return tn_api_fail(e, 400, NULL, "model", "this model cannot chat: %s", s->chat_error.text);
    json_t *vars = template_vars(s, r);
    int rc = vars ? tn_chat_prompt(&s->chat, r->messages, r->tools, vars, ret, &err) : TN_ENOMEM;
    json_decref(vars);
    return rc ? tn_api_fail_status(e, rc, "messages", err.text) : 0;
}

int tn_served_sight(const tn_served *s, const tn_api_request *r, const tn_seen *seen, uint32_t n_seen,
                    tn_sight *ret, tn_api_error *e) {
    tn_error err = {0};
    tn_buf text;
    if (!s->has_chat)
        return tn_api_fail(e, 400, NULL, "model", "this model cannot chat: %s", s->chat_error.text);
    json_t *vars = template_vars(s, r);
    tn_buf_init(&text, TN_CHAT_MAX_BYTES);
    int rc = vars ? tn_chat_render(&s->chat, r->messages, r->tools, vars, &text, &err) : TN_ENOMEM;
    if (!rc) rc = tn_sight_write(s->model, text.data ? text.data : "", text.len, seen, n_seen, ret, &err);
    tn_buf_free(&text);
    json_decref(vars);
    return rc ? tn_api_fail_status(e, rc, "messages", err.text) : 0;
}

unsigned tn_served_media(const tn_served *s) {
    const tn_tower *t = s->model->tower;
    if (!t) return 0;
    if (t->hears) return 1u << TN_MEDIA_AUDIO;
    return 1u << TN_MEDIA_IMAGE | (t->vision.video.text ? 1u << TN_MEDIA_VIDEO : 0);
}

int tn_served_prompt(const tn_served *s, const tn_api_request *r, uint32_t i, tn_ids *ret, tn_api_error *e) {
    tn_error err = {0};
    if (r->chat) return chat_prompt(s, r, ret, e);
    const tn_api_prompt *p = &r->prompts[i];
    int rc = p->text ? tn_tokenizer_encode(s->model->tokenizer, p->text, p->len,
                                           TN_ENCODE_ADD_SPECIAL | TN_ENCODE_PARSE_SPECIAL, ret, &err)
                     : tn_ids_add(ret, p->ids, p->n_ids);
    return rc ? tn_api_fail_status(e, rc, "prompt", err.text) : 0;
}

/* The setting where there is one, else what the checkpoint recommends, else def. */
static float choose(const tn_served *s, double setting, const char *name, double def) {
    return (float)(isnan(setting) ? tn_model_recommended(s->model, name, def) : setting);
}

int tn_served_breakers(const tn_served *s, tn_api_request *r, tn_api_error *e) {
    tn_error err = {0};
    tn_sampling p = r->sampling;
    tn_defaults_fill(&s->settings->sampling, r->given, &p);
    if (!(r->given & TN_GIVEN_DRY_BREAKERS) || !(p.dry_multiplier > 0)) return 0;
    int rc = tn_breakers_find(s->model->tokenizer, r->breaker, r->breaker_len, r->n_breaker, &r->breaker_ids,
                              &r->n_breaker_ids, &err);
    return rc ? tn_api_fail_status(e, rc, "dry_sequence_breakers", err.text) : 0;
}

/* Without DRY there are none, so that nothing borrowed goes further than it has to. */
static void set_breakers(const tn_served *s, const tn_api_request *r, tn_sampling *p) {
    bool given = r->given & TN_GIVEN_DRY_BREAKERS;
    if (!(p->dry_multiplier > 0)) return;
    p->dry_breakers = given ? r->breaker_ids : s->breakers;
    p->n_dry_breakers = given ? r->n_breaker_ids : s->n_breakers;
}

tn_sampling tn_served_sampling(const tn_served *s, const tn_api_request *r, uint32_t choice) {
    const tn_model_settings *c = s->settings;
    tn_sampling p = r->sampling;
    if (!(r->given & TN_GIVEN_TEMPERATURE)) p.temperature = choose(s, c->temperature, "temp", 1);
    if (!(r->given & TN_GIVEN_TOP_P)) p.top_p = choose(s, c->top_p, "top_p", 1);
    if (!(r->given & TN_GIVEN_MIN_P)) p.min_p = choose(s, c->min_p, "min_p", 0);
    if (!(r->given & TN_GIVEN_REPETITION_PENALTY))
        p.repetition_penalty = choose(s, c->repetition_penalty, "repetition_penalty", 1);
    if (!(r->given & TN_GIVEN_TOP_K))
        p.top_k =
            c->top_k == TN_UNSET ? (uint32_t)tn_model_recommended(s->model, "top_k", 0) : (uint32_t)c->top_k;
    if (!(r->given & TN_GIVEN_SEED))
        p.seed = tn_random_seed();
    else
        p.seed += choice * 0x9e3779b97f4a7c15u;
    tn_defaults_fill(&c->sampling, r->given, &p);
    set_breakers(s, r, &p);
    return p;
}
