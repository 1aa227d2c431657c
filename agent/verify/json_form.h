/* Other ways to write a JSON value, as senders that do not write it compactly do. Private to the event room.
 */
#pragma once
#include "base/buffer.h"
#include <stdbool.h>

struct json_form {
    const char *after_comma, *after_colon; /* "" or " " */
    unsigned indent;                       /* blanks a level; 0: everything on one line */
    bool ascii;                            /* every character beyond ASCII as \uXXXX */
    bool html;                             /* <, > and & as \uXXXX */
    bool script_numbers;                   /* numbers as ECMAScript writes them: 1.0 becomes 1 */
};

/** Writes `canonical` (json_canonical's output) in another form, appended to `out`. */
void json_write(struct slice canonical, const struct json_form *form, struct buffer *out);
