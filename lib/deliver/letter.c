/* The dead letter of what failed for good. */
#include "deliver/letter.h"
#include "deadletter/dead_letter.h"
#include "deliver/report.h"
#include "deliver/shared.h"

static void buried(void *ctx)
{
    struct delivery *delivery = ctx;
    delivery->burial = NULL;
    buffer_clear(&delivery->key);
    buffer_clear(&delivery->value);
    delivery_charge(delivery);
    delivery_report(delivery);
}

/** NULL: out of memory. */
static struct dead_letter_write *write_letter(struct delivery *delivery)
{
    const struct deliver_options *options = &delivery->deliver->options;
    struct buffer reason = {0}, url = {0};
    buffer_append_slice(&reason, buffer_slice(&delivery->outcome.cause));
    if (delivery->target)
        outcome_shown(delivery, slice_of(delivery->target->parts.redacted), &url);
    const struct dead_letter letter = {
        .reason = buffer_text(&reason),
        .attempts = delivery->attempt,
        .status = delivery->outcome.status,
        .topic = delivery->topic ? delivery->topic : "",
        .partition = delivery->partition,
        .offset = delivery->offset,
        .time_ms = clock_wall_ms(options->clock),
        .url = buffer_text(&url),
        .id = slice_of(delivery->id),
        .run_id = delivery->event.run_id,
        .key = delivery->has_key ? buffer_slice(&delivery->key) : (struct slice){NULL, 0},
        .value = buffer_slice(&delivery->value),
    };
    struct dead_letter_write *write =
        reason.failed || url.failed ? NULL
                                    : dead_letters_write(options->dead_letters, &letter, buried, delivery);
    buffer_clear(&reason);
    buffer_clear(&url);
    return write;
}

static void bury_later(struct due *due);

void delivery_bury(struct delivery *delivery)
{
    delivery->burial = write_letter(delivery);
    if (!delivery->burial)
        delivery_later(delivery, bury_later);
}

static void bury_later(struct due *due)
{
    delivery_bury(delivery_of_due(due));
}
