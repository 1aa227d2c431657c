/* Runs that are left to Port may be offered again and again, hundreds at a time. So their lines are grouped:
 * the first one at once, then one a minute that says how many there were. */
#include "base/log.h"
#include "source/polling/internal.h"
#include <stdio.h>
#include <string.h>

enum { QUIET_MS = 60000 };

static const char *const messages[LEFT_REASONS] = {
    [LEFT_NO_ID] = "claimed run skipped: it has no id that can be reported to",
    [LEFT_NOT_FOR_AGENT] = "run skipped: its invocation method is not for an agent",
    [LEFT_UNAUTHORISED] = "run left to Port: Port refuses our credentials for its acknowledgement",
    [LEFT_FORBIDDEN] = "run left to Port: this agent may not acknowledge it",
    [LEFT_UNKNOWN] = "run left to Port: Port does not know it",
    [LEFT_REFUSED] = "run left to Port: Port refuses its acknowledgement",
};

static void write_line(struct poller *poller, enum left why, int64_t now_ms)
{
    struct left_line *line = &poller->left[why];
    log_warning(messages[why], F_STR("url.path", claim_path(poller->kind)),
                *line->id ? F_STR("port.run_id", line->id) : F_NONE, F_INT("count", line->more),
                line->status ? F_STATUS(line->status) : F_NONE,
                *line->answer ? F_STR("error.message", line->answer) : F_NONE);
    line->said = true;
    line->said_ms = now_ms;
    line->more = 0;
}

void left_say(struct poller *poller, enum left why, struct slice id, const struct port_result *result)
{
    struct left_line *line = &poller->left[why];
    int64_t now_ms = clock_monotonic_ms(poller->source->options.clock);
    line->more++;
    line->status = result ? result->status : 0;
    snprintf(line->answer, sizeof line->answer, "%s", result ? result->reason : "");
    slice_copy_cut(id, line->id, sizeof line->id);
    if (!line->said || now_ms - line->said_ms >= QUIET_MS)
        write_line(poller, why, now_ms);
}

void left_flush(struct poller *poller, bool end)
{
    int64_t now_ms = clock_monotonic_ms(poller->source->options.clock);
    for (size_t why = 0; why < LEFT_REASONS; why++) {
        const struct left_line *line = &poller->left[why];
        if (line->more > 0 && (end || now_ms - line->said_ms >= QUIET_MS))
            write_line(poller, (enum left)why, now_ms);
    }
}
