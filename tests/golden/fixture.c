/* SPDX-License-Identifier: Apache-2.0 */
#include "golden/fixture.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"

const fixture fixtures[] = {
    {"models/llama2", NULL, NULL, false},
    {"models/llama3", NULL, NULL, false},
    {"models/mistral", NULL, NULL, false},
    {"models/qwen2", NULL, NULL, false},
    {"models/qwen3", NULL, NULL, false},
    {"models/gemma2", NULL, NULL, false},
    {"models/gemma3", NULL, NULL, false},
    {"models/phi3", NULL, NULL, false},
    {"models/phi4_mini", NULL, NULL, false},
    {"models/qwen3_5", NULL, NULL, false},
    {"models/llama3_wide", NULL, NULL, false},
    {"models/qwen3_wide", NULL, NULL, false},
    {"models/llama2", "config_v5.json", NULL, false},
    {"models/llama3", "config_v5.json", NULL, false},
    {"models/mistral", "config_v5.json", NULL, false},
    {"models/qwen2", "config_v5.json", NULL, false},
    {"models/qwen3", "config_v5.json", NULL, false},
    {"models/gemma2", "config_v5.json", NULL, false},
    {"models/gemma3", "config_v5.json", NULL, false},
    {"models/phi3", "config_v5.json", NULL, false},
    {"models/phi4_mini", "config_v5.json", NULL, false},
    {"models/qwen3_5", "config_v5.json", NULL, false},
    {"gguf/phi3/phi3-F16.gguf", NULL, "gguf/phi3/reference-F16", false},
    {"gguf/gemma3/gemma3-F16.gguf", NULL, "gguf/gemma3/reference-F16", false},
    {"gguf/llama2/llama2-Q8_0.gguf", NULL, "gguf/llama2/reference-Q8_0", true},
    {"gguf/qwen2/qwen2-Q8_0.gguf", NULL, "gguf/qwen2/reference-Q8_0", true},
    {"gguf/llama3_wide/llama3_wide-Q4_0.gguf", NULL, "gguf/llama3_wide/reference-Q4_0", true},
    {"gguf/llama3_wide/llama3_wide-Q4_K_M.gguf", NULL, "gguf/llama3_wide/reference-Q4_K_M", true},
    {"gguf/qwen3_wide/qwen3_wide-Q4_K.gguf", NULL, "gguf/qwen3_wide/reference-Q4_K", true},
    {"gguf/qwen3_wide/qwen3_wide-Q5_K.gguf", NULL, "gguf/qwen3_wide/reference-Q5_K", true},
    {"gguf/qwen3_wide/qwen3_wide-Q6_K.gguf", NULL, "gguf/qwen3_wide/reference-Q6_K", true},
    {"gguf/qwen3_wide/qwen3_wide-Q8_0.gguf", NULL, "gguf/qwen3_wide/reference-Q8_0", true},
    {"mlx/llama3_wide-4bit-g64", NULL, NULL, true},
    {"mlx/qwen3_wide-4bit-g64", NULL, NULL, true},
    {"mlx/qwen3_wide-8bit-g32", NULL, NULL, true},
    {"mlx/qwen3_5-4bit-g64", NULL, NULL, true},
};
const size_t n_fixtures = sizeof fixtures / sizeof *fixtures;

static void path_of(char *ret, size_t size, const char *name, const char *ending) {
    const bool absolute = *name == '/';
    assert_true(snprintf(ret, size, "%s%s%s%s", absolute ? "" : unit_vectors(), absolute ? "" : "/", name,
                         ending) < (int)size);
}

static void make_dir(char *ret, size_t size) {
    const char *tmp = getenv("TMPDIR");
    snprintf(ret, size, "%s/tenon-golden-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(ret));
}

static void link_into(const char *dir, const char *name, const char *target) {
    char *at = tn_path_join(dir, name);
    assert_true(symlink(target, at) == 0 || errno == EEXIST);
    free(at);
}

static void remove_view(const char *dir) {
    static const char *const names[] = {"config.json",
                                        "model.safetensors",
                                        "tokenizer.json",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors",
                                        "model.safetensors.index.json",
                                        "tokenizer_config.json",
                                        "preprocessor_config.json",
                                        "video_preprocessor_config.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *at = tn_path_join(dir, names[i]);
        unlink(at);
        free(at);
    }
    rmdir(dir);
}

/* A folder of links to the model's files, with another configuration. */
static void view_with_config(const fixture *f, char *ret_dir, size_t size) {
    static const char *const names[] = {"model.safetensors",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "preprocessor_config.json",
                                        "video_preprocessor_config.json",
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors",
                                        "model.safetensors.index.json"};
    char target[4096], sub[512];
    make_dir(ret_dir, size);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(sub, sizeof sub, "%s/%s", f->path, names[i]);
        path_of(target, sizeof target, sub, "");
        if (tn_file_exists(target)) link_into(ret_dir, names[i], target);
    }
    snprintf(sub, sizeof sub, "%s/%s", f->path, f->config);
    path_of(target, sizeof target, sub, "");
    link_into(ret_dir, "config.json", target);
}

