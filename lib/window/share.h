/* How much of the window a destination may use. */
#pragma once
#include "window/destination.h"

/** The window as a whole. */
struct load {
    const struct clock *clock;
    /** Slots there are, in all and for one destination (0: no bound of its own). */
    unsigned slots, per_destination;
    unsigned in_flight;
    /** Of those, at destinations that do not answer. */
    unsigned unproven_in_flight;
    /** Destinations with something ready or in flight. */
    unsigned active;
    /** When more than one was, last; 0: never. */
    int64_t company_ms;
    /** Since when too much waits; 0: it does not. */
    int64_t pressed_ms;
};

/** What a new destination may have in flight before it has answered. */
unsigned share_first_limit(const struct load *load);
/** May one more attempt at it start? */
PA_MUST_USE bool share_allows(const struct load *load, const struct destination *destination);
