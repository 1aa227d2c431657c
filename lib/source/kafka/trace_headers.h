/* The trace that a Kafka record's headers name. */
#pragma once
#include "source/source.h"
#include <librdkafka/rdkafka.h>

/** Sets the record's `traceparent` and `tracestate`, as they came; they are the message's. */
void record_read_trace(struct record *record, const rd_kafka_message_t *message);
