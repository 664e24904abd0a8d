/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
enum { RTLD_LAZY = 1, RTLD_NOW = 2, RTLD_LOCAL = 4, RTLD_GLOBAL = 8 };
typedef struct dl_info { const char *dli_fname; void *dli_fbase; const char *dli_sname; void *dli_saddr; } Dl_info;
void *dlopen(const char *, int), *dlsym(void *, const char *);
int dlclose(void *), dladdr(const void *, Dl_info *);
char *dlerror(void);
