/* See cut.h. */
#include "base/cut.h"

struct slice slice_cut(struct slice *rest, char separator)
{
    const char *end = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
    struct slice part = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    if (rest->len > 0)
        rest->ptr += part.len + (end != NULL);
    rest->len -= part.len + (end != NULL);
    return part;
}
