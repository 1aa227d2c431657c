/* See reading.h. The work has copies of all that it looks at, a signer of its own, and no other way to the
 * loop's objects than its `done`. */
#include "deliver/reading.h"
#include "deliver/shared.h"
#include "deliver/withdraw.h"
#include <stdlib.h>
#include <string.h>

struct reading {
    LIST_ENTRY(reading) all;
    /** NULL: gone. */
    struct deliver *deliver;
    record_was_read *done;
    /** Its slices and texts point into `copies`. */
    struct record record;
    char *copies;
    struct signer *signer;
    size_t max_bytes;
    struct charge charge;
    struct error err;
    /** Its ticket is NULL once it is given back. */
    struct record_read read;
    uv_work_t work;
};

/** The event is to be cleared. `signer` is not in use elsewhere. */
static int read_event(const struct record *record, size_t max_bytes, struct signer *signer,
                      struct event *event, enum refusal *refusal, struct error *err)
{
    *refusal = REFUSAL_NONE;
    if (record->broken)
        return error_set(err, PA_ERR_INVALID, "%s", record->broken);
    if (record->value.len > max_bytes)
        return error_set(err, PA_ERR_TOO_LARGE, "larger than RECORD_MAX_BYTES: %zu bytes", record->value.len);
    int failed = event_parse(event, record->kind, record->value, err);
    if (failed)
        return failed;
    if (event->wrong_type)
        return error_set(err, PA_ERR_INVALID, "%s", event->wrong_type);
    if (record->trusted || event->invocation.agent) /* nobody asks about another's */
        *refusal = refusal_of(signer, record, event);
    return 0;
}

/* Copies */

static struct slice copy_slice(char **at, struct slice bytes)
{
    struct slice copy = {*at, bytes.len};
    if (slice_is_null(bytes))
        return bytes;
    if (bytes.len > 0)
        memcpy(*at, bytes.ptr, bytes.len);
    *at += bytes.len;
    return copy;
}

static const char *keep_text(char **at, const char *text)
{
    return text ? copy_slice(at, (struct slice){text, strlen(text) + 1}).ptr : NULL;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

static bool copy_record(struct reading *reading, const struct record *record)
{
    size_t size = record->id.len + record->run_id.len + record->key.len + record->value.len +
                  record->traceparent.len + record->tracestate.len + text_size(record->topic) +
                  text_size(record->given_up) + text_size(record->redelivery_of);
    char *at = reading->copies = malloc(size + 1);
    if (!at)
        return false;
    reading->record = *record;
    reading->record.id = copy_slice(&at, record->id);
    reading->record.run_id = copy_slice(&at, record->run_id);
    reading->record.key = copy_slice(&at, record->key);
    reading->record.value = copy_slice(&at, record->value);
    reading->record.traceparent = copy_slice(&at, record->traceparent);
    reading->record.tracestate = copy_slice(&at, record->tracestate);
    reading->record.topic = keep_text(&at, record->topic);
    reading->record.given_up = keep_text(&at, record->given_up);
    reading->record.redelivery_of = keep_text(&at, record->redelivery_of);
    return true;
}

/* In the thread pool */

static void read_work(uv_work_t *work)
{
    struct reading *reading = work->data;
    struct record_read *read = &reading->read;
    read->failed = read_event(&reading->record, reading->max_bytes, reading->signer, &read->event,
                              &read->refusal, &reading->err);
}

/* On the loop */

static void reading_free(struct reading *reading)
{
    event_clear(&reading->read.event);
    signer_free(reading->signer);
    free(reading->copies);
    free(reading);
}

static void read_done(uv_work_t *work, int status)
{
    struct reading *reading = work->data;
    struct deliver *deliver = reading->deliver;
    (void)status; /* nobody cancels it */
    if (deliver) {
        LIST_REMOVE(reading, all);
        memory_charge(&deliver->memory, &reading->charge, (struct charge){0});
        if (reading->read.ticket) {
            reading->done(deliver, &reading->read);
            event_init(&reading->read.event); /* it was the callee's */
        }
    }
    reading_free(reading);
}

static bool read_elsewhere(struct deliver *deliver, const struct record_read *read, record_was_read *done)
{
    const struct record *record = read->record;
    struct reading *reading = calloc(1, sizeof *reading);
    if (!reading)
        return false;
    event_init(&reading->read.event);
    reading->deliver = deliver;
    reading->done = done;
    reading->max_bytes = deliver->options.record_max_bytes;
    reading->read.record = &reading->record;
    reading->read.ticket = read->ticket;
    reading->read.reader = read->reader;
    reading->read.why = reading->err.message;
    reading->signer = signer_copy(deliver->options.signer);
    reading->work.data = reading;
    if (!reading->signer || !copy_record(reading, record) ||
        uv_queue_work(deliver->options.loop, &reading->work, read_work, read_done) != 0) {
        reading_free(reading);
        return false;
    }
    LIST_INSERT_HEAD(&deliver->readings, reading, all);
    memory_charge(&deliver->memory, &reading->charge,
                  (struct charge){.bytes = 2 * record->value.len + MEMORY_OVERHEAD});
    return true;
}

bool reading_start(struct deliver *deliver, struct record_read *read, record_was_read *done)
{
    const struct record *record = read->record;
    const size_t max_bytes = deliver->options.record_max_bytes;
    struct error err = {0};
    if (!record->broken && record->value.len > READING_BYTES && record->value.len <= max_bytes)
        return read_elsewhere(deliver, read, done);
    read->failed = read_event(record, max_bytes, deliver->options.signer, &read->event, &read->refusal, &err);
    read->why = err.message;
    done(deliver, read);
    return true;
}

bool reading_goes_on(const struct deliver *deliver)
{
    return !LIST_EMPTY(&deliver->readings);
}

static void drop(struct reading *reading)
{
    struct ticket *ticket = reading->read.ticket;
    reading->read.ticket = NULL;
    if (ticket && !reading->read.reader)
        source_ticket_drop(ticket);
}

void readings_withdraw(struct deliver *deliver, const struct withdrawal *what)
{
    struct reading *reading;
    LIST_FOREACH(reading, &deliver->readings, all)
    {
        bool matches = !what->assignment || reading->record.assignment == what->assignment;
        if (matches && (what->unrepeatable || !reading->record.unrepeatable))
            drop(reading);
    }
}

size_t readings_give_up(struct deliver *deliver, const char *reason)
{
    struct reading *reading;
    size_t count = 0;
    LIST_FOREACH(reading, &deliver->readings, all)
    {
        if (!reading->read.ticket || !reading->record.unrepeatable || reading->record.given_up)
            continue;
        reading->record.given_up = reason;
        count++;
    }
    return count;
}

void readings_leave(struct deliver *deliver)
{
    struct reading *reading;
    while ((reading = LIST_FIRST(&deliver->readings))) {
        LIST_REMOVE(reading, all);
        drop(reading);
        reading->deliver = NULL;
    }
}
