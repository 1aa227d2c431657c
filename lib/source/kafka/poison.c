/* Batches that cannot be read. librdkafka tells of one that does not decompress, twice a second and for ever;
 * of records whose lengths lie it tells nothing, and where their offsets lie it goes elsewhere. In each case
 * the partition would stand still. So a separate client finds where the unreadable records end
 * (unreadable.h), an ERROR tells of them with their number, and the position is set behind them.
 *
 * Whether a batch is one of these is never concluded from waiting: waiting makes us look, and what a broker
 * sends decides. */
#include "observe/conditions.h"
#include "source/kafka/internal.h"
#include <stdlib.h>
#include <string.h>

enum {
    /** Failures in a row before the end is looked for: librdkafka tries again every half second. */
    FAILURES = 3,
    /** So often librdkafka is sent back to the position before the log is believed to begin anew. */
    STRAYS = 3,
    SILENCE_MS = 30000,
    PATIENCE_CAP_MS = 600000
};

static int64_t now_of(const struct kafka_consumer *consumer)
{
    return clock_monotonic_ms(consumer->options.clock);
}

static int64_t silence_ms(const struct kafka_consumer *consumer)
{
    return consumer->options.silence_ms > 0 ? consumer->options.silence_ms : SILENCE_MS;
}

/* Whether it stands still */

static void stands_still(struct partition *partition, int64_t offset, const char *why)
{
    char name[PARTITION_NAME_SIZE];
    struct conditions *conditions = partition->consumer->options.conditions;
    partition->poison.stands = conditions != NULL;
    if (conditions)
        condition_met(conditions, CONDITION_UNREADABLE, partition_name(partition, name), offset, why);
}

static void goes_on(struct partition *partition)
{
    char name[PARTITION_NAME_SIZE];
    if (partition->poison.stands)
        condition_ended(partition->consumer->options.conditions, CONDITION_UNREADABLE,
                        partition_name(partition, name), offsets_next(&partition->offsets));
    partition->poison.stands = false;
}

void poison_reset(struct partition *partition)
{
    partition->poison = (struct poison){.offset = -1,
                                        .stands = partition->poison.stands,
                                        .heard_ms = now_of(partition->consumer),
                                        .patience_ms = silence_ms(partition->consumer)};
}

/* What was found */

/** Goes on at the partition's position, whatever librdkafka's own is by now. */
static void seek(struct partition *partition, unsigned strays)
{
    partition_unpark(partition);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *element =
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->number);
    element->offset = offsets_next(&partition->offsets);
    /* Without waiting for librdkafka's thread: should it fail, the trouble comes again. */
    rd_kafka_error_t *error = rd_kafka_seek_partitions(partition->consumer->rk, list, 0);
    if (error)
        rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
    poison_reset(partition);
    partition->poison.strays = strays;
}

static void pass(struct partition *partition, const struct unreadable *found)
{
    struct kafka_consumer *consumer = partition->consumer;
    if (!partition->poison.stands)
        stands_still(partition, found->from, "librdkafka passes over its records without a word");
    consumer->batches_passed += found->batches;
    log_error("records cannot be read and are passed: going on behind them",
              F_TOPIC_PARTITION(partition->topic, partition->number), F_INT("from", found->from),
              F_INT("to", found->to - 1), F_INT("batches", found->batches),
              F_STR("error.type", rd_kafka_err2name(found->code)),
              F_STR("hint", "they are lost to us: who wrote them? (\"Records that cannot be read\" in "
                            "docs/operating.md)"));
    if (offsets_pass(&partition->offsets, found->to)) {
        partition->changed = true;
        commit_soon(consumer);
    }
    seek(partition, STRAYS);
}

/** There was nothing to pass. */
static void look_later(struct partition *partition, enum unreadable_verdict verdict)
{
    struct poison *poison = &partition->poison;
    int64_t patience_ms =
        poison->patience_ms < PATIENCE_CAP_MS / 2 ? poison->patience_ms * 2 : PATIENCE_CAP_MS;
    bool stuck = poison->lied || poison->failures >= FAILURES;
    if (verdict == UNREADABLE_SILENT)
        stands_still(partition, offsets_next(&partition->offsets),
                     "the log goes on, the broker says, and nothing of it comes");
    if (verdict == UNREADABLE_NOT || (verdict == UNREADABLE_NOTHING_YET && stuck))
        seek(partition, STRAYS); /* another client reads what this one does not */
    poison->failures = 0;
    poison->heard_ms = now_of(partition->consumer);
    poison->patience_ms = patience_ms;
}

