/* See kafka_login.h. */
#include "kafka_login.h"
#include "http/authorities.h"
#include "http/url.h"
#include "kafka/access.h"
#include "observe/conditions.h"
#include "port_client.h"
#include <string.h>

enum { PORT_WAIT_MS = 20000, PORT_SILENCE_MS = 10000 };

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

/* With a loop of its own */

/** 0, or an error with the cause in err. */
static int fetch_credentials(const struct config *config, const struct authorities *authorities,
                             struct kafka_credentials *out, struct error *err)
{
    if (!*config->client_id || !config->client_secret.value.ptr)
        return error_set(
            err, PA_ERR_INVALID,
            "PORT_CLIENT_ID and PORT_CLIENT_SECRET: are not set; Kafka's credentials come from Port");
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct conditions *conditions = conditions_new(clock_system());
    struct port_client port;
    const struct port_client_options options = {.loop = &loop,
                                                .clock = clock_system(),
                                                .conditions = conditions,
                                                .config = config,
                                                .authorities = authorities,
                                                .idle_timeout_ms = PORT_SILENCE_MS,
                                                .total_timeout_ms = PORT_WAIT_MS};
    int failed = port_client_open(&port, &options, err);
    if (!failed) {
        struct error why = {0};
        struct buffer url = {0};
        failed = kafka_login(port.api, &loop, PORT_WAIT_MS, out, &why);
        url_append_shown(&url, slice_of(config->api_base_url));
        if (failed)
            error_set(err, PA_ERR_UNAVAILABLE, "Kafka credentials could not be fetched from %s: %s",
                      buffer_text(&url), why.message);
        buffer_clear(&url);
        port_client_close(&port, NULL, NULL);
    }
    conditions_free(conditions);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    return failed;
}

int kafka_reach(const struct config *config, const struct authorities *authorities,
                struct kafka_credentials *credentials, struct kafka_connection *out, struct error *err)
{
    *credentials = (struct kafka_credentials){0};
    *out = (struct kafka_connection){.bootstrap_servers = config->bootstrap_servers,
                                     .security_protocol = config->security_protocol,
                                     .sasl_mechanism = config->sasl_mechanism,
                                     .ca_bundle = authorities_bundle(authorities),
                                     .client_certificate = config->kafka_certificate.path};
    int failed = config->local_port ? 0 : fetch_credentials(config, authorities, credentials, err);
    if (!config->local_port) {
        out->bootstrap_servers = credentials->brokers;
        out->username = credentials->username;
        out->password = credentials->password;
    }
    return failed;
}
