/* What a log line and a progress log have beside the kind of event: what is left out, cut, hidden or not
 * formatted at all, the level, and hints. */
#include "observe_world.h"

static void what_is_not_there_is_left_out(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = {.kind = OBSERVED_ENDED,
                                .ended = OBSERVED_FAILED,
                                .partition = -1,
                                .offset = -1,
                                .record_ms = -1,
                                .run_id = SLICE_LITERAL("r_1"),
                                .report = (struct run_report *)(void *)world,
                                .method = "GET",
                                .url = SLICE_LITERAL("https://a/"),
                                .attempt = 1,
                                .duration_ms = 3,
                                .error_type = "connect",
                                .reason = SLICE_LITERAL("refused")};
    assert_lines(
        world, &observed,
        LINE("ERROR", "webhook failed",
             "\"http.request.method\":\"GET\",\"url.full\":\"https://a/\",\"error.type\":\"connect\","
             "\"error.message\":\"refused\",\"port.run_id\":\"r_1\",\"http.client.request.duration\":0.003,"
             "\"dead_letter\":false,\"hint\":\"'port-agent check --destination URL' goes the way to the "
             "endpoint step by step; nothing keeps the event: DEAD_LETTER_DIR would\""));
    observed.kind = OBSERVED_FAILED;
    assert_lines(world, &observed, "");
    assert_string_equal(world->run_log, "Webhook failed after 3 ms: refused");
    world_free(world);
}

static void what_is_as_small_as_can_be_is_there(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_DELIVERED);
    observed.record_ms = 0;
    observed.answer = SLICE_LITERAL("x");
    observe(world->observer, &observed);
    observed.kind = OBSERVED_ENDED;
    char *lines = lines_of(world, &observed);
    assert_non_null(strstr(lines, "\"event.age\":50.000,\"redirects\":1,\"answer\":\"x\","));
    assert_string_equal(world->run_log, "Webhook answered 503 in 12 ms (attempt 2). Answer: x");
    free(lines);
    world_free(world);
}

/** The first characters of its line. */
static void assert_level(struct world *world, const struct observed *observed, const char *level)
{
    char *lines = lines_of(world, observed);
    assert_int_equal(strncmp(lines + 1, level, strlen(level)), 0);
    free(lines);
}

static void a_failure_is_an_error_unless_a_letter_keeps_it_or_the_request_is_wrong(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_ENDED);
    observed.ended = OBSERVED_FAILED;
    assert_level(world, &observed, "ERROR");
    observed.status = 404;
    assert_level(world, &observed, "WARNING");
    observed.status = 503;
    observed.has_letter = true;
    assert_level(world, &observed, "WARNING");
    observed.ended = OBSERVED_UNSENT;
    assert_level(world, &observed, "WARNING");
    observed.ended = OBSERVED_DELIVERED; /* no other line changes its level */
    assert_level(world, &observed, "INFO");
    world_free(world);
}

static void a_failure_says_what_to_look_at_and_what_keeps_the_event(void **state)
{
    (void)state;
    static const char *const hints[][2] = {{"tls_certificate", "SSL_CERT_FILE"},
                                           {"timeout", "WEBHOOK_INVOKER_TIMEOUT"},
                                           {"total_timeout", "WEBHOOK_TOTAL_TIMEOUT"},
                                           {"tls", "does the endpoint speak TLS there?"},
                                           {"http_status", "nothing keeps the event: DEAD_LETTER_DIR would"}};
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_ENDED);
    observed.ended = OBSERVED_FAILED;
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++) {
        observed.error_type = hints[i][0];
        char *lines = lines_of(world, &observed);
        assert_non_null(strstr(lines, "\"dead_letter\":false,\"hint\":\""));
        assert_non_null(strstr(lines, hints[i][1]));
        free(lines);
    }
    observed.has_letter = true;
    observed.status = 409;
    char *lines = lines_of(world, &observed);
    assert_non_null(strstr(lines, "\"dead_letter\":false}"));
    free(lines);
    observed.letter_written = true;
    lines = lines_of(world, &observed);
    assert_non_null(strstr(lines, "\"dead_letter\":true}"));
    free(lines);
    world_free(world);
}

