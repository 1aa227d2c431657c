/* Assignment and revocation, step by step on the loop. librdkafka sends no further rebalance until the one
 * before was answered with assign or unassign, so there is one state for all (kafka_internal.h draws it). */
#include "source/kafka_internal.h"
#include <stdlib.h>
#include <string.h>

enum { LOOKUP_TIMEOUT_MS = 2000, LOOKUP_RETRY_MS = 1000, FINAL_COMMIT_MS = 1500, REJOIN_MS = 10000 };

/** rd_kafka_committed blocks, so it runs in the thread pool, on data of its own. */
struct lookup {
    uv_work_t work;
    uv_timer_t retry;
    struct kafka_source *source; /* which waits for the lookup before it goes */
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *list;
    bool latest;
    bool running;
    rd_kafka_resp_err_t code;
};

static bool cooperative(const struct kafka_source *source)
{
    const char *protocol = rd_kafka_rebalance_protocol(source->rk);
    return protocol && strcmp(protocol, "COOPERATIVE") == 0;
}

static void answer_failed(struct kafka_source *source, rd_kafka_error_t *error, rd_kafka_resp_err_t code)
{
    if (error) {
        kafka_error_say(source, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_say(source, code, "rebalance could not be answered");
    }
}

static void rebalance_end(struct kafka_source *source)
{
    if (source->changing)
        rd_kafka_topic_partition_list_destroy(source->changing);
    source->changing = NULL;
    source->rebalance = REBALANCE_IDLE;
    source->lost = false;
}

/* Assignment */

static void lookup_work(uv_work_t *work)
{
    struct lookup *lookup = work->data;
    lookup->code = rd_kafka_committed(lookup->rk, lookup->list, LOOKUP_TIMEOUT_MS);
    for (int i = 0; lookup->code == RD_KAFKA_RESP_ERR_NO_ERROR && i < lookup->list->cnt; i++) {
        rd_kafka_topic_partition_t *element = &lookup->list->elems[i];
        int64_t low, high;
        if (element->err)
            lookup->code = element->err;
        else if (lookup->latest && element->offset < 0) {
            lookup->code = rd_kafka_query_watermark_offsets(lookup->rk, element->topic, element->partition,
                                                            &low, &high, LOOKUP_TIMEOUT_MS);
            element->offset = high;
            element->opaque = lookup; /* marks a start position that is nowhere committed */
        }
    }
}

static void partition_begin(struct kafka_source *source, rd_kafka_topic_partition_t *element)
{
    struct partition *partition = partition_find(source, element->topic, element->partition);
    if (!partition || element->offset < 0) {
        element->offset = RD_KAFKA_OFFSET_BEGINNING;
        return;
    }
    offsets_init(&partition->offsets, element->offset);
    if (element->opaque) {
        partition->changed = true; /* `latest`: from now on a restart loses nothing */
    } else if (element->metadata_size > 0) {
        struct slice note = {element->metadata, element->metadata_size};
        bool ours = offsets_restore(&partition->offsets, note);
        log_debug("committed offset found", F_STR("messaging.destination.name", element->topic),
                  F_INT("messaging.destination.partition.id", element->partition),
                  F_INT("messaging.kafka.offset", element->offset), F_BOOL("note_restored", ours));
    }
    element->opaque = NULL;
    free(element->metadata);
    element->metadata = NULL;
    element->metadata_size = 0;
}

static void assignment_said(struct kafka_source *source)
{
    uint64_t assigned = 0;
    for (struct partition *partition = source->partitions; partition; partition = partition->next)
        assigned++;
    if (assigned == 0)
        log_info(
            "no partitions assigned: standing by, ready to take over when another member of the group leaves",
            F_STR("messaging.consumer.group.name", source->options.group_id));
    else
        log_info("partitions assigned", F_INT("assigned", assigned),
                 F_STR("messaging.consumer.group.name", source->options.group_id));
    for (int i = 0; source->changing && i < source->changing->cnt; i++)
        log_debug("partition assigned", F_STR("messaging.destination.name", source->changing->elems[i].topic),
                  F_INT("messaging.destination.partition.id", source->changing->elems[i].partition),
                  F_INT("messaging.kafka.offset", source->changing->elems[i].offset));
}

static void assign(struct kafka_source *source)
{
    for (int i = 0; i < source->changing->cnt; i++)
        partition_begin(source, &source->changing->elems[i]);
    if (cooperative(source))
        answer_failed(source, rd_kafka_incremental_assign(source->rk, source->changing), 0);
    else
        answer_failed(source, NULL, rd_kafka_assign(source->rk, source->changing));
    assignment_said(source);
    rebalance_end(source);
    commit_now(source, NULL);
}

static void lookup_free(uv_handle_t *handle)
{
    struct lookup *lookup = handle->data;
    rd_kafka_topic_partition_list_destroy(lookup->list);
    free(lookup);
}

static void lookup_end(struct lookup *lookup)
{
    lookup->source->lookup = NULL;
    uv_close((uv_handle_t *)&lookup->retry, lookup_free);
}

static void lookup_done(uv_work_t *work, int status);

static void lookup_start(uv_timer_t *timer)
{
    struct lookup *lookup = timer->data;
    lookup->running = true;
    if (uv_queue_work(timer->loop, &lookup->work, lookup_work, lookup_done) != 0) {
        lookup->running = false;
        uv_timer_start(timer, lookup_start, LOOKUP_RETRY_MS, 0);
    }
}

static void unassign(struct kafka_source *source);

static void lookup_done(uv_work_t *work, int status)
{
    struct lookup *lookup = work->data;
    struct kafka_source *source = lookup->source;
    lookup->running = false;
    (void)status;
    if (source->closing) {
        lookup_end(lookup);
        unassign(source);
        return;
    }
    if (lookup->code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_say(source, lookup->code, "committed offsets could not be read; trying again");
        uv_timer_start(&lookup->retry, lookup_start, LOOKUP_RETRY_MS, 0);
        return;
    }
    rd_kafka_topic_partition_list_destroy(source->changing);
    source->changing = lookup->list;
    lookup->list = rd_kafka_topic_partition_list_new(0);
    lookup_end(lookup);
    assign(source);
}

static bool lookup_new(struct kafka_source *source)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return false;
    lookup->source = source;
    lookup->rk = source->rk;
    lookup->list = rd_kafka_topic_partition_list_copy(source->changing);
    lookup->latest = strcmp(source->options.auto_offset_reset, "latest") == 0;
    lookup->work.data = lookup;
    uv_timer_init(source->options.loop, &lookup->retry);
    lookup->retry.data = lookup;
    source->lookup = lookup;
    lookup_start(&lookup->retry);
    return true;
}

