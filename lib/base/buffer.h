/* Bytes that grow, and are owned: what is written piece by piece. */
#pragma once
#include "base/slice.h"

/** Growable bytes. Zero-initialise ({0}); release with buffer_clear. After a failed growth
 * `failed` is set and every later append does nothing, so callers may check once, at the end. */
struct buffer {
    char *ptr;
    size_t len;
    size_t cap;
    bool failed;
};

/** Frees the bytes and leaves an empty, usable buffer. */
void buffer_clear(struct buffer *b);
/** The same for a secret: its bytes are overwritten first. */
void buffer_wipe(struct buffer *b);
/** Makes space for `more` bytes beyond len; 0, or PA_ERR_MEMORY (and `failed` is set). */
PA_MUST_USE int buffer_reserve(struct buffer *b, size_t more);
/** Makes space for `cap` bytes in all and not one more, where buffer_reserve doubles; results as there. */
PA_MUST_USE int buffer_reserve_to(struct buffer *b, size_t cap);
/** Gives back what its bytes do not need of its memory; an empty one keeps all. */
void buffer_trim(struct buffer *b);
/* Here, so that what is appended is copied without a call where its length is known: most of it is texts of
 * ours, of a few bytes. */
static inline void buffer_append(struct buffer *b, const void *bytes, size_t len)
{
    bool fits = b->ptr && !b->failed && b->cap - b->len >= len;
    if (len == 0 || (!fits && buffer_reserve(b, len) != 0))
        return;
    /* Whoever has a length has bytes. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
    memcpy(b->ptr + b->len, bytes, len);
    b->len += len;
}
static inline void buffer_append_slice(struct buffer *b, struct slice s)
{
    buffer_append(b, s.ptr, s.len);
}
static inline void buffer_append_text(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}
static inline void buffer_append_char(struct buffer *b, char c)
{
    buffer_append(b, &c, 1);
}
void buffer_append_int(struct buffer *b, int64_t value);
/** printf into the buffer: for our own formats, never with a format from outside. */
void buffer_appendf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** Appends a NUL without counting it in len, and returns ptr ("" when out of memory). */
const char *buffer_text(struct buffer *b);
struct slice buffer_slice(const struct buffer *b);
/** Hands the bytes to the caller (who frees them), NUL-terminated; the buffer is empty afterwards. */
PA_MUST_USE char *buffer_take(struct buffer *b, size_t *len);
/** Appends `text` so that it stays within its line: control characters become \n, \r, \x1b and the like. */
void buffer_append_one_line(struct buffer *b, struct slice text);
/** Appends `text` as the inside of a JSON string (no quotes): escapes ", \ and controls; bytes that are not
 * valid UTF-8 become U+FFFD. */
void buffer_append_json_escaped(struct buffer *b, struct slice text);
/** The same with quotes around it. */
void buffer_append_json_string(struct buffer *b, struct slice text);
