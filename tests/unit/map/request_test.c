/* What a mapping's fields come to. */
#include "../edge.h"
#include "map/request.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void text_is(struct buffer *text, const char *expected)
{
    assert_string_equal(buffer_text(text), expected);
    buffer_clear(text);
}

static void url_with(const char *url, const char *query, const char *expected)
{
    struct mapped_request request = {.query = edge_of(query)};
    struct buffer out = {0};
    mapped_url(&request, edge_of(url), &out);
    text_is(&out, expected);
}

static void the_query_joins_what_the_url_has(void **state)
{
    (void)state;
    url_with("http://a/b", NULL, "http://a/b");
    url_with("http://a/b", "c=1", "http://a/b?c=1");
    url_with("http://a/b?x=1", "c=1&c=2", "http://a/b?x=1&c=1&c=2");
    url_with("http://a/b?", "c=1", "http://a/b?c=1");
    url_with("http://a/b#part", "c=1", "http://a/b?c=1#part");
    url_with("http://a/b c?d e#f g", NULL, "http://a/b c?d e#f g");
    url_with("\xc2\xa0http://a/b \n", "c=1", "http://a/b?c=1");
}

static void a_mappings_url_comes_before_the_invocation_methods(void **state)
{
    (void)state;
    const struct invocation_method invocation = {.url = SLICE_LITERAL("http://own/")};
    const struct mapped_request none = {0}, mapped = {.url = SLICE_LITERAL("http://mapped/")};
    const struct mapped_request empty = {.url = SLICE_LITERAL("")};
    assert_true(slice_equal_text(mapped_base_url(&none, &invocation), "http://own/"));
    assert_true(slice_equal_text(mapped_base_url(&mapped, &invocation), "http://mapped/"));
    assert_true(slice_equal_text(mapped_base_url(&empty, &invocation), ""));
    assert_true(slice_is_null(mapped_base_url(&none, &(struct invocation_method){.present = true})));
}

static void method_is(const char *invocations, const char *expected)
{
    struct mapped_request request = {0};
    struct buffer method = {0};
    struct error err = {0};
    struct slice given = invocations ? slice_of(invocations) : (struct slice){NULL, 0};
    assert_int_equal(mapped_method(&request, given, &method, &err), expected ? 0 : PA_ERR_INVALID);
    if (expected)
        text_is(&method, expected);
    else
        assert_non_null(strstr(err.message, "none of POST, PUT, PATCH, DELETE, GET"));
}

static void without_a_mappings_method_it_is_one_of_those_in_use(void **state)
{
    (void)state;
    method_is(NULL, "POST");
    method_is("", "POST");
    method_is("delete", "DELETE");
    method_is("GET", "GET");
    method_is("HEAD", NULL);
    method_is("PO ST", NULL);
}

static void what_is_no_request_for_an_endpoint_is_no_method(void **state)
{
    (void)state;
    static const char *const refused[] = {"CONNECT", "TRACE", "TRACK", "trace", "Connect"};
    struct buffer method = {0};
    struct error err = {0};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const struct mapped_request request = {.method = slice_of(refused[i])};
        assert_int_equal(mapped_method(&request, SLICE_LITERAL("POST"), &method, &err), PA_ERR_INVALID);
        assert_non_null(strstr(err.message, "which the agent does not send"));
    }
    const struct mapped_request other = {.method = SLICE_LITERAL("traces")};
    assert_int_equal(mapped_method(&other, SLICE_LITERAL("POST"), &method, &err), 0);
    text_is(&method, "TRACES");
}

static void headers_are(struct mapped_header *list, size_t count, const char *expected)
{
    struct buffer out = {0};
    for (size_t i = 0; i < count; i++) {
        buffer_append_slice(&out, list[i].name);
        buffer_append_char(&out, '=');
        buffer_append_slice(&out, list[i].value);
        buffer_append_char(&out, ' ');
    }
    text_is(&out, expected);
}

