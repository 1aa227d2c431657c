/* One request and what follows from its answer: deliveries whose HTTP client and clock are the test's. Their
 * events are of the change log, so that nothing is owed to Port. */
#include "../still.h"
#include "deliver/deliver.h"
#include "observe/conditions.h"
#include "port/result.h"
#include "source/class.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CALLS = 16, RECORDS = 16, AGE_MS = 60000 };

struct http_call {
    http_done *done;
    void *ctx;
    char attempt[8];
    bool discards, wants_text, over;
    size_t keeps;
};

static struct {
    struct http_call calls[CALLS];
    size_t count;
    bool no_call;
    struct ticket tickets[RECORDS];
    bool done[RECORDS], dropped[RECORDS];
    size_t given;
} fake;

static uv_loop_t loop;
static struct signer *signer;
static struct observer *observer;
static struct port_api *port;
static struct reports *reports;
static struct conditions *conditions;
static struct deliver *deliver;

/* What is called of the HTTP client */

struct http_call *http_start(struct http_client *client, const struct http_request *request, http_done *done,
                             void *ctx)
{
    (void)client;
    if (fake.no_call)
        return NULL;
    assert_true(fake.count < CALLS);
    struct http_call *call = &fake.calls[fake.count++];
    *call = (struct http_call){.done = done,
                               .ctx = ctx,
                               .discards = request->discard_body,
                               .wants_text = request->text,
                               .keeps = request->keep_bytes};
    for (size_t i = 0; i < request->header_count; i++)
        if (slice_equal_text(request->headers[i].name, "X-Port-Attempt"))
            snprintf(call->attempt, sizeof call->attempt, "%.*s", (int)request->headers[i].value.len,
                     request->headers[i].value.ptr);
    return call;
}

void http_call_forget(struct http_call *call, http_done *instead, void *ctx)
{
    (void)instead;
    (void)ctx;
    assert_false(call->over);
    call->over = true;
}

bool http_call_headers(struct http_call *call, const struct http_header *headers, size_t count)
{
    (void)call;
    (void)headers;
    (void)count;
    return true;
}

size_t http_client_body_bytes(const struct http_client *client)
{
    (void)client;
    return 0;
}

void http_client_secrets(struct http_client *client, struct secrets *out)
{
    (void)client;
    (void)out;
}

/* Deliveries */

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    still_begin(0.5);
    uv_loop_init(&loop);
    signer = signer_new(SLICE_LITERAL("secret"));
    observer = observer_new(&(struct observer_options){.clock = &test_clock});
    conditions = conditions_new(&test_clock);
    port = port_api_new(&(struct port_api_options){
        .loop = &loop, .clock = &test_clock, .base_url = "http://port", .client_id = "id"});
    assert_non_null(port);
    reports = reports_new(&(struct reports_options){.api = port, .loop = &loop, .clock = &test_clock});
    assert_true(signer && observer && conditions && reports);
    return 0;
}

static void open_with(struct deliver_options options)
{
    options.loop = &loop;
    options.clock = &test_clock;
    options.signer = signer;
    options.observer = observer;
    options.reports = reports;
    options.conditions = conditions;
    options.max_bytes = 1 << 20;
    options.record_max_bytes = 65536;
    if (options.max_in_flight == 0)
        options.max_in_flight = 8;
    deliver = deliver_new(&options);
    assert_non_null(deliver);
}

/** Of three attempts, a second or less apart. */
static struct deliver_options patient(void)
{
    return (struct deliver_options){
        .retry = {
            .max_attempts = 3, .max_elapsed_ms = 60000, .initial_backoff_ms = 1000, .max_backoff_ms = 1000}};
}

static int end(void **state)
{
    (void)state;
    deliver_free(deliver);
    reports_free(reports);
    port_api_free(port);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    for (size_t i = 0; i < fake.given; i++)
        assert_true(fake.done[i] != fake.dropped[i]);
    conditions_free(conditions);
    observer_free(observer);
    signer_free(signer);
    return 0;
}

static void is_settled(struct ticket *ticket, bool done)
{
    (done ? fake.done : fake.dropped)[ticket - fake.tickets] = true;
}

