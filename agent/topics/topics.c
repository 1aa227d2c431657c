/* See topics.h. */
#include "topics.h"
#include "agent/kafka_login.h"
#include "agent/topic_client.h"
#include <stdlib.h>
#include <string.h>

enum { SILENCE_MS = 30000, POLL_MS = 250 };

struct one_topic {
    rd_kafka_topic_t *topic;
    int32_t partitions;
    /** Of each partition. */
    bool *ended, *started;
};

struct topics {
    struct kafka_credentials credentials;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue;
    struct one_topic list[TOPICS_MAX];
    size_t count;
    /** Partitions that are read and whose end was not seen. */
    size_t unended;
    bool told_end;
    int silent_ms;
};

static int add_topic(struct topics *topics, const char *name, struct error *err)
{
    struct one_topic *one = &topics->list[topics->count];
    int failed = topic_client_topic(topics->client, name, &one->topic, &one->partitions, err);
    if (failed)
        return failed;
    topics->count++;
    one->ended = calloc((size_t)one->partitions + 1, sizeof *one->ended);
    one->started = calloc((size_t)one->partitions + 1, sizeof *one->started);
    return one->ended && one->started ? 0 : error_set(err, PA_ERR_MEMORY, "out of memory");
}

static int open_topics(struct topics *topics, const struct topics_options *options,
                       void (*missing)(void *ctx, const char *name), void *ctx, struct error *err)
{
    const struct config *config = options->config;
    struct kafka_connection connection;
    int failed = kafka_reach(config, options->authorities, &topics->credentials, &connection, err);
    if (failed)
        return failed;
    topics->client = topic_client_new(&connection, (size_t)config->record_max_bytes, err);
    if (!topics->client)
        return PA_ERR_INVALID;
    topics->queue = rd_kafka_queue_new(topics->client);
    for (const char *const *name = options->names; *name; name++) {
        failed = add_topic(topics, *name, err);
        if (failed && failed != PA_ERR_NOT_FOUND)
            return failed;
        if (failed && missing)
            missing(ctx, *name);
    }
    return topics->count > 0 ? 0 : PA_ERR_NOT_FOUND;
}

struct topics *topics_open(const struct topics_options *options, void (*missing)(void *ctx, const char *name),
                           void *ctx, struct error *err)
{
    struct topics *topics = calloc(1, sizeof *topics);
    int failed = topics ? open_topics(topics, options, missing, ctx, err)
                        : error_set(err, PA_ERR_MEMORY, "out of memory");
    if (!failed)
        return topics;
    err->kind = failed;
    topics_close(topics);
    return NULL;
}

void topics_close(struct topics *topics)
{
    if (!topics)
        return;
    for (size_t i = 0; i < topics->count; i++) {
        struct one_topic *one = &topics->list[i];
        for (int32_t p = 0; one->started && p < one->partitions; p++)
            if (one->started[p])
                rd_kafka_consume_stop(one->topic, p);
        rd_kafka_topic_destroy(one->topic);
        free(one->ended);
        free(one->started);
    }
    if (topics->queue)
        rd_kafka_queue_destroy(topics->queue);
    if (topics->client)
        rd_kafka_destroy(topics->client);
    kafka_credentials_clear(&topics->credentials);
    free(topics);
}

static int start_partition_at(struct topics *topics, struct one_topic *one, int32_t partition, int64_t offset,
                              struct error *err)
{
    if (rd_kafka_consume_start_queue(one->topic, partition, offset, topics->queue) != 0)
        return error_set(err, PA_ERR_UNAVAILABLE, "topic %.200s: %s", rd_kafka_topic_name(one->topic),
                         rd_kafka_err2str(rd_kafka_last_error()));
    one->started[partition] = true;
    topics->unended++;
    return 0;
}

int topics_start(struct topics *topics, int64_t tail, struct error *err)
{
    int64_t offset = tail < 0    ? RD_KAFKA_OFFSET_BEGINNING
                     : tail == 0 ? RD_KAFKA_OFFSET_END
                                 : RD_KAFKA_OFFSET_TAIL(tail);
    int failed = 0;
    for (size_t i = 0; i < topics->count && !failed; i++)
        for (int32_t p = 0; p < topics->list[i].partitions && !failed; p++)
            failed = start_partition_at(topics, &topics->list[i], p, offset, err);
    return failed;
}

int topics_start_at(struct topics *topics, int32_t partition, int64_t offset, struct error *err)
{
    struct one_topic *one = &topics->list[0];
    if (partition >= one->partitions)
        return error_set(err, PA_ERR_NOT_FOUND, "topic %.200s has no partition %d",
                         rd_kafka_topic_name(one->topic), (int)partition);
    return start_partition_at(topics, one, partition, offset, err);
}

/* Reading */

static void partition_ended(struct topics *topics, const rd_kafka_message_t *message)
{
    for (size_t i = 0; i < topics->count; i++) {
        struct one_topic *one = &topics->list[i];
        if (one->topic != message->rkt || message->partition < 0 || message->partition >= one->partitions ||
            one->ended[message->partition])
            continue;
        one->ended[message->partition] = true;
        topics->unended--;
    }
}

/** What is no record: 0, or an error. */
static int take_event(struct topics *topics, const rd_kafka_message_t *message, struct error *err)
{
    rd_kafka_resp_err_t code = message->err;
    if (code == RD_KAFKA_RESP_ERR__PARTITION_EOF)
        partition_ended(topics, message);
    if (code != RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED &&
        code != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART && code != RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE &&
        code != RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET)
        return 0;
    return error_set(err, PA_ERR_UNAVAILABLE, "topic %.200s: %s",
                     message->rkt ? rd_kafka_topic_name(message->rkt) : "", rd_kafka_err2str(code));
}

int topics_next(struct topics *topics, rd_kafka_message_t **out, struct error *err)
{
    if (topics->unended == 0 && !topics->told_end) {
        topics->told_end = true;
        return TOPICS_ENDED;
    }
    rd_kafka_message_t *message = rd_kafka_consume_queue(topics->queue, POLL_MS);
    if (!message) {
        topics->silent_ms += POLL_MS;
        if (topics->unended > 0 && topics->silent_ms >= SILENCE_MS)
            return error_set(err, PA_ERR_UNAVAILABLE, "nothing came from the brokers for %d seconds",
                             SILENCE_MS / 1000);
        return TOPICS_NOTHING;
    }
    topics->silent_ms = 0;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        *out = message;
        return TOPICS_RECORD;
    }
    int failed = take_event(topics, message, err);
    rd_kafka_message_destroy(message);
    return failed ? failed : TOPICS_NOTHING;
}
