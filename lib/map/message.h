/* jq's messages, made fit for one line of a log. Private to the map room. */
#pragma once
#include "base/buffer.h"

/** Appends `text` on one line: blanks for line breaks and other control characters, cut after about 400
 * bytes. */
void message_append_line(struct buffer *out, struct slice text);
/** The same without the values that jq quotes in brackets (`string ("abc")`, `while parsing 'abc'`): they may
 * be anything, even a password from `env`. */
void message_append_without_values(struct buffer *out, struct slice text);
