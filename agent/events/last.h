/* The last records by their time, of several partitions. */
#pragma once
#include <librdkafka/rdkafka.h>
#include <stddef.h>

/** Zero-initialise, with `limit` set (at least 1). Owns the messages. */
struct last_records {
    /** `limit` of them at most, in no order before last_sort. */
    rd_kafka_message_t **list;
    size_t count, limit;
};

/** Takes the message over; one that is older than `limit` others is destroyed, which may be this one. Out of
 * memory: this one is. */
void last_add(struct last_records *last, rd_kafka_message_t *message);
/** Oldest first. */
void last_sort(struct last_records *last);
/** Destroys the messages that are left. */
void last_clear(struct last_records *last);
