/* See daemon.h. Start, top to bottom; stop, bottom to top:
 *
 *     RUNNING ──daemon_stop, or the source cannot go on──▶ DRAINING ──idle, or time──▶ CLOSING ──▶ STOPPED
 */
#include "agent/streamers.h"
#include "base/version.h"
#include "config/effective.h"
#include "daemon_internal.h"
#include "deadletter/dead_letter.h"
#include "http/authorities.h"
#include "http/url.h"
#include "observe/conditions.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    TRIMS = 24,
    PORT_CONNECTIONS = 32,
    DRAIN_POLL_MS = 10,
    /** To report what is given up: with the default drain time still within docker stop's 10 s. */
    GIVE_UP_MS = 1500,
    /** A source that takes longer has no broker that answers, or a thread that hangs. */
    CLOSING_LATE_MS = 2500
};

/* Stopping */

static void daemon_part_closed(void *ctx)
{
    struct daemon *daemon = ctx;
    if (--daemon->closing_parts > 0)
        return;
    daemon->state = STOPPED;
    log_info("stopped", F_INT("exit_code", daemon->exit_code));
    daemon->options.stopped(daemon->options.ctx, daemon->exit_code);
}

static void daemon_timer_closed(uv_handle_t *handle)
{
    daemon_part_closed(handle->data);
}

/** Everything but the source, which is closed already, or was never opened. `closed` runs for each part that
 * needs the loop to close, and is counted in closing_parts; NULL: nobody waits for them. */
static void close_parts(struct daemon *daemon, void (*closed)(void *ctx))
{
    daemon->closing_parts = 1u + (daemon->webhooks != NULL) + (daemon->port.http != NULL) +
                            (daemon->former != NULL) + (daemon->mapper != NULL) +
                            (daemon->dead_letters != NULL) + (daemon->traces.otlp != NULL);
    deliver_free(daemon->deliver);
    if (daemon->dead_letters)
        dead_letters_close(daemon->dead_letters, closed, daemon);
    reports_free(daemon->reports);
    signer_free(daemon->signer);
    traces_close(&daemon->traces, closed, daemon);
    observer_free(daemon->observer);
    map_process_end(&daemon->options.map_process); /* if the mapper never came to it */
    if (daemon->mapper)
        mapper_close(daemon->mapper, closed, daemon);
    if (daemon->webhooks)
        http_client_close(daemon->webhooks, closed, daemon);
    port_client_close(&daemon->port, closed, daemon);
    if (daemon->former)
        former_clients_close(daemon->former, closed, daemon);
    conditions_free(daemon->conditions);
    daemon->deliver = NULL;
    daemon->dead_letters = NULL;
    daemon->reports = NULL;
    daemon->signer = NULL;
    daemon->observer = NULL;
    daemon->mapper = NULL;
    daemon->webhooks = NULL;
    daemon->former = NULL;
    daemon->conditions = NULL;
}

static void source_closed(void *ctx)
{
    struct daemon *daemon = ctx;
    daemon->source = NULL;
    close_parts(daemon, daemon_part_closed);
    uv_close((uv_handle_t *)&daemon->timer, daemon_timer_closed);
}

static void closing_late(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    if (!daemon->options.stuck)
        return;
    log_warning("the source does not close: leaving it behind; what is done is committed",
                F_SECONDS("closing_for", CLOSING_LATE_MS));
    daemon->options.stuck(daemon->options.ctx, daemon->exit_code);
}

static void daemon_close_source(struct daemon *daemon)
{
    daemon->state = CLOSING;
    uv_timer_start(&daemon->timer, closing_late, CLOSING_LATE_MS, 0);
    source_close(daemon->source, source_closed, daemon);
}

/** Nobody else delivers what is unrepeatable: its runs are reported failed rather than left in progress for
 * ever. True while that takes time. */
static bool daemon_give_up(struct daemon *daemon, int64_t now_ms)
{
    size_t given_up = source_give_up(daemon->source) + deliver_give_up(daemon->deliver);
    if (given_up > 0)
        log_warning("drain time is over: runs that nobody else can deliver are reported failed",
                    F_INT("count", given_up),
                    F_SECONDS("drain_timeout", daemon->options.config->drain_timeout_ms));
    if (given_up > 0 && daemon->give_up_deadline_ms == 0)
        daemon->give_up_deadline_ms = now_ms + GIVE_UP_MS;
    return now_ms < daemon->give_up_deadline_ms;
}

