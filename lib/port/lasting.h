/* What goes on being wrong with Port, as standing conditions (observe/conditions.h): the words. */
#pragma once
#include "observe/conditions.h"

/** Port gives out no token for the credentials, or does. */
void lasting_credentials(struct conditions *conditions, bool refused);
/** A result was accepted. */
void lasting_acceptance(struct conditions *conditions);
/** So many results in a row were refused for good, the last for this reason. */
void lasting_refusal(struct conditions *conditions, uint64_t in_a_row, const char *reason);
/** So many results wait; the last one has been tried so often, without success for this reason. */
void lasting_wait(struct conditions *conditions, size_t waiting, unsigned attempts, const char *reason);
/** None is tried again any more; so many were accepted since the first one was. */
void lasting_wait_ended(struct conditions *conditions, size_t accepted);
