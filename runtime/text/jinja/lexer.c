/* SPDX-License-Identifier: Apache-2.0 */
#include "text/jinja/lexer.h"

#include "base/checked.h"
#include "text/jinja/literal.h"
#include "text/jinja/chars.h"

typedef struct lexer {
    tn_jarena *arena, *text; /* of tokens, of strings */
    const char *src;
    size_t len, at;
    size_t line_at; /* line is that of this offset */
    uint32_t line;
    char open[200]; /* brackets open in the current tag */
    size_t n_open;
    tn_jtokens *tokens;
    tn_error *err;
} lexer;

static uint32_t line_of(lexer *x, size_t at) {
    for (; x->line_at < at; x->line_at++) x->line += x->src[x->line_at] == '\n';
    return x->line;
}

static int nomem(lexer *x) {
    return tn_fail(x->err, x->arena->status, "out of memory for tokens");
}

static int emit(lexer *x, tn_jtok type, size_t at, tn_jval value) {
    tn_jtokens *t = x->tokens;
    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 256, bytes;
        if (!tn_mul_size(cap, sizeof *t->token, &bytes)) bytes = SIZE_MAX;
        tn_jtoken *token = tn_jarena_alloc(x->arena, bytes);
        if (!token) return nomem(x);
        if (t->n) memcpy(token, t->token, t->n * sizeof *token);
        t->token = token;
        t->cap = cap;
    }
    t->token[t->n++] = (tn_jtoken){type, line_of(x, at), value};
    return 0;
}

static int emit_text(lexer *x, tn_jtok type, size_t at, size_t end) {
    return emit(x, type, at, tn_jstring(x->src + at, end - at));
}

static bool starts(const lexer *x, size_t at, const char *s) {
    size_t n = strlen(s);
    return at <= x->len && x->len - at >= n && memcmp(x->src + at, s, n) == 0;
}

/* Offset of the first a-then-b at or after at, or len. */
static size_t find2(const lexer *x, size_t at, char a, char b) {
    for (; at + 1 < x->len; at++) {
        const char *p = memchr(x->src + at, a, x->len - at - 1);
        if (!p) return x->len;
        at = (size_t)(p - x->src);
        if (p[1] == b) return at;
    }
    return x->len;
}

static size_t skip_space(const lexer *x, size_t at) {
    const char *s = x->src + at;
    size_t n = x->len - at;
    tn_jutf8_trim_left(&s, &n);
    return (size_t)(s - x->src);
}

/* After the end of a tag: "-" takes all white space, "+" nothing, no sign one line end (if the tag is not {{
 * }}). */
static size_t after_tag(const lexer *x, size_t at, char sign, bool trim) {
    if (sign == '-') return skip_space(x, at);
    return sign != '+' && trim && at < x->len && x->src[at] == '\n' ? at + 1 : at;
}

/* The text before a tag that begins at end with sign. Without a sign, what stands on the tag's line before it
 * goes if that is only white space (lstrip_blocks); not before {{. */
static int emit_data(lexer *x, size_t end, char sign, bool lstrip) {
    size_t n = end - x->at;
    const char *s = x->src + x->at;
    if (sign == '-') {
        tn_jutf8_trim_right(s, &n);
    } else if (sign != '+' && lstrip) {
        size_t line = n;
        while (line && s[line - 1] != '\n') line--;
        const char *rest = s + line;
        size_t n_rest = n - line;
        tn_jutf8_trim_left(&rest, &n_rest);
        if (!n_rest && (line || x->at == 0 || x->src[x->at - 1] == '\n')) n = line;
    }
    return n ? emit_text(x, TN_JT_DATA, x->at, x->at + n) : 0;
}

static char sign_at(const lexer *x, size_t at) {
    return at < x->len && (x->src[at] == '-' || x->src[at] == '+') ? x->src[at] : 0;
}

static int lex_comment(lexer *x, size_t begin) {
    size_t end = find2(x, x->at, '#', '}');
    if (end == x->len)
        return tn_fail(x->err, TN_EFORMAT, "line %u: comment without its end", line_of(x, begin));
    char sign = end > x->at ? sign_at(x, end - 1) : 0;
    x->at = after_tag(x, end + 2, sign, true);
    return 0;
}

/* Whether the tag whose name may start at `at` is `word`; *ret_end is then the offset after its "%}" or "-%}"
 * ("+%}" too if plus), *ret_sign its sign. */
