/* See live.h. */
#include "live.h"
#include "observe/flow.h"
#include "json/writer.h"
#include <inttypes.h>
#include <stdlib.h>

struct live {
    struct live_options options;
    /** The state as it was last told, for those who watch beside each other. */
    struct buffer state;
    int64_t state_ms;
};

struct watcher {
    struct live *live;
    /** The last entry of the flow that it was told of, or that is known to be lost. */
    uint64_t seen;
    /** It begins anew: what it shows goes. */
    bool fresh;
    int64_t next_state_ms;
};

/* The state */

static void make_state(struct live *live, const struct status_parts *parts, int64_t now_ms)
{
    struct snapshot *snapshot;
    if (live->state.len > 0 && now_ms - live->state_ms < LIVE_STATE_MS)
        return;
    snapshot = snapshot_take(parts);
    if (!snapshot)
        return;
    buffer_clear(&live->state);
    snapshot_state_json(snapshot, live->options.started_wall_ms, &live->state);
    live->state_ms = now_ms;
    snapshot_free(snapshot);
}

static void tell_state(struct watcher *watcher, const struct status_parts *parts, struct buffer *out)
{
    struct live *live = watcher->live;
    int64_t now_ms = clock_monotonic_ms(live->options.clock);
    if (now_ms < watcher->next_state_ms)
        return;
    watcher->next_state_ms = now_ms + LIVE_STATE_MS;
    make_state(live, parts, now_ms);
    if (live->state.failed || live->state.len == 0)
        return;
    buffer_append_text(out, "event: state\ndata: ");
    buffer_append_slice(out, buffer_slice(&live->state));
    buffer_append_text(out, "\n\n");
}

/* Deliveries */

static const char *outcome_of(const struct flow_entry *entry)
{
    if (entry->kind == OBSERVED_RETRYING)
        return "retrying";
    if (entry->kind == OBSERVED_RESULT_REFUSED)
        return "result refused";
    switch (observed_end(entry->kind)) {
    case END_DELIVERED:
        return "delivered";
    case END_FAILED:
        return "failed";
    case END_REFUSED:
        return "refused";
    default:
        return "unreadable";
    }
}

static void write_present(struct json_writer *writer, const char *name, const char *text)
{
    if (text && *text)
        json_write_text(writer, name, slice_of(text));
}

static void write_positive(struct json_writer *writer, const char *name, int64_t value)
{
    if (value > 0)
        json_write_int(writer, name, value);
}

static void write_entry(struct json_writer *writer, const struct flow_entry *entry)
{
    json_write_open(writer, NULL, '{');
    json_write_int(writer, "n", (int64_t)entry->number);
    json_write_int(writer, "at", entry->at_ms);
    write_present(writer, "outcome", outcome_of(entry));
    write_present(writer, "run_id", entry->run_id);
    if (*entry->topic) {
        write_present(writer, "topic", entry->topic);
        json_write_int(writer, "partition", entry->partition);
        json_write_int(writer, "offset", entry->offset);
    }
    write_positive(writer, "record_at", entry->record_ms);
    write_present(writer, "method", entry->method);
    write_present(writer, "url", entry->url);
    write_positive(writer, "status", entry->status);
    write_positive(writer, "attempt", entry->attempt);
    write_present(writer, "error_type", entry->error_type);
    write_present(writer, "cause", entry->cause);
    write_present(writer, "hint", entry->hint);
    write_positive(writer, "duration_ms", entry->duration_ms);
    write_positive(writer, "wait_ms", entry->wait_ms);
    write_present(writer, "reported", entry->reported);
    json_write_close(writer, '}');
}

/** Those of the flow that are told, of `count` from `first` on: all where there is space, else the newest
 * failures, and behind them the newest others. Returns how many. */
static size_t choose(const struct flow *flow, uint64_t first, size_t count, bool chosen[FLOW_MAX])
{
    size_t told = 0;
    for (unsigned failures = 2; failures-- > 0;)
        for (size_t i = count; i-- > 0 && told < LIVE_BATCH;) {
            const struct flow_entry *entry = flow_find(flow, first + i);
            if (!entry || (entry->kind != OBSERVED_DELIVERED) != (failures > 0))
                continue;
            chosen[i] = true;
            told++;
        }
    return told;
}

