/* SPDX-License-Identifier: Apache-2.0 */
/* clang-format off */
#pragma once
#include <stdarg.h>
#include <sys/types.h>
typedef struct opaque_file FILE;
extern FILE *__stdinp, *__stdoutp, *__stderrp;
#define stdin __stdinp
#define stdout __stdoutp
#define stderr __stderrp
#define EOF (-1)
#define BUFSIZ 1024
enum { SEEK_SET, SEEK_CUR, SEEK_END, _IOFBF = 0, _IOLBF = 1, _IONBF = 2 };
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
FILE *fopen(const char *, const char *), *fdopen(int, const char *), *freopen(const char *, const char *, FILE *), *tmpfile(void), *popen(const char *, const char *), *open_memstream(char **, size_t *), *fmemopen(void *, size_t, const char *);
int fclose(FILE *), fflush(FILE *), feof(FILE *), ferror(FILE *), fileno(FILE *), fseek(FILE *, long, int), fseeko(FILE *, off_t, int), pclose(FILE *), remove(const char *), rename(const char *, const char *);
long ftell(FILE *);
off_t ftello(FILE *);
void clearerr(FILE *), rewind(FILE *), flockfile(FILE *), funlockfile(FILE *), setbuf(FILE *, char *), perror(const char *);
size_t fread(void *, size_t, size_t, FILE *), fwrite(const void *, size_t, size_t, FILE *);
int printf(const char *, ...) PRINTF(1, 2), fprintf(FILE *, const char *, ...) PRINTF(2, 3), sprintf(char *, const char *, ...) PRINTF(2, 3), snprintf(char *, size_t, const char *, ...) PRINTF(3, 4), dprintf(int, const char *, ...) PRINTF(2, 3), asprintf(char **, const char *, ...) PRINTF(2, 3);
int vprintf(const char *, va_list) PRINTF(1, 0), vfprintf(FILE *, const char *, va_list) PRINTF(2, 0), vsnprintf(char *, size_t, const char *, va_list) PRINTF(3, 0), vasprintf(char **, const char *, va_list) PRINTF(2, 0);
int sscanf(const char *, const char *, ...) __attribute__((format(scanf, 2, 3))), fscanf(FILE *, const char *, ...) __attribute__((format(scanf, 2, 3)));
int fgetc(FILE *), getc(FILE *), getchar(void), ungetc(int, FILE *), fputc(int, FILE *), putc(int, FILE *), putchar(int), fputs(const char *, FILE *), puts(const char *), setvbuf(FILE *, char *, int, size_t), putc_unlocked(int, FILE *), getc_unlocked(FILE *);
char *fgets(char *, int, FILE *);
ssize_t getline(char **, size_t *, FILE *), getdelim(char **, size_t *, int, FILE *);
#undef PRINTF
