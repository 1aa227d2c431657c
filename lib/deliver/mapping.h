/* What its mapping makes of an event. */
#pragma once

struct delivery;

/** Asks for the mapping of a delivery, or sends it on its way at once where none is needed. */
void delivery_map(struct delivery *delivery);
