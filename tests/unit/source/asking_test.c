/* What goes on being wrong with Kafka: when the cluster is asked, and what follows from what it says. */
#include "observe/conditions.h"
#include "source/kafka/group.h"
#include "source/kafka/internal.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MINUTE_MS = 60000, AWAY_MS = 5000 };

/** What the cluster says, and how often it was asked. */
static struct {
    rd_kafka_resp_err_t codes[TOPICS];
    const char *members;
    size_t topics, groups;
    bool no_thread;
} cluster;

/* What standing.c calls */

rd_kafka_resp_err_t topic_error_query(rd_kafka_t *rk, const char *name, int timeout_ms)
{
    (void)rk;
    (void)timeout_ms;
    cluster.topics++;
    return cluster.codes[strcmp(name, "changes") == 0];
}

void group_members_query(rd_kafka_t *rk, const char *group_id, int timeout_ms, char *out, size_t size)
{
    (void)rk;
    (void)timeout_ms;
    assert_string_equal(group_id, "group");
    cluster.groups++;
    snprintf(out, size, "%s", cluster.members);
}

void kafka_error_say(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    (void)consumer;
    (void)code;
    (void)reason;
}

const char *kafka_error_hint(rd_kafka_resp_err_t code, const char *reason)
{
    (void)reason;
    return code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ? NULL : "look there";
}

typedef int queueing(uv_loop_t *, uv_work_t *, uv_work_cb, uv_after_work_cb);

/** In front of libuv's. */
int uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work, uv_after_work_cb after)
{
    queueing *real = (queueing *)dlsym(RTLD_NEXT, "uv_queue_work");
    return cluster.no_thread ? UV_ENOMEM : real(loop, req, work, after);
}

/* The consumer */

static int64_t now_ms;

static int64_t now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock turned = {.monotonic_ms = now, .wall_ms = now};
static uv_loop_t loop;
static struct kafka_consumer consumer;
static struct partition partition;

static int begin(void **state)
{
    (void)state;
    now_ms = 1000000;
    memset(&cluster, 0, sizeof cluster);
    cluster.members = "";
    consumer = (struct kafka_consumer){.options = {.loop = &loop,
                                                   .clock = &turned,
                                                   .group_id = "group",
                                                   .runs_topic = "runs",
                                                   .change_log_topic = "changes",
                                                   .conditions = conditions_new(&turned)},
                                       .connected = true,
                                       .partitions = &partition};
    return uv_loop_init(&loop);
}

static int end(void **state)
{
    (void)state;
    uv_run(&loop, UV_RUN_DEFAULT);
    conditions_free(consumer.options.conditions);
    return uv_loop_close(&loop);
}

/** How many conditions stand, of that kind. */
static size_t standing(enum condition_kind kind)
{
    size_t count = 0;
    for (const struct condition *at = conditions_next(consumer.options.conditions, NULL); at;
         at = conditions_next(consumer.options.conditions, at))
        count += at->kind == kind;
    return count;
}

/** Lets so much time pass; true: the cluster was asked then, and has answered. */
static bool asks_after(int64_t ms)
{
    size_t before = cluster.topics;
    now_ms += ms;
    standing_tick(&consumer);
    bool asks = consumer.standing.running;
    assert_int_equal(consumer.works_running, asks);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(cluster.topics - before, asks ? TOPICS : 0);
    assert_false(consumer.standing.running);
    assert_int_equal(consumer.works_running, 0);
    return asks;
}

static void miss(const char *topic, rd_kafka_resp_err_t code)
{
    char reason[64];
    snprintf(reason, sizeof reason, "Subscribed topic not available: %s: why", topic);
    standing_error(&consumer, code, reason);
}

static void nobody_is_asked_while_all_is_well(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(asks_after(MINUTE_MS));
}

static void a_missing_topic_is_asked_about_until_it_is_there(void **state)
{
    (void)state;
    cluster.codes[0] = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    miss("runs", cluster.codes[0]);
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 1);
    assert_false(asks_after(MINUTE_MS - 1));
    assert_true(asks_after(1));
    assert_int_equal(cluster.groups, 0);
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 1);
    cluster.codes[1] = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; /* seen by asking */
    assert_false(asks_after(MINUTE_MS - 1));
    assert_true(asks_after(1));
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 2);
    assert_true(consumer.topic_missed[0] && !consumer.topic_missed[1]);
    cluster.codes[0] = RD_KAFKA_RESP_ERR_NO_ERROR;
    assert_true(asks_after(MINUTE_MS));
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 1);
    cluster.codes[1] = RD_KAFKA_RESP_ERR__TIMED_OUT; /* nothing is known of it: it stands */
    assert_true(asks_after(MINUTE_MS));
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 1);
    cluster.codes[1] = RD_KAFKA_RESP_ERR_NO_ERROR;
    assert_true(asks_after(MINUTE_MS));
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 0);
    assert_false(asks_after(MINUTE_MS));
}

