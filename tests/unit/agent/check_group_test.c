/* What `port-agent check` says of a consumer group and of a topic for dead letters, by what the brokers said.
 */
#include "agent/check/group.h"
#include "agent/check/letters_topic.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct config config;
static struct check_steps steps;

static int begin(void **state)
{
    (void)state;
    config =
        (struct config){.runs_topic = "runs", .change_log_topic = "changes", .auto_offset_reset = "earliest"};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    check_clear(&steps);
    return 0;
}

static void assert_said(const char *name, enum check_verdict verdict, const char *detail, const char *hint)
{
    struct check_step *step = NULL;
    for (size_t i = 0; i < steps.count; i++)
        if (strcmp(steps.list[i]->name, name) == 0)
            step = steps.list[i];
    if (!step) {
        fail_msg("there is no step %s", name);
        return;
    }
    if (!strstr(buffer_text(&step->detail), detail))
        fail_msg("%s: '%s' does not say '%s'", name, buffer_text(&step->detail), detail);
    if (*hint ? !strstr(buffer_text(&step->hint), hint) : step->hint.len > 0)
        fail_msg("%s: '%s' does not say '%s'", name, buffer_text(&step->hint), hint);
    assert_int_equal(step->verdict, verdict);
}

static struct group_member member(const char *client_id, const char *holds, size_t held)
{
    struct group_member made = {.held = held};
    buffer_append_text(&made.client_id, client_id);
    buffer_append_text(&made.host, "/10.0.0.7");
    buffer_append_text(&made.holds, holds);
    return made;
}

/** Four partitions, of which nothing is left to read. */
static struct group_place all_read[] = {{.topic = 0, .number = 0, .committed = 5, .end = 5, .begins = 5},
                                        {.topic = 0, .number = 1, .committed = 7, .end = 7, .begins = 7},
                                        {.topic = 1, .number = 0, .committed = 9, .end = 9, .begins = 9},
                                        {.topic = 1, .number = 1, .committed = 0, .end = 0, .begins = 0}};

static void members_are_said(const char *protocol, struct group_member *members, size_t count,
                             enum check_verdict verdict, const char *detail, const char *hint)
{
    struct group_probe probe = {
        .members = members, .member_count = count, .places = all_read, .place_count = 4, .state = "Stable"};
    check_clear(&steps);
    snprintf(probe.protocol, sizeof probe.protocol, "%s", protocol);
    group_steps(&steps, &config, &probe);
    assert_said("group members", verdict, detail, hint);
    assert_said("runs lag", CHECK_OK, "runs: 0 records beyond the committed offsets", "");
}

static void a_group_that_is_full_is_told_from_one_with_a_place(void **state)
{
    (void)state;
    struct group_member list[] = {member("port-agent", "runs 0; changes 0", 2),
                                  member("port-agent", "runs 1; changes 1", 2), member("port-agent", "", 0),
                                  member("port-agent", "", 0)};
    members_are_said("range", list, 1, CHECK_OK,
                     "the group is Stable and has 1 member: port-agent at /10.0.0.7 holds runs 0; changes 0",
                     "");
    members_are_said("range", list, 2, CHECK_WARNING,
                     "has 2 members: ", "one more agent would get none until one of them leaves");
    members_are_said("roundrobin", list, 3, CHECK_OK, "; port-agent at /10.0.0.7 holds nothing", "");
    members_are_said("roundrobin", list, 4, CHECK_WARNING, "has 4 members", "would get none");
    for (size_t i = 0; i < 4; i++) {
        buffer_clear(&list[i].client_id);
        buffer_clear(&list[i].host);
        buffer_clear(&list[i].holds);
    }
}

static void another_program_in_the_group_is_named(void **state)
{
    (void)state;
    struct group_member stranger = member("rdkafka", "runs 0-1", 2);
    members_are_said("range", &stranger, 1, CHECK_WARNING, "rdkafka at /10.0.0.7 holds runs 0-1",
                     "rdkafka at /10.0.0.7 is another program than this one");
    buffer_clear(&stranger.client_id);
    buffer_clear(&stranger.host);
    buffer_clear(&stranger.holds);
}

static void nobody_is_said(const char *group_state, const char *silent, enum check_verdict verdict,
                           const char *detail)
{
    struct group_probe probe = {.silent = silent};
    check_clear(&steps);
    snprintf(probe.state, sizeof probe.state, "%s", group_state);
    group_steps(&steps, &config, &probe);
    assert_said("group members", verdict, detail, "");
    assert_int_equal(steps.count, 1); /* without partitions there is no lag */
}

static void nobody_in_the_group_is_told_from_brokers_that_do_not_say(void **state)
{
    (void)state;
    nobody_is_said("", NULL, CHECK_OK, "there is no such group yet");
    nobody_is_said("Empty", NULL, CHECK_OK,
                   "nobody is in the group: an agent that starts gets all partitions");
    nobody_is_said("", "Local: Timed out", CHECK_SKIPPED, "do not say who is in the group: Local: Timed out");
}

static void lag_is_said(struct group_place *places, size_t count, enum check_verdict verdict,
                        const char *detail, const char *hint)
{
    struct group_probe probe = {.places = places, .place_count = count};
    check_clear(&steps);
    group_steps(&steps, &config, &probe);
    assert_said("runs lag", verdict, detail, hint);
}

