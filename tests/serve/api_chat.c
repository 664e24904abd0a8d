/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, tools and the template's variables: what becomes of them, and what a refusal says. */
#include "serve/parsed.h"

/* ---- Messages ---------------------------------------------------------------------------------------- */

/* The messages come out as expected, both in JSON with ' for ". */
static void messages_become(const char *given, const char *expected) {
    char fields[2048], want[2048];
    snprintf(fields, sizeof fields, "\"messages\":%s", given);
    snprintf(want, sizeof want, "%s", expected);
    for (char *c = fields; *c; c++)
        if (*c == '\'') *c = '"';
    for (char *c = want; *c; c++)
        if (*c == '\'') *c = '"';
    parsed p = parse_ok(true, fields);
    json_t *w = json_loads(want, 0, NULL);
    assert_non_null(w);
    if (!json_equal(p.r.messages, w)) {
        char *got = json_dumps(p.r.messages, JSON_COMPACT);
        fail_msg("%s became %s, not %s", fields, got, want);
    }
    json_decref(w);
    tn_api_request_fini(&p.r);
}

static void test_messages(void **state) {
    (void)state;
    messages_become(
        "[{'role':'developer','content':'a'},{'role':'system','content':'b'},{'role':'user','content':''},"
        "{'role':'function','name':'f','content':'c'}]",
        "[{'role':'system','content':'a'},{'role':'system','content':'b'},{'role':'user','content':''},"
        "{'role':'function','name':'f','content':'c'}]");
    messages_become(
        "[{'role':'user','name':'bob','content':[{'type':'text','text':'a '},{'type':'text','text':'b'}]}]",
        "[{'role':'user','name':'bob','content':'a b'}]");
    messages_become(
        "[{'role':'assistant','content':'a','refusal':null,'tool_calls':null,'audio':null,'x':{'y':null}}]",
        "[{'role':'assistant','content':'a','x':{'y':null}}]");
    messages_become("[{'role':'assistant','content':null,'refusal':'no'}]",
                    "[{'role':'assistant','content':'no','refusal':'no'}]");
    messages_become("[{'role':'assistant','content':[{'type':'refusal','refusal':'no'}],'tool_calls':[]}]",
                    "[{'role':'assistant','content':'no'}]");
    messages_become("[{'role':'assistant','content':'a','reasoning_content':'r'}]",
                    "[{'role':'assistant','content':'a','reasoning_content':'r'}]");
    messages_become("[{'role':'tool','tool_call_id':'1','content':'r'}]",
                    "[{'role':'tool','tool_call_id':'1','content':'r'}]");
}

