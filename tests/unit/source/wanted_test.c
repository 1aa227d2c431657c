/* Records that are read a second time, with a librdkafka that sends what a test says. */
#include "wanted_world.h"

static void wanted_records_come_upwards_and_others_are_passed_over(void **state)
{
    (void)state;
    want(&run0, 20);
    want(&run0, 10);
    assert_follows("", "start runs-0 10;");
    for (int64_t offset = 10; offset < 20; offset++)
        message(&run0, offset);
    assert_follows("10 ", "");
    message(&run0, 20);
    message(&run0, 21);
    assert_follows("20 ", "");
    assert_int_equal(fake.sent, fake.count - 1); /* nothing is wanted: what is there stays there */
}

static void what_is_near_is_read_up_to_and_what_is_far_is_sought(void **state)
{
    (void)state;
    want(&run0, 10);
    assert_follows("", "start runs-0 10;");
    message(&run0, 10);
    assert_follows("10 ", "");
    want(&run0, 511); /* 500 further on */
    assert_follows("", "");
    message(&run0, 511);
    assert_follows("511 ", "");
    want(&run0, 1013);
    assert_follows("", "seek runs-0 1013;");
    message(&run0, 1013);
    assert_follows("1013 ", "");
    want(&run0, 1014);
    assert_follows("", "");
}

static void from_the_highest_it_goes_back_to_the_lowest(void **state)
{
    (void)state;
    want(&run0, 100);
    assert_follows("", "start runs-0 100;");
    want(&run0, 99);
    want(&run0, 5);
    want(&run0, 110);
    assert_follows("", "");
    message(&run0, 100);
    assert_follows("100 ", "");
    message(&run0, 110);
    assert_follows("110 ", "seek runs-0 5;");
    message(&run0, 5);
    assert_follows("5 ", "");
    message(&run0, 99);
    assert_follows("99 ", "");
}

/** Three times, each a tick later, the broker sends what is behind it. */
static void what_does_not_come_three_times_is_gone(void **state)
{
    (void)state;
    want(&run0, 11);
    want(&run0, 12);
    want(&run0, 14);
    assert_follows("", "start runs-0 11;");
    for (int misses = 1; misses < 3; misses++) {
        message(&run0, 13);
        if (misses == 1)
            message(&run0, 14);
        assert_follows(misses == 1 ? "14 " : "", "");
        tick();
        assert_follows("", "seek runs-0 11;");
    }
    message(&run0, 13);
    assert_follows("-11 -12 ", "");
}

static void all_that_is_wanted_behind_the_end_is_missed(void **state)
{
    (void)state;
    want(&run0, 11);
    want(&run0, 30);
    struct kafka_ticket *before = want(&run0, 5);
    assert_follows("", "start runs-0 5;");
    message(&run0, 5);
    assert_follows("5 ", "");
    assert_null(before->wanted);
    want(&run0, 4);
    fails(&run0, RD_KAFKA_RESP_ERR__PARTITION_EOF, 11);
    assert_follows("", "seek runs-0 4;"); /* of what is before the position the end says nothing */
    message(&run0, 4);
    assert_follows("4 ", "");
    for (int misses = 2; misses <= 3; misses++) {
        tick(); /* librdkafka tells of the same end once, unless it is sent there again */
        assert_follows("", misses == 3 ? "seek runs-0 11;" : "");
        if (misses == 2)
            fails(&run0, RD_KAFKA_RESP_ERR__PARTITION_EOF, 11);
        assert_follows("", "");
    }
    fails(&run0, RD_KAFKA_RESP_ERR__PARTITION_EOF, 11);
    assert_follows("-11 -30 ", "");
}

/** The log's start, because where it was sent there is nothing any more. */
static void what_comes_from_before_the_position_is_no_reason_to_wait_for_what_is_behind_it(void **state)
{
    (void)state;
    want(&run0, 1000);
    want(&run0, 400);
    assert_follows("", "start runs-0 400;");
    message(&run0, 400);
    assert_follows("400 ", "seek runs-0 1000;");
    want(&run0, 3);
    message(&run0, 3); /* the one at 1000 rests now */
    assert_follows("3 ", "");
    for (int misses = 2; misses <= 3; misses++) {
        tick();
        assert_follows("", "seek runs-0 1000;");
        message(&run0, 3);
        assert_follows(misses == 3 ? "-1000 " : "", "");
    }
}

