/* See group.h. librdkafka's rd_kafka_DescribeConsumerGroups says more, and ends the process where the
 * coordinator does not answer in time (an assertion, in 2.0). */
#include "source/kafka/group.h"
#include "base/buffer.h"
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { NAMED_MAX = 5 };

/* The partitions of an assignment, as members write it: a version, then topics with their partitions;
 * numbers are big-endian. */

struct reader {
    const unsigned char *at;
    size_t left;
};

/** A number of so many bytes, 0 where it is cut off. */
static uint32_t read_be(struct reader *reader, size_t bytes)
{
    uint32_t value = 0;
    if (bytes > reader->left)
        bytes = reader->left = 0;
    for (size_t i = 0; i < bytes; i++)
        value = value << 8 | reader->at[i];
    reader->at += bytes;
    reader->left -= bytes;
    return value;
}

/** A text with its length before it, as far as it goes. */
static struct slice read_text(struct reader *reader)
{
    size_t len = read_be(reader, 2);
    if (len > reader->left)
        len = reader->left;
    struct slice text = {(const char *)reader->at, len};
    reader->at += len;
    reader->left -= len;
    return text;
}

void group_assignment_each(const void *assignment, size_t size,
                           void (*each)(void *ctx, struct slice topic, int32_t partition), void *ctx)
{
    struct reader reader = {assignment, size};
    read_be(&reader, 2);
    uint32_t topics = read_be(&reader, 4);
    for (uint32_t i = 0; i < topics && reader.left > 0; i++) {
        struct slice topic = read_text(&reader);
        uint32_t partitions = read_be(&reader, 4);
        for (uint32_t j = 0; j < partitions && reader.left >= 4; j++)
            each(ctx, topic, (int32_t)read_be(&reader, 4));
    }
}

static void count_partition(void *ctx, struct slice topic, int32_t partition)
{
    size_t *count = ctx;
    (void)topic;
    (void)partition;
    ++*count;
}

size_t group_assignment_partitions(const void *assignment, size_t size)
{
    size_t count = 0;
    group_assignment_each(assignment, size, count_partition, &count);
    return count;
}

bool group_is_described(const struct rd_kafka_group_info *group)
{
    return !group->state || strcmp(group->state, "Dead") != 0;
}

static void append_group(struct buffer *text, const struct rd_kafka_group_info *group)
{
    if (!group_is_described(group))
        return;
    buffer_appendf(text, "the group has %d member%s: ", group->member_cnt, group->member_cnt == 1 ? "" : "s");
    for (int i = 0; i < group->member_cnt && i < NAMED_MAX; i++) {
        const struct rd_kafka_group_member_info *member = &group->members[i];
        size_t held = group_assignment_partitions(
            member->member_assignment,
            member->member_assignment_size > 0 ? (size_t)member->member_assignment_size : 0);
        buffer_appendf(text, "%s%s at %s holds %zu", i > 0 ? "; " : "", member->client_id,
                       member->client_host, held);
    }
    if (group->member_cnt > NAMED_MAX)
        buffer_append_text(text, "; and others");
}

void group_members_query(rd_kafka_t *rk, const char *group_id, int timeout_ms, char *out, size_t size)
{
    const struct rd_kafka_group_list *list = NULL;
    struct buffer text = {0};
    rd_kafka_list_groups(rk, group_id, &list, timeout_ms);
    for (int i = 0; list && i < list->group_cnt; i++)
        append_group(&text, &list->groups[i]);
    if (list)
        rd_kafka_group_list_destroy(list);
    snprintf(out, size, "%s", text.failed ? "" : buffer_text(&text));
    buffer_clear(&text);
}
