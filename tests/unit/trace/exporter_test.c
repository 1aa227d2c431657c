/* When spans are exported, how often that is tried, and which are dropped: an exporter whose client and spans
 * are the test's. Nothing here waits: what is due later is looked up in the timer. */
#include "../still.h"
#include "observe/conditions.h"
#include "trace/otlp/otlp.h"
#include "trace/otlp/span.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { EXPORTS = 16 };

struct http_call {
    http_done *done;
    void *ctx;
    /** "HEAD" and a letter for each span; all headers, each "name: value;". */
    char body[64], headers[512];
    size_t spans;
    bool over;
};

static struct {
    struct http_call exports[EXPORTS];
    size_t count, forgotten, closed, client_closed;
    bool no_call;
    /** The next thing that is told makes so many spans, of so many bytes together. */
    unsigned spans;
    size_t bytes;
} fake;

static uv_loop_t loop;
static struct otlp *otlp;
static struct conditions *conditions;

/* What the exporter calls */

struct http_call *http_start(struct http_client *client, const struct http_request *request, http_done *done,
                             void *ctx)
{
    (void)client;
    if (fake.no_call)
        return NULL;
    assert_true(fake.count < EXPORTS);
    assert_string_equal(request->method, "POST");
    assert_string_equal(request->url, "http://collector/v1/traces");
    struct http_call *call = &fake.exports[fake.count++];
    *call = (struct http_call){.done = done, .ctx = ctx};
    snprintf(call->body, sizeof call->body, "%.*s", (int)request->body.len, request->body.ptr);
    for (size_t i = 0; i < request->body.len; i++)
        call->spans += request->body.ptr[i] == 's';
    for (size_t i = 0; i < request->header_count; i++) {
        size_t len = strlen(call->headers);
        snprintf(call->headers + len, sizeof call->headers - len, "%.*s: %.*s;",
                 (int)request->headers[i].name.len, request->headers[i].name.ptr,
                 (int)request->headers[i].value.len, request->headers[i].value.ptr);
    }
    return call;
}

void http_call_forget(struct http_call *call, http_done *instead, void *ctx)
{
    (void)ctx;
    assert_null(instead);
    assert_false(call->over);
    call->over = true;
    fake.forgotten++;
}

void http_client_close(struct http_client *client, void (*closed)(void *ctx), void *ctx)
{
    (void)client;
    fake.client_closed++;
    closed(ctx);
}

void http_client_secrets(struct http_client *client, struct secrets *out)
{
    (void)client;
    (void)out;
}

void spans_append_tail(struct buffer *out)
{
    buffer_append_text(out, "TAIL");
}

unsigned spans_append(const struct span_source *source, const struct observed *observed, struct buffer *out)
{
    assert_string_equal(source->group, "group");
    (void)observed;
    buffer_append_char(out, 's');
    for (unsigned i = 1; i < fake.spans; i++)
        buffer_append_text(out, ",s");
    for (size_t i = fake.spans; i < fake.bytes; i++)
        buffer_append_char(out, ' ');
    return fake.spans;
}

void spans_append_head(const char *service, const char *attributes, const char *instance, struct buffer *out)
{
    (void)service;
    (void)attributes;
    (void)instance;
    buffer_append_text(out, "HEAD");
}

/* The exporter */

static void is_closed(void *ctx)
{
    (void)ctx;
    fake.closed++;
}

static int begin(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    fake.spans = 1;
    still_begin(0.5);
    uv_loop_init(&loop);
    conditions = conditions_new(&test_clock);
    const struct otlp_options options = {.loop = &loop,
                                         .clock = &test_clock,
                                         .url = "http://collector/v1/traces",
                                         .headers = SLICE_LITERAL("a=1,content-type=text/html,b=%202"),
                                         .group = "group",
                                         .conditions = conditions};
    otlp = otlp_new(&options);
    assert_non_null(otlp);
    return 0;
}

