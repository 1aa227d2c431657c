/* What all deliveries share. The files of this room, in the order of an event's way; each has a header of its
 * own, and calls none that calls it:
 *
 *   intake.c       a record to a delivery, or to a line that says why not
 *   reading.c      large records, read in the thread pool
 *   refusal.c      events that are not to be believed
 *   freshness.c    how long ago they were signed
 *   minute.c       what is told once a minute
 *   dedup.c        records that were delivered a moment ago
 *   mapping.c      what its mapping makes of it
 *   route.c        where it goes
 *   attempt.c      one request: signed, sent, answered; tried again or not
 *   signing.c      large bodies, signed in the thread pool
 *   retry.c        which failures are tried again, and when
 *   outcome.c      what an answer means
 *   writing.c      long answers, written as JSON in the thread pool
 *   turn_bytes.c   what is signed and written in one turn of the loop
 *   telling.c      what lib/observe is told of
 *   standing.c     what goes on being wrong
 *   waits.c        how long it waited, and for what
 *   conclusion.c   after the last answer
 *   letter.c       its dead letter
 *   report.c       what its mapping reports, its result
 *   life.c         its states and ends
 *   withdraw.c     deliveries that are taken back
 *   kept.c         what is kept by reference
 *   recall.c       what goes out of memory, and comes back
 *   memory.c       is there space
 *   target.c       URLs parsed once
 *   view.c         what stands, for whoever asks
 *   deliver.c      making, counters, ending
 */
#pragma once
#include "deliver/dedup.h"
#include "deliver/delivery.h"
#include "deliver/kept.h"
#include "deliver/minute.h"
#include "deliver/standing.h"
#include "deliver/turn_bytes.h"

/** How long what found no memory waits. */
enum { MEMORY_WAIT_MS = 1000 };

struct deliver {
    struct deliver_options options;
    LIST_HEAD(deliveries, delivery) deliveries;
    /** Records whose event is read in the thread pool. */
    LIST_HEAD(readings, reading) readings;
    struct window *window;
    struct targets targets;
    struct schedule schedule;
    struct dedup dedup;
    struct minute minute;
    struct deliver_standing standing;
    /** When it was told last that the system gives out no connections; 0: never. */
    int64_t shortage_told_ms;
    /** Of the event that was verified last; COUNTER_NONE: none was. */
    uint64_t signature_age_s;
    /** Bodies that were signed, and answers' texts that were written, on the loop. */
    struct turn_bytes signed_in_turn, written_in_turn;
    /** The turn in which a long response was given to Port, last. */
    uint64_t given_turn_ms;
    /** When Port may be told of another refused node run. */
    int64_t next_refusal_report_ms;
    size_t in_state[LIFE_STATES];
    struct memory memory;
    struct kept_all kept;
    /** When what is kept is asked for again, after there was no memory for it. */
    struct due recall_due;
    /** Since when there has been no space for records; 0: there is. */
    int64_t full_since_ms;
    /** When space was made last. */
    int64_t evicted_ms;
    /** The source's records can be read again, if not those that a person wants once more. */
    bool can_keep;
    /** There is no space, and what is taken is kept by reference at once. */
    bool by_reference;
    bool pumping;
    /** Takes and starts no more, except what is unrepeatable. */
    bool stopped;
    /** Nothing starts meanwhile: what starts could end and leave the list that is walked. */
    bool withdrawing;
};
