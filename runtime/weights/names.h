/* SPDX-License-Identifier: Apache-2.0 */
/* Names that come out of model files: what they may hold, and a table from name to position. */
#ifndef TN_WEIGHTS_NAMES_H
#define TN_WEIGHTS_NAMES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest key or tensor name, in bytes. Published ones stay under 128. */
enum { TN_MAX_NAME = 1024 };

/* Whether the len bytes are UTF-8 without control characters, so that they can stand in a message. [any
 * thread] */
bool tn_name_printable(const char *name, size_t len);

/* A hash table from name to position: a jansson object, whose hashing is seeded at random, so that a file
 * cannot be made to collide. Free with json_decref(). NULL when out of memory. */
json_t *tn_names_new(void);
/* 0, TN_EFORMAT when the name is there already, or TN_ENOMEM; no message. [the thread that owns names] */
int tn_names_add(json_t *names, const char *name, uint64_t position);
/* [any thread, once all are added] */
bool tn_names_find(const json_t *names, const char *name, uint64_t *ret_position);

#endif
