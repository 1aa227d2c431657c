/* See kafka.h. Credentials first, then the consumer, which does the rest. */
#include "source/kafka/kafka.h"
#include "base/log.h"
#include "config/config.h"
#include "port/api.h"
#include "source/class.h"
#include "source/kafka/consumer.h"
#include <stdlib.h>

enum { START_BACKOFF_MS = 500, START_BACKOFF_CAP_MS = 30000 };

struct kafka_source {
    /** First: the seam's view of it. */
    struct source source;
    struct source_options options;
    /** NULL: no credentials yet, or the one before is leaving. */
    struct kafka_consumer *consumer;
    /** Until there is a fresh one in its place. */
    struct kafka_consumer *leaving;
    /** There was one before. */
    bool begun;
    struct port_call *fetching;
    /** Of fetching credentials at the start. */
    unsigned attempt;
    /** Until the next one. */
    uv_timer_t timer;
    bool stopped;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static struct kafka_source *own(struct source *source)
{
    return (struct kafka_source *)source;
}

static const struct kafka_source *own_const(const struct source *source)
{
    return (const struct kafka_source *)source;
}

static void fatal(void *ctx)
{
    struct kafka_source *kafka = ctx;
    kafka->options.fatal(kafka->options.ctx);
}

/* The consumer */

static void credentials_refused(void *ctx);
static void renew(void *ctx);

void kafka_consumer_settings(const struct config *config, const struct kafka_credentials *credentials,
                             const char *ca_bundle, struct kafka_consumer_options *out)
{
    *out = (struct kafka_consumer_options){
        .bootstrap_servers = credentials ? credentials->brokers : config->bootstrap_servers,
        .security_protocol = config->security_protocol,
        .sasl_mechanism = config->sasl_mechanism,
        .username = credentials ? credentials->username : "",
        .password = {slice_of(credentials ? credentials->password : "")},
        .ca_bundle = ca_bundle,
        .group_id = config->group_id,
        .group_instance_id = config->group_instance_id,
        .group_protocol = config->group_protocol,
        .assignment_strategy = config->assignment_strategy,
        .auto_offset_reset = config->auto_offset_reset,
        .session_timeout_ms = config->session_timeout_ms,
        .drain_timeout_ms = config->drain_timeout_ms,
        .prefetch_bytes = (size_t)config->queue_max_bytes / 2, /* the other half is the sink's */
        .record_max_bytes = (size_t)config->record_max_bytes,
        .runs_topic = config->runs_topic,
        .change_log_topic = config->change_log_topic,
    };
}

static int consume(struct kafka_source *kafka, const struct kafka_credentials *credentials, struct error *err)
{
    const struct config *config = kafka->options.config;
    struct kafka_consumer_options options;
    kafka_consumer_settings(config, credentials, kafka->options.ca_bundle, &options);
    options.loop = kafka->options.loop;
    options.clock = kafka->options.clock;
    options.sink = kafka->options.sink;
    options.credentials_refused = credentials ? credentials_refused : NULL;
    options.begun = kafka->begun;
    options.renew = renew;
    options.fatal = fatal;
    options.ctx = kafka;
    kafka->consumer = kafka_consumer_new(&options, err);
    if (!kafka->consumer)
        return err->kind;
    log_info("connecting to the Kafka brokers", F_STR("messaging.consumer.group.name", config->group_id),
             F_STR("runs_topic", config->runs_topic), F_STR("change_log_topic", config->change_log_topic),
             F_STR("bootstrap_servers", options.bootstrap_servers));
    return 0;
}

/* Credentials from Port */

static void fetch_credentials(struct kafka_source *kafka);

static void fetch_again(uv_timer_t *timer)
{
    fetch_credentials(timer->data);
}

static void fetch_later(struct kafka_source *kafka, const char *reason)
{
    int64_t wait_ms =
        clock_backoff_ms(kafka->options.clock, START_BACKOFF_MS, 2.0, START_BACKOFF_CAP_MS, kafka->attempt++);
    log_warning("Kafka credentials could not be fetched from Port; trying again",
                F_STR("error.message", reason), F_INT("wait_ms", wait_ms));
    uv_timer_start(&kafka->timer, fetch_again, (uint64_t)wait_ms, 0);
}

static void use_credentials(struct kafka_source *kafka, const struct kafka_credentials *credentials)
{
    struct error err = {0};
    if (kafka->consumer) {
        log_info("fresh Kafka credentials fetched from Port", F_NONE);
        kafka_consumer_set_credentials(kafka->consumer, credentials->username,
                                       (struct secret){slice_of(credentials->password)});
    } else if (consume(kafka, credentials, &err) != 0) {
        log_critical("the Kafka consumer cannot start", F_STR("error.message", err.message));
        fatal(kafka);
    }
}

static void not_fetched(struct kafka_source *kafka, const struct port_result *result)
{
    bool denied = result->authentication ||
                  (result->answer == PORT_REFUSED && (result->status == 401 || result->status == 403));
    if (kafka->consumer) {
        log_warning("fresh Kafka credentials could not be fetched from Port",
                    F_STR("error.message", result->reason));
    } else if (denied) {
        log_critical(
            "Port refused our credentials: check PORT_CLIENT_ID, PORT_CLIENT_SECRET and PORT_API_BASE_URL",
            F_INT("http.response.status_code", result->status), F_STR("error.message", result->reason));
        fatal(kafka);
    } else {
        fetch_later(kafka, result->reason);
    }
}

static void credentials_answered(void *ctx, const struct port_result *result)
{
    struct kafka_source *kafka = ctx;
    struct kafka_credentials credentials = {0};
    struct error err = {0};
    kafka->fetching = NULL;
    if (result->answer != PORT_ACCEPTED)
        not_fetched(kafka, result);
    else if (kafka_credentials_parse(result->body, &credentials, &err) == 0)
        use_credentials(kafka, &credentials);
    else if (!kafka->consumer)
        fetch_later(kafka, err.message);
    kafka_credentials_clear(&credentials);
}

static void fetch_credentials(struct kafka_source *kafka)
{
    if (kafka->fetching)
        return;
    kafka->fetching = port_api_call(kafka->options.port, "GET", "/v1/kafka-credentials",
                                    (struct slice){NULL, 0}, credentials_answered, kafka);
    if (!kafka->fetching && !kafka->consumer)
        fetch_later(kafka, "out of memory");
}

static void credentials_refused(void *ctx)
{
    struct kafka_source *kafka = ctx;
    if (!kafka->stopped && !kafka->leaving)
        fetch_credentials(kafka);
}

/* A fresh consumer in the place of one */

static void left(void *ctx)
{
    struct kafka_source *kafka = ctx;
    struct error err = {0};
    kafka->leaving = NULL;
    if (kafka->stopped)
        return;
    if (!kafka->options.config->local_port) {
        kafka->attempt = 0;
        fetch_credentials(kafka);
    } else if (consume(kafka, NULL, &err) != 0) {
        log_critical("the Kafka consumer cannot start", F_STR("error.message", err.message));
        fatal(kafka);
    }
}

static void renew(void *ctx)
{
    struct kafka_source *kafka = ctx;
    kafka->leaving = kafka->consumer;
    kafka->consumer = NULL;
    kafka->begun = true;
    if (kafka->fetching)
        port_call_cancel(kafka->fetching);
    kafka->fetching = NULL;
    kafka_consumer_close(kafka->leaving, left, kafka);
}

/* As a source */

static void resume(struct source *source)
{
    struct kafka_source *kafka = own(source);
    if (kafka->consumer)
        kafka_consumer_resume(kafka->consumer);
}

static void stop_fetching(struct kafka_source *kafka)
{
    kafka->stopped = true;
    uv_timer_stop(&kafka->timer);
    if (kafka->fetching)
        port_call_cancel(kafka->fetching);
    kafka->fetching = NULL;
}

static void stop_taking(struct source *source)
{
    struct kafka_source *kafka = own(source);
    stop_fetching(kafka);
    if (kafka->consumer)
        kafka_consumer_stop_taking(kafka->consumer);
}

/** What is taken is in the sink before the consumer returns. */
static bool idle(const struct source *source)
{
    (void)source;
    return true;
}

static void timer_closed(uv_handle_t *handle)
{
    struct kafka_source *kafka = handle->data;
    void (*closed)(void *) = kafka->closed;
    void *ctx = kafka->closed_ctx;
    free(kafka);
    closed(ctx);
}

static void consumer_closed(void *ctx)
{
    struct kafka_source *kafka = ctx;
    uv_close((uv_handle_t *)&kafka->timer, timer_closed);
}

static void close_source(struct source *source, void (*closed)(void *ctx), void *ctx)
{
    struct kafka_source *kafka = own(source);
    kafka->closed = closed;
    kafka->closed_ctx = ctx;
    stop_fetching(kafka);
    struct kafka_consumer *consumer = kafka->consumer ? kafka->consumer : kafka->leaving;
    if (consumer)
        kafka_consumer_close(consumer, consumer_closed, kafka);
    else
        consumer_closed(kafka);
}

static struct kafka_consumer_counters counters(const struct kafka_source *kafka)
{
    struct kafka_consumer_counters counters = {0};
    if (kafka->consumer)
        kafka_consumer_counters(kafka->consumer, &counters);
    return counters;
}

static size_t summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    struct kafka_consumer_counters now = counters(own_const(source));
    size_t count = 0;
    fields[count++] = F_INT("partitions", now.assigned);
    fields[count++] = F_INT("commits", now.commits);
    fields[count++] = F_INT("done_before", now.restored_skips);
    return count;
}

static unsigned assigned(const struct source *source)
{
    return (unsigned)counters(own_const(source)).assigned;
}

static const char *without_port(const struct config *config)
{
    return config->local_port
               ? "no result can be reported: what is delivered waits for that, and is not committed"
               : "no Kafka credentials can be fetched, so nothing is consumed, and no result can be reported";
}

static struct source *open_source(const struct source_options *options, struct error *err)
{
    struct kafka_source *kafka = calloc(1, sizeof *kafka);
    if (!kafka) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    kafka->source.class = &kafka_source;
    kafka->options = *options;
    if (options->config->local_port && consume(kafka, NULL, err) != 0) {
        free(kafka);
        return NULL;
    }
    uv_timer_init(options->loop, &kafka->timer);
    kafka->timer.data = kafka;
    if (!options->config->local_port)
        fetch_credentials(kafka);
    return &kafka->source;
}

const struct source_class kafka_source = {
    .name = "KAFKA",
    /* librdkafka has three for each broker that it knows, and again for those it was given. */
    .descriptors = 24,
    .without_port = without_port,
    .open = open_source,
    .resume = resume,
    .stop_taking = stop_taking,
    .idle = idle,
    .close = close_source,
    .summary = summary,
    .assigned = assigned,
};
