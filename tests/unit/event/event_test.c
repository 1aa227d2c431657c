/* Records to events: the vectors of the contract, and the edges of JSON. */
#include "event/event.h"
#include "event/signature.h"
#include "json/canonical.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

static struct slice text_member(const cJSON *object, const char *name)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    return slice_of(cJSON_IsString(member) ? member->valuestring : NULL);
}

static void check_vector(const cJSON *vector)
{
    struct event event;
    struct error err = {0};
    event_init(&event);
    struct slice record = text_member(vector, "record");
    struct signer *signer = signer_new(text_member(vector, "secret"));
    const char *name = cJSON_GetObjectItemCaseSensitive(vector, "name")->valuestring;
    assert_non_null(signer);
    if (event_parse(&event, EVENT_RUN, record, &err) != 0)
        fail_msg("%s: %s", name, err.message);
    bool valid = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(vector, "valid"));
    enum signature_verdict verdict = signer_verify(signer, &event);
    if ((verdict == SIGNATURE_VALID) != valid)
        fail_msg("%s: verdict %d", name, verdict);
    struct slice body = text_member(vector, "body");
    if (body.ptr && !slice_equal(buffer_slice(&event.payload), body))
        fail_msg("%s: body\n%.*s\nexpected\n%s", name, (int)event.payload.len, event.payload.ptr, body.ptr);
    signer_free(signer);
    event_clear(&event);
}

static void every_vector_gets_its_answer(void **state)
{
    (void)state;
    const char *path = getenv("TEST_VECTORS");
    FILE *file = fopen(path ? path : "tests/vectors/signature-vectors.jsonl", "r");
    assert_non_null(file);
    char *line = NULL;
    size_t size = 0;
    int count = 0;
    while (getline(&line, &size, file) > 0) {
        cJSON *vector = cJSON_Parse(line);
        assert_non_null(vector);
        check_vector(vector);
        cJSON_Delete(vector);
        count++;
    }
    free(line);
    fclose(file);
    assert_true(count >= 20);
}

static int parse(enum event_kind kind, const char *record, size_t len, struct event *event, struct error *err)
{
    char *exact = malloc(len ? len : 1); /* exactly as long, so that an over-read is seen */
    memcpy(exact, record, len);
    event_init(event);
    int result = event_parse(event, kind, (struct slice){exact, len}, err);
    free(exact);
    return result;
}

static void expect_payload(const char *record, const char *payload)
{
    struct event event;
    struct error err = {0};
    if (parse(EVENT_RUN, record, strlen(record), &event, &err) != 0)
        fail_msg("%s: %s", record, err.message);
    if (!slice_equal_text(buffer_slice(&event.payload), payload))
        fail_msg("%s\ngave     %.*s\nexpected %s", record, (int)event.payload.len, event.payload.ptr,
                 payload);
    event_clear(&event);
}

static void expect_bad(const char *record, size_t len, const char *reason)
{
    struct event event;
    struct error err = {0};
    assert_int_equal(parse(EVENT_RUN, record, len, &event, &err), PA_ERR_INVALID);
    if (!strstr(err.message, reason))
        fail_msg("%s: '%s' does not say '%s'", record, err.message, reason);
    event_clear(&event);
}

static void strings_are_written_as_stringify_writes_them(void **state)
{
    (void)state;
    expect_payload("{\"a\":\"\\u0041\\u00e9\\u4E2D\\ud83d\\uDE80\"}",
                   "{\"a\":\"A\xc3\xa9\xe4\xb8\xad\xf0\x9f\x9a\x80\"}");
    expect_payload("{\"a\":\"\\u0000\\u001F\\u000a\\u000D\\u0009\\u0008\\u000c\\u000b\"}",
                   "{\"a\":\"\\u0000\\u001f\\n\\r\\t\\b\\f\\u000b\"}");
    expect_payload("{\"a\":\"\\/\\\"\\\\\\u0022\\u005c\\u002f\"}", "{\"a\":\"/\\\"\\\\\\\"\\\\/\"}");
    expect_payload("{\"a\":\"\\uD800x\\uDFFF\"}", "{\"a\":\"\\ud800x\\udfff\"}");
    expect_payload("{\"a\":\"\\uD800\\uD83D\\uDE80\"}", "{\"a\":\"\\ud800\xf0\x9f\x9a\x80\"}");
    expect_payload("{\"a\":\"\\u007f\x7f\"}", "{\"a\":\"\x7f\x7f\"}");
}

