/* One consumer after another: with the settings' brokers or with Port's credentials, opened afresh, and
 * closed at any point. Consumers and the way to the credentials are the test's. */
#include "../still.h"
#include "config/config.h"
#include "kafka/access.h"
#include "source/class.h"
#include "source/kafka/consumer.h"
#include "source/kafka/kafka.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../component/logs.h"

enum { CONSUMERS = 4 };

struct kafka_consumer {
    struct kafka_consumer_options options;
    char brokers[64], username[32], password[32];
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static struct {
    /** What was called, a word or two each with a semicolon behind; consumers by their number, from 0. */
    char calls[1024];
    struct kafka_consumer consumers[CONSUMERS];
    size_t count, closed, withdrawn;
    bool cannot_be;
    struct kafka_access_options access;
    void (*access_closed)(void *ctx);
    void *access_closed_ctx;
} fake;

static struct config config;
static struct source *source;

static void call(const char *format, ...)
{
    size_t len = strlen(fake.calls);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(fake.calls + len, sizeof fake.calls - len, format, arguments);
    va_end(arguments);
}

static void assert_calls(const char *expected)
{
    assert_string_equal(fake.calls, expected);
    *fake.calls = '\0';
}

static int number(const struct kafka_consumer *consumer)
{
    return (int)(consumer - fake.consumers);
}

/* What kafka.c calls */

struct kafka_consumer *kafka_consumer_new(const struct kafka_consumer_options *options, struct error *err)
{
    if (fake.cannot_be) {
        error_set(err, PA_ERR_INVALID, "no such mechanism");
        return NULL;
    }
    assert_true(fake.count < CONSUMERS);
    struct kafka_consumer *consumer = &fake.consumers[fake.count++];
    consumer->options = *options;
    snprintf(consumer->brokers, sizeof consumer->brokers, "%s", options->bootstrap_servers);
    snprintf(consumer->username, sizeof consumer->username, "%s", options->username);
    snprintf(consumer->password, sizeof consumer->password, "%.*s", (int)options->password.value.len,
             options->password.value.ptr);
    call("new %d;", number(consumer));
    return consumer;
}

void kafka_consumer_resume(struct kafka_consumer *consumer)
{
    call("resume %d;", number(consumer));
}

int kafka_consumer_set_credentials(struct kafka_consumer *consumer, const char *username,
                                   struct secret password)
{
    call("credentials %d %s %.*s;", number(consumer), username, (int)password.value.len, password.value.ptr);
    return 0;
}

void kafka_consumer_stop_taking(struct kafka_consumer *consumer)
{
    call("stop %d;", number(consumer));
}

void kafka_consumer_close(struct kafka_consumer *consumer, void (*closed)(void *ctx), void *ctx)
{
    consumer->closed = closed;
    consumer->closed_ctx = ctx;
    call("close %d;", number(consumer));
}

void kafka_consumer_counters(const struct kafka_consumer *consumer, struct kafka_consumer_counters *out)
{
    (void)consumer;
    *out = (struct kafka_consumer_counters){
        .assigned = 5, .commits = 6, .restored_skips = 7, .batches_passed = 8};
}

struct source_view kafka_consumer_view(const struct kafka_consumer *consumer)
{
    (void)consumer;
    return (struct source_view){.state = "consuming", .connected = true};
}

void kafka_consumer_each_partition(const struct kafka_consumer *consumer,
                                   void (*each)(void *ctx, const struct source_partition *partition),
                                   void *ctx)
{
    (void)consumer;
    each(ctx, &(struct source_partition){.topic = "t"});
}

int kafka_consumer_redeliver(struct kafka_consumer *consumer, const struct redelivery_request *request)
{
    (void)request;
    call("redeliver %d;", number(consumer));
    return 0;
}

struct kafka_access *kafka_access_new(const struct kafka_access_options *options)
{
    fake.access = *options;
    return (struct kafka_access *)(void *)&fake;
}

void kafka_access_start(struct kafka_access *access)
{
    (void)access;
    call("ask;");
}

void kafka_access_stop(struct kafka_access *access)
{
    (void)access;
    call("ask no more;");
}

void kafka_access_refresh(struct kafka_access *access)
{
    (void)access;
    call("refresh;");
}

void kafka_access_close(struct kafka_access *access, void (*closed)(void *ctx), void *ctx)
{
    (void)access;
    fake.access_closed = closed;
    fake.access_closed_ctx = ctx;
    call("access closes;");
}

/* The source */

static void is_fatal(void *ctx)
{
    (void)ctx;
    call("fatal;");
}

/** What is delivered once more is the source's own. */
static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    assert_ptr_equal(assignment, source);
    assert_true(cancel_started);
    fake.withdrawn++;
}

static void is_closed(void *ctx)
{
    (void)ctx;
    fake.closed++;
}

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    source = NULL;
    config = (struct config){.queue_max_bytes = 1000,
                             .record_max_bytes = 300,
                             .bootstrap_servers = "settings:9092",
                             .group_id = "group",
                             .runs_topic = "org.runs",
                             .change_log_topic = "org.change.log"};
    return 0;
}

