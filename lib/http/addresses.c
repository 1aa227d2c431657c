/* See addresses.h. */
#include "http/addresses.h"

void addresses_doubt(struct addresses *addresses, uint64_t origin, int64_t now_ms)
{
    addresses->useless_ms[origin % ADDRESSES_ORIGINS] = now_ms;
}

long addresses_age(const struct addresses *addresses, uint64_t origin, int64_t now_ms)
{
    int64_t useless_ms = addresses->useless_ms[origin % ADDRESSES_ORIGINS];
    if (useless_ms == 0 || now_ms - useless_ms >= (int64_t)ADDRESSES_AGE_S * 1000)
        return ADDRESSES_AGE_S;
    return (long)((now_ms - useless_ms) / 1000);
}
