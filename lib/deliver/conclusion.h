/* After the last answer. */
#pragma once

struct delivery;

/** The last attempt's outcome is in delivery->outcome: what is owed to it, and then it is done. */
void delivery_conclude(struct delivery *delivery);
/** Ends a delivery that sent nothing, with a failure for its run, if it has one. `error_type`: constant. */
void delivery_fail_unsent(struct delivery *delivery, const char *error_type, const char *reason);
