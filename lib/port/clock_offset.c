/* See clock_offset.h. */
#include "port/clock_offset.h"
#include "base/log.h"
#include "http/retry_after.h"
#include <stdio.h>

enum { TELL_AGAIN_MS = 60000 };

static void tell(int64_t ahead_s)
{
    char sentence[160];
    snprintf(sentence, sizeof sentence,
             "it is %lld s %s Port's; webhooks are signed with its time, and receivers may refuse them: set "
             "this machine's clock (NTP)",
             (long long)(ahead_s < 0 ? -ahead_s : ahead_s), ahead_s < 0 ? "behind" : "ahead of");
    log_warning("this machine's clock is off", F_INT("ahead_s", ahead_s), F_STR("reason", sentence));
}

void clock_offset_note(struct clock_offset *offset, struct slice date, const struct clock *clock)
{
    int64_t date_s = http_date_s(date);
    if (date_s < 0)
        return;
    int64_t ahead_s = clock_wall_ms(clock) / 1000 - date_s, now_ms = clock_monotonic_ms(clock);
    bool off = ahead_s > CLOCK_OFFSET_MAX_S || ahead_s < -CLOCK_OFFSET_MAX_S;
    if (off && (!offset->off || now_ms - offset->told_ms >= TELL_AGAIN_MS)) {
        tell(ahead_s);
        offset->told_ms = now_ms;
    } else if (!off && offset->off) {
        log_info("this machine's clock agrees with Port's again", F_INT("ahead_s", ahead_s));
    }
    offset->off = off;
}