static void a_missing_topic_is_asked_about_as_soon_as_something_is_assigned(void **state)
{
    (void)state;
    standing_assigned(&consumer);
    assert_false(asks_after(0)); /* all is well */
    cluster.codes[0] = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    miss("runs", cluster.codes[0]);
    cluster.codes[0] = RD_KAFKA_RESP_ERR_NO_ERROR;
    consumer.partitions = NULL;
    standing_assigned(&consumer);
    assert_false(asks_after(1));
    consumer.partitions = &partition;
    standing_assigned(&consumer);
    assert_true(asks_after(0));
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 0);
}

static void a_group_that_may_not_be_used_stands_until_it_may(void **state)
{
    (void)state;
    consumer.connected = false;
    standing_error(&consumer, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "FindCoordinator response error");
    assert_int_equal(standing(CONDITION_GROUP_REFUSED), 1);
    assert_true(consumer.connected); /* it is a broker's answer */
    const struct condition *condition = conditions_next(consumer.options.conditions, NULL);
    assert_string_equal(condition->subject, "group");
    assert_string_equal(condition->sentence, "FindCoordinator response error; look there");
    standing_error(&consumer, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, "FindCoordinator response error");
    assert_int_equal(standing(CONDITION_GROUP_REFUSED), 1);
    standing_works(&consumer);
    assert_int_equal(standing(CONDITION_GROUP_REFUSED), 0);
}

static void an_error_names_a_topic_as_a_word_of_its_own(void **state)
{
    (void)state;
    static const char *const others[] = {"runs: x",      "x:runs: x",    "x: runs x",
                                         "x: myruns: x", "x: runs.1: x", ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        standing_error(&consumer, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, others[i]);
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 0);
    assert_false(consumer.standing.lasts);
    standing_error(&consumer, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "x: myruns: runs: x");
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 1);
    standing_error(&consumer, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "x: changes: y: runs: x");
    assert_int_equal(standing(CONDITION_TOPIC_MISSING), 2);
    assert_false(consumer.topic_missed[0]); /* it may be there */
}

static void brokers_that_are_away_are_asked_soon_until_they_answer(void **state)
{
    (void)state;
    cluster.codes[0] = cluster.codes[1] = RD_KAFKA_RESP_ERR__TRANSPORT;
    standing_error(&consumer, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "1/1 brokers are down");
    assert_int_equal(standing(CONDITION_BROKERS_AWAY), 1);
    for (int i = 0; i < 3; i++) {
        assert_false(asks_after(AWAY_MS - 1));
        assert_true(asks_after(1));
        assert_false(consumer.connected);
    }
    cluster.codes[1] = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED; /* an answer all the same */
    assert_true(asks_after(AWAY_MS));
    assert_true(consumer.connected);
    assert_int_equal(standing(CONDITION_BROKERS_AWAY), 0);
    cluster.codes[0] = cluster.codes[1] = RD_KAFKA_RESP_ERR_NO_ERROR;
    assert_false(asks_after(AWAY_MS));
    assert_true(asks_after(MINUTE_MS - AWAY_MS));
    assert_false(asks_after(MINUTE_MS));
}

static void how_often_is_asked_can_be_set(void **state)
{
    (void)state;
    consumer.options.ask_topics_ms = 700;
    cluster.codes[0] = cluster.codes[1] = RD_KAFKA_RESP_ERR__TRANSPORT;
    standing_error(&consumer, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "away");
    assert_false(asks_after(699));
    assert_true(asks_after(1));
    consumer.options.ask_topics_ms = AWAY_MS + 1;
    assert_true(asks_after(700));
    assert_true(asks_after(AWAY_MS)); /* away: no later than this */
}

static void credentials_that_are_refused_stand_until_something_works(void **state)
{
    (void)state;
    consumer.connected = false;
    standing_refused(&consumer, "no");
    assert_int_equal(standing(CONDITION_KAFKA_CREDENTIALS), 1);
    standing_connected(&consumer); /* a broker has answered */
    assert_int_equal(standing(CONDITION_KAFKA_CREDENTIALS), 1);
    standing_works(&consumer);
    assert_int_equal(standing(CONDITION_KAFKA_CREDENTIALS), 0);
    assert_false(consumer.credentials_failing);
}