static size_t give_aged(int64_t age_ms)
{
    static const char event[] = "{\"changelogDestination\":{\"agent\":true,\"url\":\"http://svc/hook\"}}";
    char id[16];
    size_t n = fake.given++;
    assert_true(n < RECORDS);
    snprintf(id, sizeof id, "changes-0-%zu", n);
    fake.tickets[n].settle = is_settled;
    const struct record record = {.kind = EVENT_CHANGE_LOG,
                                  .id = slice_of(id),
                                  .topic = "changes",
                                  .offset = (int64_t)n,
                                  .timestamp_ms = now_ms - age_ms,
                                  .value = SLICE_LITERAL(event),
                                  .assignment = &fake};
    struct source_sink sink = deliver_sink(deliver);
    sink.take(sink.ctx, &record, &fake.tickets[n]);
    return n;
}

static size_t give(void)
{
    return give_aged(0);
}

static void answer(size_t n, struct http_result result)
{
    struct http_call *call = &fake.calls[n];
    assert_true(n < fake.count && !call->over);
    call->over = true;
    call->done(call->ctx, &result);
}

/** So much time passes, and what is due by then happens. */
static void pass(int64_t ms)
{
    now_ms += ms;
    still_fire(&loop, still_timer(&loop));
}

static struct counters counted(void)
{
    struct counters counters;
    deliver_counters(deliver, &counters);
    return counters;
}

/* Attempts */

static void each_attempt_has_its_number_and_its_wait(void **state)
{
    (void)state;
    open_with(patient());
    give();
    for (size_t n = 0; n < 3; n++) {
        char number[8];
        assert_int_equal(fake.count, n + 1);
        snprintf(number, sizeof number, "%zu", n + 1);
        assert_string_equal(fake.calls[n].attempt, number);
        answer(n, (struct http_result){.failure = HTTP_CONNECT});
        assert_int_equal(counted().waiting_for_retry, n < 2);
        pass(1000);
    }
    assert_int_equal(fake.count, 3);
    assert_true(fake.done[0]);
    assert_int_equal(counted().retries, 2);
    assert_int_equal(counted().failed, 1);
}

static void without_memory_for_a_request_it_is_tried_again(void **state)
{
    (void)state;
    open_with(patient());
    fake.no_call = true;
    give();
    assert_int_equal(counted().waiting_for_retry, 1);
    fake.no_call = false;
    pass(1000);
    assert_string_equal(fake.calls[0].attempt, "2");
    answer(0, (struct http_result){.status = 200});
    assert_true(fake.done[0]);
}

static void at_a_stop_what_would_be_tried_again_is_left(void **state)
{
    (void)state;
    open_with(patient());
    give();
    deliver_stop_starting(deliver);
    answer(0, (struct http_result){.failure = HTTP_CONNECT});
    assert_true(fake.dropped[0]);
}

static void at_a_stop_what_had_its_last_attempt_is_done(void **state)
{
    (void)state;
    open_with(patient());
    give();
    deliver_stop_starting(deliver);
    answer(0, (struct http_result){.failure = HTTP_RESET, .sent = true});
    assert_true(fake.done[0]);
}

static void the_system_giving_no_connection_is_no_attempt(void **state)
{
    (void)state;
    open_with(patient());
    give();
    answer(0, (struct http_result){.failure = HTTP_NO_DESCRIPTOR});
    assert_int_equal(counted().retries, 0);
    pass(749);
    assert_int_equal(fake.count, 1);
    pass(1);
    assert_string_equal(fake.calls[1].attempt, "1");
    deliver_stop_starting(deliver);
    answer(1, (struct http_result){.failure = HTTP_NO_DESCRIPTOR});
    assert_true(fake.dropped[0]);
}

/* Age */

static void what_is_too_old_takes_no_place(void **state)
{
    (void)state;
    open_with((struct deliver_options){.event_max_age_ms = AGE_MS, .max_in_flight = 1});
    give_aged(AGE_MS + 1);
    give_aged(AGE_MS + 1);
    assert_int_equal(fake.count, 0);
    assert_int_equal(counted().expired, 2);
    assert_int_equal(counted().in_flight, 0);
    give_aged(AGE_MS);
    assert_int_equal(fake.count, 1);
    answer(0, (struct http_result){.status = 200});
}

