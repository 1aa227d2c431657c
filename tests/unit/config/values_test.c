/* Values at the edges of what is accepted, one setting at a time. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "load.h"

/** Loads the minimum and NAME=VALUE; whether that is accepted. */
static bool load_one(struct config *config, const char *name, const char *value, struct buffer *problems)
{
    char variable[4096];
    snprintf(variable, sizeof variable, "%s=%s", name, value);
    return load(config, variable, NULL, NULL, NULL, problems) == 0;
}

static void assert_refused(const char *name, const char *value, const char *why)
{
    struct config config;
    struct buffer problems = {0};
    if (load_one(&config, name, value, &problems))
        fail_msg("%s=%s is accepted", name, value);
    if (!strstr(buffer_text(&problems), name) || !strstr(problems.ptr, why))
        fail_msg("%s=%s: '%s' does not say '%s'", name, value, problems.ptr, why);
    config_clear(&config);
    buffer_clear(&problems);
}

#define ASSERT_NUMBER(name, value, member, expected)                          \
    do {                                                                      \
        struct config config;                                                 \
        struct buffer problems = {0};                                         \
        if (!load_one(&config, name, value, &problems))                       \
            fail_msg("%s", buffer_text(&problems));                           \
        if (config.member != (expected))                                      \
            fail_msg("%s=%s is %lld", name, value, (long long)config.member); \
        config_clear(&config);                                                \
        buffer_clear(&problems);                                              \
    } while (0)

static void numbers_of_bytes_may_have_a_unit(void **state)
{
    (void)state;
    static const char NAME[] = "MAPPING_MAX_MEMORY";
    ASSERT_NUMBER(NAME, "4194304", mapping_max_memory, 4194304);
    ASSERT_NUMBER(NAME, " 4194304 ", mapping_max_memory, 4194304);
    ASSERT_NUMBER(NAME, "4096KiB", mapping_max_memory, 4194304);
    ASSERT_NUMBER(NAME, "4097 kib", mapping_max_memory, 4097 * 1024);
    ASSERT_NUMBER(NAME, "5MiB", mapping_max_memory, 5242880);
    ASSERT_NUMBER(NAME, "2GIB", mapping_max_memory, 2147483648);
    ASSERT_NUMBER(NAME, "16GiB", mapping_max_memory, 17179869184);
    ASSERT_NUMBER(NAME, "00000000000004194304", mapping_max_memory, 4194304);
    static const char *const refused[] = {"4194303",
                                          "4095KiB",
                                          "17179869185",
                                          "17GiB",
                                          "5MB",
                                          "5M",
                                          "5.5MiB",
                                          "+4194304",
                                          "-4194304",
                                          "0x400000",
                                          "MiB",
                                          "5MiBx",
                                          "9223372036854775808",
                                          "000000000000004194304",
                                          "/4194304",
                                          ":4194304"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused(NAME, refused[i],
                       "a number of bytes (KiB, MiB or GiB may follow) from 4194304 to 17179869184");
}

static void whole_numbers_have_no_unit(void **state)
{
    (void)state;
    ASSERT_NUMBER("WEBHOOK_MAX_IN_FLIGHT", "1", max_in_flight, 1);
    ASSERT_NUMBER("WEBHOOK_MAX_IN_FLIGHT", "9", max_in_flight, 9);
    ASSERT_NUMBER("WEBHOOK_MAX_IN_FLIGHT", "10000", max_in_flight, 10000);
    ASSERT_NUMBER("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "3600000", session_timeout_ms, 3600000);
    static const char *const refused[] = {"0", "10001", "1KiB", "1.0", "1e3", "one", "-", "1 2"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused("WEBHOOK_MAX_IN_FLIGHT", refused[i], "a whole number from 1 to 10000");
}

static void seconds_may_have_a_fraction(void **state)
{
    (void)state;
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "0.001", invoker_timeout_ms, 1);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "0.0015", invoker_timeout_ms, 2);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "1.0004", invoker_timeout_ms, 1000);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", ".5", invoker_timeout_ms, 500);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "86400", invoker_timeout_ms, 86400000);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", " 2 ", invoker_timeout_ms, 2000);
    ASSERT_NUMBER("POLLING_BACKOFF_JITTER_FACTOR", "0", polling.backoff_jitter, 0);
    ASSERT_NUMBER("POLLING_BACKOFF_JITTER_FACTOR", "1.00", polling.backoff_jitter, 1);
    ASSERT_NUMBER("POLLING_BACKOFF_FACTOR", "100", polling.backoff_factor, 100);
    static const char *const refused[] = {"0.0009", "86400.1", "-1",  "1s",  "1.2.3",
                                          ".",      "nan",     "0x1", "1,5", "1.000000000000000000"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused("WEBHOOK_TOTAL_TIMEOUT", refused[i], "a number of seconds from 0.001 to 86400");
}

