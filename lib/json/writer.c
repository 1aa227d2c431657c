/* See writer.h. */
#include "json/writer.h"
#include <stdlib.h>

static void begin_value(struct json_writer *writer, const char *name)
{
    if (writer->comma)
        buffer_append_char(writer->out, ',');
    writer->comma = true;
    if (!name)
        return;
    buffer_append_json_string(writer->out, slice_of(name));
    buffer_append_char(writer->out, ':');
}

void json_write_open(struct json_writer *writer, const char *name, char bracket)
{
    begin_value(writer, name);
    buffer_append_char(writer->out, bracket);
    writer->comma = false;
}

void json_write_close(struct json_writer *writer, char bracket)
{
    buffer_append_char(writer->out, bracket);
    writer->comma = true;
}

void json_write_text(struct json_writer *writer, const char *name, struct slice text)
{
    if (slice_is_null(text))
        return;
    begin_value(writer, name);
    buffer_append_json_string(writer->out, text);
}

void json_write_int(struct json_writer *writer, const char *name, int64_t value)
{
    begin_value(writer, name);
    buffer_append_int(writer->out, value);
}

void json_write_seconds(struct json_writer *writer, const char *name, int64_t ms)
{
    begin_value(writer, name);
    buffer_appendf(writer->out, "%s%lld.%03lld", ms < 0 ? "-" : "", llabs((long long)ms) / 1000,
                   llabs((long long)ms) % 1000);
}

void json_write_bool(struct json_writer *writer, const char *name, bool value)
{
    begin_value(writer, name);
    buffer_append_text(writer->out, value ? "true" : "false");
}
