/* SPDX-License-Identifier: Apache-2.0 */
/* Answers, events and errors, compared as JSON with what the API's reference shows. */
#include "unit/unit.h"

#include <math.h>

#include "config.h"
#include "serve/api.h"

#define FINGERPRINT "'system_fingerprint':'tenon-" PACKAGE_VERSION "'"
#define CHAT_HEAD   "'id':'chatcmpl-1','object':'chat.completion','created':1700000000,'model':'m'," FINGERPRINT
#define CHUNK_HEAD                                                                                           \
    "'id':'chatcmpl-1','object':'chat.completion.chunk','created':1700000000,'model':'m'," FINGERPRINT
#define TEXT_HEAD "'id':'cmpl-1','object':'text_completion','created':1700000000,'model':'m'," FINGERPRINT
#define USAGE                                                                                                \
    "'usage':{'prompt_tokens':5,'completion_tokens':7,'total_tokens':12,'prompt_tokens_details':{'cached_tokens':3}}"

static const tn_api_head chat_head = {.chat = true, .id = "chatcmpl-1", .model = "m", .created = 1700000000};
static const tn_api_head text_head = {.id = "cmpl-1", .model = "m", .created = 1700000000};
static const tn_api_usage usage = {.prompt_tokens = 5, .completion_tokens = 7, .cached_tokens = 3};

/* Expected JSON is written with ' for ". */
static json_t *expected_json(const char *text) {
    char *copy = strdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'') *c = '"';
    json_error_t e;
    json_t *v = json_loads(copy, JSON_ALLOW_NUL, &e);
    if (!v) fail_msg("%s: %s", copy, e.text);
    free(copy);
    return v;
}

static void check_text(const char *got, size_t len, const char *expected) {
    json_error_t e;
    json_t *g = json_loadb(got, len, JSON_ALLOW_NUL, &e), *w = expected_json(expected);
    if (!g) fail_msg("%s: %s", got, e.text);
    if (!json_equal(g, w)) fail_msg("got %s, expected %s", got, expected);
    json_decref(g);
    json_decref(w);
}

/* out is exactly this value; out is emptied. */
static void check_body(tn_buf *out, const char *expected) {
    assert_int_equal(out->status, 0);
    assert_null(memchr(out->data, '\n', out->len));
    check_text(out->data, out->len, expected);
    tn_buf_clear(out);
}

/* out is exactly one event with this value; out is emptied. */
static void check_event(tn_buf *out, const char *expected) {
    assert_int_equal(out->status, 0);
    assert_true(out->len > 8 && memcmp(out->data, "data: ", 6) == 0);
    assert_memory_equal(out->data + out->len - 2, "\n\n", 2);
    assert_ptr_equal(memchr(out->data, '\n', out->len), out->data + out->len - 2);
    check_text(out->data + 6, out->len - 8, expected);
    tn_buf_clear(out);
}

static tn_buf new_buf(void) {
    tn_buf b;
    tn_buf_init(&b, 1 << 20);
    return b;
}

/* ---- Whole answers ----------------------------------------------------------------------------------- */

static void test_whole_chat(void **state) {
    static const tn_api_choice choices[] = {{.text = "Hi \"\\\n\0\xe2\x82\xac", .len = 10, .finish = "stop"},
                                            {.text = "", .finish = "length"}};
    tn_buf out = new_buf();
    (void)state;
    tn_api_response(&chat_head, choices, 2, &usage, &out);
    check_body(
        &out,
        "{" CHAT_HEAD ",'choices':["
        "{'index':0,'message':{'role':'assistant','content':'Hi \\\"\\\\\\n\\u0000\xe2\x82\xac','refusal':null},"
        "'logprobs':null,'finish_reason':'stop'},"
        "{'index':1,'message':{'role':'assistant','content':'','refusal':null},'logprobs':null,"
        "'finish_reason':'length'}]," USAGE "}");
    tn_buf_free(&out);
}

static void test_whole_completion(void **state) {
    static const tn_api_choice choice = {.text = "text", .len = 4, .finish = "stop"};
    tn_buf out = new_buf();
    (void)state;
    tn_api_response(&text_head, &choice, 1, &usage, &out);
    check_body(&out,
               "{" TEXT_HEAD
               ",'choices':[{'index':0,'text':'text','logprobs':null,'finish_reason':'stop'}]," USAGE "}");
    tn_buf_free(&out);
}

