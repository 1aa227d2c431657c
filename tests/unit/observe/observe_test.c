/* One call tells: what each kind of event becomes as a log line, as a progress log on its run, in the
 * counters, and for whoever asked to be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../component/logs.h"
#include "observe/observe.h"

static int64_t wall(void *ctx)
{
    (void)ctx;
    return 50000;
}

static const struct clock fixed_clock = {.monotonic_ms = wall, .wall_ms = wall};

struct world {
    struct observer *observer;
    struct caught caught;
    FILE *file;
    char run_log[512];
    size_t run_logs, told;
    enum observed_kind kind;
};

static struct world *writing;

static void tell_run(struct run_report *report, struct slice text)
{
    assert_ptr_equal(report, writing);
    writing->run_logs++;
    snprintf(writing->run_log, sizeof writing->run_log, "%.*s", (int)text.len, text.ptr);
}

static void told(void *ctx, const struct observed *observed)
{
    struct world *world = ctx;
    world->told++;
    world->kind = observed->kind;
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    assert_non_null(world);
    const struct observer_options options = {
        .clock = &fixed_clock, .tell_run = tell_run, .told = told, .ctx = world};
    world->observer = observer_new(&options);
    assert_non_null(world->observer);
    writing = world;
    return world;
}

static void world_free(struct world *world)
{
    observer_free(world->observer);
    free(world);
}

/** An event of the kind with everything that any kind may have. */
static struct observed full(struct world *world, enum observed_kind kind)
{
    return (struct observed){.kind = kind,
                             .topic = "org.runs",
                             .partition = 2,
                             .offset = 7,
                             .record_ms = 48000,
                             .run_id = SLICE_LITERAL("r_1"),
                             .report = (struct run_report *)(void *)world,
                             .method = "POST",
                             .url = SLICE_LITERAL("https://a/x"),
                             .body = SLICE_LITERAL("{}"),
                             .attempt = 2,
                             .max_attempts = 5,
                             .mapping = 3,
                             .status = 503,
                             .answered = true,
                             .redirects = 1,
                             .duration_ms = 12,
                             .wait_ms = 1500,
                             .error_type = "http_status",
                             .reason = SLICE_LITERAL("the endpoint answered 503"),
                             .answer = SLICE_LITERAL("later"),
                             .summary = SLICE_LITERAL("No webhook was sent: too old"),
                             .from = "READY",
                             .to = "SENDING",
                             .ended = OBSERVED_DELIVERED,
                             .port_result = "accepted",
                             .destination = NULL,
                             .count = 9,
                             .unreported = 4};
}

/** Of no record. */
static struct observed bare(enum observed_kind kind)
{
    return (struct observed){.kind = kind,
                             .destination = "https://a:443",
                             .reason = SLICE_LITERAL("too many open files"),
                             .count = 9};
}

/** The lines behind their time, with the level in front; the caller frees. */
static char *lines_of(struct world *world, const struct observed *observed)
{
    struct caught caught = logs_catch();
    observe(world->observer, observed);
    char *text = logs_end(&caught), *out = calloc(1, strlen(text) + 1), *to = out;
    assert_non_null(out);
    for (char *line = text, *rest = NULL; (line = strtok_r(line, "\n", &rest)); line = NULL)
        to += sprintf(to, "%s\n", strstr(line, "\"level\"") + sizeof "\"level\":" - 1);
    free(text);
    return out;
}

static void assert_lines(struct world *world, const struct observed *observed, const char *expected)
{
    char *lines = lines_of(world, observed);
    assert_string_equal(lines, expected);
    free(lines);
}

#define RECORD                                                                              \
    "\"messaging.destination.name\":\"org.runs\",\"messaging.destination.partition.id\":2," \
    "\"messaging.kafka.offset\":7,"
#define REQUEST "\"http.request.method\":\"POST\",\"url.full\":\"https://a/x\","
#define ERROR_FIELDS "\"error.type\":\"http_status\",\"error.message\":\"the endpoint answered 503\","
#define RUN "\"port.run_id\":\"r_1\""
#define ENDED                                                                                \
    ",\"mapping\":3,\"http.request.resend_count\":1,\"http.client.request.duration\":0.012," \
    "\"event.age\":2.000,\"redirects\":1,\"answer\":\"later\","
#define LINE(level_, message_, rest_) "\"" level_ "\",\"msg\":\"" message_ "\"," rest_ "}\n"

/** Counters that a kind adds one to: at most one. */
struct kind {
    enum observed_kind kind;
    const char *line, *run_log;
    const char *counter;
};

