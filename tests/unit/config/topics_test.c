/* Settings that name topics, and the place of dead letters. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "load.h"

static void dead_letters_have_one_place(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, "DEAD_LETTER_DIR=/letters", NULL, NULL, NULL, &problems), 0);
    assert_string_equal(config.dead_letter_dir, "/letters");
    assert_string_equal(config.dead_letter_topic, "");
    assert_int_equal(config.dead_letter_max_bytes, 1 << 30);
    config_clear(&config);
    assert_int_equal(
        load(&config, "DEAD_LETTER_DIR=/letters", "DEAD_LETTER_TOPIC=letters", NULL, NULL, &problems),
        PA_ERR_INVALID);
    assert_string_equal(buffer_text(&problems), "DEAD_LETTER_TOPIC: both DEAD_LETTER_TOPIC and "
                                                "DEAD_LETTER_DIR are set; set one of them\n");
    config_clear(&config);
    buffer_clear(&problems);
    assert_int_equal(
        load(&config, "DEAD_LETTER_TOPIC=letters", "STREAMER_NAME=POLLING", NULL, NULL, &problems),
        PA_ERR_INVALID);
    assert_non_null(strstr(buffer_text(&problems), "DEAD_LETTER_TOPIC: needs the Kafka streamer"));
    config_clear(&config);
    buffer_clear(&problems);
}

/** The problems of a configuration with this PORT_ORG_ID and up to two more settings; the caller frees. */
static char *problems_of(const char *org_id, char *a, char *b)
{
    char line[400];
    struct config config;
    struct buffer problems = {0};
    snprintf(line, sizeof line, "PORT_ORG_ID=%s", org_id);
    char *environment[] = {line, MINIMUM[1], MINIMUM[2], MINIMUM[3], a, b, NULL};
    struct config_input input = {.environment = environment};
    int result = load_lines(&config, &input, &problems);
    assert_int_equal(result, problems.len > 0 ? PA_ERR_INVALID : 0);
    config_clear(&config);
    return buffer_take(&problems, NULL);
}

static void assert_problems(const char *org_id, char *a, char *b, const char *expected)
{
    char *problems = problems_of(org_id, a, b);
    if (strncmp(problems, expected, strlen(expected)) != 0 || (!*expected && *problems))
        fail_msg("'%s': '%s', expected '%s…'", org_id, problems, expected);
    assert_true(!*problems || strchr(problems, '\n') == strrchr(problems, '\n'));
    free(problems);
}

static void an_organisation_is_told_when_kafka_has_no_topic_of_that_name(void **state)
{
    (void)state;
    static const char *const wrong[] = {"org x", " org_x", "org_ x", "org/x",
                                        "org:x", "örg",    "org,x",  "^org"};
    char expected[200];
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(expected, sizeof expected,
                 "PORT_ORG_ID: '%s' is not accepted; write the organisation's id as Port", wrong[i]);
        assert_problems(wrong[i], NULL, NULL, expected);
        assert_problems(wrong[i], "KAFKA_RUNS_TOPIC=runs", NULL, expected);
        assert_problems(wrong[i], "KAFKA_RUNS_TOPIC=runs", "KAFKA_CHANGE_LOG_TOPIC=changes", "");
        assert_problems(wrong[i], "STREAMER_NAME=POLLING", NULL, "");
    }
    assert_problems("org\nx", NULL, NULL, "PORT_ORG_ID: 'org\\nx' is not accepted");
    assert_problems("Org-1_x.y", NULL, NULL, "");
    char longest[251];
    memset(longest, 'o', sizeof longest);
    longest[249 - strlen(".change.log")] = '\0';
    assert_problems(longest, NULL, NULL, "");
    longest[strlen(longest)] = 'o';
    longest[249 - strlen(".change.log") + 1] = '\0';
    assert_problems(longest, NULL, NULL, "PORT_ORG_ID: 'oooo");
}

static void topics_have_names_that_kafka_takes(void **state)
{
    (void)state;
    static const char *const names[] = {"KAFKA_RUNS_TOPIC", "KAFKA_CHANGE_LOG_TOPIC", "DEAD_LETTER_TOPIC"};
    static const char *const wrong[] = {"a b", "a,b", "^org.*", ".", "..", "a\tb", " runs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char setting[400], expected[100], longest[251];
        snprintf(expected, sizeof expected, "%s: '", names[i]);
        for (size_t j = 0; j < sizeof wrong / sizeof *wrong; j++) {
            snprintf(setting, sizeof setting, "%s=%s", names[i], wrong[j]);
            assert_problems("org", setting, NULL, expected);
        }
        memset(longest, 't', sizeof longest);
        longest[250] = '\0';
        snprintf(setting, sizeof setting, "%s=%s", names[i], longest);
        assert_problems("org", setting, NULL, expected);
        setting[strlen(setting) - 1] = '\0';
        assert_problems("org", setting, NULL, "");
    }
    assert_problems(
        "org", "KAFKA_RUNS_TOPIC=a b", NULL,
        "KAFKA_RUNS_TOPIC: 'a b' is not accepted; write the name of a topic: letters, digits, '.', "
        "'_' and '-', at most 249 characters\n");
    assert_problems("org", "KAFKA_RUNS_TOPIC=a b", "STREAMER_NAME=POLLING", "");
}

static void a_directory_of_letters_is_no_link_and_nobody_elses(void **state)
{
    (void)state;
    char directory[] = "/tmp/letters-XXXXXX", link[40], line[80], told[256];
    assert_non_null(mkdtemp(directory));
    snprintf(link, sizeof link, "%s-link", directory);
    assert_int_equal(symlink(directory, link), 0);
    static const mode_t modes[] = {0700, 0750, 0701};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(chmod(directory, modes[i]), 0);
        snprintf(line, sizeof line, "DEAD_LETTER_DIR=%s/", directory);
        assert_int_equal(load(&config, line, NULL, NULL, NULL, &problems), 0);
        assert_string_equal(config.dead_letter_dir, directory);
        snprintf(told, sizeof told,
                 "DEAD_LETTER_DIR: others than its owner may use '%s' (mode %04o), and secrets may be in "
                 "letters; chmod 700 it\n",
                 directory, (unsigned)modes[i]);
        assert_string_equal(buffer_text(&config.warnings), modes[i] == 0700 ? "" : told);
        config_clear(&config);
        snprintf(line, sizeof line, "DEAD_LETTER_DIR=%s%s", link, i == 0 ? "" : "//");
        assert_int_equal(load(&config, line, NULL, NULL, NULL, &problems), PA_ERR_INVALID);
        assert_non_null(strstr(buffer_text(&problems), "is a symbolic link, which is not followed; write"));
        config_clear(&config);
        buffer_clear(&problems);
    }
    unlink(link);
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_letters_have_one_place),
        cmocka_unit_test(an_organisation_is_told_when_kafka_has_no_topic_of_that_name),
        cmocka_unit_test(topics_have_names_that_kafka_takes),
        cmocka_unit_test(a_directory_of_letters_is_no_link_and_nobody_elses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
