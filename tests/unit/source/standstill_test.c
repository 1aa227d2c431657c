/* Partitions that stand still: what makes the consumer look, and what follows from what is found there. */
#include "observe/conditions.h"
#include "source/kafka/internal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/component/logs.h"

enum { SILENCE_MS = 30000, AT = 100 };

/** What is in the log, and what was asked for. */
static struct {
    int64_t low, high;
    bool unknown, no_conf, seek_fails;
    struct unreadable verdict;
    /** Of the last search; how many there were; where librdkafka was sent last, and how often. */
    int64_t searched_from, sought;
    size_t searches, seeks, commits, unparked;
} fake;

/* What poison.c calls */

rd_kafka_resp_err_t rd_kafka_get_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition,
                                                   int64_t *low, int64_t *high)
{
    (void)rk;
    assert_string_equal(topic, "runs");
    assert_int_equal(partition, 3);
    *low = fake.low;
    *high = fake.high;
    return fake.unknown ? RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION : RD_KAFKA_RESP_ERR_NO_ERROR;
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list,
                                           int timeout_ms)
{
    (void)rk;
    assert_int_equal(timeout_ms, 0);
    assert_int_equal(list->cnt, 1);
    fake.seeks++;
    fake.sought = list->elems[0].offset;
    return fake.seek_fails ? rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "no") : NULL;
}

rd_kafka_conf_t *unreadable_conf(rd_kafka_t *consumer)
{
    (void)consumer;
    return fake.no_conf ? NULL : rd_kafka_conf_new();
}

struct unreadable unreadable_find(rd_kafka_conf_t *conf, const char *topic, int32_t partition,
                                  int64_t position, const atomic_bool *overtaken)
{
    (void)overtaken;
    assert_string_equal(topic, "runs");
    assert_int_equal(partition, 3);
    rd_kafka_conf_destroy(conf);
    fake.searches++;
    fake.searched_from = position;
    return fake.verdict;
}

void partition_unpark(const struct partition *partition)
{
    (void)partition;
    fake.unparked++;
}

const char *partition_name(const struct partition *partition, char name[PARTITION_NAME_SIZE])
{
    (void)partition;
    strcpy(name, "runs-3");
    return name;
}

void commit_soon(struct kafka_consumer *consumer)
{
    (void)consumer;
    fake.commits++;
}

/* The partition */

static int64_t now_ms;

static int64_t now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static const struct clock test_clock = {.monotonic_ms = now, .wall_ms = now};
static uv_loop_t loop;
static struct kafka_consumer consumer;
static struct partition partition;
static char topic[] = "runs";

/** It has begun at AT, and its log goes on to AT + 50. */
static int begin(void **state)
{
    (void)state;
    now_ms = 1000000;
    memset(&fake, 0, sizeof fake);
    fake.high = AT + 50;
    fake.verdict = (struct unreadable){.verdict = UNREADABLE_UNKNOWN};
    memset(&consumer, 0, sizeof consumer);
    consumer.options.clock = &test_clock;
    consumer.options.loop = &loop;
    consumer.options.conditions = conditions_new(&test_clock);
    consumer.partitions = &partition;
    partition = (struct partition){.consumer = &consumer, .topic = topic, .number = 3, .begun = true};
    offsets_init(&partition.offsets, AT);
    poison_reset(&partition);
    return uv_loop_init(&loop);
}

static int end(void **state)
{
    (void)state;
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(consumer.works_running, 0);
    offsets_clear(&partition.offsets);
    conditions_free(consumer.options.conditions);
    return uv_loop_close(&loop);
}

static bool stands(void)
{
    const struct condition *condition =
        consumer.options.conditions ? conditions_next(consumer.options.conditions, NULL) : NULL;
    assert_true(!condition || condition->kind == CONDITION_UNREADABLE);
    assert_int_equal(condition != NULL, partition.poison.stands);
    return condition != NULL;
}

/** Lets a search that has begun end. Returns how many there were since the last time. */
static size_t searches(void)
{
    uv_run(&loop, UV_RUN_DEFAULT);
    size_t count = fake.searches;
    fake.searches = 0;
    return count;
}

static size_t tick_after(int64_t ms)
{
    now_ms += ms;
    poison_tick(&consumer);
    return searches();
}

static void fail_at(int64_t offset)
{
    poison_failed(&partition, offset, "Local: Bad message format");
}

static void find(enum unreadable_verdict verdict)
{
    fake.verdict = (struct unreadable){.verdict = verdict, .from = AT, .to = AT + 10, .batches = 2};
}

