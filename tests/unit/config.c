/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: what files may say, what is refused and where, which source wins. */
#include "unit/unit.h"

#include <locale.h>
#include <math.h>
#include <sys/stat.h>

#include "config/assign.h"
#include "config/listen.h"
#include "config/show.h"
#include "config/text.h"
#include "config/value.h"
#include "unit/files.h"

/* ---- Texts as files ---- */

/* One file's text, called "f.conf", over the defaults. */
static int read_text(const char *text, tn_settings **ret, tn_error *err) {
    const char *name;
    *ret = NULL;
    int rc = tn_settings_new(ret, err);
    if (!rc) rc = tn_settings_intern(*ret, "f.conf", &name, err);
    if (!rc) rc = tn_settings_read(*ret, name, text, strlen(text), err);
    return rc ? rc : tn_settings_finish(*ret, err);
}

static tn_settings *must_read(const char *text) {
    tn_settings *s;
    tn_error err = {0};
    if (read_text(text, &s, &err)) fail_msg("%s: %s", text, err.text);
    return s;
}

static void must_fail(const char *text, int code, const char *message) {
    tn_settings *s;
    tn_error err = {0};
    int rc = read_text(text, &s, &err);
    if (rc != code || strcmp(err.text, message) != 0)
        fail_msg("%s\n  gave %d: %s\n  instead of %d: %s", text, rc, err.text, code, message);
    tn_settings_free(s);
}

static void nothing_gives_defaults(void **state) {
    (void)state;
    tn_settings *s = must_read("");
    assert_string_equal(s->server.listen.host, "127.0.0.1");
    assert_int_equal(s->server.listen.port, 8080);
    assert_false(s->server.listen.is_ipv6);
    assert_int_equal(s->server.max_body_bytes, 32 << 20);
    assert_int_equal(s->server.max_upload_bytes, 256 << 20);
    assert_true(s->server.idle_timeout_s == 75);
    assert_int_equal(s->server.api_keys.n, 0);
    assert_int_equal(s->server.log_level, TN_LOG_INFO);
    assert_null(s->cache.kv_type);
    assert_int_equal(s->limits.queue_length, 512);
    assert_int_equal(s->n_models, 1);
    assert_string_equal(s->models[0].name, "starter");
    assert_string_equal(s->models[0].path, "starter");
    assert_true(s->models[0].is_default);
    assert_int_equal(s->models[0].parallel, 8);
    assert_true(isnan(s->models[0].temperature));
    assert_int_equal(s->models[0].top_k, TN_UNSET);
    assert_int_equal(tn_settings_source(s, "server", NULL, "listen").origin, TN_FROM_DEFAULT);
    tn_settings_free(s);
}

static void every_type_is_read(void **state) {
    (void)state;
    tn_settings *s =
        must_read("server { listen = \"[::1]:0\" max_body_bytes = 3K idle_timeout = 1500ms\n"
                  "  api_keys = {a, 'b', \"c\",} cors_origins = \"*\" log_level = trace log_format = json }\n"
                  "model m/1 { path = '/x y' default = yes temperature = 0.25 top_k = 0 think = off\n"
                  "  chat_template = t.jinja device = cpu aliases = {} family = qwen3 }");
    const tn_model_settings *m = tn_settings_model(s, "m/1");
    assert_non_null(m);
    assert_string_equal(s->server.listen.host, "::1");
    assert_true(s->server.listen.is_ipv6);
    assert_int_equal(s->server.listen.port, 0);
    assert_int_equal(s->server.max_body_bytes, 3072);
    assert_true(s->server.idle_timeout_s == 1.5);
    assert_int_equal(s->server.api_keys.n, 3);
    assert_string_equal(s->server.api_keys.item[2], "c");
    assert_string_equal(s->server.cors_origins.item[0], "*");
    assert_int_equal(s->server.log_level, TN_LOG_TRACE);
    assert_int_equal(s->server.log_format, TN_LOG_JSON);
    assert_string_equal(m->path, "/x y");
    assert_string_equal(m->chat_template, "./t.jinja");
    assert_string_equal(m->device, "cpu");
    assert_string_equal(m->family, "qwen3");
    assert_true(m->temperature == 0.25);
    assert_int_equal(m->top_k, 0);
    assert_int_equal(m->think, TN_THINK_OFF);
    assert_int_equal(m->aliases.n, 0);
    tn_settings_free(s);
}

static void sizes_and_times_take_suffixes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } sizes[] = {{"1024", 1024},  {"1K", 1024},       {"2k", 2048},
                 {"3M", 3 << 20}, {"4G", 1ull << 32}, {"0032M", 32 << 20}};
    static const struct {
        const char *text;
        double seconds;
    } times[] = {{"0", 0}, {"1.5", 1.5}, {"250ms", 0.25}, {"3s", 3}, {"2m", 120}, {"24h", 86400}};
    char text[128];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(text, sizeof text, "server { max_body_bytes = %s }", sizes[i].text);
        tn_settings *s = must_read(text);
        assert_int_equal(s->server.max_body_bytes, sizes[i].bytes);
        assert_true(s->server.max_upload_bytes >= s->server.max_body_bytes);
        tn_settings_free(s);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        snprintf(text, sizeof text, "limits { queue_wait = %s }", times[i].text);
        tn_settings *s = must_read(text);
        assert_true(s->limits.queue_wait_s == times[i].seconds);
        tn_settings_free(s);
    }
}

