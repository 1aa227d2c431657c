/* Events that are not to be believed: nobody signed them, or they are on the wrong topic. Nothing is done on
 * their word, except that Port is told that a workflow node run failed (today's agents do so too); whoever
 * can write to the topic could make the agent do that, so it is done at most ten times a second, and a flood
 * of such events is no flood of log lines. */
#include "deliver/refusal.h"
#include "deliver/report.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include <stddef.h>

enum { TOLD_MAX = 50, REPORT_EVERY_MS = 100, REPORT_AHEAD_MS = 60000 };

static const enum observed_kind kinds[] = {[REFUSAL_MISSING] = OBSERVED_UNSIGNED,
                                           [REFUSAL_MALFORMED] = OBSERVED_TIMESTAMP_MALFORMED,
                                           [REFUSAL_WRONG] = OBSERVED_SIGNATURE_WRONG,
                                           [REFUSAL_OTHER_TOPICS] = OBSERVED_OTHER_TOPICS};

enum refusal refusal_of(struct signer *signer, const struct record *record, const struct event *event)
{
    if (record->trusted)
        return REFUSAL_NONE;
    if (event->other_topics)
        return REFUSAL_OTHER_TOPICS;
    if (record->kind == EVENT_CHANGE_LOG)
        return REFUSAL_NONE;
    switch (signer_verify(signer, event)) {
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

void refusal_tell(struct deliver *deliver, const struct record *record, const struct event *event,
                  enum refusal refusal)
{
    struct minute *minute = &deliver->minute;
    bool listed = minute->refusals_told < TOLD_MAX;
    minute_begin(minute);
    listed ? minute->refusals_told++ : minute->refusals_untold++;
    struct observed observed = record_observed(record, event->run_id, kinds[refusal]);
    observed.unlisted = !listed;
    if (refusal == REFUSAL_OTHER_TOPICS)
        observed.reason = slice_of(event_other_topics(record->kind));
    observe(deliver->options.observer, &observed);
}

/* Reports */

bool refusal_is_reported(struct deliver *deliver, const struct event *event, enum refusal refusal)
{
    if (refusal == REFUSAL_OTHER_TOPICS || !run_id_is_node_run(event->run_id) ||
        !run_id_is_usable(event->run_id))
        return false;
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    if (deliver->next_refusal_report_ms - now_ms < REPORT_AHEAD_MS)
        return true;
    deliver->minute.refusals_unreported++;
    return false;
}

static void report_due(struct due *due)
{
    struct delivery *delivery = delivery_of_due(due);
    delivery_report_refused(delivery);
}

void refusal_report(struct delivery *delivery, enum refusal refusal)
{
    struct deliver *deliver = delivery->deliver;
    int64_t now_ms = clock_monotonic_ms(deliver->options.clock);
    int64_t at_ms = deliver->next_refusal_report_ms > now_ms ? deliver->next_refusal_report_ms : now_ms;
    deliver->next_refusal_report_ms = at_ms + REPORT_EVERY_MS;
    delivery->outcome.error_type = "bad_signature";
    buffer_append_text(&delivery->outcome.summary, observed_message(kinds[refusal]));
    buffer_clear(&delivery->event.payload);
    delivery_charge(delivery);
    if (at_ms == now_ms) {
        delivery_report_refused(delivery);
        return;
    }
    life_enter(delivery, LIFE_WAITING);
    schedule_add(&deliver->schedule, &delivery->due, at_ms, report_due);
}