static void numbers_stay_as_written_and_blanks_go(void **state)
{
    (void)state;
    expect_payload(" { \"a\" : [ 1 , -0 , 1.50 , 1E5 , 2e-7 , 12345678901234567890 ] , \"b\" : { } , \"c\" : "
                   "[ ] }\r\n\t",
                   "{\"a\":[1,-0,1.50,1E5,2e-7,12345678901234567890],\"b\":{},\"c\":[]}");
}

static void the_signature_members_leave_no_trace(void **state)
{
    (void)state;
    expect_payload("{\"headers\":{\"X-Port-Signature\":\"v\",\"X-Port-Timestamp\":\"1\"}}",
                   "{\"headers\":{}}");
    expect_payload(
        "{\"headers\":{\"a\":1,\"X-Port-Signature\":\"v\",\"b\":2,\"X-Port-Timestamp\":\"1\",\"c\":3}}",
        "{\"headers\":{\"a\":1,\"b\":2,\"c\":3}}");
    expect_payload("{\"headers\":{\"X-Port-Sign\\u0061ture\":[1,{\"x\":2}],\"b\":2}}",
                   "{\"headers\":{\"b\":2}}");
    expect_payload(
        "{\"h\\u0065aders\":{\"X-Port-Timestamp\":1},\"z\":{\"headers\":{\"X-Port-Timestamp\":1}}}",
        "{\"headers\":{},\"z\":{\"headers\":{\"X-Port-Timestamp\":1}}}");
    expect_payload("{\"headers\":[{\"X-Port-Timestamp\":1}]}", "{\"headers\":[{\"X-Port-Timestamp\":1}]}");
}

#define GITLAB "\"payload\":{\"action\":{\"invocationMethod\":{\"type\":\"GITLAB\"}}}"
static void gitlab_loses_its_headers_wherever_they_stand(void **state)
{
    (void)state;
    expect_payload("{\"headers\":{\"a\":1}," GITLAB "}", "{" GITLAB "}");
    expect_payload("{" GITLAB ",\"headers\":{\"a\":1}}", "{" GITLAB "}");
    expect_payload("{\"a\":1,\"headers\":{}," GITLAB "}", "{\"a\":1," GITLAB "}");
    expect_payload("{" GITLAB "}", "{" GITLAB "}");
    expect_payload("{\"headers\":{},\"headers\":{}," GITLAB "}", "{" GITLAB "}");
    expect_payload("{\"headers\":{\"a\":1}," GITLAB ",\"h\\u0065aders\":{\"b\":2},\"c\":3,\"headers\":4}",
                   "{" GITLAB ",\"c\":3}");
}

static void what_decides_is_found(void **state)
{
    (void)state;
    static const char run[] = "{\"action\":\"go\",\"context\":{\"runId\":\"r_\\u0031\"},\"payload\":{"
                              "\"action\":{\"invocationMethod\":{\"agent\":true,"
                              "\"synchronized\":true,\"type\":\"WEBHOOK\",\"method\":\"PUT\",\"url\":\"http:"
                              "\\/\\/x\\/\\u00e9\"}}},\"changelogDestination\":{\"agent\":false}}";
    struct event event;
    struct error err = {0};
    assert_int_equal(parse(EVENT_RUN, run, sizeof run - 1, &event, &err), 0);
    assert_true(event.invocation.present && event.invocation.agent && event.invocation.synchronized);
    assert_true(slice_equal_text(event.run_id, "r_1"));
    assert_true(slice_equal_text(event.action, "go"));
    assert_true(slice_equal_text(event.invocation.method, "PUT"));
    assert_true(slice_equal_text(event.invocation.url, "http://x/\xc3\xa9"));
    event_clear(&event);
    assert_int_equal(parse(EVENT_CHANGE_LOG, run, sizeof run - 1, &event, &err), 0);
    assert_true(event.invocation.present);
    assert_false(event.invocation.agent);
    assert_true(slice_is_null(event.invocation.url));
    event_clear(&event);
}

