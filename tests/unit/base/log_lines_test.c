/* Lines of the log, byte for byte after their time, in both formats. */
#include "base/clock.h"
#include "base/log.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIME_LENGTH = 24, TEXT_MAX = 16384 };

static struct {
    struct log *log, *before;
    FILE *file;
    char text[65536];
} caught;

static void begin(struct log_options options)
{
    caught.file = tmpfile();
    assert_non_null(caught.file);
    options.fd = fileno(caught.file);
    caught.log = log_new(&options);
    assert_non_null(caught.log);
    caught.before = log_set_current(caught.log);
}

static const char *end(void)
{
    log_set_current(caught.before);
    log_free(caught.log, 5000);
    rewind(caught.file);
    caught.text[fread(caught.text, 1, sizeof caught.text - 1, caught.file)] = '\0';
    fclose(caught.file);
    return caught.text;
}

static void write_all_kinds(enum log_level level)
{
    const struct log_field fields[] = {F_STR("plain", "a/b:c"),
                                       F_STR("quoted", "a \"b\"\\"),
                                       F_STR("empty", ""),
                                       F_SLICE("null", ((struct slice){NULL, 0})),
                                       F_NONE,
                                       F_INT("int", -42),
                                       F_BOOL("yes", true),
                                       F_BOOL("no", false),
                                       F_STR("equals", "a=b"),
                                       F_STR("foreign", "\xc3\xa9"),
                                       F_STR("deleted", "\x7f"),
                                       F_STR("backslash", "\\")};
    log_write(level, "said", fields, sizeof fields / sizeof *fields);
}

static void a_line_of_text_quotes_what_is_not_plain(void **state)
{
    (void)state;
    begin((struct log_options){.format = LOG_FORMAT_TEXT, .level = LOG_DEBUG});
    write_all_kinds(LOG_WARNING);
    const char *text = end();
    assert_true(strlen(text) > TIME_LENGTH);
    assert_int_equal(text[TIME_LENGTH - 1], 'Z');
    assert_string_equal(
        text + TIME_LENGTH,
        " WARNING  said plain=a/b:c quoted=\"a \\\"b\\\"\\\\\" empty=\"\" int=-42 yes=true no=false "
        "equals=\"a=b\" foreign=\"\xc3\xa9\" deleted=\"\\u007f\" backslash=\"\\\\\"\n");
}

static void a_line_of_json_has_every_field_in_its_type(void **state)
{
    (void)state;
    begin((struct log_options){.format = LOG_FORMAT_JSON, .level = LOG_DEBUG});
    write_all_kinds(LOG_ERROR);
    const char *text = end();
    assert_memory_equal(text, "{\"time\":\"", 9);
    assert_string_equal(
        text + 9 + TIME_LENGTH,
        "\",\"level\":\"ERROR\",\"msg\":\"said\",\"plain\":\"a/b:c\",\"quoted\":\"a \\\"b\\\"\\\\\","
        "\"empty\":\"\",\"int\":-42,\"yes\":true,\"no\":false,\"equals\":\"a=b\","
        "\"foreign\":\"\xc3\xa9\",\"deleted\":\"\\u007f\",\"backslash\":\"\\\\\"}\n");
}

static void every_line_says_at_its_end_what_it_comes_from(void **state)
{
    (void)state;
    const struct log_field resource[] = {F_STR("service.name", "port-agent"),
                                         F_STR("service.instance.id", NULL), F_STR("service.version", "1 2")};
    const struct log_field field = F_INT("count", 3);
    struct log_options options = {
        .format = LOG_FORMAT_JSON, .level = LOG_DEBUG, .resource = resource, .resource_count = 3};
    begin(options);
    log_write(LOG_INFO, "said", &field, 1);
    assert_non_null(
        strstr(end(), "\"count\":3,\"service.name\":\"port-agent\",\"service.version\":\"1 2\"}\n"));
    options.format = LOG_FORMAT_TEXT;
    begin(options);
    log_write(LOG_INFO, "said", &field, 1);
    assert_non_null(strstr(end(), " said count=3 service.name=port-agent service.version=\"1 2\"\n"));
    options.colour = true;
    begin(options);
    log_write(LOG_INFO, "said", &field, 1);
    assert_null(strstr(end(), "service"));
}

static void durations_are_seconds_with_three_decimals(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *seconds;
    } cases[] = {{0, "0.000"},    {1, "0.001"},      {20, "0.020"},     {999, "0.999"},
                 {1000, "1.000"}, {61234, "61.234"}, {-1500, "-1.500"}, {86400007, "86400.007"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct log_field field = F_SECONDS("took", cases[i].ms);
        char expected[64];
        begin((struct log_options){.format = LOG_FORMAT_JSON, .level = LOG_DEBUG});
        log_write(LOG_INFO, "said", &field, 1);
        snprintf(expected, sizeof expected, "\"took\":%s}\n", cases[i].seconds);
        if (!strstr(end(), expected))
            fail_msg("%s is not in %s", expected, caught.text);
    }
}

