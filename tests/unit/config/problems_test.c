/* What is wrong with settings: each problem is one setting's, and a command is ended by those of its own
 * settings alone. */
#include "config/problems.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load.h"

/** Loads `environment` for a command that needs `count` settings; the result, with its lines. */
static int load_for(char *const *environment, const char *const *needs, size_t count, struct buffer *lines)
{
    struct config_input input = {
        .environment = (char **)(uintptr_t)environment, .needs = needs, .needs_count = count};
    struct config config;
    int result = load_lines(&config, &input, lines);
    config_clear(&config);
    return result;
}

static void assert_loaded_for(char *const *environment, const char *const *needs, size_t count,
                              const char *expected)
{
    struct buffer lines = {0};
    int result = load_for(environment, needs, count, &lines);
    assert_string_equal(buffer_text(&lines), expected);
    assert_int_equal(result, *expected ? PA_ERR_INVALID : 0);
    buffer_clear(&lines);
}

static void every_problem_names_its_setting(void **state)
{
    (void)state;
    char *environment[] = {"PORT_CLIENT_ID=id",   "PORT_CLIENT_SECRET_FILE=/no/where",
                           "MAPPING_TIMEOUT=x",   "https_proxy=ftp://h",
                           "EGRESS_DENY=a/b,c/d", NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct setting_problems problems = {0};
    assert_int_equal(config_load(&config, &input, &problems), PA_ERR_INVALID);
    static const struct setting_problem expected[] = {
        {"PORT_ORG_ID", true, "PORT_ORG_ID: is not set; it is required ("},
        {"PORT_CLIENT_SECRET", false, "PORT_CLIENT_SECRET_FILE: '/no/where' cannot be read: "},
        {"MAPPING_TIMEOUT", false, "MAPPING_TIMEOUT: 'x' is not accepted"},
        {"EGRESS_DENY", false, "EGRESS_DENY: 'a/b' "},
        {"EGRESS_DENY", false, "EGRESS_DENY: 'c/d' "},
        {"HTTPS_PROXY", false, "HTTPS_PROXY: 'ftp://h' is not accepted"},
        {"KAFKA_CONSUMER_GROUP_ID", true, "KAFKA_CONSUMER_GROUP_ID: is not set; write"},
    };
    for (size_t i = 0; i < problems.count && i < sizeof expected / sizeof *expected; i++) {
        assert_string_equal(problems.list[i].setting, expected[i].setting);
        assert_int_equal(problems.list[i].missing, expected[i].missing);
        if (strncmp(problems.list[i].sentence, expected[i].sentence, strlen(expected[i].sentence)) != 0)
            fail_msg("'%s' instead of '%s…'", problems.list[i].sentence, expected[i].sentence);
        assert_null(strchr(problems.list[i].sentence, '\n'));
    }
    assert_int_equal(problems.count, sizeof expected / sizeof *expected);
    assert_true(setting_problems_name(&problems, "EGRESS_DENY"));
    assert_false(setting_problems_name(&problems, "EGRESS_ALLOW"));
    config_clear(&config);
    setting_problems_clear(&problems);
}

static void a_command_is_ended_by_the_problems_of_its_own_settings_alone(void **state)
{
    (void)state;
    static const char *const needs[] = {"HTTP_PROXY", "MAPPING_TIMEOUT"};
    char *environment[] = {"MAPPING_MAX_MEMORY=x", "HTTP_PROXY=ftp://h", "HTTPS_PROXY=ftp://h", NULL};
    assert_loaded_for(environment + 2, needs, 2, "");
    assert_loaded_for(environment, needs, 2,
                      "HTTP_PROXY: 'ftp://h' is not accepted (unknown scheme); write http://host:port, with "
                      "user:password@ before the host where one is wanted (also https, socks4, socks4a, "
                      "socks5, socks5h)\n");
    assert_loaded_for(environment, needs + 1, 1, "");
    assert_loaded_for(environment, needs, 0, "");
}

static void what_a_command_needs_may_be_missing_but_not_unreadable(void **state)
{
    (void)state;
    static const char *const needs[] = {"PORT_CLIENT_SECRET", "KAFKA_CONSUMER_GROUP_ID"};
    char *none[] = {NULL}, *file[] = {"PORT_CLIENT_SECRET_FILE=/no/where", NULL};
    assert_loaded_for(none, needs, 2, "");
    assert_loaded_for(file, needs, 2,
                      "PORT_CLIENT_SECRET_FILE: '/no/where' cannot be read: No such file or directory\n");
}

/** Whether a setting is missing was once read from the problem's words. */
static void the_words_of_a_value_change_nothing(void **state)
{
    (void)state;
    static const char *const needs[] = {"MAPPING_TIMEOUT"};
    char *environment[] = {"MAPPING_TIMEOUT=2: is not set", NULL};
    assert_loaded_for(environment, needs, 1,
                      "MAPPING_TIMEOUT: '2: is not set' is not accepted; write a number of seconds from 0.01 "
                      "to 600\n");
}

static void a_dotenv_that_cannot_be_read_ends_every_command(void **state)
{
    (void)state;
    static const char *const needs[] = {"MAPPING_TIMEOUT"};
    char *environment[] = {NULL};
    char path[400];
    memset(path, 'x', sizeof path - 1); /* no name is that long */
    path[sizeof path - 1] = '\0';
    struct config_input input = {
        .environment = environment, .dotenv_path = path, .needs = needs, .needs_count = 1};
    struct config config;
    struct setting_problems problems = {0};
    assert_int_equal(config_load(&config, &input, &problems), PA_ERR_INVALID);
    assert_int_equal(problems.count, 1);
    assert_null(problems.list[0].setting);
    assert_memory_equal(problems.list[0].sentence, ".env: 'xxx", 10);
    config_clear(&config);
    setting_problems_clear(&problems);
}

/** One problem is enough. */
static void a_setting_whose_value_cannot_be_had_is_not_called_missing(void **state)
{
    (void)state;
    static char *const more[][2] = {
        {"PORT_ORG_ID_FILE=/no/where", "KAFKA_CONSUMER_GROUP_ID=g"},
        {"PORT_ORG_ID=org", "KAFKA_CONSUMER_GROUP_ID_FILE=/no/where"},
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char *environment[] = {MINIMUM[1], MINIMUM[2], more[i][0], more[i][1], NULL};
        struct buffer lines = {0};
        assert_int_equal(load_for(environment, NULL, 0, &lines), PA_ERR_INVALID);
        assert_non_null(strstr(buffer_text(&lines), "_FILE: '/no/where' cannot be read: No such file"));
        assert_null(strstr(lines.ptr, "is not set"));
        buffer_clear(&lines);
    }
}

static void a_problem_without_memory_is_noted(void **state)
{
    (void)state;
    struct setting_problems problems = {0};
    struct buffer sentence = {.failed = true}, lines = {0};
    setting_problems_add(&problems, "MAPPING_TIMEOUT", false, &sentence);
    assert_int_equal(problems.count, 0);
    assert_true(problems.failed);
    setting_problems_append(&problems, &lines);
    assert_true(lines.failed);
    setting_problems_clear(&problems);
    assert_false(problems.failed);
    buffer_clear(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_problem_names_its_setting),
        cmocka_unit_test(a_command_is_ended_by_the_problems_of_its_own_settings_alone),
        cmocka_unit_test(what_a_command_needs_may_be_missing_but_not_unreadable),
        cmocka_unit_test(the_words_of_a_value_change_nothing),
        cmocka_unit_test(a_dotenv_that_cannot_be_read_ends_every_command),
        cmocka_unit_test(a_setting_whose_value_cannot_be_had_is_not_called_missing),
        cmocka_unit_test(a_problem_without_memory_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
