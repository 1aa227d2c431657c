/* Which records are taken in one turn of the loop, which wait, and which come again. */
#include "consumer_fake.h"

static void records_are_taken_in_their_order(void **state)
{
    (void)state;
    assert_true(fake.wakes[false] && fake.wakes[true]);
    message(0, 5, 10);
    message(2, 1, 10);
    message(0, 6, 10);
    wake();
    assert_calls("0-5;2-1;0-6;");
    assert_int_equal(fake.destroyed, 3);
    message(1, 1, 10);
    wake();
    assert_calls("1-1;");
}

static void a_turn_takes_sixty_four_records(void **state)
{
    (void)state;
    for (int i = 0; i < 150; i++)
        message(0, i, 0);
    kafka_consumer_resume(consumer);
    turn();
    assert_int_equal(fake.destroyed, 64);
    turn();
    assert_int_equal(fake.destroyed, 128);
    turn();
    assert_int_equal(fake.destroyed, 150);
    assert_false(uv_is_active((uv_handle_t *)&consumer->more)); /* the loop may sleep */
}

static void a_turn_takes_a_mebibyte_and_the_last_may_go_beyond(void **state)
{
    (void)state;
    for (int i = 0; i < 6; i++)
        message(0, i, 300 * 1024)->key_len = 50 * 1024;
    kafka_consumer_resume(consumer);
    turn();
    assert_int_equal(fake.destroyed, 3);
    turn();
    assert_int_equal(fake.destroyed, 6);
}

static void what_the_sink_has_no_space_for_waits_and_goes_first(void **state)
{
    (void)state;
    message(0, 1, 10)->key_len = 5;
    message(1, 1, 5);
    fake.room = 14;
    wake();
    assert_calls("");
    assert_int_equal(fake.destroyed, 0);
    fake.room = 15;
    wake(); /* new records are no news of space */
    assert_calls("");
    kafka_consumer_resume(consumer);
    turn();
    assert_calls("0-1;1-1;");
    assert_int_equal(fake.destroyed, 2);
}

static void each_second_a_full_sink_is_asked_again(void **state)
{
    (void)state;
    fake.room = 0;
    message(0, 1, 10);
    wake();
    fake.room = SIZE_MAX;
    tick();
    turn();
    assert_calls("0-1;");
}

static void without_memory_a_record_waits(void **state)
{
    (void)state;
    fake.no_memory = true;
    message(0, 1, 10);
    wake();
    assert_int_equal(fake.destroyed, 0);
    fake.no_memory = false;
    kafka_consumer_resume(consumer);
    turn();
    assert_calls("0-1;");
}

/* A partition whose note is full */

static void one_partition_whose_note_is_full_holds_no_other_up(void **state)
{
    (void)state;
    fake.note_full[0] = true;
    message(0, 7, 10);
    message(0, 8, 10); /* fetched before the pause: it comes again after it */
    message(1, 1, 10);
    wake();
    assert_calls("pause 0;1-1;");
    assert_int_equal(fake.destroyed, 2);
    assert_true(fake.partitions[0].paused && fake.partitions[0].full_stands);
    fake.note_full[0] = false;
    message(0, 8, 10);
    wake();
    assert_calls("0-7;resume 0;0-8;");
    assert_int_equal(fake.destroyed, 4);
    assert_false(fake.partitions[0].paused || fake.partitions[0].full_stands);
    assert_null(fake.partitions[0].parked);
}

static void its_record_waits_for_the_sink_too(void **state)
{
    (void)state;
    fake.note_full[0] = true;
    message(0, 7, 10);
    wake();
    fake.note_full[0] = false;
    fake.room = 9;
    message(1, 1, 1);
    wake();
    assert_calls("pause 0;");
    fake.room = 10;
    kafka_consumer_resume(consumer);
    turn();
    assert_calls("0-7;resume 0;1-1;");
}

