/* SPDX-License-Identifier: Apache-2.0 */
#include "config/reader.h"

#include <confuse.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "config/text.h"
#include "config/unknown.h"

enum { PLACE_BYTES = 400 };

typedef struct reader {
    const char *name;
    tn_config_text *text;
    unsigned n_ended; /* sections */
    tn_config_item_fn each;
    void *ctx;
    int rc; /* the first failure */
    tn_error *err;
} reader;

/* libconfuse's callbacks have no argument for this, and its lexer is global all the same. */
static reader *g_reader;

static int fail_at(cfg_t *cfg, const char *fmt, ...) TN_PRINTF(2, 3);
static int fail_at(cfg_t *cfg, const char *fmt, ...) {
    char text[300];
    va_list args;
    if (g_reader->rc) return g_reader->rc;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    g_reader->rc = tn_fail(g_reader->err, TN_EINVAL, "%s:%d: %s", g_reader->name, cfg->line, text);
    return g_reader->rc;
}

/* ---- What libconfuse complains about ---- */

static void unknown_name(cfg_t *cfg, const char *name) {
    char where[PLACE_BYTES];
    tn_setting_section section = tn_section_find(cfg->name);
    if (g_reader->rc) return;
    snprintf(where, sizeof where, "%s:%d", g_reader->name, cfg->line);
    g_reader->rc = section == TN_SECTION_COUNT ? tn_section_unknown(where, name, g_reader->err)
                                               : tn_setting_unknown(where, section, name, g_reader->err);
}

/* Messages quote one thing at most: the name or the token. */
static void quoted_part(const char *text, char *ret, size_t size) {
    const char *start = strchr(text, '\''), *end = strrchr(text, '\'');
    snprintf(ret, size, "%.*s", start && end > start ? (int)(end - start - 1) : 0, start ? start + 1 : "");
}

/* A text that is not expected may be a secret, so it is not repeated. */
static void on_error(cfg_t *cfg, const char *fmt, va_list args) TN_PRINTF(2, 0);
static void on_error(cfg_t *cfg, const char *fmt, va_list args) {
    char text[256], quoted[128];
    vsnprintf(text, sizeof text, fmt, args);
    quoted_part(text, quoted, sizeof quoted);
    if (strncmp(text, "no such option", 14) == 0)
        unknown_name(cfg, quoted);
    else if (strncmp(text, "unexpected token", 16) == 0 && !strchr("{}=,", quoted[0]))
        fail_at(cfg, "unexpected text: is a ',', '=' or '}' missing before it?");
    else if (strncmp(text, "found duplicate title", 21) == 0)
        fail_at(cfg, "\"%s\" has a section in this file already", quoted);
    else
        fail_at(cfg, "%s", text);
}

/* ---- What it finds ---- */

static int give(tn_config_item *item) {
    unsigned k = g_reader->n_ended;
    item->section_line = k < g_reader->text->n_sections ? g_reader->text->section_line[k] : item->line;
    g_reader->rc = g_reader->each(g_reader->ctx, item, g_reader->err);
    return g_reader->rc;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result) {
    tn_setting_section section = tn_section_find(cfg->name);
    *(const char **)result = value;
    if (g_reader->rc) return g_reader->rc;
    if (section == TN_SECTION_COUNT) return fail_at(cfg, "\"%.60s\" stands outside of a section", opt->name);
    tn_config_item item = {
        .section = section,
        .title = cfg->title,
        .key = opt->name,
        .row = tn_setting_find(section, opt->name),
        .text = value,
        .first = opt->nvalues <= 1,
        .line = (uint32_t)cfg->line,
    };
    return give(&item);
}

static int on_section_end(cfg_t *cfg, cfg_opt_t *opt) {
    cfg_t *section = opt->nvalues ? opt->values[opt->nvalues - 1]->section : NULL;
    tn_config_item item = {.section = tn_section_find(opt->name), .line = (uint32_t)cfg->line, .first = true};
    if (!section) return fail_at(cfg, "section %s has no content", opt->name);
    item.title = section->title;
    int rc = give(&item);
    g_reader->n_ended++;
    return rc;
}

