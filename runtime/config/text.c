/* SPDX-License-Identifier: Apache-2.0 */
#include "config/text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

/* Words end at these; what else libconfuse gives a meaning stands in quotes. */
#define BLANKS     " \t\r"
#define ENDS       BLANKS "\n#\"'={}(),"
#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"

enum { NAME_BYTES = 64, DEPTH_MAX = 2 };

typedef struct scanner {
    const char *file, *at; /* at ends with NUL */
    unsigned line;
    unsigned depth;             /* of braces */
    unsigned opened[DEPTH_MAX]; /* lines of the open ones */
    unsigned n_assigned;
    const char *word; /* the last token when that was a bare word, else NULL */
    size_t word_len;
    bool assigned; /* the last token was '=' */
    bool in_list;  /* the innermost brace is a list's */
    tn_config_text *out;
    tn_error *err;
} scanner;

static int fail_at(scanner *s, unsigned line, const char *fmt, ...) TN_PRINTF(3, 4);
static int fail_at(scanner *s, unsigned line, const char *fmt, ...) {
    char text[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tn_fail(s->err, TN_EINVAL, "%s:%u: %s", s->file, line, text);
}

static void take(scanner *s, size_t n) {
    tn_buf_add(&s->out->text, s->at, n);
    s->at += n;
}

static int skip_line_comment(scanner *s) {
    s->at += strcspn(s->at, "\n");
    return 0;
}

static int skip_block_comment(scanner *s) {
    const char *end = strstr(s->at + 2, "*/");
    if (!end) return fail_at(s, s->line, "the comment that starts here does not end");
    tn_buf_addc(&s->out->text, ' ');
    for (; s->at < end + 2; s->at++)
        if (*s->at == '\n') {
            tn_buf_addc(&s->out->text, '\n');
            s->line++;
        }
    return 0;
}

/* ${NAME} or ${NAME:-text}, which libconfuse expands. */
static int take_variable(scanner *s) {
    char name[NAME_BYTES + 1];
    const char *start = s->at + 2;
    size_t n = strspn(start, NAME_CHARS);
    bool has_default = strncmp(start + n, ":-", 2) == 0;
    size_t end = n + strcspn(start + n, "}\"\\\n");
    if (n == 0 || n > NAME_BYTES || start[end] != '}' || (!has_default && end != n))
        return fail_at(s, s->line,
                       "\"${\" starts an environment variable, ${NAME} or ${NAME:-default}; "
                       "between single quotes it is text");
    memcpy(name, start, n);
    name[n] = '\0';
    if (!has_default && !getenv(name))
        return fail_at(s, s->line, "the environment variable %s is not set; ${%s:-text} has a default", name,
                       name);
    take(s, end + 3);
    return 0;
}

static int take_escape(scanner *s, char quote) {
    char c = s->at[1] == '\n' ? 0 : s->at[1];
    if (quote == '"' && c && !strchr("\"\\$", c))
        return fail_at(s, s->line, "an unknown escape: between double quotes, \\\" \\\\ and \\$ are known");
    take(s, c ? 2 : 1);
    return 0;
}

static int take_string(scanner *s) {
    char quote = *s->at;
    int rc = 0;
    take(s, 1);
    while (!rc && *s->at != quote) {
        if (!*s->at || *s->at == '\n')
            return fail_at(s, s->line, "the text in quotes does not end on its line");
        if (*s->at == '\\')
            rc = take_escape(s, quote);
        else if (quote == '"' && s->at[0] == '$' && s->at[1] == '{')
            rc = take_variable(s);
        else
            take(s, 1);
    }
    if (!rc) take(s, 1);
    return rc;
}

/* A word may hold '/' but nothing that starts a comment, and none of the characters that libconfuse drops. */
static int take_word(scanner *s) {
    size_t n = strcspn(s->at, ENDS);
    for (size_t i = 0; i <= n; i++) {
        bool comment = s->at[i] == '#' || (i < n && s->at[i] == '/' && s->at[i + 1] == '/');
        if (comment || (i < n && strchr("*+", s->at[i])))
            return fail_at(s, s->line, "\"%.*s\": a text with #, //, * or + stands in quotes",
                           (int)(n < 60 ? n : 60), s->at);
    }
    s->word = s->at;
    s->word_len = n;
    take(s, n);
    return 0;
}

/* The word before '='. */
static int take_assignment(scanner *s) {
    char name[NAME_BYTES + 1];
    size_t n = s->word_len;
    if (!s->word || n > NAME_BYTES || strspn(s->word, NAME_CHARS) < n)
        return fail_at(s, s->line, "the name of a setting is expected before '='");
    if (++s->n_assigned > TN_CONFIG_TEXT_ASSIGNMENTS)
        return tn_fail(s->err, TN_ELIMIT, "%s:%u: a file has at most %d settings", s->file, s->line,
                       TN_CONFIG_TEXT_ASSIGNMENTS);
    memcpy(name, s->word, n);
    name[n] = '\0';
    take(s, 1);
    tn_string_list *keys = &s->out->keys;
    for (size_t i = 0; i < keys->n; i++)
        if (strcmp(keys->item[i], name) == 0) return 0;
    return tn_string_list_add(keys, name, s->err);
}

static int take_open(scanner *s, bool assigned) {
    if (s->in_list || s->depth == DEPTH_MAX) return fail_at(s, s->line, "unexpected '{'");
    if (s->depth == 0 && s->out->n_sections == TN_CONFIG_TEXT_SECTIONS)
        return tn_fail(s->err, TN_ELIMIT, "%s:%u: a file has at most %d sections", s->file, s->line,
                       TN_CONFIG_TEXT_SECTIONS);
    if (s->depth == 0) s->out->section_line[s->out->n_sections++] = s->line;
    s->opened[s->depth++] = s->line;
    s->in_list = assigned;
    take(s, 1);
    return 0;
}

/* An empty list gets an empty item, so that its assignment is noticed. */
static int take_close(scanner *s, char before) {
    if (s->depth == 0) return fail_at(s, s->line, "unexpected '}'");
    if (s->in_list && before == '{') tn_buf_adds(&s->out->text, "\"\"");
    s->in_list = false;
    s->depth--;
    take(s, 1);
    return 0;
}

/* One token, comment or run of blanks. *before: the last token's first character. */
static int take_next(scanner *s, char *before) {
    char c = *s->at, last = *before;
    bool was_assigned = s->assigned;
    if (strchr(BLANKS, c) || c == '\n') {
        s->line += c == '\n';
        take(s, 1);
        return 0;
    }
    if (c == '#' || strncmp(s->at, "//", 2) == 0) return skip_line_comment(s);
    if (strncmp(s->at, "/*", 2) == 0) return skip_block_comment(s);
    *before = c;
    s->assigned = c == '=';
    if (c == '=') return take_assignment(s);
    s->word = NULL;
    switch (c) {
    case '"':
    case '\'': return take_string(s);
    case '{': return take_open(s, was_assigned);
    case '}': return take_close(s, last);
    case ',': take(s, 1); return 0;
    case '$': return s->at[1] == '{' ? take_variable(s) : take_word(s);
    case '(':
        return fail_at(s, s->line, "unexpected '(': there is no include(); files in conf.d are read too");
    case ')':
    case '*':
    case '+': return fail_at(s, s->line, "unexpected '%c'", c);
    default: return take_word(s);
    }
}

/* Lines as they are read; a character never spans two. */
static int check_line(const char *file, unsigned line, const char *text, size_t len, tn_error *err) {
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
            return tn_fail(err, TN_EINVAL, "%s:%u: byte 0x%02x does not belong into a text file", file, line,
                           c);
    }
    json_t *utf8 = json_stringn(text, len);
    json_decref(utf8);
    return utf8 ? 0 : tn_fail(err, TN_EINVAL, "%s:%u: the line is not UTF-8", file, line);
}

