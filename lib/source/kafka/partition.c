/* An assigned partition: its records become tickets, its tickets become offsets that may be committed. */
#include "base/container_of.h"
#include "observe/conditions.h"
#include "source/kafka/internal.h"
#include "source/kafka/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct partition *partition_new(struct kafka_consumer *consumer, const char *topic, int32_t number)
{
    struct partition *partition = calloc(1, sizeof *partition);
    if (!partition)
        return NULL;
    partition->consumer = consumer;
    partition->number = number;
    partition->topic = slice_to_text(slice_of(topic));
    if (!partition->topic) {
        free(partition);
        return NULL;
    }
    partition->kind = strcmp(topic, consumer->options.change_log_topic) == 0 ? EVENT_CHANGE_LOG : EVENT_RUN;
    offsets_init(&partition->offsets, -1);
    partition->committed = partition->committing_offset = -1;
    partition->queue = rd_kafka_queue_get_partition(consumer->rk, topic, number);
    partition->next = consumer->partitions;
    consumer->partitions = partition;
    return partition;
}

const char *partition_name(const struct partition *partition, char name[PARTITION_NAME_SIZE])
{
    snprintf(name, PARTITION_NAME_SIZE, "%.249s-%d", partition->topic, (int)partition->number);
    return name;
}

void partition_tell_full(struct partition *partition, bool full)
{
    char name[PARTITION_NAME_SIZE];
    struct conditions *conditions = partition->consumer->options.conditions;
    bool ended = partition->full_stands && !full;
    partition->full_stands = full && conditions != NULL;
    if (partition->full_stands)
        condition_met(conditions, CONDITION_NOTE_FULL, partition_name(partition, name),
                      offsets_committable(&partition->offsets),
                      "the commit's note cannot hold what is done behind this offset: the record there has "
                      "waited too long");
    else if (ended)
        condition_ended(conditions, CONDITION_NOTE_FULL, partition_name(partition, name),
                        offsets_committable(&partition->offsets));
}

bool partition_set_start(struct partition *partition, const struct partition_start *start, struct slice note)
{
    struct facts facts;
    bool noted = facts_read(note, &facts);
    offsets_clear(&partition->offsets);
    offsets_init(&partition->offsets, start->offset);
    /* Whatever begins elsewhere than at its offset, or has nothing beside it that says how the group began,
     * or of which topic it is, has it committed at once. */
    partition->changed = start->reason != START_COMMITTED || !noted ||
                         (start->topic.known && !facts.topic.known) || facts.first.count > 0 ||
                         facts.first.incomplete;
    partition->topic_id = start->topic;
    partition->committed = start->committed;
    return start->reason == START_COMMITTED && offsets_restore(&partition->offsets, note);
}

void partition_begin(struct partition *partition)
{
    partition->begun = true;
    poison_reset(partition);
    /* Before it is assigned, so that no record can reach the consumer queue, and after an earlier assignment
     * of it has ended, which ends its forwarding too. */
    if (partition->queue)
        rd_kafka_queue_forward(partition->queue, partition->consumer->records);
}

static struct kafka_ticket *ticket_of_entry(struct offset_entry *entry)
{
    return CONTAINER_OF(entry, struct kafka_ticket, entry);
}

/** Whoever wanted to read them again hears that they are gone. */
static void tell_gone(const struct partition *partition, struct wanted *orphans)
{
    while (orphans) {
        struct wanted *wanted = orphans;
        orphans = wanted->next;
        int64_t offset = wanted->offset;
        void *reader = wanted->reader;
        free(wanted);
        partition_tell_again(partition, offset, NULL, reader);
    }
}

/** From `offset` on, what is still under way belongs to nobody now, and what was dropped goes. */
static void tickets_detach(struct partition *partition, int64_t offset)
{
    struct wanted *orphans = NULL;
    for (struct kafka_ticket **at = &partition->settled; *at;) {
        struct kafka_ticket *ticket = *at;
        if (ticket->entry.offset < offset) {
            at = &ticket->next;
            continue;
        }
        *at = ticket->next;
        offsets_done(&partition->offsets, &ticket->entry);
        free(ticket);
    }
    for (struct offset_entry *entry = partition->offsets.last; entry && entry->offset >= offset;) {
        struct offset_entry *previous = entry->previous;
        struct kafka_ticket *ticket = ticket_of_entry(entry);
        struct wanted *wanted = again_unlink(ticket);
        if (wanted) {
            wanted->next = orphans;
            orphans = wanted;
        }
        offsets_done(&partition->offsets, entry);
        ticket->partition = NULL;
        partition->live--;
        entry = previous;
    }
    tell_gone(partition, orphans);
}

