/* JSON written member by member into a buffer, compact. Commas, quotes and escapes are the writer's; that
 * what is opened is closed is the caller's. */
#pragma once
#include "base/buffer.h"

/** Zero-initialise, with `out` set. A failure is the buffer's. */
struct json_writer {
    /** Borrowed. */
    struct buffer *out;
    /** The next value is not the first in its object or list. */
    bool comma;
};

/* `name`: the member's; NULL: it is an element of a list, or the whole. */

/** Opens an object with '{', a list with '['. */
void json_write_open(struct json_writer *writer, const char *name, char bracket);
/** '}' or ']'. */
void json_write_close(struct json_writer *writer, char bracket);
/** The null slice: nothing is written. Bytes that are not UTF-8 become U+FFFD. */
void json_write_text(struct json_writer *writer, const char *name, struct slice text);
void json_write_int(struct json_writer *writer, const char *name, int64_t value);
/** Milliseconds as seconds with three decimals. */
void json_write_seconds(struct json_writer *writer, const char *name, int64_t ms);
void json_write_bool(struct json_writer *writer, const char *name, bool value);
