/* The Kafka consumer's life: librdkafka keeps its own threads, its queues wake the loop through an eventfd,
 * and the loop takes what is there without blocking. Does not know what is done with a record. */
#include "kafka/connection.h"
#include "source/kafka/internal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    /** At most so many records, and of no more than so many bytes, are taken in one turn of the loop; the
     * last may go beyond. */
    TAKE_BATCH = 64,
    TAKE_BYTES = 1024 * 1024,
    /** An idle agent wakes up for this, and once more for what the watch has asked. */
    TICK_MS = 1000,
    CLOSE_MS = 2000,
    CLOSING_TICK_MS = 50,
    CREDENTIALS_AGAIN_MS = 2000,
    CREDENTIALS_CAP_MS = 60000
};

/* Errors and logs */

void consumer_give_up(struct kafka_consumer *consumer)
{
    if (!consumer->fatal_said)
        consumer->options.fatal(consumer->options.ctx);
    consumer->fatal_said = true;
}

static void consumer_fatal(struct kafka_consumer *consumer)
{
    char reason[256];
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(consumer->rk, reason, sizeof reason);
    if (!consumer->fatal_said)
        kafka_error_say_fatal(code, reason);
    consumer_give_up(consumer);
}

/** librdkafka tells of a refusal once, not at every reconnection, so asking again is on a clock of our own.
 */
static void ask_for_credentials(struct kafka_consumer *consumer)
{
    int64_t now = clock_monotonic_ms(consumer->options.clock);
    if (!consumer->options.credentials_refused || now < consumer->credentials_asked_ms)
        return;
    consumer->credentials_asked_ms = now + consumer->credentials_wait_ms;
    if (consumer->credentials_wait_ms < CREDENTIALS_CAP_MS)
        consumer->credentials_wait_ms *= 2;
    consumer->options.credentials_refused(consumer->options.ctx);
}

static void error_event(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (rd_kafka_event_error_is_fatal(event)) {
        consumer_fatal(consumer);
        return;
    }
    if (consumer->fatal_said) /* what follows from the fatal one says nothing more */
        return;
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED)
        standing_connected(consumer);
    standing_error(consumer, code, rd_kafka_event_error_string(event));
    bool refused =
        code == RD_KAFKA_RESP_ERR__AUTHENTICATION || code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
    if (!refused || consumer->credentials_failing)
        return;
    standing_refused(consumer, rd_kafka_event_error_string(event));
    consumer->credentials_wait_ms = CREDENTIALS_AGAIN_MS;
    ask_for_credentials(consumer);
}

static void log_event(rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;
    if (rd_kafka_event_log(event, &facility, &text, &level) != 0)
        return;
    /* A fatal error is an event too, and told there. */
    if (level <= 2 && strcmp(facility, "FATAL") != 0)
        log_error("librdkafka", F_STR("facility", facility), F_STR("error.message", text));
    else
        log_debug("librdkafka", F_STR("facility", facility), F_STR("error.message", text));
}

