/* The status as log lines: what is not known is in none of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "agent/status/snapshot.h"

static struct snapshot *with_partition(const struct source_partition *seen)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);
    assert_non_null(snapshot);
    snapshot->source.state = "running";
    snapshot->oldest_result_ms = -1;
    snapshot->partitions = snapshot->partitions_listed = 1;
    snapshot->partition[0] = (struct partition_snapshot){.partition = *seen, .lag = -1, .not_done = -1};
    return snapshot;
}

static void expect_line(const struct source_partition *seen, const char *fields)
{
    struct snapshot *snapshot = with_partition(seen);
    struct caught caught = logs_catch();
    snapshot_log(snapshot);
    char *lines = logs_end(&caught);
    const char *line = strstr(lines, "\"msg\":\"status: partition\"");
    assert_non_null(line);
    line += strlen("\"msg\":\"status: partition\"");
    if (strncmp(line, fields, strlen(fields)) != 0)
        fail_msg("%s is not %s", line, fields);
    free(lines);
    snapshot_free(snapshot);
}

static void a_partition_has_no_offsets_that_are_not_known(void **state)
{
    (void)state;
    const struct source_partition unknown = {
        .topic = "org.runs", .number = 3, .position = -1, .committed = -1, .end = -1, .oldest = -1};
    expect_line(&unknown, ",\"messaging.destination.name\":\"org.runs\","
                          "\"messaging.destination.partition.id\":3}");
    const struct source_partition known = {
        .topic = "org.runs", .number = 3, .position = 7, .committed = 0, .end = 9, .oldest = 5};
    expect_line(&known, ",\"messaging.destination.name\":\"org.runs\","
                        "\"messaging.destination.partition.id\":3,\"position\":7,\"committed\":0,"
                        "\"oldest_offset\":5}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_has_no_offsets_that_are_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
