/* After the last answer: a dead letter for what failed for good, then what its mapping reports, then the
 * result, and then the record is done. Nothing of it holds a slot of the window. */
#include "base/log.h"
#include "deadletter/dead_letter.h"
#include "deliver/internal.h"

static void report_or_map(struct delivery *delivery);

void delivery_open_report(struct delivery *delivery)
{
    if (delivery->is_run && !delivery->report)
        delivery->report = run_report_open(delivery->deliver->options.reports, delivery->event.run_id);
}

/* The result */

void delivery_report_accepted(void *ctx, enum report_outcome outcome)
{
    struct delivery *delivery = ctx;
    delivery->report = NULL;
    delivery->deliver->counters.refused_results += outcome == REPORT_REFUSED;
    delivery_done(delivery);
}

/** Nothing but success of an asynchronous run goes unreported. */
static struct run_result result_of(const struct delivery *delivery)
{
    const struct outcome *outcome = &delivery->outcome;
    struct run_result result = {0};
    if (outcome->response.len > 0)
        result.response = buffer_slice(&outcome->response);
    if (!outcome->success) {
        result.status = SLICE_LITERAL("FAILURE");
        result.summary = buffer_slice(&outcome->summary);
    } else if (delivery->synchronized) {
        result.status = SLICE_LITERAL("SUCCESS");
    }
    return result;
}

/** Memory is out: what is owed is owed all the same, a little later. */
static void later(struct delivery *delivery, void (*again)(struct due *due))
{
    const struct clock *clock = delivery->deliver->options.clock;
    log_error("out of memory: a result waits", F_STR("messaging.destination.name", delivery->topic),
              F_PARTITION(delivery), F_OFFSET(delivery), F_SLICE("port.run_id", delivery->event.run_id));
    schedule_add(&delivery->deliver->schedule, &delivery->due, clock_monotonic_ms(clock) + MEMORY_WAIT_MS,
                 again);
}

static void report_later(struct due *due)
{
    report_or_map((struct delivery *)(void *)((char *)due - offsetof(struct delivery, due)));
}

static void report(struct delivery *delivery, struct run_result *result)
{
    if (!delivery->is_run) {
        delivery_done(delivery);
        return;
    }
    /* Not yet REPORTING: withdrawn before its result is queued, the record must be delivered again. */
    delivery_enter(delivery, DELIVERY_REPORT_MAPPING);
    delivery_open_report(delivery);
    if (!delivery->report ||
        !run_report_finish(delivery->report, result, delivery_report_accepted, delivery)) {
        later(delivery, report_later);
        return;
    }
    delivery_enter(delivery, DELIVERY_REPORTING);
    outcome_clear(&delivery->outcome);
    buffer_clear(&delivery->context);
    delivery_charge(delivery);
}

/* What its mapping reports */

static void override(const struct delivery *delivery, const struct mapped_report *given,
                     struct run_result *result)
{
    const struct mapped_report usual = {.status = result->status, .summary = result->summary};
    struct mapped_report report =
        mapped_report_over(&delivery->request, given, &usual, delivery->outcome.answered);
    result->status = report.status;
    result->summary = report.summary;
    result->link_json = report.link_json;
    result->external_run_id = report.external_run_id;
}

/** It failed as a whole, so every field of it is left out: then perhaps nobody says how the run ended. */
static void tell_run(struct delivery *delivery, struct slice wrong)
{
    struct buffer text = {0}, shown = {0};
    outcome_shown(delivery, wrong, &shown);
    buffer_append_text(&text, "What the mapping reports could not be evaluated: ");
    buffer_append_slice(&text, buffer_slice(&shown));
    delivery_open_report(delivery);
    if (delivery->report && !text.failed)
        run_report_log(delivery->report, buffer_slice(&text));
    buffer_clear(&text);
    buffer_clear(&shown);
}

