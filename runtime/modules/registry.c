/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "modules/cache.h"
#include "modules/discover.h"
#include "modules/facts.h"

enum { ITEM_MAX = TN_DISCOVER_FILES + 64 }; /* files and preopened ones */

typedef struct item {
    tn_module_info info; /* first: an info of ours is an item */
    json_t *facts;       /* owned; info's strings are in it */
    char *path;          /* owned */
    const tn_loaded *preopened;
} item;

typedef struct problem {
    tn_module_problem pub;
    char *path, *text; /* owned */
} problem;

struct tn_registry {
    item items[ITEM_MAX];
    size_t n_item;
    problem problems[ITEM_MAX];
    size_t n_problem;
};

static void add_problem(tn_registry *r, const char *path, int code, const char *text) {
    if (r->n_problem == ITEM_MAX) return;
    problem *p = &r->problems[r->n_problem++];
    p->path = path ? strdup(path) : NULL;
    p->text = strdup(text);
    p->pub = (tn_module_problem){p->path, code, p->text ? p->text : "out of memory"};
}

static const char *place_of(const tn_module_info *m) {
    return m->path ? m->path : "the program itself";
}

/* Takes over the reference to facts, which are valid. */
static void add_item(tn_registry *r, const char *path, const tn_loaded *preopened, json_t *facts) {
    const char *id = json_string_value(json_object_get(facts, "id"));
    const tn_module_info *first = tn_registry_find(r, id);
    if (first || r->n_item == ITEM_MAX) {
        tn_error why;
        tn_fail(&why, TN_OK, "%s: passed over: module \"%s\" %s", path ? path : "a preopened module", id,
                first ? "is already there from " : "is one too many");
        size_t len = strlen(why.text);
        if (first) snprintf(why.text + len, sizeof why.text - len, "%s, which comes first", place_of(first));
        add_problem(r, path, first ? TN_OK : TN_ELIMIT, why.text);
        json_decref(facts);
        return;
    }
    item *it = &r->items[r->n_item++];
    it->facts = facts;
    it->path = path ? strdup(path) : NULL;
    it->preopened = preopened;
    it->info = (tn_module_info){
        .id = id,
        .version = json_string_value(json_object_get(facts, "version")),
        .licence = json_string_value(json_object_get(facts, "licence")),
        .path = it->path,
        .facts = facts,
    };
}

static void add_preopened(const tn_loaded *loaded, const tn_error *why, void *arg) {
    tn_registry *r = arg;
    json_t *facts = loaded ? tn_facts_new(loaded) : NULL;
    if (facts)
        add_item(r, NULL, loaded, facts);
    else
        add_problem(r, NULL, loaded ? TN_ENOMEM : why->code, loaded ? "out of memory" : why->text);
}

/* From the cache, or from a child that the cache learns from. */
static int look_at(const char *path, const tn_registry_config *config, tn_scan_cache *cache,
                   json_t **ret_facts, tn_error *err) {
    tn_scan_stamp stamp;
    if (config->in_process) return tn_scan_here(path, ret_facts, err);
    if (!tn_scan_stamp_init(&stamp, path)) return tn_fail(err, TN_EIO, "%s: is no longer there", path);
    int rc = 0;
    *ret_facts = tn_scan_cache_get(cache, &stamp);
    if (!*ret_facts) {
        rc = tn_scan_file(&config->scan, path, ret_facts, err);
        if (!rc) tn_scan_cache_put(cache, &stamp, *ret_facts);
    }
    tn_scan_stamp_fini(&stamp);
    return rc;
}

static void add_file(tn_registry *r, const char *path, const tn_registry_config *config,
                     tn_scan_cache *cache) {
    tn_error why = {0};
    json_t *facts;
    int rc = look_at(path, config, cache, &facts, &why);
    if (rc)
        add_problem(r, path, rc, why.text);
    else
        add_item(r, path, NULL, facts);
}

static int find_files(const tn_registry_config *config, tn_module_files *ret, tn_error *err) {
    char *path = config->search_path ? strdup(config->search_path) : tn_discover_default_path();
    if (!path) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_discover(path, ret, err);
    free(path);
    return rc;
}

