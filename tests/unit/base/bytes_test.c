/* Slices, buffers, UTF-8, errors and stamps at their edges. */
#include "../edge.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void only_valid_utf8_has_a_length(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n, expected;
    } cases[] = {{"a", 1, 1},
                 {"\x7f", 1, 1},
                 {"\x80", 1, 0},
                 {"\xc0\x80", 2, 0},
                 {"\xc2\x80", 2, 2},
                 {"\xc2", 1, 0},
                 {"\xe0\x9f\xbf", 3, 0},
                 {"\xe0\xa0\x80", 3, 3},
                 {"\xed\x9f\xbf", 3, 3},
                 {"\xed\xa0\x80", 3, 0},
                 {"\xef\xbf\xbf", 3, 3},
                 {"\xf0\x8f\xbf\xbf", 4, 0},
                 {"\xf0\x90\x80\x80", 4, 4},
                 {"\xf4\x8f\xbf\xbf", 4, 4},
                 {"\xf4\x90\x80\x80", 4, 0},
                 {"\xf0\x90\x80", 3, 0},
                 {"\xff", 1, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (utf8_sequence(cases[i].bytes, cases[i].n) != cases[i].expected)
            fail_msg("case %zu: %zu, expected %zu", i, utf8_sequence(cases[i].bytes, cases[i].n),
                     cases[i].expected);
}

static void a_character_is_written_as_utf8_reads_it(void **state)
{
    (void)state;
    static const struct {
        uint32_t code;
        const char *expected;
    } cases[] = {{0x01, "\x01"},
                 {0x7f, "\x7f"},
                 {0x80, "\xc2\x80"},
                 {0x7ff, "\xdf\xbf"},
                 {0x800, "\xe0\xa0\x80"},
                 {0xffff, "\xef\xbf\xbf"},
                 {0x10000, "\xf0\x90\x80\x80"},
                 {0x10ffff, "\xf4\x8f\xbf\xbf"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[4];
        size_t len = utf8_encode(cases[i].code, out);
        assert_int_equal(len, strlen(cases[i].expected));
        assert_memory_equal(out, cases[i].expected, len);
        assert_int_equal(utf8_sequence(out, len), len);
    }
    char surrogate[4];
    assert_int_equal(utf8_encode(0xd800, surrogate), 3);
    assert_int_equal(utf8_sequence(surrogate, 3), 0);
}

static void hexadecimal_digits_are_all_there_or_none_count(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
        int32_t expected;
    } cases[] = {{"09", 2, 0x09},
                 {"afAF", 4, 0xafaf},
                 {"00e9 and more", 4, 0xe9},
                 {"fffffff", 7, 0xfffffff},
                 {"f", 2, -1},
                 {"", 1, -1},
                 {"0g", 2, -1},
                 {"0G", 2, -1},
                 {"/0", 2, -1},
                 {":0", 2, -1},
                 {"@0", 2, -1},
                 {"`0", 2, -1},
                 {" 1", 2, -1},
                 {"-1", 2, -1},
                 {"0x", 2, -1},
                 {"\xc3\xa9", 2, -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t value = slice_hexadecimal(edge_of(cases[i].text), cases[i].count);
        if (value != cases[i].expected)
            fail_msg("'%s': %d, expected %d", cases[i].text, (int)value, (int)cases[i].expected);
    }
}

static void integers_are_written_to_their_limits(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_append_int(&b, INT64_MIN);
    buffer_append_char(&b, ' ');
    buffer_append_int(&b, 0);
    buffer_append_char(&b, ' ');
    buffer_append_int(&b, INT64_MAX);
    assert_string_equal(buffer_text(&b), "-9223372036854775808 0 9223372036854775807");
    buffer_clear(&b);
}

static void one_line_stays_one(void **state)
{
    (void)state;
    struct buffer b = {0};
    buffer_append_one_line(&b, SLICE_LITERAL("a\nb\r\n\tc\x1b[2J \\n \"ü\"\x7f\0"));
    assert_string_equal(buffer_text(&b), "a\\nb\\r\\n\\x09c\\x1b[2J \\n \"ü\"\\x7f\\x00");
    buffer_clear(&b);
}

static void slices_compare_and_trim(void **state)
{
    (void)state;
    assert_true(slice_is_null(slice_of(NULL)));
    assert_false(slice_is_null(slice_of("")));
    assert_true(slice_equal_text(slice_trim(edge_of(" \t a b\r\n")), "a b"));
    assert_int_equal(slice_trim(slice_of(" \r\n")).len, 0);
    assert_true(slice_equal_text_ignore_case(edge_of("TrUe"), "true"));
    assert_false(slice_equal_text_ignore_case(edge_of("tru"), "true"));
    assert_false(slice_starts_with(edge_of("htt"), "http"));
    assert_true(slice_starts_with(edge_of("http"), "http"));
    assert_true(slice_starts_with((struct slice){NULL, 0}, ""));
    assert_false(slice_starts_with(edge_of("hxxp"), "http"));
    assert_true(slice_equal_ignore_case((struct slice){NULL, 0}, edge_of("")));
    assert_false(slice_equal_ignore_case(edge_of("ab"), edge_of("ac")));
}

static void assert_stripped(const char *text, const char *expected)
{
    struct slice stripped = slice_strip(edge_of(text));
    if (!slice_equal_text(stripped, expected))
        fail_msg("'%s' is stripped to '%.*s'", text, (int)stripped.len, stripped.ptr);
}

static void white_space_of_every_script_is_stripped(void **state)
{
    (void)state;
    static const char *const spaces[] = {"\t",     "\n",     "\v",     "\f",     "\r",       "\x1c",
                                         "\x1d",   "\x1e",   "\x1f",   " ",      "\xc2\x85", "\u00a0",
                                         "\u1680", "\u2000", "\u2001", "\u2009", "\u200a",   "\u2028",
                                         "\u2029", "\u202f", "\u205f", "\u3000"};
    static const char *const others[] = {"\x08",   "\x0e",     "\x1b",   "!",      "\xc2\x84", "\xc2\x86",
                                         "\u00a1", "\u167f",   "\u1681", "\u200b", "\u2027",   "\u202a",
                                         "\u2030", "\u205e",   "\u2060", "\u3001", "\ufeff",   "\xe2\x80",
                                         "\x80",   "\xe3\x80", "\xa0"};
    char text[32];
    for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
        snprintf(text, sizeof text, "%s%sa %s b%s%s", spaces[i], spaces[i], spaces[i], spaces[i], spaces[i]);
        char inside[16];
        snprintf(inside, sizeof inside, "a %s b", spaces[i]);
        assert_stripped(text, inside);
        assert_stripped(spaces[i], "");
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, " %s%s ", others[i], others[i]);
        char kept[16];
        snprintf(kept, sizeof kept, "%s%s", others[i], others[i]);
        assert_stripped(text, kept);
    }
    assert_stripped("", "");
}

