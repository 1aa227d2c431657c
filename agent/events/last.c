/* See last.h. */
#include "last.h"
#include <assert.h>
#include <stdlib.h>

/** Of one time: by partition and offset. */
static int compare_age(const void *a, const void *b)
{
    const rd_kafka_message_t *left = *(rd_kafka_message_t *const *)a,
                             *right = *(rd_kafka_message_t *const *)b;
    assert(left && right);
    int64_t left_ms = rd_kafka_message_timestamp(left, NULL),
            right_ms = rd_kafka_message_timestamp(right, NULL);
    if (left_ms != right_ms)
        return left_ms < right_ms ? -1 : 1;
    if (left->partition != right->partition)
        return left->partition < right->partition ? -1 : 1;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

void last_add(struct last_records *last, rd_kafka_message_t *message)
{
    if (!last->list)
        last->list = calloc(last->limit, sizeof(rd_kafka_message_t *));
    if (!last->list) {
        rd_kafka_message_destroy(message);
        return;
    }
    if (last->count < last->limit) {
        last->list[last->count++] = message;
        return;
    }
    size_t oldest = 0;
    for (size_t i = 1; i < last->count; i++)
        if (compare_age(&last->list[i], &last->list[oldest]) < 0)
            oldest = i;
    if (compare_age(&message, &last->list[oldest]) > 0) {
        rd_kafka_message_destroy(last->list[oldest]);
        last->list[oldest] = message;
    } else {
        rd_kafka_message_destroy(message);
    }
}

void last_sort(struct last_records *last)
{
    if (last->count > 1)
        qsort(last->list, last->count, sizeof *last->list, compare_age);
}

void last_clear(struct last_records *last)
{
    for (size_t i = 0; i < last->count; i++)
        rd_kafka_message_destroy(last->list[i]);
    free(last->list);
    *last = (struct last_records){0};
}
