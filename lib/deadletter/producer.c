/* Letters to a Kafka topic. The client copies a message when it takes it, so a letter may be forgotten at any
 * time; how much it holds is bounded here. Its delivery reports come through an eventfd.
 *
 *     CLOSED ──brokers known──▶ OPEN ──fatal error, or close──▶ DESTROYING (thread pool) ──▶ CLOSED
 */
#include "deadletter/producer.h"
#include "kafka/access.h"
#include "kafka/connection.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    REASON_SIZE = 512,
    CREDENTIALS_EVERY_MS = 10000,
    HEADER_COUNT = 14,
    /** The longest that closing waits for the question below. */
    TOPIC_WAIT_MS = 1000,
    TOPIC_AGAIN_MS = 5000
};

enum producer_state { PRODUCER_CLOSED, PRODUCER_OPEN, PRODUCER_DESTROYING };

struct producer {
    struct dead_letters *letters;
    enum producer_state state;
    struct producer_settings settings;
    char *topic;
    rd_kafka_t *client;
    rd_kafka_queue_t *events;
    /** Eventfd that the client's queue writes to. */
    int wake_fd;
    uv_poll_t wake;
    uv_work_t destroying;
    /* Is the topic there? Asked once a client is open, until brokers have answered. */
    uv_work_t asking;
    uv_timer_t ask_again;
    /** The thread pool has the client; there was an answer. */
    bool asking_topic, topic_known;
    rd_kafka_resp_err_t topic_answer;
    /** Held by the client. */
    size_t bytes;
    /** Its events are being read: it may not be destroyed meanwhile. */
    bool serving;
    /** A fatal error: to be destroyed and made anew. */
    bool broken;
    bool closing;
    unsigned closing_parts;
    /** Why it may be that nothing gets through. */
    char last_error[REASON_SIZE];
    /** NULL: the brokers are in the settings, and want no credentials. */
    struct kafka_access *access;
    int64_t credentials_asked_ms;
};

static bool copy_settings(struct producer *producer, const struct dead_letters_options *options)
{
    struct kafka_connection connection = {.bootstrap_servers =
                                              options->port ? "" : options->bootstrap_servers,
                                          .security_protocol = options->security_protocol,
                                          .sasl_mechanism = options->sasl_mechanism,
                                          .ca_bundle = options->ca_bundle,
                                          .client_certificate = options->client_certificate};
    producer->topic = strdup(options->topic);
    producer->settings.record_max_bytes = options->record_max_bytes;
    producer->settings.idempotent = true;
    return producer_settings_copy(&producer->settings, &connection) && producer->topic;
}

static void producer_free(struct producer *producer)
{
    producer_settings_clear(&producer->settings);
    free(producer->topic);
    if (producer->wake_fd >= 0)
        close(producer->wake_fd);
    free(producer);
}

/* Opening */

static int open_client(struct producer *producer, struct error *err)
{
    struct error own = {0};
    producer->client =
        kafka_client_new(RD_KAFKA_PRODUCER, producer_conf_new(&producer->settings, &own), &own);
    if (!producer->client)
        return error_set(err, own.kind, "%s", own.message);
    const uint64_t one = 1;
    producer->events = rd_kafka_queue_get_main(producer->client);
    rd_kafka_set_log_queue(producer->client, producer->events);
    rd_kafka_queue_io_event_enable(producer->events, producer->wake_fd, &one, sizeof one);
    /* The queue writes there when it is empty no longer; what came before would keep it silent for ever. */
    PA_IGNORE(write(producer->wake_fd, &one, sizeof one));
    producer->state = PRODUCER_OPEN;
    producer->broken = false;
    return 0;
}

/* Producing */

static void add_text(rd_kafka_headers_t *headers, const char *name, const char *value)
{
    rd_kafka_header_add(headers, name, -1, value, (ssize_t)strlen(value));
}

static void add_number(rd_kafka_headers_t *headers, const char *name, long long value)
{
    char text[24];
    snprintf(text, sizeof text, "%lld", value);
    add_text(headers, name, text);
}

static void add_slice(rd_kafka_headers_t *headers, const char *name, struct slice value)
{
    rd_kafka_header_add(headers, name, -1, value.ptr, (ssize_t)value.len);
}

