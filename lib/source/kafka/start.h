/* Where an assigned partition begins, and why. Pure: no Kafka, no loop. */
#pragma once
#include "source/kafka/facts.h"

enum start_reason {
    /** At its committed offset. */
    START_COMMITTED,
    /** The committed offset belongs to a topic that is gone: at the earliest record of the present one. */
    START_MADE_ANEW,
    /** No agent consumed in this group before: as the setting says. */
    START_GROUP_NEW,
    /** The group belonged to another kind of agent, which never consumed from it: at its end. */
    START_TAKEN_OVER,
    /** No offset was committed for it, but it existed when the group began: at its end of that time. */
    START_GROUP_BEGAN,
    /** It appeared after the group had begun: at its earliest record. */
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

/** What the metadata beside a committed offset tells of the group's first start is added to `first`. */
void start_learn(struct first_start *first, struct slice metadata, int64_t committed);
/** For a partition without a committed offset. START_GROUP_BEGAN sets `offset`. */
PA_MUST_USE enum start_reason start_without_offset(const struct start_question *question, bool change_log,
                                                   int32_t partition, int64_t *offset);
/** Does it begin at its end? */
PA_MUST_USE bool start_at_end(enum start_reason reason, bool latest);