static void a_batch_that_fails_three_times_in_a_row_is_looked_into(void **state)
{
    (void)state;
    fail_at(AT);
    fail_at(AT);
    fail_at(AT + 1); /* another one */
    fail_at(AT + 1);
    assert_int_equal(searches(), 0);
    assert_false(stands());
    fail_at(AT + 1);
    assert_true(stands());
    assert_int_equal(searches(), 1);
    assert_int_equal(fake.searched_from, AT);
    assert_int_equal(fake.seeks, 0); /* nothing is known of it */
    fail_at(AT + 1);
    assert_int_equal(searches(), 0); /* three more, after a search */
}

static void what_cannot_be_read_is_passed_and_told(void **state)
{
    (void)state;
    struct caught caught = logs_catch();
    find(UNREADABLE_FOUND);
    for (int i = 0; i < 3; i++)
        fail_at(AT);
    assert_int_equal(searches(), 1);
    char *logged = logs_end(&caught);
    assert_int_equal(occurrences(logged, "\"from\":100,\"to\":109,\"batches\":2"), 1);
    free(logged);
    assert_int_equal(offsets_next(&partition.offsets), AT + 10);
    assert_int_equal(fake.sought, AT + 10);
    assert_int_equal(fake.seeks, 1);
    assert_int_equal(fake.unparked, 1);
    assert_int_equal(fake.commits, 1);
    assert_true(partition.changed && stands());
    assert_int_equal(consumer.batches_passed, 2);
    partition.poison.heard = true; /* a record comes */
    assert_int_equal(tick_after(1000), 0);
    assert_false(stands());
}

/** Elsewhere than where librdkafka has just been sent to: the log's start, mostly. */
static void who_is_astray_is_sent_back_three_times(void **state)
{
    (void)state;
    assert_false(poison_is_astray(&partition, AT - 5)); /* nothing was sought */
    find(UNREADABLE_FOUND);
    for (int i = 0; i < 3; i++)
        fail_at(AT);
    searches();
    fake.seek_fails = true;
    for (size_t i = 2; i <= 4; i++) {
        assert_true(poison_is_astray(&partition, AT + 9));
        assert_int_equal(fake.seeks, i);
        assert_int_equal(fake.sought, AT + 10);
    }
    assert_false(poison_is_astray(&partition, AT + 9)); /* the log begins anew */
    fake.seek_fails = false;
    fake.verdict.to = AT + 20;
    for (int i = 0; i < 3; i++)
        fail_at(AT + 10);
    searches();
    assert_false(poison_is_astray(&partition, AT + 20)); /* where it was sent to */
    assert_false(poison_is_astray(&partition, AT + 9));
}

static void silence_is_looked_into_where_the_log_goes_on(void **state)
{
    (void)state;
    assert_int_equal(tick_after(SILENCE_MS - 1), 0);
    assert_int_equal(tick_after(1), 1);
    assert_int_equal(fake.searched_from, AT);
    fake.high = AT;
    assert_int_equal(tick_after(1000000), 0);
    fake.high = AT + 1;
    fake.unknown = true;
    assert_int_equal(tick_after(0), 0);
    fake.unknown = false;
    fake.low = AT + 1; /* it is empty */
    assert_int_equal(tick_after(0), 0);
    fake.low = AT;
    assert_int_equal(tick_after(0), 1);
}

static void where_nothing_is_found_it_is_looked_for_less_and_less_often(void **state)
{
    (void)state;
    static const int64_t waits_ms[] = {30000, 60000, 120000, 240000, 480000, 600000, 600000};
    for (size_t i = 0; i < sizeof waits_ms / sizeof *waits_ms; i++) {
        assert_int_equal(tick_after(waits_ms[i] - 1), 0);
        assert_int_equal(tick_after(1), 1);
    }
    partition.poison.heard = true;
    assert_int_equal(tick_after(1000000), 0);
    assert_int_equal(tick_after(SILENCE_MS - 1), 0);
    assert_int_equal(tick_after(1), 1);
}

static void the_patience_can_be_set(void **state)
{
    (void)state;
    consumer.options.silence_ms = 500;
    poison_reset(&partition);
    assert_int_equal(tick_after(499), 0);
    assert_int_equal(tick_after(1), 1);
}

/** Whatever the reason. */
static void a_partition_that_may_be_silent_is_not_looked_into(void **state)
{
    (void)state;
    bool *const flags[] = {&partition.revoked, &partition.paused, &consumer.waiting_for_room,
                           &consumer.stopped_taking};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        *flags[i] = true;
        assert_int_equal(tick_after(SILENCE_MS), 0);
        *flags[i] = false;
        assert_int_equal(tick_after(SILENCE_MS - 1), 0); /* its silence begins with the flag's end */
    }
    partition.begun = false;
    assert_int_equal(tick_after(SILENCE_MS), 0);
    partition.begun = true;
    assert_int_equal(tick_after(SILENCE_MS), 1);
}