/* ---- What it is told ---- */

static cfg_opt_t value_option(const char *name, bool list) {
    return (cfg_opt_t){.name = name,
                       .type = CFGT_STR,
                       .flags = CFGF_NODEFAULT | (list ? CFGF_LIST : 0),
                       .parsecb = on_value};
}

/* The rows of a section. Ends with zeros, which are CFG_END(). */
static cfg_opt_t *section_options(tn_setting_section section) {
    cfg_opt_t *options = calloc(tn_setting_row_count + 1, sizeof *options);
    size_t n = 0;
    for (size_t i = 0; options && i < tn_setting_row_count; i++)
        if (tn_setting_rows[i].section == section)
            options[n++] = value_option(tn_setting_rows[i].key, tn_setting_rows[i].kind == TN_SETTING_LIST);
    return options;
}

/* A module's section is free-form. libconfuse's own free-form sections neither say on which line a key stands
 * nor notice that one is given twice, so the names that the text assigns to are declared instead. */
static cfg_opt_t *free_options(const tn_string_list *keys) {
    cfg_opt_t *options = calloc(keys->n + 1, sizeof *options);
    for (size_t i = 0; options && i < keys->n; i++) options[i] = value_option(keys->item[i], false);
    return options;
}

/* The caller's locale stays: cfg_init() sets those of messages and characters from the environment, and the
 * messages are told apart by their text. */
static cfg_t *init_keeping_locale(cfg_opt_t *options) {
    static const int categories[] = {LC_CTYPE, LC_MESSAGES};
    char *saved[2];
    for (int i = 0; i < 2; i++) {
        const char *name = setlocale(categories[i], NULL);
        saved[i] = name ? strdup(name) : NULL;
    }
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    for (int i = 0; i < 2; i++) {
        if (saved[i]) setlocale(categories[i], saved[i]);
        free(saved[i]);
    }
    return cfg;
}

/* cfg_init() copies what it is given. */
static cfg_t *make_parser(const tn_string_list *keys) {
    cfg_opt_t sections[TN_SECTION_COUNT + 1] = {0};
    bool complete = true;
    for (int i = 0; i < TN_SECTION_COUNT; i++) {
        bool titled = tn_section_titled((tn_setting_section)i);
        sections[i] = (cfg_opt_t){
            .name = tn_section_names[i],
            .type = CFGT_SEC,
            .flags = titled ? CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES : CFGF_NONE,
            .subopts = i == TN_SECTION_MODULE ? free_options(keys) : section_options((tn_setting_section)i),
            .validcb = on_section_end,
        };
        complete = complete && sections[i].subopts;
    }
    cfg_t *cfg = complete ? init_keeping_locale(sections) : NULL;
    for (int i = 0; i < TN_SECTION_COUNT; i++) free(sections[i].subopts);
    if (cfg) cfg_set_error_function(cfg, on_error);
    return cfg;
}

static int parse(reader *r) {
    cfg_t *cfg = make_parser(&r->text->keys);
    if (!cfg) return tn_fail(r->err, TN_ENOMEM, "%s: out of memory", r->name);
    g_reader = r;
    int status = cfg_parse_buf(cfg, r->text->text.data);
    if (status != CFG_SUCCESS && !r->rc)
        r->rc = tn_fail(r->err, TN_ENOMEM, "%s: the parser gave up, out of memory", r->name);
    cfg_free(cfg);
    g_reader = NULL;
    return r->rc;
}

int tn_config_read(const char *name, const char *text, size_t len, tn_config_item_fn each, void *ctx,
                   tn_error *err) {
    tn_config_text prepared;
    int rc = tn_config_text_init(&prepared, name, text, len, err);
    if (!rc) {
        reader r = {.name = name, .text = &prepared, .each = each, .ctx = ctx, .err = err};
        rc = parse(&r);
    }
    tn_config_text_fini(&prepared);
    return rc;
}
