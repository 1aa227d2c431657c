/* See daemon.h. Start, top to bottom; stop, bottom to top:
 *
 *     STARTING ──credentials──▶ RUNNING ──daemon_stop──▶ DRAINING ──idle, or time──▶ CLOSING ──▶ STOPPED
 *         └───────────── refused for good, or daemon_stop ──────────────────────────────┘
 */
#include "daemon.h"
#include "base/version.h"
#include "port/api.h"
#include "source/kafka.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT_DEADLINE_MS = 30000,
    PORT_CONNECT_MS = 10000,
    PORT_CONNECTIONS = 32,
    PORT_RESPONSE_BYTES = 256 * 1024,
    START_BACKOFF_MS = 500,
    START_BACKOFF_CAP_MS = 30000,
    DRAIN_POLL_MS = 10
};

enum daemon_state { STARTING, RUNNING, DRAINING, CLOSING, STOPPED };

struct daemon {
    struct daemon_options options;
    enum daemon_state state;
    struct signer *signer;
    struct http_client *webhooks, *port_http;
    struct port_api *port;
    struct reports *reports;
    struct deliver *deliver;
    struct kafka_source *source;
    uv_timer_t timer; /* start: next try; drain: is it idle? */
    unsigned attempt; /* of fetching credentials at the start */
    bool fetching_credentials;
    int64_t drain_deadline_ms;
    unsigned closing_parts;
    int exit_code;
};

static void close_source(struct daemon *daemon);

/* Stopping */

static void part_closed(void *ctx)
{
    struct daemon *daemon = ctx;
    if (--daemon->closing_parts > 0)
        return;
    daemon->state = STOPPED;
    log_info("stopped", F_INT("exit_code", daemon->exit_code));
    daemon->options.stopped(daemon->options.ctx, daemon->exit_code);
}

static void timer_closed(uv_handle_t *handle)
{
    part_closed(handle->data);
}

/** Everything but the source, which is closed already. */
static void close_parts(struct daemon *daemon)
{
    deliver_free(daemon->deliver);
    reports_free(daemon->reports);
    port_api_free(daemon->port);
    signer_free(daemon->signer);
    daemon->deliver = NULL;
    daemon->reports = NULL;
    daemon->port = NULL;
    daemon->signer = NULL;
    daemon->closing_parts = 1u + (daemon->webhooks != NULL) + (daemon->port_http != NULL);
    if (daemon->webhooks)
        http_client_close(daemon->webhooks, part_closed, daemon);
    if (daemon->port_http)
        http_client_close(daemon->port_http, part_closed, daemon);
    daemon->webhooks = daemon->port_http = NULL;
    uv_close((uv_handle_t *)&daemon->timer, timer_closed);
}

static void source_closed(void *ctx)
{
    struct daemon *daemon = ctx;
    daemon->source = NULL;
    close_parts(daemon);
}

static void close_source(struct daemon *daemon)
{
    daemon->state = CLOSING;
    uv_timer_stop(&daemon->timer);
    if (daemon->source)
        kafka_source_close(daemon->source, source_closed, daemon);
    else
        close_parts(daemon);
}

static void drain_poll(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    bool idle = deliver_idle(daemon->deliver) && reports_logs_pending(daemon->reports) == 0;
    bool late = clock_monotonic_ms(daemon->options.clock) >= daemon->drain_deadline_ms;
    if (!idle && !late)
        return;
    if (!idle) {
        struct deliver_counters counters;
        deliver_counters(daemon->deliver, &counters);
        log_warning("drain time is over: what is left will be delivered again",
                    F_INT("sending", counters.sending), F_INT("reporting", counters.reporting),
                    F_INT("drain_timeout_ms", daemon->options.config->drain_timeout_ms));
    }
    close_source(daemon);
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon->state == STARTING) {
        close_source(daemon);
        return;
    }
    if (daemon->state != RUNNING)
        return;
    daemon->state = DRAINING;
    daemon->drain_deadline_ms =
        clock_monotonic_ms(daemon->options.clock) + daemon->options.config->drain_timeout_ms;
    kafka_source_stop_taking(daemon->source);
    deliver_stop_starting(daemon->deliver);
    uv_timer_start(&daemon->timer, drain_poll, 0, DRAIN_POLL_MS);
}

static void fail(struct daemon *daemon)
{
    daemon->exit_code = 1;
    if (daemon->state == STARTING)
        close_source(daemon);
    else
        daemon_stop(daemon);
}

static void source_fatal(void *ctx, const char *reason)
{
    (void)reason; /* the source has logged it */
    fail(ctx);
}

/* Starting the source */

static void room_again(void *ctx)
{
    struct daemon *daemon = ctx;
    if (daemon->source)
        kafka_source_resume(daemon->source);
}

static void credentials_refused(void *ctx);