static void the_lag_of_each_partition_is_told_worst_cases_apart(void **state)
{
    (void)state;
    struct group_place two[] = {{.number = 0, .committed = 5, .end = 8, .begins = 5},
                                {.number = 1, .committed = 7, .end = 7, .begins = 7}};
    lag_is_said(two, 2, CHECK_OK,
                "runs: 3 records beyond the committed offsets: partition 0: 3 (committed 5, end 8)", "");
    two[1] = (struct group_place){.number = 1, .committed = -1, .end = 2, .reason = START_APPEARED};
    lag_is_said(two, 2, CHECK_OK,
                "5 records beyond the committed offsets: partition 0: 3 (committed 5, end 8); "
                "partition 1: 2 (nothing committed, end 2)",
                "");
    two[1] = (struct group_place){.number = 1, .committed = 2, .first = -1, .end = -1, .begins = -1};
    lag_is_said(two, 2, CHECK_WARNING, "partition 1: its end was not told in time", "try a longer --timeout");
    two[1] = (struct group_place){.number = 1, .committed = 2, .first = 6, .end = 7, .begins = 6};
    lag_is_said(two, 2, CHECK_WARNING, "4 records beyond",
                "4 records were gone before anybody committed them");
    two[1] = (struct group_place){.number = 1, .committed = 9, .end = 1, .begins = 0};
    lag_is_said(two, 2, CHECK_WARNING, "4 records beyond", "belong to a topic that is no longer there");
    struct group_place many[20];
    for (int i = 0; i < 20; i++)
        many[i] = (struct group_place){.number = i, .committed = 0, .end = 1};
    lag_is_said(many, 20, CHECK_OK, "partition 7: 1 (committed 0, end 1); and 12 other partitions", "");
}

static void where_an_agent_begins_is_told_when_nobody_has_committed(void **state)
{
    (void)state;
    struct group_place one = {.committed = -1, .first = 3, .end = 8, .begins = 3, .reason = START_GROUP_NEW};
    lag_is_said(&one, 1, CHECK_OK, "nobody has committed an offset yet; 5 records are there",
                "begins at the earliest record, and delivers what is there");
    config.auto_offset_reset = "latest";
    one.begins = 8;
    lag_is_said(&one, 1, CHECK_OK, "5 records are there",
                "begins at the end, and what is there is never delivered");
    one.reason = START_TAKEN_OVER;
    lag_is_said(&one, 1, CHECK_OK, "5 records are there",
                "whoever used the group before has never read this topic");
    one.reason = START_GROUP_BEGAN;
    lag_is_said(&one, 1, CHECK_OK, "5 records are there", "where the topic ended when the group began");
    one.reason = START_APPEARED;
    one.end = 4;
    lag_is_said(&one, 1, CHECK_OK, "1 record is there", "the topic came after the group");
}

static void letters_are_said(struct topic_probe topic, enum check_verdict verdict, const char *detail,
                             const char *hint)
{
    check_clear(&steps);
    struct check_step *step = check_begin(&steps, "Kafka", "letters", CHECK_OK);
    letters_topic_say(step, &topic);
    check_end(&steps, step);
    assert_said("letters", verdict, detail, hint);
}

static void a_topic_that_would_lose_letters_is_told(void **state)
{
    (void)state;
    const struct topic_probe good = {.writing = TOPIC_WRITING_ALLOWED,
                                     .retention_ms = 604800000,
                                     .retention_bytes = -1,
                                     .record_bytes = 100,
                                     .other_record_bytes = 100};
    letters_are_said(good, CHECK_OK, ", the agent may write to it; letters stay 7 days", "");
    struct topic_probe odd = good;
    odd.retention_ms = 5400000;
    odd.retention_bytes = 4096;
    letters_are_said(odd, CHECK_OK, "letters stay 90 minutes, and each partition keeps 4096 bytes of them",
                     "");
    odd.retention_ms = -1;
    letters_are_said(odd, CHECK_OK, "letters stay for ever", "");
    odd = good;
    odd.record_bytes = 99;
    letters_are_said(odd, CHECK_WARNING, "a letter may have 99 bytes", "raise its max.message.bytes");
    odd.compacted = true;
    letters_are_said(odd, CHECK_WARNING, "it is compacted", "set its cleanup.policy to delete");
    odd.writing = TOPIC_WRITING_REFUSED;
    letters_are_said(odd, CHECK_FAILED, "but the agent's user may not write to it", "an ACL for Write");
    odd = (struct topic_probe){.silent = "Local: Timed out"};
    letters_are_said(odd, CHECK_OK,
                     "; only a write can tell whether the agent may write to it; how long letters stay the "
                     "brokers do not say (Local: Timed out)",
                     "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_group_that_is_full_is_told_from_one_with_a_place, begin, finish),
        cmocka_unit_test_setup_teardown(another_program_in_the_group_is_named, begin, finish),
        cmocka_unit_test_setup_teardown(nobody_in_the_group_is_told_from_brokers_that_do_not_say, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(the_lag_of_each_partition_is_told_worst_cases_apart, begin, finish),
        cmocka_unit_test_setup_teardown(where_an_agent_begins_is_told_when_nobody_has_committed, begin,
                                        finish),
        cmocka_unit_test_setup_teardown(a_topic_that_would_lose_letters_is_told, begin, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
