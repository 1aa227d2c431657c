/* Where an assigned partition begins, and why. Pure: no Kafka, no loop. */
#pragma once
#include "source/kafka/facts.h"

enum start_reason {
    /** At its committed offset. */
    START_COMMITTED,
    /** That offset belongs to a topic that is gone: the earliest record of the one there is. */
    START_MADE_ANEW,
    /** Nobody consumed in this group before: as the setting says. */
    START_GROUP_NEW,
    /** The group was another kind of agent's, which never consumed from it: its end. */
    START_TAKEN_OVER,
    /** Nobody committed an offset for it, but it was there when the group began: where it stood then. */
    START_GROUP_BEGAN,
    /** It appeared after the group had begun: the earliest record. */
    START_APPEARED
};

/** What is known of the group when a partition without a committed offset is assigned. */
struct start_question {
    /** The setting: a new group begins at the ends. */
    bool latest;
    /** The group has committed offsets, of whatever partition. */
    bool offsets;
    /** The topic was seen to be missing. */
    bool topic_appeared;
    /** What notes, or we ourselves, know of the group's first start. */
    const struct first_start *first;
};

/** For a partition without a committed offset. START_GROUP_BEGAN sets `offset`. */
enum start_reason start_without_offset(const struct start_question *question, bool change_log,
                                       int32_t partition, int64_t *offset);
/** Does it begin at its end? */
bool start_at_end(enum start_reason reason, bool latest);