static void test_tool_calls(void **state) {
    static const struct {
        const char *given, *becomes;
    } arguments[] = {
        {"'{}'", "{}"},     {"''", "{}"},   {"null", "{}"},   {"{'a':1}", "{'a':1}"},
        {"'[1]'", "'[1]'"}, {"'5'", "'5'"}, {"'{a'", "'{a'"}, {"'x y'", "'x y'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof arguments / sizeof *arguments; i++) {
        static const char form[] =
            "[{'role':'assistant','content':%s,'tool_calls':[{'id':'1','type':'function',"
            "'function':{'name':'f','arguments':%s}}]}]";
        char given[512], want[512];
        static const char *const none[] = {"null", "[]", "''"};
        snprintf(given, sizeof given, form, none[i % 3], arguments[i].given);
        snprintf(want, sizeof want, form, "''", arguments[i].becomes);
        messages_become(given, want);
    }
    messages_become(
        "[{'role':'assistant','tool_calls':[{'function':{'name':'f','arguments':'{\\'a\\': [1, {}]}'}}]}]",
        "[{'role':'assistant','content':'','tool_calls':[{'function':{'name':'f','arguments':{'a':[1,{}]}}}]}]");
    messages_become(
        "[{'role':'assistant','tool_calls':[{'function':{'name':'f'}}]}]",
        "[{'role':'assistant','content':'','tool_calls':[{'function':{'name':'f','arguments':{}}}]}]");
}

/* The body stays as it was: what parsing changes are copies. */
static void test_body_unchanged(void **state) {
    (void)state;
    parsed p = parse_ok(
        true, "\"messages\":[{\"role\":\"developer\",\"content\":null,\"content\":\"a\"},"
              "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"function\":{\"name\":\"f\","
              "\"arguments\":\"{}\"}}]}],\"chat_template_kwargs\":{},\"enable_thinking\":true");
    json_t *m = json_object_get(p.r.body, "messages");
    assert_string_equal(json_string_value(json_object_get(json_array_get(m, 0), "role")), "developer");
    json_t *call = json_array_get(json_object_get(json_array_get(m, 1), "tool_calls"), 0);
    assert_true(json_is_string(json_object_get(json_object_get(call, "function"), "arguments")));
    assert_int_equal(json_object_size(json_object_get(p.r.body, "chat_template_kwargs")), 0);
    tn_api_request_fini(&p.r);
}

#define ONE(message) "'messages':[{'role':'user','content':'x'}," message "]"
#define CALL(call)   ONE("{'role':'assistant','tool_calls':[" call "]}")

static void test_bad_messages(void **state) {
    static const refusal list[] = {
        {"'messages':null", "messages", "missing|an array of messages"},
        {"'messages':'x'", "messages", "'x'|an array"},
        {"'messages':{}", "messages", "an object|an array"},
        {"'messages':[]", "messages", "empty array|at least 1"},
        {ONE("7"), "messages[1]", "is 7|an object"},
        {ONE("{'content':'x'}"), "messages[1].role", "missing|'user'"},
        {ONE("{'role':'robot','content':'x'}"), "messages[1].role", "'robot'|'user'"},
        {ONE("{'role':'user\\u0000','content':'x'}"), "messages[1].role", "NUL"},
        {ONE("{'role':1,'content':'x'}"), "messages[1].role", "is 1|a string"},
        {ONE("{'role':'user'}"), "messages[1].content", "missing|a string or an array"},
        {ONE("{'role':'user','content':null}"), "messages[1].content", "missing"},
        {ONE("{'role':'user','content':[]}"), "messages[1].content", "no parts|at least 1"},
        {ONE("{'role':'user','content':5}"), "messages[1].content", "is 5|a string or an array"},
        {ONE("{'role':'assistant'}"), "messages[1].content", "missing|tool_calls"},
        {ONE("{'role':'assistant','content':null,'tool_calls':[]}"), "messages[1].content",
         "missing|tool_calls"},
        {ONE("{'role':'user','content':['x']}"), "messages[1].content[0]", "'x'|an object"},
        {ONE("{'role':'user','content':[{}]}"), "messages[1].content[0].type", "missing|'text'"},
        {ONE("{'role':'user','content':[{'type':'smell'}]}"), "messages[1].content[0].type",
         "'smell'|'text'"},
        {ONE("{'role':'user','content':[{'type':'text'}]}"), "messages[1].content[0].text",
         "missing|a string"},
        {ONE("{'role':'user','content':[{'type':'text','text':1}]}"), "messages[1].content[0].text",
         "is 1|a string"},
        {ONE("{'role':'user','content':[{'type':'text','text':'a'},{'type':'image_url','image_url':{'url':'u'}}]}"),
         "messages[1].content[1]", "image_url|do not take images"},
        {ONE("{'role':'user','content':[{'type':'image'}]}"), "messages[1].content[0]", "do not take images"},
        {ONE("{'role':'user','content':[{'type':'input_audio','input_audio':{}}]}"), "messages[1].content[0]",
         "input_audio|do not take audio"},
        {ONE("{'role':'user','content':[{'type':'video_url'}]}"), "messages[1].content[0]",
         "do not take video"},
        {ONE("{'role':'user','content':[{'type':'file'}]}"), "messages[1].content[0]", "do not take files"},
        {ONE("{'role':'assistant','content':'x','audio':{'id':'1'}}"), "messages[1].audio", "audio"},
        {ONE("{'role':'assistant','content':'x','function_call':{}}"), "messages[1].function_call",
         "tool_calls"},
        {ONE("{'role':'assistant','refusal':7}"), "messages[1].refusal", "is 7|a string"},
        {ONE("{'role':'tool','content':'x','tool_call_id':7}"), "messages[1].tool_call_id", "is 7|a string"},
        {ONE("{'role':'user','content':'x','name':7}"), "messages[1].name", "is 7|a string"},
        {ONE("{'role':'assistant','content':'x','tool_calls':{}}"), "messages[1].tool_calls",
         "an object|an array"},
        {CALL("1"), "messages[1].tool_calls[0]", "is 1|an object"},
        {CALL("{}"), "messages[1].tool_calls[0].function", "missing|an object"},
        {CALL("{'function':1}"), "messages[1].tool_calls[0].function", "is 1|an object"},
        {CALL("{'function':{}}"), "messages[1].tool_calls[0].function.name", "missing|a string"},
        {CALL("{'function':{'name':1}}"), "messages[1].tool_calls[0].function.name", "is 1|a string"},
        {CALL("{'id':1,'function':{'name':'f'}}"), "messages[1].tool_calls[0].id", "is 1|a string"},
        {CALL("{'type':'custom','function':{'name':'f'}}"), "messages[1].tool_calls[0].type",
         "'custom'|'function'"},
        {CALL("{'function':{'name':'f','arguments':[1]}}"), "messages[1].tool_calls[0].function.arguments",
         "an array of 1|JSON object"},
    };
    (void)state;
    check_refusals(true, list, sizeof list / sizeof *list);
}

/* ---- Tools and what is not supported ----------------------------------------------------------------- */

#define TOOL "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{},\"strict\":true}}"

static void test_tools(void **state) {
    static const struct {
        const char *fields;
        bool tools;
    } cases[] = {
        {"\"tools\":[" TOOL "]", true},
        {"\"tools\":[" TOOL "," TOOL "],\"tool_choice\":\"auto\",\"parallel_tool_calls\":true", true},
        {"\"tools\":[" TOOL "],\"tool_choice\":null", true},
        {"\"tools\":[" TOOL "],\"tool_choice\":\"none\"", false},
        {"\"tools\":[]", false},
        {"\"tools\":null,\"tool_choice\":\"none\"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse_ok(true, cases[i].fields);
        if ((p.r.tools != NULL) != cases[i].tools) fail_msg("%s", cases[i].fields);
        tn_api_request_fini(&p.r);
    }
}

static void test_unsupported_chat(void **state) {
    static const refusal list[] = {
        {"'tools':{}", "tools", "an object|an array"},
        {"'tools':[7]", "tools[0]", "is 7|an object"},
        {"'tools':[{'function':{'name':'f'}}]", "tools[0].type", "missing|'function'"},
        {"'tools':[{'type':'custom'}]", "tools[0].type", "'custom'|'function'"},
        {"'tools':[{'type':'function'}]", "tools[0].function", "missing"},
        {"'tools':[{'type':'function','function':[]}]", "tools[0].function", "an array of 0|an object"},
        {"'tools':[{'type':'function','function':{}}]", "tools[0].function.name", "missing"},
        {"'tools':[{'type':'function','function':{'name':''}}]", "tools[0].function.name", "empty"},
        {"'tools':[{'type':'function','function':{'name':'f','description':1}}]",
         "tools[0].function.description", "is 1"},
        {"'tools':[{'type':'function','function':{'name':'f','parameters':'x'}}]",
         "tools[0].function.parameters", "'x'|an object"},
        {"'tools':[{'type':'function','function':{'name':'f','strict':1}}]", "tools[0].function.strict",
         "is 1|true or false"},
        {"'tool_choice':'required'", "tool_choice", "'required'|not supported yet"},
        {"'tool_choice':{'type':'function','function':{'name':'f'}}", "tool_choice",
         "named|not supported yet"},
        {"'tool_choice':'maybe'", "tool_choice", "'maybe'|'auto' or 'none'"},
        {"'tool_choice':1", "tool_choice", "is 1|'auto' or 'none'"},
        {"'functions':[{'name':'f'}]", "functions", "not supported|tools"},
        {"'function_call':{'name':'f'}", "function_call", "not supported|tools"},
        {"'modalities':['text','audio']", "modalities[1]", "'audio'|'text'"},
        {"'modalities':'text'", "modalities", "'text'|an array"},
        {"'audio':{'voice':'x'}", "audio", "no audio"},
        {"'web_search_options':{}", "web_search_options", "not search"},
        {"'top_logprobs':3", "top_logprobs", "3|logprobs"},
        {"'logprobs':false,'top_logprobs':3", "top_logprobs", "3|logprobs"},
        {"'chat_template_kwargs':[]", "chat_template_kwargs", "an array of 0|an object"},
        {"'chat_template_kwargs':{'messages':[]}", "chat_template_kwargs", "messages"},
        {"'chat_template_kwargs':{'tools':[]}", "chat_template_kwargs", "tools"},
        {"'reasoning_effort':1", "reasoning_effort", "is 1|a string"},
    };
    (void)state;
    check_refusals(true, list, sizeof list / sizeof *list);
    parsed p = parse_ok(
        true, "\"modalities\":[\"text\"],\"functions\":[],\"function_call\":\"none\",\"audio\":null");
    tn_api_request_fini(&p.r);
}

static void test_template_vars(void **state) {
    static const struct {
        const char *fields, *vars;
    } cases[] = {
        {"\"enable_thinking\":false", "{\"enable_thinking\":false}"},
        {"\"reasoning_effort\":\"low\"", "{\"reasoning_effort\":\"low\"}"},
        {"\"chat_template_kwargs\":{\"a\":[1],\"enable_thinking\":null},\"enable_thinking\":true",
         "{\"a\":[1],\"enable_thinking\":true}"},
        {"\"chat_template_kwargs\":{\"enable_thinking\":true},\"enable_thinking\":false,\"reasoning_effort\":\"x\"",
         "{\"enable_thinking\":true,\"reasoning_effort\":\"x\"}"},
        {"\"chat_template_kwargs\":{}", "{}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse_ok(true, cases[i].fields);
        json_t *want = json_loads(cases[i].vars, 0, NULL);
        if (!json_equal(p.r.template_vars, want)) fail_msg("%s", cases[i].fields);
        json_decref(want);
        tn_api_request_fini(&p.r);
    }
}

/* ---- Memory ------------------------------------------------------------------------------------------ */

static long allocations_left, blocks;

static void *failing_malloc(size_t n) {
    if (allocations_left-- <= 0) return NULL;
    void *p = malloc(n);
    blocks += p != NULL;
    return p;
}

static void counting_free(void *p) {
    blocks -= p != NULL;
    free(p);
}

/* Every allocation of JSON fails once: no crash, nothing left behind. */
static void test_no_memory(void **state) {
    static const char body[] =
        "{\"messages\":[{\"role\":\"developer\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}],\"name\":null},"
        "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":"
        "\"{\\\"a\\\":1}\"}}]}],\"tools\":[" TOOL
        "],\"stop\":[\"a\"],\"logit_bias\":{\"1\":2},\"chat_template_kwargs\":"
        "{\"x\":1},\"enable_thinking\":true,\"reasoning_effort\":\"low\"}";
    json_malloc_t old_malloc;
    json_free_t old_free;
    int rc = -1;
    long n = 0;
    (void)state;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (; rc && n < 10000; n++) {
        tn_api_request r;
        tn_api_error e = {0};
        blocks = 0;
        allocations_left = n;
        rc = tn_api_parse(body, sizeof body - 1, true, &limits, NULL, NULL, &r, &e);
        assert_true(rc == 0 || e.status == 503 || e.status == 400);
        if (rc == 0) {
            json_t *call = json_array_get(json_object_get(json_array_get(r.messages, 1), "tool_calls"), 0);
            assert_int_equal(json_object_size(call), 2);
            assert_true(json_is_object(json_object_get(json_object_get(call, "function"), "arguments")));
            assert_int_equal(json_object_size(r.template_vars), 3);
        }
        tn_api_request_fini(&r);
        assert_int_equal(blocks, 0);
    }
    json_set_alloc_funcs(old_malloc, old_free);
    assert_int_equal(rc, 0);
    assert_true(n > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),       cmocka_unit_test(test_tool_calls),
        cmocka_unit_test(test_body_unchanged), cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_tools),          cmocka_unit_test(test_unsupported_chat),
        cmocka_unit_test(test_template_vars),  cmocka_unit_test(test_no_memory),
    };
    return unit_main(tests);
}