static void drain_poll(uv_timer_t *timer)
{
    struct daemon *daemon = timer->data;
    int64_t now_ms = clock_monotonic_ms(daemon->options.clock);
    size_t logs = reports_logs_pending(daemon->reports);
    bool done = source_idle(daemon->source) && deliver_idle(daemon->deliver);
    bool idle = done && logs == 0;
    bool late = now_ms >= daemon->drain_deadline_ms;
    if (!idle && (!late || daemon_give_up(daemon, now_ms)))
        return;
    if (done && !idle)
        log_warning("drain time is over: the last progress logs did not reach Port", F_INT("count", logs));
    if (!done) {
        struct counters counters;
        deliver_counters(daemon->deliver, &counters);
        log_warning(source_comes_again(daemon->source)
                        ? "drain time is over: what is left will be delivered again"
                        : "drain time is over: what is left is given up",
                    F_INT("sending", counters.in_flight), F_INT("reporting", counters.waiting_for_port),
                    F_SECONDS("drain_timeout", daemon->options.config->drain_timeout_ms));
    }
    daemon_close_source(daemon);
}

void daemon_stop(struct daemon *daemon)
{
    if (daemon->state != RUNNING)
        return;
    daemon->state = DRAINING;
    daemon->drain_deadline_ms =
        clock_monotonic_ms(daemon->options.clock) + daemon->options.config->drain_timeout_ms;
    source_stop_taking(daemon->source);
    deliver_stop_starting(daemon->deliver);
    uv_timer_start(&daemon->timer, drain_poll, 0, DRAIN_POLL_MS);
}

bool daemon_abandon(const struct daemon *daemon, size_t *given_up)
{
    bool comes_again = !daemon->source || source_comes_again(daemon->source);
    *given_up = daemon->source ? source_abandon(daemon->source) : 0;
    return comes_again;
}

/* Where events come from */

static void source_fatal(void *ctx)
{
    struct daemon *daemon = ctx;
    daemon->exit_code = 1;
    daemon_stop(daemon);
}

static void room_again(void *ctx)
{
    struct daemon *daemon = ctx;
    if (daemon->source)
        source_resume(daemon->source);
}

static int make_source(struct daemon *daemon, struct error *err)
{
    struct source_options options = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .conditions = daemon->conditions,
        .config = daemon->options.config,
        .port = daemon->port.api,
        .sink = deliver_sink(daemon->deliver),
        .ca_bundle = authorities_bundle(daemon->options.authorities),
        .fatal = source_fatal,
        .ctx = daemon,
    };
    if (daemon->options.open_source) {
        daemon->source = daemon->options.open_source(daemon->options.ctx, &options, err);
        return daemon->source ? 0 : err->kind;
    }
    daemon->source = streamer_of(daemon->options.config)->open(&options, err);
    return daemon->source ? 0 : err->kind;
}

/* Announcing the streamer */

static void announced(void *ctx, const struct port_result *result)
{
    const struct daemon *daemon = ctx;
    const struct config *config = daemon->options.config;
    const char *consequence = streamer_of(config)->without_port(config);
    bool refused = result->authentication || result->status == 401;
    if (refused)
        log_warning(
            "Port refuses the credentials: check PORT_CLIENT_ID, PORT_CLIENT_SECRET and PORT_API_BASE_URL",
            F_STR("consequence", consequence), F_STATUS(result->status),
            F_STR("error.message", result->reason));
    else if (result->answer ==
             PORT_UNAVAILABLE) /* no token, or no answer: the other calls have none either */
        log_warning("the streamer could not be announced to Port, which cannot be asked for anything now",
                    F_STR("consequence", consequence), F_STATUS(result->status),
                    F_STR("error.message", result->reason));
    else if (result->answer != PORT_ACCEPTED)
        log_warning("the streamer could not be announced to Port; deliveries are not affected",
                    F_STATUS(result->status), F_STR("error.message", result->reason));
}

static void announce(struct daemon *daemon)
{
    char body[96];
    int len = snprintf(body, sizeof body, "{\"settings\":{\"portAgentStreamerName\":\"%s\"}}",
                       streamer_of(daemon->options.config)->name);
    /* Out of memory: Port goes on showing the streamer of the last announcement; nothing rests on it. */
    PA_IGNORE(port_api_call(daemon->port.api, "PATCH", "/v1/organization", (struct slice){body, (size_t)len},
                            announced, daemon));
}

