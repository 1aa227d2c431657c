/* What every HTTP client of the program has in common. */
#pragma once
#include "config/config.h"
#include "http/client.h"

struct authorities;

/** A client's options with our name, the proxies, `authorities` (borrowed, as config is), certificates
 * checked and no redirect followed. The loop, the clock, deadlines and bounds are the caller's to set. */
struct http_client_options http_options(const struct config *config, const struct authorities *authorities);
