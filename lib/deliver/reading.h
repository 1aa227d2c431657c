/* Records whose event takes long to read: they are parsed and verified in libuv's thread pool, so that no
 * turn of the loop has more than READING_BYTES of one record to walk over. */
#pragma once
#include "base/error.h"
#include "deliver/refusal.h"

struct deliver;
struct withdrawal;

enum { READING_BYTES = 1024 * 1024 };

/** What was read of a record; everything is the callee's, except `record` and `why`, which are borrowed. */
struct record_read {
    const struct record *record;
    struct ticket *ticket;
    /** Whoever had it read a second time, whose the ticket is then; NULL: it was taken. */
    void *reader;
    struct event event;
    /** Why there is no event: a kind of error, and its words; 0: there is one. */
    int failed;
    const char *why;
    enum refusal refusal;
};
typedef void record_was_read(struct deliver *deliver, struct record_read *read);

/** Parses the event of `read`'s record, looks whether it is to be believed, and calls `done`: during this
 * call, or, with a copy of a record that is large, later from the loop, unless the record is withdrawn first.
 * Until then there is space for no other record of a source that asks (reading_goes_on), so that none with
 * the same key overtakes it. The event of `read` is initialised. False: out of memory; `done` does not run,
 * and event and ticket are still the caller's. */
PA_MUST_USE bool reading_start(struct deliver *deliver, struct record_read *read, record_was_read *done);
/** Is any record read elsewhere now? */
PA_MUST_USE bool reading_goes_on(const struct deliver *deliver);
/** Drops the tickets of those that match, whose `done` does not run then. */
void readings_withdraw(struct deliver *deliver, const struct withdrawal *what);
/** What nobody gets again is not to be delivered any more, for this reason (constant). How many they are. */
size_t readings_give_up(struct deliver *deliver, const char *reason);
/** The deliveries go away; what is being read is dropped. */
void readings_leave(struct deliver *deliver);