static void assigned(struct kafka_source *source, const rd_kafka_topic_partition_list_t *list)
{
    source->changing = rd_kafka_topic_partition_list_copy(list);
    for (int i = 0; i < list->cnt; i++) {
        if (!partition_find(source, list->elems[i].topic, list->elems[i].partition) &&
            !partition_new(source, list->elems[i].topic, list->elems[i].partition))
            abort(); /* without its partition a record would pass unseen; a restart loses nothing */
    }
    source->rebalance = REBALANCE_LOOKING_UP;
    if (list->cnt == 0) {
        assign(source);
        return;
    }
    if (!lookup_new(source))
        abort();
}

/* Revocation */

static struct partition *changing_partition(struct kafka_source *source, int i)
{
    return partition_find(source, source->changing->elems[i].topic, source->changing->elems[i].partition);
}

static void unassign(struct kafka_source *source)
{
    uv_timer_stop(&source->step_timer);
    for (int i = 0; i < source->changing->cnt; i++) {
        struct partition *partition = changing_partition(source, i);
        if (partition)
            partition_free(partition);
    }
    if (cooperative(source) && source->changing->cnt > 0 && source->rebalance != REBALANCE_LOOKING_UP)
        answer_failed(source, rd_kafka_incremental_unassign(source->rk, source->changing), 0);
    else if (!cooperative(source))
        answer_failed(source, NULL, rd_kafka_assign(source->rk, NULL));
    else
        answer_failed(source, rd_kafka_incremental_assign(source->rk, source->changing), 0);
    source->rejoin_assignments = cooperative(source) && !source->closing ? 2 : 0;
    source->rejoin_until_ms = clock_monotonic_ms(source->options.clock) + REJOIN_MS;
    log_info("partitions revoked", F_INT("revoked", source->changing->cnt), F_BOOL("lost", source->lost));
    rebalance_end(source);
}

