/* Letters of a topic: each partition is read twice up to where it ended at the beginning. First all of them
 * for what was replayed, because a copy of a letter may be in any, then for the letters. Without a consumer
 * group, so that nobody's offsets move. */
#include "agent/topic_client.h"
#include "deadletter/producer.h"
#include "internal.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 10000, SILENCE_MS = 30000, POLL_MS = 250, WHERE_SIZE = 320 };
static const char REPLAYED[] = "dead-letter.replayed", LETTER_ID[] = "dead-letter.id";

/** A partition. */
struct part {
    /** Its messages, at the beginning. */
    int64_t low, end;
    /** Offsets of its letters. */
    struct replayed_ids replayed;
};

struct topic_reader {
    /** First: what reader.c knows of it. */
    struct dead_letter_reader reader;
    struct producer_settings settings;
    char *name;
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    /** Of the partition that is read. */
    rd_kafka_queue_t *queue;
    int32_t partition_count, partition;
    /** partition_count elements. */
    struct part *parts;
    /** The partition's letters; false: it is to be begun. */
    bool marks_read, reading;
    /** Letters' own IDs. */
    struct replayed_ids replayed;
    /** Whose bytes the last entry borrows. */
    rd_kafka_message_t *message;
    /** Its headers, as texts. */
    char *texts;
    /** Of the message, for people. */
    char where[WHERE_SIZE];
    /** Producer; NULL: nothing was marked yet. */
    rd_kafka_t *marker;
};

static struct topic_reader *topic_of(struct dead_letter_reader *reader)
{
    return (struct topic_reader *)reader;
}

static int brokers_refused(struct topic_reader *reader, rd_kafka_resp_err_t code, struct error *err)
{
    return error_set(err, PA_ERR_UNAVAILABLE, "topic %.200s: %s", reader->name, rd_kafka_err2str(code));
}

/* One partition, once */

/** 1: a message, to be destroyed; 0: the end as it was; or an error. */
static int next_message(struct topic_reader *reader, rd_kafka_message_t **out, struct error *err)
{
    for (int waited_ms = 0; waited_ms < SILENCE_MS; waited_ms += POLL_MS) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(reader->queue, POLL_MS);
        if (!message)
            continue;
        rd_kafka_resp_err_t code = message->err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && message->offset < reader->parts[reader->partition].end) {
            *out = message;
            return 1;
        }
        rd_kafka_message_destroy(message);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
            return 0;
        if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
            code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
            return brokers_refused(reader, code, err);
    }
    return error_set(err, PA_ERR_UNAVAILABLE, "topic %.200s: nothing came from the brokers for %d seconds",
                     reader->name, SILENCE_MS / 1000);
}

static void stop_partition(struct topic_reader *reader)
{
    if (!reader->queue)
        return;
    rd_kafka_consume_stop(reader->topic, reader->partition);
    rd_kafka_queue_destroy(reader->queue);
    reader->queue = NULL;
}

static int start_partition(struct topic_reader *reader, struct error *err)
{
    stop_partition(reader);
    reader->queue = rd_kafka_queue_new(reader->client);
    if (rd_kafka_consume_start_queue(reader->topic, reader->partition, RD_KAFKA_OFFSET_BEGINNING,
                                     reader->queue) != 0)
        return brokers_refused(reader, rd_kafka_last_error(), err);
    return 0;
}

/** The header's value; null: it is not there, or there more than once, so that nobody can say which counts
 * (then `*twice` is set, unless it is NULL), or without a value. */
static struct slice header(const rd_kafka_message_t *message, const char *name, bool *twice)
{
    rd_kafka_headers_t *headers;
    const void *value = NULL, *other;
    size_t size = 0, other_size;
    if (rd_kafka_message_headers(message, &headers) != 0 ||
        rd_kafka_header_get(headers, 0, name, &value, &size) != 0 || !value)
        return (struct slice){NULL, 0};
    if (rd_kafka_header_get(headers, 1, name, &other, &other_size) == 0) {
        if (twice)
            *twice = true;
        return (struct slice){NULL, 0};
    }
    return (struct slice){value, size};
}

