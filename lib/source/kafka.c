/* The Kafka source's life: librdkafka keeps its own threads, its queues wake the loop through an eventfd, and
 * the loop takes what is there without blocking. Knows nothing of what becomes of a record. */
#include "source/kafka_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    TAKE_BATCH = 64,
    TICK_MS = 500,
    CLOSE_MS = 2000,
    SAY_AGAIN_MS = 60000,
    CREDENTIALS_AGAIN_MS = 2000,
    CREDENTIALS_CAP_MS = 60000
};

/* Errors and logs */

void kafka_error_say(struct kafka_source *source, rd_kafka_resp_err_t code, const char *reason)
{
    int64_t now = clock_monotonic_ms(source->options.clock);
    struct kafka_error_said *slot = &source->said[0];
    for (size_t i = 0; i < sizeof source->said / sizeof *source->said; i++) {
        if (source->said[i].code == code) {
            slot = &source->said[i];
            break;
        }
        if (source->said[i].at_ms < slot->at_ms)
            slot = &source->said[i];
    }
    if (slot->code == code && now - slot->at_ms < SAY_AGAIN_MS) {
        slot->suppressed++;
        return;
    }
    uint64_t suppressed = slot->code == code ? slot->suppressed : 0;
    *slot = (struct kafka_error_said){.code = code, .at_ms = now};
    log_warning("Kafka error", F_STR("error.type", rd_kafka_err2name(code)), F_STR("error.message", reason),
                suppressed ? F_INT("suppressed", suppressed) : F_NONE);
}

static void fatal(struct kafka_source *source)
{
    char reason[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(source->rk, reason, sizeof reason);
    log_critical("Kafka consumer cannot go on", F_STR("error.type", rd_kafka_err2name(code)),
                 F_STR("error.message", reason));
    if (source->fatal) {
        void (*tell)(void *, const char *) = source->fatal;
        source->fatal = NULL;
        tell(source->fatal_ctx, reason);
    }
}

/** librdkafka tells of a refusal once, not at every reconnection, so asking again is on a clock of our own.
 */
static void ask_for_credentials(struct kafka_source *source)
{
    int64_t now = clock_monotonic_ms(source->options.clock);
    if (!source->options.credentials_refused || now < source->credentials_asked_ms)
        return;
    source->credentials_asked_ms = now + source->credentials_wait_ms;
    if (source->credentials_wait_ms < CREDENTIALS_CAP_MS)
        source->credentials_wait_ms *= 2;
    source->options.credentials_refused(source->options.ctx);
}

static void error_event(struct kafka_source *source, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event)) {
        fatal(source);
        return;
    }
    kafka_error_say(source, code, rd_kafka_event_error_string(event));
    bool refused =
        code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
    if (!refused || source->credentials_failing)
        return;
    source->credentials_failing = true;
    source->credentials_wait_ms = CREDENTIALS_AGAIN_MS;
    ask_for_credentials(source);
}

static void log_event(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;
    if (rd_kafka_event_log(event, &facility, &text, &level) != 0)
        return;
    if (level <= 2)
        log_error("librdkafka", F_STR("facility", facility), F_STR("error.message", text));
    else
        log_debug("librdkafka", F_STR("facility", facility), F_STR("error.message", text));
}

static void serve_events(struct kafka_source *source)
{
    rd_kafka_event_t *event;
    while (!source->destroying && (event = rd_kafka_queue_poll(source->events, 0))) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            source->credentials_failing = false;
            rebalance_event(source, event);
            break;
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            if (rd_kafka_event_opaque(event) == source)
                commit_answered(source, event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            error_event(source, event);
            break;
        case RD_KAFKA_EVENT_LOG:
            log_event(event);
            break;
        default:
            break;
        }
        rd_kafka_event_destroy(event);
    }
}

/* Taking records */

/** A partition whose note is full takes no more: what is fetched of it is given up and fetched again later.
 */
