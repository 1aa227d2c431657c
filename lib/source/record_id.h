/* How a record of a topic is called: topic-partition-offset. */
#pragma once
#include "base/slice.h"

/** A topic has at most 249 characters: Kafka's bound. */
enum { RECORD_ID_SIZE = 320 };
/** Writes the record's id and returns it. */
struct slice record_id(char id[RECORD_ID_SIZE], const char *topic, int32_t partition, int64_t offset);
