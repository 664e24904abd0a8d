/* SPDX-License-Identifier: Apache-2.0 */
/* What only the chat route has: messages, tools, variables of the template.
 *
 * Chat templates are written for what the transformers library hands them: contents are strings, arguments of
 * tool calls are mappings, absent keys are absent rather than null. Messages are brought into that form here.
 */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "serve/api_parts.h"

static bool is_one_of(const char *s, const char *const *list) {
    for (; *list; list++)
        if (strcmp(s, *list) == 0) return true;
    return false;
}

/* A shallow copy. Where memory is short json_copy leaves fields out, which would go unnoticed. */
static json_t *copy_object(json_t *object) {
    json_t *copy = json_copy(object);
    if (copy && json_object_size(copy) == json_object_size(object)) return copy;
    json_decref(copy);
    return NULL;
}

/* ---- Contents ---------------------------------------------------------------------------------------- */

/* What a part that nothing takes holds, in words; NULL for an unknown type. */
static const char *medium_of(const char *type) {
    static const char *const media[][2] = {
        {"file", "files"},
        {"input_file", "files"},
    };
    for (size_t i = 0; i < sizeof media / sizeof *media; i++)
        if (strcmp(type, media[i][0]) == 0) return media[i][1];
    return NULL;
}

/* A list of parts on its way into a message. */
typedef struct content {
    const tn_api_limits *limits;
    tn_api_request *r;
    tn_buf text;   /* of all parts of text, in a row */
    json_t *parts; /* the parts as templates know them */
    bool has_media;
} content;

static int append_part(json_t *parts, json_t *part, tn_api_error *e) {
    return json_array_append_new(parts, part) ? tn_api_no_memory(e) : 0;
}

/* Appends one part. A refusal of an earlier answer is text as well. */
static int add_part(json_t *part, const char *path, content *c, tn_api_error *e) {
    static const char *const kinds[] = {"text", "refusal", NULL};
    tn_fields f = {part, path, e};
    const char *type = NULL, *s = NULL;
    size_t len = 0;
    if (!json_is_object(part))
        return tn_value_wrong(part, path, e, "an object like {\"type\": \"text\", \"text\": ...}");
    int rc = tn_fields_name(&f, "type", &type);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(&f, "type", "\"text\"");
    if (tn_api_is_media(type)) {
        c->has_media = true;
        return tn_api_parse_media(&f, type, c->limits, c->r, c->parts);
    }
    const char *medium = medium_of(type);
    if (medium)
        return tn_api_fail(e, 400, NULL, path,
                           "%s is of type \"%s\", but the models of this server do not take %s", path, type,
                           medium);
    if (!is_one_of(type, kinds))
        return tn_value_wrong(json_object_get(part, "type"), tn_path_field(path, "type").text, e, "\"text\"");
    rc = tn_fields_string(&f, type, &s, &len);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(&f, type, "a string");
    if (tn_buf_add(&c->text, s, len)) return tn_api_no_memory(e);
    return append_part(c->parts, json_pack("{s:s,s:o}", "type", "text", "text", json_stringn_nocheck(s, len)),
                       e);
}

/* Texts in a row, nothing between them, as templates that know parts print them; with media, a list of parts
 * as those templates want it. */
static int read_parts(const json_t *parts, const char *path, content *c, json_t **ret, tn_api_error *e) {
    if (json_array_size(parts) == 0)
        return tn_api_fail(e, 400, NULL, path, "%s has no parts; it must have at least 1", path);
    for (size_t i = 0; i < json_array_size(parts); i++)
        if (add_part(json_array_get(parts, i), tn_path_item(path, i).text, c, e)) return -1;
    *ret = c->has_media ? json_incref(c->parts)
                        : json_stringn_nocheck(c->text.data ? c->text.data : "", c->text.len);
    return *ret ? 0 : tn_api_no_memory(e);
}

static int join_parts(const json_t *parts, const char *path, content c, json_t **ret, tn_api_error *e) {
    tn_buf_init(&c.text, SIZE_MAX);
    c.parts = json_array();
    int rc = c.parts ? read_parts(parts, path, &c, ret, e) : tn_api_no_memory(e);
    json_decref(c.parts);
    tn_buf_free(&c.text);
    return rc;
}

