/* All that is known of one delivery. */
#pragma once
#include "base/container_of.h"
#include "deliver/life.h"
#include "deliver/memory.h"
#include "deliver/outcome.h"
#include "deliver/target.h"
#include "deliver/waits.h"
#include "map/request.h"
#include <sys/queue.h>

enum { METHOD_SIZE = 33 };

struct delivery {
    LIST_ENTRY(delivery) all;
    struct slot slot;
    struct deliver *deliver;
    enum life_state state;
    struct ticket *ticket;
    const void *assignment;
    /** Stored behind `id`; NULL: none, and then partition and offset are -1. */
    const char *topic;
    /** As in struct record. */
    const char *redelivery_of;
    int32_t partition;
    int64_t offset;
    /** The record's own timestamp; -1: none. */
    int64_t record_ms;
    /** As in struct record. */
    bool unrepeatable;
    struct event event;
    /** It has a run to report to. */
    bool is_run;
    bool synchronized;
    /** The record's own bytes, for a dead letter; empty where none are written. */
    struct buffer key, value;
    bool has_key;
    /** Target and destination are known. */
    bool addressed;
    /** From dedup_content. */
    uint64_t content;
    /** The fields its mapping gave. */
    struct buffer mapped;
    /** Its slices point into `mapped`. */
    struct mapped_request request;
    /** What that came from, held for its report; NULL: none is wanted. */
    struct map_generation *generation;
    char method[METHOD_SIZE];
    /** When its last attempt was signed (wall clock), and how; "": none was yet. */
    int64_t signed_s;
    char signature[SIGNATURE_SIZE];
    /** Of a request that a redirect left without its body. */
    char redirected_signature[SIGNATURE_SIZE];
    /** NULL: not known yet. */
    struct target *target;
    struct map_call *map_call;
    struct dead_letter_write *burial;
    /** Its dead letter is there for good. */
    bool letter_written;
    /** Of the attempt under way: its body is being signed elsewhere; NULL: it is not. */
    struct signing *signing;
    /** NULL: it has not begun. */
    struct http_call *call;
    /** Attempts started so far. */
    unsigned attempt;
    /** Its run has been told that it started. */
    bool start_told;
    /** When its record was taken. */
    int64_t taken_ms;
    /** When its mapping was asked for. */
    int64_t mapping_ms;
    /** When its first attempt began. */
    int64_t started_ms;
    /** When its next attempt begins. */
    struct due due;
    /** Of its last attempt. */
    struct outcome outcome;
    struct trace trace;
    /** What goes on of its trace's state; owned; NULL: nothing. */
    char *tracestate;
    /** How it ended, for its trace: "" for a success; and when that was known (monotonic). */
    const char *end_error;
    int end_status;
    int64_t ended_ms;
    struct waits waits;
    /** Its end, until that has its line. */
    struct ending {
        /** OBSERVED_DELIVERED, OBSERVED_FAILED or OBSERVED_UNSENT; anything else: it has not ended here. */
        int kind;
        bool told, resent;
        unsigned redirects;
        int64_t duration_ms;
        /** What Port is told, or said. */
        const char *port_result;
    } ending;
    /** What its mapping's report is made from. */
    struct buffer context;
    /** Its outcome's answer is being written elsewhere; NULL: it is not. */
    struct writing *writing;
    struct run_report *report;
    struct charge charge;
    /** The record's, with a NUL; behind it its topic, and redelivery_of. */
    char id[];
};

static inline struct delivery *delivery_of_slot(struct slot *slot)
{
    return CONTAINER_OF(slot, struct delivery, slot);
}

static inline struct delivery *delivery_of_due(struct due *due)
{
    return CONTAINER_OF(due, struct delivery, due);
}
