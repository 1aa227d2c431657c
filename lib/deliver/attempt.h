/* One request: signed, sent, answered; then tried again, or over. */
#pragma once
#include <stdint.h>

struct deliver;
struct delivery;

/** Starts what may start. What answers take bounds it, beside the window. */
void deliver_pump(struct deliver *deliver);
/** Ends the attempt under way without a word to anybody. */
void delivery_cancel_attempt(struct delivery *delivery);
/** The delivery fails for good, wherever it stands before its last answer; nothing is under way for it. */
void delivery_give_up(struct delivery *delivery, const char *unsent, const char *unanswered);
