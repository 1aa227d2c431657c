/* See pieces.h. */
#include "pieces.h"
#include "base/clock.h"

void piece_text(struct json_writer *writer, const char *name, const char *text)
{
    json_write_text(writer, name, slice_of(text && *text ? text : NULL));
}

void piece_time(struct json_writer *writer, const char *name, int64_t wall_ms)
{
    char text[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_ms, text);
    piece_text(writer, name, text);
}

void piece_known(struct json_writer *writer, const char *name, int64_t value)
{
    if (value >= 0)
        json_write_int(writer, name, value);
}

void piece_known_seconds(struct json_writer *writer, const char *name, int64_t ms)
{
    if (ms >= 0)
        json_write_seconds(writer, name, ms);
}
