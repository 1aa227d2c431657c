/* What happened, as progress logs that the run's people read in Port. */
#include "observe/internal.h"

static void append_ended(const struct observed *observed, struct buffer *text)
{
    if (observed->answered) {
        buffer_appendf(text, "Webhook answered %d in %lld ms", observed->status,
                       (long long)observed->duration_ms);
    } else {
        buffer_appendf(text, "Webhook failed after %lld ms: ", (long long)observed->duration_ms);
        buffer_append_slice(text, observed->reason);
    }
    if (observed->attempt > 1)
        buffer_appendf(text, " (attempt %u)", observed->attempt);
    if (observed->cut)
        buffer_appendf(text, "; %s", observed_cut_words(observed->cut));
    if (observed->answer.len > 0) {
        buffer_append_text(text, ". Answer: ");
        buffer_append_slice(text, observed->answer);
    }
}

/** Appends what the run's people read; nothing of what is not theirs. */
static void append_told(const struct observed *observed, struct buffer *text)
{
    struct buffer room = {0};
    switch (observed->kind) {
    case OBSERVED_SENDING:
        buffer_appendf(text, "Sending %s ", observed->method);
        buffer_append_slice(text, observed_shown(observed, observed->url, &room));
        buffer_append_text(text, " (attempt 1)");
        break;
    case OBSERVED_RETRYING:
        buffer_appendf(text, "Attempt %u of %u failed: ", observed->attempt, observed->max_attempts);
        buffer_append_slice(text, observed->reason);
        buffer_appendf(text, ". Trying again in %.1f s", (double)observed->wait_ms / 1000);
        break;
    case OBSERVED_DELIVERED:
    case OBSERVED_FAILED:
        append_ended(observed, text);
        break;
    case OBSERVED_UNSENT:
        buffer_append_slice(text, observed->summary);
        break;
    case OBSERVED_REPORT_UNMAPPED:
        buffer_append_text(text, "What the mapping reports could not be evaluated: ");
        buffer_append_slice(text, observed_shown(observed, observed->reason, &room));
        break;
    default:
        break;
    }
    buffer_clear(&room);
}

void run_log_write(void (*tell_run)(struct run_report *report, struct slice text),
                   const struct observed *observed)
{
    struct buffer text = {0};
    append_told(observed, &text);
    if (text.len > 0 && !text.failed)
        tell_run(observed->report, buffer_slice(&text));
    buffer_clear(&text);
}
