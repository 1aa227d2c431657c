/* What is shown of the settings in force. */
#include "config/effective.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load.h"
#include <unistd.h>

static size_t place_of(const char *name)
{
    for (size_t i = 0; i < config_setting_count; i++)
        if (strcmp(config_settings[i].name, name) == 0)
            return i;
    fail_msg("there is no setting %s", name);
    return 0;
}

static void expect(const struct config *config, const char *name, const char *value, const char *origin)
{
    struct buffer shown = {0};
    config_append_value(config, place_of(name), &shown);
    assert_string_equal(buffer_text(&shown), value);
    assert_string_equal(config_origin(config, place_of(name)), origin);
    buffer_clear(&shown);
}

static void the_default_of_every_setting_is_shown_as_the_table_has_it(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, NULL, NULL, NULL, NULL, &problems), 0);
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        struct buffer shown = {0};
        config_append_value(&config, i, &shown);
        bool on =
            setting->kind == SETTING_BOOLEAN && setting->fallback && strcmp(setting->fallback, "on") == 0;
        bool number = setting->kind == SETTING_NUMBER; /* 2.0 is 2 */
        if (setting->fallback && !on && !number)
            assert_string_equal(buffer_text(&shown), setting->fallback);
        buffer_clear(&shown);
    }
    config_clear(&config);
    buffer_clear(&problems);
}

static void each_kind_is_shown_as_it_could_be_written_and_no_secret_is(void **state)
{
    (void)state;
    char dotenv[] = "/tmp/effective_test.XXXXXX";
    int file = mkstemp(dotenv);
    static const char text[] = "WEBHOOK_RETRY_ON=reset 502,4xx\nDRAIN_TIMEOUT_SECONDS=2.50\n";
    assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
    close(file);
    char *environment[] = {MINIMUM[0],
                           MINIMUM[1],
                           MINIMUM[2],
                           MINIMUM[3],
                           "HTTPS_PROXY=http://me:hush@proxy:3128",
                           "PORT_API_BASE_URL=https://user:hush@api.example/",
                           "QUEUE_MAX_BYTES=1536KiB",
                           "STREAMER_NAME=polling",
                           "WEBHOOK_VERIFY_SSL=false",
                           "POLLING_BACKOFF_FACTOR=1.5",
                           "DEDUP_WINDOW_FILE=/dev/null",
                           NULL};
    struct config config;
    struct config_input input = {.environment = environment, .dotenv_path = dotenv};
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    expect(&config, "PORT_CLIENT_SECRET", "set", "environment");
    expect(&config, "PORT_CLIENT_SECRET_PREVIOUS", "", "default");
    expect(&config, "HTTPS_PROXY", "http://***@proxy:3128", "environment");
    expect(&config, "PORT_API_BASE_URL", "https://***@api.example", "environment");
    expect(&config, "QUEUE_MAX_BYTES", "1536KiB", "environment");
    expect(&config, "STREAMER_NAME", "POLLING", "environment");
    expect(&config, "WEBHOOK_VERIFY_SSL", "false", "environment");
    expect(&config, "POLLING_BACKOFF_FACTOR", "1.5", "environment");
    expect(&config, "WEBHOOK_RETRY_ON", "4xx,502,reset", ".env");
    expect(&config, "DRAIN_TIMEOUT_SECONDS", "2.5", ".env");
    expect(&config, "DEDUP_WINDOW", "10000", "default"); /* an empty file is no value */
    config_clear(&config);
    buffer_clear(&problems);
    unlink(dotenv);
}

static void a_value_of_a_file_says_so(void **state)
{
    (void)state;
    char path[] = "/tmp/effective_test.XXXXXX", line[80];
    int file = mkstemp(path);
    assert_int_equal(write(file, "org_of_a_file\n", 14), 14);
    close(file);
    snprintf(line, sizeof line, "PORT_ORG_ID_FILE=%s", path);
    char *environment[] = {line, MINIMUM[1], MINIMUM[2], MINIMUM[3], NULL};
    struct config config;
    struct config_input input = {.environment = environment};
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    expect(&config, "PORT_ORG_ID", "org_of_a_file", "file");
    expect(&config, "KAFKA_RUNS_TOPIC", "org_of_a_file.runs", "default");
    config_clear(&config);
    buffer_clear(&problems);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_of_every_setting_is_shown_as_the_table_has_it),
        cmocka_unit_test(each_kind_is_shown_as_it_could_be_written_and_no_secret_is),
        cmocka_unit_test(a_value_of_a_file_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
