/* See flow.h. */
#include "observe/flow.h"
#include "observe/internal.h"
#include <stdlib.h>

struct flow {
    const struct clock *clock;
    uint64_t newest;
    unsigned watchers;
    struct flow_entry entries[FLOW_MAX];
};

struct flow *flow_new(const struct clock *clock)
{
    struct flow *flow = calloc(1, sizeof *flow);
    if (flow)
        flow->clock = clock;
    return flow;
}

void flow_free(struct flow *flow)
{
    free(flow);
}

bool flow_shows(const struct observed *observed)
{
    if (observed->kind == OBSERVED_RETRYING || observed->kind == OBSERVED_RESULT_REFUSED)
        return true;
    enum observed_end end = observed_end(observed->kind);
    return end == END_DELIVERED || end == END_FAILED ||
           (!observed->unlisted && (end == END_REFUSED || end == END_UNREADABLE));
}

#define KEEP(field_, text_) slice_copy_cut((text_), (field_), sizeof(field_))

void flow_watch(struct flow *flow, bool watches)
{
    flow->watchers += watches ? 1u : -1u;
}

/** One with secrets in it would have to be formatted, which is done for somebody alone. */
static void keep_url(const struct flow *flow, struct flow_entry *entry, const struct observed *observed)
{
    struct buffer room = {0};
    *entry->url = '\0';
    if (observed->show && flow->watchers == 0)
        return;
    KEEP(entry->url, observed_shown(observed, observed->url, &room));
    buffer_clear(&room);
}

void flow_note(struct flow *flow, const struct observed *observed)
{
    if (!flow_shows(observed))
        return;
    struct flow_entry *entry = &flow->entries[flow->newest++ % FLOW_MAX];
    entry->number = flow->newest;
    entry->kind = observed->kind;
    entry->at_ms = clock_wall_ms(flow->clock);
    entry->record_ms = observed->record_ms;
    entry->duration_ms = observed->duration_ms;
    entry->wait_ms = observed->wait_ms;
    entry->partition = observed->partition;
    entry->offset = observed->offset;
    entry->attempt = observed->attempt;
    entry->status = observed->status;
    entry->hint = observed_hint(observed);
    KEEP(entry->run_id, observed->run_id);
    KEEP(entry->topic, slice_of(observed->topic));
    KEEP(entry->method, slice_of(observed->method));
    KEEP(entry->error_type, slice_of(observed->error_type));
    observed_cause(observed, entry->cause, sizeof entry->cause);
    KEEP(entry->reported, slice_of(observed->reported));
    keep_url(flow, entry, observed);
}

uint64_t flow_newest(const struct flow *flow)
{
    return flow->newest;
}

const struct flow_entry *flow_find(const struct flow *flow, uint64_t number)
{
    if (number == 0 || number > flow->newest || flow->newest - number >= FLOW_MAX)
        return NULL;
    return &flow->entries[(number - 1) % FLOW_MAX];
}
