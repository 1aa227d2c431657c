/* See show.h. */
#include "show.h"
#include "agent/body.h"
#include "agent/terminal.h"
#include "base/clock.h"
#include "base/cut.h"
#include <string.h>
#include <time.h>

static const char PARSED[] = "JSON.stringify(JSON.parse(body))";

/* Lines */

/** Cuts off the next line, without blanks around it. False: there is none. */
static bool next_line(struct slice *rest, struct slice *line)
{
    if (rest->len == 0)
        return false;
    *line = slice_trim(slice_cut(rest, '\n'));
    return true;
}

static void append_headers(const struct webhook *webhook, bool colour, struct buffer *out)
{
    struct slice rest = webhook->headers, line;
    while (next_line(&rest, &line)) {
        buffer_append_text(out, "  ");
        body_append_painted(out, colour, PAINT_DIM, line);
        buffer_append_char(out, '\n');
    }
}

static void append_verdict(const struct webhook *webhook, bool colour, struct buffer *out)
{
    const struct signature_ways *ways = &webhook->ways;
    bool valid = ways->raw || ways->parsed;
    struct slice rest = webhook->findings, finding;
    buffer_append_text(out, "  signature ");
    body_append_painted(out, colour, valid ? PAINT_GREEN : PAINT_RED,
                        slice_of(valid ? "valid" : "not valid"));
    if (ways->raw && ways->parsed)
        buffer_appendf(out, ": over the body as it came, and over %s", PARSED);
    else if (ways->raw && ways->json)
        buffer_appendf(out,
                       " over the body as it came, and not valid over %s, which writes it otherwise: hash "
                       "the body as it came",
                       PARSED);
    else if (ways->raw)
        buffer_append_text(out, " over the body as it came, which is not JSON");
    else if (ways->parsed)
        buffer_appendf(out, " over %s alone, and not over the body as it came", PARSED);
    buffer_append_char(out, '\n');
    while (next_line(&rest, &finding)) {
        buffer_append_text(out, "    - ");
        terminal_append(out, finding, false);
        buffer_append_char(out, '\n');
    }
}

void webhook_show_text(const struct webhook *webhook, bool colour, struct buffer *out)
{
    char stamp[16] = "";
    time_t seconds = (time_t)(webhook->wall_ms / 1000);
    struct tm local;
    if (localtime_r(&seconds, &local))
        PA_IGNORE((int)strftime(stamp, sizeof stamp, "%H:%M:%S", &local));
    buffer_appendf(out, "%s ", stamp);
    body_append_painted(out, colour, PAINT_BOLD, webhook->method);
    buffer_append_char(out, ' ');
    body_append_painted(out, colour, PAINT_BOLD, webhook->target);
    buffer_append_char(out, '\n');
    append_headers(webhook, colour, out);
    append_verdict(webhook, colour, out);
    if (webhook->body.len > 0)
        body_show(webhook->body, colour, out);
    else
        buffer_append_text(out, "  (no body)\n");
}

/* JSON */

/** A header that comes twice is there with its first value. */
static bool came_before(const struct webhook *webhook, const char *line, struct slice name)
{
    struct slice rest = webhook->headers, other;
    while (next_line(&rest, &other) && other.ptr < line)
        if (other.len > name.len && other.ptr[name.len] == ':' &&
            slice_equal_ignore_case((struct slice){other.ptr, name.len}, name))
            return true;
    return false;
}

static void append_header_members(const struct webhook *webhook, struct buffer *out)
{
    struct slice rest = webhook->headers, line;
    const char *before = "";
    buffer_append_char(out, '{');
    while (next_line(&rest, &line)) {
        const char *colon = memchr(line.ptr, ':', line.len);
        size_t len = colon ? (size_t)(colon - line.ptr) : line.len;
        struct slice name = {line.ptr, len};
        if (!colon || came_before(webhook, line.ptr, name))
            continue;
        buffer_append_text(out, before);
        buffer_append_json_string(out, name);
        buffer_append_char(out, ':');
        buffer_append_json_string(out, slice_trim((struct slice){colon + 1, line.len - len - 1}));
        before = ",";
    }
    buffer_append_char(out, '}');
}

void webhook_show_json(const struct webhook *webhook, struct buffer *out)
{
    char stamp[CLOCK_RFC3339_SIZE];
    struct slice rest = webhook->findings, finding;
    const struct signature_ways *ways = &webhook->ways;
    clock_rfc3339(webhook->wall_ms, stamp);
    buffer_appendf(out, "{\"time\":\"%s\",\"method\":", stamp);
    buffer_append_json_string(out, webhook->method);
    buffer_append_text(out, ",\"path\":");
    buffer_append_json_string(out, webhook->target);
    buffer_append_text(out, ",\"headers\":");
    append_header_members(webhook, out);
    buffer_append_text(out, ",\"body\":");
    body_append_value(webhook->body, out);
    buffer_appendf(out, ",\"signature\":{\"valid\":%s,\"raw\":%s,\"parsed\":%s,\"findings\":[",
                   ways->raw || ways->parsed ? "true" : "false", ways->raw ? "true" : "false",
                   ways->parsed ? "true" : "false");
    for (const char *before = ""; next_line(&rest, &finding); before = ",") {
        buffer_append_text(out, before);
        buffer_append_json_string(out, finding);
    }
    buffer_append_text(out, "]}");
}
