/* A revocation from its event to the answer, and what comes in between. */
#include "rebalance_world.h"

static void what_is_revoked_goes_at_once_where_nothing_is_left_to_do(void **state)
{
    (void)state;
    hold("012");
    revoked("012");
    assert_calls(
        "withdraw runs-2;withdraw runs-1;withdraw runs-0;free runs-2;free runs-1;free runs-0;unassign;");
    assert_null(consumer.partitions);
    assert_int_equal(consumer.rejoin_assignments, 0);
    assert_int_equal(due_in(), -1);
}

static void a_revocation_waits_for_what_is_under_way_and_for_its_commit(void **state)
{
    (void)state;
    consumer.cooperative = consumer.rejoins = true;
    fake.commit_begins = true;
    hold("012");
    held_one(1)->live = 2;
    revoked("017"); /* of 7 there is nothing to give */
    assert_calls("withdraw runs-1;withdraw runs-0;");
    assert_int_equal(consumer.rebalance, REBALANCE_DRAINING);
    assert_int_equal(due_in(), 7000);
    held_one(1)->live = 1;
    rebalance_advance(&consumer);
    assert_calls("");
    held_one(1)->live = 0;
    held_one(1)->changed = true;
    rebalance_advance(&consumer);
    assert_calls("commit;");
    assert_int_equal(consumer.rebalance, REBALANCE_COMMITTING);
    assert_int_equal(due_in(), 1500);
    rebalance_advance(&consumer);
    assert_calls("");
    held_one(0)->changed = true; /* a late completion */
    answered();
    assert_calls("commit;");
    answered();
    assert_calls("free runs-1;free runs-0;less runs-1 runs-0;");
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
    assert_int_equal(consumer.rejoin_assignments, 2);
    assert_int_equal(consumer.rejoin_until_ms, 15000);
    held_one(2);
}

static void a_last_commit_that_cannot_be_sent_is_not_waited_for(void **state)
{
    (void)state;
    hold("0");
    held_one(0)->changed = true;
    revoked("0");
    assert_calls("withdraw runs-0;commit;free runs-0;unassign;");
}

static void a_last_commit_is_waited_for_no_longer_than_that(void **state)
{
    (void)state;
    fake.commit_begins = true;
    hold("0");
    held_one(0)->changed = true;
    revoked("0");
    *calls = '\0';
    time_is_up();
    assert_calls("free runs-0;unassign;");
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
}

static void what_does_not_end_in_time_is_cancelled(void **state)
{
    (void)state;
    hold("01");
    held_one(0)->live = 1;
    held_one(1)->abandoned = true; /* its topic is gone: nobody has anything of it */
    revoked("01");
    assert_calls("withdraw runs-0;");
    assert_true(held_one(1)->revoked);
    time_is_up();
    assert_calls("cancel runs-0;");
    assert_int_equal(consumer.rebalance, REBALANCE_DRAINING);
    held_one(0)->live = 0;
    rebalance_advance(&consumer);
    assert_calls("free runs-1;free runs-0;unassign;");
}

static void what_is_lost_is_not_committed(void **state)
{
    (void)state;
    fake.commit_begins = true;
    for (int later = 0; later < 2; later++) {
        hold("0");
        held_one(0)->changed = true;
        held_one(0)->live = 1;
        fake.lost = !later;
        revoked("0");
        assert_int_equal(consumer.lost, !later);
        *calls = '\0';
        fake.lost = true; /* meanwhile */
        held_one(0)->live = 0;
        rebalance_advance(&consumer);
        assert_calls("free runs-0;unassign;");
        assert_false(consumer.lost);
        fake.lost = false;
    }
}

static void one_that_closes_waits_for_nothing_unless_it_is_opened_afresh(void **state)
{
    (void)state;
    consumer.rejoins = consumer.closing = true;
    for (int renewing = 0; renewing < 2; renewing++) {
        consumer.closing = false;
        hold("0");
        consumer.closing = true;
        consumer.renewing = renewing;
        held_one(0)->live = 1;
        revoked("0");
        assert_int_equal(due_in(), renewing ? 7000 : 0);
        held_one(0)->live = 0;
        rebalance_advance(&consumer);
        assert_int_equal(consumer.rejoin_assignments, 0);
    }
}

/* What comes in between */

