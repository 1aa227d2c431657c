/* What a consumer makes of librdkafka's events, and how it closes. */
#include "consumer_fake.h"

/* Events */

static void librdkafkas_own_lines_are_for_debug_unless_they_are_critical(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    static const struct {
        int level;
        const char *facility, *logged;
    } cases[] = {{2, "CONFWARN", "ERROR"}, {0, "X", "ERROR"}, {3, "FAIL", "DEBUG"}, {2, "FATAL", "DEBUG"}};
    for (size_t i = 0; i < 4; i++)
        event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_LOG,
                                     .level = cases[i].level,
                                     .facility = cases[i].facility,
                                     .text = "said"});
    wake();
    char *text = logs_end(&caught), *line = text;
    for (size_t i = 0; i < 4; i++) {
        char facility[64];
        snprintf(facility, sizeof facility, "\"facility\":\"%s\",\"error.message\":\"said\"",
                 cases[i].facility);
        char *next = strchr(line, '\n');
        assert_non_null(next);
        *next = '\0';
        assert_non_null(strstr(line, facility));
        assert_non_null(strstr(line, cases[i].logged));
        line = next + 1;
    }
    free(text);
}

static void a_fatal_error_is_the_end_and_said_once(void **state)
{
    (void)state;
    event((struct rd_kafka_op_s){
        .type = RD_KAFKA_EVENT_ERROR, .code = RD_KAFKA_RESP_ERR__FATAL, .fatal = true});
    event((struct rd_kafka_op_s){
        .type = RD_KAFKA_EVENT_ERROR, .code = RD_KAFKA_RESP_ERR__FATAL, .fatal = true});
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_ERROR, .code = RD_KAFKA_RESP_ERR__TRANSPORT});
    wake();
    assert_calls("fatal FENCED_INSTANCE_ID fenced;give up;");
}

static void who_says_that_a_topic_is_missing_has_answered(void **state)
{
    (void)state;
    static const rd_kafka_resp_err_t codes[] = {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
                                                RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
                                                RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN};
    for (size_t i = 0; i < 3; i++)
        event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_ERROR, .code = codes[i], .text = "said"});
    wake();
    assert_calls("connected;error UNKNOWN_TOPIC_OR_PART;connected;error TOPIC_AUTHORIZATION_FAILED;"
                 "error _ALL_BROKERS_DOWN;");
}

static void refuse(rd_kafka_resp_err_t code)
{
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_ERROR, .code = code, .text = "no"});
    wake();
}

static void fresh_credentials_are_asked_for_less_and_less_often(void **state)
{
    (void)state;
    static const int64_t seconds[] = {2, 4, 8, 16, 32, 64, 64};
    refuse(RD_KAFKA_RESP_ERR__AUTHENTICATION);
    assert_calls("error _AUTHENTICATION;refused no;ask;");
    refuse(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED); /* of another broker */
    assert_calls("error SASL_AUTHENTICATION_FAILED;");
    for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        now_ms += seconds[i] * 1000 - 1;
        tick();
        assert_calls("");
        now_ms += 1;
        tick();
        assert_calls("ask;");
    }
    message(0, 1, 1); /* something works */
    wake();
    assert_calls("0-1;");
    now_ms += 100000;
    tick();
    assert_calls("");
    refuse(RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED);
    assert_calls("error SASL_AUTHENTICATION_FAILED;refused no;ask;");
    now_ms += 2000;
    tick();
    assert_calls("ask;");
}

static void a_commits_answer_is_told_to_whoever_sent_it(void **state)
{
    (void)state;
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_OFFSET_COMMIT, .opaque = consumer});
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_OFFSET_COMMIT, .opaque = &fake});
    event((struct rd_kafka_op_s){
        .type = RD_KAFKA_EVENT_OFFSET_COMMIT, .opaque = consumer, .code = RD_KAFKA_RESP_ERR__TIMED_OUT});
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_REBALANCE});
    wake();
    assert_calls("connected;committed;connected;committed;rebalance;");
}

static void events_are_looked_for_each_second(void **state)
{
    (void)state;
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_REBALANCE});
    tick();
    assert_calls("rebalance;");
    assert_int_equal(uv_timer_get_repeat(&consumer->tick), 1000);
}

/* Credentials */

static void fresh_credentials_are_for_both_clients(void **state)
{
    (void)state;
    char second_client;
    assert_int_equal(kafka_consumer_set_credentials(consumer, "user", (struct secret){SLICE_LITERAL("word")}),
                     0);
    assert_calls("its credentials user word;");
    consumer->again.rk = (rd_kafka_t *)(void *)&second_client;
    assert_int_equal(kafka_consumer_set_credentials(consumer, "user", (struct secret){SLICE_LITERAL("word")}),
                     0);
    assert_calls("its credentials user word;the second's credentials user word;");
    assert_int_not_equal(
        kafka_consumer_set_credentials(consumer, "user", (struct secret){SLICE_LITERAL("bad")}), 0);
    assert_calls("its credentials user bad;say _INVALID_ARG;");
}

/* Opening */