static void close_exporter(void)
{
    if (otlp)
        otlp_close(otlp, NULL, NULL);
    otlp = NULL;
}

static int end(void **state)
{
    (void)state;
    close_exporter();
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.client_closed, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
    conditions_free(conditions);
    return 0;
}

/** So many spans come, one at a time. */
static void come(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        otlp_note(otlp, NULL);
}

static uv_timer_t *timer(void)
{
    uv_timer_t *found = still_timer(&loop);
    assert_non_null(found);
    return found;
}

/** How long until something is done by itself; -1: nothing is. */
static int64_t waits(void)
{
    return uv_is_active((uv_handle_t *)timer()) ? (int64_t)uv_timer_get_due_in(timer()) : -1;
}

/** That time is over. */
static void wake(void)
{
    assert_true(waits() >= 0);
    still_fire(&loop, timer());
}

static const struct http_call *last(void)
{
    assert_true(fake.count > 0);
    return &fake.exports[fake.count - 1];
}

static void answer_with(int status, const char *retry_after, const char *body)
{
    struct http_call *call = &fake.exports[fake.count - 1];
    assert_false(call->over);
    call->over = true;
    struct http_result result = {
        .status = status, .retry_after = slice_of(retry_after), .body = slice_of(body)};
    if (status == 0) {
        result.failure = HTTP_CONNECT;
        strcpy(result.reason, "connection refused");
    }
    call->done(call->ctx, &result);
}

static void answer(int status)
{
    answer_with(status, NULL, NULL);
}

/** What stands with the collector: how many spans were dropped, and why; NULL: nothing. */
static const struct condition *trouble(void)
{
    return conditions_next(conditions, NULL);
}

static void assert_dropped(int64_t count)
{
    assert_non_null(trouble());
    assert_int_equal(trouble()->value, count);
}

/* When */

static void the_first_span_waits_for_more(void **state)
{
    (void)state;
    come(1);
    assert_int_equal(waits(), OTLP_BATCH_MS);
    come(2);
    assert_int_equal(fake.count, 0);
    wake();
    assert_string_equal(last()->body, "HEADs,s,sTAIL");
    assert_string_equal(last()->headers, "a: 1;b:  2;Content-Type: application/json;");
    answer(200);
    assert_int_equal(waits(), -1);
    assert_null(trouble());
}

static void a_full_batch_goes_at_once(void **state)
{
    (void)state;
    come(OTLP_BATCH_SPANS - 1);
    assert_int_equal(fake.count, 0);
    come(1);
    assert_int_equal(fake.count, 1);
    assert_int_equal(last()->spans, OTLP_BATCH_SPANS);
    assert_int_equal(waits(), -1);
    come(OTLP_BATCH_SPANS); /* one export at a time */
    assert_int_equal(fake.count, 1);
    answer(200);
    assert_int_equal(fake.count, 2);
    come(1);
    assert_int_equal(waits(), -1);
    answer(200);
    assert_int_equal(fake.count, 2);
    assert_int_equal(waits(), OTLP_BATCH_MS);
    wake();
    assert_string_equal(last()->body, "HEADsTAIL");
}

static void what_makes_no_span_is_nothing(void **state)
{
    (void)state;
    fake.spans = 0;
    come(3);
    assert_int_equal(waits(), -1);
    fake.spans = 1;
    come(1);
    wake();
    assert_string_equal(last()->body, "HEADsTAIL");
}

/* Again */

static void what_may_pass_is_tried_four_times(void **state)
{
    (void)state;
    static const int statuses[] = {0, 429, 502, 503, 504};
    /* half of twice, four and eight seconds */
    static const int64_t pauses[] = {1000, 2000, 4000};
    for (size_t i = 0; i < 5; i++) {
        fake.count = 0;
        come(2);
        wake();
        for (size_t n = 0; n < 3; n++) {
            answer(statuses[i]);
            assert_int_equal(waits(), pauses[n]);
            wake();
            assert_string_equal(last()->body, "HEADs,sTAIL");
        }
        assert_int_equal(fake.count, OTLP_TRIES);
        assert_dropped(2 * (int64_t)i);
        answer(statuses[i]);
        assert_int_equal(waits(), -1);
        assert_dropped(2 * (int64_t)i + 2);
    }
}