static void partition_pause(struct partition *partition, bool pause)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, partition->topic, partition->number);
    if (pause)
        rd_kafka_pause_partitions(partition->source->rk, list);
    else
        rd_kafka_resume_partitions(partition->source->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    partition->paused = pause;
    log_debug(pause ? "partition paused: too much is done out of order" : "partition resumed",
              F_STR("messaging.destination.name", partition->topic),
              F_INT("messaging.destination.partition.id", partition->number));
}

static bool sink_has_room(struct kafka_source *source, const rd_kafka_message_t *message)
{
    return source->options.sink.has_room(source->options.sink.ctx, message->len + message->key_len);
}

/** Takes one message if it can be taken now; false: keep it (in `*parked`) and stop. */
static bool take_message(struct kafka_source *source, rd_kafka_message_t *message)
{
    struct partition *partition =
        partition_find(source, rd_kafka_topic_name(message->rkt), message->partition);
    if (message->err) {
        kafka_error_say(source, message->err, rd_kafka_message_errstr(message));
    } else if (partition && !partition->revoked) {
        if (partition->paused || !offsets_has_room(&partition->offsets)) {
            if (!partition->parked) {
                partition->parked = message;
                partition_pause(partition, true);
                return true;
            }
            /* An older fetch of a paused partition: it comes again after the resumption. */
        } else if (!sink_has_room(source, message) || !partition_take(partition, message)) {
            source->parked = message;
            source->waiting_for_room = true;
            return false;
        } else {
            source->credentials_failing = false;
        }
    }
    rd_kafka_message_destroy(message);
    return true;
}

/** Partitions whose note has room again go on, with the message that was waiting first. */
static bool take_parked(struct kafka_source *source)
{
    for (struct partition *partition = source->partitions; partition; partition = partition->next) {
        if (!partition->paused || partition->revoked || !offsets_has_room(&partition->offsets))
            continue;
        if (partition->parked) {
            if (!sink_has_room(source, partition->parked) || !partition_take(partition, partition->parked)) {
                source->waiting_for_room = true;
                return false;
            }
            rd_kafka_message_destroy(partition->parked);
            partition->parked = NULL;
        }
        partition_pause(partition, false);
    }
    return true;
}

static void more_fired(uv_idle_t *more);

static void take_records(struct kafka_source *source)
{
    uv_idle_stop(&source->more);
    if (source->stopped_taking || source->destroying)
        return;
    source->waiting_for_room = false;
    if (!take_parked(source))
        return;
    for (int i = 0; i < TAKE_BATCH; i++) {
        rd_kafka_message_t *message = source->parked;
        source->parked = NULL;
        if (!message)
            message = rd_kafka_consume_queue(source->records, 0);
        if (!message || !take_message(source, message))
            return;
    }
    uv_idle_start(&source->more, more_fired);
}

static void more_fired(uv_idle_t *more)
{
    take_records(more->data);
}

static void schedule_taking(struct kafka_source *source)
{
    if (!source->stopped_taking && !source->destroying)
        uv_idle_start(&source->more, more_fired);
}

void kafka_source_resume(struct kafka_source *source)
{
    schedule_taking(source);
}

void kafka_source_stop_taking(struct kafka_source *source)
{
    source->stopped_taking = true;
    uv_idle_stop(&source->more);
}

static void try_close(struct kafka_source *source);

