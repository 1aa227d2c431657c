/* Records that are read a second time, on librdkafka's mock cluster, with a sink that is this test. */
#include "mock_consumer.h"
#include <unistd.h>

enum { RECORDS = 22000, LONG = 32, BATCHED = 12, LARGE = 200 * 1024 };
struct world {
    struct kafka_consumer *consumer;
    struct conditions *conditions;
    struct ticket *tickets[RECORDS];
    size_t count;
    /** What was read again: offsets, in the order of their coming. */
    int64_t again[RECORDS + 1];
    size_t again_count, gone, wrong;
    /** Of the change log, in which one batch is. */
    struct ticket *batched[BATCHED];
    size_t batched_count, in_turn, most_in_turn;
    uv_prepare_t prepare;
};

/** One compressed batch, so that all of it comes with one answer of the broker. */
static void produce_batch(void)
{
    static char value[LARGE];
    rd_kafka_conf_t *conf = mock_cluster_conf(&cluster);
    rd_kafka_conf_set(conf, "compression.type", "gzip", NULL, 0);
    rd_kafka_conf_set(conf, "message.max.bytes", "10000000", NULL, 0);
    rd_kafka_conf_set(conf, "batch.size", "10000000", NULL, 0);
    rd_kafka_conf_set(conf, "linger.ms", "60000", NULL, 0);
    rd_kafka_t *producer = producer_open(conf);
    for (size_t i = 0; i < BATCHED; i++)
        producer_put(producer, CHANGES, value, LARGE);
    producer_close(producer);
}

static void produce_runs(void)
{
    rd_kafka_t *producer = producer_open(mock_cluster_conf(&cluster));
    for (size_t i = 0; i < RECORDS; i++) {
        char value[LONG];
        snprintf(value, sizeof value, "%0*zu", LONG - 1, i);
        producer_put(producer, RUNS, value, sizeof value);
    }
    producer_close(producer);
}

/* The sink */

static bool has_room(void *ctx, size_t bytes)
{
    (void)ctx;
    (void)bytes;
    return true;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    if (strcmp(record->topic, CHANGES) == 0) {
        assert_int_equal(record->offset, world->batched_count);
        world->batched[world->batched_count++] = ticket;
        return;
    }
    assert_int_equal(record->offset, world->count);
    world->tickets[world->count++] = ticket;
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct world *world = ctx;
    (void)assignment;
    (void)cancel_started;
    for (size_t i = 0; i < world->count; i++) {
        if (world->tickets[i])
            source_ticket_drop(world->tickets[i]);
        world->tickets[i] = NULL;
    }
    for (size_t i = 0; i < world->batched_count; i++) {
        if (world->batched[i])
            source_ticket_drop(world->batched[i]);
        world->batched[i] = NULL;
    }
}

static void take_again(void *ctx, const struct record *record, void *reader)
{
    struct world *world = ctx;
    char id[64], value[LONG];
    world->in_turn += record->value.len;
    if (world->in_turn > world->most_in_turn)
        world->most_in_turn = world->in_turn;
    if (reader == world->batched) {
        world->wrong += record->value.len != LARGE;
        world->again_count++;
        return;
    }
    snprintf(id, sizeof id, "%s-0-%lld", RUNS, (long long)record->offset);
    snprintf(value, sizeof value, "%0*lld", LONG - 1, (long long)record->offset);
    bool mine =
        slice_equal_text(record->id, id) && (record->gone || reader == &world->tickets[record->offset]);
    bool whole = record->value.len == sizeof value && memcmp(record->value.ptr, value, sizeof value) == 0;
    world->wrong += !mine || (record->gone ? record->value.len > 0 : !whole);
    world->gone += record->gone;
    world->again[world->again_count++] = record->offset;
}

/* Life */

/** Idle handles, from which records are taken, run before the loop polls, and prepare handles in between. */
static void turn_begins(uv_prepare_t *prepare)
{
    ((struct world *)prepare->data)->in_turn = 0;
}

/** One member for all tests: a group of the mock cluster waits some seconds for members. */
static int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    *state = world;
    if (open_cluster(state) != 0 || open_loop(state) != 0)
        return -1;
    produce_runs();
    produce_batch();
    uv_prepare_init(&loop, &world->prepare);
    world->prepare.data = world;
    uv_prepare_start(&world->prepare, turn_begins);
    world->conditions = conditions_new(clock_system());
    struct kafka_consumer_options options =
        consumer_options("again", (struct source_sink){world, has_room, take, withdraw, take_again});
    options.conditions = world->conditions;
    world->consumer = consumer_open(&options);
    while (!conditions_next(world->conditions, NULL))
        uv_run(&loop, UV_RUN_ONCE);
    return 0;
}

static int world_close(void **state)
{
    struct world *world = *state;
    consumer_close(world->consumer);
    assert_int_equal(world->wrong, 0);
    uv_close((uv_handle_t *)&world->prepare, NULL);
    assert_int_equal(close_loop(state), 0);
    conditions_free(world->conditions);
    free(world);
    return close_cluster(state);
}

/** The next test's. */
static struct world *world_of(void **state)
{
    struct world *world = *state;
    world->again_count = world->gone = 0;
    return world;
}

static void want(struct world *world, int64_t offset)
{
    struct ticket *ticket = world->tickets[offset];
    assert_true(source_ticket_can_read_again(ticket));
    assert_int_equal(source_ticket_read_again(ticket, &world->tickets[offset]), READING_COMES);
}

