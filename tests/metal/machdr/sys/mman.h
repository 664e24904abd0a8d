/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <sys/types.h>
enum { PROT_NONE, PROT_READ, PROT_WRITE, PROT_EXEC = 4, MAP_SHARED = 1, MAP_PRIVATE = 2, MAP_FIXED = 0x10, MAP_ANON = 0x1000, MAP_ANONYMOUS = 0x1000, MADV_NORMAL = 0, MADV_RANDOM = 1, MADV_SEQUENTIAL = 2, MADV_WILLNEED = 3, MADV_DONTNEED = 4, MADV_FREE = 5 };
#define MAP_NORESERVE 0x40
#define MAP_FAILED ((void *)-1)
void *mmap(void *, size_t, int, int, int, off_t);
int munmap(void *, size_t), mprotect(void *, size_t, int), madvise(void *, size_t, int), mlock(const void *, size_t), munlock(const void *, size_t), posix_madvise(void *, size_t, int), msync(void *, size_t, int);
int shm_open(const char *, int, ...), shm_unlink(const char *);
