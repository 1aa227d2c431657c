/* Users' expressions were written for jq 1.5: what jq 1.5 accepts, rewritten for the libjq in use (1.6
 * or 1.7). docs/mapping.md lists the texts for which these give another value. Pure; private to the map room.
 */
#pragma once
#include "base/buffer.h"

/** Appends the expression as libjq is to read it, on as many lines. jq 1.5 had no `?//`: after a pattern of
 * `as` it is the later operator and stays, elsewhere it becomes `? //`. A variable's name that stands apart
 * from its `$` is joined to it. A comment becomes a blank, because in later versions a backslash at its end
 * continues it. A carriage return outside a text becomes a blank too, because no version accepts it. */
void compatible_text(struct slice expression, struct buffer *out);

/** Appends the definitions that the text (of compatible_text) needs, on one line, to be put before it:
 * builtins that later versions lack, and builtins that would not end there, or would give a wrong text.
 */
void compatible_definitions(struct slice text, struct buffer *out);

/** Whether the text may ask for paths: libjq 1.6 ends its process when a program is left in the middle of
 * path(…), as it is when only its first output is taken (jqlang/jq issue 1875). */
PA_MUST_USE bool compatible_asks_for_paths(struct slice text);
