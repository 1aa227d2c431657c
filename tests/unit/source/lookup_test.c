/* Where assigned partitions begin, asked of a cluster that answers what a test says. */
#include "source/kafka/internal.h"
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARTITIONS = 40, NEVER = 1000 };

/** What the cluster knows, and what was asked of it. */
static struct {
    struct known {
        /** RD_KAFKA_OFFSET_INVALID: none. */
        int64_t committed, low, high;
        struct buffer metadata;
        rd_kafka_resp_err_t code;
    } partitions[TOPICS][PARTITIONS];
    int counts[TOPICS];
    struct topic_id ids[TOPICS];
    /** The ids are these from the second question on. */
    struct topic_id ids_later[TOPICS];
    bool ids_change;
    /** Questions so far; which one fails; at which one nobody waits any more. */
    int asked, fails_at, overtaken_at;
    int id_questions, committed_questions, watermark_questions, partition_questions;
    bool no_thread;
} cluster;

static const char RUNS[] = "runs", CHANGES[] = "changes";

static struct known *known_of(const char *topic, int32_t partition)
{
    assert_in_range(partition, 0, PARTITIONS - 1);
    return &cluster.partitions[strcmp(topic, CHANGES) == 0][partition];
}

static struct kafka_consumer consumer;

static rd_kafka_resp_err_t asked(int *kind)
{
    ++*kind;
    if (++cluster.asked == cluster.overtaken_at)
        atomic_store(&consumer.lookup->overtaken, true);
    return cluster.asked == cluster.fails_at ? RD_KAFKA_RESP_ERR__TRANSPORT : RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* What lookup.c calls */

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    (void)rk;
    (void)timeout_ms;
    rd_kafka_resp_err_t code = asked(&cluster.committed_questions);
    for (int i = 0; i < list->cnt && !code; i++) {
        rd_kafka_topic_partition_t *element = &list->elems[i];
        const struct known *known = known_of(element->topic, element->partition);
        element->offset = known->committed;
        element->err = known->code;
        free(element->metadata);
        element->metadata_size = known->metadata.len;
        element->metadata = known->metadata.len > 0 ? malloc(known->metadata.len) : NULL;
        if (element->metadata)
            memcpy(element->metadata, known->metadata.ptr, known->metadata.len);
    }
    return code;
}

