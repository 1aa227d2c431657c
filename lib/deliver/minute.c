/* What may happen thousands of times a second is told as a count once a minute. */
#include "base/log.h"
#include "deliver/internal.h"
#include <stddef.h>

enum { MINUTE_MS = 60000 };

static void tell(struct minute *minute)
{
    if (minute->refusals_untold > 0 || minute->refusals_unreported > 0)
        log_warning("events refused: more of them within a minute", F_INT("count", minute->refusals_untold),
                    F_INT("unreported_node_runs", minute->refusals_unreported));
    if (minute->unwanted > 0)
        log_info("events that no mapping wants, within a minute", F_INT("count", minute->unwanted));
    minute->refusals_told = 0;
    minute->refusals_untold = minute->refusals_unreported = minute->unwanted = 0;
}

static void over(struct due *due)
{
    tell((struct minute *)(void *)((char *)due - offsetof(struct minute, due)));
}

void minute_begin(struct deliver *deliver)
{
    if (!deliver->minute.due.fired)
        schedule_add(&deliver->schedule, &deliver->minute.due,
                     clock_monotonic_ms(deliver->options.clock) + MINUTE_MS, over);
}

void minute_close(struct deliver *deliver)
{
    tell(&deliver->minute);
    schedule_remove(&deliver->schedule, &deliver->minute.due);
}
