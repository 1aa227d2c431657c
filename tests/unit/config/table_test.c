/* The table of settings: what holds for each of its entries. */
#include "config/table.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "load.h"

static const struct setting *setting_named(const char *name)
{
    for (size_t i = 0; i < config_setting_count; i++)
        if (strcmp(config_settings[i].name, name) == 0)
            return &config_settings[i];
    fail_msg("there is no setting %s", name);
    return NULL;
}

static void no_two_settings_share_a_name_or_a_member(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_setting_count; i++)
        for (size_t j = 0; j < i; j++) {
            assert_string_not_equal(config_settings[i].name, config_settings[j].name);
            assert_int_not_equal(config_settings[i].offset, config_settings[j].offset);
        }
}

static void every_setting_has_a_meaning_and_its_kind_what_it_needs(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        bool chosen = setting->kind == SETTING_CHOICE || setting->kind == SETTING_ENUM;
        bool ranged = setting->kind == SETTING_INTEGER || setting->kind == SETTING_BYTES ||
                      setting->kind == SETTING_SECONDS || setting->kind == SETTING_NUMBER;
        if (!*setting->help || chosen != (setting->choices != NULL) ||
            ranged != (setting->minimum < setting->maximum) || (setting->required && setting->fallback))
            fail_msg("%s", setting->name);
    }
}

/** Loads the minimum with NAME=word; the caller clears. */
static void load_word(const struct setting *setting, const char *word, struct config *config)
{
    char line[160];
    struct buffer problems = {0};
    snprintf(line, sizeof line, "%s=%s", setting->name, word);
    assert_int_equal(load(config, line, NULL, NULL, NULL, &problems), 0);
    buffer_clear(&problems);
}

static void every_word_of_a_choice_is_taken_for_what_it_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        for (const struct setting_choice *choice = setting->choices; choice && choice->word; choice++) {
            struct config config;
            load_word(setting, choice->word, &config);
            const void *member = (const char *)&config + setting->offset;
            bool can = choice->value != WEBHOOK_HTTP_2 || http_client_can_http2();
            if (setting->kind == SETTING_ENUM && (can || strcmp(setting->name, "WEBHOOK_HTTP_VERSION") != 0))
                assert_int_equal(*(const unsigned *)member, choice->value);
            else if (setting->kind == SETTING_CHOICE && *choice->text &&
                     strcmp(setting->name, "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM") != 0)
                assert_string_equal(*(char *const *)member, choice->text);
            config_clear(&config);
        }
    }
}

static void a_word_may_be_taken_and_not_listed(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    load_word(setting_named("LOG_LEVEL"), "warn", &config);
    assert_int_equal(config.log_level, LOG_WARNING);
    config_clear(&config);
    assert_int_equal(load(&config, "LOG_LEVEL=loud", NULL, NULL, NULL, &problems), PA_ERR_INVALID);
    assert_string_equal(
        buffer_text(&problems),
        "LOG_LEVEL: 'loud' is not accepted; write one of DEBUG, INFO, WARNING, ERROR, CRITICAL, NOTSET\n");
    config_clear(&config);
    buffer_clear(&problems);
}

static void the_format_that_is_not_set_is_the_terminals(void **state)
{
    (void)state;
    static char *const lines[] = {"LOG_FORMAT=json", "LOG_FORMAT=text", "LOG_FORMAT="};
    static const enum log_format expected[][2] = {{LOG_FORMAT_JSON, LOG_FORMAT_JSON},
                                                  {LOG_FORMAT_TEXT, LOG_FORMAT_TEXT},
                                                  {LOG_FORMAT_JSON, LOG_FORMAT_TEXT}};
    for (size_t i = 0; i < 6; i++) {
        bool terminal = i % 2 == 1;
        char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[2], MINIMUM[3], lines[i / 2], NULL};
        struct config_input input = {.environment = environment, .stdout_is_terminal = terminal};
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(load_lines(&config, &input, &problems), 0);
        assert_int_equal(config.log_format, expected[i / 2][terminal]);
        assert_int_equal(config.log_colour, terminal && config.log_format == LOG_FORMAT_TEXT);
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void colour_is_for_terminals_that_have_it(void **state)
{
    (void)state;
    static char *const lines[] = {"NO_COLOR=", "TERM=xterm", "NO_COLOR=1", "TERM=dumb"};
    for (size_t i = 0; i < 4; i++) {
        char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[2], MINIMUM[3], lines[i], NULL};
        struct config_input input = {.environment = environment, .stdout_is_terminal = true};
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(load_lines(&config, &input, &problems), 0);
        assert_int_equal(config.log_colour, i < 2);
        config_clear(&config);
        buffer_clear(&problems);
    }
}

/** Is NAME=number accepted, and told to be out of its bounds if not? */
static bool takes(const struct setting *setting, double number)
{
    char line[160], told[160];
    struct config config;
    struct buffer problems = {0};
    snprintf(line, sizeof line, "%s=%.16g", setting->name, number);
    snprintf(told, sizeof told, "from %.10g to %.12g\n", setting->minimum, setting->maximum);
    int failed = load(&config, line, NULL, NULL, NULL, &problems);
    if (failed && !strstr(buffer_text(&problems), told))
        fail_msg("%s: '%s' does not say '%s'", line, problems.ptr, told);
    config_clear(&config);
    buffer_clear(&problems);
    return failed == 0;
}

