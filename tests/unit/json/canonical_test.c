/* The canonical form at its edges, and who watches it being written. */
#include "../edge.h"
#include "json/canonical.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_canonical(const char *text, const char *expected)
{
    struct buffer out = {0};
    struct error err = {0};
    if (json_canonical(edge_of(text), &out, &err) != 0)
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void blanks_go_and_strings_are_written_as_json_stringify_does(void **state)
{
    (void)state;
    assert_canonical(" \t\r\n{ \"a\" : [ 1 , { } , [ ] , [ [ ] ] ] , \"b\":null } ",
                     "{\"a\":[1,{},[],[[]]],\"b\":null}");
    assert_canonical("[true,false,null]", "[true,false,null]");
    assert_canonical("\"\\u0041\\/\\u00e9\\ud83d\\ude00\\ud83d\\u0008\\u000b\\u0022\\u005c\\n\x7f\"",
                     "\"A/é😀\\ud83d\\b\\u000b\\\"\\\\\\n\x7f\"");
    assert_canonical("\"\xf0\x9f\x98\x80\"", "\"😀\"");
    assert_canonical("[0,-0,1.0,10e5,1E-7,0.1e+9]", "[0,-0,1.0,10e5,1E-7,0.1e+9]");
    assert_canonical("{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}");
}

static void what_is_no_json_says_where(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"", "not JSON: it is empty"},
        {" \n", "not JSON: it is empty"},
        {"nul", "not a value at byte 0"},
        {"trux", "not a value at byte 0"},
        {"fals", "not a value at byte 0"},
        {"x", "not a value at byte 0"},
        {"-", "not a value at byte 1"},
        {"01", "something after the end at byte 1"},
        {"1.", "bad number at byte 2"},
        {"1.e5", "bad number at byte 2"},
        {"1e", "bad number at byte 2"},
        {"1e+", "bad number at byte 3"},
        {"1E-x", "bad number at byte 3"},
        {"\"a", "string that does not end at byte 2"},
        {"\"\\", "string that does not end at byte 2"},
        {"\"\\x\"", "bad escape at byte 2"},
        {"\"\\u12\"", "bad \\u escape at byte 3"},
        {"\"\\ud83d\\u12\"", "bad \\u escape at byte 9"},
        {"\"\x1f\"", "control character in a string at byte 1"},
        {"\"\xc3\"", "invalid UTF-8 at byte 1"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8 at byte 1"},
        {"{", "member name expected at byte 1"},
        {"{1:2}", "member name expected at byte 1"},
        {"{\"a", "string that does not end at byte 3"},
        {"{\"a\"}", "':' expected at byte 4"},
        {"{\"a\":", "unexpected end at byte 5"},
        {"{\"a\":}", "not a value at byte 5"},
        {"{\"a\":1", "',' or '}' expected at byte 6"},
        {"{\"a\":1]", "',' or '}' expected at byte 6"},
        {"{\"a\":1,}", "member name expected at byte 7"},
        {"[", "unexpected end at byte 1"},
        {"[1", "',' or ']' expected at byte 2"},
        {"[1}", "',' or ']' expected at byte 2"},
        {"[1,]", "not a value at byte 3"},
        {"1 2", "something after the end at byte 2"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct buffer out = {0};
        struct error err = {0};
        buffer_append_text(&out, "kept");
        assert_int_equal(json_canonical(edge_of(bad[i][0]), &out, &err), PA_ERR_INVALID);
        if (!strstr(err.message, bad[i][1]))
            fail_msg("'%s': '%s' does not say '%s'", bad[i][0], err.message, bad[i][1]);
        assert_string_equal(buffer_text(&out), "kept");
        buffer_clear(&out);
    }
}

/** What a string of ASCII may hold, written once more and plainly. */
static bool may_stand(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\' && c < 0x80;
}

static void each_byte_stops_or_stands_at_each_place_of_a_string(void **state)
{
    (void)state;
    enum { LETTERS = 41 };
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t place = 0; place < LETTERS; place++) {
            char text[LETTERS + 3] =
                "\"acdeghijklmopqsvwxyACDEGHIJKLMOPQSTUVWXYZ\""; /* none is an escape's */
            struct buffer out = {0};
            text[1 + place] = (char)byte;
            struct slice in = edge_bytes(text, LETTERS + 2);
            int failed = json_canonical(in, &out, NULL);
            assert_int_equal(failed == 0, may_stand((unsigned char)byte));
            if (!failed)
                assert_true(slice_equal(buffer_slice(&out), in));
            buffer_clear(&out);
        }
    }
}

