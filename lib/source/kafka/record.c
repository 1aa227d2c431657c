/* See record.h. Which headers are valid is the event's reader's to say. */
#include "source/kafka/record.h"
#include <stdio.h>

/** The last header of this name, as Kafka's clients have it; null: there is none. */
static struct slice header_value(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value = NULL;
    size_t size = 0;
    bool found = rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
    return found ? (struct slice){value, size} : (struct slice){NULL, 0};
}

void record_read_message(struct record *record, const rd_kafka_message_t *message)
{
    record->key = (struct slice){message->key, message->key_len};
    record->value = (struct slice){message->payload, message->len};
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    record->traceparent = header_value(headers, "traceparent");
    record->tracestate = header_value(headers, "tracestate");
}

void redelivery_ids_set(struct redelivery_ids *ids, const char *topic, int32_t partition, int64_t offset,
                        const struct clock *clock)
{
    record_id(ids->first, topic, partition, offset);
    snprintf(ids->id, sizeof ids->id, "%s-again-%lld", ids->first, (long long)clock_wall_ms(clock));
}

struct record record_once_more(const struct redelivery_ids *ids, const char *topic,
                               const rd_kafka_message_t *message)
{
    struct record record = {
        .kind = EVENT_RUN,
        .id = slice_of(ids->id),
        .redelivery_of = ids->first,
        .topic = topic,
        .partition = message->partition,
        .offset = message->offset,
        .timestamp_ms = -1, /* how old it is was known when it was asked for */
    };
    record_read_message(&record, message);
    return record;
}
