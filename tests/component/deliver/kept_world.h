/* A source for the tests of what is kept by reference: it keeps the bytes of its records, and hands them
 * over again. */
#pragma once
#include "world.h"

enum { BYTES = 96 * 1024 };

/** A source whose records can be read again: it keeps their bytes itself. */
struct topic {
    struct world *world;
    struct stored {
        /** First, as the world has it. */
        struct given given;
        struct topic *topic;
        struct buffer value;
        char key[8], id[32];
        int64_t offset;
        bool change;
        bool gone;
        /** And the source knows that without reading. */
        bool known_gone;
        /** Who wants it read again. */
        void *reader;
    } records[RECORDS];
    size_t count, read_again;
    /** So many readings find no memory first. */
    size_t failing;
    uv_check_t check;
};

static inline void stored_settle(struct ticket *ticket, bool done)
{
    struct stored *stored = (struct stored *)(void *)ticket;
    stored->reader = NULL;
    settle(ticket, done);
}

static inline enum source_reading stored_read_again(struct ticket *ticket, void *reader)
{
    struct stored *stored = (struct stored *)(void *)ticket;
    assert_null(stored->reader);
    assert_int_equal(stored->given.done + stored->given.dropped, 0);
    if (stored->known_gone)
        return READING_GONE;
    if (stored->topic->failing > 0) {
        stored->topic->failing--;
        return READING_FAILED;
    }
    stored->reader = reader;
    uv_check_start(&stored->topic->check, stored->topic->check.check_cb);
    return READING_COMES;
}

static inline struct record record_of(const struct stored *stored)
{
    return (struct record){.kind = stored->change ? EVENT_CHANGE_LOG : EVENT_RUN,
                           .id = slice_of(stored->id),
                           .topic = stored->change ? "org.change.log" : "org.runs",
                           .offset = stored->offset,
                           .timestamp_ms = -1,
                           .key = slice_of(*stored->key ? stored->key : NULL),
                           .value = buffer_slice(&stored->value),
                           .assignment = stored->topic};
}

/** What is wanted comes, in the order of the topic. */
static inline void hand_over(uv_check_t *check)
{
    struct topic *topic = check->data;
    const struct source_sink *sink = &topic->world->sink;
    for (size_t i = 0; i < topic->count; i++) {
        struct stored *stored = &topic->records[i];
        void *reader = stored->reader;
        if (!reader)
            continue;
        struct record record = record_of(stored);
        if (stored->gone) {
            record.value = record.key = (struct slice){NULL, 0};
            record.gone = true;
        }
        stored->reader = NULL;
        topic->read_again++;
        sink->take_again(sink->ctx, &record, reader);
    }
}

static inline struct topic *topic_open(struct deliver_options options)
{
    struct topic *topic = calloc(1, sizeof *topic);
    options.max_bytes = options.max_bytes ? options.max_bytes : BYTES;
    options.max_in_flight = 8;
    topic->world = world_with(options);
    uv_check_init(&topic->world->port->loop, &topic->check);
    topic->check.data = topic;
    uv_check_start(&topic->check, hand_over);
    uv_unref((uv_handle_t *)&topic->check);
    return topic;
}

/** All of it must be given back. */
static inline void topic_close(struct topic *topic)
{
    struct world *world = topic->world;
    uv_close((uv_handle_t *)&topic->check, NULL);
    deliver_free(world->deliver);
    world->deliver = NULL;
    assert_int_equal(world->done + world->dropped, topic->count);
    world->done = world->dropped = 0;
    world_free(world);
    for (size_t i = 0; i < topic->count; i++)
        buffer_clear(&topic->records[i].value);
    free(topic);
}

static inline struct stored *produce(struct topic *topic, struct event_text text)
{
    struct world *world = topic->world;
    struct stored *stored = &topic->records[topic->count];
    /* what a person wants once more is not read again a third time */
    enum source_reading (*again)(struct ticket *, void *) = text.redelivery_of ? NULL : stored_read_again;
    *stored = (struct stored){.given = {.ticket = {stored_settle, again}, .world = world},
                              .topic = topic,
                              .change = text.change_log,
                              .offset = (int64_t)topic->count};
    snprintf(stored->id, sizeof stored->id, "org.runs-0-%zu", topic->count++);
    snprintf(stored->key, sizeof stored->key, "%s", text.key ? text.key : "");
    write_event(world, &text, &stored->value);
    struct record record = record_of(stored);
    record.redelivery_of = text.redelivery_of;
    world->sink.take(world->sink.ctx, &record, &stored->given.ticket);
    return stored;
}

static inline void produce_many(struct topic *topic, size_t count, struct event_text text)
{
    for (size_t i = 0; i < count; i++) {
        char run_id[16], path[32];
        snprintf(run_id, sizeof run_id, "r_%zu", topic->count);
        snprintf(path, sizeof path, "%s/%zu", text.path, topic->count);
        struct event_text own = text;
        own.run_id = run_id;
        own.path = path;
        produce(topic, own);
    }
}

static inline struct counters counters_of(const struct topic *topic)
{
    struct counters counters;
    deliver_counters(topic->world->deliver, &counters);
    return counters;
}

/** Lets go whatever is held, until so many records are done. */
static inline void let_all_go(struct topic *topic, size_t done)
{
    struct world *world = topic->world;
    for (size_t gone = 0; world->done < done;) {
        while (gone < world->held_count)
            let_go(world, gone++);
        run_for(world->port, 1);
    }
}
