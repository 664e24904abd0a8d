/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file from memory: refused with a message that names a line, or all of it can be shown. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "config/assign.h"
#include "config/show.h"

static void show(const tn_settings *s) {
    tn_buf text;
    tn_buf_init(&text, 16 << 20);
    tn_settings_show(s, &text);
    json_t *json = tn_settings_json(s);
    if (text.status || !json || !tn_settings_model(s, NULL)) abort();
    json_decref(json);
    tn_buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    tn_settings *s = NULL;
    tn_error err = {0};
    int rc = tn_settings_new(&s, &err);
    if (rc) abort();
    rc = tn_settings_read(s, "fuzz", (const char *)data, size, &err);
    if (!rc) rc = tn_settings_finish(s, &err);
    if (rc && (err.code != rc || !err.text[0])) abort();
    if (rc == TN_EINVAL && strncmp(err.text, "fuzz:", 5) != 0) abort();
    if (!rc) show(s);
    tn_settings_free(s);
    return 0;
}

bool fuzz_seed(unsigned i, tn_buf *ret) {
    static const char *const seeds[] = {
        "# comment\nserver {\n  listen = \"[::1]:0\" // more\n  api_keys = {\"a\", 'b'}\n  idle_timeout = 2m\n"
        "  max_body_bytes = 8M\n}\nlimits { max_n = 4 queue_wait = 1.5s }\ncache { kv_type = f16 context = 4096 }\n",
        "model a-b { path = \"${HOME:-/x}/m\" aliases = {} default = yes temperature = 0.7 think = off }\n"
        "/* two\nlines */ model \"c/d\" { path = ./m.gguf family = llama aliases = {e, f,} }\n"
        "module org.example { depth = 3 mode = 'x' }\n",
        "media {\n roots = { /srv, '/a b' }\n allow_private = { 10.0.0.0/8, \"[::1]:80\", \"a.lan:80\" }\n fetch_timeout = 1s }\n"
        "model m { path = p frequency_penalty = -1 dry_sequence_breakers = {'\\n', a} }\n",
        "server{listen=a:1}model a{path=p}model b{path=p}module m{}cache{}limits{}server{}\n",
    };
    if (i >= sizeof seeds / sizeof *seeds) return false;
    tn_buf_adds(ret, seeds[i]);
    return true;
}
