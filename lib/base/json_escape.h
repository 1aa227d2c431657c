/* One escape of a JSON string, written and read: the only place that knows escapes. It stands in base because
 * log lines are JSON, and because secrets are looked for in JSON too; strings as a whole are json/string.h's.
 */
#pragma once
#include "base/slice.h"

enum { JSON_ESCAPE_MAX = 6 };

/** How JSON.stringify (ECMA-262, QuoteJSONString) writes the byte `c` inside a string: the escape's length,
 * or 0: as it is. */
size_t json_escape(unsigned char c, char out[JSON_ESCAPE_MAX]);
/** Writes \uXXXX for a UTF-16 code unit; returns JSON_ESCAPE_MAX. */
size_t json_escape_unit(uint32_t unit, char out[JSON_ESCAPE_MAX]);
/** Reads the escape that `text` begins with (a backslash), or two that are a pair of surrogates: how many
 * bytes it takes, and the character in `*code`, which may be half a pair. 0: it is no escape. */
size_t json_escape_read(struct slice text, uint32_t *code);