run run_open(const fixture *f, const setting *s) {
    char path[4096], view[4096] = "";
    tn_error err = {0};
    run r = {0};
    path_of(path, sizeof path, f->path, "");
    if (!tn_file_exists(path) && !tn_dir_exists(path)) unit_skip("%s is not among the vectors", f->path);
    if (f->config) {
        view_with_config(f, view, sizeof view);
        snprintf(path, sizeof path, "%s", view);
    }
    tn_model_config c = {.path = path,
                         .device = s->device,
                         .compute = s->compute,
                         .kv_type = s->kv_type,
                         .n_thread = s->n_thread,
                         .n_ctx = s->n_ctx ? s->n_ctx : 512,
                         .max_seqs = s->max_seqs ? s->max_seqs : 1,
                         .max_step_tokens = s->step_tokens,
                         .max_step_rows = s->all_rows ? s->step_tokens ? s->step_tokens : 512 : 0,
                         .taps = s->taps};
    tn_loader_set_preopened();
    int rc = tn_registry_new(NULL, &r.registry, &err);
    if (!rc) rc = tn_model_load(r.registry, &c, &r.model, &err);
    if (*view) remove_view(view);
    if (rc) fail_msg("%s: %s", f->path, err.text);
    return r;
}

void run_close(run *r) {
    tn_model_free(r->model);
    tn_registry_free(r->registry);
}

/* reference.safetensors is read by giving it the shape of a checkpoint: an empty configuration beside it. */
reference reference_open(const fixture *f) {
    char name[512], path[4096], config[4200];
    tn_error err = {0};
    reference r = {0};
    snprintf(name, sizeof name, f->reference ? "%s" : "%s/reference", f->reference ? f->reference : f->path);
    path_of(path, sizeof path, name, ".json");
    if (!tn_file_exists(path)) unit_skip("%s is not among the vectors", name);
    if (tn_json_load(path, 1 << 24, &r.json, &err) != 0) fail_msg("%s", err.text);
    char dir[4096];
    make_dir(dir, sizeof dir);
    r.dir = strdup(dir);
    path_of(path, sizeof path, name, ".safetensors");
    link_into(dir, "model.safetensors", path);
    snprintf(config, sizeof config, "%s/config.json", dir);
    FILE *out = fopen(config, "w");
    assert_non_null(out);
    fputs("{}", out);
    fclose(out);
    if (tn_checkpoint_open(dir, &r.arrays, &err) != 0) fail_msg("%s", err.text);
    return r;
}

void reference_close(reference *r) {
    tn_checkpoint_close(r->arrays);
    json_decref(r->json);
    remove_view(r->dir);
    free(r->dir);
}

const json_t *reference_prompt(const reference *r, const char *name) {
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(r->json, "prompts"), i, p) {
        if (strcmp(json_string_value(json_object_get(p, "name")), name) == 0) return p;
    }
    return NULL;
}

float *reference_array(const reference *r, const char *name, size_t n_cols, size_t *ret_rows) {
    const tn_tensor *t = tn_checkpoint_tensor_find(r->arrays, name);
    if (!t) fail_msg("the reference has no array %s", name);
    size_t rows = tn_tensor_rows(t), cols = tn_tensor_cols(t), n = rows * cols;
    assert_true(n_cols > 0 && n % n_cols == 0);
    float *data = malloc(n * sizeof *data);
    for (size_t i = 0; i < rows; i++) tn_tensor_dequantize(t, i, 0, cols, data + i * cols);
    *ret_rows = n / n_cols;
    return data;
}

sequence sequence_of(const json_t *ids, uint32_t n_vocab) {
    sequence s = {.n_ids = (uint32_t)json_array_size(ids), .n_vocab = n_vocab};
    assert_true(s.n_ids > 0);
    s.ids = malloc(s.n_ids * sizeof *s.ids);
    s.logits = calloc((size_t)s.n_ids * n_vocab, sizeof *s.logits);
    for (uint32_t i = 0; i < s.n_ids; i++) s.ids[i] = (int32_t)json_integer_value(json_array_get(ids, i));
    return s;
}

void sequence_free(sequence *s) {
    free(s->ids);
    free(s->logits);
}

void sequence_on_logits(void *ctx, uint32_t pos, const float *logits) {
    sequence *s = ctx;
    assert_true(pos < s->n_ids);
    memcpy(s->logits + (size_t)pos * s->n_vocab, logits, s->n_vocab * sizeof *logits);
    s->n_rows++;
}

void run_together(const run *r, sequence *seqs, size_t n, bool all) {
    tn_engine *e;
    tn_error err = {0};
    int rc = tn_engine_new(r->model, NULL, &e, &err);
    for (size_t i = 0; !rc && i < n; i++) {
        tn_seq_config c = {.prompt = seqs[i].ids,
                           .n_prompt = seqs[i].n_ids,
                           .all_logits = all,
                           .ctx = &seqs[i],
                           .on_logits = sequence_on_logits};
        seqs[i].n_rows = 0;
        rc = tn_engine_add(e, &c, NULL, &err);
    }
    if (!rc) rc = tn_engine_run(e, &err);
    if (rc) fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++) assert_int_equal(seqs[i].n_rows, all ? seqs[i].n_ids : 1);
    tn_engine_free(e);
}