static void what_does_not_pass_is_dropped_at_once(void **state)
{
    (void)state;
    static const int statuses[] = {199, 300, 400, 401, 428, 430, 500, 501, 505};
    for (size_t i = 0; i < 9; i++) {
        fake.count = 0;
        come(1);
        wake();
        answer(statuses[i]);
        assert_int_equal(waits(), -1);
        assert_dropped((int64_t)i + 1);
    }
    char said[64];
    snprintf(said, sizeof said, "the collector answered %d", statuses[8]);
    assert_string_equal(trouble()->sentence, said);
    come(1);
    wake();
    answer(299);
    assert_null(trouble());
}

static void the_collector_says_how_long_to_wait(void **state)
{
    (void)state;
    come(1);
    wake();
    answer_with(503, "30", NULL);
    assert_int_equal(waits(), OTLP_WAIT_MAX_MS);
    wake();
    answer_with(429, "0", NULL);
    assert_int_equal(waits(), 0);
    wake();
    answer_with(429, "31", NULL); /* too long */
    assert_int_equal(waits(), -1);
    assert_dropped(1);
}

static void what_comes_while_another_try_waits_goes_behind_it(void **state)
{
    (void)state;
    come(1);
    wake();
    answer(0);
    assert_string_equal(trouble()->sentence, "connection refused");
    come(2);
    assert_int_equal(waits(), 1000);
    wake();
    assert_string_equal(last()->body, "HEADsTAIL");
    answer(200);
    assert_int_equal(waits(), OTLP_BATCH_MS);
    wake();
    assert_string_equal(last()->body, "HEADs,sTAIL");
}

static void without_memory_for_the_export_its_spans_are_dropped(void **state)
{
    (void)state;
    fake.no_call = true;
    come(3);
    wake();
    assert_int_equal(waits(), -1);
    fake.no_call = false;
    come(1);
    wake();
    answer(400);
    assert_dropped(4);
}

/* How many */

static void of_what_waits_the_number_is_bounded(void **state)
{
    (void)state;
    come(OTLP_BATCH_SPANS);
    come(OTLP_QUEUE_SPANS - 1);
    fake.spans = 2; /* a delivery and its report stay together */
    come(1);
    fake.spans = 1;
    come(1);
    come(1);
    answer(200);
    assert_int_equal(last()->spans, OTLP_QUEUE_SPANS);
    answer(400);
    assert_dropped(3 + OTLP_QUEUE_SPANS);
}

static void of_what_waits_the_bytes_are_bounded(void **state)
{
    (void)state;
    fake.bytes = OTLP_QUEUE_BYTES - strlen("HEAD");
    come(1);
    fake.bytes = 0;
    come(1);
    wake();
    assert_int_equal(last()->spans, 1);
    fake.bytes = OTLP_QUEUE_BYTES - strlen("HEAD") + 1;
    come(1); /* does not fit alone */
    fake.bytes = 0;
    come(1);
    answer(400);
    assert_dropped(1 + 1 + 1);
    wake();
    assert_string_equal(last()->body, "HEADsTAIL");
}

