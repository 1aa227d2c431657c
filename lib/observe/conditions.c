/* See conditions.h. The words of each kind stand in one table. */
#include "observe/internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct condition_words words[CONDITION_KINDS] = {
    [CONDITION_CLOCK_OFF] = {.begun = "this machine's clock is off",
                             .ended = "this machine's clock agrees with Port's again",
                             .value = SLICE_LITERAL("ahead_s")},
    [CONDITION_SIGNED_AHEAD] = {.begun = "this machine's clock is off, or the clock of whoever signs events",
                                .ended = "events are signed with this machine's time again",
                                .value = SLICE_LITERAL("ahead_s"),
                                .when_met = true},
    [CONDITION_UNREADABLE] = {.begun = "a partition cannot be read",
                              .ended = "the partition is read from again",
                              .subject = SLICE_LITERAL("partition"),
                              .value = SLICE_LITERAL("messaging.kafka.offset")},
    [CONDITION_NOTE_FULL] = {.begun = "no more is taken from a partition: too much is done out of order",
                             .ended = "records are taken from the partition again",
                             .subject = SLICE_LITERAL("partition"),
                             .value = SLICE_LITERAL("messaging.kafka.offset")},
    [CONDITION_NO_EVALUATOR] = {.begun = "mappings cannot be evaluated: their events wait",
                                .ended = "mappings are evaluated again"},
    [CONDITION_PAUSED] = {.begun = "deliveries are paused by the operator",
                          .ended = "deliveries are not paused any more",
                          .subject = SLICE_LITERAL("server.address")},
    [CONDITION_REFERENCES_FULL] = {.begun = "too many events wait: no more can be kept by reference",
                                   .ended = "events can be kept by reference again",
                                   .value = SLICE_LITERAL("kept")},
    [CONDITION_SPANS] = {.begun = "traces do not reach their collector; deliveries are not affected",
                         .ended = "traces reach their collector again",
                         .value = SLICE_LITERAL("spans_dropped")},
    [CONDITION_CIRCUIT_OPEN] = {.begun = "circuit open: the destination only fails; deliveries to it wait "
                                         "while it is probed",
                                .ended = "circuit closed: the destination answers again",
                                .subject = SLICE_LITERAL("server.address"),
                                .value = SLICE_LITERAL("waiting")},
    [CONDITION_NOTHING_WANTED] = {.begun = "no mapping wants any event",
                                  .ended = "a mapping wants an event again",
                                  .value = SLICE_LITERAL("unwanted")},
    [CONDITION_SIGNATURES_REFUSED] = {.begun = "every event is refused: no signature is valid",
                                      .ended = "signatures are valid again",
                                      .value = SLICE_LITERAL("in_a_row")},
    [CONDITION_BROKERS_AWAY] = {.begun = "no Kafka broker answers",
                                .ended = "the Kafka brokers answer again"},
    [CONDITION_KAFKA_CREDENTIALS] = {.begun = "the Kafka brokers refuse the credentials",
                                     .ended = "the Kafka brokers accept the credentials"},
    [CONDITION_TOPIC_MISSING] = {.begun = "a topic cannot be consumed from",
                                 .ended = "the topic can be consumed from",
                                 .subject = SLICE_LITERAL("messaging.destination.name")},
    [CONDITION_NOTHING_ASSIGNED] = {.begun = "no partition is assigned: other members of the group hold all",
                                    .ended = "partitions are assigned again"},
    [CONDITION_PORT_CREDENTIALS] = {.begun = "credentials refused by Port: it can be asked for nothing",
                                    .ended = "Port accepts the credentials"},
    [CONDITION_RESULTS_WAIT] = {.begun = "results wait for Port; they are tried until Port accepts them",
                                .ended = "no result waits for Port any more",
                                .value = SLICE_LITERAL("results")},
    [CONDITION_RESULTS_REFUSED] = {.begun = "Port refuses results of runs",
                                   .ended = "Port accepts results",
                                   .value = SLICE_LITERAL("in_a_row")},
    [CONDITION_PORT_GIVES_NOTHING] = {.begun = "nothing comes from Port: what the source asks it for fails",
                                      .ended = "Port gives the source what it asks for",
                                      .subject = SLICE_LITERAL("url.path")},
    [CONDITION_GROUP_REFUSED] = {.begun = "the consumer group may not be used",
                                 .ended = "the consumer group may be used",
                                 .subject = SLICE_LITERAL("messaging.consumer.group.name")},
    [CONDITION_RELOAD_REFUSED] = {.begun = "what has changed is refused: what it was before stays in force",
                                  .ended = "what had been refused is mended, or as it was before",
                                  .subject = SLICE_LITERAL("what")}};

struct conditions {
    const struct clock *clock;
    const struct condition_words *words;
    struct condition standing[CONDITIONS_MAX];
    size_t count;
    /** Those that found no space since the last line about that. */
    uint64_t unkept;
    /** 0: never. */
    int64_t unkept_told_ms;
};

struct conditions *conditions_of(const struct clock *clock, const struct condition_words *kinds)
{
    struct conditions *conditions = calloc(1, sizeof *conditions);
    if (!conditions)
        return NULL;
    conditions->clock = clock;
    conditions->words = kinds;
    return conditions;
}

struct conditions *conditions_new(const struct clock *clock)
{
    return conditions_of(clock, words);
}

void conditions_free(struct conditions *conditions)
{
    free(conditions);
}

/** The condition that stands; NULL: it does not. */
static struct condition *standing(struct conditions *conditions, enum condition_kind kind,
                                  const char *subject)
{
    for (size_t i = 0; i < conditions->count; i++) {
        struct condition *condition = &conditions->standing[i];
        if (condition->kind == kind &&
            strncmp(condition->subject, subject, sizeof condition->subject - 1) == 0)
            return condition;
    }
    return NULL;
}

