/* SPDX-License-Identifier: Apache-2.0 */
/* Reading JSON from front to back without building a tree, for the two parts of a tokenizer.json that have
 * half a million entries. Everything else of the file goes through jansson. */
#ifndef TN_TEXT_JSON_READER_H
#define TN_TEXT_JSON_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <tenon/status.h>

#include "base/buf.h"

/* Strings that do not contain escapes are not copied. The text must be well-formed UTF-8 (check it first) and
 * outlive the reader. Errors are TN_EFORMAT with the byte where they are. */
typedef struct tn_json_reader {
    const char *start, *at, *end;
    const char *name; /* of the file, for messages */
    tn_error *err;
    tn_buf text; /* of the last string with escapes */
} tn_json_reader;

void tn__jr_init(tn_json_reader *r, const char *text, size_t len, const char *name, tn_error *err);
void tn__jr_fini(tn_json_reader *r);

/* The next character that is not white space, 0 at the end; it is not taken. */
char tn__jr_peek(tn_json_reader *r);
/* Takes c. */
int tn__jr_take(tn_json_reader *r, char c);
/* Between the elements of an array or object that close ends: 1 where an element follows (a comma is taken
 * where first is false), 0 where it ended (close is taken). */
int tn__jr_next(tn_json_reader *r, char close, bool first);
/* A string; valid until the next one is read. */
int tn__jr_string(tn_json_reader *r, const char **ret, size_t *ret_len);
/* A key and its colon. */
int tn__jr_key(tn_json_reader *r, const char **ret, size_t *ret_len);
/* A number that is an integer of 0 .. 2^63 - 1. */
int tn__jr_uint(tn_json_reader *r, uint64_t *ret);
/* Any number. */
int tn__jr_number(tn_json_reader *r, double *ret);
/* Any value, passed over; the nesting is bounded. */
int tn__jr_skip(tn_json_reader *r);
/* Fails here: "name: byte N: what". */
int tn__jr_fail(tn_json_reader *r, const char *what);

#endif