/* Making the parts */

struct traces_options daemon_traces_options(const struct daemon *daemon,
                                            const struct authorities *authorities)
{
    return (struct traces_options){.loop = daemon->options.loop,
                                   .clock = daemon->options.clock,
                                   .conditions = daemon->conditions,
                                   .config = daemon->options.config,
                                   .authorities = authorities};
}

static int make_observers(struct daemon *daemon, struct error *err)
{
    const struct observer_options options = {
        .clock = daemon->options.clock,
        .tell_run = daemon->options.config->run_logs ? run_report_log : NULL,
        .successes_unlisted = !daemon->options.config->log_successes,
        .told = daemon->options.told,
        .ctx = daemon->options.ctx,
    };
    daemon->observer = observer_new(&options);
    daemon->conditions = conditions_new(daemon->options.clock);
    if (!daemon->observer || !daemon->conditions)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    const struct traces_options traces = daemon_traces_options(daemon, daemon->options.authorities);
    int failed = traces_open(&daemon->traces, &traces, err);
    if (!failed)
        traces_listen(&daemon->traces, daemon->observer);
    return failed;
}

struct port_client_options daemon_port_options(const struct daemon *daemon,
                                               const struct authorities *authorities)
{
    return (struct port_client_options){.loop = daemon->options.loop,
                                        .clock = daemon->options.clock,
                                        .conditions = daemon->conditions,
                                        .config = daemon->options.config,
                                        .authorities = authorities,
                                        .connections = daemon->descriptors.port};
}

static int make_port(struct daemon *daemon, struct error *err)
{
    const struct port_client_options client = daemon_port_options(daemon, daemon->options.authorities);
    int failed = port_client_open(&daemon->port, &client, err);
    if (failed)
        return failed;
    const struct reports_options reports = {.api = daemon->port.api,
                                            .loop = daemon->options.loop,
                                            .clock = daemon->options.clock,
                                            .conditions = daemon->conditions,
                                            .run_logs = daemon->options.config->run_logs};
    daemon->reports = reports_new(&reports);
    return daemon->reports ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

static void mapper_lost(void *ctx)
{
    ((struct daemon *)ctx)->mapper_lost = true;
    log_critical("the process that evaluates mappings died: nothing can be delivered any more", F_NONE);
    source_fatal(ctx);
}

static void mapper_barren(void *ctx, const char *reason)
{
    struct daemon *daemon = ctx;
    if (reason)
        condition_met(daemon->conditions, CONDITION_NO_EVALUATOR, NULL, 0, reason);
    else
        condition_ended(daemon->conditions, CONDITION_NO_EVALUATOR, NULL, 0);
    if (reason && daemon->options.unmappable)
        daemon->options.unmappable(daemon->options.ctx, reason);
}

static int make_mapper(struct daemon *daemon)
{
    struct mapper_options options = {.loop = daemon->options.loop,
                                     .process = daemon->options.map_process,
                                     .lost = mapper_lost,
                                     .barren = mapper_barren,
                                     .ctx = daemon};
    daemon->options.map_process = MAP_PROCESS_NONE;
    if (options.process.pid < 0)
        return 0;
    daemon->mapper = mapper_new(&options);
    return daemon->mapper ? 0 : PA_ERR_MEMORY;
}

static int make_dead_letters(struct daemon *daemon, struct error *err)
{
    const struct config *config = daemon->options.config;
    struct dead_letters_options options = {
        .loop = daemon->options.loop,
        .clock = daemon->options.clock,
        .directory = config->dead_letter_dir,
        .max_bytes = config->dead_letter_max_bytes,
        .topic = config->dead_letter_topic,
        .secret = config->client_secret.value,
        .port = config->local_port ? NULL : daemon->port.api,
        .bootstrap_servers = config->bootstrap_servers,
        .security_protocol = config->security_protocol,
        .sasl_mechanism = config->sasl_mechanism,
        .ca_bundle = authorities_bundle(daemon->options.authorities),
        .client_certificate = config->kafka_certificate.path,
        .record_max_bytes = (size_t)config->record_max_bytes,
    };
    if (!*config->dead_letter_dir && !*config->dead_letter_topic)
        return 0;
    daemon->dead_letters = dead_letters_new(&options, err);
    return daemon->dead_letters ? 0 : err->kind;
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
        .client_secret = config->client_secret.value,
        .client_secret_previous = config->client_secret_previous.value,
        .admin_token = config->admin_token.value,
        .max_in_flight = daemon->descriptors.window,
        .max_in_flight_per_destination = (unsigned)config->max_in_flight_per_destination,
        .retry_on = config->retry_on,
        .retry = {.max_attempts = (unsigned)config->retry_max_attempts,
                  .max_elapsed_ms = config->retry_max_elapsed_ms,
                  .initial_backoff_ms = config->retry_initial_backoff_ms,
                  .max_backoff_ms = config->retry_max_backoff_ms},
        .breaker_failures = (unsigned)config->breaker_failures,
        .dedup_window = (size_t)config->dedup_window,
        .event_max_age_ms = config->event_max_age_ms,
        .replay_tolerance_ms = config->replay_tolerance_ms,
        .mapper = daemon->mapper,
        .dead_letters = daemon->dead_letters,
        .mapping_file = daemon->options.mapping_file,
        .miss_is_reported = config->mapping_miss == MAPPING_MISS_REPORT,
        .max_bytes = (size_t)config_records_bytes(config),
        .total_response_bytes = (size_t)config->total_response_bytes,
        .record_max_bytes = (size_t)config->record_max_bytes,
        .detailed_logging = config->detailed_logging,
        .keeps_answers = daemon->options.keeps_answers,
        .hide_url_paths = !config->log_url_paths,
        .room = room_again,
        .room_ctx = daemon,
        .observer = daemon->observer,
        .tracing = traces_recorded(&daemon->traces),
        .conditions = daemon->conditions,
    };
    daemon->deliver = deliver_new(&options);
    return daemon->deliver ? 0 : PA_ERR_MEMORY;
}