static struct source *open_with(bool brokers_are_set, struct error *err)
{
    config.local_port = brokers_are_set;
    const struct source_options options = {.clock = &test_clock,
                                           .config = &config,
                                           .ca_bundle = "ca",
                                           .sink = {.withdraw = withdraw},
                                           .fatal = is_fatal};
    source = kafka_source.open(&options, err);
    return source;
}

static void open_source(bool brokers_are_set)
{
    struct error err = {0};
    assert_non_null(open_with(brokers_are_set, &err));
}

/** The way to the credentials is closed too: the source is gone. */
static void finish_closing(void)
{
    assert_int_equal(fake.closed, 0);
    fake.access_closed(fake.access_closed_ctx);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(fake.withdrawn, 1);
}

static void close_source(void)
{
    struct kafka_consumer *consumer = fake.count > 0 ? &fake.consumers[fake.count - 1] : NULL;
    source_close(source, is_closed, NULL);
    if (consumer && consumer->closed)
        consumer->closed(consumer->closed_ctx);
    finish_closing();
}

static void come(const char *word)
{
    char brokers[] = "port:9092", username[] = "user", password[32];
    snprintf(password, sizeof password, "%s", word);
    const struct kafka_credentials credentials = {brokers, username, password};
    fake.access.fetched(fake.access.ctx, &credentials);
}

static void assert_state(const char *words, uint64_t fetched)
{
    assert_string_equal(source_view(source).state, words);
    assert_int_equal(source_view(source).credentials_fetched, fetched);
}

/* Opening */

static void with_brokers_in_the_settings_it_consumes_at_once(void **state)
{
    (void)state;
    open_source(true);
    assert_calls("new 0;");
    const struct kafka_consumer *consumer = &fake.consumers[0];
    assert_string_equal(consumer->brokers, "settings:9092");
    assert_string_equal(consumer->username, "");
    assert_string_equal(consumer->password, "");
    assert_null(consumer->options.credentials_refused);
    assert_false(consumer->options.begun);
    assert_int_equal(consumer->options.prefetch_bytes, 500);
    assert_int_equal(consumer->options.record_max_bytes, 300);
    assert_string_equal(consumer->options.ca_bundle, "ca");
    assert_state("consuming", 0);
    close_source();
}

static void otherwise_it_waits_for_credentials(void **state)
{
    (void)state;
    open_source(false);
    assert_calls("ask;");
    assert_state("waiting for Kafka credentials from Port", 0);
    assert_int_equal(source_assigned(source), 0);
    source_resume(source);
    assert_calls("");
    come("word");
    assert_calls("new 0;");
    assert_string_equal(fake.consumers[0].brokers, "port:9092");
    assert_string_equal(fake.consumers[0].username, "user");
    assert_string_equal(fake.consumers[0].password, "word");
    assert_state("consuming", 1);
    source_resume(source);
    assert_calls("resume 0;");
    close_source();
}

static void a_consumer_that_cannot_be_is_an_error_or_the_end(void **state)
{
    (void)state;
    struct error err = {0};
    fake.cannot_be = true;
    assert_null(open_with(true, &err));
    assert_string_equal(err.message, "no such mechanism");
    assert_calls("access closes;");
    struct caught caught = logs_catch();
    open_source(false);
    come("word");
    assert_calls("ask;fatal;");
    char *text = logs_end(&caught);
    assert_non_null(
        strstr(text, "the Kafka consumer cannot start\",\"error.message\":\"no such mechanism\""));
    free(text);
    close_source();
}

static void what_is_counted_is_the_consumers(void **state)
{
    (void)state;
    struct log_field fields[SOURCE_FIELDS_MAX];
    open_source(false);
    assert_int_equal(source_summary(source, fields), 4);
    assert_int_equal(fields[0].value.integer, 0);
    come("word");
    assert_int_equal(source_summary(source, fields), 4);
    for (int i = 0; i < 4; i++)
        assert_int_equal(fields[i].value.integer, 5 + i);
    assert_int_equal(source_assigned(source), 5);
    close_source();
}

/* Credentials */

static void not_come(bool denied)
{
    const struct kafka_access_failure failure = {
        .status = 401, .reason = "said", .denied = denied, .wait_ms = 5000};
    fake.access.failed(fake.access.ctx, &failure);
}

static void port_may_come_later_and_must_not_refuse_us(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    open_source(false);
    not_come(false);
    assert_calls("ask;");
    not_come(true);
    assert_calls("ask no more;fatal;");
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "trying again\",\"error.message\":\"said\",\"next_attempt_in\":5.000"),
                     1);
    assert_int_equal(occurrences(text, "Port refused our credentials"), 1);
    free(text);
    close_source();
}