static void plain_successes_may_have_no_line(void **state)
{
    (void)state;
    struct world *world = world_new();
    const struct observer_options options = {.clock = &fixed_clock, .successes_unlisted = true};
    observer_free(world->observer);
    world->observer = observer_new(&options);
    struct observed observed = full(world, OBSERVED_ENDED);
    observed.attempt = 1;
    assert_lines(world, &observed, "");
    observed.port_result = "none";
    assert_lines(world, &observed, "");
    observed.waited = SLICE_LITERAL("lane 1.0 s");
    assert_level(world, &observed, "INFO");
    observed.waited = (struct slice){NULL, 0};
    observed.port_result = "refused";
    assert_level(world, &observed, "INFO");
    observed.port_result = "accepted";
    observed.attempt = 2;
    assert_level(world, &observed, "INFO");
    observed.attempt = 1;
    observed.ended = OBSERVED_FAILED;
    assert_level(world, &observed, "ERROR");
    world_free(world);
}

static void a_body_that_was_cut_has_a_line_of_its_own_and_words_on_the_run(void **state)
{
    (void)state;
    static const char *const words[] = {
        [OBSERVED_CUT_TOO_LONG] = "response body cut: it was longer than WEBHOOK_MAX_RESPONSE_BYTES",
        [OBSERVED_CUT_NO_ROOM] =
            "response body cut: there was no room for it in WEBHOOK_TOTAL_RESPONSE_BYTES",
        [OBSERVED_CUT_UNREADABLE] = "response body left out: its Content-Encoding could not be undone",
        [OBSERVED_CUT_ENDED_EARLY] = "response body cut: its Content-Encoding ended before its end",
        [OBSERVED_CUT_UNSURE] =
            "response body may be cut: its connection ended without the word of TLS that this was meant"};
    for (enum observed_cut cut = OBSERVED_CUT_TOO_LONG; cut <= OBSERVED_CUT_UNSURE; cut++) {
        struct world *world = world_new();
        struct observed observed = full(world, OBSERVED_DELIVERED);
        char expected[512];
        observed.cut = cut;
        observed.kept_bytes = 77;
        observed.resent = true;
        char *lines = lines_of(world, &observed);
        snprintf(expected, sizeof expected,
                 "\"WARNING\",\"msg\":\"%s\"," RECORD "\"url.full\":\"https://a/x\"," RUN
                 ",\"kept_bytes\":77}\n",
                 words[cut]);
        assert_string_equal(lines, expected);
        free(lines);
        observed.kind = OBSERVED_ENDED;
        observed.cut = OBSERVED_WHOLE;
        lines = lines_of(world, &observed);
        assert_non_null(strstr(lines, "\"event.age\":2.000,\"resent\":true,\"redirects\":1,"));
        snprintf(expected, sizeof expected, "Webhook answered 503 in 12 ms (attempt 2); %s. Answer: later",
                 words[cut]);
        assert_string_equal(world->run_log, expected);
        assert_int_equal(observer_counters(world->observer)->resent, 1);
        free(lines);
        world_free(world);
    }
}

static void a_body_that_was_cut_is_told_of_at_the_end_alone(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_RETRYING);
    observed.cut = OBSERVED_CUT_TOO_LONG;
    char *lines = lines_of(world, &observed);
    assert_int_equal(occurrences(lines, "\n"), 1);
    free(lines);
    world_free(world);
}

static void stars(const void *ctx, struct slice text, struct buffer *out)
{
    (void)ctx;
    for (size_t i = 0; i < text.len; i++)
        buffer_append_char(out, '*');
}

static void what_must_not_be_seen_is_in_no_line_and_no_progress_log(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_SENDING);
    observed.show = stars;
    char *lines = lines_of(world, &observed);
    assert_non_null(strstr(lines, "\"url.full\":\"***********\""));
    assert_non_null(strstr(lines, "\"body\":\"**\""));
    assert_string_equal(world->run_log, "Sending POST *********** (attempt 1)");
    free(lines);
    world_free(world);
}

