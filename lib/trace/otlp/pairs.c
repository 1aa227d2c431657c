/* See pairs.h. */
#include "trace/otlp/pairs.h"
#include "base/cut.h"
#include <string.h>

static void append_decoded(struct slice text, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        struct slice digits = {text.ptr + i + 1, text.len - i - 1};
        int32_t byte = text.ptr[i] == '%' ? slice_hexadecimal(digits, 2) : -1;
        buffer_append_char(out, byte >= 0 ? (char)byte : text.ptr[i]);
        i += byte >= 0 ? 2 : 0;
    }
}

bool pairs_take(struct slice *rest, struct buffer *name, struct buffer *value)
{
    while (rest->len > 0) {
        struct slice pair = slice_cut(rest, ',');
        const char *equals = pair.len > 0 ? memchr(pair.ptr, '=', pair.len) : NULL;
        size_t at = equals ? (size_t)(equals - pair.ptr) : 0;
        struct slice key = slice_trim((struct slice){pair.ptr, at});
        if (key.len == 0)
            continue;
        name->len = value->len = 0;
        append_decoded(key, name);
        append_decoded(slice_trim((struct slice){equals + 1, pair.len - at - 1}), value);
        return !name->failed && !value->failed;
    }
    return false;
}

bool pair_is_header(struct slice name, struct slice value)
{
    static const char marks[] = "!#$%&'*+-.^_`|~"; /* RFC 9110, section 5.6.2 */
    for (size_t i = 0; i < name.len; i++)
        if (!char_is_letter(name.ptr[i]) && !char_is_digit(name.ptr[i]) &&
            !memchr(marks, name.ptr[i], sizeof marks - 1))
            return false;
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.ptr[i] < ' ' && value.ptr[i] != '\t')
            return false;
    return name.len > 0 && !memchr(value.len > 0 ? value.ptr : "", 0x7f, value.len);
}
