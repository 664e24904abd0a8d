/* SPDX-License-Identifier: Apache-2.0 */
/* The template engine: our own cases, limits, hostile templates. */
#include "unit/unit.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/json.h"
#include "text/template.h"

#define OUT_MAX ((size_t)64 << 20)

/* What template.h promises and the thread's own; other builds have larger frames. */
#ifdef __has_feature
#    define HAS_ASAN __has_feature(address_sanitizer)
#else
#    define HAS_ASAN 0
#endif
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !HAS_ASAN
#    define STACK_BYTES ((size_t)300 << 10)
#else
#    define STACK_BYTES ((size_t)4 << 20)
#endif

typedef struct job {
    const char *source;
    size_t len;
    json_t *vars; /* borrowed, may be NULL */
    tn_template_options options;
    tn_buf out;
    tn_error err;
    int rc;
} job;

static void render(job *j) {
    tn_template *t = NULL;
    json_t *none = json_object();
    tn_buf_init(&j->out, OUT_MAX);
    j->rc = tn_template_compile(j->source, j->len, "test", &t, &j->err);
    if (!j->rc) j->rc = tn_template_render(t, j->vars ? j->vars : none, &j->options, &j->out, &j->err);
    tn_template_free(t);
    json_decref(none);
}

static void expect_bytes(const char *source, size_t len, const char *expected, size_t n) {
    job j = {.source = source, .len = len};
    render(&j);
    if (j.rc) fail_msg("%s: %s", source, j.err.text);
    assert_int_equal(j.out.len, n);
    if (n) assert_memory_equal(j.out.data, expected, n);
    tn_buf_free(&j.out);
}

static void expect(const char *source, const char *expected) {
    expect_bytes(source, strlen(source), expected, strlen(expected));
}

/* Renders and returns the code; the text that the message holds is checked. */
static int code_of(const char *source, const char *part) {
    job j = {.source = source, .len = strlen(source), .options = {.max_steps = 5000000}};
    render(&j);
    if (j.rc) assert_int_equal(j.err.code, j.rc);
    if (j.rc && !strstr(j.err.text, part)) fail_msg("%s: the message is: %s", source, j.err.text);
    assert_int_equal(j.out.len && j.rc, 0);
    tn_buf_free(&j.out);
    return j.rc;
}

static bool case_passes(json_t *test, json_t *vars, const char *now) {
    json_t *own = json_object_get(test, "vars"), *expected = json_object_get(test, "expected");
    json_t *source = json_object_get(test, "template");
    job j = {.source = json_string_value(source), .len = json_string_length(source)};
    j.vars = own ? own : vars;
    j.options.now = now;
    render(&j);
    bool same = !j.rc && j.out.len == json_string_length(expected) &&
                (!j.out.len || !memcmp(j.out.data, json_string_value(expected), j.out.len));
    bool ok = expected ? same : j.rc < 0 && j.err.text[0];
    if (!ok)
        printf("# %s\n# got      <<%s>> %s\n# expected <<%s>>\n", j.source, j.out.data ? j.out.data : "",
               j.rc ? j.err.text : "", expected ? json_string_value(expected) : "an error");
    tn_buf_free(&j.out);
    return ok;
}

static void cases_render_as_in_jinja(void **state) {
    (void)state;
    char path[4200];
    const char *src = getenv("TN_SRCDIR"), *name;
    json_t *book = NULL, *group, *test;
    tn_error err = {0};
    size_t n = 0, bad = 0, i;
    snprintf(path, sizeof path, "%.4000s/tests/text/jinja_cases.json", src ? src : ".");
    if (tn_json_load(path, OUT_MAX, &book, &err)) fail_msg("%s", err.text);
    const char *now = json_string_value(json_object_get(book, "now"));
    json_object_foreach(json_object_get(book, "groups"), name, group) {
        json_array_foreach(group, i, test) {
            n++;
            bad += !case_passes(test, json_object_get(book, "vars"), now);
        }
    }
    json_decref(book);
    printf("# %zu cases, %zu wrong\n", n, bad);
    assert_true(n > 700);
    assert_int_equal(bad, 0);
}

static void nul_bytes_are_characters(void **state) {
    (void)state;
    static const char source[] = "a\0b{{ 'x\0y'|length }}{{ '\0z\0'.replace('\0', '-') }}\0";
    static const char expected[] = "a\0b3-z-\0";
    expect_bytes(source, sizeof source - 1, expected, sizeof expected - 1);
}

