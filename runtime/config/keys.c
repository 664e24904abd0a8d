/* SPDX-License-Identifier: Apache-2.0 */
/* The list of all settings as text. */
#include "config/show.h"
#include "config/value.h"

/* A bound in the row's own notation. */
static void add_number(const tn_setting_row *row, double number, tn_buf *out) {
    uint64_t whole = (uint64_t)number;
    bool is_whole = row->kind == TN_SETTING_UINT || row->kind == TN_SETTING_SIZE;
    tn_setting_print(row, is_whole ? (void *)&whole : (void *)&number, out);
}

static void add_type(const tn_setting_row *row, tn_buf *out) {
    static const char *const names[] = {
        [TN_SETTING_BOOL] = "true|false",  [TN_SETTING_TEXT] = "TEXT",
        [TN_SETTING_FILE] = "FILE",        [TN_SETTING_MODEL] = "PATH|NAME",
        [TN_SETTING_LISTEN] = "HOST:PORT", [TN_SETTING_LIST] = "{TEXT, ...}",
    };
    switch (row->kind) {
    case TN_SETTING_WORD:
    case TN_SETTING_CHOICE: tn_buf_adds(out, row->words); return;
    case TN_SETTING_UINT:
    case TN_SETTING_SIZE:
    case TN_SETTING_SECONDS:
    case TN_SETTING_REAL:
        add_number(row, row->min, out);
        tn_buf_adds(out, "..");
        add_number(row, row->max, out);
        return;
    default: tn_buf_adds(out, names[row->kind]); return;
    }
}

static void add_default(const tn_setting_row *row, tn_buf *out) {
    if (!row->def)
        tn_buf_addf(out, "; default: %s", row->unset);
    else if (row->kind == TN_SETTING_LIST)
        tn_buf_adds(out, "; default {}");
    else
        tn_buf_addf(out, "; default %s", row->def);
}

void tn_settings_keys(tn_buf *out) {
    for (size_t i = 0; i < tn_setting_row_count; i++) {
        const tn_setting_row *row = &tn_setting_rows[i];
        tn_buf_addf(out, "%s.%s%s\n    ", tn_section_names[row->section],
                    tn_section_titled(row->section) ? "NAME." : "", row->key);
        add_type(row, out);
        add_default(row, out);
        tn_buf_addf(out, "\n    %s\n", row->help);
    }
}
