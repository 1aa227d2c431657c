/* Shared by the files of the Kafka consumer only.
 *
 *   consumer.c   life, events, taking records
 *   conf.c       settings to librdkafka's configuration
 *   partition.c  an assigned partition and its tickets
 *   commit.c     asynchronous commits with notes
 *   lookup.c     where assigned partitions begin
 *   standing.c   topics that are not there, said again while that lasts
 *   rebalance.c  assignment and revocation, step by step on the loop
 *   watch.c      topics that are made anew while we consume
 */
#pragma once
#include "source/class.h"
#include "source/kafka/consumer.h"
#include "source/kafka/facts.h"
#include "source/kafka/offsets.h"
#include "source/kafka/start.h"
#include "source/kafka/topics.h"
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>

struct partition {
    struct partition *next;
    struct kafka_consumer *consumer;
    char *topic;
    int32_t number;
    enum event_kind kind;
    struct offsets offsets;
    struct topic_id topic_id;     /* of the topic that the offsets belong to */
    rd_kafka_queue_t *queue;      /* its own, forwarded to the consumer's records queue */
    size_t live;                  /* tickets out */
    struct kafka_ticket *settled; /* tickets dropped, still linked in `offsets` as not done */
    bool changed;                 /* something to commit */
    bool committing;              /* in the commit that is under way */
    bool begun;                   /* it is known where it starts: what comes before was fetched for an earlier
                                     assignment, and comes again */
    bool revoked;                 /* takes no more; late completions still count until it is let go */
    bool abandoned; /* its topic is gone: what was taken from it goes on, and counts for nothing */
    bool paused;    /* its note is full: no fetching until there is room */
    rd_kafka_message_t *parked; /* taken from the queue when the note was full */
    bool notes_off;             /* the broker refused the note: commit with the facts alone */
    bool facts_off;             /* and these too */
};

struct kafka_ticket {
    struct ticket ticket; /* first: the seam's view of it */
    struct offset_entry entry;
    struct partition *partition; /* NULL: detached by a rewind */
    struct kafka_ticket *next;   /* in `settled` or the free list */
};

/** Where a rebalance stands:
 *
 *     IDLE ──assign──▶ LOOKING_UP ──starts known──▶ BEGINNING ──committed, answered, or time──▶ IDLE
 *       │
 *       └──revoke──▶ DRAINING ──nothing live, or time──▶ COMMITTING ──answered, or time──▶ IDLE
 *
 * An event that comes in between ends what is under way first (rebalance.c, overtake).
 */
enum rebalance_state {
    REBALANCE_IDLE,
    REBALANCE_LOOKING_UP,
    REBALANCE_BEGINNING,
    REBALANCE_DRAINING,
    REBALANCE_COMMITTING
};

/** Where a partition begins. */
struct partition_start {
    enum start_reason reason;
    int64_t offset;    /* -1: at the earliest record */
    int64_t committed; /* -1: nothing */
    int64_t low, high; /* the log's, where `reason` has to do with them */
    struct topic_id topic;
};

/** An assignment's questions to the brokers. They block, so they are asked in the thread pool, on data of
 * their own. */
struct lookup {
    uv_work_t work;
    uv_timer_t retry;
    struct kafka_consumer *consumer; /* which waits for the lookup before it goes */
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *list;
    struct partition_start *starts; /* one for each of the list */
    const char *topics[TOPICS];     /* the consumer's options' */
    struct topic_id ids[TOPICS];
    bool appeared[TOPICS];
    struct first_start known_before, first; /* what was known of the group, and what is now */
    struct start_question question;
    bool running;
    atomic_bool overtaken; /* nobody waits for what it finds */
    rd_kafka_resp_err_t code;
};

/** Topics that are not there, as the cluster said last (standing.c). */
struct standing {
    uv_work_t work;
    bool lasts, running;
    int64_t ask_ms; /* when the cluster is asked again */
    const char *topics[TOPICS];
    rd_kafka_resp_err_t codes[TOPICS];
};

struct kafka_consumer {
    struct kafka_consumer_options options;
    rd_kafka_t *rk;
    rd_kafka_queue_t *events;  /* the consumer queue: rebalances, errors, commit answers */
    rd_kafka_queue_t *records; /* where the partitions' queues are forwarded to */
    int wake_fd;               /* eventfd that both queues write to */
    uv_poll_t wake;
    uv_idle_t more;  /* runs while there may be records that can be taken */
    uv_timer_t tick; /* keeps max.poll.interval.ms satisfied, whatever happens */
    uv_timer_t commit_timer;
    uv_timer_t step_timer; /* deadlines of rebalances and of closing */
    uv_timer_t watch_timer;
    struct topic_watch { /* a question in the thread pool */
        uv_work_t work;
        rd_kafka_t *rk;
        const char *topics[TOPICS];
        struct topic_id ids[TOPICS];
        bool running, again;
    } watch;
    uv_work_t destruction; /* of the client: a part of us, so that leaving needs no memory */
    unsigned open_handles;

    struct first_start first;          /* the group's, as far as we know */
    struct topic_id topic_ids[TOPICS]; /* as last seen */
    struct topic_id suspects[TOPICS];  /* seen once, and not the same */
    bool topic_missed[TOPICS];         /* was not there when we looked for it */