static void stamps_are_rfc3339_in_utc(void **state)
{
    (void)state;
    char out[CLOCK_RFC3339_SIZE];
    clock_rfc3339(1768317616641, out);
    assert_string_equal(out, "2026-01-13T15:20:16.641Z");
    clock_rfc3339(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
}

static void an_error_is_cut_to_fit(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(error_set(&err, PA_ERR_IO, "%0600d", 1), PA_ERR_IO);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(error_set(NULL, PA_ERR_INVALID, "x"), PA_ERR_INVALID);
}

static void long_garbage_is_cut(void **state)
{
    (void)state;
    static char garbage[20000], got[65000];
    int ends[2];
    memset(garbage, 0x80, sizeof garbage);
    assert_int_equal(pipe(ends), 0);
    struct log_options options = {.fd = ends[1], .format = LOG_FORMAT_JSON, .level = LOG_INFO};
    struct log *log = log_new(&options);
    log_set_current(log);
    log_info("m", F_SLICE("g", ((struct slice){garbage, sizeof garbage})));
    log_free(log, 1000);
    close(ends[1]);
    ssize_t len = read(ends[0], got, sizeof got - 1);
    close(ends[0]);
    assert_true(len > 16000);
    assert_non_null(strstr(got, "\"g\":\"\xef\xbf\xbd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_valid_utf8_has_a_length),
        cmocka_unit_test(a_character_is_written_as_utf8_reads_it),
        cmocka_unit_test(hexadecimal_digits_are_all_there_or_none_count),
        cmocka_unit_test(integers_are_written_to_their_limits),
        cmocka_unit_test(one_line_stays_one),
        cmocka_unit_test(slices_compare_and_trim),
        cmocka_unit_test(white_space_of_every_script_is_stripped),
        cmocka_unit_test(stamps_are_rfc3339_in_utc),
        cmocka_unit_test(an_error_is_cut_to_fit),
        cmocka_unit_test(long_garbage_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