/** As a text in OTLP's JSON, or as a number. */
static void of_a_part_that_is_refused_the_collector_says_how_many(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int64_t dropped;
    } cases[] = {{"{\"partialSuccess\":{\"rejectedSpans\":\"2\"}}", 2},
                 {"{\"partialSuccess\":{\"rejectedSpans\":3}}", 3},
                 {"{\"partialSuccess\":{\"rejectedSpans\":\"99\"}}", 5},
                 {"{\"partialSuccess\":{\"rejectedSpans\":-1}}", 0},
                 {"{\"partialSuccess\":{\"rejectedSpans\":1e300}}", 0},
                 {"{\"partialSuccess\":{}}", 0},
                 {"[]", 0},
                 {"no JSON", 0},
                 {"", 0},
                 {NULL, 0}};
    int64_t dropped = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake.count = 0;
        come(5);
        wake();
        answer_with(200, NULL, cases[i].body);
        assert_null(trouble());
        dropped += cases[i].dropped;
    }
    come(1);
    wake();
    answer(400);
    assert_dropped(dropped + 1);
}

static void thirty_two_headers_are_sent(void **state)
{
    (void)state;
    char pairs[512] = "";
    for (int i = 0; i < 33; i++)
        snprintf(pairs + strlen(pairs), sizeof pairs - strlen(pairs), "h%d=%d,", i, i);
    assert_true(otlp_use_headers(otlp, slice_of(pairs)));
    come(1);
    wake();
    assert_null(strstr(last()->headers, "h32"));
    assert_non_null(strstr(last()->headers, "h31: 31;Content-Type: application/json;"));
    assert_int_equal(strncmp(last()->headers, "h0: 0;h1: 1;", 12), 0);
}

/* The end */

static void at_the_end_what_waits_is_sent_once(void **state)
{
    (void)state;
    come(2);
    otlp_close(otlp, is_closed, NULL);
    assert_string_equal(last()->body, "HEADs,sTAIL");
    assert_int_equal(waits(), OTLP_CLOSE_MS);
    come(1); /* too late */
    answer(503);
    assert_int_equal(fake.count, 1);
    assert_int_equal(fake.closed, 0); /* it may be within a call of the client */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(fake.forgotten, 0);
    otlp = NULL;
}

static void at_the_end_a_queue_follows_the_export_that_is_under_way(void **state)
{
    (void)state;
    come(1);
    wake();
    come(1);
    come(1);
    otlp_close(otlp, is_closed, NULL);
    assert_int_equal(fake.count, 1);
    answer(200);
    assert_string_equal(last()->body, "HEADs,sTAIL");
    answer(200);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(fake.count, 2);
    otlp = NULL;
}

static void at_the_end_nothing_is_waited_for_beyond_its_time(void **state)
{
    (void)state;
    come(1);
    otlp_close(otlp, is_closed, NULL);
    wake();
    assert_int_equal(fake.forgotten, 1);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    otlp = NULL;
}

static void at_the_end_a_collector_that_took_nothing_gets_nothing(void **state)
{
    (void)state;
    come(1);
    wake();
    answer(503);
    otlp_close(otlp, is_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(fake.count, 1);
    otlp = NULL;
}

static void with_nothing_left_the_end_is_at_once(void **state)
{
    (void)state;
    otlp_close(otlp, is_closed, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(fake.closed, 1);
    assert_int_equal(fake.count, 0);
    otlp = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_span_waits_for_more),
        TEST(a_full_batch_goes_at_once),
        TEST(what_makes_no_span_is_nothing),
        TEST(what_may_pass_is_tried_four_times),
        TEST(what_does_not_pass_is_dropped_at_once),
        TEST(the_collector_says_how_long_to_wait),
        TEST(what_comes_while_another_try_waits_goes_behind_it),
        TEST(without_memory_for_the_export_its_spans_are_dropped),
        TEST(of_what_waits_the_number_is_bounded),
        TEST(of_what_waits_the_bytes_are_bounded),
        TEST(of_a_part_that_is_refused_the_collector_says_how_many),
        TEST(thirty_two_headers_are_sent),
        TEST(at_the_end_what_waits_is_sent_once),
        TEST(at_the_end_a_queue_follows_the_export_that_is_under_way),
        TEST(at_the_end_nothing_is_waited_for_beyond_its_time),
        TEST(at_the_end_a_collector_that_took_nothing_gets_nothing),
        TEST(with_nothing_left_the_end_is_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
