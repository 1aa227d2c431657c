/* An assignment from its event to its first records, and what is said of where they begin. */
#include "rebalance_world.h"

static void what_is_assigned_is_looked_up_and_begins(void **state)
{
    (void)state;
    fake.lookup.first.known = true;
    fake.lookup.ids[0].known = true;
    consumer.topic_ids[1].known = true;
    assigned("01");
    assert_calls("look up runs-0 runs-1;");
    assert_int_equal(consumer.rebalance, REBALANCE_LOOKING_UP);
    assert_false(held_one(0)->begun || held_one(1)->begun);
    looked_up("01", START_COMMITTED);
    assert_calls("assign runs-0@40 runs-1@40;commit all;");
    assert_true(held_one(0)->begun && held_one(1)->begun);
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
    assert_null(consumer.changing);
    assert_true(consumer.first.known && consumer.topic_ids[0].known && consumer.topic_ids[1].known);
    assert_int_equal(fake.ended, 1);
    assert_int_equal(due_in(), -1);
    assert_int_equal(consumer.rebalances, 1);
}

static void what_begins_elsewhere_is_committed_before_it_begins(void **state)
{
    (void)state;
    fake.commit_begins = true;
    assigned("01");
    *calls = '\0';
    looked_up("01", START_GROUP_NEW);
    assert_calls("commit;");
    assert_int_equal(consumer.rebalance, REBALANCE_BEGINNING);
    assert_int_equal(due_in(), 5000);
    rebalance_advance(&consumer);
    assert_calls(""); /* its answer is waited for */
    held_one(0)->changed = true;
    answered();
    assert_calls("assign runs-0@40 runs-1@40;commit all;"); /* one try */
    assert_int_equal(due_in(), -1);
}

static void a_first_commit_is_not_waited_for_where_there_is_none(void **state)
{
    (void)state;
    assigned("0");
    *calls = '\0';
    looked_up("0", START_APPEARED); /* it cannot be sent */
    assert_calls("commit;assign runs-0@40;commit all;");
    consumer.rejoin_assignments = 2; /* the generation is about to change */
    assigned("1");
    *calls = '\0';
    looked_up("1", START_APPEARED);
    assert_calls("assign runs-1@40;commit all;");
    assert_int_equal(consumer.rejoin_assignments, 1);
}

static void a_first_commit_is_waited_for_no_longer_than_that(void **state)
{
    (void)state;
    fake.commit_begins = true;
    assigned("0");
    looked_up("0", START_APPEARED);
    *calls = '\0';
    time_is_up();
    assert_calls("assign runs-0@40;commit all;");
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
}

static void one_that_is_being_committed_is_dirty_too(void **state)
{
    (void)state;
    assigned("0");
    held_one(0)->committing = true;
    consumer.commit_under_way = true;
    *calls = '\0';
    looked_up("0", START_COMMITTED);
    assert_calls("");
    answered();
    assert_calls("commit;assign runs-0@40;commit all;");
}

static void nothing_is_assigned_at_once(void **state)
{
    (void)state;
    assigned("");
    assert_calls("assign;commit all;");
    assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
}

static void more_is_assigned_beside_what_is_held(void **state)
{
    (void)state;
    consumer.cooperative = true;
    hold("01");
    assigned("2");
    assert_calls("look up runs-2;");
    looked_up("2", START_COMMITTED);
    assert_calls("more runs-2@40;commit all;");
    held_one(0);
    assigned("12"); /* what is named anew was never revoked */
    assert_calls("cancel runs-2;cancel runs-1;free runs-2;free runs-1;less runs-2 runs-1;"
                 "look up runs-1 runs-2;");
    held_one(0);
}

static void what_was_never_revoked_is_let_go_before_anything_is_assigned(void **state)
{
    (void)state;
    hold("01");
    held_one(0)->live = 3;
    assigned("1");
    assert_calls("cancel runs-1;cancel runs-0;free runs-1;free runs-0;unassign;look up runs-1;");
    assert_null(partition_find(&consumer, "runs", 0));
    assert_false(held_one(1)->begun);
}

static void an_earliest_record_without_a_number_is_asked_for_as_such(void **state)
{
    (void)state;
    static const char *const calls_of[] = {"commit;assign runs-0@-2;commit all;",
                                           "commit;assign runs-0@0;commit all;"};
    for (int64_t offset = -1; offset < 1; offset++) {
        assigned("0");
        *calls = '\0';
        struct partition_start start = {.reason = START_GROUP_NEW, .offset = offset, .committed = -1};
        fake.lookup.list = partitions("0");
        fake.lookup.starts = &start;
        rebalance_looked_up(&consumer, &fake.lookup);
        assert_calls(calls_of[offset + 1]);
    }
}

