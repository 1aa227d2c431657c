/* An event to the fields of a request; an answer to the fields of a report. */
#include "base/secrets.h"
#include "event/event.h"
#include "map/applying.h"
#include "map/json_text.h"
#include "map/message.h"
#include "map/pace.h"
#include "map/splice.h"
#include "json/canonical.h"
#include <stdlib.h>
#include <string.h>

enum { METHOD_MAX = 32, INDEX_SIZE = 24, WHERE_SIZE = 96 };

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
void applying_append(struct applying *applying, enum mapped_tag tag, struct buffer *value)
{
    if (value->failed) /* never a cut value */
        applying->fields->failed = true;
    mapped_append(applying->fields, tag, buffer_slice(value));
    buffer_clear(value);
}

void applying_fail(struct applying *applying, const char *reason)
{
    struct buffer text = {0};
    if (applying->failed)
        return;
    applying->failed = true;
    if (applying->number > 0)
        buffer_appendf(&text, "mapping %zu: ", applying->number);
    buffer_append_text(&text, reason);
    applying_append(applying, MAPPED_FAILED, &text);
}

void applying_warn(struct applying *applying, const char *prefix, struct slice name, const char *cause)
{
    struct buffer text = {0};
    buffer_appendf(&text, "mapping %zu, %s", applying->number, prefix);
    message_append_line(&text, name);
    buffer_appendf(&text, ": %s", cause);
    applying_append(applying, MAPPED_WARNING, &text);
}

/* Evaluating */

static void warn_of_digits(struct applying *applying, const char *where, jv result)
{
    struct buffer text = {0};
    if (!long_numbers_cut(&applying->long_numbers, result))
        return;
    buffer_appendf(&text, "%s: a number has lost its last digits: jq keeps 17 of them, at most", where);
    applying_append(applying, MAPPED_WARNING, &text);
}

static void trace(const struct applying *applying, const char *where, struct slice expression, jv result,
                  struct slice problem)
{
    struct buffer json = {0};
    if (json_text_append(&json, jv_copy(result)) == PA_ERR_INVALID)
        buffer_append_json_string(&json, SLICE_LITERAL("(nested too deeply to be shown)"));
    applying->trace->evaluated(applying->trace->ctx, where, expression, buffer_slice(&json), problem);
    applying->fields->failed |= json.failed;
    buffer_clear(&json);
}

/** A text, and those in it, that came from the environment (borrowed); "Bearer abc" may be shown without its
 * scheme. */
static void hide(struct applying *applying, jv value)
{
    if (jv_get_kind(value) == JV_KIND_STRING) {
        struct slice text = applying_text(value);
        const char *blank = text.len > 0 ? memchr(text.ptr, ' ', text.len) : NULL;
        struct slice rest = {blank, blank ? text.len - (size_t)(blank - text.ptr) : 0};
        if (text.len >= SECRET_MIN)
            mapped_append(applying->fields, MAPPED_SECRET, text);
        if (blank && slice_trim(rest).len >= SECRET_MIN)
            mapped_append(applying->fields, MAPPED_SECRET, slice_trim(rest));
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, name, member)
        {
            jv_free(name);
            hide(applying, member);
            jv_free(member);
        }
    }
}

/** Does the last name of a path say so ("mapping 1, body.token")? */
static bool names_secret(const char *where)
{
    const char *dot = strrchr(where, '.');
    return dot && secret_name(slice_of(dot + 1));
}

static void heard(void *ctx, const char *where, struct slice expression, jv result, struct slice problem)
{
    struct applying *applying = ctx;
    if (problem.len > 0 && applying->decrypted)
        problem = SLICE_LITERAL("failed (jq's message is withheld: the event has decrypted values)");
    if (problem.len > 0) {
        struct buffer text = {0};
        buffer_appendf(&text, "%s: jq: ", where);
        message_append_without_values(&text, problem);
        applying_append(applying, MAPPED_WARNING, &text);
    }
    warn_of_digits(applying, where, result);
    if ((applying->in_headers || names_secret(where)) && expression_reads_environment(expression))
        hide(applying, result);
    if (applying->trace)
        trace(applying, where, expression, result, problem);
}

jv applying_evaluate(struct applying *applying, const struct json_template *template, jv input,
                     const char *prefix, const char *name)
{
    char where[WHERE_SIZE];
    snprintf(where, sizeof where, "mapping %zu, %s%s", applying->number, prefix, name);
    return template_evaluate(template, input, where, heard, applying);
}

