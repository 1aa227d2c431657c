/* What one turn of the loop may work on, in bytes: what is beyond goes to the thread pool. This file knows no
 * delivery. */
#pragma once
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

/** All zero at first. */
struct turn_bytes {
    size_t bytes;
    /** The turn that they belong to, by the loop's own clock (uv_now). */
    uint64_t turn_ms;
};

/** May `bytes` more be worked on in the present turn, where `most` may be in all? They count from then on. */
PA_MUST_USE bool turn_bytes_fit(struct turn_bytes *worked, const uv_loop_t *loop, size_t bytes, size_t most);