static void serve_events(struct kafka_consumer *consumer)
{
    rd_kafka_event_t *event;
    while (!consumer->destroying && (event = rd_kafka_queue_poll(consumer->events, 0))) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_REBALANCE:
            standing_works(consumer);
            rebalance_event(consumer, event);
            break;
        case RD_KAFKA_EVENT_OFFSET_COMMIT:
            if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
                standing_connected(consumer);
            if (rd_kafka_event_opaque(event) == consumer)
                commit_answered(consumer, event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            error_event(consumer, event);
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
    partition_of_client_pause(partition->consumer->rk, partition->topic, partition->number, pause);
    partition->paused = pause;
    partition_tell_full(partition, pause);
    log_debug(pause ? "partition paused: too much is done out of order" : "partition resumed",
              F_TOPIC_PARTITION(partition->topic, partition->number));
}

static bool sink_has_room(struct kafka_consumer *consumer, const rd_kafka_message_t *message)
{
    return consumer->options.sink.has_room(consumer->options.sink.ctx, message->len + message->key_len);
}

/** Takes one message if it can be taken now; false: keep it (in `*parked`) and stop. */
static bool take_message(struct kafka_consumer *consumer, rd_kafka_message_t *message)
{
    struct partition *partition =
        partition_find(consumer, rd_kafka_topic_name(message->rkt), message->partition);
    bool takes = partition && partition->begun && !partition->revoked;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        standing_works(consumer);
        if (takes)
            partition_end_reached(partition, message->offset);
    } else if (message->err) {
        kafka_error_say(consumer, message->err, rd_kafka_message_errstr(message));
        if (takes && unreadable_is_error(message->err))
            poison_failed(partition, message->offset, rd_kafka_message_errstr(message));
    } else if (takes) {
        if (poison_suspect(partition, message->offset) || poison_is_astray(partition, message->offset)) {
            /* It lies, or came after one that did: its batch is passed, and everything else comes again. */
        } else if (partition->paused || !offsets_has_room(&partition->offsets, message->offset)) {
            if (!partition->parked) {
                partition->parked = message;
                partition_pause(partition, true);
                return true;
            }
            /* An older fetch of a paused partition: it comes again after the resumption. */
        } else if (!sink_has_room(consumer, message) || !partition_take(partition, message)) {
            consumer->parked = message;
            consumer->waiting_for_room = true;
            return false;
        } else {
            standing_works(consumer);
        }
    }
    rd_kafka_message_destroy(message);
    return true;
}

static void more_fired(uv_idle_t *more);

/** Partitions whose note has space again go on, with the message that was waiting first. Adds their bytes to
 * `taken`; false: no more are taken in this turn. */
static bool take_parked(struct kafka_consumer *consumer, size_t *taken)
{
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        rd_kafka_message_t *message = partition->parked;
        if (!message || partition->revoked || !offsets_has_room(&partition->offsets, message->offset))
            continue;
        if (*taken >= TAKE_BYTES) {
            uv_idle_start(&consumer->more, more_fired);
            return false;
        }
        if (!sink_has_room(consumer, message) || !partition_take(partition, message)) {
            consumer->waiting_for_room = true;
            return false;
        }
        *taken += message->len + message->key_len;
        rd_kafka_message_destroy(message);
        partition->parked = NULL;
        partition_pause(partition, false);
    }
    return true;
}

static void take_records(struct kafka_consumer *consumer)
{
    size_t taken = 0;
    uv_idle_stop(&consumer->more);
    if (consumer->stopped_taking || consumer->destroying)
        return;
    consumer->waiting_for_room = false;
    if (!take_parked(consumer, &taken))
        return;
    for (int i = 0; i < TAKE_BATCH && taken < TAKE_BYTES; i++) {
        rd_kafka_message_t *message = consumer->parked;
        consumer->parked = NULL;
        if (!message)
            message = rd_kafka_consume_queue(consumer->records, 0);
        taken += message ? message->len + message->key_len : 0;
        if (!message || !take_message(consumer, message))
            return;
    }
    uv_idle_start(&consumer->more, more_fired);
}

static void more_fired(uv_idle_t *more)
{
    take_records(more->data);
}

static void schedule_taking(struct kafka_consumer *consumer)
{
    if (!consumer->stopped_taking && !consumer->destroying)
        uv_idle_start(&consumer->more, more_fired);
}

void kafka_consumer_resume(struct kafka_consumer *consumer)
{
    schedule_taking(consumer);
}

void kafka_consumer_stop_taking(struct kafka_consumer *consumer)
{
    consumer->stopped_taking = true;
    uv_idle_stop(&consumer->more);
    redeliveries_leave(consumer);
}

static void try_close(struct kafka_consumer *consumer);

static void consumer_woken(uv_poll_t *poll, int status, int events)
{
    struct kafka_consumer *consumer = poll->data;
    uint64_t count;
    (void)status;
    (void)events;
    PA_IGNORE(read(consumer->wake_fd, &count, sizeof count)); /* interrupted, it is readable still */
    serve_events(consumer);
    again_woken(consumer);
    if (!consumer->waiting_for_room)
        schedule_taking(consumer);
    if (consumer->closing)
        try_close(consumer);
}