static int add_files(tn_registry *r, const tn_registry_config *config, tn_error *err) {
    tn_module_files files;
    int rc = find_files(config, &files, err);
    if (rc) return rc;
    tn_scan_cache *cache = tn_scan_cache_new(config->cache_file);
    if (!cache) rc = tn_fail(err, TN_ENOMEM, "out of memory");
    for (size_t i = 0; !rc && i < files.n; i++) add_file(r, files.path[i], config, cache);
    tn_scan_cache_free(cache);
    tn_module_files_free(&files);
    return rc;
}

int tn_registry_new(const tn_registry_config *config, tn_registry **ret, tn_error *err) {
    static const tn_registry_config defaults;
    tn_registry *r = calloc(1, sizeof *r);
    if (!r) return tn_fail(err, TN_ENOMEM, "out of memory");
    int rc = tn_loader_preopened(add_preopened, r, err);
    if (!rc) rc = add_files(r, config ? config : &defaults, err);
    if (rc) {
        tn_registry_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void tn_registry_free(tn_registry *r) {
    if (!r) return;
    for (size_t i = 0; i < r->n_item; i++) {
        json_decref(r->items[i].facts);
        free(r->items[i].path);
    }
    for (size_t i = 0; i < r->n_problem; i++) {
        free(r->problems[i].path);
        free(r->problems[i].text);
    }
    free(r);
}

size_t tn_registry_count(const tn_registry *r) {
    return r->n_item;
}

const tn_module_info *tn_registry_at(const tn_registry *r, size_t i) {
    return i < r->n_item ? &r->items[i].info : NULL;
}

const tn_module_info *tn_registry_find(const tn_registry *r, const char *id) {
    for (size_t i = 0; i < r->n_item; i++)
        if (strcmp(r->items[i].info.id, id) == 0) return &r->items[i].info;
    return NULL;
}

bool tn_module_offers(const tn_module_info *m, const char *factory_id) {
    const json_t *list = json_object_get(m->facts, "factories"), *id;
    size_t i;
    json_array_foreach(list, i, id) if (strcmp(json_string_value(id), factory_id) == 0) return true;
    return false;
}

size_t tn_registry_problem_count(const tn_registry *r) {
    return r->n_problem;
}

const tn_module_problem *tn_registry_problem_at(const tn_registry *r, size_t i) {
    return i < r->n_problem ? &r->problems[i].pub : NULL;
}

void tn_registry_log_problems(const tn_registry *r) {
    for (size_t i = 0; i < r->n_problem; i++) {
        const tn_module_problem *p = &r->problems[i].pub;
        tn_log(p->code ? TN_LOG_WARN : TN_LOG_INFO, "modules", "%s", p->text);
    }
}

int tn_registry_load(tn_registry *r, const tn_module_info *m, const tn_loaded **ret, tn_error *err) {
    const item *it = (const item *)m;
    const tn_loaded *loaded = it->preopened;
    int rc = loaded ? 0 : tn_loader_open(it->path, &loaded, err);
    if (rc) return rc;
    if (strcmp(loaded->entry->id, m->id) != 0 || strcmp(loaded->entry->version, m->version) != 0)
        return tn_fail(err, TN_EMODULE,
                       "%s: is now module %s %s; it was %s %s when the program looked: start it again",
                       place_of(m), loaded->entry->id, loaded->entry->version, m->id, m->version);
    *ret = loaded;
    return 0;
}

int tn_registry_factory(tn_registry *r, const tn_module_info *m, const char *factory_id, const void **ret,
                        tn_error *err) {
    const tn_loaded *loaded;
    int rc = tn_registry_load(r, m, &loaded, err);
    if (rc) return rc;
    const void *factory = loaded->entry->get_factory(loaded->host, factory_id);
    if (!factory) return tn_fail(err, TN_ENOENT, "module %s (%s) has no %s", m->id, place_of(m), factory_id);
    *ret = factory;
    return 0;
}
