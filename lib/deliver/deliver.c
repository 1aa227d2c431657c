/* Life, room, withdrawing and counters. What moves a delivery from one state to the next is in the files that
 * internal.h lists. */
#include "base/log.h"
#include "deadletter/dead_letter.h"
#include "deliver/internal.h"
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_FIELDS_MAX = 40 };

/* Room */

static void room_again(uv_idle_t *wake)
{
    struct deliver *deliver = wake->data;
    uv_idle_stop(wake);
    if (deliver->room_owed && deliver->options.room && !deliver->stopped)
        deliver->options.room(deliver->options.room_ctx);
    deliver->room_owed = false;
    deliver_pump(deliver);
}

/** Something was given up: the source hears of it once an eighth of the bound is free, not record by record.
 */
static void room_check(struct deliver *deliver)
{
    size_t held = deliver->counters.bytes_held + reports_bytes(deliver->options.reports);
    size_t bound = deliver->options.max_bytes;
    if (deliver->room_wanted && (held <= bound - bound / 8 || deliver->counters.bytes_held == 0)) {
        deliver->room_wanted = false;
        deliver->room_owed = true;
    }
    if (deliver->room_owed || (deliver->held && deliver_answers_leave_room(deliver)))
        uv_idle_start(deliver->wake, room_again);
}

static void pressure_check(struct deliver *deliver)
{
    bool pressed = deliver->counters.bytes_held > deliver->options.max_bytes / 2;
    if (pressed != (deliver->pressed_ms > 0))
        deliver->pressed_ms = pressed ? clock_monotonic_ms(deliver->options.clock) : 0;
}

bool deliver_is_pressed(const struct deliver *deliver)
{
    return deliver->pressed_ms > 0;
}

void delivery_charge(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    const struct outcome *outcome = &delivery->outcome;
    size_t answer =
        delivery->context.cap + outcome->response.cap + outcome->summary.cap + outcome->detail.cap;
    size_t bytes = DELIVERY_OVERHEAD + delivery->event.payload.cap + delivery->event.texts.cap +
                   delivery->key.cap + delivery->value.cap + delivery->mapped.cap + answer;
    deliver->counters.bytes_held += bytes - delivery->bytes;
    deliver->answer_bytes += answer - delivery->answer_bytes;
    delivery->bytes = bytes;
    delivery->answer_bytes = answer;
    pressure_check(deliver);
    room_check(deliver);
}

/* States and ends */

void delivery_enter(struct delivery *delivery, enum delivery_state state)
{
    delivery->deliver->in_state[delivery->state]--;
    delivery->deliver->in_state[state]++;
    delivery->state = state;
}

void delivery_free(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    LIST_REMOVE(delivery, all);
    deliver->in_state[delivery->state]--;
    deliver->counters.bytes_held -= delivery->bytes;
    deliver->answer_bytes -= delivery->answer_bytes;
    schedule_remove(&deliver->schedule, &delivery->due);
    target_release(delivery->target);
    if (delivery->destination)
        destination_release(deliver, delivery->destination);
    mapped_request_clear(&delivery->request);
    outcome_clear(&delivery->outcome);
    buffer_clear(&delivery->mapped);
    buffer_clear(&delivery->context);
    buffer_clear(&delivery->key);
    buffer_clear(&delivery->value);
    event_clear(&delivery->event);
    free(delivery);
    pressure_check(deliver);
    room_check(deliver);
}

void delivery_done(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery_free(delivery);
    source_ticket_done(ticket);
}

static void drop(struct delivery *delivery)
{
    struct ticket *ticket = delivery->ticket;
    delivery->deliver->counters.dropped++;
    delivery_free(delivery);
    source_ticket_drop(ticket);
}

void delivery_leave_lane(struct delivery *delivery)
{
    struct lane *lane = delivery->lane;
    delivery->lane = NULL;
    if (!lane || lane->head != delivery)
        return;
    struct delivery *next = lane_leave(delivery->deliver, lane);
    if (next && next->addressed)
        delivery_queue(next);
}

static void leave_queue(struct delivery *delivery)
{
    if (!delivery->queue)
        return;
    list_remove(delivery);
    if (delivery->destination)
        destination_checked(delivery->deliver, delivery->destination);
}