static void share_descriptors(struct daemon *daemon)
{
    const struct config *config = daemon->options.config;
    unsigned wanted = (unsigned)config->max_in_flight;
    struct descriptors *shared = &daemon->descriptors;
    *shared = descriptors_of_process(streamer_of(config)->descriptors, wanted, PORT_CONNECTIONS);
    if (shared->window < wanted)
        log_warning("the limit of open files allows fewer webhooks at once than WEBHOOK_MAX_IN_FLIGHT",
                    F_INT("webhooks_at_once", shared->window), F_INT("wanted", wanted),
                    F_INT("open_files_limit", shared->limit),
                    F_STR("hint", "raise the hard limit (ulimit -Hn) of the agent's process"));
}

static int make_parts(struct daemon *daemon, struct error *err)
{
    share_descriptors(daemon);
    daemon->signer = signer_new(daemon->options.config->client_secret.value);
    if (!daemon->signer ||
        signer_accept_too(daemon->signer, daemon->options.config->client_secret_previous.value) != 0)
        return error_set(err, PA_ERR_MEMORY, "no HMAC-SHA-256 from OpenSSL");
    daemon->former = former_clients_new(daemon->options.loop);
    if (!daemon->former)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    daemon->webhooks = daemon_webhook_client(daemon, daemon->options.authorities,
                                             daemon->options.config->webhook_certificates, err);
    if (!daemon->webhooks)
        return err->kind;
    if (make_observers(daemon, err) != 0)
        return err->kind;
    if (make_port(daemon, err) != 0)
        return err->kind;
    if (make_mapper(daemon) != 0)
        return error_set(err, PA_ERR_MEMORY, "out of memory");
    if (make_dead_letters(daemon, err) != 0)
        return err->kind;
    return make_deliver(daemon) == 0 ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

/** Those that differ from their defaults, NAME=value. */
static void append_settings(const struct config *config, struct buffer *out)
{
    struct buffer value = {0};
    for (size_t i = 0; i < config_setting_count; i++) {
        value.len = 0;
        config_append_value(config, i, &value);
        if (config->origins[i] == ORIGIN_DEFAULT || value.len == 0)
            continue;
        buffer_appendf(out, "%s%s=", out->len > 0 ? " " : "", config_settings[i].name);
        buffer_append_slice(out, buffer_slice(&value));
    }
    buffer_clear(&value);
}

static void say_start(const struct daemon *daemon)
{
    const struct config *config = daemon->options.config;
    struct buffer url = {0}, settings = {0};
    append_settings(config, &settings);
    url_append_shown(&url, slice_of(config->api_base_url));
    log_info("starting", config->log_resource ? F_NONE : F_STR("service.version", agent_version),
             F_STR("vcs.ref.head.revision", agent_revision), F_SLICE("port_api", buffer_slice(&url)),
             F_STR("streamer", streamer_of(config)->name), F_INT("max_in_flight", config->max_in_flight),
             F_SLICE("settings", buffer_slice(&settings)));
    buffer_clear(&url);
    buffer_clear(&settings);
    if (!config->verify_tls)
        log_warning("WEBHOOK_VERIFY_SSL is false: certificates of webhook endpoints are not checked", F_NONE);
}

struct daemon *daemon_new(const struct daemon_options *options, struct error *err)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        struct map_process process = options->map_process;
        map_process_end(&process);
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    daemon->options = *options;
    daemon->state = RUNNING;
    say_start(daemon);
    if (make_parts(daemon, err) != 0 || make_source(daemon, err) != 0) {
        close_parts(daemon, NULL);
        free(daemon);
        return NULL;
    }
    uv_timer_init(options->loop, &daemon->timer);
    daemon->timer.data = daemon;
    if (!daemon->options.open_source)
        announce(daemon);
    return daemon;
}

