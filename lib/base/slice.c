/* Borrowed bytes. */
#include "base/slice.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

bool slice_is_null(struct slice s)
{
    return s.ptr == NULL;
}

bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_equal_text(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

bool slice_equal_ignore_case(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_equal_text_ignore_case(struct slice a, const char *text)
{
    return slice_equal_ignore_case(a, slice_of(text));
}

bool slice_starts_with(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && (len == 0 || memcmp(s.ptr, prefix, len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(*s.ptr)) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

static int32_t digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int32_t slice_hexadecimal(struct slice s, size_t count)
{
    int32_t value = 0;
    if (s.len < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int32_t digit = digit_value(s.ptr[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

char *slice_to_text(struct slice s)
{
    char *text = malloc(s.len + 1);
    if (!text)
        return NULL;
    if (s.len > 0)
        memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    return text;
}

uint64_t slice_hash(struct slice s)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a offset basis and prime, 64 bits */
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    return hash;
}