static void start_source(struct daemon *daemon, const struct kafka_credentials *credentials)
{
    const struct config *config = daemon->options.config;
    size_t half = (size_t)config->queue_max_bytes / 2; /* the other half is deliver's */
    struct kafka_source_options options = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .sink = deliver_sink(daemon->deliver),
        .bootstrap_servers = credentials ? credentials->brokers : config->bootstrap_servers,
        .security_protocol = config->security_protocol,
        .sasl_mechanism = config->sasl_mechanism,
        .username = credentials ? credentials->username : "",
        .password = {slice_of(credentials ? credentials->password : "")},
        .group_id = config->group_id,
        .assignment_strategy = config->assignment_strategy,
        .auto_offset_reset = config->auto_offset_reset,
        .session_timeout_ms = config->session_timeout_ms,
        .drain_timeout_ms = config->drain_timeout_ms,
        .prefetch_bytes = half,
        .record_max_bytes = (size_t)config->record_max_bytes,
        .runs_topic = config->runs_topic,
        .change_log_topic = config->change_log_topic,
        .credentials_refused = credentials ? credentials_refused : NULL,
        .ctx = daemon,
    };
    struct error err = {0};
    daemon->source = kafka_source_new(&options, &err);
    if (!daemon->source) {
        log_critical("the Kafka consumer cannot start", F_STR("error.message", err.message));
        fail(daemon);
        return;
    }
    kafka_source_on_fatal(daemon->source, source_fatal, daemon);
    daemon->state = RUNNING;
    log_info("consuming", F_STR("messaging.consumer.group.name", config->group_id),
             F_STR("runs_topic", config->runs_topic), F_STR("change_log_topic", config->change_log_topic),
             F_STR("bootstrap_servers", options.bootstrap_servers));
}

/* Credentials from Port */

static void fetch_credentials(struct daemon *daemon);

static void fetch_again(uv_timer_t *timer)
{
    fetch_credentials(timer->data);
}

static void start_later(struct daemon *daemon, const char *reason)
{
    const struct clock *clock = daemon->options.clock;
    int64_t wait_ms = clock_backoff_ms(clock, START_BACKOFF_MS, 2.0, START_BACKOFF_CAP_MS, daemon->attempt++);
    log_warning("Kafka credentials could not be fetched from Port; trying again",
                F_STR("error.message", reason), F_INT("wait_ms", wait_ms));
    uv_timer_start(&daemon->timer, fetch_again, (uint64_t)wait_ms, 0);
}

static void use_credentials(struct daemon *daemon, const struct kafka_credentials *credentials)
{
    if (daemon->state == STARTING) {
        start_source(daemon, credentials);
    } else if (daemon->source) {
        log_info("fresh Kafka credentials fetched from Port", F_NONE);
        kafka_source_set_credentials(daemon->source, credentials->username,
                                     (struct secret){slice_of(credentials->password)});
    }
}

static void credentials_answered(void *ctx, const struct port_result *result)
{
    struct daemon *daemon = ctx;
    daemon->fetching_credentials = false;
    bool starting = daemon->state == STARTING;
    bool denied = result->authentication ||
                  (result->answer == PORT_REFUSED && (result->status == 401 || result->status == 403));
    if (result->answer == PORT_ACCEPTED) {
        struct kafka_credentials credentials = {0};
        struct error err = {0};
        if (kafka_credentials_parse(result->body, &credentials, &err) == 0)
            use_credentials(daemon, &credentials);
        else if (starting)
            start_later(daemon, err.message);
        kafka_credentials_clear(&credentials);
    } else if (starting && denied) {
        log_critical(
            "Port refused our credentials: check PORT_CLIENT_ID, PORT_CLIENT_SECRET and PORT_API_BASE_URL",
            F_INT("http.response.status_code", result->status), F_STR("error.message", result->reason));
        fail(daemon);
    } else if (starting) {
        start_later(daemon, result->reason);
    } else {
        log_warning("fresh Kafka credentials could not be fetched from Port",
                    F_STR("error.message", result->reason));
    }
}

static void fetch_credentials(struct daemon *daemon)
{
    if (daemon->fetching_credentials)
        return;
    daemon->fetching_credentials =
        port_api_call(daemon->port, "GET", "/v1/kafka-credentials", (struct slice){NULL, 0},
                      credentials_answered, daemon) != NULL;
    if (!daemon->fetching_credentials && daemon->state == STARTING)
        start_later(daemon, "out of memory");
}

static void credentials_refused(void *ctx)
{
    struct daemon *daemon = ctx;
    if (daemon->state == RUNNING)
        fetch_credentials(daemon);
}

/* Announcing the streamer */

static void announced(void *ctx, const struct port_result *result)
{
    (void)ctx;
    if (result->answer != PORT_ACCEPTED)
        log_warning("the streamer could not be announced to Port; deliveries are not affected",
                    F_INT("http.response.status_code", result->status),
                    F_STR("error.message", result->reason));
}

static void announce(struct daemon *daemon)
{
    port_api_call(daemon->port, "PATCH", "/v1/organization",
                  SLICE_LITERAL("{\"settings\":{\"portAgentStreamerName\":\"KAFKA\"}}"), announced, daemon);
}

/* Making the parts */

