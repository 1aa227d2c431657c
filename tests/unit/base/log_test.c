/* Logs: well-formed, not to be forged, and never in their caller's way. */
#include "base/log.h"
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static char *read_all(int fd)
{
    struct buffer text = {0};
    char chunk[4096];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        buffer_append(&text, chunk, (size_t)got);
    return buffer_take(&text, NULL);
}

static void a_line_cannot_be_forged(void **state)
{
    (void)state;
    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        struct log_options options = {.fd = ends[1], .format = (enum log_format)format, .level = LOG_INFO};
        struct log *log = log_new(&options);
        log_set_current(log);
        log_info("message", F_STR("a", "x\n{\"level\":\"INFO\"}\x1b[31m\xff"), F_INT("n", INT64_MIN),
                 F_BOOL("b", true), F_NONE);
        log_debug("not written", F_NONE);
        log_free(log, 1000);
        close(ends[1]);
        char *text = read_all(ends[0]);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        assert_null(strchr(text, '\x1b'));
        assert_null(strchr(text, '\xff'));
        if (format == LOG_FORMAT_JSON) {
            cJSON *line = cJSON_Parse(text);
            assert_non_null(line);
            assert_string_equal(cJSON_GetObjectItem(line, "level")->valuestring, "INFO");
            assert_string_equal(cJSON_GetObjectItem(line, "msg")->valuestring, "message");
            cJSON_Delete(line);
        }
        free(text);
        close(ends[0]);
    }
}

/** Line separators, C1 controls and bidirectional controls. */
static void what_readers_or_terminals_would_act_on_is_escaped(void **state)
{
    (void)state;
    static const char unsafe[] = "a\u2028b\u2029c\xc2\x85"
                                 "d\xc2\x9b"
                                 "e\u202ef\u2066g\u200fh",
                      safe[] = "\xc2\xa0 é € \u2027 \u2030 \u2065 😀";
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_options options = {.fd = ends[1], .format = LOG_FORMAT_JSON, .level = LOG_INFO};
    struct log *log = log_new(&options);
    log_set_current(log);
    log_info("message", F_STR("unsafe", unsafe), F_STR("safe", safe));
    log_free(log, 1000);
    close(ends[1]);
    char *text = read_all(ends[0]);
    assert_non_null(strstr(text, "\"a\\u2028b\\u2029c\\u0085d\\u009be\\u202ef\\u2066g\\u200fh\""));
    assert_non_null(strstr(text, safe));
    free(text);
    close(ends[0]);
}

static void a_reader_that_does_not_read_stops_nobody_and_drops_are_told(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log_options options = {
        .fd = ends[1], .format = LOG_FORMAT_JSON, .level = LOG_INFO, .buffer_bytes = 20000};
    struct log *log = log_new(&options);
    log_set_current(log);
    for (int i = 0; i < 20000; i++)
        log_info("nobody reads this", F_INT("number", i));
    assert_true(log_dropped(log) > 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    bool told = false;
    for (int i = 0; i < 2000 && !told; i++) {
        char chunk[65536];
        ssize_t got = read(ends[0], chunk, sizeof chunk);
        told = got > 0 && memmem(chunk, (size_t)got, "log lines dropped", 17);
        log_info("one more", F_NONE);
        usleep(1000);
    }
    assert_true(told);
    close(ends[0]);
    log_free(log, 100);
    close(ends[1]);
}

/** How many lines were dropped, by what the lines that came say. */
static uint64_t told_dropped(struct buffer *come)
{
    static const char field[] = "\"dropped\":";
    uint64_t told = 0;
    for (const char *at = buffer_text(come); (at = strstr(at, field)) != NULL;)
        told += strtoull(at += strlen(field), NULL, 10);
    return told;
}

static void read_what_is_there(int fd, struct buffer *come)
{
    char chunk[65536];
    ssize_t got;
    while ((got = read(fd, chunk, sizeof chunk)) > 0)
        buffer_append(come, chunk, (size_t)got);
}

static void each_dropped_line_is_told_of_once(void **state)
{
    (void)state;
    int ends[2];
    struct buffer come = {0};
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct log_options options = {
        .fd = ends[1], .format = LOG_FORMAT_JSON, .level = LOG_INFO, .buffer_bytes = 20000};
    struct log *log = log_new(&options);
    log_set_current(log);
    for (int i = 0; i < 5000; i++)
        log_info("nobody reads this", F_INT("number", i));
    for (int i = 0; i < 5000 && told_dropped(&come) < log_dropped(log); i++) {
        log_info("one more", F_NONE);
        assert_true(poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 10000) > 0);
        read_what_is_there(ends[0], &come);
    }
    log_info("and another", F_NONE);
    uint64_t dropped = log_dropped(log);
    log_free(log, 10000);
    read_what_is_there(ends[0], &come);
    assert_true(dropped > 0);
    assert_int_equal(told_dropped(&come), dropped);
    buffer_clear(&come);
    close(ends[0]);
    close(ends[1]);
}