/** Asks for the tickets of every partition that is going. Not REBALANCE_DRAINING meanwhile: tickets come back
 * during `withdraw`, and the last one would end the rebalance, and its list, in the middle of this walk. */
static void withdraw_changing(struct kafka_source *source, bool cancel_started)
{
    source->rebalance = REBALANCE_IDLE;
    for (int i = 0; i < source->changing->cnt; i++) {
        struct partition *partition = changing_partition(source, i);
        if (!partition)
            continue;
        partition->revoked = true;
        source->options.sink.withdraw(source->options.sink.ctx, partition, cancel_started);
    }
    source->rebalance = REBALANCE_DRAINING;
}

static void step_timer_fired(uv_timer_t *timer)
{
    struct kafka_source *source = timer->data;
    if (source->rebalance == REBALANCE_DRAINING) {
        withdraw_changing(source, true);
        rebalance_advance(source);
    } else if (source->rebalance == REBALANCE_COMMITTING) {
        log_warning("last commit before giving partitions up was not answered in time: some records will be "
                    "delivered again",
                    F_INT("revoked", source->changing->cnt));
        unassign(source);
    }
}

static size_t changing_live(struct kafka_source *source)
{
    size_t live = 0;
    for (int i = 0; i < source->changing->cnt; i++) {
        struct partition *partition = changing_partition(source, i);
        live += partition ? partition->live : 0;
    }
    return live;
}

static bool changing_dirty(struct kafka_source *source)
{
    for (int i = 0; i < source->changing->cnt; i++) {
        struct partition *partition = changing_partition(source, i);
        if (partition && (partition->changed || partition->committing))
            return true;
    }
    return false;
}

void rebalance_advance(struct kafka_source *source)
{
    if (source->rebalance == REBALANCE_DRAINING && changing_live(source) == 0) {
        if (rd_kafka_assignment_lost(source->rk))
            source->lost = true;
        source->rebalance = REBALANCE_COMMITTING;
        uv_timer_start(&source->step_timer, step_timer_fired, FINAL_COMMIT_MS, 0);
    }
    if (source->rebalance != REBALANCE_COMMITTING)
        return;
    if (source->commit_under_way)
        return; /* its answer comes back here */
    if (source->lost || !changing_dirty(source) || !commit_now(source, source->changing))
        unassign(source);
}

static void revoked(struct kafka_source *source, const rd_kafka_topic_partition_list_t *list)
{
    source->changing = rd_kafka_topic_partition_list_copy(list);
    source->lost = rd_kafka_assignment_lost(source->rk) != 0;
    if (source->lost)
        log_warning("assignment lost: another member may hold these partitions already, so nothing is "
                    "committed for them",
                    F_INT("lost", list->cnt));
    withdraw_changing(source, false);
    int64_t wait_ms = source->closing ? 0 : source->options.drain_timeout_ms;
    uv_timer_start(&source->step_timer, step_timer_fired, (uint64_t)wait_ms, 0);
    rebalance_advance(source);
}

void rebalance_event(struct kafka_source *source, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    if (source->rejoin_assignments > 0)
        source->rejoin_assignments--;
    switch (rd_kafka_event_error(event)) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
        assigned(source, list);
        break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
        revoked(source, list);
        break;
    default:
        kafka_error_say(source, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        rd_kafka_assign(source->rk, NULL);
        break;
    }
}

void rebalance_hurry(struct kafka_source *source)
{
    struct lookup *lookup = source->lookup;
    if (source->rebalance == REBALANCE_DRAINING)
        uv_timer_start(&source->step_timer, step_timer_fired, 0, 0);
    if (!lookup || lookup->running)
        return; /* lookup_done sees `closing` */
    lookup_end(lookup);
    unassign(source);
}
