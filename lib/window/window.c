/* The round of turns, and what is heard of destinations. Destinations with something ready take turns, one
 * slot each, so that a long queue for one never delays another. */
#include "window/window.h"
#include "base/container_of.h"
#include "window/brake.h"
#include "window/fair.h"
#include "window/lane.h"
#include "window/share.h"
#include <assert.h>
#include <stdlib.h>

enum { PATIENCE_MS = 30000, PRESSED_PATIENCE_MS = 10000, RELIEF_MS = 5000 };

struct window {
    struct window_options options;
    struct load load;
    struct lanes lanes;
    struct destinations destinations;
    struct fair fair;
    /** Destinations with something ready. */
    struct destination *turn_first, *turn_last;
    size_t turns;
    /** A narrowed window is widened again. */
    struct due relief;
    struct brake brake;
};

/* Company */

static void check_activity(struct window *window, struct destination *destination)
{
    struct load *load = &window->load;
    bool active = destination->ready.first || destination->in_flight > 0;
    if (active == destination->active)
        return;
    if (!active && load->active > 1)
        load->company_ms = clock_monotonic_ms(load->clock);
    destination->active = active;
    load->active += active ? 1u : -1u;
}

/* Turns */

/** It may have its turn: something is ready, and its breaker lets it. */
static void take_turn(struct window *window, struct destination *destination)
{
    if (destination->in_turn || !destination->ready.first || destination->paused ||
        !breaker_lets(&destination->breaker))
        return;
    destination->in_turn = true;
    destination->next_turn = NULL;
    if (window->turn_last)
        window->turn_last->next_turn = destination;
    else
        window->turn_first = destination;
    window->turn_last = destination;
    window->turns++;
}

static struct destination *next_turn(struct window *window)
{
    struct destination *destination = window->turn_first;
    assert(destination); /* `turns` counts them */
    window->turn_first = destination->next_turn;
    if (!window->turn_first)
        window->turn_last = NULL;
    destination->in_turn = false;
    window->turns--;
    return destination;
}

void window_push(struct window *window, struct slot *slot, bool tried)
{
    struct destination *destination = slot->destination;
    bool held_back = destination->breaker.state != BREAKER_CLOSED && window->load.pressed_ms == 0;
    if (tried && !held_back) {
        queue_push_front(&destination->ready, slot);
    } else {
        slot->queued_ms = clock_monotonic_ms(window->load.clock);
        queue_push(&destination->ready, slot);
    }
    check_activity(window, destination);
    take_turn(window, destination);
}

static struct slot *start_slot(struct window *window, struct destination *destination)
{
    struct slot *slot = queue_pop(&destination->ready);
    if (destination->in_flight++ == 0)
        destination->quiet_since_ms = clock_monotonic_ms(window->load.clock);
    window->load.in_flight++;
    window->load.unproven_in_flight += !destination->answers;
    breaker_started(&destination->breaker);
    take_turn(window, destination);
    return slot;
}

bool window_is_full(const struct window *window)
{
    return window->load.in_flight >= window->load.slots;
}

struct slot *window_next(struct window *window)
{
    if (window_is_full(window) || window->brake.all)
        return NULL;
    for (size_t left = window->turns; left > 0; left--) {
        struct destination *destination = next_turn(window);
        if (!destination->ready.first)
            destination_settle(destination);
        else if (destination->paused)
            continue; /* it is out of the round until it is resumed */
        else if (share_allows(&window->load, destination))
            return start_slot(window, destination);
        else
            take_turn(window, destination); /* the others' turn first */
    }
    return NULL;
}

void window_withdraw(struct window *window, struct slot *slot)
{
    if (!slot->queue)
        return;
    queue_remove(slot);
    if (slot->destination)
        check_activity(window, slot->destination);
}

/* The breaker */

