/* What is told of a run: what its mapping reports, then the result, and then the record is done. */
#include "deliver/report.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include "deliver/writing.h"
#include "port/result.h"

enum { NEXT_TURN_MS = 1 };

void delivery_open_report(struct delivery *delivery)
{
    if (!delivery->is_run || delivery->report)
        return;
    delivery->report = run_report_open(delivery->deliver->options.reports, delivery->event.run_id);
    if (delivery->report)
        run_report_trace(delivery->report, delivery->trace.id);
}

/* The result */

void delivery_report_accepted(void *ctx, enum report_verdict verdict, const char *refusal)
{
    struct delivery *delivery = ctx;
    delivery->report = NULL;
    if (verdict == REPORT_REFUSED && delivery->ending.port_result)
        delivery->ending.port_result = "refused";
    if (verdict == REPORT_REFUSED)
        delivery_tell_why(delivery, OBSERVED_RESULT_REFUSED, slice_of(refusal));
    delivery_done(delivery);
}

static struct run_result result_of(const struct delivery *delivery)
{
    const struct outcome *outcome = &delivery->outcome;
    return result_default(outcome->success, delivery->synchronized, buffer_slice(&outcome->response),
                          buffer_slice(&outcome->summary));
}

/** Out of memory: what is owed is still owed, a little later. */
void delivery_later(struct delivery *delivery, void (*again)(struct due *due))
{
    const struct clock *clock = delivery->deliver->options.clock;
    delivery_tell(delivery, OBSERVED_OWED);
    schedule_add(&delivery->deliver->schedule, &delivery->due, clock_monotonic_ms(clock) + MEMORY_WAIT_MS,
                 again);
}

static void report_later(struct due *due)
{
    delivery_report(delivery_of_due(due));
}

static bool says_something(const struct run_result *result)
{
    return result->response.len + result->status.len + result->summary.len + result->link_json.len +
               result->external_run_id.len >
           0;
}

static void report(struct delivery *delivery, struct run_result *result)
{
    if (!delivery->is_run) {
        delivery_done(delivery);
        return;
    }
    life_enter(delivery, LIFE_REPORT_OWED);
    delivery_open_report(delivery);
    if (!delivery->report ||
        !run_report_finish(delivery->report, result, delivery_report_accepted, delivery)) {
        delivery_later(delivery, report_later);
        return;
    }
    life_enter(delivery, LIFE_REPORTING);
    delivery->ending.port_result = says_something(result) ? "accepted" : "none";
    buffer_clear(&delivery->outcome.response); /* the rest is for the line of its end */
    buffer_clear(&delivery->outcome.summary);
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

static void warned(void *delivery, struct slice warning)
{
    delivery_tell_why(delivery, OBSERVED_EXPRESSION_EMPTY, warning);
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
    if (!slice_is_null(
            wrong)) { /* as a whole, so every field is left out: perhaps nobody says how it ended */
        delivery_open_report(delivery);
        delivery_tell_why(delivery, OBSERVED_REPORT_UNMAPPED, wrong);
    }
    override(delivery, &mapped, &result);
    report(delivery, &result);
}

/* A long answer */

/** It is copied for its call, so a turn of the loop, by its own clock, has one of them. */
static void give_to_port(struct due *due)
{
    struct delivery *delivery = delivery_of_due(due);
    struct deliver *deliver = delivery->deliver;
    uint64_t turn_ms = uv_now(deliver->options.loop);
    if (turn_ms == deliver->given_turn_ms) {
        schedule_add(&deliver->schedule, due, clock_monotonic_ms(deliver->options.clock) + NEXT_TURN_MS,
                     give_to_port);
        return;
    }
    deliver->given_turn_ms = turn_ms;
    delivery_report(delivery);
}

static void answer_written(void *ctx, struct buffer *response)
{
    struct delivery *delivery = ctx;
    delivery->writing = NULL;
    if (response->failed) {
        delivery_later(delivery, report_later);
        return;
    }
    delivery->outcome.owes_response = false;
    buffer_clear(&delivery->outcome.answer);
    delivery->outcome.response = *response;
    *response = (struct buffer){0};
    delivery_charge(delivery);
    give_to_port(&delivery->due);
}

static void context_written(void *ctx, struct buffer *context)
{
    struct delivery *delivery = ctx;
    bool failed = context->failed;
    delivery->writing = NULL;
    delivery->context = *context;
    delivery->context.failed = false;
    *context = (struct buffer){0};
    if (failed) {
        delivery_later(delivery, report_later);
        return;
    }
    delivery->outcome.owes_context = false;
    if (!delivery->outcome.owes_response)
        buffer_clear(&delivery->outcome.answer);
    delivery_charge(delivery);
    give_to_port(&delivery->due);
}

static void write_answer(struct delivery *delivery)
{
    bool context = delivery->outcome.owes_context;
    const struct answer_text answer = {.run_id = delivery->event.run_id,
                                       .status = delivery->outcome.status,
                                       .text = buffer_slice(&delivery->outcome.answer),
                                       .context = context ? &delivery->context : NULL};
    life_enter(delivery, LIFE_REPORT_OWED);
    delivery->writing = writing_start(delivery->deliver->options.loop, &answer,
                                      context ? context_written : answer_written, delivery);
    if (!delivery->writing)
        delivery_later(delivery, report_later);
}

void delivery_report(struct delivery *delivery)
{
    if (delivery->outcome.owes_context || delivery->outcome.owes_response) {
        write_answer(delivery);
        return;
    }
    if (delivery->context.len == 0 || !delivery->is_run) {
        struct run_result result = result_of(delivery);
        report(delivery, &result);
        return;
    }
    life_enter(delivery, LIFE_MAPPING_REPORT);
    delivery->map_call = mapper_report(delivery->generation, delivery->request.mapping,
                                       buffer_slice(&delivery->context), report_mapped, delivery);
    if (delivery->map_call)
        return;
    life_enter(delivery, LIFE_REPORT_OWED);
    delivery_later(delivery, report_later);
}

void delivery_report_refused(struct delivery *delivery)
{
    struct run_result result = result_of(delivery);
    report(delivery, &result);
}
