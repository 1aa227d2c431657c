/* What people who write mappings usually get wrong, named where it happens. */
#pragma once
#include "explain.h"

/** Appends a line for each of `problems` (mappings_load's, a line each) that looks like a text without quotes
 * of its own. */
void map_hint_texts(struct slice problems, struct buffer *out);
/** Adds notes: an expression asks for a member that the event does not have, where another one's name is
 * near; a report asks for a member of the event as if it were its own; a header is the agent's own. */
void map_hint_members(struct explanation *explanation);