static void wait_for(struct world *world, size_t count)
{
    while (world->again_count < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static void give_back(struct world *world, int64_t offset, bool done)
{
    struct ticket *ticket = world->tickets[offset];
    world->tickets[offset] = NULL;
    done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

/* Tests */

static void what_is_wanted_comes_again_in_the_order_of_its_partition(void **state)
{
    static const int64_t wanted[] = {1900, 3, 0, 4, 1500, 2500};
    static const int64_t come[] = {0, 3, 4, 1500, 1900, 2500};
    enum { WANTED = sizeof wanted / sizeof *wanted };
    struct world *world = world_of(state);
    for (size_t i = 0; i < WANTED; i++)
        want(world, wanted[i]);
    wait_for(world, WANTED);
    for (size_t i = 0; i < WANTED; i++)
        assert_int_equal(world->again[i], come[i]);
    want(world, 7); /* it has rested, and goes back */
    wait_for(world, WANTED + 1);
    assert_int_equal(world->again[WANTED], 7);
    want(world, 7);
    wait_for(world, WANTED + 2);
    assert_int_equal(world->gone, 0);
}

static void what_is_given_back_meanwhile_does_not_come(void **state)
{
    struct world *world = world_of(state);
    want(world, 10);
    want(world, 20);
    want(world, 30);
    give_back(world, 10, true);
    give_back(world, 20, false);
    wait_for(world, 1);
    assert_int_equal(world->again[0], 30);
    give_back(world, 30, true);
}

static void all_come_again_and_are_done_one_after_another(void **state)
{
    enum { FIRST = 200, LAST = 1200 };
    struct world *world = world_of(state);
    for (int64_t i = LAST; i-- > FIRST;)
        want(world, i);
    wait_for(world, LAST - FIRST);
    for (int64_t i = FIRST; i < LAST; i++) {
        assert_int_equal(world->again[i - FIRST], i);
        give_back(world, i, true);
    }
}

/** Without the loop, until so many records are there to be taken. */
static void let_them_gather(const struct world *world, size_t count)
{
    int64_t end_ms = clock_monotonic_ms(clock_system()) + DEADLINE_MS;
    while (rd_kafka_queue_length(world->consumer->again.records) < count) {
        assert_true(clock_monotonic_ms(clock_system()) < end_ms);
        usleep(1000);
    }
}

static void what_is_read_again_in_a_turn_is_bounded(void **state)
{
    struct world *world = world_of(state);
    while (world->batched_count < BATCHED)
        uv_run(&loop, UV_RUN_ONCE);
    world->most_in_turn = 0;
    for (size_t i = 0; i < BATCHED; i++)
        assert_int_equal(source_ticket_read_again(world->batched[i], world->batched), READING_COMES);
    uv_run(&loop, UV_RUN_NOWAIT); /* it begins to read */
    let_them_gather(world, BATCHED);
    wait_for(world, BATCHED);
    assert_true(world->most_in_turn >= LARGE);
    assert_true(world->most_in_turn < (1 << 20) + LARGE);
    for (size_t i = 0; i < BATCHED; i++) {
        source_ticket_done(world->batched[i]);
        world->batched[i] = NULL;
    }
}

/** So much is taken and not done that the note holds no more of it; most of it is done then. */
static void a_note_that_is_full_is_told_until_it_has_room(void **state)
{
    struct world *world = world_of(state);
    const struct condition *condition = conditions_next(world->conditions, NULL);
    size_t held = world->count;
    assert_true(held > 20000 && held < RECORDS);
    assert_int_equal(condition->kind, CONDITION_NOTE_FULL);
    assert_string_equal(condition->subject, "org.runs-0");
    assert_int_equal(condition->value, 0);
    for (size_t i = 0; i < held; i++)
        if (i % 16 != 1 && world->tickets[i])
            give_back(world, (int64_t)i, true);
    while (world->count < RECORDS)
        uv_run(&loop, UV_RUN_ONCE);
    assert_null(conditions_next(world->conditions, NULL));
}

/** The topic was made anew, say: a ticket belongs to no partition any more. */
static void what_is_no_longer_in_the_topic_is_told_to_be_gone(void **state)
{
    struct world *world = world_of(state);
    struct partition *partition = partition_find(world->consumer, RUNS, 0);
    want(world, 1505);
    want(world, 1521);
    partition_abandon(partition);
    assert_int_equal(world->again_count, 2);
    assert_int_equal(world->gone, 2);
    assert_int_equal(source_ticket_read_again(world->tickets[1], NULL), READING_GONE);
    for (int64_t i = 0; i < RECORDS; i++)
        if (world->tickets[i])
            give_back(world, i, i % 2 == 0);
}

/** Offsets behind the log's end stand for those that a log cut short has lost, and for those before its
 * start: librdkafka goes to the log's start in both cases. */
static void what_the_log_has_lost_is_gone_and_the_rest_comes(void **state)
{
    enum { LOST = 2500 };
    struct world *world = world_of(state);
    want(world, 1500);
    struct kafka_ticket *ticket = (struct kafka_ticket *)world->tickets[LOST];
    want(world, LOST);
    ticket->wanted->offset += RECORDS; /* nobody has produced that */
    want(world, 100);
    while (world->again_count < 2)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(world->again[0], 100);
    assert_int_equal(world->again[1], 1500);
    assert_int_equal(world->gone, 0);
    wait_for(world, 3);
    assert_int_equal(world->gone, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_wanted_comes_again_in_the_order_of_its_partition),
        cmocka_unit_test(what_is_given_back_meanwhile_does_not_come),
        cmocka_unit_test(what_the_log_has_lost_is_gone_and_the_rest_comes),
        cmocka_unit_test(all_come_again_and_are_done_one_after_another),
        cmocka_unit_test(what_is_read_again_in_a_turn_is_bounded),
        cmocka_unit_test(a_note_that_is_full_is_told_until_it_has_room),
        cmocka_unit_test(what_is_no_longer_in_the_topic_is_told_to_be_gone),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
