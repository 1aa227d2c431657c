/* Escapes of JSON strings (RFC 8259, section 7). */
#include "base/json_escape.h"
#include <limits.h>
#include <string.h>

enum { UNIT_LEN = 6 /* of \uXXXX */ };
static const char LETTERS[] = "\"\\bfnrt/", MEANINGS[] = "\"\\\b\f\n\r\t/";
static const char LETTER_OF[UCHAR_MAX + 1] = {
    ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

size_t json_escape_unit(uint32_t unit, char out[JSON_ESCAPE_MAX])
{
    static const char hex[] = "0123456789abcdef";
    out[0] = '\\';
    out[1] = 'u';
    for (size_t i = 0; i < 4; i++)
        out[2 + i] = hex[(unit >> (12 - 4 * i)) & 15];
    return UNIT_LEN;
}

size_t json_escape(unsigned char c, char out[JSON_ESCAPE_MAX])
{
    if (c >= 0x20 && c != '"' && c != '\\')
        return 0;
    if (!LETTER_OF[c])
        return json_escape_unit(c, out);
    out[0] = '\\';
    out[1] = LETTER_OF[c];
    return 2;
}

static int32_t read_unit(struct slice text)
{
    bool escape = text.len >= UNIT_LEN && text.ptr[0] == '\\' && text.ptr[1] == 'u';
    return escape ? slice_hexadecimal((struct slice){text.ptr + 2, 4}, 4) : -1;
}

size_t json_escape_read(struct slice text, uint32_t *code)
{
    const char *letter = text.len > 1 ? memchr(LETTERS, text.ptr[1], sizeof LETTERS - 1) : NULL;
    if (letter) {
        *code = (unsigned char)MEANINGS[letter - LETTERS];
        return 2;
    }
    int32_t unit = read_unit(text), low = -1;
    if (unit < 0)
        return 0;
    if (unit >= 0xd800 && unit < 0xdc00)
        low = read_unit((struct slice){text.ptr + UNIT_LEN, text.len - UNIT_LEN});
    bool pair = low >= 0xdc00 && low < 0xe000;
    *code = (uint32_t)(pair ? 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00) : unit);
    return pair ? 2 * UNIT_LEN : UNIT_LEN;
}
