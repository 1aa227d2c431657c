/* The trace that comes with an event: what goes on to the endpoint with each attempt, and in log lines. */
#include "world.h"

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00-" TRACE "-00f067aa0ba902b7-01"
#define OTHER "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

static struct world *world_traced(struct tracing *tracing)
{
    struct world *world = world_open();
    world_deliver(world, (struct deliver_options){
                             .max_in_flight = 4,
                             .max_bytes = 1 << 20,
                             .tracing = tracing,
                             .retry = {.max_attempts = 3, .max_elapsed_ms = 10000, .initial_backoff_ms = 1}});
    return world;
}

/** What the endpoint sees of it with nothing recorded. */
static void assert_sent_on(struct event_text text, const char *parent, const char *tracestate)
{
    struct world *world = world_traced(NULL);
    text.run_id = "r_1";
    text.path = "/";
    give(world, text);
    run_until(world->port, &world->done, 1);
    assert_string_equal(world->parents[0], parent);
    assert_string_equal(world->states[0], tracestate);
    world_free(world);
}

static void the_records_trace_goes_on_before_the_events(void **state)
{
    (void)state;
    const char *event = "\"traceparent\":\"" OTHER "\",\"tracestate\":\"e=1\"";
    assert_sent_on((struct event_text){.headers = NULL}, "", "");
    assert_sent_on((struct event_text){.headers = event}, OTHER, "e=1");
    assert_sent_on((struct event_text){.headers = "\"TraceParent\":\"" OTHER "\",\"X\":1"}, OTHER, "");
    assert_sent_on((struct event_text){.headers = event, .traceparent = PARENT, .tracestate = "r=1"}, PARENT,
                   "r=1");
    assert_sent_on((struct event_text){.headers = event, .traceparent = PARENT}, PARENT, "");
    assert_sent_on((struct event_text){.headers = event, .traceparent = "00-no", .tracestate = "r=1"}, OTHER,
                   "e=1");
    assert_sent_on((struct event_text){.traceparent = PARENT, .padding = 2 << 10}, PARENT, "");
}

static void what_is_not_valid_does_not_go_on(void **state)
{
    (void)state;
    assert_sent_on((struct event_text){.headers = "\"traceparent\":\"00-no\",\"tracestate\":\"e=1\""}, "",
                   "");
    assert_sent_on((struct event_text){.headers = "\"traceparent\":7,\"tracestate\":\"e=1\""}, "", "");
    assert_sent_on((struct event_text){.headers = "\"traceparent\":\"" PARENT "\\r\\nX-A: 1\""}, "", "");
    assert_sent_on((struct event_text){.traceparent = PARENT, .tracestate = "r=1,\r\nx=2"}, PARENT, "");
    assert_sent_on((struct event_text){.tracestate = "r=1"}, "", "");
}

static void a_large_records_trace_goes_on(void **state)
{
    (void)state;
    struct world *world = world_open();
    world_deliver(world, (struct deliver_options){
                             .max_in_flight = 4, .max_bytes = 16 << 20, .record_max_bytes = 4 << 20});
    give(world,
         (struct event_text){
             .run_id = "r_1", .path = "/", .padding = 3 << 19, .traceparent = PARENT, .tracestate = "r=1"});
    run_until(world->port, &world->done, 1);
    assert_string_equal(world->parents[0], PARENT);
    assert_string_equal(world->states[0], "r=1");
    world_free(world);
}

static void each_attempt_is_a_span_of_its_own_where_spans_are_recorded(void **state)
{
    (void)state;
    struct tracing tracing = {.sampling = TRACE_ALWAYS, .by_parent = true, .key = 5};
    struct world *world = world_traced(&tracing);
    struct caught caught = logs_catch();
    struct trace_parent first, second, begun;
    world->failures = 1;
    give(world, (struct event_text){.run_id = "r_1", .path = "/flaky", .traceparent = PARENT, .key = "k"});
    give(world, (struct event_text){.run_id = "r_2", .path = "/b", .key = "k"});
    give(world, (struct event_text){.run_id = "r_3", .path = "/c", .key = "k", .traceparent = OTHER});
    run_until(world->port, &world->done, 3);
    assert_int_equal(world->arrived, 4);
    assert_true(trace_parent_read(slice_of(world->parents[0]), &first));
    assert_true(trace_parent_read(slice_of(world->parents[1]), &second));
    assert_true(trace_parent_read(slice_of(world->parents[2]), &begun));
    assert_string_equal(first.trace_id, TRACE);
    assert_string_equal(second.trace_id, TRACE);
    assert_string_not_equal(first.span_id, second.span_id);
    assert_null(strstr(PARENT, first.span_id));
    assert_true(first.sampled && second.sampled && begun.sampled);
    assert_string_not_equal(begun.trace_id, TRACE);
    assert_string_equal(world->parents[3], OTHER); /* not recorded by whoever sent it */
    char *text = logs_end(&caught), expected[256];
    snprintf(expected, sizeof expected, ",\"trace_id\":\"%s\",\"span_id\":\"", begun.trace_id);
    assert_non_null(strstr(text, expected));
    assert_non_null(strstr(text, ",\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}"));
    free(text);
    world_free(world);
}

