/* What the mappings' process does from its fork to its end. Private to the map room. */
#pragma once
#include "map/process.h"

/** Compiles, tells the agent over `control` how that went, and makes evaluators until the agent is gone. */
_Noreturn void compiler_run(int control, const struct map_process_options *options);
