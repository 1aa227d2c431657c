/* Records that a person wants once more, on librdkafka's mock cluster, with a sink that is this test. */
#include "mock_consumer.h"

enum { RECORDS = 20 };
/** A record that was asked for. */
struct asked {
    struct world *world;
    char id[REDELIVERY_ID_SIZE];
    bool ended;
    enum redelivery_end end;
};

struct world {
    struct kafka_consumer *consumer;
    bool full, drops;
    size_t taken, ended;
    /** The last one of the second life, with its ticket. */
    char id[REDELIVERY_ID_SIZE], first[REDELIVERY_ID_SIZE], value[32];
    int32_t partition;
    int64_t offset;
    const void *assignment;
    struct ticket *again;
};

static void produce_records(void)
{
    rd_kafka_t *producer = producer_open(mock_cluster_conf(&cluster));
    for (int i = 0; i < RECORDS; i++) {
        char value[16];
        snprintf(value, sizeof value, "event %d", i);
        producer_put(producer, RUNS, value, strlen(value));
    }
    producer_close(producer);
}

/* The sink */

static bool has_room(void *ctx, size_t bytes)
{
    (void)bytes;
    return !((struct world *)ctx)->full;
}

static void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    if (!record->redelivery_of) {
        world->taken++;
        source_ticket_done(ticket);
        return;
    }
    assert_string_equal(record->topic, RUNS);
    assert_int_equal(record->kind, EVENT_RUN);
    assert_false(record->trusted);
    assert_false(source_ticket_can_read_again(ticket));
    snprintf(world->id, sizeof world->id, "%.*s", (int)record->id.len, record->id.ptr);
    snprintf(world->first, sizeof world->first, "%s", record->redelivery_of);
    snprintf(world->value, sizeof world->value, "%.*s", (int)record->value.len, record->value.ptr);
    world->partition = record->partition;
    world->offset = record->offset;
    world->assignment = record->assignment;
    if (world->drops)
        source_ticket_drop(ticket);
    else
        world->again = ticket;
}

static void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    (void)ctx;
    (void)assignment;
    (void)cancel_started;
}

/* Life */

static int world_open(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    *state = world;
    if (open_cluster(state) != 0 || open_loop(state) != 0)
        return -1;
    produce_records();
    struct kafka_consumer_options options =
        consumer_options("redelivery", (struct source_sink){world, has_room, take, withdraw, NULL});
    options.redeliveries = world;
    world->consumer = consumer_open(&options);
    return 0;
}

static int world_close(void **state)
{
    struct world *world = *state;
    consumer_close(world->consumer);
    assert_int_equal(close_loop(state), 0);
    free(world);
    return close_cluster(state);
}

static void redelivery_over(void *ctx, enum redelivery_end end)
{
    struct asked *asked = ctx;
    assert_false(asked->ended);
    asked->ended = true;
    asked->end = end;
    asked->world->ended++;
}

static int ask(struct world *world, struct asked *asked, int32_t partition, int64_t offset)
{
    *asked = (struct asked){.world = world};
    const struct redelivery_request request = {
        .partition = partition, .offset = offset, .id = asked->id, .ended = redelivery_over, .ctx = asked};
    int failed = kafka_consumer_redeliver(world->consumer, &request);
    assert_false(asked->ended);
    return failed;
}

static void wait_for_end(const struct asked *asked)
{
    while (!asked->ended)
        uv_run(&loop, UV_RUN_ONCE);
}

static void wait_for_record(struct world *world)
{
    while (!world->again)
        uv_run(&loop, UV_RUN_ONCE);
}

static void settle(struct world *world, bool done)
{
    struct ticket *ticket = world->again;
    world->again = NULL;
    done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

/* Tests */

/** Before anything is assigned too: the mock cluster's group waits some seconds for members. */
static void a_record_comes_once_more_as_one_of_its_own(void **state)
{
    struct world *world = *state;
    struct asked asked;
    for (int done = 1; done >= 0; done--) {
        assert_int_equal(ask(world, &asked, 0, 7), 0);
        wait_for_record(world);
        assert_string_equal(world->id, asked.id);
        assert_int_equal(strncmp(world->id, "org.runs-0-7-again-1", 20), 0);
        assert_string_equal(world->first, "org.runs-0-7");
        assert_string_equal(world->value, "event 7");
        assert_int_equal(world->partition, 0);
        assert_int_equal(world->offset, 7);
        assert_ptr_equal(world->assignment, world);
        assert_false(asked.ended);
        settle(world, done);
        assert_true(asked.ended);
        assert_int_equal(asked.end, done ? REDELIVERY_DONE : REDELIVERY_LEFT);
    }
}

static void what_does_not_fit_or_is_not_there_is_told(void **state)
{
    struct world *world = *state;
    struct asked asked;
    world->full = true;
    assert_int_equal(ask(world, &asked, 0, 3), 0);
    wait_for_end(&asked);
    assert_int_equal(asked.end, REDELIVERY_NO_ROOM);
    world->full = false;
    world->drops = true; /* at once: it is not for a stop that it does so */
    assert_int_equal(ask(world, &asked, 0, 3), 0);
    wait_for_end(&asked);
    assert_int_equal(asked.end, REDELIVERY_NO_ROOM);
    world->drops = false;
    assert_int_equal(ask(world, &asked, 0, RECORDS + 5), 0);
    wait_for_end(&asked);
    assert_int_equal(asked.end, REDELIVERY_GONE);
    assert_null(world->again);
}

static void what_no_broker_sends_is_given_up(void **state)
{
    struct world *world = *state;
    struct asked asked;
    assert_int_equal(ask(world, &asked, 77, 0), 0); /* there is no such partition */
    for (int second = 0; second < 29; second++)
        redeliveries_tick(world->consumer);
    assert_false(asked.ended);
    redeliveries_tick(world->consumer);
    assert_true(asked.ended);
    assert_int_equal(asked.end, REDELIVERY_UNREAD);
}

static void nothing_moves_by_that_and_nothing_is_read_once_taking_has_stopped(void **state)
{
    struct world *world = *state;
    struct asked asked, late;
    while (world->taken < RECORDS || counted(world->consumer).commits == 0)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(world->taken, RECORDS);
    uint64_t commits = counted(world->consumer).commits;
    assert_int_equal(ask(world, &asked, 0, 2), 0);
    wait_for_record(world);
    settle(world, true);
    assert_int_equal(counted(world->consumer).commits, commits);
    assert_int_equal(counted(world->consumer).undone, 0);
    assert_int_equal(ask(world, &asked, 0, 4), 0);
    kafka_consumer_stop_taking(world->consumer);
    assert_true(asked.ended);
    assert_int_equal(asked.end, REDELIVERY_LEFT);
    assert_int_equal(ask(world, &late, 0, 4), PA_ERR_UNAVAILABLE);
    assert_null(world->again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_comes_once_more_as_one_of_its_own),
        cmocka_unit_test(what_does_not_fit_or_is_not_there_is_told),
        cmocka_unit_test(what_no_broker_sends_is_given_up),
        cmocka_unit_test(nothing_moves_by_that_and_nothing_is_read_once_taking_has_stopped),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
