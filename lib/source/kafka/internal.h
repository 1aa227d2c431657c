/* Shared by the files of the Kafka consumer only.
 *
 *   consumer.c   life, events, taking records
 *   conf.c       settings to librdkafka's configuration
 *   partition.c  an assigned partition and its tickets
 *   client.c     what librdkafka is asked, or told, of one partition
 *   commit.c     asynchronous commits with notes
 *   lookup.c     where assigned partitions begin
 *   standing.c   what goes on being wrong, said while it lasts
 *   rebalance.c  assignment and revocation, step by step on the loop
 *   watch.c      topics that are made anew while we consume
 *   poison.c     what cannot be read is passed
 *   again.c      records that are read a second time
 *   redelivery.c records that a person wants once more
 *   view.c       what stands
 *   errors.c     librdkafka's errors in the log, with hints
 */
#pragma once
#include "source/class.h"
#include "source/kafka/consumer.h"
#include "source/kafka/facts.h"
#include "source/kafka/offsets.h"
#include "source/kafka/record.h"
#include "source/kafka/start.h"
#include "source/kafka/topics.h"
#include "source/kafka/unreadable.h"
#include <librdkafka/rdkafka.h>
#include <stdatomic.h>
#include <sys/queue.h>

/** Two fields of a log line. */
#define F_TOPIC_PARTITION(topic_, number_) \
    F_STR("messaging.destination.name", (topic_)), F_INT("messaging.destination.partition.id", (number_))

struct partition {
    struct partition *next;
    struct kafka_consumer *consumer;
    char *topic;
    int32_t number;
    enum event_kind kind;
    struct offsets offsets;
    /** Of the topic that the offsets belong to. */
    struct topic_id topic_id;
    /** Its own, forwarded to the consumer's records queue. */
    rd_kafka_queue_t *queue;
    /** Tickets that have not come back. */
    size_t live;
    /** Tickets dropped, still linked in `offsets` as not done. */
    struct kafka_ticket *settled;
    /** Of the second client; NULL: nothing was read again yet. */
    struct reading *reading;
    /** Something to commit. */
    bool changed;
    /** In the commit that is under way. */
    bool committing;
    /** The offset of that commit, and the last one that the broker has; -1: none. */
    int64_t committing_offset, committed;
    /** It is known where it starts: what comes before was fetched for an earlier assignment, and comes again.
     */
    bool begun;
    /** Takes no more; late completions still count until it is let go. */
    bool revoked;
    /** Its topic is gone: what was taken from it goes on, and counts for nothing. */
    bool abandoned;
    /** Its note is full: no fetching until there is space. */
    bool paused;
    /** The condition that its note is full stands. */
    bool full_stands;
    /** Taken from the queue when the note was full. */
    rd_kafka_message_t *parked;
    /** The broker refused the note: commit with the facts alone. */
    bool notes_off;
    /** The broker refuses the facts too. */
    bool facts_off;
    /** What is wrong with what follows, if anything is (poison.c). */
    struct poison {
        /** The batch that librdkafka failed to read last, and how often in a row. */
        int64_t offset;
        unsigned failures;
        /** A record had an offset beyond the log's end: nothing of this partition is taken until its position
         * is right again. */
        bool lied;
        /** How often, since its position was set, what comes from before the position may still be refused.
         */
        unsigned strays;
        /** The condition that it cannot be read stands. */
        bool stands;
        /** A record or the end came since the last tick; and when something did. */
        bool heard;
        int64_t heard_ms;
        /** How long nothing may come before it is looked into; grows where nothing was wrong. */
        int64_t patience_ms;
    } poison;
};

struct kafka_ticket {
    /** First: the seam's view of it. */
    struct ticket ticket;
    struct offset_entry entry;
    /** NULL: detached by a rewind. */
    struct partition *partition;
    union {
        /** In `settled` or the free list. */
        struct kafka_ticket *next;
        /** Its record is being read again; NULL: it is not. */
        struct wanted *wanted;
    };
};

/** A record that is to be read again. */
struct wanted {
    struct wanted *next;
    int64_t offset;
    /** Whose record it is; NULL: it is a redelivery's. */
    struct kafka_ticket *ticket;
    void *reader;
    struct redelivery *redelivery;
    /** How often it was not where it should be. */
    unsigned misses;
    /** Not looked for before the next tick. */
    bool rests;
};

/** A partition as it is read again; kept when the partition goes, for librdkafka knows it from then on. */
struct reading {
    struct reading *next;
    rd_kafka_topic_t *topic;
    int32_t number;
    /** By offset, ascending. */
    struct wanted *wanted;
    /** What comes next is here, or further on. */
    int64_t position;
    bool started, paused;
    /** The log's end has been reached: nothing more comes from there by itself. */
    bool at_end;
    /** Something is wanted that may be elsewhere. */
    bool changed;
};