static void an_assignment_that_is_overtaken_is_forgotten(void **state)
{
    (void)state;
    assigned("0");
    *calls = '\0';
    assigned("1"); /* while the first is looked up */
    assert_calls("free runs-0;look up runs-1;");
    assert_int_equal(fake.overtaken, 1);
    fake.commit_begins = true;
    looked_up("1", START_APPEARED);
    assert_int_equal(consumer.rebalance, REBALANCE_BEGINNING);
    *calls = '\0';
    revoked("1"); /* while it begins */
    assert_calls("free runs-1;");
    answered(); /* the commit of where it begins */
    assert_calls("unassign;");
    assert_int_equal(fake.overtaken, 1);
    assert_int_equal(due_in(), -1);
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
}

static void a_revocation_that_is_overtaken_ends_without_a_commit(void **state)
{
    (void)state;
    fake.commit_begins = true;
    for (int committing = 0; committing < 2; committing++) {
        hold("0");
        held_one(0)->live = !committing;
        held_one(0)->changed = true;
        revoked("0");
        assert_int_equal(consumer.rebalance, committing ? REBALANCE_COMMITTING : REBALANCE_DRAINING);
        *calls = '\0';
        consumer.commit_under_way = false;
        assigned("1");
        assert_calls("cancel runs-0;free runs-0;unassign;look up runs-1;");
        assert_false(consumer.lost);
    }
}

static void an_error_is_said_and_nothing_is_held_by_librdkafka(void **state)
{
    (void)state;
    consumer.rejoin_assignments = 1;
    event(RD_KAFKA_RESP_ERR__FAIL, "");
    assert_calls("unassign;");
    assert_int_equal(fake.said, 1);
    assert_int_equal(consumer.rejoin_assignments, 0);
    consumer.closing = true;
    event(RD_KAFKA_RESP_ERR__FAIL, "");
    assert_calls("");
    assert_int_equal(fake.said, 2);
    assert_int_equal(consumer.rejoin_assignments, 0);
}

/** As the client's end does it, one partition after the other, while tickets still come back. */
static void partitions_that_are_gone_already_are_passed_over(void **state)
{
    (void)state;
    fake.commit_begins = true;
    hold("01");
    held_one(0)->live = 1;
    held_one(0)->changed = true;
    revoked("01");
    partition_free(held_one(1));
    *calls = '\0';
    time_is_up();
    assert_calls("cancel runs-0;");
    held_one(0)->live = 0;
    rebalance_advance(&consumer);
    assert_calls("commit;");
    answered();
    assert_calls("free runs-0;unassign;");
}

static void whoever_closes_hurries_what_is_under_way(void **state)
{
    (void)state;
    rebalance_hurry(&consumer);
    assert_calls("");
    assigned("0");
    *calls = '\0';
    rebalance_hurry(&consumer);
    assert_calls("free runs-0;");
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
    hold("0");
    held_one(0)->live = 1;
    revoked("0");
    *calls = '\0';
    rebalance_hurry(&consumer);
    assert_calls("cancel runs-0;");
    held_one(0)->live = 0;
    rebalance_hurry(&consumer);
    assert_calls("cancel runs-0;free runs-0;unassign;");
    fake.commit_begins = true;
    hold("0");
    held_one(0)->changed = true;
    revoked("0");
    *calls = '\0';
    rebalance_hurry(&consumer);
    assert_calls(""); /* its last commit is under way */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_revoked_goes_at_once_where_nothing_is_left_to_do),
        TEST(a_revocation_waits_for_what_is_under_way_and_for_its_commit),
        TEST(a_last_commit_that_cannot_be_sent_is_not_waited_for),
        TEST(a_last_commit_is_waited_for_no_longer_than_that),
        TEST(what_does_not_end_in_time_is_cancelled),
        TEST(what_is_lost_is_not_committed),
        TEST(one_that_closes_waits_for_nothing_unless_it_is_opened_afresh),
        TEST(an_assignment_that_is_overtaken_is_forgotten),
        TEST(a_revocation_that_is_overtaken_ends_without_a_commit),
        TEST(an_error_is_said_and_nothing_is_held_by_librdkafka),
        TEST(partitions_that_are_gone_already_are_passed_over),
        TEST(whoever_closes_hurries_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
