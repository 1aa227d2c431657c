/* How long addresses that were looked up may be used. libcurl keeps them for a minute; but where nothing
 * comes from the origin, its name may lead elsewhere by now, and is looked up again. Pure. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDRESSES_ORIGINS = 64, ADDRESSES_AGE_S = 60 };

/** When a connection last proved useless, by a hash of its origin; 0: never. Origins that share a
 * number only have their names looked up more often. Zero-initialise. */
struct addresses {
    int64_t useless_ms[ADDRESSES_ORIGINS];
};

/** Nothing came from there. `now_ms`: monotonic, not 0. */
void addresses_doubt(struct addresses *addresses, uint64_t origin, int64_t call_now_ms);
/** For how many seconds after they were looked up they may be used: those from before the last such call may
 * not. */
long addresses_age(const struct addresses *addresses, uint64_t origin, int64_t now_ms);
