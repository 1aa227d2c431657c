/* Times are halved with each that follows: after one event that takes long, one quick event of the same
 * mapping waits behind others, after a hundred of them six or seven. */
#include "map/pace.h"
#include <time.h>

enum {
    /** As if it had taken so long: it never came to its end. */
    RAN_OUT_MAX_US = 1000000,
    /** Below, there is nothing to remember. */
    FORGOTTEN_US = 1000
};

static int64_t processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static _Atomic uint32_t *recent_of(struct pace *pace, size_t number, size_t step)
{
    return &pace->recent_us[(number - 1) % PACE_MAPPINGS][step];
}

static void learn(_Atomic uint32_t *recent_us, int64_t took_us)
{
    int64_t us = (atomic_load(recent_us) + took_us) / 2;
    atomic_store(recent_us, us < FORGOTTEN_US ? 0 : (uint32_t)us);
}

bool pacing_begin(struct pacing *pacing, size_t number, enum pace_step step)
{
    if (!pacing || !pacing->pace)
        return true;
    struct pace *pace = pacing->pace;
    uint32_t recent_us = atomic_load(recent_of(pace, number, step));
    if (pacing->which == MAP_QUICK && !pacing->insists && pacing->bound_us > 0 &&
        recent_us > pacing->bound_us / 2) {
        pacing->refused = number;
        return false;
    }
    atomic_store(&pace->at[pacing->which].mapping, (uint32_t)number);
    atomic_store(&pace->at[pacing->which].step, (uint32_t)step);
    pacing->began_us = recent_us > 0 ? processor_us() : -1;
    return true;
}

void pacing_end(struct pacing *pacing)
{
    if (!pacing || !pacing->pace)
        return;
    struct pace *pace = pacing->pace;
    size_t number = atomic_load(&pace->at[pacing->which].mapping);
    if (pacing->began_us >= 0 && number > 0)
        learn(recent_of(pace, number, atomic_load(&pace->at[pacing->which].step)),
              processor_us() - pacing->began_us);
    atomic_store(&pace->at[pacing->which].mapping, 0);
    pacing->began_us = -1;
}

uint32_t pace_ran_out(struct pace *pace, enum map_evaluator which, int64_t cpu_ms)
{
    uint32_t number = atomic_load(&pace->at[which].mapping);
    if (number > 0) {
        int64_t us = 2000 * cpu_ms < RAN_OUT_MAX_US ? 2000 * cpu_ms : RAN_OUT_MAX_US;
        learn(recent_of(pace, number, atomic_load(&pace->at[which].step)), us);
    }
    return number;
}
