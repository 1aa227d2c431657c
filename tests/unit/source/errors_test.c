/* Kafka's errors in words: with what to look at, each subject once a minute, and how often it was kept
 * silent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "observe/conditions.h"
#include "source/kafka/internal.h"

enum { MINUTE_MS = 60000, AWAY_MS = 5000, SUBJECTS_KEPT = 8 };

static int64_t now_ms;

static int64_t turned(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock turned_clock = {.monotonic_ms = turned, .wall_ms = turned};
static struct kafka_consumer consumer;

static int new_consumer(void **state)
{
    (void)state;
    now_ms = 1000000;
    consumer = (struct kafka_consumer){
        .options = {.clock = &turned_clock, .runs_topic = "org.runs", .change_log_topic = "org.change.log"}};
    return 0;
}

/** What is logged of the error; the caller frees. */
static char *told(rd_kafka_resp_err_t code, const char *reason)
{
    struct caught caught = logs_catch();
    kafka_error_say(&consumer, code, reason);
    return logs_end(&caught);
}

static void assert_told(rd_kafka_resp_err_t code, const char *reason, const char *part)
{
    char *text = told(code, reason);
    assert_int_equal(occurrences(text, "\"Kafka error\""), 1);
    if (!strstr(text, part))
        fail_msg("'%s' is not in %s", part, text);
    free(text);
}

static void assert_silent(rd_kafka_resp_err_t code, const char *reason)
{
    char *text = told(code, reason);
    assert_string_equal(text, "");
    free(text);
}

static void each_error_says_what_to_look_at(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t code;
        const char *type, *hint;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "UNKNOWN_TOPIC_OR_PART", "is PORT_ORG_ID right"},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "_UNKNOWN_TOPIC", "is PORT_ORG_ID right"},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "TOPIC_AUTHORIZATION_FAILED",
         "the Kafka user may not read the topic"},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "GROUP_AUTHORIZATION_FAILED",
         "see KAFKA_CONSUMER_GROUP_ID"},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, "_AUTHENTICATION",
         "were PORT_CLIENT_ID and PORT_CLIENT_SECRET rotated?"},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, "SASL_AUTHENTICATION_FAILED",
         "were PORT_CLIENT_ID and PORT_CLIENT_SECRET rotated?"},
        {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "FENCED_INSTANCE_ID",
         "has the same KAFKA_CONSUMER_GROUP_INSTANCE_ID"},
        {RD_KAFKA_RESP_ERR__SSL, "_SSL", "set SSL_CERT_FILE"},
        {RD_KAFKA_RESP_ERR__TRANSPORT, "_TRANSPORT", "check --connect"},
        {RD_KAFKA_RESP_ERR__RESOLVE, "_RESOLVE", "check --connect"},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "_ALL_BROKERS_DOWN", "check --connect"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char type[64];
        snprintf(type, sizeof type, "\"error.type\":\"%s\"", cases[i].type);
        assert_told(cases[i].code, "why", type);
        now_ms += MINUTE_MS;
        assert_told(cases[i].code, "why", cases[i].hint);
    }
    char *other = told(RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, "cut");
    assert_non_null(strstr(other, "\"error.message\":\"cut\""));
    assert_null(strstr(other, "hint"));
    assert_null(strstr(other, "suppressed"));
    free(other);
}