/** Users rely on them: whoever changes one changes it here too, and says so in the changelog. */
static void the_bounds_of_numbers_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double minimum, maximum;
    } bounds[] = {{"KAFKA_CONSUMER_SESSION_TIMEOUT_MS", 1, 3600000},
                  {"POLLING_INTERVAL_SECONDS", 0.01, 86400},
                  {"POLLING_RUNS_BATCH_SIZE", 1, 1000},
                  {"POLLING_INITIAL_BACKOFF_SECONDS", 0.01, 86400},
                  {"POLLING_BACKOFF_FACTOR", 1, 100},
                  {"POLLING_BACKOFF_JITTER_FACTOR", 0, 100},
                  {"POLLING_MAX_BACKOFF_SECONDS", 0.01, 86400},
                  {"POLLING_MAX_FAILURE_DURATION_SECONDS", 0.01, 31536000},
                  {"MAPPING_TIMEOUT", 0.01, 600},
                  {"MAPPING_MAX_MEMORY", 4194304, 17179869184},
                  {"WEBHOOK_INVOKER_TIMEOUT", 0.001, 86400},
                  {"WEBHOOK_TOTAL_TIMEOUT", 0.001, 86400},
                  {"WEBHOOK_MAX_IN_FLIGHT", 1, 10000},
                  {"WEBHOOK_MAX_IN_FLIGHT_PER_DESTINATION", 0, 10000},
                  {"WEBHOOK_RETRY_MAX_ATTEMPTS", 1, 1000},
                  {"WEBHOOK_RETRY_MAX_ELAPSED", 0, 86400},
                  {"WEBHOOK_RETRY_INITIAL_BACKOFF", 0.001, 3600},
                  {"WEBHOOK_RETRY_MAX_BACKOFF", 0.001, 3600},
                  {"WEBHOOK_BREAKER_FAILURES", 0, 1000000},
                  {"DEDUP_WINDOW", 0, 1000000},
                  {"EVENT_MAX_AGE_SECONDS", 0, 31536000},
                  {"REPLAY_TOLERANCE_SECONDS", 0, 31536000},
                  {"WEBHOOK_MAX_RESPONSE_BYTES", 1024, 1073741824},
                  {"WEBHOOK_TOTAL_RESPONSE_BYTES", 65536, 17179869184},
                  {"QUEUE_MAX_BYTES", 1048576, 17179869184},
                  {"RECORD_MAX_BYTES", 1024, 1000000000},
                  {"DRAIN_TIMEOUT_SECONDS", 0, 86400},
                  {"DEAD_LETTER_MAX_BYTES", 65536, 1125899906842624},
                  {"LIVENESS_STALL_SECONDS", 1, 3600},
                  {"RELOAD_INTERVAL_SECONDS", 0, 86400}};
    size_t known = 0;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        for (size_t j = 0; j < sizeof bounds / sizeof *bounds; j++)
            if (strcmp(setting->name, bounds[j].name) == 0) {
                known++;
                if (setting->minimum != bounds[j].minimum || setting->maximum != bounds[j].maximum)
                    fail_msg("%s: from %g to %g", setting->name, setting->minimum, setting->maximum);
            }
        if (setting->kind == SETTING_INTEGER || setting->kind == SETTING_BYTES ||
            setting->kind == SETTING_SECONDS || setting->kind == SETTING_NUMBER)
            known--;
    }
    assert_int_equal(known, 0);
}

static void every_number_is_taken_within_its_bounds_and_no_further(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_setting_count; i++) {
        const struct setting *setting = &config_settings[i];
        bool whole = setting->kind == SETTING_INTEGER || setting->kind == SETTING_BYTES;
        if (!whole && setting->kind != SETTING_SECONDS && setting->kind != SETTING_NUMBER)
            continue;
        double step = whole ? 1 : 0.0005;
        bool below = (setting->nearest & NEAREST_BELOW) != 0, above = (setting->nearest & NEAREST_ABOVE) != 0;
        if (!takes(setting, setting->minimum) || !takes(setting, setting->maximum) ||
            takes(setting, setting->minimum - step) != below ||
            takes(setting, setting->maximum + step) != above)
            fail_msg("%s", setting->name);
    }
}

static void settings_are_hidden_in_every_form_in_which_they_are_read(void **state)
{
    (void)state;
    static const char *const hidden[] = {"MAPPING_TIMEOUT", "MAPPING_TIMEOUT_FILE", "HTTP_PROXY",
                                         "http_proxy",      "http_proxy_file",      "http_proxy_FILE",
                                         "SSL_CERT_FILE",   "PORT_CLIENT_SECRET",   "HTTP_PROXY_FILE"};
    static const char *const others[] = {"mapping_timeout", "MAPPING", "GITLAB_URL", "MAPPING_TIMEOUT_file"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        setenv(hidden[i], "x", 1);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        setenv(others[i], "x", 1);
    config_hide();
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (getenv(hidden[i]))
            fail_msg("%s", hidden[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_non_null(getenv(others[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_settings_share_a_name_or_a_member),
        cmocka_unit_test(every_setting_has_a_meaning_and_its_kind_what_it_needs),
        cmocka_unit_test(every_word_of_a_choice_is_taken_for_what_it_means),
        cmocka_unit_test(a_word_may_be_taken_and_not_listed),
        cmocka_unit_test(the_format_that_is_not_set_is_the_terminals),
        cmocka_unit_test(colour_is_for_terminals_that_have_it),
        cmocka_unit_test(the_bounds_of_numbers_are_known),
        cmocka_unit_test(every_number_is_taken_within_its_bounds_and_no_further),
        cmocka_unit_test(settings_are_hidden_in_every_form_in_which_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
