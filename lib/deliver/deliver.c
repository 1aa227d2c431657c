/* Making, counters and ending. What moves a delivery from one state to the next is in the files that
 * internal.h lists. */
#include "base/log.h"
#include "deadletter/dead_letter.h"
#include "deliver/internal.h"
#include <stdlib.h>
#include <string.h>

bool deliver_idle(const struct deliver *deliver)
{
    return LIST_EMPTY(&deliver->deliveries);
}

/* Counters */

static void count_letters(const struct deliver *deliver, struct counters *out)
{
    struct dead_letters_counters letters = {.written = COUNTER_NONE, .waiting = COUNTER_NONE};
    if (deliver->options.dead_letters)
        dead_letters_counters(deliver->options.dead_letters, &letters);
    out->dead_letters_written = letters.written;
    out->dead_letters_waiting = letters.waiting;
}

void deliver_counters(const struct deliver *deliver, struct counters *out)
{
    const size_t *in_state = deliver->in_state;
    *out = deliver->counters;
    out->circuits_open = window_breakers_open(deliver->window);
    out->queued = in_state[DELIVERY_MAPPING] + in_state[DELIVERY_QUEUED];
    out->in_flight = in_state[DELIVERY_SENDING];
    out->waiting_for_retry = in_state[DELIVERY_WAITING];
    out->waiting_for_port =
        in_state[DELIVERY_BURYING] + in_state[DELIVERY_REPORT_MAPPING] + in_state[DELIVERY_REPORTING];
    out->report_bytes = reports_bytes(deliver->options.reports);
    count_letters(deliver, out);
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

static void may_start(void *ctx)
{
    deliver_pump(ctx);
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
    const struct window_options window = {.schedule = &deliver->schedule,
                                          .clock = options->clock,
                                          .slots = options->max_in_flight,
                                          .slots_per_destination = options->max_in_flight_per_destination,
                                          .breaker_failures = options->breaker_failures,
                                          .ready = may_start,
                                          .ctx = deliver};
    deliver->window = window_new(&window);
    if (!deliver->wake || !deliver->window ||
        !dedup_open(&deliver->dedup, options->dedup_window, kept_bytes) ||
        !schedule_open(&deliver->schedule, options->loop, options->clock)) {
        window_free(deliver->window);
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
    window_free(deliver->window);
    targets_free(deliver);
    schedule_close(&deliver->schedule);
    uv_idle_stop(deliver->wake);
    uv_close((uv_handle_t *)deliver->wake, wake_free);
    free(deliver);
}