static void write_batch(const struct watcher *watcher, const struct flow *flow, uint64_t first, uint64_t lost,
                        struct buffer *out)
{
    struct json_writer writer = {.out = out};
    bool chosen[FLOW_MAX] = {false};
    size_t count = (size_t)(flow_newest(flow) - first + 1);
    size_t told = choose(flow, first, count, chosen);
    json_write_open(&writer, NULL, '{');
    json_write_bool(&writer, "fresh", watcher->fresh);
    json_write_int(&writer, "lost", (int64_t)lost);
    json_write_int(&writer, "left_out", (int64_t)(watcher->fresh ? 0 : count - told));
    json_write_open(&writer, "list", '[');
    for (size_t i = 0; i < count; i++)
        if (chosen[i])
            write_entry(&writer, flow_find(flow, first + i));
    json_write_close(&writer, ']');
    json_write_close(&writer, '}');
}

static void tell_deliveries(struct watcher *watcher, const struct flow *flow, struct buffer *out)
{
    uint64_t newest = flow_newest(flow), first = watcher->seen + 1, lost = 0;
    if (newest <= watcher->seen && !watcher->fresh)
        return;
    if (newest >= FLOW_MAX && first <= newest - FLOW_MAX) {
        lost = watcher->fresh ? 0 : newest - FLOW_MAX + 1 - first;
        first = newest - FLOW_MAX + 1;
    }
    buffer_appendf(out, "id: %" PRIx64 ".%" PRIu64 "\nevent: deliveries\ndata: ",
                   (uint64_t)watcher->live->options.started_wall_ms, newest);
    write_batch(watcher, flow, first, lost, out);
    buffer_append_text(out, "\n\n");
    watcher->seen = newest;
    watcher->fresh = false;
}

/* Who watches */

static struct flow *flow_of(const struct live *live, struct status_parts *parts)
{
    live->options.parts(live->options.ctx, parts);
    return parts->observer ? observer_flow(parts->observer) : NULL;
}

static void tell_watcher(void *ctx, struct buffer *out)
{
    struct watcher *watcher = ctx;
    struct status_parts parts = {.clock = watcher->live->options.clock};
    struct flow *flow = flow_of(watcher->live, &parts);
    tell_state(watcher, &parts, out);
    if (flow)
        tell_deliveries(watcher, flow, out);
}

static void watcher_gone(void *ctx)
{
    struct watcher *watcher = ctx;
    struct status_parts parts = {.clock = watcher->live->options.clock};
    struct flow *flow = flow_of(watcher->live, &parts);
    if (flow)
        flow_watch(flow, false);
    free(watcher);
}

/** Where the id says, if it is one of this agent's. */
static void find_place(struct watcher *watcher, const char *last_event_id, uint64_t newest)
{
    char *end;
    uint64_t started = strtoull(last_event_id, &end, 16);
    uint64_t number = *end == '.' ? strtoull(end + 1, &end, 10) : 0;
    watcher->fresh = number == 0 || *end != '\0' || number > newest ||
                     started != (uint64_t)watcher->live->options.started_wall_ms;
    watcher->seen = watcher->fresh ? 0 : number;
}

bool live_watch(struct live *live, const char *last_event_id, struct admin_stream *stream)
{
    struct watcher *watcher = calloc(1, sizeof *watcher);
    struct status_parts parts = {.clock = live->options.clock};
    struct flow *flow = flow_of(live, &parts);
    if (!watcher)
        return false;
    watcher->live = live;
    find_place(watcher, last_event_id, flow ? flow_newest(flow) : 0);
    if (flow)
        flow_watch(flow, true);
    *stream = (struct admin_stream){.more = tell_watcher, .ended = watcher_gone, .ctx = watcher};
    return true;
}

struct live *live_new(const struct live_options *options)
{
    struct live *live = calloc(1, sizeof *live);
    if (live)
        live->options = *options;
    return live;
}

void live_free(struct live *live)
{
    if (live)
        buffer_clear(&live->state);
    free(live);
}
