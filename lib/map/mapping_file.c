/* The file to compiled mappings: every problem told, in one line that names the mapping and the field. */
#include "event/event.h"
#include "map/column.h"
#include "map/internal.h"
#include "map/json_text.h"
#include "map/message.h"
#include "json/canonical.h"
#include <stdlib.h>
#include <string.h>

const char *const mapping_field_names[FIELDS] = {"url", "method", "headers", "query", "body"};
const char *const report_field_names[REPORT_FIELDS] = {"status", "link", "summary", "externalRunId"};

struct reading {
    struct mappings *mappings;
    /** The one being read. */
    struct mapping *mapping;
    /** From 1. */
    size_t number;
    struct buffer *problems, *warnings;
};

static jv member(jv object, const char *name)
{
    return jv_object_get(jv_copy(object), jv_string(name));
}

/** False: the member is absent or null, and freed. */
static bool is_given(jv value)
{
    jv_kind kind = jv_get_kind(value);
    if (kind != JV_KIND_INVALID && kind != JV_KIND_NULL)
        return true;
    jv_free(value);
    return false;
}

static void where(const struct reading *reading, const char *prefix, const char *name, char out[96])
{
    snprintf(out, 96, "mapping %zu, %s%s", reading->number, prefix, name);
}

static void wrong_type(struct reading *reading, const char *label, jv value, const char *accepted)
{
    buffer_appendf(reading->problems, "%s: is %s; write %s\n", label, jv_kind_name(jv_get_kind(value)),
                   accepted);
    jv_free(value);
}

/** Reads an expression or, where `structured`, JSON of them. */
static struct json_template *read_template(struct reading *reading, const char *label, jv value,
                                           bool structured, const char *accepted)
{
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_STRING || (structured && kind == JV_KIND_OBJECT))
        return template_compile(reading->mappings->expressions, value, label, reading->problems);
    wrong_type(reading, label, value, accepted);
    return NULL;
}

/** A boolean, also in the words that settings accept; any other value stays as it is. */
static jv boolean_of(jv value)
{
    static const char *const words[2][6] = {{"false", "0", "no", "off", "f", "n"},
                                            {"true", "1", "yes", "on", "t", "y"}};
    jv_kind kind = jv_get_kind(value);
    if (kind == JV_KIND_NUMBER && (jv_number_value(value) == 0 || jv_number_value(value) == 1))
        return jv_bool(jv_number_value(value) == 1);
    if (kind != JV_KIND_STRING)
        return value;
    struct slice text = slice_trim(slice_of(jv_string_value(value)));
    for (int yes = 0; yes < 2; yes++) {
        for (size_t i = 0; i < sizeof words[0] / sizeof *words[0]; i++) {
            if (slice_equal_text_ignore_case(text, words[yes][i])) {
                jv_free(value);
                return jv_bool(yes);
            }
        }
    }
    return value;
}

static void read_enabled(struct reading *reading, jv object)
{
    char label[96];
    jv value = boolean_of(member(object, "enabled"));
    jv_kind kind = jv_get_kind(value);
    where(reading, "", "enabled", label);
    if (kind == JV_KIND_INVALID || kind == JV_KIND_TRUE)
        jv_free(value);
    else if (kind == JV_KIND_FALSE)
        reading->mapping->enabled =
            template_compile(reading->mappings->expressions, value, label, reading->problems);
    else
        reading->mapping->enabled =
            read_template(reading, label, value, false, "true, false or a jq expression in quotes");
}

/** Anything may be a body: texts are expressions and the rest stands for itself, null too: no body. */
static void read_body(struct reading *reading, jv object)
{
    char label[96];
    jv value = member(object, "body");
    where(reading, "", "body", label);
    if (jv_is_valid(value))
        reading->mapping->fields[FIELD_BODY] =
            template_compile(reading->mappings->expressions, value, label, reading->problems);
    else
        jv_free(value);
}

/** A parameter's name that stands for itself; any other is a jq expression. */
static bool is_plain_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c >= 0x80 || c == '_' || c == '-' || (c == '.' && i > 0);
        if (!plain)
            return false;
    }
    return name.len > 0;
}

/** ["x", ".a"] to ["\"x\"", ".a"]: expressions, both of them. Invalid: it is no pair. */
static jv pair_of_expressions(jv pair)
{
    if (jv_get_kind(pair) != JV_KIND_ARRAY || jv_array_length(jv_copy(pair)) != 2) {
        jv_free(pair);
        return jv_invalid();
    }
    jv name = jv_array_get(jv_copy(pair), 0);
    bool plain = jv_get_kind(name) == JV_KIND_STRING && is_plain_name(slice_of(jv_string_value(name)));
    if (plain)
        return jv_array_set(pair, 0, jv_dump_string(name, 0));
    jv_free(name);
    return pair;
}

