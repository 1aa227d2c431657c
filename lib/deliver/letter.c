/* The dead letter of what failed for good. */
#include "deliver/letter.h"
#include "deadletter/dead_letter.h"
#include "deliver/report.h"
#include "deliver/shared.h"
#include <string.h>

static void buried(void *ctx)
{
    struct delivery *delivery = ctx;
    delivery->burial = NULL;
    delivery->letter_written = true;
    buffer_clear(&delivery->key);
    buffer_clear(&delivery->value);
    delivery_charge(delivery);
    delivery_report(delivery);
}

/** The trace as it came, whose span is its sender's; null: it has none, or begins here. */
static struct slice parent_of_trace(const struct trace *trace, char room[TRACEPARENT_SIZE])
{
    struct trace_parent parent = {.sampled = trace->sampled, .random = trace->random};
    if (!*trace->id || !*trace->parent)
        return (struct slice){NULL, 0};
    memcpy(parent.trace_id, trace->id, sizeof parent.trace_id);
    memcpy(parent.span_id, trace->parent, sizeof parent.span_id);
    trace_parent_write(&parent, room);
    return slice_of(room);
}

/** NULL: out of memory. */
static struct dead_letter_write *write_letter(struct delivery *delivery)
{
    const struct deliver_options *options = &delivery->deliver->options;
    struct buffer reason = {0}, url = {0};
    char traceparent[TRACEPARENT_SIZE];
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
        .traceparent = parent_of_trace(&delivery->trace, traceparent),
        .tracestate = slice_of(delivery->tracestate),
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
