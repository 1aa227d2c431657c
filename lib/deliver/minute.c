/* What may happen thousands of times a second is told as a count once a minute. */
#include "deliver/minute.h"
#include "base/container_of.h"

enum { MINUTE_MS = 60000 };

static void tell(struct minute *minute)
{
    if (minute->refusals_untold > 0 || minute->refusals_unreported > 0)
        observe(minute->observer, &(struct observed){.kind = OBSERVED_MORE_REFUSED,
                                                     .count = minute->refusals_untold,
                                                     .unreported = minute->refusals_unreported});
    if (minute->unwanted > 0)
        observe(minute->observer,
                &(struct observed){.kind = OBSERVED_MORE_UNWANTED, .count = minute->unwanted});
    minute->refusals_told = 0;
    minute->refusals_untold = minute->refusals_unreported = minute->unwanted = 0;
}

static void over(struct due *due)
{
    tell(CONTAINER_OF(due, struct minute, due));
}

void minute_open(struct minute *minute, struct schedule *schedule, const struct clock *clock,
                 struct observer *observer)
{
    *minute = (struct minute){.schedule = schedule, .clock = clock, .observer = observer};
}

void minute_begin(struct minute *minute)
{
    if (!minute->due.fired)
        schedule_add(minute->schedule, &minute->due, clock_monotonic_ms(minute->clock) + MINUTE_MS, over);
}

void minute_close(struct minute *minute)
{
    tell(minute);
    schedule_remove(minute->schedule, &minute->due);
}
