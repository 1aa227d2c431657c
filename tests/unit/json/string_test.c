/* Escapes, and what strings mean: every kind of escape, and everything that is nearly one. */
#include "../edge.h"
#include "base/json_escape.h"
#include "json/string.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void assert_escape(unsigned char c, const char *expected)
{
    char out[JSON_ESCAPE_MAX];
    size_t len = json_escape(c, out);
    if (len != strlen(expected) || memcmp(out, expected, len) != 0)
        fail_msg("%02x is written '%.*s', not '%s'", c, (int)len, out, expected);
}

static void characters_are_escaped_as_json_stringify_does(void **state)
{
    (void)state;
    assert_escape('\b', "\\b");
    assert_escape('\t', "\\t");
    assert_escape('\n', "\\n");
    assert_escape(0x0b, "\\u000b");
    assert_escape('\f', "\\f");
    assert_escape('\r', "\\r");
    assert_escape('"', "\\\"");
    assert_escape('\\', "\\\\");
    assert_escape(0, "\\u0000");
    assert_escape(0x1f, "\\u001f");
    assert_escape(' ', "");
    assert_escape('/', "");
    assert_escape(0x7f, "");
    assert_escape(0xff, "");
}

static void what_goes_to_logs_and_to_port_has_fewer_short_forms(void **state)
{
    (void)state;
    struct buffer out = {0};
    buffer_append_json_string(&out, SLICE_LITERAL("\0\b\t\n\x0b\f\r\"\\/ \x7f\x80\xc3\xa9\xff"));
    assert_string_equal(buffer_text(&out), "\"\\u0000\\u0008\\t\\n\\u000b\\u000c\\r\\\"\\\\/ \\u007f"
                                           "\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\"");
    buffer_clear(&out);
}

static void an_escape_is_read_with_its_other_half(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t taken;
        uint32_t code;
    } cases[] = {
        {"\\\"x", 2, '"'},
        {"\\\\", 2, '\\'},
        {"\\/", 2, '/'},
        {"\\b", 2, '\b'},
        {"\\f", 2, '\f'},
        {"\\n", 2, '\n'},
        {"\\r", 2, '\r'},
        {"\\t", 2, '\t'},
        {"\\u0041", 6, 'A'},
        {"\\uFfFf", 6, 0xffff},
        {"\\ud7ff\\udc00", 6, 0xd7ff},
        {"\\ud800\\udc00", 12, 0x10000},
        {"\\uDBFF\\uDFFF", 12, 0x10ffff},
        {"\\ud83d", 6, 0xd83d},
        {"\\ud83d\\u0041", 6, 0xd83d},
        {"\\ud83d\\ud83d", 6, 0xd83d},
        {"\\ud83d\\ue000", 6, 0xd83d},
        {"\\ud83d\\udc0", 6, 0xd83d},
        {"\\ud83d\\udc0g", 6, 0xd83d},
        {"\\ud83d\\ndc00", 6, 0xd83d},
        {"\\ud83dxudc00", 6, 0xd83d},
        {"\\udc00\\udc00", 6, 0xdc00},
        {"\\udfff", 6, 0xdfff},
        {"", 0, 7},
        {"\\", 0, 7},
        {"\\x", 0, 7},
        {"\\u", 0, 7},
        {"\\u004", 0, 7},
        {"\\u004g", 0, 7},
        {"\\U0041", 0, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t code = 7;
        size_t taken = json_escape_read(edge_of(cases[i].text), &code);
        if (taken != cases[i].taken || code != cases[i].code)
            fail_msg("%s: %zu bytes taken, %x", cases[i].text, taken, code);
    }
}

static void a_string_ends_at_its_own_quote(void **state)
{
    (void)state;
    assert_int_equal(json_string_length(edge_of("\"\",1")), 2);
    assert_int_equal(json_string_length(edge_of("\"a\\\"b\\\\\"\"")), 8);
    assert_int_equal(json_string_length(edge_of("\"a\\\"")), 0);
    assert_int_equal(json_string_length(edge_of("\"a\\")), 0);
    assert_int_equal(json_string_length(edge_of("\"")), 0);
    assert_int_equal(json_string_length(edge_of("")), 0);
}

static void assert_meaning(const char *inside, bool valid, const char *expected)
{
    struct buffer out = {0};
    assert_int_equal(json_unescape(edge_of(inside), &out), valid);
    assert_string_equal(buffer_text(&out), expected);
    buffer_clear(&out);
}

static void a_string_means_its_characters(void **state)
{
    (void)state;
    assert_meaning("", true, "");
    assert_meaning("plain é", true, "plain é");
    assert_meaning("\\\"a\\nb\\/", true, "\"a\nb/");
    assert_meaning("\\ud83d\\ude00", true, "😀");
    assert_meaning("\\u00e9\\u20ac", true, "é€");
    assert_meaning("a\\ud83db\\udc00", true,
                   "a\xef\xbf\xbd"
                   "b\xef\xbf\xbd");
    assert_meaning("\\ud7ff\\ue000", true, "\xed\x9f\xbf\xee\x80\x80");
    assert_meaning("a\\", false, "a");
    assert_meaning("a\\tb\\xc", false, "a\tb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_escaped_as_json_stringify_does),
        cmocka_unit_test(what_goes_to_logs_and_to_port_has_fewer_short_forms),
        cmocka_unit_test(an_escape_is_read_with_its_other_half),
        cmocka_unit_test(a_string_ends_at_its_own_quote),
        cmocka_unit_test(a_string_means_its_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
