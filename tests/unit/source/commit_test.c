/* Commits, with a librdkafka that keeps what it is given and answers what a test says. */
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/component/logs.h"

/* What commit.c calls */

static struct {
    /** The answer to the next commit, and the commits so far. */
    rd_kafka_resp_err_t code;
    rd_kafka_topic_partition_list_t *list;
    unsigned commits, advances, said;
} seen;

rd_kafka_resp_err_t rd_kafka_commit_queue(
    rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets, rd_kafka_queue_t *queue,
    void (*done)(rd_kafka_t *, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t *, void *), void *ctx)
{
    (void)rk;
    (void)queue;
    (void)done;
    (void)ctx;
    seen.commits++;
    if (seen.list)
        rd_kafka_topic_partition_list_destroy(seen.list);
    seen.list = rd_kafka_topic_partition_list_copy(offsets);
    return seen.code;
}

struct rd_kafka_op_s {
    rd_kafka_resp_err_t code;
    rd_kafka_topic_partition_list_t *list;
};

rd_kafka_resp_err_t rd_kafka_event_error(rd_kafka_event_t *event)
{
    return event->code;
}

rd_kafka_topic_partition_list_t *rd_kafka_event_topic_partition_list(rd_kafka_event_t *event)
{
    return event->list;
}

void kafka_error_say(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    (void)consumer;
    (void)code;
    (void)reason;
    seen.said++;
}

void rebalance_advance(struct kafka_consumer *consumer)
{
    (void)consumer;
    seen.advances++;
}

/* The consumer */

static int64_t now_ms;

static int64_t now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock test_clock = {.monotonic_ms = now, .wall_ms = now};
static uv_loop_t loop;
static struct kafka_consumer consumer;
static struct partition first, second;
static char topic[] = "runs";
static struct offset_entry entries[16];