/** A record that a person wants once more (redelivery.c). */
struct redelivery {
    /** First: the seam's view of it, once the sink has it. */
    struct ticket ticket;
    /** Of those that are being read. */
    LIST_ENTRY(redelivery) others;
    /** NULL: it has been read. */
    struct kafka_consumer *consumer;
    struct reading *reading;
    struct wanted wanted;
    struct redelivery_request request;
    /** So often was it not there yet. */
    unsigned ticks;
    /** While the sink is given it: set once it has been given back. NULL at other times. */
    bool *settled;
    struct redelivery_ids ids;
};

/** The second client, which reads records again (again.c). */
struct again {
    /** NULL: nothing was read again yet. */
    rd_kafka_t *rk;
    rd_kafka_queue_t *records;
    struct reading *readings;
    /** Runs while there may be records, or something is wanted anew. */
    uv_idle_t more;
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
    /** -1: at the earliest record. */
    int64_t offset;
    /** The committed offset; -1: none. */
    int64_t committed;
    /** The log's, where `reason` has to do with them. */
    int64_t low, high;
    struct topic_id topic;
};

/** An assignment's questions to the brokers. They block, so they are asked in the thread pool, on data of
 * their own. */
struct lookup {
    uv_work_t work;
    uv_timer_t retry;
    /** Which waits for the lookup before it goes. */
    struct kafka_consumer *consumer;
    rd_kafka_t *rk;
    rd_kafka_topic_partition_list_t *list;
    /** One for each of the list. */
    struct partition_start *starts;
    /** From the consumer's options. */
    const char *topics[TOPICS];
    struct topic_id ids[TOPICS];
    bool appeared[TOPICS];
    /** What was known of the group, and what is now. */
    struct first_start known_before, first;
    struct start_question question;
    bool running;
    /** Nobody waits for what it finds. */
    atomic_bool overtaken;
    rd_kafka_resp_err_t code;
};

/** What goes on being wrong, as the cluster said last (standing.c). */
struct standing {
    uv_work_t work;
    bool lasts, running;
    /** Who is in the group is asked as well. */
    bool asks_group;
    /** Since when nothing is assigned; 0: something is, or is about to be. */
    int64_t unassigned_ms;
    char members[256];
    /** When the cluster is asked again. */
    int64_t ask_ms;
    const char *topics[TOPICS];
    rd_kafka_resp_err_t codes[TOPICS];
    /** No broker answers; what the last connection failed with, and why: nothing else says so. */
    bool away;
    rd_kafka_resp_err_t cause_code;
    char cause[200];
};

/** Looking for the end of what cannot be read, in the thread pool: one at a time (poison.c). */
struct poison_search {
    uv_work_t work;
    bool running;
    /** Nobody waits for what it finds. */
    atomic_bool overtaken;
    rd_kafka_conf_t *conf;
    /** NULL: it is no longer ours. Its topic is a copy. */
    struct partition *partition;
    char *topic;
    int32_t number;
    /** The partition's (-1: none yet), and where it is looked from. */
    int64_t position, from;
    struct unreadable found;
};

struct kafka_consumer {
    struct kafka_consumer_options options;
    rd_kafka_t *rk;
    /** The consumer queue: rebalances, errors, commit answers. */
    rd_kafka_queue_t *events;
    /** Where the partitions' queues are forwarded to. */
    rd_kafka_queue_t *records;
    /** Eventfd that both queues write to. */
    int wake_fd;
    uv_poll_t wake;
    /** Runs while there may be records that can be taken. */
    uv_idle_t more;
    /** Keeps max.poll.interval.ms satisfied, whatever happens. */
    uv_timer_t tick;
    uv_timer_t commit_timer;
    /** Deadlines of rebalances and of closing. */
    uv_timer_t step_timer;
    uv_timer_t watch_timer;
    struct topic_watch { /* a question in the thread pool */
        uv_work_t work;
        rd_kafka_t *rk;
        const char *topics[TOPICS];
        struct topic_id ids[TOPICS];
        bool running, again;
    } watch;
    /** Of the client: a part of us, so that leaving needs no memory. */
    uv_work_t destruction;
    unsigned open_handles;

    /** The group's, as far as we know. */
    struct first_start first;
    /** The ids that were seen last. */
    struct topic_id topic_ids[TOPICS];
    /** Seen once, and not the same. */
    struct topic_id suspects[TOPICS];
    /** Was not there when we looked for it. */
    bool topic_missed[TOPICS];