static void woken(uv_poll_t *poll, int status, int events)
{
    struct kafka_source *source = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    while (read(source->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    serve_events(source);
    if (!source->waiting_for_room)
        schedule_taking(source);
    if (source->closing)
        try_close(source);
}

static void ticked(uv_timer_t *tick)
{
    struct kafka_source *source = tick->data;
    serve_events(source);
    if (source->credentials_failing && !source->closing)
        ask_for_credentials(source);
    schedule_taking(source);
    if (source->closing)
        try_close(source);
}

/* Life */

static char *copy_text(const char *text)
{
    return slice_to_text(slice_of(text ? text : ""));
}

static bool copy_options(struct kafka_source *source, const struct kafka_source_options *options)
{
    source->options = *options;
    struct kafka_source_options *own = &source->options;
    own->bootstrap_servers = own->security_protocol = own->sasl_mechanism = own->username = "";
    own->password = (struct secret){{NULL, 0}};
    own->group_id = copy_text(options->group_id);
    own->auto_offset_reset = copy_text(options->auto_offset_reset);
    own->runs_topic = copy_text(options->runs_topic);
    own->change_log_topic = copy_text(options->change_log_topic);
    own->assignment_strategy = "";
    return own->group_id && own->auto_offset_reset && own->runs_topic && own->change_log_topic;
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

static void source_free(struct kafka_source *source)
{
    while (source->free_tickets) {
        struct kafka_ticket *next = source->free_tickets->next;
        free(source->free_tickets);
        source->free_tickets = next;
    }
    free_text(source->options.group_id);
    free_text(source->options.auto_offset_reset);
    free_text(source->options.runs_topic);
    free_text(source->options.change_log_topic);
    if (source->wake_fd >= 0)
        close(source->wake_fd);
    free(source);
}

static int subscribe(struct kafka_source *source, struct error *err)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(topics, source->options.runs_topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_topic_partition_list_add(topics, source->options.change_log_topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(source->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(err, PA_ERR_INVALID, "cannot subscribe: %s", rd_kafka_err2str(code));
    return 0;
}

static int open_consumer(struct kafka_source *source, const struct kafka_source_options *options,
                         struct error *err)
{
    char reason[256];
    rd_kafka_conf_t *conf = kafka_conf_new(options, err);
    if (!conf)
        return PA_ERR_INVALID;
    source->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!source->rk) {
        rd_kafka_conf_destroy(conf);
        return error_set(err, PA_ERR_INVALID, "Kafka consumer: %s", reason);
    }
    rd_kafka_poll_set_consumer(source->rk);
    source->events = rd_kafka_queue_get_consumer(source->rk);
    source->records = rd_kafka_queue_new(source->rk);
    rd_kafka_set_log_queue(source->rk, source->events);
    const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(source->events, source->wake_fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(source->records, source->wake_fd, &one, sizeof one);
    return subscribe(source, err);
}

static void open_handles(struct kafka_source *source)
{
    uv_loop_t *loop = source->options.loop;
    uv_poll_init(loop, &source->wake, source->wake_fd);
    uv_idle_init(loop, &source->more);
    uv_timer_init(loop, &source->tick);
    uv_timer_init(loop, &source->commit_timer);
    uv_timer_init(loop, &source->step_timer);
    source->wake.data = source->more.data = source->tick.data = source->commit_timer.data =
        source->step_timer.data = source;
    source->open_handles = 5;
    uv_poll_start(&source->wake, UV_READABLE, woken);
    uv_timer_start(&source->tick, ticked, 0, TICK_MS);
}

static void close_consumer(struct kafka_source *source)
{
    if (source->events) {
        rd_kafka_queue_io_event_enable(source->events, -1, NULL, 0);
        rd_kafka_queue_destroy(source->events);
    }
    if (source->records) {
        rd_kafka_queue_io_event_enable(source->records, -1, NULL, 0);
        rd_kafka_queue_destroy(source->records);
    }
    if (source->rk)
        rd_kafka_destroy_flags(source->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

struct kafka_source *kafka_source_new(const struct kafka_source_options *options, struct error *err)
{
    struct kafka_source *source = calloc(1, sizeof *source);
    if (!source) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    source->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (source->wake_fd < 0 || !copy_options(source, options))
        error_set(err, PA_ERR_MEMORY, "out of memory or file descriptors");
    else if (open_consumer(source, options, err) == 0) {
        open_handles(source);
        return source;
    }
    close_consumer(source);
    source_free(source);
    return NULL;
}

void kafka_source_on_fatal(struct kafka_source *source, void (*tell)(void *ctx, const char *reason),
                           void *ctx)
{
    source->fatal = tell;
    source->fatal_ctx = ctx;
}

int kafka_source_set_credentials(struct kafka_source *source, const char *username, struct secret password)
{
    char *text = slice_to_text(password.value);
    if (!text)
        return PA_ERR_MEMORY;
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(source->rk, username, text);
    explicit_bzero(text, strlen(text));
    free(text);
    if (!error)
        return 0;
    kafka_error_say(source, rd_kafka_error_code(error), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return PA_ERR_INVALID;
}

/* Closing: leave the group (its revocation commits), then destroy the client in the thread pool, since that
 * joins its threads. */

static void handle_closed(uv_handle_t *handle)
{
    struct kafka_source *source = handle->data;
    if (--source->open_handles > 0)
        return;
    void (*closed)(void *) = source->closed;
    void *ctx = source->closed_ctx;
    source_free(source);
    if (closed)
        closed(ctx);
}

static void destroy_done(uv_work_t *work, int status)
{
    struct kafka_source *source = work->data;
    (void)status;
    free(work);
    source->events = source->records = NULL;
    source->rk = NULL;
    uv_close((uv_handle_t *)&source->wake, handle_closed);
    uv_close((uv_handle_t *)&source->more, handle_closed);
    uv_close((uv_handle_t *)&source->tick, handle_closed);
    uv_close((uv_handle_t *)&source->commit_timer, handle_closed);
    uv_close((uv_handle_t *)&source->step_timer, handle_closed);
}

static void destroy_work(uv_work_t *work)
{
    close_consumer(work->data);
}

static void destroy(struct kafka_source *source)
{
    source->destroying = true;
    uv_poll_stop(&source->wake);
    uv_idle_stop(&source->more);
    uv_timer_stop(&source->tick);
    uv_timer_stop(&source->commit_timer);
    uv_timer_stop(&source->step_timer);
    if (source->parked)
        rd_kafka_message_destroy(source->parked);
    source->parked = NULL;
    while (source->partitions) {
        source->options.sink.withdraw(source->options.sink.ctx, source->partitions, true);
        partition_free(source->partitions);
    }
    if (source->changing)
        rd_kafka_topic_partition_list_destroy(source->changing);
    source->changing = NULL;
    uv_work_t *work = calloc(1, sizeof *work);
    if (!work)
        abort();
    work->data = source;
    uv_queue_work(source->options.loop, work, destroy_work, destroy_done);
}

static void try_close(struct kafka_source *source)
{
    if (source->destroying || source->lookup)
        return; /* a lookup in the thread pool still uses the client; it ends within its own timeout */
    bool late = clock_monotonic_ms(source->options.clock) >= source->close_deadline_ms;
    if (rd_kafka_consumer_closed(source->rk) || (late && source->close_asked)) {
        if (!rd_kafka_consumer_closed(source->rk))
            log_warning(
                "the group did not confirm our leaving in time; the broker notices by the session timeout",
                F_STR("messaging.consumer.group.name", source->options.group_id));
        destroy(source);
    }
}

void kafka_source_close(struct kafka_source *source, void (*closed)(void *ctx), void *ctx)
{
    source->closing = true;
    source->closed = closed;
    source->closed_ctx = ctx;
    source->close_deadline_ms = clock_monotonic_ms(source->options.clock) + CLOSE_MS;
    kafka_source_stop_taking(source);
    uv_timer_start(&source->tick, ticked, 50, 50);
    rebalance_hurry(source);
    source->close_asked = true;
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(source->rk, source->events);
    if (error) {
        kafka_error_say(source, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        source->close_deadline_ms = 0;
    }
}

void kafka_source_counters(const struct kafka_source *source, struct kafka_source_counters *out)
{
    *out =
        (struct kafka_source_counters){.commits = source->commits, .restored_skips = source->restored_skips};
    for (const struct partition *partition = source->partitions; partition; partition = partition->next) {
        out->assigned++;
        out->undone += partition->live;
    }
}
