/* SPDX-License-Identifier: Apache-2.0 */
#include "config/unknown.h"

#include <stdio.h>
#include <string.h>

#include "base/suggest.h"

enum { KEYS_MAX = 64, HINT_BYTES = 160 };

static const char *nearest_key(tn_setting_section section, const char *key) {
    const char *keys[KEYS_MAX + 1];
    size_t n = 0;
    for (size_t i = 0; i < tn_setting_row_count && n < KEYS_MAX; i++)
        if (tn_setting_rows[i].section == section) keys[n++] = tn_setting_rows[i].key;
    keys[n] = NULL;
    return tn_did_you_mean(key, keys);
}

/* "it belongs into model NAME {}" when some section has that key. */
static bool owner_hint(const char *key, char *ret) {
    for (size_t i = 0; i < tn_setting_row_count; i++) {
        tn_setting_section section = tn_setting_rows[i].section;
        if (strcmp(tn_setting_rows[i].key, key) != 0) continue;
        snprintf(ret, HINT_BYTES, "it belongs into %s%s {}", tn_section_names[section],
                 tn_section_titled(section) ? " NAME" : "");
        return true;
    }
    return false;
}

int tn_section_unknown(const char *where, const char *name, tn_error *err) {
    const char *close = tn_did_you_mean(name, tn_section_names);
    char hint[HINT_BYTES] = "there are server, cache, limits, media, model NAME and module NAME";
    if (strcmp(name, "include") == 0)
        return tn_fail(err, TN_EINVAL,
                       "%s: there is no include(): files in conf.d beside tenon.conf are read too", where);
    if (owner_hint(name, hint))
        return tn_fail(err, TN_EINVAL, "%s: \"%s\" stands outside of a section: %s", where, name, hint);
    if (close) snprintf(hint, sizeof hint, "did you mean \"%s\"?", close);
    return tn_fail(err, TN_EINVAL, "%s: unknown section \"%.60s\": %s", where, name, hint);
}

int tn_setting_unknown(const char *where, tn_setting_section section, const char *key, tn_error *err) {
    const char *close = nearest_key(section, key);
    char hint[HINT_BYTES] = "tenon.conf(5) lists those there are";
    if (close)
        snprintf(hint, sizeof hint, "did you mean \"%s\"?", close);
    else
        owner_hint(key, hint);
    return tn_fail(err, TN_EINVAL, "%s: unknown key \"%.60s\" in %s: %s", where, key,
                   tn_section_names[section], hint);
}