static void test_big_usage(void **state) {
    static const tn_api_usage big = {UINT32_MAX, UINT32_MAX, 0};
    tn_buf out = new_buf();
    (void)state;
    tn_api_response(&text_head, NULL, 0, &big, &out);
    check_body(&out, "{" TEXT_HEAD
                     ",'choices':[],'usage':{'prompt_tokens':4294967295,'completion_tokens':4294967295,"
                     "'total_tokens':8589934590,'prompt_tokens_details':{'cached_tokens':0}}}");
    tn_buf_free(&out);
}

/* Names in requests may be anything; what is not UTF-8 must not break the answer. */
static void test_ill_formed_text(void **state) {
    static const tn_api_choice choice = {.text = "a\xff\xe2\x82z", .len = 5, .finish = "stop"};
    tn_buf out = new_buf();
    (void)state;
    tn_api_response(&text_head, &choice, 1, &usage, &out);
    check_body(&out,
               "{" TEXT_HEAD ",'choices':[{'index':0,'text':'a\xef\xbf\xbd\xef\xbf\xbdz','logprobs':null,"
               "'finish_reason':'stop'}]," USAGE "}");
    tn_buf_free(&out);
}

/* ---- Log probabilities ------------------------------------------------------------------------------- */

/* The euro sign in two tokens, a NUL, and logs of zero. */
static const tn_api_logprob logprobs[] = {
    {.bytes = " a",
     .len = 2,
     .logprob = -0.5f,
     .n_top = 2,
     .top = {{" a", 2, -0.5f}, {"\xc3\xa9", 2, -1.25f}}},
    {.bytes = "\xe2\x82", .len = 2, .logprob = -INFINITY, .n_top = 1, .top = {{"b", 1, -1e30f}}},
    {.bytes = "\xac", .len = 1, .logprob = NAN, .n_top = 2, .top = {{"b", 1, -2}, {"b", 1, -3}}},
    {.bytes = "\0", .len = 1, .logprob = 0, .n_top = 0},
    {.bytes = "", .len = 0, .logprob = -1, .n_top = 0},
};
enum { N_LOGPROBS = sizeof logprobs / sizeof *logprobs };

#define CHAT_LOGPROBS                                                                                         \
    "{'refusal':null,'content':["                                                                             \
    "{'token':' a','logprob':-0.5,'bytes':[32,97],'top_logprobs':["                                           \
    "{'token':' a','logprob':-0.5,'bytes':[32,97]},{'token':'\xc3\xa9','logprob':-1.25,'bytes':[195,169]}]}," \
    "{'token':'\xef\xbf\xbd','logprob':-9999.0,'bytes':[226,130],'top_logprobs':["                            \
    "{'token':'b','logprob':-9999.0,'bytes':[98]}]},"                                                         \
    "{'token':'\xef\xbf\xbd','logprob':-9999.0,'bytes':[172],'top_logprobs':["                                \
    "{'token':'b','logprob':-2.0,'bytes':[98]},{'token':'b','logprob':-3.0,'bytes':[98]}]},"                  \
    "{'token':'\\u0000','logprob':0.0,'bytes':[0],'top_logprobs':[]},"                                        \
    "{'token':'','logprob':-1.0,'bytes':[],'top_logprobs':[]}]}"

#define TEXT_LOGPROBS                                                                                        \
    "{'tokens':[' a','bytes:\\\\xe2\\\\x82','bytes:\\\\xac','bytes:\\\\x00',''],"                            \
    "'token_logprobs':[-0.5,-9999.0,-9999.0,0.0,-1.0],"                                                      \
    "'top_logprobs':[{' a':-0.5,'\xc3\xa9':-1.25},{'b':-9999.0,'bytes:\\\\xe2\\\\x82':-9999.0},"             \
    "{'b':-2.0,'bytes:\\\\xac':-9999.0},{'bytes:\\\\x00':0.0},{'':-1.0}],'text_offset':[10,12,13,13,14]}"

