/* See unreadable.h. The client is asked to consume from an offset, and what comes first says what is there: a
 * record, the end, an error, or bytes that it gave up without a word (it counts those). An error names the
 * first offset of its batch only. So the end is looked for: further and further on until the answer is
 * another one, then by halves in between. */
#include "source/kafka/unreadable.h"
#include "base/clock.h"
#include <stdlib.h>
#include <string.h>

enum {
    TRIES = 3,
    /** Of all questions together, and of one. */
    SEARCH_MS = 25000,
    PROBE_MS = 5000,
    POLL_MS = 10,
    ANSWER_MS = 4000,
    /** Offsets that are looked at one by one where nothing tells one batch from another, so that readable
     * records between two of them are not passed. */
    ONE_BY_ONE = 64
};

/** What comes first from an offset on. */
enum sight {
    /** Within PROBE_MS: not known. */
    SIGHT_NOTHING,
    SIGHT_RECORD,
    SIGHT_END,
    /** Of a batch that begins at `offset`, or whose record lies that it is there. */
    SIGHT_ERROR,
    /** Bytes that could not be read, and no error. */
    SIGHT_SILENCE
};

struct seen {
    enum sight sight;
    int64_t offset;
    rd_kafka_resp_err_t code;
};

struct search {
    rd_kafka_t *client;
    rd_kafka_topic_t *topic;
    const char *name;
    int32_t partition;
    /** Of the log, when it was asked for last. */
    int64_t end;
    int64_t deadline_ms;
    const atomic_bool *overtaken;
};

bool unreadable_is_error(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION || code == RD_KAFKA_RESP_ERR__BAD_MSG ||
           code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED; /* an unknown codec or format */
}

static int64_t now_ms(void)
{
    return clock_monotonic_ms(clock_system());
}

/* One question */

/** How many batches could not be read so far, by what the client tells of itself; -1: it has told nothing
 * since the last call. */
static int64_t count_unread(rd_kafka_queue_t *events)
{
    static const char NAME[] = "\"rxpartial\":";
    int64_t count = -1;
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(events, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_STATS) {
            count = 0; /* of all brokers */
            for (const char *at = rd_kafka_event_stats(event); (at = strstr(at, NAME));)
                count += strtoll(at += sizeof NAME - 1, NULL, 10);
        }
        rd_kafka_event_destroy(event);
    }
    return count;
}

static void seen_in(const struct search *search, const rd_kafka_message_t *message, struct seen *seen)
{
    int64_t low, high;
    seen->offset = message->offset;
    seen->code = message->err;
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        seen->sight = SIGHT_END;
    else if (unreadable_is_error(message->err))
        seen->sight = SIGHT_ERROR;
    else if (message->err)
        return; /* the broker's trouble, which may pass */
    else if (rd_kafka_get_watermark_offsets(search->client, search->name, search->partition, &low, &high) ==
                 RD_KAFKA_RESP_ERR_NO_ERROR &&
             message->offset >= high) {
        seen->sight = SIGHT_ERROR; /* beyond the log's end: its batch lies about its records' offsets */
        seen->code = RD_KAFKA_RESP_ERR__BAD_MSG;
    } else
        seen->sight = SIGHT_RECORD;
}

static struct seen wait_for_sight(const struct search *search, rd_kafka_queue_t *records)
{
    rd_kafka_queue_t *events = rd_kafka_queue_get_main(search->client);
    struct seen seen = {.sight = SIGHT_NOTHING};
    int64_t until_ms = now_ms() + PROBE_MS, unread_before = -1;
    count_unread(events); /* what was told before counts for nothing */
    while (seen.sight == SIGHT_NOTHING && !atomic_load(search->overtaken) && now_ms() < until_ms) {
        rd_kafka_message_t *message = rd_kafka_consume_queue(records, POLL_MS);
        if (message) {
            seen_in(search, message, &seen);
            rd_kafka_message_destroy(message);
            continue;
        }
        int64_t unread = count_unread(events);
        if (unread_before < 0)
            unread_before = unread;
        else if (unread - unread_before >= TRIES)
            seen = (struct seen){SIGHT_SILENCE, -1, RD_KAFKA_RESP_ERR__BAD_MSG};
    }
    rd_kafka_queue_destroy(events);
    return seen;
}

/** What comes first from `at` on. */
static struct seen look_at(const struct search *search, int64_t at)
{
    struct seen seen = {.sight = SIGHT_NOTHING};
    if (atomic_load(search->overtaken) || now_ms() >= search->deadline_ms)
        return seen;
    rd_kafka_queue_t *records = rd_kafka_queue_new(search->client);
    if (rd_kafka_consume_start_queue(search->topic, search->partition, at, records) == 0) {
        seen = wait_for_sight(search, records);
        rd_kafka_consume_stop(search->topic, search->partition);
    }
    rd_kafka_queue_destroy(records);
    return seen;
}

static bool same_trouble(const struct seen *a, const struct seen *b)
{
    return a->sight == b->sight && (a->sight == SIGHT_SILENCE || a->offset == b->offset);
}

