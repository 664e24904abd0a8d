/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 0x7fffffff
void *malloc(size_t), *calloc(size_t, size_t), *realloc(void *, size_t), *reallocf(void *, size_t), *aligned_alloc(size_t, size_t);
void free(void *);
int posix_memalign(void **, size_t, size_t);
_Noreturn void abort(void), exit(int), _Exit(int);
int atexit(void (*)(void)), system(const char *), atoi(const char *), abs(int), rand(void);
void srand(unsigned int), arc4random_buf(void *, size_t);
uint32_t arc4random(void);
long strtol(const char *, char **, int), labs(long), atol(const char *);
long long strtoll(const char *, char **, int), llabs(long long);
unsigned long strtoul(const char *, char **, int);
unsigned long long strtoull(const char *, char **, int);
double strtod(const char *, char **), atof(const char *);
float strtof(const char *, char **);
char *getenv(const char *), *realpath(const char *, char *), *mkdtemp(char *);
int setenv(const char *, const char *, int), unsetenv(const char *), mkstemp(char *);
void qsort(void *, size_t, size_t, int (*)(const void *, const void *));
void *bsearch(const void *, const void *, size_t, size_t, int (*)(const void *, const void *));
