/* The strings of JSON text: where they end, and what they mean. Pure. */
#pragma once
#include "base/buffer.h"

/** Length of the string that starts here, quotes included; 0: it does not end. */
size_t json_string_length(struct slice text);
/** Appends what the inside of a string (without its quotes) means, in UTF-8. Half a surrogate pair, which is
 * no character, becomes U+FFFD. False: an escape in it is not valid; what comes before it was appended. */
PA_MUST_USE bool json_unescape(struct slice inside, struct buffer *out);
