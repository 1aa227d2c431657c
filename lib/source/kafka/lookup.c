/* Where assigned partitions begin: asked of the brokers in the thread pool, since each question blocks. The
 * answers, and what follows from them (start.h), come back to the loop. */
#include "source/kafka/internal.h"
#include <stdlib.h>
#include <string.h>

enum { LOOKUP_TIMEOUT_MS = 2000, LOOKUP_RETRY_MS = 1000 };

/** Nobody waits for it any more, and the client's end waits for it. */
static bool interrupted(struct lookup *lookup)
{
    if (atomic_load(&lookup->overtaken))
        lookup->code = RD_KAFKA_RESP_ERR__DESTROY;
    return lookup->code == RD_KAFKA_RESP_ERR__DESTROY;
}

static bool of_change_log(const struct lookup *lookup, const char *topic)
{
    return strcmp(topic, lookup->topics[1]) == 0;
}

/** Reads committed offsets, and what the notes beside them know of the group; false: it failed (`code`). */
static bool read_committed(struct lookup *lookup, rd_kafka_topic_partition_list_t *list)
{
    if (interrupted(lookup))
        return false;
    lookup->code = rd_kafka_committed(lookup->rk, list, LOOKUP_TIMEOUT_MS);
    for (int i = 0; lookup->code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &list->elems[i];
        lookup->code = element->err;
        if (element->err || element->offset < 0)
            continue;
        lookup->question.offsets = true;
        start_learn(&lookup->first, (struct slice){element->metadata, element->metadata_size},
                    element->offset);
    }
    return lookup->code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/** The partitions of both topics that are not assigned to us. */
static bool list_others(struct lookup *lookup, rd_kafka_topic_partition_list_t *others)
{
    for (int topic = 0; topic < TOPICS; topic++) {
        int count;
        if (interrupted(lookup))
            return false;
        lookup->code = topic_partitions_query(lookup->rk, lookup->topics[topic], LOOKUP_TIMEOUT_MS, &count);
        if (lookup->code != RD_KAFKA_RESP_ERR_NO_ERROR)
            return false;
        for (int32_t partition = 0; partition < count; partition++)
            if (!rd_kafka_topic_partition_list_find(lookup->list, lookup->topics[topic], partition) &&
                !rd_kafka_topic_partition_list_find(others, lookup->topics[topic], partition))
                rd_kafka_topic_partition_list_add(others, lookup->topics[topic], partition);
    }
    return true;
}

static bool watermarks(struct lookup *lookup, const rd_kafka_topic_partition_t *element, int64_t *low,
                       int64_t *high)
{
    if (interrupted(lookup))
        return false;
    lookup->code = rd_kafka_query_watermark_offsets(lookup->rk, element->topic, element->partition, low, high,
                                                    LOOKUP_TIMEOUT_MS);
    return lookup->code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/** The group begins now, or is taken over: whoever gets the others' partitions later, without their having an
 * offset of their own by then, begins where they stand now. */
static void note_others(struct lookup *lookup, const rd_kafka_topic_partition_list_t *others)
{
    for (int i = 0; i < others->cnt && !lookup->first.incomplete; i++) {
        const rd_kafka_topic_partition_t *element = &others->elems[i];
        int64_t low, high;
        if (element->offset >= 0)
            continue;
        if (lookup->first.count == FACTS_ENTRIES_MAX || !watermarks(lookup, element, &low, &high))
            lookup->first.incomplete = true;
        else
            first_start_add(&lookup->first, of_change_log(lookup, element->topic), element->partition, high);
    }
    if (interrupted(lookup))
        return;
    lookup->code = RD_KAFKA_RESP_ERR_NO_ERROR; /* what could not be asked is said to be missing */
}

/** Entries are needed as long as their partitions have no offset; which of those we were assigned will have
 * one before anything else happens. */
static void drop_entries(struct lookup *lookup, const rd_kafka_topic_partition_list_t *others)
{
    bool all = true;
    for (int i = 0; i < lookup->list->cnt; i++)
        first_start_remove(&lookup->first, of_change_log(lookup, lookup->list->elems[i].topic),
                           lookup->list->elems[i].partition);
    for (int i = 0; i < others->cnt; i++) {
        if (others->elems[i].offset >= 0)
            first_start_remove(&lookup->first, of_change_log(lookup, others->elems[i].topic),
                               others->elems[i].partition);
        all &= others->elems[i].offset >= 0;
    }
    if (all)
        lookup->first.incomplete = false;
}

static bool without_offset(const struct lookup *lookup)
{
    for (int i = 0; i < lookup->list->cnt; i++)
        if (lookup->list->elems[i].offset < 0)
            return true;
    return false;
}

/** A topic that seems to be another one is asked for twice, in case one broker is behind the others. */
static bool read_topic_ids(struct lookup *lookup)
{
    struct topic_id again[TOPICS];
    bool differs = false;
    if (interrupted(lookup))
        return false;
    topic_ids_query(lookup->rk, lookup->topics, LOOKUP_TIMEOUT_MS, lookup->ids);
    for (int i = 0; i < lookup->list->cnt; i++) {
        const rd_kafka_topic_partition_t *element = &lookup->list->elems[i];
        struct partition_start *start = &lookup->starts[i];
        struct facts facts;
        facts_read((struct slice){element->metadata, element->metadata_size}, &facts);
        start->topic = facts.topic;
        differs |= topic_id_differs(&start->topic, &lookup->ids[of_change_log(lookup, element->topic)]);
    }
    if (!differs)
        return true;
    topic_ids_query(lookup->rk, lookup->topics, LOOKUP_TIMEOUT_MS, again);
    if (memcmp(again, lookup->ids, sizeof again) == 0)
        return true;
    lookup->code = RD_KAFKA_RESP_ERR__INCONSISTENT;
    return false;
}

static void decide(struct lookup *lookup, int i)
{
    const rd_kafka_topic_partition_t *element = &lookup->list->elems[i];
    struct partition_start *start = &lookup->starts[i];
    bool change_log = of_change_log(lookup, element->topic);
    const struct topic_id *now = &lookup->ids[change_log];
    struct start_question question = lookup->question;
    bool anew = topic_id_differs(&start->topic, now);
    if (now->known)
        start->topic = *now;
    start->reason = START_COMMITTED;
    start->offset = start->committed = element->offset < 0 ? -1 : element->offset;
    if (element->offset < 0) {
        question.topic_appeared = lookup->appeared[change_log] && !question.offsets;
        start->reason = start_without_offset(&question, change_log, element->partition, &start->offset);
    } else if (anew) {
        start->reason = START_MADE_ANEW;
    }
    if (start->reason == START_COMMITTED)
        return;
    if (watermarks(lookup, element, &start->low, &start->high) && start->reason != START_GROUP_BEGAN)
        start->offset = start_at_end(start->reason, question.latest) ? start->high : start->low;
    else if (start->reason == START_GROUP_NEW && !question.latest && !interrupted(lookup))
        lookup->code =
            RD_KAFKA_RESP_ERR_NO_ERROR; /* the earliest record can be asked for without its number */
}

static void lookup_work(uv_work_t *work)
{
    struct lookup *lookup = work->data;
    rd_kafka_topic_partition_list_t *others = rd_kafka_topic_partition_list_new(8);
    lookup->first = lookup->known_before;
    lookup->question.offsets = false;
    bool asked = read_committed(lookup, lookup->list) && read_topic_ids(lookup);
    bool begins = lookup->question.latest && !lookup->first.known;
    if (asked && (begins || without_offset(lookup) || lookup->first.count > 0 || lookup->first.incomplete))
        asked = list_others(lookup, others) && (others->cnt == 0 || read_committed(lookup, others));
    begins &= !lookup->first.known;
    struct first_start known = lookup->first;
    lookup->question.first = &known;
    for (int i = 0; asked && i < lookup->list->cnt; i++) {
        decide(lookup, i);
        asked = lookup->code == RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (asked && begins)
        note_others(lookup, others);
    if (asked)
        drop_entries(lookup, others);
    lookup->first.known = true;
    rd_kafka_topic_partition_list_destroy(others);
}

/* Life */

static void lookup_free(uv_handle_t *handle)
{
    struct lookup *lookup = handle->data;
    rd_kafka_topic_partition_list_destroy(lookup->list);
    free(lookup->starts);
    free(lookup);
}

void lookup_end(struct lookup *lookup)
{
    if (!atomic_load(&lookup->overtaken))
        lookup->consumer->lookup = NULL;
    uv_close((uv_handle_t *)&lookup->retry, lookup_free);
}

void lookup_overtake(struct lookup *lookup)
{
    lookup->consumer->lookup = NULL;
    atomic_store(&lookup->overtaken, true);
    if (!lookup->running)
        lookup_end(lookup);
}

static void lookup_done(uv_work_t *work, int status);

static void lookup_start(uv_timer_t *timer)
{
    struct lookup *lookup = timer->data;
    if (uv_queue_work(timer->loop, &lookup->work, lookup_work, lookup_done) != 0) {
        uv_timer_start(timer, lookup_start, LOOKUP_RETRY_MS, 0);
        return;
    }
    lookup->running = true;
    lookup->consumer->works_running++;
}

static void lookup_done(uv_work_t *work, int status)
{
    struct lookup *lookup = work->data;
    struct kafka_consumer *consumer = lookup->consumer;
    lookup->running = false;
    consumer->works_running--;
    (void)status;
    if (atomic_load(&lookup->overtaken)) {
        lookup_end(lookup);
    } else if (lookup->code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_say(consumer, lookup->code, "committed offsets could not be read; trying again");
        uv_timer_start(&lookup->retry, lookup_start, LOOKUP_RETRY_MS, 0);
    } else {
        rebalance_looked_up(consumer, lookup);
    }
}

bool lookup_new(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    struct partition_start *starts = calloc((size_t)list->cnt, sizeof *starts);
    if (!lookup || !starts) {
        free(lookup);
        free(starts);
        return false;
    }
    lookup->consumer = consumer;
    lookup->rk = consumer->rk;
    lookup->list = rd_kafka_topic_partition_list_copy(list);
    lookup->starts = starts;
    lookup->topics[0] = consumer->options.runs_topic;
    lookup->topics[1] = consumer->options.change_log_topic;
    lookup->known_before = consumer->first;
    memcpy(lookup->appeared, consumer->topic_missed, sizeof lookup->appeared);
    lookup->question.latest = strcmp(consumer->options.auto_offset_reset, "latest") == 0;
    lookup->work.data = lookup;
    uv_timer_init(consumer->options.loop, &lookup->retry);
    lookup->retry.data = lookup;
    consumer->lookup = lookup;
    lookup_start(&lookup->retry);
    return true;
}
