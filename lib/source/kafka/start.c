/* See start.h. A migration must run nothing from before the group's beginning, and must pass over nothing
 * from after it: the notes (facts.h) tell apart what nothing else can. */
#include "source/kafka/start.h"
#include "source/kafka/offsets.h"

void start_learn(struct first_start *first, struct slice metadata, int64_t committed)
{
    struct facts facts;
    if (facts_read(metadata, &facts))
        first_start_merge(first, &facts.first);
    else if (offsets_is_note(metadata, committed))
        first->known = true; /* ours, from before there were facts */
}

enum start_reason start_without_offset(const struct start_question *question, bool change_log,
                                       int32_t partition, int64_t *offset)
{
    const struct first_start *first = question->first;
    const struct first_entry *entry = first_start_find(first, change_log, partition);
    if (question->topic_appeared)
        return START_APPEARED;
    if (!first->known)
        return question->latest && question->offsets ? START_TAKEN_OVER : START_GROUP_NEW;
    if (!question->latest)
        return START_APPEARED;
    if (entry) {
        *offset = entry->offset;
        return START_GROUP_BEGAN;
    }
    /* It may have been there, and what it had then must not be run. */
    return first->incomplete ? START_TAKEN_OVER : START_APPEARED;
}

bool start_at_end(enum start_reason reason, bool latest)
{
    return reason == START_TAKEN_OVER || (reason == START_GROUP_NEW && latest);
}
