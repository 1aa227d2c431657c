/* The polling source: claims runs and workflow node runs from Port's API, acknowledges each before it is
 * handed over, and hands it over as the event that Kafka would have brought. */
#pragma once
#include "source/class.h"

/** Polls Port for both kinds of runs, each with its own timer, as the POLLING_… settings say. No other agent
 * gets an acknowledged run: its record is unrepeatable. Fatal: credentials that Port refuses before anything
 * has worked, and POLLING_MAX_FAILURE_DURATION_SECONDS without a successful poll. */
extern const struct source_class polling_source;
