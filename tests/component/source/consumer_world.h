/* A sink that keeps the tickets of runs until the test gives them back, and the consumers that have it. */
#pragma once
#include "mock_consumer.h"

enum { TAKEN_MAX = 16, MEMBERS = 24 };
static size_t produced;

struct world {
    size_t changes; /* records of the change log are counted, and done at once */
    struct kafka_consumer *consumer;
    struct ticket *tickets[TAKEN_MAX];
    int64_t offsets[TAKEN_MAX];
    size_t count;
    size_t bytes_in_turn, most_in_turn; /* of the change log's records */
    size_t refuse;                      /* so many times there is no room */
    bool closing, closed;
};

static inline void produce_to(const char *topic, char *value)
{
    rd_kafka_t *producer = producer_open(mock_cluster_conf(&cluster));
    producer_put(producer, topic, value, strlen(value));
    producer_close(producer);
}

static inline void produce(char *value)
{
    produce_to(RUNS, value);
    produced++;
}

/** As somebody else does, with `facts` beside it (NULL: nothing). */
static inline void commit(const char *group, const char *topic, int64_t offset, const struct facts *facts)
{
    rd_kafka_conf_t *conf = mock_cluster_conf(&cluster);
    rd_kafka_conf_set(conf, "group.id", group, NULL, 0);
    rd_kafka_t *writer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element = rd_kafka_topic_partition_list_add(list, topic, 0);
    struct buffer note = {0};
    element->offset = offset;
    if (facts)
        facts_append(facts, &note, OFFSETS_NOTE_MAX);
    if (note.len > 0)
        element->metadata = buffer_take(&note, &element->metadata_size);
    assert_int_equal(rd_kafka_commit(writer, list, 0), 0);
    buffer_clear(&note);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(writer);
}

/* The sink */

static inline bool has_room(void *ctx, size_t bytes)
{
    struct world *world = ctx;
    (void)bytes;
    if (world->refuse == 0)
        return world->count < TAKEN_MAX;
    world->refuse--;
    return false;
}

static inline void take(void *ctx, const struct record *record, struct ticket *ticket)
{
    struct world *world = ctx;
    if (strcmp(record->topic, CHANGES) == 0) {
        world->changes++;
        world->bytes_in_turn += record->value.len;
        if (world->bytes_in_turn > world->most_in_turn)
            world->most_in_turn = world->bytes_in_turn;
        source_ticket_done(ticket);
        return;
    }
    assert_string_equal(record->topic, RUNS);
    world->offsets[world->count] = record->offset;
    world->tickets[world->count++] = ticket;
}

static inline void give_back(struct world *world, size_t n, bool done)
{
    struct ticket *ticket = world->tickets[n];
    world->tickets[n] = NULL;
    if (ticket)
        done ? source_ticket_done(ticket) : source_ticket_drop(ticket);
}

static inline void withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct world *world = ctx;
    (void)assignment;
    (void)cancel_started;
    for (size_t i = 0; i < world->count; i++)
        give_back(world, i, false);
}

/* Life */

static int64_t ask_topics_ms;
static struct conditions *conditions;

static inline void world_open_at(struct world *world, const char *start, const char *group,
                                 const char *strategy)
{
    *world = (struct world){0};
    struct kafka_consumer_options options =
        consumer_options(group, (struct source_sink){world, has_room, take, withdraw, NULL});
    options.assignment_strategy = strategy;
    options.auto_offset_reset = start;
    options.ask_topics_ms = ask_topics_ms;
    options.conditions = conditions;
    world->consumer = consumer_open(&options);
}

static inline void world_open(struct world *world, const char *group, const char *strategy)
{
    world_open_at(world, "earliest", group, strategy);
}

static inline bool is_assigned(const struct world *world)
{
    return counted(world->consumer).assigned == 2;
}

static inline void wait_for_records(struct world *world, size_t count)
{
    while (world->count < count)
        uv_run(&loop, UV_RUN_ONCE);
}

static inline void closed(void *ctx)
{
    struct world *world = ctx;
    world->consumer = NULL;
    world->closed = true;
}

static inline void world_close(struct world *world)
{
    kafka_consumer_close(world->consumer, closed, world);
    while (!world->closed)
        uv_run(&loop, UV_RUN_ONCE);
}
