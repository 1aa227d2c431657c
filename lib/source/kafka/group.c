/* See group.h. librdkafka's rd_kafka_DescribeConsumerGroups says more, and ends the process where the
 * coordinator does not answer in time (an assertion, in 2.0). */
#include "source/kafka/group.h"
#include "base/buffer.h"
#include <stdint.h>
#include <stdio.h>

enum { NAMED_MAX = 5 };

/* How many partitions an assignment has, as members write it: a version, then topics with their partitions;
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

static void skip_bytes(struct reader *reader, uint64_t bytes)
{
    size_t skipped = bytes < reader->left ? (size_t)bytes : reader->left;
    reader->at += skipped;
    reader->left -= skipped;
}

size_t group_assignment_partitions(const void *assignment, size_t size)
{
    struct reader reader = {assignment, size};
    size_t count = 0;
    read_be(&reader, 2);
    uint32_t topics = read_be(&reader, 4);
    for (uint32_t i = 0; i < topics && reader.left > 0; i++) {
        skip_bytes(&reader, read_be(&reader, 2));
        uint32_t partitions = read_be(&reader, 4);
        count += partitions < reader.left / 4 ? partitions : reader.left / 4;
        skip_bytes(&reader, 4 * (uint64_t)partitions);
    }
    return count;
}

static void append_group(struct buffer *text, const struct rd_kafka_group_info *group)
{
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
