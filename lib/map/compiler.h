/* What the mappings' process does from its fork to its end. Private to the map room. */
#pragma once
#include "map/process.h"

/** Processor time in which a mapping file has to be compiled, and the longest silence on a compiler's socket
 * meanwhile. */
enum { COMPILE_MS = 120000 };

/** Makes compilers, as they are asked for over `asked`, until the agent is gone. Each reads four frames from
 * its own socket (the file, with `what` 1 where there is one; the secret; those before it), compiles, and
 * answers with two (problems, `what` the error turned positive; warnings). */
_Noreturn void nursery_run(int asked, const struct map_process_options *options);
