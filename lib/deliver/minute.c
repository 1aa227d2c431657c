/* What may happen thousands of times a second is told as a count once a minute. */
#include "deliver/internal.h"
#include <stddef.h>

enum { MINUTE_MS = 60000 };

static void tell(struct deliver *deliver)
{
    struct minute *minute = &deliver->minute;
    if (minute->refusals_untold > 0 || minute->refusals_unreported > 0)
        observe(deliver->options.observer, &(struct observed){.kind = OBSERVED_MORE_REFUSED,
                                                              .count = minute->refusals_untold,
                                                              .unreported = minute->refusals_unreported});
    if (minute->unwanted > 0)
        observe(deliver->options.observer,
                &(struct observed){.kind = OBSERVED_MORE_UNWANTED, .count = minute->unwanted});
    minute->refusals_told = 0;
    minute->refusals_untold = minute->refusals_unreported = minute->unwanted = 0;
}

static void over(struct due *due)
{
    tell((struct deliver *)(void *)((char *)due - offsetof(struct deliver, minute.due)));
}

void minute_begin(struct deliver *deliver)
{
    if (!deliver->minute.due.fired)
        schedule_add(&deliver->schedule, &deliver->minute.due,
                     clock_monotonic_ms(deliver->options.clock) + MINUTE_MS, over);
}

void minute_close(struct deliver *deliver)
{
    tell(deliver);
    schedule_remove(&deliver->schedule, &deliver->minute.due);
}
