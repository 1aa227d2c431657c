/* What the agent answered, in words for a person. Pure, except that it prints. */
#pragma once
#include "base/slice.h"
#include <stdio.h>

/** The answer of /status.json. False: it is none. */
PA_MUST_USE bool show_status(FILE *out, struct slice json);
/** The answer of /run. False: it is none. */
PA_MUST_USE bool show_run(FILE *out, struct slice json);
