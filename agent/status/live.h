/* What the live page is told: server-sent events, made of the snapshot and of what lib/observe keeps
 * (flow.h). The state comes once a second; deliveries come in batches, four times a second at most and
 * LIVE_BATCH of them, failures first: what was left out, and what a slow watcher has lost, is counted. No
 * payloads, no secrets. Costs nothing while nobody watches. */
#pragma once
#include "admin/server.h"
#include "snapshot.h"

enum { LIVE_BATCH = 40, LIVE_STATE_MS = 1000 };

struct live;

struct live_options {
    /** Borrowed until freed. */
    const struct clock *clock;
    /** Also in the events' ids, so that those of an agent before this one are not taken for its own. */
    int64_t started_wall_ms;
    /** Fills in the parts as they are now. */
    void (*parts)(void *ctx, struct status_parts *parts);
    void *ctx;
};

/** NULL: out of memory. */
PA_MUST_USE struct live *live_new(const struct live_options *options);
/** Nobody may be watching. NULL is allowed. */
void live_free(struct live *live);
/** A stream for somebody who watches from now on, or again from where that id was told (""; one of another
 * agent, or too old: with what happened last). False: out of memory. */
PA_MUST_USE bool live_watch(struct live *live, const char *last_event_id, struct admin_stream *stream);
