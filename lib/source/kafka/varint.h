/* Numbers in the notes of commits: LEB128, at most 63 bits. */
#pragma once
#include "base/buffer.h"

enum { VARINT_MAX = 9 }; /* bytes */

static inline size_t varint_size(int64_t value)
{
    size_t size = 1;
    for (uint64_t rest = (uint64_t)value >> 7; rest; rest >>= 7)
        size++;
    return size;
}

/** Appends `value` (not negative) in `extra` bytes more than it needs: readers take those as well. */
static inline void varint_append_wide(struct buffer *out, int64_t value, size_t extra)
{
    uint64_t rest = (uint64_t)value;
    while (rest >= 0x80) {
        buffer_append_char(out, (char)(0x80 | (rest & 0x7f)));
        rest >>= 7;
    }
    buffer_append_char(out, (char)(extra > 0 ? rest | 0x80 : rest));
    for (size_t i = 1; i <= extra; i++)
        buffer_append_char(out, (char)(i < extra ? 0x80 : 0));
}

static inline void varint_append(struct buffer *out, int64_t value)
{
    varint_append_wide(out, value, 0);
}

/** Reads a varint off the front of `in`; false when it is cut off or over 63 bits. */
static inline bool varint_read(struct slice *in, int64_t *value)
{
    uint64_t result = 0;
    for (unsigned shift = 0; shift < 63 && in->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)*in->ptr;
        in->ptr++;
        in->len--;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (int64_t)result;
            return true;
        }
    }
    return false;
}
