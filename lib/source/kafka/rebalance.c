/* Assignment and revocation, step by step on the loop. librdkafka sends no further rebalance until the one
 * before was answered with assign or unassign, so there is one state for all (internal.h draws it). But it
 * gives one up when topics change or the client closes: then the next event overtakes it.
 *
 * rd_kafka_assign and its like wait without a bound for librdkafka's thread, which answers nobody any more
 * once the group is left. So they are called only as the answer to an event, never after it. */
#include "source/kafka/internal.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST_COMMIT_MS = 5000, FINAL_COMMIT_MS = 1500, REJOIN_MS = 10000 };

static void answer_failed(struct kafka_consumer *consumer, rd_kafka_error_t *error, rd_kafka_resp_err_t code)
{
    if (error) {
        kafka_error_say(consumer, rd_kafka_error_code(error), rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
    } else if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_error_say(consumer, code, "rebalance could not be answered");
    }
}

static void rebalance_end(struct kafka_consumer *consumer)
{
    if (consumer->changing)
        rd_kafka_topic_partition_list_destroy(consumer->changing);
    consumer->changing = NULL;
    consumer->rebalance = REBALANCE_IDLE;
    consumer->lost = false;
}

static struct partition *changing_partition(struct kafka_consumer *consumer, int i)
{
    return partition_find(consumer, consumer->changing->elems[i].topic,
                          consumer->changing->elems[i].partition);
}

static bool changing_dirty(struct kafka_consumer *consumer)
{
    for (int i = 0; i < consumer->changing->cnt; i++) {
        struct partition *partition = changing_partition(consumer, i);
        if (partition && (partition->changed || partition->committing))
            return true;
    }
    return false;
}

static void step_timer_fired(uv_timer_t *timer);

/* Assignment */

/** What begins elsewhere than at a committed offset is said, with numbers. */
static void start_said(const struct kafka_consumer *consumer, const struct partition *partition,
                       const struct partition_start *start)
{
    bool latest = strcmp(consumer->options.auto_offset_reset, "latest") == 0;
    const char *said = NULL;
    enum log_level level = LOG_WARNING;
    int64_t records = start->high - start->low;
    switch (start->reason) {
    case START_COMMITTED:
        return;
    case START_MADE_ANEW:
        said = "the topic was made anew: its partition begins at its start";
        break;
    case START_GROUP_NEW:
        if (!latest)
            return;
        said = "the group is new: its partition begins at its end";
        level = LOG_INFO;
        break;
    case START_TAKEN_OVER:
        said = "the group never consumed from this partition before it was taken over: it begins at its end";
        break;
    case START_GROUP_BEGAN:
        said = "the partition begins where it ended when the group began";
        records = start->high - start->offset;
        break;
    case START_APPEARED:
        said = "the partition appeared after the group had begun: it begins at its start";
        if (!latest)
            level = LOG_INFO;
        break;
    }
    const struct log_field fields[] = {
        F_TOPIC_PARTITION(partition->topic, partition->number),
        start->committed >= 0 ? F_INT("from", start->committed) : F_NONE, F_INT("to", start->offset),
        start_at_end(start->reason, latest) ? F_INT("records_before", records) : F_INT("records", records)};
    if (log_enabled(level))
        log_write(level, said, fields, sizeof fields / sizeof *fields);
}

static void set_start(struct kafka_consumer *consumer, rd_kafka_topic_partition_t *element,
                      const struct partition_start *start)
{
    struct partition *partition = partition_find(consumer, element->topic, element->partition);
    struct slice note = {element->metadata, element->metadata_size};
    if (partition) {
        bool restored = partition_set_start(partition, start, note);
        start_said(consumer, partition, start);
        if (start->reason == START_COMMITTED && note.len > 0)
            log_debug("committed offset found", F_TOPIC_PARTITION(element->topic, element->partition),
                      F_INT("messaging.kafka.offset", element->offset), F_BOOL("note_restored", restored));
    }
#if RD_KAFKA_VERSION >= 0x020100ff
    if (start->reason != START_COMMITTED)
        rd_kafka_topic_partition_set_leader_epoch(element, -1); /* of another log, perhaps */
#endif
    element->offset = !partition || start->offset < 0 ? RD_KAFKA_OFFSET_BEGINNING : start->offset;
    free(element->metadata);
    element->metadata = NULL;
    element->metadata_size = 0;
}

