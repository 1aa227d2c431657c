/* See signal_watch.h. */
#include "signal_watch.h"
#include "base/signals.h"
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static bool has_terminal(void)
{
    int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/** A terminal that goes away sends SIGHUP more than once, and a service manager SIGHUP beside SIGTERM: it
 * asks for a stop and never insists. */
static void caught(uv_signal_t *handle, int number)
{
    struct signal_watch *watch = handle->data;
    if (number == SIGUSR1) {
        watch->summary(watch->ctx);
        return;
    }
    if (number == SIGHUP && watch->reload && (!watch->on_terminal || has_terminal())) {
        if (!watch->stopping)
            watch->reload(watch->ctx);
        return;
    }
    bool insists = number != SIGHUP, first = !watch->stopping, again = insists && watch->insisted;
    watch->stopping = true;
    watch->insisted |= insists;
    if (first || again)
        watch->stop(watch->ctx, number, again);
}

static void watch_one(struct signal_watch *watch, uv_loop_t *loop, int number)
{
    uv_signal_t *handle = &watch->handles[watch->count++];
    uv_signal_init(loop, handle);
    handle->data = watch;
    uv_signal_start(handle, caught, number);
    uv_unref((uv_handle_t *)handle);
}

void signal_watch_start(struct signal_watch *watch, uv_loop_t *loop)
{
    size_t count;
    const int *stops = signals_that_stop(&count);
    watch->on_terminal = has_terminal();
    for (size_t i = 0; i < count; i++)
        if (stops[i] != SIGHUP || !signals_is_ignored(SIGHUP))
            watch_one(watch, loop, stops[i]);
    if (watch->summary)
        watch_one(watch, loop, SIGUSR1);
    signals_release();
}

void signal_watch_close(struct signal_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++)
        uv_close((uv_handle_t *)&watch->handles[i], NULL);
    watch->count = 0;
}
