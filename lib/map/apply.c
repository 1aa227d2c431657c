/* An event to the fields of a request; an answer to the fields of a report. */
#include "event/event.h"
#include "map/internal.h"
#include "map/json_text.h"
#include "map/message.h"
#include <stdlib.h>
#include <string.h>

enum { METHOD_MAX = 32, INDEX_SIZE = 24 };

struct applying {
    const struct mapping *mapping;
    size_t number; /* from 1 */
    struct slice secret;
    const struct mapping_trace *trace;
    struct buffer *fields;
    bool decrypted; /* the event holds decrypted values: jq's messages might quote them */
    bool reporting; /* the request's warnings have been given */
    bool failed;
};

/* Fields */

void mapped_append(struct buffer *fields, enum mapped_tag tag, struct slice value)
{
    uint32_t len = (uint32_t)value.len;
    buffer_append_char(fields, (char)tag);
    buffer_append(fields, &len, sizeof len);
    buffer_append_slice(fields, value);
}

bool mapped_next(struct slice *fields, struct mapped_field *out)
{
    uint32_t len;
    if (fields->len < 1 + sizeof len)
        return false;
    memcpy(&len, fields->ptr + 1, sizeof len);
    if (len > fields->len - 1 - sizeof len)
        return false;
    *out = (struct mapped_field){(enum mapped_tag) * fields->ptr, {fields->ptr + 1 + sizeof len, len}};
    fields->ptr += 1 + sizeof len + len;
    fields->len -= 1 + sizeof len + len;
    return true;
}

/** Adds a field whose value was put together in a buffer, which is emptied. */
static void append_field(struct applying *applying, enum mapped_tag tag, struct buffer *value)
{
    if (value->failed) /* never a cut value */
        applying->fields->failed = true;
    mapped_append(applying->fields, tag, buffer_slice(value));
    buffer_clear(value);
}

static void fail(struct applying *applying, const char *reason)
{
    struct buffer text = {0};
    if (applying->failed)
        return;
    applying->failed = true;
    if (applying->number > 0)
        buffer_appendf(&text, "mapping %zu: ", applying->number);
    buffer_append_text(&text, reason);
    append_field(applying, MAPPED_FAILED, &text);
}

/* Evaluating */

static void heard(void *ctx, const char *where, struct slice expression, jv result, struct slice problem)
{
    struct applying *applying = ctx;
    if (problem.len > 0 && applying->decrypted)
        problem = SLICE_LITERAL("failed (jq's message is withheld: the event has decrypted values)");
    if (problem.len > 0) {
        struct buffer text = {0};
        buffer_appendf(&text, "%s: jq: ", where);
        message_append_without_values(&text, problem);
        append_field(applying, MAPPED_WARNING, &text);
    }
    if (!applying->trace)
        return;
    jv json = jv_dump_string(jv_copy(result), 0);
    applying->trace->evaluated(applying->trace->ctx, where, expression, slice_of(jv_string_value(json)),
                               problem);
    jv_free(json);
}

static jv evaluate(struct applying *applying, const struct json_template *template, jv input,
                   const char *prefix, const char *name)
{
    char where[96];
    snprintf(where, sizeof where, "mapping %zu, %s%s", applying->number, prefix, name);
    return template_evaluate(template, input, where, heard, applying);
}

/** Appends `value` (taken over) as JSON; what cannot be written fails the run. */
static void append_json(struct applying *applying, struct buffer *out, jv value)
{
    int failed = json_text_append(out, value);
    if (failed == PA_ERR_MEMORY)
        applying->fields->failed = true;
    else if (failed)
        fail(applying, "a result is nested too deeply to be written as JSON");
}

static struct slice text_of(jv string)
{
    return (struct slice){jv_string_value(string), (size_t)jv_string_length_bytes(jv_copy(string))};
}

/** A text, number or boolean as text (taken over); false: it is none of them. */
static bool append_scalar(struct applying *applying, struct buffer *out, jv value)
{
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_STRING) {
        buffer_append_slice(out, text_of(value));
        jv_free(value);
        return true;
    }
    if (kind != JV_KIND_NUMBER && kind != JV_KIND_TRUE && kind != JV_KIND_FALSE) {
        jv_free(value);
        return false;
    }
    append_json(applying, out, value);
    return true;
}

/* Choosing and decrypting */

