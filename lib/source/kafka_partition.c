/* An assigned partition: its records become tickets, its tickets become offsets that may be committed. */
#include "source/kafka_internal.h"
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct partition *partition_new(struct kafka_source *source, const char *topic, int32_t number)
{
    struct partition *partition = calloc(1, sizeof *partition);
    if (!partition)
        return NULL;
    partition->source = source;
    partition->number = number;
    partition->topic = slice_to_text(slice_of(topic));
    if (!partition->topic) {
        free(partition);
        return NULL;
    }
    partition->kind = strcmp(topic, source->options.change_log_topic) == 0 ? EVENT_CHANGE_LOG : EVENT_RUN;
    offsets_init(&partition->offsets, -1);
    /* Forwarded before it is assigned, so that no record can reach the consumer queue. */
    partition->queue = rd_kafka_queue_get_partition(source->rk, topic, number);
    if (partition->queue)
        rd_kafka_queue_forward(partition->queue, source->records);
    partition->next = source->partitions;
    source->partitions = partition;
    return partition;
}

static void tickets_free(struct kafka_ticket *ticket)
{
    while (ticket) {
        struct kafka_ticket *next = ticket->next;
        free(ticket);
        ticket = next;
    }
}

void partition_free(struct partition *partition)
{
    struct kafka_source *source = partition->source;
    for (struct partition **at = &source->partitions; *at; at = &(*at)->next) {
        if (*at == partition) {
            *at = partition->next;
            break;
        }
    }
    if (source->last_found == partition)
        source->last_found = NULL;
    if (partition->parked)
        rd_kafka_message_destroy(partition->parked);
    if (partition->queue)
        rd_kafka_queue_destroy(partition->queue);
    tickets_free(partition->settled);
    offsets_clear(&partition->offsets);
    free(partition->topic);
    free(partition);
}

struct partition *partition_find(struct kafka_source *source, const char *topic, int32_t number)
{
    struct partition *last = source->last_found;
    if (last && last->number == number && strcmp(last->topic, topic) == 0)
        return last;
    for (struct partition *partition = source->partitions; partition; partition = partition->next) {
        if (partition->number == number && strcmp(partition->topic, topic) == 0) {
            source->last_found = partition;
            return partition;
        }
    }
    return NULL;
}

static struct kafka_ticket *ticket_of(struct ticket *ticket)
{
    return (struct kafka_ticket *)((char *)ticket - offsetof(struct kafka_ticket, ticket));
}

static void ticket_settle(struct ticket *base, bool done)
{
    struct kafka_ticket *ticket = ticket_of(base);
    struct partition *partition = ticket->partition;
    if (!partition) {
        free(ticket); /* the log was rewound meanwhile: its offset means nothing any more */
        return;
    }
    struct kafka_source *source = partition->source;
    partition->live--;
    if (done) {
        offsets_done(&partition->offsets, &ticket->entry);
        partition->changed = true;
        ticket->next = source->free_tickets;
        source->free_tickets = ticket;
        commit_soon(source);
    } else {
        /* Its entry stays linked: the offset is not done, so nothing beyond it may be committed as done
         * before it. */
        ticket->next = partition->settled;
        partition->settled = ticket;
    }
    if (source->rebalance == REBALANCE_DRAINING)
        rebalance_advance(source);
    else if (partition->paused && offsets_has_room(&partition->offsets))
        kafka_source_resume(source);
}

static struct kafka_ticket *ticket_new(struct partition *partition)
{
    struct kafka_source *source = partition->source;
    struct kafka_ticket *ticket = source->free_tickets;
    if (ticket)
        source->free_tickets = ticket->next;
    else
        ticket = malloc(sizeof *ticket);
    if (ticket)
        *ticket = (struct kafka_ticket){.ticket.settle = ticket_settle, .partition = partition};
    return ticket;
}

/** The log starts below where we were: everything known of the partition belongs to a log that is gone. */
static void partition_rewind(struct partition *partition, int64_t offset)
{
    log_warning("partition rewound: the topic was recreated or its offsets were reset",
                F_STR("messaging.destination.name", partition->topic),
                F_INT("messaging.destination.partition.id", partition->number),
                F_INT("messaging.kafka.offset", offset), F_INT("position", partition->offsets.position));
    for (struct offset_entry *entry = partition->offsets.first; entry; entry = entry->next) {
        struct kafka_ticket *ticket =
            (struct kafka_ticket *)((char *)entry - offsetof(struct kafka_ticket, entry));
        ticket->partition = NULL;
    }
    tickets_free(partition->settled);
    partition->settled = NULL;
    partition->live = 0;
    offsets_rewind(&partition->offsets, offset);
}

static int64_t message_timestamp(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
}

bool partition_take(struct partition *partition, const rd_kafka_message_t *message)
{
    struct kafka_source *source = partition->source;
    struct kafka_ticket *ticket = ticket_new(partition);
    if (!ticket)
        return false; /* the caller keeps the message: passing over it would count it as done */
    enum offsets_take taken = offsets_take(&partition->offsets, &ticket->entry, message->offset);
    if (taken == OFFSETS_REWOUND) {
        partition_rewind(partition, message->offset);
        taken = offsets_take(&partition->offsets, &ticket->entry, message->offset);
    }
    if (taken == OFFSETS_DONE_BEFORE) {
        source->restored_skips++;
        ticket->next = source->free_tickets;
        source->free_tickets = ticket;
        partition->changed = true;
        commit_soon(source);
        return true;
    }
    partition->live++;
    struct record record = {
        .kind = partition->kind,
        .topic = partition->topic,
        .partition = partition->number,
        .offset = message->offset,
        .timestamp_ms = message_timestamp(message),
        .key = {message->key, message->key_len},
        .value = {message->payload, message->len},
        .assignment = partition,
    };
    source->options.sink.take(source->options.sink.ctx, &record, &ticket->ticket);
    return true;
}
