/* What happened last: a ring with numbers, that forgets the oldest and never grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "observe/flow.h"
#include <stdio.h>
#include <string.h>

static int64_t turned(void *ctx)
{
    (void)ctx;
    return 1234;
}

static const struct clock the_clock = {.monotonic_ms = turned, .wall_ms = turned};

static struct observed delivered(const char *run_id)
{
    return (struct observed){.kind = OBSERVED_DELIVERED,
                             .topic = "o.runs",
                             .partition = 2,
                             .offset = 77,
                             .record_ms = 5,
                             .run_id = slice_of(run_id),
                             .method = "POST",
                             .url = SLICE_LITERAL("http://svc/a"),
                             .attempt = 3,
                             .status = 204,
                             .duration_ms = 12,
                             .reported = "SUCCESS"};
}

static void what_is_told_is_found_by_its_number(void **state)
{
    (void)state;
    struct flow *flow = flow_new(&the_clock);
    struct observed observed = delivered("r_1");
    assert_int_equal(flow_newest(flow), 0);
    assert_null(flow_find(flow, 0));
    flow_note(flow, &observed);
    assert_int_equal(flow_newest(flow), 1);
    const struct flow_entry *entry = flow_find(flow, 1);
    assert_int_equal(entry->number, 1);
    assert_int_equal(entry->kind, OBSERVED_DELIVERED);
    assert_int_equal(entry->at_ms, 1234);
    assert_int_equal(entry->record_ms, 5);
    assert_int_equal(entry->offset, 77);
    assert_int_equal(entry->partition, 2);
    assert_int_equal(entry->attempt, 3);
    assert_int_equal(entry->status, 204);
    assert_int_equal(entry->duration_ms, 12);
    assert_string_equal(entry->run_id, "r_1");
    assert_string_equal(entry->topic, "o.runs");
    assert_string_equal(entry->method, "POST");
    assert_string_equal(entry->url, "http://svc/a");
    assert_string_equal(entry->cause, "");
    assert_string_equal(entry->reported, "SUCCESS");
    assert_null(flow_find(flow, 2));
    flow_free(flow);
}

static void the_oldest_make_room_and_numbers_go_on(void **state)
{
    (void)state;
    struct flow *flow = flow_new(&the_clock);
    char run_id[32];
    for (unsigned i = 1; i <= 3 * FLOW_MAX + 7; i++) {
        snprintf(run_id, sizeof run_id, "r_%u", i);
        struct observed observed = delivered(run_id);
        flow_note(flow, &observed);
    }
    uint64_t newest = flow_newest(flow);
    assert_int_equal(newest, 3 * FLOW_MAX + 7);
    assert_null(flow_find(flow, newest - FLOW_MAX));
    for (uint64_t number = newest - FLOW_MAX + 1; number <= newest; number++) {
        snprintf(run_id, sizeof run_id, "r_%u", (unsigned)number);
        assert_string_equal(flow_find(flow, number)->run_id, run_id);
        assert_int_equal(flow_find(flow, number)->number, number);
    }
    flow_free(flow);
}

static void only_ends_failed_attempts_and_refused_results_are_kept(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < OBSERVED_KINDS; kind++) {
        struct observed observed = {.kind = (enum observed_kind)kind};
        bool expected = kind == OBSERVED_DELIVERED || kind == OBSERVED_FAILED || kind == OBSERVED_UNSENT ||
                        kind == OBSERVED_RETRYING || kind == OBSERVED_RESULT_REFUSED ||
                        kind == OBSERVED_UNREADABLE || kind == OBSERVED_UNSIGNED ||
                        kind == OBSERVED_TIMESTAMP_MALFORMED || kind == OBSERVED_SIGNATURE_WRONG ||
                        kind == OBSERVED_OTHER_TOPICS;
        if (flow_shows(&observed) != expected)
            fail_msg("kind %u: kept %d, expected %d", kind, !expected, expected);
    }
    struct observed one_of_many = {.kind = OBSERVED_SIGNATURE_WRONG, .unlisted = true};
    assert_false(flow_shows(&one_of_many));
}

static void texts_of_any_length_are_cut_to_fit(void **state)
{
    (void)state;
    struct flow *flow = flow_new(&the_clock);
    char text[4096];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct observed observed = {.kind = OBSERVED_FAILED,
                                .topic = text,
                                .run_id = slice_of(text),
                                .url = slice_of(text),
                                .method = text,
                                .reason = slice_of(text),
                                .error_type = text,
                                .reported = text};
    flow_note(flow, &observed);
    const struct flow_entry *entry = flow_find(flow, 1);
    assert_int_equal(strlen(entry->run_id), sizeof entry->run_id - 1);
    assert_int_equal(strlen(entry->url), sizeof entry->url - 1);
    assert_int_equal(strlen(entry->cause), sizeof entry->cause - 1);
    assert_int_equal(strlen(entry->topic), sizeof entry->topic - 1);
    assert_int_equal(strlen(entry->method), sizeof entry->method - 1);
    observed = (struct observed){.kind = OBSERVED_SIGNATURE_WRONG};
    flow_note(flow, &observed);
    assert_string_equal(flow_find(flow, 2)->run_id, "");
    assert_string_equal(flow_find(flow, 2)->url, "");
    assert_string_equal(flow_find(flow, 2)->cause, "signature wrong");
    flow_free(flow);
}

static void what_its_mapping_was_warned_of_is_behind_the_cause(void **state)
{
    (void)state;
    struct flow *flow = flow_new(&the_clock);
    struct observed observed = {.kind = OBSERVED_UNSENT,
                                .error_type = "mapping",
                                .reason = SLICE_LITERAL("the url is null"),
                                .warning = SLICE_LITERAL("url: jq: no")};
    flow_note(flow, &observed);
    assert_string_equal(flow_find(flow, 1)->cause, "the url is null (url: jq: no)");
    flow_free(flow);
}

static void a_failure_has_the_hint_of_its_log_line(void **state)
{
    (void)state;
    struct flow *flow = flow_new(&the_clock);
    struct observed observed = {.kind = OBSERVED_FAILED, .error_type = "dns", .has_letter = true};
    flow_note(flow, &observed);
    assert_non_null(strstr(flow_find(flow, 1)->hint, "host's name"));
    observed = (struct observed){.kind = OBSERVED_FAILED, .error_type = "http_status"};
    flow_note(flow, &observed);
    assert_non_null(strstr(flow_find(flow, 2)->hint, "DEAD_LETTER_DIR"));
    observed.kind = OBSERVED_RETRYING;
    flow_note(flow, &observed);
    assert_null(flow_find(flow, 3)->hint);
    observed = delivered("r_1");
    flow_note(flow, &observed);
    assert_null(flow_find(flow, 4)->hint);
    flow_free(flow);
}

static void mask(const void *ctx, struct slice text, struct buffer *out)
{
    (void)text;
    buffer_append_text(out, ctx);
}

static void a_url_with_secrets_is_formatted_for_watchers_alone(void **state)
{
    (void)state;
    struct flow *flow = flow_new(&the_clock);
    struct observed observed = delivered("r_1");
    observed.url = SLICE_LITERAL("http://svc/secret");
    observed.show = mask;
    observed.show_ctx = "http://svc/***";
    flow_note(flow, &observed);
    assert_string_equal(flow_find(flow, 1)->url, "");
    flow_watch(flow, true);
    flow_note(flow, &observed);
    assert_string_equal(flow_find(flow, 2)->url, "http://svc/***");
    flow_watch(flow, false);
    flow_note(flow, &observed);
    assert_string_equal(flow_find(flow, 3)->url, "");
    flow_free(flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_found_by_its_number),
        cmocka_unit_test(the_oldest_make_room_and_numbers_go_on),
        cmocka_unit_test(only_ends_failed_attempts_and_refused_results_are_kept),
        cmocka_unit_test(texts_of_any_length_are_cut_to_fit),
        cmocka_unit_test(what_its_mapping_was_warned_of_is_behind_the_cause),
        cmocka_unit_test(a_failure_has_the_hint_of_its_log_line),
        cmocka_unit_test(a_url_with_secrets_is_formatted_for_watchers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