static rd_kafka_headers_t *headers_of(const struct dead_letter_write *write, const char *mac)
{
    const struct dead_letter *letter = &write->letter;
    char time[CLOCK_RFC3339_SIZE];
    rd_kafka_headers_t *headers = rd_kafka_headers_new(HEADER_COUNT);
    clock_rfc3339(letter->time_ms, time);
    add_text(headers, "dead-letter.reason", letter->reason);
    add_number(headers, "dead-letter.attempts", letter->attempts);
    add_number(headers, "dead-letter.status", letter->status);
    add_text(headers, "dead-letter.topic", letter->topic);
    add_number(headers, "dead-letter.partition", letter->partition);
    add_number(headers, "dead-letter.offset", letter->offset);
    add_text(headers, "dead-letter.time", time);
    add_text(headers, "dead-letter.url", letter->url);
    if (!slice_is_null(letter->run_id))
        add_slice(headers, "dead-letter.run_id", letter->run_id);
    add_slice(headers, "dead-letter.record_id", letter->id);
    if (!slice_is_null(letter->traceparent))
        add_slice(headers, "dead-letter.traceparent", letter->traceparent);
    if (!slice_is_null(letter->tracestate))
        add_slice(headers, "dead-letter.tracestate", letter->tracestate);
    add_text(headers, "dead-letter.id", write->id);
    add_text(headers, "dead-letter.mac", mac);
    return headers;
}

static size_t letter_bytes(const struct dead_letter *letter)
{
    return letter->key.len + letter->value.len + strlen(letter->reason) + strlen(letter->url) + 1024;
}

/** NULL, or the client's error (to be destroyed). */
static rd_kafka_error_t *produce(struct producer *producer, struct dead_letter_write *write, const char *mac)
{
    const struct dead_letter *letter = &write->letter;
    /* A list of our own: single headers are freed twice by some librdkafkas when a message is refused. */
    rd_kafka_headers_t *headers = headers_of(write, mac);
    const rd_kafka_vu_t units[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = producer->topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = write},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)letter->key.ptr, letter->key.len}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)letter->value.ptr, letter->value.len}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(producer->client, units, sizeof units / sizeof *units);
    if (error)
        rd_kafka_headers_destroy(headers);
    return error;
}

static void producer_destroy(struct producer *producer);

/** A failed try, with what is known of the brokers when the client only says that time is up. */
static void try_failed(struct producer *producer, struct dead_letter_write *write, rd_kafka_resp_err_t code,
                       const char *text)
{
    char reason[REASON_SIZE + 128];
    bool timed_out = code == RD_KAFKA_RESP_ERR__MSG_TIMED_OUT && *producer->last_error;
    snprintf(reason, sizeof reason, "topic %.200s: %s (%s)%s%.300s", producer->topic, text,
             rd_kafka_err2name(code), timed_out ? "; last error: " : "",
             timed_out ? producer->last_error : "");
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        producer->broken = true;
    write_failed(write, reason);
}

static void hand_over(struct producer *producer, struct dead_letter_write *write)
{
    char mac[LETTER_MAC_SIZE];
    if (letter_seal_mac(producer->letters->seal, slice_of(write->id), &write->letter, mac) != 0) {
        write_failed(write, "out of memory");
        return;
    }
    rd_kafka_error_t *error = produce(producer, write, mac);
    if (error) {
        try_failed(producer, write, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return;
    }
    write->state = WRITE_UNDER_WAY;
    write->bytes = letter_bytes(&write->letter);
    producer->bytes += write->bytes;
}

/** Nothing can be tried now: said for each letter that is due. */
static void fail_due(struct producer *producer, int64_t now_ms, const char *reason)
{
    struct dead_letter_write *write = write_due(producer->letters, NULL, now_ms), *next;
    for (; write; write = next) {
        next = write_due(producer->letters, write, now_ms);
        write_failed(write, reason);
    }
}

void producer_pump(struct producer *producer, int64_t now_ms)
{
    struct dead_letter_write *write = write_due(producer->letters, NULL, now_ms), *next;
    struct error err = {0};
    if (!write || producer->closing || producer->broken || producer->state == PRODUCER_DESTROYING)
        return;
    if (!*producer->settings.bootstrap_servers) {
        /* Until Port's first answer there is nothing to say. */
        if (*producer->last_error)
            fail_due(producer, now_ms, producer->last_error);
        return;
    }
    if (producer->state == PRODUCER_CLOSED && open_client(producer, &err) != 0) {
        fail_due(producer, now_ms, err.message);
        return;
    }
    for (; write && producer->state == PRODUCER_OPEN; write = next) {
        next = write_due(producer->letters, write, now_ms);
        if (producer->bytes > 0 && producer->bytes + letter_bytes(&write->letter) > BATCH_BYTES)
            break; /* a delivery report wakes us */
        hand_over(producer, write);
        if (producer->broken)
            producer_destroy(producer);
    }
}

/* Whether the topic is there, before a letter needs it */

static void ask_work(uv_work_t *work)
{
    struct producer *producer = work->data;
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer->client, producer->topic, NULL);
    rd_kafka_resp_err_t code = topic ? rd_kafka_metadata(producer->client, 0, topic, &metadata, TOPIC_WAIT_MS)
                                     : rd_kafka_last_error();
    if (!code && metadata)
        code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
    producer->topic_answer = code;
    if (metadata)
        rd_kafka_metadata_destroy(metadata);
    if (topic)
        rd_kafka_topic_destroy(topic);
}

