/* See letters_topic.h. What would lose letters, or hold their records back, is a warning at least. */
#include "letters_topic.h"
#include <inttypes.h>

/** In the largest unit of which it is a whole number. */
static void append_period(int64_t ms, struct buffer *out)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};
    size_t unit = 0;
    while (unit < 3 && ms % units[unit].ms != 0)
        unit++;
    int64_t count = ms / units[unit].ms;
    buffer_appendf(out, "%" PRId64 " %s%s", count, units[unit].name, count == 1 ? "" : "s");
}

/** What is said already stays the worse of the two. */
static void letters_worse(struct check_step *step, enum check_verdict verdict)
{
    if (step->verdict != CHECK_FAILED)
        step->verdict = verdict;
}

static void say_writing(struct check_step *step, enum topic_writing writing)
{
    if (writing == TOPIC_WRITING_ALLOWED) {
        buffer_append_text(&step->detail, ", the agent may write to it");
    } else if (writing == TOPIC_WRITING_REFUSED) {
        letters_worse(step, CHECK_FAILED);
        buffer_append_text(&step->detail, ", but the agent's user may not write to it");
        buffer_append_text(check_hint(step),
                           "allow the user to write to the topic (an ACL for Write): a dead letter "
                           "that cannot be written holds its partition back");
    } else {
        buffer_append_text(&step->detail, "; only a write can tell whether the agent may write to it");
    }
}

static void say_retention(struct check_step *step, const struct topic_probe *topic)
{
    if (topic->compacted) {
        letters_worse(step, CHECK_WARNING);
        buffer_append_text(&step->detail, "; it is compacted");
        buffer_append_text(
            check_hint(step),
            "set its cleanup.policy to delete: a compacted topic keeps the last letter of each "
            "key alone, and refuses letters of records without a key");
    }
    buffer_append_text(&step->detail, "; letters stay ");
    if (topic->retention_ms < 0)
        buffer_append_text(&step->detail, "for ever");
    else
        append_period(topic->retention_ms, &step->detail);
    if (topic->retention_bytes >= 0)
        buffer_appendf(&step->detail, ", and each partition keeps %" PRId64 " bytes of them",
                       topic->retention_bytes);
}

static void say_size(struct check_step *step, const struct topic_probe *topic)
{
    if (topic->record_bytes <= 0 || topic->record_bytes >= topic->other_record_bytes)
        return;
    letters_worse(step, CHECK_WARNING);
    buffer_appendf(&step->detail, "; a letter may have %" PRId64 " bytes", topic->record_bytes);
    buffer_appendf(check_hint(step),
                   "raise its max.message.bytes: records of the runs topic may have %" PRId64
                   " bytes, and a dead letter that is too large for its topic holds its partition back",
                   topic->other_record_bytes);
}

void letters_topic_say(struct check_step *step, const struct topic_probe *topic)
{
    say_writing(step, topic->writing);
    if (topic->silent) {
        buffer_appendf(&step->detail, "; how long letters stay the brokers do not say (%s)", topic->silent);
        return;
    }
    say_retention(step, topic);
    say_size(step, topic);
}