/** Appends `value` (taken over) as JSON; what cannot be written fails the run. */
void applying_append_json(struct applying *applying, struct buffer *out, jv value)
{
    int failed = json_text_append(out, value);
    if (failed == PA_ERR_MEMORY)
        applying->fields->failed = true;
    else if (failed)
        applying_fail(applying, "a result is nested too deeply to be written as JSON");
}

struct slice applying_text(jv string)
{
    return (struct slice){jv_string_value(string), (size_t)jv_string_length_bytes(jv_copy(string))};
}

/** A text, number or boolean as text (taken over); false: it is none of them. */
bool applying_append_scalar(struct applying *applying, struct buffer *out, jv value)
{
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_STRING) {
        buffer_append_slice(out, applying_text(value));
        jv_free(value);
        return true;
    }
    if (kind != JV_KIND_NUMBER && kind != JV_KIND_TRUE && kind != JV_KIND_FALSE) {
        jv_free(value);
        return false;
    }
    applying_append_json(applying, out, value);
    return true;
}

/* Choosing and decrypting */

/** Events of the two topics cannot be taken for each other by the time they come here (event.h,
 * `other_topics`), so what is in an event says which it is. */
static enum event_kind kind_of(jv event)
{
    bool change_log = jv_get_kind(event) == JV_KIND_OBJECT &&
                      jv_object_has(jv_copy(event), jv_string("changelogDestination"));
    return change_log ? EVENT_CHANGE_LOG : EVENT_RUN;
}

static bool wanted(struct applying *applying, jv event)
{
    if (applying->mapping->not_for[applying->kind])
        return false;
    if (!applying->mapping->enabled)
        return true;
    jv result = applying_evaluate(applying, applying->mapping->enabled, event, "", "enabled");
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
    applying_append(applying, MAPPED_WARNING, &text);
    jv_free(path);
}

/** Nobody asked for another body: the event's own bytes will do, with what was decrypted in its place. */
static bool body_is_event(const struct mapping *mapping)
{
    struct slice expression;
    return !mapping->fields[FIELD_BODY] ||
           (template_is_expression(mapping->fields[FIELD_BODY], &expression) &&
            slice_equal_text(slice_trim(expression), "."));
}

/** Puts what was decrypted into the event's own bytes. */
static void decrypt_in_place(struct applying *applying, jv path, struct slice plain)
{
    struct buffer *event = &applying->decrypted_event;
    if (applying->reporting || !body_is_event(applying->mapping))
        return;
    if (event->len == 0)
        buffer_append_slice(event, applying->event);
    if (!event->failed && !splice_text(event, path, plain))
        applying_fail(applying, "a field that was decrypted is not found in the event's text");
}

/** With the secret, or one of those before it; `err` is what the first says. */
static int decrypt_with_any(const struct applying *applying, struct slice text, struct buffer *plain,
                            struct error *err)
{
    int failed = decrypt_field(applying->secret, text, plain, err);
    for (size_t i = 0; i < MAPPINGS_PREVIOUS_SECRETS && failed == PA_ERR_INVALID; i++) {
        struct slice previous = applying->previous_secrets[i];
        plain->len = 0;
        if (previous.len > 0)
            failed = decrypt_field(previous, text, plain, NULL);
    }
    return failed;
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
    } else if (decrypt_with_any(applying, applying_text(value), &plain, &err) != 0) {
        decrypt_warning(applying, components, err.message);
    } else if (plain.failed) {
        applying->fields->failed = true;
    } else {
        applying->decrypted = true;
        mapped_append(applying->fields, MAPPED_SECRET, buffer_slice(&plain));
        decrypt_in_place(applying, path, buffer_slice(&plain));
        event = jv_setpath(event, jv_copy(path), jv_string_sized(plain.ptr ? plain.ptr : "", (int)plain.len));
    }
    if (plain.ptr)
        explicit_bzero(plain.ptr, plain.len);
    buffer_clear(&plain);
    jv_free(value);
    jv_free(path);
    return event;
}

/** Nothing of an event that nobody signed is decrypted: whoever wrote it would learn what it holds. */
static jv decrypt_all(struct applying *applying, jv event)
{
    for (size_t i = 0; i < applying->mapping->path_count && kind_of(event) == EVENT_RUN; i++)
        event = decrypt_one(applying, event, applying->mapping->paths[i]);
    return event;
}