static void numbers_may_be_written_as_for_todays_agent(void **state)
{
    (void)state;
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "1e3", invoker_timeout_ms, 1000000);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "1.5E+1", invoker_timeout_ms, 15000);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "25e-1", invoker_timeout_ms, 2500);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "+30", invoker_timeout_ms, 30000);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "1_000.2_5", invoker_timeout_ms, 1000250);
    ASSERT_NUMBER("WEBHOOK_INVOKER_TIMEOUT", "5.", invoker_timeout_ms, 5000);
    ASSERT_NUMBER("POLLING_INTERVAL_SECONDS", "+0_10", polling.interval_ms, 10000);
    ASSERT_NUMBER("POLLING_RUNS_BATCH_SIZE", "1_000", polling.batch_size, 1000);
    ASSERT_NUMBER("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "+45_000", session_timeout_ms, 45000);
    static const char *const refused[] = {"e3",  "1e", "1e+", "1e3.0", "1__0", "_1",  "1_",    "1_.0", "1._0",
                                          "++1", "+",  "+-1", "+ 1",   "1 e3", "inf", "1e999", "1e+_1"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        assert_refused("WEBHOOK_INVOKER_TIMEOUT", refused[i], "a number of seconds from 0.001 to 86400");
    static const char *const whole[] = {"+", "++1", "+-1", "1__0", "_1", "1_", "1e1", "+ 1"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        assert_refused("POLLING_RUNS_BATCH_SIZE", whole[i], "a whole number from 1 to 1000");
}

/** Tools hand secrets over in pipes, once: who reads such a one again must not stand still at its end. */
static void a_pipe_is_not_waited_for_when_it_is_read_again(void **state)
{
    (void)state;
    char folder[] = "/tmp/values-pipe-XXXXXX", path[64], line[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/secret", folder);
    snprintf(line, sizeof line, "PORT_CLIENT_SECRET_FILE=%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[3], line, NULL};
    const struct config_input input = {.environment = environment, .again = true};
    struct config config;
    struct buffer problems = {0};
    alarm(60); /* it would wait for ever */
    assert_int_equal(load_lines(&config, &input, &problems), PA_ERR_INVALID);
    alarm(0);
    assert_non_null(strstr(buffer_text(&problems), "PORT_CLIENT_SECRET: is not set"));
    config_clear(&config);
    buffer_clear(&problems);
    unlink(path);
    rmdir(folder);
}

/** Has the pipe open, writes into it when a wait for a writer would be over, and goes. */
static pid_t slow_writer(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    pid_t writer = fork();
    assert_true(writer >= 0);
    if (writer == 0) {
        bool ok = write(fd, "hu", 2) == 2;
        usleep(100000);
        _exit(ok && write(fd, "sh\n", 3) == 3 ? 0 : 1);
    }
    close(fd);
    return writer;
}

static void a_pipe_is_waited_for_at_the_start_but_not_for_ever(void **state)
{
    (void)state;
    char folder[] = "/tmp/values-pipe-XXXXXX", path[64], line[128];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/secret", folder);
    snprintf(line, sizeof line, "PORT_CLIENT_SECRET_FILE=%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[3], line, NULL};
    const struct config_input input = {.environment = environment, .pipe_ms = 20};
    struct config config;
    struct buffer problems = {0};
    alarm(60); /* it would wait for ever */
    assert_int_equal(load_lines(&config, &input, &problems), PA_ERR_INVALID);
    assert_non_null(
        strstr(buffer_text(&problems), "' cannot be read: it is a pipe, and nobody writes to it"));
    config_clear(&config);
    buffer_clear(&problems);

    pid_t writer = slow_writer(path);
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    alarm(0);
    assert_int_equal(config.client_secret.value.len, 4);
    assert_memory_equal(config.client_secret.value.ptr, "hush", 4);
    int ended;
    assert_int_equal(waitpid(writer, &ended, 0), writer);
    assert_int_equal(ended, 0);
    config_clear(&config);
    buffer_clear(&problems);
    unlink(path);
    rmdir(folder);
}

static void a_value_in_quotes_is_taken_with_a_warning(void **state)
{
    (void)state;
    static const char *const cases[][3] = {{"PORT_CLIENT_SECRET_PREVIOUS", "\"hush\"", "1"},
                                           {"PORT_CLIENT_SECRET_PREVIOUS", "'hush'", "1"},
                                           {"KAFKA_CONSUMER_GROUP_INSTANCE_ID", "\"\"", "1"},
                                           {"KAFKA_CONSUMER_GROUP_INSTANCE_ID", "\"", NULL},
                                           {"KAFKA_CONSUMER_GROUP_INSTANCE_ID", "\"a'", NULL},
                                           {"KAFKA_CONSUMER_GROUP_INSTANCE_ID", "a\"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct buffer problems = {0};
        char told[160];
        snprintf(told, sizeof told,
                 "%s: its value begins and ends with a quote, which counts as a part of it\n", cases[i][0]);
        assert_true(load_one(&config, cases[i][0], cases[i][1], &problems));
        assert_string_equal(buffer_text(&config.warnings), cases[i][2] ? told : "");
        config_clear(&config);
        buffer_clear(&problems);
    }
}

#define ASSERT_NEAREST(name, value, member, expected, bounds, nearest)                             \
    do {                                                                                           \
        struct config config;                                                                      \
        struct buffer problems = {0};                                                              \
        if (!load_one(&config, name, value, &problems))                                            \
            fail_msg("%s", buffer_text(&problems));                                                \
        assert_string_equal(buffer_text(&config.warnings),                                         \
                            name ": '" value "' is not within " bounds "; " nearest " is used\n"); \
        if (config.member != (expected))                                                           \
            fail_msg("%s=%s is %lld", name, value, (long long)config.member);                      \
        config_clear(&config);                                                                     \
        buffer_clear(&problems);                                                                   \
    } while (0)

/** Whoever changes the image has these numbers, and today's agent starts with them. */
static void numbers_that_todays_agent_takes_count_as_the_nearest(void **state)
{
    (void)state;
#define DAY "0.01 to 86400"
    ASSERT_NEAREST("POLLING_INTERVAL_SECONDS", "0", polling.interval_ms, 10, DAY, "0.01");
    ASSERT_NEAREST("POLLING_INTERVAL_SECONDS", "86401", polling.interval_ms, 86400000, DAY, "86400");
    ASSERT_NEAREST("POLLING_RUNS_BATCH_SIZE", "5000", polling.batch_size, 1000, "1 to 1000", "1000");
    ASSERT_NEAREST("POLLING_INITIAL_BACKOFF_SECONDS", "0", polling.initial_backoff_ms, 10, DAY, "0.01");
    ASSERT_NEAREST("POLLING_MAX_BACKOFF_SECONDS", "0", polling.max_backoff_ms, 10, DAY, "0.01");
    ASSERT_NEAREST("POLLING_MAX_BACKOFF_SECONDS", "1000000", polling.max_backoff_ms, 86400000, DAY, "86400");
    ASSERT_NEAREST("POLLING_BACKOFF_FACTOR", "0.5", polling.backoff_factor, 1, "1 to 100", "1");
    ASSERT_NEAREST("POLLING_BACKOFF_FACTOR", "0", polling.backoff_factor, 1, "1 to 100", "1");
    ASSERT_NEAREST("POLLING_BACKOFF_FACTOR", "1e3", polling.backoff_factor, 100, "1 to 100", "100");
    ASSERT_NEAREST("POLLING_BACKOFF_JITTER_FACTOR", "101", polling.backoff_jitter, 100, "0 to 100", "100");
    ASSERT_NEAREST("POLLING_MAX_FAILURE_DURATION_SECONDS", "0", polling.max_failure_ms, 10,
                   "0.01 to 31536000", "0.01");
    ASSERT_NEAREST("POLLING_MAX_FAILURE_DURATION_SECONDS", "99999999", polling.max_failure_ms, 31536000000,
                   "0.01 to 31536000", "31536000");
    ASSERT_NEAREST("WEBHOOK_INVOKER_TIMEOUT", "99999", invoker_timeout_ms, 86400000, "0.001 to 86400",
                   "86400");
}

static void numbers_with_which_todays_agent_does_nothing_are_refused(void **state)
{
    (void)state;
    assert_refused("POLLING_INTERVAL_SECONDS", "-1", "a number of seconds from 0.01 to 86400");
    assert_refused("POLLING_RUNS_BATCH_SIZE", "0", "a whole number from 1 to 1000");
    assert_refused("POLLING_RUNS_BATCH_SIZE", "-1", "a whole number from 1 to 1000");
    assert_refused("POLLING_BACKOFF_FACTOR", "-2", "a number from 1 to 100");
    assert_refused("POLLING_BACKOFF_JITTER_FACTOR", "-0.1", "a number from 0 to 100");
    assert_refused("POLLING_MAX_FAILURE_DURATION_SECONDS", "-1", "a number of seconds from 0.01 to 31536000");
    assert_refused("WEBHOOK_INVOKER_TIMEOUT", "0", "a number of seconds from 0.001 to 86400");
    assert_refused("WEBHOOK_INVOKER_TIMEOUT", "-1", "a number of seconds from 0.001 to 86400");
    assert_refused("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "0", "a whole number from 1 to 3600000");
    assert_refused("KAFKA_CONSUMER_SESSION_TIMEOUT_MS", "3600001", "a whole number from 1 to 3600000");
}

static void ports_url_has_a_scheme_and_nothing_behind_its_path(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"https://port", "https://port"},
                                           {"HTTP://port//", "HTTP://port"},
                                           {" https://port/a/ ", "https://port/a"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config config;
        struct buffer problems = {0};
        assert_true(load_one(&config, "PORT_API_BASE_URL", cases[i][0], &problems));
        assert_string_equal(config.api_base_url, cases[i][1]);
        config_clear(&config);
        buffer_clear(&problems);
    }
    char longest[1100] = "https://";
    memset(longest + 8, 'a', 1024 - 8);
    struct config config;
    struct buffer problems = {0};
    assert_true(load_one(&config, "PORT_API_BASE_URL", longest, &problems));
    config_clear(&config);
    longest[1024] = 'a';
    static const char plain[] = "a URL without blanks, query and fragment, at most 1024 characters";
    assert_refused("PORT_API_BASE_URL", longest, plain);
    assert_refused("PORT_API_BASE_URL", "https://a b", plain);
    assert_refused("PORT_API_BASE_URL", "https://a?b", plain);
    assert_refused("PORT_API_BASE_URL", "https://a#b", plain);
    assert_refused("PORT_API_BASE_URL", "ftp://a", "a URL that starts with https:// or http://");
    assert_refused("PORT_API_BASE_URL", "api.port", "has no scheme; write https://api.port");
}

/** A file that a setting is taken from. Whether the client secret of it is accepted, and is `secret`. */
static bool load_text(const char *text, size_t len, struct slice secret)
{
    char path[] = "/tmp/setting-XXXXXX", name[64];
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
    snprintf(name, sizeof name, "PORT_CLIENT_SECRET_FILE=%s", path);
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[3], name, NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct buffer problems = {0};
    bool accepted = load_lines(&config, &input, &problems) == 0;
    if (accepted)
        assert_true(slice_equal(config.client_secret.value, secret));
    else
        assert_non_null(strstr(buffer_text(&problems), "PORT_CLIENT_SECRET"));
    config_clear(&config);
    buffer_clear(&problems);
    unlink(path);
    return accepted;
}

static bool load_file(size_t len)
{
    char *text = malloc(len + 1);
    assert_non_null(text);
    memset(text, 'h', len);
    bool accepted = load_text(text, len, (struct slice){text, len});
    free(text);
    return accepted;
}

static void one_line_break_at_a_files_end_is_not_the_values(void **state)
{
    (void)state;
    static const struct slice secret = SLICE_LITERAL("h");
    assert_true(load_text("h", 1, secret));
    assert_true(load_text("h\n", 2, secret));
    assert_true(load_text("h\r\n", 3, secret));
    assert_true(load_text("h\r", 2, secret));
    assert_true(load_text("\nh", 2, SLICE_LITERAL("\nh")));
    assert_true(load_text("\xef\xbb\xbfh\r\n", 6, secret));
    assert_true(load_text("h\xef\xbb\xbf", 4, SLICE_LITERAL("h\xef\xbb\xbf")));
    assert_false(load_text("\xef\xbb\xbf", 3, secret));
    assert_false(load_text("\n", 1, secret));
    assert_false(load_text("\r\n", 2, secret));
    assert_false(load_text("\r", 1, secret));
}

static void a_file_has_a_mebibyte_at_most(void **state)
{
    (void)state;
    assert_true(load_file(1));
    assert_true(load_file(4096));
    assert_true(load_file(1 << 20));
    assert_false(load_file((1 << 20) + 1));
    assert_false(load_file((1 << 20) + 4096));
    assert_false(load_file(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_of_bytes_may_have_a_unit),
        cmocka_unit_test(whole_numbers_have_no_unit),
        cmocka_unit_test(seconds_may_have_a_fraction),
        cmocka_unit_test(a_value_in_quotes_is_taken_with_a_warning),
        cmocka_unit_test(a_pipe_is_not_waited_for_when_it_is_read_again),
        cmocka_unit_test(a_pipe_is_waited_for_at_the_start_but_not_for_ever),
        cmocka_unit_test(numbers_may_be_written_as_for_todays_agent),
        cmocka_unit_test(numbers_that_todays_agent_takes_count_as_the_nearest),
        cmocka_unit_test(numbers_with_which_todays_agent_does_nothing_are_refused),
        cmocka_unit_test(ports_url_has_a_scheme_and_nothing_behind_its_path),
        cmocka_unit_test(one_line_break_at_a_files_end_is_not_the_values),
        cmocka_unit_test(a_file_has_a_mebibyte_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
