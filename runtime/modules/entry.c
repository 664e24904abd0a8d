/* SPDX-License-Identifier: Apache-2.0 */
#include "modules/entry.h"

#include <string.h>

#include <jansson.h>

#include "modules/option_table.h"

enum { HEAD_BYTES = 8, ID_MAX = 64, TEXT_MAX = 200 };

#define REMEDY "rebuild it with the headers of this tenon, or install the release of the module made for it"

/* The order matters: the first eight bytes are the same in every version, and tell whether more may be read.
 */
static int check_fit(const tn_module *entry, const char *where, tn_error *err) {
    if (entry->size < HEAD_BYTES)
        return tn_fail(
            err, TN_EMODULE,
            "%s: its tn_module_entry says it has %u bytes, less than the %d that hold its version: "
            "it is damaged, or not a module of tenon",
            where, (unsigned)entry->size, HEAD_BYTES);
    if (entry->abi_major != TN_ABI_MAJOR || (TN_ABI_MAJOR == 0 && entry->abi_minor != TN_ABI_MINOR))
        return tn_fail(err, TN_EABI, "%s: built for module ABI %d.%d, this tenon has %d.%d: " REMEDY, where,
                       entry->abi_major, entry->abi_minor, TN_ABI_MAJOR, TN_ABI_MINOR);
    if (entry->size != sizeof *entry)
        return tn_fail(err, TN_EABI,
                       "%s: says module ABI %d.%d as this tenon does, but its tn_module_entry has %u bytes, "
                       "not %zu: " REMEDY,
                       where, entry->abi_major, entry->abi_minor, (unsigned)entry->size, sizeof *entry);
    return 0;
}

static int check_text(const char *text, const char *field, const char *where, tn_error *err) {
    if (!text) return tn_fail(err, TN_EMODULE, "%s: tn_module_entry has no %s (NULL)", where, field);
    size_t len = strnlen(text, TEXT_MAX + 1);
    if (len == 0 || len > TEXT_MAX)
        return tn_fail(err, TN_EMODULE, "%s: the %s in tn_module_entry has %s, 1 to %d bytes are allowed",
                       where, field, len ? "too many bytes" : "0 bytes", TEXT_MAX);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return tn_fail(err, TN_EMODULE, "%s: the %s in tn_module_entry has a control character", where,
                           field);
    json_t *utf8 = json_string(text);
    json_decref(utf8);
    return utf8 ? 0 : tn_fail(err, TN_EMODULE, "%s: the %s in tn_module_entry is not UTF-8", where, field);
}

bool tn_module_id_valid(const char *id) {
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t len = strnlen(id, ID_MAX + 1);
    return len && len <= ID_MAX && strchr(first, id[0]) && strspn(id, rest) == len;
}

static int check_texts(const tn_module *entry, const char *where, tn_error *err) {
    int rc = check_text(entry->id, "id", where, err);
    if (!rc) rc = check_text(entry->version, "version", where, err);
    if (!rc) rc = check_text(entry->licence, "licence", where, err);
    if (!rc && !tn_module_id_valid(entry->id))
        rc = tn_fail(err, TN_EMODULE,
                     "%s: \"%s\" cannot be a module's id: 1 to %d of a-z 0-9 . _ -, a letter or digit first",
                     where, entry->id, ID_MAX);
    return rc;
}

int tn_entry_check(const tn_module *entry, const char *where, tn_error *err) {
    int rc = check_fit(entry, where, err);
    if (!rc) rc = check_texts(entry, where, err);
    if (!rc) rc = tn_option_table_check(entry->options, where, err);
    if (!rc && !entry->get_factory)
        rc = tn_fail(err, TN_EMODULE, "%s: tn_module_entry has no get_factory (NULL)", where);
    return rc;
}

/* A module that answers any id hands out a structure of another type than was asked for. */
int tn_entry_check_factories(const tn_module *entry, const tn_host *host, const char *where, tn_error *err) {
    static const char nobody[] = "tenon.no-such-factory/0";
    if (!entry->get_factory(host, nobody)) return 0;
    return tn_fail(err, TN_EMODULE,
                   "%s: its get_factory returns a factory for \"%s\", an id that nobody knows: it must "
                   "return NULL",
                   where, nobody);
}