static void truth_is_as_python_has_it(void **state)
{
    (void)state;
    static const char *const falsy[] = {"false", "null",   "0",    "-0", "0.0", "-0.00",  "0e5",
                                        "0E-9",  "1e-400", "\"\"", "[]", "{}",  "-1e-999"};
    static const char *const truthy[] = {"true",  "1",         "-1",     "0.1",      "1e-300",
                                         "\" \"", "\"false\"", "\"0\"",  "[0]",      "{\"a\":null}",
                                         "[[]]",  "1e400",     "\"no\"", "\"null\"", "12345678901234567890"};
    for (size_t i = 0; i < sizeof falsy / sizeof *falsy; i++)
        if (json_is_truthy(slice_of(falsy[i])))
            fail_msg("%s", falsy[i]);
    for (size_t i = 0; i < sizeof truthy / sizeof *truthy; i++)
        if (!json_is_truthy(slice_of(truthy[i])))
            fail_msg("%s", truthy[i]);
    assert_false(json_is_truthy((struct slice){NULL, 0}));
}

static void members_that_cannot_be_sent_are_marked(void **state)
{
    (void)state;
    static const struct {
        const char *members;
        bool agent, synchronized, method_wrong, url_wrong;
    } cases[] = {{"\"agent\":\"true\",\"synchronized\":1", true, true, false, false},
                 {"\"agent\":[ ],\"synchronized\":{ }", false, false, false, false},
                 {"\"agent\":{\"a\":1},\"url\":5", true, false, false, true},
                 {"\"agent\":1.0,\"method\":[\"POST\"],\"url\":null", true, false, true, false},
                 {"\"agent\":true,\"method\":null,\"type\":7,\"url\":{}", true, false, false, true},
                 {"\"agent\":true,\"url\":5,\"url\":\"http://x\"", true, false, false, false},
                 {"\"agent\":true,\"url\":\"http://x\",\"url\":false", true, false, false, true},
                 {"\"agent\":true,\"agent\":0", false, false, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer record = {0};
        struct event event;
        struct error err = {0};
        buffer_appendf(&record, "{\"payload\":{\"action\":{\"invocationMethod\":{ %s }}}}", cases[i].members);
        assert_int_equal(parse(EVENT_RUN, record.ptr, record.len, &event, &err), 0);
        bool right = event.invocation.agent == cases[i].agent &&
                     event.invocation.synchronized == cases[i].synchronized &&
                     event.invocation.method_wrong == cases[i].method_wrong &&
                     event.invocation.url_wrong == cases[i].url_wrong && !event.wrong_type;
        if (!right)
            fail_msg("%s", cases[i].members);
        event_clear(&event);
        buffer_clear(&record);
    }
}

static void an_event_with_the_other_topics_method_is_marked(void **state)
{
    (void)state;
    static const char run[] = "\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":true}}}";
    static const struct {
        enum event_kind kind;
        const char *more;
        bool marked;
    } cases[] = {{EVENT_RUN, "", false},
                 {EVENT_RUN, ",\"changelogDestination\":{}", true},
                 {EVENT_RUN, ",\"changelogDestination\":null", true},
                 {EVENT_RUN, ",\"changelog\\u0044estination\":7", true},
                 {EVENT_RUN, ",\"context\":{\"changelogDestination\":{}}", false},
                 {EVENT_CHANGE_LOG, "", true},
                 {EVENT_CHANGE_LOG, ",\"changelogDestination\":{\"agent\":true}", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer record = {0};
        struct event event;
        struct error err = {0};
        buffer_appendf(&record, "{%s%s}", run, cases[i].more);
        assert_int_equal(parse(cases[i].kind, record.ptr, record.len, &event, &err), 0);
        if (event.other_topics != cases[i].marked)
            fail_msg("case %zu", i);
        event_clear(&event);
        buffer_clear(&record);
    }
    static const char change[] = "{\"payload\":7,\"changelogDestination\":{\"agent\":true}}";
    struct event event;
    struct error err = {0};
    assert_int_equal(parse(EVENT_CHANGE_LOG, change, sizeof change - 1, &event, &err), 0);
    assert_false(event.other_topics);
    assert_null(event.wrong_type);
    event_clear(&event);
}