static bool wanted(struct applying *applying, jv event)
{
    if (!applying->mapping->enabled)
        return true;
    jv result = evaluate(applying, applying->mapping->enabled, event, "", "enabled");
    bool yes = jv_get_kind(result) == JV_KIND_TRUE;
    jv_free(result);
    return yes;
}

/** The path with indexes as numbers where the value is an array; invalid: it leads nowhere. */
static jv resolve_path(jv event, jv components)
{
    jv path = jv_array(), at = jv_copy(event);
    int count = jv_array_length(jv_copy(components));
    for (int i = 0; i < count; i++) {
        jv component = jv_array_get(jv_copy(components), i);
        if (jv_get_kind(at) == JV_KIND_ARRAY) {
            char *end = NULL;
            double index = (double)strtoul(jv_string_value(component), &end, 10);
            bool number = end != jv_string_value(component) && *end == '\0' && index < INT32_MAX;
            jv_free(component);
            component = number ? jv_number(index) : jv_invalid();
        }
        jv_kind kind = jv_get_kind(at);
        if (!jv_is_valid(component) || (kind != JV_KIND_ARRAY && kind != JV_KIND_OBJECT)) {
            jv_free(component);
            jv_free(at);
            jv_free(path);
            return jv_invalid();
        }
        at = jv_get(at, jv_copy(component));
        path = jv_array_append(path, component);
    }
    jv_free(at);
    return path;
}

static void decrypt_warning(struct applying *applying, jv components, const char *cause)
{
    struct buffer text = {0};
    if (applying->reporting)
        return;
    jv path = jv_dump_string(jv_copy(components), 0);
    buffer_appendf(&text, "mapping %zu, fieldsToDecryptPaths %s: not decrypted: %s", applying->number,
                   jv_string_value(path), cause);
    append_field(applying, MAPPED_WARNING, &text);
    jv_free(path);
}

/** The event with one field decrypted; as it was when that fails. */
static jv decrypt_one(struct applying *applying, jv event, jv components)
{
    struct buffer plain = {0};
    struct error err = {0};
    jv path = resolve_path(event, components);
    jv value = jv_is_valid(path) ? jv_getpath(jv_copy(event), jv_copy(path)) : jv_invalid();
    if (jv_get_kind(value) != JV_KIND_STRING) {
        /* A property that this event does not have is no problem. */
        if (jv_is_valid(value) && jv_get_kind(value) != JV_KIND_NULL)
            decrypt_warning(applying, components, "it is not a text");
    } else if (decrypt_field(applying->secret, text_of(value), &plain, &err) != 0) {
        decrypt_warning(applying, components, err.message);
    } else if (plain.failed) {
        applying->fields->failed = true;
    } else {
        applying->decrypted = true;
        mapped_append(applying->fields, MAPPED_SECRET, buffer_slice(&plain));
        event = jv_setpath(event, jv_copy(path), jv_string_sized(plain.ptr ? plain.ptr : "", (int)plain.len));
    }
    if (plain.ptr)
        explicit_bzero(plain.ptr, plain.len);
    buffer_clear(&plain);
    jv_free(value);
    jv_free(path);
    return event;
}

static jv decrypt_all(struct applying *applying, jv event)
{
    for (size_t i = 0; i < applying->mapping->path_count; i++)
        event = decrypt_one(applying, event, applying->mapping->paths[i]);
    return event;
}

/* The request */

static bool is_token(struct slice text)
{
    /* RFC 9110, section 5.6.2 */
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
            return false;
    }
    return text.len > 0;
}

static void map_text(struct applying *applying, enum mapping_field field, jv event)
{
    const struct json_template *template = applying->mapping->fields[field];
    bool method = field == FIELD_METHOD;
    if (!template || applying->failed)
        return;
    jv value = evaluate(applying, template, event, "", mapping_field_names[field]);
    struct slice text = jv_get_kind(value) == JV_KIND_STRING ? text_of(value) : (struct slice){NULL, 0};
    char reason[96];
    if (slice_is_null(text)) {
        snprintf(reason, sizeof reason, "the %s is %s; it must be a text", mapping_field_names[field],
                 jv_kind_name(jv_get_kind(value)));
        fail(applying, reason);
    } else if (method && (!is_token(text) || text.len > METHOD_MAX)) {
        fail(applying, "the method is not an HTTP method");
    } else {
        mapped_append(applying->fields, method ? MAPPED_METHOD : MAPPED_URL, text);
    }
    jv_free(value);
}