/** A marker names a letter of its own partition, as "PARTITION:OFFSET". False: the message is no marker. */
static bool marked_offset(const rd_kafka_message_t *message, uint64_t *offset)
{
    char text[LETTER_ENTRY_ID_SIZE], *end;
    struct slice id = header(message, REPLAYED, NULL);
    *offset = 0;
    if (!id.ptr || id.len >= sizeof text)
        return false;
    memcpy(text, id.ptr, id.len);
    text[id.len] = '\0';
    if (strtol(text, &end, 10) != message->partition || end == text || *end != ':')
        return false;
    const char *number = end + 1;
    *offset = strtoull(number, &end, 10);
    return end != number && *end == '\0';
}

/** What one partition says of replays. */
static int read_marks(struct topic_reader *reader, struct part *part, struct error *err)
{
    rd_kafka_message_t *message = NULL;
    int got = start_partition(reader, err);
    while (got == 0 && (got = next_message(reader, &message, err)) == 1) {
        uint64_t offset, id;
        assert(message);
        bool kept = true;
        if (marked_offset(message, &offset)) {
            kept = replayed_add(&part->replayed, offset);
            if (letter_id_number(header(message, LETTER_ID, NULL), &id))
                kept = replayed_add(&reader->replayed, id) && kept;
        }
        rd_kafka_message_destroy(message);
        got = kept ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
    }
    replayed_sort(&part->replayed);
    return got;
}

/** What all partitions say. */
static int read_all_marks(struct topic_reader *reader, struct error *err)
{
    int failed = 0;
    for (reader->partition = 0; !failed && reader->partition < reader->partition_count; reader->partition++) {
        struct part *part = &reader->parts[reader->partition];
        rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(
            reader->client, reader->name, reader->partition, &part->low, &part->end, ANSWER_MS);
        if (code)
            failed = brokers_refused(reader, code, err);
        else if (part->low < part->end)
            failed = read_marks(reader, part, err);
        stop_partition(reader);
    }
    reader->partition = 0;
    reader->marks_read = !failed;
    replayed_sort(&reader->replayed);
    return failed;
}

/** 1: the partition's letters can be read; 0: it is empty; or an error. */
static int begin_partition(struct topic_reader *reader, struct error *err)
{
    const struct part *part = &reader->parts[reader->partition];
    if (part->low >= part->end)
        return 0;
    int failed = start_partition(reader, err);
    return failed ? failed : 1;
}

/* A message to a letter */

static void forget_message(struct topic_reader *reader)
{
    if (reader->message)
        rd_kafka_message_destroy(reader->message);
    free(reader->texts);
    reader->message = NULL;
    reader->texts = NULL;
}

static const char OUT_OF_MEMORY[] = "out of memory";

/** The headers of a letter, and which of them every letter has. */
enum {
    REASON,
    ATTEMPTS,
    STATUS,
    TOPIC,
    PARTITION,
    OFFSET,
    TIME,
    URL,
    RUN_ID,
    RECORD_ID,
    TRACEPARENT,
    TRACESTATE,
    ID,
    MAC,
    NAMES
};
static const char *const NAMES_OF[] = {
    "dead-letter.reason",    "dead-letter.attempts",  "dead-letter.status",      "dead-letter.topic",
    "dead-letter.partition", "dead-letter.offset",    "dead-letter.time",        "dead-letter.url",
    "dead-letter.run_id",    "dead-letter.record_id", "dead-letter.traceparent", "dead-letter.tracestate",
    "dead-letter.id",        "dead-letter.mac"};
enum { REQUIRED = RUN_ID };

/** The headers as texts that end in NUL; null where there is none. NULL, or what is wrong. */
static const char *take_headers(struct topic_reader *reader, struct slice values[NAMES])
{
    size_t total = NAMES;
    bool twice = false;
    for (size_t i = 0; i < NAMES; i++) {
        values[i] = header(reader->message, NAMES_OF[i], &twice);
        total += values[i].len;
        if (twice)
            return "it has one of its headers twice";
        if (i < REQUIRED && slice_is_null(values[i]))
            return "it lacks one of a letter's headers";
        if (values[i].len > 0 && memchr(values[i].ptr, '\0', values[i].len))
            return "one of its headers has a NUL in it";
    }
    char *at = reader->texts = malloc(total);
    if (!at)
        return OUT_OF_MEMORY;
    for (size_t i = 0; i < NAMES; i++)
        if (!slice_is_null(values[i]))
            values[i].ptr = letter_text(&at, values[i]);
    return NULL;
}