static void search_done(uv_work_t *work, int status)
{
    struct kafka_consumer *consumer = work->data;
    struct poison_search *search = &consumer->poison;
    struct partition *partition = search->partition;
    consumer->works_running--;
    search->running = false;
    free(search->topic);
    if (!partition || consumer->closing || consumer->destroying)
        return;
    bool here = partition->begun && !partition->revoked && !partition->paused &&
                offsets_next(&partition->offsets) == search->position;
    if (here && status == 0 && search->found.verdict == UNREADABLE_FOUND)
        pass(partition, &search->found);
    else if (here)
        look_later(partition, status == 0 ? search->found.verdict : UNREADABLE_UNKNOWN);
    else
        poison_reset(partition);
}

static void search_work(uv_work_t *work)
{
    struct kafka_consumer *consumer = work->data;
    struct poison_search *search = &consumer->poison;
    search->found =
        unreadable_find(search->conf, search->topic, search->number, search->from, &search->overtaken);
}

/** Nothing happens while another search is under way: the trouble does not go by itself. */
static void look_into(struct partition *partition)
{
    struct kafka_consumer *consumer = partition->consumer;
    struct poison_search *search = &consumer->poison;
    int64_t low, high, from = offsets_next(&partition->offsets);
    if (search->running || consumer->closing || consumer->destroying)
        return;
    if (from < 0 && partition_bounds(partition, &low, &high))
        from = low;
    search->topic = slice_to_text(slice_of(partition->topic));
    search->conf = search->topic && from >= 0 ? unreadable_conf(consumer->rk) : NULL;
    if (!search->conf) {
        free(search->topic);
        return;
    }
    search->partition = partition;
    search->number = partition->number;
    search->position = offsets_next(&partition->offsets);
    search->from = from;
    search->work.data = consumer;
    atomic_store(&search->overtaken, false);
    if (uv_queue_work(consumer->options.loop, &search->work, search_work, search_done) != 0) {
        rd_kafka_conf_destroy(search->conf);
        free(search->topic);
        return;
    }
    search->running = true;
    consumer->works_running++;
}

void poison_overtake(struct kafka_consumer *consumer)
{
    if (consumer->poison.running)
        atomic_store(&consumer->poison.overtaken, true);
}

void poison_forget(struct partition *partition)
{
    goes_on(partition);
    struct poison_search *search = &partition->consumer->poison;
    if (search->running && search->partition == partition) {
        search->partition = NULL;
        atomic_store(&search->overtaken, true);
    }
}

/* What is noticed */

void poison_failed(struct partition *partition, int64_t offset, const char *reason)
{
    struct poison *poison = &partition->poison;
    poison->heard_ms = now_of(partition->consumer); /* so it is not silent */
    if (poison->offset != offset)
        poison->failures = 0;
    poison->offset = offset;
    if (poison->failures < FAILURES)
        poison->failures++;
    if (poison->failures < FAILURES)
        return;
    stands_still(partition, offset, reason);
    look_into(partition);
}

bool poison_suspect(struct partition *partition, int64_t offset)
{
    int64_t low, high;
    struct poison *poison = &partition->poison;
    if (!poison->lied && offset > offsets_next(&partition->offsets) &&
        partition_bounds(partition, &low, &high) && high >= 0 && offset >= high) {
        poison->lied = true;
        stands_still(partition, offset, "a record has an offset beyond the log's end");
        look_into(partition);
    }
    poison->heard |= !poison->lied;
    return poison->lied;
}

/* A fetch beyond the log's end (a record lied that it was there) that is under way while we seek is answered
 * "out of range" afterwards, and then librdkafka begins at the log's start all the same. That is no log made
 * anew: taken for one, all that is done beyond the first record that is not would be done again. */
bool poison_is_astray(struct partition *partition, int64_t offset)
{
    struct poison *poison = &partition->poison;
    bool astray = poison->strays > 0 && offset < offsets_next(&partition->offsets);
    if (astray)
        seek(partition, poison->strays - 1);
    else
        poison->strays = 0;
    return astray;
}

/** Does the log go on behind the position? */
static bool more_expected(const struct partition *partition)
{
    int64_t low, high, position = offsets_next(&partition->offsets);
    return partition_bounds(partition, &low, &high) && high > position && high > low;
}

void poison_tick(struct kafka_consumer *consumer)
{
    int64_t now = now_of(consumer);
    for (struct partition *partition = consumer->partitions; partition; partition = partition->next) {
        struct poison *poison = &partition->poison;
        bool idle = !partition->begun || partition->revoked || partition->paused ||
                    consumer->waiting_for_room || consumer->stopped_taking;
        if (poison->heard) {
            poison->patience_ms = silence_ms(consumer);
            goes_on(partition);
        }
        if (idle || poison->heard)
            poison->heard_ms = now;
        poison->heard = false;
        if (poison->lied && !consumer->poison.running)
            look_into(partition);
        else if (now - poison->heard_ms >= poison->patience_ms && more_expected(partition))
            look_into(partition);
    }
}
