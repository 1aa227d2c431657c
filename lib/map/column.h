/* Where in an expression a message of jq belongs: jq tells lines, and expressions in JSON are one long line.
 * Private to the map room. */
#pragma once
#include "base/buffer.h"

/** Appends `expression` with a line break instead of every run of blanks, and around separators, wherever
 * that changes nothing for jq: compiled in this form, a message's line tells the word. */
void column_spread(struct buffer *out, struct slice expression);
/** Where in `expression` the given line of its spread form (from 1) begins, in bytes. */
size_t column_of_line(struct slice expression, size_t line);
/** Appends "line 1, column 7" for a position in bytes; columns count characters, from 1. */
void column_append(struct buffer *out, struct slice text, size_t at);
