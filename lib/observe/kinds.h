/* What each kind of event becomes: one row of one table. */
#pragma once
#include "observe/observe.h"

/** What the messages of events that are not to be believed begin with. */
#define OBSERVED_REFUSED "event refused: "

/** Fields of a log line beside those that every line has, in the order in which they are written. */
enum {
    METHOD = 1 << 0,
    URL = 1 << 1,
    /** Where there is one. */
    STATUS = 1 << 2,
    /** error.type and error.message, before the run's id. */
    ERROR = 1 << 3,
    /** Where there is one. */
    MAPPING = 1 << 4,
    ATTEMPT = 1 << 5,
    BODY = 1 << 6,
    /** How long it took, and what there is to say of it. */
    ANSWER = 1 << 7,
    WAIT = 1 << 8,
    AGE = 1 << 9,
    /** As `reason`. */
    REASON = 1 << 10,
    /** As error.message, behind the run's id. */
    MESSAGE = 1 << 11,
    AT_ONCE = 1 << 13,
    COUNT = 1 << 14,
    UNREPORTED = 1 << 15,
    /** No field: a warning where a dead letter keeps what failed. */
    LETTER = 1 << 16,
    /** From which state to which. */
    MOVE = 1 << 17
};
enum { ATTEMPTED = METHOD | URL | STATUS | MAPPING | ATTEMPT | ANSWER | AGE };

struct kind_row {
    /** Of the log line; NULL: there is none. */
    const char *message;
    enum log_level level;
    unsigned fields;
    /** The total that it adds one to, as its place in the table of counters, from 1 on; 0: none. */
    unsigned char counts;
    enum observed_end end;
};
extern const struct kind_row observed_kinds[OBSERVED_KINDS];
