/* A Kafka cluster in this process: librdkafka's mock cluster, one broker, one partition a topic. Its memory
 * does not fail: librdkafka's own allocations are never touched. */
#pragma once
#include "base/slice.h"
#include <stdint.h>

struct brokers;

#define BROKERS_RUNS "org.runs"
#define BROKERS_CHANGE_LOG "org.change.log"
#define BROKERS_GROUP "torture"

/** Members of the group should have this. A member waits for others for three seconds, or, if it comes soon
 * after the last one left, for as long as a session takes but a second. */
enum { BROKERS_SESSION_MS = 3500 };

/** Ends the process when it cannot start. */
struct brokers *brokers_new(void);
void brokers_free(struct brokers *brokers);
const char *brokers_address(const struct brokers *brokers);
/** Writes a record to BROKERS_RUNS and waits until it is there; its offset. */
int64_t brokers_produce(struct brokers *brokers, struct slice value);
/** What the group has committed of BROKERS_RUNS; -1: nothing. */
int64_t brokers_committed(struct brokers *brokers);