static void what_waited_in_partitions_is_bounded_by_the_turn_too(void **state)
{
    (void)state;
    for (int i = 0; i < PARTITIONS; i++) {
        fake.note_full[i] = true;
        message(i, 7, 600 * 1024);
    }
    wake();
    turn();
    assert_calls("pause 0;pause 1;pause 2;");
    memset(fake.note_full, 0, sizeof fake.note_full);
    kafka_consumer_resume(consumer);
    turn();
    assert_calls("2-7;resume 2;1-7;resume 1;");
    turn();
    assert_calls("0-7;resume 0;");
}

static void a_revoked_partitions_record_waits_for_nothing_more(void **state)
{
    (void)state;
    fake.note_full[0] = true;
    message(0, 7, 10);
    wake();
    assert_calls("pause 0;");
    fake.partitions[0].revoked = true;
    fake.note_full[0] = false;
    kafka_consumer_resume(consumer);
    turn();
    assert_calls("");
}

/* What is not taken */

static void records_that_are_not_ours_are_passed_over(void **state)
{
    (void)state;
    fake.partitions[0].begun = false; /* fetched for an earlier assignment */
    fake.partitions[1].revoked = true;
    message(0, 1, 1);
    message(1, 1, 1);
    message(7, 1, 1);
    message(2, 1, 1);
    wake();
    assert_calls("2-1;");
    assert_int_equal(fake.destroyed, 4);
}

static void records_that_lie_or_are_astray_are_passed_over(void **state)
{
    (void)state;
    fake.suspect[0] = fake.astray[1] = true;
    message(0, 1, 1);
    message(1, 1, 1);
    message(2, 1, 1);
    wake();
    assert_calls("2-1;");
    assert_int_equal(fake.destroyed, 3);
}

static void the_end_of_a_partition_is_told_to_it(void **state)
{
    (void)state;
    fake.partitions[0].begun = false;
    fake.partitions[1].revoked = true;
    consumer->credentials_failing = true;
    for (int i = 0; i <= PARTITIONS; i++)
        message(i, 9, 0)->err = RD_KAFKA_RESP_ERR__PARTITION_EOF;
    wake();
    assert_calls("end 2-9;");
    assert_int_equal(fake.destroyed, 4);
    assert_false(consumer->credentials_failing); /* a broker has answered us */
}

static void a_batch_that_cannot_be_read_is_told_to_its_partition(void **state)
{
    (void)state;
    fake.partitions[0].begun = false;
    fake.partitions[1].revoked = true;
    for (int i = 0; i <= PARTITIONS; i++)
        message(i, 9, 0)->err = UNREADABLE;
    message(2, 9, 0)->err = RD_KAFKA_RESP_ERR__TRANSPORT;
    wake();
    assert_calls("say _BAD_MSG;say _BAD_MSG;say _BAD_MSG;failed 2-9 wrong;say _BAD_MSG;say _TRANSPORT;");
    assert_int_equal(fake.destroyed, 5);
}

static void after_a_stop_nothing_is_taken(void **state)
{
    (void)state;
    message(0, 1, 1);
    kafka_consumer_resume(consumer);
    kafka_consumer_stop_taking(consumer);
    assert_int_equal(fake.redeliveries_left, 1);
    turn();
    kafka_consumer_resume(consumer);
    wake();
    tick();
    turn();
    assert_calls("");
    assert_int_equal(fake.sent, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_taken_in_their_order),
        TEST(a_turn_takes_sixty_four_records),
        TEST(a_turn_takes_a_mebibyte_and_the_last_may_go_beyond),
        TEST(what_the_sink_has_no_space_for_waits_and_goes_first),
        TEST(each_second_a_full_sink_is_asked_again),
        TEST(without_memory_a_record_waits),
        TEST(one_partition_whose_note_is_full_holds_no_other_up),
        TEST(its_record_waits_for_the_sink_too),
        TEST(what_waited_in_partitions_is_bounded_by_the_turn_too),
        TEST(a_revoked_partitions_record_waits_for_nothing_more),
        TEST(records_that_are_not_ours_are_passed_over),
        TEST(records_that_lie_or_are_astray_are_passed_over),
        TEST(the_end_of_a_partition_is_told_to_it),
        TEST(a_batch_that_cannot_be_read_is_told_to_its_partition),
        TEST(after_a_stop_nothing_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
