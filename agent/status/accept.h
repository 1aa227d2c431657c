/* The Accept header of a request. */
#pragma once
#include "base/must_use.h"

/** How much whoever sends this header wants the type, in thousandths (RFC 9110, 12.4.2). Only ranges that
 * name the type count, no patterns. */
PA_MUST_USE int accept_weight(const char *accept, const char *type);
