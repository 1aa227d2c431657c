/* See freshness.h. */
#include "deliver/freshness.h"
#include "deliver/shared.h"
#include <inttypes.h>
#include <stdio.h>

/** How long ago, in milliseconds; negative: it is ahead of this machine's clock. False: it has no timestamp.
 */
static bool age_of(const struct deliver *deliver, const struct event *event, int64_t *age_ms)
{
    int64_t signed_s = 0, now_ms = clock_wall_ms(deliver->options.clock);
    if (!event->has_timestamp_member || !signature_timestamp_is_usable(event->timestamp))
        return false;
    for (size_t i = 0; i < event->timestamp.len; i++)
        signed_s = signed_s * 10 + (event->timestamp.ptr[i] - '0');
    /* Eighteen digits of seconds are too many to be counted in milliseconds. */
    *age_ms = signed_s > now_ms / 1000 ? (now_ms / 1000 - signed_s) : now_ms - signed_s * 1000;
    if (*age_ms < 0)
        *age_ms = *age_ms < -INT32_MAX ? -(int64_t)INT32_MAX * 1000 : *age_ms * 1000;
    return true;
}

/** Ours or Port's: which of the two cannot be seen here. */
static void judge_clocks(struct deliver *deliver, int64_t age_ms)
{
    struct conditions *conditions = deliver->options.conditions;
    int64_t ahead_s = -age_ms / 1000;
    char sentence[200];
    if (!conditions)
        return;
    if (ahead_s <= FRESHNESS_AHEAD_MAX_S) {
        condition_ended(conditions, CONDITION_SIGNED_AHEAD, NULL, ahead_s);
        return;
    }
    snprintf(sentence, sizeof sentence,
             "an event was signed %" PRId64
             " s ahead of this machine's clock: that clock is off, or the clock "
             "of whoever signed; the event is delivered",
             ahead_s);
    condition_met(conditions, CONDITION_SIGNED_AHEAD, NULL, ahead_s, sentence);
}

bool freshness_is_over(struct deliver *deliver, const struct record *record, const struct event *event,
                       char reason[FRESHNESS_REASON_SIZE])
{
    int64_t age_ms = 0, tolerance_ms = deliver->options.replay_tolerance_ms;
    bool is_signed = record->kind == EVENT_RUN;
    bool asked_for = record->trusted || record->redelivery_of;
    if (asked_for || !age_of(deliver, event, &age_ms))
        return false;
    if (is_signed) {
        deliver->signature_age_s = age_ms > 0 ? (uint64_t)(age_ms / 1000) : 0;
        judge_clocks(deliver, age_ms);
    }
    if (tolerance_ms == 0 || age_ms <= tolerance_ms)
        return false;
    snprintf(reason, FRESHNESS_REASON_SIZE,
             "its %s is %" PRId64 " s old, and older ones than REPLAY_TOLERANCE_SECONDS (%" PRId64
             " s) may be replays",
             is_signed ? "signature" : "timestamp", age_ms / 1000, tolerance_ms / 1000);
    return true;
}