static void what_brokers_refuse_is_fetched_anew_for_the_same_consumer(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    open_source(false);
    come("word");
    fake.consumers[0].options.credentials_refused(fake.consumers[0].options.ctx);
    assert_calls("ask;new 0;refresh;");
    not_come(true); /* the ones before may be taken again */
    assert_calls("");
    come("other");
    assert_calls("credentials 0 user other;");
    assert_state("consuming", 2);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "fresh Kafka credentials could not be fetched"), 1);
    assert_int_equal(occurrences(text, "fresh Kafka credentials fetched"), 1);
    free(text);
    source_stop_taking(source);
    assert_calls("ask no more;stop 0;");
    fake.consumers[0].options.credentials_refused(fake.consumers[0].options.ctx);
    assert_calls(""); /* it is over anyway */
    close_source();
}

/* A fresh consumer in the place of one */

static void renew(struct kafka_consumer *consumer)
{
    consumer->options.renew(consumer->options.ctx);
}

static void one_follows_another_once_that_has_left(void **state)
{
    (void)state;
    open_source(true);
    renew(&fake.consumers[0]);
    assert_calls("new 0;ask no more;close 0;");
    assert_state("leaving the group, to join it anew", 0);
    assert_int_equal(source_assigned(source), 0);
    source_resume(source); /* nobody takes anything */
    assert_calls("");
    fake.consumers[0].closed(fake.consumers[0].closed_ctx);
    assert_calls("new 1;");
    assert_true(fake.consumers[1].options.begun);
    assert_state("consuming", 0);
    close_source();
}

static void with_ports_credentials_fresh_ones_are_fetched_first(void **state)
{
    (void)state;
    open_source(false);
    come("word");
    renew(&fake.consumers[0]);
    fake.consumers[0].options.credentials_refused(fake.consumers[0].options.ctx);
    assert_calls("ask;new 0;ask no more;close 0;"); /* for whom should they be refreshed? */
    fake.consumers[0].closed(fake.consumers[0].closed_ctx);
    assert_calls("ask;");
    come("other");
    assert_calls("new 1;");
    assert_true(fake.consumers[1].options.begun);
    assert_string_equal(fake.consumers[1].password, "other");
    close_source();
}

static void none_follows_after_a_stop(void **state)
{
    (void)state;
    open_source(true);
    renew(&fake.consumers[0]);
    source_stop_taking(source);
    fake.consumers[0].closed(fake.consumers[0].closed_ctx);
    assert_calls("new 0;ask no more;close 0;ask no more;");
    fake.consumers[0].closed = NULL;
    close_source();
    assert_int_equal(fake.count, 1);
}

static void closing_hurries_the_one_that_leaves(void **state)
{
    (void)state;
    open_source(true);
    renew(&fake.consumers[0]);
    source_close(source, is_closed, NULL);
    assert_calls("new 0;ask no more;close 0;ask no more;close 0;");
    fake.consumers[0].closed(fake.consumers[0].closed_ctx);
    assert_calls("access closes;");
    finish_closing();
}

static void one_that_cannot_follow_is_the_end(void **state)
{
    (void)state;
    open_source(true);
    renew(&fake.consumers[0]);
    fake.cannot_be = true;
    fake.consumers[0].closed(fake.consumers[0].closed_ctx);
    assert_calls("new 0;ask no more;close 0;fatal;");
    fake.consumers[0].closed = NULL;
    close_source();
}

/* Records that are delivered once more */

static void they_are_read_by_the_consumer_that_there_is(void **state)
{
    (void)state;
    const struct redelivery_request request = {.partition = 1, .offset = 5};
    open_source(false);
    assert_int_equal(source_redeliver(source, &request), PA_ERR_UNAVAILABLE);
    come("word");
    *fake.calls = '\0';
    assert_int_equal(source_redeliver(source, &request), 0);
    assert_calls("redeliver 0;");
    assert_ptr_equal(fake.consumers[0].options.redeliveries, source);
    close_source();
}

/* Closing */

static void it_closes_while_it_waits_for_credentials(void **state)
{
    (void)state;
    open_source(false);
    source_close(source, is_closed, NULL);
    assert_calls("ask;ask no more;access closes;");
    finish_closing();
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(with_brokers_in_the_settings_it_consumes_at_once),
        TEST(otherwise_it_waits_for_credentials),
        TEST(a_consumer_that_cannot_be_is_an_error_or_the_end),
        TEST(what_is_counted_is_the_consumers),
        TEST(port_may_come_later_and_must_not_refuse_us),
        TEST(what_brokers_refuse_is_fetched_anew_for_the_same_consumer),
        TEST(one_follows_another_once_that_has_left),
        TEST(with_ports_credentials_fresh_ones_are_fetched_first),
        TEST(none_follows_after_a_stop),
        TEST(closing_hurries_the_one_that_leaves),
        TEST(one_that_cannot_follow_is_the_end),
        TEST(they_are_read_by_the_consumer_that_there_is),
        TEST(it_closes_while_it_waits_for_credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