static void errors_say_what_and_where(void **state) {
    (void)state;
    assert_int_equal(code_of("\n\n{{ nope.x }}", "template test, line 3: 'nope' is undefined"), TN_EINVAL);
    assert_int_equal(code_of("{{ {}.a.b }}", "'dict object' has no attribute 'a'"), TN_EINVAL);
    assert_int_equal(code_of("{{ 'a' + 1 }}", "can only concatenate str (not \"int\") to str"), TN_EINVAL);
    assert_int_equal(code_of("a\n{% if x %}\n{{ 1", "template test: line 3: "), TN_EFORMAT);
    assert_int_equal(code_of("{% if x %}a", "expected elif else endif, got the end"), TN_EFORMAT);
    assert_int_equal(code_of("{% include 'x' %}", "include"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ 1|nope }}", "there is no filter 'nope'"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ 9223372036854775807 + 1 }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ 99999999999999999999 }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("\xff", "UTF-8"), TN_EFORMAT);
}

/* The message goes to a client as it is: nothing before it. */
static void raised_messages_stand_alone(void **state) {
    (void)state;
    job j = {.source = "x{{ raise_exception('No \xc3\xa9: ' ~ 1) }}"};
    j.len = strlen(j.source);
    render(&j);
    assert_int_equal(j.rc, TN_ERAISED);
    assert_string_equal(j.err.text, "No \xc3\xa9: 1");
    tn_buf_free(&j.out);
    j = (job){.source = "{{ raise_exception('x\xc3\xa9' * 500) }}"};
    j.len = strlen(j.source);
    render(&j);
    assert_int_equal(j.rc, TN_ERAISED);
    assert_int_equal(strlen(j.err.text), sizeof j.err.text - 2); /* cut between characters, not inside one */
    assert_int_equal(j.err.text[sizeof j.err.text - 3], 'x');
    tn_buf_free(&j.out);
}

static void output_is_all_or_nothing(void **state) {
    (void)state;
    tn_template *t;
    tn_error err = {0};
    tn_buf out;
    json_t *vars = json_pack("{s:i}", "x", 0);
    assert_int_equal(tn_template_compile("abc{{ 1 // x }}", 15, "t", &t, &err), 0);
    tn_buf_init(&out, 8);
    tn_buf_adds(&out, "in");
    assert_int_equal(tn_template_render(t, vars, NULL, &out, &err), TN_EINVAL);
    assert_string_equal(out.data, "in");
    json_object_set_new(vars, "x", json_integer(1));
    assert_int_equal(tn_template_render(t, vars, NULL, &out, &err), 0);
    assert_string_equal(out.data, "inabc1");
    assert_int_equal(tn_template_render(t, vars, NULL, &out, &err), TN_ELIMIT);
    assert_string_equal(out.data, "inabc1");
    tn_buf_free(&out);
    assert_int_equal(tn_template_render(t, json_null(), NULL, &out, &err), TN_EINVAL);
    tn_template_free(t);
    json_decref(vars);
}

static void steps_and_memory_are_limited(void **state) {
    (void)state;
    job j = {.source = "{% for i in range(1000) %}{{ i }}{% endfor %}", .options = {.max_steps = 1000}};
    j.len = strlen(j.source);
    render(&j);
    assert_int_equal(j.rc, TN_ELIMIT);
    assert_non_null(strstr(j.err.text, "1000 steps"));
    j.options = (tn_template_options){.max_bytes = 5000};
    render(&j);
    assert_int_equal(j.rc, TN_ELIMIT);
    assert_non_null(strstr(j.err.text, "5000 bytes"));
    j.options = (tn_template_options){0};
    render(&j);
    assert_int_equal(j.rc, 0);
    tn_buf_free(&j.out);
}

/* Whatever allocation the limit falls on: refused or right. Under AddressSanitizer each is one of its own. */
static void memory_may_end_anywhere(void **state) {
    (void)state;
    static const char source[] =
        "{% macro m(a, b='x') %}{{ a }}{{ kwargs }}{{ varargs }}{{ caller(a) }}{% endmacro %}{% set ns = namespace(s='') %}"
        "{% for i in range(6) if i is odd %}{% set ns.s = ns.s + 'ab' * i ~ [i, {'k': (i, none)}]|tojson(indent=2) %}{% endfor %}"
        "{% call(q) m(1, 2, 3, z=4) %}{{ q }}{% endcall %}{{ ns.s.split('b')|map('upper')|sort|join('-') }}"
        "{{ '%s %05.1f' % ('a', 2.5) }}{{ '{:>9}{x!r}'.format('b', x='c') }}{{ 'Az\u00df'.title()[::-1] }}"
        "{{ [3, 1, 2]|groupby('real')|length if 0 else {'b': 1, 'a': 2}|dictsort }}{{ strftime_now('%Y') }}";
    job whole = {.source = source, .len = sizeof source - 1, .options = {.now = "2025-01-01"}};
    render(&whole);
    if (whole.rc) fail_msg("%s", whole.err.text);
    size_t refused = 0;
    for (size_t max = 1; max < 40000; max += 53) {
        job j = {.source = source, .len = sizeof source - 1, .options = {"2025-01-01", 0, max}};
        render(&j);
        if (j.rc)
            assert_int_equal(j.rc, TN_ELIMIT);
        else
            assert_string_equal(j.out.data, whole.out.data);
        refused += j.rc != 0;
        tn_buf_free(&j.out);
    }
    assert_true(refused > 20 && refused < 40000 / 53);
    tn_buf_free(&whole.out);
}