/** Why a header may not be sent; NULL: it may. */
static const char *header_problem(struct slice name, struct slice value)
{
    static const char *const ours[] = {"Host", "Content-Length", "Transfer-Encoding", "Connection"};
    if (!is_token(name))
        return "a header's name has a character that names cannot have";
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (slice_equal_text_ignore_case(name, ours[i]))
            return "Host, Content-Length, Transfer-Encoding and Connection are not a mapping's to set";
    for (size_t i = 0; i < value.len; i++)
        if (((unsigned char)value.ptr[i] < 0x20 && value.ptr[i] != '\t') || value.ptr[i] == 0x7f)
            return "a header's value holds a line break or another control character";
    return NULL;
}

static void map_header(struct applying *applying, jv name, jv value)
{
    struct buffer text = {0};
    if (jv_get_kind(value) == JV_KIND_NULL) {
        jv_free(value);
    } else if (!append_scalar(applying, &text, value)) {
        fail(applying, "a header is a list or an object; it must be a text, number or boolean");
    } else {
        const char *problem = header_problem(text_of(name), buffer_slice(&text));
        if (problem) {
            fail(applying, problem);
        } else {
            mapped_append(applying->fields, MAPPED_HEADER_NAME, text_of(name));
            append_field(applying, MAPPED_HEADER_VALUE, &text);
        }
    }
    buffer_clear(&text);
    jv_free(name);
}

static void append_encoded(struct buffer *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != 0 && strchr("-._~", c));
        if (plain) {
            buffer_append_char(out, (char)c);
        } else {
            buffer_append_char(out, '%');
            buffer_append_char(out, digits[c >> 4]);
            buffer_append_char(out, digits[c & 15]);
        }
    }
}

static void append_parameter(struct applying *applying, struct buffer *query, jv name, jv value)
{
    struct buffer text = {0};
    if (jv_get_kind(value) == JV_KIND_NULL) {
        jv_free(value);
    } else if (!append_scalar(applying, &text, value)) {
        fail(applying,
             "a query parameter is an object or a list in a list; it must be a text, number or boolean");
    } else {
        if (query->len > 0)
            buffer_append_char(query, '&');
        append_encoded(query, text_of(name));
        buffer_append_char(query, '=');
        append_encoded(query, buffer_slice(&text));
    }
    buffer_clear(&text);
}

static void map_parameter(struct applying *applying, struct buffer *query, jv name, jv value)
{
    if (jv_get_kind(value) == JV_KIND_ARRAY) {
        int count = jv_array_length(jv_copy(value));
        for (int i = 0; i < count; i++)
            append_parameter(applying, query, name, jv_array_get(jv_copy(value), i));
        jv_free(value);
    } else {
        append_parameter(applying, query, name, value);
    }
    jv_free(name);
}

/** Headers or query: an object, whose members each go their way; null: none. */
static void map_object(struct applying *applying, enum mapping_field field, jv event)
{
    const struct json_template *template = applying->mapping->fields[field];
    bool headers = field == FIELD_HEADERS;
    if (!template || applying->failed)
        return;
    jv object = evaluate(applying, template, event, "", mapping_field_names[field]);
    if (jv_get_kind(object) == JV_KIND_OBJECT) {
        struct buffer query = {0}, json = {0};
        for (int at = jv_object_iter(object); jv_object_iter_valid(object, at);
             at = jv_object_iter_next(object, at)) {
            jv name = jv_object_iter_key(object, at), value = jv_object_iter_value(object, at);
            if (headers)
                map_header(applying, name, value);
            else
                map_parameter(applying, &query, name, value);
        }
        if (query.len > 0 || query.failed)
            append_field(applying, MAPPED_QUERY, &query);
        if (applying->mapping->reports) {
            append_json(applying, &json, jv_copy(object));
            append_field(applying, headers ? MAPPED_HEADERS_JSON : MAPPED_QUERY_JSON, &json);
        }
    } else if (jv_get_kind(object) != JV_KIND_NULL) {
        fail(applying, headers ? "the headers are not an object" : "the query is not an object");
    }
    jv_free(object);
}

/** Nobody asked for another body: the event's own bytes will do, unless something in it was decrypted. */
static bool body_is_event(const struct mapping *mapping)
{
    struct slice expression;
    return !mapping->fields[FIELD_BODY] ||
           (template_is_expression(mapping->fields[FIELD_BODY], &expression) &&
            slice_equal_text(slice_trim(expression), "."));
}