/** A whole number as it is written in a header. False: it is no number, or out of bounds. */
static bool whole_number(struct slice text, long long from, long long to, long long *out)
{
    char *end;
    size_t sign = slice_starts_with(text, "-");
    if (text.len == sign || strspn(text.ptr + sign, "0123456789") + sign != text.len)
        return false;
    errno = 0;
    *out = strtoll(text.ptr, &end, 10);
    return errno == 0 && *out >= from && *out <= to;
}

/** NULL: the message is a letter; otherwise why it is not. */
static const char *read_message(struct topic_reader *reader, struct dead_letter_entry *entry)
{
    const rd_kafka_message_t *message = reader->message;
    struct slice values[NAMES];
    long long attempts, status, partition, offset;
    const char *wrong = take_headers(reader, values);
    if (wrong)
        return wrong;
    if (!whole_number(values[ATTEMPTS], 0, UINT32_MAX, &attempts) ||
        !whole_number(values[STATUS], INT32_MIN, INT32_MAX, &status) ||
        !whole_number(values[PARTITION], -1, INT32_MAX, &partition) ||
        !whole_number(values[OFFSET], -1, INT64_MAX, &offset))
        return "a number in its headers is not a number";
    int64_t time_ms = letter_time(values[TIME]);
    if (time_ms < 0)
        return "its time is not a time";
    entry->letter_id = values[ID];
    entry->mac = values[MAC];
    entry->letter = (struct dead_letter){
        .reason = values[REASON].ptr,
        .attempts = (unsigned)attempts,
        .status = (int)status,
        .topic = values[TOPIC].ptr,
        .partition = (int32_t)partition,
        .offset = offset,
        .id = values[RECORD_ID],
        .time_ms = time_ms,
        .url = values[URL].ptr,
        .run_id = values[RUN_ID],
        .traceparent = values[TRACEPARENT],
        .tracestate = values[TRACESTATE],
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
    };
    return NULL;
}

/** 1: it is a letter; 0: it is something else; or an error. */
static int take_message(struct topic_reader *reader, struct dead_letter_entry *entry, struct error *err)
{
    const rd_kafka_message_t *message = reader->message;
    uint64_t marked;
    assert(message);
    snprintf(reader->where, WHERE_SIZE, "%.249s[%" PRId32 "]@%" PRId64, reader->name, message->partition,
             message->offset);
    entry->where = reader->where;
    snprintf(entry->ref.id, sizeof entry->ref.id, "%" PRId32 ":%" PRId64, message->partition,
             message->offset);
    if (marked_offset(message, &marked))
        return 0;
    const char *wrong = read_message(reader, entry);
    if (wrong == OUT_OF_MEMORY)
        return error_set(err, PA_ERR_MEMORY, OUT_OF_MEMORY);
    if (wrong) {
        reader_broken(&reader->reader, entry->where, wrong);
        return 0;
    }
    uint64_t id;
    bool named = letter_id_number(entry->letter_id, &id);
    if (named)
        snprintf(entry->ref.letter_id, sizeof entry->ref.letter_id, "%s", entry->letter_id.ptr);
    entry->replayed = replayed_has(&reader->parts[reader->partition].replayed, (uint64_t)message->offset);
    entry->copy_replayed = !entry->replayed && named && replayed_has(&reader->replayed, id);
    return 1;
}

/** The next message of the partition: 1: a letter; 0: the partition is through; or an error. */
static int next_letter(struct topic_reader *reader, struct dead_letter_entry *entry, struct error *err)
{
    int got;
    while ((got = next_message(reader, &reader->message, err)) == 1) {
        int taken = take_message(reader, entry, err);
        if (taken != 0)
            return taken;
        forget_message(reader);
    }
    return got;
}

static int next(struct dead_letter_reader *base, struct dead_letter_entry *entry, struct error *err)
{
    struct topic_reader *reader = topic_of(base);
    forget_message(reader);
    int failed = reader->marks_read ? 0 : read_all_marks(reader, err);
    if (failed)
        return failed;
    for (; reader->partition < reader->partition_count; reader->partition++) {
        int got = reader->reading ? 1 : begin_partition(reader, err);
        reader->reading = got == 1;
        if (got == 1)
            got = next_letter(reader, entry, err);
        if (got != 0)
            return got;
        reader->reading = false;
        stop_partition(reader);
    }
    return 0;
}

/* Marking */

static int open_marker(struct topic_reader *reader, struct error *err)
{
    reader->marker = kafka_client_new(RD_KAFKA_PRODUCER, producer_conf_new(&reader->settings, err), err);
    return reader->marker ? 0 : err->kind;
}

