/* Settings: where they come from, and every problem told at once. */
#include "config/config.h"
#include "config/dotenv.h"
#include "http/client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../edge.h"
#include "load.h"

static void defaults_are_the_contracts(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, NULL, NULL, NULL, NULL, &problems), 0);
    assert_string_equal(config.api_base_url, "https://api.getport.io");
    assert_string_equal(config.runs_topic, "org.runs");
    assert_string_equal(config.change_log_topic, "org.change.log");
    assert_string_equal(config.security_protocol, "sasl_ssl");
    assert_string_equal(config.sasl_mechanism, "SCRAM-SHA-512");
    assert_string_equal(config.auto_offset_reset, "earliest");
    assert_int_equal(config.session_timeout_ms, 45000);
    assert_int_equal(config.invoker_timeout_ms, 30000);
    assert_int_equal(config.total_timeout_ms, 300000);
    assert_int_equal(config.max_in_flight, 256);
    assert_int_equal(config.queue_max_bytes, 16 << 20);
    assert_int_equal(config.record_max_bytes, 32 << 20);
    assert_int_equal(config.drain_timeout_ms, 8000);
    assert_true(config.verify_tls && config.detailed_logging && config.run_logs);
    assert_int_equal(config.log_level, LOG_INFO);
    assert_int_equal(config.log_format, LOG_FORMAT_JSON);
    config_clear(&config);
    buffer_clear(&problems);
}

static void values_are_read_in_all_their_forms(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, "PORT_API_BASE_URL=http://x/", "KAFKA_CONSUMER_AUTO_OFFSET_RESET=Largest",
                          "WEBHOOK_VERIFY_SSL=OFF", "WEBHOOK_INVOKER_TIMEOUT=0.25", &problems),
                     0);
    assert_string_equal(config.api_base_url, "http://x");
    assert_string_equal(config.auto_offset_reset, "latest");
    assert_false(config.verify_tls);
    assert_int_equal(config.invoker_timeout_ms, 250);
    config_clear(&config);
    assert_int_equal(load(&config, "QUEUE_MAX_BYTES=2MiB", "LOG_LEVEL=warning",
                          "KAFKA_CONSUMER_SECURITY_PROTOCOL=SASL_SSL",
                          "KAFKA_CONSUMER_AUTHENTICATION_MECHANISM=plain", &problems),
                     0);
    assert_int_equal(config.queue_max_bytes, 2 << 20);
    assert_int_equal(config.log_level, LOG_WARNING);
    assert_string_equal(config.sasl_mechanism, "PLAIN");
    config_clear(&config);
    buffer_clear(&problems);
}