static struct http_client *webhook_client(struct daemon *daemon, const char *user_agent, struct error *err)
{
    const struct config *config = daemon->options.config;
    struct http_client_options options = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .user_agent = user_agent,
        .connect_timeout_ms = config->invoker_timeout_ms,
        .idle_timeout_ms = config->invoker_timeout_ms,
        .total_timeout_ms = config->total_timeout_ms,
        .max_response_bytes = (size_t)config->max_response_bytes,
        .max_connections = (size_t)config->max_in_flight,
        .verify_tls = config->verify_tls,
        .follow_redirects = true,
    };
    return http_client_new(&options, err);
}

static struct http_client *port_client(struct daemon *daemon, const char *user_agent, struct error *err)
{
    struct http_client_options options = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .user_agent = user_agent,
        .connect_timeout_ms = PORT_CONNECT_MS,
        .idle_timeout_ms = PORT_DEADLINE_MS,
        .total_timeout_ms = PORT_DEADLINE_MS,
        .max_response_bytes = PORT_RESPONSE_BYTES,
        .max_connections = PORT_CONNECTIONS,
        .verify_tls = true,
        .follow_redirects = true,
    };
    return http_client_new(&options, err);
}

static int make_port(struct daemon *daemon)
{
    const struct config *config = daemon->options.config;
    struct port_api_options api = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .http = daemon->port_http,
        .base_url = config->api_base_url,
        .client_id = config->client_id,
        .client_secret = config->client_secret.value,
        .max_concurrent = PORT_CONNECTIONS,
    };
    daemon->port = port_api_new(&api);
    struct reports_options reports = {.api = daemon->port,
                                      .loop = daemon->options.loop,
                                      .clock = daemon->options.clock,
                                      .run_logs = config->run_logs};
    daemon->reports = daemon->port ? reports_new(&reports) : NULL;
    return daemon->reports ? 0 : PA_ERR_MEMORY;
}

static int make_deliver(struct daemon *daemon)
{
    const struct config *config = daemon->options.config;
    struct deliver_options options = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .http = daemon->webhooks,
        .reports = daemon->reports,
        .signer = daemon->signer,
        .max_in_flight = (unsigned)config->max_in_flight,
        .max_bytes = (size_t)config->queue_max_bytes / 2,
        .record_max_bytes = (size_t)config->record_max_bytes,
        .detailed_logging = config->detailed_logging,
        .room = room_again,
        .room_ctx = daemon,
        .observe = daemon->options.observe,
        .observe_ctx = daemon->options.ctx,
    };
    daemon->deliver = deliver_new(&options);
    return daemon->deliver ? 0 : PA_ERR_MEMORY;
}

static int make_parts(struct daemon *daemon, struct error *err)
{
    char user_agent[128];
    snprintf(user_agent, sizeof user_agent, "port-agent/%s", agent_version);
    daemon->signer = signer_new(daemon->options.config->client_secret.value);
    if (!daemon->signer)
        return error_set(err, PA_ERR_MEMORY, "no HMAC-SHA-256 from OpenSSL");
    daemon->webhooks = webhook_client(daemon, user_agent, err);
    daemon->port_http = daemon->webhooks ? port_client(daemon, user_agent, err) : NULL;
    if (!daemon->port_http)
        return PA_ERR_IO;
    if (make_port(daemon) != 0 || make_deliver(daemon) != 0)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    return 0;
}

struct daemon *daemon_new(const struct daemon_options *options, struct error *err)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    daemon->options = *options;
    if (make_parts(daemon, err) != 0) {
        deliver_free(daemon->deliver);
        reports_free(daemon->reports);
        port_api_free(daemon->port);
        signer_free(daemon->signer);
        if (daemon->webhooks)
            http_client_close(daemon->webhooks, NULL, NULL);
        if (daemon->port_http)
            http_client_close(daemon->port_http, NULL, NULL);
        free(daemon);
        return NULL;
    }
    uv_timer_init(options->loop, &daemon->timer);
    daemon->timer.data = daemon;
    log_info("starting", F_STR("version", agent_version), F_STR("revision", agent_revision),
             F_STR("port_api", options->config->api_base_url),
             F_INT("max_in_flight", options->config->max_in_flight));
    if (!options->config->verify_tls)
        log_warning("WEBHOOK_VERIFY_SSL is false: certificates of webhook endpoints are not checked", F_NONE);
    announce(daemon);
    if (options->config->local_port)
        start_source(daemon, NULL);
    else
        fetch_credentials(daemon);
    return daemon;
}

void daemon_free(struct daemon *daemon)
{
    free(daemon);
}

void daemon_log_summary(const struct daemon *daemon)
{
    if (daemon->deliver)
        deliver_log_summary(daemon->deliver);
}

void daemon_counters(const struct daemon *daemon, struct deliver_counters *out)
{
    *out = (struct deliver_counters){0};
    if (daemon->deliver)
        deliver_counters(daemon->deliver, out);
}

uint64_t daemon_assigned(const struct daemon *daemon)
{
    struct kafka_source_counters counters = {0};
    if (daemon->source)
        kafka_source_counters(daemon->source, &counters);
    return counters.assigned;
}