void delivery_leave(struct delivery *delivery)
{
    leave_queue(delivery);
    delivery_leave_lane(delivery);
    if (delivery->report)
        run_report_cancel(delivery->report);
    delivery->report = NULL;
    drop(delivery);
}

/* Withdrawing */

/** Ends what is under way for it. */
static void interrupt(struct delivery *delivery)
{
    if (delivery->map_call)
        map_call_forget(delivery->map_call);
    delivery->map_call = NULL;
    if (delivery->state == DELIVERY_SENDING)
        delivery_cancel_attempt(delivery);
}

static void withdraw_delivery(struct delivery *delivery)
{
    struct deliver *deliver = delivery->deliver;
    bool concluded = delivery->state >= DELIVERY_BURYING;
    interrupt(delivery);
    if (delivery->burial)
        dead_letter_write_forget(delivery->burial);
    delivery->burial = NULL;
    /* A result that is on its way goes on from there if the record comes back. */
    if (concluded && (delivery->state != DELIVERY_REPORTING || !dedup_keep_report(&deliver->dedup, delivery)))
        dedup_forget(&deliver->dedup, delivery);
    delivery_leave(delivery);
}

struct withdrawal {
    const void *assignment; /* of this one alone; NULL: of all */
    bool started;           /* what has started as well */
    bool unrepeatable;      /* what nobody gets again as well */
};

static bool has_started(const struct delivery *delivery)
{
    return delivery->state == DELIVERY_SENDING || delivery->state >= DELIVERY_BURYING;
}

/** Withdraws what matches. Leaving a lane may start the next in it, so those that have not started go first,
 * the last of a lane before the first: the list has the newest in front. */
static void withdraw_matching(struct deliver *deliver, const struct withdrawal *what)
{
    struct delivery *next;
    deliver->withdrawing = true;
    for (struct delivery *delivery = LIST_FIRST(&deliver->deliveries); delivery; delivery = next) {
        next = LIST_NEXT(delivery, all); // NOLINT(clang-analyzer-unix.Malloc): only `delivery` is freed below
        bool matches = !what->assignment || delivery->assignment == what->assignment;
        bool kept =
            (!what->started && has_started(delivery)) || (!what->unrepeatable && delivery->unrepeatable);
        if (matches && !kept)
            withdraw_delivery(delivery);
    }
    deliver->withdrawing = false;
}

static void deliver_withdraw(void *ctx, const void *assignment, bool cancel_started)
{
    struct deliver *deliver = ctx;
    struct withdrawal what = {.assignment = assignment, .unrepeatable = true};
    withdraw_matching(deliver, &what);
    what.started = cancel_started;
    if (cancel_started)
        withdraw_matching(deliver, &what);
    deliver_pump(deliver);
}

void deliver_stop_starting(struct deliver *deliver)
{
    deliver->stopped = true;
    withdraw_matching(deliver, &(struct withdrawal){0});
    deliver_pump(deliver);
}

/** The first that may be given up; NULL: none. */
static struct delivery *unanswered(const struct deliver *deliver)
{
    struct delivery *delivery = LIST_FIRST(&deliver->deliveries);
    while (delivery && !(delivery->unrepeatable && delivery->state < DELIVERY_BURYING))
        delivery = LIST_NEXT(delivery, all);
    return delivery;
}

size_t deliver_give_up(struct deliver *deliver)
{
    struct delivery *delivery;
    size_t count = 0;
    deliver->withdrawing = true;
    while ((delivery = unanswered(deliver))) {
        interrupt(delivery);
        leave_queue(delivery);
        schedule_remove(&deliver->schedule, &delivery->due);
        delivery_give_up(delivery);
        count++;
    }
    deliver->withdrawing = false;
    return count;
}

size_t deliver_answer_bytes(const struct deliver *deliver)
{
    return deliver->answer_bytes + reports_bytes(deliver->options.reports);
}

bool deliver_idle(const struct deliver *deliver)
{
    return LIST_EMPTY(&deliver->deliveries);
}

/* Counters */