/** Slots in front of the queue that have waited long enough; it is in the order of queued_ms. */
static unsigned overdue(const struct window *window, const struct destination *destination)
{
    int64_t patience_ms = window->load.pressed_ms > 0 ? PRESSED_PATIENCE_MS : PATIENCE_MS;
    int64_t since_ms = clock_monotonic_ms(window->load.clock) - patience_ms;
    unsigned count = 0;
    for (const struct slot *slot = destination->ready.first; slot && slot->queued_ms <= since_ms;
         slot = slot->next)
        count++;
    return count;
}

static void interval_over(struct due *due)
{
    struct destination *destination = CONTAINER_OF(due, struct destination, due);
    struct window *window = CONTAINER_OF(destination->all, struct window, destinations);
    breaker_half_open(&destination->breaker, overdue(window, destination));
    take_turn(window, destination);
    window->options.ready(window->options.ctx);
}

static struct destination_view view_of(const struct destination *destination, int64_t now_ms)
{
    struct destination_view view = {.name = destination->name,
                                    .in_flight = destination->in_flight,
                                    .broken = destination->breaker.state != BREAKER_CLOSED,
                                    .broken_since_ms = destination->open_since_ms,
                                    .failures_in_row = destination->breaker.failures,
                                    .paused = destination->paused,
                                    .latency_ms = destination->latency_ms,
                                    .p50_ms = recent_percentile(&destination->recent, now_ms, 50),
                                    .p99_ms = recent_percentile(&destination->recent, now_ms, 99),
                                    .cause = destination->cause,
                                    .hint = destination->hint};
    for (const struct slot *slot = destination->ready.first; slot; slot = slot->next)
        view.waiting++;
    return view;
}

static void tell_circuit(const struct window *window, const struct destination *destination)
{
    const struct destination_view view = view_of(destination, clock_monotonic_ms(window->load.clock));
    if (window->options.circuit)
        window->options.circuit(window->options.ctx, &view);
}

static void hear_failure(struct window *window, struct destination *destination)
{
    struct breaker *breaker = &destination->breaker;
    bool again = breaker->state != BREAKER_CLOSED;
    int64_t wait_ms = breaker_failed(breaker, window->options.breaker_failures, window->load.clock);
    if (wait_ms == 0)
        return;
    schedule_add(window->options.schedule, &destination->due,
                 clock_monotonic_ms(window->load.clock) + wait_ms, interval_over);
    if (again)
        return;
    window->destinations.breakers_open++;
    destination->open_since_ms = clock_monotonic_ms(window->load.clock);
    tell_circuit(window, destination);
}

static void hear_answer(const struct window *window, struct destination *destination)
{
    bool was_broken = destination->breaker.state != BREAKER_CLOSED;
    destination_close_breaker(destination);
    if (was_broken)
        tell_circuit(window, destination);
}

static void tell_breaker(struct window *window, struct destination *destination, enum slot_end end)
{
    if (end == SLOT_CANCELLED || end == SLOT_OURS)
        breaker_cancelled(&destination->breaker);
    else if (window->options.breaker_failures == 0)
        return;
    else if (end == SLOT_ANSWERED)
        hear_answer(window, destination);
    else
        hear_failure(window, destination);
}

/* What is heard of it */

static void set_answers(struct window *window, struct destination *destination, bool answers)
{
    struct load *load = &window->load;
    if (destination->answers && !answers)
        load->unproven_in_flight += destination->in_flight;
    else if (!destination->answers && answers)
        load->unproven_in_flight -= destination->in_flight;
    fair_answers(&window->fair, destination, answers);
}

static void learn_latency(struct window *window, struct destination *destination, int64_t ms, int64_t now_ms)
{
    bool first = destination->latency_ms == 0;
    double sample_ms = (double)ms;
    recent_note(&destination->recent, now_ms, ms);
    destination->latency_ms += first ? sample_ms : (sample_ms - destination->latency_ms) / 8;
    set_answers(window, destination, true);
    destination->silent = destination->failed = false;
    if (destination->limit < window->load.slots)
        destination->limit++;
}

static void learn_silence(struct window *window, struct destination *destination, bool silent)
{
    set_answers(window, destination, false);
    destination->silent = silent;
    destination->failed = true;
    if (silent && destination->limit > 1)
        destination->limit /= 2;
}

