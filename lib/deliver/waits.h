/* What a delivery waits for, and for how long, so that the line of its end can say so. */
#pragma once
#include "base/slice.h"
#include "deliver/life.h"
#include <stdbool.h>
#include <stdint.h>

struct delivery;

enum wait {
    WAIT_MAPPING,
    /** Another of the same key is first. */
    WAIT_LANE,
    /** Its destination's other attempts. */
    WAIT_TURN,
    WAIT_BREAKER,
    WAIT_RETRY,
    WAIT_MEMORY,
    WAIT_LETTER,
    WAIT_PORT
};
enum { WAITS = WAIT_PORT + 1 };

/** All zero at first. */
struct waits {
    /** When the state began that the delivery is in; 0: none has. */
    int64_t since_ms;
    uint32_t ms[WAITS];
    /** Its destination's breaker holds it back. */
    bool at_breaker;
    /** Its run has a line that says that it waits. */
    bool told;
};

/** It leaves the state that it is in for the next one. */
void waits_move(struct delivery *delivery, enum life_state next);
enum { WAITS_TEXT_SIZE = 160 };
/** In words, the longest first ("lane 4.2 s, Port 0.3 s"); null: for nothing that is worth a word. */
struct slice waits_text(struct delivery *delivery, char out[WAITS_TEXT_SIZE]);
