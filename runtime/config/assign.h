/* SPDX-License-Identifier: Apache-2.0 */
/* Settings in the making: values go in one by one, with where they came from, and are checked against each
 * other at the end. */
#ifndef TN_CONFIG_ASSIGN_H
#define TN_CONFIG_ASSIGN_H

#include "config/table.h"

enum { TN_SETTINGS_MODELS = 256, TN_SETTINGS_MODULES = 256, TN_SETTING_WHERE_BYTES = 400 };

/* One value, or one item of a list. Borrowed, but for source.name. */
typedef struct tn_assignment {
    tn_setting_section section;
    const char *title; /* of a model or module */
    const char *key;   /* NULL: only makes sure that the model or module is there */
    const char *text;
    bool first;                       /* false: a further item of a list */
    tn_setting_source source;         /* name lives as long as the settings */
    tn_setting_source section_source; /* of the section's head, when this makes the model or module */
    const char *dir;                  /* relative paths begin here; NULL: the working directory */
} tn_assignment;

/* All defaults, no models, no modules. TN_ENOMEM. */
int tn_settings_new(tn_settings **ret, tn_error *err);
/* A copy of text that lives as long as the settings. TN_ENOMEM. */
int tn_settings_intern(tn_settings *s, const char *text, const char **ret, tn_error *err);
/* The model of that name (not alias), made with all defaults when it is new. TN_EINVAL (the name), TN_ELIMIT,
 * TN_ENOMEM. */
int tn_settings_add_model(tn_settings *s, const char *name, tn_setting_source declared,
                          tn_model_settings **ret, tn_error *err);
/* The same for a module's section. */
int tn_settings_add_module(tn_settings *s, const char *id, tn_setting_source declared,
                           tn_module_settings **ret, tn_error *err);
/* Takes model i away. */
void tn_settings_drop_model(tn_settings *s, size_t i);

/* A row's field and where it came from. model: NULL for the rows of the other sections. */
void *tn_settings_field(const tn_settings *s, const tn_model_settings *model, const tn_setting_row *row);
tn_setting_source *tn_settings_source_of(const tn_settings *s, const tn_model_settings *model,
                                         const tn_setting_row *row);

/* A later value replaces an earlier one, but not one of the same file. TN_EINVAL, TN_ELIMIT, TN_ENOMEM. */
int tn_settings_assign(tn_settings *s, const tn_assignment *a, tn_error *err);

/* Reads one file's text, name being interned. Errors as tn_settings_load. */
int tn_settings_read(tn_settings *s, const char *name, const char *text, size_t len, tn_error *err);

/* Leaves the named models and no others, in this order; what is not a configured name becomes a model of its
 * own. */
int tn_settings_select(tn_settings *s, const char *const *models, size_t n_models, tn_error *err);

/* Fills in what one setting inherits from another, and checks what no value shows alone. TN_EINVAL,
 * TN_ENOMEM. */
int tn_settings_finish(tn_settings *s, tn_error *err);

/* "FILE:LINE", "TENON_SERVER_LISTEN", "--listen", "default". ret: TN_SETTING_WHERE_BYTES. */
void tn_setting_where(tn_setting_source source, char *ret);

#endif