static void test_logprobs(void **state) {
    tn_api_choice choice = {.text = " a",
                            .len = 2,
                            .finish = "stop",
                            .logprobs = logprobs,
                            .n_logprobs = N_LOGPROBS,
                            .first_offset = 10};
    tn_buf out = new_buf();
    (void)state;
    tn_api_response(&chat_head, &choice, 1, &usage, &out);
    check_body(&out, "{" CHAT_HEAD
                     ",'choices':[{'index':0,'message':{'role':'assistant','content':' a','refusal':null},"
                     "'logprobs':" CHAT_LOGPROBS ",'finish_reason':'stop'}]," USAGE "}");
    tn_api_response(&text_head, &choice, 1, &usage, &out);
    check_body(&out, "{" TEXT_HEAD ",'choices':[{'index':0,'text':' a','logprobs':" TEXT_LOGPROBS
                     ",'finish_reason':'stop'}]," USAGE "}");
    choice.n_logprobs = 0; /* asked for, but no token */
    tn_api_response(&chat_head, &choice, 1, &usage, &out);
    check_body(&out, "{" CHAT_HEAD
                     ",'choices':[{'index':0,'message':{'role':'assistant','content':' a','refusal':null},"
                     "'logprobs':{'content':[],'refusal':null},'finish_reason':'stop'}]," USAGE "}");
    tn_api_response(&text_head, &choice, 1, &usage, &out);
    check_body(&out,
               "{" TEXT_HEAD ",'choices':[{'index':0,'text':' a','logprobs':{'tokens':[],'token_logprobs':[],"
               "'top_logprobs':[],'text_offset':[]},'finish_reason':'stop'}]," USAGE "}");
    tn_buf_free(&out);
}

/* Every float comes back as it was. */
static void test_precision(void **state) {
    static const float values[] = {-0.1f, -1.17549435e-38f, -3.14159274f, -9998.99902f, 0.0f, -16.6355324f};
    tn_buf out = new_buf();
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        tn_api_logprob l = {.bytes = "a", .len = 1, .logprob = values[i]};
        tn_api_choice choice = {.text = "a", .len = 1, .finish = "stop", .logprobs = &l, .n_logprobs = 1};
        tn_api_response(&text_head, &choice, 1, &usage, &out);
        json_t *body = json_loads(out.data, 0, NULL);
        json_t *lp = json_object_get(json_array_get(json_object_get(body, "choices"), 0), "logprobs");
        assert_true((float)json_number_value(json_array_get(json_object_get(lp, "token_logprobs"), 0)) ==
                    values[i]);
        json_decref(body);
        tn_buf_clear(&out);
    }
    tn_buf_free(&out);
}

static void test_characters(void **state) {
    (void)state;
    assert_int_equal(tn_api_characters("", 0), 0);
    assert_int_equal(tn_api_characters("a\0\xc3\xa9\xf0\x9f\x98\x80", 8), 4);
    assert_int_equal(tn_api_characters("\x82\xac", 2), 0);
}

/* ---- Events ------------------------------------------------------------------------------------------ */

static void test_chat_events(void **state) {
    tn_api_choice piece = {.text = "Hi\n", .len = 3};
    tn_buf out = new_buf();
    (void)state;
    tn_api_event_role(&chat_head, 2, &out);
    check_event(&out, "{" CHUNK_HEAD
                      ",'choices':[{'index':2,'delta':{'role':'assistant','content':''},'logprobs':null,"
                      "'finish_reason':null}]}");
    tn_api_event_text(&chat_head, 1, &piece, &out);
    check_event(&out, "{" CHUNK_HEAD ",'choices':[{'index':1,'delta':{'content':'Hi\\n'},'logprobs':null,"
                      "'finish_reason':null}]}");
    piece.finish = "length";
    tn_api_event_text(&chat_head, 0, &piece, &out);
    check_event(&out, "{" CHUNK_HEAD ",'choices':[{'index':0,'delta':{'content':'Hi\\n'},'logprobs':null,"
                      "'finish_reason':'length'}]}");
    piece = (tn_api_choice){.text = "", .finish = "stop"};
    tn_api_event_text(&chat_head, 0, &piece, &out);
    check_event(&out,
                "{" CHUNK_HEAD ",'choices':[{'index':0,'delta':{},'logprobs':null,'finish_reason':'stop'}]}");
    piece = (tn_api_choice){.text = " a", .len = 2, .logprobs = logprobs, .n_logprobs = N_LOGPROBS};
    tn_api_event_text(&chat_head, 0, &piece, &out);
    check_event(&out,
                "{" CHUNK_HEAD ",'choices':[{'index':0,'delta':{'content':' a'},'logprobs':" CHAT_LOGPROBS
                ",'finish_reason':null}]}");
    tn_buf_free(&out);
}

static void test_completion_events(void **state) {
    tn_api_choice piece = {.text = "Hi", .len = 2};
    tn_buf out = new_buf();
    (void)state;
    tn_api_event_text(&text_head, 1, &piece, &out);
    check_event(&out,
                "{" TEXT_HEAD ",'choices':[{'index':1,'text':'Hi','logprobs':null,'finish_reason':null}]}");
    piece = (tn_api_choice){
        .text = "", .finish = "stop", .logprobs = logprobs, .n_logprobs = N_LOGPROBS, .first_offset = 10};
    tn_api_event_text(&text_head, 0, &piece, &out);
    check_event(&out, "{" TEXT_HEAD ",'choices':[{'index':0,'text':'','logprobs':" TEXT_LOGPROBS
                      ",'finish_reason':'stop'}]}");
    tn_buf_free(&out);
}