static struct reply refuses_after_a_while(struct fake_port *port, size_t n, const struct seen *request)
{
    (void)port;
    (void)n;
    static unsigned patches;
    bool patch = strcmp(request->method, "PATCH") == 0;
    int status = !patch ? 200 : patches++ % 2 == 0 ? 503 : 422;
    return (struct reply){.status = status};
}

static void lines_about_the_result_name_the_trace_too(void **state)
{
    (void)state;
    static const char *const messages[] = {"a result waits for Port", "result refused by Port",
                                           "webhook delivered"};
    for (int traced = 0; traced < 2; traced++) {
        struct world *world = world_traced(NULL);
        struct caught caught = logs_catch();
        world->port->script = refuses_after_a_while;
        give(world,
             (struct event_text){
                 .run_id = "r_1", .path = "/", .synchronized = true, .traceparent = traced ? PARENT : NULL});
        run_until(world->port, &world->done, 1);
        char *text = logs_end(&caught);
        for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
            char start[96];
            snprintf(start, sizeof start, "\"msg\":\"%s", messages[i]);
            const char *line = strstr(text, start);
            assert_non_null(line);
            const char *id = strstr(line, ",\"trace_id\":\"" TRACE "\"}");
            assert_int_equal(id && id < strchr(line, '\n'), traced);
        }
        assert_int_equal(strstr(text, "trace_id") != NULL, traced);
        free(text);
        world_free(world);
    }
}

static void nothing_begins_where_nothing_is_recorded_and_lines_of_no_trace_say_nothing_of_it(void **state)
{
    (void)state;
    struct tracing tracing = {.sampling = TRACE_NEVER, .by_parent = true, .key = 5};
    struct world *world = world_traced(&tracing);
    struct caught caught = logs_catch();
    give(world, (struct event_text){.run_id = "r_1", .path = "/"});
    run_until(world->port, &world->done, 1);
    char *text = logs_end(&caught);
    assert_string_equal(world->parents[0], "");
    assert_non_null(strstr(text, "webhook delivered"));
    assert_null(strstr(text, "trace_id"));
    free(text);
    world_free(world);
}

static void the_end_is_told_where_spans_are_recorded(void **state)
{
    (void)state;
    struct tracing tracing = {.sampling = TRACE_ALWAYS, .key = 5};
    struct world *world = world_traced(&tracing);
    world->failures = 1;
    give(world, (struct event_text){.run_id = "r_1", .path = "/flaky"});
    run_until(world->port, &world->done, 1);
    assert_string_equal(buffer_text(&world->told),
                        "told 1\n" /* it begins */ "told 1 http_status\ntold 2\ntold 2\ndone 2\n");
    world->told.len = 0;
    give(world, (struct event_text){.path = "/500", .change_log = true});
    run_until(world->port, &world->done, 2);
    assert_string_equal(buffer_text(&world->told), "told 1\ntold 1 http_status\ndone 1 http_status no run\n");
    world_free(world);
}

static void a_redirect_takes_the_trace_along(void **state)
{
    (void)state;
    struct world *world = world_open();
    http_client_close(world->webhooks, NULL, NULL);
    world->webhooks = loopback_client_with(&world->port->loop, HTTP_REDIRECTS_SAME_HOST);
    world_deliver(world, (struct deliver_options){.max_in_flight = 4, .max_bytes = 1 << 20});
    give(world, (struct event_text){.run_id = "r_1", .path = "/moved-303", .traceparent = PARENT});
    run_until(world->port, &world->done, 1);
    assert_int_equal(world->arrived, 2);
    assert_string_equal(world->parents[1], PARENT);
    world_free(world);
}

static void on_the_word_of_a_forged_event_no_trace_is_told_of(void **state)
{
    (void)state;
    struct tracing tracing = {.sampling = TRACE_ALWAYS, .key = 5};
    struct world *world = world_traced(&tracing);
    struct caught caught = logs_catch();
    give(world, (struct event_text){.run_id = "wfnr_1", .path = "/", .forged = true, .traceparent = PARENT});
    run_until(world->port, &world->done, 1);
    char *text = logs_end(&caught);
    assert_non_null(strstr(text, "signature wrong"));
    assert_null(strstr(text, "trace_id"));
    free(text);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_records_trace_goes_on_before_the_events),
        cmocka_unit_test(what_is_not_valid_does_not_go_on),
        cmocka_unit_test(a_large_records_trace_goes_on),
        cmocka_unit_test(each_attempt_is_a_span_of_its_own_where_spans_are_recorded),
        cmocka_unit_test(lines_about_the_result_name_the_trace_too),
        cmocka_unit_test(nothing_begins_where_nothing_is_recorded_and_lines_of_no_trace_say_nothing_of_it),
        cmocka_unit_test(the_end_is_told_where_spans_are_recorded),
        cmocka_unit_test(a_redirect_takes_the_trace_along),
        cmocka_unit_test(on_the_word_of_a_forged_event_no_trace_is_told_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
