/* What listeners ask of struct observed. Pure. */
#include "observe/internal.h"

struct slice observed_shown(const struct observed *observed, struct slice text, struct buffer *room)
{
    if (!observed->show)
        return text;
    observed->show(observed->show_ctx, text, room);
    return buffer_slice(room);
}

enum observed_end observed_end(enum observed_kind kind)
{
    switch (kind) {
    case OBSERVED_DELIVERED:
        return END_DELIVERED;
    case OBSERVED_FAILED:
    case OBSERVED_UNSENT:
        return END_FAILED;
    case OBSERVED_NOT_FOR_AGENT:
        return END_SKIPPED;
    case OBSERVED_UNREADABLE:
        return END_UNREADABLE;
    case OBSERVED_UNSIGNED:
    case OBSERVED_TIMESTAMP_MALFORMED:
    case OBSERVED_SIGNATURE_WRONG:
    case OBSERVED_OTHER_TOPICS:
        return END_REFUSED;
    default:
        return END_NONE;
    }
}