static const struct kind kinds[] = {
    {OBSERVED_TAKEN, "", NULL, "taken"},
    {OBSERVED_NOT_FOR_AGENT, LINE("DEBUG", "event is not for an agent", RECORD RUN), NULL, "skipped"},
    {OBSERVED_READ_AGAIN, "", NULL, "read_again"},
    {OBSERVED_GONE, "", NULL, "gone"},
    {OBSERVED_REPEATED, LINE("DEBUG", "record was delivered already", RECORD RUN), NULL, "deduplicated"},
    {OBSERVED_UNREADABLE,
     LINE("WARNING", "record skipped", RECORD RUN ",\"reason\":\"the endpoint answered 503\""), NULL,
     "bad_records"},
    {OBSERVED_UNREADABLE_OF_RUN, "", NULL, "bad_records"},
    {OBSERVED_UNSIGNED, LINE("WARNING", "event refused: signature missing", RECORD RUN), NULL,
     "bad_signatures"},
    {OBSERVED_TIMESTAMP_MALFORMED, LINE("WARNING", "event refused: timestamp malformed", RECORD RUN), NULL,
     "bad_signatures"},
    {OBSERVED_SIGNATURE_WRONG, LINE("WARNING", "event refused: signature wrong", RECORD RUN), NULL,
     "bad_signatures"},
    {OBSERVED_OTHER_TOPICS,
     LINE("WARNING", "event refused: it belongs on another topic",
          RECORD RUN ",\"reason\":\"the endpoint answered 503\""),
     NULL, "bad_signatures"},
    {OBSERVED_MAPPED, "", NULL, NULL},
    {OBSERVED_EXPRESSION_EMPTY,
     LINE("WARNING", "a mapping's expression gave nothing",
          RECORD RUN ",\"error.message\":\"the endpoint answered 503\""),
     NULL, NULL},
    {OBSERVED_HEADERS_LEFT_OUT,
     LINE("WARNING", "the answer has more headers than a mapping's report sees",
          RECORD RUN ",\"error.message\":\"the endpoint answered 503\""),
     NULL, NULL},
    {OBSERVED_REPORT_UNMAPPED,
     LINE("WARNING", "a mapping's expression gave nothing",
          RECORD RUN ",\"error.message\":\"the endpoint answered 503\""),
     "What the mapping reports could not be evaluated: the endpoint answered 503", NULL},
    {OBSERVED_MOVED, LINE("DEBUG", "delivery moved", RECORD RUN ",\"from\":\"READY\",\"to\":\"SENDING\""),
     NULL, NULL},
    {OBSERVED_UNWANTED, LINE("INFO", "no mapping wants the event", RECORD RUN), NULL, "skipped"},
    {OBSERVED_SENDING,
     LINE("DEBUG", "request", RECORD REQUEST RUN ",\"http.request.resend_count\":1,\"body\":\"{}\""),
     "Sending POST https://a/x (attempt 1)", NULL},
    {OBSERVED_RETRYING,
     LINE("INFO", "webhook will be tried again",
          RECORD "\"http.response.status_code\":503," ERROR_FIELDS RUN
                 ",\"http.request.resend_count\":1,\"next_attempt_in\":1.500"),
     "Attempt 2 of 5 failed: the endpoint answered 503. Trying again in 1.5 s", "retries"},
    {OBSERVED_RETRY_LEFT, "", NULL, NULL},
    {OBSERVED_DELIVERED, "", "Webhook answered 503 in 12 ms (attempt 2). Answer: later", "delivered"},
    {OBSERVED_FAILED, "", "Webhook answered 503 in 12 ms (attempt 2). Answer: later", "failed"},
    {OBSERVED_EXPIRED, "", NULL, "expired"},
    {OBSERVED_STALE, "", NULL, "stale"},
    {OBSERVED_UNSENT, "", "No webhook was sent: too old", "failed"},
    {OBSERVED_WAITS, LINE("INFO", "run waits", RECORD RUN ",\"reason\":\"the endpoint answered 503\""), NULL,
     NULL},
    {OBSERVED_ENDED,
     LINE("INFO", "webhook delivered",
          RECORD REQUEST "\"http.response.status_code\":503," RUN ENDED "\"port.result\":\"accepted\""),
     NULL, NULL},
    {OBSERVED_OWED, LINE("ERROR", "out of memory: a result waits", RECORD RUN), NULL, NULL},
    {OBSERVED_LEFT, LINE("ERROR", "out of memory: the record is left for the next assignment", RECORD RUN),
     NULL, NULL},
    {OBSERVED_ANSWER_LOST,
     LINE("ERROR", "out of memory: the result is reported without the endpoint's answer", RECORD RUN), NULL,
     NULL},
    {OBSERVED_RESULT_REFUSED, "", NULL, "refused_results"},
    {OBSERVED_DROPPED, "", NULL, "dropped"},
    {OBSERVED_DONE, "", NULL, NULL},
};

static void assert_counted(const struct observer *observer, const char *name)
{
    for (size_t i = 0; i < COUNTERS_COUNT; i++) {
        bool expected = name && slice_equal_text(counters_table[i].name, name);
        if (counters_value(observer_counters(observer), i) != expected)
            print_error("%s\n", counters_table[i].name.ptr);
        assert_int_equal(counters_value(observer_counters(observer), i), expected);
    }
}

