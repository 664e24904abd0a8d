/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
enum { FNM_NOMATCH = 1, FNM_NOESCAPE = 1, FNM_PATHNAME = 2, FNM_PERIOD = 4 };
int fnmatch(const char *, const char *, int);
