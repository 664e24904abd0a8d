/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
struct option { const char *name; int has_arg, *flag, val; };
enum { no_argument, required_argument, optional_argument };
extern char *optarg;
extern int optind, opterr, optopt, optreset;
int getopt(int, char *const *, const char *), getopt_long(int, char *const *, const char *, const struct option *, int *);