static void librdkafkas_words_lead_to_the_setting(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t code;
        const char *reason, *hint;
    } cases[] = {
        {RD_KAFKA_RESP_ERR__AUTHENTICATION,
         "SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: broker's supported "
         "mechanisms: SCRAM-SHA-512",
         "see KAFKA_CONSUMER_AUTHENTICATION_MECHANISM"},
        {RD_KAFKA_RESP_ERR__TRANSPORT,
         "Disconnected while requesting ApiVersion: might be caused by incorrect security.protocol "
         "configuration (connecting to a SSL listener?)",
         "does the broker want TLS there? see KAFKA_CONSUMER_SECURITY_PROTOCOL"},
        {RD_KAFKA_RESP_ERR__SSL,
         "SSL handshake failed: error:0A000126:SSL routines::unexpected eof while reading",
         "does the broker speak TLS there? see KAFKA_CONSUMER_SECURITY_PROTOCOL"},
        {RD_KAFKA_RESP_ERR__TRANSPORT,
         "sasl_ssl://127.0.0.1:9092/bootstrap: SSL handshake failed: Disconnected: connecting to a PLAINTEXT "
         "broker listener? (after 1ms in state SSL_HANDSHAKE)",
         "does the broker speak TLS there? see KAFKA_CONSUMER_SECURITY_PROTOCOL"},
        {RD_KAFKA_RESP_ERR__SSL, "SSL handshake failed: error:0A00010B:SSL routines::wrong version number",
         "does the broker speak TLS there? see KAFKA_CONSUMER_SECURITY_PROTOCOL"},
        {RD_KAFKA_RESP_ERR__SSL, "error:0A000086:SSL routines::certificate verify failed",
         "set SSL_CERT_FILE"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        now_ms += MINUTE_MS;
        assert_told(cases[i].code, cases[i].reason, cases[i].hint);
    }
}

static void brokers_of_kafka_4_are_named_where_this_librdkafka_cannot_log_in_there(void **state)
{
    (void)state;
    char *text = told(RD_KAFKA_RESP_ERR__AUTHENTICATION, "why");
    assert_int_equal(strstr(text, "use the image, or librdkafka 2.6.1 or later") != NULL,
                     rd_kafka_version() < 0x020601ff);
    free(text);
}

static void an_error_is_told_once_a_minute_with_how_often_it_came_meanwhile(void **state)
{
    (void)state;
    assert_told(RD_KAFKA_RESP_ERR__TRANSPORT, "after 5 ms", "after 5 ms");
    now_ms += 1;
    assert_silent(RD_KAFKA_RESP_ERR__TRANSPORT, "after 6 ms"); /* the same error in other words */
    now_ms += MINUTE_MS - 2;
    assert_silent(RD_KAFKA_RESP_ERR__TRANSPORT, "after 7 ms");
    now_ms += 1;
    assert_told(RD_KAFKA_RESP_ERR__TRANSPORT, "after 8 ms", "\"suppressed\":2");
    now_ms += MINUTE_MS;
    char *text = told(RD_KAFKA_RESP_ERR__TRANSPORT, "after 9 ms");
    assert_non_null(strstr(text, "after 9 ms"));
    assert_null(strstr(text, "suppressed"));
    free(text);
}

static void errors_of_topics_are_told_for_each_topic(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t of_topics[] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                                    RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
                                                    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
    for (size_t i = 0; i < sizeof of_topics / sizeof *of_topics; i++) {
        assert_told(of_topics[i], "no topic a", "no topic a");
        assert_told(of_topics[i], "no topic b", "no topic b");
        assert_silent(of_topics[i], "no topic a");
        assert_silent(of_topics[i], "no topic b");
    }
}

static void of_more_subjects_than_are_kept_the_oldest_is_forgotten(void **state)
{
    (void)state;
    char topic[16];
    for (int i = 0; i < SUBJECTS_KEPT; i++) {
        snprintf(topic, sizeof topic, "topic %d", i);
        now_ms += 1;
        assert_told(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, topic, topic);
    }
    for (int i = 0; i < SUBJECTS_KEPT; i++) {
        snprintf(topic, sizeof topic, "topic %d", i);
        assert_silent(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, topic);
    }
    now_ms += 1;
    assert_told(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "another", "another");
    assert_silent(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "topic 1");
    char *text = told(RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "topic 0"); /* its place is the other one's now */
    assert_non_null(strstr(text, "topic 0"));
    assert_null(strstr(text, "suppressed"));
    free(text);
}

