/* Topics that are made anew while we consume from them. librdkafka 2.8 goes on at the old position, where the
 * new topic has other records or none (its own FIXME in rd_kafka_topic_metadata_update), and before 2.10 its
 * metadata cache keeps an entry that it has freed (docs/workarounds.md). So the topics' ids are asked for,
 * and when one has changed, the client is given up for a fresh one, which finds by the id in its commit's
 * note that the offset belongs to another topic. */
#include "source/kafka/internal.h"

enum { FIRST_MS = 1000, AGAIN_MS = 200, WATCH_TIMEOUT_MS = 2000 };

#if TOPIC_IDS

static void watch_fired(uv_timer_t *timer);

/** Partitions whose offsets belong to a topic that is gone are given up; true: there was one. */
static bool give_up_partitions(struct kafka_consumer *consumer, int topic, const struct topic_id *now)
{
    bool any = false;
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        if ((partition->kind == EVENT_CHANGE_LOG) != (topic == 1) || !partition->begun)
            continue;
        if (topic_id_differs(&partition->topic_id, now)) {
            any = true;
            partition_abandon(partition);
        } else if (!partition->topic_id.known) {
            partition->topic_id = *now;
            partition->changed = true;
            commit_soon(consumer);
        }
    }
    return any;
}

static void renew(struct kafka_consumer *consumer, int topic)
{
    if (consumer->renewing || !consumer->options.renew)
        return;
    log_info("a topic was made anew while it was consumed from: going on with a fresh Kafka client",
             F_STR("messaging.destination.name", consumer->watch.topics[topic]));
    consumer->renewing = true;
    consumer->options.renew(consumer->options.ctx);
}

/** A change counts when it is seen twice, in case one broker is behind the others. True: look again soon. */
static bool look_at(struct kafka_consumer *consumer, int topic)
{
    struct topic_id *known = &consumer->topic_ids[topic], *suspect = &consumer->suspects[topic];
    const struct topic_id *now = &consumer->watch.ids[topic];
    if (!now->known)
        return false;
    bool anew = topic_id_differs(known, now);
    if (anew && (!suspect->known || topic_id_differs(suspect, now))) {
        *suspect = *now;
        return true;
    }
    *known = *now;
    suspect->known = false;
    if (give_up_partitions(consumer, topic, now) || anew)
        renew(consumer, topic);
    return false;
}

static void watch_done(uv_work_t *work, int status)
{
    struct kafka_consumer *consumer = work->data;
    bool soon = consumer->watch.again;
    consumer->works_running--;
    consumer->watch.running = consumer->watch.again = false;
    if (consumer->closing || consumer->destroying)
        return;
    for (int topic = 0; status == 0 && topic < TOPICS && consumer->rebalance == REBALANCE_IDLE; topic++)
        soon |= look_at(consumer, topic);
    if (!consumer->closing && soon)
        uv_timer_start(&consumer->watch_timer, watch_fired, AGAIN_MS, 0);
}

static void watch_work(uv_work_t *work)
{
    struct kafka_consumer *consumer = work->data;
    topic_ids_query(consumer->watch.rk, consumer->watch.topics, WATCH_TIMEOUT_MS, consumer->watch.ids);
}

static void watch_fired(uv_timer_t *timer)
{
    struct kafka_consumer *consumer = timer->data;
    if (consumer->watch.running || consumer->closing || consumer->destroying)
        return;
    consumer->watch.rk = consumer->rk;
    consumer->watch.topics[0] = consumer->options.runs_topic;
    consumer->watch.topics[1] = consumer->options.change_log_topic;
    consumer->watch.work.data = consumer;
    if (uv_queue_work(timer->loop, &consumer->watch.work, watch_work, watch_done) != 0)
        return;
    consumer->watch.running = true;
    consumer->works_running++;
}

void watch_start(struct kafka_consumer *consumer)
{
    uv_timer_start(&consumer->watch_timer, watch_fired, FIRST_MS, 0);
}

void watch_tick(struct kafka_consumer *consumer)
{
    if (!uv_is_active((const uv_handle_t *)&consumer->watch_timer))
        watch_fired(&consumer->watch_timer);
}

void watch_soon(struct kafka_consumer *consumer)
{
    if (consumer->closing || consumer->destroying)
        return;
    if (consumer->watch.running)
        consumer->watch.again = true;
    else
        uv_timer_start(&consumer->watch_timer, watch_fired, 0, 0);
}

#else

void watch_start(struct kafka_consumer *consumer)
{
    (void)consumer;
}

void watch_tick(struct kafka_consumer *consumer)
{
    (void)consumer;
}

void watch_soon(struct kafka_consumer *consumer)
{
    (void)consumer;
}

#endif
