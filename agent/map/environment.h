/* What expressions ask of the environment, for `port-agent map`: a variable that is not set is no secret, and
 * is the first thing that somebody who tries a mapping has to know. */
#pragma once
#include "explain.h"

/** Adds a note for each variable that an expression names and that is not set, or is set to nothing. */
void map_environment_note(struct explanation *explanation);

/** Whether the expression asks for variables and each of them is not set or empty: then it holds no value of
 * theirs. Appends which ("not set (env.CI_TOKEN)") to `which`, which may be NULL. */
PA_MUST_USE bool map_environment_gives_nothing(struct slice expression, struct buffer *which);
/** The same for a header of the request. */
PA_MUST_USE bool map_environment_left_empty(const struct explanation *explanation, struct slice name,
                                            struct slice value, struct buffer *which);
