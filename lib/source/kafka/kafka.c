/* See kafka.h. Credentials first, then the consumer, which does the rest. */
#include "source/kafka/kafka.h"
#include "base/log.h"
#include "config/config.h"
#include "kafka/access.h"
#include "observe/conditions.h"
#include "source/class.h"
#include "source/kafka/consumer.h"
#include <stdlib.h>

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
    /** Asked only where the brokers are not in the settings. */
    struct kafka_access *access;
    uint64_t credentials_fetched;
    bool stopped;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static struct kafka_source *kafka_of(struct source *source)
{
    return (struct kafka_source *)source;
}

static const struct kafka_source *kafka_of_const(const struct source *source)
{
    return (const struct kafka_source *)source;
}

static void kafka_fatal(void *ctx)
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
        .client_certificate = config->kafka_certificate.path,
        .group_id = config->group_id,
        .group_instance_id = config->group_instance_id,
        .group_protocol = config->group_protocol,
        .assignment_strategy = config->assignment_strategy,
        .auto_offset_reset = config->auto_offset_reset,
        .session_timeout_ms = config->session_timeout_ms,
        .drain_timeout_ms = config->drain_timeout_ms,
        .prefetch_bytes = (size_t)(config->queue_max_bytes - config_records_bytes(config)),
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
    options.conditions = kafka->options.conditions;
    options.sink = kafka->options.sink;
    options.redeliveries = kafka;
    options.credentials_refused = credentials ? credentials_refused : NULL;
    options.begun = kafka->begun;
    options.renew = renew;
    options.fatal = kafka_fatal;
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

static void credentials_fetched(void *ctx, const struct kafka_credentials *credentials)
{
    struct kafka_source *kafka = ctx;
    struct error err = {0};
    kafka->credentials_fetched++;
    condition_ended(kafka->options.conditions, CONDITION_PORT_GIVES_NOTHING, KAFKA_ACCESS_PATH, 0);
    if (kafka->consumer) {
        log_info("fresh Kafka credentials fetched from Port", F_NONE);
        /* What librdkafka refuses has been said; the ones before stay, and are refreshed again when they
         * fail. */
        PA_IGNORE(kafka_consumer_set_credentials(kafka->consumer, credentials->username,
                                                 (struct secret){slice_of(credentials->password)}));
    } else if (consume(kafka, credentials, &err) != 0) {
        log_critical("the Kafka consumer cannot start", F_STR("error.message", err.message));
        kafka_fatal(kafka);
    }
}

static void credentials_not_fetched(void *ctx, const struct kafka_access_failure *failure)
{
    struct kafka_source *kafka = ctx;
    if (kafka->consumer) {
        log_warning("fresh Kafka credentials could not be fetched from Port",
                    F_STR("error.message", failure->reason));
    } else if (failure->denied) {
        kafka_access_stop(kafka->access);
        log_critical(
            "Port refused our credentials: check PORT_CLIENT_ID, PORT_CLIENT_SECRET and PORT_API_BASE_URL",
            F_STATUS(failure->status), F_STR("error.message", failure->reason));
        kafka_fatal(kafka);
    } else {
        log_warning("Kafka credentials could not be fetched from Port; trying again",
                    F_STR("error.message", failure->reason), F_SECONDS("next_attempt_in", failure->wait_ms));
        condition_stands_with(kafka->options.conditions, CONDITION_PORT_GIVES_NOTHING, KAFKA_ACCESS_PATH, 0,
                              failure->reason, "'port-agent check --connect' goes the way to Port");
    }
}

static void credentials_refused(void *ctx)
{
    struct kafka_source *kafka = ctx;
    if (!kafka->stopped && !kafka->leaving)
        kafka_access_refresh(kafka->access);
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
        kafka_access_start(kafka->access);
    } else if (consume(kafka, NULL, &err) != 0) {
        log_critical("the Kafka consumer cannot start", F_STR("error.message", err.message));
        kafka_fatal(kafka);
    }
}

static void renew(void *ctx)
{
    struct kafka_source *kafka = ctx;
    kafka->leaving = kafka->consumer;
    kafka->consumer = NULL;
    kafka->begun = true;
    kafka_access_stop(kafka->access);
    kafka_consumer_close(kafka->leaving, left, kafka);
}

/* As a source */

static void kafka_resume(struct source *source)
{
    struct kafka_source *kafka = kafka_of(source);
    if (kafka->consumer)
        kafka_consumer_resume(kafka->consumer);
}