/* Lines */

static struct log_field named(struct slice name, struct log_field field)
{
    field.name = name;
    return slice_is_null(name) ? F_NONE : field;
}

static void tell(const struct conditions *conditions, const struct condition *condition, enum log_level level)
{
    const struct condition_words *kind = &conditions->words[condition->kind];
    int64_t stood_ms = clock_monotonic_ms(conditions->clock) - condition->since_ms;
    bool over = level == LOG_INFO;
    bool lasts = !kind->when_met && (over || stood_ms >= CONDITION_EVERY_MS);
    bool counts = !condition->seen && (lasts || (!kind->when_met && condition->count > 1));
    const struct log_field fields[] = {
        *condition->subject ? named(kind->subject, F_STR("", condition->subject)) : F_NONE,
        named(kind->value, F_INT("", condition->value)),
        over ? F_NONE : F_STR("reason", condition->sentence),
        over ? F_NONE : F_STR("hint", condition->hint),
        counts ? F_INT("count", condition->count) : F_NONE,
        lasts ? F_SECONDS("standing_for", stood_ms) : F_NONE};
    log_write(level, over ? kind->ended : kind->begun, fields, sizeof fields / sizeof *fields);
}

static void warn(const struct conditions *conditions, struct condition *condition)
{
    condition->told_ms = clock_monotonic_ms(conditions->clock);
    tell(conditions, condition, LOG_WARNING);
}

static bool warning_is_due(const struct conditions *conditions, int64_t told_ms)
{
    return clock_monotonic_ms(conditions->clock) - told_ms >= CONDITION_EVERY_MS;
}

/** There is no space for another: the last one that found none is told, with how many there were. */
static void tell_unkept(struct conditions *conditions, enum condition_kind kind, const char *subject,
                        const char *sentence, const char *hint)
{
    conditions->unkept++;
    if (conditions->unkept_told_ms > 0 && !warning_is_due(conditions, conditions->unkept_told_ms))
        return;
    conditions->unkept_told_ms = clock_monotonic_ms(conditions->clock);
    log_warning(conditions->words[kind].begun, named(conditions->words[kind].subject, F_STR("", subject)),
                F_STR("reason", sentence), F_STR("hint", hint), F_INT("and_others", conditions->unkept - 1));
    conditions->unkept = 0;
}

/* Life */

static struct condition *begin(struct conditions *conditions, enum condition_kind kind, const char *subject)
{
    struct condition *condition = &conditions->standing[conditions->count++];
    *condition = (struct condition){.kind = kind, .since_ms = clock_monotonic_ms(conditions->clock)};
    snprintf(condition->subject, sizeof condition->subject, "%s", subject);
    return condition;
}

static bool has_room(const struct conditions *conditions, const char *subject)
{
    return conditions->count < (*subject ? CONDITIONS_MAX - CONDITIONS_OF_THE_AGENT : CONDITIONS_MAX);
}

/** As it is now, begun if need be; NULL: there is no space for it. */
static struct condition *note(struct conditions *conditions, enum condition_kind kind, const char *subject,
                              int64_t value, const char *sentence, const char *hint)
{
    subject = subject ? subject : "";
    struct condition *condition = standing(conditions, kind, subject);
    if (!condition && !has_room(conditions, subject)) {
        tell_unkept(conditions, kind, subject, sentence, hint);
        return NULL;
    }
    if (!condition)
        condition = begin(conditions, kind, subject);
    condition->value = value;
    condition->hint = hint;
    snprintf(condition->sentence, sizeof condition->sentence, "%s", sentence);
    return condition;
}

void condition_met(struct conditions *conditions, enum condition_kind kind, const char *subject,
                   int64_t value, const char *sentence)
{
    struct condition *condition = conditions ? note(conditions, kind, subject, value, sentence, NULL) : NULL;
    if (condition && (condition->count++ == 0 || warning_is_due(conditions, condition->told_ms)))
        warn(conditions, condition);
}

void condition_stands(struct conditions *conditions, enum condition_kind kind, const char *subject,
                      int64_t value, const char *sentence)
{
    condition_stands_with(conditions, kind, subject, value, sentence, NULL);
}

void condition_stands_with(struct conditions *conditions, enum condition_kind kind, const char *subject,
                           int64_t value, const char *sentence, const char *hint)
{
    struct condition *condition = conditions ? note(conditions, kind, subject, value, sentence, hint) : NULL;
    if (!condition || condition->count > 0)
        return;
    condition->count = 1;
    condition->seen = true;
    warn(conditions, condition);
}

void condition_ended(struct conditions *conditions, enum condition_kind kind, const char *subject,
                     int64_t value)
{
    struct condition *condition = conditions ? standing(conditions, kind, subject ? subject : "") : NULL;
    if (!condition)
        return;
    condition->value = value;
    tell(conditions, condition, LOG_INFO);
    *condition = conditions->standing[--conditions->count];
}

void conditions_tick(struct conditions *conditions)
{
    for (size_t i = 0; i < conditions->count; i++) {
        struct condition *condition = &conditions->standing[i];
        if (!conditions->words[condition->kind].when_met && warning_is_due(conditions, condition->told_ms))
            warn(conditions, condition);
    }
}

const struct condition *conditions_next(const struct conditions *conditions, const struct condition *before)
{
    const struct condition *next = before ? before + 1 : conditions->standing;
    return next < conditions->standing + conditions->count ? next : NULL;
}

const char *condition_text(const struct conditions *conditions, const struct condition *condition)
{
    return conditions->words[condition->kind].begun;
}
