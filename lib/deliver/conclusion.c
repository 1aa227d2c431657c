/* After the last answer: a dead letter for what failed for good, then what its mapping reports, then the
 * result, and then the record is done. Nothing of it holds a slot of the window. */
#include "deliver/conclusion.h"
#include "deliver/letter.h"
#include "deliver/report.h"
#include "deliver/shared.h"
#include "deliver/telling.h"

/** False: the answer is gone, and there was no memory to keep of it what is reported. */
static bool answer_is_kept(const struct delivery *delivery)
{
    const struct outcome *outcome = &delivery->outcome;
    return !delivery->is_run ||
           (!outcome->response.failed && !outcome->answer.failed && !delivery->context.failed);
}

/** The record has to be delivered again. False: nobody gets it again, so its result is told without that. */
static bool leave_unkept(struct delivery *delivery)
{
    delivery_tell(delivery, delivery->unrepeatable ? OBSERVED_ANSWER_LOST : OBSERVED_LEFT);
    if (delivery->unrepeatable) {
        buffer_clear(&delivery->outcome.response);
        buffer_clear(&delivery->outcome.answer);
        delivery->outcome.owes_response = delivery->outcome.owes_context = false;
        buffer_clear(&delivery->context);
        return false;
    }
    dedup_forget(&delivery->deliver->dedup, delivery);
    delivery_leave(delivery);
    return true;
}

void delivery_conclude(struct delivery *delivery)
{
    if (!answer_is_kept(delivery) && leave_unkept(delivery))
        return;
    delivery->end_error = delivery->outcome.error_type;
    delivery->end_status = delivery->outcome.status;
    delivery->ended_ms = clock_monotonic_ms(delivery->deliver->options.clock);
    buffer_clear(&delivery->event.payload);
    delivery_charge(delivery);
    if (delivery->outcome.success || !delivery->deliver->options.dead_letters) {
        delivery_report(delivery);
        return;
    }
    life_enter(delivery, LIFE_WRITING_LETTER);
    delivery_bury(delivery);
}

void delivery_fail_unsent(struct delivery *delivery, const char *error_type, const char *reason)
{
    outcome_clear(&delivery->outcome);
    delivery->outcome.error_type = error_type;
    buffer_append_text(&delivery->outcome.cause, reason);
    buffer_appendf(&delivery->outcome.summary, "No webhook was sent: %s", reason);
    delivery_open_report(delivery);
    delivery_tell(delivery, OBSERVED_UNSENT);
    delivery->ending.kind = OBSERVED_UNSENT;
    delivery_leave_lane(delivery);
    delivery_conclude(delivery);
}