rd_kafka_resp_err_t rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition,
                                                     int64_t *low, int64_t *high, int timeout_ms)
{
    (void)rk;
    (void)timeout_ms;
    rd_kafka_resp_err_t code = asked(&cluster.watermark_questions);
    if (code)
        return code;
    *low = known_of(topic, partition)->low;
    *high = known_of(topic, partition)->high;
    return RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_resp_err_t topic_partitions_query(rd_kafka_t *rk, const char *name, int timeout_ms, int *count)
{
    (void)rk;
    (void)timeout_ms;
    *count = cluster.counts[strcmp(name, CHANGES) == 0];
    return asked(&cluster.partition_questions);
}

void topic_ids_query(rd_kafka_t *rk, const char *const names[TOPICS], int timeout_ms,
                     struct topic_id ids[TOPICS])
{
    (void)rk;
    (void)timeout_ms;
    assert_string_equal(names[0], RUNS);
    assert_string_equal(names[1], CHANGES);
    bool later = cluster.id_questions > 0 && cluster.ids_change;
    PA_IGNORE(asked(&cluster.id_questions));
    memcpy(ids, later ? cluster.ids_later : cluster.ids, sizeof cluster.ids);
}

static size_t said;

void kafka_error_say(struct kafka_consumer *of, rd_kafka_resp_err_t code, const char *reason)
{
    (void)of;
    (void)reason;
    assert_true(code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__INCONSISTENT ||
                code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    said++;
}

/** What was found. */
static struct {
    size_t times;
    struct partition_start starts[PARTITIONS];
    struct first_start first;
} found;

void rebalance_looked_up(struct kafka_consumer *of, struct lookup *lookup)
{
    assert_ptr_equal(of->lookup, lookup);
    found.times++;
    memcpy(found.starts, lookup->starts, (size_t)lookup->list->cnt * sizeof *lookup->starts);
    found.first = lookup->first;
    lookup_end(lookup);
}

typedef int queueing(uv_loop_t *, uv_work_t *, uv_work_cb, uv_after_work_cb);

/** In front of libuv's. */
int uv_queue_work(uv_loop_t *loop, uv_work_t *req, uv_work_cb work, uv_after_work_cb after)
{
    queueing *real = (queueing *)dlsym(RTLD_NEXT, "uv_queue_work");
    bool refused = cluster.no_thread;
    cluster.no_thread = false;
    return refused ? UV_ENOMEM : real(loop, req, work, after);
}

/* The assignment */

static uv_loop_t loop;
static rd_kafka_topic_partition_list_t *assigned;

static int begin(void **state)
{
    (void)state;
    memset(&cluster, 0, sizeof cluster);
    memset(&consumer, 0, sizeof consumer);
    memset(&found, 0, sizeof found);
    said = 0;
    cluster.fails_at = cluster.overtaken_at = NEVER;
    for (int topic = 0; topic < TOPICS; topic++) {
        cluster.counts[topic] = 2;
        for (int i = 0; i < PARTITIONS; i++)
            cluster.partitions[topic][i] = (struct known){
                .committed = RD_KAFKA_OFFSET_INVALID, .low = 10 + topic, .high = 100 + 10 * topic + i};
    }
    consumer.options = (struct kafka_consumer_options){
        .loop = &loop, .runs_topic = RUNS, .change_log_topic = CHANGES, .auto_offset_reset = "latest"};
    assigned = rd_kafka_topic_partition_list_new(4);
    rd_kafka_topic_partition_list_add(assigned, RUNS, 0);
    return uv_loop_init(&loop);
}

static int end(void **state)
{
    (void)state;
    for (int topic = 0; topic < TOPICS; topic++)
        for (int i = 0; i < PARTITIONS; i++)
            buffer_clear(&cluster.partitions[topic][i].metadata);
    rd_kafka_topic_partition_list_destroy(assigned);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_null(consumer.lookup);
    assert_int_equal(consumer.works_running, 0);
    return uv_loop_close(&loop);
}

static void ask(void)
{
    cluster.asked = cluster.id_questions = cluster.committed_questions = 0;
    cluster.watermark_questions = cluster.partition_questions = 0;
    memset(&found, 0, sizeof found);
    assert_true(lookup_new(&consumer, assigned));
}

/** Whether it has to be asked again is seen a second earlier than it is. */
static void go_on_at_once(void)
{
    uv_timer_t *retry = &consumer.lookup->retry;
    assert_true(uv_is_active((uv_handle_t *)retry));
    assert_in_range(uv_timer_get_due_in(retry), 1, 1000);
    uv_timer_start(retry, retry->timer_cb, 0, 0);
}

/** Asks, and again where it failed; returns how often it failed. */
static size_t look_up(void)
{
    size_t failed = 0;
    ask();
    while (found.times == 0) {
        if (consumer.works_running == 0) {
            failed++;
            go_on_at_once();
        }
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(found.times, 1);
    assert_true(found.first.known);
    return failed;
}

static void assert_start(int i, enum start_reason reason, int64_t offset, int64_t committed)
{
    assert_int_equal(found.starts[i].reason, reason);
    assert_int_equal(found.starts[i].offset, offset);
    assert_int_equal(found.starts[i].committed, committed);
}

/** It has a committed offset, with facts beside it. */
static void commits(const char *topic, int32_t partition, int64_t offset, const struct facts *facts)
{
    struct known *known = known_of(topic, partition);
    known->committed = offset;
    buffer_clear(&known->metadata);
    if (facts)
        facts_append(facts, &known->metadata, OFFSETS_NOTE_MAX);
}

static const struct facts BEGUN = {.first = {.known = true}};

static void assert_entry(bool change_log, int32_t partition, int64_t offset)
{
    const struct first_entry *entry = first_start_find(&found.first, change_log, partition);
    assert_non_null(entry);
    assert_int_equal(entry->offset, offset);
}

static void a_committed_offset_is_where_it_begins_and_nothing_else_is_asked(void **state)
{
    (void)state;
    commits(RUNS, 0, 42, &BEGUN);
    assert_int_equal(look_up(), 0);
    assert_start(0, START_COMMITTED, 42, 42);
    assert_int_equal(found.first.count, 0);
    assert_int_equal(cluster.asked, 2);
    assert_int_equal(cluster.committed_questions + cluster.id_questions, 2);
    commits(RUNS, 0, 0, &BEGUN);
    look_up();
    assert_start(0, START_COMMITTED, 0, 0);
}

static void a_new_group_begins_as_the_setting_says_and_notes_where_the_others_stand(void **state)
{
    (void)state;
    assert_int_equal(look_up(), 0);
    assert_start(0, START_GROUP_NEW, 100, -1);
    assert_int_equal(found.starts[0].low, 10);
    assert_int_equal(found.starts[0].high, 100);
    assert_int_equal(found.first.count, 3);
    assert_entry(false, 1, 101);
    assert_entry(true, 0, 110);
    assert_entry(true, 1, 111);
    assert_false(found.first.incomplete);
    consumer.options.auto_offset_reset = "earliest";
    look_up();
    assert_start(0, START_GROUP_NEW, 10, -1);
    assert_int_equal(found.first.count, 0);
    assert_int_equal(cluster.watermark_questions, 1);
}

static void others_that_have_an_offset_are_not_noted(void **state)
{
    (void)state;
    commits(RUNS, 1, 0, NULL);
    look_up();
    assert_start(0, START_TAKEN_OVER, 100, -1); /* somebody else's group */
    assert_int_equal(found.first.count, 2);
    assert_entry(true, 0, 110);
    assert_entry(true, 1, 111);
}

/** Only another's note says that the group has begun; it is asked for where a partition has no offset. */
static void the_others_know_of_a_group_that_has_begun(void **state)
{
    (void)state;
    consumer.options.auto_offset_reset = "earliest";
    commits(CHANGES, 1, 5, &BEGUN);
    look_up();
    assert_start(0, START_APPEARED, 10, -1);
    assert_int_equal(cluster.partition_questions, 2);
    rd_kafka_topic_partition_list_add(assigned, CHANGES, 0);
    commits(RUNS, 0, 5, NULL);
    look_up();
    assert_start(0, START_COMMITTED, 5, 5);
    assert_start(1, START_APPEARED, 11, -1);
    commits(CHANGES, 0, 0, NULL); /* now all that is ours has one */
    look_up();
    assert_int_equal(cluster.partition_questions, 0);
}

static void what_is_assigned_is_not_noted(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_add(assigned, RUNS, 1);
    rd_kafka_topic_partition_list_add(assigned, CHANGES, 1);
    look_up();
    assert_start(0, START_GROUP_NEW, 100, -1);
    assert_start(1, START_GROUP_NEW, 101, -1);
    assert_start(2, START_GROUP_NEW, 111, -1);
    assert_int_equal(found.first.count, 1);
    assert_entry(true, 0, 110);
}

static void without_others_nobody_elses_offsets_are_asked_for(void **state)
{
    (void)state;
    cluster.counts[0] = 1;
    cluster.counts[1] = 0;
    look_up();
    assert_start(0, START_GROUP_NEW, 100, -1);
    assert_int_equal(cluster.committed_questions, 1);
    assert_int_equal(cluster.partition_questions, 2);
}

static void an_entry_says_where_a_partition_stood(void **state)
{
    (void)state;
    struct facts facts = BEGUN;
    first_start_add(&facts.first, false, 0, 77);
    first_start_add(&facts.first, false, 1, 78);
    first_start_add(&facts.first, true, 0, 79);
    commits(CHANGES, 0, 5, &facts);
    look_up();
    assert_start(0, START_GROUP_BEGAN, 77, -1);
    assert_int_equal(found.starts[0].high, 100);
    assert_int_equal(found.first.count, 1); /* of the one that is still nobody's */
    assert_entry(false, 1, 78);
}

static void what_the_consumer_knew_before_counts_too(void **state)
{
    (void)state;
    consumer.first.known = consumer.first.incomplete = true;
    first_start_add(&consumer.first, false, 0, 66);
    look_up();
    assert_start(0, START_GROUP_BEGAN, 66, -1);
    assert_true(found.first.incomplete);
    consumer.first.count = 0;
    look_up();
    assert_start(0, START_TAKEN_OVER, 100, -1); /* its entry may be missing */
    commits(RUNS, 0, 1, NULL);
    commits(RUNS, 1, 1, NULL);
    commits(CHANGES, 0, 1, NULL);
    look_up();
    assert_true(found.first.incomplete);
    commits(CHANGES, 1, 0, NULL); /* now all have offsets of their own */
    look_up();
    assert_false(found.first.incomplete);
}

static void a_note_from_before_there_were_facts_is_of_a_group_that_has_begun(void **state)
{
    (void)state;
    static const char note[] = "UEFPMQAKCg=="; /* of 10 */
    commits(RUNS, 1, 10, NULL);
    buffer_append_text(&known_of(RUNS, 1)->metadata, note);
    look_up();
    assert_start(0, START_APPEARED, 10, -1);
    known_of(RUNS, 1)->committed = 11; /* the note is about another offset */
    look_up();
    assert_start(0, START_TAKEN_OVER, 100, -1);
}

static void a_topic_that_was_missed_begins_at_its_start_unless_it_had_offsets(void **state)
{
    (void)state;
    rd_kafka_topic_partition_list_add(assigned, CHANGES, 0);
    consumer.topic_missed[1] = true;
    look_up();
    assert_start(0, START_GROUP_NEW, 100, -1);
    assert_start(1, START_APPEARED, 11, -1);
    commits(RUNS, 0, 3, NULL);
    look_up();
    assert_start(1, START_TAKEN_OVER, 110, -1);
}

static void a_topic_that_was_made_anew_begins_at_its_start(void **state)
{
    (void)state;
    struct facts facts = BEGUN;
    facts.topic.known = true;
    memset(facts.topic.bytes, 1, TOPIC_ID_BYTES);
    commits(RUNS, 0, 42, &facts);
    look_up();
    assert_start(0, START_COMMITTED, 42, 42); /* the brokers say no ids */
    assert_int_equal(found.starts[0].topic.bytes[0], 1);
    assert_int_equal(cluster.id_questions, 1);
    cluster.ids[0].known = cluster.ids[1].known = true;
    memset(cluster.ids[0].bytes, 1, TOPIC_ID_BYTES);
    memset(cluster.ids[1].bytes, 2, TOPIC_ID_BYTES);
    look_up();
    assert_start(0, START_COMMITTED, 42, 42);
    assert_int_equal(cluster.id_questions, 1);
    memset(cluster.ids[0].bytes, 3, TOPIC_ID_BYTES);
    assert_int_equal(look_up(), 0);
    assert_start(0, START_MADE_ANEW, 10, 42);
    assert_int_equal(found.starts[0].topic.bytes[0], 3);
    assert_int_equal(cluster.id_questions, 2);
}

/** Two brokers say different things: it is asked again until they agree. */
static void ids_that_change_between_two_answers_are_asked_for_again(void **state)
{
    (void)state;
    struct facts facts = BEGUN;
    facts.topic.known = true;
    commits(RUNS, 0, 42, &facts);
    cluster.ids[0].known = cluster.ids_later[0].known = cluster.ids_change = true;
    memset(cluster.ids[0].bytes, 3, TOPIC_ID_BYTES);
    assert_int_equal(look_up(), 1);
    assert_int_equal(said, 1);
    assert_start(0, START_COMMITTED, 42, 42);
}

static void a_partition_whose_offset_is_not_told_is_asked_about_again(void **state)
{
    (void)state;
    known_of(RUNS, 0)->code = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    ask();
    while (said < 3) {
        uv_run(&loop, UV_RUN_ONCE);
        if (consumer.works_running == 0)
            go_on_at_once();
    }
    known_of(RUNS, 0)->code = RD_KAFKA_RESP_ERR_NO_ERROR;
    while (found.times == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_start(0, START_GROUP_NEW, 100, -1);
}

static void more_partitions_than_entries_are_said_to_be_missing(void **state)
{
    (void)state;
    cluster.counts[0] = FACTS_ENTRIES_MAX + 1;
    cluster.counts[1] = 0;
    look_up();
    assert_int_equal(found.first.count, FACTS_ENTRIES_MAX);
    assert_false(found.first.incomplete);
    cluster.counts[0]++;
    look_up();
    assert_true(found.first.incomplete);
    assert_int_equal(found.first.count, FACTS_ENTRIES_MAX);
    assert_int_equal(cluster.watermark_questions, 1 + FACTS_ENTRIES_MAX);
}

/** Whichever question has no answer: it is asked again, and what is found is the same; unless it is about
 * another's partition, of which it is said that it is missing. */
static void every_question_may_fail_once(void **state)
{
    (void)state;
    look_up();
    int all = cluster.asked, others = 3;
    for (int at = 1; at <= all; at++) {
        if (at == 2)
            continue; /* ids are told or not */
        cluster.fails_at = at;
        said = 0;
        bool of_others = at > all - others;
        assert_int_equal(look_up(), of_others ? 0 : 1);
        assert_int_equal(said, of_others ? 0 : 1);
        assert_start(0, START_GROUP_NEW, 100, -1);
        assert_int_equal(found.first.incomplete, of_others);
        assert_int_equal(found.first.count, of_others ? others - (all - at) - 1 : others);
    }
}

static void the_earliest_record_can_be_asked_for_without_its_number(void **state)
{
    (void)state;
    consumer.options.auto_offset_reset = "earliest";
    look_up();
    cluster.fails_at = cluster.asked;
    assert_int_equal(look_up(), 0);
    assert_start(0, START_GROUP_NEW, -1, -1);
    consumer.first.known = true; /* of a partition that appeared the number is said */
    assert_int_equal(look_up(), 1);
    assert_start(0, START_APPEARED, 10, -1);
}

/** At whichever question that happens. */
static void once_nobody_waits_nothing_more_is_asked(void **state)
{
    (void)state;
    for (int earliest = 0; earliest < 2; earliest++) {
        consumer.options.auto_offset_reset = earliest ? "earliest" : "latest";
        cluster.overtaken_at = cluster.fails_at = NEVER;
        look_up();
        int all = cluster.asked;
        for (int at = 1; at <= all; at++) {
            cluster.overtaken_at = at;
            for (int fails = 0; fails < 2; fails++) {
                cluster.fails_at = fails ? at : NEVER;
                said = 0;
                ask();
                struct lookup *lookup = consumer.lookup;
                assert_int_equal(consumer.works_running, 1);
                while (consumer.works_running > 0)
                    uv_run(&loop, UV_RUN_ONCE);
                assert_int_equal(cluster.asked, at);
                assert_int_equal(found.times + said, 0);
                assert_ptr_equal(consumer.lookup, lookup); /* as whoever overtook it has it */
                consumer.lookup = NULL;
                uv_run(&loop, UV_RUN_DEFAULT);
            }
        }
    }
}

static void one_that_waits_for_its_next_try_is_overtaken_at_once(void **state)
{
    (void)state;
    cluster.fails_at = 1;
    ask();
    while (said == 0)
        uv_run(&loop, UV_RUN_ONCE);
    lookup_overtake(consumer.lookup);
    assert_null(consumer.lookup);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(found.times, 0);
}

static void one_that_is_under_way_is_overtaken_when_it_is_back(void **state)
{
    (void)state;
    ask();
    lookup_overtake(consumer.lookup);
    assert_null(consumer.lookup);
    assert_int_equal(consumer.works_running, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(consumer.works_running, 0);
    assert_int_equal(found.times + said, 0);
}

static void without_a_thread_it_is_tried_again(void **state)
{
    (void)state;
    cluster.no_thread = true;
    assert_int_equal(look_up(), 1);
    assert_int_equal(said, 0);
    assert_start(0, START_GROUP_NEW, 100, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_committed_offset_is_where_it_begins_and_nothing_else_is_asked),
        TEST(a_new_group_begins_as_the_setting_says_and_notes_where_the_others_stand),
        TEST(others_that_have_an_offset_are_not_noted),
        TEST(the_others_know_of_a_group_that_has_begun),
        TEST(what_is_assigned_is_not_noted),
        TEST(without_others_nobody_elses_offsets_are_asked_for),
        TEST(an_entry_says_where_a_partition_stood),
        TEST(what_the_consumer_knew_before_counts_too),
        TEST(a_note_from_before_there_were_facts_is_of_a_group_that_has_begun),
        TEST(a_topic_that_was_missed_begins_at_its_start_unless_it_had_offsets),
        TEST(a_topic_that_was_made_anew_begins_at_its_start),
        TEST(ids_that_change_between_two_answers_are_asked_for_again),
        TEST(a_partition_whose_offset_is_not_told_is_asked_about_again),
        TEST(more_partitions_than_entries_are_said_to_be_missing),
        TEST(every_question_may_fail_once),
        TEST(the_earliest_record_can_be_asked_for_without_its_number),
        TEST(once_nobody_waits_nothing_more_is_asked),
        TEST(one_that_waits_for_its_next_try_is_overtaken_at_once),
        TEST(one_that_is_under_way_is_overtaken_when_it_is_back),
        TEST(without_a_thread_it_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