static void a_mappings_headers_replace_the_agents_where_they_may(void **state)
{
    (void)state;
    struct mapped_header mapped[] = {{SLICE_LITERAL("content-TYPE"), SLICE_LITERAL("text/plain")},
                                     {SLICE_LITERAL("x-port-signature"), SLICE_LITERAL("forged")},
                                     {SLICE_LITERAL("idempotency-key"), SLICE_LITERAL("mine")},
                                     {SLICE_LITERAL("X-PORT-ATTEMPT"), SLICE_LITERAL("9")},
                                     {SLICE_LITERAL("X-A"), SLICE_LITERAL("1")}};
    struct own_headers own = {.timestamp = SLICE_LITERAL("17"),
                              .signature = SLICE_LITERAL("v1,s"),
                              .attempt = SLICE_LITERAL("2"),
                              .id = SLICE_LITERAL("id"),
                              .with_body = true};
    struct mapped_request request = {.headers = mapped, .header_count = 5}, plain = {0};
    struct mapped_header out[OWN_HEADERS + 5];
    headers_are(out, mapped_headers(&plain, &own, out),
                "Content-Type=application/json X-Port-Timestamp=17 X-Port-Signature=v1,s X-Port-Attempt=2 "
                "Idempotency-Key=id webhook-id=id ");
    headers_are(out, mapped_headers(&request, &own, out),
                "X-Port-Timestamp=17 X-Port-Signature=v1,s X-Port-Attempt=2 webhook-id=id "
                "content-TYPE=text/plain idempotency-key=mine X-A=1 ");
    own.redelivery_of = SLICE_LITERAL("first");
    headers_are(out, mapped_headers(&plain, &own, out),
                "Content-Type=application/json X-Port-Timestamp=17 X-Port-Signature=v1,s X-Port-Attempt=2 "
                "Idempotency-Key=id webhook-id=id X-Port-Redelivery-Of=first ");
    own.redelivery_of = (struct slice){NULL, 0};
    own.with_body = false;
    headers_are(
        out, mapped_headers(&plain, &own, out),
        "X-Port-Timestamp=17 X-Port-Signature=v1,s X-Port-Attempt=2 Idempotency-Key=id webhook-id=id ");
    headers_are(out, mapped_headers(&request, &own, out),
                "X-Port-Timestamp=17 X-Port-Signature=v1,s X-Port-Attempt=2 webhook-id=id "
                "content-TYPE=text/plain idempotency-key=mine X-A=1 ");
}

static void a_mappings_trace_replaces_the_events(void **state)
{
    (void)state;
    struct mapped_header parent = {SLICE_LITERAL("TraceParent"), SLICE_LITERAL("mine")},
                         other = {SLICE_LITERAL("tracestate"), SLICE_LITERAL("a=mine")};
    const struct own_headers own = {.traceparent = SLICE_LITERAL("00-1-2-01"),
                                    .tracestate = SLICE_LITERAL("a=1")};
    struct mapped_request plain = {0}, with_parent = {.headers = &parent, .header_count = 1},
                          with_state = {.headers = &other, .header_count = 1};
    struct mapped_header out[OWN_HEADERS + 1];
    headers_are(out, mapped_headers(&plain, &own, out), "traceparent=00-1-2-01 tracestate=a=1 ");
    headers_are(out, mapped_headers(&with_parent, &own, out), "TraceParent=mine ");
    headers_are(out, mapped_headers(&with_state, &own, out), "traceparent=00-1-2-01 tracestate=a=mine ");
}

static void report_is(const struct mapped_report *report, const char *expected)
{
    const struct slice fields[] = {report->status, report->summary, report->link_json,
                                   report->external_run_id};
    struct buffer out = {0};
    for (size_t i = 0; i < 4; i++) {
        buffer_append_slice(&out, slice_is_null(fields[i]) ? SLICE_LITERAL("-") : fields[i]);
        buffer_append_char(&out, ' ');
    }
    text_is(&out, expected);
}

static void what_a_report_names_and_does_not_give_is_left_out(void **state)
{
    (void)state;
    const struct mapped_report usual = {.status = SLICE_LITERAL("FAILURE"), .summary = SLICE_LITERAL("why")};
    const struct mapped_report given = {.status = SLICE_LITERAL("SUCCESS"),
                                        .summary = SLICE_LITERAL("s"),
                                        .link_json = SLICE_LITERAL("\"l\"")};
    const struct mapped_report nothing = {0};
    struct mapped_request all = {.reported = SLICE_LITERAL("SMLE")}, link = {.reported = SLICE_LITERAL("L")},
                          none = {0};
    struct mapped_report over = mapped_report_over(&all, &given, &usual, true);
    report_is(&over, "SUCCESS s \"l\" - ");
    over = mapped_report_over(&all, &nothing, &usual, true);
    report_is(&over, "- - - - ");
    over = mapped_report_over(&all, &nothing, &usual, false);
    report_is(&over, "FAILURE - - - ");
    over = mapped_report_over(&all, &given, &usual, false);
    report_is(&over, "SUCCESS s \"l\" - ");
    over = mapped_report_over(&link, &given, &usual, true);
    report_is(&over, "FAILURE why \"l\" - ");
    over = mapped_report_over(&link, &nothing, &usual, true);
    report_is(&over, "FAILURE why - - ");
    over = mapped_report_over(&none, &nothing, &nothing, true);
    report_is(&over, "- - - - ");
}

