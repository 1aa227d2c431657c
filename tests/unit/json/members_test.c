/* Members and elements found without a tree. */
#include "../edge.h"
#include "json/members.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/** "name=value;…" of a walk, "!" behind it when it broke. */
static void walk_text(const char *text, char *out, size_t size)
{
    struct members walk = members_of(edge_of(text));
    struct slice name, value;
    size_t used = 0;
    *out = '\0';
    while (members_next(&walk, &name, &value))
        used += (size_t)snprintf(out + used, size - used, "%.*s=%.*s;", (int)name.len,
                                 name.ptr ? name.ptr : "", (int)value.len, value.ptr);
    assert_false(members_next(&walk, &name, &value)); /* nor ever again */
    if (walk.broken)
        snprintf(out + used, size - used, "!");
}

static void values_end_where_they_end(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", ""},
        {"\t{\r\"a\"\n:\t1\r}\n", "a=1;"},
        {"[1}", "=1;!"},
        {" [ ] ", ""},
        {"{\"a\":1}", "a=1;"},
        {" { \"a\" : 1.0 , \"b\" : [ 1, {\"c\":\"}]\"} ] } ", "a=1.0;b=[ 1, {\"c\":\"}]\"} ];"},
        {"[1,\"a,b\",{\"c\":[]},null]", "=1;=\"a,b\";={\"c\":[]};=null;"},
        {"{\"a\\\"b\":\"\\\\\"}", "a\\\"b=\"\\\\\";"},
        {"{\"a\":9007199254740993}", "a=9007199254740993;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        walk_text(cases[i][0], text, sizeof text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void what_does_not_end_breaks_the_walk(void **state)
{
    (void)state;
    static const char *const cases[] = {"",
                                        "1",
                                        "\"a\"",
                                        "{",
                                        "[",
                                        "[1",
                                        "[1,",
                                        "[1,]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1",
                                        "{\"a\":1,}",
                                        "{\"a\":\"b}",
                                        "{a:1}",
                                        "[[1]",
                                        "[[1",
                                        "[{]",
                                        "[\"\\\"]",
                                        "{\"a\":[\"b}",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{,",
                                        "{\"a\":1,",
                                        "{\"a\":{\"b\":1}",
                                        "[\"a\"x",
                                        "[\"a\"}",
                                        "{\"a\":1 \"b\":2}",
                                        "{\"a\" 1}"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        walk_text(cases[i], text, sizeof text);
        bool broken = *text && text[strlen(text) - 1] == '!';
        /* A scalar ends at the next separator: that this one is none is json_canonical's to say. */
        if (!broken && strcmp(cases[i], "{\"a\":1 \"b\":2}") != 0)
            fail_msg("%s: %s", cases[i], text);
    }
}

static void the_last_member_of_a_name_counts(void **state)
{
    (void)state;
    struct slice object = edge_of("{\"a\":1,\"b\":{\"a\":2},\"a\":3}");
    assert_true(slice_equal_text(members_find(object, "a"), "3"));
    assert_true(slice_equal_text(members_find(members_find(object, "b"), "a"), "2"));
    assert_true(slice_is_null(members_find(object, "c")));
    assert_true(slice_is_null(members_find(edge_of("[1]"), "")));
    assert_true(slice_is_null(members_find((struct slice){NULL, 0}, "a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_end_where_they_end),
        cmocka_unit_test(what_does_not_end_breaks_the_walk),
        cmocka_unit_test(the_last_member_of_a_name_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
