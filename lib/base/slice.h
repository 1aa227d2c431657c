/* Byte strings, borrowed: a pointer and a length.
 * Nothing from outside is assumed to end in NUL; sizes are size_t. What is asked with literals, dozens of
 * times an event, stands here whole, so that their lengths are known when it is compiled. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Borrowed bytes. `ptr` may be NULL when `len` is 0 (an absent value; see slice_is_null). */
struct slice {
    const char *ptr;
    size_t len;
};

#define SLICE_LITERAL(text) ((struct slice){(text), sizeof(text) - 1})

/** ASCII, whatever the locale. */
static inline bool char_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool char_is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
/** Space, tab, CR, LF. */
static inline bool char_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/** Wraps a NUL-terminated string (NULL gives the null slice). The string must outlive the slice. */
static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}
PA_MUST_USE static inline bool slice_is_null(struct slice s)
{
    return s.ptr == NULL;
}
PA_MUST_USE static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
PA_MUST_USE static inline bool slice_equal_text(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}
/** Case-insensitive in ASCII only, as header names and boolean settings are compared. */
PA_MUST_USE bool slice_equal_ignore_case(struct slice a, struct slice b);
PA_MUST_USE static inline bool slice_equal_text_ignore_case(struct slice a, const char *text)
{
    return slice_equal_ignore_case(a, slice_of(text));
}
PA_MUST_USE bool slice_starts_with(struct slice s, const char *prefix);
/** Without ASCII blanks (space, tab, CR, LF) on both sides. */
struct slice slice_trim(struct slice s);
/** Without white space on both sides, in UTF-8 and of every script: what Unicode calls so (a no-break space
 * too) and the separators U+001C to U+001F, which is what Python's str.strip cuts off. */
struct slice slice_strip(struct slice s);
/** The value of the first `count` bytes (at most 7) as hexadecimal digits, in either case; -1: there are
 * fewer bytes, or not all of them are digits. */
int32_t slice_hexadecimal(struct slice s, size_t count);
/** A malloc'ed NUL-terminated copy (the null slice gives ""); the caller frees. NULL: out of memory. */
PA_MUST_USE char *slice_to_text(struct slice s);
/** Writes it NUL-terminated, cut to fit `size` (above 0). */
void slice_copy_cut(struct slice s, char *out, size_t size);
/** FNV-1a over the bytes: for in-process hash tables only. */
uint64_t slice_hash(struct slice s);

/** Length of the valid UTF-8 sequence at p (1 to 4), or 0 when it is not valid UTF-8 (RFC 3629: no overlong
 * forms, no surrogates, nothing above U+10FFFF). `n` is how many bytes may be read, at least 1. */
size_t utf8_sequence(const char *p, size_t n);
/** Writes the character in UTF-8 and returns its length (1 to 4). `code` is at most U+10FFFF; a surrogate,
 * which is no character, gives three bytes that utf8_sequence does not take. */
size_t utf8_encode(uint32_t code, char out[4]);