static bool bare_tag(const lexer *x, size_t at, const char *word, bool plus, size_t *ret_end,
                     char *ret_sign) {
    at = skip_space(x, at);
    if (!starts(x, at, word)) return false;
    at = skip_space(x, at + strlen(word));
    char sign = sign_at(x, at);
    if (sign == '+' && !plus) return false;
    at += sign != 0;
    *ret_end = at + 2;
    *ret_sign = sign;
    return starts(x, at, "%}");
}

/* The text of a raw block, from x->at to its endraw. */
static int lex_raw(lexer *x, size_t begin) {
    for (size_t at = x->at;; at++) {
        at = find2(x, at, '{', '%');
        if (at == x->len)
            return tn_fail(x->err, TN_EFORMAT, "line %u: raw without endraw", line_of(x, begin));
        char sign = sign_at(x, at + 2), end_sign;
        size_t end;
        if (!bare_tag(x, at + 2 + (sign != 0), "endraw", true, &end, &end_sign)) continue;
        TN_TRY(emit_data(x, at, sign, true));
        x->at = after_tag(x, end, end_sign, true);
        return 0;
    }
}

static size_t find_tag(const lexer *x) {
    for (size_t at = x->at; at + 1 < x->len; at++) {
        const char *p = memchr(x->src + at, '{', x->len - at - 1);
        if (!p) break;
        at = (size_t)(p - x->src);
        if (p[1] == '%' || p[1] == '{' || p[1] == '#') return at;
    }
    return x->len;
}

static int lex_number(lexer *x) {
    size_t begin = x->at, n;
    tn_jval v;
    if (!tn_jliteral_number(x->src + begin, x->len - begin, begin && x->src[begin - 1] == '.', &v, &n))
        return tn_fail(x->err, TN_ENOTSUP, "line %u: integers over 64 bits are not supported",
                       line_of(x, begin));
    x->at += n;
    return emit(x, v.type == TN_J_INT ? TN_JT_INT : TN_JT_FLOAT, begin, v);
}

static int lex_string(lexer *x) {
    size_t begin = x->at, end = begin + 1;
    while (end < x->len && x->src[end] != x->src[begin]) end += x->src[end] == '\\' ? 2 : 1;
    if (end >= x->len)
        return tn_fail(x->err, TN_EFORMAT, "line %u: string without its end", line_of(x, begin));
    tn_jval v;
    const char *why = NULL;
    if (!tn_jliteral_string(x->text, x->src + begin + 1, end - begin - 1, &v, &why))
        return why ? tn_fail(x->err, TN_EFORMAT, "line %u: %s", line_of(x, begin), why)
                   : tn_fail(x->err, x->text->status, "out of memory for a string");
    x->at = end + 1;
    return emit(x, TN_JT_STRING, begin, v);
}

static int lex_name(lexer *x) {
    size_t begin = x->at;
    uint32_t cp;
    while (x->at < x->len) {
        size_t k = tn_jutf8_next(x->src + x->at, x->len - x->at, &cp);
        if (!tn_jcp_name(cp, false)) break;
        x->at += k;
    }
    return emit_text(x, TN_JT_NAME, begin, x->at);
}

static int bracket(lexer *x, char c) {
    if (c == '(' || c == '[' || c == '{') {
        if (x->n_open == sizeof x->open)
            return tn_fail(x->err, TN_ELIMIT, "line %u: over %zu brackets inside each other",
                           line_of(x, x->at), sizeof x->open);
        x->open[x->n_open++] = c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
        if (!x->n_open || x->open[--x->n_open] != c)
            return tn_fail(x->err, TN_EFORMAT, "line %u: unexpected '%c'", line_of(x, x->at), c);
    }
    return 0;
}

static int lex_operator(lexer *x) {
    static const struct {
        char text[3];
        tn_jtok type;
    } ops[] = {
        {"//", TN_JT_FLOORDIV}, {"**", TN_JT_POW},   {"==", TN_JT_EQ},      {"!=", TN_JT_NE},
        {">=", TN_JT_GE},       {"<=", TN_JT_LE},    {"+", TN_JT_ADD},      {"-", TN_JT_SUB},
        {"*", TN_JT_MUL},       {"/", TN_JT_DIV},    {"%", TN_JT_MOD},      {"~", TN_JT_TILDE},
        {"<", TN_JT_LT},        {">", TN_JT_GT},     {"=", TN_JT_ASSIGN},   {".", TN_JT_DOT},
        {",", TN_JT_COMMA},     {":", TN_JT_COLON},  {"|", TN_JT_PIPE},     {";", TN_JT_SEMICOLON},
        {"(", TN_JT_LPAREN},    {")", TN_JT_RPAREN}, {"[", TN_JT_LBRACKET}, {"]", TN_JT_RBRACKET},
        {"{", TN_JT_LBRACE},    {"}", TN_JT_RBRACE},
    };
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++) {
        size_t begin = x->at, n = strlen(ops[i].text);
        if (!starts(x, begin, ops[i].text)) continue;
        TN_TRY(bracket(x, ops[i].text[0]));
        x->at += n;
        return emit_text(x, ops[i].type, begin, x->at);
    }
    uint32_t cp;
    tn_jutf8_next(x->src + x->at, x->len - x->at, &cp);
    return tn_fail(x->err, TN_EFORMAT, "line %u: unexpected character U+%04X", line_of(x, x->at), cp);
}

