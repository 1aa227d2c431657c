/* See standing.h. */
#include "deliver/standing.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include "observe/conditions.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    UNWANTED_MS = 10 * 60000,
    /** Fewer may be somebody's forgeries among events that are signed. */
    REFUSED_MIN = 5
};

/* Mappings */

void standing_wanted(struct deliver *deliver, bool wanted)
{
    struct deliver_standing *standing = &deliver->standing;
    if (wanted) {
        standing->unwanted = 0;
        condition_ended(deliver->options.conditions, CONDITION_NOTHING_WANTED, NULL, 0);
    } else if (standing->unwanted++ == 0) {
        standing->unwanted_since_ms = clock_monotonic_ms(deliver->options.clock);
    }
}

static void look_at_mappings(struct deliver *deliver)
{
    const struct deliver_standing *standing = &deliver->standing;
    int64_t since_ms = clock_monotonic_ms(deliver->options.clock) - standing->unwanted_since_ms;
    char sentence[200];
    if (standing->unwanted == 0 || since_ms < UNWANTED_MS)
        return;
    snprintf(sentence, sizeof sentence,
             "%" PRIu64 " events within %lld minutes, and \"enabled\" of no mapping was true for any: "
             "'port-agent events --last 1' and 'port-agent map --event' show why",
             standing->unwanted, (long long)(since_ms / 60000));
    condition_stands(deliver->options.conditions, CONDITION_NOTHING_WANTED, NULL, (int64_t)standing->unwanted,
                     sentence);
}

/* Signatures */

static void look_at_signatures(struct deliver *deliver)
{
    const struct deliver_standing *standing = &deliver->standing;
    char sentence[160];
    if (standing->refused < REFUSED_MIN)
        return;
    snprintf(sentence, sizeof sentence,
             "%" PRIu64 " events in a row; is PORT_CLIENT_SECRET this organisation's? "
             "'port-agent verify --event FILE' says what is wrong with a signature",
             standing->refused);
    condition_stands(deliver->options.conditions, CONDITION_SIGNATURES_REFUSED, NULL,
                     (int64_t)standing->refused, sentence);
}

void standing_signature(struct deliver *deliver, bool valid)
{
    struct deliver_standing *standing = &deliver->standing;
    if (valid) {
        standing->refused = 0;
        condition_ended(deliver->options.conditions, CONDITION_SIGNATURES_REFUSED, NULL, 0);
    } else if (++standing->refused == REFUSED_MIN) {
        look_at_signatures(deliver);
    }
}

/* Destinations */

static void circuit_stands(void *ctx, const struct destination_view *view)
{
    struct deliver *deliver = ctx;
    char sentence[256];
    if (!view->broken)
        return;
    snprintf(sentence, sizeof sentence, "%u failures in a row; the last: %.200s", view->failures_in_row,
             view->cause);
    condition_stands_with(
        deliver->options.conditions, CONDITION_CIRCUIT_OPEN, view->name, (int64_t)view->waiting, sentence,
        view->hint ? view->hint
                   : "'port-agent check --destination URL' goes the way to the endpoint step by step");
}

void standing_circuit(void *ctx, const struct destination_view *view)
{
    struct deliver *deliver = ctx;
    deliver_tell_circuit(deliver, view->name, view->broken ? view->failures_in_row : 0);
    circuit_stands(deliver, view);
    if (!view->broken)
        condition_ended(deliver->options.conditions, CONDITION_CIRCUIT_OPEN, view->name,
                        (int64_t)view->waiting);
}

struct sought {
    const struct condition *condition;
    bool broken;
};

static void seek_broken(void *ctx, const struct destination_view *view)
{
    struct sought *sought = ctx;
    size_t compared = sizeof sought->condition->subject - 1;
    sought->broken |= view->broken && strncmp(view->name, sought->condition->subject, compared) == 0;
}

/** The first that stands for a destination that is forgotten: nothing waits for it any more. */
static const struct condition *forgotten(const struct deliver *deliver)
{
    const struct conditions *conditions = deliver->options.conditions;
    struct sought sought = {0};
    while ((sought.condition = conditions_next(conditions, sought.condition))) {
        sought.broken = sought.condition->kind != CONDITION_CIRCUIT_OPEN;
        if (!sought.broken)
            window_each_destination(deliver->window, seek_broken, &sought);
        if (!sought.broken)
            break;
    }
    return sought.condition;
}

static void look_at_destinations(struct deliver *deliver)
{
    const struct condition *over;
    window_each_destination(deliver->window, circuit_stands, deliver);
    while ((over = forgotten(deliver))) {
        char subject[sizeof over->subject];
        memcpy(subject, over->subject, sizeof subject);
        condition_ended(deliver->options.conditions, CONDITION_CIRCUIT_OPEN, subject, 0);
    }
}

/* Results */

enum { RESULT_WAITS_MS = 5000 };

/** A run's end is told, whether Port answers or not. */
static void look_at_results(struct deliver *deliver)
{
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    struct delivery *delivery;
    LIST_FOREACH(delivery, &deliver->deliveries, all)
    if (life_is_answered(delivery->state) && now_ms - delivery->ended_ms >= RESULT_WAITS_MS)
        delivery_tell_ended(delivery, "waiting");
}

void deliver_tick(struct deliver *deliver)
{
    look_at_results(deliver);
    if (!deliver->options.conditions)
        return;
    look_at_mappings(deliver);
    look_at_signatures(deliver);
    look_at_destinations(deliver);
}