static void wrong_values_are_told_with_what_is_accepted(void **state)
{
    (void)state;
    static char *const wrong[][2] = {
        {"WEBHOOK_MAX_IN_FLIGHT=0", "from 1 to 10000"},
        {"WEBHOOK_MAX_IN_FLIGHT=12x", "whole number"},
        {"WEBHOOK_MAX_IN_FLIGHT=99999999999999999999", "whole number"},
        {"WEBHOOK_INVOKER_TIMEOUT=nan", "seconds"},
        {"WEBHOOK_INVOKER_TIMEOUT=-1", "seconds"},
        {"WEBHOOK_VERIFY_SSL=maybe", "true or false"},
        {"LOG_LEVEL=loud", "DEBUG"},
        {"PORT_API_BASE_URL=api.getport.io", "has no scheme; write https://api.getport.io"},
        {"PORT_API_BASE_URL=ftp://x", "write a URL that starts with https://"},
        {"PORT_API_BASE_URL=https://", "PORT_API_BASE_URL: 'https://' is not accepted (not a URL: there is"},
        {"PORT_API_BASE_URL=https:///v1", "'https:///v1' is not accepted (not a URL: there is no host name)"},
        {"PORT_API_BASE_URL=https://h:99999", "'https://h:99999' is not accepted (not a URL"},
        {"PORT_API_BASE_URL=http://u:hush@h:0/", "'http://***@h:0/' is not accepted (its port is 0); write"},
        {"PORT_API_BASE_URL=https://h:x", "'https://h:x' is not accepted (not a URL: its port is not"},
        {"PORT_API_BASE_URL=https://h o", "a URL without blanks"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a:99999", "write host:port"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=h:9092;h2:9092", "'h:9092;h2:9092' is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a:9092,,b:9092", "'' is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a:9092|b:9092", "'a:9092|b:9092' is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=['a:9092']", "is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=\"a:9092\"", "is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a:9092:9093", "is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=[::1:9092", "is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=h\xc3\xa9:9092", "is not accepted"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS= , ", "write host:port"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a:9092,:9092", "write host:port"},
        {"KAFKA_CONSUMER_BOOTSTRAP_SERVERS=a b:9092", "write host:port"},
        {"PORT_API_BASE_URL=u:hush@port", "'***@port' has no scheme; write https://***@port"},
        {"PORT_API_BASE_URL=http://u:hu?sh@port", "PORT_API_BASE_URL: 'http://***@port' is not accepted"},
        {"KAFKA_CONSUMER_AUTO_OFFSET_RESET=middle", "earliest"},
        {"POLLING_BACKOFF_FACTOR=-0.5", "a number from 1 to 100"},
        {"MAPPING_MISS=ignore", "report, skip"},
        {"WEBHOOK_RETRY_ON=502,6xx", "WEBHOOK_RETRY_ON: '6xx' is not accepted"},
        {"WEBHOOK_RETRY_ON=502,5,timeout", "WEBHOOK_RETRY_ON: '5' is not accepted"},
        {"WEBHOOK_RETRY_ON=none,502", "none alone"},
        {"WEBHOOK_RETRY_ON=500,,502",
         "WEBHOOK_RETRY_ON: '500,,502' has nothing beside a comma; write status"},
        {"LOG_LEVEL=IN\nFO", "LOG_LEVEL: 'IN\\nFO' is not accepted"},
        {"PORT_API_BASE_URL=a\r\nb", "'a\\r\\nb' has no scheme; write https://a\\r\\nb\n"},
        {"HTTP_PROXY=http://h\n:1", "HTTP_PROXY: 'http://h\\n:1' is not accepted"},
        {"WEBHOOK_RETRY_ON=50\a0", "WEBHOOK_RETRY_ON: '50\\x070' is not accepted"},
        {"SSL_CERT_FILE_FILE=/no\nwhere", "SSL_CERT_FILE_FILE: '/no\\nwhere' cannot be read"},
        {"https_proxy=ftp://hush@proxy", "HTTPS_PROXY: 'ftp://***@proxy' is not accepted (unknown scheme); "
                                         "write http://host:port"},
        {"HTTP_PROXY=http://h:99999", "HTTP_PROXY: 'http://h:99999' is not accepted"},
        {"HTTPS_PROXY=http://", "HTTPS_PROXY: 'http://' is not accepted"},
        {"ALL_PROXY=http://h:hush", "ALL_PROXY: 'http://h:***' is not accepted"},
        {"HTTP_PROXY=//h", "HTTP_PROXY: '//h' is not accepted"},
        {"HTTP_PROXY=http://user:hush@h:x", "HTTP_PROXY: 'http://***@h:x' is not accepted"},
        {"HTTP_PROXY=http://user:hush%0a@h:1", "HTTP_PROXY: 'http://***@h:1' is not accepted (a control"},
        {"all_proxy=http://user:hush%@h:1", "ALL_PROXY: 'http://***@h:1' is not accepted (a '%'"},
        {"HTTPS_PROXY=user:hu://sh@h:1", "HTTPS_PROXY: '***@h:1' is not accepted"},
        {"HTTP_PROXY=  ", "HTTP_PROXY: '' is not accepted (nothing but blanks)"},
        {"HTTP_PROXY_FILE=/dev/null", "HTTP_PROXY_FILE: '/dev/null' is empty; write the proxy's address"},
        {"https_proxy_FILE=/no/where", "HTTPS_PROXY_FILE: '/no/where' cannot be read"},
        {"all_proxy_file=/no/where", "ALL_PROXY_FILE: '/no/where' cannot be read"},
        {"DEAD_LETTER_DIR=/proc/self/stat", "DEAD_LETTER_DIR: '/proc/self/stat' is not a directory; write"},
        {"DEAD_LETTER_DIR=/proc/self/stat/x", "DEAD_LETTER_DIR: '/proc/self/stat/x' is not a directory"},
        {"USING_LOCAL_PORT_INSTANCE=true", "KAFKA_CONSUMER_BOOTSTRAP_SERVERS"},
        {"DEAD_LETTER_MAX_BYTES=1TiB", "KiB, MiB or GiB"},
        {"DEAD_LETTER_TOPIC=org.runs", "DEAD_LETTER_TOPIC: 'org.runs' is a topic the agent consumes"},
        {"PORT_CLIENT_SECRET_FILE=/nowhere", "both"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(load(&config, wrong[i][0], NULL, NULL, NULL, &problems), PA_ERR_INVALID);
        if (!strstr(buffer_text(&problems), wrong[i][1]))
            fail_msg("%s: '%s' does not say '%s'", wrong[i][0], problems.ptr, wrong[i][1]);
        assert_null(strstr(problems.ptr, "hush"));
        assert_ptr_equal(strchr(problems.ptr, '\n'), problems.ptr + problems.len - 1);
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void booleans_and_levels_have_all_their_words(void **state)
{
    (void)state;
    static char *const yes[] = {"t", "T", "y", "Y", "yes", "on", "1", "TRUE", "true "};
    static char *const no[] = {"f", "F", "n", "N", "no", "off", "0", "False"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes + sizeof no / sizeof *no; i++) {
        bool wanted = i < sizeof yes / sizeof *yes;
        struct config config;
        struct buffer problems = {0};
        char setting[64];
        snprintf(setting, sizeof setting, "WEBHOOK_VERIFY_SSL=%s",
                 wanted ? yes[i] : no[i - sizeof yes / sizeof *yes]);
        assert_int_equal(load(&config, setting, "LOG_LEVEL=NotSet", NULL, NULL, &problems), 0);
        assert_int_equal(config.verify_tls, wanted);
        assert_int_equal(config.log_level, LOG_DEBUG);
        config_clear(&config);
        buffer_clear(&problems);
    }
}

static void white_space_at_an_end_is_cut_off_and_told(void **state)
{
    (void)state;
    static char *const ends[] = {"\n",   " ",        "\r\n",           "\t",           " \n \n",
                                 "\v\f", "\xc2\xa0", "\xe2\x80\xaf\n", "\xe3\x80\x80 "};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct config config;
        struct buffer problems = {0};
        char group[64], secret[64], timeout[64], streamer[64];
        snprintf(group, sizeof group, "KAFKA_RUNS_TOPIC=topic%s", ends[i]);
        snprintf(secret, sizeof secret, "PORT_API_BASE_URL=http://x/%s", ends[i]);
        snprintf(timeout, sizeof timeout, "WEBHOOK_INVOKER_TIMEOUT=5%s", ends[i]);
        snprintf(streamer, sizeof streamer, "NO_PROXY=%s", ends[i]);
        assert_int_equal(load(&config, group, secret, timeout, streamer, &problems), 0);
        assert_string_equal(config.runs_topic, "topic");
        assert_string_equal(config.api_base_url, "http://x");
        assert_string_equal(config.no_proxy, "");
        assert_int_equal(config.invoker_timeout_ms, 5000);
        static const char *const named[] = {"KAFKA_RUNS_TOPIC: white space", "PORT_API_BASE_URL: white space",
                                            "WEBHOOK_INVOKER_TIMEOUT: white space", "NO_PROXY: white space"};
        for (size_t j = 0; j < sizeof named / sizeof *named; j++)
            assert_non_null(strstr(buffer_text(&config.warnings), named[j]));
        config_clear(&config);
        buffer_clear(&problems);
    }
    char *environment[] = {"PORT_ORG_ID=org", "PORT_CLIENT_ID=id", "PORT_CLIENT_SECRET=hush \n",
                           "KAFKA_CONSUMER_GROUP_ID=\tg g\n", NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    assert_true(slice_equal_text(config.client_secret.value, "hush"));
    assert_string_equal(config.group_id, "\tg g"); /* only the end */
    assert_non_null(strstr(buffer_text(&config.warnings), "PORT_CLIENT_SECRET: white space"));
    assert_null(strstr(buffer_text(&config.warnings), "hush"));
    config_clear(&config);
    environment[0] = "PORT_ORG_ID= \n";
    assert_int_equal(load_lines(&config, &input, &problems), PA_ERR_INVALID);
    assert_non_null(strstr(buffer_text(&problems), "PORT_ORG_ID: is not set"));
    config_clear(&config);
    buffer_clear(&problems);
}

static void a_setting_may_be_a_file(void **state)
{
    (void)state;
    char path[] = "/tmp/setting-XXXXXX", variable[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "from-file\n", 10) == 10);
    snprintf(variable, sizeof variable, "PORT_CLIENT_SECRET_FILE=%s", path);
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[3], variable, NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    assert_true(slice_equal_text(config.client_secret.value, "from-file"));
    config_clear(&config);
    buffer_clear(&problems);
    close(fd);
    unlink(path);
}

static void a_proxy_may_be_a_file_with_a_final_line_break(void **state)
{
    (void)state;
    static const char *const names[] = {"HTTP_PROXY_FILE", "http_proxy_FILE", "http_proxy_file"};
    static const char *const breaks[] = {"", "\n", "\r\n"};
    for (size_t i = 0; i < 9; i++) {
        char path[] = "/tmp/setting-XXXXXX", variable[64], text[64];
        int fd = mkstemp(path);
        int len = snprintf(text, sizeof text, "http://us:er@proxy:1%s", breaks[i % 3]);
        assert_true(fd >= 0 && write(fd, text, (size_t)len) == len);
        snprintf(variable, sizeof variable, "%s=%s", names[i / 3], path);
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(load(&config, variable, NULL, NULL, NULL, &problems), 0);
        assert_string_equal(config.http_proxy, "http://us:er@proxy:1");
        assert_int_equal(config.warnings.len, 0);
        config_clear(&config);
        buffer_clear(&problems);
        close(fd);
        unlink(path);
    }
}

static void a_file_with_a_nul_byte_is_no_value(void **state)
{
    (void)state;
    char path[] = "/tmp/setting-XXXXXX", variable[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, "http://proxy\0:1", 15) == 15);
    snprintf(variable, sizeof variable, "HTTP_PROXY_FILE=%s", path);
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, variable, NULL, NULL, NULL, &problems), PA_ERR_INVALID);
    assert_non_null(strstr(buffer_text(&problems), "has a NUL byte"));
    assert_ptr_equal(strchr(problems.ptr, '\n'), problems.ptr + problems.len - 1);
    config_clear(&config);
    buffer_clear(&problems);
    close(fd);
    unlink(path);
}