void window_ended(struct window *window, struct slot *slot, enum slot_end end, int64_t ms)
{
    struct destination *destination = slot->destination;
    int64_t now_ms = clock_monotonic_ms(window->load.clock);
    destination->in_flight--;
    window->load.in_flight--;
    window->load.unproven_in_flight -= !destination->answers;
    check_activity(window, destination);
    if (end != SLOT_CANCELLED)
        destination->quiet_since_ms = now_ms;
    if (end == SLOT_ANSWERED || end == SLOT_FAILED)
        learn_latency(window, destination, ms, now_ms);
    else if (end == SLOT_REFUSED || end == SLOT_SILENT)
        learn_silence(window, destination, end == SLOT_SILENT);
    tell_breaker(window, destination, end);
    take_turn(window, destination);
}

/* Order */

bool window_enter_lane(struct window *window, struct slot *slot, struct slice name)
{
    struct lane *lane = lane_find(&window->lanes, name);
    if (lane)
        lane_enter(lane, slot);
    return lane != NULL;
}

bool window_is_in_lane(const struct slot *slot)
{
    return slot->lane != NULL;
}

struct slot *window_first_in_lane(struct slot *slot)
{
    return slot->lane ? slot->lane->head : slot;
}

bool window_is_first(const struct slot *slot)
{
    return !slot->lane || slot->lane->head == slot;
}

struct slot *window_leave_lane(struct window *window, struct slot *slot)
{
    return slot->lane ? lane_leave(&window->lanes, slot) : NULL;
}

/* Where */

bool window_address(struct window *window, struct slot *slot, const char *name)
{
    struct destination *destination =
        destination_find(&window->destinations, name, share_first_limit(&window->load));
    if (!destination)
        return false;
    destination->references++;
    window_forget(window, slot); /* one that was kept knows where it went before */
    fair_move(&window->fair, slot, destination);
    destination->paused = brake_holds(&window->brake, name);
    return true;
}

const char *window_destination_of(const struct slot *slot)
{
    return slot->destination ? slot->destination->name : NULL;
}

void window_forget(struct window *window, struct slot *slot)
{
    struct destination *destination = slot->destination;
    if (!destination)
        return;
    fair_move(&window->fair, slot, NULL);
    destination->references--;
    check_activity(window, destination);
    destination_settle(destination);
}

/* Memory, and what is kept by reference */

void window_hold(struct window *window, struct slot *slot, size_t bytes)
{
    fair_hold(&window->fair, slot, bytes);
}

bool window_is_beyond_share(const struct window *window, const struct slot *slot, bool pressed)
{
    return fair_is_beyond(&window->fair, slot, pressed);
}

bool window_lane_is_full(const struct window *window, const struct slot *slot)
{
    return fair_lane_is_full(&window->fair, slot);
}

bool window_is_held_back(const struct window *window, const struct slot *slot)
{
    return fair_is_held_back(&window->fair, slot);
}

bool window_has_used_share(const struct window *window, const struct slot *slot)
{
    return fair_has_used_share(&window->fair, slot);
}

void window_take_place(struct window *window, struct slot *from, struct slot *to, bool kept)
{
    struct destination *destination = from->destination;
    if (destination && from->queue == &destination->ready)
        window_withdraw(window, from);
    uint32_t held = from->held;
    fair_hold(&window->fair, from, 0);
    *to = (struct slot){.needs = kept ? held : 0,
                        .lane = from->lane,
                        .destination = destination,
                        .queued_ms = from->queued_ms,
                        .kept = kept,
                        .recalled = !kept};
    if (from->queue)
        queue_replace(from, to);
    if (to->lane && to->lane->head == from)
        to->lane->head = to;
    *from = (struct slot){.needs = from->needs}; /* whoever reserved them gives them back */
}

void window_keep(struct window *window, struct slot *slot, bool tried)
{
    fair_keep(&window->fair, slot, tried);
}

struct slot *window_recall(struct window *window)
{
    return fair_recall(&window->fair);
}

