/* Whose turn it is. Destinations with something ready take turns, one delivery each, so that a long queue for
 * one never delays another.
 *
 * How much of the window one may use. A slot is held for as long as the endpoint takes, so what a destination
 * costs the others is its number in flight times its latency (Little's law); that is what is limited:
 *
 *   - One that does not answer (it is new, or its last attempt had no answer) may have one attempt in
 *     progress, and more only while all such destinations together hold less than a sixteenth of the window:
 *     thirty that never answer hold thirty slots, not all of them. When slots are scarce (at most a
 *     quarter is free) even the first attempt at one that was silent before must be within that sixteenth.
 *   - What waits for those that do not answer is held in memory, and when memory is full nobody's records are
 *     taken any more. So once half of it has been used for ten seconds, while slots are not scarce, they may
 *     hold half the window. Not sooner: what they get, they hold for as long as a timeout.
 *   - One that answers and is alone may use the whole window, except a sixteenth once it has been silent for
 *     a second, and twice as long as it is used to.
 *   - Otherwise one that answers has a limit that grows by one with every answer (slow start as in TCP,
 *     RFC 5681, section 3.1), up to the whole window, and is halved when it falls silent.
 *   - In company (another destination was active in the last ten seconds) one that is above its fair share
 *     leaves a sixteenth of the window to the others (what those that do not answer hold is part of it), and
 *     of the rest it may use the part that its latency allows: all of it up to a second, half at two seconds,
 *     a twentieth at twenty. The silence since its last answer counts as latency, so one that falls silent
 *     gives way before its timeouts say so.
 *
 * Why not a fixed share: it would waste most of the window when few destinations are in use. Why not the
 * gradient of latencies (as in Netflix's concurrency-limits): an endpoint that takes twenty seconds because
 * its work takes that long is no slower under load, and would be punished for nothing while it is alone. */
#include "window/share.h"

enum { UNPROVEN_PART = 16, FIRST_LIMIT_MIN = 4, RESERVE_PART = 16, COMPANY_MS = 10000, PRESSED_MS = 10000 };
static const double QUICK_MS = 1000;

static unsigned part_of_window(const struct load *load, unsigned divisor, unsigned least)
{
    unsigned window = load->slots, part = window / divisor;
    if (part < least)
        part = least;
    return part < window ? part : window;
}

unsigned share_first_limit(const struct load *load)
{
    return part_of_window(load, UNPROVEN_PART, FIRST_LIMIT_MIN);
}

/* Company */

static bool in_company(const struct load *load, int64_t now_ms)
{
    return load->active > 1 || (load->company_ms > 0 && now_ms - load->company_ms < COMPANY_MS);
}

/** In milliseconds: smoothed, or the silence since the last answer, if that is longer. */
static double latency_of(const struct destination *destination, int64_t now_ms)
{
    double silence_ms = (double)(now_ms - destination->quiet_since_ms);
    return silence_ms > destination->latency_ms ? silence_ms : destination->latency_ms;
}

/** Slots that are left to others. Those that do not answer are others too: what they hold is taken off, down
 * to a quarter. */
static unsigned reserve_of(const struct load *load)
{
    unsigned reserve = part_of_window(load, RESERVE_PART, 1), least = (reserve + 3) / 4;
    return reserve > load->unproven_in_flight + least ? reserve - load->unproven_in_flight : least;
}

static bool allowed_alone(const struct load *load, const struct destination *destination, int64_t now_ms)
{
    double silence_ms = (double)(now_ms - destination->quiet_since_ms);
    bool fell_silent = silence_ms > QUICK_MS && silence_ms > 2 * destination->latency_ms;
    return !fell_silent || destination->in_flight < load->slots - reserve_of(load);
}

/** May one that answers, and is not alone, have one more in flight? */
static bool allowed_in_company(const struct load *load, const struct destination *destination, int64_t now_ms)
{
    unsigned window = load->slots;
    unsigned fair = window / (load->active > 1 ? load->active : 2); /* who was active will be again */
    unsigned reserve = reserve_of(load), in_flight = destination->in_flight;
    if (in_flight < fair)
        return true;
    if (window - load->in_flight <= reserve)
        return false;
    double latency_ms = latency_of(destination, now_ms);
    double part = latency_ms > QUICK_MS ? QUICK_MS / latency_ms : 1;
    return in_flight < fair + (window - reserve - fair) * part;
}

static bool pressed_for_long(const struct load *load)
{
    return load->pressed_ms > 0 && clock_monotonic_ms(load->clock) - load->pressed_ms >= PRESSED_MS;
}

/** May one that does not answer have one more attempt? */
static bool may_try(const struct load *load, const struct destination *destination)
{
    unsigned window = load->slots, unproven = load->unproven_in_flight;
    bool scarce = window - load->in_flight <= window / 4;
    if (destination->in_flight == 0 && !(destination->silent && scarce))
        return unproven < window - window / 4;
    if (!scarce && pressed_for_long(load))
        return unproven < window / 2;
    return destination->in_flight < destination->limit && unproven < share_first_limit(load);
}

bool share_allows(const struct load *load, const struct destination *destination)
{
    unsigned cap = load->per_destination;
    if ((cap > 0 && destination->in_flight >= cap) || !breaker_lets(&destination->breaker))
        return false;
    if (!destination->answers)
        return may_try(load, destination);
    if (destination->in_flight == 0)
        return true;
    int64_t now_ms = clock_monotonic_ms(load->clock);
    if (!in_company(load, now_ms))
        return allowed_alone(load, destination, now_ms);
    return destination->in_flight < destination->limit && allowed_in_company(load, destination, now_ms);
}
