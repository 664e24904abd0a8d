/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
enum { LC_ALL, LC_COLLATE, LC_CTYPE, LC_MONETARY, LC_NUMERIC, LC_TIME, LC_MESSAGES };
enum { LC_COLLATE_MASK = 1, LC_CTYPE_MASK = 2, LC_MESSAGES_MASK = 4, LC_MONETARY_MASK = 8, LC_NUMERIC_MASK = 16, LC_TIME_MASK = 32, LC_ALL_MASK = 63 };
typedef struct opaque_locale *locale_t;
struct lconv { char *decimal_point, *thousands_sep; };
char *setlocale(int, const char *);
struct lconv *localeconv(void);
locale_t newlocale(int, const char *, locale_t), uselocale(locale_t);
int freelocale(locale_t);