/** A list of pairs, of which the texts are expressions. NULL: the problem is told. */
static struct json_template *read_pairs(struct reading *reading, const char *label, jv list)
{
    jv pairs = jv_array();
    int count = jv_array_length(jv_copy(list));
    bool wrong = false;
    for (int i = 0; i < count && !wrong; i++) {
        jv pair = pair_of_expressions(jv_array_get(jv_copy(list), i));
        wrong = !jv_is_valid(pair);
        if (wrong)
            jv_free(pair);
        else
            pairs = jv_array_append(pairs, pair);
    }
    if (wrong) {
        jv_free(pairs);
        wrong_type(reading, label, list, "each of its elements as a pair: [\"name\", \"jq expression\"]");
        return NULL;
    }
    jv_free(list);
    return template_compile(reading->mappings->expressions, pairs, label, reading->problems);
}

/** A field other than the body; null is the same as its absence. */
static void read_field(struct reading *reading, jv object, enum mapping_field field)
{
    char label[96];
    bool structured = field == FIELD_HEADERS || field == FIELD_QUERY;
    jv value = member(object, mapping_field_names[field]);
    where(reading, "", mapping_field_names[field], label);
    if (!is_given(value))
        return;
    if (field == FIELD_QUERY && jv_get_kind(value) == JV_KIND_ARRAY)
        reading->mapping->fields[field] = read_pairs(reading, label, value);
    else
        reading->mapping->fields[field] = read_template(
            reading, label, value, structured,
            structured ? "a jq expression in quotes or an object of them" : "a jq expression in quotes");
}

static void warn_of_unknown(struct reading *reading, jv object, const char *prefix, const char *const *known,
                            size_t count)
{
    for (int at = jv_object_iter(object); jv_object_iter_valid(object, at);
         at = jv_object_iter_next(object, at)) {
        jv key = jv_object_iter_key(object, at);
        bool found = false;
        for (size_t i = 0; i < count; i++)
            found |= strcmp(known[i], jv_string_value(key)) == 0;
        if (!found) {
            buffer_appendf(reading->warnings, "mapping %zu, %s", reading->number, prefix);
            message_append_line(reading->warnings, slice_of(jv_string_value(key)));
            buffer_append_text(reading->warnings, ": no such field; it is ignored\n");
        }
        jv_free(key);
    }
}

static void read_report(struct reading *reading, jv object)
{
    char label[96];
    jv report = member(object, "report");
    if (!is_given(report))
        return;
    where(reading, "", "report", label);
    if (jv_get_kind(report) != JV_KIND_OBJECT) {
        wrong_type(reading, label, report, "an object of jq expressions");
        return;
    }
    for (size_t i = 0; i < REPORT_FIELDS; i++) {
        jv value = member(report, report_field_names[i]);
        if (!is_given(value))
            continue;
        where(reading, "report.", report_field_names[i], label);
        reading->mapping->report[i] =
            read_template(reading, label, value, false, "a jq expression in quotes");
        reading->mapping->reports = true;
    }
    warn_of_unknown(reading, report, "report.", report_field_names, REPORT_FIELDS);
    jv_free(report);
}

/** "a.0.b", perhaps with a leading dot, to ["a","0","b"]. */
static jv path_components(jv text)
{
    const char *start = jv_string_value(text);
    jv components = jv_string_split(jv_string(*start == '.' ? start + 1 : start), jv_string("."));
    jv_free(text);
    return components;
}

static void read_paths(struct reading *reading, jv object)
{
    char label[96];
    jv paths = member(object, "fieldsToDecryptPaths");
    if (!is_given(paths))
        return;
    where(reading, "", "fieldsToDecryptPaths", label);
    if (jv_get_kind(paths) != JV_KIND_ARRAY) {
        wrong_type(reading, label, paths, "a list of dot paths");
        return;
    }
    size_t count = (size_t)jv_array_length(jv_copy(paths));
    reading->mapping->paths = calloc(count + 1, sizeof(jv));
    for (size_t i = 0; reading->mapping->paths && i < count; i++) {
        jv path = jv_array_get(jv_copy(paths), (int)i);
        if (jv_get_kind(path) == JV_KIND_STRING)
            reading->mapping->paths[reading->mapping->path_count++] = path_components(path);
        else
            wrong_type(reading, label, path, "a list of dot paths, each in quotes");
    }
    jv_free(paths);
}