/** The line without its colours. */
static const char *uncoloured(const char *text)
{
    static char out[8192];
    char *to = out;
    for (; *text && to < out + sizeof out - 1; text++) {
        if (*text == '\033')
            text += strcspn(text, "m");
        else
            *to++ = *text;
    }
    *to = '\0';
    return out;
}

static void write_webhook(enum log_level level, const char *url)
{
    const struct log_field fields[] = {F_STR("messaging.destination.name", "org.runs"),
                                       F_STR("http.request.method", "POST"),
                                       F_STR("url.full", url),
                                       F_INT("http.response.status_code", 200),
                                       F_STR("port.run_id", "r_abc"),
                                       F_SECONDS("http.client.request.duration", 12),
                                       F_STR("port.result", "accepted")};
    log_write(level, "webhook delivered", fields, sizeof fields / sizeof *fields);
}

static void an_answered_webhook_is_a_short_line_on_a_terminal(void **state)
{
    (void)state;
    begin((struct log_options){.format = LOG_FORMAT_TEXT, .colour = true, .level = LOG_INFO});
    write_webhook(LOG_INFO, "https://host/path");
    log_debug("not said", F_NONE);
    const char *text = end();
    assert_non_null(strstr(text, " r_abc\033[2m ")); /* details are dim */
    const char *line = uncoloured(text);
    assert_int_equal(line[2], ':');
    assert_int_equal(line[5], ':');
    assert_string_equal(line + 8, " \xe2\x9c\x93 200 POST host/path 12 ms r_abc "
                                  "messaging.destination.name=\"org.runs\"\n"
                                  "           port.result=\"accepted\"\n");
}

static void no_line_on_a_terminal_is_wider_than_100_columns(void **state)
{
    (void)state;
    static char wide[700], foreign[401];
    memset(wide, 'w', sizeof wide - 1);
    for (size_t i = 0; i + 2 < sizeof foreign; i += 2)
        memcpy(foreign + i, "\xc3\xa9", 2);
    begin((struct log_options){.format = LOG_FORMAT_TEXT, .colour = true, .level = LOG_INFO});
    write_webhook(LOG_ERROR, wide);
    log_warning("said", F_STR("a", wide), F_STR("b", foreign), F_INT("n", 1), F_STR("c", "d"));
    log_warning("a message that is longer than a line of a terminal may be, with so many words in it that "
                "it takes two of them",
                F_NONE);
    const char *line = uncoloured(end());
    size_t foreigners = 0;
    while (*line) {
        size_t columns = 0;
        for (; *line != '\n'; line++) {
            columns += ((unsigned char)*line & 0xc0) != 0x80;
            foreigners += (unsigned char)*line == 0xc3;
        }
        assert_true(columns <= 100);
        line++;
    }
    assert_int_equal(foreigners, 200); /* nothing of a value is lost */
}

static void a_long_value_is_cut_between_characters(void **state)
{
    (void)state;
    static char value[TEXT_MAX + 8];
    for (size_t before = 0; before < 4; before++) {
        /* Characters of two bytes from `before` on: one of them may lie across the bound. */
        memset(value, 'x', sizeof value);
        for (size_t i = before; i + 2 < sizeof value; i += 2)
            memcpy(value + i, "\xc3\xa9", 2);
        size_t kept = TEXT_MAX - before % 2;
        begin((struct log_options){.format = LOG_FORMAT_TEXT, .level = LOG_INFO});
        log_info("said", F_SLICE("a", ((struct slice){value, kept})));
        log_info("said", F_SLICE("a", ((struct slice){value, kept + 2})));
        const char *text = end(), *second = strchr(text, '\n') + 1;
        size_t around = TIME_LENGTH + strlen(" INFO     said a=\"\"\n");
        assert_int_equal(second - text, (long)(kept + around));
        assert_int_equal(strlen(second), kept + strlen("\xe2\x80\xa6") + around);
        assert_memory_equal(second + TIME_LENGTH + strlen(" INFO     said a=\"") + kept, "\xe2\x80\xa6\"\n",
                            5);
    }
}

