/* Shared by the files of this room only.
 *
 *   deliver.c      the state machine: taken, queued, sending, reporting, done
 *   intake.c       a record to a delivery, or to a line that says why not
 *   lane.c         order: one at a time per lane
 *   destination.c  whose turn it is
 *   target.c       URLs parsed once
 *   outcome.c      what an answer means: log line, run log, result
 */
#pragma once
#include "deliver/deliver.h"
#include "http/url.h"

enum { METHOD_SIZE = 8, DETAIL_BYTES = 8192, DELIVERY_OVERHEAD = 1024 };

enum delivery_state { DELIVERY_QUEUED, DELIVERY_SENDING, DELIVERY_REPORTING };

struct delivery;
struct delivery_list {
    struct delivery *first, *last;
};

/** A URL, parsed; shared by the deliveries that go there. */
struct target {
    unsigned references;
    uint64_t hash;
    char *url;
    struct url_parts parts;
};

/** Deliveries that go one after another. */
struct lane {
    char *name;
    size_t name_len;
    struct delivery *head; /* queued at its destination, or sending */
    struct delivery_list waiting;
};

/** A scheme, host and port: its queue, and how much of the window it may use. */
struct destination {
    char *name;
    struct delivery_list ready;
    unsigned in_flight, limit;
    size_t references; /* deliveries that go there */
    bool in_turn;      /* linked into the round */
    struct destination *next_turn;
};

struct delivery {
    struct delivery *previous, *next;             /* all of them */
    struct delivery *queue_previous, *queue_next; /* in a lane's or a destination's list */
    struct delivery_list *queue;                  /* the list it is in; NULL: none */
    struct deliver *deliver;
    enum delivery_state state;
    struct ticket *ticket;
    const void *assignment;
    const char *topic; /* interned; NULL: none, and the next two are -1 */
    int32_t partition;
    int64_t offset;
    bool unrepeatable; /* as in struct record */
    struct event event;
    bool is_run; /* has a run to report to */
    bool synchronized;
    char method[METHOD_SIZE];
    struct target *target;
    struct lane *lane;
    struct destination *destination;
    struct http_call *call;
    struct run_report *report;
    size_t bytes; /* charged */
    char id[];    /* the record's, with a NUL */
};

/** Where a record is in its topic, for log lines; left out where it is in none. */
#define F_PARTITION(place_) \
    ((place_)->topic ? F_INT("messaging.destination.partition.id", (place_)->partition) : F_NONE)
#define F_OFFSET(place_) ((place_)->topic ? F_INT("messaging.kafka.offset", (place_)->offset) : F_NONE)

struct deliver {
    struct deliver_options options;
    struct delivery *first;
    void *lanes, *destinations;                 /* tsearch(3) trees */
    struct destination *turn_first, *turn_last; /* destinations with something ready and room of their own */
    struct target *targets[256];                /* direct-mapped by hash */
    struct destination *idle_destinations[64];  /* recently idle, kept for their limits */
    struct deliver_counters counters;
    char *topics[8];
    bool stopped; /* takes and starts only what is unrepeatable */
    bool room_wanted;
    bool withdrawing; /* nothing starts meanwhile: what starts could end and leave the list that is walked */
    uv_idle_t *wake;  /* on the heap; tells the source that there is room */
};

/* lane.c */
struct lane *lane_find(struct deliver *deliver, struct slice name);
/** True: it is this delivery's turn; false: it waits. */
bool lane_enter(struct lane *lane, struct delivery *delivery);
/** The head is through (or dropped): the next one, or NULL when the lane was empty and is gone. */
struct delivery *lane_leave(struct deliver *deliver, struct lane *lane);
void lanes_free(struct deliver *deliver);

/* destination.c */
struct destination *destination_find(struct deliver *deliver, const char *name);
void destination_push(struct deliver *deliver, struct delivery *delivery);
/** The next delivery to send, in turn; NULL: none may be sent. Counts it as in flight. */
struct delivery *destination_next(struct deliver *deliver);
/** A delivery of it has ended. */
void destination_answered(struct deliver *deliver, struct destination *destination,
                          enum http_failure failure);
/** One delivery less goes there. */
void destination_release(struct deliver *deliver, struct destination *destination);
void destinations_free(struct deliver *deliver);

/* target.c */
/** NULL with the cause in err. Release with target_release. */
struct target *target_find(struct deliver *deliver, struct slice url, struct error *err);
void target_release(struct target *target);
void targets_free(struct deliver *deliver);

/* lists of queued deliveries (lane.c) */
void list_push(struct delivery_list *list, struct delivery *delivery);
struct delivery *list_pop(struct delivery_list *list);
void list_remove(struct delivery *delivery);

/* intake.c */
bool deliver_has_room(void *ctx, size_t bytes);
void deliver_take(void *ctx, const struct record *record, struct ticket *ticket);

/* deliver.c */
/** It is this delivery's turn in its lane: queues it at its destination. */
void delivery_queue(struct delivery *delivery);
/** Ends a delivery that sent nothing, with a result for its run, if it has one. */
void delivery_fail_unsent(struct delivery *delivery, const char *reason);
/** Ends a delivery whose event is not trusted: its run is reported failed, and nothing else is done. */
void delivery_refuse(struct delivery *delivery, const char *reason);
void delivery_free(struct delivery *delivery);

/* outcome.c */
struct outcome {
    bool success;
    const char *error_type; /* "" for a success */
    struct buffer cause;    /* in words; empty for a success */
    struct buffer response; /* ready-made JSON for the run; empty: none */
    struct buffer summary;
    struct slice detail; /* the endpoint's answer, cut; null: not wanted or none */
};
void outcome_of(const struct delivery *delivery, const struct http_result *result, bool detailed,
                struct outcome *out);
void outcome_clear(struct outcome *outcome);
void outcome_log(const struct delivery *delivery, const struct http_result *result,
                 const struct outcome *outcome);
void outcome_run_log(const struct delivery *delivery, const struct http_result *result,
                     const struct outcome *outcome, struct buffer *text);