static void values_that_are_wrong_are_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"server {\n max_connections = 0 }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"0\""},
        {"server {\n max_connections = 70000 }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"70000\""},
        {"server {\n max_connections = -1 }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"-1\""},
        {"server {\n max_connections = 0x10 }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"0x10\""},
        {"server {\n max_connections = many }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"many\""},
        {"server {\n max_connections = 1K }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"1K\""},
        {"server {\n max_connections = \"\" }",
         "f.conf:2: server.max_connections: a whole number from 1 to 65536 is expected, not \"\""},
        {"server { max_body_bytes = 5G }",
         "f.conf:1: server.max_body_bytes: a number of bytes, or one with K, M or G, from 1024 to 4294967296 is expected, "
         "not \"5G\""},
        {"server { max_body_bytes = 99999999999999999999999999999999999999 }",
         "f.conf:1: server.max_body_bytes: a number of bytes, or one with K, M or G, from 1024 to 4294967296 is expected, "
         "not \"99999999999999999999999999999999999999\""},
        {"server {\n max_upload_bytes = 1M }",
         "f.conf:2: server.max_upload_bytes: 1048576 bytes are less than a single body may have, 33554432 "
         "(server.max_body_bytes)"},
        {"server { idle_timeout = 1d }",
         "f.conf:1: server.idle_timeout: a number of seconds, or one with ms, s, m or h, from 0 to 86400 is expected, not "
         "\"1d\""},
        {"model a { path = p temperature = nan }",
         "f.conf:1: model.temperature: a number from 0 to 100 is expected, not \"nan\""},
        {"model a { path = p temperature = 1e1 }",
         "f.conf:1: model.temperature: a number from 0 to 100 is expected, not \"1e1\""},
        {"model a { path = p top_p = 1.01 }",
         "f.conf:1: model.top_p: a number from 0 to 1 is expected, not \"1.01\""},
        {"model a { path = p top_p = 1.0.0 }",
         "f.conf:1: model.top_p: a number from 0 to 1 is expected, not \"1.0.0\""},
        {"model a { path = p default = maybe }",
         "f.conf:1: model.default: one of false|true|no|yes|off|on is expected, not \"maybe\""},
        {"cache { kv_type = f1 }",
         "f.conf:1: cache.kv_type: one of f32|f16|bf16|q8_0 is expected, not \"f1\""},
        {"cache { kv_type = \"f32|f16\" }",
         "f.conf:1: cache.kv_type: one of f32|f16|bf16|q8_0 is expected, not \"f32|f16\""},
        {"server { log_level = loud }",
         "f.conf:1: server.log_level: one of error|warn|info|debug|trace is expected, not \"loud\""},
        {"server { listen = 8080 }",
         "f.conf:1: server.listen: HOST:PORT or [IPV6]:PORT is expected, not \"8080\": the port is missing"},
        {"server { cors_origins = {\n\"https://a\",\n\"https://a/b\"} }",
         "f.conf:3: server.cors_origins: \"https://a/b\": an origin is \"*\" or like \"https://example.org:8443\", without a "
         "path"},
        {"server { api_keys = \"a secret\" }",
         "f.conf:1: server.api_keys: a key is printable ASCII without blanks"},
        {"model a { path = ~/m }",
         "f.conf:1: model.path: a path is expected, not \"~/m\"; write \"${HOME}/...\" for a home directory"},
        {"model a { path = \"\" }", "f.conf:1: model.path: a path is expected, not \"\""},
        {"model a { path = p aliases = \"b c\" }",
         "f.conf:1: model.aliases: \"b c\": a name is made of letters, digits and ._:/@+-"},
        {"\nmodel \"a b\" { path = p }",
         "f.conf:2: model \"a b\": a name is made of letters, digits and ._:/@+-"},
        {"model \"\" { path = p }", "f.conf:1: model \"\": a name has 1 to 128 characters"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) must_fail(cases[i][0], TN_EINVAL, cases[i][1]);
}

static void names_that_are_unknown_are_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"server {\n\n listn = x }", "f.conf:3: unknown key \"listn\" in server: did you mean \"listen\"?"},
        {"model a { pth = x }", "f.conf:1: unknown key \"pth\" in model: did you mean \"path\"?"},
        {"server { context = 1 }", "f.conf:1: unknown key \"context\" in server: it belongs into cache {}"},
        {"server { temperature = 1 }",
         "f.conf:1: unknown key \"temperature\" in server: it belongs into model NAME {}"},
        {"limits { frobnicate = 1 }",
         "f.conf:1: unknown key \"frobnicate\" in limits: tenon.conf(5) lists those there are"},
        {"# x\n\nsrever { }", "f.conf:3: unknown section \"srever\": did you mean \"server\"?"},
        {"modle a { }", "f.conf:1: unknown section \"modle\": did you mean \"model\"?"},
        {"stuff { }",
         "f.conf:1: unknown section \"stuff\": there are server, cache, limits, media, model NAME and module NAME"},
        {"listen = \"a:1\"", "f.conf:1: \"listen\" stands outside of a section: it belongs into server {}"},
        {"include = x", "f.conf:1: there is no include(): files in conf.d beside tenon.conf are read too"},
        {"include(\"x\")", "f.conf:1: unexpected '(': there is no include(); files in conf.d are read too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) must_fail(cases[i][0], TN_EINVAL, cases[i][1]);
}