static void assignment_said(struct kafka_consumer *consumer)
{
    uint64_t assigned = 0;
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next)
        assigned++;
    if (assigned == 0)
        log_info(
            "no partitions assigned: standing by, ready to take over when another member of the group leaves",
            F_STR("messaging.consumer.group.name", consumer->options.group_id));
    else
        log_info("partitions assigned", F_INT("assigned", assigned),
                 F_STR("messaging.consumer.group.name", consumer->options.group_id));
    for (int i = 0; consumer->changing && i < consumer->changing->cnt; i++)
        log_debug(
            "partition assigned",
            F_TOPIC_PARTITION(consumer->changing->elems[i].topic, consumer->changing->elems[i].partition),
            F_INT("messaging.kafka.offset", consumer->changing->elems[i].offset));
}

static void assign(struct kafka_consumer *consumer)
{
    uv_timer_stop(&consumer->step_timer);
    for (int i = 0; i < consumer->changing->cnt; i++) {
        struct partition *partition = changing_partition(consumer, i);
        if (partition)
            partition_begin(partition);
    }
    if (consumer->cooperative)
        answer_failed(consumer, rd_kafka_incremental_assign(consumer->rk, consumer->changing), 0);
    else
        answer_failed(consumer, NULL, rd_kafka_assign(consumer->rk, consumer->changing));
    assignment_said(consumer);
    standing_assigned(consumer);
    rebalance_end(consumer);
    commit_now(consumer, NULL);
}

/** Is there anything to commit before records are taken? Where the group's generation is about to change,
 * that would cost us the assignment (commit.c). */
static bool first_commit_due(struct kafka_consumer *consumer)
{
    return !consumer->first_commit_tried && consumer->rejoin_assignments == 0 && changing_dirty(consumer);
}

/** The starts are committed before anything is taken: an agent that is killed in between begins where this
 * one did, and not where the log ends by then. One try: without an answer the group has other worries. */
static void beginning_advance(struct kafka_consumer *consumer)
{
    if (consumer->commit_under_way)
        return; /* its answer comes back here */
    if (first_commit_due(consumer)) {
        consumer->first_commit_tried = true;
        if (commit_now(consumer, consumer->changing))
            return;
    }
    assign(consumer);
}

void rebalance_looked_up(struct kafka_consumer *consumer, struct lookup *lookup)
{
    rd_kafka_topic_partition_list_destroy(consumer->changing);
    consumer->changing = lookup->list;
    consumer->first = lookup->first;
    for (int i = 0; i < consumer->changing->cnt; i++)
        set_start(consumer, &consumer->changing->elems[i], &lookup->starts[i]);
    for (int i = 0; i < TOPICS; i++)
        if (lookup->ids[i].known)
            consumer->topic_ids[i] = lookup->ids[i];
    lookup->list = rd_kafka_topic_partition_list_new(0);
    lookup_end(lookup);
    consumer->rebalance = REBALANCE_BEGINNING;
    consumer->first_commit_tried = false;
    uv_timer_start(&consumer->step_timer, step_timer_fired, FIRST_COMMIT_MS, 0);
    beginning_advance(consumer);
}

/** Without its partitions records would pass unseen. A restart loses nothing, and others can have them. */
static void leave_assignment(struct kafka_consumer *consumer)
{
    log_critical("out of memory: what was assigned cannot be consumed", F_NONE);
    rebalance_end(consumer);
    if (!consumer->cooperative)
        answer_failed(consumer, NULL, rd_kafka_assign(consumer->rk, NULL));
    consumer_give_up(consumer);
}