/* Appending to a long string takes time and memory by what is appended, not by what is there. */
static void appending_is_linear(void **state) {
    (void)state;
    job j = {.source = "{% set ns = namespace(s='') %}{% for i in range(20000) %}{% set x = [i] %}"
                       "{% set ns.s = ns.s + 'abcdefgh' ~ '\n' %}{% endfor %}{{ ns.s|length }}"};
    j.len = strlen(j.source);
    j.options.max_bytes = 32 << 20;
    render(&j);
    if (j.rc) fail_msg("%s", j.err.text);
    assert_string_equal(j.out.data, "180000");
    tn_buf_free(&j.out);
}

/* Rounds of a loop share their variables' memory, except where a macro still looks at them. */
static void macros_keep_the_round_they_were_defined_in(void **state) {
    (void)state;
    expect(
        "{% set ns = namespace(f=none) %}{% for i in range(3) %}{% if i == 1 %}{% macro m() %}{{ i }}{% endmacro %}"
        "{% set ns.f = m %}{% endif %}{{ x is defined }}{% set x = i %}{% endfor %}{{ ns.f() }}",
        "FalseFalseFalse1");
    expect(
        "{% macro each() %}{% for i in range(2) %}{{ caller(i) }}{% endfor %}{% endmacro %}"
        "{% for a in 'xy' %}{% set b = a ~ '!' %}{% call(i) each() %}{{ b }}{{ i }}{% endcall %}{% endfor %}",
        "x!0x!1y!0y!1");
}

/* An append must not show in values that share the beginning. */
static void appended_strings_do_not_overlap(void **state) {
    (void)state;
    expect(
        "{% set a = 'x' * 300 %}{% set b = a + '1' %}{% set c = b + '2' %}{% set d = b + '3' %}{% set e = c + '4' %}"
        "{{ b[-2:] }} {{ c[-2:] }} {{ d[-2:] }} {{ e[-3:] }} {{ (b[:-1] + '5')[-2:] }} {{ c|length }}",
        "x1 12 13 124 x5 302");
}

static char *repeat(const char *head, const char *part, size_t n, const char *tail) {
    tn_buf b;
    tn_buf_init(&b, OUT_MAX);
    tn_buf_adds(&b, head);
    for (size_t i = 0; i < n; i++) tn_buf_adds(&b, part);
    tn_buf_adds(&b, tail);
    return tn_buf_steal(&b, NULL);
}

static void *render_in_thread(void *arg) {
    render(arg);
    return NULL;
}

/* Renders on a stack of the size that is promised to do; any refusal will do, success too. */
static void survive(const char *source) {
    pthread_attr_t attr;
    pthread_t thread;
    job j = {.source = source, .len = strlen(source), .options = {.max_steps = 5000000}};
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    assert_int_equal(pthread_create(&thread, &attr, render_in_thread, &j), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attr);
    if (j.rc && j.rc != TN_ELIMIT && j.rc != TN_EFORMAT && j.rc != TN_EINVAL && j.rc != TN_ENOTSUP)
        fail_msg("%.80s: %d %s", source, j.rc, j.err.text);
    tn_buf_free(&j.out);
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *head, *part, *tail;
    } shapes[] = {
        {"{{ ", "(", " }}"},
        {"{{ ", "[", " }}"},
        {"{{ ", "{1:", " }}"},
        {"{{ ", "not ", "1 }}"},
        {"{{ ", "-", "1 }}"},
        {"{{ ", "1+", "1 }}"},
        {"{{ ", "1**", "1 }}"},
        {"{{ ", "1 and ", "1 }}"},
        {"{{ ", "1 < ", "1 }}"},
        {"{{ ", "1 if 1 else ", "1 }}"},
        {"{{ 1", " if 1", " }}"},
        {"{{ x", ".a", " }}"},
        {"{{ x", "[0]", " }}"},
        {"{{ x", "|e", " }}"},
        {"{{ x", "()", " }}"},
        {"{{ ", "'a'~", "1 }}"},
        {"{{ ", "f(", " }}"},
        {"{{ ", "f(a=", " }}"},
        {"{{ 1 is ", "eq [", " }}"},
        {"", "{% if 1 %}", ""},
        {"", "{% for i in [1] %}", ""},
        {"", "{% macro m() %}", ""},
        {"{% set ", "(", " %}"},
        {"", "{% set x %}", ""},
        {"{% if 0 %}", "{% elif 0 %}", "{% endif %}"},
        {"{{ '", "{", "'.format(1) }}"},
        {"{{ '%", "(", "' % {} }}"},
    };
    static const size_t counts[] = {60, 95, 180, 290, 5000};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
            char *source = repeat(shapes[i].head, shapes[i].part, counts[k], shapes[i].tail);
            survive(source);
            free(source);
        }
}