static void broken_syntax_is_named(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"server {\n listen = \"a:1\"\n", "f.conf:1: the '{' on this line is not closed"},
        {"server {\n api_keys = {\n", "f.conf:2: the '{' on this line is not closed"},
        {"\n}", "f.conf:2: unexpected '}'"},
        {"server { } }", "f.conf:1: unexpected '}'"},
        {"server { x { y { } } }", "f.conf:1: unexpected '{'"},
        {"server { listen = \"a:1\n\" }", "f.conf:1: the text in quotes does not end on its line"},
        {"server { listen = 'a:1", "f.conf:1: the text in quotes does not end on its line"},
        {"server { listen = \"a:1\\", "f.conf:1: the text in quotes does not end on its line"},
        {"server { listen = \"a:1\\x41\" }",
         "f.conf:1: an unknown escape: between double quotes, \\\" \\\\ and \\$ are known"},
        {"\n/* \n\n", "f.conf:2: the comment that starts here does not end"},
        {"server { listen = }", "f.conf:1: unexpected token '}'"},
        {"server { listen = ", "f.conf:1: the '{' on this line is not closed"},
        {"server { listen }", "f.conf:1: missing equal sign after option 'listen'"},
        {"server { listen \"a:1\" }", "f.conf:1: missing equal sign after option 'listen'"},
        {"server { = 1 }", "f.conf:1: the name of a setting is expected before '='"},
        {"server { 'listen' = 1 }", "f.conf:1: the name of a setting is expected before '='"},
        {"server|listen = 1", "f.conf:1: the name of a setting is expected before '='"},
        {"server { listen = {a, b} }", "f.conf:1: unexpected token '{'"},
        {"server { api_keys = {a b} }", "f.conf:1: unexpected text: is a ',', '=' or '}' missing before it?"},
        {"server { api_keys = {,} }", "f.conf:1: unexpected token ','"},
        {"server { api_keys += {a} }", "f.conf:1: unexpected '+'"},
        {"server { cors_origins = {*} }", "f.conf:1: unexpected '*'"},
        {"server { cors_origins = http://a }",
         "f.conf:1: \"http://a\": a text with #, //, * or + stands in quotes"},
        {"model a { path = /c++/x }", "f.conf:1: \"/c++/x\": a text with #, //, * or + stands in quotes"},
        {"model a { path = x#y }", "f.conf:1: \"x\": a text with #, //, * or + stands in quotes"},
        {"server", "f.conf:1: premature end of file"},
        {"server x { }", "f.conf:1: missing opening brace for section 'server'"},
        {"model { }", "f.conf:1: missing title for section 'model'"},
        {"model a = 1", "f.conf:1: missing opening brace for section 'model'"},
        {"server { ) }", "f.conf:1: unexpected ')'"},
        {"server { listen = \"\x01\" }", "f.conf:1: byte 0x01 does not belong into a text file"},
        {"\n# \xff\n", "f.conf:2: the line is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) must_fail(cases[i][0], TN_EINVAL, cases[i][1]);
}

static void settings_have_to_fit_together(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\nmodel a { parallel = 2 }", "f.conf:2: model a: path must be given"},
        {"\n\nmodel\na\n{ }", "f.conf:5: model a: path must be given"},
        {"server { listen = \"a:1\"\nlisten = \"a:2\" }", "f.conf:2: server.listen is set on line 1 already"},
        {"server { listen = \"a:1\" }\nserver { listen = \"a:2\" }",
         "f.conf:2: server.listen is set on line 1 already"},
        {"server { api_keys = a\napi_keys = b }", "f.conf:2: server.api_keys is set on line 1 already"},
        {"model a { path = p }\nmodel a { }", "f.conf:2: \"a\" has a section in this file already"},
        {"module m { x = 1\n x = 2 }", "f.conf:2: module.x is set on line 1 already"},
        {"model a { path = p }\nmodel b { path = p\n aliases = {c, a} }",
         "f.conf:3: model b: the alias \"a\" is a name of model a already"},
        {"model a { path = p aliases = c }\nmodel b { path = p\n aliases = c }",
         "f.conf:3: model b: the alias \"c\" is a name of model a already"},
        {"model a { path = p aliases = {c, c} }",
         "f.conf:1: model a: the alias \"c\" is a name of model a already"},
        {"model a { path = p aliases = a }",
         "f.conf:1: model a: the alias \"a\" is a name of model a already"},
        {"model a { path = p default = on }\nmodel b { path = p\ndefault = on }",
         "f.conf:3: model a is the default already, b cannot be too"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) must_fail(cases[i][0], TN_EINVAL, cases[i][1]);
}

static void lines_count_from_the_start(void **state) {
    (void)state;
    tn_settings *s = must_read(
        "\xef\xbb\xbf# one\n## two\r\n/* three\n four */ server /* x */ {\n  api_keys = { # five\n  \"#a\", // six\n '//b' }\n"
        "  listen = \"h:1\"\n}\nmodel a { path = p\n\n threads = 2 }\nmodule m {\n\n x = 1 }\n");
    assert_int_equal(tn_settings_source(s, "server", NULL, "api_keys").line, 7);
    assert_string_equal(s->server.api_keys.item[0], "#a");
    assert_string_equal(s->server.api_keys.item[1], "//b");
    assert_int_equal(tn_settings_source(s, "server", NULL, "listen").line, 8);
    assert_int_equal(tn_settings_source(s, "model", "a", "path").line, 10);
    assert_int_equal(tn_settings_source(s, "model", "a", "threads").line, 12);
    assert_int_equal(tn_settings_source(s, "module", "m", "x").line, 15);
    assert_int_equal(tn_settings_module(s, "m")->declared.line, 13);
    assert_string_equal(tn_settings_source(s, "model", "a", "threads").name, "f.conf");
    tn_settings_free(s);
}

