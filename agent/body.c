/* See body.h. */
#include "body.h"
#include "json_form.h"
#include "terminal.h"
#include "json/canonical.h"
#include <string.h>

enum { SHOWN_MAX = 64 * 1024 };

void body_append_painted(struct buffer *out, bool colour, const char *code, struct slice text)
{
    buffer_append_text(out, colour ? code : "");
    terminal_append(out, text, false);
    buffer_append_text(out, colour ? PAINT_NONE : "");
}

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
            code = end < json.len && json.ptr[end] == ':' ? PAINT_CYAN : PAINT_GREEN;
        } else if (!strchr(",:[]{} \n", json.ptr[at])) {
            end = at + strcspn(json.ptr + at, ",]}\n");
            code = PAINT_YELLOW;
        }
        if (code)
            body_append_painted(out, colour, code, (struct slice){json.ptr + at, end - at});
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

void body_append_value(struct slice body, struct buffer *out)
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
