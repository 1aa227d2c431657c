/* See redeliveries.h. Outcomes stay until others need their places, the oldest first. */
#include "redeliveries.h"
#include "agent/record_outcome.h"
#include "base/log.h"
#include "source/source.h"
#include <stdlib.h>
#include <string.h>

struct redelivered {
    struct redeliveries *owner;
    /** 0: the place is free. Else in the order in which they were asked for. */
    uint64_t number;
    int32_t partition;
    int64_t offset;
    char id[REDELIVERY_ID_SIZE];
    /** The source has it; or it had no space for it. */
    bool under_way, no_room;
    /** Its outcome as JSON; empty: there is none yet. */
    struct buffer outcome;
};

struct redeliveries {
    size_t under_way;
    uint64_t asked;
    struct redelivered places[REDELIVERIES_MAX];
};

struct redeliveries *redeliveries_new(void)
{
    return calloc(1, sizeof(struct redeliveries));
}

static void free_place(struct redelivered *place)
{
    buffer_clear(&place->outcome);
    *place = (struct redelivered){0};
}

void redeliveries_free(struct redeliveries *redeliveries)
{
    for (size_t i = 0; redeliveries && i < REDELIVERIES_MAX; i++)
        buffer_clear(&redeliveries->places[i].outcome);
    free(redeliveries);
}

/* What becomes of one */

/** Out of memory: it stays empty, and nothing is known of it later. */
static void set_outcome(struct redelivered *place, const struct record_outcome *outcome)
{
    buffer_clear(&place->outcome);
    record_outcome_json(outcome, &place->outcome);
    buffer_append_char(&place->outcome, '\n');
    if (place->outcome.failed)
        buffer_clear(&place->outcome);
}

void redeliveries_told(struct redeliveries *redeliveries, const struct observed *observed)
{
    struct record_outcome outcome;
    if (!redeliveries || redeliveries->under_way == 0 || !record_outcome_of(observed, &outcome))
        return;
    for (size_t i = 0; i < REDELIVERIES_MAX; i++) {
        struct redelivered *place = &redeliveries->places[i];
        if (place->under_way && slice_equal_text(observed->record_id, place->id))
            set_outcome(place, &outcome);
    }
}

/** In words, where nobody else has told what became of it. */
static const char *why_unsent(enum redelivery_end end)
{
    switch (end) {
    case REDELIVERY_DONE:
        return "no mapping wants it";
    case REDELIVERY_GONE:
        return "it is no longer in the topic";
    case REDELIVERY_UNREAD:
        return "the brokers did not send it within 30 s";
    case REDELIVERY_NO_ROOM:
    case REDELIVERY_LEFT:
        break;
    }
    return "the agent stopped, or connected anew, before it was done";
}

static void redelivered_ended(void *ctx, enum redelivery_end end)
{
    struct redelivered *place = ctx;
    place->under_way = false;
    place->owner->under_way--;
    place->no_room = end == REDELIVERY_NO_ROOM;
    if (place->outcome.len > 0 || place->no_room)
        return;
    const struct record_outcome outcome = {.partition = place->partition,
                                           .offset = place->offset,
                                           .name = slice_of(end == REDELIVERY_DONE ? "skipped" : "unsent"),
                                           .reason = slice_of(why_unsent(end))};
    set_outcome(place, &outcome);
}

/* Asking */

/** False: it is no place. */
static bool read_record_place(const char *target, int32_t *partition, int64_t *offset)
{
    static const char digits[] = "0123456789";
    size_t len = target ? strspn(target, digits) : 0;
    if (len == 0 || len > 9 || target[len] != ':')
        return false;
    const char *rest = target + len + 1;
    size_t rest_len = strspn(rest, digits);
    *partition = (int32_t)strtol(target, NULL, 10);
    *offset = strtoll(rest, NULL, 10);
    return rest_len > 0 && rest_len <= 18 && rest[rest_len] == '\0';
}

static struct redelivered *place_at(struct redeliveries *redeliveries, int32_t partition, int64_t offset)
{
    for (size_t i = 0; i < REDELIVERIES_MAX; i++) {
        struct redelivered *place = &redeliveries->places[i];
        if (place->number > 0 && place->partition == partition && place->offset == offset)
            return place;
    }
    return NULL;
}

/** A free one, or that of the oldest outcome; NULL: all are under way. */
static struct redelivered *place_for_another(struct redeliveries *redeliveries)
{
    struct redelivered *oldest = NULL;
    for (size_t i = 0; i < REDELIVERIES_MAX; i++) {
        struct redelivered *place = &redeliveries->places[i];
        if (place->number == 0)
            return place;
        if (!place->under_way && (!oldest || place->number < oldest->number))
            oldest = place;
    }
    if (oldest)
        free_place(oldest);
    return oldest;
}

static int begin_redelivery(struct redelivered *place, const struct status_parts *parts)
{
    const struct redelivery_request request = {.partition = place->partition,
                                               .offset = place->offset,
                                               .id = place->id,
                                               .ended = redelivered_ended,
                                               .ctx = place};
    return parts->source && parts->running ? source_redeliver(parts->source, &request) : PA_ERR_UNAVAILABLE;
}

void redeliveries_ask(struct redeliveries *redeliveries, const struct status_parts *parts, const char *target,
                      struct admin_answer *answer)
{
    int32_t partition;
    int64_t offset;
    if (!read_record_place(target, &partition, &offset)) {
        admin_answer_text(answer, 400, "a record's place is PARTITION:OFFSET, such as 0:1200");
        return;
    }
    struct redelivered *place = redeliveries ? place_at(redeliveries, partition, offset) : NULL;
    if (place && place->under_way) {
        admin_answer_text(answer, 409, "it is being delivered once more already");
        return;
    }
    if (place)
        free_place(place);
    place = redeliveries ? place_for_another(redeliveries) : NULL;
    if (!place) {
        admin_answer_text(answer, 503, "the agent delivers as many records once more as it can at a time");
        return;
    }
    *place = (struct redelivered){.owner = redeliveries,
                                  .number = ++redeliveries->asked,
                                  .partition = partition,
                                  .offset = offset,
                                  .under_way = true};
    redeliveries->under_way++;
    int failed = begin_redelivery(place, parts);
    if (!failed) {
        log_warning("a record is delivered once more, as the operator asks",
                    F_STR("messaging.destination.name", parts->config->runs_topic),
                    F_INT("messaging.destination.partition.id", partition),
                    F_INT("messaging.kafka.offset", offset));
        admin_answer_text(answer, 202, "its outcome follows");
        return;
    }
    redeliveries->under_way--;
    free_place(place);
    if (failed == PA_ERR_INVALID)
        admin_answer_text(answer, 501, "this agent's events do not come from Kafka");
    else
        admin_answer_text(answer, 503, "the agent is not connected to Kafka, is stopping, or has no memory");
}

void redeliveries_fetch(struct redeliveries *redeliveries, const char *target, struct admin_answer *answer)
{
    int32_t partition;
    int64_t offset;
    struct redelivered *place = redeliveries && read_record_place(target, &partition, &offset)
                                    ? place_at(redeliveries, partition, offset)
                                    : NULL;
    if (place && place->no_room) {
        admin_answer_text(answer, 503, "the agent's memory for records is full");
    } else if (!place || (!place->under_way && place->outcome.len == 0)) {
        admin_answer_text(answer, 404, "nothing is known of it");
    } else if (place->outcome.len == 0) {
        admin_answer_text(answer, 202, "it is under way");
    } else {
        answer->status = 200;
        answer->content_type = "application/json";
        buffer_append_slice(&answer->body, buffer_slice(&place->outcome));
    }
}
