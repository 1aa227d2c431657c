/* A partition from its assignment to its first commit, and how it and its consumer are shown. The consumer's
 * client has no brokers. */
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char RUNS[] = "org.runs", CHANGES[] = "org.change.log";
static struct kafka_consumer consumer;

static int open_client(void **state)
{
    (void)state;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "group.id", "group", NULL, 0);
    rd_kafka_conf_set(conf, "log_level", "0", NULL, 0);
    consumer = (struct kafka_consumer){.options = {.runs_topic = RUNS, .change_log_topic = CHANGES},
                                       .rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0)};
    return consumer.rk ? 0 : -1;
}

static int close_client(void **state)
{
    (void)state;
    while (consumer.partitions)
        partition_free(consumer.partitions);
    rd_kafka_destroy(consumer.rk);
    return 0;
}

static void a_new_partition_is_found_and_nothing_of_it_is_committed(void **state)
{
    (void)state;
    struct partition *run = partition_new(&consumer, RUNS, 3), *change = partition_new(&consumer, CHANGES, 0);
    assert_non_null(run);
    assert_non_null(change);
    assert_int_equal(run->kind, EVENT_RUN);
    assert_int_equal(change->kind, EVENT_CHANGE_LOG);
    assert_int_equal(run->committed, -1);
    assert_int_equal(run->committing_offset, -1);
    assert_ptr_equal(partition_find(&consumer, RUNS, 3), run);
    assert_ptr_equal(partition_find(&consumer, CHANGES, 0), change);
    assert_null(partition_find(&consumer, RUNS, 0));
    assert_null(partition_find(&consumer, CHANGES, 3));
    assert_null(partition_find(&consumer, "org.other", 3));
    char name[PARTITION_NAME_SIZE];
    assert_string_equal(partition_name(run, name), "org.runs-3");
}

static void what_begins_elsewhere_than_at_its_offset_is_committed_at_once(void **state)
{
    (void)state;
    struct partition *partition = partition_new(&consumer, RUNS, 0);
    static const enum start_reason elsewhere[] = {START_MADE_ANEW, START_GROUP_NEW, START_TAKEN_OVER,
                                                  START_GROUP_BEGAN, START_APPEARED};
    struct partition_start start = {.reason = START_COMMITTED, .offset = 7, .committed = 7};
    struct facts facts = {.first = {.known = true}};
    struct buffer note = {0};
    facts_append(&facts, &note, OFFSETS_NOTE_MAX);
    assert_true(note.len > 0);
    PA_IGNORE(partition_set_start(partition, &start, buffer_slice(&note)));
    assert_int_equal(partition->committed, 7);
    assert_int_equal(offsets_next(&partition->offsets), 7);
    assert_false(partition->changed);
    PA_IGNORE(partition_set_start(partition, &start, (struct slice){NULL, 0}));
    assert_true(partition->changed); /* nothing is beside it */
    for (size_t i = 0; i < sizeof elsewhere / sizeof *elsewhere; i++) {
        start = (struct partition_start){.reason = elsewhere[i], .offset = 9, .committed = -1};
        assert_false(partition_set_start(partition, &start, buffer_slice(&note)));
        assert_true(partition->changed);
        assert_int_equal(partition->committed, -1);
        assert_int_equal(offsets_next(&partition->offsets), 9);
    }
    start = (struct partition_start){
        .reason = START_COMMITTED, .offset = 7, .committed = 7, .topic = {.known = true}};
    PA_IGNORE(partition_set_start(partition, &start, buffer_slice(&note)));
    assert_true(partition->changed); /* its topic's id is not beside it yet */
    assert_true(partition->topic_id.known);
    buffer_clear(&note);
    first_start_add(&facts.first, false, 5, 100);
    facts_append(&facts, &note, OFFSETS_NOTE_MAX);
    start.topic.known = false;
    PA_IGNORE(partition_set_start(partition, &start, buffer_slice(&note)));
    assert_true(partition->changed); /* another partition's beginning goes on being kept */
    buffer_clear(&note);
    facts = (struct facts){.first = {.known = true, .incomplete = true}};
    facts_append(&facts, &note, OFFSETS_NOTE_MAX);
    PA_IGNORE(partition_set_start(partition, &start, buffer_slice(&note)));
    assert_true(partition->changed);
    buffer_clear(&note);
}

static void note_view(void *ctx, const struct source_partition *partition)
{
    *(struct source_partition *)ctx = *partition;
}