static void that_nothing_is_assigned_stands_once_it_has_lasted(void **state)
{
    (void)state;
    cluster.members = "one holds all";
    consumer.partitions = NULL;
    assert_false(asks_after(0));
    assert_false(asks_after(MINUTE_MS - 1));
    assert_int_equal(standing(CONDITION_NOTHING_ASSIGNED), 0);
    assert_true(asks_after(1));
    assert_int_equal(cluster.groups, 1);
    assert_int_equal(standing(CONDITION_NOTHING_ASSIGNED), 1);
    assert_false(asks_after(MINUTE_MS - 1));
    cluster.members = ""; /* it does not say */
    assert_true(asks_after(1));
    assert_int_equal(standing(CONDITION_NOTHING_ASSIGNED), 1);
    consumer.rebalance = REBALANCE_DRAINING; /* a rebalance begins its time anew, and ends nothing */
    assert_false(asks_after(MINUTE_MS));
    assert_int_equal(standing(CONDITION_NOTHING_ASSIGNED), 1);
    consumer.rebalance = REBALANCE_IDLE;
    assert_false(asks_after(0));
    assert_false(asks_after(MINUTE_MS - 1));
    consumer.partitions = &partition;
    assert_false(asks_after(1));
    assert_int_equal(standing(CONDITION_NOTHING_ASSIGNED), 0);
}

/** What was asked because nothing was assigned is of no interest when something is by then. */
static void what_has_changed_meanwhile_is_not_told(void **state)
{
    (void)state;
    cluster.members = "one holds all";
    for (int way = 0; way < 3; way++) {
        consumer.partitions = NULL;
        consumer.connected = true;
        consumer.rebalance = REBALANCE_IDLE;
        consumer.standing.unassigned_ms = 0;
        standing_tick(&consumer);
        now_ms += MINUTE_MS;
        cluster.codes[0] = cluster.codes[1] = RD_KAFKA_RESP_ERR__TRANSPORT;
        standing_tick(&consumer);
        assert_true(consumer.standing.running);
        consumer.partitions = way == 0 ? &partition : NULL;
        consumer.connected = way != 1;
        consumer.rebalance = way == 2 ? REBALANCE_LOOKING_UP : REBALANCE_IDLE;
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(standing(CONDITION_NOTHING_ASSIGNED), 0);
    }
}

static void one_question_at_a_time_and_none_at_the_end(void **state)
{
    (void)state;
    cluster.codes[0] = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    miss("runs", cluster.codes[0]);
    now_ms += MINUTE_MS;
    standing_tick(&consumer);
    standing_tick(&consumer);
    assert_int_equal(consumer.works_running, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    bool *const ends[] = {&consumer.closing, &consumer.destroying};
    for (size_t i = 0; i < 2; i++) {
        *ends[i] = true;
        assert_false(asks_after(MINUTE_MS));
        *ends[i] = false;
        cluster.codes[0] = RD_KAFKA_RESP_ERR_NO_ERROR;
        standing_tick(&consumer);
        assert_true(consumer.standing.running);
        *ends[i] = true; /* while it is asked */
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(standing(CONDITION_TOPIC_MISSING), 1);
        assert_int_equal(consumer.works_running, 0);
        *ends[i] = false;
    }
}

static void without_a_thread_it_is_asked_later(void **state)
{
    (void)state;
    miss("runs", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cluster.no_thread = true;
    assert_false(asks_after(MINUTE_MS));
    cluster.no_thread = false;
    assert_false(asks_after(MINUTE_MS - 1));
    assert_true(asks_after(1));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_is_asked_while_all_is_well),
        TEST(a_missing_topic_is_asked_about_until_it_is_there),
        TEST(a_missing_topic_is_asked_about_as_soon_as_something_is_assigned),
        TEST(a_group_that_may_not_be_used_stands_until_it_may),
        TEST(an_error_names_a_topic_as_a_word_of_its_own),
        TEST(brokers_that_are_away_are_asked_soon_until_they_answer),
        TEST(how_often_is_asked_can_be_set),
        TEST(credentials_that_are_refused_stand_until_something_works),
        TEST(that_nothing_is_assigned_stands_once_it_has_lasted),
        TEST(what_has_changed_meanwhile_is_not_told),
        TEST(one_question_at_a_time_and_none_at_the_end),
        TEST(without_a_thread_it_is_asked_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
