/* Messages of jq and of decryption, as they may be shown: one line, and no values. */
#include "map/message.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** The text is a copy with nothing behind it, so that the sanitizer sees whoever reads on. */
static void check(void (*append)(struct buffer *out, struct slice text), const char *text, const char *shown)
{
    size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1);
    struct buffer out = {0};
    assert_non_null(copy);
    memcpy(copy, text, len);
    append(&out, (struct slice){copy, len});
    assert_string_equal(buffer_text(&out), shown);
    buffer_clear(&out);
    free(copy);
}

static void a_line_has_no_control_characters(void **state)
{
    (void)state;
    check(message_append_line, "", "");
    check(message_append_line, "a\nb\x1f\x7f\x01", "a b   ");
    check(message_append_line, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    check(message_append_line, "a\xc3", "a ");
    check(message_append_line, "\xff\xf0\x9f\x98z", "    z");
}

static void a_long_line_is_cut_behind_a_character(void **state)
{
    (void)state;
    char text[420], shown[420];
    memset(text, 'x', sizeof text);
    text[400] = '\0';
    check(message_append_line, text, text);
    memcpy(text + 399, "\xc3\xa9", 3);
    check(message_append_line, text, text);
    memcpy(text + 401, "y", 2);
    memcpy(shown, text, 401);
    strcpy(shown + 401, "…");
    check(message_append_line, text, shown);
}

static void values_are_left_out(void **state)
{
    (void)state;
    static void (*const append)(struct buffer *, struct slice) = message_append_without_values;
    check(append, "Cannot index number with \"a\"", "Cannot index number with \"a\"");
    check(append, "string (\"secret\") and number (1) cannot be added",
          "string (…) and number (1) cannot be added");
    check(append, "object ({\"a\":\"b\"}) is", "object (…) is");
    check(append, "array ([1,2]) is", "array (…) is");
    check(append, "string (\"a\\\")b\") is", "string (…) is");
    check(append, "string (\"abc...) is", "string (…) is");
    check(append, "string (\"abc\"", "string (…");
    check(append, "string (\"abc", "string (…");
    check(append, "string (\"abc\\", "string (…");
    check(append, "ends (", "ends (");
    check(append, "bad (while parsing 'secret') and more", "bad (while parsing …)");
    check(append, "bad (while it lasts)", "bad (while it lasts)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_no_control_characters),
        cmocka_unit_test(a_long_line_is_cut_behind_a_character),
        cmocka_unit_test(values_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