/* Whether an assistant's message may lack content: it says something else. */
static bool says_otherwise(const tn_fields *f) {
    return json_array_size(tn_fields_get(f, "tool_calls")) > 0 || tn_fields_get(f, "refusal");
}

/* The content, new reference. Templates add and trim contents, so an absent one is empty, not
 * null. */
static int read_content(const tn_fields *f, const char *role, content c, json_t **ret) {
    json_t *v = tn_fields_get(f, "content");
    tn_path path = tn_path_field(f->path, "content");
    bool assistant = strcmp(role, "assistant") == 0,
         nothing = !v || (json_is_array(v) && json_array_size(v) == 0);
    if (nothing && assistant && says_otherwise(f)) {
        json_t *refusal = tn_fields_get(f, "refusal");
        *ret = refusal ? json_incref(refusal) : json_string("");
        return *ret ? 0 : tn_api_no_memory(f->e);
    }
    if (!v)
        return tn_fields_missing(f, "content",
                                 assistant ? "a string or an array of parts, unless there are tool_calls"
                                           : "a string or an array of parts");
    if (json_is_array(v)) return join_parts(v, path.text, c, ret, f->e);
    if (!json_is_string(v)) return tn_value_wrong(v, path.text, f->e, "a string or an array of parts");
    *ret = json_incref(v);
    return 0;
}

/* ---- Tool calls -------------------------------------------------------------------------------------- */

/* Arguments as a mapping where they are one; a string that is no JSON object stays as it is. New reference,
 * NULL when out of memory. */
static json_t *read_arguments(json_t *arguments) {
    json_t *parsed = NULL;
    if (!json_is_string(arguments)) return json_incref(arguments);
    if (json_string_length(arguments) == 0) return json_object(); /* how some clients write no arguments */
    int rc = tn_json_parse(json_string_value(arguments), json_string_length(arguments), "", &parsed, NULL);
    if (rc == TN_ENOMEM || json_is_object(parsed)) return parsed;
    json_decref(parsed);
    return json_incref(arguments);
}

/* The function of a call, checked; new reference with its arguments as templates want them. */
static int read_function(const tn_fields *call, json_t **ret) {
    json_t *function = NULL;
    const char *name = NULL;
    int rc = tn_fields_object(call, "function", &function);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(call, "function", "an object with name and arguments");
    tn_path path = tn_path_field(call->path, "function");
    tn_fields f = {function, path.text, call->e};
    rc = tn_fields_name(&f, "name", &name);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(&f, "name", "a string");
    json_t *arguments = tn_fields_get(&f, "arguments");
    if (arguments && !json_is_string(arguments) && !json_is_object(arguments))
        return tn_value_wrong(arguments, tn_path_field(path.text, "arguments").text, call->e,
                              "a string with a JSON object in it");
    json_t *value = arguments ? read_arguments(arguments) : json_object();
    *ret = copy_object(function); /* a set on NULL fails and drops the value */
    return json_object_set_new(*ret, "arguments", value) == 0 ? 0 : tn_api_no_memory(call->e);
}

/* One call, appended to calls. */
static int add_call(json_t *call, const char *path, json_t *calls, tn_api_error *e) {
    tn_fields f = {call, path, e};
    const char *type = "function", *id;
    json_t *function = NULL;
    if (!json_is_object(call)) return tn_value_wrong(call, path, e, "an object");
    if (tn_fields_name(&f, "type", &type) < 0 || tn_fields_name(&f, "id", &id) < 0) return -1;
    if (strcmp(type, "function") != 0)
        return tn_value_wrong(json_object_get(call, "type"), tn_path_field(path, "type").text, e,
                              "\"function\"");
    json_t *copy = copy_object(call);
    int rc = read_function(&f, &function);
    if (!rc && json_object_set(copy, "function", function) != 0) rc = tn_api_no_memory(e);
    if (!rc && json_array_append(calls, copy) != 0) rc = tn_api_no_memory(e);
    json_decref(function);
    json_decref(copy);
    return rc;
}

