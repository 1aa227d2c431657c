/* What stands of the agent at this moment, put together from what its parts tell when they are asked. Taken
 * on the loop, and read before the loop goes on: texts are the parts' own. Lists are bounded, the worst
 * first. */
#pragma once
#include "config/config.h"
#include "deliver/deliver.h"
#include "port/api.h"
#include "window/window.h"

struct dead_letters;
struct histogram;
struct json_writer;

enum { SNAPSHOT_PARTITIONS = 64, SNAPSHOT_DESTINATIONS = 32 };

/** What came of files that changed under the running agent. */
struct reload_view {
    /** How often something was taken over, what it was the last time, and when; 0, "" and 0: never. */
    uint64_t generation;
    char changed[128];
    int64_t wall_ms;
    /** What was refused the last time, and when; "" and 0: never. */
    char refused[256];
    int64_t refused_wall_ms;
};

/** The parts of a daemon; all borrowed. NULL members: closed, or there is none. */
struct status_parts {
    const struct config *config;
    const struct clock *clock;
    struct deliver *deliver;
    struct source *source;
    struct conditions *conditions;
    const struct observer *observer;
    const struct reports *reports;
    const struct port_api *port;
    /** NULL too where none are kept. */
    const struct dead_letters *dead_letters;
    /** As STREAMER_NAME has it. */
    const char *streamer;
    /** "running", "draining", "closing" or "stopped". */
    const char *phase;
    bool running;
    /** Mappings are evaluated, those of the operator's file; their process is gone for good. */
    bool mapping, mapping_file, mapping_lost;
    /** NULL: nothing is read again. */
    const struct reload_view *reload;
    /** How late the loop comes back (lag.h). */
    const struct histogram *loop_lag;
};

struct partition_snapshot {
    struct source_partition partition;
    /** Records between the committed offset and the log's end; -1: not known. */
    int64_t lag;
    /** Of those, what is not done: taken, or still to be taken; -1: not known. */
    int64_t not_done;
    /** The delivery of the oldest record taken and not done. */
    bool has_oldest;
    struct delivery_view oldest;
};

struct snapshot {
    struct status_parts parts;
    int64_t wall_ms, monotonic_ms;
    struct counters counters;
    struct source_view source;
    struct port_view port;
    /** Results that Port has not accepted yet, and for how long the oldest of them waits (-1: none). */
    size_t results_waiting;
    int64_t oldest_result_ms;
    /** Of the process. */
    size_t rss_bytes;
    /** Of answers that are held. */
    size_t answer_bytes;
    /** Of events that are kept by reference. */
    size_t reference_bytes;
    /** All of them, and those that are listed. */
    size_t partitions, partitions_listed;
    struct partition_snapshot partition[SNAPSHOT_PARTITIONS];
    size_t destinations, destinations_listed;
    struct destination_view destination[SNAPSHOT_DESTINATIONS];
};

/** NULL: out of memory. snapshot_free frees it. */
PA_MUST_USE struct snapshot *snapshot_take(const struct status_parts *parts);
void snapshot_free(struct snapshot *snapshot);
/** How old a record of that timestamp is; -1: it has none. */
int64_t snapshot_age_ms(const struct snapshot *snapshot, int64_t record_ms);

/* forms.c: what is shown of it */

/** Appends the whole as JSON. */
void snapshot_json(const struct snapshot *snapshot, int64_t started_wall_ms, struct buffer *out);
/** Appends the whole without the settings, with its readiness, as JSON in one line without an end. */
void snapshot_state_json(const struct snapshot *snapshot, int64_t started_wall_ms, struct buffer *out);
/** Appends {"ready":…,"reasons":[…],"notes":[…]}; returns whether it is ready: it takes events, and can
 * report. Reasons are why not; notes are what is wrong beside that. */
PA_MAY_IGNORE bool snapshot_readiness(const struct snapshot *snapshot, struct buffer *out);
/** Writes partitions, destinations and conditions as log lines. */
void snapshot_log(const struct snapshot *snapshot);

/* run_form.c */

/** Appends what is known of a run as JSON. False: nothing is. */
PA_MUST_USE bool run_json(const struct status_parts *parts, struct slice run_id, struct buffer *out);
/** Writes, as a member `runs`, those that have been under way for longest, those that failed last, and those
 * whose events were refused last; ten of each. */
void runs_write(struct json_writer *writer, const struct snapshot *snapshot);
