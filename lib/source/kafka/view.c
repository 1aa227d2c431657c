/* What stands: the consumer and its partitions, for whoever asks. Asks no broker. */
#include "source/kafka/internal.h"

struct source_view kafka_consumer_view(const struct kafka_consumer *consumer)
{
    static const char *const states[] = {
        [REBALANCE_LOOKING_UP] = "assigned: looking up where partitions begin",
        [REBALANCE_BEGINNING] = "assigned: committing where partitions begin",
        [REBALANCE_DRAINING] = "revoked: finishing what is under way",
        [REBALANCE_COMMITTING] = "revoked: committing",
    };
    const char *idle = !consumer->connected        ? "not connected to the brokers"
                       : consumer->group_refused   ? "the consumer group may not be used"
                       : consumer->partitions      ? "consuming"
                       : consumer->rebalances == 0 ? "joining the group"
                                                   : "no partition is assigned";
    const char *state = consumer->rebalance == REBALANCE_IDLE ? idle : states[consumer->rebalance];
    return (struct source_view){.state = consumer->closing ? "leaving the group" : state,
                                .connected = consumer->connected && !consumer->group_refused,
                                .credentials_refused = consumer->credentials_failing,
                                .rebalances = consumer->rebalances,
                                .commits = consumer->commits,
                                .commits_failed = consumer->commits_failed};
}

/** As the last answer to a fetch had it; -1: not known. */
static int64_t end_of_log(const struct partition *partition)
{
    int64_t low, high;
    return partition_bounds(partition, &low, &high) && high >= 0 ? high : -1;
}

void kafka_consumer_each_partition(const struct kafka_consumer *consumer,
                                   void (*each)(void *ctx, const struct source_partition *partition),
                                   void *ctx)
{
    for (const struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        const struct offsets *offsets = &partition->offsets;
        const struct source_partition view = {.topic = partition->topic,
                                              .number = partition->number,
                                              .position = offsets_next(offsets),
                                              .committed = partition->committed,
                                              .end = end_of_log(partition),
                                              .undone = offsets->in_progress,
                                              .oldest = offsets->first ? offsets->first->offset : -1};
        each(ctx, &view);
    }
}