static void what_is_found_decides_what_is_done(void **state)
{
    (void)state;
    static const struct {
        enum unreadable_verdict verdict;
        bool failed, seeks, stands;
    } cases[] = {
        {UNREADABLE_UNKNOWN, false, false, false},     {UNREADABLE_UNKNOWN, true, false, true},
        {UNREADABLE_SILENT, false, false, true},       {UNREADABLE_SILENT, true, false, true},
        {UNREADABLE_NOT, false, true, false},          {UNREADABLE_NOT, true, true, true},
        {UNREADABLE_NOTHING_YET, false, false, false}, {UNREADABLE_NOTHING_YET, true, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        poison_reset(&partition);
        poison_forget(&partition); /* nothing stands */
        assert_false(stands());
        find(cases[i].verdict);
        fake.seeks = 0;
        if (cases[i].failed)
            for (int failures = 0; failures < 3; failures++)
                fail_at(AT);
        else
            poison_tick((now_ms += SILENCE_MS, &consumer));
        assert_int_equal(searches(), 1);
        assert_int_equal(fake.seeks, cases[i].seeks);
        assert_int_equal(stands(), cases[i].stands);
        assert_int_equal(offsets_next(&partition.offsets), AT);
    }
}

/** It was passed over without a word, so the condition begins with what was found. */
static void silence_that_is_explained_is_told(void **state)
{
    (void)state;
    find(UNREADABLE_FOUND);
    assert_int_equal(tick_after(SILENCE_MS), 1);
    assert_true(stands());
    assert_int_equal(fake.sought, AT + 10);
    find(
        UNREADABLE_FOUND); /* nothing new to pass: librdkafka is told where to go, and nothing is committed */
    assert_int_equal(tick_after(SILENCE_MS), 1);
    assert_int_equal(fake.seeks, 2);
    assert_int_equal(fake.commits, 1);
}

static void a_record_beyond_the_end_is_a_lie(void **state)
{
    (void)state;
    fake.high = AT + 10;
    assert_false(poison_suspect(&partition, AT));
    assert_true(partition.poison.heard);
    assert_false(poison_suspect(&partition, AT + 9));
    partition.poison.heard = false;
    find(UNREADABLE_UNKNOWN);
    assert_true(poison_suspect(&partition, AT + 10));
    assert_false(partition.poison.heard);
    assert_true(stands());
    assert_int_equal(searches(), 1);
    assert_true(poison_suspect(&partition, AT)); /* nothing is believed any more */
    assert_int_equal(searches(), 0);
    assert_int_equal(tick_after(1), 1); /* it is looked into until that is answered */
    find(UNREADABLE_NOTHING_YET);
    assert_int_equal(tick_after(1), 1);
    assert_false(poison_suspect(&partition, AT)); /* its position is right again */
}

static void the_end_must_be_known_for_a_lie(void **state)
{
    (void)state;
    fake.high = AT + 10;
    fake.unknown = true;
    assert_false(poison_suspect(&partition, AT + 10));
    fake.unknown = false;
    fake.high = RD_KAFKA_OFFSET_INVALID;
    assert_false(poison_suspect(&partition, AT + 10));
    fake.high = AT;
    assert_false(poison_suspect(&partition, AT)); /* the next one: the end is from before it */
    assert_int_equal(searches(), 0);
    fake.high = 0;
    assert_true(poison_suspect(&partition, AT + 1));
    assert_int_equal(searches(), 1);
}

static void without_a_position_the_logs_start_is_looked_at(void **state)
{
    (void)state;
    offsets_rewind(&partition.offsets, -1);
    fake.low = 7;
    find(UNREADABLE_FOUND);
    assert_int_equal(tick_after(SILENCE_MS), 1);
    assert_int_equal(fake.searched_from, 7);
    assert_int_equal(fake.sought, AT + 10);
    offsets_rewind(&partition.offsets, -1);
    poison_reset(&partition);
    fake.unknown = true;
    for (int i = 0; i < 3; i++)
        fail_at(7);
    assert_int_equal(searches(), 0);
    fake.unknown = false;
    fake.low = 0;
    fail_at(7);
    assert_int_equal(searches(), 1);
    assert_int_equal(fake.searched_from, 0);
}

static void the_very_first_record_is_a_position(void **state)
{
    (void)state;
    offsets_rewind(&partition.offsets, 0);
    fake.low = 7; /* the log has lost it meanwhile */
    assert_int_equal(tick_after(SILENCE_MS), 1);
    assert_int_equal(fake.searched_from, 0);
}

/** Whoever is somewhere else by then begins to be patient anew. */
static void what_was_found_of_another_position_is_forgotten(void **state)
{
    (void)state;
    struct offset_entry entry;
    for (int way = 0; way < 4; way++) {
        find(UNREADABLE_FOUND);
        now_ms += SILENCE_MS;
        poison_tick(&consumer);
        if (way == 0)
            assert_int_equal(offsets_take(&partition.offsets, &entry, AT), OFFSETS_TAKEN);
        partition.begun = way != 1;
        partition.revoked = way == 2;
        partition.paused = way == 3;
        assert_int_equal(searches(), 1);
        assert_int_equal(fake.seeks, 0);
        assert_int_equal(partition.poison.heard_ms, now_ms);
        assert_int_equal(partition.poison.patience_ms, SILENCE_MS);
        partition.begun = true;
        partition.revoked = partition.paused = false;
    }
    assert_int_equal(consumer.batches_passed, 0);
    offsets_done(&partition.offsets, &entry);
}

static void a_partition_that_goes_takes_its_search_along(void **state)
{
    (void)state;
    find(UNREADABLE_FOUND);
    poison_overtake(&consumer);
    assert_false(consumer.poison.overtaken); /* there was none */
    for (int i = 0; i < 3; i++)
        fail_at(AT);
    assert_true(consumer.poison.running);
    struct partition other = {.consumer = &consumer};
    poison_forget(&other); /* not its */
    assert_false(atomic_load(&consumer.poison.overtaken));
    poison_forget(&partition);
    assert_true(atomic_load(&consumer.poison.overtaken));
    assert_false(stands());
    assert_int_equal(searches(), 1);
    assert_int_equal(fake.seeks, 0);
    poison_failed(&partition, AT, "again");
    assert_int_equal(searches(), 1);
    assert_false(atomic_load(&consumer.poison.overtaken)); /* another search, another fate */
}

static void one_search_at_a_time_and_none_at_the_end(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        fail_at(AT);
    assert_int_equal(consumer.works_running, 1);
    poison_overtake(&consumer);
    assert_true(atomic_load(&consumer.poison.overtaken));
    assert_int_equal(searches(), 1);
    bool *const ends[] = {&consumer.closing, &consumer.destroying};
    for (size_t i = 0; i < 2; i++) {
        poison_reset(&partition);
        *ends[i] = true;
        assert_int_equal(tick_after(SILENCE_MS), 0);
        *ends[i] = false;
        find(UNREADABLE_FOUND);
        assert_int_equal(consumer.works_running, 0);
        poison_tick(&consumer);
        *ends[i] = true; /* while it is looked for */
        assert_int_equal(searches(), 1);
        assert_int_equal(fake.seeks, 0);
        *ends[i] = false;
    }
}

static void what_cannot_be_looked_for_is_looked_for_later(void **state)
{
    (void)state;
    fake.no_conf = true;
    assert_int_equal(tick_after(SILENCE_MS), 0);
    fake.no_conf = false;
    assert_int_equal(tick_after(1), 1);
}

static void nobody_need_be_told(void **state)
{
    (void)state;
    struct conditions *conditions = consumer.options.conditions;
    consumer.options.conditions = NULL;
    find(UNREADABLE_FOUND);
    for (int i = 0; i < 3; i++)
        fail_at(AT);
    assert_int_equal(searches(), 1);
    assert_false(partition.poison.stands);
    assert_int_equal(fake.sought, AT + 10);
    poison_forget(&partition);
    consumer.options.conditions = conditions;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_that_fails_three_times_in_a_row_is_looked_into),
        TEST(what_cannot_be_read_is_passed_and_told),
        TEST(who_is_astray_is_sent_back_three_times),
        TEST(silence_is_looked_into_where_the_log_goes_on),
        TEST(where_nothing_is_found_it_is_looked_for_less_and_less_often),
        TEST(the_patience_can_be_set),
        TEST(a_partition_that_may_be_silent_is_not_looked_into),
        TEST(what_is_found_decides_what_is_done),
        TEST(silence_that_is_explained_is_told),
        TEST(a_record_beyond_the_end_is_a_lie),
        TEST(the_end_must_be_known_for_a_lie),
        TEST(without_a_position_the_logs_start_is_looked_at),
        TEST(the_very_first_record_is_a_position),
        TEST(what_was_found_of_another_position_is_forgotten),
        TEST(a_partition_that_goes_takes_its_search_along),
        TEST(one_search_at_a_time_and_none_at_the_end),
        TEST(what_cannot_be_looked_for_is_looked_for_later),
        TEST(nobody_need_be_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