/* If the current tag ends here: its end token, and on to what follows. */
static int lex_tag_end(lexer *x, bool block, bool *ret_ended) {
    size_t begin = x->at;
    char sign = sign_at(x, begin);
    *ret_ended = false;
    if (x->n_open || (sign == '+' && !block)) return 0;
    size_t at = begin + (sign != 0);
    if (!starts(x, at, block ? "%}" : "}}")) return 0;
    *ret_ended = true;
    x->at = after_tag(x, at + 2, sign, block);
    return emit_text(x, block ? TN_JT_BLOCK_END : TN_JT_VAR_END, begin, at + 2);
}

static int lex_tag(lexer *x, bool block, size_t begin) {
    x->n_open = 0;
    TN_TRY(emit_text(x, block ? TN_JT_BLOCK_BEGIN : TN_JT_VAR_BEGIN, begin, begin + 2));
    for (;;) {
        bool ended;
        TN_TRY(lex_tag_end(x, block, &ended));
        if (ended) return 0;
        x->at = skip_space(x, x->at);
        TN_TRY(lex_tag_end(x, block, &ended));
        if (ended) return 0;
        if (x->at >= x->len)
            return tn_fail(x->err, TN_EFORMAT, "line %u: %s without its end", line_of(x, begin),
                           block ? "{%" : "{{");
        uint32_t cp;
        char c = x->src[x->at];
        tn_jutf8_next(x->src + x->at, x->len - x->at, &cp);
        if (c >= '0' && c <= '9')
            TN_TRY(lex_number(x));
        else if (tn_jcp_name(cp, true))
            TN_TRY(lex_name(x));
        else if (c == '"' || c == '\'')
            TN_TRY(lex_string(x));
        else
            TN_TRY(lex_operator(x));
    }
}

/* Text up to the next tag, and the tag. */
static int lex_part(lexer *x) {
    size_t begin = find_tag(x), raw_end;
    if (begin == x->len) {
        TN_TRY(emit_text(x, TN_JT_DATA, x->at, x->len));
        x->at = x->len;
        return 0;
    }
    char kind = x->src[begin + 1], sign = sign_at(x, begin + 2), raw_sign;
    size_t inside = begin + 2 + (sign != 0);
    TN_TRY(emit_data(x, begin, sign, kind != '{'));
    x->at = inside;
    if (kind == '#') return inside < x->len ? lex_comment(x, begin) : 0;
    if (kind == '%' && bare_tag(x, inside, "raw", false, &raw_end, &raw_sign)) {
        x->at = after_tag(x, raw_end, raw_sign, false);
        return x->at < x->len ? lex_raw(x, begin) : 0; /* as Jinja does, nothing at all needs no end */
    }
    return lex_tag(x, kind == '%', begin);
}

int tn_jlex(tn_jarena *arena, tn_jarena *text, const char *src, size_t len, tn_jtokens *ret, tn_error *err) {
    lexer x = {.arena = arena, .text = text, .src = src, .len = len, .line = 1, .tokens = ret, .err = err};
    *ret = (tn_jtokens){0};
    while (x.at < len) TN_TRY(lex_part(&x));
    return emit_text(&x, TN_JT_END, len, len);
}

char *tn_jsource(tn_jarena *arena, const char *src, size_t len, size_t *ret_len) {
    char *copy = tn_jarena_alloc(arena, len + 1);
    size_t n = 0;
    if (!copy) return NULL;
    for (size_t i = 0; i < len; i++) {
        if (src[i] == '\r' && i + 1 < len && src[i + 1] == '\n') continue;
        copy[n++] = src[i] == '\r' ? '\n' : src[i];
    }
    if (n && copy[n - 1] == '\n') n--;
    copy[n] = 0;
    *ret_len = n;
    return copy;
}
