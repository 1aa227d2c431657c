/* See access.h. */
#include "kafka/access.h"
#include <stdlib.h>

enum { FIRST_BACKOFF_MS = 500, MAX_BACKOFF_MS = 30000 };

struct kafka_access {
    struct kafka_access_options options;
    struct port_call *call;
    /** Until the next try. */
    uv_timer_t timer;
    unsigned attempt;
    bool was_there;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void fetch_again(uv_timer_t *timer)
{
    kafka_access_refresh(timer->data);
}

static void not_fetched(struct kafka_access *access, bool denied, int status, const char *reason)
{
    const struct kafka_access_options *options = &access->options;
    struct kafka_access_failure failure = {denied, status, reason, -1};
    if (!access->was_there) {
        failure.wait_ms =
            clock_backoff_ms(options->clock, FIRST_BACKOFF_MS, 2.0, MAX_BACKOFF_MS, access->attempt++);
        uv_timer_start(&access->timer, fetch_again, (uint64_t)failure.wait_ms, 0);
    }
    options->failed(options->ctx, &failure);
}

/** From the loop, never from inside the call that asked. */
static void no_memory(uv_timer_t *timer)
{
    struct kafka_access *access = timer->data;
    if (!access->call)
        not_fetched(access, false, 0, "out of memory");
}

static void answered(void *ctx, const struct port_result *result)
{
    struct kafka_access *access = ctx;
    struct kafka_credentials credentials = {0};
    struct error err = {0};
    access->call = NULL;
    if (result->answer != PORT_ACCEPTED) {
        bool denied = result->authentication ||
                      (result->answer == PORT_REFUSED && (result->status == 401 || result->status == 403));
        not_fetched(access, denied, result->status, result->reason);
    } else if (kafka_credentials_parse(result->body, &credentials, &err) != 0) {
        not_fetched(access, false, result->status, err.message);
    } else {
        access->was_there = true;
        uv_timer_stop(&access->timer);
        access->options.fetched(access->options.ctx, &credentials);
    }
    kafka_credentials_clear(&credentials);
}

void kafka_access_refresh(struct kafka_access *access)
{
    if (access->call)
        return;
    access->call = port_api_call(access->options.port, "GET", KAFKA_ACCESS_PATH, (struct slice){NULL, 0},
                                 answered, access);
    if (!access->call)
        uv_timer_start(&access->timer, no_memory, 0, 0);
}

void kafka_access_start(struct kafka_access *access)
{
    access->was_there = false;
    access->attempt = 0;
    kafka_access_refresh(access);
}

void kafka_access_stop(struct kafka_access *access)
{
    uv_timer_stop(&access->timer);
    if (access->call)
        port_call_cancel(access->call);
    access->call = NULL;
}

struct kafka_access *kafka_access_new(const struct kafka_access_options *options)
{
    struct kafka_access *access = calloc(1, sizeof *access);
    if (!access)
        return NULL;
    access->options = *options;
    uv_timer_init(options->loop, &access->timer);
    access->timer.data = access;
    return access;
}

static void access_timer_closed(uv_handle_t *handle)
{
    struct kafka_access *access = handle->data;
    void (*closed)(void *) = access->closed;
    void *ctx = access->closed_ctx;
    free(access);
    if (closed)
        closed(ctx);
}

void kafka_access_close(struct kafka_access *access, void (*closed)(void *ctx), void *ctx)
{
    kafka_access_stop(access);
    access->closed = closed;
    access->closed_ctx = ctx;
    uv_close((uv_handle_t *)&access->timer, access_timer_closed);
}
