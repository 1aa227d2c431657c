/* How calls to Port's API were answered, by what was asked and with which status: for whoever shows it.
 * Bounded, whatever Port answers. Pure. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { PORT_ROUTES = 8, PORT_CODES = 20 };

/** All zero: nothing yet. */
struct port_tally {
    /** In the orders of the two lists below. */
    uint64_t answers[PORT_ROUTES][PORT_CODES];
};

/** What is asked, and statuses ("none": no answer; "other": none of the others), as labels; live for ever. */
extern const char *const port_tally_routes[PORT_ROUTES];
extern const char *const port_tally_codes[PORT_CODES];

/** A request for that path, without a query, was answered with that status; 0: it was not answered. */
void port_tally_note(struct port_tally *tally, const char *path, int status);
