/* Mappings' processes, made in a process without threads: forking beside threads would leave the sanitizer's
 * locks locked in the child, and the agent too makes its process before any thread. */
#pragma once
#include "map/process.h"

/** What `mapped` runs have: every field, one of them decrypted, and a report; outside.h checks what comes of
 * it. */
extern const char mappings_file[];
/** An expression that never ends, so that the evaluator is. */
extern const char mappings_endless[];

/** Starts the process that makes them, all of the same file. Before any thread exists; ends the process when
 * it cannot. It ends with this process. */
void mappings_begin(const char *file);
/** One of them, a child of this process like one that it made itself. */
struct map_process mappings_process(void);