static void every_kind_has_its_line_its_progress_log_and_its_counter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct world *world = world_new();
        const struct observed observed = full(world, kinds[i].kind);
        assert_lines(world, &observed, kinds[i].line);
        assert_string_equal(world->run_log, kinds[i].run_log ? kinds[i].run_log : "");
        assert_int_equal(world->run_logs, kinds[i].run_log != NULL);
        assert_counted(world->observer, kinds[i].counter);
        assert_int_equal(world->told, 1);
        assert_int_equal(world->kind, kinds[i].kind);
        world_free(world);
    }
}

static void what_is_about_no_record_names_none(void **state)
{
    (void)state;
    static const struct kind of_none[] = {
        {OBSERVED_MORE_REFUSED,
         LINE("WARNING", "events refused: more of them within a minute",
              "\"count\":9,\"unreported_node_runs\":4"),
         NULL, NULL},
        {OBSERVED_MORE_UNWANTED, LINE("INFO", "events that no mapping wants, within a minute", "\"count\":9"),
         NULL, NULL},
        {OBSERVED_CIRCUIT_OPEN, "", NULL, NULL}, /* standing conditions have their lines */
        {OBSERVED_CIRCUIT_CLOSED, "", NULL, NULL},
        {OBSERVED_SHORTAGE,
         LINE("WARNING",
              "the system gives out no more connections: deliveries wait, and fewer are sent at once",
              "\"error.message\":\"too many open files\",\"webhooks_at_once\":9"),
         NULL, NULL},
    };
    assert_int_equal(sizeof kinds / sizeof *kinds + sizeof of_none / sizeof *of_none, OBSERVED_KINDS);
    for (size_t i = 0; i < sizeof of_none / sizeof *of_none; i++) {
        struct world *world = world_new();
        struct observed observed = bare(of_none[i].kind);
        observed.unreported = 4;
        if (of_none[i].kind != OBSERVED_CIRCUIT_OPEN && of_none[i].kind != OBSERVED_CIRCUIT_CLOSED)
            observed.destination = NULL;
        assert_lines(world, &observed, of_none[i].line);
        assert_counted(world->observer, NULL);
        world_free(world);
    }
}

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
             "endpoint "
             "step by step\""));
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
    char *lines = lines_of(world, &observed);
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
        [OBSERVED_CUT_UNSURE] = "response body may be cut: its connection ended without the word of TLS that this was meant"};
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

static void one_of_many_is_counted_and_told_without_a_line(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct observed observed = full(world, OBSERVED_SIGNATURE_WRONG);
    observed.unlisted = true;
    assert_lines(world, &observed, "");
    assert_counted(world->observer, "bad_signatures");
    assert_int_equal(world->told, 1);
    world_free(world);
}

static void those_who_show_an_end_get_a_value_and_words(void **state)
{
    (void)state;
    struct world *world = world_new();
    static const struct {
        enum observed_kind kind;
        enum observed_end end;
        const char *why;
    } ends[] = {{OBSERVED_DELIVERED, END_DELIVERED, "the endpoint answered 503"},
                {OBSERVED_FAILED, END_FAILED, "the endpoint answered 503"},
                {OBSERVED_UNSENT, END_FAILED, "the endpoint answered 503"},
                {OBSERVED_NOT_FOR_AGENT, END_SKIPPED, "not for an agent"},
                {OBSERVED_UNREADABLE, END_UNREADABLE, "the endpoint answered 503"},
                {OBSERVED_UNSIGNED, END_REFUSED, "signature missing"},
                {OBSERVED_TIMESTAMP_MALFORMED, END_REFUSED, "timestamp malformed"},
                {OBSERVED_SIGNATURE_WRONG, END_REFUSED, "signature wrong"},
                {OBSERVED_OTHER_TOPICS, END_REFUSED, "it belongs on another topic"}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const struct observed observed = full(world, ends[i].kind);
        assert_int_equal(observed_end(ends[i].kind), ends[i].end);
        assert_true(slice_equal_text(observed_why(&observed), ends[i].why));
    }
    for (int kind = 0; kind < OBSERVED_KINDS; kind++)
        count += observed_end((enum observed_kind)kind) != END_NONE;
    assert_int_equal(count, sizeof ends / sizeof *ends);
    world_free(world);
}

static void nobody_need_listen(void **state)
{
    (void)state;
    const struct observer_options options = {.clock = &fixed_clock};
    struct observer *observer = observer_new(&options);
    struct world world = {0};
    const struct observed observed = full(&world, OBSERVED_DELIVERED);
    observe(observer, &observed);
    assert_int_equal(observer_counters(observer)->delivered, 1);
    observer_free(observer);
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
        cmocka_unit_test(a_record_in_no_topic_is_found_by_its_id_unless_that_is_the_runs),
        cmocka_unit_test(every_kind_has_its_line_its_progress_log_and_its_counter),
        cmocka_unit_test(what_is_about_no_record_names_none),
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
        cmocka_unit_test(one_of_many_is_counted_and_told_without_a_line),
        cmocka_unit_test(those_who_show_an_end_get_a_value_and_words),
        cmocka_unit_test(nobody_need_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
