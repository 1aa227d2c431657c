/* Which letters the options select. */
#include "agent/commands.h"
#include "dead_letters.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NUMBER_DIGITS = 9, DAY_MS = 86400000 };

/** Milliseconds since the epoch; false: there is no such day (strptime knows 31 days in each month). */
static bool day_exists(struct tm fields, int64_t *out)
{
    const struct tm asked = fields;
    *out = (int64_t)timegm(&fields) * 1000;
    return fields.tm_mon == asked.tm_mon && fields.tm_mday == asked.tm_mday;
}

/** "2026-01-13T15:20:16Z" (a fraction may follow) or "2026-01-13", in UTC, as milliseconds since the epoch;
 * at the day's end when `end` is set. False: it is neither. */
static bool parse_time(const char *text, bool end, int64_t *out)
{
    struct tm fields = {0};
    const char *rest = strptime(text, "%Y-%m-%d", &fields);
    if (!rest || !day_exists(fields, out))
        return false;
    if (!*rest) {
        *out += end ? DAY_MS - 1 : 0;
        return true;
    }
    return letter_time_read(text, out);
}

int letters_filter_parse(struct letters_filter *filter, const struct command_usage *usage)
{
    static const char accepted[] = "is no time; write 2026-01-13 or 2026-01-13T15:20:16Z";
    filter->since_ms = INT64_MIN;
    filter->until_ms = INT64_MAX;
    if (filter->run && !*filter->run)
        return options_wrong(usage, "--run is empty; write the run's ID");
    if (filter->since && !parse_time(filter->since, false, &filter->since_ms))
        return options_wrong(usage, "--since: '%s' %s", filter->since, accepted);
    if (filter->until && !parse_time(filter->until, true, &filter->until_ms))
        return options_wrong(usage, "--until: '%s' %s", filter->until, accepted);
    return OPTIONS_GO_ON;
}

static bool names(const char *word, const struct dead_letter_entry *entry)
{
    if (strcmp(word, entry->ref.id) == 0)
        return true;
    size_t digits = strspn(word, "0123456789");
    return digits > 0 && digits <= NUMBER_DIGITS && !word[digits] &&
           strtoull(word, NULL, 10) == entry->number;
}

static bool is_named(struct letters_filter *filter, const struct dead_letter_entry *entry)
{
    bool named = filter->ids.count == 0;
    for (size_t i = 0; i < filter->ids.count; i++) {
        if (!names(filter->ids.items[i], entry))
            continue;
        named = true;
        if (filter->found)
            filter->found[i] = entry->replayed && !filter->replayed ? LETTER_REPLAYED_BEFORE : LETTER_FOUND;
    }
    return named;
}

bool letters_filter_wants(struct letters_filter *filter, const struct dead_letter_entry *entry)
{
    const struct dead_letter *letter = &entry->letter;
    return is_named(filter, entry) && (filter->replayed || !entry->replayed) &&
           letter->time_ms >= filter->since_ms && letter->time_ms <= filter->until_ms &&
           (!filter->run || slice_equal_text(letter->run_id, filter->run)) &&
           (!filter->reason || strcasestr(letter->reason, filter->reason));
}