static void variables_are_expanded(void **state) {
    (void)state;
    setenv("TN_TEST_DIR", "/srv/models", 1);
    unsetenv("TN_TEST_NONE");
    tn_settings *s =
        must_read("model a { path = \"${TN_TEST_DIR}/a\" family = ${TN_TEST_NONE:-other} }\n"
                  "model b { path = '/${TN_TEST_DIR}' }\nmodel c { path = \"/\\${TN_TEST_DIR}\" }");
    assert_string_equal(s->models[0].path, "/srv/models/a");
    assert_string_equal(s->models[0].family, "other");
    assert_string_equal(s->models[1].path, "/${TN_TEST_DIR}");
    assert_string_equal(s->models[2].path, "/${TN_TEST_DIR}");
    tn_settings_free(s);
    must_fail(
        "\nmodel a { path = \"${TN_TEST_NONE}\" }", TN_EINVAL,
        "f.conf:2: the environment variable TN_TEST_NONE is not set; ${TN_TEST_NONE:-text} has a default");
    must_fail(
        "model a { path = \"${TN_TEST\" }", TN_EINVAL,
        "f.conf:1: \"${\" starts an environment variable, ${NAME} or ${NAME:-default}; between single quotes it is "
        "text");
    setenv("TN_TEST_DIR", "a\nb", 1);
    must_fail("model a { path = \"${TN_TEST_DIR}\" }", TN_EINVAL,
              "f.conf:1: model.path: \"a\nb\": control characters are not allowed");
    setenv("TN_TEST_DIR", "\xff", 1);
    must_fail("module a { path = \"${TN_TEST_DIR}\" }", TN_EINVAL,
              "f.conf:1: module.a.path: the text is not UTF-8");
    unsetenv("TN_TEST_DIR");
}

static void a_model_inherits(void **state) {
    (void)state;
    tn_settings *s =
        must_read("cache { kv_type = f32\n context = 512 }\nlimits { max_tokens = 7 }\n"
                  "model a { path = p }\nmodel b { path = p kv_type = f16 context = 0 max_tokens = 9 }");
    assert_string_equal(s->models[0].kv_type, "f32");
    assert_int_equal(s->models[0].context, 512);
    assert_int_equal(s->models[0].max_tokens, 7);
    assert_int_equal(tn_settings_source(s, "model", "a", "context").line, 2);
    assert_string_equal(s->models[1].kv_type, "f16");
    assert_int_equal(s->models[1].context, 0);
    assert_int_equal(s->models[1].max_tokens, 9);
    assert_ptr_equal(tn_settings_model(s, NULL), &s->models[0]);
    assert_null(tn_settings_model(s, "c"));
    tn_settings_free(s);
}

static void sampling_is_read(void **state) {
    (void)state;
    tn_settings *s =
        must_read("model m { path = p frequency_penalty = -1.5 presence_penalty = -2 typical_p = 0.5\n"
                  "  min_keep = 2 repetition_last_n = 64 dry_sequence_breakers = {'\\n', \"a b\"}\n"
                  "  repetition_max_pattern = 4 repetition_min_pattern = 4 }\n"
                  "model n { path = p dry_sequence_breakers = {} }");
    const tn_sampling_settings *p = &s->models[0].sampling, *unset = &s->models[1].sampling;
    assert_true(p->frequency_penalty == -1.5 && p->presence_penalty == -2 && p->typical_p == 0.5);
    assert_true(p->min_keep == 2 && p->repetition_last_n == 64 && p->repetition_min_pattern == 4);
    assert_int_equal(s->models[0].dry_sequence_breakers.n, 2);
    assert_string_equal(s->models[0].dry_sequence_breakers.item[0], "\\n");
    assert_true(isnan(unset->frequency_penalty) && unset->min_keep == TN_UNSET && isnan(unset->dry_base));
    assert_int_equal(tn_settings_source(s, "model", "n", "dry_sequence_breakers").origin, TN_FROM_FILE);
    tn_settings_free(s);
    must_fail("model m { path = p frequency_penalty = -2.5 }", TN_EINVAL,
              "f.conf:1: model.frequency_penalty: a number from -2 to 2 is expected, not \"-2.5\"");
    must_fail("model m { path = p typical_p = -0.5 }", TN_EINVAL,
              "f.conf:1: model.typical_p: a number from 0 to 1 is expected, not \"-0.5\"");
    must_fail("model m { path = p frequency_penalty = - }", TN_EINVAL,
              "f.conf:1: model.frequency_penalty: a number from -2 to 2 is expected, not \"-\"");
    must_fail("model m { path = p dry_sequence_breakers = {'a\\q'} }", TN_EINVAL,
              "f.conf:1: model.dry_sequence_breakers: \"a\\q\": after a '\\' stands one of n t r \" \\");
    must_fail("model m { path = p repetition_max_pattern = 2\n repetition_min_pattern = 3 }", TN_EINVAL,
              "f.conf:2: model m: repetition_min_pattern: 3 is more than repetition_max_pattern, 2");
}

/* What media say arrives where it is used, lists as they stand. */
static void media_are_handed_over(void **state) {
    (void)state;
    tn_settings *s =
        must_read("media { roots = {/srv/a, \"/srv/b c\"} allow_url = no\n"
                  "  allow_private = {10.0.0.0/8, \"[::1]:9000\", \"images.lan:80\"}\n"
                  "  max_items = 3 max_bytes = 2K fetch_timeout = 500ms max_pixels = 5 max_frames = 6\n"
                  "  max_duration = 7m decode_timeout = 8s vision_cache = 1M pixel_cache = 0 }");
    tn_media_limits l = tn_settings_media(s);
    assert_int_equal(l.fetch.n_roots, 2);
    assert_string_equal(l.fetch.roots[1], "/srv/b c");
    assert_int_equal(l.fetch.n_allow_private, 3);
    assert_string_equal(l.fetch.allow_private[1], "[::1]:9000");
    assert_true(!l.fetch.allow_url && !l.fetch.own_files && !l.fetch.cancelled);
    assert_true(l.fetch.max_bytes == 2048 && l.fetch.timeout_s == 0.5 && l.max_items == 3);
    assert_true(l.max_pixels == 5 && l.max_frames == 6 && l.max_duration_s == 420 && l.decode_timeout_s == 8);
    assert_true(l.tower_cache_bytes == 1 << 20 && l.pixels_cache_bytes == 0);
    tn_settings_free(s);
    s = must_read("");
    l = tn_settings_media(s);
    assert_true(l.fetch.allow_url && !l.fetch.n_roots && !l.fetch.n_allow_private && l.max_items > 0);
    tn_settings_free(s);
    must_fail("media { roots = {srv} }", TN_EINVAL,
              "f.conf:1: media.roots: \"srv\": a folder is written with its whole path, from '/' on");
    must_fail("media {\n allow_private = {\"images.lan\"} }", TN_EINVAL,
              "f.conf:2: media.allow_private: \"images.lan\": a name needs a port: \"name:port\"");
    must_fail("media { allow_private = {10.0.0.1/8} }", TN_EINVAL,
              "f.conf:1: media.allow_private: \"10.0.0.1/8\": the address has bits after those that count");
    must_fail(
        "media { fetch_timeout = 0 }", TN_EINVAL,
        "f.conf:1: media.fetch_timeout: a number of seconds, or one with ms, s, m or h, from 0.1 to 3600 is "
        "expected, not \"0\"");
    must_fail("limits { roots = {/a} }", TN_EINVAL,
              "f.conf:1: unknown key \"roots\" in limits: it belongs into media {}");
}

