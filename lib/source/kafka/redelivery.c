/* Records of the runs that a person wants once more. The second client reads them (again.c), from whichever
 * partition they lie in, assigned or not; the sink gets them as records of their own, under another id. They
 * have no offset that could be committed: what becomes of them counts for nobody but the person. Must never
 * wait for space: who asked asks again. */
#include "source/kafka/internal.h"
#include "source/kafka/record.h"
#include <stdio.h>
#include <stdlib.h>

/** Of which a record has to be read. */
enum { TICKS = 30 };

static void redelivery_end(struct redelivery *redelivery, enum redelivery_end end)
{
    redelivery->request.ended(redelivery->request.ctx, end);
    free(redelivery);
}

/** What the sink does not even take has found no space there. */
static void redelivery_settle(struct ticket *ticket, bool done)
{
    struct redelivery *redelivery = (struct redelivery *)ticket;
    enum redelivery_end undone = redelivery->settled ? REDELIVERY_NO_ROOM : REDELIVERY_LEFT;
    if (redelivery->settled)
        *redelivery->settled = true;
    redelivery_end(redelivery, done ? REDELIVERY_DONE : undone);
}

static void stop_reading(struct redelivery *redelivery)
{
    again_forget(redelivery->reading, &redelivery->wanted);
    LIST_REMOVE(redelivery, others);
    redelivery->consumer = NULL;
}

static void give_to_sink(const struct kafka_consumer *consumer, struct redelivery *redelivery,
                         const rd_kafka_message_t *message)
{
    const struct source_sink *sink = &consumer->options.sink;
    struct record record = record_once_more(&redelivery->ids, consumer->options.runs_topic, message);
    record.assignment = consumer->options.redeliveries;
    bool settled = false;
    redelivery->ticket = (struct ticket){.settle = redelivery_settle};
    // cppcheck-suppress autoVariables // it is let go before this returns, or all of it is freed
    redelivery->settled = &settled;
    sink->take(sink->ctx, &record, &redelivery->ticket);
    if (!settled) /* else it is freed */
        redelivery->settled = NULL;
}

void redelivery_read(struct redelivery *redelivery, const rd_kafka_message_t *message)
{
    const struct kafka_consumer *consumer = redelivery->consumer;
    const struct source_sink *sink = &consumer->options.sink;
    stop_reading(redelivery);
    if (!message)
        redelivery_end(redelivery, REDELIVERY_GONE);
    else if (!sink->has_room(sink->ctx, message->len + message->key_len))
        redelivery_end(redelivery, REDELIVERY_NO_ROOM);
    else
        give_to_sink(consumer, redelivery, message);
}

void redeliveries_tick(struct kafka_consumer *consumer)
{
    struct redelivery *next;
    for (struct redelivery *one = LIST_FIRST(&consumer->redeliveries); one; one = next) {
        next = LIST_NEXT(one, others);
        if (++one->ticks < TICKS)
            continue;
        stop_reading(one);
        redelivery_end(one, REDELIVERY_UNREAD);
    }
}

void redeliveries_leave(struct kafka_consumer *consumer)
{
    struct redelivery *one;
    while ((one = LIST_FIRST(&consumer->redeliveries))) {
        /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): the analyser does not follow the list */
        stop_reading(one);
        redelivery_end(one, REDELIVERY_LEFT);
    }
}

int kafka_consumer_redeliver(struct kafka_consumer *consumer, const struct redelivery_request *request)
{
    if (consumer->stopped_taking)
        return PA_ERR_UNAVAILABLE;
    struct redelivery *redelivery = calloc(1, sizeof *redelivery);
    if (!redelivery)
        return PA_ERR_MEMORY;
    redelivery->request = *request;
    redelivery->wanted = (struct wanted){.offset = request->offset, .redelivery = redelivery};
    redelivery_ids_set(&redelivery->ids, consumer->options.runs_topic, request->partition, request->offset,
                       consumer->options.clock);
    snprintf(request->id, REDELIVERY_ID_SIZE, "%s", redelivery->ids.id);
    redelivery->reading =
        again_want_of(consumer, consumer->options.runs_topic, request->partition, &redelivery->wanted);
    if (!redelivery->reading) {
        free(redelivery);
        return PA_ERR_MEMORY;
    }
    redelivery->consumer = consumer;
    LIST_INSERT_HEAD(&consumer->redeliveries, redelivery, others);
    return 0;
}
