/* The dead letter of what failed for good. */
#pragma once

struct delivery;

/** Writes its dead letter, then reports. */
void delivery_bury(struct delivery *delivery);