static void ticked(uv_timer_t *tick)
{
    struct kafka_consumer *consumer = tick->data;
    serve_events(consumer);
    standing_tick(consumer);
    poison_tick(consumer);
    again_tick(consumer);
    redeliveries_tick(consumer);
    watch_tick(consumer);
    if (consumer->credentials_failing && !consumer->closing)
        ask_for_credentials(consumer);
    schedule_taking(consumer);
    if (consumer->closing)
        try_close(consumer);
}

/* Life */

static char *copy_text(const char *text)
{
    return slice_to_text(slice_of(text ? text : ""));
}

static bool copy_options(struct kafka_consumer *consumer, const struct kafka_consumer_options *options)
{
    consumer->options = *options;
    struct kafka_consumer_options *own = &consumer->options;
    own->bootstrap_servers = own->security_protocol = own->sasl_mechanism = own->username = "";
    own->password = (struct secret){{NULL, 0}};
    own->group_id = copy_text(options->group_id);
    own->auto_offset_reset = copy_text(options->auto_offset_reset);
    own->runs_topic = copy_text(options->runs_topic);
    own->change_log_topic = copy_text(options->change_log_topic);
    own->assignment_strategy = own->group_instance_id = own->group_protocol = "";
    consumer->first.known = options->begun;
    /* Not asked of librdkafka: rd_kafka_rebalance_protocol waits for ever for a client that is leaving. */
    consumer->rejoins = strcmp(options->assignment_strategy, "cooperative-sticky") == 0;
    consumer->cooperative = consumer->rejoins;
    if (kafka_protocol_is_consumer(options)) { /* incremental, and without a second round */
        consumer->cooperative = true;
        consumer->rejoins = false;
    }
    return own->group_id && own->auto_offset_reset && own->runs_topic && own->change_log_topic;
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

static void consumer_free(struct kafka_consumer *consumer)
{
    while (consumer->free_tickets) {
        struct kafka_ticket *next = consumer->free_tickets->next;
        free(consumer->free_tickets);
        consumer->free_tickets = next;
    }
    free_text(consumer->options.group_id);
    free_text(consumer->options.auto_offset_reset);
    free_text(consumer->options.runs_topic);
    free_text(consumer->options.change_log_topic);
    if (consumer->wake_fd >= 0)
        close(consumer->wake_fd);
    free(consumer);
}

static int subscribe(struct kafka_consumer *consumer, struct error *err)
{
    rd_kafka_topic_partition_list_t *topics = rd_kafka_topic_partition_list_new(2);
    rd_kafka_topic_partition_list_add(topics, consumer->options.runs_topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_topic_partition_list_add(topics, consumer->options.change_log_topic, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return error_set(err, PA_ERR_INVALID, "cannot subscribe: %s", rd_kafka_err2str(code));
    return 0;
}

static int open_consumer(struct kafka_consumer *consumer, const struct kafka_consumer_options *options,
                         struct error *err)
{
    consumer->rk = kafka_client_new(RD_KAFKA_CONSUMER, kafka_conf_new(options, err), err);
    if (!consumer->rk)
        return err->kind;
    rd_kafka_poll_set_consumer(consumer->rk);
    consumer->events = rd_kafka_queue_get_consumer(consumer->rk);
    consumer->records = rd_kafka_queue_new(consumer->rk);
    rd_kafka_set_log_queue(consumer->rk, consumer->events);
    const uint64_t one = 1;
    rd_kafka_queue_io_event_enable(consumer->events, consumer->wake_fd, &one, sizeof one);
    rd_kafka_queue_io_event_enable(consumer->records, consumer->wake_fd, &one, sizeof one);
    return subscribe(consumer, err);
}

static void open_handles(struct kafka_consumer *consumer)
{
    uv_loop_t *loop = consumer->options.loop;
    uv_poll_init(loop, &consumer->wake, consumer->wake_fd);
    uv_idle_init(loop, &consumer->more);
    uv_idle_init(loop, &consumer->again.more);
    uv_timer_init(loop, &consumer->tick);
    uv_timer_init(loop, &consumer->commit_timer);
    uv_timer_init(loop, &consumer->step_timer);
    uv_timer_init(loop, &consumer->watch_timer);
    consumer->again.more.data = consumer->watch_timer.data = consumer->wake.data = consumer->more.data =
        consumer->tick.data = consumer->commit_timer.data = consumer->step_timer.data = consumer;
    consumer->open_handles = 7;
    uv_poll_start(&consumer->wake, UV_READABLE, consumer_woken);
    uv_timer_start(&consumer->tick, ticked, 0, TICK_MS);
    watch_start(consumer);
}

static void close_consumer(struct kafka_consumer *consumer)
{
    if (consumer->events) {
        rd_kafka_queue_io_event_enable(consumer->events, -1, NULL, 0);
        rd_kafka_queue_destroy(consumer->events);
    }
    if (consumer->records) {
        rd_kafka_queue_io_event_enable(consumer->records, -1, NULL, 0);
        rd_kafka_queue_destroy(consumer->records);
    }
    if (consumer->rk)
        rd_kafka_destroy_flags(consumer->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

struct kafka_consumer *kafka_consumer_new(const struct kafka_consumer_options *options, struct error *err)
{
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    if (!consumer) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    consumer->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (consumer->wake_fd < 0 || !copy_options(consumer, options))
        error_set(err, PA_ERR_MEMORY, "out of memory or file descriptors");
    else if (open_consumer(consumer, options, err) == 0) {
        open_handles(consumer);
        return consumer;
    }
    close_consumer(consumer);
    consumer_free(consumer);
    return NULL;
}

/** 0, or what librdkafka refuses, which is said. */
static int set_credentials(struct kafka_consumer *consumer, rd_kafka_t *rk, const char *username,
                           const char *password)
{
    rd_kafka_error_t *error = rd_kafka_sasl_set_credentials(rk, username, password);
    if (!error)
        return 0;
    kafka_error_say(consumer, rd_kafka_error_code(error), rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return PA_ERR_INVALID;
}

int kafka_consumer_set_credentials(struct kafka_consumer *consumer, const char *username,
                                   struct secret password)
{
    char *text = slice_to_text(password.value);
    if (!text)
        return PA_ERR_MEMORY;
    int failed = set_credentials(consumer, consumer->rk, username, text);
    if (!failed && consumer->again.rk)
        failed = set_credentials(consumer, consumer->again.rk, username, text);
    explicit_bzero(text, strlen(text));
    free(text);
    return failed;
}

/* Closing: leave the group (its revocation commits), then destroy the client in the thread pool, since that
 * joins its threads. */

static void consumer_handle_closed(uv_handle_t *handle)
{
    struct kafka_consumer *consumer = handle->data;
    if (--consumer->open_handles > 0)
        return;
    void (*closed)(void *) = consumer->closed;
    void *ctx = consumer->closed_ctx;
    consumer_free(consumer);
    if (closed)
        closed(ctx);
}

static void destroy_done(uv_work_t *work, int status)
{
    struct kafka_consumer *consumer = work->data;
    (void)status;
    consumer->events = consumer->records = NULL;
    consumer->rk = NULL;
    uv_close((uv_handle_t *)&consumer->wake, consumer_handle_closed);
    uv_close((uv_handle_t *)&consumer->more, consumer_handle_closed);
    uv_close((uv_handle_t *)&consumer->again.more, consumer_handle_closed);
    uv_close((uv_handle_t *)&consumer->tick, consumer_handle_closed);
    uv_close((uv_handle_t *)&consumer->commit_timer, consumer_handle_closed);
    uv_close((uv_handle_t *)&consumer->step_timer, consumer_handle_closed);
    uv_close((uv_handle_t *)&consumer->watch_timer, consumer_handle_closed);
}

static void destroy_work(uv_work_t *work)
{
    struct kafka_consumer *consumer = work->data;
    again_close(&consumer->again);
    close_consumer(consumer);
}

static void destroy(struct kafka_consumer *consumer)
{
    consumer->destroying = true;
    uv_poll_stop(&consumer->wake);
    uv_idle_stop(&consumer->more);
    again_stop(consumer);
    uv_timer_stop(&consumer->tick);
    uv_timer_stop(&consumer->commit_timer);
    uv_timer_stop(&consumer->step_timer);
    uv_timer_stop(&consumer->watch_timer);
    if (consumer->parked)
        rd_kafka_message_destroy(consumer->parked);
    consumer->parked = NULL;
    while (consumer->partitions) {
        if (!consumer->partitions->abandoned)
            consumer->options.sink.withdraw(consumer->options.sink.ctx, consumer->partitions, true);
        partition_free(consumer->partitions);
    }
    if (consumer->changing)
        rd_kafka_topic_partition_list_destroy(consumer->changing);
    consumer->changing = NULL;
    consumer->destruction.data = consumer;
    uv_queue_work(consumer->options.loop, &consumer->destruction, destroy_work, destroy_done);
}

/** Only between rebalances: librdkafka's thread gives up a rebalance under way, and then no longer waits for,
 * nor replies to, the answer. */
static void ask_to_close(struct kafka_consumer *consumer)
{
    consumer->close_asked = true;
    consumer->close_deadline_ms = clock_monotonic_ms(consumer->options.clock) + CLOSE_MS +
                                  (consumer->renewing ? consumer->options.drain_timeout_ms : 0);
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->rk, consumer->events);
    if (error) {
        if (!consumer->fatal_said)
            kafka_error_say(consumer, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        consumer->close_deadline_ms = 0;
    }
}

static void try_close(struct kafka_consumer *consumer)
{
    if (!consumer->close_asked && consumer->rebalance == REBALANCE_IDLE)
        ask_to_close(consumer);
    if (consumer->destroying || !consumer->close_asked || consumer->works_running > 0)
        return; /* a lookup in the thread pool still uses the client; it ends within its own timeout */
    bool closed = rd_kafka_consumer_closed(consumer->rk) != 0;
    /* After a fatal error the group has nothing more to confirm. */
    if (!closed && !consumer->fatal_said &&
        clock_monotonic_ms(consumer->options.clock) < consumer->close_deadline_ms)
        return;
    if (!closed && !consumer->fatal_said)
        log_warning(
            "the group did not confirm our leaving in time; the broker notices by the session timeout",
            F_STR("messaging.consumer.group.name", consumer->options.group_id));
    destroy(consumer);
}

void kafka_consumer_close(struct kafka_consumer *consumer, void (*closed)(void *ctx), void *ctx)
{
    int64_t deadline_ms = clock_monotonic_ms(consumer->options.clock) + CLOSE_MS;
    if (consumer->closing) { /* again, and without waiting for deliveries */
        consumer->renewing = false;
        if (consumer->close_deadline_ms > deadline_ms)
            consumer->close_deadline_ms = deadline_ms;
    }
    consumer->closing = true;
    consumer->closed = closed;
    consumer->closed_ctx = ctx;
    if (consumer->destroying)
        return;
    kafka_consumer_stop_taking(consumer);
    poison_overtake(consumer);
    uv_timer_start(&consumer->tick, ticked, 0, CLOSING_TICK_MS);
    rebalance_hurry(consumer);
}

void kafka_consumer_counters(const struct kafka_consumer *consumer, struct kafka_consumer_counters *out)
{
    *out = (struct kafka_consumer_counters){.commits = consumer->commits,
                                            .restored_skips = consumer->restored_skips,
                                            .batches_passed = consumer->batches_passed};
    for (const struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        out->assigned++;
        out->undone += partition->live;
    }
}