    struct partition *partitions;
    struct partition *last_found;
    struct kafka_ticket *free_tickets;
    /** Did not fit into the sink. */
    rd_kafka_message_t *parked;
    bool stopped_taking, waiting_for_room;

    bool commit_under_way;
    uint64_t commits, commits_failed, rebalances, restored_skips;

    enum rebalance_state rebalance;
    /** The partitions of the rebalance under way. */
    rd_kafka_topic_partition_list_t *changing;
    /** Of where they begin. */
    bool first_commit_tried;
    /** They are no longer ours: do not commit. */
    bool lost;
    /** Cooperative: assignments still to come after a revocation: its own, then that of the rejoin. */
    unsigned rejoin_assignments;
    /** … or this long at most. */
    int64_t rejoin_until_ms;
    /** Of the assignment under way. */
    struct lookup *lookup;
    /** Questions to the brokers in the thread pool: the client is destroyed when all have come back. */
    unsigned works_running;
    bool cooperative;
    /** After a revocation there are assignments still to come (rejoin_assignments). */
    bool rejoins;

    bool closing, close_asked, destroying;
    /** Asked to be opened afresh. */
    bool renewing;
    int64_t close_deadline_ms;
    void (*closed)(void *ctx);
    void *closed_ctx;
    bool fatal_said;
    /** A broker has answered, and since then not all of them were away. */
    bool connected;
    struct standing standing;
    struct poison_search poison;
    struct again again;
    LIST_HEAD(redeliveries, redelivery) redeliveries;
    /** Batches that could not be read, and were passed. */
    uint64_t batches_passed;
    /** Refused, and nothing has worked since. */
    bool credentials_failing;
    /** The consumer group may not be used. */
    bool group_refused;
    /** When to ask for fresh ones again. */
    int64_t credentials_asked_ms;
    int64_t credentials_wait_ms;
    struct kafka_error_said {
        /** 0: the entry is free. */
        uint64_t subject;
        int64_t at_ms;
        uint64_t suppressed;
    } said[8];
};

/* conf.c */
PA_MUST_USE bool kafka_protocol_is_consumer(const struct kafka_consumer_options *options);
/** A configuration from the options; NULL with the cause. */
PA_MUST_USE rd_kafka_conf_t *kafka_conf_new(const struct kafka_consumer_options *options, struct error *err);

/* partition.c */
PA_MUST_USE struct partition *partition_new(struct kafka_consumer *consumer, const char *topic,
                                            int32_t number);
/** Where it will begin, and the note of its committed offset, if it begins there. False: the note is not
 * ours. */
PA_MUST_USE bool partition_set_start(struct partition *partition, const struct partition_start *start,
                                     struct slice note);
/** About to be assigned from its start on: its records go to the consumer's. */
void partition_begin(struct partition *partition);
/** Gives up a record of the partition that waits for space in the sink: it comes again. */
void partition_unpark(const struct partition *partition);
/** Its topic is gone: it takes no more, and what was taken from it goes on without it. */
void partition_abandon(struct partition *partition);
/** The end of the partition has been reached: there is nothing below `offset` that was not taken. */
void partition_end_reached(struct partition *partition, int64_t offset);
/** Its tickets that are still out settle without effect. */
void partition_free(struct partition *partition);
PA_MUST_USE struct partition *partition_find(struct kafka_consumer *consumer, const char *topic,
                                             int32_t number);
/** Of a partition's name: a topic has 249 characters at most. */
enum { PARTITION_NAME_SIZE = 264 };
/** Topic and number, as a condition's subject; returns `name`. */
const char *partition_name(const struct partition *partition, char name[PARTITION_NAME_SIZE]);
/** Tells whether its note is full: no more is taken from it then, whoever the records are for. */
void partition_tell_full(struct partition *partition, bool full);
/** Hands a message to the sink, or skips it when the note says it is done. False: out of memory, nothing
 * changed. The message stays the caller's. */
PA_MUST_USE bool partition_take(struct partition *partition, const rd_kafka_message_t *message);

/** Tells the sink, through its `take_again`, of a record of this partition: `message`, or, where that is
 * NULL, that the one at `offset` is gone. */
void partition_tell_again(const struct partition *partition, int64_t offset,
                          const rd_kafka_message_t *message, void *reader);

/* client.c */
/** The log's bounds, as the last answer to a fetch had them; either may be negative: it is not known yet.
 * False: neither is. */
PA_MUST_USE bool partition_bounds(const struct partition *partition, int64_t *low, int64_t *high);
/** Pauses a partition of that client, or lets it go on. */
void partition_of_client_pause(rd_kafka_t *rk, const char *topic, int32_t number, bool pause);

