/* Making, counters and ending. What moves a delivery from one state to the next is in the files that
 * shared.h lists. */
#include "deliver/deliver.h"
#include "deadletter/dead_letter.h"
#include "deliver/attempt.h"
#include "deliver/intake.h"
#include "deliver/reading.h"
#include "deliver/recall.h"
#include "deliver/shared.h"
#include "deliver/telling.h"
#include "deliver/withdraw.h"
#include <stdlib.h>
#include <string.h>

size_t deliver_answer_bytes(const struct deliver *deliver)
{
    return memory_answer_bytes(&deliver->memory);
}

size_t deliver_reference_bytes(const struct deliver *deliver)
{
    return deliver->kept.bytes;
}

bool deliver_idle(const struct deliver *deliver)
{
    return LIST_EMPTY(&deliver->deliveries) && LIST_EMPTY(&deliver->kept.list) && !reading_goes_on(deliver);
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
    *out = *observer_counters(deliver->options.observer);
    out->circuits_open = window_breakers_open(deliver->window);
    out->queued = in_state[LIFE_MAPPING] + in_state[LIFE_QUEUED] + in_state[LIFE_READY];
    out->in_flight = in_state[LIFE_SENDING];
    out->waiting_for_retry = in_state[LIFE_WAITING];
    out->waiting_for_port = in_state[LIFE_WRITING_LETTER] + in_state[LIFE_MAPPING_REPORT] +
                            in_state[LIFE_REPORT_OWED] + in_state[LIFE_REPORTING];
    out->signature_age_s = deliver->signature_age_s;
    out->kept = deliver->kept.count;
    out->bytes_held = deliver->memory.bytes_held;
    out->report_bytes = reports_bytes(deliver->options.reports);
    if (!deliver->options.tracing)
        out->spans_dropped = COUNTER_NONE;
    count_letters(deliver, out);
}

/* What changes under way */

void deliver_use_secrets(struct deliver *deliver, struct slice secret, struct slice previous,
                         struct slice former)
{
    deliver->options.client_secret = secret;
    deliver->options.client_secret_previous = previous;
    deliver->options.client_secret_former = former;
}

void deliver_use_admin_token(struct deliver *deliver, struct slice token)
{
    deliver->options.admin_token = token;
}

void deliver_use_client(struct deliver *deliver, struct http_client *http)
{
    deliver->options.http = http;
}

void deliver_use_mapping_file(struct deliver *deliver)
{
    deliver->options.mapping_file = true;
}

/* Life */

enum { STALLED_MS = 1000 };

/** Space is made, if need be; and where there has been none for a while, whatever holds it, records are taken
 * all the same, for as long as there is space for references. Without that space none is taken: what comes
 * for those that do not answer would stay in memory, where what is kept for the others is to come back to. */
static bool has_room(void *ctx, size_t bytes)
{
    struct deliver *deliver = ctx;
    if (deliver->can_keep && !kept_has_room(deliver)) {
        deliver->memory.room_wanted = true;
        return false;
    }
    bool room = memory_has_room(&deliver->memory, bytes);
    int64_t now_ms = room ? 0 : clock_monotonic_ms(deliver->options.clock);
    if (!room && deliver->can_keep) {
        deliver_evict(deliver);
        room = memory_has_room(&deliver->memory, bytes);
    }
    if (room)
        deliver->full_since_ms = 0;
    else if (deliver->full_since_ms == 0)
        deliver->full_since_ms = now_ms;
    deliver->memory.room_wanted |= reading_goes_on(deliver);
    deliver->by_reference =
        !room && deliver->can_keep && now_ms - deliver->full_since_ms >= STALLED_MS && kept_has_room(deliver);
    return (room || deliver->by_reference) && !reading_goes_on(deliver);
}

struct source_sink deliver_sink(struct deliver *deliver)
{
    return (struct source_sink){deliver, has_room, deliver_take, deliver_withdraw, deliver_take_again};
}

static void slot_is_free(void *ctx)
{
    deliver_pump(ctx);
}

static void memory_is_free(void *ctx, bool room)
{
    struct deliver *deliver = ctx;
    if (room && deliver->options.room && !deliver->stopped)
        deliver->options.room(deliver->options.room_ctx);
    deliver_recall(deliver);
    deliver_pump(deliver);
}

struct deliver *deliver_new(const struct deliver_options *options)
{
    struct deliver *deliver = calloc(1, sizeof *deliver);
    if (!deliver)
        return NULL;
    deliver->options = *options;
    deliver->signature_age_s = COUNTER_NONE;
    targets_open(&deliver->targets, options->hide_url_paths);
    const struct window_options window = {.schedule = &deliver->schedule,
                                          .clock = options->clock,
                                          .slots = options->max_in_flight,
                                          .slots_per_destination = options->max_in_flight_per_destination,
                                          .bytes = options->max_bytes,
                                          .breaker_failures = options->breaker_failures,
                                          .ready = slot_is_free,
                                          .circuit = standing_circuit,
                                          .ctx = deliver};
    minute_open(&deliver->minute, &deliver->schedule, options->clock, options->observer);
    deliver->window = window_new(&window);
    if (!deliver->window ||
        !memory_open(&deliver->memory, &deliver->options, deliver->window, memory_is_free, deliver) ||
        !dedup_open(&deliver->dedup, options->dedup_window, memory_kept_max(&deliver->memory)) ||
        !schedule_open(&deliver->schedule, options->loop, options->clock)) {
        dedup_close(&deliver->dedup);
        memory_close(&deliver->memory);
        window_free(deliver->window);
        free(deliver);
        return NULL;
    }
    return deliver;
}

void deliver_free(struct deliver *deliver)
{
    if (!deliver)
        return;
    deliver->stopped = true;
    readings_leave(deliver);
    withdraw_matching(deliver, &(struct withdrawal){.unrepeatable = true});
    withdraw_matching(deliver, &(struct withdrawal){.started = true, .unrepeatable = true});
    minute_close(&deliver->minute);
    dedup_close(&deliver->dedup);
    window_free(deliver->window);
    targets_free(&deliver->targets);
    schedule_close(&deliver->schedule);
    memory_close(&deliver->memory);
    kept_close(deliver);
    free(deliver);
}