static int produce_mark(struct topic_reader *reader, const struct dead_letter_ref *ref, struct error *err)
{
    int32_t partition = (int32_t)strtol(ref->id, NULL, 10);
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    rd_kafka_header_add(headers, REPLAYED, -1, ref->id, -1);
    if (*ref->letter_id)
        rd_kafka_header_add(headers, LETTER_ID, -1, ref->letter_id, -1);
    const rd_kafka_vu_t units[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = reader->name},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(reader->marker, units, sizeof units / sizeof *units);
    if (!error)
        return 0;
    rd_kafka_headers_destroy(headers);
    error_set(err, PA_ERR_UNAVAILABLE, "topic %.200s: %s", reader->name, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return PA_ERR_UNAVAILABLE;
}

/** Takes `count` delivery reports; the client gives each within its own time limit. */
static int await_reports(struct topic_reader *reader, size_t count, struct error *err)
{
    int failed = 0;
    rd_kafka_queue_t *events = rd_kafka_queue_get_main(reader->marker);
    for (int waited_ms = 0; count > 0 && waited_ms < 2 * SILENCE_MS; waited_ms += POLL_MS) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(events, POLL_MS);
        const rd_kafka_message_t *message;
        while (event && rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR &&
               (message = rd_kafka_event_message_next(event))) {
            count--;
            if (message->err)
                failed = brokers_refused(reader, message->err, err);
        }
        if (event)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_queue_destroy(events);
    if (count > 0)
        failed = error_set(err, PA_ERR_UNAVAILABLE, "topic %.200s: no answer from the brokers", reader->name);
    return failed;
}

static int mark(struct dead_letter_reader *base, const struct dead_letter_ref *refs, size_t count,
                struct error *err)
{
    struct topic_reader *reader = topic_of(base);
    int failed = reader->marker ? 0 : open_marker(reader, err);
    size_t produced = 0;
    while (!failed && produced < count) {
        failed = produce_mark(reader, &refs[produced], err);
        produced += !failed;
    }
    int unacknowledged = produced > 0 ? await_reports(reader, produced, err) : 0;
    return failed ? failed : unacknowledged;
}

/* Life */

static void reader_free(struct dead_letter_reader *base)
{
    struct topic_reader *reader = topic_of(base);
    forget_message(reader);
    stop_partition(reader);
    if (reader->topic)
        rd_kafka_topic_destroy(reader->topic);
    if (reader->client)
        rd_kafka_destroy(reader->client);
    if (reader->marker)
        rd_kafka_destroy(reader->marker);
    for (int32_t i = 0; reader->parts && i < reader->partition_count; i++)
        replayed_clear(&reader->parts[i].replayed);
    free(reader->parts);
    replayed_clear(&reader->replayed);
    producer_settings_clear(&reader->settings);
    free(reader->name);
    free(reader);
}

static const struct reader_class class = {next, mark, reader_free};

static bool copy_settings(struct topic_reader *reader, const struct kafka_connection *connection,
                          const char *topic, size_t record_max_bytes)
{
    reader->name = strdup(topic);
    reader->settings.record_max_bytes = record_max_bytes;
    reader->settings.idempotent = false; /* a mark may be there twice */
    return producer_settings_copy(&reader->settings, connection) && reader->name;
}

static int open_topic(struct topic_reader *reader, struct error *err)
{
    struct kafka_connection connection = producer_settings_connection(&reader->settings);
    reader->client = topic_client_new(&connection, reader->settings.record_max_bytes, err);
    if (!reader->client)
        return PA_ERR_INVALID;
    int failed =
        topic_client_topic(reader->client, reader->name, &reader->topic, &reader->partition_count, err);
    if (failed)
        return failed;
    reader->parts = calloc((size_t)reader->partition_count + 1, sizeof *reader->parts);
    return reader->parts ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

struct dead_letter_reader *dead_letter_reader_topic(const struct kafka_connection *connection,
                                                    const char *topic, size_t record_max_bytes,
                                                    struct error *err)
{
    struct topic_reader *reader = calloc(1, sizeof *reader);
    if (!reader) {
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    reader->reader.class = &class;
    int failed = copy_settings(reader, connection, topic, record_max_bytes)
                     ? open_topic(reader, err)
                     : error_set(err, PA_ERR_MEMORY, "out of memory");
    if (failed) {
        reader_free(&reader->reader);
        return NULL;
    }
    return &reader->reader;
}