static void each_level_has_its_sign_and_its_colour(void **state)
{
    (void)state;
    static const char *const signs[] = {"\033[2m\xc2\xb7\033[0m said", "\033[32m\xc2\xb7\033[0m said",
                                        "\033[33m!\033[0m said", "\033[31m\xe2\x9c\x97\033[0m said",
                                        "\033[1;31m\xe2\x9c\x97\033[0m said"};
    for (int least = LOG_DEBUG; least <= LOG_CRITICAL; least++) {
        begin(
            (struct log_options){.format = LOG_FORMAT_TEXT, .colour = true, .level = (enum log_level)least});
        for (int level = LOG_DEBUG; level <= LOG_CRITICAL; level++) {
            assert_int_equal(log_enabled((enum log_level)level), level >= least);
            log_write((enum log_level)level, "said", NULL, 0);
        }
        const char *text = end();
        for (int level = LOG_DEBUG; level <= LOG_CRITICAL; level++)
            assert_int_equal(strstr(text, signs[level]) != NULL, level >= least);
    }
    assert_false(log_enabled(LOG_CRITICAL)); /* there is no log */
}

static void exactly_what_readers_would_act_on_is_escaped(void **state)
{
    (void)state;
    static const unsigned ranges[][2] = {{0x80, 0xa0}, {0x7fe, 0x800}, {0x1fff, 0x2080}, {0x20e8, 0x20ee}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        for (unsigned code = ranges[i][0]; code <= ranges[i][1]; code++) {
            char bytes[4] = "", expected[32];
            if (code < 0x800)
                snprintf(bytes, sizeof bytes, "%c%c", (int)(0xc0 | code >> 6), (int)(0x80 | (code & 0x3f)));
            else
                snprintf(bytes, sizeof bytes, "%c%c%c", (int)(0xe0 | code >> 12),
                         (int)(0x80 | (code >> 6 & 0x3f)), (int)(0x80 | (code & 0x3f)));
            bool unsafe = code <= 0x9f || code == 0x200e || code == 0x200f ||
                          (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
            if (unsafe)
                snprintf(expected, sizeof expected, "\"a\":\"\\u%04x\"}", code);
            else
                snprintf(expected, sizeof expected, "\"a\":\"%s\"}", bytes);
            begin((struct log_options){.format = LOG_FORMAT_JSON, .level = LOG_INFO});
            log_info("said", F_STR("a", bytes));
            const char *text = end();
            if (!strstr(text, expected))
                fail_msg("%x: '%s' is not in %s", code, expected, text);
        }
    }
}

static void what_ends_within_a_character_is_replaced(void **state)
{
    (void)state;
    static const char *const cut[] = {"\xc2", "\xe2", "\xe2\x80", "x\xe2\x80", "\xe2\x80x"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        char *copy = malloc(strlen(cut[i])); /* a read beyond it is found */
        assert_non_null(copy);
        memcpy(copy, cut[i], strlen(cut[i]));
        begin((struct log_options){.format = LOG_FORMAT_JSON, .level = LOG_INFO});
        log_info("said", F_SLICE("a", ((struct slice){copy, strlen(cut[i])})));
        const char *text = end();
        assert_non_null(strstr(text, "\xef\xbf\xbd"));
        assert_int_equal(strchr(text, 'x') != NULL, strchr(cut[i], 'x') != NULL);
        free(copy);
    }
}

static void a_lines_time_is_when_it_was_written(void **state)
{
    (void)state;
    enum { LINES = 12 };
    char before[LINES][CLOCK_RFC3339_SIZE], after[LINES][CLOCK_RFC3339_SIZE];
    begin((struct log_options){.format = LOG_FORMAT_TEXT, .level = LOG_INFO});
    for (int i = 0; i < LINES; i++) {
        clock_rfc3339(clock_wall_ms(clock_system()), before[i]);
        log_info("said", F_NONE);
        clock_rfc3339(clock_wall_ms(clock_system()), after[i]);
        usleep(11000);
    }
    const char *line = end();
    for (int i = 0; i < LINES; i++, line = strchr(line, '\n') + 1) {
        assert_true(memcmp(before[i], line, TIME_LENGTH) <= 0);
        assert_true(memcmp(line, after[i], TIME_LENGTH) <= 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_text_quotes_what_is_not_plain),
        cmocka_unit_test(a_line_of_json_has_every_field_in_its_type),
        cmocka_unit_test(an_answered_webhook_is_a_short_line_on_a_terminal),
        cmocka_unit_test(no_line_on_a_terminal_is_wider_than_100_columns),
        cmocka_unit_test(every_line_says_at_its_end_what_it_comes_from),
        cmocka_unit_test(durations_are_seconds_with_three_decimals),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(a_lines_time_is_when_it_was_written),
        cmocka_unit_test(each_level_has_its_sign_and_its_colour),
        cmocka_unit_test(exactly_what_readers_would_act_on_is_escaped),
        cmocka_unit_test(what_ends_within_a_character_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
