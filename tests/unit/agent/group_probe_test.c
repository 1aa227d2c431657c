/* What is asked of a consumer group, and where an agent would begin, with a librdkafka that answers what a
 * test says. */
#include "agent/check/group_probe.h"
#include "source/kafka/facts.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PARTITIONS = 2, TIMEOUT_MS = 1234 };

/** Of the two partitions of the runs topic; the change log has one, in which nothing is. */
static struct {
    rd_kafka_resp_err_t code, of_partition, of_groups;
    int64_t committed[PARTITIONS], first[PARTITIONS], end[PARTITIONS], now_ms, step_ms;
    struct buffer note;
    struct topic_id ids[TOPICS];
    size_t ids_asked, ends_asked, lists;
    struct rd_kafka_group_list list;
} fake;

static int64_t fake_now(void *ctx)
{
    (void)ctx;
    return fake.now_ms += fake.step_ms;
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int timeout_ms)
{
    (void)rk;
    assert_int_equal(timeout_ms, TIMEOUT_MS);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *element = &list->elems[i];
        bool runs = strcmp(element->topic, "runs") == 0;
        element->offset = runs ? fake.committed[element->partition] : RD_KAFKA_OFFSET_INVALID;
        element->err = runs ? fake.of_partition : RD_KAFKA_RESP_ERR_NO_ERROR;
        if (runs && fake.note.len > 0) {
            element->metadata = malloc(fake.note.len); /* librdkafka frees it */
            assert_non_null(element->metadata);
            memcpy(element->metadata, fake.note.ptr, fake.note.len);
            element->metadata_size = fake.note.len;
        }
    }
    return fake.code;
}

rd_kafka_resp_err_t rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition,
                                                     int64_t *low, int64_t *high, int timeout_ms)
{
    (void)rk;
    assert_in_range(timeout_ms, 1, TIMEOUT_MS);
    bool runs = strcmp(topic, "runs") == 0;
    fake.ends_asked++;
    *low = runs ? fake.first[partition] : 0;
    *high = runs ? fake.end[partition] : 0;
    return *high < 0 ? RD_KAFKA_RESP_ERR__TIMED_OUT : RD_KAFKA_RESP_ERR_NO_ERROR;
}

void topic_ids_query(rd_kafka_t *rk, const char *const names[TOPICS], int timeout_ms,
                     struct topic_id ids[TOPICS])
{
    (void)rk;
    assert_string_equal(names[1], "changes");
    assert_int_equal(timeout_ms, TIMEOUT_MS);
    fake.ids_asked++;
    memcpy(ids, fake.ids, sizeof fake.ids);
}

rd_kafka_resp_err_t rd_kafka_list_groups(rd_kafka_t *rk, const char *group,
                                         const struct rd_kafka_group_list **list, int timeout_ms)
{
    (void)rk;
    assert_string_equal(group, "group");
    assert_int_equal(timeout_ms, TIMEOUT_MS);
    fake.lists += !fake.of_groups;
    *list = fake.of_groups ? NULL : &fake.list;
    return fake.of_groups;
}

void rd_kafka_group_list_destroy(const struct rd_kafka_group_list *list)
{
    assert_ptr_equal(list, &fake.list);
    fake.lists--;
}

static int fresh(void **state)
{
    (void)state;
    buffer_clear(&fake.note);
    memset(&fake, 0, sizeof fake);
    for (int i = 0; i < PARTITIONS; i++) {
        fake.committed[i] = RD_KAFKA_OFFSET_INVALID;
        fake.end[i] = 10;
    }
    return 0;
}

static int leave(void **state)
{
    (void)state;
    buffer_clear(&fake.note);
    return 0;
}

static rd_kafka_resp_err_t probe_with(const char *reset, struct group_probe *out)
{
    const struct clock clock = {.monotonic_ms = fake_now};
    const struct kafka_consumer_options options = {.clock = &clock,
                                                   .group_id = "group",
                                                   .auto_offset_reset = reset,
                                                   .runs_topic = "runs",
                                                   .change_log_topic = "changes"};
    const int partitions[TOPICS] = {PARTITIONS, 1};
    return group_probe_run(NULL, &options, partitions, TIMEOUT_MS, out);
}

/** Where an agent begins in the two partitions of the runs topic, and why in the second. */
static void assert_begins(const char *reset, int64_t first, int64_t second, enum start_reason reason)
{
    struct group_probe probe;
    assert_int_equal(probe_with(reset, &probe), 0);
    assert_int_equal(probe.place_count, PARTITIONS + 1);
    assert_int_equal(probe.places[0].begins, first);
    assert_int_equal(probe.places[1].begins, second);
    assert_int_equal(probe.places[1].reason, reason);
    assert_int_equal(probe.places[2].topic, 1);
    assert_int_equal(fake.lists, 0);
    group_probe_clear(&probe);
}

static void a_new_group_begins_as_the_setting_says(void **state)
{
    (void)state;
    fake.first[1] = 3;
    assert_begins("earliest", 0, 3, START_GROUP_NEW);
    assert_begins("latest", 10, 10, START_GROUP_NEW);
    assert_int_equal(fake.ids_asked, 0);
}

static void a_group_goes_on_where_it_has_committed(void **state)
{
    (void)state;
    fake.committed[0] = 7;
    fake.committed[1] = 10;
    assert_begins("latest", 7, 10, START_COMMITTED);
    fake.committed[1] = 11; /* the log is shorter than that */
    assert_begins("latest", 7, 0, START_COMMITTED);
    fake.committed[1] = 2;
    fake.first[1] = 4; /* what came before is gone */
    assert_begins("latest", 7, 4, START_COMMITTED);
    fake.committed[1] = RD_KAFKA_OFFSET_INVALID;
    assert_begins("latest", 7, 10, START_TAKEN_OVER);
    assert_int_equal(fake.ids_asked, 4);
}