static void dotenv_reads_as_python_dotenv_does(void **state)
{
    (void)state;
    static const char text[] =
        "# comment\nA=1\nexport B = two words # comment\nC='single # \\n'\nD=\"line\\nbreak \\\"q\\\"\"\n"
        "E=\"spans\nlines\"\nF=a#b\nG=\nA=last\n\nBAD LINE\nH=\"open\nI=after\r\nJ= # nothing\nK=#kept\n"
        "L='${A}-${NONE:-else}${OUTSIDE}'\n";
    char *environment[] = {"OUTSIDE=!", "A=hidden", NULL};
    struct dotenv dotenv;
    struct buffer problems = {0};
    assert_int_equal(dotenv_parse(edge_of(text), environment, &dotenv, &problems), 0);
    assert_string_equal(dotenv_get(&dotenv, "A"), "last");
    assert_string_equal(dotenv_get(&dotenv, "B"), "two words");
    assert_string_equal(dotenv_get(&dotenv, "C"), "single # \\n");
    assert_string_equal(dotenv_get(&dotenv, "D"), "line\nbreak \"q\"");
    assert_string_equal(dotenv_get(&dotenv, "E"), "spans\nlines");
    assert_string_equal(dotenv_get(&dotenv, "F"), "a#b");
    assert_string_equal(dotenv_get(&dotenv, "G"), "");
    assert_null(dotenv_get(&dotenv, "H"));
    assert_string_equal(dotenv_get(&dotenv, "I"), "after");
    assert_string_equal(dotenv_get(&dotenv, "J"), "");
    assert_string_equal(dotenv_get(&dotenv, "K"), "#kept");
    assert_string_equal(dotenv_get(&dotenv, "L"), "last-else!");
    assert_non_null(strstr(buffer_text(&problems), "line 12"));
    assert_non_null(strstr(buffer_text(&problems), "line 13"));
    dotenv_clear(&dotenv);
    buffer_clear(&problems);
}