static void stop_fetching(struct kafka_source *kafka)
{
    kafka->stopped = true;
    kafka_access_stop(kafka->access);
}

static void kafka_stop_taking(struct source *source)
{
    struct kafka_source *kafka = kafka_of(source);
    stop_fetching(kafka);
    if (kafka->consumer)
        kafka_consumer_stop_taking(kafka->consumer);
}

/** What is taken is in the sink before the consumer returns. */
static bool kafka_idle(const struct source *source)
{
    (void)source;
    return true;
}

static void access_closed(void *ctx)
{
    struct kafka_source *kafka = ctx;
    void (*closed)(void *) = kafka->closed;
    void *closed_ctx = kafka->closed_ctx;
    free(kafka);
    closed(closed_ctx);
}

static void consumer_closed(void *ctx)
{
    struct kafka_source *kafka = ctx;
    kafka_access_close(kafka->access, access_closed, kafka);
}

static int kafka_redeliver(struct source *source, const struct redelivery_request *request)
{
    struct kafka_source *kafka = kafka_of(source);
    return kafka->consumer ? kafka_consumer_redeliver(kafka->consumer, request) : PA_ERR_UNAVAILABLE;
}

static void kafka_close(struct source *source, void (*closed)(void *ctx), void *ctx)
{
    struct kafka_source *kafka = kafka_of(source);
    const struct source_sink *sink = &kafka->options.sink;
    sink->withdraw(sink->ctx, kafka, true); /* what is delivered once more */
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

static size_t kafka_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    struct kafka_consumer_counters now = counters(kafka_of_const(source));
    size_t count = 0;
    fields[count++] = F_INT("partitions", now.assigned);
    fields[count++] = F_INT("commits", now.commits);
    fields[count++] = F_INT("done_before", now.restored_skips);
    fields[count++] = F_INT("batches_passed", now.batches_passed);
    return count;
}

static unsigned kafka_assigned(const struct source *source)
{
    return (unsigned)counters(kafka_of_const(source)).assigned;
}

static struct source_view kafka_view(const struct source *source)
{
    const struct kafka_source *kafka = kafka_of_const(source);
    struct source_view view = {.state = kafka->leaving ? "leaving the group, to join it anew"
                                                       : "waiting for Kafka credentials from Port"};
    if (kafka->consumer)
        view = kafka_consumer_view(kafka->consumer);
    view.credentials_fetched = kafka->credentials_fetched;
    return view;
}

static void kafka_each_partition(const struct source *source,
                                 void (*each)(void *ctx, const struct source_partition *partition), void *ctx)
{
    const struct kafka_source *kafka = kafka_of_const(source);
    if (kafka->consumer)
        kafka_consumer_each_partition(kafka->consumer, each, ctx);
}

static const char *without_port(const struct config *config)
{
    return config->local_port
               ? "no result can be reported: what is delivered waits for that, and is not committed"
               : "no Kafka credentials can be fetched, so nothing is consumed, and no result can be reported";
}

static struct source *kafka_open(const struct source_options *options, struct error *err)
{
    struct kafka_source *kafka = calloc(1, sizeof *kafka);
    if (!kafka) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    kafka->source.class = &kafka_source;
    kafka->options = *options;
    const struct kafka_access_options access = {.port = options->port,
                                                .loop = options->loop,
                                                .clock = options->clock,
                                                .fetched = credentials_fetched,
                                                .failed = credentials_not_fetched,
                                                .ctx = kafka};
    kafka->access = kafka_access_new(&access);
    int failed = !kafka->access                ? error_set(err, PA_ERR_MEMORY, "out of memory")
                 : options->config->local_port ? consume(kafka, NULL, err)
                                               : 0;
    if (failed) {
        if (kafka->access)
            kafka_access_close(kafka->access, NULL, NULL);
        free(kafka);
        return NULL;
    }
    if (!options->config->local_port)
        kafka_access_start(kafka->access);
    return &kafka->source;
}

const struct source_class kafka_source = {
    .name = "KAFKA",
    /* librdkafka has three for each broker that it knows, and again for those it was given; the client that
     * reads records again is a second one. */
    .descriptors = 48,
    .without_port = without_port,
    .open = kafka_open,
    .resume = kafka_resume,
    .stop_taking = kafka_stop_taking,
    .idle = kafka_idle,
    .close = kafka_close,
    .summary = kafka_summary,
    .assigned = kafka_assigned,
    .view = kafka_view,
    .each_partition = kafka_each_partition,
    .redeliver = kafka_redeliver,
};
