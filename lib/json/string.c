/* Walks over the bytes of one string at a time; the text around it is the caller's. */
#include "json/string.h"
#include "base/json_escape.h"
#include <string.h>

size_t json_string_length(struct slice text)
{
    for (size_t i = 1; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == '"')
            return i + 1;
    }
    return 0;
}

bool json_unescape(struct slice inside, struct buffer *out)
{
    while (inside.len > 0) {
        const char *backslash = memchr(inside.ptr, '\\', inside.len);
        size_t plain = backslash ? (size_t)(backslash - inside.ptr) : inside.len;
        buffer_append(out, inside.ptr, plain);
        inside = (struct slice){inside.ptr + plain, inside.len - plain};
        if (!backslash)
            break;
        uint32_t code;
        char character[4];
        size_t taken = json_escape_read(inside, &code);
        if (taken == 0)
            return false;
        buffer_append(out, character,
                      utf8_encode(code >= 0xd800 && code < 0xe000 ? 0xfffd : code, character));
        inside = (struct slice){inside.ptr + taken, inside.len - taken};
    }
    return true;
}
