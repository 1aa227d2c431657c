/* What goes on being wrong with Kafka, as standing conditions: brokers that are away or refuse the
 * credentials, topics that do not exist or may not be read, and that nothing is assigned. librdkafka reports
 * each once, and does not report its end; an hour later the log would show nothing. So while something lasts
 * the cluster is asked, in the thread pool.
 *
 * Must never ask while all is well. */
#include "observe/conditions.h"
#include "source/kafka/group.h"
#include "source/kafka/internal.h"
#include <stdio.h>
#include <string.h>

enum { ASK_EVERY_MS = 60000, ASK_AWAY_MS = 5000, QUERY_TIMEOUT_MS = 1000 };

static bool is_of_topic(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

static const char *topic_name(const struct kafka_consumer *consumer, int topic)
{
    return topic == 0 ? consumer->options.runs_topic : consumer->options.change_log_topic;
}

static int64_t now_ms(const struct kafka_consumer *consumer)
{
    return clock_monotonic_ms(consumer->options.clock);
}

static int64_t ask_every_ms(const struct kafka_consumer *consumer)
{
    return consumer->options.ask_topics_ms > 0 ? consumer->options.ask_topics_ms : ASK_EVERY_MS;
}

/** Brokers that are away are asked sooner: nothing else tells that they are there again. */
static void ask_later(struct kafka_consumer *consumer)
{
    int64_t every_ms = ask_every_ms(consumer);
    if (!consumer->connected && every_ms > ASK_AWAY_MS)
        every_ms = ASK_AWAY_MS;
    consumer->standing.ask_ms = now_ms(consumer) + every_ms;
}

static void begin_asking(struct kafka_consumer *consumer)
{
    if (!consumer->standing.lasts)
        ask_later(consumer);
    consumer->standing.lasts = true;
}

/* Brokers */

void standing_connected(struct kafka_consumer *consumer)
{
    if (consumer->connected)
        return;
    consumer->connected = true;
    consumer->standing.away = false;
    log_info("connected to the Kafka brokers",
             F_STR("messaging.consumer.group.name", consumer->options.group_id));
    condition_ended(consumer->options.conditions, CONDITION_BROKERS_AWAY, NULL, 0);
}

/** What a connection to one broker fails with. */
static bool is_of_connection(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__RESOLVE ||
           code == RD_KAFKA_RESP_ERR__SSL || code == RD_KAFKA_RESP_ERR__AUTHENTICATION;
}

static void away_stands(struct kafka_consumer *consumer)
{
    const struct standing *standing = &consumer->standing;
    char sentence[CONDITION_SENTENCE_SIZE];
    snprintf(sentence, sizeof sentence, "%s; %s", standing->cause,
             kafka_error_hint(standing->cause_code, standing->cause));
    condition_met(consumer->options.conditions, CONDITION_BROKERS_AWAY, NULL, 0, sentence);
}

/** Returns whether it is another cause than before. */
static bool note_cause(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    struct standing *standing = &consumer->standing;
    bool other = standing->cause_code != code;
    standing->cause_code = code;
    snprintf(standing->cause, sizeof standing->cause, "%s", reason);
    return other;
}

static void brokers_away(struct kafka_consumer *consumer, const char *reason)
{
    struct standing *standing = &consumer->standing;
    consumer->connected = false;
    standing->away = true;
    if (!*standing->cause)
        PA_IGNORE(note_cause(consumer, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, reason));
    away_stands(consumer);
    begin_asking(consumer);
}

/* Credentials */

void standing_refused(struct kafka_consumer *consumer, const char *reason)
{
    char sentence[CONDITION_SENTENCE_SIZE];
    consumer->credentials_failing = true;
    snprintf(sentence, sizeof sentence, "%.200s; %s", reason,
             kafka_error_hint(RD_KAFKA_RESP_ERR__AUTHENTICATION, reason));
    condition_met(consumer->options.conditions, CONDITION_KAFKA_CREDENTIALS, NULL, 0, sentence);
}

void standing_works(struct kafka_consumer *consumer)
{
    if (consumer->credentials_failing)
        condition_ended(consumer->options.conditions, CONDITION_KAFKA_CREDENTIALS, NULL, 0);
    consumer->credentials_failing = false;
    if (consumer->group_refused)
        condition_ended(consumer->options.conditions, CONDITION_GROUP_REFUSED, consumer->options.group_id, 0);
    consumer->group_refused = false;
    standing_connected(consumer);
}

/** It is a broker's answer. */
static void group_stands(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    char sentence[CONDITION_SENTENCE_SIZE];
    standing_connected(consumer);
    consumer->group_refused = true;
    snprintf(sentence, sizeof sentence, "%.200s; %s", reason, kafka_error_hint(code, reason));
    condition_met(consumer->options.conditions, CONDITION_GROUP_REFUSED, consumer->options.group_id, 0,
                  sentence);
}

/* Topics */

static void topic_stands(struct kafka_consumer *consumer, int topic, rd_kafka_resp_err_t code)
{
    char sentence[256];
    const char *hint = kafka_error_hint(code, "");
    snprintf(sentence, sizeof sentence, "%s; %s", rd_kafka_err2str(code), hint ? hint : "trying again");
    condition_stands(consumer->options.conditions, CONDITION_TOPIC_MISSING, topic_name(consumer, topic), 0,
                     sentence);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        consumer->topic_missed[topic] = true; /* what is there later has come after us */
}

/** "…: TOPIC: …" */
static bool names_topic(const char *reason, const char *topic)
{
    size_t len = strlen(topic);
    for (const char *at = reason; (at = strstr(at, topic)); at++)
        if (at - reason >= 2 && at[-1] == ' ' && at[len] == ':')
            return true;
    return false;
}

/** False: it names none of ours. */
static bool topic_error(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    bool ours = false;
    for (int i = 0; i < TOPICS; i++) {
        if (!names_topic(reason, topic_name(consumer, i)))
            continue;
        topic_stands(consumer, i, code);
        ours = true;
    }
    if (ours)
        begin_asking(consumer);
    return ours;
}

void standing_error(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason)
{
    if (is_of_topic(code) && topic_error(consumer, code, reason))
        return;
    kafka_error_say(consumer, code, reason);
    if (is_of_connection(code) && note_cause(consumer, code, reason) && consumer->standing.away)
        away_stands(consumer);
    if (code == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)
        group_stands(consumer, code, reason);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
        brokers_away(consumer, reason);
}

void standing_assigned(struct kafka_consumer *consumer)
{
    if (consumer->standing.lasts && consumer->partitions)
        consumer->standing.ask_ms = now_ms(consumer);
}

/* Nothing is assigned */

/** It has been so for as long as a condition takes to be said again: a rebalance is over sooner. */
static bool nothing_is_assigned(struct kafka_consumer *consumer)
{
    struct standing *standing = &consumer->standing;
    bool idle = consumer->connected && consumer->rebalance == REBALANCE_IDLE && !consumer->partitions;
    if (!idle) {
        standing->unassigned_ms = 0;
        if (consumer->partitions)
            condition_ended(consumer->options.conditions, CONDITION_NOTHING_ASSIGNED, NULL, 0);
        return false;
    }
    if (standing->unassigned_ms == 0)
        standing->unassigned_ms = now_ms(consumer);
    return now_ms(consumer) - standing->unassigned_ms >= ask_every_ms(consumer);
}

static void unassigned_stands(struct kafka_consumer *consumer)
{
    struct standing *standing = &consumer->standing;
    if (consumer->connected && !consumer->partitions && consumer->rebalance == REBALANCE_IDLE)
        condition_stands(consumer->options.conditions, CONDITION_NOTHING_ASSIGNED, NULL, 0,
                         *standing->members ? standing->members : "the cluster does not say who holds what");
}

/* Asking */

static void look_at_topic(struct kafka_consumer *consumer, int topic, rd_kafka_resp_err_t code)
{
    if (is_of_topic(code))
        topic_stands(consumer, topic, code);
    else if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        condition_ended(consumer->options.conditions, CONDITION_TOPIC_MISSING, topic_name(consumer, topic),
                        0);
    if (is_of_topic(code) || code == RD_KAFKA_RESP_ERR_NO_ERROR)
        standing_connected(consumer);
}

static void asked(uv_work_t *work, int status)
{
    struct kafka_consumer *consumer = work->data;
    struct standing *standing = &consumer->standing;
    bool lasts = false;
    consumer->works_running--;
    standing->running = false;
    if (consumer->closing || consumer->destroying)
        return;
    for (int i = 0; status == 0 && i < TOPICS; i++) {
        look_at_topic(consumer, i, standing->codes[i]);
        lasts |= standing->codes[i] != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (standing->asks_group)
        unassigned_stands(consumer);
    standing->lasts = lasts || status != 0;
    ask_later(consumer);
}

static void ask(uv_work_t *work)
{
    const struct kafka_consumer *consumer = work->data;
    struct standing *standing = &((struct kafka_consumer *)work->data)->standing;
    for (int i = 0; i < TOPICS; i++)
        standing->codes[i] = topic_error_query(consumer->rk, standing->topics[i], QUERY_TIMEOUT_MS);
    if (standing->asks_group)
        group_members_query(consumer->rk, consumer->options.group_id, QUERY_TIMEOUT_MS, standing->members,
                            sizeof standing->members);
}

void standing_tick(struct kafka_consumer *consumer)
{
    struct standing *standing = &consumer->standing;
    bool unassigned = nothing_is_assigned(consumer);
    if ((!standing->lasts && !unassigned) || standing->running || consumer->closing || consumer->destroying ||
        now_ms(consumer) < standing->ask_ms)
        return;
    standing->topics[0] = consumer->options.runs_topic;
    standing->topics[1] = consumer->options.change_log_topic;
    standing->asks_group = unassigned;
    standing->work.data = consumer;
    if (uv_queue_work(consumer->options.loop, &standing->work, ask, asked) != 0) {
        ask_later(consumer);
        return;
    }
    standing->running = true;
    consumer->works_running++;
}