static void fields_are_read_into_one_request(void **state)
{
    (void)state;
    struct buffer fields = {0};
    struct mapped_request request;
    mapped_append(&fields, MAPPED_INDEX, SLICE_LITERAL("12"));
    mapped_append(&fields, MAPPED_REPORTS, SLICE_LITERAL("SL"));
    mapped_append(&fields, MAPPED_METHOD, SLICE_LITERAL("put"));
    mapped_append(&fields, MAPPED_HEADER_NAME, SLICE_LITERAL("content-type"));
    mapped_append(&fields, MAPPED_HEADER_VALUE, SLICE_LITERAL("text/plain"));
    mapped_append(&fields, MAPPED_BODY, SLICE_LITERAL("[1]"));
    assert_int_equal(mapped_request_read(buffer_slice(&fields), &request), 0);
    assert_int_equal(request.mapping, 12);
    assert_true(request.reports);
    assert_true(slice_equal_text(request.reported, "SL"));
    assert_true(slice_is_null(request.url) && slice_is_null(request.failure) && !request.no_body);
    assert_true(slice_equal_text(request.headers[0].value, "text/plain"));
    assert_true(slice_equal_text(request.body, "[1]"));
    struct buffer method = {0};
    assert_int_equal(mapped_method(&request, SLICE_LITERAL("OPTIONS"), &method, NULL), 0);
    text_is(&method, "PUT");
    mapped_request_clear(&request);
    assert_int_equal(mapped_request_read((struct slice){fields.ptr, fields.len - 1}, &request),
                     PA_ERR_INVALID);
    mapped_request_clear(&request);
    buffer_clear(&fields);
}

static void decrypted_values_are_masked_in_every_writing(void **state)
{
    (void)state;
    struct buffer fields = {0}, out = {0};
    mapped_append(&fields, MAPPED_SECRET, SLICE_LITERAL("p\"w d"));
    mapped_append(&fields, MAPPED_SECRET, SLICE_LITERAL(""));
    mapped_mask(buffer_slice(&fields), SLICE_LITERAL("a p\"w d b p\\\"w d c p%22w%20d p\"w"), &out);
    text_is(&out, "a *** b *** c *** p\"w");
    mapped_mask(buffer_slice(&fields), SLICE_LITERAL("p\\u0022w\\u0020d p%22w+d"), &out);
    text_is(&out, "*** ***");
    buffer_clear(&fields);
}

static void masked_as(const char *secrets[], const char *text, const char *expected)
{
    struct buffer fields = {0}, out = {0};
    mapped_append(&fields, MAPPED_BODY, SLICE_LITERAL("a body"));
    for (size_t i = 0; secrets[i]; i++)
        mapped_append(&fields, MAPPED_SECRET, slice_of(secrets[i]));
    mapped_mask(buffer_slice(&fields), edge_of(text), &out);
    text_is(&out, expected);
    buffer_clear(&fields);
}

static void escapes_of_any_kind_are_seen_through(void **state)
{
    (void)state;
    const char *words[] = {"ö/🚀\\", NULL}, *nested[] = {"abc", "xabcy", NULL}, *odd[] = {"a\\\\b%41", NULL};
    masked_as(words, "1 ö/🚀\\ 2 \\u00f6\\/\\ud83d\\ude80\\\\ 3 \\u00F6/\\uD83D\\uDE80\\u005c 4 %c3%B6%2f🚀%5C",
              "1 *** 2 *** 3 *** 4 ***");
    masked_as(words, "\\u00f6/\\ud83d \\u00f6/\\u00 \\u", "\\u00f6/\\ud83d \\u00f6/\\u00 \\u");
    masked_as(nested, "xabcy abc xabc ab", "*** *** x*** ab");
    masked_as(odd, "a\\\\b%41 a\\\\\\\\b%2541", "*** ***");
}