/** Two partitions of "runs": in each, 10 to 13 were taken, and 10 and 12 are done. */
static int begin(void **state)
{
    (void)state;
    memset(&seen, 0, sizeof seen);
    memset(&consumer, 0, sizeof consumer);
    now_ms = 1000;
    assert_int_equal(uv_loop_init(&loop), 0);
    uv_timer_init(&loop, &consumer.commit_timer);
    consumer.commit_timer.data = &consumer;
    consumer.options.clock = &test_clock;
    consumer.partitions = &first;
    first = (struct partition){.next = &second, .consumer = &consumer, .topic = topic, .changed = true};
    second = (struct partition){.consumer = &consumer, .topic = topic, .number = 1, .changed = true};
    for (size_t i = 0; i < 2; i++) {
        struct partition *partition = i == 0 ? &first : &second;
        offsets_init(&partition->offsets, 10);
        for (size_t j = 0; j < 4; j++)
            assert_int_equal(offsets_take(&partition->offsets, &entries[4 * i + j], (int64_t)(10 + j)),
                             OFFSETS_TAKEN);
        offsets_done(&partition->offsets, &entries[4 * i]);
        offsets_done(&partition->offsets, &entries[4 * i + 2]);
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (seen.list)
        rd_kafka_topic_partition_list_destroy(seen.list);
    offsets_clear(&first.offsets);
    offsets_clear(&second.offsets);
    uv_close((uv_handle_t *)&consumer.commit_timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

/** In how many milliseconds the timer of commits is due, about; -1: it does not run. */
static int64_t due_in(void)
{
    uv_update_time(&loop);
    if (!uv_is_active((uv_handle_t *)&consumer.commit_timer))
        return -1;
    return ((int64_t)uv_timer_get_due_in(&consumer.commit_timer) + 50) / 100 * 100;
}

static void answer(rd_kafka_resp_err_t code, rd_kafka_resp_err_t of_first, rd_kafka_resp_err_t of_second)
{
    struct rd_kafka_op_s event = {.code = code, .list = rd_kafka_topic_partition_list_new(2)};
    rd_kafka_topic_partition_list_add(event.list, topic, 0)->err = of_first;
    rd_kafka_topic_partition_list_add(event.list, topic, 1)->err = of_second;
    commit_answered(&consumer, &event);
    rd_kafka_topic_partition_list_destroy(event.list);
}

static const rd_kafka_topic_partition_t *committed(int32_t number)
{
    return rd_kafka_topic_partition_list_find(seen.list, topic, number);
}

static bool has_note(int32_t number, bool *with_facts)
{
    const rd_kafka_topic_partition_t *element = committed(number);
    struct slice metadata = {element->metadata, element->metadata_size};
    struct facts facts;
    *with_facts = facts_read(metadata, &facts);
    return offsets_is_note(metadata, element->offset);
}

static void what_has_changed_is_committed_once(void **state)
{
    (void)state;
    bool with_facts;
    assert_true(commit_now(&consumer, NULL));
    assert_int_equal(seen.list->cnt, 2);
    assert_int_equal(committed(0)->offset, 11);
    assert_true(has_note(0, &with_facts));
    assert_false(with_facts);
    assert_true(first.committing && !first.changed && consumer.commit_under_way);
    assert_false(commit_now(&consumer, NULL)); /* one at a time */
    assert_int_equal(seen.commits, 1);
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_int_equal(consumer.commits, 2);
    assert_false(first.committing || consumer.commit_under_way);
    assert_int_equal(due_in(), -1);
    assert_false(commit_now(&consumer, NULL));
    assert_int_equal(seen.commits, 1);
    assert_int_equal(seen.advances, 0);
}

static void a_partition_without_an_offset_has_nothing_to_commit(void **state)
{
    (void)state;
    offsets_clear(&first.offsets);
    second.changed = false;
    assert_false(commit_now(&consumer, NULL));
    assert_int_equal(seen.commits, 0);
    assert_true(first.changed);
}

static void facts_go_along_once_the_groups_first_start_is_known(void **state)
{
    (void)state;
    bool with_facts;
    consumer.first.known = true;
    second.notes_off = true;
    assert_true(commit_now(&consumer, NULL));
    assert_true(has_note(0, &with_facts));
    assert_true(with_facts);
    assert_false(has_note(1, &with_facts));
    assert_true(with_facts);
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    second.facts_off = second.changed = true;
    assert_true(commit_now(&consumer, NULL));
    assert_int_equal(seen.list->cnt, 1);
    assert_int_equal(committed(1)->metadata_size, 0);
}

static void some_partitions_alone_are_committed_when_asked(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_t *only = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(only, topic, 1);
    assert_true(commit_now(&consumer, only));
    assert_int_equal(seen.list->cnt, 1);
    assert_non_null(committed(1));
    assert_true(first.changed);
    rd_kafka_topic_partition_list_destroy(only);
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_int_equal(due_in(), 100); /* the other's turn */
}

static void what_was_lost_is_not_committed(void **state)
{
    (void)state;
    first.revoked = true;
    assert_true(commit_now(&consumer, NULL));
    assert_int_equal(seen.list->cnt, 2); /* revoked, and still ours */
    first.changed = true;
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_int_equal(due_in(), 100);
    uv_timer_stop(&consumer.commit_timer);
    consumer.lost = first.changed = second.changed = true;
    assert_true(commit_now(&consumer, NULL));
    assert_int_equal(seen.list->cnt, 1);
    assert_null(committed(0));
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_int_equal(due_in(), -1);
}

static void commits_wait_for_the_rejoin_as_long_as_it_may_take(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_t *only = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(only, topic, 1);
    consumer.rejoin_assignments = 1;
    consumer.rejoin_until_ms = now_ms + 1;
    assert_false(commit_now(&consumer, NULL));
    assert_int_equal(due_in(), 100);
    assert_int_equal(seen.commits, 0);
    assert_true(commit_now(&consumer, only)); /* those of a revocation do not wait */
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    rd_kafka_topic_partition_list_destroy(only);
    now_ms++;
    assert_true(commit_now(&consumer, NULL));
}

static void without_a_rejoin_nobody_waits(void **state)
{
    (void)state;
    consumer.rejoin_until_ms = now_ms + 1000;
    assert_true(commit_now(&consumer, NULL));
}

static void a_commit_that_cannot_be_sent_is_tried_again_in_a_second(void **state)
{
    (void)state;
    second.changed = false;
    seen.code = RD_KAFKA_RESP_ERR__STATE;
    assert_false(commit_now(&consumer, NULL));
    assert_int_equal(seen.said, 1);
    assert_true(first.changed && !first.committing && !second.changed && !consumer.commit_under_way);
    assert_int_equal(due_in(), 1000);
}

static void a_commit_that_failed_is_tried_again_in_a_second(void **state)
{
    (void)state;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR__TIMED_OUT, 0, 0);
    assert_int_equal(seen.said, 1);
    assert_true(first.changed && second.changed);
    assert_int_equal(due_in(), 1000);
    assert_int_equal(consumer.commits, 0);
}

static void no_offset_is_no_news(void **state)
{
    (void)state;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR__NO_OFFSET, 0, 0);
    assert_int_equal(seen.said, 0);
    assert_int_equal(due_in(), 1000);
}

static void a_partition_that_failed_alone_is_tried_again_alone(void **state)
{
    (void)state;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    assert_true(!first.changed && second.changed);
    assert_int_equal(consumer.commits, 1);
    assert_int_equal(due_in(), 1000);
}

static void what_changed_meanwhile_is_committed_soon(void **state)
{
    (void)state;
    assert_true(commit_now(&consumer, NULL));
    commit_soon(&consumer);
    assert_int_equal(due_in(), -1); /* the answer starts the timer */
    first.changed = true;
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_int_equal(due_in(), 100);
}

static void an_answer_without_partitions_is_that_of_all(void **state)
{
    (void)state;
    struct rd_kafka_op_s event = {.code = RD_KAFKA_RESP_ERR_NO_ERROR};
    second.changed = false;
    assert_true(commit_now(&consumer, NULL));
    commit_answered(&consumer, &event);
    assert_int_equal(consumer.commits, 1); /* what was not committed has no answer */
    assert_false(first.committing);

    event.list = rd_kafka_topic_partition_list_new(1);
    first.changed = true;
    assert_true(commit_now(&consumer, NULL));
    commit_answered(&consumer, &event);
    assert_int_equal(consumer.commits, 2);
    rd_kafka_topic_partition_list_destroy(event.list);
}

static void metadata_that_is_refused_is_left_out_step_by_step(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    consumer.first.known = true;
    second.changed = false;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, 0);
    assert_true(first.notes_off && !first.facts_off && first.changed);
    assert_true(commit_now(&consumer, NULL));
    assert_true(committed(0)->metadata_size > 0);
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE, 0);
    assert_true(first.facts_off && first.changed);
    assert_true(commit_now(&consumer, NULL));
    assert_int_equal(committed(0)->metadata_size, 0);
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_false(first.changed);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "broker refuses commit metadata"), 1);
    free(logged);
    second.changed = true;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE);
    assert_true(second.notes_off && second.changed); /* whether anybody reads of it or not */
}

