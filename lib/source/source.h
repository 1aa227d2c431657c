/* The seam between where records come from and what is done with them. A source hands over records and
 * learns, per record, when it is done; it does not know what is done with them. Everything runs on the
 * loop's thread. A source is a folder of this room (kafka/, polling/) and a struct source_class (class.h).
 */
#pragma once
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/must_use.h"
#include "base/slice.h"
#include "event/event.h"
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/** What a record holds of its source. Owned by the source; given back exactly once with source_ticket_done or
 * source_ticket_drop. */
struct ticket;

/** A record as it is handed over; everything is borrowed until `take` returns. */
struct record {
    /** Decided by where it comes from alone, never by its content. */
    enum event_kind kind;
    /** Port itself handed it over and says that it is for this agent: it carries no signature, and no `agent`
     * member to look at. */
    bool trusted;
    /** No agent gets it again when its ticket is dropped: a drain finishes it, whether it has started or not.
     * Nor can it be read again. */
    bool unrepeatable;
    /** What its source knows it by, opaque to everybody else, and the same whenever the record comes again:
     * what a record that was delivered is known by, what its dead letter names, and its webhook's
     * Idempotency-Key. Printable ASCII, not empty. Kafka: topic-partition-offset; polled: the run's id. */
    struct slice id;
    /** The id of the record that this one is once more, at a person's word: the webhook's
     * X-Port-Redelivery-Of. NULL: it is a record of its own. */
    const char *redelivery_of;
    /** Whose run it is, where the source knows without the event: that run is reported failed when the event
     * cannot be read. Null: the event says. */
    struct slice run_id;
    /** Why it is not to be delivered any more, although it can be read: its run is reported failed with these
     * words. NULL: deliver it. */
    const char *given_up;
    /** Why it cannot be an event, in words, when the source has found out; NULL: nothing. */
    const char *broken;
    /** It was to be read again and is no longer there: it has neither key nor value. */
    bool gone;
    /** For lines and letters, and for the order of records with a key. NULL: none, and then partition and
     * offset are -1. */
    const char *topic;
    int32_t partition;
    int64_t offset;
    /** The record's own, milliseconds since the epoch; -1: none. */
    int64_t timestamp_ms;
    /** Headers of the record, as they came; null: it has none. */
    struct slice traceparent, tracestate;
    /** Null: no key. */
    struct slice key;
    /** Null: tombstone. */
    struct slice value;
    /** Identity of the assignment that can be taken away from the agent: what `withdraw` names. */
    const void *assignment;
};

/** What a source calls. */
struct source_sink {
    void *ctx;
    /** May a record of about `bytes` (value length) be handed over now? After false, source_resume is called
     * once there is space again. */
    bool (*has_room)(void *ctx, size_t bytes);
    /** Takes a record. The ticket is given back when the record is done (delivered and its result accepted,
     * failed for good, or skipped), now or later. */
    void (*take)(void *ctx, const struct record *record, struct ticket *ticket);
    /** The assignment ends. `cancel_started` false: drop what has not started (source_ticket_drop each), go
     * on with the rest. true: cancel everything of it that is left, without a report. Tickets may be given
     * back during the call. */
    void (*withdraw)(void *ctx, const void *assignment, bool cancel_started);
    /** A record that was asked for with source_ticket_read_again is here, or gone; its ticket is still the
     * sink's. NULL: nobody asks. */
    void (*take_again)(void *ctx, const struct record *record, void *reader);
};

/** The record is done: its offset may be committed. */
void source_ticket_done(struct ticket *ticket);
/** The record is not done and will not be: it is left to the agent that gets it next. */
void source_ticket_drop(struct ticket *ticket);

/* Reading again */

enum source_reading {
    /** `take_again` follows. */
    READING_COMES,
    /** It is no longer there. */
    READING_GONE,
    /** Out of memory: ask later. */
    READING_FAILED
};
/** Can the ticket's record be read again? */
PA_MUST_USE bool source_ticket_can_read_again(const struct ticket *ticket);
/** Reads the ticket's record again. `take_again` follows with `reader`, from the loop and never during this
 * call, unless the ticket is given back first. Must not be asked for again before that. */
PA_MUST_USE enum source_reading source_ticket_read_again(struct ticket *ticket, void *reader);

/* A source, whichever it is */

/** How the way of a record ended that somebody asked for once more. */
enum redelivery_end {
    /** The sink is done with it. */
    REDELIVERY_DONE,
    /** The sink gave it back undone, or did not get it: the agent stops, or connects anew. */
    REDELIVERY_LEFT,
    /** It is no longer in its topic. */
    REDELIVERY_GONE,
    /** It could not be read within half a minute. */
    REDELIVERY_UNREAD,
    /** There is no space for it in the sink now. */
    REDELIVERY_NO_ROOM
};
enum { REDELIVERY_ID_SIZE = 352 };