/* The request */

bool applying_is_token(struct slice text)
{
    /* RFC 9110, section 5.6.2 */
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = char_is_letter(c) || char_is_digit(c);
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
    jv value = applying_evaluate(applying, template, event, "", mapping_field_names[field]);
    struct slice text = jv_get_kind(value) == JV_KIND_STRING ? applying_text(value) : (struct slice){NULL, 0};
    char reason[96];
    if (slice_is_null(text)) {
        snprintf(reason, sizeof reason, "the %s is %s; it must be a text", mapping_field_names[field],
                 jv_kind_name(jv_get_kind(value)));
        applying_fail(applying, reason);
    } else if (method && (!applying_is_token(text) || text.len > METHOD_MAX)) {
        applying_fail(applying, "the method is not an HTTP method");
    } else {
        mapped_append(applying->fields, method ? MAPPED_METHOD : MAPPED_URL, text);
    }
    jv_free(value);
}

/** The member at the end of a path of names; invalid where there is none (`object` is borrowed). */
static jv member_at(jv object, const char *const *names, size_t count)
{
    jv at = jv_copy(object);
    for (size_t i = 0; i < count; i++) {
        if (jv_get_kind(at) != JV_KIND_OBJECT) {
            jv_free(at);
            return jv_invalid();
        }
        at = jv_object_get(at, jv_string(names[i]));
    }
    return at;
}

/** Are the members at the path the same in both, or in neither? */
static bool is_same_at(jv left, jv right, const char *const *names, size_t count)
{
    jv one = member_at(left, names, count), other = member_at(right, names, count);
    if (jv_is_valid(one) && jv_is_valid(other))
        return jv_equal(one, other) != 0;
    bool same = !jv_is_valid(one) && !jv_is_valid(other);
    jv_free(one);
    jv_free(other);
    return same;
}

/** True in the way of Python (taken over): json_is_truthy's rule. */
static bool is_truthy(jv value)
{
    struct buffer json = {0};
    bool truthy = jv_is_valid(value) && json_text_append(&json, jv_copy(value)) == 0 &&
                  json_is_truthy(buffer_slice(&json));
    buffer_clear(&json);
    jv_free(value);
    return truthy;
}

/** The agent signs what it sends, so a body in the shape of a run would be one, with a valid signature, for
 * whoever puts it on the runs topic. It may only be the run that the event is. */
static bool is_another_run(const struct applying *applying, jv event, jv body)
{
    static const char *const method[] = {"payload", "action", "invocationMethod"};
    static const char *const agent[] = {"payload", "action", "invocationMethod", "agent"};
    static const char *const run[] = {"context", "runId"};
    if (!is_truthy(member_at(body, agent, 4)))
        return false;
    return applying->kind == EVENT_CHANGE_LOG || !is_same_at(event, body, method, 3) ||
           !is_same_at(event, body, run, 2);
}

static void map_body(struct applying *applying, jv event)
{
    bool whole = body_is_event(applying->mapping);
    if (applying->failed || (whole && !applying->decrypted))
        return;
    if (whole) {
        applying_append(applying, MAPPED_BODY, &applying->decrypted_event);
        return;
    }
    jv body = applying_evaluate(applying, applying->mapping->fields[FIELD_BODY], event, "",
                                mapping_field_names[FIELD_BODY]);
    if (jv_get_kind(body) == JV_KIND_NULL) {
        jv_free(body);
        mapped_append(applying->fields, MAPPED_NO_BODY, (struct slice){"", 0});
        return;
    }
    if (is_another_run(applying, event, body)) {
        applying_fail(applying, "the body would pass as a run for an agent, and it is not the event's own");
        jv_free(body);
        return;
    }
    struct buffer json = {0};
    applying_append_json(applying, &json, body);
    applying_append(applying, MAPPED_BODY, &json);
}

static const enum mapped_tag report_tags[REPORT_FIELDS] = {
    [REPORT_STATUS] = REPORTED_STATUS,
    [REPORT_LINK] = REPORTED_LINK_JSON,
    [REPORT_SUMMARY] = REPORTED_SUMMARY,
    [REPORT_EXTERNAL_ID] = REPORTED_EXTERNAL_ID,
};