/* The name of a reference may hold anything, a NUL included; an environment entry ends at its own. */
static void a_reference_is_compared_within_its_bounds(void **state)
{
    (void)state;
    static const char text[] = "A=${EMPTY=\0}${EMPTY}.\n";
    char *entry = strdup("EMPTY=");
    char *environment[] = {entry, NULL};
    struct dotenv dotenv;
    struct buffer problems = {0};
    assert_int_equal(dotenv_parse(SLICE_LITERAL(text), environment, &dotenv, &problems), 0);
    assert_string_equal(dotenv_get(&dotenv, "A"), ".");
    dotenv_clear(&dotenv);
    buffer_clear(&problems);
    free(entry);
}

/** HTTP/2 loses answers with older ones. */
static void http_2_is_taken_where_libcurl_can_do_it(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, NULL, NULL, NULL, NULL, &problems), 0);
    assert_int_equal(config.http_version, WEBHOOK_HTTP_1_1);
    config_clear(&config);
    assert_int_equal(load(&config, "WEBHOOK_HTTP_VERSION=2", NULL, NULL, NULL, &problems), 0);
    bool can = http_client_can_http2();
    assert_int_equal(config.http_version, can ? WEBHOOK_HTTP_2 : WEBHOOK_HTTP_1_1);
    assert_int_equal(strstr(buffer_text(&config.warnings), "WEBHOOK_HTTP_VERSION: ") == NULL, can);
    config_clear(&config);
    assert_int_equal(load(&config, "WEBHOOK_HTTP_VERSION=1.1", NULL, NULL, NULL, &problems), 0);
    assert_int_equal(config.warnings.len, 0);
    config_clear(&config);
    assert_int_equal(load(&config, "WEBHOOK_HTTP_VERSION=3", NULL, NULL, NULL, &problems), PA_ERR_INVALID);
    assert_non_null(
        strstr(buffer_text(&problems), "WEBHOOK_HTTP_VERSION: '3' is not accepted; write one of 1.1, 2"));
    config_clear(&config);
    buffer_clear(&problems);
}