static void files_are_bounded(void **state) {
    (void)state;
    tn_buf text;
    tn_buf_init(&text, 1 << 20);
    for (int i = 0; i <= TN_CONFIG_TEXT_ASSIGNMENTS; i++) tn_buf_addf(&text, "k%d=1 ", i);
    must_fail(text.data, TN_ELIMIT, "f.conf:1: a file has at most 4096 settings");
    tn_buf_clear(&text);
    for (int i = 0; i <= TN_CONFIG_TEXT_SECTIONS; i++) tn_buf_adds(&text, "server {}\n");
    must_fail(text.data, TN_ELIMIT, "f.conf:1025: a file has at most 1024 sections");
    tn_buf_clear(&text);
    for (int i = 0; i <= TN_SETTINGS_MODELS; i++) tn_buf_addf(&text, "model m%d { path = p }\n", i);
    must_fail(text.data, TN_ELIMIT, "more than 256 models are configured");
    tn_buf_clear(&text);
    tn_buf_adds(&text, "model m { path = p aliases = {");
    for (int i = 0; i <= TN_SETTING_LIST_ITEMS; i++) tn_buf_addf(&text, "a%d,", i);
    tn_buf_adds(&text, "} }");
    must_fail(text.data, TN_ELIMIT, "f.conf:1: model.aliases: a list has at most 1024 items");
    tn_buf_clear(&text);
    for (int i = 0; i <= TN_CONFIG_TEXT_BYTES; i++) tn_buf_addc(&text, ' ');
    must_fail(text.data, TN_ELIMIT, "f.conf: the file has 262145 bytes, a configuration file at most 262144");
    tn_buf_clear(&text);
    tn_buf_adds(&text, "model m { path = ");
    for (int i = 0; i <= TN_SETTING_TEXT_BYTES; i++) tn_buf_addc(&text, 'a');
    tn_buf_adds(&text, " }");
    tn_settings *s;
    tn_error err = {0};
    assert_int_equal(read_text(text.data, &s, &err), TN_EINVAL);
    assert_non_null(strstr(err.text, "a text has at most 4096 bytes"));
    tn_settings_free(s);
    tn_buf_free(&text);
}

static void a_nul_byte_is_refused(void **state) {
    (void)state;
    tn_settings *s = NULL;
    tn_error err = {0};
    assert_int_equal(tn_settings_new(&s, &err), 0);
    assert_int_equal(tn_settings_read(s, "f.conf", "server {}\n\0", 11, &err), TN_EINVAL);
    assert_string_equal(err.text, "f.conf:2: byte 0x00 does not belong into a text file");
    tn_settings_free(s);
}

static void a_failure_leaves_nothing_behind(void **state) {
    (void)state;
    setlocale(LC_ALL, "C");
    for (int i = 0; i < 3; i++) {
        must_fail("server { api_keys = {a, b", TN_EINVAL, "f.conf:1: the '{' on this line is not closed");
        must_fail("server { max_n = 1 }", TN_EINVAL,
                  "f.conf:1: unknown key \"max_n\" in server: it belongs into limits {}");
        must_fail("server { listen = { }", TN_EINVAL, "f.conf:1: the '{' on this line is not closed");
        tn_settings_free(must_read("server { listen = \"a:1\" }"));
    }
    assert_string_equal(setlocale(LC_CTYPE, NULL), "C");
    assert_string_equal(setlocale(LC_MESSAGES, NULL), "C");
}

/* ---- Listening ---- */

