/* Topics that do not exist, or that the agent may not read, for as long as this lasts. librdkafka reports
 * each once; an hour later the log would show nothing. So the cluster is asked once a minute, and problems
 * that remain are logged again. */
#include "source/kafka/internal.h"
#include <stdio.h>

enum { ASK_EVERY_MS = 60000, QUERY_TIMEOUT_MS = 1000 };

static bool is_of_topic(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
           code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
}

static void ask_later(struct kafka_consumer *consumer)
{
    int64_t every_ms = consumer->options.ask_topics_ms > 0 ? consumer->options.ask_topics_ms : ASK_EVERY_MS;
    consumer->standing.ask_ms = clock_monotonic_ms(consumer->options.clock) + every_ms;
}

void standing_note(struct kafka_consumer *consumer, rd_kafka_resp_err_t code)
{
    if (!is_of_topic(code) || consumer->standing.lasts)
        return;
    consumer->standing.lasts = true;
    ask_later(consumer);
}

static void say(struct kafka_consumer *consumer, const char *topic, rd_kafka_resp_err_t code)
{
    char reason[512];
    snprintf(reason, sizeof reason, "Subscribed topic not available: %s: %s", topic, rd_kafka_err2str(code));
    kafka_error_say_now(consumer, code, reason);
}

static void asked(uv_work_t *work, int status)
{
    struct kafka_consumer *consumer = work->data;
    struct standing *standing = &consumer->standing;
    bool lasts = false;
    consumer->lookups_running--;
    standing->running = false;
    if (consumer->closing || consumer->destroying)
        return;
    for (int i = 0; status == 0 && i < TOPICS; i++) {
        if (is_of_topic(standing->codes[i]))
            say(consumer, standing->topics[i], standing->codes[i]);
        lasts |= standing->codes[i] != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    standing->lasts = lasts || status != 0;
    ask_later(consumer);
}

static void ask(uv_work_t *work)
{
    const struct kafka_consumer *consumer = work->data;
    struct standing *standing = &((struct kafka_consumer *)work->data)->standing;
    for (int i = 0; i < TOPICS; i++)
        standing->codes[i] = topic_error_query(consumer->rk, standing->topics[i], QUERY_TIMEOUT_MS);
}

void standing_tick(struct kafka_consumer *consumer)
{
    struct standing *standing = &consumer->standing;
    if (!standing->lasts || standing->running || consumer->closing || consumer->destroying ||
        clock_monotonic_ms(consumer->options.clock) < standing->ask_ms)
        return;
    standing->topics[0] = consumer->options.runs_topic;
    standing->topics[1] = consumer->options.change_log_topic;
    standing->work.data = consumer;
    if (uv_queue_work(consumer->options.loop, &standing->work, ask, asked) != 0) {
        ask_later(consumer);
        return;
    }
    standing->running = true;
    consumer->lookups_running++;
}
