/* WEBHOOK_RETRY_ON. */
#include "../edge.h"
#include "base/buffer.h"
#include "config/retry_on.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void words_widen_what_is_tried_again(void **state)
{
    (void)state;
    struct retry_on on;
    struct slice wrong;
    assert_true(retry_on_parse(SLICE_LITERAL(" 409, 5XX timeout\t"), &on, &wrong));
    assert_true(retry_on_status(&on, 409) && retry_on_status(&on, 500) && retry_on_status(&on, 599));
    assert_false(retry_on_status(&on, 408) || retry_on_status(&on, 499) || retry_on_status(&on, 600));
    assert_false(retry_on_status(&on, 0) || retry_on_status(&on, 299));
    assert_true(on.timeout && !on.reset && !on.nothing);
    assert_true(retry_on_parse(SLICE_LITERAL(""), &on, &wrong));
    assert_false(on.nothing || on.timeout || retry_on_status(&on, 503));
    assert_true(retry_on_parse(SLICE_LITERAL("None"), &on, &wrong));
    assert_true(on.nothing);
}

static void a_wrong_word_is_named(void **state)
{
    (void)state;
    static const char *const wrong_words[] = {"6xx", "50",     "5000",      "200", "2xx",
                                              "5x5", "always", "5xx;reset", "4.1", "4:1",
                                              "41.", "41:",    "299",       "600", "x"};
    for (size_t i = 0; i < sizeof wrong_words / sizeof *wrong_words; i++) {
        struct retry_on on;
        struct slice wrong;
        struct buffer text = {0};
        buffer_appendf(&text, "503,%s,reset", wrong_words[i]);
        assert_false(retry_on_parse(buffer_slice(&text), &on, &wrong));
        assert_true(slice_equal_text(wrong, wrong_words[i]));
        buffer_clear(&text);
    }
}

static void nothing_beside_a_comma_is_wrong(void **state)
{
    (void)state;
    static const char *const texts[] = {"500,,502", ",500", "500,", "500, ,502", ",", "none,"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct retry_on on;
        struct slice wrong;
        if (retry_on_parse(edge_of(texts[i]), &on, &wrong))
            fail_msg("'%s' was taken", texts[i]);
        assert_int_equal(wrong.len, 0);
    }
}

static void none_stands_alone(void **state)
{
    (void)state;
    struct retry_on on;
    struct slice wrong;
    assert_false(retry_on_parse(SLICE_LITERAL("none,5xx"), &on, &wrong));
    assert_false(retry_on_parse(SLICE_LITERAL("5xx,none"), &on, &wrong));
}

/** What is written out is read as the same, in its shortest form. */
static void what_is_read_is_written_in_its_shortest_form(void **state)
{
    (void)state;
    static const char *const texts[][2] = {{"", ""},
                                           {"none", "none"},
                                           {"timeout", "timeout"},
                                           {"reset", "reset"},
                                           {"reset,timeout", "timeout,reset"},
                                           {"timeout,599,300,5xx,reset", "300,5xx,timeout,reset"},
                                           {"404,302,4xx", "302,4xx"},
                                           {"3xx,4xx,5xx", "3xx,4xx,5xx"},
                                           {"400,499,501", "400,499,501"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct retry_on on = {0}, again = {0};
        struct slice wrong;
        struct buffer out = {0};
        if (!retry_on_parse(edge_of(texts[i][0]), &on, &wrong))
            fail_msg("'%s' is refused", texts[i][0]);
        buffer_append_text(&out, "before:");
        size_t before = out.len;
        retry_on_append(&on, &out);
        assert_string_equal(buffer_text(&out) + before, texts[i][1]);
        assert_true(retry_on_parse(slice_of(buffer_text(&out) + before), &again, &wrong));
        assert_memory_equal(&on, &again, sizeof on);
        buffer_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_widen_what_is_tried_again),
        cmocka_unit_test(a_wrong_word_is_named),
        cmocka_unit_test(nothing_beside_a_comma_is_wrong),
        cmocka_unit_test(none_stands_alone),
        cmocka_unit_test(what_is_read_is_written_in_its_shortest_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