/** Which events it is for: ["run"], ["change-log"], or both. */
static void read_events(struct reading *reading, jv object)
{
    static const char accepted[] = "a list of \"run\" and \"change-log\", or of one of them";
    static const char *const names[] = {[EVENT_RUN] = "run", [EVENT_CHANGE_LOG] = "change-log"};
    struct mapping *mapping = reading->mapping;
    char label[96];
    jv events = member(object, "events");
    if (!is_given(events))
        return;
    where(reading, "", "events", label);
    if (jv_get_kind(events) != JV_KIND_ARRAY || jv_array_length(jv_copy(events)) == 0) {
        wrong_type(reading, label, events, accepted);
        return;
    }
    mapping->events_given = mapping->not_for[EVENT_RUN] = mapping->not_for[EVENT_CHANGE_LOG] = true;
    jv_array_foreach(events, i, name)
    {
        bool known = false;
        for (size_t kind = 0; kind < 2 && jv_get_kind(name) == JV_KIND_STRING; kind++)
            if (strcmp(jv_string_value(name), names[kind]) == 0) {
                mapping->not_for[kind] = false;
                known = true;
            }
        if (known)
            jv_free(name);
        else
            wrong_type(reading, label, name, accepted);
    }
    jv_free(events);
}

static bool is_variable_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool expression_reads_environment(struct slice expression)
{
    for (size_t i = 0; i + 3 <= expression.len; i++) {
        const char *at = expression.ptr + i;
        bool ends = i + 3 == expression.len || !is_variable_char(at[3]);
        if (!ends || (i > 0 && is_variable_char(at[-1])))
            continue;
        if (memcmp(at, "ENV", 3) == 0 && i > 0 && at[-1] == '$')
            return true;
        bool others = i > 0 && (strchr(".$@", at[-1]) || (i > 1 && memcmp(at - 2, "::", 2) == 0));
        if (memcmp(at, "env", 3) == 0 && !others)
            return true;
    }
    return false;
}

/** Could it, whatever its words are? A module that is imported could as well. */
static bool mentions_environment(struct slice expression)
{
    static const char *const words[] = {"env", "ENV", "import", "include"};
    bool any = false;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        any |= memmem(expression.ptr, expression.len, words[i], strlen(words[i])) != NULL;
    return any;
}

/** Whether any text in it does, members' names left aside (taken over). */
static bool any_text(jv value, bool (*does)(struct slice text))
{
    bool any = false;
    if (jv_get_kind(value) == JV_KIND_STRING) {
        any = does((struct slice){jv_string_value(value), (size_t)jv_string_length_bytes(jv_copy(value))});
    } else if (jv_get_kind(value) == JV_KIND_ARRAY) {
        jv_array_foreach(value, i, element) any |= any_text(element, does);
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        jv_object_foreach(value, name, element)
        {
            jv_free(name);
            any |= any_text(element, does);
        }
    }
    jv_free(value);
    return any;
}

static void read_mapping(struct reading *reading, jv object)
{
    static const char *const known[] = {
        "enabled", "url", "method", "headers", "query", "body", "report", "fieldsToDecryptPaths", "events"};
    if (jv_get_kind(object) != JV_KIND_OBJECT) {
        buffer_appendf(reading->problems, "mapping %zu: is %s; write an object\n", reading->number,
                       jv_kind_name(jv_get_kind(object)));
        jv_free(object);
        return;
    }
    read_enabled(reading, object);
    for (size_t i = 0; i < FIELD_BODY; i++)
        read_field(reading, object, (enum mapping_field)i);
    read_body(reading, object);
    read_report(reading, object);
    read_paths(reading, object);
    read_events(reading, object);
    struct mapping *mapping = reading->mapping;
    mapping->powerful = mapping->path_count > 0 || any_text(jv_copy(object), expression_reads_environment);
    mapping->mentions_environment = any_text(jv_copy(object), mentions_environment);
    warn_of_unknown(reading, object, "", known, sizeof known / sizeof *known);
    jv_free(object);
}

static void read_list(struct reading *reading, jv list)
{
    struct mappings *mappings = reading->mappings;
    size_t count = (size_t)jv_array_length(jv_copy(list));
    mappings->list = calloc(count + 1, sizeof(struct mapping));
    for (size_t i = 0; mappings->list && i < count; i++) {
        reading->mapping = &mappings->list[i];
        reading->number = ++mappings->count;
        read_mapping(reading, jv_array_get(jv_copy(list), (int)i));
    }
    if (count == 0)
        buffer_append_text(reading->warnings, "there is no mapping in the list: every event is skipped\n");
    jv_free(list);
}