/* Replaces the tool calls of message by their checked form. */
static int read_calls(const tn_fields *f, json_t *message) {
    json_t *given;
    int rc = tn_fields_array(f, "tool_calls", &given);
    if (rc <= 0) return rc;
    if (json_array_size(given) == 0) { /* templates would see calls where there are none */
        json_object_del(message, "tool_calls");
        return 0;
    }
    json_t *calls = json_array();
    tn_path path = tn_path_field(f->path, "tool_calls");
    rc = 0;
    for (size_t i = 0; !rc && i < json_array_size(given); i++)
        rc = add_call(json_array_get(given, i), tn_path_item(path.text, i).text, calls, f->e);
    if (rc) {
        json_decref(calls);
        return -1;
    }
    return json_object_set_new(message, "tool_calls", calls) ? tn_api_no_memory(f->e) : 0;
}

/* ---- Messages ---------------------------------------------------------------------------------------- */

static int read_role(const tn_fields *f, const char **ret) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool", "function", NULL};
    static const char expected[] =
        "\"system\", \"developer\", \"user\", \"assistant\", \"tool\" or \"function\"";
    int rc = tn_fields_name(f, "role", ret);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(f, "role", expected);
    if (!is_one_of(*ret, roles))
        return tn_value_wrong(tn_fields_get(f, "role"), tn_path_field(f->path, "role").text, f->e, expected);
    if (strcmp(*ret, "developer") == 0) *ret = "system"; /* what templates know */
    return 0;
}

/* Fields that are checked and passed on as they are. */
static int check_passed(const tn_fields *f) {
    const char *ignored;
    size_t len;
    if (tn_fields_name(f, "name", &ignored) < 0 || tn_fields_name(f, "tool_call_id", &ignored) < 0) return -1;
    if (tn_fields_string(f, "refusal", &ignored, &len) < 0) return -1;
    if (tn_fields_get(f, "function_call"))
        return tn_fields_fail(f, "function_call", "not supported; write the call into tool_calls");
    if (tn_fields_get(f, "audio"))
        return tn_fields_fail(f, "audio", "the models of this server do not take audio");
    return 0;
}

static int remove_nulls(json_t *object) {
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(object, next, key, value) {
        if (json_is_null(value) && json_object_del(object, key) != 0) return -1;
    }
    return 0;
}

static int fill_message(const tn_fields *f, json_t *message, content c) {
    const char *role = NULL;
    json_t *value = NULL;
    if (read_role(f, &role) || check_passed(f) || read_content(f, role, c, &value)) return -1;
    if (json_object_set_new(message, "content", value) != 0 || remove_nulls(message) != 0 ||
        json_object_set_new(message, "role", json_string(role)) != 0)
        return tn_api_no_memory(f->e);
    return read_calls(f, message);
}

static int add_message(json_t *given, const char *path, content c, tn_api_error *e) {
    tn_fields f = {given, path, e};
    if (!json_is_object(given)) return tn_value_wrong(given, path, e, "an object with role and content");
    json_t *message = copy_object(given);
    if (!message) return tn_api_no_memory(e);
    if (fill_message(&f, message, c)) {
        json_decref(message);
        return -1;
    }
    return json_array_append_new(c.r->messages, message) ? tn_api_no_memory(e) : 0;
}

int tn_api_parse_messages(const tn_fields *f, const tn_api_limits *limits, tn_api_request *r) {
    content c = {.limits = limits, .r = r};
    json_t *given = NULL;
    int rc = tn_fields_array(f, "messages", &given);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(f, "messages", "an array of messages");
    if (json_array_size(given) == 0)
        return tn_fields_fail(f, "messages", "an empty array; there must be at least 1 message");
    r->messages = json_array();
    if (!r->messages) return tn_api_no_memory(f->e);
    for (size_t i = 0; i < json_array_size(given); i++)
        if (add_message(json_array_get(given, i), tn_path_item("messages", i).text, c, f->e)) return -1;
    return 0;
}

/* ---- Tools ------------------------------------------------------------------------------------------- */