/** Tells which fields its report has. */
static void append_reports(struct applying *applying)
{
    char tags[REPORT_FIELDS];
    size_t count = 0;
    for (size_t i = 0; i < REPORT_FIELDS; i++)
        if (applying->mapping->report[i])
            tags[count++] = (char)report_tags[i];
    if (count > 0)
        mapped_append(applying->fields, MAPPED_REPORTS, (struct slice){tags, count});
}

static void apply_mapping(struct applying *applying, jv event)
{
    char number[INDEX_SIZE];
    snprintf(number, sizeof number, "%zu", applying->number);
    mapped_append(applying->fields, MAPPED_INDEX, slice_of(number));
    append_reports(applying);
    jv plain = decrypt_all(applying, jv_copy(event));
    map_text(applying, FIELD_URL, plain);
    map_text(applying, FIELD_METHOD, plain);
    applying_map_object(applying, FIELD_HEADERS, plain);
    applying_map_object(applying, FIELD_QUERY, plain);
    map_body(applying, plain);
    buffer_wipe(&applying->decrypted_event);
    jv_free(plain);
}

/** JSON to a value; invalid, with the failure said. */
static jv parse_json(struct applying *applying, struct slice json)
{
    jv value = json_text_parse(json, &applying->long_numbers);
    if (!jv_is_valid(value))
        applying_fail(applying, "jq cannot read the event: it is too large or nested too deeply");
    return value;
}

void mappings_request(const struct mappings *mappings, struct slice event, struct slice secret,
                      const struct mapping_trace *trace, struct buffer *fields)
{
    struct applying applying = {.event = event,
                                .secret = secret,
                                .previous_secrets = mappings->previous_secrets,
                                .trace = trace,
                                .fields = fields};
    jv value = parse_json(&applying, event);
    bool found = !jv_is_valid(value);
    applying.kind = kind_of(value);
    for (size_t i = 0; i < mappings->count && !found; i++) {
        applying.mapping = &mappings->list[i];
        applying.number = i + 1;
        if (!pacing_begin(mappings->pacing, i + 1, PACE_ENABLED))
            break;
        found = wanted(&applying, value);
        pacing_end(mappings->pacing);
        if (!found)
            continue;
        if (!pacing_begin(mappings->pacing, i + 1, PACE_REQUEST))
            break;
        apply_mapping(&applying, value);
        pacing_end(mappings->pacing);
    }
    if (!found)
        mapped_append(fields, MAPPED_NONE, (struct slice){"", 0});
    jv_free(value);
}

/* The report */

static void report_field(struct applying *applying, enum report_field field, jv value)
{
    struct buffer text = {0};
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_NULL) {
        jv_free(value);
        return;
    }
    if (field == REPORT_LINK || kind == JV_KIND_ARRAY || kind == JV_KIND_OBJECT)
        applying_append_json(applying, &text, value);
    else
        PA_IGNORE(applying_append_scalar(applying, &text, value)); /* anything else is above */
    applying_append(applying, report_tags[field], &text);
}

void mappings_report(const struct mappings *mappings, size_t index, struct slice context, struct slice secret,
                     const struct mapping_trace *trace, struct buffer *fields)
{
    struct applying applying = {.secret = secret,
                                .previous_secrets = mappings->previous_secrets,
                                .trace = trace,
                                .fields = fields,
                                .number = index,
                                .reporting = true};
    if (index < 1 || index > mappings->count) {
        applying_fail(&applying, "there is no such mapping");
        return;
    }
    applying.mapping = &mappings->list[index - 1];
    jv value = parse_json(&applying, context);
    if (jv_is_valid(value) && jv_get_kind(value) != JV_KIND_OBJECT)
        applying_fail(&applying, "the report's context is not an object");
    if (jv_get_kind(value) == JV_KIND_OBJECT && pacing_begin(mappings->pacing, index, PACE_REPORT)) {
        jv body = decrypt_all(&applying, jv_object_get(jv_copy(value), jv_string("body")));
        value = jv_object_set(value, jv_string("body"), body);
        for (size_t i = 0; i < REPORT_FIELDS; i++)
            if (applying.mapping->report[i])
                report_field(&applying, (enum report_field)i,
                             applying_evaluate(&applying, applying.mapping->report[i], value, "report.",
                                               report_field_names[i]));
        pacing_end(mappings->pacing);
    }
    jv_free(value);
}
