/* What a ticket is to the sources themselves: the first member of their own struct. */
#pragma once
#include "source/source.h"

struct ticket {
    /** Takes the ticket back: `done` as in source_ticket_done, or not as in source_ticket_drop. */
    void (*settle)(struct ticket *ticket, bool done);
};