void deliver_counters(const struct deliver *deliver, struct deliver_counters *out)
{
    const size_t *in_state = deliver->in_state;
    *out = deliver->counters;
    out->queued = in_state[DELIVERY_MAPPING] + in_state[DELIVERY_QUEUED];
    out->sending = in_state[DELIVERY_SENDING];
    out->waiting = in_state[DELIVERY_WAITING];
    out->reporting =
        in_state[DELIVERY_BURYING] + in_state[DELIVERY_REPORT_MAPPING] + in_state[DELIVERY_REPORTING];
}

static size_t dead_letter_fields(const struct deliver *deliver, struct log_field *fields)
{
    struct dead_letters_counters letters;
    if (!deliver->options.dead_letters)
        return 0;
    dead_letters_counters(deliver->options.dead_letters, &letters);
    fields[0] = F_INT("dead_letters_written", letters.written);
    fields[1] = F_INT("dead_letters_waiting", letters.waiting);
    return 2;
}

void deliver_log_summary(const struct deliver *deliver, const struct log_field *more, size_t count)
{
    struct deliver_counters c;
    if (!log_enabled(LOG_INFO))
        return;
    deliver_counters(deliver, &c);
    struct log_field fields[SUMMARY_FIELDS_MAX] = {
        F_INT("taken", c.taken),
        F_INT("delivered", c.delivered),
        F_INT("failed", c.failed),
        F_INT("retries", c.retries),
        F_INT("skipped", c.skipped),
        F_INT("expired", c.expired),
        F_INT("deduplicated", c.deduplicated),
        F_INT("bad_records", c.bad_records),
        F_INT("bad_signatures", c.bad_signatures),
        F_INT("dropped", c.dropped),
        F_INT("refused_results", c.refused_results),
        F_INT("resent", c.redelivered_resends),
        F_INT("queued", c.queued),
        F_INT("in_flight", c.sending),
        F_INT("waiting_for_retry", c.waiting),
        F_INT("waiting_for_port", c.reporting),
        F_INT("circuits_open", c.breakers_open),
        F_INT("bytes_held", c.bytes_held),
        F_INT("report_bytes", reports_bytes(deliver->options.reports))};
    size_t own = 0;
    while (own < SUMMARY_FIELDS_MAX && fields[own].name.len > 0)
        own++;
    own += dead_letter_fields(deliver, fields + own);
    for (size_t i = 0; i < count && own < SUMMARY_FIELDS_MAX; i++)
        fields[own++] = more[i];
    log_write(LOG_INFO, "summary", fields, own);
}

/* Life */

static void wake_free(uv_handle_t *handle)
{
    free(handle);
}

struct source_sink deliver_sink(struct deliver *deliver)
{
    return (struct source_sink){deliver, deliver_has_room, deliver_take, deliver_withdraw};
}

struct deliver *deliver_new(const struct deliver_options *options)
{
    struct deliver *deliver = calloc(1, sizeof *deliver);
    if (!deliver)
        return NULL;
    deliver->options = *options;
    deliver->wake = calloc(1, sizeof *deliver->wake);
    /* What nobody may ever come back for takes a part of the room only. */
    size_t kept_bytes = options->total_response_bytes > 0 ? options->total_response_bytes / 4 : SIZE_MAX;
    if (!deliver->wake || !dedup_open(&deliver->dedup, options->dedup_window, kept_bytes) ||
        !schedule_open(&deliver->schedule, options->loop, options->clock)) {
        dedup_close(&deliver->dedup);
        free(deliver->wake);
        free(deliver);
        return NULL;
    }
    uv_idle_init(options->loop, deliver->wake);
    deliver->wake->data = deliver;
    return deliver;
}

void deliver_free(struct deliver *deliver)
{
    if (!deliver)
        return;
    deliver->stopped = true;
    withdraw_matching(deliver, &(struct withdrawal){.unrepeatable = true});
    withdraw_matching(deliver, &(struct withdrawal){.started = true, .unrepeatable = true});
    minute_close(deliver);
    dedup_close(&deliver->dedup);
    lanes_free(deliver);
    destinations_free(deliver);
    targets_free(deliver);
    schedule_close(&deliver->schedule);
    for (size_t i = 0; i < sizeof deliver->topics / sizeof *deliver->topics; i++)
        free(deliver->topics[i]);
    uv_idle_stop(deliver->wake);
    uv_close((uv_handle_t *)deliver->wake, wake_free);
    free(deliver);
}
