/* Deliveries: takes records (the sink of a source), parses and verifies them, has their requests mapped,
 * keeps their order in lanes, sends at most max_in_flight webhooks at once, tries again what may be tried
 * again, writes dead letters, reports results, and gives each ticket back when its record is done. One state
 * machine per event:
 *
 *     taken ─▶ mapping ─▶ queued ─▶ sending ─▶ reporting ─▶ done
 *       │                   ▲        │                       ▲
 *       │ skipped/refused   └waiting◀┘                       │
 *       └────────────────────────────────────────────────────┘   (withdrawn at any point: dropped)
 */
#pragma once
#include "base/clock.h"
#include "config/retry_on.h"
#include "event/signature.h"
#include "http/client.h"
#include "map/mapper.h"
#include "observe/observe.h"
#include "port/report.h"
#include "source/source.h"
#include "window/backoff.h"

struct deliver;
struct dead_letters;
struct window;

struct deliver_options {
    uv_loop_t *loop;
    const struct clock *clock;
    /** The webhooks' client. */
    struct http_client *http;
    struct reports *reports;
    struct signer *signer;
    /** Borrowed; masked in log lines, summaries and progress logs, if an endpoint says it. */
    struct slice client_secret;
    /** The client secrets before that one: of its setting, and of its file before that was changed; borrowed
     * and masked likewise. */
    struct slice client_secret_previous, client_secret_former;
    /** The token of the agent's own port; borrowed and masked likewise. */
    struct slice admin_token;
    unsigned max_in_flight;
    /** 0: no bound of its own. */
    unsigned max_in_flight_per_destination;
    /** Failures after which there is another attempt, beside what the endpoint provably did not process. */
    struct retry_on retry_on;
    /** When that attempt begins. */
    struct backoff retry;
    /** Failures in a row after which a destination is only probed; 0: never. */
    unsigned breaker_failures;
    /** How many delivered records are remembered; 0: none. */
    size_t dedup_window;
    /** How old an event may be, by its record's own timestamp; 0: any age. */
    int64_t event_max_age_ms;
    /** How old an event may be, by the time of its signature: somebody may have kept an older one; 0: any
     * age. */
    int64_t replay_tolerance_ms;
    /** Borrowed; is told of what goes on being wrong. NULL: nobody is. */
    struct conditions *conditions;
    /** Borrowed; NULL: no event is mapped. */
    struct mapper *mapper;
    /** Its mappings are the operator's; false: the built-in ones, for GitLab alone. */
    bool mapping_file;
    /** A workflow node run that no mapping wants is reported failed. */
    bool miss_is_reported;
    /** Borrowed; NULL: none are written. */
    struct dead_letters *dead_letters;
    /** Bound of the records, responses and results that are held here. References to records that are not
     * held, where their source can read them again, take at most twice as much beside that. */
    size_t max_bytes;
    /** Bound of the responses that are read or wait as results; beyond it webhooks start one at a time.
     * 0: no bound. */
    size_t total_response_bytes;
    size_t record_max_bytes;
    bool detailed_logging;
    /** Whoever is told has every answer's body (observed.whole_answer). */
    bool keeps_answers;
    /** No URL is shown with its path. */
    bool hide_url_paths;
    /** There is space again after has_room said no; called from the loop, never inside `take`. */
    void (*room)(void *ctx);
    void *room_ctx;
    /** Borrowed; is told of everything. */
    struct observer *observer;
    /** How traces are recorded; borrowed. NULL: they only go on to the endpoints. */
    struct tracing *tracing;
};

PA_MUST_USE struct deliver *deliver_new(const struct deliver_options *options);
/** Drops everything left; no callback runs after it. */
void deliver_free(struct deliver *deliver);
/* What changes under way */

/** Replaces the three secrets of the options; the signer is the caller's to change. */
void deliver_use_secrets(struct deliver *deliver, struct slice secret, struct slice previous,
                         struct slice former);
/** Replaces the token of the options. */
void deliver_use_admin_token(struct deliver *deliver, struct slice token);
/** Attempts that start from now on go through this client, borrowed as the one before it, which attempts
 * under way still need. */
void deliver_use_client(struct deliver *deliver, struct http_client *http);
/** From now on there is an operator's mapping file. */
void deliver_use_mapping_file(struct deliver *deliver);
/** The sink to give to a source; valid as long as `deliver`. */
struct source_sink deliver_sink(struct deliver *deliver);
/** Starts no further delivery and drops what is queued; what is in flight goes on, and what is unrepeatable
 * is still taken and started. */
void deliver_stop_starting(struct deliver *deliver);
/** Time is up for what is unrepeatable: each one that has had no last answer yet fails for good, its dead
 * letter and report saying that the agent was stopped. Nobody would deliver it again, and its run would stay
 * in progress. Returns how many there were. */
size_t deliver_give_up(struct deliver *deliver);
/** True when nothing is queued, sending or waiting for a result to be accepted. */
PA_MUST_USE bool deliver_idle(const struct deliver *deliver);
/** The totals so far, and what is there now. */
void deliver_counters(const struct deliver *deliver, struct counters *out);
/** What is held of responses that have come, results that wait for Port included. */
size_t deliver_answer_bytes(const struct deliver *deliver);
/** What the events take that are kept by reference. */
size_t deliver_reference_bytes(const struct deliver *deliver);

/** For whoever asks every few seconds: standing conditions are as they are now, and what has ended while its
 * result waits is told. */
void deliver_tick(struct deliver *deliver);

/* What stands */

/** A delivery as it stands; its texts are borrowed until the loop goes on. */
struct delivery_view {
    /** Null: its event has no run. */
    struct slice run_id;
    /** NULL: its record is in no topic, and the next two say nothing. */
    const char *topic;
    int32_t partition;
    int64_t offset;
    /** The record's own timestamp; -1: none. */
    int64_t record_ms;
    /** Monotonic. */
    int64_t taken_ms;
    /** Where it stands (life.h), and what it waits for, in words. */
    const char *state, *waits_for;
    /** Scheme, host and port; NULL: not known yet. */
    const char *destination;
    /** Redacted; NULL: not known yet. */
    const char *url;
    /** Attempts started so far. */
    unsigned attempts;
    /** Until its next attempt; -1: nothing is due. */
    int64_t due_in_ms;
    /** Of its last attempt, where that is over: status (0: none) and cause in words ("": none). */
    int status;
    struct slice cause;
    /** Why it waits, where that is known: the cause of its destination's last failure; "": nothing is. */
    const char *why;
    /** What to look at; NULL: nothing. Lives for ever. */
    const char *hint;
    /** It waits for a dead letter to be written, or for Port to accept its result. */
    bool at_letter, at_port;
};
/** Every delivery, the newest first; then everything that is kept by reference, of which neither the time of
 * the record nor the last cause is known. */
void deliver_each(const struct deliver *deliver,
                  void (*each)(void *ctx, const struct delivery_view *delivery), void *ctx);
/** Whose destinations and brake can be asked. */
const struct window *deliver_window(const struct deliver *deliver);

/* A person's brake */

/** window_pause. */
PA_MUST_USE bool deliver_pause(struct deliver *deliver, const char *destination, bool paused);
/** Ends what is still to be delivered of that run: it fails for good, with a dead letter and a report that
 * say who ended it. What is answered already goes on. Returns how many deliveries that were; *answered: how
 * many of the run go on. */
size_t deliver_cancel_run(struct deliver *deliver, struct slice run_id, size_t *answered);