static void say_topic(const struct producer *producer)
{
    const char *what = NULL;
    if (producer->topic_answer == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        what = "the topic does not exist: create it, or correct DEAD_LETTER_TOPIC";
    else if (producer->topic_answer == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        what = "the topic is not for this user: let it write there, or correct DEAD_LETTER_TOPIC";
    else if (producer->topic_answer == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION)
        what = "this is no name that a topic may have: correct DEAD_LETTER_TOPIC";
    if (what)
        log_warning("dead letters cannot be written now: records that need one will be held back",
                    F_STR("messaging.destination.name", producer->topic),
                    F_STR("error.type", rd_kafka_err2name(producer->topic_answer)),
                    F_STR("error.message", what));
}

static void ask_again(uv_timer_t *timer);

static void ask_done(uv_work_t *work, int status)
{
    struct producer *producer = work->data;
    rd_kafka_resp_err_t code = producer->topic_answer;
    (void)status;
    producer->asking_topic = false;
    /* The client's own errors begin with an underscore: nobody has answered. */
    producer->topic_known = code >= 0 && code != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
    if (producer->closing || producer->broken)
        producer_destroy(producer);
    else if (producer->topic_known)
        say_topic(producer);
    else
        uv_timer_start(&producer->ask_again, ask_again, TOPIC_AGAIN_MS, 0);
}

static void ask_about_topic(struct producer *producer)
{
    if (producer->state != PRODUCER_OPEN || producer->asking_topic || producer->topic_known ||
        producer->broken || producer->closing)
        return;
    producer->asking_topic = true;
    producer->asking.data = producer;
    uv_queue_work(producer->letters->loop, &producer->asking, ask_work, ask_done);
}

static void ask_again(uv_timer_t *timer)
{
    ask_about_topic(timer->data);
}

/* Delivery reports and errors */

static void report_event(struct producer *producer, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event))) {
        struct dead_letter_write *write = message->_private;
        producer->bytes -= write->bytes;
        if (message->err) {
            try_failed(producer, write, message->err, rd_kafka_err2str(message->err));
        } else {
            *producer->last_error = '\0';
            write_succeeded(write);
        }
    }
}

static void ask_for_credentials(struct producer *producer)
{
    int64_t now_ms = clock_monotonic_ms(producer->letters->clock);
    if (!producer->access || now_ms < producer->credentials_asked_ms)
        return;
    producer->credentials_asked_ms = now_ms + CREDENTIALS_EVERY_MS;
    kafka_access_refresh(producer->access);
}

static void error_event(struct producer *producer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    snprintf(producer->last_error, sizeof producer->last_error, "%s", rd_kafka_event_error_string(event));
    if (code == RD_KAFKA_RESP_ERR__AUTHENTICATION)
        ask_for_credentials(producer);
    if (!rd_kafka_event_error_is_fatal(event))
        return;
    log_warning("the dead letters' Kafka producer has ended and is made anew",
                F_STR("error.type", rd_kafka_err2name(code)), F_STR("error.message", producer->last_error));
    producer->broken = true;
    /* Without the permission that idempotence needs on older brokers, letters may be there twice instead. */
    if (code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED)
        producer->settings.idempotent = false;
}

static void log_event(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;
    if (rd_kafka_event_log(event, &facility, &text, &level) == 0)
        log_debug("librdkafka", F_STR("facility", facility), F_STR("error.message", text));
}

