/* See record_source.h. */
#include "record_source.h"
#include <stdlib.h>

struct record_source;

struct record_ticket {
    /** First: the seam's view of it. */
    struct ticket ticket;
    struct record_source *owner;
};

struct record_source {
    /** First: the seam's view of it. */
    struct source source;
    struct source_options options;
    struct record_source_options records;
    struct record_ticket *tickets;
    uv_timer_t wake;
    size_t next, ended, left;
    bool stopped, closing, finished;
    void (*closed)(void *ctx);
    void *closed_ctx;
};

static void source_wake(struct record_source *source);

static void ticket_settle(struct ticket *ticket, bool done)
{
    struct record_source *source = ((struct record_ticket *)ticket)->owner;
    source->ended++;
    source->left += !done;
    source_wake(source);
}

static void source_woken(uv_timer_t *timer)
{
    struct record_source *source = timer->data;
    const struct source_sink *sink = &source->options.sink;
    while (!source->stopped && source->next < source->records.count) {
        struct record record = source->records.records[source->next];
        if (!sink->has_room(sink->ctx, record.value.len + record.key.len))
            break;
        record.assignment = source;
        struct record_ticket *ticket = &source->tickets[source->next++];
        *ticket = (struct record_ticket){{.settle = ticket_settle}, source};
        sink->take(sink->ctx, &record, &ticket->ticket);
    }
    if (source->ended < source->records.count || source->finished)
        return;
    source->finished = true;
    source->records.finished(source->records.ctx, source->left);
}

static void source_wake(struct record_source *source)
{
    if (!source->closing)
        uv_timer_start(&source->wake, source_woken, 0, 0);
}

static void records_resume(struct source *source)
{
    source_wake((struct record_source *)source);
}

static void records_stop_taking(struct source *source)
{
    ((struct record_source *)source)->stopped = true;
}

static bool records_idle(const struct source *source)
{
    return ((const struct record_source *)source)->stopped;
}

static void records_closed(uv_handle_t *handle)
{
    struct record_source *source = handle->data;
    void (*closed)(void *) = source->closed;
    void *ctx = source->closed_ctx;
    free(source->tickets);
    free(source);
    closed(ctx);
}

static void records_close(struct source *base, void (*closed)(void *ctx), void *ctx)
{
    struct record_source *source = (struct record_source *)base;
    source->stopped = source->closing = true;
    source->closed = closed;
    source->closed_ctx = ctx;
    source->options.sink.withdraw(source->options.sink.ctx, source, true);
    uv_close((uv_handle_t *)&source->wake, records_closed);
}

static size_t records_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    fields[0] = F_INT("records", ((const struct record_source *)source)->records.count);
    return 1;
}

static unsigned records_assigned(const struct source *source)
{
    (void)source;
    return 1;
}

static const struct source_class class = {.name = "records",
                                          .resume = records_resume,
                                          .stop_taking = records_stop_taking,
                                          .idle = records_idle,
                                          .close = records_close,
                                          .summary = records_summary,
                                          .assigned = records_assigned};

struct source *record_source_new(const struct record_source_options *records,
                                 const struct source_options *options, struct error *err)
{
    struct record_source *source = calloc(1, sizeof *source);
    struct record_ticket *tickets = calloc(records->count + 1, sizeof *tickets);
    if (!source || !tickets) {
        free(source);
        free(tickets);
        error_set(err, PA_ERR_MEMORY, "out of memory");
        return NULL;
    }
    source->source.class = &class;
    source->options = *options;
    source->records = *records;
    source->tickets = tickets;
    uv_timer_init(options->loop, &source->wake);
    source->wake.data = source;
    source_wake(source);
    return &source->source;
}