static size_t shown;

static void count_shown(const void *ctx, struct slice text, struct buffer *out)
{
    (void)ctx;
    (void)text;
    (void)out;
    shown++;
}

static void a_url_is_formatted_for_lines_that_have_it_alone(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_RETRYING);
    observed.run_id = (struct slice){NULL, 0}; /* what is remembered of runs has its own form (runs.h) */
    observed.show = count_shown;
    shown = 0;
    free(lines_of(world, &observed));
    assert_int_equal(shown, 0);
    observed.kind = OBSERVED_ENDED;
    free(lines_of(world, &observed));
    assert_int_equal(shown, 1);
    world_free(world);
}

static void nothing_is_formatted_for_a_level_that_is_off(void **state)
{
    (void)state;
    struct world *world = world_new();
    FILE *file = tmpfile();
    assert_non_null(file);
    struct log_options options = {.fd = fileno(file), .level = LOG_WARNING};
    struct log *log = log_new(&options), *before = log_set_current(log);
    struct observed observed = full(world, OBSERVED_ENDED);
    observed.run_id = (struct slice){NULL, 0}; /* likewise */
    observed.show = count_shown;
    observed.report = NULL;
    shown = 0;
    observe(world->observer, &observed);
    observed.kind = OBSERVED_SENDING;
    observe(world->observer, &observed);
    assert_int_equal(shown, 0);
    assert_int_equal(world->run_logs, 0);
    log_set_current(before);
    log_free(log, 2000);
    assert_int_equal(lseek(fileno(file), 0, SEEK_END), 0);
    fclose(file);
    world_free(world);
}

static void a_record_in_no_topic_is_found_by_its_id_unless_that_is_the_runs(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = {.kind = OBSERVED_NOT_FOR_AGENT,
                                .record_id = SLICE_LITERAL("line-7"),
                                .partition = -1,
                                .offset = -1,
                                .run_id = SLICE_LITERAL("r_1")};
    assert_lines(world, &observed,
                 LINE("DEBUG", "event is not for an agent", "\"record.id\":\"line-7\"," RUN));
    observed.record_id = observed.run_id;
    assert_lines(world, &observed, LINE("DEBUG", "event is not for an agent", RUN));
    observed = full(world, OBSERVED_NOT_FOR_AGENT);
    observed.record_id = SLICE_LITERAL("org.runs-2-7");
    assert_lines(world, &observed, LINE("DEBUG", "event is not for an agent", RECORD RUN));
    observed.kind = OBSERVED_DELIVERED;
    observed.cut = OBSERVED_CUT_NO_ROOM;
    observed.topic = NULL;
    char *lines = lines_of(world, &observed);
    assert_int_equal(occurrences(lines, "\"record.id\":\"org.runs-2-7\""), 1);
    free(lines);
    observed.kind = OBSERVED_ENDED;
    observed.cut = OBSERVED_WHOLE;
    lines = lines_of(world, &observed);
    assert_int_equal(occurrences(lines, "\"record.id\":\"org.runs-2-7\""), 1);
    free(lines);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_left_out),
        cmocka_unit_test(what_is_as_small_as_can_be_is_there),
        cmocka_unit_test(a_failure_is_an_error_unless_a_letter_keeps_it_or_the_request_is_wrong),
        cmocka_unit_test(a_failure_says_what_to_look_at_and_what_keeps_the_event),
        cmocka_unit_test(plain_successes_may_have_no_line),
        cmocka_unit_test(a_body_that_was_cut_has_a_line_of_its_own_and_words_on_the_run),
        cmocka_unit_test(a_body_that_was_cut_is_told_of_at_the_end_alone),
        cmocka_unit_test(what_must_not_be_seen_is_in_no_line_and_no_progress_log),
        cmocka_unit_test(a_url_is_formatted_for_lines_that_have_it_alone),
        cmocka_unit_test(nothing_is_formatted_for_a_level_that_is_off),
        cmocka_unit_test(a_record_in_no_topic_is_found_by_its_id_unless_that_is_the_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
