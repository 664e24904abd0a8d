/* SPDX-License-Identifier: Apache-2.0 */
/* A template and, after the first NUL if there is one, its variables as JSON (else some that templates use):
 * refused with a message, or rendered twice to the same well-formed text within small limits. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "text/template.h"
#include "text/utf8.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) abort();                                                                           \
    } while (0)

static json_t *variables(const char *text, size_t n) {
    static const char usual[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":\"h\\u00e9 <b>\\n\"},{\"role\":\"assistant\",\"content\":null,"
        "\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1.5,\"b\":[true,null]}}}]}],"
        "\"tools\":null,\"bos_token\":\"<s>\",\"add_generation_prompt\":true,\"x\":3,\"s\":\"a b\\u00df c\",\"l\":[3,1,2]}";
    json_t *vars = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    return vars ? vars : json_loadb(usual, sizeof usual - 1, 0, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const tn_template_options options = {"2025-07-04T12:34:56", 20000, 1 << 20};
    const char *s = (const char *)data, *end = size ? memchr(s, 0, size) : NULL;
    size_t n = end ? (size_t)(end - s) : size;
    tn_template *t = NULL;
    tn_error err = {0};
    int rc = tn_template_compile(size ? s : "", n, "fuzz", &t, &err);
    if (rc) {
        CHECK(rc < 0 && err.code == rc && err.text[0]);
        return 0;
    }
    json_t *vars = variables(end ? end + 1 : "", end ? size - n - 1 : 0);
    tn_buf out[2];
    int codes[2];
    for (int i = 0; i < 2; i++) {
        tn_buf_init(&out[i], 1 << 20);
        err = (tn_error){0};
        codes[i] = tn_template_render(t, vars, &options, &out[i], &err);
        CHECK(codes[i] <= 0 && (!codes[i] || err.code == codes[i]) && (!codes[i] || !out[i].len));
        CHECK(tn__utf8_valid(err.text, strlen(err.text)));
    }
    CHECK(codes[0] == codes[1] && out[0].len == out[1].len);
    CHECK(!out[0].len ||
          (!memcmp(out[0].data, out[1].data, out[0].len) && tn__utf8_valid(out[0].data, out[0].len)));
    for (int i = 0; i < 2; i++) tn_buf_free(&out[i]);
    json_decref(vars);
    tn_template_free(t);
    return 0;
}

/* One of each construct. */
static const char *const seeds[] = {
    "{{- bos_token }}\n{%- for m in messages if m.role != 'system' %}\n  {%- if loop.first -%} {{ m['content'] | trim }}\n"
    "{% elif not loop.last and m.content is string %}{{ loop.previtem }}{% else %}{{ m.tool_calls[0].function | tojson(indent=2) }}"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}",
    "{% macro m(a, b=[1], *c) %}{{ a }}{% endmacro %}",
    "{% macro m(a, b=2) %}[{{ a }}{{ b }}{{ varargs }}{{ kwargs }}{{ caller(1) }}]{% endmacro %}{% call(q) m(1, 2, 3, k='v') %}{{ q }}"
    "{% endcall %}{% for x in [[1,[2]],3] recursive %}{{ loop(x) if x is sequence else x }}{{ loop.cycle('a','b') }}{% endfor %}",
    "{% set ns = namespace(a=1, l=[]) %}{% set ns.a = ns.a + 1 %}{% set b %}x{{ ns.a }}{% endset %}{% set c | upper %}y{% endset %}"
    "{% for i in range(9) %}{% if i is odd %}{% continue %}{% endif %}{% if i > 5 %}{% break %}{% endif %}{% set ns.l = ns.l + [i] %}"
    "{% endfor %}{{ ns.l }}{{ b ~ c }}{% with z = 1 %}{{ z }}{% endwith %}{% filter indent(2) %}a\nb{% endfilter %}",
    "{{ s[::-1] }}{{ s[1:3] }}{{ l[-2:] }}{{ s.split(' ')[0].upper() }}{{ 'a,b'.rsplit(',', 1) }}{{ s.replace('a', 'xy') }}"
    "{{ '%5.2f|%-4s|%(k)s' % {'k': 1} }}{{ '{:>6}|{0!r}'.format(s) }}{{ '{a[0]:.3f}'.format(a=l) }}{{ s.title().center(20, '*') }}",
    "{{ l|sort(reverse=true)|join(', ') }}{{ l|map('string')|select('in', ['1'])|list }}{{ messages|selectattr('role', 'equalto', 'user')"
    "|map(attribute='content')|first }}{{ {'b':1,'a':2}|dictsort }}{{ l|batch(2, 'x')|list }}{{ messages|groupby('role') }}{{ l|sum }}",
    "{{ 7 // 2 * -3.5 ** 2 % 4 - x / 3 }}{{ 1 < x <= 3 and not x in l or none }}{{ x if x is defined else y }}{{ (1, 'a', [{}]) }}"
    "{{ 0x1f + 1_000 }}{{ 1e3|int }}{{ '<a>'|e + '<b>' }}{{ [1.5, none, true]|tojson(separators=(',', ':'), sort_keys=true) }}",
    "{# c #}\n  {#- d -#}\n{% raw %}{{ x }}{% endraw %}\n  {%+ if x +%}\n a \n{%- endif -%}\n{% generation %}g{% endgeneration %}"
    "{{ strftime_now('%d %b %Y') }}{{ raise_exception('no') if x > 5 }}{% print x, s %}",
};

bool fuzz_seed(unsigned i, tn_buf *ret) {
    if (i >= sizeof seeds / sizeof *seeds) return false;
    tn_buf_adds(ret, seeds[i]);
    return true;
}
