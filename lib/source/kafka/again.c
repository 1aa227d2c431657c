/* Records that are read a second time, because nobody kept them in memory. A client of its own reads them, so
 * that the consumer's positions stay where they are: for each partition it goes from one wanted offset to the
 * next, upwards, and from the highest back to the lowest; it seeks where the next one is far away. Where
 * nothing is wanted it stands still with what it has fetched, which mostly is what is wanted next: a
 * partition that is paused and resumed costs up to a second in librdkafka. It is in no group and commits
 * nothing.
 *
 * That a record is gone is never concluded from waiting. A broker has to send what comes behind the record
 * three times, a second apart, without the record itself. */
#include "source/kafka/internal.h"
#include <stdlib.h>
#include <string.h>

enum {
    /** In one turn of the loop; bytes: and the record that passes them. */
    BATCH = 64,
    BATCH_BYTES = 1024 * 1024,
    /** Offsets that are read and passed over rather than sought across. */
    NEAR = 500,
    MISSES = 3
};

/* Life */

/** The consumer's, for a client without a group. NULL: it cannot be made. */
static rd_kafka_conf_t *again_conf(rd_kafka_t *consumer)
{
    static const struct {
        /** NULL: as it is by default. */
        const char *name, *value;
    } OWN[] = {
        {"group.id", NULL},
        {"group.instance.id", NULL},
        {"enable.partition.eof", "true"},
        /* What is fetched beyond what is wanted is thrown away. */
        {"queued.max.messages.kbytes", "1024"},
        {"fetch.message.max.bytes", "131072"},
        {"fetch.max.bytes", "1048576"},
        {"fetch.wait.max.ms", "100"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(consumer));
    bool set = true;
    for (size_t i = 0; set && i < sizeof OWN / sizeof *OWN; i++)
        set = rd_kafka_conf_set(conf, OWN[i].name, OWN[i].value, NULL, 0) == RD_KAFKA_CONF_OK;
    /* Errors are the consumer's to tell: both clients reach the same brokers. */
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    if (set)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

static bool again_open(struct kafka_consumer *consumer)
{
    struct again *again = &consumer->again;
    if (again->rk)
        return true;
    rd_kafka_conf_t *conf = again_conf(consumer->rk);
    again->rk = conf ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0) : NULL;
    if (!again->rk) {
        if (conf)
            rd_kafka_conf_destroy(conf);
        return false;
    }
    const uint64_t one = 1;
    again->records = rd_kafka_queue_new(again->rk);
    rd_kafka_queue_io_event_enable(again->records, consumer->wake_fd, &one, sizeof one);
    return true;
}

void again_close(struct again *again)
{
    while (again->readings) {
        struct reading *reading = again->readings;
        again->readings = reading->next;
        if (reading->started)
            rd_kafka_consume_stop(reading->topic, reading->number);
        rd_kafka_topic_destroy(reading->topic);
        free(reading);
    }
    if (again->records) {
        rd_kafka_queue_io_event_enable(again->records, -1, NULL, 0);
        rd_kafka_queue_destroy(again->records);
    }
    if (again->rk)
        rd_kafka_destroy(again->rk);
}

/* Where it reads */

static struct reading *reading_find(const struct again *again, const char *topic, int32_t number)
{
    struct reading *reading = again->readings;
    while (reading && (reading->number != number || strcmp(rd_kafka_topic_name(reading->topic), topic) != 0))
        reading = reading->next;
    return reading;
}

/** NULL: out of memory. */
static struct reading *reading_of(struct again *again, const char *name, int32_t number)
{
    struct reading *reading = reading_find(again, name, number);
    if (reading)
        return reading;
    reading = calloc(1, sizeof *reading);
    rd_kafka_topic_t *topic = reading ? rd_kafka_topic_new(again->rk, name, NULL) : NULL;
    if (!topic) {
        free(reading);
        return NULL;
    }
    *reading = (struct reading){.next = again->readings, .topic = topic, .number = number};
    again->readings = reading;
    return reading;
}

static void reading_pause(struct again *again, struct reading *reading, bool pause)
{
    partition_of_client_pause(again->rk, rd_kafka_topic_name(reading->topic), reading->number, pause);
    reading->paused = pause;
}

/** The next one that is looked for: upwards from the position, else the lowest; NULL: none. */
static struct wanted *next_wanted(const struct reading *reading)
{
    struct wanted *lowest = NULL;
    for (struct wanted *wanted = reading->wanted; wanted; wanted = wanted->next) {
        if (wanted->rests)
            continue;
        if (wanted->offset >= reading->position)
            return wanted;
        if (!lowest)
            lowest = wanted;
    }
    return lowest;
}

static void go_to(struct again *again, struct reading *reading, int64_t offset)
{
    if (!reading->started)
        reading->started =
            rd_kafka_consume_start_queue(reading->topic, reading->number, offset, again->records) == 0;
    else /* without waiting for librdkafka's thread; what was fetched for the old position does not come */
        rd_kafka_seek(reading->topic, reading->number, offset, 0);
    reading->position = offset;
    reading->at_end = false;
}

static void aim(struct again *again, struct reading *reading)
{
    const struct wanted *wanted = next_wanted(reading);
    reading->changed = false;
    if (!wanted)
        return;
    int64_t offset = wanted->offset;
    bool near = offset >= reading->position && offset - reading->position <= NEAR;
    if (reading->started && !reading->paused && !reading->at_end && near)
        return;
    if (reading->paused)
        reading_pause(again, reading, false);
    go_to(again, reading, offset);
}

/* What comes */

/** The first one that is wanted at `offset` or behind it. */
static struct wanted **wanted_from(struct reading *reading, int64_t offset)
{
    struct wanted **at = &reading->wanted;
    while (*at && (*at)->offset < offset)
        at = &(*at)->next;
    return at;
}

/** Takes it out of its reading, and tells whoever wants it. */
static void wanted_comes(struct wanted *wanted, const rd_kafka_message_t *message)
{
    struct kafka_ticket *ticket = wanted->ticket;
    if (!ticket) {
        redelivery_read(wanted->redelivery, message);
        return;
    }
    void *reader = wanted->reader;
    free(again_unlink(ticket));
    partition_tell_again(ticket->partition, ticket->entry.offset, message, reader);
}

/** The first one between the two offsets that does not rest; NULL: there is none. */
static struct wanted *expected(struct reading *reading, int64_t from, int64_t to)
{
    struct wanted *wanted = *wanted_from(reading, from);
    while (wanted && wanted->offset < to && wanted->rests)
        wanted = wanted->next;
    return wanted && wanted->offset < to ? wanted : NULL;
}

/** What should have come between the two offsets did not. */
static void missed(struct reading *reading, int64_t from, int64_t to)
{
    struct wanted *wanted;
    while ((wanted = expected(reading, from, to))) {
        from = wanted->offset;
        wanted->rests = true;
        if (++wanted->misses == MISSES)
            wanted_comes(wanted, NULL);
    }
}

static void take(struct again *again, struct reading *reading, const rd_kafka_message_t *message)
{
    int64_t position = reading->position, offset = message->offset;
    if (!next_wanted(reading)) {
        /* It stands in front of what another partition waits for; resuming begins with a seek. */
        if (!reading->paused)
            reading_pause(again, reading, true);
        return;
    }
    reading->changed = true;
    if (unreadable_is_error(message->err)) {
        const struct wanted *wanted = *wanted_from(reading, position);
        if (wanted)
            missed(reading, wanted->offset, wanted->offset + 1);
        return;
    }
    if (message->err && message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
        return; /* the broker's trouble, which passes or lasts */
    bool end = message->err != RD_KAFKA_RESP_ERR_NO_ERROR;
    /* Before the position: it was beyond the log's end, and librdkafka has begun at the log's start. */
    bool elsewhere = offset < position;
    reading->position = end ? offset : offset + 1;
    reading->at_end = end;
    missed(reading, position, elsewhere || end ? INT64_MAX : offset);
    struct wanted *here = end ? NULL : *wanted_from(reading, offset);
    if (here && here->offset == offset)
        wanted_comes(here, message);
}

/** False: there is nothing. Adds to `bytes` what came. */
static bool serve_one(struct again *again, size_t *bytes)
{
    rd_kafka_message_t *message = rd_kafka_consume_queue(again->records, 0);
    if (!message)
        return false;
    struct reading *reading =
        message->rkt ? reading_find(again, rd_kafka_topic_name(message->rkt), message->partition) : NULL;
    if (reading)
        take(again, reading, message);
    *bytes += message->len + message->key_len;
    rd_kafka_message_destroy(message);
    return true;
}

static bool expects_more(const struct again *again)
{
    for (const struct reading *reading = again->readings; reading; reading = reading->next)
        if (next_wanted(reading))
            return true;
    return false;
}

static void more_fired(uv_idle_t *more)
{
    struct kafka_consumer *consumer = more->data;
    struct again *again = &consumer->again;
    size_t bytes = 0;
    bool is_there = true;
    for (int served = 0; is_there && served < BATCH && bytes < BATCH_BYTES; served++)
        is_there = expects_more(again) && serve_one(again, &bytes);
    if (!is_there)
        uv_idle_stop(more);
    for (struct reading *reading = again->readings; reading; reading = reading->next)
        if (reading->changed)
            aim(again, reading);
}

void again_woken(struct kafka_consumer *consumer)
{
    if (consumer->again.rk && !consumer->destroying)
        uv_idle_start(&consumer->again.more, more_fired);
}

void again_tick(struct kafka_consumer *consumer)
{
    struct again *again = &consumer->again;
    if (!again->rk)
        return;
    rd_kafka_event_t *event;
    rd_kafka_queue_t *events = rd_kafka_queue_get_main(again->rk);
    while ((event = rd_kafka_queue_poll(events, 0)))
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(events);
    for (struct reading *reading = again->readings; reading; reading = reading->next) {
        for (struct wanted *wanted = reading->wanted; wanted; wanted = wanted->next) {
            reading->changed |= wanted->rests;
            wanted->rests = false;
        }
    }
    again_woken(consumer);
}

void again_stop(struct kafka_consumer *consumer)
{
    uv_idle_stop(&consumer->again.more);
}

/* What is wanted */

struct reading *again_want_of(struct kafka_consumer *consumer, const char *topic, int32_t number,
                              struct wanted *wanted)
{
    struct reading *reading = again_open(consumer) ? reading_of(&consumer->again, topic, number) : NULL;
    if (!reading)
        return NULL;
    struct wanted **at = wanted_from(reading, wanted->offset);
    wanted->next = *at;
    *at = wanted;
    reading->changed = true;
    again_woken(consumer);
    return reading;
}

void again_forget(struct reading *reading, const struct wanted *wanted)
{
    struct wanted **at = wanted_from(reading, wanted->offset);
    while (*at != wanted)
        at = &(*at)->next;
    *at = wanted->next;
    reading->changed = true;
}

enum source_reading again_want(struct kafka_ticket *ticket, void *reader)
{
    struct partition *partition = ticket->partition;
    struct wanted *wanted = malloc(sizeof *wanted);
    if (!wanted)
        return READING_FAILED;
    *wanted = (struct wanted){.offset = ticket->entry.offset, .ticket = ticket, .reader = reader};
    partition->reading = again_want_of(partition->consumer, partition->topic, partition->number, wanted);
    if (!partition->reading) {
        free(wanted);
        return READING_FAILED;
    }
    ticket->wanted = wanted;
    return READING_COMES;
}

struct wanted *again_unlink(struct kafka_ticket *ticket)
{
    struct wanted *wanted = ticket->wanted;
    if (!wanted)
        return NULL;
    ticket->wanted = NULL;
    again_forget(ticket->partition->reading, wanted);
    return wanted;
}