static void a_partition_that_is_gone_already_is_passed_over(void **state)
{
    (void)state;
    assigned("01");
    partition_free(held_one(1));
    *calls = '\0';
    looked_up("01", START_COMMITTED);
    assert_calls("assign runs-0@40 runs-1@-2;commit all;");
    assert_true(held_one(0)->begun);
}

static void an_answer_that_is_refused_is_said(void **state)
{
    (void)state;
    fake.assign_fails = true;
    for (int cooperative = 0; cooperative < 2; cooperative++) {
        consumer.cooperative = cooperative;
        fake.said = 0;
        assigned("0");
        looked_up("0", START_COMMITTED);
        assert_int_equal(fake.said, 1);
        revoked("0");
        assert_int_equal(fake.said, 2);
    }
}

static void without_memory_the_agent_gives_up_what_it_cannot_consume(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        consumer.cooperative = way & 1;
        fake.no_partition = way < 2;
        fake.no_lookup = way >= 2;
        fake.given_up = 0;
        while (consumer.partitions)
            partition_free(consumer.partitions);
        *calls = '\0';
        assigned("0");
        assert_calls(way == 0   ? "unassign;"
                     : way == 1 ? ""
                     : way == 2 ? "look up runs-0;unassign;"
                                : "look up runs-0;");
        assert_int_equal(fake.given_up, 1);
        assert_int_equal(consumer.rebalance, REBALANCE_IDLE);
    }
}

static void one_that_closes_takes_no_assignment(void **state)
{
    (void)state;
    consumer.closing = true;
    assigned("0");
    assert_calls("");
    assert_null(consumer.partitions);
}

/* What is said of where it begins */

static void what_begins_elsewhere_is_said_with_numbers(void **state)
{
    (void)state;
    static const struct {
        enum start_reason reason;
        /** With "earliest", with "latest"; NULL: nothing. */
        const char *said[2];
    } cases[] = {
        {START_COMMITTED, {NULL, NULL}},
        {START_MADE_ANEW, {"WARNING \"records\":67", "WARNING \"records\":67"}},
        {START_GROUP_NEW, {NULL, "INFO \"records_before\":67"}},
        {START_TAKEN_OVER, {"WARNING \"records_before\":67", "WARNING \"records_before\":67"}},
        {START_GROUP_BEGAN, {"WARNING \"records\":60", "WARNING \"records\":60"}},
        {START_APPEARED, {"INFO \"records\":67", "WARNING \"records\":67"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int latest = 0; latest < 2; latest++) {
            consumer.options.auto_offset_reset = latest ? "latest" : "earliest";
            assigned("0");
            struct caught caught = logs_catch();
            looked_up("0", cases[i].reason);
            char *logged = logs_end(&caught);
            const char *said = cases[i].said[latest];
            char *line = strstr(logged, "\"from\":30,\"to\":40");
            assert_int_equal(line != NULL, said != NULL);
            if (said) {
                assert_non_null(strstr(line, strchr(said, ' ') + 1));
                *line = '\0';
                const char *level = strstr(logged, "\"level\":\"") + 9;
                for (const char *next; (next = strstr(level, "\"level\":\"")) != NULL;)
                    level = next + 9;
                assert_int_equal(strncmp(level, said, (size_t)(strchr(said, ' ') - said)), 0);
            }
            free(logged);
        }
}

static void a_note_that_was_restored_is_seen_at_debug(void **state)
{
    (void)state;
    fake.restored = true;
    assigned("0");
    struct caught caught = logs_catch();
    looked_up("0", START_COMMITTED);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "\"note_restored\":true"), 1);
    assert_int_equal(occurrences(logged, "\"assigned\":1"), 1);
    free(logged);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_assigned_is_looked_up_and_begins),
        TEST(what_begins_elsewhere_is_committed_before_it_begins),
        TEST(a_first_commit_is_not_waited_for_where_there_is_none),
        TEST(a_first_commit_is_waited_for_no_longer_than_that),
        TEST(one_that_is_being_committed_is_dirty_too),
        TEST(nothing_is_assigned_at_once),
        TEST(more_is_assigned_beside_what_is_held),
        TEST(what_was_never_revoked_is_let_go_before_anything_is_assigned),
        TEST(an_earliest_record_without_a_number_is_asked_for_as_such),
        TEST(a_partition_that_is_gone_already_is_passed_over),
        TEST(an_answer_that_is_refused_is_said),
        TEST(without_memory_the_agent_gives_up_what_it_cannot_consume),
        TEST(one_that_closes_takes_no_assignment),
        TEST(what_begins_elsewhere_is_said_with_numbers),
        TEST(a_note_that_was_restored_is_seen_at_debug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
