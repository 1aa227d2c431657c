/* One line without control characters, and without the values that jq quotes, for these may be secret. */
#include "map/message.h"
#include <string.h>

enum { MESSAGE_MAX = 400 };

void message_append_line(struct buffer *out, struct slice text)
{
    size_t at = 0;
    while (at < text.len && at < MESSAGE_MAX) {
        size_t step = utf8_sequence(text.ptr + at, text.len - at);
        unsigned char c = (unsigned char)text.ptr[at];
        if (step == 0 || c < 0x20 || c == 0x7f)
            buffer_append_char(out, ' ');
        else
            buffer_append(out, text.ptr + at, step);
        at += step ? step : 1;
    }
    if (at < text.len)
        buffer_append_text(out, "…");
}

/** Where the value that begins `text` ends, which jq cuts short with "..."; its length when that cannot be
 * told. */
static size_t value_end(struct slice text)
{
    char close = *text.ptr == '{' ? '}' : *text.ptr == '[' ? ']' : '"';
    for (size_t i = 1; i < text.len; i++) {
        struct slice rest = {text.ptr + i, text.len - i};
        if (rest.ptr[0] == '\\')
            i++;
        else if (rest.ptr[0] == close && (rest.len == 1 || rest.ptr[1] == ')'))
            return i + 1;
        else if (slice_starts_with(rest, "...)"))
            return i + 3;
    }
    return text.len;
}

void message_append_without_values(struct buffer *out, struct slice text)
{
    static const char parsing[] = "while parsing '";
    struct buffer kept = {0};
    for (size_t i = 0; i < text.len; i++) {
        struct slice rest = {text.ptr + i + 1, text.len - i - 1};
        buffer_append_char(&kept, text.ptr[i]);
        if (text.ptr[i] != '(' || rest.len == 0)
            continue;
        if (strchr("\"{[", rest.ptr[0]) && rest.ptr[0] != '\0') {
            buffer_append_text(&kept, "…");
            i += value_end(rest);
        } else if (slice_starts_with(rest, parsing)) { /* the rest is what it parsed */
            buffer_append_text(&kept, "while parsing …)");
            break;
        }
    }
    message_append_line(out, buffer_slice(&kept));
    buffer_clear(&kept);
}