/** A record that a person wants once more. Copied. */
struct redelivery_request {
    int32_t partition;
    int64_t offset;
    /** REDELIVERY_ID_SIZE bytes, where source_redeliver writes the record's id of this time: no other
     * delivery has it. */
    char *id;
    /** Once, from the loop, and never during source_redeliver. */
    void (*ended)(void *ctx, enum redelivery_end end);
    void *ctx;
};

struct source;
struct conditions;
struct config;
struct port_api;

/** A partition as it stands; its topic is borrowed. */
struct source_partition {
    const char *topic;
    int32_t number;
    /** Where the next record is expected, what was committed last, and the log's end; -1: not known. */
    int64_t position, committed, end;
    /** Records taken and not done, and the offset of the oldest of them (-1: none). */
    size_t undone;
    int64_t oldest;
};

/** How a source stands; its texts live for ever. */
struct source_view {
    /** In words: "consuming", "waiting for credentials" … */
    const char *state;
    /** It reaches where its records come from. */
    bool connected;
    /** Its credentials are refused there, and nothing has worked since. */
    bool credentials_refused;
    /** Since the consumer was opened, where it is one of a group's: rebalances, and partitions' offsets that
     * were committed, or whose commit failed. */
    uint64_t rebalances, commits, commits_failed;
    /** Credentials that were fetched, the first ones included. */
    uint64_t credentials_fetched;
};

/** What every source is made from. */
struct source_options {
    /** Borrowed until closed, as everything here. */
    uv_loop_t *loop;
    const struct clock *clock;
    /** What goes on being wrong is told there; may be NULL. */
    struct conditions *conditions;
    /** Validated for this streamer. */
    const struct config *config;
    struct port_api *port;
    /** PEM file of the authorities to trust; NULL or "": the libraries' own default. */
    const char *ca_bundle;
    struct source_sink sink;
    /** The source cannot go on and has logged why: stop. Called at most once, from the loop, never during the
     * constructor. The source must still be closed. */
    void (*fatal)(void *ctx);
    void *ctx;
};

/** Starts a source: whatever it has to fetch or connect to first happens in the background. NULL with the
 * cause in err (settings; nothing that may pass by itself is an error). */
typedef struct source *source_new(const struct source_options *options, struct error *err);

/** There is space in the sink again. */
void source_resume(struct source *source);
/** Takes nothing new from now on; commits and acknowledgements for what was taken go on. */
void source_stop_taking(struct source *source);
/** Nothing is on its way into the sink: true soon after source_stop_taking. */
PA_MUST_USE bool source_idle(const struct source *source);
/** The drain time is over: hands over, as given up, the records that may belong to this agent alone and are
 * not in the sink yet. May be called again. Returns their number. */
size_t source_give_up(struct source *source);
/** The process is about to end without closing the source: names in the log, one line each, the records that
 * no agent gets again. Returns the number of lines. */
size_t source_abandon(const struct source *source);
/** Do records that it handed over and did not get back as done come again by themselves, here or to another
 * agent? */
PA_MUST_USE bool source_comes_again(const struct source *source);
/** Gives back what it holds (Kafka: commits what is done and leaves the group), bounded by about four
 * seconds, withdraws what is left from the sink; then `closed` runs from the loop and the source is freed. */
void source_close(struct source *source, void (*closed)(void *ctx), void *ctx);

/** Reads a record of the runs once more and hands it to the sink as one of its own, whatever became of it
 * before; no offset moves by that, and its share of the work need not be this agent's. 0: `ended` follows;
 * PA_ERR_INVALID: this source cannot, PA_ERR_UNAVAILABLE: not now, PA_ERR_MEMORY. */
PA_MUST_USE int source_redeliver(struct source *source, const struct redelivery_request *request);

enum { SOURCE_FIELDS_MAX = 8 };
/** What the summary line says about the source: fields, and how many. Kept small. */
size_t source_summary(const struct source *source, struct log_field fields[SOURCE_FIELDS_MAX]);
/** Shares of the work that are this agent's now: partitions assigned, or 1 for a source that has only one and
 * reaches it; 0: none (a standby, or not connected yet). */
unsigned source_assigned(const struct source *source);
struct source_view source_view(const struct source *source);
/** Every partition that is this agent's; none where a source has no partitions. */
void source_each_partition(const struct source *source,
                           void (*each)(void *ctx, const struct source_partition *partition), void *ctx);