static void addresses_are_taken_apart(void **state) {
    (void)state;
    static const struct {
        const char *text, *host;
        unsigned port;
        bool is_ipv6;
    } good[] = {
        {"127.0.0.1:8080", "127.0.0.1", 8080, false},
        {"localhost:0", "localhost", 0, false},
        {"[::]:65535", "::", 65535, true},
        {"[fe80::1%eth0]:1", "fe80::1%eth0", 1, true},
        {"a-b.example.org:80", "a-b.example.org", 80, false},
    };
    static const char *const bad[][2] = {
        {"", "the port is missing"},
        {"localhost", "the port is missing"},
        {"localhost:", "a port is a whole number from 0 to 65535"},
        {"localhost:65536", "a port is a whole number from 0 to 65535"},
        {"localhost:99999999", "a port is a whole number from 0 to 65535"},
        {"localhost:+1", "a port is a whole number from 0 to 65535"},
        {":80", "the host is missing; 0.0.0.0 or [::] is every address of the machine"},
        {"[]:80", "the host is missing; 0.0.0.0 or [::] is every address of the machine"},
        {"::1:80", "an IPv6 address stands in brackets"},
        {"[::1]80", "the port is missing"},
        {"[::1]x:80", "the bracket is not closed before the port"},
        {"[:80", "the bracket is not closed before the port"},
        {"[127.0.0.1]:80", "there is no IPv6 address in the brackets"},
        {"[::1%]:80", "there is no IPv6 address in the brackets"},
        {"127.0.0.256:80", "that is not an IPv4 address"},
        {"a b:80", "a host's name is made of letters, digits, '.' and '-'"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        tn_listen l;
        const char *wrong;
        tn_buf text;
        tn_buf_init(&text, 1024);
        assert_int_equal(tn_listen_parse(good[i].text, &l, &wrong), 0);
        assert_string_equal(l.host, good[i].host);
        assert_int_equal(l.port, good[i].port);
        assert_int_equal(l.is_ipv6, good[i].is_ipv6);
        tn_listen_print(&l, &text);
        assert_string_equal(text.data, good[i].text);
        tn_buf_free(&text);
        free(l.host);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_listen l;
        const char *wrong;
        assert_int_equal(tn_listen_parse(bad[i][0], &l, &wrong), TN_EINVAL);
        assert_string_equal(wrong, bad[i][1]);
    }
}

/* ---- The table ---- */

static void the_table_is_sound(void **state) {
    (void)state;
    for (size_t i = 0; i < tn_setting_row_count; i++) {
        const tn_setting_row *row = &tn_setting_rows[i];
        bool number = row->kind == TN_SETTING_UINT || row->kind == TN_SETTING_SIZE ||
                      row->kind == TN_SETTING_SECONDS || row->kind == TN_SETTING_REAL;
        bool words = row->kind == TN_SETTING_WORD || row->kind == TN_SETTING_CHOICE;
        assert_ptr_equal(tn_setting_find(row->section, row->key), row); /* no key twice */
        assert_int_equal(row->def == NULL, row->unset != NULL);
        assert_true(!number || row->min < row->max);
        assert_int_equal(words, row->words != NULL);
        assert_true(row->help && row->help[0] && row->help[strlen(row->help) - 1] != '.');
    }
}

/* What is shown of a value gives that value when it is read. */
static void printed_values_are_read_back(void **state) {
    (void)state;
    tn_settings *s = must_read(
        "server { listen = \"[::1]:9\" max_body_bytes = 1500 idle_timeout = 0.1 cors_origins = {\"*\"}\n"
        "log_level = warn } model a { path = 'x \"y\" $\\\\' temperature = 0.1 kv_type = bf16\n"
        "aliases = {b, c} think = on }");
    for (size_t i = 0; i < tn_setting_row_count; i++) {
        const tn_setting_row *row = &tn_setting_rows[i];
        bool in_model = row->section == TN_SECTION_MODEL;
        tn_buf value, file, again;
        tn_buf_init(&value, 1024), tn_buf_init(&file, 1024), tn_buf_init(&again, 1024);
        tn_setting_print(row, tn_settings_field(s, in_model ? &s->models[0] : NULL, row), &value);
        if (!value.len) continue;
        bool own_path = strcmp(row->key, "path") == 0;
        tn_buf_addf(&file, "%s %s { %s%s = %s }", tn_section_names[row->section], in_model ? "a" : "",
                    in_model && !own_path ? "path = p " : "", row->key,
                    row->kind == TN_SETTING_LISTEN ? "\"[::1]:9\"" : value.data);
        tn_settings *t = must_read(file.data);
        tn_setting_print(row, tn_settings_field(t, in_model ? &t->models[0] : NULL, row), &again);
        assert_string_equal(value.data, again.data);
        tn_settings_free(t);
        tn_buf_free(&value), tn_buf_free(&file), tn_buf_free(&again);
    }
    tn_settings_free(s);
}

static void secrets_are_masked(void **state) {
    (void)state;
    tn_settings *s = must_read("server { api_keys = {hush, hush2} }");
    tn_buf text;
    tn_buf_init(&text, 1 << 20);
    tn_settings_show(s, &text);
    assert_non_null(strstr(text.data, "server.api_keys = {\"***\", \"***\"}  # f.conf:1\n"));
    assert_null(strstr(text.data, "hush"));
    json_t *json = tn_settings_json(s);
    char *dump = json_dumps(json, 0);
    assert_null(strstr(dump, "hush"));
    assert_non_null(strstr(dump, "***"));
    free(dump);
    json_decref(json);
    tn_buf_free(&text);
    tn_settings_free(s);
}

/* ---- Sources ---- */

static const char *dir; /* of the running test */

static int load(const tn_settings_overrides *o, tn_settings **ret, tn_error *err) {
    *ret = NULL;
    return tn_settings_load(o, ret, err);
}

static tn_settings *must_load(const tn_settings_overrides *o) {
    tn_settings *s;
    tn_error err = {0};
    if (load(o, &s, &err)) fail_msg("%s", err.text);
    return s;
}

static void load_must_fail(const tn_settings_overrides *o, int code, const char *message) {
    char full[4600];
    tn_settings *s;
    tn_error err = {0};
    int rc = load(o, &s, &err);
    snprintf(full, sizeof full, "%s%s", message[0] == '/' ? dir : "", message);
    if (rc != code || strcmp(err.text, full) != 0)
        fail_msg("%d: %s\n  instead of %d: %s", rc, err.text, code, full);
}

static const char *in_dir(const char *name) {
    static char path[2][4400];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

/* An empty home, so that this machine's own configuration does not show. */
static int enter(void **state) {
    (void)state;
    dir = unit_temp_dir();
    assert_int_equal(mkdir(in_dir("tenon"), 0700), 0);
    assert_int_equal(mkdir(in_dir("tenon/conf.d"), 0700), 0);
    setenv("XDG_CONFIG_HOME", dir, 1);
    unsetenv("TENON_CONF");
    return 0;
}

static int leave(void **state) {
    (void)state;
    static const char *const variables[] = {
        "TENON_CONF",         "TENON_SERVER_LISTEN", "TENON_SERVER_API_KEYS",
        "TENON_LIMITS_MAX_N", "TENON_LIMITS_MAXN",   "XDG_CONFIG_HOME"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++) unsetenv(variables[i]);
    unit_remove_dir(in_dir("tenon/conf.d"));
    unit_remove_dir(in_dir("tenon"));
    unit_remove_dir(dir);
    return 0;
}

static void assert_source(const tn_settings *s, const char *key, tn_setting_origin origin, const char *name,
                          unsigned line) {
    tn_setting_source source = tn_settings_source(s, "server", NULL, key);
    assert_int_equal(source.origin, origin);
    assert_int_equal(source.line, line);
    assert_string_equal(source.name, origin == TN_FROM_FILE ? in_dir(name) : name);
}

static void the_last_source_wins(void **state) {
    (void)state;
    tn_settings_flag flag = {"--listen", "server.listen", "h:5"};
    tn_settings_overrides flags = {.flags = &flag, .n_flags = 1};
    unit_write_in(dir, "tenon/tenon.conf", "server {\n listen = \"h:2\" }");
    tn_settings *s = must_load(NULL);
    assert_int_equal(s->server.listen.port, 2);
    assert_source(s, "listen", TN_FROM_FILE, "tenon/tenon.conf", 2);
    tn_settings_free(s);
    unit_write_in(dir, "tenon/conf.d/a.conf", "\n\nserver { listen = \"h:3\" }");
    s = must_load(NULL);
    assert_int_equal(s->server.listen.port, 3);
    assert_source(s, "listen", TN_FROM_FILE, "tenon/conf.d/a.conf", 3);
    tn_settings_free(s);
    setenv("TENON_SERVER_LISTEN", "h:4", 1);
    s = must_load(NULL);
    assert_int_equal(s->server.listen.port, 4);
    assert_source(s, "listen", TN_FROM_ENVIRONMENT, "TENON_SERVER_LISTEN", 0);
    tn_settings_free(s);
    s = must_load(&flags);
    assert_int_equal(s->server.listen.port, 5);
    assert_source(s, "listen", TN_FROM_FLAG, "--listen", 0);
    tn_settings_free(s);
}

static void conf_d_is_read_in_order_and_merged(void **state) {
    (void)state;
    unit_write_in(dir, "tenon/tenon.conf",
                  "model a { path = one/x parallel = 1 threads = 1 } server { api_keys = {k} }");
    unit_write_in(dir, "tenon/conf.d/2.conf", "model a { parallel = 2 } model b { path = ./b }");
    unit_write_in(dir, "tenon/conf.d/10.conf",
                  "model a { parallel = 10 threads = 10 } server { api_keys = {} }");
    unit_write_in(dir, "tenon/conf.d/.hidden.conf", "nonsense");
    unit_write_in(dir, "tenon/conf.d/3.conf.orig", "nonsense");
    tn_settings *s = must_load(NULL);
    assert_int_equal(s->files.n, 3);
    assert_int_equal(s->n_models, 2);
    assert_string_equal(s->models[0].path, in_dir("tenon/one/x"));
    assert_int_equal(s->models[0].parallel, 2);
    assert_int_equal(s->models[0].threads, 10);
    assert_string_equal(s->models[1].path, in_dir("tenon/conf.d/./b"));
    assert_int_equal(s->server.api_keys.n, 0);
    assert_source(s, "api_keys", TN_FROM_FILE, "tenon/conf.d/10.conf", 1);
    tn_settings_free(s);
}

static void mistakes_in_conf_d_are_named(void **state) {
    (void)state;
    unit_write_in(dir, "tenon/conf.d/5.conf", "\nserver { listn = x }");
    load_must_fail(NULL, TN_EINVAL,
                   "/tenon/conf.d/5.conf:2: unknown key \"listn\" in server: did you mean \"listen\"?");
    unit_write_in(dir, "tenon/conf.d/5.conf", "");
    assert_int_equal(mkdir(in_dir("tenon/conf.d/4.conf"), 0700), 0);
    load_must_fail(NULL, TN_EIO, "/tenon/conf.d/4.conf: not a regular file");
    assert_int_equal(rmdir(in_dir("tenon/conf.d/4.conf")), 0);
}

static void the_first_place_is_used(void **state) {
    (void)state;
    tn_settings_overrides named = {.file = in_dir("c.conf")};
    unit_write_in(dir, "tenon/tenon.conf", "limits { max_n = 1 }");
    unit_write_in(dir, "b.conf", "limits { max_n = 2 }");
    unit_write_in(dir, "c.conf", "limits { max_n = 3 }");
    tn_settings *s = must_load(NULL);
    assert_int_equal(s->limits.max_n, 1);
    tn_settings_free(s);
    setenv("TENON_CONF", in_dir("b.conf"), 1);
    s = must_load(NULL);
    assert_int_equal(s->limits.max_n, 2);
    assert_int_equal(s->files.n, 1);
    tn_settings_free(s);
    s = must_load(&named);
    assert_int_equal(s->limits.max_n, 3);
    tn_settings_free(s);
    setenv("TENON_CONF", in_dir("none.conf"), 1);
    load_must_fail(NULL, TN_ENOENT, "/none.conf: No such file or directory");
}

static void variables_set_what_has_no_title(void **state) {
    (void)state;
    setenv("TENON_SERVER_API_KEYS", "one, two,", 1);
    setenv("TENON_LIMITS_MAX_N", "", 1);
    setenv("TENON_MODEL_PATH", "/x", 1);
    tn_settings *s = must_load(NULL);
    assert_int_equal(s->server.api_keys.n, 2);
    assert_string_equal(s->server.api_keys.item[1], "two");
    assert_int_equal(s->limits.max_n, 16);
    tn_settings_free(s);
    setenv("TENON_LIMITS_MAX_N", "0", 1);
    load_must_fail(NULL, TN_EINVAL,
                   "TENON_LIMITS_MAX_N: limits.max_n: a whole number from 1 to 1024 is expected, not \"0\"");
    setenv("TENON_LIMITS_MAX_N", "2", 1);
    setenv("TENON_LIMITS_MAXN", "2", 1);
    load_must_fail(NULL, TN_EINVAL,
                   "TENON_LIMITS_MAXN: unknown key \"maxn\" in limits: did you mean \"max_n\"?");
    unsetenv("TENON_MODEL_PATH");
}

static void flags_reach_everything(void **state) {
    (void)state;
    static const tn_settings_flag good[] = {
        {"--set", "limits.max_n", "3"},         {"--set", "model.qwen2.5-a.context", "64"},
        {"--set", "module.org.a.b.depth", "2"}, {"--set", "model.qwen2.5-a.aliases", "x,y"},
        {"--set", "model.qwen2.5-a.path", "p"},
    };
    static const char *const bad[][3] = {
        {"max_n", "1",
         "--set: \"max_n\": SECTION.KEY, model.NAME.KEY or module.ID.KEY is expected, where SECTION is server, cache, "
         "limits or media"},
        {"model.context", "1",
         "--set: \"model.context\": SECTION.KEY, model.NAME.KEY or module.ID.KEY is expected, where SECTION is server, "
         "cache, limits or media"},
        {"server.max.n", "1",
         "--set: \"server.max.n\": SECTION.KEY, model.NAME.KEY or module.ID.KEY is expected, where SECTION is server, "
         "cache, limits or media"},
        {"limits.maxn", "1", "--set: unknown key \"maxn\" in limits: did you mean \"max_n\"?"},
        {"model.a.context", "x",
         "--set: model.context: a whole number from 0 to 16777216 is expected, not \"x\""},
        {"model.a.context", "1", "--set: model a: path must be given"},
        {"model..context", "1", "--set: model \"\": a name has 1 to 128 characters"},
    };
    tn_settings_overrides o = {.flags = good, .n_flags = sizeof good / sizeof *good};
    tn_settings *s = must_load(&o);
    assert_int_equal(s->limits.max_n, 3);
    assert_int_equal(tn_settings_model(s, "y")->context, 64);
    assert_string_equal(s->modules[0].id, "org.a.b");
    assert_string_equal(s->modules[0].args[0].key, "depth");
    tn_settings_free(s);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tn_settings_flag flag = {"--set", bad[i][0], bad[i][1]};
        o = (tn_settings_overrides){.flags = &flag, .n_flags = 1};
        load_must_fail(&o, TN_EINVAL, bad[i][2]);
    }
}

static void models_are_selected(void **state) {
    (void)state;
    const char *models[] = {"c", "./some dir/New Model.gguf", "a2", "c"};
    tn_settings_overrides o = {.models = models, .n_models = 4};
    unit_write_in(
        dir, "tenon/tenon.conf",
        "model a { path = p aliases = a2 } model b { path = p default = true } model c { path = p }");
    tn_settings *s = must_load(&o);
    assert_int_equal(s->n_models, 3);
    assert_string_equal(s->models[0].name, "c");
    assert_true(s->models[0].is_default);
    assert_string_equal(s->models[1].name, "New-Model");
    assert_string_equal(s->models[1].path, "./some dir/New Model.gguf");
    assert_string_equal(s->models[2].name, "a");
    assert_string_equal(tn_settings_source(s, "model", "New-Model", "path").name, "-m");
    assert_int_equal(tn_settings_source(s, "model", "New-Model", "path").origin, TN_FROM_FLAG);
    tn_settings_free(s);
    models[1] = "x/b";
    load_must_fail(&o, TN_EINVAL, "-m x/b: another model is called \"b\" already");
    models[1] = "";
    load_must_fail(&o, TN_EINVAL, "-m: model.path: a path is expected, not \"\"");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_gives_defaults),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(sizes_and_times_take_suffixes),
        cmocka_unit_test(values_that_are_wrong_are_named),
        cmocka_unit_test(names_that_are_unknown_are_named),
        cmocka_unit_test(broken_syntax_is_named),
        cmocka_unit_test(settings_have_to_fit_together),
        cmocka_unit_test(lines_count_from_the_start),
        cmocka_unit_test(variables_are_expanded),
        cmocka_unit_test(a_model_inherits),
        cmocka_unit_test(media_are_handed_over),
        cmocka_unit_test(sampling_is_read),
        cmocka_unit_test(files_are_bounded),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(a_failure_leaves_nothing_behind),
        cmocka_unit_test(addresses_are_taken_apart),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(printed_values_are_read_back),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test_setup_teardown(the_last_source_wins, enter, leave),
        cmocka_unit_test_setup_teardown(conf_d_is_read_in_order_and_merged, enter, leave),
        cmocka_unit_test_setup_teardown(mistakes_in_conf_d_are_named, enter, leave),
        cmocka_unit_test_setup_teardown(the_first_place_is_used, enter, leave),
        cmocka_unit_test_setup_teardown(variables_set_what_has_no_title, enter, leave),
        cmocka_unit_test_setup_teardown(flags_reach_everything, enter, leave),
        cmocka_unit_test_setup_teardown(models_are_selected, enter, leave),
    };
    return unit_main(tests);
}
