/* The Kafka source: credentials from Port where they are needed, then a consumer in a group. */
#pragma once
#include "source/class.h"

/** Consumes the runs and change-log topics of the settings. Unless Port is local, Kafka's credentials are
 * fetched from it first, with backoff, and again when the brokers refuse them; credentials of the agent's own
 * that Port refuses are fatal. */
extern const struct source_class kafka_source;
