/* Is there room: for another record, for more of answers; and what follows when half of it is used. */
#include "deliver/internal.h"

bool deliver_has_room(void *ctx, size_t bytes)
{
    struct deliver *deliver = ctx;
    size_t held = deliver->counters.bytes_held + reports_bytes(deliver->options.reports);
    bool room =
        deliver->counters.bytes_held == 0 || held + bytes + DELIVERY_OVERHEAD <= deliver->options.max_bytes;
    deliver->room_wanted |= !room;
    return room;
}

size_t deliver_answer_bytes(const struct deliver *deliver)
{
    return deliver->answer_bytes + reports_bytes(deliver->options.reports);
}

bool deliver_answers_leave_room(struct deliver *deliver)
{
    size_t bound = deliver->options.total_response_bytes;
    size_t under_way = deliver->in_state[DELIVERY_SENDING] + deliver->in_state[DELIVERY_BURYING] +
                       deliver->in_state[DELIVERY_REPORT_MAPPING] + deliver->in_state[DELIVERY_REPORTING];
    /* Where nothing is under way there is nothing to wait for. */
    deliver->held = bound > 0 && under_way > 0 &&
                    http_client_body_bytes(deliver->options.http) + deliver_answer_bytes(deliver) >= bound;
    return !deliver->held;
}

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
static void check_room(struct deliver *deliver)
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

static void check_pressure(struct deliver *deliver)
{
    window_press(deliver->window, deliver->counters.bytes_held > deliver->options.max_bytes / 2);
}

void memory_check(struct deliver *deliver)
{
    check_pressure(deliver);
    check_room(deliver);
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
    memory_check(deliver);
}