static void test_usage_events(void **state) {
    tn_api_head head = chat_head;
    tn_api_choice piece = {.text = "Hi", .len = 2};
    tn_buf out = new_buf();
    (void)state;
    head.include_usage = true;
    tn_api_event_text(&head, 0, &piece, &out);
    check_event(&out, "{" CHUNK_HEAD ",'choices':[{'index':0,'delta':{'content':'Hi'},'logprobs':null,"
                      "'finish_reason':null}],'usage':null}");
    tn_api_event_usage(&head, &usage, &out);
    check_event(&out, "{" CHUNK_HEAD ",'choices':[]," USAGE "}");
    head = text_head;
    head.include_usage = true;
    tn_api_event_text(&head, 0, &piece, &out);
    check_event(&out,
                "{" TEXT_HEAD
                ",'choices':[{'index':0,'text':'Hi','logprobs':null,'finish_reason':null}],'usage':null}");
    tn_api_event_usage(&head, &usage, &out);
    check_event(&out, "{" TEXT_HEAD ",'choices':[]," USAGE "}");
    tn_api_event_done(&out);
    assert_string_equal(out.data, "data: [DONE]\n\n");
    tn_buf_free(&out);
}

/* ---- Errors and models ------------------------------------------------------------------------------- */

static void test_errors(void **state) {
    static const struct {
        unsigned status;
        const char *given, *type, *code;
    } cases[] = {
        {400, NULL, "invalid_request_error", NULL},
        {400, "context_length_exceeded", "invalid_request_error", "context_length_exceeded"},
        {401, NULL, "authentication_error", "invalid_api_key"},
        {403, NULL, "permission_error", NULL},
        {404, NULL, "invalid_request_error", "not_found"},
        {404, "model_not_found", "invalid_request_error", "model_not_found"},
        {405, NULL, "invalid_request_error", "method_not_allowed"},
        {413, NULL, "invalid_request_error", "request_too_large"},
        {429, NULL, "rate_limit_error", "rate_limit_exceeded"},
        {500, NULL, "server_error", "internal_error"},
        {503, NULL, "server_error", "unavailable"},
        {503, "queue_full", "server_error", "queue_full"},
    };
    tn_buf out = new_buf();
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_api_error e;
        char want[512], code[64];
        assert_int_equal(
            tn_api_fail(&e, cases[i].status, cases[i].given, i % 2 ? "n" : NULL, "%d is \"%s\"", 3, "much"),
            -1);
        assert_int_equal(e.status, cases[i].status);
        snprintf(code, sizeof code, cases[i].code ? "'%s'" : "null", cases[i].code);
        snprintf(want, sizeof want,
                 "{'error':{'message':'3 is \\\"much\\\"','type':'%s','param':%s,'code':%s}}", cases[i].type,
                 i % 2 ? "'n'" : "null", code);
        tn_api_error_body(&e, &out);
        check_body(&out, want);
        tn_api_event_error(&e, &out);
        check_event(&out, want);
    }
    tn_buf_free(&out);
}

static void test_status_codes(void **state) {
    static const struct {
        int code;
        unsigned status;
    } cases[] = {{TN_EINVAL, 400},  {TN_EFORMAT, 400}, {TN_ENOTSUP, 400}, {TN_ENOENT, 404},
                 {TN_ELIMIT, 400},  {TN_ERAISED, 400}, {TN_ENOMEM, 503},  {TN_EIO, 503},
                 {TN_EDEVICE, 503}, {TN_EBUG, 500},    {TN_EMODULE, 500}, {-999, 500}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tn_api_error e;
        assert_int_equal(tn_api_fail_status(&e, cases[i].code, "p", "100%s text"), -1);
        assert_int_equal(e.status, cases[i].status);
        assert_string_equal(e.message, "100%s text");
        assert_string_equal(e.param, "p");
    }
}

