/* The seam between where records come from and what is done with them. A source hands over records and
 * learns, per record, when it is done; it knows nothing of HTTP. Everything runs on the loop's thread. */
#pragma once
#include "base/error.h"
#include "base/slice.h"
#include "event/event.h"
#include <stdbool.h>
#include <stdint.h>

/** One record's place in its source. Owned by the source; given back exactly once with source_ticket_done or
 * source_ticket_drop. */
struct ticket;

/** A record as it is handed over; everything is borrowed until `take` returns. */
struct record {
    enum event_kind kind; /* decided by the topic alone */
    const char *topic;
    int32_t partition;
    int64_t offset;
    int64_t timestamp_ms;   /* the record's own; -1: none */
    struct slice key;       /* null: no key */
    struct slice value;     /* null: tombstone */
    const void *assignment; /* identity of the partition's assignment: what `withdraw` names */
};

/** What a source calls. */
struct source_sink {
    void *ctx;
    /** May a record of about `bytes` (value length) be handed over now? */
    bool (*has_room)(void *ctx, size_t bytes);
    /** Takes a record. The ticket is given back when the record is done (delivered and its result accepted,
     * failed for good, or skipped), now or later. */
    void (*take)(void *ctx, const struct record *record, struct ticket *ticket);
    /** The assignment ends. `cancel_started` false: drop what has not started (source_ticket_drop each), go
     * on with the rest. true: cancel everything of it that is left, without a report. Tickets may be given
     * back during the call. */
    void (*withdraw)(void *ctx, const void *assignment, bool cancel_started);
};

/** The record is done: its offset may be committed. */
void source_ticket_done(struct ticket *ticket);
/** The record is not done and will not be: it is left to whoever owns the partition next. */
void source_ticket_drop(struct ticket *ticket);
