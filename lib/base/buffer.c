/* Bytes that grow, and what is written into them: numbers, JSON strings. */
#include "base/buffer.h"
#include "base/error.h"
#include "base/json_escape.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buffer_clear(struct buffer *b)
{
    free(b->ptr);
    *b = (struct buffer){0};
}

void buffer_wipe(struct buffer *b)
{
    if (b->ptr)
        explicit_bzero(b->ptr, b->cap);
    buffer_clear(b);
}

static int resize(struct buffer *b, size_t cap)
{
    char *grown = realloc(b->ptr, cap);
    if (!grown) {
        b->failed = true;
        return PA_ERR_MEMORY;
    }
    b->ptr = grown;
    b->cap = cap;
    return 0;
}

int buffer_reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return PA_ERR_MEMORY;
    if (b->ptr && b->cap - b->len >= more)
        return 0;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap - b->len < more) {
        if (cap > SIZE_MAX / 2) {
            b->failed = true;
            return PA_ERR_MEMORY;
        }
        cap *= 2;
    }
    /* A large first request is taken at its word: records are copied once, into what they need, and wait in
     * it. */
    if (b->len == 0 && more > 256)
        cap = more;
    return resize(b, cap);
}

int buffer_reserve_to(struct buffer *b, size_t cap)
{
    if (b->failed)
        return PA_ERR_MEMORY;
    if (b->ptr && b->cap >= cap)
        return 0;
    return resize(b, cap);
}

void buffer_trim(struct buffer *b)
{
    char *trimmed = b->len > 0 && b->len < b->cap ? realloc(b->ptr, b->len) : NULL;
    if (trimmed) {
        b->ptr = trimmed;
        b->cap = b->len;
    }
}

void buffer_append_int(struct buffer *b, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        buffer_append_char(b, '-');
    buffer_append(b, digits + at, sizeof digits - at);
}

void buffer_appendf(struct buffer *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len >= 0 && buffer_reserve(b, (size_t)len + 1) == 0) {
        vsnprintf(b->ptr + b->len, (size_t)len + 1, format, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

const char *buffer_text(struct buffer *b)
{
    if (buffer_reserve(b, 1) != 0)
        return "";
    b->ptr[b->len] = '\0';
    return b->ptr;
}

struct slice buffer_slice(const struct buffer *b)
{
    return (struct slice){b->ptr ? b->ptr : "", b->len};
}

char *buffer_take(struct buffer *b, size_t *len)
{
    char *bytes = buffer_reserve(b, 1) == 0 ? b->ptr : NULL;
    if (!bytes) {
        buffer_clear(b);
        if (len)
            *len = 0;
        return NULL;
    }
    bytes[b->len] = '\0';
    if (len)
        *len = b->len;
    *b = (struct buffer){0};
    return bytes;
}

void buffer_append_one_line(struct buffer *b, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\n' || c == '\r')
            buffer_append_text(b, c == '\n' ? "\\n" : "\\r");
        else if (c < 0x20 || c == 0x7f)
            buffer_appendf(b, "\\x%02x", c);
        else
            buffer_append_char(b, (char)c);
    }
}

/* JSON strings. An answer may be a million bytes of which each has an escape, so they are written a piece at
 * a time, into room that is asked for once: first how long the piece becomes, then its bytes. */

enum { ESCAPED_PIECE = 4096 };

/** How many bytes an ASCII character takes in a JSON string; 0: it is none. (\b and \f, and DEL, which could
 * stand there as it is, are \uXXXX.) */
static const unsigned char ESCAPED_SIZE[256] = {
    6, 6, 6, 6, 6, 6, 6, 6, 6, 2, 2, 6, 6, 2, 6, 6, /* 00: \t \n \r */
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, /* 10 */
    1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 20: " */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 30 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 40 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1, /* 50: backslash */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 60 */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 6, /* 70: DEL */
};
static const char REPLACEMENT[] = "\xef\xbf\xbd"; /* U+FFFD, for what is not UTF-8 */

/** How long the piece that begins at `at` becomes, and where it ends. */
static size_t escaped_size(struct slice text, size_t at, size_t *end)
{
    size_t size = 0, i = at, most = text.len - at < ESCAPED_PIECE ? text.len : at + ESCAPED_PIECE;
    while (i < most) {
        size_t ascii = ESCAPED_SIZE[(unsigned char)text.ptr[i]];
        size_t sequence = ascii > 0 ? 1 : utf8_sequence(text.ptr + i, text.len - i);
        size += ascii > 0 ? ascii : sequence > 0 ? sequence : sizeof REPLACEMENT - 1;
        i += sequence > 0 ? sequence : 1;
    }
    *end = i;
    return size;
}

static void write_escaped(struct slice text, size_t at, size_t end, char *to)
{
    while (at < end) {
        unsigned char c = (unsigned char)text.ptr[at];
        size_t size = ESCAPED_SIZE[c], taken = 1;
        if (size == 1) {
            *to = (char)c;
        } else if (size == 2) {
            json_escape(c, to);
        } else if (size > 2) {
            json_escape_unit(c, to);
        } else {
            size_t sequence = utf8_sequence(text.ptr + at, text.len - at);
            size = sequence > 0 ? sequence : sizeof REPLACEMENT - 1;
            memcpy(to, sequence > 0 ? text.ptr + at : REPLACEMENT, size);
            taken = sequence > 0 ? sequence : 1;
        }
        to += size;
        at += taken;
    }
}

void buffer_append_json_escaped(struct buffer *b, struct slice text)
{
    for (size_t at = 0, end; at < text.len; at = end) {
        size_t size = escaped_size(text, at, &end);
        if (buffer_reserve(b, size) != 0)
            return;
        if (size == end - at) /* nothing has an escape */
            memcpy(b->ptr + b->len, text.ptr + at, size);
        else
            write_escaped(text, at, end, b->ptr + b->len);
        b->len += size;
    }
}

void buffer_append_json_string(struct buffer *b, struct slice text)
{
    buffer_append_char(b, '"');
    buffer_append_json_escaped(b, text);
    buffer_append_char(b, '"');
}
