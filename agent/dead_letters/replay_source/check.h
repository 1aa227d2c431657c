/* Which letters are believed. A letter's own words never decide whether it needs a signature: a letter of the
 * runs topic is verified by the signature of its event, as from Kafka, and any other (a polled run's, a
 * change-log event's, which Port did not sign) by the MAC over the whole letter. A MAC, where there is one,
 * must be right in either case. */
#pragma once
#include "agent/dead_letters/reader/reader.h"

struct letter_check;

enum { CHECK_REASON_SIZE = 300 };

/** `secret` is the client secret, `previous` the one before it, or empty. The topics are borrowed. Not for
 * use by two threads at once. NULL: out of memory. */
PA_MUST_USE struct letter_check *letter_check_new(struct slice secret, struct slice previous,
                                                  const char *runs_topic, const char *change_log_topic);
void letter_check_free(struct letter_check *check);
/** True: it may be replayed. False: it is refused, and the reason says why, in words, for a user. */
PA_MUST_USE bool letter_check_accepts(struct letter_check *check, const struct dead_letter_entry *entry,
                                      char reason[CHECK_REASON_SIZE]);
/** A copy of a letter that was replayed is replayed itself; what only says so is not. `check` NULL: nobody
 * can tell, so it is. */
void letter_check_copy(struct letter_check *check, struct dead_letter_entry *entry);
/** The ID of a letter's record: its own, or what the Kafka source would make of where it came from. Appended
 * to `out`. */
void letter_record_id(const struct dead_letter *letter, struct buffer *out);