static void a_fatal_error_is_critical_with_its_hint(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    kafka_error_say_fatal(RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "fenced");
    kafka_error_say_fatal(RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION, "cut");
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "\"Kafka consumer cannot go on\""), 2);
    assert_int_equal(occurrences(text, "\"CRITICAL\""), 2);
    assert_int_equal(occurrences(text, "\"hint\""), 1);
    assert_non_null(strstr(text, "KAFKA_CONSUMER_GROUP_INSTANCE_ID"));
    assert_non_null(strstr(text, "\"error.message\":\"cut\""));
    free(text);
}

/** As librdkafka words it. */
static void topic_fails(rd_kafka_resp_err_t code)
{
    standing_error(&consumer, code, "Subscribed topic not available: org.runs: Broker: why");
}

static void topics_that_are_missing_are_asked_about_a_minute_after_the_first_word_of_them(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t of_topics[] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                                    RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
                                                    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
    consumer.options.runs_topic = "org.runs";
    consumer.options.change_log_topic = "org.change.log";
    consumer.connected = true;
    topic_fails(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    assert_false(consumer.standing.lasts);
    standing_error(&consumer, of_topics[0], "Subscribed topic not available: org.other: Broker: why");
    assert_false(consumer.standing.lasts);
    for (size_t i = 0; i < sizeof of_topics / sizeof *of_topics; i++) {
        consumer.standing = (struct standing){0};
        topic_fails(of_topics[i]);
        assert_true(consumer.standing.lasts);
        assert_int_equal(consumer.standing.ask_ms, now_ms + MINUTE_MS);
    }
    now_ms += MINUTE_MS - 1;
    topic_fails(of_topics[0]); /* already known */
    assert_int_equal(consumer.standing.ask_ms, now_ms + 1);
    standing_tick(&consumer); /* not yet */
    assert_false(consumer.standing.running);
    consumer.standing = (struct standing){0};
    consumer.options.ask_topics_ms = 7;
    topic_fails(of_topics[0]);
    assert_int_equal(consumer.standing.ask_ms, now_ms + 7);
    now_ms += 7;
    consumer.closing = true;
    standing_tick(&consumer);
    assert_false(consumer.standing.running);
}

static void a_topic_that_is_missing_is_asked_about_while_that_lasts(void **state)
{
    (void)state;
    static const char runs[] = "Subscribed topic not available: org.runs: Broker: Unknown topic or partition";
    static const rd_kafka_resp_err_t of_topics[] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                                    RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC,
                                                    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED};
    standing_error(&consumer, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, runs);
    consumer.connected = false; /* that was an answer */
    standing_error(&consumer, of_topics[0], "not available: org.runs.more: Unknown topic");
    assert_false(consumer.standing.lasts);
    for (size_t i = 0; i < sizeof of_topics / sizeof *of_topics; i++) {
        consumer.standing = (struct standing){0};
        memset(consumer.topic_missed, 0, sizeof consumer.topic_missed);
        standing_error(&consumer, of_topics[i], runs);
        assert_true(consumer.standing.lasts);
        assert_int_equal(consumer.standing.ask_ms, now_ms + AWAY_MS);
        assert_int_equal(consumer.topic_missed[0], of_topics[i] == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
        assert_false(consumer.topic_missed[1]);
    }
    now_ms += AWAY_MS - 1;
    standing_error(&consumer, of_topics[0], runs); /* already known */
    assert_int_equal(consumer.standing.ask_ms, now_ms + 1);
    standing_tick(&consumer); /* not yet */
    assert_false(consumer.standing.running);
    consumer.standing = (struct standing){0};
    consumer.connected = true;
    standing_error(&consumer, of_topics[0], "x: org.change.log: y");
    assert_true(consumer.topic_missed[1]);
    assert_int_equal(consumer.standing.ask_ms, now_ms + MINUTE_MS);
    consumer.standing = (struct standing){0};
    consumer.options.ask_topics_ms = 7;
    standing_error(&consumer, of_topics[0], runs);
    assert_int_equal(consumer.standing.ask_ms, now_ms + 7);
    now_ms += 7;
    consumer.closing = true;
    standing_tick(&consumer);
    assert_false(consumer.standing.running);
}

static void brokers_that_are_away_are_asked_soon_and_told_when_they_are_back(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    standing_connected(&consumer);
    assert_true(consumer.connected);
    standing_connected(&consumer);
    standing_error(&consumer, RD_KAFKA_RESP_ERR__TRANSPORT, "cut");
    assert_true(consumer.connected);
    assert_false(consumer.standing.lasts);
    standing_error(&consumer, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down");
    assert_false(consumer.connected);
    assert_true(consumer.standing.lasts);
    assert_int_equal(consumer.standing.ask_ms, now_ms + AWAY_MS);
    standing_refused(&consumer, "no");
    assert_true(consumer.credentials_failing);
    standing_works(&consumer);
    assert_false(consumer.credentials_failing);
    assert_true(consumer.connected);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "connected to the Kafka brokers"), 2);
    free(text);
}