static void proxies_are_read_in_either_case(void **state)
{
    (void)state;
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load(&config, "HTTP_PROXY=http://upper:1", "http_proxy=http://lower:2",
                          "ALL_PROXY=all:3", "no_proxy=.internal", &problems),
                     0);
    assert_string_equal(config.http_proxy, "http://lower:2");
    assert_string_equal(config.https_proxy, "all:3");
    assert_string_equal(config.no_proxy, ".internal");
    config_clear(&config);
    /* As curl and Python have it: an empty name in lower case is no proxy, and NO_PROXY needs a value. */
    assert_int_equal(load(&config, "HTTP_PROXY=http://upper:1", "http_proxy=", "NO_PROXY=.internal",
                          "no_proxy=", &problems),
                     0);
    assert_string_equal(config.http_proxy, "");
    assert_string_equal(config.no_proxy, ".internal");
    config_clear(&config);
    assert_int_equal(load(&config, "HTTPS_PROXY=http://upper:1", "https_proxy=", "ALL_PROXY=all:3",
                          "all_proxy=http://lower:4", &problems),
                     0);
    assert_string_equal(config.https_proxy, "http://lower:4");
    config_clear(&config);
    buffer_clear(&problems);
}

static void the_environment_wins_in_either_case(void **state)
{
    (void)state;
    char path[] = "/tmp/dotenv-XXXXXX", text[] = "http_proxy=http://file:2\nhttps_proxy=http://file:2\n"
                                                 "all_proxy=http://file:3\nLOG_LEVEL=DEBUG\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    close(fd);
    char *environment[] = {
        MINIMUM[0],     MINIMUM[1],   MINIMUM[2], MINIMUM[3], "HTTP_PROXY=http://environment:1",
        "HTTPS_PROXY=", "LOG_LEVEL=", NULL};
    struct config_input input = {.environment = environment, .dotenv_path = path};
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    assert_string_equal(config.http_proxy, "http://environment:1");
    assert_string_equal(config.https_proxy, "http://file:3");
    assert_int_equal(config.log_level, LOG_INFO);
    config_clear(&config);
    buffer_clear(&problems);
    unlink(path);
}

static void polling_has_the_contracts_defaults(void **state)
{
    (void)state;
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[2], "STREAMER_NAME=POLLING", NULL};
    struct config_input input = {.environment = environment};
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    assert_int_equal(config.streamer, STREAMER_POLLING);
    assert_int_equal(config.polling.interval_ms, 10000);
    assert_int_equal(config.polling.batch_size, 100);
    assert_int_equal(config.polling.initial_backoff_ms, 1000);
    assert_true(config.polling.backoff_factor == 2.0 && config.polling.backoff_jitter == 0.1);
    assert_int_equal(config.polling.max_backoff_ms, 300000);
    assert_int_equal(config.polling.max_failure_ms, 3600000);
    config_clear(&config);
    buffer_clear(&problems);
}

