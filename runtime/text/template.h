/* SPDX-License-Identifier: Apache-2.0 */
/* Chat templates: the Jinja dialect that published checkpoints use, rendered from JSON.
 *
 * The environment is the one that transformers gives a chat template: trim_blocks and lstrip_blocks are on,
 * escaping is off, break and continue exist, {% generation %} is transparent, tojson writes as Python's
 * json.dumps does, values are immutable (list.append and its like are refused), and raise_exception(message)
 * and strftime_now(format) are there. JSON null is none, an absent variable is undefined; numbers, strings
 * and containers print as Python prints them.
 *
 * Templates and variables are untrusted. Source size, nesting, steps, memory and recursion are bounded;
 * rendering keeps nothing but the compiled template, which never changes. Neither compiling nor rendering
 * takes more than 256 KiB of C stack.
 *
 * Not there: include, import, extends, the filters random, urlize, pprint, wordwrap, striptags and xmlattr,
 * integers beyond 64 bits. Each is a clear error at the place that asks for it. Numbers are read and printed
 * in the C locale. */
#ifndef TN_TEXT_TEMPLATE_H
#define TN_TEXT_TEMPLATE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"

#define TN_TEMPLATE_SOURCE_MAX    ((size_t)1 << 20)    /* bytes of source */
#define TN_TEMPLATE_STEPS_DEFAULT ((uint64_t)50000000) /* expressions, statements and items visited */
#define TN_TEMPLATE_BYTES_DEFAULT ((size_t)256 << 20)  /* memory of one render, its output included */

/* A compiled template: immutable, usable by any number of threads at once. */
typedef struct tn_template tn_template;

typedef struct tn_template_options {
    const char *now; /* what strftime_now sees, "2025-07-04T12:34:56[.ffffff]" local time; NULL: the clock */
    uint64_t max_steps; /* 0: TN_TEMPLATE_STEPS_DEFAULT */
    size_t max_bytes;   /* memory of the render, output included; 0: TN_TEMPLATE_BYTES_DEFAULT */
} tn_template_options;

/* Compiles len bytes of UTF-8 source; name is for messages and is copied. *ret is the caller's
 * (tn_template_free). TN_EFORMAT (not a template: says line and reason), TN_ENOTSUP (include, import,
 * extends), TN_ELIMIT (size, nesting), TN_ENOMEM. [any thread] */
int tn_template_compile(const char *src, size_t len, const char *name, tn_template **ret, tn_error *err);
/* NULL is harmless. No render may be running. [any thread] */
void tn_template_free(tn_template *t);

/* Renders with vars (a JSON object, borrowed, not changed; it must not change meanwhile) and appends to out,
 * all or nothing. options may be NULL. TN_ERAISED: raise_exception was called, err holds its message and
 * nothing else. TN_EINVAL: an error in the template's terms (undefined used, wrong type), with its line.
 * TN_ENOTSUP: something named above as not there. TN_ELIMIT: steps, memory, nesting or out's maximum.
 * TN_ENOMEM. [any thread] */
int tn_template_render(const tn_template *t, json_t *vars, const tn_template_options *options, tn_buf *out,
                       tn_error *err);

#endif
