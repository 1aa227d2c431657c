/* One call tells: what each kind of event becomes as a log line, as a progress log on its run, in the
 * counters, and for whoever asked to be told. */
#include "observe_world.h"

#define SECRET_HINT                                                                            \
    ",\"hint\":\"is PORT_CLIENT_SECRET this organisation's? 'port-agent verify --event FILE' " \
    "says what differs\""
#define WRITER_HINT                                                                       \
    ",\"hint\":\"who writes to the topic? 'port-agent verify --event FILE' says what is " \
    "wrong with the event\""

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
    {OBSERVED_UNSIGNED, LINE("WARNING", "event refused: signature missing", RECORD RUN WRITER_HINT), NULL,
     "bad_signatures"},
    {OBSERVED_TIMESTAMP_MALFORMED,
     LINE("WARNING", "event refused: timestamp malformed", RECORD RUN WRITER_HINT), NULL, "bad_signatures"},
    {OBSERVED_SIGNATURE_WRONG, LINE("WARNING", "event refused: signature wrong", RECORD RUN SECRET_HINT),
     NULL, "bad_signatures"},
    {OBSERVED_OTHER_TOPICS,
     LINE("WARNING", "event refused: it belongs on another topic",
          RECORD RUN ",\"reason\":\"the endpoint answered 503\"" WRITER_HINT),
     NULL, "bad_signatures"},
    {OBSERVED_UNREPORTABLE,
     LINE("WARNING", "a run's id does not fit Port's API: nothing of it is reported", RECORD RUN), NULL,
     NULL},
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
    {OBSERVED_MOVED,
     LINE("DEBUG", "delivery moved", RECORD RUN ",\"from_state\":\"READY\",\"to_state\":\"SENDING\""), NULL,
     NULL},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_its_line_its_progress_log_and_its_counter),
        cmocka_unit_test(what_is_about_no_record_names_none),
        cmocka_unit_test(one_of_many_is_counted_and_told_without_a_line),
        cmocka_unit_test(those_who_show_an_end_get_a_value_and_words),
        cmocka_unit_test(nobody_need_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
