/* How connections of the exchange's end while nobody uses them: too old, too many, or because somebody needs
 * their descriptors. */
#pragma once
#include "http/exchange.h"

/** An idle connection of this age is not used again. */
enum { CONNECTION_IDLE_MAX_MS = 118 * 1000 };

/** Ends the connection, of whoever it is. Its easy handle is the caller's then. */
void exchanges_leave_multi(struct exchanges *exchanges, struct connection *connection);
/** Closes an idle one that is in the lists no more. */
void exchanges_drop(struct exchanges *exchanges, struct connection *connection);
/** Closes those that are too old, and others where there are too many with `coming` new ones. */
void exchanges_close_idle(struct exchanges *exchanges, size_t coming, int64_t now);
void exchanges_close_all_idle(struct exchanges *exchanges);