static int check_bytes(const char *file, const char *text, size_t len, tn_error *err) {
    int rc = 0;
    if (len > TN_CONFIG_TEXT_BYTES)
        return tn_fail(err, TN_ELIMIT, "%s: the file has %zu bytes, a configuration file at most %d", file,
                       len, TN_CONFIG_TEXT_BYTES);
    for (unsigned line = 1; !rc && len; line++) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len;
        rc = check_line(file, line, text, n, err);
        text += n + !!end;
        len -= n + !!end;
    }
    return rc;
}

/* The text itself, NUL-terminated and without the mark that some editors put first. */
static char *own_copy(const char *text, size_t len) {
    bool marked = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0;
    return strndup(text + (marked ? 3 : 0), len - (marked ? 3 : 0));
}

int tn_config_text_init(tn_config_text *ret, const char *name, const char *text, size_t len, tn_error *err) {
    char before = 0;
    *ret = (tn_config_text){0};
    tn_buf_init(&ret->text, 4 * TN_CONFIG_TEXT_BYTES);
    int rc = check_bytes(name, text, len, err);
    char *copy = rc ? NULL : own_copy(text, len);
    if (!rc && !copy) rc = tn_fail(err, TN_ENOMEM, "%s: out of memory", name);
    scanner s = {.file = name, .at = copy, .line = 1, .out = ret, .err = err};
    while (!rc && *s.at) rc = take_next(&s, &before);
    if (!rc && s.depth) rc = fail_at(&s, s.opened[s.depth - 1], "the '{' on this line is not closed");
    tn_buf_addc(&ret->text, ' '); /* never empty */
    if (!rc && ret->text.status) rc = tn_fail(err, ret->text.status, "%s: out of memory", name);
    free(copy);
    return rc;
}

void tn_config_text_fini(tn_config_text *t) {
    tn_buf_free(&t->text);
    tn_string_list_free(&t->keys);
}
