/* The agent as daemon.c wires it, without signals. */
#pragma once
#include "kinds.h"
#include "source/source.h"
#include <uv.h>

struct agent;

/** What became of a record. */
struct given {
    size_t done, dropped;
};

/** Ends the process when it cannot: memory does not fail yet. `letters` is where its dead letters go. */
struct agent *agent_open(const struct kind *kind, const struct outside *outside, const char *letters);
/** Everything is closed and freed. False: something was left on the loop. */
bool agent_close(struct agent *agent);
/** Hands over a record, or lets Port offer it; `number` is its offset. `given` lives until it is done or
 * dropped, or the agent is closed. */
void agent_give(struct agent *agent, struct outside *outside, const struct sample *sample, size_t number,
                struct given *given);
/** What agent_run_until returns when the source cannot go on. */
extern const char agent_gave_up[];
/** Consumes from Kafka. `given` is what becomes of the records from offset `first` on, of which there are
 * four at most; no record before them may come. False: out of memory. */
bool agent_consume(struct agent *agent, const char *brokers, int64_t first, struct given *given);
/** Commits that were accepted. */
uint64_t agent_commits(const struct agent *agent);
/** Runs the loop until `reached` says so. NULL, or what happened instead. */
const char *agent_run_until(struct agent *agent, bool (*reached)(const void *ctx), const void *ctx);
/** Runs the loop until the record is done or dropped. NULL, or what happened instead. */
const char *agent_run_until_settled(struct agent *agent, const struct given *given);
