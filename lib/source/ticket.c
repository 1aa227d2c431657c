/* Giving tickets back, whichever source they came from. */
#include "source/ticket.h"

void source_ticket_done(struct ticket *ticket)
{
    ticket->settle(ticket, true);
}

void source_ticket_drop(struct ticket *ticket)
{
    ticket->settle(ticket, false);
}