static void other_errors_leave_the_metadata_as_it_is(void **state)
{
    (void)state;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 0);
    first.notes_off = true;
    assert_true(commit_now(&consumer, NULL));
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID, 0);
    assert_false(first.facts_off || second.notes_off);
}

static void a_rebalance_that_waits_for_the_answer_goes_on(void **state)
{
    (void)state;
    static const enum rebalance_state states[] = {REBALANCE_IDLE, REBALANCE_LOOKING_UP, REBALANCE_BEGINNING,
                                                  REBALANCE_DRAINING, REBALANCE_COMMITTING};
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        consumer.rebalance = states[i];
        seen.advances = 0;
        first.changed = true;
        assert_true(commit_now(&consumer, NULL));
        answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
        assert_int_equal(seen.advances,
                         states[i] == REBALANCE_BEGINNING || states[i] == REBALANCE_COMMITTING);
    }
}

static void changes_wait_a_little_for_each_other(void **state)
{
    (void)state;
    commit_soon(&consumer);
    assert_int_equal(due_in(), 100);
    uv_timer_start(&consumer.commit_timer, commit_timer_fired, 1000, 0);
    commit_soon(&consumer);
    assert_int_equal(due_in(), 1000); /* as it was */
    commit_timer_fired(&consumer.commit_timer);
    assert_int_equal(seen.commits, 1);
}

static void a_client_that_goes_commits_nothing(void **state)
{
    (void)state;
    assert_true(commit_now(&consumer, NULL));
    consumer.destroying = first.changed = true;
    answer(RD_KAFKA_RESP_ERR_NO_ERROR, 0, 0);
    assert_int_equal(due_in(), -1);
    commit_soon(&consumer);
    assert_int_equal(due_in(), -1);
    assert_false(commit_now(&consumer, NULL));
    assert_int_equal(seen.commits, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_has_changed_is_committed_once),
        TEST(a_partition_without_an_offset_has_nothing_to_commit),
        TEST(facts_go_along_once_the_groups_first_start_is_known),
        TEST(some_partitions_alone_are_committed_when_asked),
        TEST(what_was_lost_is_not_committed),
        TEST(commits_wait_for_the_rejoin_as_long_as_it_may_take),
        TEST(without_a_rejoin_nobody_waits),
        TEST(a_commit_that_cannot_be_sent_is_tried_again_in_a_second),
        TEST(a_commit_that_failed_is_tried_again_in_a_second),
        TEST(no_offset_is_no_news),
        TEST(a_partition_that_failed_alone_is_tried_again_alone),
        TEST(what_changed_meanwhile_is_committed_soon),
        TEST(an_answer_without_partitions_is_that_of_all),
        TEST(metadata_that_is_refused_is_left_out_step_by_step),
        TEST(other_errors_leave_the_metadata_as_it_is),
        TEST(a_rebalance_that_waits_for_the_answer_goes_on),
        TEST(changes_wait_a_little_for_each_other),
        TEST(a_client_that_goes_commits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