static void what_the_notes_know_of_the_group_counts(void **state)
{
    (void)state;
    struct facts facts = {.topic = {.known = true, .bytes = "the first topic"}, .first = {.known = true}};
    first_start_add(&facts.first, false, 1, 6);
    facts_append(&facts, &fake.note, 4096);
    fake.committed[0] = 7;
    fake.ids[0] = facts.topic;
    assert_begins("latest", 7, 6, START_GROUP_BEGAN);
    assert_begins("earliest", 7, 0, START_APPEARED);
    fake.committed[1] = 8;
    fake.ids[0].bytes[0] = 'T'; /* another topic of that name */
    assert_begins("latest", 0, 0, START_MADE_ANEW);
}

static void what_does_not_come_in_time_is_not_known(void **state)
{
    (void)state;
    struct group_probe probe;
    fake.end[1] = -1;
    assert_begins("earliest", 0, -1, START_GROUP_NEW);
    fake.step_ms = TIMEOUT_MS;
    fake.ends_asked = 0;
    assert_int_equal(probe_with("earliest", &probe), 0);
    assert_int_equal(fake.ends_asked, 0);
    assert_int_equal(probe.places[0].end, -1);
    group_probe_clear(&probe);
}

static void offsets_that_cannot_be_read_end_it(void **state)
{
    (void)state;
    struct group_probe probe;
    fake.of_partition = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    assert_int_equal(probe_with("earliest", &probe), RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    group_probe_clear(&probe);
    fake.code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    assert_int_equal(probe_with("earliest", &probe), RD_KAFKA_RESP_ERR__TIMED_OUT);
    assert_int_equal(fake.ends_asked, 0);
    group_probe_clear(&probe);
}

/** Version 0; the topic "runs" with these partitions; no user data. */
static size_t write_assignment(const int *partitions, size_t count, char *out)
{
    static const char beginning[] = "\0\0\0\0\0\1\0\4runs\0\0\0";
    size_t len = sizeof beginning - 1;
    memcpy(out, beginning, len);
    out[len++] = (char)count;
    for (size_t i = 0; i < count; i++, len += 4)
        memcpy(out + len, (char[]){0, 0, 0, (char)partitions[i]}, 4);
    return len;
}

static void members_and_what_they_hold_are_told(void **state)
{
    (void)state;
    static const int few[] = {0, 1, 2, 5, 7, 8};
    int many[40];
    char client[] = "an\nagent", host[] = "/h", stable[] = "Stable", range[] = "range";
    char held[64], more[256];
    for (int i = 0; i < 40; i++)
        many[i] = 2 * i;
    struct rd_kafka_group_member_info members[] = {
        {.client_id = client, .client_host = host, .member_assignment = held},
        {.client_id = client, .client_host = host, .member_assignment = more},
        {.client_id = client, .client_host = host, .member_assignment_size = -1}};
    struct rd_kafka_group_info group = {
        .state = stable, .protocol = range, .members = members, .member_cnt = 3};
    struct group_probe probe;
    members[0].member_assignment_size = (int)write_assignment(few, 6, held);
    members[1].member_assignment_size = (int)write_assignment(many, 40, more);
    fake.list = (struct rd_kafka_group_list){.groups = &group, .group_cnt = 1};
    assert_int_equal(probe_with("earliest", &probe), 0);
    assert_null(probe.silent);
    assert_int_equal(probe.member_count, 3);
    assert_string_equal(probe.state, "Stable");
    assert_string_equal(buffer_text(&probe.members[0].client_id), "an\\nagent");
    assert_string_equal(buffer_text(&probe.members[0].holds), "runs 0-2, 5, 7-8");
    assert_int_equal(probe.members[1].held, 40);
    assert_string_equal(buffer_text(&probe.members[1].holds),
                        "runs 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, …");
    assert_string_equal(buffer_text(&probe.members[2].holds), "");
    group_probe_clear(&probe);
}

static void assert_silent(const char *why)
{
    struct group_probe probe;
    assert_int_equal(probe_with("earliest", &probe), 0);
    assert_int_equal(probe.member_count, 0);
    if (!why)
        assert_null(probe.silent);
    else if (!probe.silent || !strstr(probe.silent, why))
        fail_msg("'%s' does not say '%s'", probe.silent ? probe.silent : "", why);
    assert_int_equal(fake.lists, 0);
    group_probe_clear(&probe);
}

static void why_nobody_is_told_is_told(void **state)
{
    (void)state;
    char dead[] = "Dead", empty[] = "Empty", none[] = "";
    struct rd_kafka_group_info group = {.state = dead, .protocol = none};
    assert_silent(NULL); /* there is no such group */
    fake.list = (struct rd_kafka_group_list){.groups = &group, .group_cnt = 1};
    assert_silent("KIP-848");
    group.state = empty;
    assert_silent(NULL);
    group.err = RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE;
    assert_silent("Coordinator not available");
    fake.of_groups = RD_KAFKA_RESP_ERR__TIMED_OUT;
    assert_silent("Timed out");
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, fresh, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_group_begins_as_the_setting_says),
        TEST(a_group_goes_on_where_it_has_committed),
        TEST(what_the_notes_know_of_the_group_counts),
        TEST(what_does_not_come_in_time_is_not_known),
        TEST(offsets_that_cannot_be_read_end_it),
        TEST(members_and_what_they_hold_are_told),
        TEST(why_nobody_is_told_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
