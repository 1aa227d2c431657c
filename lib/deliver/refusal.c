/* Events that are not to be believed: nobody signed them, or they are on the wrong topic. Nothing is done on
 * their word, except that Port is told that a workflow node run failed (today's agents do so too); whoever
 * can write to the topic could make the agent do that, so it is done at most ten times a second, and a flood
 * of such events is no flood of log lines. */
#include "base/log.h"
#include "deliver/internal.h"
#include <stddef.h>

enum { GROUP_MS = 60000, TOLD_MAX = 50, REPORT_EVERY_MS = 100, REPORT_AHEAD_MS = 60000 };

static const char prefix[] = "event refused: ";
static const char *const messages[] = {[REFUSAL_MISSING] = "event refused: signature missing",
                                       [REFUSAL_MALFORMED] = "event refused: timestamp malformed",
                                       [REFUSAL_WRONG] = "event refused: signature wrong",
                                       [REFUSAL_OTHER_TOPICS] = "event refused: it belongs on another topic"};

enum refusal refusal_of(struct deliver *deliver, const struct record *record, const struct event *event)
{
    if (record->trusted)
        return REFUSAL_NONE;
    if (event->other_topics)
        return REFUSAL_OTHER_TOPICS;
    if (record->kind == EVENT_CHANGE_LOG)
        return REFUSAL_NONE;
    switch (signer_verify(deliver->options.signer, event)) {
    case SIGNATURE_VALID:
        return REFUSAL_NONE;
    case SIGNATURE_MISSING:
        return REFUSAL_MISSING;
    case SIGNATURE_MALFORMED:
        return REFUSAL_MALFORMED;
    case SIGNATURE_WRONG:
        return REFUSAL_WRONG;
    default:
        return REFUSAL_UNKNOWN;
    }
}

/* Warnings */

static void tell_rest(struct refusals *refusals)
{
    if (refusals->untold > 0 || refusals->unreported > 0)
        log_warning("events refused: more of them within a minute", F_INT("count", refusals->untold),
                    F_INT("unreported_node_runs", refusals->unreported));
    refusals->told = 0;
    refusals->untold = refusals->unreported = 0;
}

static void minute_over(struct due *due)
{
    tell_rest((struct refusals *)(void *)((char *)due - offsetof(struct refusals, due)));
}

static void begin_minute(struct deliver *deliver)
{
    struct refusals *refusals = &deliver->refusals;
    if (!refusals->due.fired)
        schedule_add(&deliver->schedule, &refusals->due,
                     clock_monotonic_ms(deliver->options.clock) + GROUP_MS, minute_over);
}

void refusal_tell(struct deliver *deliver, const struct record *record, const struct event *event,
                  enum refusal refusal)
{
    struct refusals *refusals = &deliver->refusals;
    deliver->counters.bad_signatures++;
    begin_minute(deliver);
    if (refusals->told < TOLD_MAX) {
        refusals->told++;
        intake_say(LOG_WARNING, messages[refusal], record, event->run_id,
                   refusal == REFUSAL_OTHER_TOPICS ? event_other_topics(record->kind) : NULL);
    } else {
        refusals->untold++;
    }
    intake_tell(deliver, record, event, "bad_signature", messages[refusal] + sizeof prefix - 1);
}

void refusals_close(struct refusals *refusals, struct schedule *schedule)
{
    tell_rest(refusals);
    schedule_remove(schedule, &refusals->due);
}

/* Reports */

bool refusal_is_reported(struct deliver *deliver, const struct event *event, enum refusal refusal)
{
    if (refusal == REFUSAL_OTHER_TOPICS || !run_id_is_node_run(event->run_id) ||
        !run_id_is_usable(event->run_id))
        return false;
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    if (deliver->refusals.next_report_ms - now_ms < REPORT_AHEAD_MS)
        return true;
    deliver->refusals.unreported++;
    return false;
}

static void report_due(struct due *due)
{
    struct delivery *delivery = (struct delivery *)(void *)((char *)due - offsetof(struct delivery, due));
    delivery_report_refused(delivery);
}

void refusal_report(struct delivery *delivery, enum refusal refusal)
{
    struct deliver *deliver = delivery->deliver;
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    int64_t at_ms = deliver->refusals.next_report_ms > now_ms ? deliver->refusals.next_report_ms : now_ms;
    deliver->refusals.next_report_ms = at_ms + REPORT_EVERY_MS;
    delivery->outcome.error_type = "bad_signature";
    buffer_append_text(&delivery->outcome.summary, messages[refusal]);
    buffer_clear(&delivery->event.payload);
    delivery_charge(delivery);
    if (at_ms == now_ms) {
        delivery_report_refused(delivery);
        return;
    }
    delivery_enter(delivery, DELIVERY_WAITING);
    schedule_add(&deliver->schedule, &delivery->due, at_ms, report_due);
}