    struct partition *partitions;
    struct partition *last_found;
    struct kafka_ticket *free_tickets;
    rd_kafka_message_t *parked; /* did not fit into the sink */
    bool stopped_taking, waiting_for_room;

    bool commit_under_way;
    uint64_t commits, restored_skips;

    enum rebalance_state rebalance;
    rd_kafka_topic_partition_list_t *changing; /* the partitions of the rebalance under way */
    bool first_commit_tried;                   /* of where they begin */
    bool lost;                                 /* they are no longer ours: do not commit */
    unsigned rejoin_assignments; /* cooperative: assignments still to come after a revocation: its own, then
                                    that of the rejoin */
    int64_t rejoin_until_ms;     /* … or this long at most */
    struct lookup *lookup;       /* of the assignment under way */
    unsigned lookups_running;    /* in the thread pool, those of assignments that were overtaken too */
    bool cooperative;
    bool rejoins; /* after a revocation there are assignments still to come (rejoin_assignments) */

    bool closing, close_asked, destroying;
    bool renewing; /* asked to be opened afresh */
    int64_t close_deadline_ms;
    void (*closed)(void *ctx);
    void *closed_ctx;
    bool fatal_said;
    bool connected; /* a broker has answered, and since then not all of them were away */
    struct standing standing;
    bool credentials_failing;     /* refused, and nothing has worked since */
    int64_t credentials_asked_ms; /* when to ask for fresh ones again */
    int64_t credentials_wait_ms;
    struct kafka_error_said {
        uint64_t subject; /* 0: free */
        int64_t at_ms;
        uint64_t suppressed;
    } said[8];
};

/* conf.c */
bool kafka_protocol_is_consumer(const struct kafka_consumer_options *options);
/** A configuration from the options; NULL with the cause. */
rd_kafka_conf_t *kafka_conf_new(const struct kafka_consumer_options *options, struct error *err);

/* partition.c */
struct partition *partition_new(struct kafka_consumer *consumer, const char *topic, int32_t number);
/** Where it will begin, and the note of its committed offset, if it begins there. False: the note is not
 * ours. */
bool partition_set_start(struct partition *partition, const struct partition_start *start, struct slice note);
/** About to be assigned from its start on: its records go to the consumer's. */
void partition_begin(struct partition *partition);
/** Its topic is gone: it takes no more, and what was taken from it goes on without it. */
void partition_abandon(struct partition *partition);
/** The end of the partition has been reached: there is nothing below `offset` that was not taken. */
void partition_end_reached(struct partition *partition, int64_t offset);
/** Its tickets that are still out settle without effect. */
void partition_free(struct partition *partition);
struct partition *partition_find(struct kafka_consumer *consumer, const char *topic, int32_t number);
/** Hands a message to the sink, or skips it when the note says it is done. False: out of memory, nothing
 * changed. The message stays the caller's. */
bool partition_take(struct partition *partition, const rd_kafka_message_t *message);

/* commit.c */
/** Something changed: commits within 100 ms. */
void commit_soon(struct kafka_consumer *consumer);
/** Commits every changed partition (of `only`, when not NULL) now; false when there was nothing to commit. */
bool commit_now(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only);
/** The broker's answer to a commit. */
void commit_answered(struct kafka_consumer *consumer, rd_kafka_event_t *event);
void commit_timer_fired(uv_timer_t *timer);

/* lookup.c */
/** Asks where these partitions begin, until it is known (rebalance_looked_up). False: out of memory. */
bool lookup_new(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list);
/** Its answers have been used. */
void lookup_end(struct lookup *lookup);
/** Nobody waits for it any more. */
void lookup_overtake(struct lookup *lookup);

/* watch.c */
/** Looks at the topics' ids from time to time. Nothing where there are none. */
void watch_start(struct kafka_consumer *consumer);
/** Looks soon: there may be news. */
void watch_soon(struct kafka_consumer *consumer);

/* rebalance.c */
/** The lookup of the assignment under way has its answers; ends it. */
void rebalance_looked_up(struct kafka_consumer *consumer, struct lookup *lookup);
void rebalance_event(struct kafka_consumer *consumer, rd_kafka_event_t *event);
/** These partitions are ours from now on, whatever we held until now. Called by rebalance_event. */
void rebalance_assigned(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list);
/** A ticket came back, or a commit was answered: may the revocation go on? */
void rebalance_advance(struct kafka_consumer *consumer);
/** On closing: a drain under way ends now, an assignment that was not answered yet is given up. */
void rebalance_hurry(struct kafka_consumer *consumer);

/* consumer.c */
/** Tells the owner, once, that the consumer cannot go on; the cause has been logged. */
void consumer_give_up(struct kafka_consumer *consumer);

/* standing.c */
/** An error that may be one of a topic, as librdkafka tells it once. */
void standing_note(struct kafka_consumer *consumer, rd_kafka_resp_err_t code);
/** Asks the cluster again when it is time. */
void standing_tick(struct kafka_consumer *consumer);

/* errors.c */
/** Logs an error of librdkafka's with a hint: each at once, then at most once a minute with the number left
 * out.
 */
void kafka_error_say(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason);
/** The same without regard to when it was said last. */
void kafka_error_say_now(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason);
/** Logs, with a hint, what the consumer cannot go on after. */
void kafka_error_say_fatal(rd_kafka_resp_err_t code, const char *reason);