void daemon_free(struct daemon *daemon)
{
    if (daemon)
        client_files_free(&daemon->files); /* the clients, which borrowed them, are closed */
    free(daemon);
}

void daemon_parts(const struct daemon *daemon, struct status_parts *parts)
{
    static const char *const phases[] = {
        [RUNNING] = "running", [DRAINING] = "draining", [CLOSING] = "closing", [STOPPED] = "stopped"};
    *parts = (struct status_parts){
        .config = daemon->options.config,
        .clock = daemon->options.clock,
        .deliver = daemon->deliver,
        .source = daemon->state == RUNNING || daemon->state == DRAINING ? daemon->source : NULL,
        .conditions = daemon->conditions,
        .observer = daemon->observer,
        .reports = daemon->reports,
        .port = daemon->port.api,
        .dead_letters = daemon->dead_letters,
        .streamer = streamer_of(daemon->options.config)->name,
        .phase = phases[daemon->state],
        .running = daemon->state == RUNNING,
        .mapping = daemon->mapper != NULL,
        .mapping_file = daemon->options.mapping_file,
        .mapping_lost = daemon->mapper_lost};
}

void daemon_log_summary(const struct daemon *daemon)
{
    struct log_field fields[SOURCE_FIELDS_MAX];
    struct counters counters;
    daemon_counters(daemon, &counters);
    if (daemon->deliver && daemon->source)
        counters_log_summary(&counters, fields, source_summary(daemon->source, fields));
}

/** What a backlog needed lies free between what is in use, where free(3) does not give it back:
 * M_TRIM_THRESHOLD is about the end of a heap alone. So the C library is asked to, while little is held (an
 * eighth of the bound), and for two minutes after the last event: librdkafka frees later. It takes
 * milliseconds. */
static void trim(struct daemon *daemon)
{
    struct counters counters;
    daemon_counters(daemon, &counters);
    if (counters.taken != daemon->trimmed)
        daemon->trims_left = TRIMS;
    daemon->trimmed = counters.taken;
    if (daemon->state != RUNNING || daemon->trims_left == 0 ||
        counters.bytes_held > (uint64_t)daemon->options.config->queue_max_bytes / 16)
        return;
    daemon->trims_left--;
    http_client_trim(daemon->webhooks);
    http_client_trim(daemon->port.http);
    malloc_trim(0);
}

void daemon_tick(struct daemon *daemon)
{
    if (daemon->deliver)
        deliver_tick(daemon->deliver);
    if (daemon->conditions)
        conditions_tick(daemon->conditions);
    trim(daemon);
}

void daemon_counters(const struct daemon *daemon, struct counters *out)
{
    *out = (struct counters){0};
    if (daemon->deliver)
        deliver_counters(daemon->deliver, out);
}

unsigned daemon_assigned(const struct daemon *daemon)
{
    return daemon->source ? source_assigned(daemon->source) : 0;
}
