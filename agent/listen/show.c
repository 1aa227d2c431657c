/* See show.h. */
#include "show.h"
#include "agent/terminal.h"
#include "agent/verify/json_form.h"
#include "base/clock.h"
#include "json/canonical.h"
#include <string.h>
#include <time.h>

enum { SHOWN_MAX = 64 * 1024 };

static const char BOLD[] = "\033[1m", DIM[] = "\033[2m", GREEN[] = "\033[32m", RED[] = "\033[31m",
                  YELLOW[] = "\033[33m", CYAN[] = "\033[36m", PLAIN[] = "\033[0m";
static const char PARSED[] = "JSON.stringify(JSON.parse(body))";

static void append_painted(struct buffer *out, bool colour, const char *code, struct slice text)
{
    buffer_append_text(out, colour ? code : "");
    terminal_append(out, text, false);
    buffer_append_text(out, colour ? PLAIN : "");
}

/* Bodies */

/** Where the JSON string that begins at `at` ends. */
static size_t string_end(struct slice json, size_t at)
{
    for (at++; at < json.len && json.ptr[at] != '"'; at++)
        at += json.ptr[at] == '\\';
    return at < json.len ? at + 1 : json.len;
}

/** JSON text that json_write has laid out, each word in its colour. */
static void append_laid_out(struct slice json, bool colour, struct buffer *out)
{
    for (size_t at = 0; at < json.len;) {
        size_t end = at + 1;
        const char *code = NULL;
        if (json.ptr[at] == '"') {
            end = string_end(json, at);
            code = end < json.len && json.ptr[end] == ':' ? CYAN : GREEN;
        } else if (!strchr(",:[]{} \n", json.ptr[at])) {
            end = at + strcspn(json.ptr + at, ",]}\n");
            code = YELLOW;
        }
        if (code)
            append_painted(out, colour, code, (struct slice){json.ptr + at, end - at});
        else
            buffer_append_char(out, json.ptr[at]);
        at = end;
    }
}

void body_show(struct slice body, bool colour, struct buffer *out)
{
    static const struct json_form form = {.after_comma = "", .after_colon = " ", .indent = 2};
    struct buffer canonical = {0}, laid_out = {0};
    bool cut = body.len > SHOWN_MAX;
    if (cut)
        body.len = SHOWN_MAX;
    if (!cut && json_canonical(body, &canonical, NULL) == 0) {
        json_write(buffer_slice(&canonical), &form, &laid_out);
        (void)buffer_text(&laid_out); /* strcspn needs its end */
        append_laid_out(buffer_slice(&laid_out), colour, out);
    } else {
        terminal_append(out, body, true);
    }
    if (cut)
        buffer_append_text(out, "\n... (it is longer; --output json shows all of it)");
    buffer_append_char(out, '\n');
    out->failed |= canonical.failed || laid_out.failed;
    buffer_clear(&canonical);
    buffer_clear(&laid_out);
}

/* Lines */

/** The next of the lines that end in `end`; false: there is none. */
static bool next_line(struct slice *rest, char end, struct slice *line)
{
    const char *stop = rest->len > 0 ? memchr(rest->ptr, end, rest->len) : NULL;
    size_t len = stop ? (size_t)(stop - rest->ptr) : rest->len;
    if (rest->len == 0)
        return false;
    *line = slice_trim((struct slice){rest->ptr, len});
    *rest = stop ? (struct slice){stop + 1, rest->len - len - 1} : (struct slice){NULL, 0};
    return true;
}

static void append_headers(const struct webhook *webhook, bool colour, struct buffer *out)
{
    struct slice rest = webhook->headers, line;
    while (next_line(&rest, '\n', &line)) {
        buffer_append_text(out, "  ");
        append_painted(out, colour, DIM, line);
        buffer_append_char(out, '\n');
    }
}

static void append_verdict(const struct webhook *webhook, bool colour, struct buffer *out)
{
    const struct signature_ways *ways = &webhook->ways;
    bool valid = ways->raw || ways->parsed;
    struct slice rest = webhook->findings, finding;
    buffer_append_text(out, "  signature ");
    append_painted(out, colour, valid ? GREEN : RED, slice_of(valid ? "valid" : "not valid"));
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
    while (next_line(&rest, '\n', &finding)) {
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
    append_painted(out, colour, BOLD, webhook->method);
    buffer_append_char(out, ' ');
    append_painted(out, colour, BOLD, webhook->target);
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
    while (next_line(&rest, '\n', &other) && other.ptr < line)
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
    while (next_line(&rest, '\n', &line)) {
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

static void append_body_member(struct slice body, struct buffer *out)
{
    struct buffer canonical = {0};
    if (body.len == 0)
        buffer_append_text(out, "null");
    else if (json_canonical(body, &canonical, NULL) == 0)
        buffer_append_slice(out, buffer_slice(&canonical));
    else
        buffer_append_json_string(out, body);
    out->failed |= canonical.failed;
    buffer_clear(&canonical);
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
    append_body_member(webhook->body, out);
    buffer_appendf(out, ",\"signature\":{\"valid\":%s,\"raw\":%s,\"parsed\":%s,\"findings\":[",
                   ways->raw || ways->parsed ? "true" : "false", ways->raw ? "true" : "false",
                   ways->parsed ? "true" : "false");
    for (const char *before = ""; next_line(&rest, '\n', &finding); before = ",") {
        buffer_append_text(out, before);
        buffer_append_json_string(out, finding);
    }
    buffer_append_text(out, "]}");
}