static void what_cannot_be_read_is_missed_alone(void **state)
{
    (void)state;
    want(&run0, 10);
    want(&run0, 11);
    assert_follows("", "start runs-0 10;");
    for (int i = 0; i < 4; i++)
        fails(&run0, UNREADABLE, 10); /* it rests after the first: that is one miss */
    assert_follows("", "");
    message(&run0, 11);
    assert_follows("11 ", "");
    for (int misses = 2; misses <= 3; misses++) {
        tick();
        assert_follows("", misses == 2 ? "seek runs-0 10;" : ""); /* librdkafka is there then */
        fails(&run0, UNREADABLE, 10);
        assert_follows(misses == 3 ? "-10 " : "", "");
    }
    want(&run0, 2); /* behind the position nothing is wanted */
    fails(&run0, UNREADABLE, 10);
    assert_follows("", "seek runs-0 2;");
}

static void brokers_that_are_away_make_nothing_gone(void **state)
{
    (void)state;
    want(&run0, 10);
    assert_follows("", "start runs-0 10;");
    for (int i = 0; i < 5; i++) {
        fails(&run0, RD_KAFKA_RESP_ERR__TRANSPORT, 50);
        assert_follows("", "");
        tick();
    }
    message(&run0, 10);
    assert_follows("10 ", "");
}

static void a_partition_that_nobody_wants_stands_still_and_goes_on_with_a_seek(void **state)
{
    (void)state;
    want(&run0, 10);
    want(&change0, 50);
    assert_follows("", "start changes-0 50;start runs-0 10;");
    message(&run0, 10);
    assert_follows("10 ", "");
    message(&run0, 11);
    message(&run0, 12);
    message(&change0, 50);
    assert_follows("50 ", "pause runs-0 1;");
    want(&run0, 11);
    assert_follows("", "resume runs-0 1;seek runs-0 11;");
    message(&run0, 11);
    assert_follows("11 ", "");
}

static void each_partition_is_read_on_its_own_and_known_again(void **state)
{
    (void)state;
    want(&run0, 1);
    want(&run1, 2);
    want(&change0, 3);
    assert_follows("", "start changes-0 3;start runs-1 2;start runs-0 1;");
    assert_int_equal(fake.topics, 3);
    message(NULL, 1);
    message(&run1, 2);
    message(&run0, 1);
    message(&change0, 3);
    assert_follows("2 1 3 ", "");
    run1.reading = NULL; /* it went, and came back */
    want(&run1, 3);
    assert_follows("", "");
    assert_int_equal(fake.topics, 3);
    message(&run1, 3)->partition = 5; /* nobody's */
    message(&run1, 3);
    assert_follows("3 ", "");
}

static void a_turn_of_the_loop_has_an_end(void **state)
{
    (void)state;
    want(&run0, 100);
    assert_follows("", "start runs-0 100;");
    for (int i = 0; i < 100; i++)
        fails(&run0, RD_KAFKA_RESP_ERR__TRANSPORT, 0);
    again_woken(&consumer);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_in_range(fake.sent, 1, 64);
    while (uv_run(&loop, UV_RUN_NOWAIT))
        ;
    assert_int_equal(fake.sent, 100);
}

static void a_turn_takes_no_more_than_a_mebibyte_and_a_record(void **state)
{
    (void)state;
    want(&run0, 100);
    assert_follows("", "start runs-0 100;");
    for (int64_t i = 100; i < 108; i++) {
        fails(&run0, RD_KAFKA_RESP_ERR__TRANSPORT, i);
        fake.messages[fake.count - 1].len = 300 * 1024;
        fake.messages[fake.count - 1].key_len = 100 * 1024;
    }
    again_woken(&consumer);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(fake.sent, 3);
    while (uv_run(&loop, UV_RUN_NOWAIT))
        ;
    assert_int_equal(fake.sent, 8);
}

