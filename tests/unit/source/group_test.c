/* Who is in a group, and how many partitions each holds, by the bytes that the group protocol has for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/kafka/group.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** Version 0; topics "a" with partitions 1 and 2, and "b" with 0; no user data. */
static const char two_topics[] = "\0\0\0\0\0\2"
                                 "\0\1a\0\0\0\2\0\0\0\1\0\0\0\2"
                                 "\0\1b\0\0\0\1\0\0\0\0"
                                 "\377\377\377\377";

static void partitions_of_all_topics_count(void **state)
{
    (void)state;
    assert_int_equal(group_assignment_partitions(two_topics, sizeof two_topics - 1), 3);
    assert_int_equal(group_assignment_partitions(NULL, 0), 0);
}

static void what_is_cut_off_or_false_is_not_read_beyond_its_end(void **state)
{
    (void)state;
    for (size_t size = 0; size < sizeof two_topics - 1; size++) {
        char *copy = malloc(size + 1);
        assert_non_null(copy);
        memcpy(copy, two_topics, size);
        assert_true(group_assignment_partitions(copy, size) <= 3);
        free(copy);
    }
    static const char many[] = "\0\0\377\377\377\377\377\377a\377\377\377\377\0\0\0\1";
    assert_true(group_assignment_partitions(many, sizeof many - 1) <= 1);
}

static void note_partition(void *ctx, struct slice topic, int32_t partition)
{
    char *out = ctx;
    snprintf(out + strlen(out), 16, "%.*s%d ", (int)topic.len, topic.ptr, (int)partition);
}

static void each_partition_is_told_with_its_topic(void **state)
{
    (void)state;
    char told[64] = "";
    group_assignment_each(two_topics, sizeof two_topics - 1, note_partition, told);
    assert_string_equal(told, "a1 a2 b0 ");
}

/* Who is in the group */

static struct rd_kafka_group_list answer;
static size_t destroyed;
static bool silent;

/** In front of librdkafka's. */
rd_kafka_resp_err_t rd_kafka_list_groups(rd_kafka_t *rk, const char *group,
                                         const struct rd_kafka_group_list **list, int timeout_ms)
{
    (void)rk;
    assert_string_equal(group, "group");
    assert_int_equal(timeout_ms, 1234);
    *list = silent ? NULL : &answer;
    return silent ? RD_KAFKA_RESP_ERR__TIMED_OUT : RD_KAFKA_RESP_ERR_NO_ERROR;
}

void rd_kafka_group_list_destroy(const struct rd_kafka_group_list *list)
{
    assert_ptr_equal(list, &answer);
    destroyed++;
}

static size_t times(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        count++;
    return count;
}

/** Of so many members: the first holds three partitions, the others none. */
static void assert_named(int count, size_t named)
{
    static struct rd_kafka_group_member_info members[8];
    static struct rd_kafka_group_info group;
    char out[256], number[32];
    for (int i = 0; i < count; i++)
        members[i] =
            (struct rd_kafka_group_member_info){.client_id = i == 0 ? "one" : "m",
                                                .client_host = "/h",
                                                .member_assignment = (void *)(uintptr_t)two_topics,
                                                .member_assignment_size = i == 0 ? (int)sizeof two_topics - 1
                                                                          : i == 1 ? -1
                                                                                   : 0};
    group = (struct rd_kafka_group_info){.members = members, .member_cnt = count};
    answer = (struct rd_kafka_group_list){.groups = &group, .group_cnt = 1};
    destroyed = 0;
    group_members_query(NULL, "group", 1234, out, sizeof out);
    assert_int_equal(destroyed, !silent);
    assert_int_equal(times(out, "one at /h holds 3"), named > 0);
    assert_int_equal(times(out, "m at /h holds 0"), named > 0 ? named - 1 : 0);
    assert_int_equal(times(out, "others"), (size_t)count > named && named > 0);
    snprintf(number, sizeof number, "%d member%s: ", count, count == 1 ? "" : "s");
    assert_int_equal(times(out, number), !silent);
    assert_int_equal(*out != '\0', !silent);
}

static void members_are_named_with_what_they_hold_and_five_at_most(void **state)
{
    (void)state;
    for (int count = 0; count < 8; count++)
        assert_named(count, count < 5 ? (size_t)count : 5);
    silent = true;
    assert_named(1, 0);
    silent = false;
}

/** Asked in the classic way, brokers call a group of KIP-848 dead. */
static void a_group_that_brokers_do_not_describe_is_not_said_to_be_empty(void **state)
{
    (void)state;
    char out[256] = "before", dead[] = "Dead";
    struct rd_kafka_group_info group = {.state = dead};
    answer = (struct rd_kafka_group_list){.groups = &group, .group_cnt = 1};
    group_members_query(NULL, "group", 1234, out, sizeof out);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_of_all_topics_count),
        cmocka_unit_test(each_partition_is_told_with_its_topic),
        cmocka_unit_test(what_is_cut_off_or_false_is_not_read_beyond_its_end),
        cmocka_unit_test(a_group_that_brokers_do_not_describe_is_not_said_to_be_empty),
        cmocka_unit_test(members_are_named_with_what_they_hold_and_five_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