static void what_was_tried_once_grows_no_older(void **state)
{
    (void)state;
    struct deliver_options options = patient();
    options.event_max_age_ms = AGE_MS;
    open_with(options);
    give_aged(AGE_MS);
    answer(0, (struct http_result){.failure = HTTP_CONNECT});
    pass(1000);
    assert_int_equal(fake.count, 2);
    assert_int_equal(counted().expired, 0);
}

static void an_event_without_a_time_has_any_age(void **state)
{
    (void)state;
    open_with((struct deliver_options){.event_max_age_ms = AGE_MS});
    give_aged(now_ms + 1); /* -1: none */
    assert_int_equal(fake.count, 1);
}

/* What a destination's breaker hears */

static bool circuit_is_open(void)
{
    for (const struct condition *at = NULL; (at = conditions_next(conditions, at)) != NULL;)
        if (at->kind == CONDITION_CIRCUIT_OPEN)
            return true;
    return false;
}

static void only_what_a_destination_does_opens_its_circuit(void **state)
{
    (void)state;
    static const struct {
        struct http_result result;
        bool opens;
    } cases[] = {
        {{.status = 200}, false},
        {{.status = 404}, false},
        {{.status = 499}, false},
        {{.status = 500}, true},
        {{.status = 503}, true},
        {{.failure = HTTP_REDIRECT, .status = 302}, false},
        {{.failure = HTTP_RESET, .status = 200}, false},
        {{.failure = HTTP_CONNECT}, true},
        {{.failure = HTTP_RESET}, true},
        {{.failure = HTTP_TLS_CERTIFICATE}, true},
        {{.failure = HTTP_IDLE_TIMEOUT}, true},
        {{.failure = HTTP_CONNECT_TIMEOUT}, true},
        {{.failure = HTTP_TOTAL_TIMEOUT}, true},
        {{.failure = HTTP_PROXY}, true},
        {{.failure = HTTP_PROXY, .proxy_refused = true}, false}, /* it was not asked */
        {{.failure = HTTP_EGRESS}, false},
        {{.failure = HTTP_EGRESS, .status = 302}, false},
        {{.failure = HTTP_EGRESS, .status = 500}, true},
        {{.failure = HTTP_MEMORY}, false}, /* ours */
        {{.failure = HTTP_MEMORY, .status = 500}, false},
        {{.failure = HTTP_BAD_URL}, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.count = fake.given = 0;
        memset(fake.done, 0, sizeof fake.done);
        open_with((struct deliver_options){.breaker_failures = 1});
        give();
        answer(0, cases[i].result);
        if (circuit_is_open() != cases[i].opens)
            fail_msg("case %zu: the circuit is %s", i, cases[i].opens ? "closed" : "open");
        deliver_free(deliver);
        deliver = NULL;
        conditions_free(conditions);
        conditions = conditions_new(&test_clock);
        uv_run(&loop, UV_RUN_DEFAULT);
    }
}

/* Answers */

static void of_an_answer_only_what_somebody_reads_is_kept(void **state)
{
    (void)state;
    static const struct {
        bool detailed, all;
        size_t keeps;
    } cases[] = {
        {false, false, 0}, {true, false, DETAIL_BYTES}, {true, true, SIZE_MAX}, {false, true, SIZE_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.count = fake.given = 0;
        memset(fake.done, 0, sizeof fake.done);
        open_with(
            (struct deliver_options){.detailed_logging = cases[i].detailed, .keeps_answers = cases[i].all});
        give();
        assert_int_equal(fake.calls[0].discards, !cases[i].all);
        assert_int_equal(fake.calls[0].wants_text, cases[i].keeps > 0);
        assert_int_equal(fake.calls[0].keeps, cases[i].keeps);
        answer(0, (struct http_result){.status = 200});
        deliver_free(deliver);
        deliver = NULL;
        uv_run(&loop, UV_RUN_DEFAULT);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_attempt_has_its_number_and_its_wait),
        TEST(without_memory_for_a_request_it_is_tried_again),
        TEST(at_a_stop_what_would_be_tried_again_is_left),
        TEST(at_a_stop_what_had_its_last_attempt_is_done),
        TEST(the_system_giving_no_connection_is_no_attempt),
        TEST(what_is_too_old_takes_no_place),
        TEST(what_was_tried_once_grows_no_older),
        TEST(an_event_without_a_time_has_any_age),
        TEST(only_what_a_destination_does_opens_its_circuit),
        TEST(of_an_answer_only_what_somebody_reads_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