static void secrets_that_are_easily_had_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *secret;
        mode_t mode;
        const char *told;
    } cases[] = {
        {"0123456789abcdef0123456789abcde", 0600,
         "PORT_CLIENT_SECRET: has 31 bytes, and fewer than 32 can be guessed; is it whole?\n"},
        {"0123456789abcdef0123456789abcdef", 0600, ""},
        {"0123456789abcdef0123456789abcdef", 0640,
         ".env: others than its owner may read it (mode 640), and secrets may be in it; chmod 600 .env\n"},
        {"0123456789abcdef0123456789abcdef", 0604,
         ".env: others than its owner may read it (mode 604), and secrets may be in it; chmod 600 .env\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[] = "/tmp/dotenv-XXXXXX";
        int fd = mkstemp(path);
        assert_true(
            dprintf(fd, "PORT_CLIENT_SECRET=%s\nPORT_CLIENT_SECRET_PREVIOUS=before\n", cases[i].secret) > 0);
        assert_int_equal(fchmod(fd, cases[i].mode), 0);
        close(fd);
        char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[3], NULL};
        struct config_input input = {.environment = environment, .dotenv_path = path};
        struct config config;
        struct buffer problems = {0};
        assert_int_equal(load_lines(&config, &input, &problems), 0);
        assert_string_equal(buffer_text(&config.warnings), cases[i].told);
        assert_true(slice_equal_text(config.client_secret_previous.value, "before"));
        config_forget_secrets(&config);
        assert_int_equal(config.client_secret.value.len + config.client_secret_previous.value.len, 0);
        config_clear(&config);
        buffer_clear(&problems);
        unlink(path);
    }
}

/** As python-dotenv has it: a warning, and the rest of the file counts. */
static void a_line_of_dotenv_that_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    static const char text[] =
        "PORT_ORG_ID=org\nNOT A LINE\nPORT_CLIENT_ID=\"open\nexport\tPORT_CLIENT_ID=client\n"
        "PORT_CLIENT_SECRET='secret-0123456789abcdef-0123456789'\nKAFKA_CONSUMER_GROUP_ID=group\n";
    char path[] = "/tmp/dotenv-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
    close(fd);
    char *environment[] = {NULL};
    struct config_input input = {.environment = environment, .dotenv_path = path};
    struct config config;
    struct buffer problems = {0};
    int failed = load_lines(&config, &input, &problems);
    if (failed)
        fail_msg("%s", buffer_text(&problems));
    assert_string_equal(config.client_id, "client");
    assert_string_equal(buffer_text(&config.warnings),
                        ".env line 2 is left out: no '=' after the name\n"
                        ".env line 3 is left out: a quote that does not end\n");
    config_clear(&config);
    buffer_clear(&problems);
    unlink(path);
}

static void mappings_see_what_only_dotenv_has(void **state)
{
    (void)state;
    char path[] = "/tmp/dotenv-XXXXXX", text[] = "TOKEN=first\nPORT_ORG_ID=other\nTOKEN=second\nNOVALUE\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1);
    char *environment[] = {MINIMUM[0], MINIMUM[1], MINIMUM[2], MINIMUM[3], NULL};
    struct config_input input = {.environment = environment, .dotenv_path = path};
    struct config config;
    struct buffer problems = {0};
    assert_int_equal(load_lines(&config, &input, &problems), 0);
    assert_string_equal(config.org_id, "org");
    assert_non_null(config.dotenv_environment[0]);
    assert_string_equal(config.dotenv_environment[0], "TOKEN=second");
    for (char **entry = config.dotenv_environment; *entry; entry++)
        assert_string_equal(*entry, "TOKEN=second");
    config_clear(&config);
    buffer_clear(&problems);
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_contracts),
        cmocka_unit_test(values_are_read_in_all_their_forms),
        cmocka_unit_test(wrong_values_are_told_with_what_is_accepted),
        cmocka_unit_test(booleans_and_levels_have_all_their_words),
        cmocka_unit_test(white_space_at_an_end_is_cut_off_and_told),
        cmocka_unit_test(a_setting_may_be_a_file),
        cmocka_unit_test(a_proxy_may_be_a_file_with_a_final_line_break),
        cmocka_unit_test(a_file_with_a_nul_byte_is_no_value),
        cmocka_unit_test(dotenv_reads_as_python_dotenv_does),
        cmocka_unit_test(a_reference_is_compared_within_its_bounds),
        cmocka_unit_test(http_2_is_taken_where_libcurl_can_do_it),
        cmocka_unit_test(proxies_are_read_in_either_case),
        cmocka_unit_test(the_environment_wins_in_either_case),
        cmocka_unit_test(polling_has_the_contracts_defaults),
        cmocka_unit_test(secrets_that_are_easily_had_are_told),
        cmocka_unit_test(a_line_of_dotenv_that_cannot_be_read_is_left_out),
        cmocka_unit_test(mappings_see_what_only_dotenv_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
