/* Commits: per partition the end of the contiguous run of done records, with a note of what is done beyond
 * it. Asynchronous; one at a time, so that an older commit can never overtake a newer one. */
#include "source/kafka/internal.h"

enum { COMMIT_DELAY_MS = 100, COMMIT_RETRY_MS = 1000 };

void commit_soon(struct kafka_consumer *consumer)
{
    if (!consumer->commit_under_way && !consumer->destroying &&
        !uv_is_active((uv_handle_t *)&consumer->commit_timer))
        uv_timer_start(&consumer->commit_timer, commit_timer_fired, COMMIT_DELAY_MS, 0);
}

void commit_timer_fired(uv_timer_t *timer)
{
    commit_now(timer->data, NULL);
}

/** Adds the partition's offset and note to `list`; false when there is nothing to say. */
static bool partition_add(struct partition *partition, rd_kafka_topic_partition_list_t *list)
{
    int64_t offset = offsets_committable(&partition->offsets);
    if (!partition->changed || offset < 0)
        return false;
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->number);
    element->offset = partition->committing_offset = offset;
    struct buffer note = {0};
    struct facts facts = {partition->topic_id, partition->consumer->first};
    if (!partition->notes_off)
        offsets_note(&partition->offsets, &note);
    if (!partition->facts_off && facts.first.known)
        facts_append(&facts, &note, OFFSETS_NOTE_MAX);
    if (note.len > 0) /* librdkafka frees the metadata with the list; NULL: out of memory */
        element->metadata = buffer_take(&note, &element->metadata_size);
    buffer_clear(&note);
    return true;
}

bool commit_now(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only)
{
    if (consumer->commit_under_way || consumer->destroying)
        return false;
    bool rejoining = consumer->rejoin_assignments > 0 &&
                     clock_monotonic_ms(consumer->options.clock) < consumer->rejoin_until_ms;
    if (rejoining && !only) {
        /* The coordinator counts a new generation before we know it: a commit with the old one would cost us
         * the whole assignment. */
        uv_timer_start(&consumer->commit_timer, commit_timer_fired, COMMIT_DELAY_MS, 0);
        return false;
    }
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        if (only && !rd_kafka_topic_partition_list_find(only, partition->topic, partition->number))
            continue;
        if (partition->revoked && consumer->lost)
            continue; /* no longer ours */
        if (partition_add(partition, list)) {
            partition->changed = false;
            partition->committing = true;
        }
    }
    bool any = list->cnt > 0;
    if (any) {
        rd_kafka_resp_err_t code =
            rd_kafka_commit_queue(consumer->rk, list, consumer->events, NULL, consumer);
        consumer->commit_under_way = code == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
            kafka_error_say(consumer, code, "commit could not be sent");
            for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
                partition->changed |= partition->committing;
                partition->committing = false;
            }
            uv_timer_start(&consumer->commit_timer, commit_timer_fired, COMMIT_RETRY_MS, 0);
            any = false;
        }
    }
    rd_kafka_topic_partition_list_destroy(list);
    return any;
}

static void partition_answered(struct partition *partition, rd_kafka_resp_err_t code)
{
    struct kafka_consumer *consumer = partition->consumer;
    partition->committing = false;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        consumer->commits++;
        partition->committed = partition->committing_offset;
        return;
    }
    partition->changed = true;
    consumer->commits_failed++;
    if (code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE && partition->notes_off) {
        partition->facts_off = true;
    } else if (code == RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE) {
        partition->notes_off = true;
        log_warning("broker refuses commit metadata: committing without it, so a restart repeats what was "
                    "done out of order; "
                    "raise the broker's offset.metadata.max.bytes to 4096",
                    F_TOPIC_PARTITION(partition->topic, partition->number));
    }
}

void commit_answered(struct kafka_consumer *consumer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    rd_kafka_topic_partition_list_t *list = rd_kafka_event_topic_partition_list(event);
    bool failed = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (failed && code != RD_KAFKA_RESP_ERR__NO_OFFSET)
        kafka_error_say(consumer, code, "commit failed; it is tried again");
    consumer->commit_under_way = false;
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        if (!partition->committing)
            continue;
        rd_kafka_topic_partition_t *element =
            list ? rd_kafka_topic_partition_list_find(list, partition->topic, partition->number) : NULL;
        rd_kafka_resp_err_t own = element ? element->err : RD_KAFKA_RESP_ERR_NO_ERROR;
        partition_answered(partition, own ? own : code);
        failed |= own != RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    bool changed = false;
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next)
        changed |= partition->changed && !(partition->revoked && consumer->lost);
    if (changed && !consumer->destroying)
        uv_timer_start(&consumer->commit_timer, commit_timer_fired,
                       failed ? COMMIT_RETRY_MS : COMMIT_DELAY_MS, 0);
    if (consumer->rebalance == REBALANCE_COMMITTING || consumer->rebalance == REBALANCE_BEGINNING)
        rebalance_advance(consumer);
}