static void what_is_not_wanted_any_more_is_not_looked_for(void **state)
{
    (void)state;
    struct kafka_ticket *first = want(&run0, 10), *second = want(&run0, 2000);
    assert_follows("", "start runs-0 10;");
    free(again_unlink(first));
    assert_null(again_unlink(first));
    assert_follows("", "seek runs-0 2000;");
    message(&run0, 2000);
    assert_follows("2000 ", "");
    assert_null(second->wanted);
}

static void a_start_that_fails_is_tried_again(void **state)
{
    (void)state;
    fake.no_start = true;
    want(&run0, 10);
    assert_follows("", "start runs-0 10;");
    fake.no_start = false;
    want(&run0, 12);
    assert_follows("", "start runs-0 10;");
    want(&run0, 13);
    assert_follows("", "");
}

static void without_memory_nothing_is_wanted_and_later_it_is(void **state)
{
    (void)state;
    struct kafka_ticket *ticket = &tickets[ticket_count++];
    *ticket = (struct kafka_ticket){.partition = &run0, .entry.offset = 10};
    fake.no_client = true;
    assert_int_equal(again_want(ticket, &fake.told), READING_FAILED);
    again_woken(&consumer);
    assert_false(uv_is_active((uv_handle_t *)&consumer.again.more));
    tick();
    fake.no_client = false;
    fake.no_topic = true;
    assert_int_equal(again_want(ticket, &fake.told), READING_FAILED);
    assert_null(ticket->wanted);
    fake.no_topic = false;
    want(&run0, 11);
    want(&run1, 11);
    assert_int_equal(fake.clients, 1);
    assert_int_equal(fake.queues, 1);
    assert_int_equal(fake.woken_fd, 7);
    assert_string_equal(fake.group, "");
    assert_string_equal(fake.eof, "true");
    assert_follows("", "start runs-1 11;start runs-0 11;");
}

static void a_tick_empties_the_clients_events(void **state)
{
    (void)state;
    want(&run0, 10);
    fake.events = 3;
    tick();
    assert_int_equal(fake.events, 0);
}

static void at_the_end_all_is_given_back_and_only_what_was_started_is_stopped(void **state)
{
    (void)state;
    want(&run0, 10);
    assert_follows("", "start runs-0 10;");
    fake.no_start = true;
    want(&run1, 10);
    assert_follows("", "start runs-1 10;");
    consumer.destroying = true;
    again_stop(&consumer);
    again_woken(&consumer);
    assert_false(uv_is_active((uv_handle_t *)&consumer.again.more));
    for (size_t i = 0; i < ticket_count; i++)
        free(again_unlink(&tickets[i]));
    again_close(&consumer.again);
    assert_string_equal(fake.calls, "stop runs-0 0;");
    assert_int_equal(fake.woken_fd, -1);
    assert_int_equal(fake.clients + fake.topics + fake.queues, 0);
    consumer.again.rk = NULL;
    consumer.again.records = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wanted_records_come_upwards_and_others_are_passed_over),
        TEST(what_is_near_is_read_up_to_and_what_is_far_is_sought),
        TEST(from_the_highest_it_goes_back_to_the_lowest),
        TEST(what_does_not_come_three_times_is_gone),
        TEST(all_that_is_wanted_behind_the_end_is_missed),
        TEST(what_comes_from_before_the_position_is_no_reason_to_wait_for_what_is_behind_it),
        TEST(what_cannot_be_read_is_missed_alone),
        TEST(brokers_that_are_away_make_nothing_gone),
        TEST(a_partition_that_nobody_wants_stands_still_and_goes_on_with_a_seek),
        TEST(each_partition_is_read_on_its_own_and_known_again),
        TEST(a_turn_of_the_loop_has_an_end),
        TEST(a_turn_takes_no_more_than_a_mebibyte_and_a_record),
        TEST(what_is_not_wanted_any_more_is_not_looked_for),
        TEST(a_start_that_fails_is_tried_again),
        TEST(without_memory_nothing_is_wanted_and_later_it_is),
        TEST(a_tick_empties_the_clients_events),
        TEST(at_the_end_all_is_given_back_and_only_what_was_started_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