static void serve(struct producer *producer)
{
    rd_kafka_event_t *event;
    producer->serving = true;
    while (!producer->closing && !producer->broken && (event = rd_kafka_queue_poll(producer->events, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            report_event(producer, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            error_event(producer, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG)
            log_event(event);
        rd_kafka_event_destroy(event);
    }
    producer->serving = false;
    if (producer->closing || producer->broken)
        producer_destroy(producer);
    else
        letters_wake(producer->letters);
}

static void producer_woken(uv_poll_t *poll, int status, int events)
{
    struct producer *producer = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    PA_IGNORE(read(producer->wake_fd, &count, sizeof count)); /* interrupted, it is readable still */
    if (producer->state == PRODUCER_OPEN)
        serve(producer);
}

/* Brokers and credentials from Port */

static void use_credentials(struct producer *producer)
{
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(producer->client, producer->settings.username,
                                                            producer->settings.password);
    if (!error)
        return;
    log_error("fresh Kafka credentials were refused by the dead letters' producer",
              F_STR("error.message", rd_kafka_error_string(error)));
    rd_kafka_error_destroy(error);
}

static void access_fetched(void *ctx, const struct kafka_credentials *credentials)
{
    struct producer *producer = ctx;
    if (!producer_settings_replace(&producer->settings, credentials->brokers, credentials->username,
                                   credentials->password))
        log_error("out of memory for fresh Kafka credentials", F_NONE);
    else if (producer->state == PRODUCER_OPEN)
        use_credentials(producer);
    else if (producer->state == PRODUCER_CLOSED && !producer->topic_known)
        PA_IGNORE(open_client(producer, NULL)); /* what is wrong is said when a letter needs it */
    ask_about_topic(producer);
    letters_wake(producer->letters);
}

/** That they are denied, the consumer says, and stops the agent. */
static void access_failed(void *ctx, const struct kafka_access_failure *failure)
{
    struct producer *producer = ctx;
    snprintf(producer->last_error, sizeof producer->last_error,
             "Kafka credentials could not be fetched from Port: %.300s", failure->reason);
    letters_wake(producer->letters);
}

/* The end of the client */

static void producer_part_closed(struct producer *producer)
{
    struct dead_letters *letters = producer->letters;
    if (--producer->closing_parts > 0)
        return;
    producer_free(producer);
    letters_part_closed(letters);
}

static void producer_handle_closed(uv_handle_t *handle)
{
    producer_part_closed(handle->data);
}

static void access_closed(void *ctx)
{
    producer_part_closed(ctx);
}

/** What the client held is not written: it is tried with the next one (or dropped, when closing). */
static void give_back(struct producer *producer)
{
    struct dead_letter_write *write = TAILQ_FIRST(&producer->letters->writes), *next;
    for (; write; write = next) {
        next = TAILQ_NEXT(write, all);
        if (write->state == WRITE_UNDER_WAY)
            write_failed(write,
                         *producer->last_error ? producer->last_error : "the Kafka producer has ended");
    }
    producer->bytes = 0;
}

static void destroy_work(uv_work_t *work)
{
    struct producer *producer = work->data;
    rd_kafka_queue_io_event_enable(producer->events, -1, NULL, 0);
    rd_kafka_queue_destroy(producer->events);
    rd_kafka_purge(producer->client,
                   RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    rd_kafka_destroy(producer->client);
}

static void destroy_done(uv_work_t *work, int status)
{
    struct producer *producer = work->data;
    (void)status;
    producer->client = NULL;
    producer->events = NULL;
    producer->state = PRODUCER_CLOSED;
    producer->broken = false;
    give_back(producer);
    if (producer->closing)
        uv_close((uv_handle_t *)&producer->wake, producer_handle_closed);
    else
        letters_wake(producer->letters);
}

/** Joining the client's threads takes a while: that is the thread pool's. Whoever has the client now comes
 * here again afterwards. */
static void producer_destroy(struct producer *producer)
{
    if (producer->state != PRODUCER_OPEN || producer->serving || producer->asking_topic)
        return;
    producer->state = PRODUCER_DESTROYING;
    producer->destroying.data = producer;
    uv_queue_work(producer->letters->loop, &producer->destroying, destroy_work, destroy_done);
}

/* Life */

static bool open_access(struct producer *producer, struct port_api *port)
{
    struct kafka_access_options options = {.port = port,
                                           .loop = producer->letters->loop,
                                           .clock = producer->letters->clock,
                                           .fetched = access_fetched,
                                           .failed = access_failed,
                                           .ctx = producer};
    producer->access = kafka_access_new(&options);
    if (producer->access)
        kafka_access_start(producer->access);
    return producer->access != NULL;
}

struct producer *producer_new(struct dead_letters *letters, const struct dead_letters_options *options,
                              struct error *err)
{
    struct producer *producer = calloc(1, sizeof *producer);
    if (!producer) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    producer->letters = letters;
    producer->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int failed = 0;
    if (producer->wake_fd < 0 || !copy_settings(producer, options) ||
        (options->port && !open_access(producer, options->port)))
        failed = error_set(err, PA_ERR_MEMORY, "out of memory or file descriptors");
    else if (!options->port)
        failed = open_client(producer, err);
    if (failed) {
        producer_free(producer);
        return NULL;
    }
    uv_poll_init(letters->loop, &producer->wake, producer->wake_fd);
    producer->wake.data = producer;
    uv_poll_start(&producer->wake, UV_READABLE, producer_woken);
    uv_timer_init(letters->loop, &producer->ask_again);
    producer->ask_again.data = producer;
    ask_about_topic(producer);
    return producer;
}

void producer_close(struct producer *producer)
{
    producer->closing = true;
    producer->closing_parts = producer->access ? 3 : 2;
    uv_close((uv_handle_t *)&producer->ask_again, producer_handle_closed);
    if (producer->access)
        kafka_access_close(producer->access, access_closed, producer);
    if (producer->state == PRODUCER_OPEN)
        producer_destroy(producer);
    else if (producer->state == PRODUCER_CLOSED)
        uv_close((uv_handle_t *)&producer->wake, producer_handle_closed);
}
