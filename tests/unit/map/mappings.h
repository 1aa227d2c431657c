/* For the tests of mapping files: loading one, and the fields of what it makes of an event. */
#pragma once
#include "../edge.h"
#include "map/mapping.h"
#include "map/request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef-and-more"

static inline struct mappings *load(const char *text)
{
    struct mappings *mappings = NULL;
    struct buffer problems = {0}, warnings = {0};
    if (mappings_load(edge_of(text), &mappings, &problems, &warnings) != 0)
        fail_msg("%s", buffer_text(&problems));
    buffer_clear(&problems);
    buffer_clear(&warnings);
    return mappings;
}

/** The fields as "tag value" lines, for comparing. */
static inline void write_fields(struct slice fields, struct buffer *out)
{
    struct mapped_field field;
    while (mapped_next(&fields, &field))
        buffer_appendf(out, "%c %.*s\n", field.tag, (int)field.value.len,
                       field.value.ptr ? field.value.ptr : "");
}

static inline void assert_fields(struct buffer *fields, const char *expected)
{
    struct buffer text = {0};
    write_fields(buffer_slice(fields), &text);
    assert_string_equal(buffer_text(&text), expected);
    buffer_clear(&text);
    buffer_clear(fields);
}

static inline void assert_request(const char *file, const char *event, const char *expected)
{
    struct mappings *mappings = load(file);
    struct buffer fields = {0};
    mappings_request(mappings, edge_of(event), SLICE_LITERAL(SECRET), NULL, &fields);
    assert_fields(&fields, expected);
    mappings_free(mappings);
}

static inline void assert_problem(const char *file, const char *expected)
{
    struct mappings *mappings = NULL;
    struct buffer problems = {0}, warnings = {0};
    assert_int_not_equal(mappings_load(edge_of(file), &mappings, &problems, &warnings), 0);
    assert_null(mappings);
    if (!strstr(buffer_text(&problems), expected))
        fail_msg("'%s' does not say '%s'", problems.ptr, expected);
    buffer_clear(&problems);
    buffer_clear(&warnings);
}
