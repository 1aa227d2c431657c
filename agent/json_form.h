/* Other ways to write a JSON value, as senders that do not write it compactly do, and as people read it. */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>

struct json_form {
    /** "" or " ". */
    const char *after_comma, *after_colon;
    /** Blanks a level; 0: everything on one line. */
    unsigned indent;
    /** Every character beyond ASCII as \uXXXX. */
    bool ascii;
    /** <, > and & as \uXXXX. */
    bool html;
    /** Numbers as ECMAScript writes them: 1.0 becomes 1. */
    bool script_numbers;
};

/** Writes `canonical` (json_canonical's output) in another form, appended to `out`. */
void json_write(struct slice canonical, const struct json_form *form, struct buffer *out);