static void headers_named_like_secrets_hold_some(void **state)
{
    (void)state;
    struct mapped_header headers[] = {
        {SLICE_LITERAL("Authorization"), SLICE_LITERAL("Bearer abcdefgh")},
        {SLICE_LITERAL("X-Api-Key"), SLICE_LITERAL("0123456789")},
        {SLICE_LITERAL("X-Other"), SLICE_LITERAL("something")},
        {SLICE_LITERAL("Private-Token"), SLICE_LITERAL("short")},
        {SLICE_LITERAL("Cookie"), {NULL, 0}},
        {SLICE_LITERAL("cookie"), SLICE_LITERAL("sid=session-value; a=b; t= token=x ;")}};
    const struct mapped_request request = {.headers = headers,
                                           .header_count = sizeof headers / sizeof *headers};
    struct secrets secrets = {0};
    struct buffer out = {0};
    mapped_header_secrets(&request, &secrets);
    redact(&secrets,
           SLICE_LITERAL("Bearer abcdefgh, abcdefgh, 0123456789, something, short, session-value, token=x"),
           SIZE_MAX, &out);
    text_is(&out, "***, ***, ***, something, short, ***, ***");
    secrets_clear(&secrets);
}

static void an_answers_headers_are_an_object(void **state)
{
    (void)state;
    struct buffer out = {0};
    mapped_headers_json(SLICE_LITERAL("X-A: one\r\nSet-Cookie: b\r\nx-a:two\r\nno colon\r\nLast: l"), &out);
    text_is(&out, "{\"X-A\":\"one, two\",\"Set-Cookie\":\"b\"}");
    mapped_headers_json(SLICE_LITERAL("X: a\nx: b\nX:\nY:\nY: c\n"), &out);
    text_is(&out, "{\"X\":\"a, b, \",\"Y\":\"c\"}");
    mapped_headers_json((struct slice){NULL, 0}, &out);
    text_is(&out, "{}");
}

/** The work for one answer is bounded, whatever an endpoint sends. */
static void of_an_answers_headers_the_first_ones_count(void **state)
{
    (void)state;
    struct buffer lines = {0}, out = {0};
    for (int i = 0; i < 9300; i++)
        buffer_appendf(&lines, "h%d: %d\r\n", i % 250, i);
    assert_int_equal(mapped_headers_json(buffer_slice(&lines), &out), 9300 - ANSWER_HEADERS_MAX);
    assert_memory_equal(out.ptr, "{\"h0\":\"0\",\"h1\":\"1\",", 19);
    assert_memory_equal(out.ptr + out.len - 14, ",\"h199\":\"199\"}", 14);
    buffer_clear(&lines);
    buffer_clear(&out);
    for (int i = 0; i < ANSWER_HEADERS_MAX; i++)
        buffer_append_text(&lines, i % 2 ? "a: 1\r\n" : "B:2\r\n");
    assert_int_equal(mapped_headers_json(buffer_slice(&lines), &out), 0);
    assert_memory_equal(out.ptr, "{\"B\":\"2, 2, 2", 13);
    buffer_clear(&lines);
    buffer_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_query_joins_what_the_url_has),
        cmocka_unit_test(a_mappings_url_comes_before_the_invocation_methods),
        cmocka_unit_test(without_a_mappings_method_it_is_one_of_those_in_use),
        cmocka_unit_test(what_is_no_request_for_an_endpoint_is_no_method),
        cmocka_unit_test(a_mappings_headers_replace_the_agents_where_they_may),
        cmocka_unit_test(a_mappings_trace_replaces_the_events),
        cmocka_unit_test(what_a_report_names_and_does_not_give_is_left_out),
        cmocka_unit_test(fields_are_read_into_one_request),
        cmocka_unit_test(an_answers_headers_are_an_object),
        cmocka_unit_test(of_an_answers_headers_the_first_ones_count),
        cmocka_unit_test(headers_named_like_secrets_hold_some),
        cmocka_unit_test(decrypted_values_are_masked_in_every_writing),
        cmocka_unit_test(escapes_of_any_kind_are_seen_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