static void warned(void *ctx, struct slice warning)
{
    const struct delivery *delivery = ctx;
    log_warning("a mapping's expression gave nothing", F_STR("messaging.destination.name", delivery->topic),
                F_PARTITION(delivery), F_OFFSET(delivery), F_SLICE("port.run_id", delivery->event.run_id),
                F_SLICE("error.message", warning));
}

static void report_mapped(void *ctx, struct slice fields, const char *failure)
{
    struct delivery *delivery = ctx;
    struct run_result result = result_of(delivery);
    struct mapped_report mapped = {0};
    delivery->map_call = NULL;
    if (!slice_is_null(fields)) {
        mapped_warnings(fields, warned, delivery);
        mapped_report_read(fields, &mapped);
    }
    struct slice wrong = failure ? slice_of(failure) : mapped.failure;
    if (!slice_is_null(wrong)) {
        warned(delivery, wrong);
        tell_run(delivery, wrong);
    }
    override(delivery, &mapped, &result);
    report(delivery, &result);
}

static void report_or_map(struct delivery *delivery)
{
    struct mapper *mapper = delivery->deliver->options.mapper;
    if (delivery->context.len == 0 || !delivery->is_run) {
        struct run_result result = result_of(delivery);
        report(delivery, &result);
        return;
    }
    delivery_enter(delivery, DELIVERY_REPORT_MAPPING);
    delivery->map_call = mapper_report(mapper, delivery->request.mapping, buffer_slice(&delivery->context),
                                       report_mapped, delivery);
    if (!delivery->map_call)
        later(delivery, report_later);
}

/* Dead letters */

static void buried(void *ctx)
{
    struct delivery *delivery = ctx;
    delivery->burial = NULL;
    buffer_clear(&delivery->key);
    buffer_clear(&delivery->value);
    delivery_charge(delivery);
    report_or_map(delivery);
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

static void bury(struct delivery *delivery)
{
    delivery->burial = write_letter(delivery);
    if (!delivery->burial)
        later(delivery, bury_later);
}

static void bury_later(struct due *due)
{
    bury((struct delivery *)(void *)((char *)due - offsetof(struct delivery, due)));
}

/** False: the answer is gone, and there was no memory to keep of it what is reported. */
static bool answer_is_kept(const struct delivery *delivery)
{
    return !delivery->is_run || (!delivery->outcome.response.failed && !delivery->context.failed);
}

/** The record has to be delivered again. False: nobody gets it again, so its result is told without that. */
static bool leave_unkept(struct delivery *delivery)
{
    log_error(delivery->unrepeatable ? "out of memory: the result is reported without the endpoint's answer"
                                     : "out of memory: the record is left for the next assignment",
              F_STR("messaging.destination.name", delivery->topic), F_PARTITION(delivery), F_OFFSET(delivery),
              F_SLICE("port.run_id", delivery->event.run_id));
    if (delivery->unrepeatable) {
        buffer_clear(&delivery->outcome.response);
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
    buffer_clear(&delivery->event.payload);
    delivery_charge(delivery);
    if (delivery->outcome.success || !delivery->deliver->options.dead_letters) {
        report_or_map(delivery);
        return;
    }
    delivery_enter(delivery, DELIVERY_BURYING);
    bury(delivery);
}

void delivery_fail_unsent(struct delivery *delivery, const char *error_type, const char *reason)
{
    outcome_clear(&delivery->outcome);
    delivery->outcome.error_type = error_type;
    buffer_append_text(&delivery->outcome.cause, reason);
    buffer_appendf(&delivery->outcome.summary, "No webhook was sent: %s", reason);
    delivery->deliver->counters.failed++;
    outcome_log_unsent(delivery);
    outcome_observe(delivery, 0);
    delivery_leave_lane(delivery);
    delivery_open_report(delivery);
    if (delivery->report)
        run_report_log(delivery->report, buffer_slice(&delivery->outcome.summary));
    delivery_conclude(delivery);
}

void delivery_report_refused(struct delivery *delivery)
{
    struct run_result result = result_of(delivery);
    report(delivery, &result);
}
