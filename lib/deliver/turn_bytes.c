/* See turn_bytes.h. */
#include "deliver/turn_bytes.h"

bool turn_bytes_fit(struct turn_bytes *worked, const uv_loop_t *loop, size_t bytes, size_t most)
{
    uint64_t turn_ms = uv_now(loop);
    if (turn_ms != worked->turn_ms)
        worked->bytes = 0;
    worked->turn_ms = turn_ms;
    if (worked->bytes + bytes > most)
        return false;
    worked->bytes += bytes;
    return true;
}