/* commit.c */
/** Something changed: commits within 100 ms. */
void commit_soon(struct kafka_consumer *consumer);
/** Commits every changed partition (of `only`, when not NULL) now; false when there was nothing to commit
 * (which matters only to who waits for its end). */
PA_MAY_IGNORE bool commit_now(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *only);
/** The broker's answer to a commit. */
void commit_answered(struct kafka_consumer *consumer, rd_kafka_event_t *event);
void commit_timer_fired(uv_timer_t *timer);

/* lookup.c */
/** Asks where these partitions begin, until it is known (rebalance_looked_up). False: out of memory. */
PA_MUST_USE bool lookup_new(struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list);
/** Its answers have been used. */
void lookup_end(struct lookup *lookup);
/** Nobody waits for it any more. */
void lookup_overtake(struct lookup *lookup);

/* watch.c */
/** Begins to look at the topics' ids. Nothing where there are none. */
void watch_start(struct kafka_consumer *consumer);
/** A second is over: looks, unless it is looking. */
void watch_tick(struct kafka_consumer *consumer);
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
/** An error, as librdkafka tells it once: logged, or the beginning of what lasts. */
void standing_error(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason);
/** The brokers refuse the credentials. */
void standing_refused(struct kafka_consumer *consumer, const char *reason);
/** A broker has answered. librdkafka has no event for that; what comes of an answer is one. */
void standing_connected(struct kafka_consumer *consumer);
/** The same, to somebody whose credentials it accepts. */
void standing_works(struct kafka_consumer *consumer);
/** There is another assignment: of topics that were missing, some may be there. */
void standing_assigned(struct kafka_consumer *consumer);
/** Asks the cluster again when it is time. */
void standing_tick(struct kafka_consumer *consumer);

/* poison.c */
/** The partition begins, or its position is another. */
void poison_reset(struct partition *partition);
/** librdkafka could not read the batch that begins at `offset`. */
void poison_failed(struct partition *partition, int64_t offset, const char *reason);
/** A record came. True: it is not to be taken, because its offset, or that of one before it, is a lie. */
PA_MUST_USE bool poison_suspect(struct partition *partition, int64_t offset);
/** A record, or the end, came. True: librdkafka is not where it was told to go, and is told again. */
PA_MUST_USE bool poison_is_astray(struct partition *partition, int64_t offset);
/** Looks for partitions from which nothing comes. */
void poison_tick(struct kafka_consumer *consumer);
/** The partition goes. */
void poison_forget(struct partition *partition);
/** The consumer closes: ends the search under way soon. */
void poison_overtake(struct kafka_consumer *consumer);

/* again.c */
/** See source_ticket_read_again. */
PA_MUST_USE enum source_reading again_want(struct kafka_ticket *ticket, void *reader);
/** The ticket does not want its record any more; returns what wanted it, to be freed; NULL: nothing did. */
PA_MUST_USE struct wanted *again_unlink(struct kafka_ticket *ticket);
/** Wants `wanted`, whose offset is set, of that partition, whoever has it; the reading that it is in. NULL:
 * out of memory. */
PA_MUST_USE struct reading *again_want_of(struct kafka_consumer *consumer, const char *topic, int32_t number,
                                          struct wanted *wanted);
/** Takes it out of the reading that it is in. */
void again_forget(struct reading *reading, const struct wanted *wanted);
/** There may be records. */
void again_woken(struct kafka_consumer *consumer);
void again_tick(struct kafka_consumer *consumer);
/** Nothing is told any more. */
void again_stop(struct kafka_consumer *consumer);
/** Destroys the second client. Blocks: for the thread pool. */
void again_close(struct again *again);

/* redelivery.c */
/** Its record is here; NULL: it is gone. */
void redelivery_read(struct redelivery *redelivery, const rd_kafka_message_t *message);
/** A second is over. */
void redeliveries_tick(struct kafka_consumer *consumer);
/** Nothing is read any more. */
void redeliveries_leave(struct kafka_consumer *consumer);

/* errors.c */
/** Logs an error of librdkafka's with a hint: each at once, then at most once a minute with the number left
 * out.
 */
void kafka_error_say(struct kafka_consumer *consumer, rd_kafka_resp_err_t code, const char *reason);
/** What to look at, by the error and librdkafka's words; NULL: nothing is known. Lives for ever. */
const char *kafka_error_hint(rd_kafka_resp_err_t code, const char *reason);
/** Logs, with a hint, what the consumer cannot go on after. */
void kafka_error_say_fatal(rd_kafka_resp_err_t code, const char *reason);
