/* How many partitions a member of a group holds, by the bytes that the group protocol has for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "source/kafka/group.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_of_all_topics_count),
        cmocka_unit_test(each_partition_is_told_with_its_topic),
        cmocka_unit_test(what_is_cut_off_or_false_is_not_read_beyond_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
