/* SPDX-License-Identifier: Apache-2.0 */
/* Images and videos in messages: every form in which they come, what becomes of it, and what a refusal says.
 */
#include "serve/parsed.h"

#define JPEG "/9j/4AAQSkZJRgABAQAAAQ=="
#define PNG  "data:image/png;base64,iVBORw0KGgoAAAAN"

static int take_media(void **state) {
    (void)state;
    limits.max_media = 3;
    limits.max_frames = 4;
    return 0;
}

static int take_no_media(void **state) {
    (void)state;
    limits.max_media = limits.max_frames = 0;
    return 0;
}

/* One message with these parts, and fields after the messages; both with ' for ". */
static parsed parse_parts(const char *parts, const char *fields) {
    char text[2048];
    snprintf(text, sizeof text, "'messages':[{'role':'user','content':[%s]}]%s", parts, fields);
    for (char *c = text; *c; c++)
        if (*c == '\'') *c = '"';
    return parse_ok(true, text);
}

static void check_content(const parsed *p, const char *expected) {
    char want[512];
    snprintf(want, sizeof want, "%s", expected);
    for (char *c = want; *c; c++)
        if (*c == '\'') *c = '"';
    json_t *content = json_object_get(json_array_get(p->r.messages, 0), "content");
    char *got = json_dumps(content, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(got, want);
    free(got);
}

/* ---- Forms ---- */

static void test_forms(void **state) {
    static const struct {
        const char *part;
        tn_media_kind kind;
        const char *source;
        tn_source_kind source_kind;
    } cases[] = {
        {"{'type':'image_url','image_url':{'url':'" PNG "'}}", TN_MEDIA_IMAGE, PNG, TN_SOURCE_DATA},
        {"{'type':'image_url','image_url':'http://a.example/x'}", TN_MEDIA_IMAGE, "http://a.example/x",
         TN_SOURCE_URL},
        {"{'type':'input_image','image_url':'HTTPS://a.example/x'}", TN_MEDIA_IMAGE, "HTTPS://a.example/x",
         TN_SOURCE_URL},
        {"{'type':'input_image','image_url':{'url':'" JPEG "'}}", TN_MEDIA_IMAGE, JPEG, TN_SOURCE_BASE64},
        {"{'type':'image','image':'" JPEG "'}", TN_MEDIA_IMAGE, JPEG, TN_SOURCE_BASE64},
        {"{'type':'image','image':'/9j/4'}", TN_MEDIA_IMAGE, "/9j/4", TN_SOURCE_PATH},
        {"{'type':'image','image':{'url':'cats/1.png'}}", TN_MEDIA_IMAGE, "cats/1.png", TN_SOURCE_PATH},
        {"{'type':'image','image':'file:///a/b.png'}", TN_MEDIA_IMAGE, "file:///a/b.png", TN_SOURCE_FILE},
        {"{'type':'video_url','video_url':{'url':'https://a.example/v.mp4'}}", TN_MEDIA_VIDEO,
         "https://a.example/v.mp4", TN_SOURCE_URL},
        {"{'type':'video_url','video_url':'v.mp4'}", TN_MEDIA_VIDEO, "v.mp4", TN_SOURCE_PATH},
        {"{'type':'video','video':'/srv/v.mp4'}", TN_MEDIA_VIDEO, "/srv/v.mp4", TN_SOURCE_PATH},
        {"{'type':'video','video':{'url':'data:;base64,AAAA'}}", TN_MEDIA_VIDEO, "data:;base64,AAAA",
         TN_SOURCE_DATA},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse_parts(cases[i].part, "");
        if (p.r.n_media != 1 || p.r.media[0].n_source != 1) fail_msg("%s", cases[i].part);
        const tn_api_media *m = &p.r.media[0];
        if (m->kind != cases[i].kind || m->source[0].kind != cases[i].source_kind)
            fail_msg("%s: kind %d, source %d", cases[i].part, (int)m->kind, (int)m->source[0].kind);
        assert_string_equal(m->source[0].text, cases[i].source);
        assert_int_equal(m->source[0].len, strlen(cases[i].source));
        assert_string_equal(m->place, "messages[0].content[0]");
        assert_true(!m->is_frames && m->fps == 0 && m->max_frames == 0 && m->detail == TN_DETAIL_AUTO);
        assert_non_null(strstr(cases[i].part, m->type));
        check_content(&p, m->kind == TN_MEDIA_IMAGE ? "[{'type':'image'}]" : "[{'type':'video'}]");
        tn_api_request_fini(&p.r);
    }
}

/* Text stays in parts where something is shown, and only there; media keep their order over all messages. */
static void test_order(void **state) {
    (void)state;
    parsed p =
        parse_parts("{'type':'text','text':'a'},{'type':'image','image':'1'},{'type':'text','text':''},"
                    "{'type':'refusal','refusal':'no'},{'type':'video','video':'2'}]},"
                    "{'role':'user','content':[{'type':'text','text':'b'},{'type':'text','text':'c'}]},"
                    "{'role':'tool','content':[{'type':'image','image':'3'}",
                    "");
    check_content(&p, "[{'type':'text','text':'a'},{'type':'image'},{'type':'text','text':''},"
                      "{'type':'text','text':'no'},{'type':'video'}]");
    const json_t *second = json_object_get(json_array_get(p.r.messages, 1), "content");
    assert_string_equal(json_string_value(second), "bc");
    assert_int_equal(p.r.n_media, 3);
    static const char *const places[] = {"messages[0].content[1]", "messages[0].content[4]",
                                         "messages[2].content[0]"};
    for (int i = 0; i < 3; i++) {
        assert_string_equal(p.r.media[i].source[0].text, ((const char *[]){"1", "2", "3"})[i]);
        assert_string_equal(p.r.media[i].place, places[i]);
    }
    tn_api_request_drop_input(&p.r);
    assert_null(p.r.media);
    tn_api_request_fini(&p.r);
}

static void test_options(void **state) {
    static const struct {
        const char *part, *fields;
        double fps;
        uint32_t max_frames;
        tn_api_detail detail;
    } cases[] = {
        {"{'type':'image_url','image_url':{'url':'x','detail':'low'}}", "", 0, 0, TN_DETAIL_LOW},
        {"{'type':'input_image','image_url':'x','detail':'high'}", ",'video_fps':3", 0, 0, TN_DETAIL_HIGH},
        {"{'type':'image','image':'x','detail':'auto'}", "", 0, 0, TN_DETAIL_AUTO},
        {"{'type':'image','image':'x','detail':null}", "", 0, 0, TN_DETAIL_AUTO},
        {"{'type':'video_url','video_url':{'url':'x','fps':2,'max_frames':4}}", "", 2, 4, 0},
        {"{'type':'video_url','video_url':'x','fps':0.01,'max_frames':1}", "", 0.01, 1, 0},
        {"{'type':'video','video':'x','fps':240,'max_frames':2.0}", "", 240, 2, 0},
        {"{'type':'video','video':{'url':'x','fps':5},'fps':6,'max_frames':3}", "", 5, 3, 0},
        {"{'type':'video','video':'x'}", ",'video_fps':3,'video_max_frames':2", 3, 2, 0},
        {"{'type':'video','video':'x','fps':1}", ",'video_fps':3,'video_max_frames':2", 1, 2, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        parsed p = parse_parts(cases[i].part, cases[i].fields);
        const tn_api_media *m = &p.r.media[0];
        assert_string_equal(p.unknown, "");
        if (m->fps != cases[i].fps || m->max_frames != cases[i].max_frames || m->detail != cases[i].detail)
            fail_msg("%s%s: fps %g, max_frames %u, detail %d", cases[i].part, cases[i].fields, m->fps,
                     m->max_frames, (int)m->detail);
        tn_api_request_fini(&p.r);
    }
}

static void test_frames(void **state) {
    (void)state;
    parsed p = parse_parts(
        "{'type':'video','video':['a.png',{'url':'http://h.example/b'},'" JPEG "','" PNG "'],'fps':2}", "");
    const tn_api_media *m = &p.r.media[0];
    assert_true(p.r.n_media == 1 && m->is_frames && m->n_source == 4 && m->fps == 2);
    static const tn_source_kind kinds[] = {TN_SOURCE_PATH, TN_SOURCE_URL, TN_SOURCE_BASE64, TN_SOURCE_DATA};
    for (int i = 0; i < 4; i++) assert_int_equal(m->source[i].kind, kinds[i]);
    check_content(&p, "[{'type':'video'}]");
    tn_api_request_fini(&p.r);
    p = parse_parts("{'type':'video_url','video_url':{'url':['a']}}", "");
    assert_true(p.r.media[0].is_frames && p.r.media[0].n_source == 1);
    tn_api_request_fini(&p.r);
}

/* ---- Refusals ---- */

#define PART(part) "'messages':[{'role':'user','content':[{'type':'text','text':'x'}," part "]}]"
#define AT         "messages[0].content[1]"

static void test_bad_parts(void **state) {
    static const refusal list[] = {
        {PART("{'type':'image_url'}"), AT ".image_url", "missing|a URL, a data URI, base64 or a path"},
        {PART("{'type':'image_url','image_url':null}"), AT ".image_url", "missing"},
        {PART("{'type':'image_url','image_url':{}}"), AT ".image_url.url", "missing|a URL"},
        {PART("{'type':'image_url','image_url':{'url':7}}"), AT ".image_url.url", "is 7|a URL"},
        {PART("{'type':'image_url','image_url':7}"), AT ".image_url", "is 7|a URL"},
        {PART("{'type':'image_url','image_url':['a']}"), AT ".image_url", "an array of 1|a URL"},
        {PART("{'type':'image_url','image_url':{'url':['a']}}"), AT ".image_url.url", "an array of 1|a URL"},
        {PART("{'type':'image_url','image_url':{'url':''}}"), AT ".image_url.url", "empty"},
        {PART("{'type':'image_url','image_url':{'url':'x','detail':'best'}}"), AT ".image_url.detail",
         "'best'|'auto', 'low' or 'high'"},
        {PART("{'type':'image_url','image_url':{'url':'x','detail':1}}"), AT ".image_url.detail",
         "is 1|a string"},
        {PART("{'type':'image_url','image_url':'ftp://a.example/x'}"), AT ".image_url",
         "'ftp' is not fetched|http, https, data and file"},
        {PART("{'type':'image_url','image_url':'gopher://a.example/x'}"), AT ".image_url", "'gopher'"},
        {PART("{'type':'image_url','image_url':'data:image/png,%89PNG'}"), AT ".image_url", "base64"},
        {PART("{'type':'image_url','image_url':'data:image/png;base64'}"), AT ".image_url", "base64"},
        {PART("{'type':'image_url','image_url':'a\\u0000b'}"), AT ".image_url", "0x00 at byte 1"},
        {PART("{'type':'image_url','image_url':'http://a.example/\\n'}"), AT ".image_url", "0x0a at byte 17"},
        {PART("{'type':'input_image','file_id':'file-1'}"), AT ".file_id", "keeps no files|image_url"},
        {PART("{'type':'input_image'}"), AT ".image_url", "missing"},
        {PART("{'type':'image'}"), AT ".image", "missing"},
        {PART("{'type':'image','image':true}"), AT ".image", "is true"},
        {PART("{'type':'video_url'}"), AT ".video_url", "missing"},
        {PART("{'type':'video_url','video_url':{'fps':2}}"), AT ".video_url.url", "missing"},
        {PART("{'type':'video_url','video_url':{'url':'x','fps':0}}"), AT ".video_url.fps",
         "is 0|a number from 0.01 to 240"},
        {PART("{'type':'video_url','video_url':{'url':'x','fps':'2'}}"), AT ".video_url.fps", "'2'|a number"},
        {PART("{'type':'video','video':'x','fps':240.5}"), AT ".fps", "is 240.5|a number from 0.01 to 240"},
        {PART("{'type':'video','video':'x','max_frames':0}"), AT ".max_frames", "is 0|from 1 to 4"},
        {PART("{'type':'video','video':'x','max_frames':5}"), AT ".max_frames", "is 5|from 1 to 4"},
        {PART("{'type':'video','video':'x','max_frames':1.5}"), AT ".max_frames", "is 1.5|a whole number"},
        {PART("{'type':'video','video':[]}"), AT ".video", "no frames|at least 1"},
        {PART("{'type':'video','video':['1','2','3','4','5']}"), AT ".video", "5 frames|the limit is 4"},
        {PART("{'type':'video','video':['1',2]}"), AT ".video[1]", "is 2|a URL"},
        {PART("{'type':'video','video':['1',{}]}"), AT ".video[1].url", "missing"},
        {PART("{'type':'video','video':['1',{'url':'s3://b/k'}]}"), AT ".video[1].url", "'s3'"},
        {PART("{'type':'video','video':[['1']]}"), AT ".video[0]", "an array of 1|a URL"},
        {PART("{'type':'image','image':'1'},{'type':'image','image':'2'},{'type':'video','video':'3'},"
              "{'type':'image','image':'4'}"),
         "messages[0].content[4]", "one more than the 3 images, videos and recordings"},
        {PART("{'type':'input_audio','input_audio':{}}"), AT ".input_audio.data", "missing"},
        {PART("{'type':'audio_url'}"), AT ".audio_url", "missing"},
        {"'video_fps':0", "video_fps", "is 0|a number from 0.01 to 240"},
        {"'video_max_frames':5", "video_max_frames", "is 5|from 1 to 4"},
    };
    (void)state;
    check_refusals(true, list, sizeof list / sizeof *list);
}

static void test_long_source(void **state) {
    (void)state;
    char fields[TN_SOURCE_PATH_BYTES + 256], words[80];
    int n = snprintf(fields, sizeof fields,
                     "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"image\":\"");
    memset(fields + n, '!', TN_SOURCE_PATH_BYTES + 1);
    strcpy(fields + n + TN_SOURCE_PATH_BYTES + 1, "\"}]}]}");
    parsed p = parse_bytes(true, fields, strlen(fields));
    assert_int_equal(p.rc, -1);
    snprintf(words, sizeof words, "at most %d", TN_SOURCE_PATH_BYTES);
    assert_non_null(strstr(p.e.message, words));
    assert_string_equal(p.e.param, "messages[0].content[0].image");
}

/* A model says what it takes. */
static void test_check(void **state) {
    (void)state;
    const unsigned images = 1u << TN_MEDIA_IMAGE, video = 1u << TN_MEDIA_VIDEO;
    parsed p = parse_parts("{'type':'image_url','image_url':'a'},{'type':'video','video':'b'}", "");
    tn_api_error e = {0};
    assert_int_equal(tn_api_check_media(&p.r, images | video, "m", &e), 0);
    assert_int_equal(tn_api_check_media(&p.r, images, "m", &e), -1);
    assert_int_equal(e.status, 400);
    assert_string_equal(e.param, "messages[0].content[1]");
    assert_string_equal(e.message,
                        "messages[0].content[1] is of type \"video\", but the model m does not take video");
    assert_int_equal(tn_api_check_media(&p.r, 0, "m", &e), -1);
    assert_string_equal(e.param, "messages[0].content[0]");
    assert_non_null(strstr(e.message, "\"image_url\", but the model m does not take images"));
    tn_api_request_fini(&p.r);
    p = parse_parts("{'type':'text','text':'b'}", "");
    assert_int_equal(tn_api_check_media(&p.r, 0, "m", &e), 0);
    tn_api_request_fini(&p.r);
}

/* ---- Memory ---- */

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

/* Every allocation of JSON fails once: no part is left out, nothing is left behind. */
static void test_no_memory(void **state) {
    static const char body[] =
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\","
        "\"image\":\"b\"},{\"type\":\"video\",\"video\":[\"c\",\"d\"]},{\"type\":\"text\",\"text\":\"e\"}]}]}";
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
            assert_int_equal(r.n_media, 2);
            assert_int_equal(json_array_size(json_object_get(json_array_get(r.messages, 0), "content")), 4);
        }
        tn_api_request_fini(&r);
        assert_int_equal(blocks, 0);
    }
    json_set_alloc_funcs(old_malloc, old_free);
    assert_int_equal(rc, 0);
    assert_true(n > 30);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, take_media, take_no_media)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH(test_forms),     WITH(test_order),       WITH(test_options), WITH(test_frames),
        WITH(test_bad_parts), WITH(test_long_source), WITH(test_check),   WITH(test_no_memory),
    };
    return unit_main(tests);
}