static void each_partition_is_shown_as_it_stands(void **state)
{
    (void)state;
    struct source_partition seen = {0};
    kafka_consumer_each_partition(&consumer, note_view, &seen);
    assert_null(seen.topic);
    struct partition *partition = partition_new(&consumer, RUNS, 4);
    PA_IGNORE(partition_set_start(
        partition, &(struct partition_start){.reason = START_COMMITTED, .offset = 12, .committed = 11},
        (struct slice){NULL, 0}));
    kafka_consumer_each_partition(&consumer, note_view, &seen);
    assert_string_equal(seen.topic, RUNS);
    assert_int_equal(seen.number, 4);
    assert_int_equal(seen.position, 12);
    assert_int_equal(seen.committed, 11);
    assert_int_equal(seen.end, -1);
    assert_int_equal(seen.undone, 0);
    assert_int_equal(seen.oldest, -1);
    struct offset_entry entries[2] = {{0}};
    assert_int_equal(offsets_take(&partition->offsets, &entries[0], 12), OFFSETS_TAKEN);
    assert_int_equal(offsets_take(&partition->offsets, &entries[1], 15), OFFSETS_TAKEN);
    kafka_consumer_each_partition(&consumer, note_view, &seen);
    assert_int_equal(seen.position, 16);
    assert_int_equal(seen.undone, 2);
    assert_int_equal(seen.oldest, 12);
    offsets_done(&partition->offsets, &entries[0]);
    kafka_consumer_each_partition(&consumer, note_view, &seen);
    assert_int_equal(seen.undone, 1);
    assert_int_equal(seen.oldest, 15);
    offsets_done(&partition->offsets, &entries[1]);
}

static void assert_state(const char *words)
{
    assert_string_equal(kafka_consumer_view(&consumer).state, words);
}

static void the_consumers_state_is_told_in_words(void **state)
{
    (void)state;
    assert_state("not connected to the brokers");
    assert_false(kafka_consumer_view(&consumer).connected);
    consumer.connected = consumer.group_refused = true;
    assert_state("the consumer group may not be used");
    assert_false(kafka_consumer_view(&consumer).connected);
    consumer.group_refused = false;
    assert_state("joining the group");
    consumer.rebalances = 1;
    assert_state("no partition is assigned");
    assert_true(kafka_consumer_view(&consumer).connected);
    assert_non_null(partition_new(&consumer, RUNS, 0));
    assert_state("consuming");
    static const struct {
        enum rebalance_state state;
        const char *words;
    } steps[] = {{REBALANCE_LOOKING_UP, "assigned: looking up where partitions begin"},
                 {REBALANCE_BEGINNING, "assigned: committing where partitions begin"},
                 {REBALANCE_DRAINING, "revoked: finishing what is under way"},
                 {REBALANCE_COMMITTING, "revoked: committing"}};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        consumer.rebalance = steps[i].state;
        assert_state(steps[i].words);
    }
    consumer.closing = true;
    assert_state("leaving the group");
    consumer.rebalances = 2;
    consumer.commits = 3;
    consumer.commits_failed = 4;
    consumer.credentials_failing = true;
    struct source_view view = kafka_consumer_view(&consumer);
    assert_int_equal(view.rebalances, 2);
    assert_int_equal(view.commits, 3);
    assert_int_equal(view.commits_failed, 4);
    assert_true(view.credentials_refused);
}

#define WITH_A_CLIENT(test) cmocka_unit_test_setup_teardown(test, open_client, close_client)

static size_t fatal;

static void note_fatal(void *ctx)
{
    assert_ptr_equal(ctx, &fatal);
    fatal++;
}

static void a_consumer_gives_up_once(void **state)
{
    (void)state;
    consumer.options.fatal = note_fatal;
    consumer.options.ctx = &fatal;
    fatal = 0;
    consumer_give_up(&consumer);
    consumer_give_up(&consumer);
    assert_int_equal(fatal, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_A_CLIENT(a_new_partition_is_found_and_nothing_of_it_is_committed),
        WITH_A_CLIENT(what_begins_elsewhere_than_at_its_offset_is_committed_at_once),
        WITH_A_CLIENT(each_partition_is_shown_as_it_stands),
        WITH_A_CLIENT(the_consumers_state_is_told_in_words),
        WITH_A_CLIENT(a_consumer_gives_up_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