/* A message that is too long is cut, also inside a character, and stays a string. */
static void test_long_message(void **state) {
    char text[1201] = "x";
    tn_api_error e;
    tn_buf out = new_buf();
    (void)state;
    for (int i = 1; i + 2 < 1200; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    tn_api_fail(&e, 400, NULL, text, "%s", text);
    tn_api_error_body(&e, &out);
    json_t *v = json_loadb(out.data, out.len, 0, NULL);
    assert_non_null(v);
    json_t *message = json_object_get(json_object_get(v, "error"), "message");
    assert_true(json_string_length(message) > 500 && json_string_length(message) < 520);
    json_decref(v);
    tn_buf_free(&out);
}

static void test_models(void **state) {
    static const tn_api_model models[] = {{.name = "a", .created = 1},
                                          {.name = "b/\"c\"", .created = 1700000000}};
    static const tn_api_model told = {.name = "a", .created = 1, .status = "loaded", .memory = 1 << 20};
    tn_buf out = new_buf();
    (void)state;
    tn_api_models_body(models, 2, &out);
    check_body(&out, "{'object':'list','data':[{'id':'a','object':'model','created':1,'owned_by':'tenon'},"
                     "{'id':'b/\\\"c\\\"','object':'model','created':1700000000,'owned_by':'tenon'}]}");
    tn_api_models_body(NULL, 0, &out);
    check_body(&out, "{'object':'list','data':[]}");
    tn_api_model_body(models, &out);
    check_body(&out, "{'id':'a','object':'model','created':1,'owned_by':'tenon'}");
    tn_api_model_body(&told, &out);
    check_body(
        &out,
        "{'id':'a','object':'model','created':1,'owned_by':'tenon','status':'loaded','memory':1048576}");
    tn_buf_free(&out);
}

/* ---- Limits and memory ------------------------------------------------------------------------------- */

static void test_small_buffer(void **state) {
    static const tn_api_choice choice = {.text = "text", .len = 4, .finish = "stop"};
    tn_buf out;
    (void)state;
    tn_buf_init(&out, 50);
    tn_api_response(&text_head, &choice, 1, &usage, &out);
    assert_int_equal(out.status, TN_ELIMIT);
    tn_buf_free(&out);
}

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

/* Each thing that is written, with every allocation of JSON failing once. */
static void write_kind(int kind, tn_buf *out) {
    static const tn_api_model model = {.name = "a", .status = "loaded"};
    const tn_api_choice c = {
        .text = "a\xff", .len = 2, .finish = "stop", .logprobs = logprobs, .n_logprobs = N_LOGPROBS};
    tn_api_error e;
    switch (kind) {
    case 0: tn_api_response(&chat_head, &c, 1, &usage, out); break;
    case 1: tn_api_response(&text_head, &c, 1, &usage, out); break;
    case 2: tn_api_event_text(&chat_head, 0, &c, out); break;
    case 3: tn_api_event_text(&text_head, 0, &c, out); break;
    case 4: tn_api_event_role(&chat_head, 0, out); break;
    case 5: tn_api_event_usage(&chat_head, &usage, out); break;
    case 6: tn_api_models_body(&model, 1, out); break;
    case 7: tn_api_fail(&e, 400, NULL, "n", "text"), tn_api_error_body(&e, out); break;
    }
}

static void test_no_memory(void **state) {
    json_malloc_t old_malloc;
    json_free_t old_free;
    (void)state;
    json_get_alloc_funcs(&old_malloc, &old_free);
    json_set_alloc_funcs(failing_malloc, counting_free);
    for (int kind = 0; kind < 8; kind++) {
        tn_buf whole = new_buf(), out = new_buf();
        allocations_left = 1000000;
        write_kind(kind, &whole);
        assert_int_equal(whole.status, 0);
        long n = 0;
        do {
            tn_buf_clear(&out);
            blocks = 0;
            allocations_left = n++;
            write_kind(kind, &out);
            assert_int_equal(blocks, 0);
        } while (out.status == TN_ENOMEM);
        /* Jansson does without a buffer for very short dumps; what was written without a failure is whole. */
        assert_int_equal(out.status, 0);
        assert_string_equal(out.data, whole.data);
        assert_true(n > 5);
        tn_buf_free(&whole);
        tn_buf_free(&out);
    }
    json_set_alloc_funcs(old_malloc, old_free);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_chat),
        cmocka_unit_test(test_whole_completion),
        cmocka_unit_test(test_big_usage),
        cmocka_unit_test(test_ill_formed_text),
        cmocka_unit_test(test_logprobs),
        cmocka_unit_test(test_precision),
        cmocka_unit_test(test_characters),
        cmocka_unit_test(test_chat_events),
        cmocka_unit_test(test_completion_events),
        cmocka_unit_test(test_usage_events),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_status_codes),
        cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_small_buffer),
        cmocka_unit_test(test_no_memory),
    };
    return unit_main(tests);
}