static void brokers_that_are_away_stand_with_what_the_last_connection_failed_with(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    struct conditions *conditions = consumer.options.conditions = conditions_new(consumer.options.clock);
    standing_error(&consumer, RD_KAFKA_RESP_ERR__RESOLVE, "b:9092/bootstrap: Failed to resolve 'b:9092'");
    assert_null(conditions_next(conditions, NULL));
    standing_error(&consumer, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down");
    const struct condition *condition = conditions_next(conditions, NULL);
    assert_non_null(condition);
    assert_int_equal(condition->kind, CONDITION_BROKERS_AWAY);
    assert_non_null(
        strstr(condition->sentence, "Failed to resolve 'b:9092'; trying again; \"port-agent check"));
    standing_error(&consumer, RD_KAFKA_RESP_ERR__SSL, "b:9093/bootstrap: certificate verify failed");
    assert_non_null(strstr(condition->sentence, "certificate verify failed; trying again; if the broker's "));
    assert_non_null(strstr(condition->sentence, "SSL_CERT_FILE"));
    uint64_t met = condition->count;
    standing_error(&consumer, RD_KAFKA_RESP_ERR__SSL, "b:9093/bootstrap: certificate verify failed");
    assert_int_equal(condition->count, met);
    standing_connected(&consumer);
    assert_null(conditions_next(conditions, NULL));
    standing_error(&consumer, RD_KAFKA_RESP_ERR__TRANSPORT, "cut");
    assert_null(conditions_next(conditions, NULL));
    free(logs_end(&caught));
    conditions_free(conditions);
    consumer.options.conditions = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(each_error_says_what_to_look_at, new_consumer),
        cmocka_unit_test_setup(librdkafkas_words_lead_to_the_setting, new_consumer),
        cmocka_unit_test_setup(brokers_of_kafka_4_are_named_where_this_librdkafka_cannot_log_in_there,
                               new_consumer),
        cmocka_unit_test_setup(an_error_is_told_once_a_minute_with_how_often_it_came_meanwhile, new_consumer),
        cmocka_unit_test_setup(errors_of_topics_are_told_for_each_topic, new_consumer),
        cmocka_unit_test_setup(of_more_subjects_than_are_kept_the_oldest_is_forgotten, new_consumer),
        cmocka_unit_test_setup(topics_that_are_missing_are_asked_about_a_minute_after_the_first_word_of_them,
                               new_consumer),
        cmocka_unit_test_setup(a_topic_that_is_missing_is_asked_about_while_that_lasts, new_consumer),
        cmocka_unit_test_setup(brokers_that_are_away_are_asked_soon_and_told_when_they_are_back,
                               new_consumer),
        cmocka_unit_test_setup(brokers_that_are_away_stand_with_what_the_last_connection_failed_with,
                               new_consumer),
        cmocka_unit_test_setup(a_fatal_error_is_critical_with_its_hint, new_consumer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
