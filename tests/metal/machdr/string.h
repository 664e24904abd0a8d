/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
void *memcpy(void *, const void *, size_t), *memmove(void *, const void *, size_t), *memset(void *, int, size_t), *memchr(const void *, int, size_t), *memmem(const void *, size_t, const void *, size_t);
int memcmp(const void *, const void *, size_t), strcmp(const char *, const char *), strncmp(const char *, const char *, size_t), strcasecmp(const char *, const char *), strncasecmp(const char *, const char *, size_t), strcoll(const char *, const char *), strerror_r(int, char *, size_t);
size_t strlen(const char *), strnlen(const char *, size_t), strspn(const char *, const char *), strcspn(const char *, const char *), strlcpy(char *, const char *, size_t), strlcat(char *, const char *, size_t);
char *strcpy(char *, const char *), *strncpy(char *, const char *, size_t), *stpcpy(char *, const char *), *stpncpy(char *, const char *, size_t), *strcat(char *, const char *), *strncat(char *, const char *, size_t);
char *strchr(const char *, int), *strrchr(const char *, int), *strstr(const char *, const char *), *strcasestr(const char *, const char *), *strpbrk(const char *, const char *), *strtok_r(char *, const char *, char **), *strsep(char **, const char *), *strdup(const char *), *strndup(const char *, size_t), *strerror(int), *strsignal(int);
