/* Where a delivery goes. */
#pragma once
#include "base/error.h"

struct delivery;

/** Method, URL, destination. PA_ERR_INVALID with the cause when it cannot go anywhere; PA_ERR_MEMORY. */
PA_MUST_USE int delivery_address(struct delivery *delivery, struct error *err);
/** A change-log event without a key keeps its place among those that go to the same destination. */
PA_MUST_USE int delivery_enter_lane(struct delivery *delivery);
