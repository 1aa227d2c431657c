/* What its mapping makes of an event, and so where it goes. Where no file was given, only GitLab's events
 * need a mapping; every other is sent as it is, and libjq is not asked. */
#include "deliver/mapping.h"
#include "deliver/attempt.h"
#include "deliver/conclusion.h"
#include "deliver/route.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include <string.h>

static bool needs_mapping(const struct delivery *delivery)
{
    const struct deliver_options *options = &delivery->deliver->options;
    return options->mapper &&
           (options->mapping_file || slice_equal_text(delivery->event.invocation.type, "GITLAB"));
}

static void due_again(struct due *due)
{
    delivery_map(delivery_of_due(due));
}

/** Memory is out before it has started: its record is left to whoever gets it next. One that nobody gets
 * again begins anew, a little later. */
static void leave_or_wait(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    if (!delivery->unrepeatable) {
        delivery_leave(delivery);
        return;
    }
    mapped_request_clear(&delivery->request);
    buffer_clear(&delivery->mapped);
    target_release(delivery->target);
    delivery->target = NULL;
    window_forget(deliver->window, &delivery->slot);
    delivery_charge(delivery);
    life_enter(delivery, LIFE_MAPPING);
    schedule_add(&deliver->schedule, &delivery->due,
                 clock_monotonic_ms(deliver->options.clock) + MEMORY_WAIT_MS, due_again);
}

/** The request is known: to its destination, when it is its turn in its lane. True: something may start by
 * that. */
static bool route(struct delivery *delivery)
{
    struct error err = {0};
    int failed = delivery_address(delivery, &err);
    if (!failed)
        failed = delivery_enter_lane(delivery);
    if (failed == PA_ERR_MEMORY) {
        leave_or_wait(delivery);
        return true;
    }
    if (failed) {
        delivery_fail_unsent(delivery, "bad_request", err.message);
        return true;
    }
    delivery->addressed = true;
    if (window_is_beyond_share(delivery->deliver->window, &delivery->slot, false) && delivery_keep(delivery))
        return false;
    if (window_is_first(&delivery->slot)) {
        delivery_ready(delivery);
        return true;
    }
    life_enter(delivery, LIFE_QUEUED);
    delivery_tell_waits(delivery, "another with the same key is first");
    return false;
}

/* The mapping's word */

static void warned(void *delivery, struct slice warning)
{
    delivery_tell_why(delivery, OBSERVED_EXPRESSION_EMPTY, warning);
}

/** No mapping wants the event: another agent's may, except for a workflow node run that MAPPING_MISS does not
 * leave to it. */
static void miss(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    standing_wanted(deliver, false);
    if (delivery->is_run && run_id_is_node_run(delivery->event.run_id) && deliver->options.miss_is_reported) {
        delivery_fail_unsent(delivery, "no_mapping", "no mapping wants this workflow node run");
        return;
    }
    minute_begin(&deliver->minute);
    deliver->minute.unwanted++;
    delivery_tell(delivery, OBSERVED_UNWANTED);
    delivery_leave_lane(delivery);
    delivery_done(delivery);
}

static void fail(struct delivery *delivery, struct slice reason)
{
    char text[512];
    slice_copy_cut(reason, text, sizeof text);
    delivery_fail_unsent(delivery, "mapping", text);
}

/** A report is made by the mapping file that made the request, as it was then. */
static void hold_generation(struct delivery *delivery, const struct map_call *call)
{
    map_generation_release(delivery->generation);
    delivery->generation = delivery->request.reports ? map_call_hold(call) : NULL;
}

static void read_mapped(struct delivery *delivery, const struct map_call *call, struct slice fields,
                        const char *failure)
{
    if (slice_is_null(fields)) {
        fail(delivery, slice_of(failure));
        return;
    }
    mapped_warnings(fields, warned, delivery);
    buffer_append_slice(&delivery->mapped, fields);
    int failed = delivery->mapped.failed
                     ? PA_ERR_MEMORY
                     : mapped_request_read(buffer_slice(&delivery->mapped), &delivery->request);
    delivery_charge(delivery);
    if (!failed && delivery->request.mapping > 0)
        standing_wanted(delivery->deliver, true);
    if (failed == PA_ERR_MEMORY)
        leave_or_wait(delivery);
    else if (failed)
        fail(delivery, SLICE_LITERAL("its mapping gave something that is no request"));
    else if (!slice_is_null(delivery->request.failure))
        fail(delivery, delivery->request.failure);
    else if (delivery->request.mapping == 0)
        miss(delivery);
    else {
        hold_generation(delivery, call);
        PA_IGNORE(route(delivery)); /* the pump runs anyway */
    }
}

static void mapped(void *ctx, struct slice fields, const char *failure)
{
    struct delivery *delivery = ctx;
    struct deliver *deliver = delivery->deliver;
    const struct map_call *call = delivery->map_call;
    delivery->map_call = NULL;
    delivery_tell_mapped(delivery);
    read_mapped(delivery, call, fields, failure);
    deliver_pump(deliver);
}

void delivery_map(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    if (!needs_mapping(delivery)) {
        if (route(delivery))
            deliver_pump(deliver);
        return;
    }
    life_enter(delivery, LIFE_MAPPING);
    delivery->mapping_ms = clock_monotonic_ms(deliver->options.clock);
    delivery->map_call =
        mapper_request(deliver->options.mapper, buffer_slice(&delivery->event.payload), mapped, delivery);
    if (delivery->map_call)
        return;
    leave_or_wait(delivery);
    deliver_pump(deliver);
}
