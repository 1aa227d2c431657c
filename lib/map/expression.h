/* One jq expression: compiled once, evaluated many times. Private to the map room. */
#pragma once
#include "base/buffer.h"
#include <jv.h>

struct expression;
/** Expressions by their text: one that comes twice is compiled once (a compilation costs about 16 ms). */
struct expressions;

PA_MUST_USE struct expressions *expressions_new(void);
void expressions_free(struct expressions *expressions);

/** The compiled expression, owned by `expressions`. NULL: jq's own message, with its line and column in the
 * expression, is appended to `problem` on one line. */
PA_MUST_USE struct expression *expression_compile(struct expressions *expressions, struct slice text,
                                                  struct buffer *problem);
/** Its text, as it was written. */
struct slice expression_text(const struct expression *expression);
/** The first output for `input` (which is taken over, as libjq does). No output and an error give null, and
 * jq's message, or "no output", in `problem`. */
jv expression_first(struct expression *expression, jv input, struct buffer *problem);
