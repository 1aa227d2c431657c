/* What a command knows of the terminal that it writes to: whether it is one, how wide, and that texts from
 * outside must not steer it. */
#pragma once
#include "base/buffer.h"

/** Whether colours are shown there: a terminal that is not "dumb", and NO_COLOR is not set. */
PA_MUST_USE bool terminal_has_colour(int fd);
/** Its columns (COLUMNS, where that is set); `otherwise`: it is no terminal, or does not say. */
PA_MUST_USE size_t terminal_width(int fd, size_t otherwise);
/** Appends text from outside: a control character, or what is not UTF-8, becomes "?", so nothing in it moves
 * the cursor. `lines`: line breaks and tabs stay. */
void terminal_append(struct buffer *out, struct slice text, bool lines);
