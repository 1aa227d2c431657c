/* See lag.h. */
#include "lag.h"
#include <stdlib.h>

enum { LAG_INTERVAL_MS = 2000 };

struct loop_lag {
    uv_timer_t timer;
    /** Monotonic; when the timer should fire. */
    int64_t due_ms;
    struct histogram histogram;
};

static int64_t monotonic_ms(void)
{
    return (int64_t)(uv_hrtime() / 1000000);
}

static void ask_again(struct loop_lag *lag);

static void came_back(uv_timer_t *timer)
{
    struct loop_lag *lag = timer->data;
    histogram_add(&lag->histogram, monotonic_ms() - lag->due_ms);
    ask_again(lag);
}

static void ask_again(struct loop_lag *lag)
{
    lag->due_ms = monotonic_ms() + LAG_INTERVAL_MS;
    uv_update_time(lag->timer.loop);
    uv_timer_start(&lag->timer, came_back, LAG_INTERVAL_MS, 0);
}

struct loop_lag *loop_lag_new(uv_loop_t *loop)
{
    struct loop_lag *lag = calloc(1, sizeof *lag);
    if (!lag)
        return NULL;
    uv_timer_init(loop, &lag->timer);
    lag->timer.data = lag;
    uv_unref((uv_handle_t *)&lag->timer);
    ask_again(lag);
    return lag;
}

static void lag_free(uv_handle_t *handle)
{
    free(handle->data);
}

void loop_lag_close(struct loop_lag *lag)
{
    if (lag)
        uv_close((uv_handle_t *)&lag->timer, lag_free);
}

const struct histogram *loop_lag_histogram(const struct loop_lag *lag)
{
    return lag ? &lag->histogram : NULL;
}