static void an_escape_stands_anywhere_between_plain_letters(void **state)
{
    (void)state;
    static const char letters[] = "abcdefghijklmnopqrstuvwx";
    for (int before = 0; before < 20; before++) {
        for (int after = 0; after < 20; after++) {
            char text[128], expected[128];
            snprintf(text, sizeof text, "\"%.*s\\u0041\xc3\xa9\\\\%.*s\\/\"", before, letters, after,
                     letters);
            snprintf(expected, sizeof expected, "\"%.*sA\xc3\xa9\\\\%.*s/\"", before, letters, after,
                     letters);
            assert_canonical(text, expected);
        }
    }
}

static void nesting_is_bounded_and_memory_may_be_out(void **state)
{
    (void)state;
    char text[2 * JSON_MAX_DEPTH + 2];
    struct buffer out = {0};
    memset(text, '[', JSON_MAX_DEPTH + 1);
    memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    assert_int_equal(json_canonical((struct slice){text + 1, sizeof text - 2}, &out, NULL), 0);
    assert_int_equal(out.len, sizeof text - 2);
    struct error err = {0};
    assert_int_equal(json_canonical((struct slice){text, sizeof text}, &out, &err), PA_ERR_INVALID);
    assert_string_equal(err.message, "not JSON: nesting too deep at byte 512");
    out.failed = true;
    assert_int_equal(json_canonical(SLICE_LITERAL("{\"a\":1}"), &out, NULL), PA_ERR_MEMORY);
    buffer_clear(&out);
}

/* Watching: all places are 1, save for values of members whose name begins with "-", which nobody watches;
 * members whose name begins with "x" are left out. */

static void note_begin(void *ctx, unsigned parent, struct slice name, char first, struct json_member *member)
{
    (void)ctx;
    assert_int_equal(parent, 1);
    member->place = name.ptr[1] != '-';
    member->note = (unsigned char)first;
}

static bool note_end(void *ctx, unsigned parent, const struct json_member *member, struct slice name,
                     struct slice value, struct json_part part)
{
    buffer_appendf(ctx, "%u%u%c %.*s %.*s %zu-%zu\n", parent, member->place, (char)member->note,
                   (int)name.len, name.ptr, (int)value.len, value.ptr, part.begin, part.end);
    return name.ptr[1] != 'x';
}

static void members_are_watched_and_may_be_left_out(void **state)
{
    (void)state;
    static const struct json_watch watch = {note_begin, note_end};
    struct buffer out = {0}, noted = {0};
    struct json_walk walk = {.in = SLICE_LITERAL(" { \"x\":1, \"a\" : {\"xb\":[{\"c\":1}],\"d\":\"\\u0041\"},"
                                                 "\"-\":{\"e\":2},\"x\":3}"),
                             .out = &out,
                             .watch = &watch,
                             .ctx = &noted};
    assert_int_equal(json_walk(&walk, 1, NULL), 0);
    assert_string_equal(buffer_text(&out), "{\"a\":{\"d\":\"A\"},\"-\":{\"e\":2}}");
    assert_string_equal(buffer_text(&noted), "111 \"x\" 1 1-6\n"
                                             "11[ \"xb\" [{\"c\":1}] 6-20\n"
                                             "11\" \"d\" \"A\" 6-13\n"
                                             "11{ \"a\" {\"d\":\"A\"} 1-14\n"
                                             "10{ \"-\" {\"e\":2} 14-26\n"
                                             "113 \"x\" 3 26-32\n");
    buffer_clear(&out);
    buffer_clear(&noted);
}

static void truth_is_pythons(void **state)
{
    (void)state;
    static const char *const falsy[] = {"false", "null", "\"\"",  "[]",  "{}",    "0",
                                        "-0",    "0.0",  "-0e99", "0E1", "1e-400"};
    static const char *const truthy[] = {"true", "\"0\"", "[0]", "{\"a\":0}", "1", "-1", "0.1", "1e-300"};
    for (size_t i = 0; i < sizeof falsy / sizeof *falsy; i++)
        if (json_is_truthy(edge_of(falsy[i])))
            fail_msg("%s is true", falsy[i]);
    for (size_t i = 0; i < sizeof truthy / sizeof *truthy; i++)
        if (!json_is_truthy(edge_of(truthy[i])))
            fail_msg("%s is false", truthy[i]);
    assert_false(json_is_truthy((struct slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_go_and_strings_are_written_as_json_stringify_does),
        cmocka_unit_test(what_is_no_json_says_where),
        cmocka_unit_test(each_byte_stops_or_stands_at_each_place_of_a_string),
        cmocka_unit_test(an_escape_stands_anywhere_between_plain_letters),
        cmocka_unit_test(nesting_is_bounded_and_memory_may_be_out),
        cmocka_unit_test(members_are_watched_and_may_be_left_out),
        cmocka_unit_test(truth_is_pythons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
