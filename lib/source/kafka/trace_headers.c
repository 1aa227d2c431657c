/* See trace_headers.h. What is valid is the event's reader's to say. */
#include "source/kafka/trace_headers.h"

/** The last header of this name, as Kafka's clients have it; null: there is none. */
static struct slice header_value(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value = NULL;
    size_t size = 0;
    bool found = rd_kafka_header_get_last(headers, name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR;
    return found ? (struct slice){value, size} : (struct slice){NULL, 0};
}

void record_read_trace(struct record *record, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    record->traceparent = header_value(headers, "traceparent");
    record->tracestate = header_value(headers, "tracestate");
}