static void a_type_that_a_member_cannot_have_is_named(void **state)
{
    (void)state;
    static const struct {
        enum event_kind kind;
        const char *record, *wrong;
    } cases[] = {{EVENT_RUN, "{\"payload\":7}", "payload is not an object"},
                 {EVENT_RUN, "{\"payload\":\"n\"}", "payload is not an object"},
                 {EVENT_RUN, "{\"payload\":null}", NULL},
                 {EVENT_RUN, "{\"payload\":{\"action\":[]}}", "payload.action is not an object"},
                 {EVENT_RUN, "{\"payload\":{\"action\":null}}", NULL},
                 {EVENT_RUN, "{\"payload\":{\"action\":{\"invocationMethod\":true}}}",
                  "the invocation method is not an object"},
                 {EVENT_RUN, "{\"payload\":{\"action\":{\"invocationMethod\":null}}}", NULL},
                 {EVENT_RUN, "{\"payload\":{\"action\":{\"invocationMethod\":{\"url\":{}}}}}", NULL},
                 {EVENT_RUN, "{\"context\":7,\"headers\":[],\"action\":{}}", NULL},
                 {EVENT_RUN, "{\"changelogDestination\":7}", NULL},
                 {EVENT_CHANGE_LOG, "{\"changelogDestination\":7}", "the invocation method is not an object"},
                 {EVENT_CHANGE_LOG, "{\"changelogDestination\":null}", NULL},
                 {EVENT_CHANGE_LOG, "{\"payload\":{\"action\":7}}", NULL},
                 {EVENT_CHANGE_LOG, "{\"payload\":[]}", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event event;
        struct error err = {0};
        assert_int_equal(parse(cases[i].kind, cases[i].record, strlen(cases[i].record), &event, &err), 0);
        const char *wrong = event.wrong_type ? event.wrong_type : "none";
        if (strcmp(wrong, cases[i].wrong ? cases[i].wrong : "none") != 0)
            fail_msg("%s: %s", cases[i].record, wrong);
        event_clear(&event);
    }
}

static void what_cannot_say_whose_run_it_is_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        bool context, run_id;
    } cases[] = {{"{\"context\":7}", true, false},
                 {"{\"context\":[{\"runId\":\"r_1\"}]}", true, false},
                 {"{\"context\":{\"runId\":[]}}", false, true},
                 {"{\"context\":{\"runId\":null}}", false, false},
                 {"{\"context\":null,\"payload\":{\"context\":7}}", false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event event;
        assert_int_equal(parse(EVENT_RUN, cases[i].record, strlen(cases[i].record), &event, NULL), 0);
        assert_int_equal(event.context_wrong, cases[i].context);
        assert_int_equal(event.run_id_wrong, cases[i].run_id);
        event_clear(&event);
    }
}

/** A member that comes again, as another type: what was known by the first is void. */
static void what_is_known_of_a_member_is_of_its_last(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        bool run_id, signature, timestamp, action;
    } cases[] = {
        {"{\"context\":{\"runId\":\"r_1\"},\"context\":7}", false, false, false, false},
        {"{\"context\":{\"runId\":\"r_1\"}}", true, false, false, false},
        {"{\"headers\":{\"X-Port-Signature\":\"v\",\"X-Port-Timestamp\":-1}}", false, true, true, false},
        {"{\"headers\":{\"X-Port-Signature\":1,\"X-Port-Timestamp\":true}}", false, false, false, false},
        {"{\"headers\":{\"X-Port-Signature\":\"v\",\"X-Port-Timestamp\":\"1\"},\"headers\":1}", false, false,
         false, false},
        {"{\"action\":\"a\",\"context\":{\"action\":1}}", false, false, false, true},
        {"{\"action\":\"a\",\"action\":[]}", false, false, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event event;
        struct error err = {0};
        assert_int_equal(parse(EVENT_RUN, cases[i].record, strlen(cases[i].record), &event, &err), 0);
        if (slice_is_null(event.run_id) == cases[i].run_id ||
            slice_is_null(event.signature) == cases[i].signature ||
            slice_is_null(event.timestamp) == cases[i].timestamp ||
            slice_is_null(event.action) == cases[i].action)
            fail_msg("%s", cases[i].record);
        event_clear(&event);
    }
}

