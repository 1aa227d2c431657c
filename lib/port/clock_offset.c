/* See clock_offset.h. */
#include "port/clock_offset.h"
#include "http/retry_after.h"
#include <stdio.h>

static void meet(struct conditions *conditions, int64_t ahead_s)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence,
             "it is %lld s %s Port's; webhooks are signed with its time, and receivers may refuse them: set "
             "this machine's clock (NTP)",
             (long long)(ahead_s < 0 ? -ahead_s : ahead_s), ahead_s < 0 ? "behind" : "ahead of");
    condition_stands(conditions, CONDITION_CLOCK_OFF, NULL, ahead_s, sentence);
}

void clock_offset_note(struct conditions *conditions, struct slice date, const struct clock *clock)
{
    int64_t date_s = conditions ? http_date_s(date) : -1;
    if (date_s < 0)
        return;
    int64_t ahead_s = clock_wall_ms(clock) / 1000 - date_s;
    if (ahead_s > CLOCK_OFFSET_MAX_S || ahead_s < -CLOCK_OFFSET_MAX_S)
        meet(conditions, ahead_s);
    else
        condition_ended(conditions, CONDITION_CLOCK_OFF, NULL, ahead_s);
}
