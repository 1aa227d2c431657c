/* Records delivered once more by the running agent: handed over a few at a time, and watched. Blocks. */
#pragma once
#include "agent/ask/client.h"

struct record_place {
    int32_t partition;
    int64_t offset;
};

/** The agent that runs does not do this: its events have no places, or it is older. */
enum { BY_AGENT_CANNOT = -1 };

/** Prints each outcome as it comes, and adds to *delivered. EXIT_CODE_OK: all have an outcome;
 * BY_AGENT_CANNOT: nothing was done; else the exit code, with the cause told. */
PA_MUST_USE int by_agent_deliver(const struct config *config, const struct command_usage *usage, bool json,
                                 const struct record_place *places, size_t count, size_t *delivered);