#define GROW(what) "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(3000) %}" what "{% endfor %}"
#define BOTH       GROW("{% set ns.a = [ns.a] %}{% set ns.b = [ns.b] %}")

static void deep_recursion_is_refused(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro m(x) %}{% for i in [1] %}{% if 1 %}{{ m([x]) }}{% endif %}{% endfor %}{% endmacro %}{{ m(1) }}",
        "{% macro m(x=m()) %}{% endmacro %}{{ m() }}",
        "{% macro m() %}{{ m(a={'b': [m(c=m())]}) }}{{ kwargs }}{% endmacro %}{{ m() }}",
        "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{{ caller() }}{% endmacro %}{{ m() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% macro m() %}{% filter upper %}{% set x %}{{ m() }}{% endset %}{% endfilter %}{% endmacro %}{{ m() }}",
        BOTH "{{ ns.a }}",
        BOTH "{{ ns.a|tojson }}",
        BOTH "{{ ns.a == ns.b }}",
        BOTH "{{ ns.a < ns.b }}",
        GROW("{% set ns.a = (ns.a,) %}") "{{ {ns.a: 1} }}",
        GROW("{% set ns.a = [ns.a] %}") "{% set f = ['map'] * 3000 %}{{ ns.a|map(*f)|list }}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
        "{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a }}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        survive(sources[i]);
        assert_int_equal(code_of(sources[i], "over"), TN_ELIMIT);
    }
}

#define TWICE(what) "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(64) %}" what "{% endfor %}"

static void runaway_templates_are_stopped(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{% for i in range(1000000000) %}{% endfor %}",
        "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 'a' * 9223372036854775807 }}",
        "{{ [1] * 9223372036854775807 }}",
        "{{ ([1] * 100000) * 100000 }}",
        "{% set ns = namespace(s='a') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        TWICE("{% set ns.a = [ns.a, ns.a] %}") "{{ ns.a }}",
        TWICE("{% set ns.a = [ns.a, ns.a] %}") "{{ ns.a|tojson }}",
        TWICE("{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}") "{{ ns.a == ns.b }}",
        "{% set ns = namespace(a=(1,)) %}{% for i in range(64) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}{{ {ns.a: 1} }}",
        "{{ 'a'.center(9223372036854775807) }}",
        "{{ 'a'.zfill(9223372036854775807) }}",
        "{{ '\t'.expandtabs(9223372036854775807) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%99999999999999999999d' % 1 }}",
        "{{ '%.999999f' % 1 }}",
        "{{ '{:999999999}'.format(1) }}",
        "{{ '{:.999999}'.format(1.5) }}",
        "{{ 'a\nb'|indent(9223372036854775807) }}",
        "{{ [1]|tojson(indent=9223372036854775807) }}",
        "{{ [1]|batch(9223372036854775807, 'x')|list }}",
        "{{ [1]|slice(9223372036854775807)|list }}",
        "{{ range(99999)|join('a' * 100000) }}",
        "{{ ('a' * 100000)|replace('a', 'b' * 100000) }}",
        "{% set a = 'ab' * 1000000 %}{% for i in range(99999) %}{{ a.find('c') }}{{ a.count('b') }}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{{ a.rfind('b' ~ a[:500000]) }}{% endfor %}",
        "{% set a = 'a' * 1000000 %}{% for i in range(99999) %}{{ a == a ~ '' }}{{ a in a }}{% endfor %}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        int rc = code_of(sources[i], "");
        if (rc != TN_ELIMIT && rc != TN_EINVAL) fail_msg("%s: %d", sources[i], rc);
    }
}

