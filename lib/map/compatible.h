/* Users' expressions were written for jq 1.5: what it accepts, in the words of the libjq that is here (1.6 or
 * 1.7). Where the two would give another value for the same text, docs/mapping.md says so. Pure; private to
 * the map room. */
#pragma once
#include "base/buffer.h"

/** Appends the expression as libjq is to read it, on as many lines. jq 1.5 knew no `?//`: where it follows a
 * pattern of `as` it is the later operator and stays, elsewhere it becomes `? //`. A variable whose name is
 * away from its `$` is joined to it. A comment becomes a blank: in later versions a backslash at its end goes
 * on with it. So does a carriage return, which no version takes outside a text. */
void compatible_text(struct slice expression, struct buffer *out);

/** Appends the definitions that the text (of compatible_text) needs, on one line, to be put before it: the
 * builtins that later versions have not, and those of theirs that would not end, or would give a wrong text.
 */
void compatible_definitions(struct slice text, struct buffer *out);

/** Whether the text may ask for paths: libjq 1.6 ends its process when a program is left in the middle of
 * path(…), as it is when only its first output is taken (jqlang/jq issue 1875). */
bool compatible_asks_for_paths(struct slice text);
