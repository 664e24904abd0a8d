/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <stdint.h>
#define PRId8 "hhd"
#define PRIu8 "hhu"
#define PRId16 "hd"
#define PRIu16 "hu"
#define PRId32 "d"
#define PRIu32 "u"
#define PRIx32 "x"
#define PRId64 "lld"
#define PRIu64 "llu"
#define PRIx64 "llx"
#define PRIX64 "llX"
#define PRIi64 "lli"
#define SCNu64 "llu"
#define SCNd64 "lld"
intmax_t strtoimax(const char *, char **, int);
uintmax_t strtoumax(const char *, char **, int);