static void a_line_after_a_pause_comes_at_once_and_a_burst_in_few_writes(void **state)
{
    (void)state;
    enum { BURST = 500, LINES = 1 + BURST };
    int ends[2];
    assert_int_equal(pipe2(ends, O_DIRECT), 0);             /* each read returns one write, or 4 KiB of it */
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0); /* so that no write waits for its reader */
    struct log_options options = {.fd = ends[1], .format = LOG_FORMAT_JSON, .level = LOG_INFO};
    struct log *log = log_new(&options);
    log_set_current(log);
    log_info("first", F_NONE);
    struct pollfd ready = {.fd = ends[0], .events = POLLIN};
    assert_int_equal(poll(&ready, 1, 5000), 1);
    for (int i = 0; i < BURST; i++) {
        log_info("burst", F_INT("number", i));
        usleep(50); /* long enough for a writer that is woken for every line */
    }
    int lines = 0, writes = 0;
    while (lines < LINES && poll(&ready, 1, 5000) == 1) {
        char chunk[4096];
        ssize_t got = read(ends[0], chunk, sizeof chunk);
        for (ssize_t i = 0; i < got; i++)
            lines += chunk[i] == '\n';
        writes++;
    }
    assert_int_equal(lines, LINES);
    assert_in_range(writes, 2, BURST / 5);
    log_free(log, 1000);
    close(ends[0]);
    close(ends[1]);
}

static void the_level_can_be_changed_while_it_runs(void **state)
{
    (void)state;
    int ends[2];
    char text[1024];
    assert_int_equal(pipe(ends), 0);
    struct log_options options = {.fd = ends[1], .format = LOG_FORMAT_JSON, .level = LOG_WARNING};
    struct log *log = log_new(&options), *before = log_set_current(log);
    enum log_level level = LOG_CRITICAL;
    log_info("one", F_NONE);
    assert_true(log_level_of("debug", &level));
    assert_false(log_level_of("loud", &level));
    log_set_level(level);
    assert_int_equal(log_level_now(), LOG_DEBUG);
    log_debug("two", F_NONE);
    log_set_level(LOG_ERROR);
    log_warning("three", F_NONE);
    log_set_current(before);
    log_free(log, 1000);
    close(ends[1]);
    ssize_t got = read(ends[0], text, sizeof text - 1);
    text[got > 0 ? got : 0] = '\0';
    close(ends[0]);
    assert_null(strstr(text, "one"));
    assert_non_null(strstr(text, "two"));
    assert_null(strstr(text, "three"));
    assert_int_equal(log_level_now(), LOG_CRITICAL); /* nobody logs */
}

static void json_strings_hold_anything(void **state)
{
    (void)state;
    struct buffer out = {0};
    buffer_append_json_string(&out, (struct slice){"\"\\\n\x01\xc3\xa9\xc3", 7});
    assert_string_equal(buffer_text(&out), "\"\\\"\\\\\\n\\u0001\xc3\xa9\xef\xbf\xbd\"");
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_cannot_be_forged),
        cmocka_unit_test(what_readers_or_terminals_would_act_on_is_escaped),
        cmocka_unit_test(a_reader_that_does_not_read_stops_nobody_and_drops_are_told),
        cmocka_unit_test(each_dropped_line_is_told_of_once),
        cmocka_unit_test(a_line_after_a_pause_comes_at_once_and_a_burst_in_few_writes),
        cmocka_unit_test(the_level_can_be_changed_while_it_runs),
        cmocka_unit_test(json_strings_hold_anything),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