/* Revocation */

static void free_changing(struct kafka_consumer *consumer)
{
    for (int i = 0; i < consumer->changing->cnt; i++) {
        struct partition *partition = changing_partition(consumer, i);
        if (partition)
            partition_free(partition);
    }
}

static void let_go(struct kafka_consumer *consumer)
{
    free_changing(consumer);
    if (consumer->cooperative)
        answer_failed(consumer, rd_kafka_incremental_unassign(consumer->rk, consumer->changing), 0);
    else
        answer_failed(consumer, NULL, rd_kafka_assign(consumer->rk, NULL));
}

static void unassign(struct kafka_consumer *consumer)
{
    uv_timer_stop(&consumer->step_timer);
    let_go(consumer);
    consumer->rejoin_assignments = consumer->rejoins && !consumer->closing ? 2 : 0;
    consumer->rejoin_until_ms = clock_monotonic_ms(consumer->options.clock) + REJOIN_MS;
    log_info("partitions revoked", F_INT("revoked", consumer->changing->cnt),
             F_BOOL("assignment_lost", consumer->lost));
    rebalance_end(consumer);
}

/** Asks for the tickets of every partition that is going. Not REBALANCE_DRAINING meanwhile: tickets come back
 * during `withdraw`, and the last one would end the rebalance, and its list, in the middle of this walk. */
static void withdraw_changing(struct kafka_consumer *consumer, bool cancel_started)
{
    consumer->rebalance = REBALANCE_IDLE;
    for (int i = 0; i < consumer->changing->cnt; i++) {
        struct partition *partition = changing_partition(consumer, i);
        if (!partition)
            continue;
        partition->revoked = true;
        if (partition->abandoned)
            continue;
        consumer->options.sink.withdraw(consumer->options.sink.ctx, partition, cancel_started);
    }
    consumer->rebalance = REBALANCE_DRAINING;
}

static void step_timer_fired(uv_timer_t *timer)
{
    struct kafka_consumer *consumer = timer->data;
    if (consumer->rebalance == REBALANCE_DRAINING) {
        withdraw_changing(consumer, true);
        rebalance_advance(consumer);
    } else if (consumer->rebalance == REBALANCE_COMMITTING) {
        log_warning("last commit before giving partitions up was not answered in time: some records will be "
                    "delivered again",
                    F_INT("revoked", consumer->changing->cnt));
        unassign(consumer);
    } else if (consumer->rebalance == REBALANCE_BEGINNING) {
        log_warning("where partitions begin could not be committed in time; going on",
                    F_INT("assigned", consumer->changing->cnt));
        assign(consumer);
    }
}

static size_t changing_live(struct kafka_consumer *consumer)
{
    size_t live = 0;
    for (int i = 0; i < consumer->changing->cnt; i++) {
        struct partition *partition = changing_partition(consumer, i);
        live += partition ? partition->live : 0;
    }
    return live;
}

void rebalance_advance(struct kafka_consumer *consumer)
{
    if (consumer->rebalance == REBALANCE_BEGINNING)
        beginning_advance(consumer);
    if (consumer->rebalance == REBALANCE_DRAINING && changing_live(consumer) == 0) {
        if (rd_kafka_assignment_lost(consumer->rk))
            consumer->lost = true;
        consumer->rebalance = REBALANCE_COMMITTING;
        uv_timer_start(&consumer->step_timer, step_timer_fired, FINAL_COMMIT_MS, 0);
    }
    if (consumer->rebalance != REBALANCE_COMMITTING)
        return;
    if (consumer->commit_under_way)
        return; /* its answer comes back here */
    if (consumer->lost || !changing_dirty(consumer) || !commit_now(consumer, consumer->changing))
        unassign(consumer);
}

/** Those of `list` that we hold (librdkafka also revokes what it offered and was never taken, and then
 * refuses an answer that names it); NULL: all that we hold. */
