/* Is there space: for another record, and for more of what endpoints answer. Whoever asked and was refused
 * hears of it when there is space again, from the loop. */
#pragma once
#include "deliver/deliver.h"
#include "window/window.h"

/** What a delivery takes beside the bytes of its record. */
enum { MEMORY_OVERHEAD = 1024 };

struct memory {
    const struct deliver_options *options;
    struct window *window;
    /** Of records, responses and results that deliveries hold; of those, responses. */
    size_t bytes_held, answer_bytes;
    /** References that are kept of what is not in memory. */
    size_t kept;
    /** Deliveries that are sent, or answered: what ends with them gives space back. */
    size_t under_way;
    /** The source asked for space; there is some, and it has not been told. */
    bool room_wanted, room_owed;
    /** Something may be ready, but too much is held of answers. */
    bool answers_wait;
    /** On the heap. */
    uv_idle_t *wake;
    void (*again)(void *ctx, bool room);
    void *ctx;
};

/** What one delivery is charged. */
struct charge {
    size_t bytes, answer_bytes;
};

/** `options` and `window` are borrowed. `again`: from the loop, never inside another call: more may start;
 * `room`: so it is for records. False: out of memory. */
PA_MUST_USE bool memory_open(struct memory *memory, const struct deliver_options *options,
                             struct window *window, void (*again)(void *ctx, bool room), void *ctx);
void memory_close(struct memory *memory);
/** Is there space for a record of so many bytes? Notes it where not. */
PA_MUST_USE bool memory_has_room(struct memory *memory, size_t bytes);
/** May another webhook start, as far as answers are concerned? Notes it where not. */
PA_MUST_USE bool memory_answers_fit(struct memory *memory);
/** What is held of responses that have come, results that wait for Port included. */
size_t memory_answer_bytes(const struct memory *memory);
/** What results may hold that nobody may ever come back for. */
size_t memory_kept_max(const struct memory *memory);
/** What a delivery holds has changed: it is charged so much now. */
void memory_charge(struct memory *memory, struct charge *charge, struct charge now);
/** Holds, for a record that is on its way, and gives back, so many bytes. */
void memory_reserve(struct memory *memory, size_t bytes);
void memory_unreserve(struct memory *memory, size_t bytes);
/** Is an n-th part of all of it free, or nothing held? */
PA_MUST_USE bool memory_is_free_by(const struct memory *memory, size_t n);
/** There may be space for something that is kept by reference: `again` follows. */
void memory_look_again(struct memory *memory);