static void map_body(struct applying *applying, jv event)
{
    bool whole = body_is_event(applying->mapping);
    if (applying->failed || (whole && !applying->decrypted))
        return;
    jv body = whole ? jv_copy(event)
                    : evaluate(applying, applying->mapping->fields[FIELD_BODY], event, "",
                               mapping_field_names[FIELD_BODY]);
    if (jv_get_kind(body) == JV_KIND_NULL) {
        jv_free(body);
        mapped_append(applying->fields, MAPPED_NO_BODY, (struct slice){"", 0});
        return;
    }
    struct buffer json = {0};
    append_json(applying, &json, body);
    append_field(applying, MAPPED_BODY, &json);
}

static void apply_mapping(struct applying *applying, jv event)
{
    char number[INDEX_SIZE];
    snprintf(number, sizeof number, "%zu", applying->number);
    mapped_append(applying->fields, MAPPED_INDEX, slice_of(number));
    if (applying->mapping->reports)
        mapped_append(applying->fields, MAPPED_REPORTS, (struct slice){"", 0});
    jv plain = decrypt_all(applying, jv_copy(event));
    map_text(applying, FIELD_URL, plain);
    map_text(applying, FIELD_METHOD, plain);
    map_object(applying, FIELD_HEADERS, plain);
    map_object(applying, FIELD_QUERY, plain);
    map_body(applying, plain);
    jv_free(plain);
}

/** JSON to a value; invalid, with the failure said. */
static jv parse(struct applying *applying, struct slice json)
{
    jv value = json_text_parse(json);
    if (!jv_is_valid(value))
        fail(applying, "jq cannot read the event: it is too large or nested too deeply");
    return value;
}

void mappings_request(const struct mappings *mappings, struct slice event, struct slice secret,
                      const struct mapping_trace *trace, struct buffer *fields)
{
    struct applying applying = {.secret = secret, .trace = trace, .fields = fields};
    jv value = parse(&applying, event);
    bool found = !jv_is_valid(value);
    for (size_t i = 0; i < mappings->count && !found; i++) {
        applying.mapping = &mappings->list[i];
        applying.number = i + 1;
        found = wanted(&applying, value);
        if (found)
            apply_mapping(&applying, value);
    }
    if (!found)
        mapped_append(fields, MAPPED_NONE, (struct slice){"", 0});
    jv_free(value);
}

/* The report */

static void report_field(struct applying *applying, enum report_field field, jv value)
{
    static const enum mapped_tag tags[REPORT_FIELDS] = {
        [REPORT_STATUS] = REPORTED_STATUS,
        [REPORT_LINK] = REPORTED_LINK_JSON,
        [REPORT_SUMMARY] = REPORTED_SUMMARY,
        [REPORT_EXTERNAL_ID] = REPORTED_EXTERNAL_ID,
    };
    struct buffer text = {0};
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_NULL) {
        jv_free(value);
        return;
    }
    if (field == REPORT_LINK || kind == JV_KIND_ARRAY || kind == JV_KIND_OBJECT)
        append_json(applying, &text, value);
    else
        append_scalar(applying, &text, value);
    append_field(applying, tags[field], &text);
}

void mappings_report(const struct mappings *mappings, size_t index, struct slice context, struct slice secret,
                     const struct mapping_trace *trace, struct buffer *fields)
{
    struct applying applying = {
        .secret = secret, .trace = trace, .fields = fields, .number = index, .reporting = true};
    if (index < 1 || index > mappings->count) {
        fail(&applying, "there is no such mapping");
        return;
    }
    applying.mapping = &mappings->list[index - 1];
    jv value = parse(&applying, context);
    if (jv_is_valid(value) && jv_get_kind(value) != JV_KIND_OBJECT)
        fail(&applying, "the report's context is not an object");
    if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv body = decrypt_all(&applying, jv_object_get(jv_copy(value), jv_string("body")));
        value = jv_object_set(value, jv_string("body"), body);
        for (size_t i = 0; i < REPORT_FIELDS; i++)
            if (applying.mapping->report[i])
                report_field(&applying, (enum report_field)i,
                             evaluate(&applying, applying.mapping->report[i], value, "report.",
                                      report_field_names[i]));
    }
    jv_free(value);
}
