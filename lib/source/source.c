/* From the seam to whichever source it is. */
#include "source/source.h"
#include "base/error.h"
#include "source/class.h"

void source_ticket_done(struct ticket *ticket)
{
    ticket->settle(ticket, true);
}

void source_ticket_drop(struct ticket *ticket)
{
    ticket->settle(ticket, false);
}

bool source_ticket_can_read_again(const struct ticket *ticket)
{
    return ticket->read_again != NULL;
}

enum source_reading source_ticket_read_again(struct ticket *ticket, void *reader)
{
    return ticket->read_again(ticket, reader);
}

void source_resume(struct source *source)
{
    source->class->resume(source);
}

void source_stop_taking(struct source *source)
{
    source->class->stop_taking(source);
}

bool source_idle(const struct source *source)
{
    return source->class->idle(source);
}

void source_close(struct source *source, void (*closed)(void *ctx), void *ctx)
{
    source->class->close(source, closed, ctx);
}

size_t source_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX])
{
    return source->class->summary(source, fields);
}

unsigned source_assigned(const struct source *source)
{
    return source->class->assigned(source);
}

size_t source_give_up(struct source *source)
{
    return source->class->give_up ? source->class->give_up(source) : 0;
}

size_t source_abandon(const struct source *source)
{
    return source->class->abandon ? source->class->abandon(source) : 0;
}

bool source_comes_again(const struct source *source)
{
    return source->class->abandon == NULL;
}

struct source_view source_view(const struct source *source)
{
    if (source->class->view)
        return source->class->view(source);
    return (struct source_view){.state = "running", .connected = source_assigned(source) > 0};
}

void source_each_partition(const struct source *source,
                           void (*each)(void *ctx, const struct source_partition *partition), void *ctx)
{
    if (source->class->each_partition)
        source->class->each_partition(source, each, ctx);
}

int source_redeliver(struct source *source, const struct redelivery_request *request)
{
    return source->class->redeliver ? source->class->redeliver(source, request) : PA_ERR_INVALID;
}