static void numbers_at_the_edges_are_safe(void **state) {
    (void)state;
#define MIN "(-9223372036854775807-1)"
    assert_int_equal(code_of("{{ " MIN " // -1 }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ -" MIN " }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ " MIN "|abs }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ 10 ** 19 }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ 1e19|int }}", "64 bits"), TN_ENOTSUP);
    assert_int_equal(code_of("{{ '1' * 30 }}{{ ('1' * 30)|int }}", "64 bits"), TN_ENOTSUP);
    expect("{{ " MIN " % -1 }} {{ " MIN " }}", "0 -9223372036854775808");
    expect("{{ 'abc'[" MIN "::-1] }}{{ 'abc'[" MIN ":9223372036854775807] }}{{ [1,2][::" MIN "] }}",
           "abc[2]");
    expect("{{ 'abc'.find('c', " MIN ", 9223372036854775807) }}{{ 'a b'.split(' ', " MIN ") }}",
           "2['a', 'b']");
    expect("{{ range(" MIN ", 9223372036854775807, 9223372036854775807)|list }}",
           "[-9223372036854775808, -1, 9223372036854775806]");
    expect("{{ 'a'.center(" MIN ") }}{{ 'a'.zfill(" MIN ") }}{{ 'a'|indent(" MIN ") }}", "aaa");
}

static void bad_input_is_refused(void **state) {
    (void)state;
    json_t *vars = json_pack("{s:o}", "x", json_stringn_nocheck("\xc3", 1)), *deep = json_array();
    job j = {.source = "{{ x }}", .len = 7, .vars = vars};
    render(&j);
    assert_int_equal(j.rc, TN_EINVAL);
    assert_non_null(strstr(j.err.text, "UTF-8"));
    for (int i = 0; i < 1000; i++) {
        json_t *outer = json_array();
        json_array_append_new(outer, deep);
        deep = outer;
    }
    json_object_set_new(vars, "x", deep);
    render(&j);
    assert_int_equal(j.rc, TN_ELIMIT);
    json_decref(vars);
    char *big = repeat("", "0123456789abcdef", TN_TEMPLATE_SOURCE_MAX / 16, "x");
    assert_int_equal(code_of(big, "1048577 bytes"), TN_ELIMIT);
    free(big);
    assert_int_equal(code_of("{{ strftime_now('%Y') }}", ""), 0);
    j = (job){.source = "{{ strftime_now('%Y') }}", .len = 24, .options = {.now = "2025-02-30T00:00:00"}};
    render(&j);
    assert_int_equal(j.rc, TN_EINVAL);
}

static void *render_many(void *arg) {
    const tn_template *t = arg;
    json_t *vars = json_pack("{s:[i,i,i]}", "l", 1, 2, 3);
    bool ok = vars != NULL;
    for (int i = 0; ok && i < 200; i++) {
        tn_buf out;
        tn_buf_init(&out, OUT_MAX);
        ok = !tn_template_render(t, vars, NULL, &out, NULL) && out.data && !strcmp(out.data, "[1][2][3]6");
        tn_buf_free(&out);
    }
    json_decref(vars);
    return ok ? arg : NULL;
}

static void threads_share_a_template(void **state) {
    (void)state;
    static const char source[] =
        "{% macro m(x) %}[{{ x }}]{% endmacro %}{% for i in l %}{{ m(i) }}{% endfor %}{{ l|sum }}";
    tn_template *t;
    tn_error err = {0};
    pthread_t thread[4];
    assert_int_equal(tn_template_compile(source, sizeof source - 1, "t", &t, &err), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&thread[i], NULL, render_many, t), 0);
    for (int i = 0; i < 4; i++) {
        void *ok;
        assert_int_equal(pthread_join(thread[i], &ok), 0);
        assert_ptr_equal(ok, t);
    }
    tn_template_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_render_as_in_jinja),
        cmocka_unit_test(nul_bytes_are_characters),
        cmocka_unit_test(errors_say_what_and_where),
        cmocka_unit_test(raised_messages_stand_alone),
        cmocka_unit_test(output_is_all_or_nothing),
        cmocka_unit_test(steps_and_memory_are_limited),
        cmocka_unit_test(memory_may_end_anywhere),
        cmocka_unit_test(appending_is_linear),
        cmocka_unit_test(macros_keep_the_round_they_were_defined_in),
        cmocka_unit_test(appended_strings_do_not_overlap),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(deep_recursion_is_refused),
        cmocka_unit_test(runaway_templates_are_stopped),
        cmocka_unit_test(numbers_at_the_edges_are_safe),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(threads_share_a_template),
    };
    return unit_main(tests);
}
