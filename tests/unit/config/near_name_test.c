/* Names that miss a setting: which are told, and which are not. */
#include "config/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/** What is warned of with one more line in the environment; the caller clears. */
static void warnings_of(char *line, struct buffer *warnings)
{
    char *environment[] = {"PORT_ORG_ID=org",
                           "PORT_CLIENT_ID=id",
                           "PORT_CLIENT_SECRET=hush-0123456789abcdef-0123456789ab",
                           "KAFKA_CONSUMER_GROUP_ID=g",
                           line,
                           NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct setting_problems problems = {0};
    assert_int_equal(config_load(&config, &input, &problems), 0);
    buffer_append_slice(warnings, buffer_slice(&config.warnings));
    config_clear(&config);
    setting_problems_clear(&problems);
}

static void a_name_that_misses_a_setting_is_told(void **state)
{
    (void)state;
    static char *const near[][2] = {{"WEBHOOK_VERIFY_SLL", "WEBHOOK_VERIFY_SSL?"},
                                    {"WEBHOOK_VERIFY_TLS", "WEBHOOK_VERIFY_SSL?"},
                                    {"webhook_verify_ssl", "WEBHOOK_VERIFY_SSL?"},
                                    {"KAFKA_CONSUMER_BOOTSTRAP_SERVER", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS?"},
                                    {"KAFKA_BOOTSTRAP_SERVERS", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS?"},
                                    {"PORT_CLIENT_SECERT", "PORT_CLIENT_SECRET?"},
                                    {"PORT_CLIENT_SECRT_FILE", "PORT_CLIENT_SECRET_FILE?"},
                                    {"PORT_CLIENTID", "PORT_CLIENT_ID?"},
                                    {"POLLING_INTERVAL", "POLLING_INTERVAL_SECONDS?"},
                                    {"WEBHOOK_TIMEOUT", "WEBHOOK_INVOKER_TIMEOUT?"},
                                    {"LOGLEVEL", "LOG_LEVEL?"},
                                    {"LOG-LEVEL", "LOG_LEVEL?"},
                                    {"LOG.LEVEL", "LOG_LEVEL?"},
                                    {"log-level_file", "LOG_LEVEL_FILE?"},
                                    {"WEBHOOK__VERIFY_SSL_", "WEBHOOK_VERIFY_SSL?"},
                                    {"STREAMERNAME", "STREAMER_NAME?"},
                                    {"DETAILED_LOGING", "DETAILED_LOGGING?"},
                                    {"CONTROL_THE_PAYLOAD_CONFIG", "CONTROL_THE_PAYLOAD_CONFIG_PATH?"},
                                    {"HTTPS_PROXYS", "HTTPS_PROXY?"},
                                    {"USING_LOCAL_PORT_INSTANCES", "USING_LOCAL_PORT_INSTANCE?"}};
    for (size_t i = 0; i < sizeof near / sizeof *near; i++) {
        struct buffer warnings = {0};
        char line[128], told[128];
        snprintf(line, sizeof line, "%s=secret-value", near[i][0]);
        warnings_of(line, &warnings);
        snprintf(told, sizeof told, "%s: is no setting and has no effect; did you mean %s", near[i][0],
                 near[i][1]);
        if (!strstr(buffer_text(&warnings), told))
            fail_msg("%s: %s", told, buffer_text(&warnings));
        assert_null(strstr(buffer_text(&warnings), "secret-value"));
        buffer_clear(&warnings);
    }
    static char *const far[] = {"PATH=x",
                                "HOME=/x",
                                "PORT=8080",
                                "=x",
                                "_=/usr/bin/env",
                                "https_proxy_file=",
                                "A_B_C_D_E_F_G_H_I_J_K_L_M_N=x",
                                "PORT_CLIENT_SECRET_WHICH_IS_LONGER_THAN_THE_NAME_OF_ANY_SETTING_X=y",
                                "FTP_PROXY=http://x",
                                "KAFKA_PORT=1",
                                "KAFKA_SERVICE_HOST=h",
                                "GITLAB_URL=http://x",
                                "LOG_FILE=x",
                                "LOGNAME=root",
                                "PORT_AGENT_SERVICE_PORT=9",
                                "no_proxy=x",
                                "MAPPING_TOKEN=x",
                                "acme_deploy=token",
                                "SSL_CERT_DIR=/x",
                                "LANG=C",
                                "WEBHOOK_PASSWORD=x",
                                "PORT_CLIENT_ID_FILE=",
                                "HTTP_PROXY_FILE=",
                                "TERM=xterm",
                                "KAFKA_HEAP_OPTS=x"};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        struct buffer warnings = {0};
        warnings_of(far[i], &warnings);
        if (warnings.len > 0)
            fail_msg("%s: %s", far[i], buffer_text(&warnings));
        buffer_clear(&warnings);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_misses_a_setting_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