static rd_kafka_topic_partition_list_t *held(struct kafka_consumer *consumer,
                                             const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *held = rd_kafka_topic_partition_list_new(8);
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next)
        if (!list || rd_kafka_topic_partition_list_find(list, partition->topic, partition->number))
            rd_kafka_topic_partition_list_add(held, partition->topic, partition->number);
    return held;
}

static void revoked(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    consumer->changing = held(consumer, list);
    consumer->lost = rd_kafka_assignment_lost(consumer->rk) != 0;
    if (consumer->lost)
        log_warning("assignment lost: another member may hold these partitions already, so nothing is "
                    "committed for them",
                    F_INT("lost", list->cnt));
    withdraw_changing(consumer, false);
    int64_t wait_ms = consumer->closing && !consumer->renewing ? 0 : consumer->options.drain_timeout_ms;
    uv_timer_start(&consumer->step_timer, step_timer_fired, (uint64_t)wait_ms, 0);
    rebalance_advance(consumer);
}

/* Events */

/** What we hold when an assignment comes was never revoked: where librdkafka has to join anew (its topics
 * changed, say) between an assignment's event and our answer to it, it takes the answer and says nothing.
 * Others may have those partitions already. An incremental assignment leaves what it does not name. */
static void let_go_of_unrevoked(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    consumer->changing = held(consumer, consumer->cooperative ? list : NULL);
    if (consumer->changing->cnt > 0) {
        log_warning("partitions assigned anew without a revocation: what was under way comes again",
                    F_INT("lost", consumer->changing->cnt));
        withdraw_changing(consumer, true);
        let_go(consumer);
    }
    rebalance_end(consumer);
}

void rebalance_assigned(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list)
{
    if (consumer->closing)
        return; /* leaving is the answer */
    let_go_of_unrevoked(consumer, list);
    consumer->changing = rd_kafka_topic_partition_list_copy(list);
    for (int i = 0; i < list->cnt; i++) {
        if (!partition_new(consumer, list->elems[i].topic, list->elems[i].partition)) {
            leave_assignment(consumer);
            return;
        }
    }
    consumer->rebalance = REBALANCE_LOOKING_UP;
    if (list->cnt == 0) {
        assign(consumer);
        return;
    }
    if (!lookup_new(consumer, list))
        leave_assignment(consumer);
}

static bool is_offered(const struct kafka_consumer *consumer)
{
    return consumer->rebalance == REBALANCE_LOOKING_UP || consumer->rebalance == REBALANCE_BEGINNING;
}

/** Gives up an assignment that was not answered yet; its partitions have taken nothing. */
static void forget_offer(struct kafka_consumer *consumer)
{
    if (consumer->lookup)
        lookup_overtake(consumer->lookup);
    uv_timer_stop(&consumer->step_timer);
    free_changing(consumer);
    rebalance_end(consumer);
}

/** The rebalance under way ends at once, because librdkafka has given it up. */
static void overtake(struct kafka_consumer *consumer)
{
    if (is_offered(consumer)) {
        forget_offer(consumer);
    } else if (consumer->rebalance != REBALANCE_IDLE) {
        consumer->lost = true;
        withdraw_changing(consumer, true);
        unassign(consumer);
    }
}

void rebalance_event(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    const rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    overtake(consumer);
    consumer->rebalances++;
    if (consumer->rejoin_assignments > 0)
        consumer->rejoin_assignments--;
    switch (rd_kafka_event_error(event)) {
    case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
        rebalance_assigned(consumer, list);
        break;
    case RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS:
        revoked(consumer, list);
        break;
    default:
        kafka_error_say(consumer, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        if (!consumer->closing)
            rd_kafka_assign(consumer->rk, NULL);
        break;
    }
}

void rebalance_hurry(struct kafka_consumer *consumer)
{
    if (is_offered(consumer)) {
        forget_offer(consumer);
    } else if (consumer->rebalance == REBALANCE_DRAINING) {
        withdraw_changing(consumer, true);
        rebalance_advance(consumer);
    }
}