/** The file as a value; an invalid one with the problem said. */
static jv parse_file(struct slice text, struct buffer *problems, struct buffer *warnings)
{
    struct long_numbers long_numbers = {0};
    struct buffer canonical = {0};
    struct error err = {0};
    if (slice_starts_with(text, "\xef\xbb\xbf"))
        text = (struct slice){text.ptr + 3, text.len - 3};
    if (json_canonical(text, &canonical, &err) != 0) {
        const char *at = strstr(err.message, "at byte ");
        buffer_append_text(problems, err.kind == PA_ERR_INVALID ? "is " : ""); /* "not JSON: ..." */
        buffer_append_text(problems, err.message);
        if (at) {
            buffer_append_text(problems, " (");
            column_append(problems, text, strtoul(at + strlen("at byte "), NULL, 10));
            buffer_append_char(problems, ')');
        }
        buffer_append_char(problems, '\n');
        buffer_clear(&canonical);
        return jv_invalid();
    }
    jv value = json_text_parse(buffer_slice(&canonical), &long_numbers);
    if (long_numbers_cut(&long_numbers, value))
        buffer_append_text(warnings,
                           "a number in it has lost its last digits: this jq keeps 17 of them, at most; "
                           "write it as a text\n");
    buffer_clear(&canonical);
    if (jv_get_kind(value) == JV_KIND_ARRAY)
        return value;
    if (jv_is_valid(value))
        buffer_appendf(problems, "is %s; write a list of mappings: [ { … } ]\n",
                       jv_kind_name(jv_get_kind(value)));
    else
        buffer_append_text(problems, "cannot be read by jq: it is nested too deeply\n");
    jv_free(value);
    return jv_invalid();
}

int mappings_load(struct slice text, struct mappings **out, struct buffer *problems, struct buffer *warnings)
{
    struct reading reading = {.problems = problems, .warnings = warnings};
    size_t before = problems->len;
    *out = NULL;
    jv list = parse_file(text, problems, warnings);
    if (!jv_is_valid(list)) {
        jv_free(list);
        return PA_ERR_INVALID;
    }
    reading.mappings = calloc(1, sizeof *reading.mappings);
    if (reading.mappings)
        reading.mappings->expressions = expressions_new();
    if (!reading.mappings || !reading.mappings->expressions) {
        free(reading.mappings);
        jv_free(list);
        return PA_ERR_MEMORY;
    }
    read_list(&reading, list);
    if (problems->len == before && !problems->failed && reading.mappings->list) {
        *out = reading.mappings;
        return 0;
    }
    mappings_free(reading.mappings);
    return problems->len > before ? PA_ERR_INVALID : PA_ERR_MEMORY;
}

static void mapping_clear(struct mapping *mapping)
{
    template_free(mapping->enabled);
    for (size_t i = 0; i < FIELDS; i++)
        template_free(mapping->fields[i]);
    for (size_t i = 0; i < REPORT_FIELDS; i++)
        template_free(mapping->report[i]);
    for (size_t i = 0; i < mapping->path_count; i++)
        jv_free(mapping->paths[i]);
    free(mapping->paths);
}

void mappings_free(struct mappings *mappings)
{
    if (!mappings)
        return;
    for (size_t i = 0; i < mappings->count; i++)
        mapping_clear(&mappings->list[i]);
    free(mappings->list);
    expressions_free(mappings->expressions);
    free(mappings);
}

size_t mappings_count(const struct mappings *mappings)
{
    return mappings->count;
}

void mappings_warn_of_powers(const struct mappings *mappings, struct buffer *warnings)
{
    for (size_t i = 0; i < mappings->count; i++)
        if (mappings->list[i].powerful && !mappings->list[i].events_given)
            buffer_appendf(
                warnings,
                "mapping %zu: reads env or decrypts, and change-log events, which nobody signs, may "
                "use it; write \"events\": [\"run\"] if it is for runs alone\n",
                i + 1);
}

bool mappings_decrypt(const struct mappings *mappings)
{
    bool any = false;
    for (size_t i = 0; i < mappings->count; i++)
        any |= mappings->list[i].path_count > 0;
    return any;
}

bool mappings_read_environment(const struct mappings *mappings)
{
    bool any = false;
    for (size_t i = 0; i < mappings->count; i++)
        any |= mappings->list[i].mentions_environment;
    return any;
}

void mappings_pace(struct mappings *mappings, struct pacing *pacing)
{
    mappings->pacing = pacing;
}

void mappings_accept_too(struct mappings *mappings, size_t place, struct slice secret)
{
    mappings->previous_secrets[place] = secret;
}