struct slot *window_next_in_lane(const struct slot *slot)
{
    if (!slot->lane)
        return NULL;
    return slot->lane->head == slot ? slot->lane->waiting.first : slot->next;
}

/* How much */

void window_press(struct window *window, bool pressed)
{
    if (pressed != (window->load.pressed_ms > 0))
        window->load.pressed_ms = pressed ? clock_monotonic_ms(window->load.clock) : 0;
}

static void widen(struct due *due)
{
    struct window *window = CONTAINER_OF(due, struct window, relief);
    unsigned slots = window->load.slots * 2;
    if (slots < window->options.slots) {
        window->load.slots = slots;
        schedule_add(window->options.schedule, due, clock_monotonic_ms(window->load.clock) + RELIEF_MS,
                     widen);
    } else {
        window->load.slots = window->options.slots;
    }
    window->options.ready(window->options.ctx);
}

unsigned window_narrow(struct window *window)
{
    struct load *load = &window->load;
    if (load->in_flight < load->slots)
        load->slots = load->in_flight > 0 ? load->in_flight : 1;
    schedule_remove(window->options.schedule, &window->relief);
    schedule_add(window->options.schedule, &window->relief, clock_monotonic_ms(load->clock) + RELIEF_MS,
                 widen);
    return load->slots;
}

unsigned window_breakers_open(const struct window *window)
{
    return window->destinations.breakers_open;
}

/* What stands */

struct view_visit {
    int64_t now_ms;
    void (*each)(void *ctx, const struct destination_view *view);
    void *ctx;
};

static void view_destination(void *ctx, const struct destination *destination)
{
    const struct view_visit *visit = ctx;
    const struct destination_view view = view_of(destination, visit->now_ms);
    visit->each(visit->ctx, &view);
}

void window_each_destination(const struct window *window,
                             void (*each)(void *ctx, const struct destination_view *view), void *ctx)
{
    struct view_visit visit = {clock_monotonic_ms(window->load.clock), each, ctx};
    destinations_each(&window->destinations, view_destination, &visit);
}

bool window_is_broken(const struct slot *slot)
{
    return slot->destination && slot->destination->breaker.state != BREAKER_CLOSED;
}

void window_note_cause(const struct slot *slot, struct slice cause, const char *hint)
{
    struct destination *destination = slot->destination;
    destination->hint = hint;
    slice_copy_cut(cause, destination->cause, sizeof destination->cause);
}

const char *window_cause(const struct slot *slot)
{
    return slot->destination ? slot->destination->cause : "";
}

/* A person's brake */

bool window_is_held(const struct window *window, const struct slot *slot)
{
    return window->brake.all || (slot->destination && slot->destination->paused);
}

/** What the brake does not hold any more has its turn again. */
static void follow_brake(void *ctx, const struct destination *seen)
{
    struct window *window = ctx;
    struct destination *destination = (struct destination *)(uintptr_t)seen;
    destination->paused = brake_holds(&window->brake, destination->name);
    take_turn(window, destination);
}

bool window_pause(struct window *window, const char *destination, bool paused)
{
    if (!brake_set(&window->brake, destination, paused))
        return false;
    destinations_each(&window->destinations, follow_brake, window);
    window->options.ready(window->options.ctx);
    return true;
}

bool window_is_paused(const struct window *window)
{
    return window->brake.all;
}

const char *window_paused(const struct window *window, size_t index)
{
    return index < window->brake.count ? window->brake.names[index] : NULL;
}

/* Life */

struct window *window_new(const struct window_options *options)
{
    struct window *window = calloc(1, sizeof *window);
    if (!window)
        return NULL;
    window->options = *options;
    window->load = (struct load){
        .clock = options->clock, .slots = options->slots, .per_destination = options->slots_per_destination};
    destinations_open(&window->destinations, options->schedule);
    fair_open(&window->fair, options->clock, options->bytes);
    return window;
}

void window_free(struct window *window)
{
    if (!window)
        return;
    schedule_remove(window->options.schedule, &window->relief);
    lanes_free(&window->lanes);
    destinations_free(&window->destinations);
    brake_clear(&window->brake);
    free(window);
}
