/* Borrowed bytes, and UTF-8 in them. */
#include "base/slice.h"
#include <stdlib.h>
#include <strings.h>

bool slice_equal_ignore_case(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || strncasecmp(a.ptr, b.ptr, a.len) == 0);
}

bool slice_starts_with(struct slice s, const char *prefix)
{
    size_t len = strlen(prefix);
    return s.len >= len && (len == 0 || memcmp(s.ptr, prefix, len) == 0);
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && char_is_blank(*s.ptr)) {
        s.ptr++;
        s.len--;
    }
    while (s.len > 0 && char_is_blank(s.ptr[s.len - 1]))
        s.len--;
    return s;
}

/** The length of the white space character at the beginning of `s`; 0: there is none. */
static size_t space_at(struct slice s)
{
    static const char *const long_ones[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80",
                                            "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
                                            "\xe2\x81\x9f", "\xe3\x80\x80"}; /* U+0085, 00A0, 1680, 2028,
                                                                                2029, 202F, 205F, 3000 */
    unsigned char first = s.len > 0 ? (unsigned char)*s.ptr : 0;
    if ((first >= '\t' && first <= '\r') || (first >= 0x1c && first <= ' '))
        return 1;
    if (s.len >= 3 && memcmp(s.ptr, "\xe2\x80", 2) == 0 && (unsigned char)s.ptr[2] >= 0x80 &&
        (unsigned char)s.ptr[2] <= 0x8a) /* U+2000 to 200A */
        return 3;
    for (size_t i = 0; i < sizeof long_ones / sizeof *long_ones; i++)
        if (slice_starts_with(s, long_ones[i]))
            return strlen(long_ones[i]);
    return 0;
}

struct slice slice_strip(struct slice s)
{
    size_t len;
    while ((len = space_at(s)) > 0) {
        s.ptr += len;
        s.len -= len;
    }
    for (bool more = true; more;) {
        more = false;
        for (len = 1; len <= 3 && len <= s.len && !more; len++) {
            more = space_at((struct slice){s.ptr + s.len - len, len}) == len;
            s.len -= more ? len : 0;
        }
    }
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

void slice_copy_cut(struct slice s, char *out, size_t size)
{
    size_t len = s.len < size - 1 ? s.len : size - 1;
    if (len > 0)
        memcpy(out, s.ptr, len);
    out[len] = '\0';
}

uint64_t slice_hash(struct slice s)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a offset basis and prime, 64 bits */
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 1099511628211u;
    return hash;
}

size_t utf8_sequence(const char *p, size_t n)
{
    const unsigned char *u = (const unsigned char *)p;
    unsigned char first = u[0], low = 0x80, high = 0xbf;
    size_t len;
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        len = 2;
    else if (first >= 0xe0 && first <= 0xef)
        len = 3;
    else if (first >= 0xf0 && first <= 0xf4)
        len = 4;
    else
        return 0;
    if (n < len)
        return 0;
    /* The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF (RFC 3629,
     * section 4). */
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (u[1] < low || u[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

size_t utf8_encode(uint32_t code, char out[4])
{
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(leads[len] | code);
    return len;
}