static void members_that_decide_come_once(void **state)
{
    (void)state;
    static const struct {
        const char *record, *duplicate;
        bool of_run;
    } cases[] = {
        {"{\"a\":1,\"a\":2,\"payload\":{\"properties\":{\"url\":1,\"url\":2}}}", NULL, false},
        {"{\"payload\":{},\"payload\":{}}", "payload", false},
        {"{\"payload\":{\"action\":{},\"\\u0061ction\":{}}}", "payload.action", false},
        {"{\"payload\":{\"action\":{\"invocationMethod\":1,\"invocationMethod\":{}}}}",
         "the invocation method", false},
        {"{\"payload\":{\"action\":{\"invocationMethod\":{\"url\":1,\"url\":1}}}}", "url", false},
        {"{\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":true,\"agent\":true}}}}", "agent", false},
        {"{\"headers\":{},\"headers\":{}}", "headers", false},
        {"{\"context\":{},\"context\":{}}", "context", true},
        {"{\"context\":{\"runId\":\"a\",\"runId\":\"b\"}}", "context.runId", true},
        {"{\"context\":{\"runId\":\"a\"},\"payload\":{\"runId\":1,\"context\":{}}}", NULL, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event event;
        struct error err = {0};
        assert_int_equal(parse(EVENT_RUN, cases[i].record, strlen(cases[i].record), &event, &err), 0);
        bool named = cases[i].duplicate ? event.duplicate && strcmp(event.duplicate, cases[i].duplicate) == 0
                                        : !event.duplicate;
        if (!named || (event.duplicate_run != NULL) != cases[i].of_run)
            fail_msg("%s: %s", cases[i].record, event.duplicate ? event.duplicate : "none");
        event_clear(&event);
    }
}

static void the_last_of_two_members_counts(void **state)
{
    (void)state;
    static const char record[] =
        "{\"payload\":{\"action\":{\"invocationMethod\":{\"agent\":true,\"synchronized\":true,\"type\":"
        "\"KAFKA\",\"method\":\"PUT\",\"url\":\"a\"}}},"
        "\"payload\":{\"action\":{\"invocationMethod\":{\"url\":\"b\",\"url\":7}}},\"context\":{\"runId\":"
        "\"x\"},\"context\":null}";
    struct event event;
    struct error err = {0};
    assert_int_equal(parse(EVENT_RUN, record, sizeof record - 1, &event, &err), 0);
    assert_true(event.invocation.present);
    assert_false(event.invocation.agent || event.invocation.synchronized);
    assert_true(slice_is_null(event.invocation.type));
    assert_true(slice_is_null(event.invocation.method));
    assert_true(slice_is_null(event.invocation.url));
    assert_true(slice_is_null(event.run_id));
    event_clear(&event);
}

static void bad_records_say_what_is_wrong(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"", "empty"},
                                         {"  \n", "empty"},
                                         {"[]", "not a JSON object"},
                                         {"\"x\"", "not a JSON object"},
                                         {"7", "not a JSON object"},
                                         {"null", "not a JSON object"},
                                         {"{", "member name"},
                                         {"{\"a\"}", "':'"},
                                         {"{\"a\":1,}", "member name"},
                                         {"{\"a\":1 \"b\":2}", "','"},
                                         {"{\"a\":01}", "','"},
                                         {"{\"a\":1.}", "bad number"},
                                         {"{\"a\":.5}", "not a value"},
                                         {"{\"a\":+1}", "not a value"},
                                         {"{\"a\":1e}", "bad number"},
                                         {"{\"a\":NaN}", "not a value"},
                                         {"{\"a\":tru}", "not a value"},
                                         {"{\"a\":\"\n\"}", "control"},
                                         {"{\"a\":\"\\x\"}", "bad escape"},
                                         {"{\"a\":\"\\u12g4\"}", "\\u escape"},
                                         {"{\"a\":\"\\u12", "\\u escape"},
                                         {"{\"a\":\"x", "does not end"},
                                         {"{\"a\":\"\\", "does not end"},
                                         {"{}x", "after the end"},
                                         {"{\"a\":\"\xff\"}", "UTF-8"},
                                         {"{\"a\":\"\xc0\xaf\"}", "UTF-8"},
                                         {"{\"a\":\"\xed\xa0\x80\"}", "UTF-8"},
                                         {"{\"a\":\"\xf4\x90\x80\x80\"}", "UTF-8"},
                                         {"{\"a\":\"\xe2\x82\"}", "UTF-8"},
                                         {"\xef\xbb\xbf{}", "not a value"},
                                         {"{a:1}", "member name"},
                                         {"{\"a\":[1,]}", "not a value"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_bad(bad[i][0], strlen(bad[i][0]), bad[i][1]);
    struct event event;
    struct error err = {0};
    event_init(&event);
    assert_int_equal(event_parse(&event, EVENT_RUN, (struct slice){NULL, 0}, &err), PA_ERR_INVALID);
    assert_non_null(strstr(err.message, "tombstone"));
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    for (size_t depth = JSON_MAX_DEPTH; depth <= 100000;
         depth = depth == JSON_MAX_DEPTH ? depth + 1 : depth * 10) {
        struct buffer record = {0};
        buffer_append_text(&record, "{\"a\":");
        for (size_t i = 1; i < depth; i++)
            buffer_append_char(&record, '[');
        for (size_t i = 1; i < depth; i++)
            buffer_append_char(&record, ']');
        buffer_append_char(&record, '}');
        struct event event;
        struct error err = {0};
        int result = parse(EVENT_RUN, record.ptr, record.len, &event, &err);
        assert_int_equal(result, depth <= JSON_MAX_DEPTH ? 0 : PA_ERR_INVALID);
        event_clear(&event);
        buffer_clear(&record);
    }
}

static void every_truncation_and_corruption_is_survived(void **state)
{
    (void)state;
    static const char record[] =
        "{\"headers\":{\"X-Port-Signature\":\"v1,\\u00e9\",\"k\":[1,-2.5e3,true,null]},\"payload\":{"
        "\"action\":"
        "{\"invocationMethod\":{\"type\":\"GITLAB\",\"url\":\"\xf0\x9f\x9a\x80\\ud83d\\ude80\"}}}}";
    struct event event;
    struct error err = {0};
    for (size_t len = 0; len < sizeof record - 1; len++) {
        assert_int_equal(parse(EVENT_RUN, record, len, &event, &err), PA_ERR_INVALID);
        event_clear(&event);
    }
    char copy[sizeof record];
    for (size_t i = 0; i < sizeof record - 1; i++) {
        for (int c = 0; c < 256; c++) {
            memcpy(copy, record, sizeof record);
            copy[i] = (char)c;
            parse(EVENT_RUN, copy, sizeof record - 1, &event, &err);
            event_clear(&event);
        }
    }
}

/** `timestamp` is JSON: what stands in the record. `signed_as` is what Port hashed. */
static enum signature_verdict verdict_of(const char *timestamp, const char *signed_as)
{
    static const char payload[] = "{\"context\":{\"runId\":\"r_1\"},\"headers\":{}}";
    struct signer *signer = signer_new(SLICE_LITERAL("k"));
    char signature[SIGNATURE_SIZE];
    assert_int_equal(signer_sign_text(signer, slice_of(signed_as), SLICE_LITERAL(payload), signature), 0);
    struct buffer record = {0};
    buffer_appendf(&record,
                   "{\"context\":{\"runId\":\"r_1\"},"
                   "\"headers\":{\"X-Port-Signature\":\"%s\",\"X-Port-Timestamp\": %s }}",
                   signature, timestamp);
    struct event event;
    struct error err = {0};
    assert_int_equal(parse(EVENT_RUN, record.ptr, record.len, &event, &err), 0);
    assert_true(slice_equal_text(buffer_slice(&event.payload), payload));
    enum signature_verdict verdict = signer_verify(signer, &event);
    event_clear(&event);
    buffer_clear(&record);
    signer_free(signer);
    return verdict;
}

static void a_timestamp_is_a_text_or_a_number_of_whole_seconds(void **state)
{
    (void)state;
    static const char *const good[][2] = {{"1713277889", "1713277889"},
                                          {"\"1713277889\"", "1713277889"},
                                          {"0", "0"},
                                          {"\"17\\u00313277889\"", "1713277889"},
                                          {"999999999999999999", "999999999999999999"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(verdict_of(good[i][0], good[i][1]), SIGNATURE_VALID);
    /* Each is signed as it stands there, so nothing but its form is wrong. */
    static const char *const malformed[][2] = {{"1713277889.0", "1713277889.0"},
                                               {"1713277889.5", "1713277889.5"},
                                               {"-1713277889", "-1713277889"},
                                               {"-0", "-0"},
                                               {"1.713277889e9", "1.713277889e9"},
                                               {"17132778890E-1", "17132778890E-1"},
                                               {"1000000000000000000", "1000000000000000000"},
                                               {"\"\"", ""},
                                               {"\" 1713277889\"", " 1713277889"},
                                               {"\"1713277889\\n\"", "1713277889\n"},
                                               {"\"+1713277889\"", "+1713277889"},
                                               {"\"0x661e8e41\"", "0x661e8e41"},
                                               {"\"2024-04-16T14:31:29Z\"", "2024-04-16T14:31:29Z"},
                                               {"\"\u0661\"", "\u0661"},
                                               {"true", "true"},
                                               {"null", "null"},
                                               {"[1713277889]", "1713277889"},
                                               {"{\"s\":1}", "1"}};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        if (verdict_of(malformed[i][0], malformed[i][1]) != SIGNATURE_MALFORMED)
            fail_msg("%s", malformed[i][0]);
    assert_int_equal(verdict_of("1713277889", "1713277890"), SIGNATURE_WRONG);
}

static void missing_is_told_from_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        enum signature_verdict verdict;
    } cases[] = {
        {"{}", SIGNATURE_MISSING},
        {"{\"headers\":{\"X-Port-Signature\":\"v1,x\"}}", SIGNATURE_MISSING},
        {"{\"headers\":{\"X-Port-Timestamp\":\"1\"}}", SIGNATURE_MISSING},
        {"{\"headers\":{\"X-Port-Timestamp\":\"1\",\"X-Port-Signature\":7}}", SIGNATURE_WRONG},
        {"{\"headers\":{\"X-Port-Timestamp\":1,\"X-Port-Signature\":\"v1,x\"}}", SIGNATURE_WRONG},
        {"{\"headers\":{\"X-Port-Timestamp\":null,\"X-Port-Signature\":\"v1,x\"}}", SIGNATURE_MALFORMED},
        {"{\"headers\":{\"X-Port-Timestamp\":\"1\",\"X-Port-Signature\":\"v1,x\"}}", SIGNATURE_WRONG}};
    struct signer *signer = signer_new(SLICE_LITERAL("k"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct event event;
        struct error err = {0};
        assert_int_equal(parse(EVENT_RUN, cases[i].record, strlen(cases[i].record), &event, &err), 0);
        assert_int_equal(signer_verify(signer, &event), cases[i].verdict);
        event_clear(&event);
    }
    signer_free(signer);
}

static void run_ids_are_checked_before_they_reach_a_path(void **state)
{
    (void)state;
    assert_true(run_id_is_usable(SLICE_LITERAL("r_HardNzG6kzc9vWOQ")));
    assert_true(run_id_is_node_run(SLICE_LITERAL("wfnr_1")));
    assert_false(run_id_is_node_run(SLICE_LITERAL("r_wfnr_1")));
    static const char *const bad[] = {"",         "..", "a/b", "a?b", "a b", "a%2f", "\n",
                                      "\xc3\xa9", ".a", "a@",  "a[",  "a`",  "a{",   "a:"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(run_id_is_usable(slice_of(bad[i])));
    enum { LONGEST = 128 };
    static char longest[LONGEST + 1];
    memset(longest, 'a', sizeof longest);
    assert_true(run_id_is_usable((struct slice){longest, LONGEST}));
    assert_false(run_id_is_usable((struct slice){longest, LONGEST + 1}));
    static const char *const good[] = {"a.", "-", "_", "~", "az", "AZ", "09"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(run_id_is_usable(slice_of(good[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_vector_gets_its_answer),
        cmocka_unit_test(strings_are_written_as_stringify_writes_them),
        cmocka_unit_test(numbers_stay_as_written_and_blanks_go),
        cmocka_unit_test(the_signature_members_leave_no_trace),
        cmocka_unit_test(gitlab_loses_its_headers_wherever_they_stand),
        cmocka_unit_test(what_decides_is_found),
        cmocka_unit_test(the_last_of_two_members_counts),
        cmocka_unit_test(bad_records_say_what_is_wrong),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(every_truncation_and_corruption_is_survived),
        cmocka_unit_test(a_type_that_a_member_cannot_have_is_named),
        cmocka_unit_test(what_cannot_say_whose_run_it_is_is_told),
        cmocka_unit_test(what_is_known_of_a_member_is_of_its_last),
        cmocka_unit_test(members_that_decide_come_once),
        cmocka_unit_test(truth_is_as_python_has_it),
        cmocka_unit_test(members_that_cannot_be_sent_are_marked),
        cmocka_unit_test(an_event_with_the_other_topics_method_is_marked),
        cmocka_unit_test(missing_is_told_from_wrong),
        cmocka_unit_test(a_timestamp_is_a_text_or_a_number_of_whole_seconds),
        cmocka_unit_test(run_ids_are_checked_before_they_reach_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