static int check_tool_function(const tn_fields *tool) {
    json_t *function = NULL, *parameters;
    const char *name = NULL, *description;
    size_t len;
    bool strict;
    int rc = tn_fields_object(tool, "function", &function);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(tool, "function", "an object with a name");
    tn_path path = tn_path_field(tool->path, "function");
    tn_fields f = {function, path.text, tool->e};
    rc = tn_fields_name(&f, "name", &name);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(&f, "name", "a string");
    if (!*name) return tn_fields_fail(&f, "name", "an empty string; it must have at least 1 character");
    if (tn_fields_string(&f, "description", &description, &len) < 0) return -1;
    if (tn_fields_object(&f, "parameters", &parameters) < 0) return -1;
    return tn_fields_bool(&f, "strict", &strict) < 0 ? -1 : 0;
}

static int check_tool(json_t *tool, const char *path, tn_api_error *e) {
    tn_fields f = {tool, path, e};
    const char *type = NULL;
    if (!json_is_object(tool)) return tn_value_wrong(tool, path, e, "an object");
    int rc = tn_fields_name(&f, "type", &type);
    if (rc < 0) return -1;
    if (!rc) return tn_fields_missing(&f, "type", "\"function\"");
    if (strcmp(type, "function") != 0)
        return tn_value_wrong(json_object_get(tool, "type"), tn_path_field(path, "type").text, e,
                              "\"function\"");
    return check_tool_function(&f);
}

/* Whether the model may call tools: auto does, none does not; to force a call takes a grammar. */
static int read_choice(const tn_fields *f, bool *ret_tools) {
    const json_t *v = tn_fields_get(f, "tool_choice");
    const char *choice = json_string_value(v);
    *ret_tools = !choice || strcmp(choice, "none") != 0;
    if (!v || (choice && (!*ret_tools || strcmp(choice, "auto") == 0))) return 0;
    if (json_is_object(v))
        return tn_fields_fail(f, "tool_choice",
                              "a named tool is not supported yet; use \"auto\" or \"none\"");
    if (choice && strcmp(choice, "required") == 0)
        return tn_fields_fail(f, "tool_choice",
                              "\"required\" is not supported yet; use \"auto\" or \"none\"");
    return tn_value_wrong(v, "tool_choice", f->e, "\"auto\" or \"none\"");
}

int tn_api_parse_tools(const tn_fields *f, tn_api_request *r) {
    json_t *tools = NULL;
    bool wanted, parallel;
    if (tn_fields_array(f, "tools", &tools) < 0 || read_choice(f, &wanted) ||
        tn_fields_bool(f, "parallel_tool_calls", &parallel) < 0)
        return -1;
    for (size_t i = 0; i < json_array_size(tools); i++)
        if (check_tool(json_array_get(tools, i), tn_path_item("tools", i).text, f->e)) return -1;
    if (wanted && json_array_size(tools) > 0) r->tools = tools;
    return 0;
}

/* ---- Template variables ------------------------------------------------------------------------------ */

/* Sets a variable that chat_template_kwargs, which speaks to the template directly, did not set. */
static int set_missing(tn_api_request *r, const char *name, json_t *value) {
    json_t *old = json_object_get(r->template_vars, name);
    if (old && !json_is_null(old)) return 0;
    if (!r->template_vars) r->template_vars = json_object();
    return json_object_set(r->template_vars, name, value);
}

int tn_api_parse_template_vars(const tn_fields *f, tn_api_request *r) {
    static const char *const ours[] = {"messages", "tools"};
    json_t *vars = NULL;
    const char *effort;
    bool thinking;
    int rc = tn_fields_object(f, "chat_template_kwargs", &vars);
    int has_thinking = tn_fields_bool(f, "enable_thinking", &thinking);
    int has_effort = tn_fields_name(f, "reasoning_effort", &effort);
    if (rc < 0 || has_thinking < 0 || has_effort < 0) return -1;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (json_object_get(vars, ours[i]))
            return tn_fields_fail(f, "chat_template_kwargs", "\"%s\" is a field of the request itself",
                                  ours[i]);
    if (vars && !(r->template_vars = copy_object(vars))) return tn_api_no_memory(f->e);
    if (has_thinking && set_missing(r, "enable_thinking", tn_fields_get(f, "enable_thinking")))
        return tn_api_no_memory(f->e);
    if (has_effort && set_missing(r, "reasoning_effort", tn_fields_get(f, "reasoning_effort")))
        return tn_api_no_memory(f->e);
    return 0;
}