static bool is_trouble(const struct seen *seen)
{
    return seen->sight == SIGHT_ERROR || seen->sight == SIGHT_SILENCE;
}

/** The same, seen so often that it counts. */
static struct seen look_thrice(const struct search *search, int64_t at)
{
    struct seen seen = look_at(search, at);
    for (int i = 1; i < TRIES && is_trouble(&seen); i++) {
        struct seen again = look_at(search, at);
        if (!same_trouble(&seen, &again))
            return again;
    }
    return seen;
}

/* The end of what cannot be read */

static bool ask_end(struct search *search)
{
    int64_t low;
    return !atomic_load(search->overtaken) &&
           rd_kafka_query_watermark_offsets(search->client, search->name, search->partition, &low,
                                            &search->end, ANSWER_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/** The first offset from which on something else is seen than `trouble`, which is seen from `from` on; -1:
 * not known. `*seen` is what is seen there. */
static int64_t find_end(struct search *search, int64_t from, const struct seen *trouble, struct seen *seen)
{
    int64_t inside = from, outside = -1, step = 1;
    for (int64_t looks = 0; outside < 0; looks++) {
        if (inside >= search->end && (!ask_end(search) || inside >= search->end))
            return -1;
        if (looks > 0 && (trouble->sight == SIGHT_ERROR || looks >= ONE_BY_ONE))
            step *= 2;
        int64_t at = search->end - inside > step ? inside + step : search->end;
        *seen = look_at(search, at);
        if (seen->sight == SIGHT_NOTHING)
            return -1;
        if (same_trouble(trouble, seen))
            inside = at;
        else
            outside = at;
    }
    while (outside - inside > 1) {
        int64_t middle = inside + (outside - inside) / 2;
        struct seen between = look_at(search, middle);
        if (between.sight == SIGHT_NOTHING)
            return -1;
        if (same_trouble(trouble, &between)) {
            inside = middle;
        } else {
            outside = middle;
            *seen = between;
        }
    }
    return outside;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/** One batch after the other, as long as there is nothing to read between them. */
static struct unreadable search_from(struct search *search, int64_t position)
{
    struct unreadable found = {.verdict = UNREADABLE_SILENT};
    struct seen seen = look_thrice(search, position);
    if (seen.sight == SIGHT_RECORD)
        found.verdict = UNREADABLE_NOT;
    if (seen.sight == SIGHT_END)
        found.verdict = UNREADABLE_NOTHING_YET;
    for (int64_t from = position; is_trouble(&seen);) {
        struct seen trouble = seen;
        int64_t to = find_end(search, from, &trouble, &seen);
        if (to < 0)
            break;
        if (found.batches == 0) {
            /* A gap before it (control records, compaction) is no part of it. A record's own offset says
             * nothing where it lies. */
            bool names_batch = trouble.sight == SIGHT_ERROR && trouble.offset < to;
            found.from = names_batch ? later(from, trouble.offset) : from;
            found.code = trouble.code;
        }
        found.verdict = UNREADABLE_FOUND;
        found.batches++;
        found.to = to;
        from = to;
        if (is_trouble(&seen))
            seen = look_thrice(search, from);
    }
    return found;
}

/* Life */

rd_kafka_conf_t *unreadable_conf(rd_kafka_t *consumer)
{
    static const struct {
        /** NULL: as it is by default. */
        const char *name, *value;
    } OWN[] = {
        {"group.id", NULL}, /* nobody's offsets move */
        {"group.instance.id", NULL},
        {"enable.partition.eof", "true"},
        /* One batch at a time, soon. */
        {"queued.max.messages.kbytes", "1024"},
        {"queued.min.messages", "1"},
        {"fetch.message.max.bytes", "1024"},
        {"fetch.wait.max.ms", "20"},
        {"fetch.error.backoff.ms", "10"},
        {"statistics.interval.ms", "20"}, /* it counts what it could not read */
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(consumer));
    bool set = true;
    for (size_t i = 0; set && i < sizeof OWN / sizeof *OWN; i++)
        set = rd_kafka_conf_set(conf, OWN[i].name, OWN[i].value, NULL, 0) == RD_KAFKA_CONF_OK;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_STATS | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    if (set)
        return conf;
    rd_kafka_conf_destroy(conf);
    return NULL;
}

struct unreadable unreadable_find(rd_kafka_conf_t *conf, const char *topic, int32_t partition,
                                  int64_t position, const atomic_bool *overtaken)
{
    struct unreadable found = {.verdict = UNREADABLE_UNKNOWN};
    struct search search = {.name = topic,
                            .partition = partition,
                            .end = position,
                            .deadline_ms = now_ms() + SEARCH_MS,
                            .overtaken = overtaken};
    search.client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    if (!search.client) {
        rd_kafka_conf_destroy(conf);
        return found;
    }
    search.topic = rd_kafka_topic_new(search.client, topic, NULL);
    if (search.topic && ask_end(&search))
        found = search_from(&search, position);
    if (search.topic)
        rd_kafka_topic_destroy(search.topic);
    rd_kafka_destroy(search.client);
    return found;
}