void partition_unpark(const struct partition *partition)
{
    struct kafka_consumer *consumer = partition->consumer;
    rd_kafka_message_t *parked = consumer->parked;
    if (!parked || parked->partition != partition->number ||
        strcmp(rd_kafka_topic_name(parked->rkt), partition->topic) != 0)
        return;
    rd_kafka_message_destroy(parked);
    consumer->parked = NULL;
}

void partition_free(struct partition *partition)
{
    struct kafka_consumer *consumer = partition->consumer;
    partition_unpark(partition);
    poison_forget(partition);
    partition_tell_full(partition, false);
    for (struct partition **at = &consumer->partitions; *at; at = &(*at)->next) {
        if (*at == partition) {
            *at = partition->next;
            break;
        }
    }
    if (consumer->last_found == partition)
        consumer->last_found = NULL;
    if (partition->parked)
        rd_kafka_message_destroy(partition->parked);
    if (partition->queue)
        rd_kafka_queue_destroy(partition->queue);
    tickets_detach(partition, 0);
    offsets_clear(&partition->offsets);
    free(partition->topic);
    free(partition);
}

struct partition *partition_find(struct kafka_consumer *consumer, const char *topic, int32_t number)
{
    struct partition *last = consumer->last_found;
    if (last && last->number == number && strcmp(last->topic, topic) == 0)
        return last;
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        if (partition->number == number && strcmp(partition->topic, topic) == 0) {
            consumer->last_found = partition;
            return partition;
        }
    }
    return NULL;
}

static struct kafka_ticket *ticket_of(struct ticket *ticket)
{
    return CONTAINER_OF(ticket, struct kafka_ticket, ticket);
}

static void ticket_settle(struct ticket *base, bool done)
{
    struct kafka_ticket *ticket = ticket_of(base);
    struct partition *partition = ticket->partition;
    if (!partition) {
        free(ticket); /* the log was rewound meanwhile: its offset means nothing any more */
        return;
    }
    struct kafka_consumer *consumer = partition->consumer;
    free(again_unlink(ticket));
    partition->live--;
    if (done) {
        offsets_done(&partition->offsets, &ticket->entry);
        partition->changed = true;
        ticket->next = consumer->free_tickets;
        consumer->free_tickets = ticket;
        commit_soon(consumer);
    } else {
        /* Its entry stays linked: the offset is not done, so nothing beyond it may be committed as done
         * before it. */
        ticket->next = partition->settled;
        partition->settled = ticket;
    }
    if (consumer->rebalance == REBALANCE_DRAINING)
        rebalance_advance(consumer);
    else if (partition->parked && offsets_has_room(&partition->offsets, partition->parked->offset))
        kafka_consumer_resume(consumer);
}

static enum source_reading ticket_read_again(struct ticket *base, void *reader)
{
    struct kafka_ticket *ticket = ticket_of(base);
    return ticket->partition ? again_want(ticket, reader) : READING_GONE;
}

static struct kafka_ticket *ticket_new(struct partition *partition)
{
    struct kafka_consumer *consumer = partition->consumer;
    struct kafka_ticket *ticket = consumer->free_tickets;
    if (ticket)
        consumer->free_tickets = ticket->next;
    else
        ticket = malloc(sizeof *ticket);
    if (ticket)
        *ticket = (struct kafka_ticket){.ticket = {ticket_settle, ticket_read_again}, .partition = partition};
    return ticket;
}

/** False: they are not known, or only one of them. */
static bool both_bounds(const struct partition *partition, int64_t *low, int64_t *high)
{
    return partition_bounds(partition, low, high) && *low >= 0 && *high >= 0;
}

/** The log starts below where we were: what is known from there on belongs to a log that is gone. What is not
 * done below stays so, because a record that lies about its offset makes it look the same. */
