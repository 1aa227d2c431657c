/* Making, counters and ending. What moves a delivery from one state to the next is in the files that
 * internal.h lists. */
#include "base/log.h"
#include "deadletter/dead_letter.h"
#include "deliver/internal.h"
#include <stdlib.h>
#include <string.h>

enum { SUMMARY_FIELDS_MAX = 40 };

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