static void what_cannot_be_opened_says_why(void **state)
{
    (void)state;
    struct error err = {0};
    const struct kafka_consumer_options options = options_of_test();
    fake.no_client = true;
    assert_null(kafka_consumer_new(&options, &err));
    assert_string_equal(err.message, "no client");
    fake.no_client = false;
    fake.subscription = RD_KAFKA_RESP_ERR__INVALID_ARG;
    assert_null(kafka_consumer_new(&options, &err));
    assert_non_null(strstr(err.message, "cannot subscribe: "));
}

/* Closing */

static void begin_closing(void)
{
    kafka_consumer_close(consumer, is_closed, NULL);
    assert_calls("hurry;");
    assert_true(fake.redeliveries_left > 0);
    turn();
}

static void assert_goes(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
}

static void it_leaves_the_group_and_goes_once_that_is_confirmed(void **state)
{
    (void)state;
    begin_closing();
    assert_calls("leave;");
    tick();
    assert_calls(""); /* it is asked once */
    event((struct rd_kafka_op_s){.type = RD_KAFKA_EVENT_REBALANCE});
    fake.partitions[1].abandoned = true;
    tick();
    assert_calls("rebalance;");
    fake.left = true;
    tick();
    assert_calls("withdraw 2;free 2;free 1;withdraw 0;free 0;");
    assert_goes();
}

/** librdkafka would give the rebalance up. */
static void it_does_not_leave_in_the_middle_of_a_rebalance(void **state)
{
    (void)state;
    consumer->rebalance = REBALANCE_COMMITTING;
    begin_closing();
    tick();
    assert_calls("");
    consumer->rebalance = REBALANCE_IDLE;
    wake();
    assert_calls("leave;");
}

static void a_group_that_does_not_confirm_is_left_after_two_seconds(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    begin_closing();
    now_ms += 1999;
    tick();
    assert_calls("leave;");
    now_ms += 1;
    tick();
    assert_calls("withdraw 2;free 2;withdraw 1;free 1;withdraw 0;free 0;");
    assert_goes();
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "the group did not confirm our leaving in time"), 1);
    free(text);
}

static void one_that_is_opened_afresh_lets_deliveries_end(void **state)
{
    (void)state;
    consumer->renewing = true;
    begin_closing();
    now_ms += 11999;
    tick();
    assert_calls("leave;");
    now_ms += 1;
    tick();
    assert_goes();
}

static void asked_again_it_hurries(void **state)
{
    (void)state;
    consumer->renewing = true;
    begin_closing();
    assert_calls("leave;");
    now_ms += 3000;
    begin_closing();
    assert_calls("");
    now_ms += 1999;
    tick();
    assert_calls("");
    now_ms += 1;
    tick();
    assert_goes();
}

static void asked_again_late_it_gets_no_more_time(void **state)
{
    (void)state;
    begin_closing();
    assert_calls("leave;");
    now_ms += 1000;
    begin_closing();
    now_ms += 1000;
    tick();
    assert_goes();
}

static void a_lookup_under_way_is_waited_for(void **state)
{
    (void)state;
    consumer->works_running = 1;
    begin_closing();
    fake.left = true;
    now_ms += 60000;
    tick();
    assert_calls("leave;");
    consumer->works_running = 0;
    tick();
    assert_goes();
}

static void what_cannot_leave_does_not_wait(void **state)
{
    (void)state;
    fake.close_fails = true;
    begin_closing();
    assert_goes();
    assert_int_equal(strncmp(fake.calls, "leave;say _STATE;withdraw", 25), 0);
}

static void after_a_fatal_error_nothing_is_confirmed(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    consumer_give_up(consumer);
    consumer_give_up(consumer);
    assert_calls("give up;");
    fake.close_fails = true;
    begin_closing();
    assert_goes();
    assert_int_equal(strncmp(fake.calls, "leave;withdraw", 14), 0);
    char *text = logs_end(&caught);
    assert_int_equal(occurrences(text, "did not confirm"), 0);
    free(text);
}

static void a_record_that_waited_for_the_sink_is_let_go(void **state)
{
    (void)state;
    fake.room = 0;
    message(0, 1, 1);
    wake();
    assert_int_equal(fake.destroyed, 0);
    fake.left = true;
    begin_closing();
    assert_goes();
    assert_int_equal(fake.destroyed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(librdkafkas_own_lines_are_for_debug_unless_they_are_critical),
        TEST(a_fatal_error_is_the_end_and_said_once),
        TEST(who_says_that_a_topic_is_missing_has_answered),
        TEST(fresh_credentials_are_asked_for_less_and_less_often),
        TEST(a_commits_answer_is_told_to_whoever_sent_it),
        TEST(events_are_looked_for_each_second),
        TEST(fresh_credentials_are_for_both_clients),
        TEST(what_cannot_be_opened_says_why),
        TEST(it_leaves_the_group_and_goes_once_that_is_confirmed),
        TEST(it_does_not_leave_in_the_middle_of_a_rebalance),
        TEST(a_group_that_does_not_confirm_is_left_after_two_seconds),
        TEST(one_that_is_opened_afresh_lets_deliveries_end),
        TEST(asked_again_it_hurries),
        TEST(asked_again_late_it_gets_no_more_time),
        TEST(a_lookup_under_way_is_waited_for),
        TEST(what_cannot_leave_does_not_wait),
        TEST(after_a_fatal_error_nothing_is_confirmed),
        TEST(a_record_that_waited_for_the_sink_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