static void partition_rewind(struct partition *partition, int64_t offset)
{
    int64_t low, high, position = offsets_next(&partition->offsets);
    bool known = both_bounds(partition, &low, &high) && high < position;
    log_warning("partition rewound: the topic was recreated or its offsets were reset",
                F_TOPIC_PARTITION(partition->topic, partition->number),
                F_INT("messaging.kafka.offset", offset), F_INT("position", position),
                known ? F_INT("gone", position - high) : F_NONE);
    tickets_detach(partition, offset);
    offsets_back(&partition->offsets, offset);
    partition->changed = true;
    /* Is it another topic? If so, its id is that of the next answer. */
    partition->topic_id.known = false;
    watch_soon(partition->consumer);
}

void partition_abandon(struct partition *partition)
{
    tickets_detach(partition, 0);
    offsets_rewind(&partition->offsets, -1);
    partition->revoked = partition->abandoned = true;
    partition->changed = false;
}

/** The next record, or the end, is further on than expected. What compaction or transactions left out is no
 * loss; what the log's start has passed is. */
static void say_gone(const struct partition *partition, int64_t offset)
{
    int64_t low, high, from = offsets_next(&partition->offsets);
    if (from < 0 || offset <= from || !both_bounds(partition, &low, &high) || low <= from)
        return;
    int64_t to = low < offset ? low : offset;
    log_warning("records are gone: the log begins behind the position; going on with the earliest there is",
                F_TOPIC_PARTITION(partition->topic, partition->number), F_INT("from", from), F_INT("to", to),
                F_INT("gone", to - from));
}

void partition_end_reached(struct partition *partition, int64_t offset)
{
    if (partition->parked || partition->poison.lied || poison_is_astray(partition, offset))
        return; /* that has not been taken yet, or librdkafka is elsewhere */
    partition->poison.heard = true;
    if (offset < offsets_next(&partition->offsets))
        partition_rewind(partition, offset);
    say_gone(partition, offset);
    if (offsets_pass(&partition->offsets, offset))
        partition->changed = true;
    if (partition->changed)
        commit_soon(partition->consumer);
}

static int64_t message_timestamp(const rd_kafka_message_t *message)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp = rd_kafka_message_timestamp(message, &type);
    return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : timestamp;
}

/** What is known of a record without its message; `id` is where its id is written. */
static struct record record_at(const struct partition *partition, int64_t offset, char id[RECORD_ID_SIZE])
{
    return (struct record){
        .kind = partition->kind,
        .id = record_id(id, partition->topic, partition->number, offset),
        .topic = partition->topic,
        .partition = partition->number,
        .offset = offset,
        .timestamp_ms = -1,
        .assignment = partition,
    };
}

static void record_fill(struct record *record, const rd_kafka_message_t *message)
{
    record_read_message(record, message);
    record->timestamp_ms = message_timestamp(message);
}

void partition_tell_again(const struct partition *partition, int64_t offset,
                          const rd_kafka_message_t *message, void *reader)
{
    const struct source_sink *sink = &partition->consumer->options.sink;
    char id[RECORD_ID_SIZE];
    struct record record = record_at(partition, offset, id);
    if (message)
        record_fill(&record, message);
    record.gone = message == NULL;
    sink->take_again(sink->ctx, &record, reader);
}

bool partition_take(struct partition *partition, const rd_kafka_message_t *message)
{
    struct kafka_consumer *consumer = partition->consumer;
    struct kafka_ticket *ticket = ticket_new(partition);
    if (!ticket)
        return false; /* the caller keeps the message: passing over it would count it as done */
    say_gone(partition, message->offset);
    enum offsets_take taken = offsets_take(&partition->offsets, &ticket->entry, message->offset);
    if (taken == OFFSETS_REWOUND) {
        partition_rewind(partition, message->offset);
        taken = offsets_take(&partition->offsets, &ticket->entry, message->offset);
    }
    if (taken == OFFSETS_DONE_BEFORE) {
        consumer->restored_skips++;
        ticket->next = consumer->free_tickets;
        consumer->free_tickets = ticket;
        partition->changed = true;
        commit_soon(consumer);
        return true;
    }
    partition->live++;
    char id[RECORD_ID_SIZE];
    struct record record = record_at(partition, message->offset, id);
    record_fill(&record, message);
    consumer->options.sink.take(consumer->options.sink.ctx, &record, &ticket->ticket);
    return true;
}
