/* See kafka_login.h. */
#include "kafka_login.h"
#include "kafka/access.h"
#include <string.h>

struct login {
    uv_timer_t deadline;
    struct kafka_credentials *credentials;
    bool patient, over, closed;
    int failed;
    struct error *err;
};

/** A turn of the loop that goes on after this would wait for connections that are merely kept alive. */
static void login_ends(struct login *login)
{
    login->over = true;
    uv_stop(login->deadline.loop);
}

static void login_fetched(void *ctx, const struct kafka_credentials *credentials)
{
    struct login *login = ctx;
    struct kafka_credentials *out = login->credentials;
    *out = (struct kafka_credentials){.brokers = strdup(credentials->brokers),
                                      .username = strdup(credentials->username),
                                      .password = strdup(credentials->password)};
    bool copied = out->brokers && out->username && out->password;
    login->failed = copied ? 0 : error_set(login->err, PA_ERR_MEMORY, "out of memory");
    if (!copied)
        kafka_credentials_clear(out);
    login_ends(login);
}

static void login_failed(void *ctx, const struct kafka_access_failure *failure)
{
    struct login *login = ctx;
    login->failed = error_set(login->err, PA_ERR_UNAVAILABLE, "%s", failure->reason);
    if (failure->denied || !login->patient)
        login_ends(login);
}

static void login_late(uv_timer_t *deadline)
{
    login_ends(deadline->data);
}

static void login_closed(void *ctx)
{
    ((struct login *)ctx)->closed = true;
}

int kafka_login(struct port_api *port, uv_loop_t *loop, int64_t wait_ms, struct kafka_credentials *out,
                struct error *err)
{
    struct login login = {.credentials = out, .patient = wait_ms > 0, .err = err};
    const struct kafka_access_options options = {.port = port,
                                                 .loop = loop,
                                                 .clock = clock_system(),
                                                 .fetched = login_fetched,
                                                 .failed = login_failed,
                                                 .ctx = &login};
    struct kafka_access *access = kafka_access_new(&options);
    *out = (struct kafka_credentials){0};
    if (!access)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    login.failed = error_set(err, PA_ERR_UNAVAILABLE, "no answer");
    uv_timer_init(loop, &login.deadline);
    login.deadline.data = &login;
    if (login.patient)
        uv_timer_start(&login.deadline, login_late, (uint64_t)wait_ms, 0);
    kafka_access_start(access);
    while (!login.over)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&login.deadline, NULL);
    kafka_access_close(access, login_closed, &login);
    while (!login.closed)
        uv_run(loop, UV_RUN_NOWAIT);
    return login.failed;
}
