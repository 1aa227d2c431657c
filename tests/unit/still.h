/* A clock that goes when a test says so, and the timer of a loop that nobody waits for: libuv's clock stands
 * still too. */
#pragma once
#include "base/clock.h"
#include "frozen_loop.h"
#include <stdint.h>
#include <uv.h>

static int64_t now_ms;
/** What is drawn, whoever asks. */
static double drawn;

static inline int64_t still_now(void *ctx)
{
    (void)ctx;
    return now_ms;
}

static inline double still_random(void *ctx)
{
    (void)ctx;
    return drawn;
}

static const struct clock test_clock = {
    .monotonic_ms = still_now, .wall_ms = still_now, .random = still_random};

/** At the beginning of a test. */
static inline void still_begin(double random)
{
    now_ms = 1000000;
    drawn = random;
}

static inline void still_find_timer(uv_handle_t *handle, void *found)
{
    if (handle->type == UV_TIMER && (!*(uv_timer_t **)found || uv_is_active(handle)))
        *(uv_timer_t **)found = (uv_timer_t *)handle;
}

/** The one that runs on the loop; if none does, any; NULL: there is none. */
static inline uv_timer_t *still_timer(uv_loop_t *on)
{
    uv_timer_t *found = NULL;
    uv_walk(on, still_find_timer, &found);
    return found;
}

/** It is due now. */
static inline void still_fire(uv_loop_t *on, uv_timer_t *timer)
{
    uv_timer_start(timer, timer->timer_cb, 0, uv_timer_get_repeat(timer));
    uv_run(on, UV_RUN_NOWAIT);
}
